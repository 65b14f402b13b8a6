//! Adds labels to type errors. Each label shows the use from which the type of an undeclared column was inferred.

use rustc_hash::FxHashMap;

use super::InferBuffers;
use crate::Type;
use crate::ast::{Ast, ExprId};
use crate::check::CheckScope;
use crate::check::names::{NameTarget, ResolvedNames};
use crate::diag::{Code, Diagnostic};
use crate::ir::Program;
use crate::span::Span;

impl InferBuffers {
    /// Returns the inferred type of a column, and the use that determined this type.
    fn column_evidence(&mut self, column: u32) -> Option<(Type, ExprId)> {
        let root = self.find_root(column);
        let var = self.vars.try_get(root as usize)?;
        Some((var.types.inferred_type()?, var.evidence))
    }
}

/// Adds a label to each type error about an undeclared column whose type was inferred from another use.
pub(in crate::check) fn label_type_evidence(
    ast: &Ast,
    scope: &CheckScope<'_>,
    names: &ResolvedNames,
    program: &Program,
    buffers: &mut InferBuffers,
    diagnostics: &mut [Diagnostic],
) {
    if !diagnostics.iter().any(|fault| fault.kind() == Code::TypeMismatch) {
        return;
    }
    // If a later step requires the type, the source of this step does not show the reason for the type.
    let is_inferred_here = |name: &str| {
        let mut required = scope.rest.required_types.iter();
        !required.any(|(column, _)| column.eq_ignore_ascii_case(name))
    };
    let mut columns: FxHashMap<Span, u32> = FxHashMap::default();
    for id in ast.ids() {
        if let NameTarget::Column(index) = names.targets[id.index()]
            && let Some(column) = program.columns.try_get(index as usize)
            && column.assumed
            && is_inferred_here(column.output_name())
        {
            columns.insert(ast.span(id), index);
        }
    }
    for fault in diagnostics
        .iter_mut()
        .filter(|fault| fault.kind() == Code::TypeMismatch)
    {
        let mut spans: Vec<Span> = fault.labels().iter().map(|label| label.span).collect();
        spans.push(fault.span());
        let evidence = spans.iter().find_map(|span| {
            let (ty, evidence) = buffers.column_evidence(*columns.get(span)?)?;
            let evidence = ast.span(evidence);
            (!spans.contains(&evidence)).then_some((ty, evidence))
        });
        if let Some((ty, span)) = evidence {
            *fault = fault
                .clone()
                .with_secondary_label(span, format!("used as {}", ty.describe()));
        }
    }
}
