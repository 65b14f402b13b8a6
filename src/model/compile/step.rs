//! Compiles one step: parses and checks its formulas, then plans its output.

use super::SpecCompilation;
use super::step_output::{CheckedStep, star_conflict};
use super::step_plan::build_plan;
use crate::ast::Ast;
use crate::averaged_rates::{check_rate_aggregates, column_provenances, input_relations, is_provenance_needed};
use crate::cardinality::{JoinedRelationConditions, check_join_dialect_support, check_join_visibility};
use crate::check::{self, CheckScope, ColumnPeriod, Context, DefinitionRole, SheetTotal, WorksheetGrid};
use crate::checks::{
    check_constant_keys, check_duplicate_columns, check_key_combinations, check_unnamed_formulas,
    check_unused_definitions,
};
use crate::diag::{Code, Diagnostic};
use crate::fan_out::check_fan_out;
use crate::formula_keys::check_formula_keys;
use crate::formulas::StepFormulas;
use crate::hidden_periods::check_hidden_periods;
use crate::ir::{ColumnUse, Program};
use crate::join_scope::JoinedStepInput;
use crate::load::{ColumnProjection, SpecKind, Step};
use crate::long_names::check_column_name_lengths;
use crate::missing_periods::check_missing_periods;
use crate::partitions::check_partitions;
use crate::pivot::PivotCells;
use crate::plan::{
    InputProjection, StepInput, StepOutput, StepPlan, needs_all_pivot_cells, rewrite_unsupported, used_definitions,
};
use crate::schema::{ColumnProvenance, Relation};
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::sql::SelectSource;
use crate::window_sort_keys::check_window_sort_keys;
use crate::worksheet::{
    check_sort_keys_cover_grain, exclude_sheet_calculations, formula_context, pivot_cell_keys, worksheet_grid,
};

/// Step that is being compiled.
#[derive(Clone, Copy)]
pub struct StepToCompile<'s> {
    pub step: &'s Step<'s>,
    pub index: usize,
    pub formulas: &'s StepFormulas<'s>,
    pub sheet: Option<&'s WorksheetGrid>,
    /// Rows that the step reads.
    pub rows: &'s StepInput<'s>,
    /// Rows for which formulas are computed: the cells of a pivoted sheet, or the rows that the step reads.
    pub input: &'s StepInput<'s>,
    pub cells: Option<&'s PivotCells>,
    pub joined: Option<&'s JoinedStepInput<'s>>,
    /// Truncated columns of the previous step.
    pub column_periods: &'s [ColumnPeriod],
    pub last: bool,
}

impl<'s> StepToCompile<'s> {
    pub fn is_pivoted(&self) -> bool {
        self.sheet.is_some_and(|sheet| sheet.pivot.is_some())
    }

    /// Returns whether the sheet has a pivot in the wide form, which has columns for the listed values.
    fn is_wide_pivot(&self) -> bool {
        let pivot = self.step.sheet.as_ref().and_then(|sheet| sheet.pivot.as_ref());
        pivot.is_some_and(|pivot| pivot.values.is_some())
    }

    /// Returns the totals that the input of the sheet contains.
    pub fn totals(&self) -> &'s [SheetTotal] {
        self.sheet.and_then(|sheet| sheet.totals.as_deref()).unwrap_or_default()
    }

    /// Returns whether the step needs all rows of its input although an incremental run reads only some of them.
    pub fn needs_all_rows(&self) -> bool {
        self.is_pivoted() || !self.totals().is_empty()
    }

    /// Returns the columns of the input that the plan keeps. Reports columns that the joined relations do not have.
    fn input_projection(&self, diagnostics: &mut Vec<Diagnostic>) -> InputProjection<'s> {
        let of_joined = self
            .joined
            .and_then(|joined| joined.projected_columns(self.step, diagnostics));
        match (self.cells, of_joined) {
            (Some(cells), _) => InputProjection::Some(cells.kept_columns.iter().map(String::as_str).collect()),
            (None, Some(columns)) => InputProjection::Joined(columns),
            (None, None) => match &self.step.keep {
                ColumnProjection::Nothing => InputProjection::Nothing,
                ColumnProjection::All => InputProjection::All,
                ColumnProjection::Columns(names) => InputProjection::Some(names.iter().map(|name| name.text).collect()),
            },
        }
    }

    /// Maps spans in the formulas to spans in the file.
    pub fn map_to_file(&self, diagnostic: Diagnostic) -> Diagnostic {
        self.formulas.map_to_file(diagnostic)
    }
}

