//! Reads the constructs of one template in a single pass over its nodes.

use std::collections::BTreeSet;

use super::classes::{arithmetic_class, class_of_native_type, class_of_type, is_temporal_class, strip_safe_prefix};
use super::{AggregateUses, Construct, Conversion, Scope, Section};
use crate::signature::Signature;
use crate::template::{EXPRESSION_END_KEYWORDS, Node, Type};

const DATE_PARTS: [&str; 17] = [
    "year",
    "quarter",
    "month",
    "week",
    "isoweek",
    "isoyear",
    "day",
    "hour",
    "minute",
    "second",
    "microsecond",
    "dow",
    "isodow",
    "doy",
    "epoch",
    "dayofweek",
    "dayofyear",
];

/// Suffix that marks the name of a relation.
const RELATION_SUFFIX: &str = "as";

/// Type class and text of a node. The reader builds the surrounding constructs from them.
#[derive(Clone, Default)]
struct NodeDescription {
    class: String,
    text: String,
}

impl NodeDescription {
    fn from_class(class: &str) -> Self {
        Self {
            class: class.to_owned(),
            text: class.to_owned(),
        }
    }

    fn word(text: &str) -> Self {
        Self {
            class: "any".to_owned(),
            text: text.to_owned(),
        }
    }
}

pub(super) struct ConstructCollector<'a> {
    nodes: &'a [Node],
    signature: &'a Signature,
    scope: &'a Scope<'a>,
    /// Text after each call, such as ` within group (order by)`. Alternatives are separated by `|`.
    suffixes: Vec<String>,
    described: Vec<NodeDescription>,
    found: BTreeSet<Construct>,
}

impl<'a> ConstructCollector<'a> {
    pub(super) fn read(
        nodes: &'a [Node],
        signature: &'a Signature,
        roles: AggregateUses,
        scope: &'a Scope<'a>,
    ) -> Self {
        let mut reader = ConstructCollector {
            nodes,
            signature,
            scope,
            suffixes: vec![String::new(); nodes.len()],
            described: Vec::new(),
            found: BTreeSet::new(),
        };
        reader.mark_window_calls(roles);
        for node in nodes {
            let described = reader.describe(node);
            reader.described.push(described);
        }
        reader
    }

    pub(super) fn into_constructs(self) -> BTreeSet<Construct> {
        self.found
    }

    /// Returns the class of the template's value.
    pub(super) fn into_class(mut self) -> String {
        self.described.pop().map_or_else(|| "any".to_owned(), |last| last.class)
    }

    /// Finds the calls that are computed over windows or ordered sets.
    fn mark_window_calls(&mut self, roles: AggregateUses) {
        let is_windowed = self.nodes.iter().any(|node| matches!(node, Node::Over(_)));
        let over: Vec<&str> = roles.window_clauses().collect();
        for node in self.nodes {
            match node {
                Node::Over(x) => self.suffixes[usize::from(*x)] = over.join("|"),
                Node::Spaced(parts) => {
                    self.mark_aliases(parts);
                    if let (Some(call), Some(Node::Word(word))) = (
                        parts.first(),
                        parts.get(1).map(|index| &self.nodes[usize::from(*index)]),
                    ) && (word.starts_with("within group") || word.starts_with("over") || word.starts_with("filter"))
                    {
                        let suffix = match word.as_str() {
                            "within group" => " within group (order by)".to_owned(),
                            "over" => " over (partition by)".to_owned(),
                            other => format!(" {other} (…)"),
                        };
                        self.suffixes[usize::from(*call)] = suffix;
                    }
                }
                _ => {}
            }
        }
        // A template without `{window}` is a single call. The compiler writes the window after this call.
        if !is_windowed && !over.is_empty() {
            let root = match self.nodes.last() {
                Some(Node::Spaced(parts)) => usize::from(parts[0]),
                _ => self.nodes.len().saturating_sub(1),
            };
            let suffix = std::mem::take(&mut self.suffixes[root]);
            let mut texts: Vec<String> = over.iter().map(|text| format!("{suffix}{text}")).collect();
            texts.extend(roles.grouped.then(|| suffix.clone()));
            self.suffixes[root] = texts.join("|");
        }
    }

