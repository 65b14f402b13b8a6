//! Probes that consist of an operator, of a column with a suffix, or of a short formula with a column.

use super::expression_text::FormulaTemplate;
use super::probes::{ProbeArgument, ProbeFormula, TYPES, literal_args, probe_column};
use crate::Type;
use crate::ast::BinaryOp;

/// Operators between two values.
pub(super) const INFIX_OPERATORS: [BinaryOp; 12] = [
    BinaryOp::Add,
    BinaryOp::Subtract,
    BinaryOp::Multiply,
    BinaryOp::Divide,
    BinaryOp::Power,
    BinaryOp::Concat,
    BinaryOp::Equal,
    BinaryOp::NotEqual,
    BinaryOp::Less,
    BinaryOp::LessEqual,
    BinaryOp::Greater,
    BinaryOp::GreaterEqual,
];

/// Adds the probes that test columns, and the probes that contain no columns.
pub(super) fn add_column_probes(probes: &mut Vec<ProbeFormula>) {
    for (ty, _) in TYPES {
        for nullable in [true, false] {
            add_column_operator_probes(ty, nullable, probes);
        }
    }
    let months = FormulaTemplate::named("DATEDIF({0}, {1}, \"M\")");
    probes.push(ProbeFormula {
        shape: months,
        args: vec![ProbeArgument::MonthStart(0), ProbeArgument::MonthStart(1)],
    });
    for words in ["TRUE", "FALSE", "ISNUMBER(\"\")", "COUNT()", "TODAY()", "NOW()", "PI()"] {
        probes.push(ProbeFormula {
            shape: FormulaTemplate::named(words),
            args: Vec::new(),
        });
    }
}

/// Adds the probes that test an operator, with two columns, with a column and a literal, and with two literals.
pub(super) fn add_infix_probes(op: BinaryOp, probes: &mut Vec<ProbeFormula>) {
    const CONSTANTS: [&str; 17] = [
        "TRUE",
        "FALSE",
        "\"2019-07-23\"",
        "-3",
        "-2",
        "-1",
        "0",
        "0.5",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "8",
        "10",
    ];
    let shape = FormulaTemplate::infix(op);
    let mut add_probe = |left: ProbeArgument, right: ProbeArgument| {
        probes.push(ProbeFormula {
            shape: shape.clone(),
            args: vec![left, right],
        });
    };
    for (left, _) in TYPES {
        for (right, _) in TYPES {
            for (n, m) in [(true, true), (false, true), (true, false), (false, false)] {
                add_probe(
                    ProbeArgument::Column(probe_column(left, n, 0)),
                    ProbeArgument::Column(probe_column(right, m, 1)),
                );
            }
        }
        for nullable in [true, false] {
            let column = |index: usize| ProbeArgument::Column(probe_column(left, nullable, index));
            for literal in literal_args(1) {
                add_probe(column(0), literal);
            }
            for literal in literal_args(0) {
                add_probe(literal, column(1));
            }
            // `x ^ 0.5` has the same SQL as `SQRT(x)`, which is preferred.
            for text in CONSTANTS.iter().filter(|text| op != BinaryOp::Power || **text != "0.5") {
                add_probe(column(0), ProbeArgument::Fixed((*text).to_owned()));
            }
        }
    }
    for arg in literal_args(0) {
        for right in literal_args(1) {
            add_probe(arg.clone(), right);
        }
    }
}

/// Adds the probes of one column.
fn add_column_operator_probes(ty: Type, nullable: bool, probes: &mut Vec<ProbeFormula>) {
    let mut add_probe = |shape: FormulaTemplate| {
        probes.push(ProbeFormula {
            shape,
            args: vec![ProbeArgument::Column(probe_column(ty, nullable, 0))],
        });
    };
    add_probe(FormulaTemplate::Minus);
    if ty != Type::Text {
        add_probe(FormulaTemplate::TextOperand);
    }
    add_probe(FormulaTemplate::Percent);
    // Formulas that consist of several functions but compile to a single SQL expression.
    for words in [
        "NOT(ISBLANK({0}))",
        "DATE(YEAR({0}), MONTH({0}), 1)",
        "EOMONTH({0}, -1) + 1",
    ] {
        add_probe(FormulaTemplate::named(words));
    }
    // Roots, as in an average growth rate. The SQL contains the quotient instead of a constant.
    for words in [
        "POWER({0}, 1 / 3)",
        "POWER({0}, 1 / 4)",
        "POWER({0}, 1 / 5)",
        "POWER({0}, 1 / 12)",
    ] {
        add_probe(FormulaTemplate::named(words));
    }
    for name in ["COUNT", "SUM", "AVERAGE", "MIN", "MAX", "MEDIAN"] {
        add_probe(FormulaTemplate::Unique(name));
    }
    for frame in crate::check::timeframes() {
        add_probe(FormulaTemplate::Frame(frame));
    }
}
