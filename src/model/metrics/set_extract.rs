//! An extract from a metric set contains only the definitions that a model reads. An extract remains the same if other
//! definitions of the metric set change.

use std::sync::Arc;

use formulac_syntax::text::split_words;
use rustc_hash::FxHashMap;

use super::metric_set::MetricSet;
use super::step_text::format_node_inline;
use crate::CompiledSpec;
use crate::arena::Arena;
use crate::checks::is_identifier;
use crate::span::Span;
use crate::yaml;

/// Keys of a metric set that have no effect on the SQL of models.
const KEYS_WITHOUT_SQL_EFFECT: [&str; 6] = ["description", "semantic_model", "owner", "approvers", "tags", "meta"];

impl CompiledSpec {
    /// Returns, for each metric set that the model reads, the path of the set's file and an extract: the set with only
    /// the definitions that the model needs. `source` is the text of the model's spec.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let set = "metric_set: o\nfrom: t\ndefinitions: |\n  orders = COUNT() // rows\n  total = SUM(x)\n";
    /// let model = "model: m\nmetrics: [o.orders]\n";
    /// let texts = [(set, "o.yml"), (model, "m.yml")].map(|(text, path)| SpecText { text, path: Some(path) });
    /// let extracts = Compiler::default().compile_specs(&texts)[1].metric_set_extracts(model);
    /// let extract = "metric_set: o\nfrom: t\ndefinitions:\n  orders: COUNT()\n";
    /// assert_eq!(extracts, [("o.yml".to_owned(), extract.to_owned())]);
    /// ```
    #[must_use]
    pub fn metric_set_extracts(&self, source: &str) -> Vec<(String, String)> {
        let sets = self.sets.iter();
        sets.filter_map(|set| Some((set.path.clone()?, self.set_extract(set, source))))
            .collect()
    }

    fn set_extract(&self, set: &MetricSet, source: &str) -> String {
        let need_flags = self.needed_definitions(set, source);
        let mut text = String::new();
        let (mut definitions, mut columns) = (String::new(), String::new());
        for (formula, _) in set
            .definitions
            .iter()
            .zip(&need_flags)
            .filter(|(_, is_needed)| **is_needed)
        {
            let name = yaml::format_flow_scalar(&formula.name);
            let formula_text = crate::write::strip_comments(&formula.text);
            let lines: Vec<&str> = formula_text.lines().map(str::trim).collect();
            definitions.push_str(&format!("  {name}: {}\n", yaml::format_flow_scalar(&lines.join(" "))));
            let properties = set.properties(&formula.name);
            let property_keys = ["non_additive", "renamed_from"].into_iter();
            let property_pairs =
                property_keys.filter_map(|key| Some(format!("{key}: {}", format_node_inline(properties?.get(key)?))));
            let property_texts: Vec<String> = property_pairs.collect();
            if !property_texts.is_empty() {
                columns.push_str(&format!("  {name}: {{{}}}\n", property_texts.join(", ")));
            }
        }
        for (key, value) in set.root.pairs().unwrap_or_default() {
            let Some(name) = key.text() else { continue };
            if KEYS_WITHOUT_SQL_EFFECT.contains(&name) {
                continue;
            }
            match name {
                "definitions" => text.push_str(&format!("definitions:\n{definitions}")),
                "columns" if columns.is_empty() => {}
                "columns" => text.push_str(&format!("columns:\n{columns}")),
                _ => {
                    let pair_span = Span::new(key.span.start, value.span.end.max(key.span.end));
                    text.push_str(pair_span.text(&set.text).trim_end());
                    text.push('\n');
                }
            }
        }
        text
    }

    /// Returns the dimensions that the model needs from its metric sets, as `set.dimension`.
    pub(super) fn find_dimensions_read(&self, source: &str) -> Vec<String> {
        let of_set = |set: &Arc<MetricSet>| {
            let need_flags = self.needed_definitions(set, source);
            let definition_flags = set.definitions.iter().zip(need_flags);
            let dimensions = definition_flags.filter(|(formula, is_needed)| *is_needed && !set.is_metric(formula));
            let names = dimensions.map(|(formula, _)| format!("{}.{}", set.name, formula.name));
            names.collect::<Vec<_>>()
        };
        self.sets.iter().flat_map(of_set).collect()
    }

    /// Returns, for each definition of a metric set, whether the model needs it. The model needs the metrics that it
    /// reads, and the dimensions to which its text or a needed formula may refer.
    fn needed_definitions(&self, set: &MetricSet, source: &str) -> Arena<bool> {
        let is_read = |name: &str| {
            let full = format!("{}.{name}", set.name);
            self.metrics_read
                .iter()
                .any(|metric| metric.eq_ignore_ascii_case(&full))
        };
        let mut need_flags: Arena<bool> = set
            .definitions
            .iter()
            .map(|metric_formula| is_read(&metric_formula.name))
            .collect();
        let mut texts = vec![source];
        texts.extend(set.filter.as_ref().map(|filter| filter.text.as_str()));
        texts.extend(set.time.as_ref().map(|time| time.column.as_str()));
        texts.extend(set.root.get("joins").map(|joins| joins.span.text(&set.text)));
        let formulas = set
            .definitions
            .iter()
            .zip(&need_flags)
            .filter(|(_, is_needed)| **is_needed);
        texts.extend(formulas.map(|(formula, _)| formula.text.as_str()));
        let mut dimensions: FxHashMap<String, usize> = FxHashMap::default();
        for (index, formula) in set.definitions.iter().enumerate() {
            if !set.is_metric(formula) {
                dimensions.insert(formula.name.to_lowercase(), index);
                // Always include dimensions with other characters in their names, because the search for words does not
                // find them.
                need_flags[index] |= !is_identifier(&formula.name);
            }
        }
        for current in split_words(source).filter_map(|word| set.current_dimension(word)) {
            if let Some(index) = dimensions.remove(&current.to_lowercase()) {
                need_flags[index] = true;
                texts.push(&set.definitions[index].text);
            }
        }
        while let Some(text) = texts.pop() {
            for word in split_words(text) {
                if let Some(index) = dimensions.remove(&word.to_lowercase()) {
                    need_flags[index] = true;
                    texts.push(&set.definitions[index].text);
                }
            }
        }
        need_flags
    }
}
