//! Type inference for columns that no schema declares, based on all uses of the columns in the source.
//!
//! A single forward pass assigns a term (a type or a type variable) to every node, and collects the uses of each
//! variable, with the types that each use accepts. `solve` chooses the types at the end, so the order of the
//! definitions does not matter.

pub(super) mod calls;
pub(super) mod evidence;
mod looked_up_columns;
mod solve;
mod type_set;

use solve::{PendingSum, TypeConflict, TypeUse, TypeVariable};
use type_set::TypeSet;

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::Type;
use crate::arena::Arena;
use crate::ast::{Ast, BinaryOp, Definition, Expr, ExprId};
use crate::catalog;
use crate::check::names::{NameTarget, ResolvedNames, text_value};
use crate::check::{CheckScope, DefinitionRole};
use crate::diag::{Code, Diagnostic};
use crate::ir::{ColumnUse, Program};
use crate::parse::reference;

/// Inferred type of a value, or the type variable for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::check) enum TypeTerm {
    Type(Type),
    /// Date, timestamp or instant.
    Temporal,
    Var(u32),
    /// Unknown type, because no use determines the type.
    Any,
}

/// Scratch buffers for type inference, reused for the next source.
#[derive(Debug, Default)]
pub(in crate::check) struct InferBuffers {
    vars: Arena<TypeVariable>,
    terms: Arena<TypeTerm>,
    /// Term of each definition.
    results: Arena<TypeTerm>,
    uses: Arena<TypeUse>,
    /// Pairs of variables that must have the same type.
    links: Arena<(u32, u32)>,
    /// Sums and differences with an operand of unknown type.
    waiting: Arena<PendingSum>,
    /// Variable of each column of another tab whose type is unknown, by tab and position.
    tab_columns: BTreeMap<(u32, u32), u32>,
    /// Type that the sort key must have if a function shifts the sort key by a calendar period.
    pub(in crate::check) calendar: Option<TypeTerm>,
}

impl InferBuffers {
    /// Clears the terms of the previous source. Used if no types are inferred for the current source.
    pub(in crate::check) fn clear_terms(&mut self) {
        self.terms.clear();
    }

    /// Returns whether the types in a definition depend on other definitions that use the same values.
    pub(in crate::check) fn has_variables(&self, definition: &Definition) -> bool {
        let nodes = definition.first.index()..definition.body.index() + 1;
        let mut terms = self.terms.as_slice().get(nodes).unwrap_or_default().iter();
        terms.any(|term| matches!(term, TypeTerm::Var(_)))
    }

    /// Returns the inferred type of a term. If every type is possible, returns the representative variable.
    fn resolve_term(&mut self, term: TypeTerm) -> TypeTerm {
        let TypeTerm::Var(var) = term else { return term };
        let root = self.find_root(var);
        let inferred = self.vars[root as usize].types.inferred_type();
        inferred.map_or(TypeTerm::Var(root), TypeTerm::Type)
    }

    fn solved_type(&mut self, var: u32) -> Option<Type> {
        match self.resolve_term(TypeTerm::Var(var)) {
            TypeTerm::Type(ty) => Some(ty),
            _ => None,
        }
    }

    /// Returns the type of an empty argument: the type that its parameter or the other values require. If all types are
    /// possible, returns the unknown type if the argument must have the type of an untyped column, otherwise a number.
    fn infer_empty_argument_type(&mut self, id: ExprId, of_columns: &FxHashSet<u32>) -> Type {
        match self.resolve_term(self.terms[id.index()]) {
            TypeTerm::Type(ty) => ty,
            TypeTerm::Temporal => Type::Date,
            TypeTerm::Var(var) if of_columns.contains(&var) => Type::Unknown,
            TypeTerm::Var(_) | TypeTerm::Any => Type::Number,
        }
    }

    fn reset(&mut self, ast: &Ast, columns: usize) {
        let Self {
            vars,
            terms,
            results,
            uses,
            links,
            waiting,
            tab_columns,
            calendar,
        } = self;
        *calendar = None;
        // The first variables represent the columns.
        vars.clear();
        vars.resize(columns, TypeVariable::new(TypeSet::ALL));
        terms.clear();
        terms.resize(ast.len(), TypeTerm::Any);
        results.clear();
        results.resize(ast.definitions.len(), TypeTerm::Any);
        uses.clear();
        links.clear();
        waiting.clear();
        tab_columns.clear();
    }
}

