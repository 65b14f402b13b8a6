//! Generates worksheets with table columns, an order, and calculations that refer to cells and to each other.

use crate::draw_formulas::Draw;
use crate::draw_pivots;
use crate::formula::Expr;
use crate::random::Random;
use crate::sheet::{Calculation, Sheet};
use crate::tab::Tab;
use crate::table::{Kind, Table};

const NAMES: &[&str] = &["growth", "total", "share", "moving", "q1", "rest", "best", "note"];

/// Generates a worksheet for a table. If there is another tab, the worksheet has lookups in that tab and in itself.
pub fn sheet(random: &mut Random, table: &Table, tab: Option<Tab>, is_pivot: bool) -> Sheet {
    let mut places: Vec<usize> = (0..table.columns.len()).collect();
    random.shuffle(&mut places);
    places.truncate(3 + random.random_below(table.columns.len() - 2));
    let columns = places
        .iter()
        .map(|at| (table.columns[*at].name.to_owned(), table.columns[*at].kind))
        .collect();
    let pivot = is_pivot.then(|| draw_pivots::pivot(random, table));
    let order_by = match &pivot {
        Some(pivot) => draw_pivots::order(random, table, pivot),
        None => order(random, table),
    };
    let anchor = if random.chance(60) {
        1
    } else {
        random.next_between(2, 6)
    };
    let mut partition_by = Vec::new();
    if !is_pivot && random.chance(12) {
        partition_by.push(random.pick(&table.columns).name.to_owned());
        let other = random.pick(&table.columns).name.to_owned();
        if random.chance(20) && !partition_by.contains(&other) {
            partition_by.push(other);
        }
    }
    let mut sheet = Sheet {
        from: table.name.clone(),
        columns,
        order_by,
        partition_by,
        anchor,
        calculations: Vec::new(),
        tab,
        pivot,
    };
    let count = 3 + random.random_below(NAMES.len() - 2);
    for name in &NAMES[..count] {
        let kind = *random.pick(&[
            Kind::Exact,
            Kind::Exact,
            Kind::Exact,
            Kind::Exact,
            Kind::Inexact,
            Kind::Inexact,
            Kind::Text,
            Kind::Date,
            Kind::Bool,
        ]);
        let has_dates = (0..sheet.width()).any(|column| sheet.kind_of(column) == Kind::Date);
        let kind = if kind == Kind::Date && !has_dates {
            Kind::Exact
        } else {
            kind
        };
        let depth = 1 + random.random_below(3);
        let formula = Draw {
            random: &mut *random,
            sheet: &sheet,
        }
        .draw_expression(kind, depth);
        sheet.calculations.push(Calculation {
            name: (*name).to_owned(),
            kind,
            formula,
        });
    }
    if random.chance(25) {
        // A calculation may come before calculations to which it refers.
        let mut places: Vec<usize> = (0..count).collect();
        random.shuffle(&mut places);
        // Skip wide ranges, because a move would put other columns between the corners of the range.
        let wide = |c: &Calculation| has_wide_range(&c.formula);
        if !sheet.calculations.iter().any(wide) {
            sheet = sheet.reorder_calculations(&places);
        }
    }
    sheet
}

fn order(random: &mut Random, table: &Table) -> Vec<(String, bool)> {
    let mut order_by: Vec<(String, bool)> = Vec::new();
    for _ in 0..1 + random.random_below(2) {
        let column = random.pick(&table.columns);
        if column.ordered && order_by.iter().all(|(n, _)| n != column.name) {
            order_by.push((column.name.to_owned(), random.chance(30)));
        }
    }
    if order_by.is_empty() {
        order_by.push(("id".to_owned(), random.chance(30)));
    }
    order_by
}

fn has_wide_range(x: &Expr) -> bool {
    let own = match x {
        Expr::Aggregate(_, ranges, _) => ranges.iter().any(|r| r.from.0 != r.to.0),
        Expr::Lookup(lookup) => lookup.is_wide(),
        _ => false,
    };
    own || x.children().into_iter().any(has_wide_range)
}
