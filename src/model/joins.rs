//! Parses the joined relations of a step: `joins: - {to, as, on | using, type, cardinality}`.

use formulac_syntax::diag::lists::join_names;

use super::keys::{JOIN, KeyShape};
use super::load::{SpannedText, SpecLoader};
use crate::dbt::RelationReference;
use crate::diag::{Code, Diagnostic, suggest};
use crate::span::Span;
use crate::sql::JoinKind;
use crate::yaml::Node;

/// Joined relation or step. An earlier step takes precedence over a table with the same name.
#[derive(Clone, Debug)]
pub struct JoinedRelation<'y> {
    pub to: RelationReference,
    pub to_text: SpannedText<'y>,
    /// Alias that qualifies the relation's columns.
    pub alias: Option<SpannedText<'y>>,
    pub criterion: JoinCriterion<'y>,
    pub kind: JoinKind,
    /// Whether the join has `cardinality: many`.
    pub many: bool,
}

/// Join condition.
#[derive(Clone, Debug)]
pub enum JoinCriterion<'y> {
    On(SpannedText<'y>),
    Using(Vec<SpannedText<'y>>),
    /// No condition, because the join is a cross join or has a reported error.
    Nothing,
}

impl JoinedRelation<'_> {
    /// Returns the name that qualifies the relation's columns: the alias if it exists, otherwise the name of the
    /// relation.
    pub fn name(&self) -> &str {
        self.alias.map_or_else(|| self.to.name(), |alias| alias.text)
    }

    /// Returns the span of the name that qualifies the relation's columns.
    pub fn name_span(&self) -> Span {
        self.alias.map_or(self.to_text.node.span, |alias| alias.node.span)
    }
}

const JOIN_TYPES: &[(&str, JoinKind)] = &[
    ("left", JoinKind::Left),
    ("inner", JoinKind::Inner),
    ("full", JoinKind::Full),
    ("cross", JoinKind::Cross),
];