pub(in crate::check) struct TypeInference<'a> {
    pub ast: &'a Ast,
    pub source: &'a str,
    names: &'a ResolvedNames,
    columns: &'a Arena<ColumnUse>,
    scope: &'a CheckScope<'a>,
    /// Whether the definition has a syntax error.
    broken: bool,
    /// Ranges that are arguments of lookups.
    looked_up: FxHashSet<ExprId>,
    pub(in crate::check) buffers: &'a mut InferBuffers,
}

pub(in crate::check) fn infer(
    ast: &Ast,
    source: &str,
    scope: &CheckScope<'_>,
    names: &mut ResolvedNames,
    program: &mut Program,
    buffers: &mut InferBuffers,
    diagnostics: &mut Vec<Diagnostic>,
) {
    buffers.reset(ast, program.columns.len());
    let mut pass = TypeInference {
        ast,
        source,
        names,
        columns: &program.columns,
        scope,
        broken: false,
        looked_up: looked_up_columns::lookup_arguments(ast, names),
        buffers,
    };
    for index in &program.order {
        let definition = ast.definition(*index);
        pass.broken = definition.broken;
        for node in definition.first.0..definition.body.0 + 1 {
            let id = ExprId(node);
            let term = pass.infer_node(id);
            pass.buffers.terms[id.index()] = term;
        }
        pass.buffers.results[*index as usize] = pass.buffers.terms[definition.body.index()];
    }
    pass.bind_types_required_by_other_steps();
    let conflicts = pass.buffers.solve(ast);
    if let Some(key_term) = pass.buffers.calendar {
        pass.bind_calendar_key(key_term);
    }
    for (index, column) in program.columns.iter_mut().enumerate().filter(|(_, c)| c.assumed) {
        if let Some(ty) = buffers.solved_type(index as u32) {
            column.ty = ty;
        }
    }
    let tab_columns = std::mem::take(&mut buffers.tab_columns);
    for (column, var) in &tab_columns {
        let ty = buffers.solved_type(*var).unwrap_or_default();
        program.tab_columns.insert(*column, ty);
    }
    if ast.blanks {
        let columns = (0..program.columns.len() as u32).chain(tab_columns.into_values());
        let of_columns: FxHashSet<u32> = columns.map(|column| buffers.find_root(column)).collect();
        for id in ast.ids().filter(|id| ast.expr(*id) == Expr::Blank) {
            names.targets[id.index()] = NameTarget::Blank(buffers.infer_empty_argument_type(id, &of_columns));
        }
    }
    for conflict in conflicts {
        report_type_conflict(ast, source, names, &conflict, diagnostics);
    }
}

