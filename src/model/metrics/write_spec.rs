//! Writes the expanded spec: the keys of the model, the properties of its columns, and the steps.

use super::expand::ExpandedStep;
use super::metric_set::INHERITED_SETTINGS;
use super::model_on_metric_sets::{ListedMetric, ModelOnMetricSets};
use super::step_text::{StepText, format_node_inline};
use super::text_with_origins::SourceMappedText;
use crate::Type;
use crate::compiler::Compiler;
use crate::keys::{METRIC_SET_STEP, MODEL, STEP};
use crate::load::{SpecKind, SpecLoader};
use crate::possible_columns::possible_columns;
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::yaml::{self, Node};

/// Writes the expanded spec: the keys of the model, and the steps. `expanded` contains the expanded steps of the spec,
/// in order.
pub fn write_spec(compiler: &Compiler, expanded: &[ExpandedStep<'_>], out: &mut SourceMappedText) {
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
        let Some(ExpandedStep {
            model: step_model,
            steps,
            ..
        }) = rest.next_if(|step| step.step_index == index)
        else {
            out.write("\n  - ", 0, model.span);
            model.copy_step(item, out);
            continue;
        };
        for (number, step) in steps.iter().enumerate() {
            let own_from = step.from.clone().filter(|_| from.is_none() || index > 0 || number > 0);
            let step = StepText {
                from: own_from,
                ..step.clone()
            };
            out.write("\n  - ", 0, step_model.span);
            step.write(out, 4, true, step_model.span);
        }
    }
    out.write("\n", 0, model.span);
}

