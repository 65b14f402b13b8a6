//! Totals of a worksheet. A total is the measure of the previous step, computed again from that step's input rows but
//! grouped by fewer keys.

use super::column_sql::ColumnSql;
use super::compile::SpecCompilation;
use super::formulas::StepFormulas;
use super::load::{KeptColumns, SpannedText, Step};
use super::worksheet::pivot_keys;
use crate::Type;
use crate::check::{SheetTotal, SheetTotalKind, TotalUse, find_totals};
use crate::diag::{Code, Diagnostic};
use crate::dialect::op::Op;
use crate::emit::Emitter;
use crate::parse;
use crate::plan::{StepInput, key_name};
use crate::schema::{Column, Relation};
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::sql::{Cte, Item, Join, JoinKind, Select, SelectSource};

/// Saved input of a step, so that the step can be computed again.
#[derive(Clone, Debug, Default)]
pub(super) struct PreviousStepInput {
    pub index: usize,
    pub name: String,
    pub relation: Option<Relation>,
    pub grain: Vec<String>,
}

/// Input of a sheet, extended with totals.
#[derive(Debug)]
pub(super) struct StepWithTotals {
    pub name: String,
    pub relation: Option<Relation>,
    pub totals: Vec<SheetTotal>,
}

/// Columns that one kind of total adds to the sheet.
struct TotalColumns {
    join: Join,
    items: Vec<Item>,
    columns: Vec<(SheetTotal, Column)>,
}

