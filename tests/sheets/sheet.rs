//! A worksheet: its table columns, order, calculations and spec.

use std::fmt::{Display, Formatter};

use crate::formula::Expr;
use crate::pivot::Pivot;
use crate::tab::Tab;
use crate::table::Kind;
use crate::value::Value;

#[derive(Clone, Debug)]
pub struct Sheet {
    pub from: String,
    pub columns: Vec<(String, Kind)>,
    /// Names of the table's columns, each with a flag that is `true` for descending order.
    pub order_by: Vec<(String, bool)>,
    /// Columns whose values divide the sheet into partitions. Empty for a pivot.
    pub partition_by: Vec<String>,
    /// Row for which the formulas are written.
    pub anchor: i64,
    pub calculations: Vec<Calculation>,
    pub tab: Option<Tab>,
    pub pivot: Option<Pivot>,
}

#[derive(Clone, Debug)]
pub struct Calculation {
    pub name: String,
    pub kind: Kind,
    pub formula: Expr,
}

impl Sheet {
    /// Returns the name of a column. The calculations come after the columns.
    pub fn name_of(&self, column: usize) -> &str {
        match self.columns.get(column) {
            Some((name, _)) => name,
            None => &self.calculations[column - self.columns.len()].name,
        }
    }

    pub fn kind_of(&self, column: usize) -> Kind {
        match self.columns.get(column) {
            Some((_, kind)) => *kind,
            None => self.calculations[column - self.columns.len()].kind,
        }
    }

    pub fn width(&self) -> usize {
        self.columns.len() + self.calculations.len()
    }

    /// Returns the sheet with its calculations in a different order. `places` specifies the new position of each
    /// calculation.
    pub fn reorder_calculations(&self, places: &[usize]) -> Self {
        let own = self.columns.len();
        let mut moved = self.clone();
        for (calculation, index) in self.calculations.iter().zip(places) {
            moved.calculations[*index] = calculation.clone();
        }
        for calculation in &mut moved.calculations {
            calculation.formula.each_column(&mut |column| {
                if *column >= own {
                    *column = own + places[*column - own];
                }
            });
        }
        moved
    }

    /// Returns the sheet without a calculation, if no other calculation uses it.
    pub fn remove_calculation(&self, index: usize) -> Option<Self> {
        let column = self.columns.len() + index;
        let mut changed = self.clone();
        changed.calculations.remove(index);
        if changed.calculations.iter().any(|c| c.formula.names(column)) || changed.calculations.is_empty() {
            return None;
        }
        for calculation in &mut changed.calculations {
            calculation.formula.each_column(&mut |c| *c -= usize::from(*c > column));
        }
        Some(changed)
    }
}

/// Returns an entry of `order_by`.
pub fn written_order(name: &str, descending: bool) -> String {
    let name = if name.contains(' ') {
        format!("${{{name}}}")
    } else {
        name.to_owned()
    };
    if descending { name + " desc" } else { name }
}

impl Display for Sheet {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "model: drawn\nfrom: {}\ncolumns:", self.from)?;
        for (name, _) in &self.columns {
            writeln!(f, "  - {name}")?;
        }
        if !self.order_by.is_empty() {
            writeln!(f, "order_by:")?;
        }
        for (name, descending) in &self.order_by {
            writeln!(f, "  - {}", written_order(name, *descending))?;
        }
        for (index, name) in self.partition_by.iter().enumerate() {
            let key = if index == 0 { "partition_by:\n" } else { "" };
            writeln!(f, "{key}  - {}", written_order(name, false))?;
        }
        if self.anchor != 1 {
            writeln!(f, "row: {}", self.anchor)?;
        }
        if let Some(tab) = &self.tab {
            writeln!(f, "{}", tab.spec())?;
        }
        if let Some(Pivot {
            key_columns: by,
            values,
        }) = &self.pivot
        {
            let by: Vec<String> = by.iter().map(|name| written_order(name, false)).collect();
            writeln!(f, "pivot_by: {by:?}")?;
            if let Some(values) = values {
                let values: Vec<String> = values.iter().map(Value::text).collect();
                writeln!(f, "values: [{}]", values.join(", "))?;
            }
        }
        writeln!(f, "calculations:")?;
        for Calculation { name, formula, .. } in &self.calculations {
            let formula = format!("={}", formula.render_text(self));
            writeln!(f, "  {name}: {}", serde_json::Value::from(formula))?;
        }
        Ok(())
    }
}
