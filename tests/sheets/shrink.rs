//! Shrinks a failing case as long as it still fails.

use crate::formula::Expr;
use crate::pivot::Pivot;
use crate::sheet::Sheet;
use crate::table::Table;

/// Returns all cases that result from removing one element of this case.
pub fn smaller_sheets(sheet: &Sheet, table: &Table) -> Vec<(Sheet, Table)> {
    let mut found: Vec<(Sheet, Table)> = Vec::new();
    for index in (0..sheet.calculations.len()).rev() {
        found.extend(sheet.remove_calculation(index).map(|sheet| (sheet, table.clone())));
    }
    for row in 0..table.rows.len() {
        let mut fewer = table.clone();
        fewer.rows.remove(row);
        found.push((sheet.clone(), fewer));
    }
    for index in 0..sheet.order_by.len() {
        // If no key is known, the whole order is needed.
        if sheet.order_by.len() > 1 && table.key_known {
            let mut changed = sheet.clone();
            changed.order_by.remove(index);
            found.push((changed, table.clone()));
        }
    }
    if !sheet.partition_by.is_empty() {
        found.push((
            Sheet {
                partition_by: Vec::new(),
                ..sheet.clone()
            },
            table.clone(),
        ));
    }
    for row in 0..sheet.tab.as_ref().map_or(0, |tab| tab.table.rows.len()) {
        let mut changed = sheet.clone();
        changed.tab.iter_mut().for_each(|tab| drop(tab.table.rows.remove(row)));
        found.push((changed, table.clone()));
    }
    if let Some(pivot) = sheet.pivot.as_ref().filter(|pivot| pivot.values.is_some()) {
        let mut changed = sheet.clone();
        changed.pivot = Some(Pivot {
            values: None,
            ..pivot.clone()
        });
        found.push((changed, table.clone()));
    }
    for (index, calculation) in sheet.calculations.iter().enumerate() {
        for part in parts(&calculation.formula) {
            let mut changed = sheet.clone();
            changed.calculations[index].formula = part;
            found.push((changed, table.clone()));
        }
    }
    found
}

/// Returns expressions in which an expression is replaced with one of its operands or a literal.
fn parts(x: &Expr) -> Vec<Expr> {
    let mut exprs: Vec<Expr> = x.children().into_iter().cloned().collect();
    for (at, child) in x.children().into_iter().enumerate() {
        for part in parts(child) {
            let mut changed = x.clone();
            if let Some(index) = changed.children_mut().into_iter().nth(at) {
                *index = part;
                exprs.push(changed);
            }
        }
    }
    exprs
}
