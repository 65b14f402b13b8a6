//! The keys of a step.

use super::keys::{MODEL_KEYS, STEP_KEYS, STEP_LATER};
use super::{Keep, Loader, Step, Text};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::yaml::Node;

impl<'y> Loader<'y, '_> {
    pub(in crate::spec) fn step(&mut self, node: &'y Node, at_top: bool) -> Step<'y> {
        let mut step = Step { span: Span::new(node.span.start, node.span.start), ..Step::default() };
        if node.pairs().is_none() {
            self.report(
                Diagnostic::new(
                    Code::WrongShape,
                    node.span,
                    format!("a step is a mapping, found {}", node.described()),
                )
                .with_help("write `- name: …` with `definitions:` below it"),
            );
            step.faulty = true;
            return step;
        }
        if !at_top {
            self.keys(node, &[STEP_KEYS], &[STEP_LATER, &["columns"]]);
        }
        let strange = |key: &Node| key.text().is_none_or(|k| !STEP_KEYS.contains(&k) && !MODEL_KEYS.contains(&k));
        step.faulty = node.pairs().unwrap_or_default().iter().any(|(key, _)| strange(key));
        step.name = node.get("name").and_then(|n| Some(Text { text: self.plain("name", n)?, node: n }));
        if let Some(name) = step.name {
            self.check_name("a step's name", name.text, name.node);
        }
        step.filter = self.formula(node, "where");
        step.having = self.formula(node, "having");
        step.group_by = self.list(node, "group_by").unwrap_or_default();
        step.order_by = self.list(node, "order_by").unwrap_or_default();
        step.order_by.iter_mut().for_each(|entry| self.check_order(entry));
        step.partition_by = self.list(node, "partition_by");
        if let Some(keep) = node.get("keep") {
            step.keep_span = keep.span;
            step.keep = match keep.text() {
                Some("all") => Keep::All,
                _ => Keep::Columns(self.list(node, "keep").unwrap_or_default()),
            };
        }
        if let Some(limit) = node.get("limit") {
            step.limit_span = limit.span;
            step.limit = limit.text().and_then(|t| t.parse().ok());
            if step.limit.is_none() {
                let found = limit.text().map_or_else(|| limit.described().to_owned(), |text| format!("`{text}`"));
                self.report(
                    Diagnostic::new(
                        Code::WrongShape,
                        limit.span,
                        format!("`limit` must be a whole number, found {found}"),
                    )
                    .with_help("write how many rows to keep, such as `limit: 100`"),
                );
            }
        }
        if let Some(definitions) = node.get("definitions") {
            self.definitions(definitions, &mut step);
        }
        step
    }

    /// Names that become names in SQL: any quoted text can be one there, but for these.
    pub(in crate::spec) fn check_name(&mut self, what: &str, name: &str, node: &Node) {
        let fault = match name.chars().find(|c| c.is_control()) {
            Some(c) => format!("{what} holds the control character U+{:04X}", c as u32),
            None if name.trim().is_empty() => format!("{what} is empty"),
            None => return,
        };
        self.report(Diagnostic::new(Code::WrongShape, node.span, fault).with_help("write letters, digits and `_`"));
    }

    /// `revenue desc nulls last`, `revenue descending`: read as the name.
    pub(in crate::spec) fn check_order(&mut self, entry: &mut Text<'y>) {
        let text = entry.text;
        let Some((name, words)) = text.split_once(char::is_whitespace) else { return };
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let known = ["asc", "ascending", "desc", "descending", "nulls", "first", "last"];
        if matches!(words.as_slice(), [one] if one == "asc" || one == "desc")
            || !words.iter().all(|word| known.contains(&word.as_str()))
        {
            return;
        }
        let descending = words.first().is_some_and(|word| word.starts_with("desc"));
        let mended = format!("{name}{}", if descending { " desc" } else { "" });
        entry.text = name;
        self.report(
            Diagnostic::new(
                Code::WrongShape,
                entry.node.span,
                format!("`order_by` takes names, each with `asc` or `desc`, found `{text}`"),
            )
            .with_help(format!("write `{mended}`; empty values come last either way")),
        );
    }
}
