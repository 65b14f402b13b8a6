//! Results that the warehouse returns for the comparison queries.

use super::Comparison;

/// Row counts of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Numbers of rows in the model and in the relation with which it is compared.
    pub rows: [u64; 2],
    /// Number of rows that exist on only one side.
    pub only_on_side: [u64; 2],
    /// Number of keys that occur several times on one side.
    pub repeated: [u64; 2],
    /// Number of keys that occur on both sides, but several times on at least one side. Rows with these keys are not
    /// compared.
    pub unmatched: u64,
    /// Number of rows whose key occurs exactly once on each side. If there is no key, the number of equal rows on both
    /// sides.
    pub matched: u64,
    /// Number of matched rows in which at least one value differs.
    pub differing: u64,
    /// Differences in each column, in order.
    pub columns: Vec<ColumnCounts>,
}

/// Comparison result of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnCounts {
    /// Name of the column.
    pub column: String,
    /// Number of rows in which the values do not agree.
    pub differing: u64,
    /// Largest difference of numbers, including values that agree within the tolerance.
    pub greatest: Option<String>,
    /// Sum of the numbers on each side, if requested.
    pub sums: [Option<String>; 2],
}

/// Row that differs between the sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowDifference {
    /// Values of the key columns, in order. `None` is NULL.
    pub key: Vec<Option<String>>,
    /// Number of rows with this key on each side.
    pub rows: [u64; 2],
    /// Differing values. Empty if the row exists on only one side, or several times on a side.
    pub values: Vec<ValueDifference>,
}

/// Value that differs between the sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueDifference {
    /// Index of the column among the compared columns.
    pub column: usize,
    /// Values on the model's side and on the other side. `None` is NULL.
    pub values: [Option<String>; 2],
    /// Difference of the values, if they are numbers.
    pub difference: Option<String>,
}

impl Counts {
    /// Returns the number of rows that exist on both sides and agree.
    #[must_use]
    pub fn agreeing_rows(&self) -> u64 {
        self.matched.saturating_sub(self.differing)
    }

    /// Returns the total number of rows. Rows that exist on both sides are counted once.
    #[must_use]
    pub fn total_rows(&self) -> u64 {
        self.matched + self.only_on_side[0] + self.only_on_side[1] + self.unmatched
    }

    /// Returns whether both sides have the same rows and no key occurs more than once.
    #[must_use]
    pub fn is_agreement(&self) -> bool {
        self.only_on_side == [0, 0] && self.repeated == [0, 0] && self.unmatched == 0 && self.differing == 0
    }
}

impl Comparison {
    /// Parses the result row of [`Comparison::counts_sql`]. `value` returns the value of a column by its lower-case
    /// name, which the warehouse may have changed to upper case. Returns `None` if the row has a different format.
    #[must_use]
    pub fn parse_counts(&self, value: impl Fn(&str) -> Option<String>) -> Option<Counts> {
        // A sum over no rows is NULL, which is interpreted as 0.
        let number = |name: &str| match value(name) {
            None => Some(0),
            Some(text) => parse_count(&text),
        };
        // `compared` is the only count that is never NULL. If `compared` is missing, the row is not a result.
        value("compared").and_then(|text| parse_count(&text))?;
        let of_groups = |name: &str| if self.counts_rows { Some(0) } else { number(name) };
        let sums = |suffix: &str| {
            ["ours", "theirs"]
                .map(|side| value(&format!("sum_{side}_{suffix}")).map(|text| without_trailing_zeros(&text)))
        };
        let column = |(index, column): (usize, &super::SharedColumn)| {
            Some(ColumnCounts {
                column: column.name.clone(),
                differing: number(&format!("differing_{index}"))?,
                greatest: value(&format!("greatest_{index}")).map(|text| without_trailing_zeros(&text)),
                sums: sums(&index.to_string()),
            })
        };
        let summed_keys = self.keys.iter().enumerate().filter(|_| self.sums && self.counts_rows);
        let key = |(index, key): (usize, &super::SharedColumn)| {
            Some(ColumnCounts {
                column: key.name.clone(),
                sums: sums(&format!("key_{index}")),
                ..ColumnCounts::default()
            })
        };
        let columns = self.columns.iter().enumerate().map(column).chain(summed_keys.map(key));
        Some(Counts {
            rows: [number("rows_ours")?, number("rows_theirs")?],
            only_on_side: [number("only_ours")?, number("only_theirs")?],
            repeated: [of_groups("repeated_ours")?, of_groups("repeated_theirs")?],
            unmatched: of_groups("unmatched")?,
            matched: number("matched")?,
            differing: if self.columns.is_empty() {
                0
            } else {
                number("differing")?
            },
            columns: columns.collect::<Option<_>>()?,
        })
    }

    /// Parses a result row of [`Comparison::rows_sql`]. The parameter `value` is the same as in
    /// [`Comparison::parse_counts`].
    #[must_use]
    pub fn parse_row(&self, value: impl Fn(&str) -> Option<String>) -> Option<RowDifference> {
        let number = |name: &str| parse_count(&value(name)?);
        let rows = [number("in_ours_text")?, number("in_theirs_text")?];
        let mut values = Vec::new();
        for column in 0..self.columns.len() {
            if number(&format!("differs_{column}_text"))? == 1 {
                let side_value = |side: &str| value(&format!("{side}_{column}_text"));
                let difference = value(&format!("apart_{column}_text")).map(|text| without_trailing_zeros(&text));
                values.push(ValueDifference {
                    column,
                    values: [side_value("ours"), side_value("theirs")],
                    difference,
                });
            }
        }
        let key = (0..self.keys.len())
            .map(|index| value(&format!("key_{index}_text")))
            .collect();
        Some(RowDifference { key, rows, values })
    }
}

/// Parses a count, which some warehouses return as a decimal.
fn parse_count(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.split_once('.').map_or(text, |(integer, rest)| {
        if rest.trim_matches('0').is_empty() {
            integer
        } else {
            text
        }
    });
    digits.parse().ok()
}

/// Removes trailing zeros from a number.
fn without_trailing_zeros(text: &str) -> String {
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
        for (text, expected) in [
            ("10", Some(10)),
            ("10.000", Some(10)),
            ("1.5", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(parse_count(text), expected, "{text}");
        }
        assert_eq!(
            ["20.50", "0.0", "100", "1e-05"].map(without_trailing_zeros),
            ["20.5", "0", "100", "1e-05"]
        );
    }

    #[test]
    fn empty_sides_agree_and_invalid_answers_are_none() {
        let spec = "model: m\nfrom: t\ngroup_by: a\ndefinitions: n = COUNT()\n";
        let comparison = crate::Compiler::default()
            .compile_spec(spec)
            .formula_comparison()
            .unwrap_or_else(|| panic!());
        let counts = comparison
            .parse_counts(|name| (name == "compared").then(|| "0".to_owned()))
            .unwrap_or_default();
        assert!(counts.is_agreement() && counts.total_rows() == 0);
        assert_eq!(comparison.parse_counts(|_| None), None);
        assert_eq!(comparison.parse_counts(|_| Some("no number".to_owned())), None);
        assert_eq!(comparison.parse_row(|_| None), None);
    }
}
