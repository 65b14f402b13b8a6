//! Name resolution: resolves each name to a definition, a column, a cell or a function.

pub(super) mod column_diagnostics;
pub(super) mod column_uses;
pub(super) mod let_names;
pub(super) mod struct_fields;
pub(super) mod symbols;
pub(super) mod unqualified_names;
pub(super) mod unresolved_names;

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use self::column_diagnostics::{describe_columns, explain_single_quoted_columns, missing_column_diagnostic_with};
use self::symbols::{ColumnLookup, Symbol, Symbols};
use self::unresolved_names::MAX_CANDIDATES;
use crate::Level;
use crate::Type;
use crate::arena::Arena;
use crate::ast::{Ast, Call, Definition, Expr, ExprId};
use crate::catalog::{self, FunctionId, Lowering};
use crate::check::ranges;
use crate::check::sheet::columns::SheetColumns;
use crate::check::sheet::tabs::{self, TabRange};
use crate::check::sheet::{CellRange, SheetCell};
use crate::check::{CheckScope, Context, DefinitionRole};
use crate::diag::{Code, Diagnostic, suggest};
use crate::ir::ColumnUse;
use crate::lex::{name_needs_quotes, quote_formula_name};
use crate::parse::{reference, unquote};
use crate::schema::Relation;
use crate::span::Span;
use crate::symbol_table::{HashedName, SharedNames};

/// Resolved meaning of a node in the syntax tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum NameTarget {
    None,
    Definition(u32),
    Column(u32),
    Bool(bool),
    /// Empty argument, with the type of its value.
    Blank(Type),
    /// Function that is called.
    Function(FunctionId),
    /// Function such as `FIRST` that specifies an end of a range.
    RangeEnd(FunctionId),
    /// Name that LET defines: `LetName` where the name is defined, and `LetValue` with the node of its value where the
    /// name is used.
    LetName,
    LetValue(u32),
    /// Argument of a call, in the definition of the called function.
    Argument(u32),
    /// Index of a worksheet cell (`Cell`) or of a cell range (`CellRange`).
    Cell(u32),
    CellRange(u32),
    /// Node that is not a value of its own: part of a cell range or tab reference, or an argument of OFFSET.
    PartOfCells,
    /// Entire columns of another tab.
    TabRange(u32),
    /// Unresolved name whose error has already been reported.
    Error,
}

/// Result of name resolution.
#[derive(Debug, Default)]
pub(in crate::check) struct ResolvedNames {
    /// Target of each node.
    pub targets: Arena<NameTarget>,
    /// Dependencies between definitions, as pairs `(user, used)` of a definition and a definition that it uses, sorted
    /// by the first.
    pub uses: Arena<(u32, u32)>,
    /// Whether each definition already has an error.
    pub failed: Arena<bool>,
    /// First definition that uses an aggregate.
    pub first_aggregate: Option<u32>,
    /// Relation of the first column, to which all other columns must belong, and the definition that uses the first
    /// column. `None` if the scope specifies a relation.
    pub common_relation_and_reader: Option<(Arc<str>, u32)>,
    /// Column uses that became errors because another use of the column requires a different type.
    pub conflicting: Vec<(ExprId, u32)>,
    /// Definitions with an unknown name, one entry for each report. The help depends on the names of all definitions.
    pub unknown_names: Vec<u32>,
    /// Definitions that caused a search for similar names, one entry for each search.
    pub searches: Vec<u32>,
    /// Grouping keys of the step, which are columns, definitions or their timeframes.
    pub keys: Vec<GroupingKey>,
    /// Whether each node contains a range that no call within the node consumes. Empty if there are no ranges.
    pub holds_range: Arena<bool>,
    /// Cells and cell ranges to which targets refer by index.
    pub cells: Arena<SheetCell>,
    pub cell_ranges: Arena<CellRange>,
    /// Column ranges in other tabs, to which targets refer by index.
    pub tab_ranges: Vec<TabRange>,
}

/// Grouping key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum GroupingKey {
    Column(u32),
    Definition(u32),
    /// Timeframe of a column or definition, with the span of the timeframe's name.
    Timeframe(NameTarget, Span),
}

