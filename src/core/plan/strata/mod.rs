//! Assignment of values to strata, the selects of a step. One forward pass is enough, because operands come before the
//! values that use them.

mod period_lookups;

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::liveness::{Liveness, dependency_nodes, is_trivial_value, live_nodes};
use super::materialized_values::MaterializedValues;
use crate::Level;
use crate::arena::Arena;
use crate::check::DefinitionRole;
use crate::ir::{Ir, IrId, Program};

/// Strata of a step.
#[derive(Debug)]
pub(super) struct Strata {
    /// Stratum of each node.
    stratum: Arena<u32>,
    /// Grouping stratum or, in a step without groups, the first stratum that can contain windows.
    pub main: u32,
    /// Stratum whose select filters rows.
    pub filter: u32,
    /// Stratum that filters groups: the grouping stratum, or a later stratum that reads the tested values as columns.
    pub having: u32,
    pub last: u32,
}

impl Strata {
    pub fn stratum_of(&self, id: IrId) -> u32 {
        self.stratum[id.index()]
    }
}

pub(super) fn assign_strata(
    step: &StepPlan<'_>,
    liveness: &Liveness,
    materialized: &MaterializedValues,
    aliases: &FxHashMap<IrId, String>,
    joined: bool,
) -> Strata {
    let program = step.program;
    let nodes: Vec<IrId> = live_nodes(step, &liveness.live).map(|(id, _)| id).collect();
    let mut assignment = StratumAssignment {
        step,
        liveness,
        materialized,
        aliases,
        lookups_follow_filter: joined || step.roles.as_slice().contains(&DefinitionRole::Where),
        stratum: Arena::filled(0, program.len()),
        main: 0,
        filter: 0,
        having: 0,
        first_stratum_of_sort_keys: None,
        first_stratum_of_partition_keys: None,
        strata_of_delayed_lookups: FxHashMap::default(),
    };
    assignment.assign_strata_of_row_values(&nodes);
    assignment.choose_grouping_stratum(&nodes);
    let mut last = assignment.assign_strata_of_groups_and_windows();
    if assignment.delay_period_lookups(last) {
        last = assignment.assign_strata_of_groups_and_windows();
    }
    Strata {
        stratum: assignment.stratum,
        main: assignment.main,
        filter: assignment.filter,
        having: assignment.having,
        last,
    }
}

/// State of the assignment: the strata that are known so far.
struct StratumAssignment<'s> {
    step: &'s StepPlan<'s>,
    liveness: &'s Liveness,
    materialized: &'s MaterializedValues,
    aliases: &'s FxHashMap<IrId, String>,
    /// Whether lookups need a later stratum than the first select. In the second and later strata, joined relations are
    /// a single relation.
    lookups_follow_filter: bool,
    stratum: Arena<u32>,
    main: u32,
    filter: u32,
    having: u32,
    /// First stratum in which the sort keys of the groups are columns.
    first_stratum_of_sort_keys: Option<u32>,
    /// First stratum in which the keys of `partition_by` are columns.
    first_stratum_of_partition_keys: Option<u32>,
    /// Stratum of each period lookup that shares the join of a later lookup.
    strata_of_delayed_lookups: FxHashMap<IrId, u32>,
}

