//! Generates probes for literals that the compiler rewrites: formats, wildcards and regular expressions. The probes are
//! derived from the strings of one expression by reversing the compiler's conversion of these literals.

use super::expression_text::{FormulaTemplate, text_literal};
use super::patterns::{Patterns, SqlPattern};
use super::probes::{NUMBERS, ProbeArgument, ProbeFormula, probe_column};
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::Type;
use crate::catalog::{Lowering, functions};
use crate::check::literals_from_sql::{
    affix_masks_from_sql, date_masks_from_sql, date_part_mask_from_sql, digit_masks_from_sql, is_digit_pattern,
    mask_literal_from_sql, regexes_from_sql, replacement_from_sql, wildcards_from_regex,
};

/// Maximum number of strings to examine in an expression. `MAX_STRING_LENGTH` is the maximum length of a string.
const MAX_STRINGS: usize = 12;
const MAX_STRING_LENGTH: usize = 1000;
/// Maximum number of strings to try around the digits of a format.
const MAX_FORMAT_AFFIXES: usize = 4;
/// Maximum number of number formats to try. `MAX_NUMBER_FORMATS_PER_SIGN` is the maximum number of formats for each
/// sign.
const MAX_NUMBER_FORMATS: usize = 120;
const MAX_NUMBER_FORMATS_PER_SIGN: usize = 16;
/// Maximum number of concatenations to examine as formatted dates.
const MAX_CONCATENATIONS: usize = 12;
/// Maximum number of conditional expressions to examine as formats that have a section for each sign.
const MAX_CONDITIONALS: usize = 4;

/// Returns calls whose literals may have produced the strings in an expression, based on the known SQL of calls.
pub(super) fn literal_probes(trees: &SqlTrees, patterns: &[&Patterns], expression: SqlNodeId) -> Vec<ProbeFormula> {
    let texts = string_literals(trees, expression);
    let mut probes = Vec::new();
    for function in functions() {
        match function.lower {
            Some(Lowering::Text) => {
                add_format_probes(function.name, (trees, patterns), expression, &texts, &mut probes);
            }
            Some(Lowering::Search) => {
                for needle in texts.iter().filter_map(|text| wildcards_from_regex(text)) {
                    let start = ProbeArgument::Column(probe_column(Type::Integer, true, 2));
                    let started = ProbeArgument::Column(probe_column(Type::Integer, false, 2));
                    for more in [
                        vec![],
                        vec![start],
                        vec![started],
                        vec![ProbeArgument::Number(NUMBERS[2])],
                    ] {
                        add_text_argument_probes(function.name, &[(0, &needle)], 2, more, &mut probes);
                    }
                }
            }
            Some(Lowering::Regex) => {
                let takes_new = function.overloads.iter().any(|overload| overload.params.len() > 2);
                for pattern in texts.iter().flat_map(|text| regexes_from_sql(text)) {
                    if !takes_new {
                        add_text_argument_probes(function.name, &[(1, &pattern)], 2, vec![], &mut probes);
                        continue;
                    }
                    for new in texts
                        .iter()
                        .map(|text| replacement_from_sql(text))
                        .chain([String::new()])
                    {
                        add_text_argument_probes(function.name, &[(1, &pattern), (2, &new)], 3, vec![], &mut probes);
                    }
                    for nullable in [true, false] {
                        let new = vec![ProbeArgument::Column(probe_column(Type::Text, nullable, 2))];
                        add_text_argument_probes(function.name, &[(1, &pattern)], 2, new, &mut probes);
                    }
                }
            }
            _ => {}
        }
    }
    probes
}

/// Returns the string literals in an expression.
fn string_literals(trees: &SqlTrees, expression: SqlNodeId) -> Vec<&str> {
    let mut literals: Vec<&str> = Vec::new();
    for part in trees.descendants(expression) {
        if let SqlLabel::Text(text, _) = trees.label(part)
            && text.len() <= MAX_STRING_LENGTH
            && literals.len() < MAX_STRINGS
        {
            literals.push(text);
        }
    }
    literals
}