    /// Marks the names after `as`, such as `u(v)`, which have the form of calls.
    fn mark_aliases(&mut self, parts: &[u16]) {
        for pair in parts.windows(2) {
            if matches!(&self.nodes[usize::from(pair[0])], Node::Word(word) if word == "as") {
                self.suffixes[usize::from(pair[1])] = RELATION_SUFFIX.to_owned();
            }
        }
    }

    fn add(&mut self, section: Section, text: String) {
        self.found.insert((section, text));
    }

    fn class(&self, index: u16) -> &str {
        &self.described[usize::from(index)].class
    }

    fn texts(&self, indices: &[u16]) -> Vec<&str> {
        indices
            .iter()
            .map(|index| self.described[usize::from(*index)].text.as_str())
            .collect()
    }

    fn describe(&mut self, node: &Node) -> NodeDescription {
        match node {
            Node::Word(word) => self.describe_word(word),
            Node::Number(digits) => NodeDescription::from_class(if digits.contains('e') {
                "float"
            } else if digits.contains('.') {
                "decimal"
            } else {
                "integer"
            }),
            Node::Text(_) => NodeDescription::from_class("text"),
            Node::Arg { index, mode } => NodeDescription::from_class(&self.argument_class(*index, mode)),
            Node::ArgList { index, mode } => {
                let class = self.argument_class(*index, mode);
                NodeDescription {
                    text: format!("{class}..."),
                    class,
                }
            }
            Node::ArgJoin { index, mode, op } => {
                let class = self.argument_class(*index, mode);
                self.describe_operation(op, &class, &class)
            }
            Node::Call { name, args } => self.describe_call(name, args),
            Node::Binary { op, left, right } => {
                let (left, right) = (self.class(*left).to_owned(), self.class(*right).to_owned());
                self.describe_operation(op, &left, &right)
            }
            Node::Not(_) => self.add_operator_construct("not", "boolean"),
            Node::Negative(x) => NodeDescription::from_class(self.class(*x)),
            Node::Postfix { op, .. } if op.starts_with('.') => self.add_operator_construct("struct.field", "any"),
            Node::Postfix { op, .. } => {
                let predicate = op.trim_start_matches("is ").trim_start_matches("not ");
                self.add_operator_construct(&format!("is {predicate}"), "boolean")
            }
            Node::In { .. } => self.add_operator_construct("in (…)", "boolean"),
            Node::Between { .. } => self.add_operator_construct("between", "boolean"),
            Node::Case(arms) => {
                let values = arms.iter().skip(1).step_by(2).chain(arms.last());
                let class = values
                    .map(|index| self.class(*index))
                    .find(|class| *class != "null")
                    .unwrap_or("any")
                    .to_owned();
                self.add_operator_construct("case", &class)
            }
            Node::Cast { name, x, ty } => self.describe_cast(name, *x, ty),
            Node::Spaced(parts) | Node::Ordered { parts, .. } => self.describe_words(parts),
            Node::Paren(x) => self.described[usize::from(*x)].clone(),
            Node::List(items) => NodeDescription::word(&self.texts(items).join(", ")),
            Node::Bracket(items) => {
                let text = format!("[{}]", self.texts(items).join(", "));
                self.add_operator_construct(&text, "array")
            }
            // A list, `array[1, 2]`.
            Node::Subscript { x, index } if matches!(&self.nodes[usize::from(*x)], Node::Word(word) if word == "array") =>
            {
                let text = format!("array[{}]", self.texts(&[*index]).join(""));
                self.add_operator_construct(&text, "array")
            }
            Node::Subscript { x, index } => {
                let text = format!("{}[{}]", self.class(*x), self.class(*index));
                self.add_operator_construct(&text, "any")
            }
            Node::Over(x) => self.described[usize::from(*x)].clone(),
        }
    }

