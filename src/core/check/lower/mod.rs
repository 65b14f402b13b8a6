//! Lowering of the syntax tree to the typed IR. Each definition is lowered after the definitions that it uses, in a
//! loop over its nodes.

pub(super) mod blank_operands;
pub(super) mod branches;
mod never_null_names;
pub(super) mod operators;
mod timeframes;

use std::cell::OnceCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use self::never_null_names::{find_never_null_names, mark_never_null};
use crate::arena::Arena;
use crate::ast::{Ast, Expr, ExprId};
use crate::catalog::Function;
use crate::check::calls::overload::OverloadCache;
use crate::check::names::{GroupingKey, NameTarget, ResolvedNames};
use crate::check::sheet::cells::FilteredRange;
use crate::check::sheet::columns::SheetColumns;
use crate::check::{CheckScope, DefinitionRole};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrDefinition, IrId, NodeMeta, Program};
use crate::parse::{reference, unquote};
use crate::span::Span;
use crate::{Level, Type};

/// Scratch buffers for lowering, reused for the next source.
#[derive(Debug, Default)]
pub(in crate::check) struct LowerBuffers {
    /// IR node for each node in the syntax tree.
    lowered: Arena<IrId>,
    /// Whether each column or definition is a grouping key. Empty if there are no keys.
    key_columns: Arena<bool>,
    key_definitions: Arena<bool>,
    /// Unused argument lists, kept so that calls need no allocation.
    spare: Vec<Vec<IrId>>,
    choices: OverloadCache,
}

impl LowerBuffers {
    fn reset(&mut self, ast: &Ast, names: &ResolvedNames, columns: usize) {
        let Self {
            lowered,
            key_columns,
            key_definitions,
            spare: _,
            choices: _,
        } = self;
        lowered.clear();
        lowered.resize(ast.len(), IrId(0));
        key_columns.clear();
        key_definitions.clear();
        if names.keys.is_empty() {
            return;
        }
        key_columns.resize(columns, false);
        key_definitions.resize(ast.definitions.len(), false);
        for key in &names.keys {
            match key {
                GroupingKey::Column(column) => key_columns[*column as usize] = true,
                GroupingKey::Definition(definition) => key_definitions[*definition as usize] = true,
                GroupingKey::Timeframe(..) => {}
            }
        }
    }
}

/// State of the caller while a call is replaced by the definition of its function.
pub(in crate::check) struct CallerState<'a> {
    ast: &'a Ast,
    source: &'a str,
    names: &'a ResolvedNames,
    lowered: Arena<IrId>,
    arguments: Vec<IrId>,
}

pub(in crate::check) struct Lowerer<'a> {
    pub ast: &'a Ast,
    pub source: &'a str,
    pub scope: &'a CheckScope<'a>,
    pub names: &'a ResolvedNames,
    pub program: &'a mut Program,
    pub diagnostics: &'a mut Vec<Diagnostic>,
    buffers: &'a mut LowerBuffers,
    /// Arguments of the call that is being replaced by the definition of its function.
    arguments: Vec<IrId>,
    /// Whether the step groups rows. In a grouped step, values per row cannot be mixed with aggregates.
    pub grouped: bool,
    /// Whether an error has been reported in the current definition.
    pub failed: bool,
    /// Role of the current definition.
    pub role: DefinitionRole,
    /// Reason why the current definition cannot contain an aggregate. `None` after the reason has been reported.
    pub no_aggregates: Option<&'static str>,
    /// Reason why the current definition cannot contain a window function. `None` after the reason has been reported.
    pub no_windows: Option<&'static str>,
    /// Whether the current definition has a syntax error.
    pub has_syntax_error: bool,
    /// Whether the current definition contains `DISTINCT` or a range, which only some calls accept.
    pub contains_markers: bool,
    /// Cell ranges that contain only some rows of their window.
    pub partial_ranges: FxHashMap<IrId, FilteredRange>,
    /// Lookups that return a row number in a sheet or tab without a sort order, with the function of each lookup.
    pub lookups_without_order: FxHashMap<IrId, &'static Function>,
    /// Columns of the worksheet, computed on first use.
    pub sheet_columns: OnceCell<SheetColumns<'a>>,
    pub order_in_words: OnceCell<String>,
    /// Whether a column contains UUIDs.
    pub has_uuids: bool,
}

