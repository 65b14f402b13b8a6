//! Queries of a comparison, in SQL that every warehouse supports. The queries combine the rows of both sides in a union
//! and group them by the keys. A full join would be an alternative, but not every warehouse supports it on keys that
//! may be NULL. Grouping also treats NULLs as equal, counts the rows per key, and needs only one pass.

use std::fmt::Write as _;

use super::{
    AgreementRule, Comparison, ComparisonReader, FLOAT_TOLERANCE, RelationSide, RowSource, SharedColumn, SqlTexts,
};
use crate::Type;
use crate::dbt;
use crate::dialect::Dialect;
use crate::schema::Column;

/// Names of the CTEs. A prefix prevents collisions with tables that a formula reads. For the same reason, the CTE with
/// the formula comes first, before the other names are defined.
const THEIRS_CTE: &str = "formulac_theirs";
const OURS_CTE: &str = "formulac_ours";
const BOTH_CTE: &str = "formulac_both";
const ROWS_CTE: &str = "formulac_rows";
const DIFFERENCES_CTE: &str = "formulac_judged";

/// Constant that serves as the key of a model with at most one row.
const CONSTANT_KEY: &str = "1";

/// Returns a query that counts the rows of the formula and the non-NULL values of each column.
pub(super) fn count_sql(dialect: Dialect, rows: &RowSource, columns: &[Column], reader: ComparisonReader) -> String {
    let mut out = format!(
        "with {THEIRS_CTE} as (\n{}\n)\nselect\n    count(*) as counted",
        rows.rows_query(dialect, reader)
    );
    for (number, column) in columns.iter().enumerate() {
        let name = column.sql_name(dialect);
        let _ = write!(
            out,
            ",\n    count({}) as counted_{number}",
            escape_for_reader(&name, reader)
        );
    }
    let _ = writeln!(out, "\nfrom {THEIRS_CTE}");
    out
}

/// Escapes user text for dbt if needed.
fn escape_for_reader(text: &str, reader: ComparisonReader) -> String {
    match reader {
        ComparisonReader::Dbt => dbt::escape_jinja(text),
        ComparisonReader::Tables => text.to_owned(),
    }
}

impl SqlTexts {
    fn sql_for_reader(&self, reader: ComparisonReader) -> &str {
        match reader {
            ComparisonReader::Dbt => &self.dbt,
            ComparisonReader::Tables => &self.plain,
        }
    }
}

impl Comparison {
    /// Returns a query for one row of counts, as strings, for [`Comparison::parse_counts`].
    #[must_use]
    pub fn counts_sql(&self, reader: ComparisonReader) -> String {
        let mut out = self.difference_ctes(reader);
        let text = self.dialect.type_name(Type::Text);
        let mut items: Vec<String> = Vec::new();
        let mut item = |expr: &str, name: &str| items.push(format!("cast({expr} as {text}) as {name}"));
        item("count(*)", "compared");
        item("sum(in_ours)", "rows_ours");
        item("sum(in_theirs)", "rows_theirs");
        if self.counts_rows {
            item(
                "sum(case when in_ours > in_theirs then in_ours - in_theirs else 0 end)",
                "only_ours",
            );
            item(
                "sum(case when in_theirs > in_ours then in_theirs - in_ours else 0 end)",
                "only_theirs",
            );
            item(
                "sum(case when in_ours < in_theirs then in_ours else in_theirs end)",
                "matched",
            );
        } else {
            item("sum(case when in_theirs = 0 then in_ours else 0 end)", "only_ours");
            item("sum(case when in_ours = 0 then in_theirs else 0 end)", "only_theirs");
            item(
                "sum(case when in_ours = 1 and in_theirs = 1 then 1 else 0 end)",
                "matched",
            );
            item("sum(case when in_ours > 1 then 1 else 0 end)", "repeated_ours");
            item("sum(case when in_theirs > 1 then 1 else 0 end)", "repeated_theirs");
            item(
                "sum(case when in_ours > 0 and in_theirs > 0 and in_ours + in_theirs > 2 then 1 else 0 end)",
                "unmatched",
            );
        }
        if !self.columns.is_empty() {
            item(
                &format!("sum(case when {} > 0 then 1 else 0 end)", self.difference_count_sql()),
                "differing",
            );
        }
        for (number, column) in self.columns.iter().enumerate() {
            item(&format!("sum(differs_{number})"), &format!("differing_{number}"));
            if self.is_number(column) {
                item(&format!("max(apart_{number})"), &format!("greatest_{number}"));
            }
            if self.is_summed(column) {
                item(&format!("sum(sum_ours_{number})"), &format!("sum_ours_{number}"));
                item(&format!("sum(sum_theirs_{number})"), &format!("sum_theirs_{number}"));
            }
        }
        // If there is no key, all columns form the key, and a sum contains each row as often as it occurs.
        for (number, key) in self.keys.iter().enumerate().filter(|_| self.counts_rows) {
            if self.is_summed(key) {
                for side in ["ours", "theirs"] {
                    item(
                        &format!("sum(case when in_{side} > 0 then key_{number} * in_{side} end)"),
                        &format!("sum_{side}_key_{number}"),
                    );
                }
            }
        }
        let _ = writeln!(out, "select\n    {}\nfrom {DIFFERENCES_CTE}", items.join(",\n    "));
        out
    }

