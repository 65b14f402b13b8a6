//! Selection of the values that become named columns because several expressions use them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::StepPlan;
use super::common_subexpressions::SharedArguments;
use super::definition_materializer::{DefinitionMaterializer, MaterializationTarget};
use super::formula_names::value_name;
use super::key_lookups::{KeyLookups, LookupJoinKey};
use super::liveness::{Liveness, dependency_nodes, is_trivial_value};
use super::long_keys::is_key_too_long_to_repeat;
use super::materialized_values::MaterializedValues;
use super::names::UsedNames;
use super::outputs::key_name;
use super::repeated_values::repeated_values;
use super::value_numbering::find_equal_values;
use crate::Level;
use crate::arena::Arena;
use crate::check::DefinitionRole;
use crate::dialect::Dialect;
use crate::ir::{Ir, IrDefinition, IrId};

/// Number of expressions that read a definition's value.
#[derive(Clone, Copy, Default)]
struct DefinitionReadCounts {
    /// Expressions at row level: filters, keys and arguments of aggregates.
    rows: u32,
    /// Expressions at group level.
    groups: u32,
}

/// If a materialized definition looks up rows, also materializes each output that looks up the same rows, so that one
/// select joins the rows for both.
fn share_lookup_joins(
    step: &StepPlan<'_>,
    live: &Arena<bool>,
    used_names: &mut UsedNames,
    materialized: &mut MaterializedValues,
) {
    let program = step.program;
    let lookups = KeyLookups::new(step, live);
    let nodes = |index: usize| {
        let definition = &program.definitions[index];
        dependency_nodes(program, definition.first, definition.root).into_iter()
    };
    let joins = |index: usize| nodes(index).filter_map(|id| lookups.join_key(program, id));
    let is_value = |index: &usize| {
        let definition = &program.definitions[*index];
        live[*index] && !definition.failed && step.has_role(*index, DefinitionRole::Definitions)
    };
    let value_indices = || (0..program.definitions.len()).filter(is_value);
    let is_materialized =
        |materialized: &MaterializedValues, index: usize| materialized.contains(step.definition_root(index));
    let join_keys: FxHashSet<LookupJoinKey> = value_indices()
        .filter(|index| is_materialized(materialized, *index))
        .flat_map(joins)
        .collect();
    for index in value_indices().filter(|index| step.outputs[*index]) {
        let root = step.definition_root(index);
        let reads_materialized =
            |id: IrId| matches!(program.node(id), Ir::Definition(used) if is_materialized(materialized, used as usize));
        if is_materialized(materialized, index)
            || is_trivial_value(program, root)
            || nodes(index).any(reads_materialized)
        {
            continue;
        }
        if joins(index).any(|join| join_keys.contains(&join)) {
            let name = program.definitions[index].name.clone().unwrap_or_default();
            materialized.insert(root, used_names.output_name(&name));
        }
    }
}

/// If a materialized definition reads a value of another period, also materializes each output that reads a value of
/// the same period, so that one select joins the rows for both.
fn share_period_joins(
    step: &StepPlan<'_>,
    live: &Arena<bool>,
    used_names: &mut UsedNames,
    materialized: &mut MaterializedValues,
) {
    let program = step.program;
    let distance = |index: usize| match program.node(step.definition_root(index)) {
        Ir::PeriodLookup { period, .. } => Some(program.periods.try_get(period as usize)?.distance()),
        _ => None,
    };
    let is_live = |index: &usize| live[*index] && !program.definitions[*index].failed;
    let (already_materialized, other): (Vec<usize>, Vec<usize>) = (0..program.definitions.len())
        .filter(is_live)
        .partition(|index| materialized.contains(step.definition_root(*index)));
    let joined: FxHashSet<(i64, bool)> = already_materialized.into_iter().filter_map(distance).collect();
    for index in other {
        let is_output = step.outputs[index] && step.has_role(index, DefinitionRole::Definitions);
        if is_output && distance(index).is_some_and(|distance| joined.contains(&distance)) {
            let name = program.definitions[index].name.clone().unwrap_or_default();
            materialized.insert(step.definition_root(index), used_names.output_name(&name));
        }
    }
}