/// Scratch buffers for name resolution, reused for the next source.
#[derive(Debug, Default)]
pub(in crate::check) struct NameTables {
    pub symbols: Symbols,
    /// Last use of each column, by relation and position. Each entry consists of the number of the source and the index
    /// of the use.
    pub last_column_uses: Arena<Arena<(u32, u32)>>,
    /// Number of the current source. Entries with another number are ignored, so they need not be cleared.
    pub source_number: u32,
    /// Index of the entry for each column that no schema lists, by relation and name.
    pub unlisted_column_uses: FxHashMap<(Option<String>, String), u32>,
    /// Names of columns and relations that no schema lists.
    pub shared_names: SharedNames,
}

impl NameTables {
    fn prepare_for_next_source(&mut self, relations: &[Relation]) {
        self.last_column_uses
            .resize(self.last_column_uses.len().max(relations.len()), Arena::new());
        self.source_number = self.source_number.wrapping_add(1);
        if self.source_number == 0 {
            self.last_column_uses.iter_mut().for_each(Arena::clear);
            self.source_number = 1;
        }
    }
}

pub(in crate::check) struct Resolver<'a> {
    pub ast: &'a Ast,
    pub source: &'a str,
    pub scope: &'a CheckScope<'a>,
    pub diagnostics: &'a mut Vec<Diagnostic>,
    pub tables: &'a mut NameTables,
    pub columns: &'a mut Arena<ColumnUse>,
    /// Relation of the first resolved column, if the scope does not specify a relation.
    pub common_relation: Option<Arc<str>>,
    /// Definition that uses the first resolved column.
    pub common_relation_reader: Option<u32>,
    /// Definition whose names are being resolved.
    pub current: u32,
    pub unknown_names: Vec<u32>,
    /// Grouping columns of the step that have been resolved so far.
    key_columns: Vec<u32>,
    /// Whether a relation has columns whose names differ only in case, so that names are case-sensitive.
    has_case_variants: bool,
    /// Definition that caused each search for similar names.
    pub searches: Vec<u32>,
    /// Columns of the worksheet, by letter and by name.
    pub letters: SheetColumns<'a>,
    /// Whether each worksheet column has already been reported as unknown.
    pub missing: Arena<bool>,
    pub cells: Arena<SheetCell>,
    pub cell_ranges: Arena<CellRange>,
    /// Total number of columns in the cell ranges.
    pub range_column_count: usize,
    /// Ends of ranges such as `C:C`, in the order of the syntax tree.
    pub column_letters: Vec<ExprId>,
    /// First uses of names that may refer to columns of several joined relations.
    pub unqualified: Vec<Span>,
}

/// Resolves all names and replaces the previous contents of `names` and `columns`.
pub(in crate::check) fn resolve(
    ast: &Ast,
    source: &str,
    scope: &CheckScope<'_>,
    tables: &mut NameTables,
    names: &mut ResolvedNames,
    columns: &mut Arena<ColumnUse>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if !diagnostics.is_empty() {
        explain_single_quoted_columns(source, scope.relations, diagnostics);
    }
    names.reset(ast);
    columns.clear();
    tables.symbols.reset(ast.definitions.len());
    tables.prepare_for_next_source(scope.relations);
    tables.unlisted_column_uses.clear();
    declare_definitions(ast, source, tables, names, diagnostics);
    let_names::resolve(ast, source, &mut names.targets, diagnostics);
    let letters = SheetColumns::new(ast, source, scope);
    let mut resolver = Resolver {
        ast,
        source,
        scope,
        diagnostics,
        tables,
        columns,
        common_relation: scope.rest.common_relation.cloned(),
        common_relation_reader: None,
        current: 0,
        unknown_names: Vec::new(),
        key_columns: Vec::new(),
        has_case_variants: scope.relations.iter().any(Relation::has_duplicate_names),
        searches: Vec::new(),
        missing: Arena::filled(false, letters.len()),
        letters,
        cells: Arena::new(),
        cell_ranges: Arena::new(),
        range_column_count: 0,
        column_letters: Vec::new(),
        unqualified: Vec::new(),
    };
    if ast.ranges && scope.sheet.is_none() {
        ranges::mark_cells(ast, source, scope, &resolver.tables.symbols, &mut names.targets);
    }
    if ast.ranges && scope.sheet.is_some() {
        tabs::mark_tabs(ast, &mut names.targets);
        resolver.find_column_letters(&names.targets);
    }
    let mut reads_calendar = false;
    for (index, definition) in ast.definitions.iter().enumerate() {
        reads_calendar |= resolver.resolve_definition(index, definition, names);
    }
    names.common_relation_and_reader = resolver.common_relation.take().zip(resolver.common_relation_reader);
    names.unknown_names = std::mem::take(&mut resolver.unknown_names);
    names.searches = std::mem::take(&mut resolver.searches);
    resolver.report_unqualified_names();
    if scope.sheet.is_some() {
        resolver.resolve_cells(names);
        if ast.ranges {
            resolver.resolve_tabs(names);
        }
    }
    if ast.ranges || !names.cell_ranges.is_empty() || scope.sheet.is_some_and(|sheet| sheet.pivot.is_some()) {
        ranges::resolve_ranges(ast, scope, names);
    }
    if reads_calendar {
        ranges::calendar::add_sort_key_dependencies(ast, scope, names);
    }
}

