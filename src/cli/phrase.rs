//! Fills in the catalogue's phrases, such as `the sum of {value}`, with descriptions of the arguments.
//!
//! `{name}` is an argument, and `{name:mode}` is the argument in another form. `[…]` is omitted if an argument in it is
//! absent. `<…>` is repeated once per group of arguments. `{otherwise}` is the argument after the last group. ` | `
//! separates alternatives. The first alternative whose arguments are all present is used.

use formulac::ast::{BinaryOp, Expr, ExprId};
use formulac::catalog::Function;
use formulac::diag::lists::join_words;

use super::sentence::SentenceBuilder;

/// Returns the phrase of a function for these arguments, or `None` if an argument is missing.
pub fn fill_phrase(
    sentence_builder: &SentenceBuilder<'_>,
    function: &'static Function,
    args: &[ExprId],
) -> Option<String> {
    // If several overloads have the maximum number of parameters, use the first one, because the documentation uses the
    // first overload's parameter names.
    let longest = function
        .overloads
        .iter()
        .rev()
        .max_by_key(|overload| overload.params.len())?;
    let names: Vec<&str> = longest.params.iter().map(|param| param.name).collect();
    let is_variadic = function.arity().1.is_none();
    function.phrase.split(" | ").find_map(|template| {
        let (head, repeated, tail) = match template.split_once('<').zip(template.rsplit_once('>')) {
            Some(((head, _), (body, tail))) => (head, body.split_once('<').map_or("", |(_, group)| group), tail),
            None => (template, "", ""),
        };
        let in_group = argument_positions(repeated, &names);
        let mut filling = PhraseFiller {
            sentence_builder,
            names: &names,
            args,
            repeated_from: None,
            otherwise: None,
        };
        let Some(first) = in_group.first().copied() else {
            filling.repeated_from = argument_positions(template, &names)
                .last()
                .copied()
                .filter(|_| is_variadic);
            return filling.fill_template(head);
        };
        let rest = args.get(first..)?;
        let size = in_group.len();
        filling.args = args.get(..first)?;
        filling.otherwise = rest
            .chunks(size)
            .last()
            .filter(|left| left.len() < size)
            .and_then(|left| left.first().copied());
        let group_names: Vec<&str> = in_group.iter().filter_map(|index| names.get(*index).copied()).collect();
        let groups = rest.chunks_exact(size).map(|args| {
            PhraseFiller {
                sentence_builder,
                names: &group_names,
                args,
                repeated_from: None,
                otherwise: None,
            }
            .fill_template(repeated)
        });
        let groups: Vec<String> = groups.collect::<Option<_>>()?;
        let between = if repeated.contains(":is}") { " and " } else { "; " };
        Some(format!(
            "{}{}{}",
            filling.fill_template(head)?,
            groups.join(between),
            filling.fill_template(tail)?
        ))
    })
}

/// Returns the positions of the parameters that a template names, in order.
fn argument_positions(template: &str, names: &[&str]) -> Vec<usize> {
    let template_names: Vec<&str> = template
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split(['}', ':']).next())
        .collect();
    let positions = names
        .iter()
        .enumerate()
        .filter(|(_, name)| template_names.contains(name));
    positions.map(|(index, _)| index).collect()
}

/// A template with its arguments.
struct PhraseFiller<'a> {
    sentence_builder: &'a SentenceBuilder<'a>,
    names: &'a [&'a str],
    args: &'a [ExprId],
    /// Position of the repeated parameter. Its placeholder lists the argument at this position and all later arguments.
    repeated_from: Option<usize>,
    otherwise: Option<ExprId>,
}

