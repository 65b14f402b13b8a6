//! State of the planner for a step: the values that are columns, and the stratum from which each column is available.

use rustc_hash::{FxHashMap, FxHashSet};

use super::StepPlan;
use super::holidays;
use super::joins::PassthroughColumns;
use super::key_lookups::KeyLookups;
use super::liveness::Liveness;
use super::lookups::StratumLookups;
use super::materialization;
use super::materialized_values::MaterializedValues;
use super::names::{CteNames, UsedNames};
use super::outputs::{OutputColumn, find_timeframe_aliases, list_step_outputs};
use super::step::{InputProjection, StepInput, StepOutput, StepSpec, TabSource};
use super::strata::{self, Strata};
use super::time_columns::TimeColumn;
use crate::Level;
use crate::check::DefinitionRole;
use crate::dialect::Dialect;
use crate::emit::{self, Emitter};
use crate::ir::{Ir, IrId, Program};
use crate::limits::Limits;
use crate::sql::NamedWindow;

pub(super) struct Planner<'p> {
    pub step: &'p StepPlan<'p>,
    pub spec: &'p StepSpec<'p>,
    pub input: &'p StepInput<'p>,
    pub emitter: Emitter<'p>,
    pub materialized: MaterializedValues,
    pub strata: Strata,
    pub outputs: Vec<OutputColumn>,
    /// Nodes that repeat a grouping key, with the key's column.
    pub aliases: FxHashMap<IrId, String>,
    /// Columns of earlier strata, by node. Each entry contains the column's stratum and name.
    pub columns: FxHashMap<IrId, (u32, String)>,
    /// Columns of the strata before the grouping stratum. Only the keys are available after grouping.
    row_columns: FxHashMap<IrId, (u32, String)>,
    /// Nodes that each stratum materializes as columns.
    pub materialized_by_stratum: Vec<Vec<IrId>>,
    pub roles: ClauseRoots,
    /// Columns of a joined input that later strata read.
    pub passed_on: PassthroughColumns,
    /// Whether the planner is currently emitting the keys of the windows.
    pub in_windows: bool,
    /// Window that several values of this stratum use.
    pub named_window: Option<NamedWindow>,
    /// Lookups that this stratum joins.
    pub lookups: StratumLookups,
    /// Lookups of the step by key or row number.
    pub key_lookups: KeyLookups,
    /// Numbered holidays, as tabs. The name of a tab is empty until a stratum reads the tab.
    pub holidays: Vec<TabSource>,
    /// Time columns of the rows that the first select reads. Empty unless the caller requested them.
    pub times: Vec<TimeColumn>,
    pub cte_names: &'p mut CteNames,
    pub star_conflict: Option<String>,
}

/// Roots of the definitions that are filters, join conditions or keys instead of columns.
#[derive(Default)]
pub(super) struct ClauseRoots {
    pub filter: Option<IrId>,
    pub having: Option<IrId>,
    /// Join conditions, by index of the join.
    pub on: FxHashMap<u32, IrId>,
    /// Sort keys, each with a flag for descending order.
    pub order: Vec<(IrId, bool)>,
    pub partition: Vec<IrId>,
}

/// Plans one step. All steps of a query share the same SQL tree.
pub fn plan_step<'p>(
    step: &'p StepPlan<'p>,
    spec: &'p StepSpec<'p>,
    input: &'p StepInput<'p>,
    dialect: Dialect,
    limits: &'p Limits,
    buffers: &'p mut emit::EmitBuffers,
    cte_names: &'p mut CteNames,
) -> StepOutput {
    let outputs = list_step_outputs(step, spec);
    let mut used_names = collect_used_names(step, spec, input, &outputs, dialect);
    let aliases = find_timeframe_aliases(step, &outputs);
    let liveness = Liveness::from_step(step);
    let (materialized, assigned_strata) =
        materialize_and_assign_strata(step, spec, input, dialect, &liveness, &aliases, &mut used_names);
    let mut emitter = Emitter::new(step.program, dialect, limits, buffers);
    emitter.cased = case_sensitive_names(step, spec, &outputs);
    emitter.grouped_by_keys = step.grouped && outputs.iter().any(|o| o.key);
    let mut planner = Planner {
        step,
        spec,
        input,
        emitter,
        materialized,
        strata: assigned_strata,
        outputs,
        aliases,
        columns: FxHashMap::default(),
        row_columns: FxHashMap::default(),
        materialized_by_stratum: Vec::new(),
        roles: find_clause_roots(step, spec),
        passed_on: PassthroughColumns::default(),
        in_windows: false,
        named_window: None,
        lookups: StratumLookups::default(),
        key_lookups: KeyLookups::new(step, &liveness.live),
        holidays: holidays::list_holiday_tabs(step.program, input),
        times: Vec::new(),
        cte_names,
        star_conflict: None,
    };
    planner.record_columns();
    planner.choose_passthrough_columns(&mut used_names);
    planner.plan()
}