pub(super) fn materialize_values(
    step: &StepPlan<'_>,
    liveness: &Liveness,
    dialect: Dialect,
    source: &str,
    aliases: &FxHashMap<IrId, String>,
    used_names: &mut UsedNames,
    found_are_columns: bool,
) -> MaterializedValues {
    let program = step.program;
    let Liveness { rows: in_rows, live } = liveness;
    let reads = count_reads(step, liveness);
    let mut materialized = MaterializedValues::default();
    share_repeated_values(step, live, source, used_names, &mut materialized);
    materialize_definitions(
        step,
        live,
        dialect,
        &reads,
        found_are_columns,
        used_names,
        &mut materialized,
    );
    if !found_are_columns && !program.lookups.is_empty() {
        share_lookup_joins(step, live, used_names, &mut materialized);
    }
    if step.has_lookups() {
        share_period_joins(step, live, used_names, &mut materialized);
    }
    let mut shared = SharedArguments::new(step, live, in_rows);
    let repeated = repeated_values(&mut shared, dialect, &materialized, |id| aliases.contains_key(&id));
    for index in &program.order {
        let index = *index as usize;
        let definition = &program.definitions[index];
        if live[index] && !definition.failed {
            let owner = definition
                .name
                .as_deref()
                .unwrap_or_else(|| role_name(step.roles[index]))
                .to_owned();
            let inner = DefinitionMaterializer {
                program,
                dialect,
                source,
                owner: &owner,
                grouped: step.grouped,
                aliases,
                repeated: &repeated,
            };
            inner.materialize_values(&mut MaterializationTarget {
                definition: index,
                names: used_names,
                materialized: &mut materialized,
                shared: &mut shared,
            });
            // Both operands of a lookup's comparison must be columns.
            let compared = step.has_lookups()
                && matches!(step.roles[index], DefinitionRole::OrderBy | DefinitionRole::PartitionBy);
            let is_name = matches!(program.node(definition.root), Ir::Definition(_));
            if compared
                && !is_name
                && !inner.is_column(definition.root, step)
                && !materialized.contains(definition.root)
            {
                let text = definition.span.text(source);
                let name = used_names.value_column_name(&key_name(text), text);
                materialized.insert(definition.root, name);
            }
        }
    }
    shared.reuse_columns(&mut materialized, |id| aliases.contains_key(&id));
    materialized
}

/// Counts, for each definition, the expressions that read it before and after grouping.
fn count_reads(step: &StepPlan<'_>, liveness: &Liveness) -> Arena<DefinitionReadCounts> {
    let program = step.program;
    let Liveness { rows: in_rows, live } = liveness;
    let (windows, ordered) = (step.has_windows(), step.has_ordered_windows());
    let mut reads = Arena::filled(DefinitionReadCounts::default(), program.definitions.len());
    // Visit each definition before the definitions that it uses.
    for index in program.order.iter().rev().map(|index| *index as usize) {
        let definition = &program.definitions[index];
        // The `order by` clause of a query refers to its keys by column name. Only windows use the expressions of the
        // keys.
        let only_names = step.has_role(index, DefinitionRole::GroupBy)
            || step.is_unused_sort_or_partition_key(index, windows, ordered);
        if !live[index] || definition.failed || only_names {
            continue;
        }
        let own_reads = reads[index];
        for node in dependency_nodes(program, definition.first, definition.root) {
            if let Ir::Definition(definition_index) = program.node(node) {
                let reads = &mut reads[definition_index as usize];
                if step.is_intermediate_definition(index) {
                    // A helper is inlined into the expressions that read it.
                    reads.rows += own_reads.rows.min(1);
                    reads.groups += own_reads.groups.min(1);
                } else if in_rows[node.index()] {
                    reads.rows += 1;
                } else {
                    reads.groups += 1;
                }
            }
        }
    }
    reads
}

