//! Generates probes that contain the numbers and strings of one expression, because no pattern can represent these
//! constants.

use rustc_hash::FxHashSet;

use super::expression_text::{FormulaTemplate, text_literal};
use super::probes::{ProbeArgument, ProbeFormula, column_args, type_assignments, types_by_rank, with_value_at};
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::Type;
use crate::catalog::{Overload, Param, ParamType};
use crate::check::is_iso_date;

/// Maximum number of numeric constants in an expression to try in calls. `MAX_TEXTS` is the maximum number of text
/// constants.
const MAX_NUMBERS: usize = 16;
const MAX_TEXTS: usize = 6;
/// Maximum number of probes to generate from the constants of one expression.
const MAX_PROBES: usize = 6000;
/// Number of functions to try first with two constants: the functions that are most similar to the expression.
/// `MAX_TWO_CONSTANT_PROBES` is the maximum number of these probes per function.
const SIMILAR_FUNCTION_COUNT: usize = 6;
const MAX_TWO_CONSTANT_PROBES: usize = 900;
/// Maximum number of constants per argument, if the constants of two arguments are combined.
const MAX_PAIRED_CONSTANTS: usize = 10;
/// Monday from which generated SQL counts days and weeks.
const EPOCH_MONDAY: &str = "0001-01-01";

/// Constants that no pattern can represent: the numbers and strings of one expression.
#[derive(Clone, Debug, Default)]
pub(super) struct SqlConstants {
    pub numbers: Vec<String>,
    pub texts: Vec<String>,
    /// All dates in the expression, for functions that accept a list of dates.
    pub dates: Vec<String>,
    /// Functions that may accept these constants as arguments, most likely first.
    pub functions: Vec<&'static str>,
}

impl SqlConstants {
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.texts.is_empty() && self.dates.is_empty()
    }

    /// Returns probes that call functions with these constants, most likely first.
    pub fn build_probes(&self) -> Vec<ProbeFormula> {
        // Calls with one constant are more likely than calls with two constants. However, for the functions that are
        // most similar to the expression, calls with two constants come before the calls of less similar functions.
        let (mut probes, mut of_two) = (Vec::new(), Vec::new());
        for (rank, function) in self
            .functions
            .iter()
            .filter_map(|name| crate::catalog::lookup(name))
            .enumerate()
        {
            for overload in function.overloads {
                add_date_probes(function.name, overload, self, &mut probes);
                add_constant_argument_probes(function.name, overload, self, &mut probes, &mut of_two);
            }
            if rank < SIMILAR_FUNCTION_COUNT {
                of_two.truncate(MAX_TWO_CONSTANT_PROBES);
                probes.append(&mut of_two);
            }
        }
        probes.extend(of_two);
        probes.truncate(MAX_PROBES);
        probes
    }
}

/// Returns the numbers and strings in an expression, together with constants that may compile to them, most likely
/// first.
pub(super) fn constants_in_expression(trees: &SqlTrees, expression: SqlNodeId) -> SqlConstants {
    let mut words = SqlConstants::default();
    let (mut integers, mut powers): (Vec<i64>, Vec<String>) = Default::default();
    for part in trees.descendants(expression) {
        match trees.label(part) {
            SqlLabel::Number(number) => {
                words.numbers.push(number.clone());
                integers.extend(number.parse::<i64>());
                if number.trim_matches(['1', '.']).chars().all(|c| c == '0') {
                    let zeros = number.chars().filter(|c| *c == '0').count();
                    powers.extend([zeros.to_string(), format!("-{zeros}")]);
                }
            }
            // A negative number in the expression is likelier than the negated numbers below.
            SqlLabel::Negative => {
                let [inner] = trees.children(part) else { continue };
                if let SqlLabel::Number(number) = trees.label(*inner) {
                    words.numbers.push(format!("-{number}"));
                }
            }
            SqlLabel::Text(text, _) if text.len() <= 200 => {
                if is_iso_date(text) && text != EPOCH_MONDAY && !words.dates.contains(text) {
                    words.dates.push(text.clone());
                }
                if text.parse::<f64>().is_ok() {
                    words.numbers.push(text.clone());
                }
                words.texts.push(text.clone());
            }
            _ => {}
        }
    }
    // Long numbers are usually limits that the compiler added, so try them last.
    words.numbers.sort_by_key(|word| word.len() > 6);
    // Also try each number plus or minus one, the differences between the numbers, and the negated numbers.
    for near in [1, -1] {
        words
            .numbers
            .extend(integers.iter().map(|number| number.saturating_add(near).to_string()));
    }
    let shifted = integers.iter().flat_map(|number| [*number, number.saturating_add(1)]);
    let apart = shifted
        .flat_map(|from| integers.iter().map(move |to| to.saturating_sub(from)))
        .filter(|difference| *difference > 0);
    words
        .numbers
        .extend(apart.take(MAX_NUMBERS).map(|difference| difference.to_string()));
    words.numbers.extend(powers);
    words
        .numbers
        .extend(integers.iter().map(|number| number.saturating_neg().to_string()));
    dedup_and_truncate(&mut words.numbers, MAX_NUMBERS);
    dedup_and_truncate(&mut words.texts, MAX_TEXTS);
    words
}

