//! Output columns of a step, and the nodes that repeat its grouping keys.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::names::snake_case;
use super::step::StepSpec;
use crate::check::DefinitionRole;
use crate::ir::{Ir, IrId};
use crate::lex::split_qualifier;

/// Output column of a step.
pub(super) struct OutputColumn {
    pub name: String,
    pub root: IrId,
    /// Whether the column is a grouping key.
    pub key: bool,
    /// Definition of the column. `None` for a column or timeframe that is only a key.
    pub definition: Option<usize>,
}

/// Returns the output columns of a step, in source order with the keys first.
pub(super) fn list_step_outputs(step: &StepPlan<'_>, spec: &StepSpec<'_>) -> Vec<OutputColumn> {
    let program = step.program;
    let mut outputs: Vec<OutputColumn> = Vec::new();
    let mut names = rustc_hash::FxHashSet::default();
    for (index, definition) in program.definitions.iter().enumerate() {
        if !step.has_role(index, DefinitionRole::GroupBy) || definition.failed {
            continue;
        }
        let (name, root, target) = match program.node(definition.root) {
            Ir::Definition(referenced_definition) => {
                let definition_index = referenced_definition as usize;
                (
                    program.definition_name(referenced_definition).to_owned(),
                    step.definition_root(definition_index),
                    Some(definition_index),
                )
            }
            Ir::Column(column) => (
                program.columns[column as usize].output_name().to_owned(),
                definition.root,
                None,
            ),
            _ => (key_name(definition.span.text(spec.source)), definition.root, None),
        };
        if names.insert(name.to_ascii_lowercase()) {
            outputs.push(OutputColumn {
                name,
                root,
                key: true,
                definition: target,
            });
        }
    }
    for (index, definition) in program.definitions.iter().enumerate() {
        if step.has_role(index, DefinitionRole::Definitions)
            && step.outputs[index]
            && !step.keys[index]
            && !definition.failed
        {
            let name = definition.name.as_deref().unwrap_or_default().to_owned();
            outputs.push(OutputColumn {
                name,
                root: definition.root,
                key: false,
                definition: Some(index),
            });
        }
    }
    outputs
}

/// Splits a key such as `billing_date[month]`, `${billing date}[month]` or `${billing date[month]}` into the name and
/// the timeframe. The timeframe is empty if the key does not have one.
pub fn split_timeframe(key: &str) -> (&str, &str) {
    let text = key.trim();
    let text = text.strip_prefix("${").unwrap_or(text);
    let (name, frame) = text.split_once('[').unwrap_or((text, ""));
    let is_end = |c: char| matches!(c, ']' | '}') || c.is_whitespace();
    (
        name.trim_end_matches(is_end).trim(),
        frame.trim_end_matches(is_end).trim(),
    )
}

/// Returns the output name of a key: `billing_date[month]` becomes `billing_date_month`, and `MONTH(billing_date)`
/// becomes `month_billing_date`.
pub fn key_name(text: &str) -> String {
    let is_function = |name: &str| {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_');
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(is_plain)
    };
    if text.split_once('(').is_some_and(|(name, _)| is_function(name.trim())) {
        return snake_case(text);
    }
    let (name, frame) = split_timeframe(text);
    let base = match text.trim_start().starts_with("${") {
        true => split_qualifier(name).1,
        false => name.rsplit('.').next().unwrap_or(name).trim(),
    };
    let frame = frame.to_ascii_lowercase();
    if frame.is_empty() || frame == "raw" {
        base.to_owned()
    } else {
        format!("{base}_{frame}")
    }
}

/// Returns the other nodes that repeat the timeframe of a key, each with the key's name.
pub(super) fn find_timeframe_aliases(step: &StepPlan<'_>, outputs: &[OutputColumn]) -> FxHashMap<IrId, String> {
    let program = step.program;
    // A timeframe applies to a column or definition, or to the wall-clock time of an instant.
    let applied = |id: IrId| match program.node(id) {
        Ir::Apply { overload, args } => program.args(args).first().map(|a| (overload, *a)),
        _ => None,
    };
    let node_name = |node: Ir| match node {
        Ir::Column(column) => Some((column, true)),
        Ir::Definition(definition) => Some((definition, false)),
        _ => None,
    };
    let timeframe = |id: IrId| {
        let (overload, inner) = applied(id)?;
        match (program.node(inner), applied(inner)) {
            (operand @ (Ir::Column(_) | Ir::Definition(_)), _) => Some((overload, None, node_name(operand)?)),
            (_, Some((clock, operand))) => Some((overload, Some(clock), node_name(program.node(operand))?)),
            _ => None,
        }
    };
    // Also find the nodes that repeat a merged column of a full join, because the SQL of such a column is an
    // expression.
    let merged = |id: IrId| match program.node(id) {
        Ir::Column(column) if !program.columns[column as usize].merged.is_empty() => Some(column),
        _ => None,
    };
    let keys = || outputs.iter().filter(|o| o.key && o.definition.is_none());
    let frames: FxHashMap<_, _> = keys()
        .filter_map(|o| Some((timeframe(o.root)?, (o.root, &o.name))))
        .collect();
    let columns: FxHashMap<_, _> = keys()
        .filter_map(|o| Some((merged(o.root)?, (o.root, &o.name))))
        .collect();
    let mut key_aliases = FxHashMap::default();
    if frames.is_empty() && columns.is_empty() {
        return key_aliases;
    }
    for id in (0..program.len() as u32).map(IrId) {
        let key = timeframe(id)
            .and_then(|t| frames.get(&t))
            .or_else(|| columns.get(&merged(id)?));
        if let Some((root, name)) = key
            && *root != id
        {
            key_aliases.insert(id, (*name).clone());
        }
    }
    key_aliases
}

#[cfg(test)]
mod tests {
    use super::key_name;

    #[test]
    fn keys_have_plain_names() {
        for (key, name) in [
            ("orders.region", "region"),
            ("${orders.billing date[month]}", "billing date_month"),
            ("MONTH(orders.ordered_on)", "month_orders_ordered_on"),
            ("LOG10(amount)", "log10_amount"),
            ("OMNI_RANK(amount)", "omni_rank_amount"),
            ("${orders.Net (EUR)}", "Net (EUR)"),
        ] {
            assert_eq!(key_name(key), name);
        }
    }
}
