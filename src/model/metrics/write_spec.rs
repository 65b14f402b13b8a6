//! Writes the expanded spec: the keys of the model, the properties of its columns, and the steps.

use super::expand::ExpandedStep;
use super::request::{ListedMetric, ModelOverSets};
use super::set::SETTINGS;
use super::step_text::{StepText, node_text};
use super::text_with_origins::TextWithOrigins;
use crate::Type;
use crate::compiler::Compiler;
use crate::keys::{MODEL, OVER_SETS, STEP};
use crate::load::{Loader, SpecKind};
use crate::possible_columns::possible_columns;
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::yaml::{self, Node};

/// Writes the expanded spec: the keys of the model, and the steps. `expanded` contains the expanded steps of the spec,
/// in order.
pub fn write_spec(compiler: &Compiler, expanded: &[ExpandedStep<'_>], out: &mut TextWithOrigins) {
    let Some(ExpandedStep {
        model,
        step_index: first,
        key_dimensions,
        steps: first_steps,
        ..
    }) = expanded.first()
    else {
        return;
    };
    model.copy_model_keys(*first, out);
    if model.kind != SpecKind::Periods {
        model.write_settings(out);
        model.write_columns(compiler, key_dimensions, out);
    }
    let items = model.root.get("steps").and_then(Node::items);
    if let ([ExpandedStep { steps, .. }], None) = (expanded, items)
        && let [step] = steps.as_slice()
    {
        step.write(out, 0, false, model.span);
        out.write("\n", 0, model.span);
        return;
    }
    // The relation of the first step remains at the top, as in every spec.
    let from = first_steps.first().and_then(|step| step.from.as_ref());
    let from = from.filter(|_| *first == 0);
    if let Some(from) = from {
        out.write("from: ", 0, model.span);
        out.write(&from.text, from.file, from.span);
        out.write("\n", 0, model.span);
    }
    out.write("steps:", 0, model.span);
    let mut rest = expanded.iter().peekable();
    let items = items.unwrap_or(std::slice::from_ref(model.root));
    for (index, item) in items.iter().enumerate() {
        let Some(ExpandedStep { model: of, steps, .. }) = rest.next_if(|step| step.step_index == index) else {
            out.write("\n  - ", 0, model.span);
            model.copy_item(item, out);
            continue;
        };
        for (number, step) in steps.iter().enumerate() {
            let own_from = step.from.clone().filter(|_| from.is_none() || index > 0 || number > 0);
            let step = StepText {
                from: own_from,
                ..step.clone()
            };
            out.write("\n  - ", 0, of.span);
            step.write(out, 4, true, of.span);
        }
    }
    out.write("\n", 0, model.span);
}

impl ModelOverSets<'_> {
    /// Copies a later step with its layout. All lines except the first line are indented like the generated steps.
    fn copy_item(&self, item: &Node, out: &mut TextWithOrigins) {
        let text = item.span.text(self.source).trim_end();
        let line = self.source.get(..item.span.start as usize).unwrap_or_default();
        let column = line.len() - line.rfind('\n').map_or(0, |at| at + 1);
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let cut = if index == 0 {
                0
            } else {
                (line.len() - line.trim_start_matches(' ').len()).min(column)
            };
            let kept = line.get(cut..).unwrap_or_default();
            let start = kept.as_ptr() as usize - self.source.as_ptr() as usize;
            if index > 0 {
                out.write("    ", 0, self.span);
            }
            let offsets: Vec<u32> = (start..start + kept.len()).map(|at| at as u32).collect();
            out.copy(kept, &offsets, 0, 0);
        }
    }

    /// Copies the keys of the model, except keys that concern its sets. `first` is the index of the first expanded
    /// step.
    fn copy_model_keys(&self, first: usize, out: &mut TextWithOrigins) {
        let at_top = std::ptr::eq(self.step, self.root);
        let is_own = self.kind == SpecKind::Periods;
        for (key, value) in self.root.pairs().unwrap_or_default() {
            let Some(name) = key.text() else { continue };
            let is_input = name == "from" && first == 0;
            let is_written = name == "columns" && !is_own;
            let is_model = MODEL.get(name).is_some() && name != "steps" && !is_input && !is_written;
            let is_step = at_top && (OVER_SETS.get(name).is_some() || STEP.get(name).is_some());
            if !is_model || is_step && !matches!(name, "description" | "columns" | "from") {
                continue;
            }
            let whole = Span::new(key.span.start, value.span.end.max(key.span.end));
            let text = whole.text(self.source).trim_end();
            let offsets: Vec<u32> = (whole.start..whole.start + text.len() as u32).collect();
            out.copy(text, &offsets, 0, 0);
            if value.is_null() && !text.ends_with(':') && value.span.is_empty() && !text.contains(':') {
                out.write(":", 0, key.span);
            }
            out.write("\n", 0, value.span);
        }
    }

    /// Writes the settings of the sets that the model does not specify, and their key `semantic_model`.
    fn write_settings(&self, out: &mut TextWithOrigins) {
        let semantic = self.sets.iter().find_map(|set| set.root.get("semantic_model"));
        if let Some(semantic) = semantic.filter(|_| self.root.get("semantic_model").is_none()) {
            out.write(&format!("semantic_model: {}\n", node_text(semantic)), 0, self.span);
        }
        for key in SETTINGS {
            let value = self
                .sets
                .iter()
                .find_map(|set| set.setting(key))
                .filter(|_| self.root.get(key).is_none());
            if let Some(value) = value {
                out.write(&format!("{key}: {}\n", yaml::flow_text(value)), 0, self.span);
            }
        }
    }

    /// Returns the metrics and key dimensions of the first step that are columns of the model, because its later steps
    /// return them.
    fn columns_of_sets<'l>(&self, compiler: &Compiler, all: &[&'l ListedMetric]) -> Vec<&'l ListedMetric> {
        let steps = self.root.items_at("steps");
        let mut faults = Vec::new();
        let mut loader = Loader::new(self.source, &mut faults);
        loader.kind = SpecKind::OverSets;
        let first = all.iter().fold(Relation::new(""), |relation, listed| {
            relation.with(Column::new(&listed.name, Type::Unknown))
        });
        let mut columns = Some(first);
        for node in steps.iter().skip(1) {
            let step = loader.read_step(node, false);
            columns = compiler.pool.lend_memory(|memory| {
                let limits = &compiler.options.limits;
                possible_columns(&step, self.source, columns.as_ref(), limits, memory)
            });
        }
        let is_column = |listed: &&ListedMetric| {
            let columns = columns.as_ref();
            columns.is_none_or(|columns| columns.column(&listed.name).is_some())
        };
        all.iter().copied().filter(is_column).collect()
    }

    /// Writes the properties of columns: the properties in the model, and the properties that the sets specify for
    /// their metrics and for the dimensions that are keys.
    fn write_columns(&self, compiler: &Compiler, keys: &[ListedMetric], out: &mut TextWithOrigins) {
        let all: Vec<&ListedMetric> = keys.iter().chain(&self.listed_metrics).collect();
        let own = self.root.get("columns").filter(|node| node.pairs().is_some());
        let written = |name: &str| own.and_then(|own| own.get(name));
        let mut lines: Vec<(String, Span)> = Vec::new();
        for (name, value) in own.and_then(Node::pairs).unwrap_or_default() {
            let Some(name_text) = name.text() else { continue };
            let listed = all.iter().find(|listed| listed.name.eq_ignore_ascii_case(name_text));
            let inherited = listed.map_or_else(Vec::new, |listed| self.properties_from_set(listed, Some(value)));
            let is_inherited = |key: &str| inherited.iter().any(|(name, _)| *name == key);
            let own = value.pairs().unwrap_or_default().iter();
            let own = own
                .filter(|(key, _)| !key.text().is_some_and(is_inherited))
                .map(|(key, value)| format!("{}: {}", node_text(key), node_text(value)));
            let pairs: Vec<String> = own.chain(inherited.iter().map(yaml_pair)).collect();
            lines.push((format!("  {}: {{{}}}\n", node_text(name), pairs.join(", ")), value.span));
        }
        for listed in self.columns_of_sets(compiler, &all) {
            let pairs = self.properties_from_set(listed, None);
            if written(&listed.name).is_none() && !pairs.is_empty() {
                let pairs: Vec<String> = pairs.iter().map(yaml_pair).collect();
                lines.push((
                    format!("  {}: {{{}}}\n", yaml::flow_text(&listed.name), pairs.join(", ")),
                    self.span,
                ));
            }
        }
        if !lines.is_empty() {
            out.write("columns:\n", 0, own.map_or(self.span, |own| own.span));
            for (line, span) in lines {
                out.write(&line, 0, span);
            }
        }
    }

    /// Returns the properties that a set specifies for a metric or dimension, each with its value as YAML. Properties
    /// in `own` take precedence.
    fn properties_from_set(&self, listed: &ListedMetric, own: Option<&Node>) -> Vec<(&'static str, String)> {
        let set = &self.sets[listed.set];
        let Some(properties) = set.properties(&set.definitions[listed.metric].name) else {
            return Vec::new();
        };
        let is_free = |key: &str| own.is_none_or(|own| own.get(key).is_none());
        let mut pairs = Vec::new();
        for key in ["description", "data_type", "constraints", "data_tests", "tests", "tags"] {
            let value = properties.get(key).filter(|_| is_free(key));
            pairs.extend(value.map(|value| (key, node_text(value))));
        }
        // For these keys, the set provides the parts that the model does not specify.
        for (whole, single) in [("meta", &["owner"][..]), ("omni", &["format", "label"][..])] {
            let written = own.and_then(|own| own.get(whole)?.pairs()).unwrap_or_default();
            let is_new = |key: &str| is_free(key) && !written.iter().any(|(own, _)| own.text() == Some(key));
            let pair = |key: &str, value: &Node| format!("{}: {}", yaml::flow_text(key), node_text(value));
            let mapped = properties.pairs_at(whole).iter();
            let mapped = mapped.filter_map(|(key, value)| Some((key.text()?, value)));
            let single = single.iter().filter_map(|key| Some((*key, properties.get(key)?)));
            let new: Vec<String> = mapped
                .chain(single)
                .filter(|(key, _)| is_new(key))
                .map(|(key, value)| pair(key, value))
                .collect();
            if !new.is_empty() && (is_free(whole) || !written.is_empty()) {
                let written = written.iter().filter_map(|(key, value)| Some(pair(key.text()?, value)));
                let all: Vec<String> = written.chain(new).collect();
                pairs.push((whole, format!("{{{}}}", all.join(", "))));
            }
        }
        pairs
    }
}

fn yaml_pair((key, value): &(&'static str, String)) -> String {
    format!("{key}: {value}")
}
