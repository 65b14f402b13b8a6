//! Models built on metric sets, with the definitions of the sets written out, for tools that edit the SQL of the
//! models.

use std::ops::Range;
use std::sync::Arc;

use super::expand::{SpecExpansion, expand};
use super::formulas::MetricFormula;
use super::inputs::relation_name;
use super::metric_set::{MetricSet, MetricSetWithErrors};
use super::model_on_metric_sets::find_step_over_metric_sets;
use crate::compile::GeneratedSpecSources;
use crate::compiler::Compiler;
use crate::file::SpecFile;
use crate::load::SpecKind;
use crate::span::Span;
use crate::yaml::Node;
use crate::{CompiledSpec, SpecText};

/// Model built on metric sets with the definitions of the sets written out.
#[derive(Clone, Debug)]
pub struct ExpandedModel {
    expansion: SpecExpansion,
}

/// Definition in a metric set. A definition of the expanded spec computes it in full or in part.
#[derive(Clone, Debug)]
pub struct MetricSetFormula<'e> {
    set: &'e MetricSet,
    formula: &'e MetricFormula,
    part: Option<Range<usize>>,
}

/// Condition of a metric set.
#[derive(Clone, Copy, Debug)]
pub struct MetricSetFilter<'e> {
    set: &'e MetricSet,
    formula: &'e MetricFormula,
}

/// Relation that a metric set reads or joins.
#[derive(Clone, Debug)]
pub struct MetricSetRelation<'e> {
    set_position: MetricSetPosition<'e>,
    key: &'static str,
    relation: &'e str,
    name: String,
}

/// Position of a definition, condition or relation in the file of its metric set.
#[derive(Clone, Copy, Debug)]
pub struct MetricSetPosition<'e> {
    set: &'e MetricSet,
    span: Span,
}

impl Compiler {
    /// Returns a model with the definitions of its metric sets written out. `None` if the spec is not a model built on
    /// metric sets, or has errors.
    #[must_use]
    pub fn expand_model(&self, source: &str) -> Option<ExpandedModel> {
        let file = SpecFile::read(source, None, &self.options.limits);
        let root = file.root().filter(|root| find_step_over_metric_sets(root).is_some())?;
        let sets = &self.specs.sets;
        let expansion = expand(self, sets, (root, source), SpecKind::OverSets, &mut Vec::new())?;
        Some(ExpandedModel { expansion })
    }

    /// Compiles the text of an expanded model, which may have keys that are not allowed in hand-written specs.
    #[must_use]
    pub fn compile_expanded(&self, text: &str, path: Option<&str>) -> CompiledSpec {
        let file = SpecFile::read(text, path, &self.options.limits);
        self.compile_spec_with_periods(file, SpecKind::OverSets, GeneratedSpecSources::default())
    }

    /// Returns a copy of the compiler in which these metric sets replace existing sets with the same names. Each set
    /// has the path of its file. Specs that are not metric sets are skipped.
    #[must_use]
    pub fn with_metric_sets<'t>(&self, sets: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let mut compiler = self.clone();
        for (path, text) in sets {
            let parsed_set = MetricSetWithErrors::from_text(self, SpecText { text, path: Some(path) });
            if let Some(set) = parsed_set.and_then(|set_with_errors| set_with_errors.set) {
                Arc::make_mut(&mut compiler.specs).sets.replace(set);
            }
        }
        compiler
    }
}

