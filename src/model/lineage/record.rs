//! Records the lineage of a spec while its steps are compiled.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::compile::SpecCompilation;
use super::super::load::{ColumnProjection, Step, StepInputs};
use super::super::sources::JoinTarget;
use super::{LineageNodeId, SourceColumn};
use crate::Type;
use crate::catalog::{self, internal};
use crate::check::DefinitionRole;
use crate::ir::Ir;
use crate::plan::{StepInput, StepPlan, key_name};
use crate::schema::{Column, Relation};
use crate::yaml::Node;

/// Returns the name of the column that a definition or key produces, if any. `text` is the source of the formulas.
pub fn output_column(plan: &StepPlan<'_>, index: usize, text: &str) -> Option<String> {
    let program = plan.program;
    let definition = program.definitions.try_get(index)?;
    match (plan.roles.try_get(index)?, program.node(definition.root)) {
        (DefinitionRole::GroupBy, Ir::Column(column)) => program
            .columns
            .try_get(column as usize)
            .map(|c| c.output_name().to_owned()),
        // The key is a definition, which produces the column itself.
        (DefinitionRole::GroupBy, Ir::Definition(_)) => None,
        // The name of a timeframe is derived from its notation.
        (DefinitionRole::GroupBy, _) => Some(key_name(definition.span.text(text))),
        (DefinitionRole::Definitions, _) if plan.outputs.try_get(index) == Some(&true) => {
            definition.name.as_deref().map(str::to_owned)
        }
        _ => None,
    }
}

/// Returns the relations in `keep`, by the lower-case name of the column: `u` for `u.created_at`.
fn projected_column_relations<'s>(step: &Step<'s>) -> FxHashMap<String, &'s str> {
    let ColumnProjection::Columns(names) = &step.keep else {
        return FxHashMap::default();
    };
    let qualified = names.iter().rev().filter_map(|name| name.text.rsplit_once('.'));
    let unquoted =
        qualified.map(|(relation, name)| (name.trim_matches('"').to_lowercase(), relation.trim_matches('"')));
    unquoted.collect()
}

/// Returns whether a node converts an instant to wall-clock time in a time zone.
fn is_timezone_conversion(node: Ir) -> bool {
    matches!(node, Ir::Apply { overload, .. } if catalog::overload_owner(overload) == internal::TO_WALL_CLOCK)
}