/// Lowers the definitions into a program that already contains the columns and the order of the definitions.
pub(in crate::check) fn lower(
    ast: &Ast,
    source: &str,
    scope: &CheckScope<'_>,
    names: &ResolvedNames,
    buffers: &mut LowerBuffers,
    program: &mut Program,
    diagnostics: &mut Vec<Diagnostic>,
) {
    buffers.reset(ast, names, program.columns.len());
    let never_null = find_never_null_names(ast, names, scope);
    for name in &never_null {
        if let NameTarget::Column(column) = name {
            program.columns[*column as usize].nullable = false;
        }
    }
    // Most expressions become a single node. Some expressions need another node, such as a conversion.
    program.reserve(ast.len() + ast.len() / 8 + 8);
    // Definitions are stored in source order, but each definition is lowered after the definitions that it uses. A
    // circular definition is never lowered and keeps this initial value.
    program
        .definitions
        .extend(ast.definitions.iter().map(|definition| IrDefinition {
            name: definition.name.map(|n| Arc::from(n.text(source))),
            root: IrId(0),
            first: IrId(0),
            span: definition.span,
            failed: true,
            used: false,
            has_unused_nodes: false,
        }));
    let order = std::mem::take(&mut program.order);
    let has_uuids = program.columns.iter().any(|column| column.is_uuid);
    let mut pass = Lowerer {
        ast,
        source,
        scope,
        names,
        program,
        diagnostics,
        buffers,
        arguments: Vec::new(),
        grouped: names.first_aggregate.is_some() || scope.rest.has_aggregates || !names.keys.is_empty(),
        failed: false,
        role: DefinitionRole::Definitions,
        no_aggregates: None,
        no_windows: None,
        has_syntax_error: false,
        contains_markers: false,
        partial_ranges: FxHashMap::default(),
        lookups_without_order: FxHashMap::default(),
        sheet_columns: OnceCell::new(),
        order_in_words: OnceCell::new(),
        has_uuids,
    };
    let mut folded = false;
    for index in &order {
        let definition = ast.definition(*index);
        let first = IrId(pass.program.len() as u32);
        pass.failed = names.failed[*index as usize];
        pass.role = scope.role(definition.part);
        pass.no_aggregates = scope.name_of_context_without_aggregates(pass.role);
        pass.no_windows = pass.role.name_of_role_without_windows();
        pass.has_syntax_error = definition.broken;
        pass.contains_markers = false;
        let first_index = definition.first.index();
        let targets = names.targets.as_slice().get(first_index..).unwrap_or_default();
        for (index, ((expr, span), target)) in ast.nodes_of(definition).iter().zip(targets).enumerate() {
            let lowered = pass.lower_node(expr, *target, *span);
            pass.buffers.lowered[first_index + index] = lowered;
        }
        let root = pass.check_root_level(pass.lowered_node(definition.body));
        if scope.blank_zero {
            pass.program.null_interpretation(root);
        }
        let failed = pass.failed || pass.is_error(root);
        let lowered = &mut pass.program.definitions[*index as usize];
        (lowered.root, lowered.first, lowered.failed) = (root, first, failed);
        lowered.has_unused_nodes = std::mem::take(&mut pass.program.has_unused_nodes);
        folded |= lowered.has_unused_nodes;
    }
    program.has_unused_nodes = folded;
    program.order = order;
    mark_never_null(ast, scope, &never_null, program);
    mark_unordered_definitions_failed(ast, scope, program);
}

/// Marks definitions as failed if their windows need a sort order but a sort key has an error.
fn mark_unordered_definitions_failed(ast: &Ast, scope: &CheckScope<'_>, program: &mut Program) {
    let mut parts = ast.definitions.iter().zip(&program.definitions);
    if !parts.any(|(part, lowered)| lowered.failed && scope.role(part.part) == DefinitionRole::OrderBy) {
        return;
    }
    for index in program.order.clone() {
        let Some(definition) = program.definitions.try_get(index as usize) else {
            continue;
        };
        let needs_order = |id: u32| match program.node(IrId(id)) {
            Ir::Window { over, .. } => program.window_frame(over).is_ordered(),
            Ir::Definition(definition_index) => program.definitions[definition_index as usize].failed,
            Ir::PeriodLookup { .. } => true,
            _ => false,
        };
        if !definition.failed && (definition.first.0..=definition.root.0).any(needs_order) {
            program.definitions[index as usize].failed = true;
        }
    }
}