impl ExpandedModel {
    /// Returns the text of the expanded spec.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.expansion.text.text
    }

    /// Returns the definition of a metric set that a formula of the text computes. `None` if the model's own spec
    /// defines the formula.
    #[must_use]
    pub fn metric_set_formula(&self, formula: Span) -> Option<MetricSetFormula<'_>> {
        // Look up the origin of the byte before the formula. This byte belongs to the name or to a key, and its origin
        // is the whole definition.
        let head = formula.start.saturating_sub(1);
        let (file, span) = self.expansion.text.origin(Span::new(head, formula.start));
        let set: &MetricSet = self.expansion.sets.get(usize::from(file).checked_sub(1)?)?;
        let metric_formula = set.definitions.iter().find(|candidate| candidate.span.contains(span))?;
        let formula_span = metric_formula.file_span(&(0..metric_formula.text.len()));
        let (_, first) = self.expansion.text.origin(Span::new(formula.start, formula.start + 1));
        let is_copied = formula_span.contains(first) && first != span;
        let part = match span == metric_formula.span {
            true => 0..metric_formula.text.len(),
            false => metric_formula.text_range(span),
        };
        Some(MetricSetFormula {
            set,
            formula: metric_formula,
            part: is_copied.then_some(part),
        })
    }

    /// Returns the definitions of metric sets whose formulas are inlined into a formula of the text, each with its byte
    /// range in that formula.
    #[must_use]
    pub fn inlined_formulas(&self, formula: Span) -> Vec<(MetricSetFormula<'_>, Range<usize>)> {
        let owner = self.metric_set_formula(formula);
        let is_owner = |inner: &MetricFormula| owner.as_ref().is_some_and(|owner| std::ptr::eq(owner.formula, inner));
        let mut formulas: Vec<(MetricSetFormula<'_>, Range<usize>)> = Vec::new();
        for offset in formula.start..formula.end {
            let (file, span) = self.expansion.text.origin(Span::new(offset, offset + 1));
            let set = usize::from(file)
                .checked_sub(1)
                .and_then(|set| self.expansion.sets.get(set));
            let is_copied = |inner: &&MetricFormula| {
                let formula_span = inner.file_span(&(0..inner.text.len()));
                span.end == span.start + 1 && formula_span.contains(span)
            };
            let Some((set, inner)) = set.and_then(|set| Some((set, set.definitions.iter().find(is_copied)?))) else {
                continue;
            };
            let position = (offset - formula.start) as usize;
            match formulas
                .iter_mut()
                .find(|(set_formula, _)| std::ptr::eq(set_formula.formula, inner))
            {
                Some((_, range)) => range.end = position + 1,
                None if is_owner(inner) => {}
                None => formulas.push((
                    MetricSetFormula {
                        set,
                        formula: inner,
                        part: Some(0..inner.text.len()),
                    },
                    position..position + 1,
                )),
            }
        }
        formulas
    }

    /// Returns the conditions of the metric sets, each with its byte range in the expanded text.
    #[must_use]
    pub fn filters(&self) -> Vec<(MetricSetFilter<'_>, Range<usize>)> {
        let mut filters = Vec::new();
        for (index, set) in self.expansion.sets.iter().enumerate() {
            let Some(filter) = MetricSetFilter::new(set) else {
                continue;
            };
            let filter_span = filter.formula.file_span(&(0..filter.text().len()));
            let copies = self.expansion.text.copied_ranges(index + 1, filter_span);
            filters.extend(copies.into_iter().map(|range| (filter, range)));
        }
        filters
    }

    /// Returns the relations that the metric sets read and join.
    #[must_use]
    pub fn relations(&self) -> Vec<MetricSetRelation<'_>> {
        let mut relations = Vec::new();
        for set in &self.expansion.sets {
            let joins = set.root.items_at("joins");
            let joined = joins.iter().map(|join| ("joins", join.get("to"), join.get("as")));
            for (key, to, alias) in [("from", set.root.get("from"), None)].into_iter().chain(joined) {
                let Some((node, relation)) = to.and_then(|to| Some((to, to.text()?))) else {
                    continue;
                };
                let alias = alias.and_then(Node::text).map(str::to_owned);
                relations.push(MetricSetRelation {
                    set_position: MetricSetPosition { set, span: node.span },
                    key,
                    relation,
                    name: alias.unwrap_or_else(|| relation_name(relation)),
                });
            }
        }
        relations
    }

    /// Returns the metric in a column of the model, if the model lists the column in `metrics`.
    #[must_use]
    pub fn listed_metric(&self, column: &str) -> Option<MetricSetFormula<'_>> {
        let of_column = |(name, ..): &&(String, usize, usize)| name.eq_ignore_ascii_case(column);
        let (_, set, formula) = self.expansion.listed_columns.iter().find(of_column)?;
        let set = self.expansion.sets.get(*set)?;
        let formula = set.definitions.try_get(*formula)?;
        Some(MetricSetFormula {
            set,
            formula,
            part: None,
        })
    }

    /// Returns the columns of the expanded spec that contain metrics, each with the names of the metric set and the
    /// metric.
    pub fn metric_columns(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.resolve_column_names(&self.expansion.metric_columns)
    }

    /// Returns the columns in `metrics`, each with the names of the metric set and the metric.
    pub fn listed_columns(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.resolve_column_names(&self.expansion.listed_columns)
    }

    fn resolve_column_names<'e>(
        &'e self,
        columns: &'e [(String, usize, usize)],
    ) -> impl Iterator<Item = (&'e str, &'e str, &'e str)> {
        columns.iter().filter_map(|(column, set, formula)| {
            let set = self.expansion.sets.get(*set)?;
            let formula = set.definitions.try_get(*formula)?;
            Some((column.as_str(), set.name.as_str(), formula.name.as_str()))
        })
    }
}

