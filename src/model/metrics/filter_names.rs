//! Names in the filters of a model built on metric sets. A name that is both a dimension and a column means the
//! dimension, as in `group_by`. In the `where` of a step, such a name would mean the column.

use std::collections::BTreeSet;

use formulac_syntax::lex::quote_formula_name;

use super::formulas::NameOccurrence;
use super::keys::MetricSetKey;
use super::metric_set::MetricSet;
use super::model_on_metric_sets::ModelOnMetricSets;
use super::step_text::DefinitionText;
use crate::arena::Arena;
use crate::compiler::Compiler;
use crate::plan::{split_timeframe, unused_name};
use crate::schema::{Column, Relation};

/// Text that replaces a name in a filter.
pub struct FilterReplacement {
    pub text: String,
    /// Dimension to which the text refers by its second name.
    dimension: Option<usize>,
}

impl ModelOnMetricSets<'_> {
    /// Returns the text that replaces a name in a filter of the model. `None` if the name remains unchanged.
    pub fn filter_replacement(
        &self,
        compiler: &Compiler,
        set: usize,
        keys: &Arena<MetricSetKey>,
        name: &NameOccurrence,
    ) -> Option<FilterReplacement> {
        let metric_set = &self.sets[set];
        let hidden = |name: &str| metric_set.dimension_shadowed_by_column(compiler, name);
        let key = self.key_of_filter_name(name).and_then(|index| keys.try_get(index));
        if let Some(key) = key {
            // In a condition on rows, the name of the time column refers to the column and not to a key
            // with the same name.
            let hiding = key
                .definition
                .as_ref()
                .filter(|key| metric_set.is_name_of_time(&key.name));
            let entry = hiding.map_or(&key.entry.text, |key| &key.formula.text);
            let (base, frame) = split_timeframe(entry);
            let dimension = hidden(base).filter(|_| key.definition.is_none());
            let text = match dimension.map(|index| self.dimension_alias(compiler, set, index)) {
                None => entry.clone(),
                Some(name) if frame.is_empty() => quote_formula_name(&name),
                Some(name) => format!("{}[{frame}]", quote_formula_name(&name)),
            };
            return Some(FilterReplacement { text, dimension });
        }
        let current = self.current_name_in_filter(set, name);
        let plain = name.qualifier.is_none().then(|| current.unwrap_or(&name.name));
        let dimension = plain.and_then(hidden);
        let text = match dimension {
            Some(index) => name.replacement_text(&self.dimension_alias(compiler, set, index)),
            None => name.replacement_text(current?),
        };
        Some(FilterReplacement { text, dimension })
    }

    /// Returns definitions that give a second name to the dimensions in the model's filters that columns hide.
    pub fn alias_shadowed_dimensions(
        &self,
        compiler: &Compiler,
        set: usize,
        keys: &Arena<MetricSetKey>,
    ) -> Vec<DefinitionText> {
        let names = self.filters_of_set(set).flat_map(|(_, filter)| &filter.names);
        let hidden: BTreeSet<usize> = names
            .filter_map(|name| self.filter_replacement(compiler, set, keys, name)?.dimension)
            .collect();
        let span = self.step.get("where").map_or(self.span, |node| node.span);
        let definition = |index: usize| {
            let formula = quote_formula_name(&self.sets[set].definitions[index].name);
            DefinitionText::generated(self.dimension_alias(compiler, set, index), &formula, 0, span)
        };
        hidden.into_iter().map(definition).collect()
    }

    /// Returns the second name of a dimension, which differs from all other names of the model and its set.
    fn dimension_alias(&self, compiler: &Compiler, set: usize, index: usize) -> String {
        let metric_set = &self.sets[set];
        let name = format!("{}_dimension", metric_set.definitions[index].name);
        let columns = metric_set.relations(compiler).flatten().flat_map(Relation::columns);
        let definitions = metric_set.definitions.iter().chain(&self.definitions);
        let keys = self.possible_key_names();
        let in_use = columns
            .map(Column::name)
            .chain(definitions.map(|formula| formula.name.as_str()));
        let in_use = in_use.chain(metric_set.renamed.keys().map(String::as_str));
        let in_use = in_use.chain(self.listed_metrics.iter().map(|metric| metric.name.as_str()));
        unused_name(&name, in_use.chain(keys.iter().map(String::as_str)), 0)
    }
}

impl MetricSet {
    /// Returns the index of a dimension that has the name of a column, so that a filter would read the column. Its own
    /// formula may be the only text that shows that the column exists.
    fn dimension_shadowed_by_column(&self, compiler: &Compiler, name: &str) -> Option<usize> {
        let index = self.position(name)?;
        let formula = &self.definitions[index];
        let mut names = formula.names.iter();
        let reads_column =
            names.any(|other| other.qualifier.is_none() && other.name.eq_ignore_ascii_case(&formula.name));
        let mut relations = self.relations(compiler).flatten();
        let is_hidden = reads_column || relations.any(|relation| relation.position(name).is_some());
        (is_hidden && !self.is_metric(formula)).then_some(index)
    }
}
