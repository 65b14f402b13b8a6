//! The queries of a comparison, in a form that every warehouse takes: the rows of both sides below each other, grouped by
//! the keys. Grouping puts NULLs together, counts rows of one key, and is one pass over both, which no full join on keys
//! that may be NULL is everywhere.

use std::fmt::Write as _;

use super::{Agreement, BothHave, CLOSE, Comparison, ComparisonReader, RelationSide, RowSource, Texts};
use crate::Type;
use crate::dbt;
use crate::dialect::Dialect;
use crate::schema::Column;

/// The CTEs. What a formula reads must not be called like them, so they have names that no table has; and the formula
/// stands first, where it sees none of them.
const THEIRS: &str = "formulac_theirs";
const OURS: &str = "formulac_ours";
const BOTH: &str = "formulac_both";
const ROWS: &str = "formulac_rows";
const JUDGED: &str = "formulac_judged";

/// What stands in the place of the keys of a model of one row.
const ONE: &str = "1";

/// Counts what the formula gives, each column of it too.
pub(super) fn counted(dialect: Dialect, rows: &RowSource, columns: &[Column], reader: ComparisonReader) -> String {
    let mut out = format!("with {THEIRS} as (\n{}\n)\nselect\n    count(*) as counted", rows.select(dialect, reader));
    for (number, column) in columns.iter().enumerate() {
        let name = dialect.name_text(column.name(), !column.is_quoted());
        let _ = write!(out, ",\n    count({}) as counted_{number}", literal_for(&name, reader));
    }
    let _ = writeln!(out, "\nfrom {THEIRS}");
    out
}

/// A text of people as the reader takes it.
fn literal_for(text: &str, reader: ComparisonReader) -> String {
    match reader {
        ComparisonReader::Dbt => dbt::protect(text),
        ComparisonReader::Tables => text.to_owned(),
    }
}

impl Texts {
    fn text_for(&self, reader: ComparisonReader) -> &str {
        match reader {
            ComparisonReader::Dbt => &self.dbt,
            ComparisonReader::Tables => &self.plain,
        }
    }
}

