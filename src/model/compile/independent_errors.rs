//! Errors in the steps after a step with an error, and in the keys that describe the model. Only errors that do not
//! depend on the failed step are reported.

use super::SpecCompilation;
use crate::Type;
use crate::check::{self, CheckScope};
use crate::diag::{Code, Diagnostic};
use crate::formulas::StepFormulas;
use crate::load::{Step, StepInputs};
use crate::possible_columns::possible_columns;
use crate::schema::{Column, Relation};
use crate::scratch::CompileMemory;
use crate::worksheet::{formula_context, worksheet_grid};

/// Errors that can be found although the types of columns are unknown.
const TYPE_INDEPENDENT_CODES: [Code; 5] = [
    Code::UnknownFunction,
    Code::UnknownName,
    Code::ArgumentCount,
    Code::UnknownTimeframe,
    Code::UnknownUnit,
];

fn is_type_independent(diagnostic: &Diagnostic) -> bool {
    diagnostic.is_syntax() || TYPE_INDEPENDENT_CODES.contains(&diagnostic.kind())
}

impl SpecCompilation<'_> {
    /// Reports the independent errors in a step whose input is unknown, and in the steps after it.
    pub(super) fn report_errors_from_step(
        &self,
        index: usize,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        if let Some(step) = self.spec.steps.get(index) {
            self.report_independent_errors((index, step), None, memory, diagnostics);
            self.report_errors_after_step(index, None, memory, diagnostics);
        }
    }

    /// Reports the independent errors in the steps after a failed step. `columns` are the columns of the failed step's
    /// input. A trial needs no more errors.
    pub(super) fn report_errors_after_step(
        &self,
        index: usize,
        columns: Option<&Relation>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let options = &self.compiler.options;
        let steps = self.spec.steps.get(index..).filter(|_| !options.is_trial);
        let Some((failed, later)) = steps.and_then(<[_]>::split_first) else {
            return;
        };
        let limits = &options.limits;
        let mut outputs = vec![possible_columns(failed, self.source, columns, limits, memory)];
        for (later_index, step) in later.iter().enumerate() {
            let input = self.possible_input(index, &outputs);
            // The columns of joined relations are not available here, so the columns count as unknown if the step has
            // joins.
            let seen = input.as_ref().filter(|_| step.joins.is_empty());
            self.report_independent_errors((index + 1 + later_index, step), seen, memory, diagnostics);
            outputs.push(possible_columns(step, self.source, input.as_ref(), limits, memory));
        }
        if self.computed_definitions.is_none() {
            self.report_errors_about_model(outputs.pop().flatten().as_ref(), memory, diagnostics);
        }
    }

    /// Reports the independent errors in `columns`, rules, comparisons and examples. `output` are the columns of the
    /// model, if they are known.
    fn report_errors_about_model(
        &self,
        output: Option<&Relation>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let mut new_diagnostics = Vec::new();
        if let Some(output) = output {
            self.check_column_entries(output, &mut new_diagnostics);
        }
        let unknown = Relation::new("");
        self.check_spec_tests(
            output.unwrap_or(&unknown),
            output.is_none(),
            memory,
            &mut new_diagnostics,
        );
        new_diagnostics.retain(is_type_independent);
        diagnostics.append(&mut new_diagnostics);
    }

    /// Returns the input columns of the step that follows the steps in `outputs`. `outputs` contains the columns of the
    /// failed step and of the later steps that have been checked so far. The input is a relation, several steps, or the
    /// previous step. `None` if its columns cannot be determined.
    fn possible_input(&self, failed: usize, outputs: &[Option<Relation>]) -> Option<Relation> {
        let output = |index: usize| match index.checked_sub(failed) {
            Some(index) => outputs.get(index)?.as_ref(),
            None => self.facts.get(index)?.relation.as_ref(),
        };
        let index = failed + outputs.len();
        if self.spec.steps.get(index)?.has_unknown_input {
            return None;
        }
        let steps = match self.spec.step_input(index) {
            StepInputs::Relation(from) => return self.schema_relation(from).cloned(),
            StepInputs::Step(step_index) => return output(step_index).cloned(),
            StepInputs::Union(steps) => steps,
        };
        let mut union = Relation::new("");
        for index in steps {
            let columns = output(index)?;
            for column in columns.columns() {
                if union.position(column.name()).is_none() {
                    union = union.with(Column::new(column.name(), Type::Unknown));
                }
            }
        }
        Some(union)
    }

    /// Reports the errors in a step that do not depend on the failed previous step. Only the column names of the
    /// previous step are used.
    fn report_independent_errors(
        &self,
        (index, step): (usize, &Step<'_>),
        columns: Option<&Relation>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let formulas = StepFormulas::new(step, self.source);
        let mut step_diagnostics = self.check_step_in_isolation((index, step), &formulas, columns, &[], memory);
        step_diagnostics.retain(is_type_independent);
        let new_diagnostics = step_diagnostics.into_iter().map(|d| formulas.map_to_file(d));
        diagnostics.extend(new_diagnostics.filter(|d| !self.is_truncated_formula(d.span())));
    }

    /// Checks the formulas of a step without compiling its input, and returns the diagnostics without those of lints.
    /// `columns` are the columns of the input, if they are known. `required` are types that later steps require.
    pub(super) fn check_step_in_isolation(
        &self,
        (index, step): (usize, &Step<'_>),
        formulas: &StepFormulas<'_>,
        columns: Option<&Relation>,
        required: &[(String, Type)],
        memory: &mut CompileMemory,
    ) -> Vec<Diagnostic> {
        let CompileMemory {
            parse,
            ast,
            check,
            program,
            ..
        } = memory;
        let options = &self.compiler.options;
        let mut diagnostics = Vec::new();
        formulas.parse(&options.limits, parse, ast, &mut diagnostics);
        let sheet = worksheet_grid(step, columns, &[], &self.read_tabs(step, index, &mut Vec::new()));
        let context = formula_context(sheet.as_ref());
        let relations = columns.map_or(&[][..], std::slice::from_ref);
        let scope = CheckScope {
            open: columns.is_none(),
            descending: &formulas.descending,
            blank_zero: false,
            timezone: Some("UTC"),
            calendar: self.calendar(),
            sheet: sheet.as_ref(),
            reports_lints: false,
            rest: check::OtherFileDefinitions {
                required_types: required,
                earlier_names: Some(self.names_used.names()),
                ..check::OtherFileDefinitions::default()
            },
            ..options.check_scope(context, relations, &formulas.roles)
        };
        check::check(ast, &formulas.text, &scope, check, program, &mut diagnostics);
        diagnostics
    }
}