/// Adds calls with `count` arguments, followed by the arguments in `more`. Among the first `count` arguments, the given
/// strings are at fixed positions, and columns with or without NULLs are at all other positions.
fn add_text_argument_probes(
    name: &'static str,
    texts: &[(usize, &str)],
    count: usize,
    more: Vec<ProbeArgument>,
    probes: &mut Vec<ProbeFormula>,
) {
    for nullable in [true, false] {
        let arg = |index: usize| match texts.iter().find(|(position, _)| *position == index) {
            Some((_, text)) => ProbeArgument::Fixed(text_literal(text).text),
            None => ProbeArgument::Column(probe_column(Type::Text, nullable, index)),
        };
        let args = (0..count).map(arg).chain(more.iter().cloned()).collect();
        probes.push(ProbeFormula {
            shape: FormulaTemplate::Call(name),
            args,
        });
    }
}

fn add_format_probes(
    name: &'static str,
    (trees, patterns): (&SqlTrees, &[&Patterns]),
    expression: SqlNodeId,
    texts: &[&str],
    probes: &mut Vec<ProbeFormula>,
) {
    let mut add_probe = |types: &[Type], mask: &str| {
        for ty in types {
            for nullable in [true, false] {
                let value = ProbeArgument::Column(probe_column(*ty, nullable, 0));
                let args = vec![value, ProbeArgument::Fixed(text_literal(mask).text)];
                probes.push(ProbeFormula {
                    shape: FormulaTemplate::Call(name),
                    args,
                });
            }
        }
    };
    let in_parts = trees
        .descendants(expression)
        .into_iter()
        .rev()
        .filter_map(|part| date_format(trees, patterns, part));
    let dates = texts.iter().flat_map(|text| date_masks_from_sql(text));
    for mask in dates.chain(in_parts.take(MAX_CONCATENATIONS)) {
        add_probe(&[Type::Date, Type::Timestamp, Type::Timestamptz], &mask);
    }
    const NUMERIC: [Type; 3] = [Type::Decimal, Type::Integer, Type::Float];
    for mask in number_formats(trees, expression).into_iter().take(MAX_NUMBER_FORMATS) {
        add_probe(&NUMERIC, &mask);
    }
    let is_case = |part: &SqlNodeId| *trees.label(*part) == SqlLabel::Case;
    for case in trees
        .descendants(expression)
        .into_iter()
        .filter(is_case)
        .take(MAX_CONDITIONALS)
    {
        for mask in formats_by_sign(trees, case).into_iter().take(MAX_NUMBER_FORMATS) {
            add_probe(&NUMERIC, &mask);
        }
    }
}

/// Returns number formats. Formats that contain most of the strings of an expression come first.
fn number_formats(trees: &SqlTrees, expression: SqlNodeId) -> Vec<String> {
    let texts = string_literals(trees, expression);
    let mut cores = digit_masks_from_sql(&texts);
    let is_around = |text: &&str| !is_digit_pattern(text) && digit_masks_from_sql(&[*text]).is_empty();
    let around: Vec<&str> = texts.iter().copied().filter(is_around).collect();
    let around = around
        .into_iter()
        .enumerate()
        .flat_map(|(text_index, text)| affix_masks_from_sql(text).into_iter().map(move |a| (text_index, a)));
    let mut affixes: Vec<(Option<usize>, String)> = around
        .filter(|(_, affix)| !affix.is_empty())
        .map(|(text_index, affix)| (Some(text_index), affix))
        .collect();
    affixes.truncate(MAX_FORMAT_AFFIXES);
    affixes.push((None, String::new()));
    let thousands = thousands_commas(trees, expression);
    let is_bare = cores.is_empty();
    cores.extend(["0", "#"].map(str::to_owned));
    cores.extend(is_bare.then(|| "General".to_owned()));
    let mut formats: Vec<(usize, String)> = Vec::new();
    for (rank, core) in cores.iter().enumerate() {
        for (before_at, before) in &affixes {
            // Do not use the same string both before and after the digits.
            for (_, after) in affixes
                .iter()
                .filter(|(text_index, _)| text_index.is_none() || text_index != before_at)
            {
                for commas in &thousands {
                    let left = usize::from(before.is_empty()) + usize::from(after.is_empty()) + usize::from(rank > 1);
                    formats.push((left, format!("{before}{core}{commas}{after}")));
                }
            }
        }
    }
    formats.sort_by_key(|(left, _)| *left);
    formats.into_iter().map(|(_, mask)| mask).collect()
}