impl Comparison {
    /// A query that gives one row of counts, as texts: [`Comparison::counts`] reads it.
    #[must_use]
    pub fn counts_sql(&self, reader: ComparisonReader) -> String {
        let mut out = self.judged(reader);
        let text = self.dialect.type_name(Type::Text);
        let mut items: Vec<String> = Vec::new();
        let mut item = |expr: &str, name: &str| items.push(format!("cast({expr} as {text}) as {name}"));
        item("count(*)", "compared");
        item("sum(in_ours)", "rows_ours");
        item("sum(in_theirs)", "rows_theirs");
        if self.counts_rows {
            item("sum(case when in_ours > in_theirs then in_ours - in_theirs else 0 end)", "only_ours");
            item("sum(case when in_theirs > in_ours then in_theirs - in_ours else 0 end)", "only_theirs");
            item("sum(case when in_ours < in_theirs then in_ours else in_theirs end)", "matched");
        } else {
            item("sum(case when in_theirs = 0 then in_ours else 0 end)", "only_ours");
            item("sum(case when in_ours = 0 then in_theirs else 0 end)", "only_theirs");
            item("sum(case when in_ours = 1 and in_theirs = 1 then 1 else 0 end)", "matched");
            item("sum(case when in_ours > 1 then 1 else 0 end)", "repeated_ours");
            item("sum(case when in_theirs > 1 then 1 else 0 end)", "repeated_theirs");
            item(
                "sum(case when in_ours > 0 and in_theirs > 0 and in_ours + in_theirs > 2 then 1 else 0 end)",
                "unmatched",
            );
        }
        if !self.columns.is_empty() {
            item(&format!("sum(case when {} > 0 then 1 else 0 end)", self.differences()), "differing");
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
        // Without a key all columns tell the rows apart, each row as often as it is there.
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
        let _ = writeln!(out, "select\n    {}\nfrom {JUDGED}", items.join(",\n    "));
        out
    }

    /// A query of the rows that do not agree, as texts, the worst first: those that differ most, those that differ in
    /// what is no number, those of one side, those of keys that are found several times. [`Comparison::row`] reads each of them.
    /// It has no limit; whoever runs it adds one.
    #[must_use]
    pub fn rows_sql(&self, reader: ComparisonReader) -> String {
        let mut out = self.judged(reader);
        let text = self.dialect.type_name(Type::Text);
        let as_text = |expr: &str, name: &str| format!("cast({expr} as {text}) as {name}_text");
        let mut items = vec![as_text("in_ours", "in_ours"), as_text("in_theirs", "in_theirs")];
        for (number, key) in self.keys.iter().enumerate() {
            items.push(as_text(&display_column(key, &format!("key_{number}")), &format!("key_{number}")));
        }
        for (number, column) in self.columns.iter().enumerate() {
            items.push(as_text(&format!("differs_{number}"), &format!("differs_{number}")));
            for side in ["ours", "theirs"] {
                items.push(as_text(&display_column(column, &format!("{side}_{number}")), &format!("{side}_{number}")));
            }
            if self.is_number(column) {
                items.push(as_text(&format!("apart_{number}"), &format!("apart_{number}")));
            }
        }
        let mut chosen = "in_ours <> in_theirs".to_owned();
        let mut order = vec![format!("case when {} then 0 else 1 end", self.is_matched())];
        if !self.counts_rows {
            chosen = "in_ours <> 1 or in_theirs <> 1".to_owned();
            order.push("case when in_ours = 0 or in_theirs = 0 then 0 else 1 end".to_owned());
        }
        if !self.columns.is_empty() {
            let _ = write!(chosen, " or {} > 0", self.differences());
        }
        if let Some(worst) = self.worst_rows() {
            order.insert(1, format!("{worst} desc"));
        }
        order.extend((0..self.keys.len()).map(|number| format!("key_{number}")));
        let _ = writeln!(
            out,
            "select\n    {}\nfrom {JUDGED}\nwhere {chosen}\norder by\n    {}",
            items.join(",\n    "),
            order.join(",\n    ")
        );
        out
    }

    /// Whether a row stands once on either side, so that its values can be compared.
    fn is_matched(&self) -> &'static str {
        if self.counts_rows { "in_ours = in_theirs" } else { "in_ours = 1 and in_theirs = 1" }
    }

    /// In how many columns a row differs.
    fn differences(&self) -> String {
        let all: Vec<String> = (0..self.columns.len()).map(|number| format!("differs_{number}")).collect();
        all.join(" + ")
    }

