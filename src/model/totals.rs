//! Totals of a worksheet. A total is the measure of the previous step, computed again from that step's input rows but
//! grouped by fewer keys.

use super::column_sql::ColumnSql;
use super::compile::SpecCompilation;
use super::formulas::StepFormulas;
use super::load::{SpannedText, SpecKind, Step};
use super::metrics::AggregatingStep;
use super::total_faults::{
    total_error, total_faults, total_of_formula_error, ungrouped_input_error, ungrouped_total_error,
};
use super::worksheet::pivot_keys;
use crate::Type;
use crate::check::{SheetTotal, SheetTotalKind, TotalUse, find_totals};
use crate::diag::Diagnostic;
use crate::emit::Emitter;
use crate::plan::{StepInput, StepOutput, key_name, unused_name};
use crate::schema::{Column, Relation};
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::sql::{Cte, Item, Join, JoinKind, RowPlan, SelectList, SelectSource, SqlId, SqlTree, Star};

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
    /// Returns the input of a worksheet, extended with the totals that the worksheet's formulas use. Reports totals
    /// that cannot be computed.
    pub(super) fn with_totals(
        &mut self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<StepWithTotals> {
        let total_uses = self.find_totals(step, memory);
        let first = total_uses.first()?.span;
        let before = self.inputs.last().map(|before| before.index);
        let prior = before.and_then(|before| Some((before, self.spec.steps.get(before)?)));
        let Some((before, prior)) = prior.filter(|(_, prior)| prior.sheet.is_none()) else {
            diagnostics.push(ungrouped_input_error(first));
            return None;
        };
        let faults = total_faults(step, input, prior, &total_uses);
        if !faults.is_empty() {
            diagnostics.extend(faults);
            return None;
        }
        let measures = match self.measures_of_totals(&total_uses, (before, prior)) {
            Ok(measures) => measures,
            Err(faults) => {
                diagnostics.extend(faults);
                return None;
            }
        };
        let dialect = self.compiler.options.dialect;
        let mut totals: Vec<SheetTotal> = Vec::new();
        let mut relation = input.relation.cloned();
        let mut joins: Vec<Join> = Vec::new();
        let mut items: Vec<Item> = Vec::new();
        for kind in SheetTotalKind::ALL {
            let is_used = |measure: &&TotalMeasure| {
                let is_it =
                    |total: &TotalUse| total.kind == Some(kind) && total.measure.eq_ignore_ascii_case(&measure.name);
                total_uses.iter().any(is_it)
            };
            let of_kind: Vec<&TotalMeasure> = measures.iter().filter(is_used).collect();
            let by_step: Vec<&[&TotalMeasure]> = of_kind
                .chunk_by(|measure, other| measure.source.step == other.source.step)
                .collect();
            for measures in &by_step {
                let added = self.compute_totals(step, input, kind, (measures, by_step.len() == 1), memory);
                match added {
                    Ok(added) => {
                        joins.push(added.join);
                        items.extend(added.items);
                        for (total, column) in added.columns {
                            totals.push(total);
                            relation.iter_mut().for_each(|relation| relation.push(column.clone()));
                        }
                    }
                    Err(fault) => {
                        let names: Vec<&str> = measures.iter().map(|measure| measure.name.as_str()).collect();
                        diagnostics.push(ungrouped_total_error(&names.join("`, `"), fault, first));
                        return None;
                    }
                }
            }
        }
        let sheet = dialect.name_text(input.name, true);
        let name = self.names.choose_short_name(&format!("{}_with_totals", input.name));
        let body = RowPlan::scan_cte(sheet.clone())
            .join(joins)
            .project_list(SelectList::new(Some(Star(Some(sheet))), items));
        self.ctes.push(Cte::new(dialect.name_text(&name, true), body));
        let relation = relation.map(|relation| relation.with_name(name.clone()));
        Some(StepWithTotals { name, relation, totals })
    }

    /// Returns the measures whose totals the sheet uses, ordered by the steps that aggregate their rows. `before` is
    /// the index of the previous step.
    fn measures_of_totals(
        &self,
        total_uses: &[TotalUse],
        (before, prior): (usize, &Step<'_>),
    ) -> Result<Vec<TotalMeasure>, Vec<Diagnostic>> {
        let mut measures: Vec<TotalMeasure> = Vec::new();
        let mut faults = Vec::new();
        let is_grouped = |step: &Step<'_>| !step.group_by.is_empty();
        for (index, total) in total_uses.iter().enumerate() {
            let name = &total.measure;
            let mut earlier = total_uses.iter().take(index);
            if earlier.any(|earlier| earlier.measure.eq_ignore_ascii_case(name)) {
                continue;
            }
            let source = self.aggregating_step(before, name);
            let source = source.filter(|source| self.spec.steps.get(source.step).is_some_and(is_grouped));
            if let Some(source) = source {
                measures.push(TotalMeasure {
                    name: name.clone(),
                    source,
                });
                continue;
            }
            let filtering = self.filtering_step(before, name);
            let filter = filtering.and_then(|step| self.spec.steps.get(step)?.filter.as_ref());
            let grouped = self.spec.steps.iter().take(before).rfind(|step| is_grouped(step));
            faults.push(match (filter, grouped) {
                _ if is_grouped(prior) => ungrouped_total_error(name, None, total.span),
                (_, None) => ungrouped_input_error(total.span),
                (Some(filter), Some(grouped)) => self.filtered_groups_error(filter, grouped, total.span),
                (None, Some(_)) => total_of_formula_error(name, total.span),
            });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        measures.sort_by_key(|measure| measure.source.step);
        Ok(measures)
    }

    /// Builds the error for a total in a sheet whose input is a grouped step that a later step filters. It is unclear
    /// whether the total includes the groups that the filter removes.
    fn filtered_groups_error(&self, filter: &SpannedText<'_>, grouped: &Step<'_>, span: Span) -> Diagnostic {
        let (message, help) = if self.spec.kind == SpecKind::Written {
            let name = grouped.name.map_or(String::new(), |name| format!(" `{}`", name.text));
            let help = format!(
                "to remove the rows from the sheet and its totals, move the condition to `where` of the grouped \
                 step{name}; to keep the rows in the totals, filter in a step after the sheet"
            );
            ("a step between the grouped step and the sheet filters the groups", help)
        } else {
            let help = "to remove the periods from the sheet and its totals, write a condition on the date in `where` \
                instead; to keep them in the totals, filter in a step after the sheet";
            (
                "`since` and `until` remove groups after `fill` has added the missing ones",
                help.to_owned(),
            )
        };
        total_error(
            span,
            format!("{message}, so it is unclear which rows the total includes"),
        )
        .with_secondary_label(
            filter.node.span,
            "it is unclear whether the total includes the groups that this filter removes",
        )
        .with_help(help)
    }

    /// Adds a CTE that computes measures of one step again, grouped by the keys that one kind of total needs. The input
    /// of the sheet joins this CTE. `is_single` specifies whether the totals of this kind come from this step alone.
    /// Returns an error if the step cannot be computed with these keys.
    fn compute_totals(
        &mut self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        kind: SheetTotalKind,
        (measures, is_single): (&[&TotalMeasure], bool),
        memory: &mut CompileMemory,
    ) -> Result<TotalColumns, Option<Diagnostic>> {
        let aggregating = measures.first().map_or(0, |measure| measure.source.step);
        let before = self.inputs.iter().find(|before| before.index == aggregating).cloned();
        let (before, prior) = before.zip(self.spec.steps.get(aggregating)).ok_or(None)?;
        let again = step_grouped_for_total(step, prior, kind);
        let keys: Vec<String> = again.group_by.iter().map(|key| key_name(key.text)).collect();
        let columns: Vec<String> = measures.iter().map(|measure| measure.source.column.clone()).collect();
        let output = self.recompute_step(&again, &before, &columns, memory)?;
        self.ctes.extend(output.ctes);
        let prefix = match is_single {
            true => input.name,
            false => prior.name.map_or(input.name, |name| name.text),
        };
        let preferred_name = match keys.as_slice() {
            [] => format!("{prefix}_in_total"),
            keys => format!("{prefix}_by_{}", keys.join("_and_")),
        };
        let options = &self.compiler.options;
        let dialect = options.dialect;
        let sources = SheetTotalsJoin {
            sheet: dialect.name_text(input.name, true),
            sheet_columns: ColumnSql {
                dialect,
                relation: input.relation,
            },
            totals: dialect.name_text(&self.names.choose_short_name(&preferred_name), true),
            total_columns: ColumnSql {
                dialect,
                relation: Some(&output.relation),
            },
        };
        let mut emitter = Emitter::new(&memory.program, dialect, &options.limits, &mut memory.emit);
        let join = sources.join(&keys, &mut emitter);
        let finds_all = join.on.is_none();
        let added = measures
            .iter()
            .map(|measure| sources.total_column(measure, (kind, finds_all), emitter.tree()));
        let (items, columns) = added.unzip();
        self.ctes.push(Cte::new(sources.totals, output.body));
        Ok(TotalColumns { join, items, columns })
    }

    /// Compiles a step again, but computes only some of its measures. Returns the first error if this is not possible.
    fn recompute_step(
        &mut self,
        step: &Step<'_>,
        before: &PreviousStepInput,
        measures: &[String],
        memory: &mut CompileMemory,
    ) -> Result<StepOutput, Option<Diagnostic>> {
        let mut input = StepInput {
            name: &before.name,
            source: (before.index == 0).then_some(0),
            relation: before.relation.as_ref(),
            grain: &before.grain,
            joined: None,
            joined_grain: &[],
            tabs: &[],
        };
        let mut ignored = Vec::new();
        let joined = match step.joins.as_slice() {
            [] => None,
            _ => Some(self.join_inputs(step, before.index, &input, &mut ignored)),
        };
        input.joined = joined.as_ref().map(|joined| &joined.input);
        self.computed_definitions = Some(measures.to_vec());
        let output = self.compile_step(
            (before.index, step),
            &input,
            joined.as_ref(),
            false,
            memory,
            &mut ignored,
        );
        self.computed_definitions = None;
        output.ok_or_else(|| ignored.into_iter().find(Diagnostic::is_error))
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
        let mut ignored = Vec::new();
        formulas.parse(&self.compiler.options.limits, parse, ast, &mut ignored);
        let is_column = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        let total_uses = find_totals(ast, &formulas.text, &columns);
        let totals = total_uses
            .into_iter()
            .filter(|total| !is_column(total.span.text(&formulas.text)));
        totals
            .map(|total| TotalUse {
                span: formulas.to_file_span(total.span),
                ..total
            })
            .collect()
    }
}

/// Returns the previous step of a sheet, grouped by the keys that one kind of total needs.
fn step_grouped_for_total<'y>(sheet: &Step<'_>, prior: &Step<'y>, kind: SheetTotalKind) -> Step<'y> {
    let pivot = pivot_keys(sheet);
    let is_pivot_key = |key: &SpannedText<'_>| pivot.iter().any(|name| name.eq_ignore_ascii_case(&key_name(key.text)));
    let mut step = prior.clone();
    step.group_by.retain(|key| match kind {
        SheetTotalKind::Grand => false,
        SheetTotalKind::Column => is_pivot_key(key),
        SheetTotalKind::Row => !is_pivot_key(key),
    });
    step.name = None;
    step.order_by.clear();
    step.partition_by = None;
    step
}

/// Names in the select that joins a sheet and its totals.
struct SheetTotalsJoin<'i> {
    /// Name of the sheet's input in SQL.
    sheet: String,
    sheet_columns: ColumnSql<'i>,
    /// SQL name of the CTE that contains the totals.
    totals: String,
    total_columns: ColumnSql<'i>,
}

impl SheetTotalsJoin<'_> {
    /// Returns the join that adds the totals to the sheet by these keys.
    fn join(&self, keys: &[String], emitter: &mut Emitter<'_>) -> Join {
        let equalities: Vec<SqlId> = keys
            .iter()
            .map(|key| {
                let name = self.sheet_columns.column(key);
                let sql = emitter.tree().add_field(&self.sheet, &name);
                let right = emitter.tree().add_field(&self.totals, &name);
                emitter.emit_key_comparison(sql, right, self.sheet_columns.is_nullable(key))
            })
            .collect();
        let tree = emitter.tree();
        let condition = tree.add_conjunction(equalities);
        Join::new(
            if condition.is_some() {
                JoinKind::Left
            } else {
                JoinKind::Cross
            },
            SelectSource::Name(self.totals.clone()),
            condition,
        )
    }

    /// Returns the column that a total adds to the sheet. `finds_all` specifies whether a total exists for each row of
    /// the sheet.
    fn total_column(
        &self,
        measure: &TotalMeasure,
        (kind, finds_all): (SheetTotalKind, bool),
        tree: &mut SqlTree,
    ) -> (Item, (SheetTotal, Column)) {
        let TotalMeasure { name: measure, source } = measure;
        let ColumnSql { dialect, relation } = self.sheet_columns;
        let in_use = relation.map_or(&[][..], Relation::columns).iter().map(Column::name);
        let name = unused_name(&format!("{measure}_{}", kind.name()), in_use, dialect.max_bytes());
        let mut expr = tree.add_field(&self.totals, &self.total_columns.column(&source.column));
        let is_null = self.total_columns.is_nullable(&source.column);
        if source.is_zero_without_rows && (is_null || !finds_all) {
            // A period that `fill` adds has no rows, so its total may be missing and is replaced with 0.
            let zero = tree.add_word("0", Span::default());
            expr = tree.add_call("coalesce", &[expr, zero], Span::default());
        }
        let item = Item::named(expr, dialect.name_text(&name, true));
        let input_column = self.total_columns.schema_column(&source.column);
        let column = Column::new(&name, input_column.map_or(Type::Unknown, Column::ty))
            .nullable(!source.is_zero_without_rows && is_null)
            .with_size(input_column.map_or(0, Column::size))
            .with_digits(input_column.and_then(Column::decimal_digits));
        let total = SheetTotal {
            measure: measure.clone(),
            kind,
            column: name,
        };
        (item, (total, column))
    }
}

/// Measure of a total, and the step that computes the measure from rows.
struct TotalMeasure {
    name: String,
    source: AggregatingStep,
}
