//! Checks that the keys of a model exist in the metric sets. An unknown key would otherwise cause errors in the
//! expanded spec, and these errors would name keys that the author did not write.

use super::inputs::joined_relation;
use super::keys::period_unit;
use super::metric_set::MetricSet;
use super::model_on_metric_sets::{ModelKey, ModelOnMetricSets};
use crate::Type;
use crate::check::{describe_columns, timeframes};
use crate::checks::is_identifier;
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic, suggest};
use crate::ir::CalendarPeriod;
use crate::load::SpecKind;
use crate::plan::split_timeframe;
use crate::schema::{Column, Relation};
use crate::span::Span;

impl ModelOnMetricSets<'_> {
    /// Returns an error if none of the metric sets has a column, dimension or period for a key. `None` if at least one
    /// metric set may have it.
    pub fn unknown_key_error(&self, compiler: &Compiler, key: &ModelKey, set_indexes: &[usize]) -> Option<Diagnostic> {
        // If a metric set itself is checked, its keys are its `time` and its dimensions. The check of its formulas
        // already covers `time`.
        if matches!(self.kind, SpecKind::Periods | SpecKind::WholeSet) {
            return None;
        }
        if key.mapping.is_empty() && key.text.contains(": {") {
            let message = format!("the key `{}` is a string instead of a mapping", key.text);
            let help = format!("write the key as a mapping: `- {}`", key.text);
            return Some(Diagnostic::new(Code::MetricKey, key.span, message).with_help(help));
        }
        let mut unknown = None;
        for set in set_indexes.iter().map(|set| &self.sets[*set]) {
            let mapped = key.key_column_of_set(set);
            if let (None, Some((qualifier, name))) = (mapped, split_timeframe(&key.text).0.split_once('.'))
                && let Some(error) = set.qualified_name_error(compiler, qualifier.trim(), name.trim(), key.span)
            {
                return Some(error);
            }
            let text = mapped.map_or(key.text.as_str(), |part| &part.column);
            let is_period = mapped.is_none() && period_unit(text).is_some();
            let (name, frame) = split_timeframe(text);
            let name = name.trim();
            if is_period
                || !is_identifier(name)
                || self
                    .definitions
                    .iter()
                    .any(|metric_formula| metric_formula.name.eq_ignore_ascii_case(name))
            {
                return None;
            }
            let relations = match set.relations_without_column(compiler, name) {
                Some(relations) => relations,
                None if mapped.is_some() => continue,
                None => return None,
            };
            let help = set.timeframe_help(&relations, name).filter(|_| frame.is_empty());
            unknown = unknown.or_else(|| {
                let message = format!("the metric set `{}` has no column or dimension `{name}`", set.name);
                let help = help.unwrap_or_else(|| set.similar_key_help(&relations, name));
                let span = mapped.map_or(key.span, |part| part.span);
                Some(Diagnostic::new(Code::UnknownName, span, message).with_help(help))
            });
        }
        unknown
    }

    /// Reports a filter for all metric sets if only some of the metric sets have the names and relations in it.
    pub fn check_shared_filters(&self, compiler: &Compiler, set_indexes: &[usize], faults: &mut Vec<Diagnostic>) {
        let shared = self.filters.iter().filter(|(set, _)| set.is_none());
        for (formula, name) in shared.flat_map(|(_, formula)| formula.names.iter().map(move |name| (formula, name))) {
            let sets = set_indexes.iter().map(|set| &self.sets[*set]);
            let qualified = name.qualifier.as_deref();
            let errors = sets.filter_map(|set| {
                set.qualified_name_error(compiler, qualified?, &name.name, formula.file_span(&name.range))
            });
            if let Some(error) = errors.into_iter().next() {
                faults.push(error);
                continue;
            }
            let is_key = self.keys.iter().any(|key| key.text.eq_ignore_ascii_case(&name.name));
            if qualified.is_none() && (is_key || period_unit(&name.name).is_some()) {
                continue;
            }
            let lacks_name = |set: &&MetricSet| match qualified {
                Some(qualifier) => !set.is_input_name(qualifier),
                None => set.relations_without_column(compiler, &name.name).is_some(),
            };
            let sets = set_indexes.iter().map(|set| &*self.sets[*set]);
            let (without, with): (Vec<&MetricSet>, Vec<&MetricSet>) = sets.partition(lacks_name);
            if let (Some(without), Some(with)) = (without.first(), with.first()) {
                let (code, missing) = match qualified {
                    Some(qualifier) => (Code::UnknownRelation, format!("relation `{qualifier}`")),
                    None => (Code::UnknownName, format!("column or dimension `{}`", name.name)),
                };
                let message = format!("the metric set `{}` has no {missing}", without.name);
                let help = format!("to filter only `{0}`, write `where: {{{0}: …}}` in a spec", with.name);
                faults.push(Diagnostic::new(code, formula.file_span(&name.range), message).with_help(help));
            }
        }
    }
}

