//! Describes the result of a formula in one English sentence, based on the syntax tree, the types of its parts, and the
//! functions' phrases in the catalogue.

use std::collections::HashMap;

use formulac::ast::{Ast, BinaryOp, Expr, ExprId, Sign};
use formulac::catalog::{self, Function};
use formulac::span::Span;
use formulac::{Type, parse};
use formulac_syntax::text::collapse_whitespace;

use super::formula_parts::FormulaNode;
use super::phrase;

/// Maximum length, in characters, of the description of a part. If the description is longer, the part is quoted from
/// the formula instead.
const MAX_DESCRIPTION_LENGTH: usize = 300;
/// Maximum length of a quoted part, in characters.
const MAX_QUOTED_LENGTH: usize = 60;

/// Sentence about a definition.
#[derive(Debug)]
pub struct Sentence {
    /// Defined name. `None` for a bare formula.
    pub name: Option<String>,
    pub span: Span,
    pub text: String,
}

/// English description of a node.
#[derive(Clone, Debug, Default)]
pub struct ExpressionDescription {
    /// Noun phrase, such as `the sum of x`.
    pub noun: String,
    /// The same description as a condition, such as `x is greater than 1`, if the node is a boolean.
    clause: Option<String>,
    /// Whether the phrase describes an operation on two values and therefore needs brackets inside another operation.
    is_open: bool,
    /// Whether part of the node could not be parsed.
    is_faulty: bool,
}

impl ExpressionDescription {
    /// Returns the noun phrase in a form that fits inside another phrase, with brackets if necessary.
    pub fn as_embedded_phrase(&self) -> String {
        if self.is_open || self.noun.contains(", ") {
            format!("({})", self.noun)
        } else {
            self.noun.clone()
        }
    }

    /// Returns the description as a condition.
    pub fn as_condition(&self) -> String {
        self.clause
            .clone()
            .unwrap_or_else(|| format!("{} is true", self.as_embedded_phrase()))
    }
}

/// Returns a sentence for each definition that can be described, in source order.
pub fn sentences(source: &str, parts: &[FormulaNode]) -> Vec<Sentence> {
    let (parsed, _) = parse::parse(source);
    let ast = parsed.ast();
    let types = parts
        .iter()
        .filter_map(|part| Some((part.id, part.definition.as_ref()?.ty())))
        .collect();
    let mut sentence_builder = SentenceBuilder {
        ast,
        source,
        types,
        words: Vec::with_capacity(ast.len()),
    };
    // Children are visited before their parents.
    for id in ast.ids() {
        let words = sentence_builder.build_description(id);
        sentence_builder.words.push(words);
    }
    let mut sentences = Vec::new();
    for definition in &ast.definitions {
        let text = sentence_builder.complete_sentence(definition.body);
        let name = definition.name.map(|name| name.text(source).to_owned());
        sentences.extend(text.map(|text| Sentence {
            name,
            span: definition.span,
            text,
        }));
    }
    sentences
}

/// Syntax tree, with the descriptions of the nodes visited so far.
pub struct SentenceBuilder<'a> {
    pub ast: &'a Ast,
    pub source: &'a str,
    types: HashMap<ExprId, Type>,
    words: Vec<ExpressionDescription>,
}

