//! Type inference for columns that no schema declares, based on all uses of the columns in the source.
//!
//! A single forward pass assigns a term (a type or a type variable) to every node. The pass binds each variable to the
//! type that its uses require. Sums and differences of two unknown types are resolved at the end. The use of a value as
//! a condition is only weak evidence for a boolean, because numbers can be conditions too.

pub(super) mod calls;
pub(super) mod evidence;
mod looked_up_columns;

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
use crate::span::Span;

/// Inferred type of a value, or the type variable for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::check) enum InferTerm {
    Type(Type),
    /// Date, timestamp or instant.
    Temporal,
    Var(u32),
    /// Unknown type, because no use determines the type.
    Any,
}

impl InferTerm {
    /// Returns the words that messages use for a value of this type.
    fn describe(self) -> &'static str {
        match self {
            Self::Type(ty) => ty.describe(),
            Self::Temporal => "a date",
            Self::Var(_) | Self::Any => "something else",
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum InferState {
    Unknown,
    /// Variable that is bound to a term, with the use that determined the term.
    Bound(InferTerm, ExprId),
    Same(u32),
}

/// Scratch buffers for type inference, reused for the next source.
#[derive(Debug, Default)]
pub(in crate::check) struct InferBuffers {
    vars: Arena<InferState>,
    terms: Arena<InferTerm>,
    /// Term of each definition.
    results: Arena<InferTerm>,
    /// Weak evidence, which applies only to variables without other evidence.
    weak: Arena<(u32, Type, ExprId)>,
    /// Sums and differences of unknown types. Each tuple contains the operator, the operands and the result, and the
    /// expression.
    waiting: Arena<(BinaryOp, [InferTerm; 3], ExprId)>,
    conflicts: Vec<(ExprId, ExprId, InferTerm, InferTerm)>,
    /// Variable of each column of another tab whose type is unknown, by tab and position.
    tab_columns: BTreeMap<(u32, u32), u32>,
    /// Type that the sort key must have if a function shifts the sort key by a calendar period.
    pub(in crate::check) calendar: Option<InferTerm>,
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
        terms.any(|term| matches!(term, InferTerm::Var(_)))
    }

    fn resolve_term(&mut self, term: InferTerm) -> InferTerm {
        let InferTerm::Var(var) = term else { return term };
        let root = self.find_root(var);
        match self.vars[root as usize] {
            InferState::Bound(bound, _) => bound,
            _ => InferTerm::Var(root),
        }
    }

    /// Finds the representative of a variable, with path halving so that chains remain short.
    fn find_root(&mut self, mut var: u32) -> u32 {
        while let InferState::Same(other) = self.vars[var as usize] {
            if let InferState::Same(next) = self.vars[other as usize] {
                self.vars[var as usize] = InferState::Same(next);
            }
            var = other;
        }
        var
    }

    fn solved_type(&mut self, var: u32) -> Option<Type> {
        match self.resolve_term(InferTerm::Var(var)) {
            InferTerm::Type(ty) => Some(ty),
            InferTerm::Temporal => Some(Type::Date),
            _ => None,
        }
    }

    /// Returns the type of an empty argument: the type that its parameter or the other values require. If all types are
    /// possible, returns the unknown type if the argument must have the type of an untyped column, otherwise a number.
    fn infer_empty_argument_type(&mut self, id: ExprId, of_columns: &FxHashSet<u32>) -> Type {
        match self.resolve_term(self.terms[id.index()]) {
            InferTerm::Type(ty) => ty,
            InferTerm::Temporal => Type::Date,
            InferTerm::Var(var) if of_columns.contains(&var) => Type::Unknown,
            InferTerm::Var(_) | InferTerm::Any => Type::Number,
        }
    }

    fn reset(&mut self, ast: &Ast, columns: usize) {
        let Self {
            vars,
            terms,
            results,
            weak,
            waiting,
            conflicts,
            tab_columns,
            calendar,
        } = self;
        *calendar = None;
        // The first variables represent the columns.
        vars.clear();
        vars.resize(columns, InferState::Unknown);
        terms.clear();
        terms.resize(ast.len(), InferTerm::Any);
        results.clear();
        results.resize(ast.definitions.len(), InferTerm::Any);
        weak.clear();
        waiting.clear();
        conflicts.clear();
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
    pass.bind_types_required_by_later_steps();
    pass.resolve_pending_sums();
    if let Some(infer_term) = pass.buffers.calendar {
        pass.bind_calendar_key(infer_term);
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
    for (first, second, was, is) in buffers.conflicts.drain(..) {
        // Suppress errors that result from this conflict.
        let target = std::mem::replace(&mut names.targets[second.index()], NameTarget::Error);
        if let NameTarget::Column(column) = target {
            names.conflicting.push((second, column));
        }
        let uses = [(ast.span(first), was), (ast.span(second), is)];
        report_type_conflict(ast, source, names, uses, diagnostics);
    }
}

impl TypeInference<'_> {
    fn infer_node(&mut self, id: ExprId) -> InferTerm {
        match (self.ast.expr(id), self.names.targets[id.index()]) {
            (expr, target @ (NameTarget::Column(_) | NameTarget::Definition(_))) => {
                let infer_term = self.target_term(target);
                let in_braces = matches!(expr, Expr::Model);
                match in_braces
                    .then(|| reference(self.source, self.ast.span(id)).timeframe)
                    .flatten()
                {
                    Some(frame) => self.infer_timeframe(infer_term, frame.text(self.source), id),
                    None => infer_term,
                }
            }
            (_, NameTarget::Cell(cell)) => self
                .names
                .cells
                .try_get(cell as usize)
                .map_or(InferTerm::Any, |c| self.target_term(c.of)),
            (_, NameTarget::CellRange(range)) => self.cell_range_type(range, id),
            (_, NameTarget::TabRange(range)) => self.type_of_tab_range_column(range, 0),
            (_, NameTarget::PartOfCells | NameTarget::LetName) => InferTerm::Any,
            (_, NameTarget::LetValue(value)) => self.buffers.terms[value as usize],
            (_, NameTarget::Bool(_)) | (Expr::Bool(_), _) => InferTerm::Type(Type::Boolean),
            (Expr::Number, _) => InferTerm::Type(Type::Number),
            (Expr::Blank, _) => self.fresh_variable(),
            (Expr::Text, _) => InferTerm::Type(Type::Text),
            (Expr::Timeframe { base, frame }, _) => {
                let name = self.ast.name(frame).text(self.source);
                self.infer_timeframe(self.buffers.terms[base.index()], name, base)
            }
            (Expr::Sign { operand, .. } | Expr::Percent(operand), _) => {
                self.require_type(operand, InferTerm::Type(Type::Number))
            }
            (Expr::Binary { op, left, right }, _) => self.infer_binary(op, left, right, id),
            (Expr::Call(call), NameTarget::Function(function) | NameTarget::RangeEnd(function)) => {
                let call = self.ast.call(call);
                self.infer_call(catalog::get(function), call)
            }
            // Both ends of the range have the same type.
            (Expr::Range { from, to }, _) => self.unify_types(from, to),
            _ => InferTerm::Any,
        }
    }

    pub(in crate::check) fn node_term(&mut self, id: ExprId) -> InferTerm {
        self.buffers.resolve_term(self.buffers.terms[id.index()])
    }

    fn fresh_variable(&mut self) -> InferTerm {
        self.buffers.vars.push(InferState::Unknown);
        InferTerm::Var(self.buffers.vars.len() as u32 - 1)
    }

    /// Returns the term of the column or definition that a name refers to.
    fn target_term(&self, target: NameTarget) -> InferTerm {
        match target {
            NameTarget::Column(column) => match &self.columns[column as usize] {
                column_entry if column_entry.assumed => InferTerm::Var(column),
                column_entry => InferTerm::Type(column_entry.ty),
            },
            NameTarget::Definition(definition) => self.buffers.results[definition as usize],
            _ => InferTerm::Any,
        }
    }

    /// Infers the type of a timeframe, and binds the type of its base.
    fn infer_timeframe(&mut self, base: InferTerm, name: &str, expr_id: ExprId) -> InferTerm {
        // These timeframes require a timestamp, because a date has no time of day, and truncating a date to a day would
        // have no effect.
        let of_time = ["date", "day", "hour", "minute", "second", "millisecond", "hour_of_day"];
        let timed = of_time.iter().any(|frame| name.eq_ignore_ascii_case(frame));
        self.bind_type(
            base,
            if timed {
                InferTerm::Type(Type::Timestamp)
            } else {
                InferTerm::Temporal
            },
            expr_id,
        );
        timeframe_term(name)
    }

    pub(in crate::check) fn require_type(&mut self, id: ExprId, infer_term: InferTerm) -> InferTerm {
        self.bind_type(self.buffers.terms[id.index()], infer_term, id);
        self.node_term(id)
    }

    fn bind_type(&mut self, term: InferTerm, infer_term: InferTerm, expr_id: ExprId) {
        let InferTerm::Var(var) = term else { return };
        if infer_term == InferTerm::Any {
            return;
        }
        let root = self.buffers.find_root(var);
        match (self.buffers.vars[root as usize], infer_term) {
            (InferState::Unknown, InferTerm::Var(other)) => {
                let other = self.buffers.find_root(other);
                if other != root {
                    self.buffers.vars[root as usize] = InferState::Same(other);
                }
            }
            (InferState::Unknown, expected_term) => {
                self.buffers.vars[root as usize] = InferState::Bound(expected_term, expr_id);
            }
            (InferState::Bound(was, first), expected_term) => match unify_terms(was, expected_term) {
                Some(term) => self.buffers.vars[root as usize] = InferState::Bound(term, first),
                None => {
                    self.buffers.conflicts.push((first, expr_id, was, expected_term));
                    // Set the type to unknown, so that the conflict is reported only once.
                    self.buffers.vars[root as usize] = InferState::Bound(InferTerm::Type(Type::Unknown), first);
                }
            },
            (InferState::Same(_), _) => {}
        }
    }

    /// Unifies the types of two values that are compared, or that are branches of the same IF.
    pub(in crate::check) fn unify_types(&mut self, left: ExprId, right: ExprId) -> InferTerm {
        let (a, b) = (self.node_term(left), self.node_term(right));
        match (a, b) {
            (InferTerm::Var(_), InferTerm::Var(_)) => self.bind_type(a, b, left),
            (InferTerm::Var(_), infer_term) => self.bind_evidence(a, infer_term, right, left),
            (known_term, InferTerm::Var(_)) => self.bind_evidence(b, known_term, left, right),
            _ => {}
        }
        let (a, b) = (self.node_term(left), self.node_term(right));
        if matches!(a, InferTerm::Any | InferTerm::Var(_)) {
            b
        } else {
            unify_terms(a, b).unwrap_or(a)
        }
    }

    /// Binds a variable to the type of another value that must have the same type. A string that looks like a date is
    /// only weak evidence for text.
    fn bind_evidence(&mut self, var: InferTerm, infer_term: InferTerm, from: ExprId, to: ExprId) {
        let iso = text_value(self.ast, self.source, from).is_some_and(|t| {
            crate::check::dates::is_iso_date(&t) || crate::check::dates::normalize_iso_timestamp(&t).is_some()
        });
        match (var, infer_term) {
            (InferTerm::Var(v), InferTerm::Type(Type::Text)) if iso => self.buffers.weak.push((v, Type::Text, to)),
            _ => self.bind_type(var, infer_term, to),
        }
    }

    pub(in crate::check) fn infer_condition(&mut self, id: ExprId) {
        if let InferTerm::Var(var) = self.node_term(id) {
            self.buffers.weak.push((var, Type::Boolean, id));
        }
    }

    fn infer_binary(&mut self, op: BinaryOp, left: ExprId, right: ExprId, expr_id: ExprId) -> InferTerm {
        match op {
            BinaryOp::Add | BinaryOp::Subtract => self.infer_sum(op, left, right, expr_id),
            // `1/0` is NULL in formulas and matches every type.
            BinaryOp::Divide if self.is_zero(right) && matches!(self.ast.expr(left), Expr::Number) => {
                self.require_type(left, InferTerm::Type(Type::Number));
                InferTerm::Any
            }
            BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Power => {
                self.require_type(left, InferTerm::Type(Type::Number));
                self.require_type(right, InferTerm::Type(Type::Number));
                InferTerm::Type(Type::Number)
            }
            BinaryOp::Concat => InferTerm::Type(Type::Text),
            // A chained comparison such as `a < b < c` has already been reported, so it does not determine the types of
            // its operands.
            _ if self.broken && crate::check::lower::operators::is_comparison(self.ast, left) => {
                InferTerm::Type(Type::Boolean)
            }
            _ => {
                self.unify_types(left, right);
                InferTerm::Type(Type::Boolean)
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
    fn infer_sum(&mut self, op: BinaryOp, left: ExprId, right: ExprId, expr_id: ExprId) -> InferTerm {
        let number = InferTerm::Type(Type::Number);
        let (a, b) = (self.node_term(left), self.node_term(right));
        match (a, b) {
            (InferTerm::Var(var), b) if is_number(b) => {
                self.buffers.weak.push((var, Type::Number, left));
                a
            }
            (a, InferTerm::Var(var)) if is_number(a) && op == BinaryOp::Add => {
                self.buffers.weak.push((var, Type::Number, right));
                b
            }
            (a, InferTerm::Var(_)) if is_number(a) => self.require_type(right, number),
            (a, InferTerm::Var(_)) if is_date(a) && op == BinaryOp::Add => {
                self.require_type(right, number);
                a
            }
            (InferTerm::Var(_), b) if is_date(b) && op == BinaryOp::Add => {
                self.require_type(left, number);
                b
            }
            (InferTerm::Var(_), b) if is_date(b) => {
                self.require_type(left, InferTerm::Temporal);
                number
            }
            (InferTerm::Var(_), _) | (_, InferTerm::Var(_)) => {
                let result = self.fresh_variable();
                self.buffers.waiting.push((op, [a, b, result], expr_id));
                result
            }
            (a, b) if is_date(a) && is_date(b) => number,
            (a, _) if is_date(a) => a,
            (_, b) if is_date(b) => b,
            _ => number,
        }
    }

    /// Binds the first sort key of unknown type to the required type if no sort key is known to be a date. Functions
    /// that shift a sort key by a calendar period require a date.
    fn bind_calendar_key(&mut self, infer_term: InferTerm) {
        let ast = self.ast;
        let keys = ast
            .definitions
            .iter()
            .filter(|d| self.scope.role(d.part) == DefinitionRole::OrderBy)
            .map(|d| d.body);
        let keys: Vec<(ExprId, InferTerm)> = keys.map(|body| (body, self.node_term(body))).collect();
        if !keys.iter().any(|(_, term)| is_date(*term))
            && let Some((body, _)) = keys.iter().find(|(_, term)| matches!(term, InferTerm::Var(_)))
        {
            self.require_type(*body, infer_term);
        }
    }

    /// Binds columns and definitions whose type is not determined by this step to the type that later steps require.
    fn bind_types_required_by_later_steps(&mut self) {
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
            let term = self.buffers.resolve_term(self.buffers.terms[index.index()]);
            let infer_term = match ty {
                Type::Date => InferTerm::Temporal,
                ty => InferTerm::Type(*ty),
            };
            self.bind_type(term, infer_term, *index);
        }
    }

    fn resolve_pending_sums(&mut self) {
        let number = InferTerm::Type(Type::Number);
        for index in 0..self.buffers.waiting.len() {
            let (op, terms, expr_id) = self.buffers.waiting[index];
            let [a, b, result] = terms.map(|term| self.buffers.resolve_term(term));
            // The result of `date - x` is a number only if `x` is a date, and a date can be subtracted only from a
            // date.
            let is_date_subtracted = op == BinaryOp::Subtract && (is_date(b) || (is_date(a) && is_number(result)));
            if is_date_subtracted {
                for side in [a, b].into_iter().filter(|side| matches!(side, InferTerm::Var(_))) {
                    self.bind_type(side, InferTerm::Temporal, expr_id);
                }
                self.bind_type(result, number, expr_id);
                continue;
            }
            let date = [a, b].into_iter().find(|side| is_date(*side));
            for side in [a, b] {
                if matches!(side, InferTerm::Var(_)) {
                    self.bind_type(side, number, expr_id);
                }
            }
            self.bind_type(result, date.unwrap_or(number), expr_id);
        }
        for index in 0..self.buffers.weak.len() {
            let (var, ty, expr_id) = self.buffers.weak[index];
            if matches!(self.buffers.resolve_term(InferTerm::Var(var)), InferTerm::Var(_)) {
                self.bind_type(InferTerm::Var(var), InferTerm::Type(ty), expr_id);
            }
        }
    }
}

fn is_number(term: InferTerm) -> bool {
    matches!(term, InferTerm::Type(ty) if ty.is_number())
}

fn is_date(term: InferTerm) -> bool {
    matches!(term, InferTerm::Temporal) || matches!(term, InferTerm::Type(ty) if ty.is_temporal())
}

/// Combines the types that two uses of a value require. `None` if they conflict.
pub(in crate::check) fn unify_terms(a: InferTerm, b: InferTerm) -> Option<InferTerm> {
    let temporal = |t: InferTerm| match t {
        InferTerm::Temporal => Some(0),
        InferTerm::Type(Type::Date) => Some(1),
        InferTerm::Type(Type::Timestamp) => Some(2),
        InferTerm::Type(Type::Timestamptz) => Some(3),
        _ => None,
    };
    match (a, b) {
        (a, b) if a == b => Some(a),
        (InferTerm::Any, x) | (x, InferTerm::Any) => Some(x),
        (InferTerm::Type(Type::Unknown | Type::Other), _) | (_, InferTerm::Type(Type::Unknown | Type::Other)) => {
            Some(a)
        }
        (InferTerm::Type(x), InferTerm::Type(y)) if x.is_number() && y.is_number() => {
            Some(InferTerm::Type(Type::Number))
        }
        (a, b) => match (temporal(a), temporal(b)) {
            (Some(x), Some(y)) => Some(if x >= y { a } else { b }),
            _ => None,
        },
    }
}

fn timeframe_term(name: &str) -> InferTerm {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "hour" | "minute" | "second" | "millisecond" => InferTerm::Type(Type::Timestamp),
        "fiscal_quarter" => InferTerm::Type(Type::Date),
        "raw" => InferTerm::Temporal,
        _ if lower.ends_with("_name") => InferTerm::Type(Type::Text),
        _ if lower.contains('_') => InferTerm::Type(Type::Number),
        _ => InferTerm::Type(Type::Date),
    }
}

/// Reports two uses that require different types, at the second use in the text.
#[cold]
fn report_type_conflict(
    ast: &Ast,
    source: &str,
    names: &mut ResolvedNames,
    uses: [(Span, InferTerm); 2],
    diagnostics: &mut Vec<Diagnostic>,
) {
    let [mut earlier, mut later] = uses;
    // Definitions are checked after the definitions that they use, so the use that was found first may be the second in
    // the text.
    if later.0.start < earlier.0.start {
        std::mem::swap(&mut earlier, &mut later);
    }
    let text = later.0.excerpt(source);
    let message = format!(
        "`{text}` is used as {} here, but was used as {} earlier",
        later.1.describe(),
        earlier.1.describe()
    );
    diagnostics.push(
        Diagnostic::new(Code::ConflictingTypes, later.0, message)
            .with_secondary_label(earlier.0, format!("used as {}", earlier.1.describe()))
            .with_help("declare the type of the column in a schema (`--schema`), or change one of the two uses"),
    );
    for (span, _) in uses {
        let position = ast.definitions.partition_point(|d| d.span.start <= span.start);
        if let Some(failed) = position.checked_sub(1).and_then(|i| names.failed.try_get_mut(i)) {
            *failed = true;
        }
    }
}
