//! What a warehouse answers to the queries of a comparison.

use super::Comparison;

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// The rows of the model, and of what it is compared with.
    pub rows: [u64; 2],
    /// Rows of one side that the other lacks.
    pub only: [u64; 2],
    /// Keys that one side has several times.
    pub repeated: [u64; 2],
    /// Keys that both have, one of them several times, so that nothing is compared.
    pub unmatched: u64,
    /// Rows that both have once, or where rows are counted as often.
    pub matched: u64,
    /// Of these, rows in which some value differs.
    pub differing: u64,
    /// What differs in each column, in order.
    pub columns: Vec<ColumnCounts>,
}

/// How a column compares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnCounts {
    /// Its name.
    pub column: String,
    /// The rows in which its values do not agree.
    pub differing: u64,
    /// The greatest difference of its numbers, those that agree included.
    pub greatest: Option<String>,
    /// The sum of its numbers on either side, where that was asked for.
    pub sums: [Option<String>; 2],
}

/// A row that does not agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DifferingRow {
    /// The values of the keys, in order; none is NULL.
    pub key: Vec<Option<String>>,
    /// How often each side has it.
    pub rows: [u64; 2],
    /// The values that differ; empty if the row stands on one side only, or several times.
    pub values: Vec<DifferingValue>,
}

/// A value that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DifferingValue {
    /// The place of its column among those that are compared.
    pub column: usize,
    /// What the model has, and what the other side; none is NULL.
    pub values: [Option<String>; 2],
    /// How far the two lie apart, where they are numbers.
    pub difference: Option<String>,
}

impl Counts {
    /// Rows that both sides have, and that agree.
    #[must_use]
    pub fn agreeing(&self) -> u64 {
        self.matched.saturating_sub(self.differing)
    }

    /// Rows of either side, those that both have counted once.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.matched + self.only[0] + self.only[1] + self.unmatched
    }

    /// Whether both sides hold the same rows, each once.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.only == [0, 0] && self.repeated == [0, 0] && self.unmatched == 0 && self.differing == 0
    }
}

impl Comparison {
    /// Reads the row of [`Comparison::counts_sql`]; `value` gives the value of a column, whose name a warehouse may have
    /// written in capitals. None where the answer is another.
    #[must_use]
    pub fn counts(&self, value: impl Fn(&str) -> Option<String>) -> Option<Counts> {
        // A sum of no rows is NULL.
        let number = |name: &str| match value(name) {
            None => Some(0),
            Some(text) => parse_count(&text),
        };
        // This alone is never NULL: without it there is no answer.
        value("compared").and_then(|text| parse_count(&text))?;
        let of_groups = |name: &str| if self.counts_rows { Some(0) } else { number(name) };
        let sums =
            |of: &str| ["ours", "theirs"].map(|side| value(&format!("sum_{side}_{of}")).map(|text| plain(&text)));
        let column = |(place, column): (usize, &super::BothHave)| {
            Some(ColumnCounts {
                column: column.name.clone(),
                differing: number(&format!("differing_{place}"))?,
                greatest: value(&format!("greatest_{place}")).map(|text| plain(&text)),
                sums: sums(&place.to_string()),
            })
        };
        let summed_keys = self.keys.iter().enumerate().filter(|_| self.sums && self.counts_rows);
        let key = |(place, key): (usize, &super::BothHave)| {
            Some(ColumnCounts {
                column: key.name.clone(),
                sums: sums(&format!("key_{place}")),
                ..ColumnCounts::default()
            })
        };
        let columns = self.columns.iter().enumerate().map(column).chain(summed_keys.map(key));
        Some(Counts {
            rows: [number("rows_ours")?, number("rows_theirs")?],
            only: [number("only_ours")?, number("only_theirs")?],
            repeated: [of_groups("repeated_ours")?, of_groups("repeated_theirs")?],
            unmatched: of_groups("unmatched")?,
            matched: number("matched")?,
            differing: if self.columns.is_empty() { 0 } else { number("differing")? },
            columns: columns.collect::<Option<_>>()?,
        })
    }

    /// Reads a row of [`Comparison::rows_sql`], likewise.
    #[must_use]
    pub fn row(&self, value: impl Fn(&str) -> Option<String>) -> Option<DifferingRow> {
        let number = |name: &str| parse_count(&value(name)?);
        let rows = [number("in_ours_text")?, number("in_theirs_text")?];
        let mut values = Vec::new();
        for column in 0..self.columns.len() {
            if number(&format!("differs_{column}_text"))? == 1 {
                let of = |side: &str| value(&format!("{side}_{column}_text"));
                let difference = value(&format!("apart_{column}_text")).map(|text| plain(&text));
                values.push(DifferingValue { column, values: [of("ours"), of("theirs")], difference });
            }
        }
        let key = (0..self.keys.len()).map(|place| value(&format!("key_{place}_text"))).collect();
        Some(DifferingRow { key, rows, values })
    }
}

/// A count, which some warehouses write as a decimal.
fn parse_count(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits =
        text.split_once('.').map_or(text, |(whole, rest)| if rest.trim_matches('0').is_empty() { whole } else { text });
    digits.parse().ok()
}

/// A number without trailing zeros.
fn plain(text: &str) -> String {
    if !text.contains('.') || text.contains(['e', 'E']) {
        return text.to_owned();
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_numbers() {
        for (text, expected) in [("10", Some(10)), ("10.000", Some(10)), ("1.5", None), ("-1", None), ("", None)] {
            assert_eq!(parse_count(text), expected, "{text}");
        }
        assert_eq!(["20.50", "0.0", "100", "1e-05"].map(plain), ["20.5", "0", "100", "1e-05"]);
    }

    #[test]
    fn nothing_on_both_sides_agrees_and_an_answer_of_another_shape_is_none() {
        let spec = "model: m\nfrom: t\ngroup_by: a\ndefinitions: n = COUNT()\n";
        let comparison = crate::Compiler::default().compile_spec(spec).beside_formula().unwrap_or_else(|| panic!());
        let counts = comparison.counts(|name| (name == "compared").then(|| "0".to_owned())).unwrap_or_default();
        assert!(counts.agrees() && counts.all() == 0);
        assert_eq!(comparison.counts(|_| None), None);
        assert_eq!(comparison.counts(|_| Some("no number".to_owned())), None);
        assert_eq!(comparison.row(|_| None), None);
    }
}
