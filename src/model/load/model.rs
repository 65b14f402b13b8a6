//! Keys of a model.

use super::{ColumnProjection, Spec, SpecLoader, Step};
use crate::diag::{Code, Diagnostic, suggest};
use crate::keys::{FORMULAC_META, METRIC_SET_STEP, MODEL, STEP, STEP_INPUT};
use crate::semantic::SemanticModels;
use crate::span::Span;
use crate::yaml::Node;

impl<'y> SpecLoader<'y, '_> {
    /// Reads a spec. Returns `None` if the name of the model or its input is missing.
    pub(crate) fn read_spec(&mut self, root: &'y Node) -> Option<Spec<'y>> {
        if self.report_non_spec_file(root) {
            return None;
        }
        if root.get("steps").is_some() {
            self.report_step_key_next_to_steps(root);
        }
        self.check_keys(root, &[&MODEL, &STEP]);
        let steps = self.read_steps(root);
        let columns = self.columns(root);
        let dbt = self.dbt_keys(root);
        if let Some(config) = dbt.config {
            self.check_config(config);
        }
        let meta = [dbt.meta, dbt.config.and_then(|config| config.get("meta"))];
        let of_formulac = meta.into_iter().flatten().filter_map(|meta| meta.get("formulac"));
        for node in of_formulac.filter(|node| node.pairs().is_some()) {
            self.check_keys(node, &[&FORMULAC_META]);
        }
        let rules = self.read_rules(root);
        let comparisons = self.read_comparisons(root);
        let examples = self.read_examples(root);
        let exposures = self.read_exposures(root);
        let model = self.text(root, "model")?;
        let text = self.text(root, "from")?;
        let (from, from_span) = (self.parse_relation("from", text)?, text.node.span);
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
            truncated_formulas: std::mem::take(&mut self.truncated_formulas),
            kind: self.kind,
        })
    }

    /// Reports a file that is not a spec. Returns whether an error was reported.
    fn report_non_spec_file(&mut self, root: &Node) -> bool {
        let diagnostic = if root.pairs().is_none() {
            let message = format!("a spec must be a mapping, found {}", root.kind_name());
            Diagnostic::new(Code::WrongShape, root.span, message)
                .with_help("start with `model: name` and `from: table`")
        } else if let Some(key) = properties_file_key(root) {
            let message = format!("`{key}` is a key of dbt's properties files, but this file must be a spec");
            Diagnostic::new(Code::UnknownKey, self.key_span(root, key), message)
                .with_help("write a spec for one model, starting with `model: name` and `from: table`")
        } else if let Some([(name, content)]) = root.pairs()
            && let Some(text) = name.text()
            && MODEL.get(text).is_none()
            && ["model", "from", "steps", "definitions", "metrics"]
                .iter()
                .any(|key| content.get(key).is_some())
        {
            let message = format!("the keys of the spec are nested below `{text}`");
            let key = match content.get("model") {
                Some(_) => format!("remove `{text}:`"),
                None => format!("write `model: {text}` instead of `{text}:`"),
            };
            Diagnostic::new(Code::UnknownKey, name.span, message)
                .with_help(format!("{key}, and remove the indentation of the lines below it"))
        } else {
            return false;
        };
        self.report(diagnostic);
        true
    }

    /// Reports a key of a step next to `steps`. If the spec has `steps`, the top level accepts only keys of a model.
    pub(crate) fn report_step_key_next_to_steps(&mut self, root: &Node) {
        let mut mistaken = METRIC_SET_STEP
            .keys
            .iter()
            .chain(STEP.keys)
            .map(|key| key.name)
            .filter(|name| MODEL.get(name).is_none());
        let is_list = root
            .get("columns")
            .is_some_and(|columns| columns.pairs().is_none() && !columns.is_null());
        let list_key = is_list.then_some("columns");
        let Some(key) = mistaken.find(|name| root.get(name).is_some()).or(list_key) else {
            return;
        };
        let message = format!("`{key}` and `steps` cannot be used together");
        let help = "move the key into a step; the key is allowed at the top level only in a spec without `steps`";
        self.report(Diagnostic::new(Code::WrongShape, self.key_span(root, key), message).with_help(help));
    }

    /// Reads the steps of a spec. A spec without `steps` is a single step.
    fn read_steps(&mut self, root: &'y Node) -> Vec<Step<'y>> {
        let Some(steps) = root.get("steps") else {
            return vec![self.read_step(root, true)];
        };
        let items = steps.items();
        if items.is_some_and(<[Node]>::is_empty) {
            self.report(
                Diagnostic::new(Code::NothingToSelect, steps.span, "the list of steps is empty")
                    .with_help("add a step: `- name: …` with `definitions:` below it"),
            );
        }
        let mut earlier_steps: Vec<Step<'y>> = Vec::new();
        let mut items = items.unwrap_or_default().iter().peekable();
        while let Some(item) = items.next() {
            let mut step = self.read_step(item, false);
            self.check_step_input(item, &earlier_steps, &mut step);
            self.check_series(item, items.peek().is_none(), &mut step);
            earlier_steps.push(step);
        }
        earlier_steps
    }

    /// Checks that a step with `series` computes no other columns, and is not the last step.
    fn check_series(&mut self, item: &'y Node, is_last: bool, step: &mut Step<'y>) {
        if item.get("series").is_none() {
            return;
        }
        let others = item.pairs().unwrap_or_default().iter().map(|(key, _)| key);
        let others = others.filter_map(|key| Some((key, key.text()?)));
        let others = others.filter(|(_, name)| STEP.get(name).is_some() && !matches!(*name, "name" | "keep"));
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        for (key, name) in others {
            let message = format!("a step with `series` cannot have `{name}`");
            let help = format!("move `{name}` to the step before or after this step");
            diagnostics.push(Diagnostic::new(Code::WrongShape, key.span, message).with_help(help));
        }
        if matches!(step.keep, ColumnProjection::All) {
            let message = "a step with `series` cannot have `keep: all`";
            let help = "list the columns, such as `keep: [region]`";
            diagnostics.push(Diagnostic::new(Code::WrongShape, step.keep_span, message).with_help(help));
        }
        for timeframe in &step.timeframes {
            let message = format!("a step with `series` cannot compute `{}`", timeframe.text);
            let help = "compute the timeframe in the step before or after this step";
            diagnostics.push(Diagnostic::new(Code::WrongShape, timeframe.node.span, message).with_help(help));
        }
        if is_last {
            let help = "add a step that reads the periods, such as `- name: result` with `keep: all` below it";
            let message = "the last step cannot have `series`";
            diagnostics.push(Diagnostic::new(Code::WrongShape, self.key_span(item, "series"), message).with_help(help));
        }
        step.has_errors |= !diagnostics.is_empty();
        diagnostics.into_iter().for_each(|fault| self.report(fault));
    }

    /// Checks that a step with `from` or `union` is not the first step, and that `union` names earlier steps. A `from`
    /// that names an earlier step becomes a `union` of that step.
    fn check_step_input(&mut self, item: &'y Node, earlier: &[Step<'y>], step: &mut Step<'y>) {
        let before = self.diagnostics.len();
        let key = STEP_INPUT.keys.iter().find(|key| item.get(key.name).is_some());
        if let (Some(key), []) = (key, earlier) {
            let message = format!("the first step cannot have `{}`", key.name);
            let help = "write `from`, the relation that the first step reads, at the top level of the spec";
            let diagnostic = Diagnostic::new(Code::WrongShape, self.key_span(item, key.name), message).with_help(help);
            self.report(diagnostic);
        } else if item.get("from").is_some() && item.get("union").is_some() {
            let message = "`from` and `union` cannot be used together";
            let help = "a step reads either one relation or the rows of earlier steps";
            self.report(Diagnostic::new(Code::WrongShape, self.key_span(item, "union"), message).with_help(help));
        }
        let names = || earlier.iter().filter_map(|step| Some(step.name?.text));
        for name in &step.union {
            if names().any(|step_name| step_name == name.text) {
                continue;
            }
            let message = format!("there is no earlier step `{}`", name.text);
            let is_listed = |step_name: &&str| step.union.iter().any(|name| name.text == *step_name);
            let others = || names().filter(|step_name| !is_listed(step_name));
            let help = match (suggest::nearest_name(name.text, others()), others().next_back()) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Some(last)) => format!("use the name of an earlier step, such as `{last}`"),
                (None, None) => "use the names of earlier steps".to_owned(),
            };
            self.report(Diagnostic::new(Code::UnknownRelation, name.node.span, message).with_help(help));
        }
        step.has_unknown_input = self.diagnostics.iter().skip(before).any(Diagnostic::is_error);
        step.has_errors |= step.has_unknown_input;
        let spanned_text = self
            .text(item, "from")
            .filter(|from| names().any(|name| name == from.text));
        if let Some(from) = spanned_text {
            (step.from, step.union) = (None, vec![from]);
        }
    }

    pub(crate) fn key_span(&self, root: &Node, key: &str) -> Span {
        root.pairs()
            .unwrap_or_default()
            .iter()
            .find(|(k, _)| k.text() == Some(key))
            .map_or(root.span, |(k, _)| k.span)
    }
}

/// Returns the first key of a file that is one of dbt's properties files instead of a spec. The entries of such a key
/// have names, but `metrics` in a spec is a list of strings.
pub fn properties_file_key(root: &Node) -> Option<&'static str> {
    let has_entries = |key: &&str| {
        let entries = root.items_at(key);
        entries.first().is_some_and(|entry| entry.get("name").is_some())
    };
    let keys = ["models", "metrics", "sources", "semantic_models"];
    keys.into_iter()
        .filter(|_| root.get("model").is_none())
        .find(has_entries)
}
