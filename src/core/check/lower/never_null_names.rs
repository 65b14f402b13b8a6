//! Names that are never NULL in rows for which a condition is TRUE, because the condition tests the names for NULL.

use rustc_hash::FxHashSet;

use crate::ast::{Ast, Expr, ExprId};
use crate::catalog::{self, Lowering};
use crate::check::names::{NameTarget, ResolvedNames};
use crate::check::{CheckScope, DefinitionRole};
use crate::ir::{Ir, IrId, Program};

/// Marks the values of definitions as not NULL, except in `where`, which is evaluated before the rows are removed.
pub(super) fn mark_never_null(ast: &Ast, scope: &CheckScope<'_>, never_null: &[NameTarget], program: &mut Program) {
    let definitions = never_null.iter().filter_map(|name| match name {
        NameTarget::Definition(definition) => Some(*definition),
        _ => None,
    });
    let tested: FxHashSet<u32> = definitions.collect();
    if tested.is_empty() {
        return;
    }
    for (index, definition) in ast.definitions.iter().enumerate() {
        let Some(lowered) = program.definitions.try_get(index).filter(|lowered| !lowered.failed) else {
            continue;
        };
        let (first, root) = (lowered.first, lowered.root);
        if scope.role(definition.part) == DefinitionRole::Where {
            continue;
        }
        if tested.contains(&(index as u32)) {
            program.meta_mut(root).nullable = false;
        }
        for id in (first.0..=root.0).map(IrId) {
            if let Ir::Definition(definition_index) = program.node(id)
                && tested.contains(&definition_index)
            {
                program.meta_mut(id).nullable = false;
            }
        }
    }
}

/// Returns the columns and definitions that are never NULL because `where` tests them or their timeframes with
/// `NOT(ISBLANK(x))` or a comparison. A definition may itself be a column or a timeframe of a column.
pub(super) fn find_never_null_names(ast: &Ast, names: &ResolvedNames, scope: &CheckScope<'_>) -> Vec<NameTarget> {
    let mut name_targets: Vec<NameTarget> = Vec::new();
    let name = |id: ExprId| {
        let id = match ast.expr(id) {
            Expr::Timeframe { base, .. } => base,
            _ => id,
        };
        let target = names.targets[id.index()];
        matches!(target, NameTarget::Column(_) | NameTarget::Definition(_)).then_some(target)
    };
    let lowered_call = |id: ExprId| match (ast.expr(id), names.targets[id.index()]) {
        (Expr::Call(call), NameTarget::Function(function)) => {
            Some((catalog::get(function).lower?, ast.arguments(ast.call(call))))
        }
        _ => None,
    };
    for definition in ast
        .definitions
        .iter()
        .filter(|d| scope.role(d.part) == DefinitionRole::Where)
    {
        let mut conjuncts = vec![definition.body];
        while let Some(id) = conjuncts.pop() {
            match (ast.expr(id), lowered_call(id)) {
                (Expr::Binary { op, left, right }, _) if op.is_comparison() => {
                    name_targets.extend([left, right].into_iter().filter_map(name));
                }
                (_, Some((Lowering::And, args))) => conjuncts.extend(args),
                (_, Some((Lowering::Not, [inner]))) => {
                    if let Some((Lowering::IsBlank, [x])) = lowered_call(*inner) {
                        name_targets.extend(name(*x));
                    }
                }
                _ => {}
            }
        }
    }
    // Each definition is visited once, because definitions may form a cycle.
    let mut visited: FxHashSet<u32> = FxHashSet::default();
    let mut index = 0;
    while let Some(target) = name_targets.get(index).copied() {
        if let NameTarget::Definition(definition) = target
            && visited.insert(definition)
        {
            name_targets.extend(name(ast.definition(definition).body));
        }
        index += 1;
    }
    name_targets
}