impl StratumAssignment<'_> {
    /// Returns the first stratum that can read a node.
    fn first_stratum_after(&self, id: IrId) -> u32 {
        self.stratum[self.materialized.representative(id).index()] + u32::from(self.materialized.contains(id))
    }

    /// Returns the earliest stratum in which a node's operands are available. For a definition, this is the stratum of
    /// its root.
    fn earliest_stratum_of_operands(&self, id: IrId) -> u32 {
        let program = self.step.program;
        match program.node(id) {
            Ir::Definition(definition_index) => self.first_stratum_after(program.definition_root(definition_index)),
            _ => program
                .operands(id)
                .map(|o| self.first_stratum_after(o))
                .max()
                .unwrap_or(0),
        }
    }

    /// Returns whether a node is computed before the groups and windows.
    fn is_before_windows(&self, id: IrId) -> bool {
        if self.step.grouped {
            self.liveness.rows[id.index()]
        } else {
            self.step.program.meta(id).level != Level::Window
        }
    }

    /// Assigns row-level values first: filters, keys, helpers and arguments of aggregates.
    fn assign_strata_of_row_values(&mut self, nodes: &[IrId]) {
        let (step, program) = (self.step, self.step.program);
        for id in nodes.iter().copied() {
            if self.is_before_windows(id) {
                self.stratum[id.index()] = self.earliest_stratum_of_operands(id);
            }
        }
        for (index, definition) in program.definitions.iter().enumerate() {
            if !self.liveness.live[index] || definition.failed {
                continue;
            }
            match step.roles[index] {
                DefinitionRole::Where => self.filter = self.filter.max(self.stratum[definition.root.index()]),
                DefinitionRole::GroupBy => {
                    self.main = self
                        .main
                        .max(key_stratum(step, self.materialized, &self.stratum, index));
                }
                _ if step.keys[index] => self.main = self.main.max(self.first_stratum_after(definition.root)),
                _ => {}
            }
        }
    }

    /// Chooses the grouping stratum, after the filter and the values that it reads.
    fn choose_grouping_stratum(&mut self, nodes: &[IrId]) {
        let (step, program) = (self.step, self.step.program);
        self.main = self.main.max(self.filter);
        // A window over the rows of a group must read the filtered rows and the columns of the keys, and values that
        // use the window must be computed after it.
        let first_window = self.main;
        for id in nodes.iter().copied().filter(|id| self.liveness.rows[id.index()]) {
            let least = if let Ir::GroupWindow { .. } = program.node(id) {
                first_window
            } else {
                0
            };
            self.stratum[id.index()] = self.stratum[id.index()]
                .max(self.earliest_stratum_of_operands(id))
                .max(least);
        }
        if step.grouped {
            for id in nodes.iter().copied() {
                if let Ir::Aggregate { .. } = program.node(id) {
                    self.main = self.main.max(self.earliest_stratum_of_operands(id));
                }
            }
            // Constants become columns in the grouping select or in a later select.
            for index in 0..program.definitions.len() {
                let root = step.definition_root(index);
                if step.outputs[index] && !step.keys[index] && self.liveness.rows[root.index()] {
                    self.stratum[root.index()] = self.main;
                }
            }
        }
        self.having = self.main;
    }

    /// Assigns groups and windows, and returns the last stratum. A key that is read by name is available as a column
    /// after the grouping stratum.
    fn assign_strata_of_groups_and_windows(&mut self) -> u32 {
        let (step, program) = (self.step, self.step.program);
        // Windows sort and partition by the keys.
        let computed = |index: usize| !is_plain_column(program, self.materialized, step.definition_root(index));
        let key = |index: usize| step.has_role(index, DefinitionRole::GroupBy) && !program.definitions[index].failed;
        let by_name = step.grouped && (0..program.definitions.len()).any(|i| key(i) && computed(i));
        let ordered = if by_name { self.main + 1 } else { self.main };
        let of_keys = intermediates_reading_keys(step, self.materialized, self.aliases);
        (
            self.having,
            self.first_stratum_of_sort_keys,
            self.first_stratum_of_partition_keys,
        ) = (self.main, None, None);
        let mut last = self.main;
        for (id, owner) in self.live_nodes_in_use_order() {
            if self.is_before_windows(id) {
                if !step.grouped {
                    last = last.max(self.stratum[id.index()]);
                }
                continue;
            }
            let node_stratum = self.stratum_of_operands(id, &of_keys);
            let stratum = match program.node(id) {
                // Windows read the groups that `having` keeps, in the order of their keys.
                Ir::Window { .. } => node_stratum.max(self.having).max(ordered),
                // Lookups read the filtered rows or groups from an earlier stratum in which their keys are columns.
                Ir::PeriodLookup { .. } => {
                    let delayed = self.strata_of_delayed_lookups.get(&id).copied().unwrap_or(0);
                    let least = node_stratum.max(delayed).max(self.first_stratum_of_lookups());
                    least.max(self.stratum_of_sort_keys())
                }
                // A lookup in the sheet itself searches the filtered rows.
                Ir::RowLookup { lookup, .. }
                    if program
                        .lookups
                        .try_get(lookup as usize)
                        .is_some_and(|lookup| lookup.tab.is_none()) =>
                {
                    node_stratum
                        .max(self.first_stratum_of_lookups())
                        .max(self.stratum_of_partition_keys())
                }
                _ => node_stratum,
            };
            self.stratum[id.index()] = stratum.max(self.main);
            if step.has_role(owner, DefinitionRole::Having) && id == program.definitions[owner].root {
                self.having = self.stratum[id.index()];
            }
            last = last.max(stratum);
        }
        last.max(self.having)
    }

    /// Returns the nodes of the live definitions, each with its definition. The values that `having` tests come first,
    /// because windows depend on them. The keys come next, because lookups read them.
    fn live_nodes_in_use_order(&self) -> Vec<(IrId, usize)> {
        let (step, program) = (self.step, self.step.program);
        // The `order by` clause of a query refers to columns by name. Only windows use the expressions of the keys.
        let (windows, ordered_windows) = (step.has_windows(), step.has_ordered_windows());
        let is_named = |root: IrId| match program.node(root) {
            Ir::Definition(definition_index) => step.outputs[definition_index as usize],
            Ir::Column(_) => true,
            _ => self.aliases.contains_key(&root),
        };
        let names_only = |index: usize| {
            let by_name = is_named(step.definition_root(index)) || !step.has_role(index, DefinitionRole::OrderBy);
            by_name && step.is_unused_sort_or_partition_key(index, windows, ordered_windows)
        };
        let tested_by = definitions_used_by_having(step);
        let keys = if step.has_lookups() || step.has_lookups_in_own_sheet() {
            definitions_used_by_roles(step, DefinitionRole::sorts_or_partitions_groups)
        } else {
            Arena::new()
        };
        let turn = |index: usize| match (tested_by[index], keys.try_get(index)) {
            (true, _) => 0,
            (false, Some(true)) => 1,
            _ => 2,
        };
        let mut nodes: Vec<(IrId, usize)> = Vec::new();
        for now in 0..3 {
            for index in program.order.iter().map(|index| *index as usize) {
                let definition = &program.definitions[index];
                if self.liveness.live[index] && !definition.failed && turn(index) == now && !names_only(index) {
                    let nodes_of_definition = dependency_nodes(program, definition.first, definition.root);
                    nodes.extend(nodes_of_definition.into_iter().map(|id| (id, index)));
                }
            }
        }
        nodes
    }

    /// Returns the earliest stratum that can compute a node at group or window level, given the strata of its operands.
    fn stratum_of_operands(&self, id: IrId, of_keys: &Arena<bool>) -> u32 {
        let (step, program) = (self.step, self.step.program);
        match program.node(id) {
            Ir::Definition(definition_index)
                if step.grouped
                    && step.keys[definition_index as usize]
                    && !self.materialized.contains(program.definition_root(definition_index)) =>
            {
                if is_plain_column(program, self.materialized, program.definition_root(definition_index)) {
                    self.main
                } else {
                    self.main + 1
                }
            }
            Ir::Definition(definition_index) if of_keys.try_get(definition_index as usize) == Some(&true) => {
                self.main + 1
            }
            Ir::Aggregate { .. } => self.main,
            // An expression that repeats a group key also needs a later stratum, because not every engine recognizes
            // the key inside a larger expression.
            _ if step.grouped && self.aliases.contains_key(&id) => self.main + 1,
            _ => self.earliest_stratum_of_operands(id),
        }
    }

    /// Returns the first stratum that can join a lookup in the filtered rows or groups.
    fn first_stratum_of_lookups(&self) -> u32 {
        if self.step.grouped {
            self.having + 1
        } else {
            self.filter + u32::from(self.lookups_follow_filter)
        }
    }

    fn stratum_of_sort_keys(&mut self) -> u32 {
        let stratum = self.first_stratum_of_sort_keys.unwrap_or_else(|| {
            let step = self.step;
            self.first_stratum_with_definitions(|index| step.roles[index].sorts_or_partitions_groups())
        });
        *self.first_stratum_of_sort_keys.insert(stratum)
    }

    fn stratum_of_partition_keys(&mut self) -> u32 {
        let stratum = self.first_stratum_of_partition_keys.unwrap_or_else(|| {
            let step = self.step;
            self.first_stratum_with_definitions(|index| step.has_role(index, DefinitionRole::PartitionBy))
        });
        *self.first_stratum_of_partition_keys.insert(stratum)
    }

    /// Returns the first stratum in which the chosen definitions are available.
    fn first_stratum_with_definitions(&self, is_chosen: impl Fn(usize) -> bool) -> u32 {
        let program = self.step.program;
        (0..program.definitions.len())
            .filter(|index| is_chosen(*index))
            .map(|index| self.first_stratum_after(program.resolve_references(self.step.definition_root(index))))
            .max()
            .unwrap_or(0)
    }
}

