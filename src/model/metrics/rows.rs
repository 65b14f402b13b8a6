//! Step that reads the rows of a metric set: its relation, joins, filters, dimensions and keys.

use std::collections::BTreeSet;

use super::columns::FormulaReplacement;
use super::filter_names::FilterReplacement;
use super::formulas::{MetricFormula, NameOccurrence};
use super::graph::SetNameTarget;
use super::inputs::joined_relation;
use super::keys::MetricSetKey;
use super::metric_set::MetricSet;
use super::model_on_metric_sets::ModelOnMetricSets;
use super::non_additive::NonAdditiveRule;
use super::step_text::{DefinitionText, StepText, TextWithPosition, format_node_inline};
use super::text_with_origins::SourceMappedText;
use crate::arena::Arena;
use crate::catalog_lookup::schema_relation;
use crate::compiler::Compiler;
use crate::dbt::RelationReference;
use crate::lex::split_list;
use crate::load::SpecKind;
use crate::plan::split_timeframe;
use crate::schema::Relation;
use crate::span::Span;
use crate::yaml::Node;

/// Names of the columns and dimensions that a step reads from the rows of a metric set.
#[derive(Default)]
struct UsedMetricSetNames {
    /// Columns: qualifier and name, in lower case.
    columns: BTreeSet<(String, String)>,
    dimensions: BTreeSet<usize>,
}

