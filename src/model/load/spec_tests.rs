//! Conditions on the model: rules, comparisons with other relations, and examples.

use super::{SpannedText, SpecLoader};
use crate::check::is_iso_date;
use crate::checks::{invalid_dbt_name_message, is_identifier};
use crate::dbt::RelationReference;
use crate::diag::{Code, Diagnostic};
use crate::keys::RULE;
use crate::span::Span;
use crate::yaml::{self, Node};

/// Condition on every row of the model.
#[derive(Clone, Debug)]
pub struct SpecRule<'y> {
    pub name: SpannedText<'y>,
    pub check: SpannedText<'y>,
    /// Column that must contain each value of the checked column.
    pub found_in: Option<ReferencedColumn<'y>>,
    pub filter: Option<SpannedText<'y>>,
    /// Whether violations are warnings instead of errors.
    pub only_warns: bool,
    pub message: Option<&'y str>,
    /// Whether NULL is a violation.
    pub nulls_fail: bool,
}

/// Column of another relation. This column must contain all values in a column of the model.
#[derive(Clone, Debug)]
pub struct ReferencedColumn<'y> {
    pub to: RelationReference,
    pub to_span: Span,
    /// Name of the column in the other relation. `None` if both columns have the same name.
    pub field: Option<SpannedText<'y>>,
}

/// Relation that must have the same rows as the model.
#[derive(Clone, Debug)]
pub struct SpecComparison<'y> {
    pub with: RelationReference,
    pub with_span: Span,
    pub keys: Vec<SpannedText<'y>>,
    /// Columns to compare. `None` for all columns except the keys.
    pub columns: Option<Vec<SpannedText<'y>>>,
    /// Largest allowed difference between two numbers, as written in the spec.
    pub tolerance: Option<&'y str>,
    pub filter: Option<SpannedText<'y>>,
}

/// Example with input rows and expected output rows.
#[derive(Clone, Debug)]
pub struct SpecExample<'y> {
    pub name: SpannedText<'y>,
    /// `given` and `expect` contain rows in dbt's format. These rows have already been checked.
    pub given: &'y Node,
    pub expect: &'y Node,
    pub today: Option<SpannedText<'y>>,
}

