//! Generates lookups in the sheet's own columns and in the columns of another tab.

use crate::draw_formulas::Draw;
use crate::formula::Expr;
use crate::lookup::{Form, Lookup, Mode};
use crate::table::Kind;

impl Draw<'_> {
    /// Generates a lookup that returns a value of this kind. Returns `None` if there is no column for the lookup.
    pub fn lookup(&mut self, kind: Kind, depth: usize) -> Option<Expr> {
        let tab = self.sheet.tab.as_ref()?;
        let in_tab = self.random.chance(55);
        let kinds: Vec<Kind> = match in_tab {
            true => tab.columns.iter().map(|(_, kind)| *kind).collect(),
            false => (0..self.sheet.width())
                .map(|column| self.sheet.kind_of(column))
                .collect(),
        };
        let ordered = !in_tab || !tab.order_by.is_empty();
        let form = match self.random.random_below(20) {
            0..=3 if kind == Kind::Exact && ordered => Form::Match,
            0..=5 => Form::Vlookup,
            6..=8 if ordered => Form::Index,
            9..=11 if ordered => Form::IndexOfMatch,
            9..=14 => Form::Vlookup,
            _ => Form::Xlookup,
        };
        let has_dates = !self.columns(|kind| kind == Kind::Date).is_empty();
        let can_find = |column: &usize| match kinds[*column] {
            Kind::Inexact => false,
            Kind::Date => has_dates,
            _ => !in_tab || tab.finds_by(*column),
        };
        let given: Vec<usize> = (0..kinds.len()).filter(|column| kinds[*column] == kind).collect();
        let keys: Vec<usize> = (0..kinds.len()).filter(can_find).collect();
        if keys.is_empty() || (given.is_empty() && form != Form::Match) {
            return None;
        }
        let mut by = *self.random.pick(&keys);
        let mut gives = if form == Form::Match {
            by
        } else {
            *self.random.pick(&given)
        };
        let mut last = gives;
        match form {
            Form::Vlookup if by > gives => return None,
            Form::Index if self.random.chance(60) => by = gives,
            // The range begins before the result column.
            Form::Index => by = gives.saturating_sub(self.random.random_below(3)),
            _ => {}
        }
        if form == Form::Vlookup || (form == Form::Index && by < gives) {
            last = (gives + self.random.random_below(3)).min(kinds.len() - 1);
        }
        if form == Form::Match {
            gives = by;
            last = by;
        }
        let key_kind = kinds[by];
        let mode = match (self.random.random_below(10), key_kind) {
            (0..=2, Kind::Exact | Kind::Date) => Mode::Below,
            (3 | 4, Kind::Exact | Kind::Date) if form != Form::Vlookup => Mode::Above,
            (0 | 1, Kind::Text) if form == Form::Xlookup => Mode::Pattern,
            (5 | 6, _) => Mode::Equal,
            _ => Mode::Unsaid,
        };
        let mut args = vec![match form {
            Form::Index => self.number_of_row(depth),
            _ if mode == Mode::Pattern => {
                Expr::Text(self.random.pick::<&str>(&["N*", "?ast", "*o*", "s?*", "e~*", ""]))
            }
            _ => self.key(key_kind, depth),
        }];
        if form == Form::Xlookup && (mode != Mode::Unsaid || self.random.chance(40)) {
            args.push(self.draw_expression(kind, 0));
        }
        Some(Expr::Lookup(Lookup {
            form,
            in_tab,
            key_column: by,
            gives,
            last,
            mode,
            args,
        }))
    }

    fn number_of_row(&mut self, depth: usize) -> Expr {
        match self.random.random_below(4) {
            0 => Expr::Int(self.random.next_between(1, 9)),
            1 => Expr::RowNumber,
            // A constant could evaluate to 0, which would mean all rows.
            _ => Some(self.exact(depth - 1))
                .filter(|x| !x.is_constant())
                .unwrap_or(Expr::RowNumber),
        }
    }

    /// Generates a lookup key. The key is often a plain cell, so that the lookup finds a row.
    fn key(&mut self, kind: Kind, depth: usize) -> Expr {
        let plain = self.random.chance(60);
        match kind {
            Kind::Exact if plain && self.random.chance(30) => Expr::RowNumber,
            Kind::Text if plain && self.random.chance(40) => Expr::Text(
                self.random
                    .pick::<&str>(&["north", "East", "east", "web", "NORTH", "shop"]),
            ),
            _ => self.draw_expression(kind, if plain { 0 } else { depth - 1 }),
        }
    }
}