impl MetricSet {
    /// Returns whether formulas use the name for the metric set's relation or for a joined relation.
    fn is_input_name(&self, name: &str) -> bool {
        let joins = self.root.items_at("joins").iter();
        let mut aliases = joins.filter_map(|join| Some(joined_relation(join)?.0));
        self.input_name().eq_ignore_ascii_case(name) || aliases.any(|alias| alias.eq_ignore_ascii_case(name))
    }

    /// Returns an error if a metric or dimension is qualified by the name of the metric set. In a filter or key, a
    /// qualifier refers to a relation, which may have the same name.
    fn qualified_name_error(&self, compiler: &Compiler, qualifier: &str, name: &str, span: Span) -> Option<Diagnostic> {
        let definition = &self.definitions[self.position_by_any_name(name)?];
        let relation = self.relation(compiler)?;
        let may_be_column = relation.name().eq_ignore_ascii_case(qualifier)
            && (relation.may_have_unlisted_columns() || relation.position(name).is_some());
        if !qualifier.eq_ignore_ascii_case(&self.name) || may_be_column {
            return None;
        }
        let (code, kind, help) = match self.is_metric(definition) {
            true => (
                Code::AggregateNotAllowed,
                "metric, but a filter or key needs one value per row",
                "filter groups with `having`".to_owned(),
            ),
            false => (
                Code::UnknownName,
                "dimension, and dimensions are written without the name of their set",
                format!("write `{name}`"),
            ),
        };
        let message = format!("`{qualifier}.{name}` is a {kind}");
        Some(Diagnostic::new(code, span, message).with_help(help))
    }

    /// Returns the relations of the metric set, starting with the relation of the rows. `None` if the metric set has a
    /// definition with this name, or if a relation has such a column or may have it because not all its columns are
    /// known.
    fn relations_without_column<'c>(&self, compiler: &'c Compiler, name: &str) -> Option<Vec<&'c Relation>> {
        if self.position_by_any_name(name).is_some() {
            return None;
        }
        let relations: Vec<&Relation> = self.relations(compiler).collect::<Option<_>>()?;
        let may_have = |relation: &&Relation| relation.may_have_unlisted_columns() || relation.position(name).is_some();
        (!relations.iter().any(may_have)).then_some(relations)
    }

    /// Returns the help for the name of a timeframe that is not a period, such as `hour`. `None` for other names.
    fn timeframe_help(&self, relations: &[&Relation], name: &str) -> Option<String> {
        let time = self.time.as_ref()?;
        let frame = timeframes().find(|frame| frame.eq_ignore_ascii_case(name))?;
        if frame == "date" {
            return time.grain.is_none().then(|| "write `day`".to_owned());
        }
        let column = relations.iter().find_map(|relation| relation.column(&time.column));
        let has_time = column.is_none_or(|column| column.ty() != Type::Date) && time.grain.is_none();
        has_time.then(|| format!("write `{}[{frame}]`", time.column))
    }

    /// Returns the help with the most similar key or, if there is none, the columns.
    fn similar_key_help(&self, relations: &[&Relation], name: &str) -> String {
        let dimensions = self.definitions.iter().filter(|formula| !self.is_metric(formula));
        let periods = CalendarPeriod::NAMES.into_iter().filter(|_| self.time.is_some());
        let columns = relations
            .iter()
            .flat_map(|relation| relation.columns().iter().map(Column::name));
        let keys = columns
            .chain(dimensions.map(|formula| formula.name.as_str()))
            .chain(periods);
        match (suggest::nearest_name(name, keys), relations.first()) {
            (Some(near), _) => suggest::similar_name_help(near),
            (None, Some(relation)) => describe_columns(relation),
            (None, None) => "group by a column or dimension of the set".to_owned(),
        }
    }
}