impl ModelOnMetricSets<'_> {
    /// Copies a later step with its layout. All lines except the first line are indented like the generated steps.
    fn copy_step(&self, item: &Node, out: &mut SourceMappedText) {
        let text = item.span.text(self.source).trim_end();
        let line = self.source.get(..item.span.start as usize).unwrap_or_default();
        let column = line.len() - line.rfind('\n').map_or(0, |break_offset| break_offset + 1);
        let mut line_start = item.span.start as usize;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let cut = if index == 0 {
                0
            } else {
                (line.len() - line.trim_start_matches(' ').len()).min(column)
            };
            let line_text = line.get(cut..).unwrap_or_default();
            let start = line_start + cut;
            line_start += line.len();
            if index > 0 {
                out.write("    ", 0, self.span);
            }
            let offsets: Vec<u32> = (start..start + line_text.len()).map(|offset| offset as u32).collect();
            out.copy(line_text, &offsets, 0, 0);
        }
    }

    /// Copies the keys of the model, except keys that concern its metric sets. `first` is the index of the first
    /// expanded step.
    fn copy_model_keys(&self, first: usize, out: &mut SourceMappedText) {
        let at_top = std::ptr::eq(self.step, self.root);
        let is_own = self.kind == SpecKind::Periods;
        for (key, value) in self.root.pairs().unwrap_or_default() {
            let Some(name) = key.text() else { continue };
            let is_input = name == "from" && first == 0;
            let is_written = name == "columns" && !is_own;
            let is_model = MODEL.get(name).is_some() && name != "steps" && !is_input && !is_written;
            let is_step = at_top && (METRIC_SET_STEP.get(name).is_some() || STEP.get(name).is_some());
            if !is_model || is_step && !matches!(name, "description" | "columns" | "from") {
                continue;
            }
            let pair_span = Span::new(key.span.start, value.span.end.max(key.span.end));
            let text = pair_span.text(self.source).trim_end();
            let offsets: Vec<u32> = (pair_span.start..pair_span.start + text.len() as u32).collect();
            out.copy(text, &offsets, 0, 0);
            if value.is_null() && !text.ends_with(':') && value.span.is_empty() && !text.contains(':') {
                out.write(":", 0, key.span);
            }
            out.write("\n", 0, value.span);
        }
    }

    /// Writes the settings that the metric sets specify and the model does not, and the metric sets' key
    /// `semantic_model`.
    fn write_settings(&self, out: &mut SourceMappedText) {
        let semantic = self.sets.iter().find_map(|set| set.root.get("semantic_model"));
        if let Some(semantic) = semantic.filter(|_| self.root.get("semantic_model").is_none()) {
            out.write(
                &format!("semantic_model: {}\n", format_node_inline(semantic)),
                0,
                self.span,
            );
        }
        for key in INHERITED_SETTINGS {
            let value = self
                .sets
                .iter()
                .find_map(|set| set.setting(key))
                .filter(|_| self.root.get(key).is_none());
            if let Some(value) = value {
                out.write(&format!("{key}: {}\n", yaml::format_flow_scalar(value)), 0, self.span);
            }
        }
    }

    /// Returns the metrics and key dimensions of the first step that the later steps keep as columns of the model.
    fn projected_metric_columns<'l>(
        &self,
        compiler: &Compiler,
        listed_metrics: &[&'l ListedMetric],
    ) -> Vec<&'l ListedMetric> {
        let steps = self.root.items_at("steps");
        let mut faults = Vec::new();
        let mut loader = SpecLoader::new(self.source, &mut faults);
        loader.kind = SpecKind::OverSets;
        let first = listed_metrics
            .iter()
            .fold(Relation::new(""), |relation, listed_metric| {
                relation.with(Column::new(&listed_metric.name, Type::Unknown))
            });
        let mut columns = Some(first);
        for node in steps.iter().skip(1) {
            let step = loader.read_step(node, false);
            columns = compiler.pool.with_compile_memory(|memory| {
                let limits = &compiler.options.limits;
                possible_columns(&step, self.source, columns.as_ref(), limits, memory)
            });
        }
        let is_column = |listed_metric: &&ListedMetric| {
            let columns = columns.as_ref();
            columns.is_none_or(|columns| columns.column(&listed_metric.name).is_some())
        };
        listed_metrics.iter().copied().filter(is_column).collect()
    }

    /// Writes the properties of columns: the properties in the model, and the properties that the metric sets specify
    /// for their metrics and for the dimensions that are keys.
    fn write_columns(&self, compiler: &Compiler, keys: &[ListedMetric], out: &mut SourceMappedText) {
        let listed_metrics: Vec<&ListedMetric> = keys.iter().chain(&self.listed_metrics).collect();
        let column_map = self.root.get("columns").filter(|node| node.pairs().is_some());
        let column_node = |name: &str| column_map.and_then(|columns_node| columns_node.get(name));
        let mut lines: Vec<(String, Span)> = Vec::new();
        for (name, value) in column_map.and_then(Node::pairs).unwrap_or_default() {
            let Some(name_text) = name.text() else { continue };
            let list_entry = listed_metrics
                .iter()
                .find(|listed_metric| listed_metric.name.eq_ignore_ascii_case(name_text));
            let inherited = list_entry.map_or_else(Vec::new, |listed_metric| {
                self.properties_from_set(listed_metric, Some(value))
            });
            let is_inherited = |key: &str| inherited.iter().any(|(name, _)| *name == key);
            let column_pairs = value.pairs().unwrap_or_default().iter();
            let own_pairs = column_pairs
                .filter(|(key, _)| !key.text().is_some_and(is_inherited))
                .map(|(key, value)| format!("{}: {}", format_node_inline(key), format_node_inline(value)));
            let pairs: Vec<String> = own_pairs.chain(inherited.iter().map(yaml_pair)).collect();
            lines.push((
                format!("  {}: {{{}}}\n", format_node_inline(name), pairs.join(", ")),
                value.span,
            ));
        }
        for listed_metric in self.projected_metric_columns(compiler, &listed_metrics) {
            let pairs = self.properties_from_set(listed_metric, None);
            if column_node(&listed_metric.name).is_none() && !pairs.is_empty() {
                let pairs: Vec<String> = pairs.iter().map(yaml_pair).collect();
                lines.push((
                    format!(
                        "  {}: {{{}}}\n",
                        yaml::format_flow_scalar(&listed_metric.name),
                        pairs.join(", ")
                    ),
                    self.span,
                ));
            }
        }
        if !lines.is_empty() {
            out.write(
                "columns:\n",
                0,
                column_map.map_or(self.span, |columns_node| columns_node.span),
            );
            for (line, span) in lines {
                out.write(&line, 0, span);
            }
        }
    }

    /// Returns the properties that a metric set specifies for a metric or dimension, each with its value as YAML.
    /// Properties in `own_node` take precedence.
    fn properties_from_set(
        &self,
        listed_metric: &ListedMetric,
        own_node: Option<&Node>,
    ) -> Vec<(&'static str, String)> {
        let set = &self.sets[listed_metric.set];
        let Some(properties) = set.properties(&set.definitions[listed_metric.metric].name) else {
            return Vec::new();
        };
        let is_free = |key: &str| own_node.is_none_or(|column_node| column_node.get(key).is_none());
        let mut pairs = Vec::new();
        for key in ["description", "data_type", "constraints", "data_tests", "tests", "tags"] {
            let value = properties.get(key).filter(|_| is_free(key));
            pairs.extend(value.map(|value| (key, format_node_inline(value))));
        }
        // For these mappings, the metric set provides the entries that the model does not specify.
        for (mapping_key, single) in [("meta", &["owner"][..]), ("omni", &["format", "label"][..])] {
            let own_pairs = own_node
                .and_then(|column_node| column_node.get(mapping_key)?.pairs())
                .unwrap_or_default();
            let is_new =
                |key: &str| is_free(key) && !own_pairs.iter().any(|(key_node, _)| key_node.text() == Some(key));
            let pair =
                |key: &str, value: &Node| format!("{}: {}", yaml::format_flow_scalar(key), format_node_inline(value));
            let mapped = properties.pairs_at(mapping_key).iter();
            let mapped = mapped.filter_map(|(key, value)| Some((key.text()?, value)));
            let single = single.iter().filter_map(|key| Some((*key, properties.get(key)?)));
            let new: Vec<String> = mapped
                .chain(single)
                .filter(|(key, _)| is_new(key))
                .map(|(key, value)| pair(key, value))
                .collect();
            if !new.is_empty() && (is_free(mapping_key) || !own_pairs.is_empty()) {
                let own_texts = own_pairs
                    .iter()
                    .filter_map(|(key, value)| Some(pair(key.text()?, value)));
                let pair_texts: Vec<String> = own_texts.chain(new).collect();
                pairs.push((mapping_key, format!("{{{}}}", pair_texts.join(", "))));
            }
        }
        pairs
    }
}

fn yaml_pair((key, value): &(&'static str, String)) -> String {
    format!("{key}: {value}")
}