impl PhraseFiller<'_> {
    fn fill_template(&self, template: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = template;
        while let Some(offset) = rest.find(['{', '[']) {
            let (before, from) = rest.split_at(offset);
            out.push_str(before);
            let (inner, after) = from
                .get(1..)?
                .split_once(if from.starts_with('{') { '}' } else { ']' })?;
            if from.starts_with('{') {
                out.push_str(&self.fill_placeholder(inner)?);
            } else {
                out.push_str(&self.fill_template(inner).unwrap_or_default());
            }
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    }

    fn fill_placeholder(&self, inner: &str) -> Option<String> {
        let (name, mode) = inner.split_once(':').unwrap_or((inner, ""));
        let values = self.resolve_phrase_arguments(name)?;
        let first = *values.first()?;
        let words = |id: &ExprId| self.sentence_builder.describe_node(*id);
        Some(match mode.split_once(' ').unwrap_or((mode, "")) {
            ("if", _) => values
                .iter()
                .map(|id| words(id).as_condition())
                .collect::<Vec<_>>()
                .join(", "),
            ("and" | "or", _) => {
                let is_mixed = |clause: &String| clause.contains(" and ") || clause.contains(" or ");
                let clauses = values.iter().map(|id| words(id).as_condition());
                let clauses = clauses.map(|clause| {
                    if is_mixed(&clause) {
                        format!("({clause})")
                    } else {
                        clause
                    }
                });
                clauses.collect::<Vec<_>>().join(&format!(" {mode} "))
            }
            ("is", _) => describe_criterion(self.sentence_builder, first),
            ("shift", noun) => {
                let unit = self
                    .resolve_phrase_arguments(noun)
                    .and_then(|unit| self.singular_unit(*unit.first()?));
                describe_shift(self.sentence_builder, first, unit.as_deref().unwrap_or(noun))?
            }
            ("unit", _) => match self.singular_unit(first) {
                Some(unit) => format!("{unit}s"),
                None => format!("units of {}", words(&first).as_embedded_phrase()),
            },
            ("ordinal", _) => ordinal(&words(&first).as_embedded_phrase()),
            _ => join_words(
                &values
                    .iter()
                    .map(|id| words(id).as_embedded_phrase())
                    .collect::<Vec<_>>(),
                "and",
            ),
        })
    }

    /// Returns the arguments to which a name refers.
    fn resolve_phrase_arguments(&self, name: &str) -> Option<&[ExprId]> {
        if name == "otherwise" {
            return self.otherwise.as_ref().map(std::slice::from_ref);
        }
        let index = self.names.iter().position(|known_name| *known_name == name)?;
        let end = if self.repeated_from == Some(index) {
            self.args.len()
        } else {
            index + 1
        };
        self.args.get(index..end).filter(|values| !values.is_empty())
    }

    /// Returns a unit of time in the singular, from a string such as "M" or "months".
    fn singular_unit(&self, id: ExprId) -> Option<String> {
        let text = literal_text(self.sentence_builder, id)?.to_lowercase();
        Some(match text.as_str() {
            "d" => "day".to_owned(),
            "m" => "month".to_owned(),
            "y" => "year".to_owned(),
            _ if text.len() < 3 => return None,
            _ => text.trim_end_matches('s').to_owned(),
        })
    }
}

/// Returns the value of a string literal.
fn literal_text<'a>(sentence_builder: &SentenceBuilder<'a>, id: ExprId) -> Option<&'a str> {
    let text = sentence_builder.ast.span(id).text(sentence_builder.source);
    matches!(sentence_builder.ast.expr(id), Expr::Text)
        .then(|| text.strip_prefix('"')?.strip_suffix('"'))
        .flatten()
}

/// Returns the words for a shift, such as `3 months after` or `1 row before`.
pub fn describe_shift(sentence_builder: &SentenceBuilder<'_>, count: ExprId, unit: &str) -> Option<String> {
    let words = sentence_builder.describe_node(count);
    let noun = words.as_embedded_phrase();
    let (number, direction) = match noun.strip_prefix('-') {
        Some(number) => (number.to_owned(), "before"),
        None => (noun, "after"),
    };
    let plural = if number == "1" { "" } else { "s" };
    Some(format!("{number} {unit}{plural} {direction}"))
}

/// Returns the words for a criterion, such as `is greater than 5`.
fn describe_criterion(sentence_builder: &SentenceBuilder<'_>, id: ExprId) -> String {
    // The criterion `">" & x` selects the values that are greater than `x`.
    if let Expr::Binary {
        op: BinaryOp::Concat,
        left,
        right,
    } = sentence_builder.ast.expr(id)
        && let Some((words, "")) = literal_text(sentence_builder, left).and_then(split_operator)
    {
        return format!("{words} {}", sentence_builder.describe_node(right).as_embedded_phrase());
    }
    match literal_text(sentence_builder, id) {
        Some(text) => match split_operator(text) {
            Some(("is", "")) => "is empty".to_owned(),
            Some(("is not", "")) => "is not empty".to_owned(),
            Some((words, value)) if value.parse::<f64>().is_ok() => format!("{words} {value}"),
            Some((words, value)) => format!("{words} \"{value}\""),
            None if text.contains(['*', '?']) => format!("matches \"{text}\""),
            None => format!("is \"{text}\""),
        },
        None => format!("is {}", sentence_builder.describe_node(id).as_embedded_phrase()),
    }
}

/// Returns the words for the operator at the beginning of a criterion, and the rest of the criterion.
fn split_operator(text: &str) -> Option<(&'static str, &str)> {
    let operators = [
        (">=", "is at least"),
        ("<=", "is at most"),
        ("<>", "is not"),
        (">", "is greater than"),
        ("<", "is less than"),
        ("=", "is"),
    ];
    operators
        .into_iter()
        .find_map(|(sign, words)| Some((words, text.strip_prefix(sign)?)))
}

/// Formats a number as an ordinal, such as `2nd`.
fn ordinal(number: &str) -> String {
    let end = match number.as_bytes() {
        [.., b'1', _] => "th",
        [.., b'1'] => "st",
        [.., b'2'] => "nd",
        [.., b'3'] => "rd",
        _ => "th",
    };
    if number.bytes().all(|b| b.is_ascii_digit()) {
        format!("{number}{end}")
    } else {
        format!("{number}-th")
    }
}
