//! The keys of a model.

use super::keys::{COLUMN_KEYS, COLUMN_LATER, MODEL_KEYS, MODEL_LATER, STEP_KEYS, STEP_LATER};
use super::{Loader, Spec, Text};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::yaml::Node;

impl<'y> Loader<'y, '_> {
    pub(in crate::spec) fn spec(&mut self, root: &'y Node) -> Option<Spec<'y>> {
        if root.pairs().is_none() {
            self.report(
                Diagnostic::new(
                    Code::WrongShape,
                    root.span,
                    format!("a spec is a mapping, found {}", root.described()),
                )
                .with_help("begin with `model: name` and `from: table`"),
            );
            return None;
        }
        if let (None, Some(_)) = (root.get("model"), root.get("models")) {
            let span = self.key_span(root, "models");
            self.report(
                Diagnostic::new(
                    Code::UnknownKey,
                    span,
                    "`models` is a key of dbt's properties files, and this is read as a spec",
                )
                .with_help("a spec describes one model: begin with `model: name` and `from: table`"),
            );
            return None;
        }
        let steps = root.get("steps");
        if steps.is_some() {
            let mistaken = STEP_KEYS.iter().filter(|k| **k != "name").find(|k| root.get(k).is_some());
            if let Some(key) = mistaken {
                let span = self.key_span(root, key);
                self.report(
                    Diagnostic::new(Code::WrongShape, span, format!("`{key}` stands beside `steps`")).with_help(
                        "move it into the step that it belongs to; only a spec of one step has it at the top",
                    ),
                );
            }
            self.keys(root, &[MODEL_KEYS, STEP_KEYS], &[MODEL_LATER, STEP_LATER]);
        } else {
            self.keys(root, &[MODEL_KEYS, STEP_KEYS], &[MODEL_LATER, STEP_LATER]);
        }
        let model = self.required(root, "model", "a name, such as `model: monthly_revenue`");
        let from_text = self.required(root, "from", "the table that the rows come from, such as `from: orders`");
        let steps = match steps {
            Some(node) => match node.items() {
                Some([]) => {
                    self.report(
                        Diagnostic::new(Code::NothingToSelect, node.span, "the list of steps is empty")
                            .with_help("add a step, `- name: …` with `definitions:` below it"),
                    );
                    Vec::new()
                }
                Some(items) => items.iter().map(|item| self.step(item, false)).collect(),
                None => {
                    self.shape("steps", "a list", node);
                    Vec::new()
                }
            },
            None => vec![self.step(root, true)],
        };
        let columns = self.columns(root);
        let blank_zero = match root.get("blanks") {
            None => false,
            Some(node) => match node.text() {
                Some("zero") => true,
                Some("null") | None if node.is_null() => false,
                _ => {
                    self.shape("blanks", "`zero`", node);
                    false
                }
            },
        };
        let timezone = root.get("timezone").and_then(|n| self.plain("timezone", n)).map(str::to_owned);
        let description = self.description(root);
        let (model, from_text) = (model?, from_text?);
        let from = self.from(from_text)?;
        Some(Spec {
            model,
            description,
            from,
            from_span: from_text.node.span,
            steps,
            columns,
            timezone,
            blank_zero,
            cut: std::mem::take(&mut self.cut),
        })
    }

    pub(in crate::spec) fn key_span(&self, root: &Node, key: &str) -> Span {
        root.pairs().unwrap_or_default().iter().find(|(k, _)| k.text() == Some(key)).map_or(root.span, |(k, _)| k.span)
    }

    pub(in crate::spec) fn columns(&mut self, root: &'y Node) -> Vec<(Text<'y>, Option<String>)> {
        let Some(node) = root.get("columns") else { return Vec::new() };
        let Some(pairs) = node.pairs() else {
            self.shape("columns", "a mapping of names", node);
            return Vec::new();
        };
        let mut columns = Vec::new();
        for (key, value) in pairs {
            let Some(text) = key.text() else { continue };
            if value.pairs().is_none() && !value.is_null() {
                self.shape(text, "a mapping, such as `{description: …}`", value);
                continue;
            }
            self.keys(value, &[COLUMN_KEYS], &[COLUMN_LATER]);
            columns.push((Text { text, node: key }, self.description(value)));
        }
        columns
    }
}