/// Returns the format of a date that is written in parts, such as `extract(day …) || '.' || …`. `None` if one of the
/// parts is not a known part of a date.
fn date_format(trees: &SqlTrees, patterns: &[&Patterns], expression: SqlNodeId) -> Option<String> {
    let is_join = |id: SqlNodeId| matches!(trees.label(id), SqlLabel::Op(op) if op == "||");
    let mut parts = Vec::new();
    let mut rest = expression;
    while let (true, [left, right]) = (is_join(rest), trees.children(rest)) {
        parts.push(*right);
        rest = *left;
    }
    if parts.is_empty() {
        return None;
    }
    parts.push(rest);
    let mut mask = String::new();
    for part in parts.into_iter().rev() {
        match trees.label(part) {
            SqlLabel::Text(text, _) => mask.push_str(&mask_literal_from_sql(text)),
            _ => {
                mask.push_str(
                    &date_part_format_letters(trees, patterns, part)
                        .or_else(|| date_part_mask_from_sql(&string_literals(trees, part)))?,
                );
            }
        }
    }
    Some(mask)
}

/// Returns the format letters of an expression that is known to extract one part of a date.
fn date_part_format_letters(trees: &SqlTrees, pattern_sets: &[&Patterns], part: SqlNodeId) -> Option<String> {
    let mask = |pattern: &SqlPattern| match (&pattern.shape, pattern.args.as_slice()) {
        (FormulaTemplate::Call("TEXT"), [ProbeArgument::Column(_), ProbeArgument::Fixed(mask)]) => {
            Some(mask.trim_matches('"').to_owned())
        }
        _ => None,
    };
    let patterns = pattern_sets
        .iter()
        .flat_map(|patterns| patterns.value_patterns(trees, part));
    let fits = |mask: &String| mask.bytes().all(|letter| letter.is_ascii_lowercase());
    patterns
        .filter(|pattern| pattern.match_node(trees, part).is_some())
        .filter_map(|pattern| mask(pattern))
        .find(fits)
}

/// Returns the trailing commas of a format, one comma for each factor of 1,000 by which an expression is divided.
fn thousands_commas(trees: &SqlTrees, expression: SqlNodeId) -> Vec<String> {
    let mut commas = vec![String::new()];
    for part in trees.descendants(expression) {
        let SqlLabel::Number(number) = trees.label(part) else {
            continue;
        };
        let zeros = number
            .strip_suffix(".0")
            .unwrap_or(number)
            .strip_prefix('1')
            .unwrap_or("x");
        if zeros.chars().all(|c| c == '0') && zeros.len() % 3 == 0 && (1..=4).contains(&(zeros.len() / 3)) {
            commas.push(",".repeat(zeros.len() / 3));
        }
    }
    commas.dedup();
    commas
}

/// Returns formats with a section for each sign, from conditions in which each sign has a different text.
fn formats_by_sign(trees: &SqlTrees, case: SqlNodeId) -> Vec<String> {
    let mut arms = Vec::new();
    let mut rest = case;
    while let (SqlLabel::Case, [_, then, other]) = (trees.label(rest), trees.children(rest)) {
        arms.push(*then);
        rest = *other;
    }
    if *trees.label(rest) != SqlLabel::Nothing {
        arms.push(rest);
    }
    if !(2..=3).contains(&arms.len()) {
        return Vec::new();
    }
    let forms = |arm: &SqlNodeId| match trees.label(*arm) {
        SqlLabel::Text(text, _) => affix_masks_from_sql(text),
        _ => number_formats(trees, *arm),
    };
    let mut formats = vec![String::new()];
    for (index, arm) in arms.iter().enumerate() {
        let forms: Vec<String> = forms(arm).into_iter().take(MAX_NUMBER_FORMATS_PER_SIGN).collect();
        let with = |before: &String| {
            let apart = if index == 0 { "" } else { ";" };
            forms
                .iter()
                .map(|form| format!("{before}{apart}{form}"))
                .collect::<Vec<_>>()
        };
        formats = formats.iter().flat_map(with).collect();
    }
    formats
}