    fn describe_call(&mut self, name: &str, args: &[u16]) -> NodeDescription {
        let place = self.described.len();
        let suffixes = self.suffixes[place].clone();
        if suffixes == RELATION_SUFFIX {
            return NodeDescription::word(name);
        }
        // The compiler leaves out a sort order whose key is a constant.
        let unordered = args.iter().map(|index| {
            let text = self.described[usize::from(*index)].text.as_str();
            match self.nodes[usize::from(*index)] {
                Node::Ordered { .. } => strip_sort_order(text),
                _ => text.to_owned(),
            }
        });
        let calls = [self.texts(args).join(", "), unordered.collect::<Vec<_>>().join(", ")];
        for call in calls.map(|args| format!("{name}({args})")) {
            for suffix in suffixes.split('|') {
                self.add(Section::Calls, format!("{call}{suffix}"));
            }
        }
        NodeDescription::from_class(&self.result_class(name, args))
    }

    fn describe_cast(&mut self, name: &str, x: u16, ty: &Type) -> NodeDescription {
        let (class, type_name) = match ty {
            Type::Neutral(index) => {
                let neutral = crate::part::NEUTRAL_TYPES[usize::from(*index)];
                let dialect_type = self.scope.types.iter().find(|(name, _)| name == neutral);
                (
                    neutral.to_owned(),
                    dialect_type.map_or(neutral, |(_, name)| name.as_str()).to_owned(),
                )
            }
            Type::Native(name) => (class_of_native_type(name).to_owned(), name.clone()),
        };
        let from = self.class(x).to_owned();
        self.add(Section::Casts, format!("{name}({from} as {type_name})"));
        NodeDescription::from_class(&class)
    }

    fn add_operator_construct(&mut self, text: &str, class: &str) -> NodeDescription {
        self.add(Section::Operators, text.to_owned());
        NodeDescription::from_class(class)
    }

    fn describe_word(&mut self, word: &str) -> NodeDescription {
        match word {
            "null" => NodeDescription::from_class("null"),
            "true" | "false" => NodeDescription::from_class("boolean"),
            "*" => NodeDescription::word("*"),
            _ if word.starts_with("lambda ") => NodeDescription::word("lambda x:"),
            _ if EXPRESSION_END_KEYWORDS.contains(&word) || DATE_PARTS.contains(&word) => NodeDescription::word(word),
            _ if word.starts_with("current_") => {
                self.add(Section::Calls, word.to_owned());
                NodeDescription::from_class(if word == "current_date" { "date" } else { "timestamptz" })
            }
            "->" | "escape" | "at time zone" | "distinct" | "select" | "values" | "both" | "leading" | "trailing"
            | "interval" | "date" | "timestamp" | "datetime" | "numeric" | "bignumeric" | "array" | "r" | "over" => {
                NodeDescription::word(word)
            }
            _ if word.starts_with("within group") || word.starts_with("filter") => NodeDescription::word(word),
            // Any other word is the name of a template's own column or parameter.
            _ => NodeDescription::from_class("any"),
        }
    }

    /// Describes a sequence of keywords and operands, such as `interval '1 month'` or a subquery.
    fn describe_words(&mut self, parts: &[u16]) -> NodeDescription {
        let texts: Vec<String> = self.texts(parts).iter().map(|text| (*text).to_owned()).collect();
        let is = |index: usize, word: &str| texts.get(index).is_some_and(|text| text == word);
        let class = |index: usize| self.class(parts[index]).to_owned();
        let text = texts.join(" ");
        match texts[0].as_str() {
            "select" | "values" => {
                let kind = if texts.iter().any(|word| word == "limit") {
                    "subquery with limit"
                } else {
                    "subquery"
                };
                self.add(Section::Operators, kind.to_owned());
                NodeDescription::from_class("any")
            }
            "lambda x:" => self.add_operator_construct("lambda x: …", "lambda"),
            "interval" => {
                self.add(Section::Literals, text);
                NodeDescription::from_class("interval")
            }
            typed @ ("date" | "timestamp" | "datetime" | "numeric" | "bignumeric" | "array" | "r") => {
                let typed = typed.to_owned();
                self.add(Section::Literals, text);
                NodeDescription::from_class(match typed.as_str() {
                    "date" => "date",
                    "timestamp" | "datetime" => "timestamp",
                    "array" => "array",
                    "r" => "text",
                    _ => "decimal",
                })
            }
            _ if is(1, "->") => self.add_operator_construct("(x, y) -> …", "lambda"),
            _ if is(1, "escape") => self.add_operator_construct("like … escape", "boolean"),
            _ if is(1, "at time zone") => {
                let zoned = class(0);
                self.add_operator_construct(
                    &format!("{zoned} at time zone text"),
                    if zoned == "timestamptz" {
                        "timestamp"
                    } else {
                        "timestamptz"
                    },
                )
            }
            _ if is(1, "within group") || is(1, "over") || is(1, "filter") => NodeDescription::from_class(&class(0)),
            "distinct" => NodeDescription { class: class(1), text },
            _ => NodeDescription { class: class(0), text },
        }
    }