impl TypeInference<'_> {
    fn infer_node(&mut self, id: ExprId) -> TypeTerm {
        match (self.ast.expr(id), self.names.targets[id.index()]) {
            (expr, target @ (NameTarget::Column(_) | NameTarget::Definition(_))) => {
                let term = self.target_term(target);
                let in_braces = matches!(expr, Expr::Model);
                match in_braces
                    .then(|| reference(self.source, self.ast.span(id)).timeframe)
                    .flatten()
                {
                    Some(frame) => self.infer_timeframe(term, frame.text(self.source), id),
                    None => term,
                }
            }
            (_, NameTarget::Cell(cell)) => self
                .names
                .cells
                .try_get(cell as usize)
                .map_or(TypeTerm::Any, |c| self.target_term(c.of)),
            (_, NameTarget::CellRange(range)) => self.cell_range_type(range, id),
            (_, NameTarget::TabRange(range)) => self.type_of_tab_range_column(range, 0),
            (_, NameTarget::PartOfCells | NameTarget::LetName) => TypeTerm::Any,
            (_, NameTarget::LetValue(value)) => self.buffers.terms[value as usize],
            (_, NameTarget::Bool(_)) | (Expr::Bool(_), _) => TypeTerm::Type(Type::Boolean),
            (Expr::Number, _) => TypeTerm::Type(Type::Number),
            (Expr::Blank, _) => TypeTerm::Var(self.fresh_variable(TypeSet::ALL)),
            (Expr::Text, _) => TypeTerm::Type(Type::Text),
            (Expr::Timeframe { base, frame }, _) => {
                let name = self.ast.name(frame).text(self.source);
                self.infer_timeframe(self.buffers.terms[base.index()], name, base)
            }
            (Expr::Sign { operand, .. } | Expr::Percent(operand), _) => {
                self.require_type(operand, TypeTerm::Type(Type::Number));
                TypeTerm::Type(Type::Number)
            }
            (Expr::Binary { op, left, right }, _) => self.infer_binary(op, left, right, id),
            (Expr::Call(call), NameTarget::Function(function) | NameTarget::RangeEnd(function)) => {
                let call = self.ast.call(call);
                self.infer_call(catalog::get(function), call)
            }
            // Both ends of the range have the same type.
            (Expr::Range { from, to }, _) => self.unify_types(from, to),
            _ => TypeTerm::Any,
        }
    }

    pub(in crate::check) fn node_term(&self, id: ExprId) -> TypeTerm {
        self.buffers.terms[id.index()]
    }

    fn fresh_variable(&mut self, types: TypeSet) -> u32 {
        self.buffers.vars.push(TypeVariable::new(types));
        self.buffers.vars.len() as u32 - 1
    }

    /// Returns the term of the column or definition that a name refers to.
    fn target_term(&self, target: NameTarget) -> TypeTerm {
        match target {
            NameTarget::Column(column) => match &self.columns[column as usize] {
                column_entry if column_entry.assumed => TypeTerm::Var(column),
                column_entry => TypeTerm::Type(column_entry.ty),
            },
            NameTarget::Definition(definition) => self.buffers.results[definition as usize],
            _ => TypeTerm::Any,
        }
    }

    /// Infers the type of a timeframe, and binds the type of its base.
    fn infer_timeframe(&mut self, base: TypeTerm, name: &str, expr_id: ExprId) -> TypeTerm {
        // These timeframes require a timestamp, because a date has no time of day, and truncating a date to a day would
        // have no effect.
        let of_time = ["date", "day", "hour", "minute", "second", "millisecond", "hour_of_day"];
        let timed = of_time.iter().any(|frame| name.eq_ignore_ascii_case(frame));
        self.bind_type(
            base,
            if timed {
                TypeTerm::Type(Type::Timestamp)
            } else {
                TypeTerm::Temporal
            },
            expr_id,
        );
        timeframe_term(name)
    }

    pub(in crate::check) fn require_type(&mut self, id: ExprId, expected: TypeTerm) {
        self.bind_type(self.node_term(id), expected, id);
    }

    /// Adds a use of a value that requires a type, or another value of the same type.
    fn bind_type(&mut self, term: TypeTerm, expected: TypeTerm, expr: ExprId) {
        match (term, expected) {
            (TypeTerm::Var(a), TypeTerm::Var(b)) => self.buffers.links.push((a, b)),
            _ => self.add_use(term, TypeSet::from_term(expected), expr, false),
        }
    }

    fn add_use(&mut self, term: TypeTerm, types: TypeSet, expr: ExprId, is_checked_later: bool) {
        if let TypeTerm::Var(var) = term
            && types != TypeSet::ALL
        {
            self.buffers.uses.push(TypeUse {
                var,
                types,
                expr,
                is_checked_later,
                is_in_other_step: false,
            });
        }
    }

    /// Unifies the types of two values that are compared, or that are branches of the same IF.
    pub(in crate::check) fn unify_types(&mut self, left: ExprId, right: ExprId) -> TypeTerm {
        let (a, b) = (self.node_term(left), self.node_term(right));
        match (a, b) {
            (TypeTerm::Var(a), TypeTerm::Var(b)) => self.buffers.links.push((a, b)),
            (var @ TypeTerm::Var(_), other) => self.bind_evidence(var, other, right, left),
            (other, var @ TypeTerm::Var(_)) => self.bind_evidence(var, other, left, right),
            _ => {}
        }
        match (a, b) {
            (TypeTerm::Any, other) | (other, TypeTerm::Any) => other,
            // The other value may be a date, which does not decide between a date and a timestamp, or text with a date.
            (var @ TypeTerm::Var(_), _) | (_, var @ TypeTerm::Var(_)) => var,
            _ => unify_terms(a, b).unwrap_or(a),
        }
    }

    /// Adds a use of a variable that requires the type of another value. A string that looks like a date does not
    /// require text.
    fn bind_evidence(&mut self, var: TypeTerm, other: TypeTerm, from: ExprId, to: ExprId) {
        let text = match other {
            TypeTerm::Type(Type::Text) => text_value(self.ast, self.source, from),
            _ => None,
        };
        let types = match text {
            Some(text) if crate::check::dates::is_iso_date(&text) => TypeSet::TEXT_OR_DATE,
            Some(text) if crate::check::dates::normalize_iso_timestamp(&text).is_some() => TypeSet::TEXT_OR_TIMESTAMP,
            _ => TypeSet::from_term(other),
        };
        self.add_use(var, types, to, true);
    }

    pub(in crate::check) fn infer_condition(&mut self, id: ExprId) {
        self.add_use(self.node_term(id), TypeSet::CONDITION, id, true);
    }

    fn infer_binary(&mut self, op: BinaryOp, left: ExprId, right: ExprId, expr_id: ExprId) -> TypeTerm {
        match op {
            BinaryOp::Add | BinaryOp::Subtract => self.infer_sum(op, left, right, expr_id),
            // `1/0` is NULL in formulas and matches every type.
            BinaryOp::Divide if self.is_zero(right) && matches!(self.ast.expr(left), Expr::Number) => {
                self.require_type(left, TypeTerm::Type(Type::Number));
                TypeTerm::Any
            }
            BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Power => {
                self.require_type(left, TypeTerm::Type(Type::Number));
                self.require_type(right, TypeTerm::Type(Type::Number));
                TypeTerm::Type(Type::Number)
            }
            BinaryOp::Concat => TypeTerm::Type(Type::Text),
            // A chained comparison such as `a < b < c` has already been reported, so it does not determine the types of
            // its operands.
            _ if self.broken && crate::check::lower::operators::is_comparison(self.ast, left) => {
                TypeTerm::Type(Type::Boolean)
            }
            _ => {
                self.unify_types(left, right);
                TypeTerm::Type(Type::Boolean)
            }
        }
    }

    fn is_zero(&self, id: ExprId) -> bool {
        matches!(self.ast.expr(id), Expr::Number)
            && self
                .ast
                .span(id)
                .text(self.source)
                .parse::<f64>()
                .is_ok_and(|n| n == 0.0)
    }

    /// Infers the type of a sum or difference. Because a date plus a number of days is a date, `x + 1` implies only
    /// that the result has the type of `x`.
    fn infer_sum(&mut self, op: BinaryOp, left: ExprId, right: ExprId, expr_id: ExprId) -> TypeTerm {
        let number = TypeTerm::Type(Type::Number);
        let (a, b) = (self.node_term(left), self.node_term(right));
        for (term, id) in [(a, left), (b, right)] {
            self.add_use(term, TypeSet::SUM, id, true);
        }
        match (a, b) {
            (TypeTerm::Var(_), b) if is_number(b) => a,
            (a, TypeTerm::Var(_)) if is_number(a) && op == BinaryOp::Add => b,
            (TypeTerm::Var(_), _) | (_, TypeTerm::Var(_)) => {
                let result = self.fresh_variable(TypeSet::SUM);
                self.buffers.waiting.push(PendingSum {
                    op,
                    operands: [a, b],
                    result,
                    expr: expr_id,
                });
                TypeTerm::Var(result)
            }
            (a, b) if is_date(a) && is_date(b) => number,
            (a, _) if is_date(a) => a,
            (_, b) if is_date(b) => b,
            _ => number,
        }
    }

    /// Binds the first sort key of unknown type to the required type if no sort key is known to be a date. Functions
    /// that shift a sort key by a calendar period require a date.
    fn bind_calendar_key(&mut self, key_term: TypeTerm) {
        let ast = self.ast;
        let keys = ast
            .definitions
            .iter()
            .filter(|d| self.scope.role(d.part) == DefinitionRole::OrderBy)
            .map(|d| d.body);
        let keys: Vec<(ExprId, TypeTerm)> = keys
            .map(|body| (body, self.buffers.resolve_term(self.node_term(body))))
            .collect();
        if !keys.iter().any(|(_, term)| is_date(*term))
            && let Some((body, root)) = keys.iter().find_map(|(body, term)| match term {
                TypeTerm::Var(root) => Some((*body, *root)),
                _ => None,
            })
        {
            self.buffers.narrow(root, TypeSet::from_term(key_term), body);
        }
    }

    /// Binds columns and definitions whose type is not determined by this step to the type that other steps require.
    fn bind_types_required_by_other_steps(&mut self) {
        let required = self.scope.rest.required_types;
        if required.is_empty() {
            return;
        }
        let mut places: FxHashMap<String, ExprId> = FxHashMap::default();
        for id in self.ast.ids() {
            if let NameTarget::Column(column) = self.names.targets[id.index()] {
                let name = self.columns[column as usize].output_name().to_lowercase();
                places.entry(name).or_insert(id);
            }
        }
        for definition in &self.ast.definitions {
            if let Some(name) = definition.name {
                places.insert(name.text(self.source).to_lowercase(), definition.body);
            }
        }
        for (name, ty) in required {
            let Some(index) = places.get(&name.to_lowercase()) else {
                continue;
            };
            let expected = match ty {
                Type::Date => TypeTerm::Temporal,
                ty => TypeTerm::Type(*ty),
            };
            let uses = self.buffers.uses.len();
            self.require_type(*index, expected);
            let new_uses = self.buffers.uses.iter_mut().skip(uses);
            new_uses.for_each(|new_use| new_use.is_in_other_step = true);
        }
    }
}