/// Returns the names that the planner cannot choose for its own columns.
fn collect_used_names(
    step: &StepPlan<'_>,
    spec: &StepSpec<'_>,
    input: &StepInput<'_>,
    outputs: &[OutputColumn],
    dialect: Dialect,
) -> UsedNames {
    let mut used_names = UsedNames::new(dialect.max_bytes());
    for column in &step.program.columns {
        used_names.reserve(&column.name);
        // The first select may pass on a STRUCT column in place of its fields.
        if let Some((struct_column, _)) = column.name.split_once('.') {
            used_names.reserve(struct_column);
        }
    }
    if !step.grouped {
        input
            .relation
            .iter()
            .for_each(|relation| used_names.reserve_columns(relation));
        match &spec.keep {
            InputProjection::Joined(kept_columns) => kept_columns.iter().for_each(|c| used_names.reserve(&c.name)),
            // An output replaces the kept column with the same name.
            InputProjection::Some(names) => names.iter().for_each(|name| used_names.reserve_name(name)),
            InputProjection::All | InputProjection::Nothing => {}
        }
    }
    for output in outputs {
        used_names.reserve_name(&output.name);
        // After grouping, only the step's own columns are available.
        if step.grouped && !output.key && step.program.meta(output.root).level >= Level::Aggregate {
            used_names.reserve_grouped_output_name(&output.name);
        }
    }
    used_names
}

/// Chooses the values that become columns, and the stratum of each value.
fn materialize_and_assign_strata(
    step: &StepPlan<'_>,
    spec: &StepSpec<'_>,
    input: &StepInput<'_>,
    dialect: Dialect,
    liveness: &Liveness,
    aliases: &FxHashMap<IrId, String>,
    reserved_names: &mut UsedNames,
) -> (MaterializedValues, Strata) {
    let plan = |used_names: &mut UsedNames, found_are_columns: bool| {
        let materialized = materialization::materialize_values(
            step,
            liveness,
            dialect,
            spec.source,
            aliases,
            used_names,
            found_are_columns,
        );
        let assigned_strata = strata::assign_strata(step, liveness, &materialized, aliases, input.joined.is_some());
        (materialized, assigned_strata)
    };
    // In a single select, the value of a lookup is a column of a joined relation, so it does not have to be
    // materialized, even if several expressions read it.
    let in_one = match step.program.lookups.is_empty() {
        true => None,
        false => {
            let mut trial_names = reserved_names.clone();
            Some((plan(&mut trial_names, true), trial_names))
                .filter(|((_, assigned_strata), _)| assigned_strata.last == 0)
        }
    };
    let (mut materialized, assigned_strata) = match in_one {
        Some((planned, trial_names)) => {
            *reserved_names = trial_names;
            planned
        }
        None => plan(reserved_names, false),
    };
    materialization::materialize_late_aggregates(
        step,
        liveness,
        &mut materialized,
        assigned_strata.main,
        &|id| assigned_strata.stratum_of(id),
        spec.source,
        reserved_names,
    );
    (materialized, assigned_strata)
}

/// Returns the names of the columns whose names are case-sensitive.
fn case_sensitive_names(step: &StepPlan<'_>, spec: &StepSpec<'_>, outputs: &[OutputColumn]) -> FxHashSet<String> {
    let program = step.program;
    let names = program
        .definitions
        .iter()
        .zip(spec.quoted)
        .filter(|(_, quoted)| **quoted);
    let mut cased: FxHashSet<String> = names
        .filter_map(|(definition, _)| definition.name.as_deref().map(str::to_owned))
        .collect();
    // A key that is a column keeps the letter case of that column, because other nodes use the same name.
    let of_column = |o: &&OutputColumn| match program.node(program.resolve_references(o.root)) {
        Ir::Column(column) => program
            .columns
            .try_get(column as usize)
            .is_some_and(|column| column.quoted && *column.name == *o.name),
        _ => false,
    };
    cased.extend(
        outputs
            .iter()
            .filter(|o| o.key)
            .filter(of_column)
            .map(|o| o.name.clone()),
    );
    cased
}

fn find_clause_roots(step: &StepPlan<'_>, spec: &StepSpec<'_>) -> ClauseRoots {
    let mut roles = ClauseRoots::default();
    for (index, definition) in step.program.definitions.iter().enumerate() {
        if definition.failed {
            continue;
        }
        let root = definition.root;
        match step.roles[index] {
            DefinitionRole::Where => roles.filter = Some(root),
            DefinitionRole::On(join) => {
                roles.on.entry(join).or_insert(root);
            }
            DefinitionRole::Having => roles.having = Some(root),
            DefinitionRole::OrderBy => roles
                .order
                .push((root, spec.descending.get(index).copied().unwrap_or(false))),
            DefinitionRole::PartitionBy => roles.partition.push(root),
            DefinitionRole::Definitions | DefinitionRole::GroupBy | DefinitionRole::Rule | DefinitionRole::Check => {}
        }
    }
    roles
}