/// Adds the names of the definitions to the symbols, and reports names that are defined twice.
fn declare_definitions(
    ast: &Ast,
    source: &str,
    tables: &mut NameTables,
    names: &mut ResolvedNames,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (index, definition) in ast.definitions.iter().enumerate() {
        names.failed.push(definition.broken);
        let Some(span) = definition.name else { continue };
        let symbol_index = tables.symbols.find_or_insert(span.text(source).into(), span, source);
        let symbol = tables.symbols.symbol_mut(symbol_index);
        if let Some(first) = symbol.definition {
            names.failed[index] = true;
            let other = ast.definition(first).name.unwrap_or_default();
            diagnostics.push(duplicate_definition_diagnostic(span, other, source));
        } else {
            symbol.definition = Some(index as u32);
        }
    }
}

impl ResolvedNames {
    fn reset(&mut self, ast: &Ast) {
        let Self {
            targets,
            uses,
            failed,
            first_aggregate,
            common_relation_and_reader: settled,
            conflicting,
            unknown_names,
            searches,
            keys,
            holds_range,
            cells,
            cell_ranges,
            tab_ranges,
        } = self;
        targets.clear();
        targets.resize(ast.len(), NameTarget::None);
        uses.clear();
        failed.clear();
        *first_aggregate = None;
        *settled = None;
        conflicting.clear();
        unknown_names.clear();
        searches.clear();
        keys.clear();
        holds_range.clear();
        cells.clear();
        cell_ranges.clear();
        tab_ranges.clear();
    }
}

/// Returns the grouping key of a `group_by` entry.
fn find_grouping_key(ast: &Ast, body: ExprId, targets: &Arena<NameTarget>, source: &str) -> Option<GroupingKey> {
    match (ast.expr(body), targets[body.index()]) {
        (Expr::Timeframe { base, frame }, _) => match targets[base.index()] {
            target @ (NameTarget::Column(_) | NameTarget::Definition(_)) => {
                Some(GroupingKey::Timeframe(target, ast.name(frame)))
            }
            _ => None,
        },
        (expr, target @ (NameTarget::Column(_) | NameTarget::Definition(_))) => {
            let frame = matches!(expr, Expr::Model)
                .then(|| reference(source, ast.span(body)).timeframe)
                .flatten();
            match (frame, target) {
                (Some(frame), _) => Some(GroupingKey::Timeframe(target, frame)),
                (None, NameTarget::Definition(definition)) => Some(GroupingKey::Definition(definition)),
                (None, NameTarget::Column(column)) => Some(GroupingKey::Column(column)),
                _ => None,
            }
        }
        _ => None,
    }
}

