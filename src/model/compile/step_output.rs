//! Plans the selects of a checked step, and records the properties of its output.

use super::SpecCompilation;
use super::step::StepToCompile;
use super::step_plan::record_possible_values;
use crate::ast::Ast;
use crate::averaged_rates::input_relations;
use crate::cardinality::JoinedRelationConditions;
use crate::diag::{Code, Diagnostic};
use crate::emit::EmitBuffers;
use crate::ir::Program;
use crate::load::Step;
use crate::plan::{InputProjection, PivotOrder, StepInput, StepOutput, StepPlan, StepSpec, plan_step};
use crate::schema::{ColumnProvenance, Relation};
use crate::time_range::CrossRowDependency;
use crate::worksheet::sheet_column_indexes;

/// Step without errors, with the data that is needed to plan its output.
pub(super) struct CheckedStep<'s> {
    pub work: StepToCompile<'s>,
    pub plan: StepPlan<'s>,
    /// Provenance of each node's value. Empty if no provenance is needed.
    pub value_provenances: Vec<ColumnProvenance>,
    pub unverified_joins: Vec<(usize, JoinedRelationConditions)>,
}

impl CheckedStep<'_> {
    /// Records the provenance and the possible values of the step's columns.
    fn record_values(&self, relation: &mut Relation) {
        let Self { work, plan, .. } = self;
        let definitions = plan.program.definitions.iter().zip(&plan.outputs);
        for (definition, _) in definitions.filter(|(_, output)| **output) {
            let provenance = self.value_provenances.get(definition.root.index()).cloned();
            let name = definition.name.as_deref().unwrap_or_default();
            relation.record_provenance(name, provenance.unwrap_or_default());
        }
        if work.last {
            // Other specs can rely only on column properties that dbt also provides, and dbt's artifacts do not show
            // which columns contain month starts.
            relation.clear_month_starts();
        } else {
            record_possible_values(plan, input_relations(work.input), relation);
        }
    }
}

impl SpecCompilation<'_> {
    /// Plans the selects of a step that keeps these columns of its input.
    pub(super) fn plan_output(
        &mut self,
        checked: &CheckedStep<'_>,
        keep: InputProjection<'_>,
        ast: &Ast,
        emit: &mut EmitBuffers,
    ) -> StepOutput {
        let CheckedStep { work, plan, .. } = checked;
        let StepToCompile {
            step, formulas, input, ..
        } = *work;
        let options = &self.compiler.options;
        let by_definition = |by_part: &[bool]| -> Vec<bool> {
            let is_part_output = |part: u32| by_part.get(part as usize).copied().unwrap_or(false);
            ast.definitions
                .iter()
                .map(|definition| is_part_output(definition.part))
                .collect()
        };
        let column_of_pivot = work.cells.and_then(|cells| cells.pivot_number.as_deref());
        let spec = StepSpec {
            name: &self.step_name(step, input.name, plan, &formulas.text),
            last: work.last,
            keep,
            limit: step.limit,
            descending: &by_definition(&formulas.descending),
            quoted: &by_definition(&formulas.quoted),
            default_partition: step.partition_by.is_none(),
            source: &formulas.text,
            first: &sheet_column_indexes(step),
            times: self.incremental && input.source.is_some(),
            sheet: work.sheet.is_some(),
            pivot: work
                .is_pivoted()
                .then(|| column_of_pivot.map_or(PivotOrder::ByKeys, PivotOrder::ByColumn)),
        };
        let joined_grain = work.joined.map(|joined| joined.grain(step, input, plan));
        let input = StepInput {
            joined_grain: joined_grain.as_deref().unwrap_or_default(),
            ..input.clone()
        };
        let names = &mut self.names;
        plan_step(plan, &spec, &input, options.dialect, &options.limits, emit, names)
    }

    /// Records the properties of a step's output, for later steps, tests and the lineage.
    pub(super) fn record_output(
        &mut self,
        checked: &CheckedStep<'_>,
        output: &mut StepOutput,
        emit: &mut EmitBuffers,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let CheckedStep { work, plan, .. } = checked;
        let StepToCompile {
            step, formulas, input, ..
        } = *work;
        checked.record_values(&mut output.relation);
        if self.incremental && self.computed_definitions.is_none() {
            let index = self.times.len();
            let mut times = self.step_time_columns(step, index, (plan, input), output, formulas);
            if work.needs_all_rows() {
                times.cross_row_dependencies.push(CrossRowDependency::Unbounded {
                    span: step.span,
                    why: "a pivot or a total needs all rows of the sheet",
                });
            }
            self.times.push(times);
        }
        diagnostics.extend(output.diagnostics.iter().cloned().map(|d| work.map_to_file(d)));
        // Do not record this data again if the step is recomputed for a total.
        if self.computed_definitions.is_none() {
            if let Some(joined) = work.joined {
                self.add_tests_of_unverified_joins(&checked.unverified_joins, plan, step, joined, output, emit);
            }
            self.record_lineage(step, plan, work.rows, &output.relation, &formulas.text);
            self.record_additivity(step, plan, input, &output.relation, &formulas.text);
        }
    }

    /// If a sheet was computed for every cell, converts its output to the wide form or the long form.
    pub(super) fn convert_pivot(
        &mut self,
        work: &StepToCompile<'_>,
        output: &mut StepOutput,
        program: &mut Program,
        emit: &mut EmitBuffers,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let Some(cells) = work.cells else { return };
        if cells.pivot_number.is_some() {
            self.convert_to_wide_form(work, cells, program, emit, output, diagnostics);
            self.retain_row_key_additivity();
        } else {
            self.convert_to_long_form(work, cells, output, &mut emit.tree);
        }
    }
}

/// Returns an error if a step keeps all columns and replaces one of them, but no schema lists the columns.
pub(super) fn star_conflict(step: &Step<'_>, output: &StepOutput) -> Option<Diagnostic> {
    let column = output.star_conflict.as_ref()?;
    let message = format!(
        "`keep: all` cannot leave out `{column}`, which is redefined or computed in a CTE, because no schema lists the \
         other columns"
    );
    Some(
        Diagnostic::new(Code::ColumnsNotKnown, step.keep_span, message)
            .with_help("provide a schema with `--schema`, or list the columns in `keep`"),
    )
}
