//! Keys of a model.

use super::{Loader, Spec, SpecKind};
use crate::diag::{Code, Diagnostic};
use crate::keys::{EXPANDED, MODEL, STEP};
use crate::semantic::SemanticModels;
use crate::span::Span;
use crate::yaml::Node;

impl<'y> Loader<'y, '_> {
    pub(crate) fn read_spec(&mut self, root: &'y Node) -> Option<Spec<'y>> {
        if root.pairs().is_none() {
            self.report(
                Diagnostic::new(
                    Code::WrongShape,
                    root.span,
                    format!("a spec must be a mapping, found {}", root.kind_name()),
                )
                .with_help("start with `model: name` and `from: table`"),
            );
            return None;
        }
        if let (None, Some(_)) = (root.get("model"), root.get("models")) {
            let span = self.key_span(root, "models");
            self.report(
                Diagnostic::new(
                    Code::UnknownKey,
                    span,
                    "`models` is a key of dbt's properties files, but this file must be a spec",
                )
                .with_help("write a spec for one model, starting with `model: name` and `from: table`"),
            );
            return None;
        }
        let steps = root.get("steps");
        if steps.is_some() {
            // If the spec has `steps`, the top level accepts only keys of a model. Keys that only a step accepts are
            // reported.
            let mut mistaken = STEP
                .keys
                .iter()
                .map(|key| key.name)
                .filter(|name| MODEL.get(name).is_none());
            let listed = root
                .get("columns")
                .is_some_and(|columns| columns.pairs().is_none() && !columns.is_null());
            let listed = listed.then_some("columns");
            if let Some(key) = mistaken.find(|name| root.get(name).is_some()).or(listed) {
                let span = self.key_span(root, key);
                self.report(
                    Diagnostic::new(
                        Code::WrongShape,
                        span,
                        format!("`{key}` and `steps` cannot be used together"),
                    )
                    .with_help(
                        "move the key into a step; the key is allowed at the top level only in a spec without `steps`",
                    ),
                );
            }
        }
        match self.kind {
            SpecKind::Written => self.check_keys(root, &[&MODEL, &STEP]),
            _ => self.check_keys(root, &[&EXPANDED, &MODEL, &STEP]),
        }
        let steps = match steps.map(|node| (node, node.items())) {
            Some((node, Some([]))) => {
                self.report(
                    Diagnostic::new(Code::NothingToSelect, node.span, "the list of steps is empty")
                        .with_help("add a step: `- name: …` with `definitions:` below it"),
                );
                Vec::new()
            }
            Some((_, Some(items))) => items.iter().map(|item| self.read_step(item, false)).collect(),
            Some((_, None)) => Vec::new(),
            None => vec![self.read_step(root, true)],
        };
        let columns = self.columns(root);
        let dbt = self.dbt_keys(root);
        let rules = self.read_rules(root);
        let comparisons = self.read_comparisons(root);
        let examples = self.read_examples(root);
        let exposures = self.read_exposures(root);
        let model = self.text(root, "model")?;
        let first = steps.first().and_then(|step| step.from.clone());
        let (from, from_span) = match first.filter(|_| self.kind != SpecKind::Written) {
            Some(from) => from,
            None => {
                let text = self.text(root, "from")?;
                (self.parse_relation("from", text)?, text.node.span)
            }
        };
        Some(Spec {
            model,
            description: self.description(root),
            from,
            from_span,
            steps,
            columns,
            dbt,
            rules,
            comparisons,
            examples,
            exposures,
            semantic: root.get("semantic_model").and_then(SemanticModels::from_node),
            timezone: self.text(root, "timezone").map(|zone| zone.text.to_owned()),
            blank_zero: self.text(root, "blanks").is_some_and(|blanks| blanks.text == "zero"),
            week_start: self.week_start(root),
            fiscal_month_offset: self.fiscal_month_offset(root),
            today: self.read_today(root),
            cut: std::mem::take(&mut self.cut),
            kind: self.kind,
        })
    }

    pub(crate) fn key_span(&self, root: &Node, key: &str) -> Span {
        root.pairs()
            .unwrap_or_default()
            .iter()
            .find(|(k, _)| k.text() == Some(key))
            .map_or(root.span, |(k, _)| k.span)
    }
}