impl<'a> Lowerer<'a> {
    /// Starts to lower another tree. [`Self::leave_function_definition`] returns to the caller's tree.
    pub(in crate::check) fn enter_function_definition(
        &mut self,
        ast: &'a Ast,
        source: &'a str,
        names: &'a ResolvedNames,
        arguments: Vec<IrId>,
    ) -> CallerState<'a> {
        CallerState {
            ast: std::mem::replace(&mut self.ast, ast),
            source: std::mem::replace(&mut self.source, source),
            names: std::mem::replace(&mut self.names, names),
            lowered: std::mem::replace(&mut self.buffers.lowered, Arena::filled(IrId(0), ast.len())),
            arguments: std::mem::replace(&mut self.arguments, arguments),
        }
    }

    pub(in crate::check) fn leave_function_definition(&mut self, caller: CallerState<'a>) {
        self.ast = caller.ast;
        self.source = caller.source;
        self.names = caller.names;
        self.buffers.lowered = caller.lowered;
        self.arguments = caller.arguments;
    }

    /// Returns whether the lowered tree is the definition of a function.
    pub(in crate::check) fn is_in_function_definition(&self) -> bool {
        !self.arguments.is_empty()
    }
}

impl Lowerer<'_> {
    pub(in crate::check) fn report(&mut self, diagnostic: Diagnostic) {
        self.failed |= diagnostic.is_error();
        self.diagnostics.push(diagnostic);
    }

    pub(in crate::check) fn source_text(&self, span: Span) -> String {
        span.excerpt(self.source)
    }

    pub(in crate::check) fn add_error(&mut self, span: Span) -> IrId {
        self.failed = true;
        self.program.add(
            Ir::Error,
            NodeMeta {
                nullable: true,
                ..NodeMeta::constant(Type::Unknown, span)
            },
        )
    }

    #[inline]
    pub(in crate::check) fn is_error(&self, id: IrId) -> bool {
        matches!(self.program.node(id), Ir::Error)
    }

    pub(in crate::check) fn overload_cache(&mut self) -> &mut OverloadCache {
        &mut self.buffers.choices
    }

    /// Returns an empty list from the pool. [`Self::recycle_list`] returns it to the pool.
    pub(in crate::check) fn take_list(&mut self) -> Vec<IrId> {
        self.buffers.spare.pop().unwrap_or_default()
    }

    pub(in crate::check) fn singleton_list(&mut self, id: IrId) -> Vec<IrId> {
        let mut list = self.take_list();
        list.push(id);
        list
    }

    pub(in crate::check) fn recycle_list(&mut self, mut list: Vec<IrId>) {
        list.clear();
        self.buffers.spare.push(list);
    }

    #[inline]
    pub(in crate::check) fn lowered_node(&self, id: ExprId) -> IrId {
        self.buffers.lowered[id.index()]
    }

    pub(in crate::check) fn set_lowered(&mut self, id: ExprId, node: IrId) {
        self.buffers.lowered[id.index()] = node;
    }

    /// Lowers a node of the syntax tree. Most nodes are columns, calls, binary operations and literals. Only the code
    /// for these nodes is inlined.
    #[inline(always)]
    pub(in crate::check) fn lower_node(&mut self, expr: &Expr, target: NameTarget, span: Span) -> IrId {
        match (target, expr) {
            (NameTarget::None, Expr::Binary { op, left, right }) => self.lower_binary(*op, *left, *right, span),
            (NameTarget::None, Expr::Number) => self.lower_number(span),
            (NameTarget::None, Expr::Text) => self.lower_text_literal(span),
            (NameTarget::None, _) => self.lower_non_reference(expr, span),
            (NameTarget::Column(column), Expr::Name) => self.lower_column(column, span),
            (NameTarget::Function(function), Expr::Call(call)) => self.lower_call(function, self.ast.call(*call), span),
            _ => self.lower_reference(expr, target, span),
        }
    }

    #[inline(never)]
    fn lower_reference(&mut self, expr: &Expr, target: NameTarget, span: Span) -> IrId {
        match (target, expr) {
            (NameTarget::Column(_) | NameTarget::Definition(_), Expr::Model) => {
                let node = match target {
                    NameTarget::Definition(index) => self.lower_definition_use(index, span),
                    NameTarget::Column(column) => self.lower_column(column, span),
                    _ => self.add_error(span),
                };
                match reference(self.source, span).timeframe {
                    Some(frame) => self.lower_timeframe(node, frame, span),
                    None => node,
                }
            }
            (NameTarget::Column(column), _) => self.lower_column(column, span),
            (NameTarget::Definition(index), _) => self.lower_definition_use(index, span),
            (NameTarget::RangeEnd(_), Expr::Call(call)) => self.lower_range_end(self.ast.call(*call), span),
            (NameTarget::LetName, _) => self.program.add_null(Type::Unknown, span),
            (NameTarget::LetValue(value), _) => {
                self.program.shares_nodes = true;
                self.lowered_node(ExprId(value))
            }
            (NameTarget::Argument(index), _) => {
                self.program.shares_nodes = true;
                self.arguments
                    .get(index as usize)
                    .copied()
                    .unwrap_or_else(|| self.add_error(span))
            }
            (NameTarget::Cell(cell), _) => self.lower_cell(cell, span),
            (NameTarget::CellRange(range), _) => self.lower_cell_range(range, span),
            (NameTarget::TabRange(range), _) => self.lower_tab_columns(range, span),
            (NameTarget::PartOfCells, _) => self.add_range_placeholder(span),
            (NameTarget::Bool(value), _) => self.program.add_boolean(value, span),
            (NameTarget::Blank(ty), _) => self.lower_empty_argument(ty, span),
            (NameTarget::None | NameTarget::Error | NameTarget::Function(_) | NameTarget::RangeEnd(_), _) => {
                self.add_error(span)
            }
        }
    }

    #[inline(never)]
    fn lower_non_reference(&mut self, expr: &Expr, span: Span) -> IrId {
        match *expr {
            Expr::Bool(value) => self.program.add_boolean(value, span),
            Expr::Sign { sign, operand } => self.lower_sign(sign, operand, span),
            Expr::Percent(operand) => self.lower_percent(operand, span),
            Expr::Timeframe { base, frame } => {
                let base = self.lower_value(base);
                self.lower_timeframe(base, self.ast.name(frame), span)
            }
            Expr::Cell => self.report_missing_worksheet(span, "cell references need a worksheet"),
            Expr::Tab { .. } => self.report_missing_worksheet(span, "references to other tabs need a worksheet"),
            Expr::Range { from, to } => self.lower_range(from, to, span),
            _ => self.add_error(span),
        }
    }

    #[inline(never)]
    fn lower_text_literal(&mut self, span: Span) -> IrId {
        let text = unquote(span.text(self.source));
        self.program.add_text_literal(&text, span)
    }

    /// Returns the value of an empty argument: 0, empty text or FALSE, depending on the type. The value of an empty
    /// date is NULL, because day 0 of a spreadsheet is not a date.
    #[cold]
    fn lower_empty_argument(&mut self, ty: Type, span: Span) -> IrId {
        match ty {
            Type::Text => self.program.add_text_literal("", span),
            Type::Boolean => self.program.add_boolean(false, span),
            ty if ty.is_number() => self.program.add_integer("0", span),
            ty if ty.is_temporal() => self.program.add_null(ty, span),
            _ => {
                let message = "the value of an empty argument depends on its type (0, empty text or FALSE), but the type is \
                        unknown here";
                self.report(
                    Diagnostic::new(Code::TypeMismatch, span, message).with_help(
                        "write `0` or `\"\"` instead, or declare the types of the other columns in a schema",
                    ),
                );
                self.add_error(span)
            }
        }
    }

    pub(in crate::check) fn report_missing_worksheet(&mut self, span: Span, requirement: &str) -> IrId {
        let text = self.source_text(span);
        self.report(
            Diagnostic::new(Code::NeedsWorksheet, span, format!("{requirement}; found `{text}`")).with_help(
                "use the column's name, or write the formula in a worksheet (a step with `columns` and \
                    `calculations`)",
            ),
        );
        self.add_error(span)
    }

    pub(in crate::check) fn lower_column(&mut self, column: u32, span: Span) -> IrId {
        let column_entry = &self.program.columns[column as usize];
        let meta = NodeMeta {
            ty: column_entry.ty,
            nullable: column_entry.nullable,
            level: Level::Row,
            reads_only_keys: self.buffers.key_columns.try_get(column as usize) == Some(&true),
            volatile: false,
            columnless: false,
            span,
        };
        self.program.add(Ir::Column(column), meta)
    }

    pub(in crate::check) fn lower_definition_use(&mut self, index: u32, span: Span) -> IrId {
        let definition = &self.program.definitions[index as usize];
        // A circular definition is not lowered, and its error has already been reported.
        if definition.failed {
            return self.add_error(span);
        }
        let root = definition.root;
        let meta = self.program.meta(root);
        if self.is_level_forbidden(meta.level, span) {
            return self.add_error(span);
        }
        // If a definition is NULL (`1/0`), every reference to the definition becomes a NULL literal.
        if self.is_null(root) {
            return self.program.add(Ir::Null, NodeMeta { span, ..meta });
        }
        let keyed = meta.reads_only_keys || self.buffers.key_definitions.try_get(index as usize) == Some(&true);
        self.program.definitions[index as usize].used = true;
        self.program.add(
            Ir::Definition(index),
            NodeMeta {
                reads_only_keys: keyed,
                span,
                ..meta
            },
        )
    }

    /// Returns the IR node of an expression that must be a value. Reports markers (`DISTINCT` and ranges), which only
    /// some functions accept.
    #[inline(always)]
    pub(in crate::check) fn lower_value(&mut self, id: ExprId) -> IrId {
        if self.contains_markers {
            return self.lower_value_without_marker(id);
        }
        self.lowered_node(id)
    }

    #[inline(never)]
    fn lower_value_without_marker(&mut self, id: ExprId) -> IrId {
        let lowered = self.lowered_node(id);
        if self.is_marker(lowered) {
            let error = self.report_misplaced_marker(lowered, self.ast.span(id));
            self.buffers.lowered[id.index()] = error;
            return error;
        }
        lowered
    }

    /// Returns whether a node is a marker instead of a value.
    pub(in crate::check) fn is_marker(&self, id: IrId) -> bool {
        match self.program.node(id) {
            Ir::Distinct(_) | Ir::Range { .. } | Ir::Ranges(_) => true,
            Ir::RowLookup { .. } => self.lookups_without_order.contains_key(&id),
            _ => false,
        }
    }

    #[cold]
    pub(in crate::check) fn report_misplaced_marker(&mut self, marker: IrId, span: Span) -> IrId {
        match self.program.node(marker) {
            Ir::Range { .. } | Ir::Ranges(_) => self.report_misplaced_range(marker, span),
            Ir::RowLookup { .. } => self.report_row_number_without_order(marker, span),
            _ => self.report_misplaced_distinct(span),
        }
    }

    fn report_misplaced_distinct(&mut self, span: Span) -> IrId {
        self.report(
            Diagnostic::new(
                Code::MisplacedDistinct,
                span,
                "`DISTINCT` is allowed only inside COUNT, SUM or AVERAGE",
            )
            .with_help("write `COUNT(DISTINCT(x))` to count the distinct values, or remove `DISTINCT`"),
        );
        self.add_error(span)
    }

    /// Converts a decimal literal to a float, because no other operand determines its type.
    pub(in crate::check) fn convert_decimal_literal_to_float(&mut self, id: IrId) {
        if self.program.meta(id).ty == Type::Point && matches!(self.program.node(id), Ir::Number(_)) {
            self.program.meta_mut(id).ty = Type::Float;
        }
    }
}