impl<'e> MetricSetFilter<'e> {
    /// Returns the condition of a metric set.
    pub(crate) fn new(set: &'e MetricSet) -> Option<Self> {
        let formula = set.filter.as_ref()?;
        Some(Self { set, formula })
    }

    /// Returns the condition as written in the metric set.
    #[must_use]
    pub fn text(self) -> &'e str {
        &self.formula.text
    }

    /// Returns the position of the condition.
    #[must_use]
    pub fn set_position(self) -> MetricSetPosition<'e> {
        MetricSetPosition {
            set: self.set,
            span: self.formula.span,
        }
    }
}

impl<'e> MetricSetRelation<'e> {
    /// Returns the key of the metric set that specifies the relation: `from` or `joins`.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// Returns the relation as written in the metric set, such as `ref('orders')`.
    #[must_use]
    pub fn relation(&self) -> &'e str {
        self.relation
    }

    /// Returns the name of the relation in the metric set's formulas.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the position of the relation.
    #[must_use]
    pub fn set_position(&self) -> MetricSetPosition<'e> {
        self.set_position
    }
}

impl<'e> MetricSetPosition<'e> {
    /// Returns the name of the metric set.
    #[must_use]
    pub fn set(self) -> &'e str {
        &self.set.name
    }

    /// Returns the path of the metric set's file, if it is known.
    #[must_use]
    pub fn path(self) -> Option<&'e str> {
        self.set.path.as_deref()
    }

    /// Returns the text of the metric set's file.
    #[must_use]
    pub fn set_text(self) -> &'e str {
        &self.set.text
    }

    /// Returns the line in the metric set's file, starting at 1.
    #[must_use]
    pub fn line(self) -> usize {
        let before = self.set.text.get(..self.span.start as usize);
        1 + before.unwrap_or_default().matches('\n').count()
    }
}

impl<'e> MetricSetFormula<'e> {
    /// Returns the definition of a metric set with this name.
    pub(crate) fn new(set: &'e MetricSet, name: &str) -> Option<Self> {
        let formula = set.definitions.try_get(set.position(name)?)?;
        Some(Self {
            set,
            formula,
            part: None,
        })
    }

    /// Returns the position of the definition.
    #[must_use]
    pub fn set_position(&self) -> MetricSetPosition<'e> {
        MetricSetPosition {
            set: self.set,
            span: self.formula.span,
        }
    }

    /// Returns the name of the metric or dimension.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.formula.name
    }

    /// Returns the formula as written in the metric set.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.formula.text
    }

    /// Returns the byte range, within the formula, of the part that the definition in the expanded spec computes.
    /// `None` if the formula of the expanded spec is generated, for example to combine several metric sets.
    #[must_use]
    pub fn part(&self) -> Option<Range<usize>> {
        self.part.clone()
    }

    /// Returns whether the metric set is built on other metric sets.
    #[must_use]
    pub fn is_over_sets(&self) -> bool {
        !self.set.sets.is_empty()
    }

    /// Returns whether the definition is a metric rather than a dimension.
    #[must_use]
    pub fn is_metric(&self) -> bool {
        self.set.is_metric(self.formula)
    }

    /// Returns the definitions of the same metric set that the formula uses, each with its formula.
    pub fn used_definitions(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.formula.names.iter().filter(|name| name.qualifier.is_none());
        names.filter_map(|name| {
            let definition = self.set.definitions.try_get(self.set.position(&name.name)?)?;
            let is_own = definition.name.eq_ignore_ascii_case(&self.formula.name);
            (!is_own).then_some((definition.name.as_str(), definition.text.as_str()))
        })
    }

    /// Returns the names in the formula, each with its qualifier. A name without a qualifier has the name of the metric
    /// set.
    pub fn used_names(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.formula.names.iter();
        names.map(|name| (name.qualifier.as_deref().unwrap_or(&self.set.name), name.name.as_str()))
    }
}
