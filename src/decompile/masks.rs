//! Generates probes for the formats of `TEXT`, which compile to different SQL in each dialect.

use super::expression_text::FormulaTemplate;
use super::probes::{ProbeArgument, ProbeFormula, TYPES, probe_column};

/// Returns common number and date formats.
fn common_formats() -> Vec<String> {
    const DATE_FORMATS: [&str; 37] = [
        "yyyy-mm-dd",
        "yyyy-mm",
        "yyyy",
        "yy",
        "mmm",
        "mmmm",
        "mm",
        "m",
        "dd",
        "d",
        "ddd",
        "dddd",
        "h",
        "mm/dd/yyyy",
        "m/d/yyyy",
        "m/d/yy",
        "dd/mm/yyyy",
        "d/m/yyyy",
        "dd.mm.yyyy",
        "d.m.yyyy",
        "mmm yyyy",
        "mmmm yyyy",
        "mmm yy",
        "mmm d",
        "mmm d, yyyy",
        "mmmm d, yyyy",
        "d mmm yyyy",
        "d mmmm yyyy",
        "dd mmm yyyy",
        "dd-mmm-yyyy",
        "yyyy-mm-dd hh:mm",
        "yyyy-mm-dd hh:mm:ss",
        "hh:mm",
        "hh:mm:ss",
        "h:mm AM/PM",
        "h:m",
        "h:m:s",
    ];
    let mut masks: Vec<String> = DATE_FORMATS
        .iter()
        .flat_map(|mask| [(*mask).to_owned(), mask.to_ascii_uppercase()])
        .collect();
    for before in ["", "$", "€"] {
        for integer_part in ["0", "#,##0", "#", "00", "000"] {
            for digits in ["", ".0", ".00", ".000", ".##"] {
                for after in ["", "%", " %"] {
                    masks.push(format!("{before}{integer_part}{digits}{after}"));
                }
            }
        }
    }
    masks.extend(["General", "[h]:mm", "[h]:mm:ss", "[hh]:mm", "[hh]:mm:ss", "[mm]:ss"].map(str::to_owned));
    // Growth is often formatted with its sign.
    masks.extend(["+0", "+0.0", "+0.00", "+0%", "+0.0%"].map(str::to_owned));
    masks.extend(["0E+0", "0.0E+0", "0.00E+0", "0E+00", "0.0E+00", "0.00E+00"].map(str::to_owned));
    masks
}

/// Adds probes that call `TEXT` with various formats.
pub(super) fn add_text_format_probes(probes: &mut Vec<ProbeFormula>) {
    let masks = common_formats();
    for (ty, _) in TYPES {
        for nullable in [true, false] {
            for mask in &masks {
                let args = vec![
                    ProbeArgument::Column(probe_column(ty, nullable, 0)),
                    ProbeArgument::Fixed(format!("\"{mask}\"")),
                ];
                probes.push(ProbeFormula {
                    shape: FormulaTemplate::Call("TEXT"),
                    args,
                });
            }
        }
    }
}