fn dedup_and_truncate(words: &mut Vec<String>, most: usize) {
    let mut seen = FxHashSet::default();
    words.retain(|word| seen.insert(word.clone()));
    words.truncate(most);
}

/// Returns the constants that a parameter may accept as arguments.
fn arguments_from_constants(param: &Param, words: &SqlConstants) -> Vec<ProbeArgument> {
    let mut args = Vec::new();
    if !matches!(
        param.ty,
        ParamType::Is(Type::Text | Type::Boolean | Type::Date) | ParamType::Temporal
    ) {
        args.extend(words.numbers.iter().map(|n| ProbeArgument::Fixed(n.clone())));
    }
    if matches!(param.ty, ParamType::Is(Type::Text) | ParamType::Any | ParamType::Same) {
        args.extend(
            words
                .texts
                .iter()
                .map(|text| ProbeArgument::Fixed(text_literal(text).text)),
        );
    }
    args
}

/// Adds calls whose last arguments are all dates in the SQL, with or without a number before these dates.
fn add_date_probes(name: &'static str, overload: &Overload, words: &SqlConstants, probes: &mut Vec<ProbeFormula>) {
    let Some((list, params)) = overload.params.split_last().filter(|_| overload.repeated) else {
        return;
    };
    if list.ty != ParamType::Is(Type::Date) || words.dates.is_empty() {
        return;
    }
    let params: Vec<&Param> = params.iter().collect();
    for types in type_assignments(&params) {
        for nullable in [true, false] {
            let base = column_args(&types, nullable);
            let mut add_probe = |mut args: Vec<ProbeArgument>| {
                args.extend(
                    words
                        .dates
                        .iter()
                        .map(|date| ProbeArgument::Fixed(text_literal(date).text)),
                );
                probes.push(ProbeFormula {
                    shape: FormulaTemplate::Call(name),
                    args,
                });
            };
            add_probe(base.clone());
            for (index, param) in params.iter().enumerate() {
                for word in arguments_from_constants(param, words) {
                    for sign in ["", "-"] {
                        let word = ProbeArgument::Fixed(format!("{sign}{}", word.to_formula()));
                        add_probe(with_value_at(&base, index, word));
                    }
                }
            }
        }
    }
}

/// Adds calls in which one or two arguments are constants.
fn add_constant_argument_probes(
    name: &'static str,
    overload: &Overload,
    words: &SqlConstants,
    of_one: &mut Vec<ProbeFormula>,
    of_two: &mut Vec<ProbeFormula>,
) {
    for count in overload.min_arguments.max(1)..=overload.params.len() {
        let params: Vec<&Param> = overload.params.iter().take(count).collect();
        for types in types_by_rank(&params) {
            for nullable in [true, false] {
                let base = column_args(&types, nullable);
                for (first, param) in params.iter().enumerate() {
                    for (rank, a) in arguments_from_constants(param, words).into_iter().enumerate() {
                        let args = with_value_at(&base, first, a);
                        of_one.push(ProbeFormula {
                            shape: FormulaTemplate::Call(name),
                            args: args.clone(),
                        });
                        if rank >= MAX_PAIRED_CONSTANTS {
                            continue;
                        }
                        for (second, param) in params.iter().enumerate().skip(first + 1) {
                            for b in arguments_from_constants(param, words)
                                .into_iter()
                                .take(MAX_PAIRED_CONSTANTS)
                            {
                                let args = with_value_at(&args, second, b);
                                of_two.push(ProbeFormula {
                                    shape: FormulaTemplate::Call(name),
                                    args,
                                });
                            }
                        }
                    }
                }
            }
        }
    }
}
