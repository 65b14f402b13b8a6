//! Other tabs of a worksheet. Each tab is a separate model. This module resolves references such as `'Targets'!A:B`.

use super::columns::column_letters;
use super::parse_cell;
use crate::arena::Arena;
use crate::ast::{Ast, Expr, ExprId};
use crate::check::names::{NameTarget, ResolvedNames, Resolver};
use crate::diag::{Code, Diagnostic, suggest};
use crate::schema::Column;
use crate::span::Span;
use formulac_syntax::diag::lists::join_names;
use formulac_syntax::text::format_count;

/// Another tab, identified by its name in formulas.
#[derive(Clone, Debug)]
pub struct Tab {
    pub name: String,
    /// Columns of the tab, in order: A, B, C and so on.
    pub columns: Vec<Column>,
    /// Whether the tab has a sort order.
    pub ordered: bool,
}

/// Range of entire, adjacent columns of a tab.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct TabRange {
    pub tab: u32,
    pub first: u32,
    pub last: u32,
}

/// Before name resolution, marks references that follow a tab name, so that they do not resolve to columns of the
/// sheet.
pub(in crate::check) fn mark_tabs(ast: &Ast, targets: &mut Arena<NameTarget>) {
    let mut mark = |id: ExprId| {
        if let Some(target) = targets.try_get_mut(id.index()) {
            *target = NameTarget::PartOfCells;
        }
    };
    for id in ast.ids() {
        match ast.expr(id) {
            Expr::Tab { base, .. } => {
                mark(base);
                ast.children(base).for_each(&mut mark);
            }
            Expr::Range { from, to } if is_tab_reference(ast, from) => mark(to),
            _ => {}
        }
    }
}

fn is_tab_reference(ast: &Ast, id: ExprId) -> bool {
    matches!(ast.expr(id), Expr::Tab { .. })
}