impl SpecCompilation<'_> {
    /// Records the lineage of a step's columns. `text` is the source of the step's formulas.
    pub fn record_lineage(
        &mut self,
        step: &Step<'_>,
        plan: &StepPlan<'_>,
        input: &StepInput<'_>,
        output: &Relation,
        text: &str,
    ) {
        let program = plan.program;
        let mut columns: Vec<Option<LineageNodeId>> = Vec::with_capacity(program.columns.len());
        for column in &program.columns {
            columns.push(match column.merged.as_slice() {
                [] => self.input_column_node(step, input, column.relation.as_deref(), &column.name),
                merged => {
                    let merged = merged
                        .iter()
                        .filter_map(|part| columns.get(*part as usize).copied().flatten());
                    let merged = merged.collect();
                    Some(self.lineage.add_value(merged))
                }
            });
        }
        let positions = self.record_definition_lineage(step, plan, input, &columns);
        let mut step_columns: BTreeMap<String, LineageNodeId> = BTreeMap::new();
        for index in 0..program.definitions.len() {
            let Some(position) = positions.get(&(index as u32)) else {
                continue;
            };
            let name = output_column(plan, index, text);
            step_columns.extend(name.map(|name| (name.to_lowercase(), *position)));
        }
        self.add_projected_columns(step, input, output, &mut step_columns);
        self.lineage.steps.push(step_columns);
    }

    /// Records the lineage of the definitions, and returns their positions. `columns` contains the positions of the
    /// input columns.
    fn record_definition_lineage(
        &mut self,
        step: &Step<'_>,
        plan: &StepPlan<'_>,
        input: &StepInput<'_>,
        columns: &[Option<LineageNodeId>],
    ) -> FxHashMap<u32, LineageNodeId> {
        let program = plan.program;
        let mut positions: FxHashMap<u32, LineageNodeId> = FxHashMap::default();
        for index in &program.order {
            let Some(definition) = program.definitions.try_get(*index as usize) else {
                continue;
            };
            if definition.failed {
                continue;
            }
            let (mut inputs, mut seen, mut stack) = (Vec::new(), FxHashSet::default(), vec![definition.root]);
            let mut is_converted = false;
            while let Some(id) = stack.pop() {
                if !seen.insert(id) {
                    continue;
                }
                match program.node(id) {
                    Ir::Column(column) => inputs.extend(columns.get(column as usize).copied().flatten()),
                    Ir::Definition(definition_index) => inputs.extend(positions.get(&definition_index)),
                    Ir::TabColumn { tab, column } => {
                        let (tab, column) = program.resolve_source_column(tab, column);
                        inputs.extend(self.tab_column(step, input, tab, column));
                    }
                    node => {
                        is_converted |= is_timezone_conversion(node);
                        stack.extend(program.operands(id));
                    }
                }
            }
            let position = self.lineage.add_value(inputs);
            if is_converted {
                self.lineage.timezone_conversions.insert(position);
            }
            positions.insert(*index, position);
        }
        positions
    }

    /// Adds the kept columns and their lineage to `step_columns`.
    fn add_projected_columns(
        &mut self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        output: &Relation,
        step_columns: &mut BTreeMap<String, LineageNodeId>,
    ) {
        let column_relations = projected_column_relations(step);
        for column in output.columns() {
            let name = column.name().to_lowercase();
            if !step_columns.contains_key(&name) {
                let has = |relation: &Relation| relation.is_open() || relation.column(&name).is_some();
                let in_joined = input
                    .joined
                    .and_then(|joined| joined.relations.iter().find(|relation| has(relation)));
                let column_relation = column_relations.get(&name).copied();
                let relation_name = column_relation.or_else(|| in_joined.map(Relation::name));
                let column_position = self.input_column_node(step, input, relation_name, column.name());
                step_columns.extend(column_position.map(|position| (name, position)));
            }
        }
    }

    /// Returns the position of a column that a step reads. `relation` is the column's relation if the step reads
    /// several relations.
    fn input_column_node(
        &mut self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        relation: Option<&str>,
        name: &str,
    ) -> Option<LineageNodeId> {
        let index = self.lineage.steps.len();
        let joined = input
            .joined
            .and_then(|joined| joined.position(relation?))
            .and_then(|join_index| join_index.checked_sub(1));
        if let Some(join) = joined.and_then(|join_index| step.joins.get(join_index)) {
            return self.join_target_column(self.sources.resolve_join_target(self.spec, index, &join.to), name);
        }
        match self.spec.step_input(index) {
            StepInputs::Relation(from) => Some(self.lineage.add_source(from.name(), name)),
            StepInputs::Step(step_index) => self.step_column(step_index, name),
            StepInputs::Union(steps) => {
                let parts = steps
                    .into_iter()
                    .filter_map(|step_index| self.step_column(step_index, name));
                let parts = parts.collect();
                self.lineage.combine_inputs(parts)
            }
        }
    }

    fn tab_column(&mut self, step: &Step<'_>, input: &StepInput<'_>, tab: u32, column: u32) -> Option<LineageNodeId> {
        let index = self.lineage.steps.len();
        let column = input.tabs.get(tab as usize)?.columns.get(column as usize)?;
        let keys = step.sheet.as_ref()?.tabs.get(tab as usize)?;
        self.join_target_column(
            self.sources.resolve_join_target(self.spec, index, &keys.model),
            column.name(),
        )
    }

    fn join_target_column(&mut self, target: JoinTarget, name: &str) -> Option<LineageNodeId> {
        match target {
            JoinTarget::Step(step_index) => self.step_column(step_index, name),
            JoinTarget::Source(source_index) => {
                let relation = self.sources.sources.get(source_index)?.from.name().to_owned();
                Some(self.lineage.add_source(&relation, name))
            }
            JoinTarget::Later => None,
        }
    }

    /// Returns the position of a column of an earlier step. If the step passes on the columns of a relation without a
    /// schema, any name may be one of these columns. A column of a union is computed from the columns of all its steps.
    fn step_column(&mut self, step_index: usize, name: &str) -> Option<LineageNodeId> {
        let key = name.to_lowercase();
        let mut seen = FxHashSet::default();
        let mut indexes = vec![step_index];
        let mut parts = Vec::new();
        while let Some(index) = indexes.pop() {
            if !seen.insert(index) {
                continue;
            }
            if let Some(position) = self.lineage.steps.get(index)?.get(&key) {
                parts.push(*position);
                continue;
            }
            let step = self.spec.steps.get(index)?;
            if !matches!(step.keep, ColumnProjection::All) || !step.joins.is_empty() {
                continue;
            }
            match self.spec.step_input(index) {
                StepInputs::Relation(from) => parts.push(self.lineage.add_source(from.name(), name)),
                StepInputs::Step(before) => indexes.push(before),
                StepInputs::Union(steps) => indexes.extend(steps),
            }
        }
        let position = self.lineage.combine_inputs(parts)?;
        self.lineage.steps.get_mut(step_index)?.insert(key, position);
        Some(position)
    }

    /// Records a step that lists periods. Its columns are not computed from the columns of a relation.
    pub fn record_period_step_lineage(&mut self, column_names: &[&str]) {
        let index = self.lineage.steps.len();
        let columns = column_names.iter().filter_map(|name| {
            let before = index.checked_sub(1)?;
            Some((name.to_lowercase(), self.step_column(before, name)?))
        });
        let columns = columns.collect();
        self.lineage.steps.push(columns);
    }

    /// Returns the relation of a source column, if it is known.
    fn relation_of_source(&self, column: &SourceColumn) -> Option<&Relation> {
        let mut sources = self.sources.sources.iter().map(|source| &source.from);
        self.schema_relation(sources.find(|from| from.name() == column.relation)?)
    }

    /// Marks the model's date and time columns whose values were converted from instants to a time zone.
    pub fn flag_timezone_converted_columns(&self, columns: &mut [Column]) {
        let is_wall_clock = |column: &Column| matches!(column.ty(), Type::Date | Type::Timestamp);
        if !columns.iter().any(is_wall_clock) {
            return;
        }
        let converted = self.lineage.columns_in_timezone(|source| {
            let relation = self.relation_of_source(source);
            let column = relation.and_then(|relation| relation.column(&source.column));
            column.is_some_and(Column::is_converted_to_timezone)
        });
        for column in columns.iter_mut().filter(|column| is_wall_clock(column)) {
            let is_converted = converted.contains(&column.name().to_lowercase());
            *column = column.clone().converted_to_timezone(is_converted);
        }
    }

    /// Returns the model's columns with their inherited tags.
    pub fn with_tags(&self, columns: Vec<Column>) -> Vec<Column> {
        let inherit = &self.compiler.specs.inherit;
        if inherit.is_empty() {
            return columns;
        }
        let source_tags = |source: &SourceColumn| {
            let relation = self.relation_of_source(source);
            let known_column = relation.and_then(|relation| relation.column(&source.column));
            known_column.map(|column| column.tags().to_vec()).unwrap_or_default()
        };
        let tags = self.lineage.tags(inherit, source_tags);
        let spec_tags = |column: &Column| {
            let column_keys = self
                .spec
                .columns
                .iter()
                .find(|column_keys| column_keys.name.text.eq_ignore_ascii_case(column.name()));
            let tags = column_keys
                .and_then(|column_keys| column_keys.tags)
                .map(Node::texts)
                .unwrap_or_default();
            tags.into_iter().filter(|tag| inherit.contains(tag)).collect::<Vec<_>>()
        };
        let tagged = |column: Column| {
            let inherited_tags = tags.get(&column.name().to_lowercase()).into_iter().flatten().cloned();
            // Models that read this model also inherit the tags that its spec sets.
            let own_tags = spec_tags(&column);
            let all_tags: Vec<String> = inherited_tags
                .filter(|tag| !own_tags.contains(tag))
                .chain(own_tags.iter().cloned())
                .collect();
            if all_tags.is_empty() {
                column
            } else {
                column.with_tags(all_tags)
            }
        };
        columns.into_iter().map(tagged).collect()
    }
}