    /// The greatest difference of a row's numbers, of those that differ.
    fn worst_rows(&self) -> Option<String> {
        let float = self.dialect.type_name(Type::Float);
        let numbers = self.columns.iter().enumerate().filter(|(_, column)| self.is_number(column));
        let apart = numbers.map(|(number, _)| {
            format!("coalesce(case when differs_{number} = 1 then cast(apart_{number} as {float}) end, 0)")
        });
        let apart: Vec<String> = apart.collect();
        match apart.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            all => Some(format!("greatest({})", all.join(", "))),
        }
    }

    fn is_summed(&self, column: &BothHave) -> bool {
        self.sums && column.ty().is_number()
    }

    /// Whether the difference of two values is a number.
    fn is_number(&self, column: &BothHave) -> bool {
        column.ty().is_number() || self.agreement_of(column) != Agreement::Exact
    }

    /// The CTEs up to one row for each key, with what differs in it.
    fn judged(&self, reader: ComparisonReader) -> String {
        let [ours, theirs] = self.sides.each_ref().map(|side| side.rows.select(self.dialect, reader));
        let mut out = format!("with {THEIRS} as (\n{theirs}\n),\n{OURS} as (\n{ours}\n),\n{BOTH} as (\n");
        for side in RelationSide::BOTH {
            if side == RelationSide::Theirs {
                out.push_str("union all\n");
            }
            self.side(side, reader, &mut out);
        }
        let keys: Vec<String> = (0..self.keys.len().max(1)).map(|number| format!("key_{number}")).collect();
        let mut items = keys.clone();
        items.extend(["ours", "theirs"].map(|side| format!("sum(in_{side}) as in_{side}")));
        for (number, column) in self.columns.iter().enumerate() {
            // There is one value of each side, or none is looked at.
            items.extend(["ours", "theirs"].map(|side| format!("max({side}_{number}) as {side}_{number}")));
            if self.is_summed(column) {
                items.extend(["ours", "theirs"].map(|side| format!("sum({side}_{number}) as sum_{side}_{number}")));
            }
        }
        let _ = writeln!(
            out,
            "),\n{ROWS} as (\nselect\n    {}\nfrom {BOTH}\ngroup by {}\n),",
            items.join(",\n    "),
            keys.join(", ")
        );
        let mut items = vec!["*".to_owned()];
        for (number, column) in self.columns.iter().enumerate() {
            let matched = self.is_matched();
            let differs = self.differs(column, number);
            items.push(format!("case when {matched} and ({differs}) then 1 else 0 end as differs_{number}"));
            if self.is_number(column) {
                // The difference of infinities that are the same is no number.
                items.push(format!(
                    "case when {matched} then case when ours_{number} is distinct from theirs_{number} \
                     then abs(ours_{number} - theirs_{number}) else 0 end end as apart_{number}"
                ));
            }
        }
        let _ = writeln!(out, "{JUDGED} as (\nselect\n    {}\nfrom {ROWS}\n)", items.join(",\n    "));
        out
    }

    /// The rows of one side, with nothing in the columns of the other, so that neither takes on the other's types.
    fn side(&self, side: RelationSide, reader: ComparisonReader, out: &mut String) {
        let place = side as usize;
        let of = &self.sides[place];
        let mut items = Vec::new();
        let written = |column: &BothHave| {
            let name = literal_for(&column.written[place], reader);
            // A boolean has no maximum everywhere.
            if column.ty() == Type::Boolean {
                format!("case when {name} then 1 when not {name} then 0 end")
            } else {
                name
            }
        };
        if self.keys.is_empty() {
            items.push(format!("{ONE} as key_0"));
        }
        for (number, key) in self.keys.iter().enumerate() {
            items.push(format!("{} as key_{number}", written(key)));
        }
        let is_in = |of: RelationSide| u8::from(of == side);
        items.push(format!("{} as in_ours", is_in(RelationSide::Ours)));
        items.push(format!("{} as in_theirs", is_in(RelationSide::Theirs)));
        for (number, column) in self.columns.iter().enumerate() {
            let value = written(column);
            let [ours, theirs] = match side {
                RelationSide::Ours => [value.as_str(), "null"],
                RelationSide::Theirs => ["null", value.as_str()],
            };
            items.extend([format!("{ours} as ours_{number}"), format!("{theirs} as theirs_{number}")]);
        }
        let cte = if side == RelationSide::Ours { OURS } else { THEIRS };
        let _ = write!(out, "select\n    {}\nfrom {cte}", items.join(",\n    "));
        if let Some(alias) = &of.alias {
            let _ = write!(out, " as {}", literal_for(alias, reader));
        }
        if let Some(filter) = &of.filter {
            let _ = write!(out, "\nwhere {}", filter.text_for(reader));
        }
        out.push('\n');
    }

    /// That two values do not agree. NULL agrees with NULL alone, NaN with NaN; what compares with NaN is said so that it
    /// is false, or NULL, where that is not less than any number.
    fn differs(&self, column: &BothHave, number: usize) -> String {
        let (ours, theirs) = (format!("ours_{number}"), format!("theirs_{number}"));
        let near = match self.agreement_of(column) {
            Agreement::Exact => return format!("{ours} is distinct from {theirs}"),
            Agreement::Within(tolerance) => format!("abs({ours} - {theirs}) <= {tolerance}"),
            // Less, not equal: an infinity is not less than another.
            Agreement::Close => {
                format!("abs({ours} - {theirs}) < {CLOSE} * greatest(1, abs({ours}), abs({theirs}))")
            }
        };
        format!("{ours} is distinct from {theirs} and ({ours} is null or {theirs} is null or not {near})")
    }
}

/// A value as it is to be shown: booleans have become numbers.
fn display_column(column: &BothHave, name: &str) -> String {
    match column.ty() {
        Type::Boolean => format!("case {name} when 1 then 'true' when 0 then 'false' end"),
        _ => name.to_owned(),
    }
}