/// Materializes the definitions that several expressions read.
fn materialize_definitions(
    step: &StepPlan<'_>,
    live: &Arena<bool>,
    dialect: Dialect,
    reads: &Arena<DefinitionReadCounts>,
    found_are_columns: bool,
    used_names: &mut UsedNames,
    materialized: &mut MaterializedValues,
) {
    let program = step.program;
    for index in 0..program.definitions.len() {
        let root = step.definition_root(index);
        let is_column = found_are_columns && matches!(program.node(root), Ir::RowLookup { .. });
        let simple = is_column || is_trivial_value(program, root);
        if !step.has_role(index, DefinitionRole::Definitions) || !live[index] || simple || materialized.contains(root) {
            continue;
        }
        let DefinitionReadCounts { rows, groups } = reads[index];
        let row_value = step.grouped && step.level(index) == Level::Row;
        let constant = step.level(index) == Level::Const;
        let needs_column = if step.grouped && constant && rows > 0 {
            // A constant that is computed per row is not available after grouping. Constants are short, so the SQL
            // repeats the expression.
            false
        } else if row_value && step.keys[index] {
            // GROUP BY repeats a short key and refers to a long key by name. If an expression reads the key before
            // grouping, the key must be computed earlier.
            rows > 0 || is_key_too_long_to_repeat(program, dialect, materialized, root)
        } else if row_value && !step.outputs[index] {
            // Expressions at group level can read this value only through grouping keys, because no other row-level
            // values remain after grouping.
            groups == 0 && rows > 1
        } else {
            rows + groups + u32::from(step.outputs[index]) > 1
        };
        if needs_column {
            let name = program.definitions[index].name.clone().unwrap_or_default();
            let column = if step.outputs[index] {
                used_names.output_name(&name)
            } else {
                used_names.intermediate_column_name(&name)
            };
            materialized.insert(root, column);
        }
    }
}

fn role_name(role: DefinitionRole) -> &'static str {
    match role {
        DefinitionRole::Where => "row_filter",
        DefinitionRole::Having => "group_filter",
        _ => "key",
    }
}

/// Materializes repeated aggregates and windows, so that they are computed only once. If one of the equal nodes is the
/// root of a definition, the column has the definition's name. Otherwise, the name of the column is derived from the
/// formula.
fn share_repeated_values(
    step: &StepPlan<'_>,
    live: &Arena<bool>,
    source: &str,
    used_names: &mut UsedNames,
    materialized: &mut MaterializedValues,
) {
    let program = step.program;
    let groups = find_equal_values(step, live);
    if groups.is_empty() {
        return;
    }
    let roots: FxHashMap<IrId, usize> = (0..program.definitions.len())
        .filter(|i| step.outputs[*i])
        .map(|i| (step.definition_root(i), i))
        .collect();
    let mut definitions: Vec<&IrDefinition> = program.definitions.iter().collect();
    definitions.sort_unstable_by_key(|definition| (definition.first, definition.root));
    for equal in groups {
        // If two definitions have the same formula, the SQL contains a separate line for each.
        let ir_id = equal.iter().copied().find(|id| roots.contains_key(id));
        let equal: Vec<IrId> = equal
            .into_iter()
            .filter(|id| ir_id == Some(*id) || !roots.contains_key(id))
            .collect();
        let [first, others @ ..] = equal.as_slice() else {
            continue;
        };
        if others.is_empty() {
            continue;
        }
        let name = match ir_id.and_then(|id| roots.get(&id)) {
            Some(index) => used_names.output_name(program.definition_name(*index as u32)),
            None => {
                let text = program.meta(*first).span.text(source);
                let preferred_name = value_name(program, *first, source, owning_definition_name(&definitions, *first));
                used_names.value_column_name(&preferred_name, text)
            }
        };
        // If the first node occurs several times in the SQL, `others` also contains it.
        for id in others.iter().filter(|id| *id != first) {
            materialized.record_equal_value(*id, *first);
        }
        materialized.insert(*first, name);
    }
}

