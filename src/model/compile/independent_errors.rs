//! Errors in the steps after a step with an error. Only errors that do not depend on the failed step are reported.

use super::SpecCompilation;
use crate::Type;
use crate::check::{self, CheckScope, Context};
use crate::diag::{Code, Diagnostic};
use crate::formulas::StepFormulas;
use crate::load::Step;
use crate::parse;
use crate::possible_columns::possible_columns;
use crate::schema::{Column, Relation};
use crate::scratch::CompileMemory;
use crate::worksheet::worksheet_grid;

impl SpecCompilation<'_> {
    /// Reports the independent errors in the steps after a failed step. `columns` are the columns of the failed step's
    /// input.
    pub(super) fn report_errors_after(
        &self,
        index: usize,
        columns: Option<&Relation>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let limits = &self.compiler.options.limits;
        let Some((failed, later)) = self.spec.steps.get(index..).and_then(<[_]>::split_first) else {
            return;
        };
        let mut outputs = vec![possible_columns(failed, self.source, columns, limits, memory)];
        for step in later {
            let input = self.possible_input(step, index, &outputs);
            // The columns of joined relations are not considered here, so they are treated as unknown if the
            // step has joins.
            let seen = input.as_ref().filter(|_| step.joins.is_empty());
            self.report_independent_errors(step, seen, memory, diagnostics);
            outputs.push(possible_columns(step, self.source, input.as_ref(), limits, memory));
        }
    }

    /// Returns the columns that a step after the failed step would read: those of a relation, of several steps, or of
    /// the previous step. `None` if they cannot be determined. `outputs` are the columns of the steps from the failed
    /// step on.
    fn possible_input(&self, step: &Step<'_>, failed: usize, outputs: &[Option<Relation>]) -> Option<Relation> {
        if let Some((from, _)) = &step.from {
            return self.known_relation(from).cloned();
        }
        if step.union.is_empty() {
            return outputs.last()?.clone();
        }
        let mut union = Relation::new("");
        for member in &step.union {
            let place = self.spec.step_named(member.text)?;
            let columns = match place.checked_sub(failed) {
                Some(place) => outputs.get(place)?.as_ref()?,
                None => self.facts.get(place)?.relation.as_ref()?,
            };
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
        step: &Step<'_>,
        columns: Option<&Relation>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let CompileMemory {
            parse,
            ast,
            check,
            program,
            ..
        } = memory;
        let options = &self.compiler.options;
        let formulas = StepFormulas::new(step, self.source);
        let mut found = Vec::new();
        parse::parse_parts(&formulas.text, &formulas.parts, &options.limits, parse, ast, &mut found);
        let place = self
            .spec
            .steps
            .iter()
            .position(|other| other.span == step.span)
            .unwrap_or_default();
        let sheet = worksheet_grid(step, columns, &[], &self.read_tabs(step, place, &mut Vec::new()));
        let scope = CheckScope {
            context: if sheet.is_some() {
                Context::Worksheet
            } else {
                Context::Measure
            },
            relations: columns.map_or(&[][..], std::slice::from_ref),
            merged: &[],
            open: columns.is_none(),
            chosen: true,
            roles: &formulas.roles,
            ordered: true,
            descending: &formulas.descending,
            blank_zero: false,
            timezone: Some("UTC"),
            calendar: self.calendar(),
            today: None,
            strata: true,
            sheet: sheet.as_ref(),
            given_types: &options.given_types,
            column_periods: &[],
        };
        check::check(ast, &formulas.text, &scope, check, program, &mut found);
        let own = [
            Code::UnknownFunction,
            Code::UnknownName,
            Code::ArgumentCount,
            Code::UnknownTimeframe,
            Code::UnknownUnit,
        ];
        found.retain(|d| d.is_syntax() || own.contains(&d.kind()));
        diagnostics.extend(found.into_iter().map(|d| d.map_spans(|s| formulas.to_file_span(s))));
    }
}
