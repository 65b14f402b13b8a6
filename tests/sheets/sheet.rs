//! A worksheet: the columns it takes of a table, its order, its calculations, and the spec that says so.

use std::fmt::{Display, Formatter};

use crate::formula::Expr;
use crate::table::Kind;

#[derive(Clone, Debug)]
pub struct Sheet {
    pub from: String,
    pub columns: Vec<(String, Kind)>,
    /// Names of the table's columns, and whether from above.
    pub order_by: Vec<(String, bool)>,
    /// The row for which the formulas are written.
    pub anchor: i64,
    pub calculations: Vec<Calculation>,
}

#[derive(Clone, Debug)]
pub struct Calculation {
    pub name: String,
    pub kind: Kind,
    pub formula: Expr,
}

impl Sheet {
    /// What the columns are called, then the calculations.
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

    /// The sheet with its calculations in another order: `places` says where each goes.
    pub fn arranged(&self, places: &[usize]) -> Self {
        let own = self.columns.len();
        let mut moved = self.clone();
        for (calculation, place) in self.calculations.iter().zip(places) {
            moved.calculations[*place] = calculation.clone();
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

    /// Without a calculation that none names.
    pub fn without(&self, place: usize) -> Option<Self> {
        let column = self.columns.len() + place;
        let mut changed = self.clone();
        changed.calculations.remove(place);
        if changed.calculations.iter().any(|c| c.formula.names(column)) || changed.calculations.is_empty() {
            return None;
        }
        for calculation in &mut changed.calculations {
            calculation.formula.each_column(&mut |c| *c -= usize::from(*c > column));
        }
        Some(changed)
    }
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
            let name = if name.contains(' ') { format!("${{{name}}}") } else { name.clone() };
            writeln!(f, "  - {name}{}", if *descending { " desc" } else { "" })?;
        }
        if self.anchor != 1 {
            writeln!(f, "row: {}", self.anchor)?;
        }
        writeln!(f, "calculations:")?;
        for Calculation { name, formula, .. } in &self.calculations {
            let formula = format!("={}", formula.written(self));
            writeln!(f, "  {name}: {}", serde_json::Value::from(formula))?;
        }
        Ok(())
    }
}