    /// Returns a query for the rows that differ, as strings, for [`Comparison::parse_row`]. The largest numeric
    /// differences come first, followed by other differences, rows on only one side, and duplicate keys. The caller
    /// must add a limit.
    #[must_use]
    pub fn rows_sql(&self, reader: ComparisonReader) -> String {
        let mut out = self.difference_ctes(reader);
        let text = self.dialect.type_name(Type::Text);
        let as_text = |expr: &str, name: &str| format!("cast({expr} as {text}) as {name}_text");
        let mut items = vec![as_text("in_ours", "in_ours"), as_text("in_theirs", "in_theirs")];
        for (number, key) in self.keys.iter().enumerate() {
            items.push(as_text(
                &display_column(key, &format!("key_{number}")),
                &format!("key_{number}"),
            ));
        }
        for (number, column) in self.columns.iter().enumerate() {
            items.push(as_text(&format!("differs_{number}"), &format!("differs_{number}")));
            for side in ["ours", "theirs"] {
                items.push(as_text(
                    &display_column(column, &format!("{side}_{number}")),
                    &format!("{side}_{number}"),
                ));
            }
            if self.is_number(column) {
                items.push(as_text(&format!("apart_{number}"), &format!("apart_{number}")));
            }
        }
        let mut condition = "in_ours <> in_theirs".to_owned();
        let mut order = vec![format!("case when {} then 0 else 1 end", self.matched_condition())];
        if !self.counts_rows {
            condition = "in_ours <> 1 or in_theirs <> 1".to_owned();
            order.push("case when in_ours = 0 or in_theirs = 0 then 0 else 1 end".to_owned());
        }
        if !self.columns.is_empty() {
            let _ = write!(condition, " or {} > 0", self.difference_count_sql());
        }
        if let Some(largest) = self.largest_difference() {
            order.insert(1, format!("{largest} desc"));
        }
        order.extend((0..self.keys.len()).map(|number| format!("key_{number}")));
        let _ = writeln!(
            out,
            "select\n    {}\nfrom {DIFFERENCES_CTE}\nwhere {condition}\norder by\n    {}",
            items.join(",\n    "),
            order.join(",\n    ")
        );
        out
    }