impl SentenceBuilder<'_> {
    pub fn describe_node(&self, id: ExprId) -> ExpressionDescription {
        self.words.get(id.index()).cloned().unwrap_or_default()
    }

    fn is_date(&self, id: ExprId) -> bool {
        self.types.get(&id).is_some_and(|ty| ty.is_temporal())
    }

    fn is_number(&self, id: ExprId) -> bool {
        self.types.get(&id).is_some_and(|ty| ty.is_number())
    }

    /// Turns a definition's description into a full sentence, with a verb and a full stop. Returns `None` if part of
    /// the formula could not be parsed.
    fn complete_sentence(&self, body: ExprId) -> Option<String> {
        let words = self.describe_node(body);
        if words.is_faulty || words.noun.is_empty() {
            return None;
        }
        let text = match self.ast.expr(body) {
            Expr::Binary { op, left, right } if words.is_open => {
                let (left, right) = (
                    self.describe_node(left).as_embedded_phrase(),
                    self.describe_node(right).as_embedded_phrase(),
                );
                match op {
                    BinaryOp::Divide => format!("Divides {left} by {right}"),
                    BinaryOp::Multiply => format!("Multiplies {left} by {right}"),
                    BinaryOp::Add => format!("Adds {left} and {right}"),
                    BinaryOp::Subtract => format!("Subtracts {right} from {left}"),
                    BinaryOp::Power => format!("Raises {left} to the power of {right}"),
                    BinaryOp::Concat => format!("Joins {left} and {right} as text"),
                    _ => format!("Tests {}", words.noun),
                }
            }
            _ if words.noun.starts_with("whether ") => format!("Tests {}", words.noun),
            _ => format!("Returns {}", words.noun),
        };
        Some(format!("{}.", collapse_whitespace(&text)))
    }

    fn build_description(&self, id: ExprId) -> ExpressionDescription {
        let is_faulty = matches!(self.ast.expr(id), Expr::Error)
            || self.ast.children(id).any(|child| self.describe_node(child).is_faulty);
        let mut words = ExpressionDescription {
            is_faulty,
            ..self.describe(id)
        };
        if words.noun.chars().count() > MAX_DESCRIPTION_LENGTH {
            words = ExpressionDescription {
                noun: self.quoted_source(id),
                is_faulty,
                ..ExpressionDescription::default()
            };
        }
        words
    }

    /// Returns the source of a node in backticks.
    fn quoted_source(&self, id: ExprId) -> String {
        let text = collapse_whitespace(self.ast.span(id).text(self.source));
        let mut short: String = text.chars().take(MAX_QUOTED_LENGTH).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        format!("`{}`", short.replace('`', "'"))
    }

    fn describe(&self, id: ExprId) -> ExpressionDescription {
        let text = self.ast.span(id).text(self.source);
        let noun = |noun: String| ExpressionDescription {
            noun,
            ..ExpressionDescription::default()
        };
        match self.ast.expr(id) {
            Expr::Number => noun(text.to_owned()),
            Expr::Blank => noun("an empty value".to_owned()),
            Expr::Text if text.chars().count() <= MAX_QUOTED_LENGTH => noun(text.to_owned()),
            Expr::Bool(value) => noun(if value { "TRUE" } else { "FALSE" }.to_owned()),
            Expr::Model => {
                let name = text.trim_start_matches("${").trim_end_matches('}');
                noun(format!("`{name}`"))
            }
            Expr::Timeframe { base, frame } => {
                let frame = self
                    .ast
                    .names
                    .get(frame as usize)
                    .map_or("", |span| span.text(self.source));
                noun(format!(
                    "the {} of {}",
                    timeframe_noun(&frame.to_lowercase()),
                    self.describe_node(base).as_embedded_phrase()
                ))
            }
            Expr::Range { from, to } => noun(self.describe_range(from, to).unwrap_or_else(|| self.quoted_source(id))),
            Expr::Sign { sign, operand } => match (sign, self.ast.expr(operand)) {
                (Sign::Plus, _) => self.describe_node(operand),
                (Sign::Minus, Expr::Number) => noun(format!("-{}", self.describe_node(operand).noun)),
                (Sign::Minus, _) => noun(format!("minus {}", self.describe_node(operand).as_embedded_phrase())),
            },
            Expr::Percent(operand) => match self.ast.expr(operand) {
                Expr::Number => noun(format!("{}%", self.describe_node(operand).noun)),
                _ => noun(format!("{} percent", self.describe_node(operand).as_embedded_phrase())),
            },
            Expr::Binary { op, left, right } => self.describe_binary(op, left, right),
            Expr::Call(index) => {
                let call = self.ast.call(index);
                let function = catalog::lookup(call.name.text(self.source));
                match function.and_then(|function| self.describe_call(function, self.ast.arguments(call))) {
                    Some(words) => words,
                    None => noun(self.quoted_source(id)),
                }
            }
            _ => noun(self.quoted_source(id)),
        }
    }

    fn describe_call(&self, function: &'static Function, args: &[ExprId]) -> Option<ExpressionDescription> {
        // A count of distinct values always ignores NULL, so "non-NULL" would be redundant.
        let noun = phrase::fill_phrase(self, function, args)?.replace("non-NULL distinct", "distinct");
        let clause = noun.strip_prefix("whether ").map(str::to_owned);
        Some(ExpressionDescription {
            noun,
            clause,
            ..ExpressionDescription::default()
        })
    }

    /// Returns the words for a range of rows, such as `x from the first row to this row`.
    fn describe_range(&self, from: ExprId, to: ExprId) -> Option<String> {
        let end = |id: ExprId| -> Option<(ExprId, String)> {
            match self.ast.expr(id) {
                Expr::Name | Expr::Field | Expr::Model => Some((id, "this row".to_owned())),
                Expr::Call(index) => {
                    let call = self.ast.call(index);
                    let args = self.ast.arguments(call);
                    let bound = match call.name.text(self.source).to_ascii_uppercase().as_str() {
                        "FIRST" => "the first row".to_owned(),
                        "LAST" => "the last row".to_owned(),
                        "OFFSET" => format!(
                            "the row {} this row",
                            phrase::describe_shift(self, *args.get(1)?, "row")?
                        ),
                        _ => return None,
                    };
                    Some((*args.first()?, bound))
                }
                _ => None,
            }
        };
        let ((value, first), (_, last)) = (end(from)?, end(to)?);
        let value = self.describe_node(value).noun;
        Some(match (first.as_str(), last.as_str()) {
            ("this row", "this row") => format!("{value} in all rows"),
            _ => format!("{value} from {first} to {last}"),
        })
    }

    fn describe_binary(&self, op: BinaryOp, left: ExprId, right: ExprId) -> ExpressionDescription {
        let (a, b) = (
            self.describe_node(left).as_embedded_phrase(),
            self.describe_node(right).as_embedded_phrase(),
        );
        let dates = self.is_date(left) || self.is_date(right);
        let word = match op {
            BinaryOp::Add if self.is_date(left) && self.is_number(right) => return describe_day_shift(&b, "after", &a),
            BinaryOp::Subtract if self.is_date(left) && self.is_number(right) => {
                return describe_day_shift(&b, "before", &a);
            }
            BinaryOp::Subtract if self.is_date(left) && self.is_date(right) => {
                return ExpressionDescription {
                    noun: format!("the days from {b} to {a}"),
                    ..ExpressionDescription::default()
                };
            }
            BinaryOp::Add => "plus",
            BinaryOp::Subtract => "minus",
            BinaryOp::Multiply => "times",
            BinaryOp::Divide => "divided by",
            BinaryOp::Power => "to the power of",
            BinaryOp::Concat => "joined with",
            BinaryOp::Equal => "is",
            BinaryOp::NotEqual => "is not",
            BinaryOp::Less if dates => "is before",
            BinaryOp::LessEqual if dates => "is on or before",
            BinaryOp::Greater if dates => "is after",
            BinaryOp::GreaterEqual if dates => "is on or after",
            BinaryOp::Less => "is less than",
            BinaryOp::LessEqual => "is at most",
            BinaryOp::Greater => "is greater than",
            BinaryOp::GreaterEqual => "is at least",
        };
        let text = format!("{a} {word} {b}");
        if word.starts_with("is") {
            return ExpressionDescription {
                noun: format!("whether {text}"),
                clause: Some(text),
                is_open: true,
                is_faulty: false,
            };
        }
        ExpressionDescription {
            noun: text,
            is_open: true,
            ..ExpressionDescription::default()
        }
    }
}

