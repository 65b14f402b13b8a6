//! Totals of a worksheet: the measure computed again, of the rows that the step before groups, by fewer keys.

use super::compile::Run;
use super::formulas::Formulas;
use super::load::{Keep, Step};
use super::worksheet::pivot_keys;
use crate::check::{Total, TotalKind, TotalUse, totals_in};
use crate::diag::{Code, Diagnostic};
use crate::dialect::op::Op;
use crate::memory::Memory;
use crate::parse;
use crate::plan::{StepInput, key_name};
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::sql::{Cte, Item, Join, JoinKind, Select, Source, Sql, Tree};

/// What a step was computed from, for computing it again.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadBefore {
    pub index: usize,
    pub name: String,
    pub relation: Option<Relation>,
    pub grain: Vec<String>,
}

/// The sheet's input with its totals.
#[derive(Debug)]
pub(super) struct WithTotals {
    pub name: String,
    pub relation: Option<Relation>,
    pub totals: Vec<Total>,
}

impl Run<'_> {
    /// The input of a worksheet with the totals that it names; what stands in the way is reported.
    pub(super) fn with_totals(
        &mut self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        before: Option<&ReadBefore>,
        memory: &mut Memory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<WithTotals> {
        let used = self.totals_of(step, memory);
        if used.is_empty() {
            return None;
        }
        let report = |diagnostics: &mut Vec<Diagnostic>, span: Span, message: String, help: &str| {
            diagnostics.push(Diagnostic::new(Code::TotalOfNothing, span, message).with_help(help));
        };
        let pivot = pivot_keys(step);
        let first = used.first().map_or(Span::default(), |total| total.span);
        let grouped = before.and_then(|before| Some((before, self.spec.steps.get(before.index)?)));
        let Some((before, prior)) = grouped.filter(|(_, prior)| !prior.group_by.is_empty() && prior.sheet.is_none())
        else {
            let help = "group in a step of this spec before the sheet, `group_by: month` with `definitions: revenue = SUM(amount)`";
            let message = "a total is the measure computed again, and the sheet does not read a step that groups";
            report(diagnostics, first, message.to_owned(), help);
            return None;
        };
        if prior.having.is_some() || prior.limit.is_some() {
            let message = "a total would be of groups too that `having` or `limit` leaves out of the sheet";
            report(
                diagnostics,
                first,
                message.to_owned(),
                "filter the sheet in a step behind it, or rows with `where`",
            );
            return None;
        }
        let mut failed = false;
        for total in &used {
            let Some(kind) = total.kind else {
                failed = true;
                report(
                    diagnostics,
                    total.span,
                    "there is no such total".to_owned(),
                    "write `column_total`, `row_total` or `grand_total`",
                );
                continue;
            };
            let is_key = prior.group_by.iter().any(|key| key_name(key.text).eq_ignore_ascii_case(&total.measure));
            let is_there = input.relation.is_none_or(|relation| relation.column(&total.measure).is_some());
            if is_key || !is_there {
                failed = true;
                let message = format!("`{}` is no measure of the step before, so it has no total", total.measure);
                report(
                    diagnostics,
                    total.span,
                    message,
                    "name a definition that aggregates there; of a calculation write `SUM(C:C)`",
                );
            } else if kind == TotalKind::Row && pivot.is_empty() {
                failed = true;
                let message = "a row has a total over the columns of a pivot, and the sheet has none".to_owned();
                report(diagnostics, total.span, message, "add `pivot_by:`, or write `column_total`");
            }
        }
        if matches!(step.keep, Keep::All) {
            failed = true;
            report(
                diagnostics,
                first,
                "a sheet with totals lists its columns".to_owned(),
                "write them, `columns: [month, revenue]`",
            );
        }
        if failed {
            return None;
        }
        let dialect = self.compiler.options.dialect;
        let mut totals: Vec<Total> = Vec::new();
        let mut relation = input.relation.cloned();
        let mut joins: Vec<Join> = Vec::new();
        let mut items: Vec<Item> = Vec::new();
        let sheet = dialect.name_text(input.name, true);
        for kind in TotalKind::ALL {
            let mut measures: Vec<String> = Vec::new();
            for total in used.iter().filter(|total| total.kind == Some(kind)) {
                if !measures.iter().any(|m| m.eq_ignore_ascii_case(&total.measure)) {
                    measures.push(total.measure.clone());
                }
            }
            if measures.is_empty() {
                continue;
            }
            let by_key = |name: &str| pivot.iter().any(|key| key.eq_ignore_ascii_case(name));
            let mut again = prior.clone();
            again.group_by.retain(|key| match kind {
                TotalKind::Grand => false,
                TotalKind::Column => by_key(&key_name(key.text)),
                TotalKind::Row => !by_key(&key_name(key.text)),
            });
            again.name = None;
            again.order_by.clear();
            again.partition_by = None;
            let keys: Vec<String> = again.group_by.iter().map(|key| key_name(key.text)).collect();
            let of = StepInput {
                name: &before.name,
                first: before.index == 0,
                relation: before.relation.as_ref(),
                grain: &before.grain,
                joined: None,
                joined_grain: &[],
                tabs: &[],
            };
            let mut unsaid = Vec::new();
            let joined = match again.joins.as_slice() {
                [] => None,
                _ => Some(self.joined(&again, before.index, &of, &mut unsaid)),
            };
            let of = StepInput { joined: joined.as_ref().map(|joined| &joined.input), ..of };
            self.only = Some(measures.clone());
            let output = self.step(&again, &of, joined.as_ref(), false, memory, &mut unsaid);
            self.only = None;
            let Some(output) = output else {
                let fault = unsaid.iter().find(|d| d.is_error());
                let mut diagnostic = Diagnostic::new(
                    Code::TotalOfNothing,
                    first,
                    format!("`{}` cannot be computed by fewer keys than the step before has", measures.join("`, `")),
                )
                .with_help("let the measure be made of aggregates only, without the keys that its total leaves out");
                if let Some(fault) = fault {
                    diagnostic = diagnostic.with_other(fault.span(), fault.message().to_owned());
                }
                diagnostics.push(diagnostic);
                return None;
            };
            self.ctes.extend(output.ctes);
            let wanted = match (kind, keys.as_slice()) {
                (_, []) => format!("{}_in_total", input.name),
                (_, keys) => format!("{}_by_{}", input.name, keys.join("_and_")),
            };
            let cte = dialect.name_text(&self.names.choose(&wanted), true);
            let tree = &mut memory.emit.tree;
            let mut on = None;
            for key in &keys {
                let known = input.relation.and_then(|relation| relation.column(key));
                let name =
                    known.map_or_else(|| dialect.name_text(key, true), |c| dialect.name_text(c.name(), !c.is_quoted()));
                let (left, right) = (field(tree, &cte, &name), field(tree, &sheet, &name));
                let op = if known.is_none_or(Column::is_nullable) { Op::NotDistinct } else { Op::Equal };
                let same = tree.binary(op, left, right, Span::default());
                on = Some(match on {
                    Some(on) => tree.binary(Op::And, on, same, Span::default()),
                    None => same,
                });
            }
            for measure in measures {
                let known = output.relation.column(&measure);
                let mut column = format!("{measure}_{}", kind.name());
                while relation.as_ref().is_some_and(|relation| relation.column(&column).is_some()) {
                    column.push_str("_of_sheet");
                }
                let name = known
                    .map_or_else(|| dialect.name_text(&measure, true), |c| dialect.name_text(c.name(), !c.is_quoted()));
                items.push(Item { expr: field(tree, &cte, &name), alias: Some(dialect.name_text(&column, true)) });
                if let Some(relation) = &mut relation {
                    let ty = known.map_or(crate::types::Type::Unknown, Column::ty);
                    let nullable = known.is_none_or(Column::is_nullable);
                    relation.push(Column::new(&column, ty).nullable(nullable).sized(known.map_or(0, Column::size)));
                }
                totals.push(Total { measure, kind, column });
            }
            let kind = if on.is_some() { JoinKind::Left } else { JoinKind::Cross };
            joins.push(Join { kind, source: Source::Name(cte.clone()), alias: None, on });
            self.ctes.push(Cte { name: cte, body: output.body });
        }
        let name = self.names.choose(&format!("{}_with_totals", input.name));
        let body = Select {
            star: true,
            star_of: Some(sheet.clone()),
            items,
            from: Some(Source::Name(sheet)),
            joins,
            ..Select::default()
        };
        self.ctes.push(Cte { name: dialect.name_text(&name, true), body });
        let relation = relation.map(|relation| relation.renamed(name.clone()));
        Some(WithTotals { name, relation, totals })
    }

    fn totals_of(&self, step: &Step<'_>, memory: &mut Memory) -> Vec<TotalUse> {
        let Some(sheet) = &step.sheet else { return Vec::new() };
        let formulas = Formulas::of(step, self.source);
        if !formulas.text.to_ascii_lowercase().contains("total") {
            return Vec::new();
        }
        let columns: Vec<String> = sheet.columns.iter().flatten().map(|column| key_name(column.text)).collect();
        let Memory { parse, ast, .. } = memory;
        let mut unsaid = Vec::new();
        parse::parse_parts(&formulas.text, &formulas.parts, &self.compiler.options.limits, parse, ast, &mut unsaid);
        let known = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        let used = totals_in(ast, &formulas.text, &columns);
        let used = used.into_iter().filter(|total| !known(total.span.text(&formulas.text)));
        used.map(|total| TotalUse { span: formulas.in_file(total.span), ..total }).collect()
    }
}

fn field(tree: &mut Tree, qualifier: &str, name: &str) -> crate::sql::SqlId {
    let qualifier = tree.text(Span::default(), |out| out.push_str(qualifier));
    let name = tree.text(Span::default(), |out| out.push_str(name));
    tree.add(Sql::Field { qualifier, name }, Span::default())
}
