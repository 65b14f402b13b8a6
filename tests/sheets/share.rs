//! Reports how informative the expected values are. A value that is NULL or the same in all cells of its calculation
//! provides little information.

use crate::run::Case;
use crate::shown::Shown;

#[derive(Default)]
struct Share {
    sheets: usize,
    values: usize,
    telling: usize,
}

/// Reports the percentage of informative values for all sheets, for sheets with lookups and for pivoted sheets.
pub fn report_shares(cases: &[Case], expected: &[Shown]) -> String {
    let mut shares: [(&str, Share); 3] = [
        ("sheets", Share::default()),
        ("with lookups", Share::default()),
        ("pivoted", Share::default()),
    ];
    for (case, shown) in cases.iter().zip(expected) {
        let has_lookup = case.sheet.calculations.iter().any(|c| c.formula.has_lookup());
        let (mut values, mut telling) = (0, 0);
        for cells in shown
            .calculation_values(case.sheet.columns.len())
            .iter()
            .filter(|cells| cells.len() > 1)
        {
            values += cells.len();
            if cells.iter().any(|cell| *cell != cells[0]) {
                telling += cells.iter().filter(|cell| !cell.is_null()).count();
            }
        }
        for ((_, share), counts) in shares.iter_mut().zip([true, has_lookup, case.sheet.pivot.is_some()]) {
            if counts {
                share.sheets += 1;
                share.values += values;
                share.telling += telling;
            }
        }
    }
    let one = |(of, share): &(&str, Share)| {
        let percent = share.telling * 100 / share.values.max(1);
        format!("{} {of}: {percent} % of {} values", share.sheets, share.values)
    };
    format!(
        "neither NULL nor the same in all cells: {}",
        shares.iter().map(one).collect::<Vec<_>>().join("; ")
    )
}