impl SpecCompilation<'_> {
    /// Compiles the step at an index. Returns `None` if the step has an error.
    pub(crate) fn compile_step(
        &mut self,
        (index, step): (usize, &Step<'_>),
        rows: &StepInput<'_>,
        joined: Option<&JoinedStepInput<'_>>,
        last: bool,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<StepOutput> {
        let before = diagnostics.len();
        let failed = |diagnostic_list: &[Diagnostic]| {
            diagnostic_list
                .get(before..)
                .unwrap_or_default()
                .iter()
                .any(Diagnostic::is_error)
        };
        let options = &self.compiler.options;
        let formulas = StepFormulas::from_step(step, joined.map_or(&[], |joined| &joined.using), self.source);
        let mut step_diagnostics = Vec::new();
        let CompileMemory { parse, ast, .. } = memory;
        formulas.parse(&options.limits, parse, ast, &mut step_diagnostics);
        let sheet = self.worksheet_with_totals(step, rows);
        let column_periods = self.periods_of_previous_step(rows);
        let mut work = StepToCompile {
            step: &exclude_sheet_calculations(step, ast, &formulas),
            index,
            formulas: &formulas,
            sheet: sheet.as_ref(),
            rows,
            input: rows,
            cells: None,
            joined,
            column_periods: &column_periods,
            last,
        };
        let cells = self.check_formulas(&work, memory, &mut step_diagnostics, diagnostics);
        let in_cells = cells.as_ref().map(|cells| cells.with_cells(rows));
        work.cells = cells.as_ref();
        work.input = in_cells.as_ref().unwrap_or(rows);
        let CompileMemory { ast, program, emit, .. } = memory;
        rewrite_unsupported(program, options.dialect);
        check_unnamed_formulas(ast, &formulas, &mut step_diagnostics);
        let plan = self.plan_definitions(&work, program, ast);
        let value_provenances = value_provenances(&work, program);
        self.check_plan(&work, &plan, &value_provenances, ast, &mut step_diagnostics);
        if self.computed_definitions.is_some() {
            remove_errors_of_unused_definitions(&plan, &mut step_diagnostics);
        }
        let keep = work.input_projection(diagnostics);
        let unverified_joins = self.check_step_rows(&work, &plan, &step_diagnostics, diagnostics);
        if step.has_invalid_keys {
            // A key or definition with an error may define an unknown name, so report the name only if it is similar to
            // a known name.
            step_diagnostics.retain(|diagnostic| diagnostic.kind() != Code::UnknownName || diagnostic.fix().is_some());
        }
        if options.is_trial {
            step_diagnostics.retain(Diagnostic::is_error);
        }
        let new_diagnostics = step_diagnostics
            .into_iter()
            .map(|diagnostic| work.map_to_file(diagnostic));
        diagnostics.extend(new_diagnostics.filter(|d| !self.is_truncated_formula(d.span())));
        self.record_columns_read(&work, program);
        if step.has_errors || step.has_invalid_keys || failed(diagnostics) {
            // Stop here, because later steps read the output of this step and would only repeat its errors.
            return None;
        }
        if self.computed_definitions.is_none() && !self.is_query_only {
            self.collect_descriptions((work.index, work.step), program, ast, &formulas);
        }
        let checked = CheckedStep {
            work,
            plan,
            value_provenances,
            unverified_joins,
        };
        let mut output = self.plan_output(&checked, keep, ast, emit);
        self.record_output(&checked, &mut output, emit, diagnostics);
        self.convert_pivot(&work, &mut output, program, emit, diagnostics);
        if self.computed_definitions.is_none() {
            self.lineage.record_outputs(&output.relation, last);
        }
        diagnostics.extend(star_conflict(step, &output));
        (!failed(diagnostics)).then_some(output)
    }

    /// Returns a step's worksheet, with the totals of the step's input.
    fn worksheet_with_totals(&mut self, step: &Step<'_>, rows: &StepInput<'_>) -> Option<WorksheetGrid> {
        let mut sheet = worksheet_grid(step, rows.relation, rows.grain, rows.tabs)?;
        sheet.totals = Some(std::mem::take(&mut self.totals));
        Some(sheet)
    }

    /// Checks the formulas of a step. If the formulas of a pivoted sheet need every cell, checks them again with the
    /// cells as input, and returns the cells.
    fn check_formulas(
        &mut self,
        work: &StepToCompile<'_>,
        memory: &mut CompileMemory,
        new_diagnostics: &mut Vec<Diagnostic>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<PivotCells> {
        let CompileMemory {
            ast,
            check,
            program,
            emit,
            ..
        } = memory;
        let text = &work.formulas.text;
        let syntax = new_diagnostics.len();
        check::check(ast, text, &self.check_scope(work), check, program, new_diagnostics);
        if !work.is_pivoted() || work.step.has_invalid_keys || new_diagnostics.iter().any(Diagnostic::is_error) {
            return None;
        }
        let before = diagnostics.len();
        let values = self.pivot_values(work, program, emit, diagnostics);
        let needs_cells = work.is_wide_pivot() || {
            let plan = build_plan(program, ast, work.formulas, work.step);
            needs_all_pivot_cells(&plan, &pivot_cell_keys(work.step, work.rows.grain))
        };
        if !needs_cells || diagnostics.iter().skip(before).any(Diagnostic::is_error) {
            return None;
        }
        let cells = self.pivot_cells(work, values, program, emit, diagnostics)?;
        new_diagnostics.truncate(syntax);
        let scope = CheckScope {
            relations: cells.relation.as_slice(),
            ..self.check_scope(work)
        };
        check::check(ast, text, &scope, check, program, new_diagnostics);
        Some(cells)
    }

    /// Returns the names and settings with which the formulas of a step are checked.
    fn check_scope<'c>(&'c self, work: &StepToCompile<'c>) -> CheckScope<'c> {
        let context = formula_context(work.sheet);
        CheckScope {
            merged: work.joined.map_or(&[], |joined| &joined.merged_columns),
            open: match work.joined {
                Some(joined) => joined.input.relations.iter().any(Relation::is_open),
                None => work.rows.relation.is_none(),
            },
            ordered: !work.step.order_by.is_empty(),
            descending: &work.formulas.descending,
            sheet: work.sheet,
            column_periods: work.column_periods,
            rest: check::OtherFileDefinitions {
                required_types: self.types_required_of_step(work.index),
                earlier_names: Some(self.names_used.names()),
                ..check::OtherFileDefinitions::default()
            },
            ..self.scope_with_settings(context, input_relations(work.input), &work.formulas.roles)
        }
    }

    /// Returns a scope with the settings of the spec, which override the settings of the project.
    pub fn scope_with_settings<'c>(
        &'c self,
        context: Context,
        relations: &'c [Relation],
        roles: &'c [DefinitionRole],
    ) -> CheckScope<'c> {
        let options = &self.compiler.options;
        CheckScope {
            blank_zero: self.spec.blank_zero || options.blank_zero,
            timezone: self.spec.timezone.as_deref().or(options.timezone.as_deref()),
            calendar: self.calendar(),
            today: self.today.as_ref(),
            ..options.check_scope(context, relations, roles)
        }
    }

    /// Returns the plan of a step. If only some definitions are computed, the other definitions are not columns of the
    /// step.
    fn plan_definitions<'p>(&self, work: &StepToCompile<'_>, program: &'p Program, ast: &Ast) -> StepPlan<'p> {
        let mut plan = build_plan(program, ast, work.formulas, work.step);
        if let Some(only) = &self.computed_definitions {
            for (definition, output) in program.definitions.iter().zip(&mut plan.outputs) {
                let own_name = definition.name.as_deref();
                *output &= own_name
                    .is_some_and(|definition_name| only.iter().any(|name| definition_name.eq_ignore_ascii_case(name)));
            }
        }
        plan
    }

    /// Reports errors and warnings in a planned step, with spans in the formulas.
    fn check_plan(
        &self,
        work: &StepToCompile<'_>,
        plan: &StepPlan<'_>,
        value_provenances: &[ColumnProvenance],
        ast: &Ast,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let (step, text) = (work.step, &work.formulas.text);
        let dialect = self.compiler.options.dialect;
        check_constant_keys(plan, text, diagnostics);
        check_formula_keys(plan, ast, text, diagnostics);
        check_duplicate_columns(plan, text, diagnostics);
        check_window_sort_keys(plan, text, diagnostics);
        check_unused_definitions(plan, ast, text, &self.compiler.options.limits, diagnostics);
        let before = diagnostics.len();
        check_partitions(plan, step, text, self.spec.kind, diagnostics);
        let has_period_outside_partition = diagnostics
            .iter()
            .skip(before)
            .any(|diagnostic| diagnostic.kind() == Code::PeriodOutsidePartition);
        // After a warning about the partition, skip `check_missing_periods`, because its help suggests PERIODOFFSET,
        // which the partition would limit as well.
        if !has_period_outside_partition {
            check_missing_periods(
                plan,
                work.input,
                work.column_periods,
                (work.sheet.is_some(), self.spec.kind == SpecKind::WholeSet),
                text,
                diagnostics,
            );
        }
        check_hidden_periods(plan, text, diagnostics);
        check_column_name_lengths(plan, ast, text, work.last, dialect, diagnostics);
        check_rate_aggregates(plan, value_provenances, input_relations(work.input), text, diagnostics);
        if let Some(joined) = self.valid_joins(work) {
            check_join_visibility(plan, joined, diagnostics);
            check_fan_out(plan, step, joined, diagnostics);
            check_join_dialect_support(plan, step, joined, dialect, diagnostics);
        }
    }

    /// Returns the joined input. Returns `None` if a relation is missing or ambiguous. This error is already reported.
    fn valid_joins<'c>(&self, work: &StepToCompile<'c>) -> Option<&'c JoinedStepInput<'c>> {
        work.joined.filter(|_| self.joins_sound && !work.step.has_invalid_keys)
    }

    /// Reports errors and warnings about the rows of a step, with spans in the file. Returns the joins that are
    /// declared, but not proven, to find at most one row. `new_diagnostics` contains the diagnostics about the
    /// formulas.
    fn check_step_rows(
        &self,
        work: &StepToCompile<'_>,
        plan: &StepPlan<'_>,
        new_diagnostics: &[Diagnostic],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<(usize, JoinedRelationConditions)> {
        let StepToCompile { step, input, .. } = *work;
        let unverified = self
            .valid_joins(work)
            .map(|joined| self.unverified_joins(plan, step, input.name, joined, diagnostics));
        check_sort_keys_cover_grain(step, plan.program, input.grain, self.source, diagnostics);
        let has_valid_formulas = !new_diagnostics.iter().any(Diagnostic::is_error);
        check_key_combinations(step, plan, input, has_valid_formulas, self.source, diagnostics);
        unverified.unwrap_or_default()
    }

    /// Records the columns and names that a step reads.
    fn record_columns_read(&mut self, work: &StepToCompile<'_>, program: &Program) {
        if work.input.source.is_some() || work.joined.is_some() {
            self.columns_read.extend(program.columns.iter().cloned());
        }
        for ((tab, column), ty) in &program.tab_columns {
            let tab = work.input.tabs.get(*tab as usize);
            let tab = tab.filter(|tab| matches!(tab.source, SelectSource::Input(_)));
            self.columns_read.extend(tab.and_then(|tab| {
                let column = tab.columns.get(*column as usize)?;
                Some(ColumnUse::with_assumed_type(
                    Some(tab.name.as_str().into()),
                    column.shared_name(),
                    *ty,
                ))
            }));
        }
        self.record_names(work.step, work.rows, program);
    }
}

/// Drops the errors of definitions that the step's columns and filters do not need.
fn remove_errors_of_unused_definitions(plan: &StepPlan<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let used_flags = used_definitions(plan);
    let definitions = plan.program.definitions.iter().zip(&used_flags);
    let unused: Vec<Span> = definitions
        .filter(|(_, is_used)| !**is_used)
        .map(|(ir_definition, _)| ir_definition.span)
        .collect();
    diagnostics.retain(|diagnostic| {
        !unused
            .iter()
            .any(|span| span.range().contains(&diagnostic.span().range().start))
    });
}

/// Returns the provenance of each node's value. Empty if no check and no later step needs the provenance.
fn value_provenances(work: &StepToCompile<'_>, program: &Program) -> Vec<ColumnProvenance> {
    let relations = input_relations(work.input);
    match is_provenance_needed(relations, work.last) {
        true => column_provenances(program, relations),
        false => Vec::new(),
    }
}