impl Resolver<'_> {
    /// Resolves references to columns of other tabs, after all other names are resolved.
    pub(in crate::check) fn resolve_tabs(&mut self, names: &mut ResolvedNames) {
        let ast = self.ast;
        for (index, definition) in ast.definitions.iter().enumerate() {
            for node_index in definition.first.index()..definition.body.index() + 1 {
                let id = ExprId(node_index as u32);
                let target = match ast.expr(id) {
                    // A reference at the right end of a range is part of that range.
                    Expr::Tab { .. } if names.targets[node_index] == NameTarget::PartOfCells => continue,
                    Expr::Tab { tab, base } => self.resolve_tab_range(tab, base, None, ast.span(id)),
                    Expr::Range { from, to } => {
                        let Expr::Tab { tab, base } = ast.expr(from) else {
                            continue;
                        };
                        // In the tree, the start of a range precedes the range, so the start was already resolved as a
                        // separate column. Replace this target.
                        names.targets[from.index()] = NameTarget::PartOfCells;
                        self.resolve_tab_range(tab, base, Some(to), ast.span(id))
                    }
                    _ => continue,
                };
                names.targets[node_index] = match target {
                    Some(range) => {
                        names.tab_ranges.push(range);
                        NameTarget::TabRange(names.tab_ranges.len() as u32 - 1)
                    }
                    None => {
                        names.failed[index] = true;
                        NameTarget::Error
                    }
                };
            }
        }
    }

    /// Resolves a single column or a range of columns in a tab. Reports invalid references.
    fn resolve_tab_range(&mut self, tab: u32, base: ExprId, to: Option<ExprId>, span: Span) -> Option<TabRange> {
        // `'Targets'!A:B` is a single reference.
        let (base, to) = match (self.ast.expr(base), to) {
            (Expr::Range { from, to }, None) => (from, Some(to)),
            _ => (base, to),
        };
        let to = match to.map(|to| self.ast.expr(to)) {
            Some(Expr::Tab { tab: other, base }) => {
                let [a, b] = [tab, other].map(|tab| self.ast.name(tab).text(self.source));
                if !a.eq_ignore_ascii_case(b) {
                    let message = format!("both ends of a range must be in the same tab, found `{a}` and `{b}`");
                    self.diagnostics.push(
                        Diagnostic::new(Code::NotWholeColumns, span, message)
                            .with_help(format!("write only one tab name: `{a}!A:B`")),
                    );
                    return None;
                }
                Some(base)
            }
            _ => to,
        };
        let index = self.resolve_tab_index(tab, base, span)?;
        let first = self.tab_column(index, base)?;
        let last = match to {
            Some(to) => self.tab_column(index, to)?,
            None => first,
        };
        Some(TabRange {
            tab: index as u32,
            first: first.min(last),
            last: first.max(last),
        })
    }

    /// Returns the index of the tab with the given name. Reports an unknown tab.
    fn resolve_tab_index(&mut self, tab: u32, base: ExprId, span: Span) -> Option<usize> {
        let name_span = *self.ast.names.get(tab as usize)?;
        let text = name_span.text(self.source).trim_end_matches('!').trim();
        let name = text.trim_matches('\'').replace("''", "'");
        let tabs = self.scope.sheet.map_or(&[][..], |sheet| sheet.tabs.as_slice());
        if let Some(index) = tabs.iter().position(|tab| tab.name.eq_ignore_ascii_case(&name)) {
            return Some(index);
        }
        if !self.scope.strata {
            let message = format!(
                "`{}` reads another tab, but a single expression cannot read other tabs",
                span.text(self.source)
            );
            self.diagnostics.push(
                Diagnostic::new(Code::NeedsQuery, span, message)
                    .with_help("write a spec with `tabs:` and compile it with `formulac query`, which joins the tab"),
            );
            return None;
        }
        let known_tabs: Vec<&str> = tabs.iter().map(|tab| tab.name.as_str()).collect();
        let help = match (
            suggest::nearest_name(&name, known_tabs.iter().copied()),
            known_tabs.as_slice(),
        ) {
            (Some(near), _) => suggest::similar_name_help(near),
            (None, []) => {
                let end = self.ast.span(base).text(self.source);
                format!(
                    "declare the tab with its model and the column `{end}`: `tabs: {{{name}: {{model: …, columns: […]}}}}`"
                )
            }
            (None, tab_names) => format!("use an existing tab: {}", join_names(tab_names, "and")),
        };
        let diagnostic = Diagnostic::new(Code::UnknownTab, name_span, format!("there is no tab `{name}`"));
        self.diagnostics.push(diagnostic.with_help(help));
        None
    }

    /// Returns the index of a tab's column by name or letter. Reports an unknown column.
    fn tab_column(&mut self, tab: usize, id: ExprId) -> Option<u32> {
        let tab = self.scope.sheet?.tabs.get(tab)?;
        let span = self.ast.span(id);
        let text = span.text(self.source);
        let bare = text
            .strip_prefix("${")
            .and_then(|t| t.strip_suffix('}'))
            .unwrap_or(text)
            .trim();
        let names: Vec<&str> = tab.columns.iter().map(Column::name).collect();
        let cell = matches!(self.ast.expr(id), Expr::Name | Expr::Cell)
            .then(|| parse_cell(text))
            .flatten();
        // As in spreadsheets, a column letter refers to a position, even if a column has the same name.
        if let Some(cell) = cell.filter(|cell| cell.row.is_none() && cell.column < names.len()) {
            return Some(cell.column as u32);
        }
        if let Some(index) = names.iter().position(|name| name.eq_ignore_ascii_case(bare)) {
            return Some(index as u32);
        }
        let (message, help) = match cell {
            Some(cell) if cell.row.is_some() => {
                let letter = column_letters(cell.column);
                (
                    format!("a lookup can read only complete columns of a tab, found `{text}`"),
                    format!(
                        "write the column letters without row numbers: `'{}'!{letter}:{letter}`",
                        tab.name
                    ),
                )
            }
            Some(cell) if names.is_empty() => (
                format!(
                    "there is no column `{}` in the tab `{}`, because the spec does not list the columns of the tab",
                    column_letters(cell.column),
                    tab.name
                ),
                format!("list the columns: `tabs: {{{}: {{columns: […]}}}}`", tab.name),
            ),
            Some(cell) => {
                let columns = format_count(names.len(), "column", "columns");
                (
                    format!(
                        "the tab `{}` has {columns}, so it has no column `{}`",
                        tab.name,
                        column_letters(cell.column)
                    ),
                    format!(
                        "the columns of the tab are, in order, {}",
                        join_names(names.get(..8).unwrap_or(&names), "and")
                    ),
                )
            }
            None => (
                format!("the tab `{}` has no column `{text}`", tab.name),
                match suggest::nearest_name(bare, names.iter().copied()) {
                    Some(near) => suggest::similar_name_help(near),
                    None if names.is_empty() => "list the tab's columns under `tabs`".to_owned(),
                    None => format!(
                        "the columns of the tab are, in order, {}",
                        join_names(names.get(..8).unwrap_or(&names), "and")
                    ),
                },
            ),
        };
        let code = match cell {
            Some(cell) if cell.row.is_some() => Code::NotWholeColumns,
            Some(_) => Code::NoSuchCell,
            None => Code::UnknownName,
        };
        self.diagnostics
            .push(Diagnostic::new(code, span, message).with_help(help));
        None
    }
}