impl SpecCompilation<'_> {
    /// Returns the input of a worksheet extended with the totals that its formulas use. Reports totals that cannot be
    /// computed.
    pub(super) fn with_totals(
        &mut self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        before: Option<&PreviousStepInput>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<StepWithTotals> {
        let used = self.find_totals(step, memory);
        let first = used.first()?.span;
        let grouped = before.and_then(|before| Some((before, self.spec.steps.get(before.index)?)));
        let Some((before, prior)) = grouped.filter(|(_, prior)| !prior.group_by.is_empty() && prior.sheet.is_none())
        else {
            let message = "a sheet can contain totals only if it reads a grouped step, because a total recomputes a \
                measure from its rows";
            let help = "group in a step before the sheet, for example with `group_by: month` and `definitions: revenue = \
                SUM(amount)`";
            diagnostics.push(total_diagnostic(first, message).with_help(help));
            return None;
        };
        let faults = total_faults(step, input, prior, &used);
        if !faults.is_empty() {
            diagnostics.extend(faults);
            return None;
        }
        let dialect = self.compiler.options.dialect;
        let mut totals: Vec<SheetTotal> = Vec::new();
        let mut relation = input.relation.cloned();
        let mut joins: Vec<Join> = Vec::new();
        let mut items: Vec<Item> = Vec::new();
        for kind in SheetTotalKind::ALL {
            let mut measures: Vec<String> = Vec::new();
            for total in used.iter().filter(|total| total.kind == Some(kind)) {
                if !measures.iter().any(|m| m.eq_ignore_ascii_case(&total.measure)) {
                    measures.push(total.measure.clone());
                }
            }
            if measures.is_empty() {
                continue;
            }
            match self.compute_totals(step, input, (before, prior), kind, measures, memory) {
                Ok(added) => {
                    joins.push(added.join);
                    items.extend(added.items);
                    for (total, column) in added.columns {
                        totals.push(total);
                        relation.iter_mut().for_each(|relation| relation.push(column.clone()));
                    }
                }
                Err(fault) => {
                    diagnostics.push(fault.into_diagnostic(first));
                    return None;
                }
            }
        }
        let sheet = dialect.name_text(input.name, true);
        let name = self.names.choose_name(&format!("{}_with_totals", input.name));
        let body = Select {
            star: true,
            star_of: Some(sheet.clone()),
            items,
            from: Some(SelectSource::Name(sheet)),
            joins,
            ..Select::default()
        };
        self.ctes.push(Cte {
            name: dialect.name_text(&name, true),
            body,
        });
        let relation = relation.map(|relation| relation.with_name(name.clone()));
        Some(StepWithTotals { name, relation, totals })
    }

    /// Adds a CTE that computes measures again, grouped by the keys that one kind of total needs. The input of the
    /// sheet joins this CTE.
    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    fn compute_totals(
        &mut self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        (before, prior): (&PreviousStepInput, &Step<'_>),
        kind: SheetTotalKind,
        measures: Vec<String>,
        memory: &mut CompileMemory,
    ) -> Result<TotalColumns, UngroupedTotal> {
        let pivot = pivot_keys(step);
        let by_key = |key: &SpannedText<'_>| pivot.iter().any(|of| of.eq_ignore_ascii_case(&key_name(key.text)));
        let mut again = prior.clone();
        again.group_by.retain(|key| match kind {
            SheetTotalKind::Grand => false,
            SheetTotalKind::Column => by_key(key),
            SheetTotalKind::Row => !by_key(key),
        });
        again.name = None;
        again.order_by.clear();
        again.partition_by = None;
        let keys: Vec<String> = again.group_by.iter().map(|key| key_name(key.text)).collect();
        let of = StepInput {
            name: &before.name,
            source: (before.index == 0).then_some(0),
            relation: before.relation.as_ref(),
            grain: &before.grain,
            joined: None,
            joined_grain: &[],
            tabs: &[],
        };
        let mut unsaid = Vec::new();
        let joined = match again.joins.as_slice() {
            [] => None,
            _ => Some(self.join_inputs(&again, before.index, &of, &mut unsaid)),
        };
        let of = StepInput {
            joined: joined.as_ref().map(|joined| &joined.input),
            ..of
        };
        self.only = Some(measures.clone());
        let output = self.compile_step(&again, &of, joined.as_ref(), false, memory, &mut unsaid);
        self.only = None;
        let Some(output) = output else {
            return Err(UngroupedTotal {
                measures,
                fault: unsaid.into_iter().find(Diagnostic::is_error),
            });
        };
        self.ctes.extend(output.ctes);
        let wanted = match (kind, keys.as_slice()) {
            (_, []) => format!("{}_in_total", input.name),
            (_, keys) => format!("{}_by_{}", input.name, keys.join("_and_")),
        };
        let dialect = self.compiler.options.dialect;
        let cte = dialect.name_text(&self.names.choose_name(&wanted), true);
        let sheet = dialect.name_text(input.name, true);
        let (here, there) = (
            ColumnSql {
                dialect,
                relation: input.relation,
            },
            ColumnSql {
                dialect,
                relation: Some(&output.relation),
            },
        );
        let limits = &self.compiler.options.limits;
        let mut emitter = Emitter::new(&memory.program, dialect, limits, &mut memory.emit);
        let same = keys.iter().map(|key| {
            let name = here.column(key);
            let (left, right) = (
                emitter.tree().add_field(&sheet, &name),
                emitter.tree().add_field(&cte, &name),
            );
            emitter.emit_key_comparison(left, right, here.is_nullable(key))
        });
        let same: Vec<_> = same.collect();
        let tree = emitter.tree();
        let on = same
            .into_iter()
            .reduce(|a, b| tree.add_binary(Op::And, a, b, Span::default()));
        let (mut items, mut columns) = (Vec::new(), Vec::new());
        for measure in measures {
            let mut name = format!("{measure}_{}", kind.name());
            while here.known_column(&name).is_some() {
                name.push_str("_of_sheet");
            }
            let alias = Some(dialect.name_text(&name, true));
            items.push(Item {
                expr: tree.add_field(&cte, &there.column(&measure)),
                alias,
            });
            let known = there.known_column(&measure);
            let column = Column::new(&name, known.map_or(Type::Unknown, Column::ty));
            let column = column
                .nullable(there.is_nullable(&measure))
                .with_size(known.map_or(0, Column::size));
            columns.push((
                SheetTotal {
                    measure,
                    kind,
                    column: name,
                },
                column,
            ));
        }
        let join_kind = if on.is_some() { JoinKind::Left } else { JoinKind::Cross };
        let join = Join {
            kind: join_kind,
            source: SelectSource::Name(cte.clone()),
            alias: None,
            on,
        };
        self.ctes.push(Cte {
            name: cte,
            body: output.body,
        });
        Ok(TotalColumns { join, items, columns })
    }

    fn find_totals(&self, step: &Step<'_>, memory: &mut CompileMemory) -> Vec<TotalUse> {
        let Some(sheet) = &step.sheet else { return Vec::new() };
        let formulas = StepFormulas::new(step, self.source);
        if !formulas.text.to_ascii_lowercase().contains("total") {
            return Vec::new();
        }
        let columns: Vec<String> = sheet
            .columns
            .iter()
            .flatten()
            .map(|column| key_name(column.text))
            .collect();
        let CompileMemory { parse, ast, .. } = memory;
        let mut unsaid = Vec::new();
        parse::parse_parts(
            &formulas.text,
            &formulas.parts,
            &self.compiler.options.limits,
            parse,
            ast,
            &mut unsaid,
        );
        let known = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        let used = find_totals(ast, &formulas.text, &columns);
        let used = used.into_iter().filter(|total| !known(total.span.text(&formulas.text)));
        used.map(|total| TotalUse {
            span: formulas.to_file_span(total.span),
            ..total
        })
        .collect()
    }
}

/// Measures that cannot be computed with fewer keys, and the error that the computation causes.
struct UngroupedTotal {
    measures: Vec<String>,
    fault: Option<Diagnostic>,
}

impl UngroupedTotal {
    fn into_diagnostic(self, span: Span) -> Diagnostic {
        let measures = self.measures.join("`, `");
        let message = format!("`{measures}` cannot be computed for fewer keys than the previous step has");
        let help = "compute the measure from aggregates only, without the keys that its total ignores";
        let diagnostic = total_diagnostic(span, message).with_help(help);
        match self.fault {
            Some(fault) => diagnostic.with_secondary_label(fault.span(), fault.message().to_owned()),
            None => diagnostic,
        }
    }
}

fn total_diagnostic(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::TotalOfNothing, span, message)
}