impl Planner<'_> {
    pub(super) fn program(&self) -> &Program {
        self.step.program
    }

    /// Builds the selects of the step, and describes the columns for the next step.
    fn plan(mut self) -> StepOutput {
        // Reserve the name of the select that returns the step's rows.
        self.cte_names.reserve(self.spec.name);
        let (ctes, body, first_select) = self.build_selects();
        let (relation, open, grain) = self.build_output_relation();
        let program = self.program();
        let volatile = program
            .definitions
            .iter()
            .any(|definition| program.meta(definition.root).volatile);
        StepOutput {
            ctes,
            body,
            volatile,
            relation,
            open,
            grain,
            single: self.spec.limit == Some(1) || (self.step.grouped && !self.outputs.iter().any(|o| o.key)),
            times: self.times,
            first_select,
            star_conflict: self.star_conflict,
            diagnostics: self.emitter.diagnostics,
        }
    }

    /// Records the nodes that are columns, each with its name and the stratum that computes it.
    fn record_columns(&mut self) {
        self.materialized_by_stratum = vec![Vec::new(); self.strata.last as usize + 1];
        for id in self.materialized.sorted_nodes() {
            let stratum = self.strata.stratum_of(id);
            let name = self.materialized.name(id).unwrap_or_default().to_owned();
            let before = self.step.grouped && stratum < self.strata.main;
            if before {
                &mut self.row_columns
            } else {
                &mut self.columns
            }
            .insert(id, (stratum, name));
            if let Some(materialized) = self.materialized_by_stratum.get_mut(stratum as usize) {
                materialized.push(id);
            }
        }
        let main = self.strata.main;
        for (id, name) in &self.aliases {
            self.columns.entry(*id).or_insert_with(|| (main, name.clone()));
        }
        for output in &self.outputs {
            let stratum = if output.key {
                main
            } else {
                self.strata.stratum_of(output.root)
            };
            // All outputs of the grouping select are columns. In later strata, only materialized outputs are columns.
            let is_carried = (self.step.grouped && stratum == main) || self.materialized.contains(output.root);
            if is_carried && stratum < self.strata.last {
                let root = self.canonical_node(output.root);
                self.columns
                    .entry(root)
                    .or_insert_with(|| (stratum, output.name.clone()));
            }
        }
    }

    /// Returns the node that is computed for the given node. The function follows references to definitions, and
    /// chooses the same node for all equal nodes.
    pub(super) fn canonical_node(&self, id: IrId) -> IrId {
        self.materialized.representative(self.program().resolve_references(id))
    }

    /// Returns the helper that a node refers to, if a column of the groups contains the helper.
    fn grouped_intermediate_node(&self, id: IrId) -> Option<IrId> {
        if !self.materialized.has_intermediate_definitions() {
            return None;
        }
        let mut helper = None;
        self.program().resolve_references_until(id, |_, definition| {
            helper = self.materialized.intermediate_definition_node(definition);
            helper.is_some()
        });
        helper
    }

    /// Returns the name of the column from which this stratum reads a node. `None` if this stratum computes the node.
    pub(super) fn stratum_column(&self, id: IrId, stratum: u32) -> Option<&str> {
        let is_earlier = |(column_stratum, _): &&(u32, String)| *column_stratum < stratum;
        let of_helper = || {
            self.columns
                .get(&self.grouped_intermediate_node(id)?)
                .filter(is_earlier)
        };
        let id = self.canonical_node(id);
        let of_rows = || self.row_columns.get(&id).filter(|_| stratum <= self.strata.main);
        let column = self
            .columns
            .get(&id)
            .filter(is_earlier)
            .or_else(|| of_rows().filter(is_earlier))
            .or_else(of_helper);
        column.map(|(_, name)| name.as_str())
    }

    /// Returns whether the relation that this stratum reads has a column with the same name as the relation.
    pub(super) fn has_column_named(&self, relation: &str, stratum: u32) -> bool {
        let is = |name: &str| name.eq_ignore_ascii_case(relation);
        self.program().columns.iter().any(|c| is(&c.name))
            || self
                .columns
                .values()
                .chain(self.row_columns.values())
                .any(|(column_stratum, name)| *column_stratum < stratum && is(name))
            || match &self.spec.keep {
                InputProjection::Some(names) => names.iter().any(|n| is(n)),
                InputProjection::All => self.input.relation.is_some_and(|r| r.column(relation).is_some()),
                InputProjection::Nothing | InputProjection::Joined(_) => false,
            }
    }

    pub(super) fn last_stratum(&self) -> u32 {
        self.strata.last
    }

    pub(super) fn output_names(&self) -> FxHashSet<String> {
        self.outputs.iter().map(|o| o.name.to_ascii_lowercase()).collect()
    }
}