/// Returns the noun for a timeframe in lower case: `name of the weekday` for `day_of_week_name`.
fn timeframe_noun(frame: &str) -> String {
    let part = |name: &str| name.replace("day_of_week", "weekday").replace("_of_", " of the ");
    match (frame.strip_suffix("_name"), frame.strip_suffix("_num")) {
        (Some(unit), _) => format!("name of the {}", part(unit)),
        (_, Some(unit)) => format!("number of the {}", part(unit)),
        _ => part(frame).replace('_', " "),
    }
}

fn describe_day_shift(count: &str, direction: &str, date: &str) -> ExpressionDescription {
    let unit = if count == "1" { "day" } else { "days" };
    ExpressionDescription {
        noun: format!("{count} {unit} {direction} {date}"),
        ..ExpressionDescription::default()
    }
}

#[cfg(test)]
mod tests {
    use formulac::{Column, Compiler, Context, Relation, Schema};

    use super::super::formula_parts::formula_parts;
    use super::*;

    fn formula_sentence(formula: &str) -> String {
        let relation = Relation::new("t")
            .with(Column::new("last_activity", Type::Date))
            .with(Column::new("customer_id", Type::Integer))
            .with(Column::new("status", Type::Text))
            .with(Column::new("amount", Type::Decimal))
            .with(Column::new("paid", Type::Boolean));
        let compiler = Compiler::builder()
            .schema(Schema::new().with(relation))
            .context(Context::Measure)
            .build();
        let sentences = sentences(formula, &formula_parts(&compiler, formula));
        sentences
            .into_iter()
            .map(|sentence| sentence.text)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn formulas_become_sentences() {
        for (formula, expected) in [
            (
                "COUNT(IF(last_activity < TODAY() - 30, customer_id)) / COUNT(DISTINCT(customer_id))",
                "Divides the number of non-NULL `customer_id` where `last_activity` is before 30 days before the current \
                 date by the number of distinct `customer_id`.",
            ),
            ("SUM(amount)", "Returns the sum of `amount`."),
            ("COUNT()", "Returns the number of rows."),
            ("SUM(amount * 2) - 1", "Subtracts 1 from the sum of (`amount` times 2)."),
            (
                "SUMIFS(amount, status, \"open\", amount, \">=\" & customer_id)",
                "Returns the sum of `amount` over the rows where `status` is \"open\" and `amount` is at least \
                 `customer_id`.",
            ),
            (
                "COUNTIF(status, \"<>\")",
                "Returns the number of rows where `status` is not empty.",
            ),
            (
                "COUNTIF(AND(paid, OR(amount > 1, NOT(ISBLANK(status)))))",
                "Returns the number of rows where `paid` is true and (`amount` is greater than 1 or it is false that \
                 `status` is NULL).",
            ),
            (
                "IF(amount > 1, \"a\", \"b\")",
                "Returns \"a\" where `amount` is greater than 1, otherwise \"b\".",
            ),
            (
                "SWITCH(status, \"a\", 1, \"b\", 2, 3)",
                "Returns depending on `status`: 1 for \"a\"; 2 for \"b\", otherwise 3.",
            ),
            (
                "PERIODOFFSET(amount, -1, \"month\")",
                "Returns the value of `amount` 1 month before this period.",
            ),
            (
                "AVERAGE(OFFSET(amount, -2):amount)",
                "Returns the average of `amount` from the row 2 rows before this row to this row.",
            ),
            (
                "EDATE(last_activity, 3)",
                "Returns the date 3 months after `last_activity`.",
            ),
            ("${t.amount} > 1", "Tests whether `t.amount` is greater than 1."),
            (
                "last_activity[day_of_week_name]",
                "Returns the name of the weekday of `last_activity`.",
            ),
            (
                "last_activity[day_of_quarter]",
                "Returns the day of the quarter of `last_activity`.",
            ),
            (
                "last_activity[fiscal_year]",
                "Returns the fiscal year of `last_activity`.",
            ),
            ("SUMM(amount)", "Returns `SUMM(amount)`."),
            ("SUM(amount", "Returns the sum of `amount`."),
            ("SUM(amount) /", ""),
        ] {
            assert_eq!(formula_sentence(formula), expected, "{formula}");
        }
    }

    /// Checks that every function has a phrase, and that no template characters remain in the sentence.
    #[test]
    fn every_example_has_a_sentence() {
        let (mut seen, mut faults) = (0, Vec::new());
        for function in catalog::functions() {
            let of_parameters = function.overloads.iter().flat_map(|overload| {
                let names: Vec<&str> = overload.params.iter().map(|param| param.name).collect();
                let required_count = overload.params.iter().filter(|param| !param.optional).count();
                (required_count..=names.len())
                    .map(move |count| format!("{}({})", function.name, names[..count].join(", ")))
            });
            let examples = function
                .examples
                .iter()
                .filter_map(|e| e.rsplit_once(" = "))
                .map(|(call, _)| call.to_owned());
            for formula in examples.chain(of_parameters) {
                let text = formula_sentence(&format!("={formula}"));
                let is_in_formula = |c: char| formula.contains(c);
                let is_sentence = text.ends_with('.') && text.starts_with(|c: char| c.is_ascii_uppercase());
                let has_template = ['{', '}', '[', ']', '<', '>', '|']
                    .iter()
                    .any(|c| text.contains(*c) && !is_in_formula(*c));
                let has_gaps = text.contains(" ,") || text.contains("``") || text.contains(" .");
                let is_quoted = text.contains(&format!("`{}(", function.name));
                if !is_sentence || has_template || has_gaps || is_quoted {
                    faults.push(format!("{formula}: {text}"));
                }
                seen += 1;
            }
        }
        assert!(faults.is_empty() && seen > 400, "{seen}:\n{}", faults.join("\n"));
    }

    /// Checks that parts of a long formula are quoted, so that the sentence stays short.
    #[test]
    fn long_formulas_are_quoted() {
        let deep = format!("{}amount{}", "(1 + ".repeat(900), ")".repeat(900));
        assert!(formula_sentence(&deep).len() < 1000);
        let wide = vec!["amount"; 5000].join(" + ");
        assert!(formula_sentence(&wide).len() < 1000);
    }
}
