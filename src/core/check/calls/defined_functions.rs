//! Functions that the catalogue defines with a formula, under the key `define`. A call is lowered like the formula,
//! with the call's arguments in place of the parameters.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::overload::ChosenOverload;
use crate::ast::{Expr, ExprId};
use crate::catalog::{self, Function, FunctionId, Overload, OverloadId};
use crate::check::lower::Lowerer;
use crate::check::names::{NameTarget, ResolvedNames};
use crate::diag::{Code, Diagnostic};
use crate::ir::IrId;
use crate::parse::{ParsedSource, parse};
use crate::span::Span;

/// Parsed definition of an overload. All names in the definition are parameters, so they cannot be confused with the
/// caller's columns.
struct FunctionDefinition {
    parsed: ParsedSource,
    names: ResolvedNames,
}

static DEFINITIONS: LazyLock<FxHashMap<OverloadId, FunctionDefinition>> = LazyLock::new(|| {
    let overloads = catalog::functions().flat_map(|f| f.overloads);
    overloads
        .filter_map(|overload| Some((overload.id, FunctionDefinition::new(overload, overload.define?))))
        .collect()
});

impl FunctionDefinition {
    fn new(overload: &Overload, source: &'static str) -> Self {
        let (parsed, _) = parse(source);
        let ast = parsed.ast();
        let target = |id: ExprId| {
            let name_target = match ast.expr(id) {
                Expr::Name => {
                    let name = ast.span(id).text(source);
                    let index = overload.params.iter().position(|p| p.name == name);
                    index.map(|index| NameTarget::Argument(index as u32))
                }
                Expr::Call(call) => find_function(ast.call(call).name.text(source)).map(NameTarget::Function),
                _ => Some(NameTarget::None),
            };
            name_target.unwrap_or(NameTarget::Error)
        };
        let names = ResolvedNames {
            targets: ast.ids().map(target).collect(),
            ..ResolvedNames::default()
        };
        Self { parsed, names }
    }
}

/// Looks up a function that formulas can call, or an internal function.
fn find_function(name: &str) -> Option<FunctionId> {
    catalog::find(name).or_else(|| catalog::find_internal(name))
}

impl Lowerer<'_> {
    pub(in crate::check) fn lower_defined_function(
        &mut self,
        function: &'static Function,
        args: &[ExprId],
        span: Span,
    ) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let operands = self.summarize_operands(&values, span);
        let overload_choice =
            catalog::id_of(function).and_then(|id| self.choose_overload(id, &values, &operands, function.name));
        let Some(ChosenOverload { args, choice, .. }) = overload_choice else {
            return self.add_error(span);
        };
        if self.has_mixed_levels(&operands.meta) {
            self.report_mixed_levels(args);
            return self.add_error(span);
        }
        if let Some(null) = self.fold_null_call(&operands, &choice) {
            return null;
        }
        self.recycle_list(values);
        let values = self.program.args(args).to_vec();
        match DEFINITIONS.get(&choice.overload) {
            Some(definition) => self.lower_definition(definition, values, function, span),
            None => self.add_error(span),
        }
    }

    /// Lowers a definition. All nodes get the span of the call, because the user does not see the definition.
    fn lower_definition(
        &mut self,
        definition: &'static FunctionDefinition,
        arguments: Vec<IrId>,
        function: &'static Function,
        span: Span,
    ) -> IrId {
        let first = self.program.len();
        let (reported, calls) = (self.diagnostics.len(), self.program.lowered_calls.len());
        let FunctionDefinition { parsed, names } = definition;
        let ast = parsed.ast();
        let caller = self.enter_function_definition(ast, parsed.source(), names, arguments);
        for (id, target) in ast.ids().zip(&names.targets) {
            let lowered = self.lower_node(&ast.expr(id), *target, ast.span(id));
            self.set_lowered(id, lowered);
        }
        let root = ast
            .definitions
            .first()
            .map(|definition| self.lowered_node(definition.body));
        self.leave_function_definition(caller);
        self.program.lowered_calls.truncate(calls);
        for index in first..self.program.len() {
            self.program.meta_mut(IrId(index as u32)).span = span;
        }
        let error = self.diagnostics.drain(reported..).find(Diagnostic::is_error);
        if let Some(error) = error {
            let message = format!("`{}` cannot be computed here: {}", function.name, error.message());
            self.report(Diagnostic::new(Code::TypeMismatch, span, message));
        }
        root.unwrap_or_else(|| self.add_error(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_parse_and_their_names_are_known() {
        assert!(DEFINITIONS.len() > 20);
        for overload in catalog::functions().flat_map(|f| f.overloads) {
            let Some(source) = overload.define else { continue };
            let (_, diagnostics) = parse(source);
            assert!(diagnostics.is_empty(), "`{source}`: {diagnostics:?}");
            let unknown = DEFINITIONS[&overload.id]
                .names
                .targets
                .as_slice()
                .contains(&NameTarget::Error);
            assert!(!unknown, "`{source}` contains an unknown name");
        }
    }
}