    /// Returns an SQL condition for rows whose values can be compared. The key of the row occurs exactly once on each
    /// side or, if there is no key, equally often on both sides.
    fn matched_condition(&self) -> &'static str {
        if self.counts_rows {
            "in_ours = in_theirs"
        } else {
            "in_ours = 1 and in_theirs = 1"
        }
    }

    /// Returns SQL for the number of differing columns in a row.
    fn difference_count_sql(&self) -> String {
        let terms: Vec<String> = (0..self.columns.len())
            .map(|number| format!("differs_{number}"))
            .collect();
        terms.join(" + ")
    }

    /// Returns SQL for the largest difference among the differing numbers of a row.
    fn largest_difference(&self) -> Option<String> {
        let float = self.dialect.type_name(Type::Float);
        let numbers = self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| self.is_number(column));
        let apart = numbers.map(|(number, _)| {
            format!("coalesce(case when differs_{number} = 1 then cast(apart_{number} as {float}) end, 0)")
        });
        let apart: Vec<String> = apart.collect();
        match apart.as_slice() {
            [] => None,
            [difference] => Some(difference.clone()),
            differences => Some(format!("greatest({})", differences.join(", "))),
        }
    }

    fn is_summed(&self, column: &SharedColumn) -> bool {
        self.sums && column.ty().is_number()
    }

    /// Returns whether the difference between two values is a number.
    fn is_number(&self, column: &SharedColumn) -> bool {
        column.ty().is_number() || self.column_agreement(column) != AgreementRule::Exact
    }

    /// Returns the CTEs of a comparison. The last CTE has one row per key, with the differences.
    fn difference_ctes(&self, reader: ComparisonReader) -> String {
        let [ours, theirs] = self
            .sides
            .each_ref()
            .map(|side| side.rows.rows_query(self.dialect, reader));
        let mut out = format!("with {THEIRS_CTE} as (\n{theirs}\n),\n{OURS_CTE} as (\n{ours}\n),\n{BOTH_CTE} as (\n");
        for side in RelationSide::BOTH {
            if side == RelationSide::Theirs {
                out.push_str("union all\n");
            }
            self.write_side_query(side, reader, &mut out);
        }
        let keys: Vec<String> = (0..self.keys.len().max(1))
            .map(|number| format!("key_{number}"))
            .collect();
        let mut items = keys.clone();
        items.extend(["ours", "theirs"].map(|side| format!("sum(in_{side}) as in_{side}")));
        for (number, column) in self.columns.iter().enumerate() {
            // `max` returns the only value of each side. Several values on a side are not compared.
            items.extend(["ours", "theirs"].map(|side| format!("max({side}_{number}) as {side}_{number}")));
            if self.is_summed(column) {
                items.extend(["ours", "theirs"].map(|side| format!("sum({side}_{number}) as sum_{side}_{number}")));
            }
        }
        let _ = writeln!(
            out,
            "),\n{ROWS_CTE} as (\nselect\n    {}\nfrom {BOTH_CTE}\ngroup by {}\n),",
            items.join(",\n    "),
            keys.join(", ")
        );
        let mut items = vec!["*".to_owned()];
        for (number, column) in self.columns.iter().enumerate() {
            let match_condition = self.matched_condition();
            let differs = self.difference_condition(column, number);
            items.push(format!(
                "case when {match_condition} and ({differs}) then 1 else 0 end as differs_{number}"
            ));
            if self.is_number(column) {
                // Without the condition, the difference of two equal infinities would be NaN.
                let distinct = self.distinct_condition(&format!("ours_{number}"), &format!("theirs_{number}"));
                items.push(format!(
                    "case when {match_condition} then case when {distinct} then abs(ours_{number} - theirs_{number}) else 0 end \
                     end as apart_{number}"
                ));
            }
        }
        let _ = writeln!(
            out,
            "{DIFFERENCES_CTE} as (\nselect\n    {}\nfrom {ROWS_CTE}\n)",
            items.join(",\n    ")
        );
        out
    }

    /// Writes a query for the rows of one side. Each side has separate columns, which are NULL in the rows of the other
    /// side, so that the types of the sides are not mixed.
    fn write_side_query(&self, side: RelationSide, reader: ComparisonReader, output: &mut String) {
        let relation = side.value_of(&self.sides);
        let mut items = Vec::new();
        let column_sql = |column: &SharedColumn| {
            let name: &String = side.value_of(&column.written);
            let name = escape_for_reader(name, reader);
            // Not every warehouse supports `max` of a boolean.
            if column.ty() == Type::Boolean {
                format!("case when {name} then 1 when not {name} then 0 end")
            } else {
                name
            }
        };
        if self.keys.is_empty() {
            items.push(format!("{CONSTANT_KEY} as key_0"));
        }
        for (number, key) in self.keys.iter().enumerate() {
            items.push(format!("{} as key_{number}", column_sql(key)));
        }
        let is_in = |other_side: RelationSide| u8::from(other_side == side);
        items.push(format!("{} as in_ours", is_in(RelationSide::Ours)));
        items.push(format!("{} as in_theirs", is_in(RelationSide::Theirs)));
        for (number, column) in self.columns.iter().enumerate() {
            let value = column_sql(column);
            let [ours, theirs] = match side {
                RelationSide::Ours => [value.as_str(), "null"],
                RelationSide::Theirs => ["null", value.as_str()],
            };
            items.extend([
                format!("{ours} as ours_{number}"),
                format!("{theirs} as theirs_{number}"),
            ]);
        }
        let cte = if side == RelationSide::Ours {
            OURS_CTE
        } else {
            THEIRS_CTE
        };
        let _ = write!(output, "select\n    {}\nfrom {cte}", items.join(",\n    "));
        if let Some(alias) = &relation.alias {
            let _ = write!(output, " as {}", escape_for_reader(alias, reader));
        }
        if let Some(filter) = &relation.filter {
            let _ = write!(output, "\nwhere {}", filter.sql_for_reader(reader));
        }
        output.push('\n');
    }

    /// Returns an SQL condition that is true if two values are not equal, or if exactly one of them is NULL.
    fn distinct_condition(&self, left: &str, right: &str) -> String {
        if self.dialect.facts().is_distinct_from {
            format!("{left} is distinct from {right}")
        } else {
            format!("({left} <> {right} or ({left} is null) <> ({right} is null))")
        }
    }

    /// Returns an SQL condition that is true if two values differ. NULL agrees only with NULL, and NaN only with NaN.
    /// The condition negates the comparison of close values, because in some engines no comparison with NaN is true.
    fn difference_condition(&self, column: &SharedColumn, number: usize) -> String {
        let (ours, theirs) = (format!("ours_{number}"), format!("theirs_{number}"));
        let near = match self.column_agreement(column) {
            AgreementRule::Exact => return self.distinct_condition(&ours, &theirs),
            AgreementRule::Within(tolerance) => format!("abs({ours} - {theirs}) <= {tolerance}"),
            // Use `<` instead of `<=`, because both sides of `<=` would be infinite and therefore equal for an infinite
            // value.
            AgreementRule::Close => {
                format!("abs({ours} - {theirs}) < {FLOAT_TOLERANCE} * greatest(1, abs({ours}), abs({theirs}))")
            }
        };
        let distinct = self.distinct_condition(&ours, &theirs);
        format!("{distinct} and ({ours} is null or {theirs} is null or not {near})")
    }
}

/// Returns SQL for displaying a value. Booleans that were converted to numbers are converted back.
fn display_column(column: &SharedColumn, name: &str) -> String {
    match column.ty() {
        Type::Boolean => format!("case {name} when 1 then 'true' when 0 then 'false' end"),
        _ => name.to_owned(),
    }
}
