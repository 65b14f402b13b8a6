//! Metrics such as balances, whose rows from different times must not be added: only the last or first rows of each
//! group are aggregated.

use formulac_syntax::lex::quote_formula_name;

use super::columns::FormulaReplacement;
use super::formulas::{MetricFormula, NameOccurrence};
use super::graph::{MetricId, SetNameTarget};
use super::keys::MetricSetKey;
use super::metric_set::MetricSet;
use super::model_on_metric_sets::ModelOnMetricSets;
use super::rows::parse_name_occurrence;
use super::step_text::{DefinitionText, StepText, StepTextProjection, TextWithPosition};
use super::text_with_origins::{SourceMappedText, remove_special_characters};
use crate::arena::Arena;
use crate::compiler::Compiler;
use crate::load::SpecLoader;
use crate::plan::{key_name, split_timeframe, unused_name};
use crate::span::Span;
use std::ops::Range;

/// Rule that determines which rows of a group a metric with `non_additive` aggregates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonAdditiveRule {
    pub time: RuleColumn,
    pub takes_last: bool,
    pub per: Vec<RuleColumn>,
}

/// Column in a `non_additive` rule.
#[derive(Clone, Debug)]
pub struct RuleColumn {
    pub name: String,
    /// Position in the file of the metric set.
    pub span: Span,
}

impl RuleColumn {
    /// Adds the definition of a timeframe to the step, unless the step already has this definition. The timeframe
    /// becomes a separate column.
    fn add_timeframe(&self, rows: &mut StepText, own_name: &str, column: &NameOccurrence, file: u16) {
        let base = match &column.qualifier {
            Some(qualifier) => format!("{qualifier}.{}", column.name),
            None => column.name.clone(),
        };
        let mut names = rows.definitions.iter().map(|definition| &definition.name);
        if !names.any(|name| name.eq_ignore_ascii_case(own_name)) {
            let formula = format!("{}[{}]", quote_formula_name(&base), split_timeframe(&self.name).1);
            rows.definitions
                .push(DefinitionText::generated(own_name, &formula, file, self.span));
        }
    }

    /// Returns the name of the output column. A timeframe has a similar name if a definition of the metric set, a
    /// column in `columns` or another key has the preferred name.
    fn unused_name(
        &self,
        compiler: &Compiler,
        column: &NameOccurrence,
        set: &MetricSet,
        keys: &Arena<MetricSetKey>,
        columns: &[String],
    ) -> String {
        let name = self.output_name(column);
        if !self.name.contains('[') {
            return name;
        }
        let is_this = |key: &&MetricSetKey| {
            self.name.eq_ignore_ascii_case(&key.column) || set.is_same_period(compiler, &key.column, &self.name)
        };
        let other_keys = keys.iter().filter(|key| !is_this(key));
        let other_keys: Vec<String> = other_keys.map(|key| key_name(&key.entry.text)).collect();
        let definitions = set.definitions.iter().map(|formula| &formula.name);
        let in_use = definitions.chain(columns).chain(&other_keys);
        unused_name(&name, in_use.map(String::as_str), 0)
    }

    /// Returns the name of the column or timeframe after the relations of the metric set are joined. `name` is the
    /// column.
    fn output_name(&self, name: &NameOccurrence) -> String {
        let name = name_after_joins(name);
        match split_timeframe(&self.name) {
            (_, "") => name,
            (_, frame) => key_name(&format!("{name}[{frame}]")),
        }
    }
}

/// Column names are case-insensitive.
impl PartialEq for RuleColumn {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl Eq for RuleColumn {}

/// Rows that metrics aggregate: all rows of a metric set, or the last or first rows of each group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowGroup {
    pub set: usize,
    pub rule: Option<NonAdditiveRule>,
}