fn is_number(term: TypeTerm) -> bool {
    matches!(term, TypeTerm::Type(ty) if ty.is_number())
}

fn is_date(term: TypeTerm) -> bool {
    matches!(term, TypeTerm::Temporal) || matches!(term, TypeTerm::Type(ty) if ty.is_temporal())
}

/// Combines the types that two uses of a value require. `None` if they conflict.
pub(in crate::check) fn unify_terms(a: TypeTerm, b: TypeTerm) -> Option<TypeTerm> {
    let temporal = |t: TypeTerm| match t {
        TypeTerm::Temporal => Some(0),
        TypeTerm::Type(Type::Date) => Some(1),
        TypeTerm::Type(Type::Timestamp) => Some(2),
        TypeTerm::Type(Type::Timestamptz) => Some(3),
        _ => None,
    };
    match (a, b) {
        (a, b) if a == b => Some(a),
        (TypeTerm::Any, x) | (x, TypeTerm::Any) => Some(x),
        (TypeTerm::Type(Type::Unknown | Type::Other), _) | (_, TypeTerm::Type(Type::Unknown | Type::Other)) => Some(a),
        (TypeTerm::Type(x), TypeTerm::Type(y)) if x.is_number() && y.is_number() => Some(TypeTerm::Type(Type::Number)),
        (a, b) => match (temporal(a), temporal(b)) {
            (Some(x), Some(y)) => Some(if x >= y { a } else { b }),
            _ => None,
        },
    }
}

