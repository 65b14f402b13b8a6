//! Generates probes for criteria and for the functions that accept criteria.

use super::expression_text::FormulaTemplate;
use super::probes::{
    DECIMAL_NUMBERS, NON_ASCII_TEXT, NUMBERS, PLACEHOLDER_STRINGS, ProbeArgument, ProbeFormula, TYPES, WILDCARD_TEXTS,
    probe_column,
};
use crate::Type;

/// Adds probes that call each SUMIF-like function with one condition, to learn what each criterion means for values of
/// each type.
pub(super) fn add_criterion_probes(probes: &mut Vec<ProbeFormula>) {
    let texts = [
        ("", ""),
        ("<>", ""),
        ("=", ""),
        (">", ""),
        (">=", ""),
        ("<", ""),
        ("<=", ""),
        ("", "*"),
        ("*", ""),
        ("*", "*"),
        ("<>", "*"),
        ("<>*", ""),
        ("<>*", "*"),
        ("?", ""),
        ("", "?"),
    ];
    for (ty, _) in TYPES {
        for nullable in [true, false] {
            let range = || ProbeArgument::Column(probe_column(ty, nullable, 0));
            let mut add_probe = |criterion: ProbeArgument| {
                probes.push(ProbeFormula {
                    shape: FormulaTemplate::RangeWithCriterion,
                    args: vec![range(), criterion],
                });
            };
            for before in ["", "<>"] {
                for text in WILDCARD_TEXTS {
                    add_probe(ProbeArgument::Wild(before, text));
                }
            }
            for (before, after) in texts {
                for text in [PLACEHOLDER_STRINGS[1], NON_ASCII_TEXT] {
                    add_probe(ProbeArgument::Text(before, text, after));
                }
            }
            for op in ["", "<>", "=", ">", ">=", "<", "<="] {
                for number in [NUMBERS[1], DECIMAL_NUMBERS[1]] {
                    add_probe(ProbeArgument::Text(op, number, ""));
                }
                add_probe(ProbeArgument::Text(op, "2019-07-23", ""));
            }
            for fixed in ["\"\"", "\"=\"", "\"<>\"", "TRUE", "FALSE", "\"*\"", "\"?*\""] {
                add_probe(ProbeArgument::Fixed(fixed.to_owned()));
            }
            add_probe(ProbeArgument::Number(NUMBERS[1]));
            add_probe(ProbeArgument::Number(DECIMAL_NUMBERS[1]));
            for (other, _) in TYPES {
                add_probe(ProbeArgument::Column(probe_column(other, true, 1)));
                add_probe(ProbeArgument::Column(probe_column(other, false, 1)));
            }
        }
    }
}

/// Adds probes that call SUMIF-like functions with conditions that represent any criteria.
pub(super) fn add_criteria_call_probes(probes: &mut Vec<ProbeFormula>) {
    let criteria = |count: usize| (0..count).map(ProbeArgument::Criterion).collect::<Vec<_>>();
    for count in 1..=4 {
        probes.push(ProbeFormula {
            shape: FormulaTemplate::Call("COUNTIFS"),
            args: criteria(count),
        });
        for (ty, _) in TYPES {
            for nullable in [true, false] {
                let value = ProbeArgument::Column(probe_column(ty, nullable, 6));
                for name in ["SUMIFS", "AVERAGEIFS", "MINIFS", "MAXIFS"] {
                    let args = std::iter::once(value.clone()).chain(criteria(count)).collect();
                    probes.push(ProbeFormula {
                        shape: FormulaTemplate::Call(name),
                        args,
                    });
                }
                for name in ["SUMIF", "AVERAGEIF"].into_iter().filter(|_| count == 1) {
                    let conditions =
                        [true, false].map(|nullable| ProbeArgument::Column(probe_column(Type::Boolean, nullable, 0)));
                    for first in [ProbeArgument::Criterion(0)].into_iter().chain(conditions) {
                        probes.push(ProbeFormula {
                            shape: FormulaTemplate::Call(name),
                            args: vec![first, value.clone()],
                        });
                    }
                }
            }
        }
    }
    probes.push(ProbeFormula {
        shape: FormulaTemplate::Call("COUNTIF"),
        args: criteria(1),
    });
    for nullable in [true, false] {
        let args = vec![ProbeArgument::Column(probe_column(Type::Boolean, nullable, 0))];
        probes.push(ProbeFormula {
            shape: FormulaTemplate::Call("COUNTIF"),
            args,
        });
    }
}