impl<'y> SpecLoader<'y, '_> {
    /// Parses the joins of a step. Invalid joins are reported and skipped. Also returns whether all joins are valid.
    pub(super) fn read_joins(&mut self, step: &'y Node) -> (Vec<JoinedRelation<'y>>, bool) {
        let Some(value) = step.get("joins") else {
            return (Vec::new(), true);
        };
        if value.is_null() {
            return (Vec::new(), true);
        }
        let Some(items) = value.items() else {
            let kind_name = value.kind_name();
            self.report(
                Diagnostic::new(
                    Code::WrongShape,
                    value.span,
                    format!("`joins` must be a list, found {kind_name}"),
                )
                .with_help("write `joins:` with a line `- {to: customers, using: customer_id}` below it"),
            );
            return (Vec::new(), false);
        };
        let joins: Vec<JoinedRelation<'y>> = items.iter().filter_map(|item| self.read_join(item)).collect();
        let sound = joins.len() == items.len() && joins.iter().all(is_complete);
        (joins, sound)
    }

    fn read_join(&mut self, node: &'y Node) -> Option<JoinedRelation<'y>> {
        let Some(pairs) = node.pairs() else {
            self.report_invalid_join_shape(node);
            return None;
        };
        // Accept `true`, because tools for YAML 1.1 write the key `on` as `true`.
        let condition_pair = pairs.iter().find(|(key, _)| is_on_key(key));
        let at_comma = condition_pair.and_then(|(_, value)| self.report_text_after_comma("on", node, value));
        let suggested_keys = self.check_join_keys(pairs, at_comma);
        let to_text = self.text(node, "to");
        let is_missing = node.get("to").is_none() && !suggested_keys.contains(&"to");
        if let (true, Some(requirement)) = (is_missing, JOIN.get("to").and_then(|key| key.required)) {
            self.report_missing_key(node, "to", format!("add {requirement}"));
        }
        let to = to_text.and_then(|text| self.parse_relation("to", text));
        let alias = self.text(node, "as");
        if let Some(alias) = alias {
            self.check_name("the name of a joined relation", alias.text, alias.node);
        }
        let kind = self.read_enum_value(node, "type", JOIN_TYPES, JoinKind::Left);
        let many = self.read_enum_value(node, "cardinality", &[("one", false), ("many", true)], false);
        let on_pair = condition_pair.filter(|_| at_comma.is_none());
        let join_condition = on_pair.and_then(|(_, condition)| self.read_join_condition(condition));
        let using = self.list(node, "using");
        let (to, to_text) = (to?, to_text?);
        let name = alias.map_or_else(|| to.name(), |alias| alias.text);
        let criterion = self.read_criterion(node, name, kind, join_condition, using);
        Some(JoinedRelation {
            to,
            to_text,
            alias,
            criterion,
            kind,
            many,
        })
    }

    fn report_invalid_join_shape(&mut self, node: &Node) {
        let relation = node.text().unwrap_or("customers");
        let message = format!("a join must be a mapping, found {}", node.kind_name());
        let help = format!("write `{{to: {relation}, on: …}}`, or use `using:` with columns that exist on both sides");
        self.report(Diagnostic::new(Code::WrongShape, node.span, message).with_help(help));
    }

    /// Checks the keys of a join, except for `on` and for keys in the text after an unquoted comma. Returns the keys
    /// that the user probably meant instead of unknown keys.
    fn check_join_keys(&mut self, pairs: &[(Node, Node)], after_comma: Option<Span>) -> Vec<&'static str> {
        let mut suggested_keys = Vec::new();
        let is_after_comma = |key: &Node| after_comma.is_some_and(|rest| rest.contains(key.span));
        for (key, value) in pairs.iter().filter(|(key, _)| !is_on_key(key) && !is_after_comma(key)) {
            match key.text().map(|name| (name, JOIN.get(name))) {
                Some((name, Some(known_key))) if matches!(known_key.shape, KeyShape::Text | KeyShape::Names) => {
                    self.check_value(name, &known_key.shape, value);
                }
                Some((_, Some(_))) => {}
                Some((name, None)) => suggested_keys.extend(self.report_unknown_key(name, key, JOIN.keys.iter())),
                None => suggested_keys.extend(self.report_unknown_key(key.kind_name(), key, JOIN.keys.iter())),
            }
        }
        suggested_keys
    }

    fn read_join_condition(&mut self, node: &'y Node) -> Option<SpannedText<'y>> {
        let Some(text) = node.text() else {
            self.report_invalid_shape("on", "a condition", node);
            return None;
        };
        self.check_truncated_text("on", node);
        Some(SpannedText { text, node })
    }

    /// Returns a join's criterion, and reports an error if the join has none or more than one. `name` is the name of
    /// the joined relation.
    fn read_criterion(
        &mut self,
        node: &Node,
        name: &str,
        kind: JoinKind,
        join_condition: Option<SpannedText<'y>>,
        using: Option<Vec<SpannedText<'y>>>,
    ) -> JoinCriterion<'y> {
        match (join_condition, using) {
            (Some(_), Some(_)) => {
                let message = format!("`{name}` is joined with both `on` and `using`");
                let help = "remove one of the two keys; to combine conditions, write `on: AND(a = b, c = d)`";
                let span = self.key_span(node, "using");
                self.report(Diagnostic::new(Code::WrongShape, span, message).with_help(help));
                JoinCriterion::Nothing
            }
            (condition, using) if kind == JoinKind::Cross => {
                if condition.is_some() || using.is_some() {
                    self.report_criterion_of_cross_join(node);
                }
                JoinCriterion::Nothing
            }
            (Some(condition), None) => JoinCriterion::On(condition),
            (None, Some(names)) if !names.is_empty() => JoinCriterion::Using(names),
            (None, None | Some(_)) => {
                self.report_missing_criterion(node, name);
                JoinCriterion::Nothing
            }
        }
    }

    fn report_criterion_of_cross_join(&mut self, node: &Node) {
        let is_criterion = |key: &Node| key.text() == Some("using") || is_on_key(key);
        let mut pairs = node.pairs().unwrap_or_default().iter();
        let Some((key, _)) = pairs.find(|(key, _)| is_criterion(key)) else {
            return;
        };
        let key_text = if is_on_key(key) { "on" } else { "using" };
        let message = format!("a cross join combines every row with every row, so it cannot have `{key_text}`");
        let help = format!("remove `{key_text}`, or write `type: inner`");
        self.report(Diagnostic::new(Code::WrongShape, key.span, message).with_help(help));
    }

    fn report_missing_criterion(&mut self, node: &Node, name: &str) {
        let pairs = node.pairs().unwrap_or_default();
        // A missing condition in `on` has already been reported.
        if pairs.iter().any(|(key, _)| is_on_key(key)) {
            return;
        }
        let (message, help) = match pairs.iter().any(|(key, _)| key.text() == Some("using")) {
            true => (
                format!("`using` in the join of `{name}` is empty"),
                "list columns that both relations have",
            ),
            false => (
                format!("the join of `{name}` has no condition"),
                "add `on:` with a condition, `using:` with columns that exist on both sides, or `type: cross`",
            ),
        };
        let span = pairs.first().map_or(node.span, |(key, _)| key.span);
        self.report(Diagnostic::new(Code::MissingKey, span, message).with_help(help));
    }

    /// Parses a value that must be one of a few words.
    fn read_enum_value<T: Copy>(&mut self, node: &Node, key: &str, words: &[(&str, T)], default: T) -> T {
        let Some(value) = node.get(key).filter(|value| !value.is_null()) else {
            return default;
        };
        let text = value.text().unwrap_or_default();
        if let Some((_, choice)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
            return *choice;
        }
        let word_list = join_names(words.iter().map(|(word, _)| word), "or");
        let value_text = value.describe();
        let help = match (
            text.to_ascii_lowercase().as_str(),
            suggest::nearest_name(text, words.iter().map(|(w, _)| *w)),
        ) {
            ("right", _) => {
                "swap the relations: write the joined relation in `from`, and join the other relation with `type: left`"
                    .to_owned()
            }
            ("outer" | "full outer", _) => "write `full`".to_owned(),
            (_, Some(near)) => suggest::similar_name_help(near),
            (_, None) => format!("use {word_list}"),
        };
        self.report(
            Diagnostic::new(
                Code::WrongShape,
                value.span,
                format!("`{key}` must be {word_list}, found {value_text}"),
            )
            .with_help(help),
        );
        default
    }
}

/// Returns whether a key is `on`, or `true` as written by a tool for YAML 1.1.
fn is_on_key(key: &Node) -> bool {
    key.text() == Some("on") || key.boolean() == Some(true)
}

fn is_complete(joined: &JoinedRelation<'_>) -> bool {
    joined.kind == JoinKind::Cross || !matches!(joined.criterion, JoinCriterion::Nothing)
}