impl Resolver<'_> {
    /// Resolves the names of a definition. Returns whether the definition uses the dates in the sort keys.
    fn resolve_definition(&mut self, index: usize, definition: &Definition, names: &mut ResolvedNames) -> bool {
        let (ast, source, scope) = (self.ast, self.source, self.scope);
        self.current = index as u32;
        let mut reads_calendar = false;
        let role = scope.role(definition.part);
        let own_name = definition.name.map(|n| n.text(source));
        let may_aggregate =
            scope.name_of_context_without_aggregates(role).is_none() && scope.context != Context::Worksheet;
        let first_index = definition.first.index();
        let targets = names.targets.as_mut_slice().get_mut(first_index..).unwrap_or_default();
        let is_name = |expr: &Expr| {
            matches!(
                expr,
                Expr::Name | Expr::Field | Expr::Model | Expr::Cell | Expr::Call(_)
            )
        };
        let nodes = ast.nodes_of(definition).iter().enumerate();
        for (offset, (expr, span)) in nodes.filter(|(_, (expr, _))| is_name(expr)) {
            let Some(slot) = targets.get_mut(offset) else { break };
            let id = ExprId((first_index + offset) as u32);
            let target = match *expr {
                _ if matches!(
                    *slot,
                    NameTarget::Error | NameTarget::PartOfCells | NameTarget::LetName | NameTarget::LetValue(_)
                ) =>
                {
                    continue;
                }
                Expr::Name => self.resolve_name(id, *span, own_name, role, definition),
                Expr::Field | Expr::Model => self.resolve_field(id, own_name, role, definition),
                Expr::Cell => match self.resolve_cell(id, own_name) {
                    Some(target) => target,
                    None => continue,
                },
                Expr::Call(call) => {
                    let call = ast.call(call);
                    let target = self.resolve_function(call, *span);
                    if let NameTarget::Function(function) = target {
                        reads_calendar |= ranges::calendar::may_use_sort_key_dates(catalog::get(function), call.count);
                    }
                    let counts = may_aggregate && !ast.ranges && names.first_aggregate.is_none();
                    if let (NameTarget::Function(function), true) = (target, counts) {
                        let function = catalog::get(function);
                        let across = function.is_row_combination(call.count as usize);
                        let aggregates = function.level == Level::Aggregate && !across;
                        names.first_aggregate = aggregates.then_some(self.current);
                    }
                    target
                }
                _ => continue,
            };
            match target {
                NameTarget::Definition(definition_index) => names.uses.push((index as u32, definition_index)),
                NameTarget::Cell(cell) => match self.cells[cell as usize].of {
                    NameTarget::Definition(definition_index) => names.uses.push((index as u32, definition_index)),
                    NameTarget::Error => names.failed[index] = true,
                    _ => {}
                },
                NameTarget::Error => names.failed[index] = true,
                _ => {}
            }
            *slot = target;
        }
        if role == DefinitionRole::GroupBy {
            let key = find_grouping_key(ast, definition.body, &names.targets, source);
            if let Some(GroupingKey::Column(column)) = key {
                self.key_columns.push(column);
            }
            names.keys.extend(key);
        }
        reads_calendar
    }

    #[inline]
    fn resolve_name(
        &mut self,
        id: ExprId,
        span: Span,
        definition_name: Option<&str>,
        role: DefinitionRole,
        definition: &Definition,
    ) -> NameTarget {
        if self.scope.sheet.is_some()
            && let Some(cell) = self.resolve_cell(id, definition_name)
        {
            return cell;
        }
        if let Some(column) = self.resolve_join_condition_name(id, span, role, definition) {
            return NameTarget::Column(column);
        }
        self.resolve_name_at(span, definition_name, role).unwrap_or_else(|| {
            let is_own = is_own_name(definition_name, span.text(self.source));
            self.report_missing_name(id, span, is_own, definition)
        })
    }

    /// Resolves a name. Returns `None` if the name is unknown.
    #[inline(always)]
    fn resolve_name_at(&mut self, span: Span, own_name: Option<&str>, role: DefinitionRole) -> Option<NameTarget> {
        let name = HashedName::from(span.text(self.source));
        let index = self.tables.symbols.find_or_insert(name, span, self.source);
        let symbol = *self.tables.symbols.symbol_mut(index);
        match symbol {
            Symbol {
                definition: None,
                column: ColumnLookup::Column(column),
                ..
            } if !self.has_case_variants && !self.is_ambiguous_in_sql(column, name.name, own_name) => {
                Some(self.resolve_in_one_relation(column, span))
            }
            _ => self.resolve_symbol(name, (index, symbol), span, own_name, role),
        }
    }

    /// Resolves a name that occurs for the first time, or that may refer to something other than a column.
    #[inline(never)]
    fn resolve_symbol(
        &mut self,
        name: HashedName<'_>,
        (index, symbol): (usize, Symbol),
        span: Span,
        definition_name: Option<&str>,
        role: DefinitionRole,
    ) -> Option<NameTarget> {
        let text = name.name;
        if let (Some(definition), lookup) = (symbol.definition, symbol.column)
            && !is_own_name(definition_name, text)
        {
            // In conditions on input rows, a column of the input takes precedence over a definition.
            let column_first = role.resolves_input_columns_first()
                && (matches!(lookup, ColumnLookup::Column(_)) || self.find_column(name).is_some());
            if !column_first {
                return Some(NameTarget::Definition(definition));
            }
        }
        let mut lookup = if self.has_case_variants {
            ColumnLookup::NotLookedUp
        } else {
            symbol.column
        };
        if lookup == ColumnLookup::NotLookedUp {
            // Without a schema, only `group_by` specifies to which relation a key belongs.
            if let Some(key) = self.grouping_key_named(text, role)
                && self.find_column(name).is_none()
            {
                return Some(NameTarget::Column(key));
            }
            lookup = self.resolve_column(name);
            self.tables.symbols.symbol_mut(index).column = lookup;
        }
        match lookup {
            ColumnLookup::Column(column) if self.is_ambiguous_in_sql(column, text, definition_name) => {
                Some(self.report_ambiguous_column(text, span))
            }
            ColumnLookup::Column(column) => {
                self.record_unqualified_name(column, span);
                Some(self.resolve_in_one_relation(column, span))
            }
            ColumnLookup::Ambiguous => Some(match self.grouping_key_named(text, role) {
                Some(column) => NameTarget::Column(column),
                None => self.report_ambiguous(text, span),
            }),
            ColumnLookup::Missing | ColumnLookup::NotLookedUp => None,
        }
    }

    /// Returns the grouping column with the given name, if the role applies to groups.
    #[inline]
    fn grouping_key_named(&self, text: &str, role: DefinitionRole) -> Option<u32> {
        if self.key_columns.is_empty() || (role != DefinitionRole::Having && !role.sorts_or_partitions_groups()) {
            return None;
        }
        let is = |column: &u32| self.columns[*column as usize].output_name().eq_ignore_ascii_case(text);
        self.key_columns.iter().copied().find(is)
    }

    fn resolve_field(
        &mut self,
        id: ExprId,
        definition_name: Option<&str>,
        role: DefinitionRole,
        definition: &Definition,
    ) -> NameTarget {
        let span = self.ast.span(id);
        let parts = reference(self.source, span);
        if let Some(target) = self.report_quotes_in_reference(span, parts.field) {
            return target;
        }
        if let (Some(total), Some(_)) = (parts.total, self.scope.sheet) {
            return self.resolve_qualified_total(parts.field, total, span);
        }
        if let Some(total) = parts.total {
            self.diagnostics.push(
                Diagnostic::new(
                    Code::NeedsWorksheet,
                    total,
                    format!("totals such as `:{}` need a worksheet", total.text(self.source)),
                )
                .with_help("compute the total in an earlier step"),
            );
            return NameTarget::Error;
        }
        let Some(view) = parts.view else {
            let text = parts.field.text(self.source);
            // A name in `${…}` is never a cell and may contain spaces.
            let may_be_unlisted = self.scope.open && self.scope.relations.is_empty();
            let is_new =
                self.find_column(text.into()).is_none() && self.tables.symbols.find(text.into(), self.source).is_none();
            if may_be_unlisted && is_new {
                return NameTarget::Column(self.record_unlisted_column_use(None, text));
            }
            return match self.resolve_name_at(parts.field, definition_name, role) {
                Some(target) => target,
                None if may_be_unlisted => NameTarget::Column(self.record_unlisted_column_use(None, text)),
                None => {
                    let is_own = is_own_name(definition_name, text);
                    self.report_missing_name(id, parts.field, is_own, definition)
                }
            };
        };
        let (view_text, text) = (view.text(self.source), parts.field.text(self.source));
        let Some(relation) = self
            .scope
            .relations
            .iter()
            .position(|r| r.name().eq_ignore_ascii_case(view_text))
        else {
            if self.scope.open && self.scope.relations.is_empty() {
                return NameTarget::Column(self.record_unlisted_column_use(Some(view_text), text));
            }
            if let Some(target) = self.resolve_struct_field(view, parts.field) {
                return target;
            }
            return self.report_unknown_relation(view, text);
        };
        match self.scope.relation(relation).position(text) {
            Some(position) => {
                let column = self.record_column_use(relation, position);
                self.resolve_in_one_relation(column, span)
            }
            None if self.scope.relation(relation).is_open() => {
                let scope = self.scope;
                NameTarget::Column(self.record_unlisted_column_use(Some(scope.relation(relation).name()), text))
            }
            None => {
                let scope = self.scope;
                let relation = scope.relation(relation);
                if self.is_first_word_of_column(relation, parts.field) {
                    return NameTarget::Error;
                }
                let similar_name_help = |near: &str| match name_needs_quotes(near) {
                    true => suggest::similar_formula_name_help(&format!("{}.{near}", relation.name())),
                    false => suggest::similar_name_help(near),
                };
                let help = || describe_columns(relation);
                let diagnostic = missing_column_diagnostic_with(relation, text, parts.field, similar_name_help, help);
                if !diagnostic.is_error() {
                    return NameTarget::Column(self.record_possible_column_use(relation, text, parts.field));
                }
                self.diagnostics.push(diagnostic);
                NameTarget::Error
            }
        }
    }

    /// Reports `${orders."Net Revenue"}`, in which names have quotes as in SQL. A column may have quotes in its name.
    fn report_quotes_in_reference(&mut self, span: Span, field: Span) -> Option<NameTarget> {
        let (text, field) = (span.text(self.source), field.text(self.source));
        let has_quotes = text.contains('"')
            && self.tables.symbols.find(field.into(), self.source).is_none()
            && self.scope.relations.iter().all(|r| r.position(field).is_none());
        has_quotes.then(|| {
            let plain = text.replace('"', "");
            let message = format!("names in `{text}` have quotes, which are not part of the names");
            let diagnostic = Diagnostic::new(Code::UnknownName, span, message);
            self.diagnostics
                .push(diagnostic.with_help(format!("write `{plain}`")).with_fix(span, plain));
            NameTarget::Error
        })
    }

    #[cold]
    fn report_unknown_relation(&mut self, view: Span, field: &str) -> NameTarget {
        let view_text = view.text(self.source);
        let mut relation_names: Vec<&str> = self.scope.relations.iter().map(Relation::name).collect();
        relation_names.dedup();
        let help = match self.nearest_name(view_text, relation_names.iter().copied().take(MAX_CANDIDATES)) {
            Some(near) => suggest::similar_name_help(near),
            None if self.scope.relations.iter().any(|r| r.position(view_text).is_some()) => {
                let frame = field.to_ascii_lowercase();
                let column = quote_formula_name(view_text);
                format!("write the timeframe of the column `{view_text}` as `{column}[{frame}]`")
            }
            None => self.help_for_unknown_relation(view_text, field, &relation_names),
        };
        let message = format!("there is no relation `{view_text}` here");
        self.diagnostics
            .push(Diagnostic::new(Code::UnknownRelation, view, message).with_help(help));
        NameTarget::Error
    }

    fn resolve_function(&mut self, call: Call, whole: Span) -> NameTarget {
        let text = call.name.text(self.source);
        if let Some(function) = catalog::find(text) {
            let is_lookup = catalog::get(function).lower.is_some_and(Lowering::looks_up_rows);
            return match is_lookup && self.scope.sheet.is_none() {
                true => self.report_lookup_outside_worksheet(catalog::get(function).name, whole),
                false => NameTarget::Function(function),
            };
        }
        self.report_unknown_function(text, call, whole)
    }
}

/// Returns whether a name is the name of the definition that uses it.
pub(in crate::check) fn is_own_name(own_name: Option<&str>, text: &str) -> bool {
    own_name.is_some_and(|own_name| own_name.eq_ignore_ascii_case(text))
}

/// Reports a name that is defined twice.
pub(in crate::check) fn duplicate_definition_diagnostic(name: Span, first: Span, source: &str) -> Diagnostic {
    let text = name.text(source);
    Diagnostic::new(Code::DuplicateDefinition, name, format!("`{text}` is defined twice"))
        .with_secondary_label(first, "first defined here")
        .with_help("rename one of the definitions; names that differ only in case are treated as the same name")
}

/// Returns the value of a text literal in the syntax tree. `None` for other nodes.
pub(in crate::check) fn text_value<'s>(ast: &Ast, source: &'s str, id: ExprId) -> Option<Cow<'s, str>> {
    matches!(ast.expr(id), Expr::Text).then(|| unquote(ast.span(id).text(source)))
}