impl<'y> SpecLoader<'y, '_> {
    pub(super) fn read_rules(&mut self, root: &'y Node) -> Vec<SpecRule<'y>> {
        let items = root.items_at("rules");
        let rules: Vec<SpecRule<'y>> = items.iter().filter_map(|item| self.read_rule(item)).collect();
        self.report_duplicates("rules", rules.iter().map(|rule| rule.name));
        rules
    }

    fn read_rule(&mut self, node: &'y Node) -> Option<SpecRule<'y>> {
        let is_long = ["name", "check", "found_in"].iter().any(|key| node.get(key).is_some());
        let pairs = if is_long {
            Vec::new()
        } else {
            self.pairs_without_comma_errors(node, |_, value| value.text().is_some())
        };
        let rule = match pairs.as_slice() {
            [(name, check)] => {
                let yaml::NodeKind::Scalar { value: text, .. } = &name.kind else {
                    self.report_invalid_shape("rules", "a list of `name: formula`", name);
                    return None;
                };
                let Some(formula) = check.text() else {
                    self.report_nested_rule(text, check);
                    return None;
                };
                self.check_truncated_text(text, check);
                SpecRule {
                    name: SpannedText { text, node: name },
                    check: SpannedText {
                        text: formula,
                        node: check,
                    },
                    found_in: None,
                    filter: None,
                    only_warns: false,
                    message: None,
                    nulls_fail: false,
                }
            }
            _ if is_long => {
                self.check_keys(node, &[&RULE]);
                SpecRule {
                    name: self.text(node, "name")?,
                    check: self.text(node, "check")?,
                    found_in: match node.get("found_in") {
                        Some(found_in) => Some(self.read_found_in(found_in)?),
                        None => None,
                    },
                    filter: self.text(node, "where"),
                    only_warns: self
                        .text(node, "severity")
                        .is_some_and(|severity| severity.text == "warn"),
                    message: self.text(node, "message").map(|message| message.text),
                    nulls_fail: self.text(node, "nulls").is_some_and(|nulls| nulls.text == "fail"),
                }
            }
            _ => {
                self.report(
                    Diagnostic::new(
                        Code::WrongShape,
                        node.span,
                        format!(
                            "a rule must be either `name: formula` or a mapping with `name` and `check`, found {}",
                            node.pairs().map_or(node.kind_name(), |_| "a mapping with other keys")
                        ),
                    )
                    .with_help("write `- name: formula`, with one rule after each `-`"),
                );
                return None;
            }
        };
        self.check_dbt_name(
            "a rule, because the name of a rule is also the name of a dbt test",
            rule.name,
        );
        Some(rule)
    }

    /// Reports a rule whose value is not a formula, for example `known: {check: …}`.
    fn report_nested_rule(&mut self, name: &str, check: &Node) {
        if check.pairs().is_none() {
            return self.report_invalid_shape(name, "a formula", check);
        }
        let message = format!("`{name}` must be a formula, found {}", check.kind_name());
        let help = format!("write `- {{name: {name}, check: …}}`, with the other keys of the rule next to `name`");
        self.report(Diagnostic::new(Code::WrongShape, check.span, message).with_help(help));
    }

    fn read_found_in(&mut self, node: &'y Node) -> Option<ReferencedColumn<'y>> {
        let spanned_text = self.text(node, "to")?;
        Some(ReferencedColumn {
            to: self.parse_relation("to", spanned_text)?,
            to_span: spanned_text.node.span,
            field: self.text(node, "field"),
        })
    }

    pub(super) fn read_comparisons(&mut self, root: &'y Node) -> Vec<SpecComparison<'y>> {
        let items = root.items_at("compare");
        let mut comparisons = Vec::new();
        for item in items {
            let Some(spanned_text) = self.text(item, "with") else {
                continue;
            };
            let Some(with) = self.parse_relation("with", spanned_text) else {
                continue;
            };
            let keys = self.list(item, "keys").unwrap_or_default();
            if let (true, Some(node)) = (keys.is_empty(), item.get("keys")) {
                self.report(
                    Diagnostic::new(Code::WrongShape, node.span, "`keys` is empty")
                        .with_help("list the columns that identify each row"),
                );
            }
            comparisons.push(SpecComparison {
                with,
                with_span: spanned_text.node.span,
                keys,
                columns: self.list(item, "columns"),
                tolerance: self.text(item, "tolerance").map(|tolerance| tolerance.text),
                filter: self.text(item, "where"),
            });
        }
        comparisons
    }

    pub(super) fn read_examples(&mut self, root: &'y Node) -> Vec<SpecExample<'y>> {
        let items = root.items_at("examples");
        let mut examples = Vec::new();
        for item in items {
            let (Some(name), Some(inputs), Some(expect)) =
                (self.text(item, "name"), item.get("given"), item.get("expect"))
            else {
                continue;
            };
            self.check_dbt_name(
                "an example, because the name of an example is also the name of a dbt test",
                name,
            );
            let today = self.text(item, "today");
            if let Some(day) = today.filter(|day| !is_iso_date(day.text)) {
                self.report(
                    Diagnostic::new(
                        Code::WrongShape,
                        day.node.span,
                        format!("`today` must be a date, found `{}`", day.text),
                    )
                    .with_help("write a date that exists, for example `today: 2024-01-31`"),
                );
            }
            examples.push(SpecExample {
                name,
                given: inputs,
                expect,
                today,
            });
        }
        self.report_duplicates("examples", examples.iter().map(|example| example.name));
        examples
    }

    /// Checks whether a name is valid in dbt. The name belongs to an exposure, or to a rule or example that becomes a
    /// dbt test.
    pub(super) fn check_dbt_name(&mut self, description: &str, name: SpannedText<'y>) {
        if !is_identifier(name.text) {
            let (fault, proposed) = invalid_dbt_name_message(name.text, "never_negative");
            self.report(
                Diagnostic::new(Code::NotADbtName, name.node.span, format!("{fault} for {description}"))
                    .with_help(format!("write `{proposed}`")),
            );
        }
    }

    pub(super) fn report_duplicates(&mut self, description: &str, names: impl Iterator<Item = SpannedText<'y>>) {
        let mut seen = rustc_hash::FxHashMap::default();
        for name in names {
            if let Some(first) = seen.insert(name.text.to_lowercase(), name.node.span) {
                let message = format!("two {description} are named `{}`", name.text);
                self.report(
                    Diagnostic::new(Code::DuplicateDefinition, name.node.span, message)
                        .with_secondary_label(first, "the first")
                        .with_help("rename one of the two"),
                );
            }
        }
    }
}