impl ModelOnMetricSets<'_> {
    /// Returns the rows that the aggregates of a metric read.
    pub fn row_group(&self, id: MetricId) -> RowGroup {
        let set = &self.sets[id.0];
        let rule = set
            .properties(&set.definitions[id.1].name)
            .and_then(|node| node.get("non_additive"));
        let rule = rule.and_then(|rule| {
            let column = |name: &str, span: Span| RuleColumn {
                name: name.trim().to_owned(),
                span,
            };
            let mut ignored = Vec::new();
            let per = SpecLoader::new(&set.text, &mut ignored)
                .list(rule, "per")
                .unwrap_or_default();
            let per = per.iter().map(|name| column(name.text, name.span(&set.text)));
            let per = per.collect();
            let over = rule.get("over")?;
            Some(NonAdditiveRule {
                time: column(over.text()?, over.span),
                takes_last: rule.text_at("take") != Some("first"),
                per,
            })
        });
        RowGroup { set: id.0, rule }
    }

    /// Returns the row groups that the needed metrics read. A model without aggregates reads all rows of its metric
    /// sets.
    pub fn row_groups(&self, metric_ids: &[MetricId]) -> Vec<RowGroup> {
        let mut groups: Vec<RowGroup> = Vec::new();
        for id in metric_ids {
            if self.sets[id.0].sets.is_empty() && !self.formula(*id).aggregates.is_empty() {
                let group = self.row_group(*id);
                if !groups.contains(&group) {
                    groups.push(group);
                }
            }
        }
        if groups.is_empty() {
            groups.extend(self.sets_with_rows().map(|set| RowGroup { set, rule: None }));
        }
        groups.sort_by_key(|group| (group.set, group.rule.is_some()));
        groups
    }

    /// Returns the replacements for the columns in a part of a metric's formula. A column that has the name of a key is
    /// qualified with the name of its relation. In a formula that reads a step instead of the metric set's relations,
    /// the qualifier is removed.
    pub fn column_replacements(
        &self,
        id: MetricId,
        within: &Range<usize>,
        keys: &Arena<MetricSetKey>,
    ) -> Vec<FormulaReplacement> {
        let formula = self.formula(id);
        let mut replaced = match self.row_group(id).rule {
            None => self.replacements_for_key_names(id.0, formula, keys),
            Some(_) => self.name_replacements(id.0, formula, keys, |_, column| {
                let is_column = self.resolve_in_set(id.0, &formula.name, column) == SetNameTarget::Column;
                (is_column && column.qualifier.is_some()).then(|| name_after_joins(column))
            }),
        };
        replaced.retain(|(range, _)| within.start <= range.start && range.end <= within.end);
        replaced
    }

    /// Splits a grouped step that reads the rows of a metric set into two steps: one finds the last or first rows of
    /// each group, and one computes `aggregates` from these rows. `end_of_name` distinguishes the steps of similar
    /// rules.
    pub fn split_by_non_additive_rule(
        &self,
        compiler: &Compiler,
        (set, rule, end_of_name): (usize, &NonAdditiveRule, &str),
        formulas: &[&MetricFormula],
        keys: &Arena<MetricSetKey>,
        (grouped, aggregates): (StepText, Vec<DefinitionText>),
    ) -> [StepText; 2] {
        let file = self.file_number_of_set(set);
        let span = rule.time.span;
        let generated = |name: &String| TextWithPosition::new(quote_formula_name(name), file, span);
        let (first, function) = if rule.takes_last {
            ("last", "MAX")
        } else {
            ("first", "MIN")
        };
        let name = grouped.name.clone();
        let mut rows = StepText {
            name: self.unused_step_name(&format!(
                "{}_with_{first}_{}{end_of_name}",
                self.sets[set].name,
                rule.time
                    .output_name(&parse_name_occurrence(split_timeframe(&rule.time.name).0))
            )),
            finds_last_rows: true,
            group_by: Vec::new(),
            ..grouped
        };
        let mut column_names: Vec<String> = Vec::new();
        let mut flatten = |name: &NameOccurrence, span: Span, rows: &mut StepText| {
            let flat = name_after_joins(name);
            match &name.qualifier {
                _ if rows.has_definition(&flat) || column_names.contains(&flat) => {}
                None => column_names.push(flat),
                Some(qualifier) => {
                    let column = quote_formula_name(&format!("{qualifier}.{}", name.name));
                    rows.definitions
                        .push(DefinitionText::generated(flat, &column, file, span));
                }
            }
        };
        for formula in formulas {
            let is_column = |name: &&_| self.resolve_in_set(set, &formula.name, name) == SetNameTarget::Column;
            for name in formula.names.iter().filter(is_column) {
                let column = self.column_name_distinct_from_keys(set, &formula.name, name, keys);
                flatten(&column, formula.file_span(&name.range), &mut rows);
            }
        }
        let column_in_set = |column: &RuleColumn| {
            let name = self.sets[set].qualified_column(compiler, split_timeframe(&column.name).0);
            self.column_name_distinct_from_keys(set, "", &parse_name_occurrence(&name), keys)
        };
        let (timeframes, columns): (Vec<&RuleColumn>, Vec<&RuleColumn>) = std::iter::once(&rule.time)
            .chain(&rule.per)
            .partition(|column| column.name.contains('['));
        for column in columns {
            let name = column_in_set(column);
            if self.resolve_in_set(set, "", &name) == SetNameTarget::Column {
                flatten(&name, column.span, &mut rows);
            }
        }
        let mut key_names: Vec<String> = Vec::new();
        for key in keys {
            let name = key_name(&key.entry.text);
            let is_name = split_timeframe(&key.entry.text) == (name.as_str(), "");
            if key.definition.is_none() && !is_name {
                rows.definitions
                    .push(DefinitionText::generated(&name, &key.entry.text, 0, key.entry.span));
            } else if key.definition.is_none() && !rows.has_definition(&name) {
                flatten(&parse_name_occurrence(&name), span, &mut rows);
            }
            key_names.push(name);
        }
        let output_name = |column: &RuleColumn| {
            column.unused_name(compiler, &column_in_set(column), &self.sets[set], keys, &column_names)
        };
        // `add_timeframe` skips a timeframe that is already a key.
        for column in timeframes {
            column.add_timeframe(&mut rows, &output_name(column), &column_in_set(column), file);
        }
        let over = quote_formula_name(&output_name(&rule.time));
        let definitions = rows.definitions.iter().chain(&aggregates).map(|text| &text.name);
        let in_use = definitions.chain(&column_names).chain(&key_names).map(String::as_str);
        let bound_name = unused_name(&remove_special_characters(&format!("{first}_{over}")), in_use, 0);
        let bound = format!("{function}({over}:{over})");
        rows.definitions
            .push(DefinitionText::generated(&bound_name, &bound, file, span));
        let mut partition: Vec<TextWithPosition> = key_names.iter().map(generated).collect();
        for column in &rule.per {
            let name = quote_formula_name(&output_name(column));
            if !partition.iter().any(|key| key.text.eq_ignore_ascii_case(&name)) {
                partition.push(TextWithPosition::new(name, file, column.span));
            }
        }
        rows.partition_by = Some(partition);
        rows.keep = (!column_names.is_empty()).then_some(StepTextProjection::Columns(column_names));
        let filter = SourceMappedText::generated(&format!("{over} = {bound_name}"), file, span);
        let step = StepText {
            name,
            filter: Some(filter),
            group_by: key_names.iter().map(generated).collect(),
            definitions: aggregates,
            ..StepText::default()
        };
        [rows, step]
    }
}

/// Returns the name of a column after the relations of a metric set are joined.
pub fn name_after_joins(name: &NameOccurrence) -> String {
    match &name.qualifier {
        Some(qualifier) => format!("{qualifier}_{}", name.name),
        None => name.name.clone(),
    }
}