    fn describe_operation(&mut self, op: &str, left: &str, right: &str) -> NodeDescription {
        match op {
            "or" | "and" => self.add_operator_construct("and, or", "boolean"),
            "=" | "<>" | "<" | "<=" | ">" | ">=" => self.add_operator_construct("= <> < <= > >=", "boolean"),
            "like" | "not like" => self.add_operator_construct("like", "boolean"),
            "ilike" | "~" | "~*" | "!~" => self.add_operator_construct(op, "boolean"),
            "is distinct from" | "is not distinct from" => {
                self.add_operator_construct("is [not] distinct from", "boolean")
            }
            "||" => {
                self.add_operator_construct(&format!("{left} || {right}"), if left == "any" { right } else { left })
            }
            _ => {
                let class = arithmetic_class(op, left, right);
                // Only for division does it matter whether each number is an integer, a decimal or a float.
                let class_text = |class: &str| match class {
                    "integer" | "decimal" | "float" if op != "/" => "number".to_owned(),
                    _ => class.to_owned(),
                };
                self.add_operator_construct(&format!("{} {op} {}", class_text(left), class_text(right)), &class)
            }
        }
    }

    /// Returns the type class of an argument after the conversion that its mode specifies.
    fn argument_class(&self, index: u8, mode: &str) -> String {
        let arg_class = self
            .signature
            .params
            .get(usize::from(index))
            .map_or("any", |param| class_of_type(&param.ty));
        match mode {
            "" => arg_class.to_owned(),
            "tens" | "scale" => "integer".to_owned(),
            "tenths" => "decimal".to_owned(),
            "word" => "unit".to_owned(),
            "literal" | "character" => "text".to_owned(),
            _ if crate::part::NEUTRAL_TYPES.contains(&mode) => mode.to_owned(),
            _ => {
                let is_conversion = |c: &&Conversion| c.mode == mode && c.from == arg_class;
                if let Some(conversion) = self.scope.conversions.iter().find(is_conversion) {
                    return conversion.class.clone();
                }
                let function = self.scope.functions.iter().find(|f| f.is_internal() && f.name == mode);
                let signature = function
                    .and_then(|f| f.overloads.first())
                    .map(|overload| &overload.signature);
                match signature.map(|s| s.result.as_str()) {
                    Some(result) if class_of_type(result) != "any" => class_of_type(result).to_owned(),
                    _ => arg_class.to_owned(),
                }
            }
        }
    }

    /// Returns the type class of a call's result.
    fn result_class(&self, name: &str, args: &[u16]) -> String {
        let first = || {
            args.iter()
                .map(|index| self.class(*index))
                .find(|class| *class != "null")
                .unwrap_or("any")
                .to_owned()
        };
        let entry = self
            .scope
            .results
            .iter()
            .find(|(function, _)| function == strip_safe_prefix(name));
        match entry.map(|(_, class)| class.as_str()) {
            Some("argument") => first(),
            Some("moment") => {
                let moment = args
                    .iter()
                    .map(|index| self.class(*index))
                    .find(|class| is_temporal_class(class));
                moment.unwrap_or("temporal").to_owned()
            }
            Some(class) => class.to_owned(),
            None => "any".to_owned(),
        }
    }
}

/// Returns the text of an argument without its sort order: `any ignore nulls limit number` for
/// `any ignore nulls order by any desc limit number`.
fn strip_sort_order(text: &str) -> String {
    let (argument, order) = text.split_once(" order by ").unwrap_or((text, ""));
    let limit = order
        .find(" limit ")
        .and_then(|offset| order.get(offset..))
        .unwrap_or_default();
    format!("{argument}{limit}")
}