impl ModelOnMetricSets<'_> {
    /// Returns a grouped step that reads the rows of a metric set, without its aggregates. `formulas` contains the
    /// formulas of the metric set that the aggregates use, and `rule` is the rule that selects the rows.
    pub fn grouped_rows_step(
        &self,
        compiler: &Compiler,
        set: usize,
        (formulas, rule): (&[&MetricFormula], Option<&NonAdditiveRule>),
        (keys, bounds): (&Arena<MetricSetKey>, Vec<SourceMappedText>),
    ) -> StepText {
        let metric_set = &self.sets[set];
        let file = self.file_number_of_set(set);
        let mut names_used = UsedMetricSetNames::default();
        for formula in formulas.iter().copied().chain(&metric_set.filter) {
            self.record_names(set, formula, &mut names_used);
        }
        for (_, filter) in self.filters_of_set(set) {
            self.record_filter_names(set, filter, &mut names_used);
        }
        if let (false, Some(time)) = (bounds.is_empty(), &metric_set.time) {
            self.record_used_name(set, "", &parse_name_occurrence(&time.column), &mut names_used);
        }
        for key in keys {
            self.record_used_name(
                set,
                "",
                &parse_name_occurrence(split_timeframe(&key.column).0),
                &mut names_used,
            );
        }
        for column in rule.iter().flat_map(|rule| rule.per.iter().chain([&rule.time])) {
            self.record_used_name(set, "", &parse_name_occurrence(&column.name), &mut names_used);
        }
        self.add_inputs_of_dimensions(set, &mut names_used);
        let from = metric_set.root.get("from");
        let from = from.and_then(|node| Some((node, node.text()?)));
        let dimensions = names_used.dimensions.iter().map(|index| {
            let formula = &metric_set.definitions[*index];
            DefinitionText {
                description: formula.description.clone(),
                ..DefinitionText::new(
                    &formula.name,
                    formula.with_replacements(file, &self.replacements_for_key_names(set, formula, keys)),
                    file,
                    formula.span,
                )
            }
        });
        let definitions = keys
            .iter()
            .filter_map(|key| key.definition.clone())
            .chain(dimensions)
            .chain(self.alias_shadowed_dimensions(compiler, set, keys));
        StepText {
            from: from.map(|(node, text)| TextWithPosition::new(text, file, node.span)),
            union: metric_set.root.texts_at("union"),
            joins: used_joins(compiler, metric_set, self.kind, &names_used)
                .into_iter()
                .map(|join| TextWithPosition::new(format_node_inline(join), file, join.span))
                .collect(),
            filter: self.filter_text(compiler, set, keys, bounds),
            group_by: keys.iter().map(|key| key.entry.clone()).collect(),
            definitions: definitions.collect(),
            ..StepText::default()
        }
    }

    /// Returns the model's filters that apply to a metric set.
    pub fn filters_of_set(&self, set: usize) -> impl Iterator<Item = &(Option<String>, MetricFormula)> {
        let name = &self.sets[set].name;
        self.filters.iter().filter(move |(filter_set, _)| {
            filter_set
                .as_ref()
                .is_none_or(|set_name| set_name.eq_ignore_ascii_case(name))
        })
    }

    fn record_names(&self, set: usize, formula: &MetricFormula, names_used: &mut UsedMetricSetNames) {
        for name in &formula.names {
            self.record_used_name(set, &formula.name, name, names_used);
        }
    }

    /// Records the names in a filter of the model, which may be former names of dimensions. The columns of keys are
    /// recorded with the keys.
    fn record_filter_names(&self, set: usize, filter: &MetricFormula, names_used: &mut UsedMetricSetNames) {
        let names = filter
            .names
            .iter()
            .filter(|name| self.key_of_filter_name(name).is_none());
        for name in names {
            let current = self.current_name_in_filter(set, name);
            let name = NameOccurrence {
                name: current.unwrap_or(&name.name).to_owned(),
                ..name.clone()
            };
            self.record_used_name(set, &filter.name, &name, names_used);
        }
    }

    /// Returns the replacements for the columns that have the same name as a key, in a formula of a metric set.
    pub fn replacements_for_key_names(
        &self,
        set: usize,
        formula: &MetricFormula,
        keys: &Arena<MetricSetKey>,
    ) -> Vec<FormulaReplacement> {
        self.name_replacements(set, formula, keys, |name, column| {
            let qualifier = column.qualifier.as_ref().filter(|_| name.qualifier.is_none())?;
            Some(format!("{qualifier}.{}", name.name))
        })
    }

    /// Returns the replacements for the names that `spell` changes, in a formula of a metric set. The arguments of
    /// `spell` are the name as written, and the name that the step needs. The name that the step needs has a qualifier
    /// if a key has the same name.
    pub fn name_replacements(
        &self,
        set: usize,
        formula: &MetricFormula,
        keys: &Arena<MetricSetKey>,
        spell: impl Fn(&NameOccurrence, &NameOccurrence) -> Option<String>,
    ) -> Vec<FormulaReplacement> {
        let file = self.file_number_of_set(set);
        let replacement = |name: &NameOccurrence| {
            let column = self.column_name_distinct_from_keys(set, &formula.name, name, keys);
            let text = name.replacement_text(&spell(name, &column)?);
            let text = SourceMappedText::generated(&text, file, formula.file_span(&name.range));
            Some((name.range.clone(), text))
        };
        formula.names.iter().filter_map(replacement).collect()
    }

    fn record_used_name(
        &self,
        set: usize,
        formula_name: &str,
        name: &NameOccurrence,
        names_used: &mut UsedMetricSetNames,
    ) {
        match self.resolve_in_set(set, formula_name, name) {
            SetNameTarget::Dimension(index) => {
                names_used.dimensions.insert(index);
            }
            SetNameTarget::Column | SetNameTarget::Unknown => {
                let qualifier = name.qualifier.as_deref().unwrap_or_default();
                names_used
                    .columns
                    .insert((qualifier.to_lowercase(), name.name.to_lowercase()));
            }
            SetNameTarget::Metric(_) => {}
        }
    }

    /// Adds to `names_used` the dimensions and columns from which the used dimensions are computed.
    fn add_inputs_of_dimensions(&self, set: usize, names_used: &mut UsedMetricSetNames) {
        let mut next: Vec<usize> = names_used.dimensions.iter().copied().collect();
        while let Some(index) = next.pop() {
            let mut more = UsedMetricSetNames::default();
            self.record_names(set, &self.sets[set].definitions[index], &mut more);
            names_used.columns.append(&mut more.columns);
            next.extend(
                more.dimensions
                    .into_iter()
                    .filter(|index| names_used.dimensions.insert(*index)),
            );
        }
    }

    /// Combines the filter of the metric set with the model's filters. A period such as `month` refers to the metric
    /// set's key.
    fn filter_text(
        &self,
        compiler: &Compiler,
        set: usize,
        keys: &Arena<MetricSetKey>,
        bounds: Vec<SourceMappedText>,
    ) -> Option<SourceMappedText> {
        let metric_set = &self.sets[set];
        let mut filters: Vec<SourceMappedText> = Vec::new();
        filters.extend(metric_set.filter.as_ref().map(|filter| {
            filter.with_replacements(
                self.file_number_of_set(set),
                &self.replacements_for_key_names(set, filter, keys),
            )
        }));
        for (_, filter) in self.filters_of_set(set) {
            let mut replaced = Vec::new();
            for name in &filter.names {
                if let Some(FilterReplacement { text, .. }) = self.filter_replacement(compiler, set, keys, name) {
                    let text = SourceMappedText::generated(&text, 0, filter.file_span(&name.range));
                    replaced.push((name.range.clone(), text));
                }
            }
            filters.push(filter.with_replacements(0, &replaced));
        }
        filters.extend(bounds);
        conjunction(filters, self.step.get("where").map_or(self.span, |node| node.span))
    }
}