/// Returns the name of the definition that contains a node. `definitions` are sorted by their nodes, which are disjoint
/// ranges.
fn owning_definition_name<'p>(definitions: &[&'p IrDefinition], id: IrId) -> &'p str {
    let after = definitions.partition_point(|definition| definition.first <= id);
    let before = after.checked_sub(1).and_then(|index| definitions.get(index));
    before
        .filter(|definition| id <= definition.root)
        .and_then(|definition| definition.name.as_deref())
        .unwrap_or("group")
}

/// Materializes the aggregates inside values that can be computed only after the grouping stratum, so that the grouping
/// stratum computes the aggregates.
pub(super) fn materialize_late_aggregates(
    step: &StepPlan<'_>,
    liveness: &Liveness,
    materialized: &mut MaterializedValues,
    main: u32,
    stratum_of_node: &dyn Fn(IrId) -> u32,
    source: &str,
    used_names: &mut UsedNames,
) {
    if !step.grouped {
        return;
    }
    let program = step.program;
    let Liveness { rows, live } = liveness;
    // The SQL repeats `count(*)` because it is short. If a later stratum needs the count, all occurrences share one
    // column.
    let count_index = (0..program.definitions.len())
        .filter(|i| {
            step.outputs[*i] && step.has_role(*i, DefinitionRole::Definitions) && !program.definitions[*i].failed
        })
        .find(|i| matches!(program.node(step.definition_root(*i)), Ir::CountRows));
    let mut row_count: Option<IrId> = None;
    // Last stratum in which each definition is inlined.
    let mut inlined = Arena::filled(0u32, program.definitions.len());
    // Visit each definition before the definitions that it uses.
    for index in program.order.iter().rev().map(|index| *index as usize) {
        let definition = &program.definitions[index];
        if !live[index] || definition.failed || rows[definition.root.index()] {
            continue;
        }
        let base = definition.first.index();
        // Stratum in which each node is written: the stratum of the enclosing value, unless the node is already a
        // column there.
        let mut strata = Arena::filled(0u32, definition.root.index() - base + 1);
        strata[definition.root.index() - base] = inlined[index];
        let nodes = dependency_nodes(program, definition.first, definition.root);
        for id in nodes.iter().rev() {
            let node_stratum = strata[id.index() - base].max(stratum_of_node(*id));
            strata[id.index() - base] = node_stratum;
            let operand_stratum = if materialized.contains(*id) {
                stratum_of_node(*id)
            } else {
                node_stratum
            };
            if let Ir::Definition(definition_index) = program.node(*id) {
                inlined[definition_index as usize] = inlined[definition_index as usize].max(operand_stratum);
            }
            for operand in program.operands(*id) {
                if let Some(stratum) = operand.index().checked_sub(base).and_then(|i| strata.try_get_mut(i)) {
                    *stratum = (*stratum).max(operand_stratum);
                }
            }
        }
        for id in nodes {
            let aggregate = matches!(program.node(id), Ir::Aggregate { .. } | Ir::CountRows);
            if aggregate && strata[id.index() - base] > main && !materialized.contains(id) {
                let is_count = matches!(program.node(id), Ir::CountRows);
                if let (Some(count_definition), true, None) = (count_index, is_count, row_count) {
                    let root = step.definition_root(count_definition);
                    if !materialized.contains(root) {
                        let name = used_names.output_name(program.definition_name(count_definition as u32));
                        materialized.insert(root, name);
                    }
                    row_count = Some(root);
                }
                if let (Some(count_node), true) = (row_count.filter(|c| *c != id), is_count) {
                    materialized.record_equal_value(id, materialized.representative(count_node));
                    continue;
                }
                let text = program.meta(id).span.text(source);
                let owner = definition.name.as_deref().unwrap_or("group");
                let preferred_name = match &definition.name {
                    Some(name) if id == definition.root => name.to_string(),
                    _ => value_name(program, id, source, owner),
                };
                let name = used_names.value_column_name(&preferred_name, text);
                materialized.insert(id, name);
                if is_count {
                    row_count = Some(id);
                }
            }
        }
    }
}