/// Returns, for each definition, whether it is a helper that reads a key from the grouping stratum. Group-level
/// expressions can read these helpers only in later strata. Empty if the step does not group rows.
fn intermediates_reading_keys(
    step: &StepPlan<'_>,
    materialized: &MaterializedValues,
    aliases: &FxHashMap<IrId, String>,
) -> Arena<bool> {
    let program = step.program;
    if !step.grouped {
        return Arena::new();
    }
    let mut of_keys = Arena::filled(false, program.definitions.len());
    for index in program.order.iter().map(|index| *index as usize) {
        let definition = &program.definitions[index];
        if !step.is_intermediate_definition(index) || definition.failed {
            continue;
        }
        let computed_key = |id: IrId| match program.node(id) {
            Ir::Definition(definition_index) if step.keys[definition_index as usize] => {
                let root = program.definition_root(definition_index);
                !materialized.contains(root) && !is_plain_column(program, materialized, root)
            }
            Ir::Definition(definition_index) => of_keys[definition_index as usize],
            _ => aliases.contains_key(&id),
        };
        of_keys[index] = dependency_nodes(program, definition.first, definition.root)
            .into_iter()
            .any(computed_key);
    }
    of_keys
}

/// Returns whether the SQL of a key is a column name, which every engine recognizes as a key even inside an expression.
fn is_plain_column(program: &Program, materialized: &MaterializedValues, root: IrId) -> bool {
    // Resolve a helper that is not a column to its value.
    let root = program.resolve_references_until(root, |name, _| materialized.contains(name));
    if materialized.contains(root) {
        return true;
    }
    let merged = |column: u32| !program.columns[column as usize].merged.is_empty();
    is_trivial_value(program, root) && !matches!(program.node(root), Ir::Column(column) if merged(column))
}