/// Returns a condition that is true if all given conditions are true. `None` if there are no conditions.
pub fn conjunction(mut conditions: Vec<SourceMappedText>, span: Span) -> Option<SourceMappedText> {
    if conditions.len() < 2 {
        return conditions.pop();
    }
    let mut output = SourceMappedText::default();
    for (index, condition) in conditions.iter().enumerate() {
        output.write(if index == 0 { "AND(" } else { ", " }, 0, span);
        output.append(condition, 0);
    }
    output.write(")", 0, span);
    Some(output)
}

/// Parses a name in formula syntax.
pub fn parse_name_occurrence(text: &str) -> NameOccurrence {
    let text = split_timeframe(text).0;
    let (qualifier, name) = text
        .rsplit_once('.')
        .map_or((None, text), |(q, name)| (Some(q.trim().to_owned()), name.trim()));
    NameOccurrence {
        range: 0..0,
        qualifier,
        name: name.to_owned(),
        frame: String::new(),
        contains_frame: false,
    }
}

/// Returns the joins that the used columns need or may need. An inner join filters rows, so it is always needed.
fn used_joins<'s>(
    compiler: &Compiler,
    set: &'s MetricSet,
    kind: SpecKind,
    names_used: &UsedMetricSetNames,
) -> Vec<&'s Node> {
    let joins: Vec<&Node> = set.root.items_at("joins").iter().collect();
    let find_relation =
        |text: &str| RelationReference::read(text).and_then(|from| schema_relation(&compiler.options, &from));
    let from = set.root.text_at("from").and_then(find_relation);
    let mut columns = names_used.columns.clone();
    let mut required_joins = Vec::new();
    // Go backward, because a join may use columns of an earlier join.
    for join in joins.into_iter().rev() {
        let (alias, to) = joined_relation(join).unwrap_or_default();
        let relation = find_relation(to);
        let using = join.texts_at("using");
        let merged: Vec<&str> = using.iter().flat_map(|names| split_list(names)).collect();
        let is_column = |(qualifier, name): &(String, String)| match qualifier.as_str() {
            "" => {
                let has_column = |relation: &Relation| relation.position(name.as_str()).is_some();
                let is_in_from = from.is_some_and(has_column);
                match relation {
                    // A column that both relations have is ambiguous, so the step keeps the join, and the compiler
                    // reports the ambiguous name.
                    Some(relation) if has_column(relation) => {
                        !is_in_from || !merged.iter().any(|column| column.eq_ignore_ascii_case(name))
                    }
                    _ => {
                        from.is_some_and(|from| !from.may_have_unlisted_columns())
                            && relation.is_none_or(Relation::may_have_unlisted_columns)
                            && !is_in_from
                    }
                }
            }
            qualifier => qualifier.eq_ignore_ascii_case(&alias),
        };
        // If the whole metric set is compiled, keep all joins, because the set contains their tests.
        let is_inner = matches!(kind, SpecKind::WholeSet | SpecKind::Periods) || join.text_at("type") == Some("inner");
        if is_inner || columns.iter().any(is_column) {
            required_joins.push(join);
            // A search for words is sufficient to find the relations to which a condition refers, because conditions
            // are rarely long.
            let condition = join
                .get("on")
                .or_else(|| join.get("true"))
                .and_then(Node::text)
                .unwrap_or_default();
            let words = condition.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')));
            columns.extend(words.filter_map(|word| {
                let (qualifier, name) = word.split_once('.')?;
                Some((qualifier.to_lowercase(), name.to_lowercase()))
            }));
        }
    }
    required_joins.reverse();
    required_joins
}
