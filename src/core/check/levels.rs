//! Evaluation levels: combines the levels of operands, and checks which levels are allowed in each role.

use crate::ast::Expr;
use crate::catalog;
use crate::check::DefinitionRole;
use crate::check::lower::Lowerer;
use crate::check::names::NameTarget;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta, PoolRange};
use crate::span::Span;
use crate::{Level, Type};

impl Lowerer<'_> {
    /// Combines the metadata of operands, including their level. Reports operands that mix a value per row with a
    /// value per group.
    pub(super) fn combine_meta(&mut self, args: PoolRange, span: Span, ty: Type, nullable: bool) -> Option<NodeMeta> {
        let mut meta = NodeMeta {
            nullable,
            ..NodeMeta::constant(ty, span)
        };
        for id in self.program.args(args) {
            meta.merge_operand_properties(&self.program.entry(*id).1);
        }
        if self.has_mixed_levels(&meta) {
            self.report_mixed_levels(args);
            return None;
        }
        Some(meta)
    }

    /// Returns whether a value combines values per row with values per group.
    #[inline]
    pub(super) fn has_mixed_levels(&self, meta: &NodeMeta) -> bool {
        meta.level >= Level::Aggregate && self.grouped && !meta.reads_only_keys
    }

    #[cold]
    pub(super) fn report_mixed_levels(&mut self, args: PoolRange) {
        let args = &self.program.args(args).to_vec();
        let find = |aggregate: bool| {
            args.iter().map(|a| (*a, self.program.meta(*a))).find(|(_, m)| {
                if aggregate {
                    m.level >= Level::Aggregate
                } else {
                    m.level == Level::Row && !m.reads_only_keys
                }
            })
        };
        let (Some((group_id, group)), row) = (find(true), find(false)) else {
            return;
        };
        // The error has already been reported if a single operand contains both kinds of values.
        let Some((_, row)) = row else { return };
        let row_span = self.find_first_row_level_column(args).unwrap_or(row.span);
        let (group_text, row_text) = (self.source_text(group.span), self.source_text(row_span));
        let noun = if group.level == Level::Window {
            "window"
        } else {
            "aggregate"
        };
        let aggregate = group_text.split('(').next().unwrap_or_default().trim().to_owned();
        let is_call = group_text.contains('(') && aggregate.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let excerpt = if is_call { &aggregate } else { &group_text };
        // In a share such as `revenue / SUM(revenue)`, the author probably means the sum over all rows.
        let is_of_column = is_call && group_text.eq_ignore_ascii_case(&format!("{aggregate}({row_text})"));
        let range = format!("{aggregate}({row_text}:{row_text})");
        let of_all_rows = match is_of_column {
            true if self.is_in_aggregate(group.span.to(row_span)) => {
                format!(
                    "for the result over all rows, define `{range}` in an earlier step with `keep: all`; otherwise, "
                )
            }
            true => format!("for the result over all rows, write `{range}`; otherwise, "),
            false => String::new(),
        };
        let hidden = self.help_with_column_hidden_in(group_id);
        let hidden = hidden.map(|help| format!("{help}; otherwise, ")).unwrap_or_default();
        let wrap = if row.ty.is_number() {
            format!("`SUM({row_text})`")
        } else {
            format!("`COUNT(DISTINCT({row_text}))`")
        };
        self.report(
            Diagnostic::new(
                Code::MixedLevels,
                row_span,
                format!("{noun} `{excerpt}` cannot be mixed with row-level column `{row_text}`"),
            )
            .with_label("one value per row")
            .with_secondary_label(group.span, "one value per group")
            .with_help(format!(
                "{hidden}{of_all_rows}aggregate `{row_text}`, as in {wrap}, or add it to `group_by`"
            )),
        );
    }

    /// Returns whether a part of the formula is inside a call to an aggregate.
    fn is_in_aggregate(&self, part: Span) -> bool {
        // The limit keeps checks fast if a long definition contains many errors.
        const MAX_NODES: usize = 10_000;
        let definitions = &self.ast.definitions;
        let index = definitions.partition_point(|definition| definition.span.start <= part.start);
        let Some(definition) = index.checked_sub(1).and_then(|index| definitions.get(index)) else {
            return false;
        };
        self.ast
            .nodes_of(definition)
            .iter()
            .take(MAX_NODES)
            .any(|(expr, span)| {
                let Expr::Call(call) = *expr else {
                    return false;
                };
                let call = self.ast.call(call);
                let function = catalog::find(self.source_text(call.name).trim()).map(catalog::get);
                span.start < part.start
                    && part.end < span.end
                    && function
                        .is_some_and(|f| f.level == Level::Aggregate && !f.is_row_combination(call.count as usize))
            })
    }

    /// Finds the first column in the operands and their subexpressions that is not a grouping key.
    fn find_first_row_level_column(&self, args: &[IrId]) -> Option<Span> {
        let mut stack: Vec<IrId> = args.iter().rev().copied().collect();
        let mut steps = 0;
        while let Some(id) = stack.pop() {
            let meta = self.program.meta(id);
            steps += 1;
            if steps > 10_000 {
                return None;
            }
            if meta.level == Level::Row && !meta.reads_only_keys {
                match self.program.node(id) {
                    Ir::Column(_) | Ir::Definition(_) => return Some(meta.span),
                    _ => stack.extend(self.program.operands(id).rev()),
                }
            }
        }
        None
    }

    /// Returns `true` if an aggregate or window function is not allowed in the current role or context, which is
    /// evaluated before groups or windows. Reports the error once per definition.
    pub(super) fn is_level_forbidden(&mut self, level: Level, span: Span) -> bool {
        match (
            level,
            self.role.name_of_role_without_windows(),
            self.scope.name_of_context_without_aggregates(self.role),
        ) {
            (Level::Window, Some(_), _) if !self.may_sort_by_windows() => self.report_forbidden_window(span),
            (Level::Aggregate, _, Some(_)) => self.report_forbidden_aggregate(span),
            _ => return false,
        }
        true
    }

    /// Returns whether the formula is a sort key of a query, which sorts its rows after it computes windows. The rows
    /// of a worksheet must have an order before its cells are computed.
    fn may_sort_by_windows(&self) -> bool {
        self.role == DefinitionRole::OrderBy && self.scope.strata && self.scope.sheet.is_none()
    }

    #[cold]
    fn report_forbidden_aggregate(&mut self, span: Span) {
        self.failed = true;
        let Some(context) = self.no_aggregates.take() else {
            return;
        };
        let help = match self.role {
            DefinitionRole::Where if self.is_in_window_call(span) => {
                "define the value in this step, and use it in `where` of the next step"
            }
            DefinitionRole::Where => "move the condition to `having`, which filters groups",
            DefinitionRole::GroupBy => "compute the aggregate in an earlier step, then group by it",
            DefinitionRole::Rule | DefinitionRole::Check => {
                "define the value as a column of the model, and use that column here"
            }
            DefinitionRole::On(_) => "aggregate in an earlier step, and join that step",
            _ => "compile the formula as a measure, or use the column without the aggregate",
        };
        let text = self.source_text(span);
        self.report(
            Diagnostic::new(
                Code::AggregateNotAllowed,
                span,
                format!("aggregate `{text}` is not allowed in {context}"),
            )
            .with_help(help),
        );
    }

    /// Returns whether a part of the source is an argument of a window function.
    fn is_in_window_call(&self, part: Span) -> bool {
        self.ast.ids().any(|id| {
            let span = self.ast.span(id);
            let is_window = |function| catalog::get(function).level == Level::Window;
            matches!(self.names.targets[id.index()], NameTarget::Function(function) if is_window(function))
                && span.start < part.start
                && part.end < span.end
        })
    }

    #[cold]
    fn report_forbidden_window(&mut self, span: Span) {
        self.failed = true;
        let Some(context) = self.no_windows.take() else { return };
        let text = self.source_text(span);
        let diagnostic = if self.role == DefinitionRole::OrderBy {
            let message = format!("`{text}` reads other rows, so it cannot be used in `order_by` of the same step");
            Diagnostic::new(Code::WindowNotAllowed, span, message)
                .with_help("define the value in this step, and order by it in the next step")
        } else if self.role == DefinitionRole::Rule {
            let message = format!("`{text}` reads other rows, so it is not allowed in {context}");
            Diagnostic::new(Code::WindowNotAllowed, span, message)
                .with_help("define the value as a column of the model, and use that column here")
        } else if let DefinitionRole::On(_) = self.role {
            let message = format!("`{text}` reads other rows, so it is not allowed in {context}");
            Diagnostic::new(Code::WindowNotAllowed, span, message)
                .with_help("define the value in an earlier step, and join that step")
        } else {
            let message = format!("`{text}` reads other rows, so it cannot be used in {context} of the same step");
            Diagnostic::new(Code::WindowNotAllowed, span, message)
                .with_help("define the value in this step, and use it to filter or group in the next step")
        };
        self.report(diagnostic);
    }

    /// Checks whether the level of a whole formula is allowed in its role, and converts filters to conditions.
    pub(super) fn check_root_level(&mut self, root: IrId) -> IrId {
        let meta = self.program.meta(root);
        match self.program.node(root) {
            _ if self.is_marker(root) => return self.report_misplaced_marker(root, meta.span),
            Ir::Error => return root,
            _ => {}
        }
        // A sort key must be a name or a value per row, because sort keys refer to the final SELECT of a query.
        let is_name = matches!(self.program.node(root), Ir::Definition(_) | Ir::Column(_));
        if self.role == DefinitionRole::OrderBy && meta.level >= Level::Aggregate && !is_name {
            let text = self.source_text(meta.span);
            self.report(
                Diagnostic::new(
                    Code::AggregateNotAllowed,
                    meta.span,
                    format!("`order_by` accepts names of columns and definitions, found `{text}`"),
                )
                .with_help(match text.strip_prefix('-').map(str::trim_start) {
                    Some(name) if name.starts_with("${") || crate::lex::is_name(name) => format!("write `{name} desc`"),
                    _ => format!(
                        "define the expression, for example as `sort_key = {text}`, and use that name in `order_by`"
                    ),
                }),
            );
            return self.add_error(meta.span);
        }
        // Without a spec, the grouping keys may be incomplete.
        let sorts = self.grouped && self.scope.strata;
        if meta.level == Level::Row
            && !meta.reads_only_keys
            && (self.role == DefinitionRole::Having || (sorts && self.role.sorts_or_partitions_groups()))
        {
            let (does, help) = match self.role {
                DefinitionRole::Having => ("`having` filters", "move the condition to `where`, which filters rows"),
                DefinitionRole::PartitionBy => {
                    ("`partition_by` divides", "aggregate the value, or add it to `group_by`")
                }
                _ => ("`order_by` sorts", "aggregate the value, or add it to `group_by`"),
            };
            let text = self.source_text(meta.span);
            self.report(
                Diagnostic::new(
                    Code::MixedLevels,
                    meta.span,
                    format!("{does} groups, but `{text}` has one value per row"),
                )
                .with_label("one value per row")
                .with_help(help),
            );
            return self.add_error(meta.span);
        }
        if matches!(
            self.role,
            DefinitionRole::Where
                | DefinitionRole::On(_)
                | DefinitionRole::Having
                | DefinitionRole::Rule
                | DefinitionRole::Check
        ) {
            return self.convert_to_condition(root);
        }
        self.convert_decimal_literal_to_float(root);
        root
    }
}