/// Returns, for each definition, whether it is the `having` condition or is read by that condition.
pub(super) fn definitions_used_by_having(step: &StepPlan<'_>) -> Arena<bool> {
    definitions_used_by_roles(step, |role| role == DefinitionRole::Having)
}

/// Returns, for each definition, whether `role` accepts the role of the definition or of a definition that reads it.
fn definitions_used_by_roles(step: &StepPlan<'_>, role: impl Fn(DefinitionRole) -> bool) -> Arena<bool> {
    let program = step.program;
    let mut is_used: Arena<bool> = step
        .roles
        .iter()
        .map(|definition_role| role(*definition_role))
        .collect();
    for index in program.order.iter().rev() {
        let definition = &program.definitions[*index as usize];
        if is_used[*index as usize] && !definition.failed {
            for node in dependency_nodes(program, definition.first, definition.root) {
                if let Ir::Definition(definition_index) = program.node(node) {
                    is_used[definition_index as usize] = true;
                }
            }
        }
    }
    is_used
}

fn key_stratum(step: &StepPlan<'_>, materialized: &MaterializedValues, stratum: &Arena<u32>, index: usize) -> u32 {
    let root = step.definition_root(index);
    match step.program.node(root) {
        Ir::Definition(definition_index) => {
            let root = step.program.definition_root(definition_index);
            stratum[root.index()] + u32::from(materialized.contains(root))
        }
        _ => stratum[root.index()],
    }
}