fn timeframe_term(name: &str) -> TypeTerm {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "hour" | "minute" | "second" | "millisecond" => TypeTerm::Type(Type::Timestamp),
        "fiscal_quarter" => TypeTerm::Type(Type::Date),
        "raw" => TypeTerm::Temporal,
        _ if lower.ends_with("_name") => TypeTerm::Type(Type::Text),
        _ if lower.contains('_') => TypeTerm::Type(Type::Number),
        _ => TypeTerm::Type(Type::Date),
    }
}

/// Reports two uses that require different types, at the second use in the text.
#[cold]
fn report_type_conflict(
    ast: &Ast,
    source: &str,
    names: &mut ResolvedNames,
    conflict: &TypeConflict,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let TypeConflict { first, second } = conflict;
    // Suppress errors that result from this conflict.
    let target = std::mem::replace(&mut names.targets[second.expr.index()], NameTarget::Error);
    if let NameTarget::Column(column) = target {
        names.conflicting.push((second.expr, column));
    }
    let [earlier, later] = [first, second].map(|used| (ast.span(used.expr), used.types.describe()));
    let name = later.0.excerpt(source);
    let fault = if second.is_in_other_step {
        let message = format!(
            "`{name}` is used as {} here, but as {} in another step",
            earlier.1, later.1
        );
        Diagnostic::new(Code::ConflictingTypes, earlier.0, message)
    } else {
        let message = format!(
            "`{name}` is used as {} here, but was used as {} earlier",
            later.1, earlier.1
        );
        Diagnostic::new(Code::ConflictingTypes, later.0, message)
            .with_secondary_label(earlier.0, format!("used as {}", earlier.1))
    };
    diagnostics.push(
        fault.with_help("declare the type of the column in a schema (`--schema`), or change one of the two uses"),
    );
    for (span, _) in [earlier, later] {
        let position = ast.definitions.partition_point(|d| d.span.start <= span.start);
        if let Some(failed) = position.checked_sub(1).and_then(|i| names.failed.try_get_mut(i)) {
            *failed = true;
        }
    }
}