/// Returns the errors of a sheet with totals: invalid totals, and parts of the sheet or the previous step that are
/// incompatible with totals.
fn total_faults(step: &Step<'_>, input: &StepInput<'_>, prior: &Step<'_>, used: &[TotalUse]) -> Vec<Diagnostic> {
    let first = used.first().map_or(Span::default(), |total| total.span);
    if prior.having.is_some() || prior.limit.is_some() {
        let message = "a total would include groups that `having` or `limit` excludes from the sheet";
        let help = "filter the sheet in a later step, or filter rows with `where`";
        return vec![total_diagnostic(first, message).with_help(help)];
    }
    let has_pivot = !pivot_keys(step).is_empty();
    let fault = |total: &TotalUse| {
        let Some(kind) = total.kind else {
            let help = "write `column_total`, `row_total` or `grand_total`";
            return Some(total_diagnostic(total.span, "unknown total").with_help(help));
        };
        let is_key = prior
            .group_by
            .iter()
            .any(|key| key_name(key.text).eq_ignore_ascii_case(&total.measure));
        let is_there = input
            .relation
            .is_none_or(|relation| relation.column(&total.measure).is_some());
        if is_key || !is_there {
            let message = format!(
                "`{}` is not a measure of the previous step, so it has no total",
                total.measure
            );
            let help =
                "use a column that is an aggregate in the previous step, or write `SUM(C:C)` to sum a calculation";
            return Some(total_diagnostic(total.span, message).with_help(help));
        }
        (kind == SheetTotalKind::Row && !has_pivot).then(|| {
            let message = "a row total aggregates the columns of a pivot, but the sheet has no pivot";
            total_diagnostic(total.span, message).with_help("add `pivot_by`, or write `column_total`")
        })
    };
    let mut faults: Vec<Diagnostic> = used.iter().filter_map(fault).collect();
    if matches!(step.keep, KeptColumns::All) {
        let message = "a sheet with totals must list its columns";
        faults.push(
            total_diagnostic(first, message).with_help("list the columns, for example `columns: [month, revenue]`"),
        );
    }
    faults
}
