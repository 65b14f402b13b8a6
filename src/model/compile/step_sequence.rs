//! Compiles the steps of a spec in order. A step usually reads the output of the previous step.

use super::SpecCompilation;
use crate::CompiledSpec;
use crate::checks::{check_cte_names, check_projection_names};
use crate::dbt::RelationReference;
use crate::diag::{Code, Diagnostic};
use crate::incremental::{incremental_input_error, is_incremental};
use crate::join_scope::StepOutputProperties;
use crate::load::{PeriodSeries, SpannedText, SpecKind, Step, StepInputs};
use crate::plan::{StepInput, StepOutput, TabSource};
use crate::schema::Relation;
use crate::scratch::CompileMemory;
use crate::sources::SpecSources;
use crate::sql::{Cte, RowPlan, put_plain_columns_first};
use crate::totals::PreviousStepInput;
use crate::{Type, check};

/// Input of the next step: a relation, or the output of earlier steps.
struct NextStepInput {
    name: String,
    /// Index of the input relation. `None` if the step reads earlier steps.
    source: Option<u32>,
    /// Columns of the input. `None` if no schema lists them.
    relation: Option<Relation>,
    grain: Vec<String>,
}

impl NextStepInput {
    fn as_step_input<'i>(&'i self, tabs: &'i [TabSource]) -> StepInput<'i> {
        StepInput {
            name: &self.name,
            source: self.source,
            relation: self.relation.as_ref(),
            grain: &self.grain,
            joined: None,
            joined_grain: &[],
            tabs,
        }
    }

    /// Returns the input of the step at an index, so that the step can be computed again.
    fn to_previous_step_input(&self, index: usize) -> PreviousStepInput {
        PreviousStepInput {
            index,
            name: self.name.clone(),
            relation: self.relation.clone(),
            grain: self.grain.clone(),
        }
    }

    /// Returns the properties of the step that has this output. `single` specifies whether the step has at most one
    /// row.
    fn step_output_properties(&self, single: bool) -> StepOutputProperties {
        StepOutputProperties {
            relation: self.relation.clone(),
            grain: self.grain.clone(),
            single,
        }
    }
}

impl SpecCompilation<'_> {
    /// Compiles all steps. If there are no errors, also writes the query and the model.
    pub(super) fn run(&mut self, compiled: &mut CompiledSpec, memory: &mut CompileMemory) {
        memory.emit.tree.clear();
        self.incremental = is_incremental(self);
        self.collect_sources(compiled);
        self.check_keys_of_model(&mut compiled.diagnostics);
        let spec = self.spec;
        if self.is_missing_relation(&spec.from) {
            let missing = self.missing_relation_diagnostic("from", &spec.from, spec.from_span, "", std::iter::empty());
            compiled.diagnostics.push(missing);
            self.report_errors_from_step(0, memory, &mut compiled.diagnostics);
            return;
        }
        if let Some((body, output)) = self.compile_steps(compiled, memory) {
            self.finish_model(body, &output, compiled, memory);
        }
    }

    /// Reserves the names of steps and collects the relations that the spec reads.
    fn collect_sources(&mut self, compiled: &mut CompiledSpec) {
        let names = self.spec.steps.iter().filter_map(|step| step.name);
        names.for_each(|name| self.names.reserve(name.text));
        self.sources = SpecSources::new(self.spec, self.compiler.options.dialect, &mut self.names);
        self.sources.disambiguate_tables(self.compiler.options.dialect);
        let sources = &self.sources.sources;
        compiled.reads = sources.iter().map(|source| source.from.clone()).collect();
        compiled.tables = sources.iter().map(|source| source.table_name.clone()).collect();
    }

    /// Reports errors in the spec that do not depend on the output of steps.
    fn check_keys_of_model(&mut self, diagnostics: &mut Vec<Diagnostic>) {
        self.check_dbt_keys(diagnostics);
        self.check_names(diagnostics);
        self.check_model_name(diagnostics);
        self.check_exposures(diagnostics);
        self.check_access(diagnostics);
        self.check_step_name_lengths(diagnostics);
        self.check_inputs_of_incremental_model(diagnostics);
        self.joins_sound = self.check_joins(diagnostics);
    }

    /// Reports an incremental model in which a step reads something other than the previous step.
    fn check_inputs_of_incremental_model(&mut self, diagnostics: &mut Vec<Diagnostic>) {
        let mut inputs = self.spec.steps.iter().skip(1).filter_map(|step| {
            // The loader changes a `from` with the name of an earlier step into a `union` of this step.
            let key = if step.union.len() > 1 { "union" } else { "from" };
            let union = step.union.first().map(|name| (key, name.node.span));
            let series = step.series.map(|series| ("series", series.name.node.span));
            step.from.as_ref().map(|(_, span)| ("from", *span)).or(union).or(series)
        });
        if let Some((key, span)) = inputs.next().filter(|_| self.incremental) {
            let is_filled =
                self.spec.kind != SpecKind::Written && self.spec.steps.iter().any(|step| step.series.is_some());
            let key = if is_filled { "fill" } else { key };
            diagnostics.push(incremental_input_error(key, span));
            // Skip the other checks of incremental models for filled steps: the errors would refer to generated steps,
            // which the spec does not contain.
            self.incremental = !is_filled;
        }
    }

    /// Compiles the steps up to the first step with an error. Returns the last select and its output. Returns `None` if
    /// a step has an error.
    fn compile_steps(
        &mut self,
        compiled: &mut CompiledSpec,
        memory: &mut CompileMemory,
    ) -> Option<(RowPlan, NextStepInput)> {
        let spec = self.spec;
        let dialect = self.compiler.options.dialect;
        let mut input = self.input_from_relation(&spec.from, Some(0));
        let mut body = RowPlan::default();
        self.required_types = self.types_required_by_other_steps(memory);
        let has_sheet = spec.steps.iter().any(|step| step.sheet.is_some());
        for (index, step) in spec.steps.iter().enumerate() {
            if step.has_unknown_input {
                self.report_errors_from_step(index, memory, &mut compiled.diagnostics);
                return None;
            }
            if let Some((from, _)) = step.from.as_ref().filter(|_| index > 0) {
                let source = self
                    .sources
                    .source_position(from)
                    .map(|source_index| source_index as u32);
                input = self.input_from_relation(from, source);
            }
            if !step.union.is_empty() {
                let union = self.add_union_cte(step, memory, &mut compiled.diagnostics);
                union.name().clone_into(&mut input.name);
                input.relation = Some(union).filter(|union| !union.is_open());
                // A union of several steps has no key.
                input.grain = match spec.step_input(index) {
                    StepInputs::Step(before) => self
                        .facts
                        .get(before)
                        .map_or_else(Vec::new, |facts| facts.grain.clone()),
                    _ => Vec::new(),
                };
            }
            if let Some(series) = step.series {
                if let Some(periods) = self.add_period_step(step, series, &input, memory, &mut compiled.diagnostics) {
                    input = periods;
                    continue;
                }
                let columns = input.relation.as_ref();
                self.report_errors_after_step(index, columns, memory, &mut compiled.diagnostics);
                return None;
            }
            let output = self.compile_step_at(index, &input, memory, &mut compiled.diagnostics);
            let Some(mut output) = output else {
                let columns = input.relation.as_ref();
                self.report_errors_after_step(index, columns, memory, &mut compiled.diagnostics);
                return None;
            };
            let last = index + 1 == spec.steps.len();
            if index == 0 {
                self.record_first_select(&mut output, last);
            }
            if index > 0 && step.from.is_some() && !output.volatile {
                let select_parts = (&mut output.ctes, &mut output.body);
                self.cte_texts.dedup_ctes(&memory.emit.tree, &self.ctes, select_parts);
            }
            self.ctes.append(&mut output.ctes);
            if has_sheet {
                self.inputs.push(input.to_previous_step_input(index));
            }
            if last {
                self.finish_last_step(&output, compiled, memory);
            }
            let single = output.single;
            let select = output.body;
            input = NextStepInput {
                name: step.name.map_or_else(String::new, |name| name.text.to_owned()),
                source: None,
                relation: (!output.open || output.relation.is_marked_incomplete()).then_some(output.relation),
                grain: output.grain,
            };
            if last {
                body = select;
            } else {
                self.ctes.push(Cte::new(dialect.name_text(&input.name, true), select));
                self.facts.push(input.step_output_properties(single));
            }
        }
        Some((body, input))
    }

    fn input_from_relation(&self, from: &RelationReference, source: Option<u32>) -> NextStepInput {
        let schema_relation = self.schema_relation(from);
        NextStepInput {
            name: from.name().to_owned(),
            source,
            relation: schema_relation.cloned(),
            grain: schema_relation
                .map(|relation| relation.key().to_vec())
                .unwrap_or_default(),
        }
    }

    /// Adds a step that lists the periods of a series, and returns its output. Reports invalid columns of the series
    /// and returns `None`.
    fn add_period_step(
        &mut self,
        step: &Step<'_>,
        series: PeriodSeries,
        input: &NextStepInput,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<NextStepInput> {
        let before = diagnostics.len();
        let dialect = self.compiler.options.dialect;
        if dialect.facts().series.is_empty() {
            let message = format!("`series` is not available in dialect `{dialect}`");
            diagnostics.push(
                Diagnostic::new(Code::UnsupportedFunction, series.name.node.span, message)
                    .with_help("read a table that lists the periods"),
            );
        }
        check_projection_names(step, self.source, input.relation.as_ref(), |_| false, diagnostics);
        // Engines disagree on how to add a month to the last days of a month, so months are added only to the first day
        // of a month.
        let is_month_added = !matches!(series.unit, "day" | "week");
        for (end, is_month_start) in [(series.first, is_month_added), (series.last, false)] {
            diagnostics.extend(check_series_bound(
                series.unit,
                (end, is_month_start),
                input.relation.as_ref(),
            ));
        }
        if step.has_errors || diagnostics.iter().skip(before).any(Diagnostic::is_error) {
            return None;
        }
        let periods = self.add_period_series_cte(step, series, &input.name, input.relation.as_ref(), memory);
        let columns = periods.columns().iter();
        let output = NextStepInput {
            name: periods.name().to_owned(),
            source: None,
            grain: columns.map(|column| column.name().to_owned()).collect(),
            relation: Some(periods),
        };
        self.facts.push(output.step_output_properties(false));
        Some(output)
    }

    /// Compiles the step at an index with its joins, tabs and totals.
    fn compile_step_at(
        &mut self,
        index: usize,
        from: &NextStepInput,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<StepOutput> {
        let steps = &self.spec.steps;
        let step = steps.get(index)?;
        let tabs = self.read_tabs(step, index, diagnostics);
        let mut input = from.as_step_input(&tabs);
        let joined = (!step.joins.is_empty()).then(|| self.join_inputs(step, index, &input, diagnostics));
        input.joined = joined.as_ref().map(|joined| &joined.input);
        let totals = match &step.sheet {
            Some(_) => self.with_totals(step, &input, memory, diagnostics),
            None => None,
        };
        if let Some(with) = &totals {
            input = StepInput {
                name: &with.name,
                relation: with.relation.as_ref(),
                source: None,
                ..input
            };
            self.totals.clone_from(&with.totals);
            for total in &with.totals {
                self.lineage.add_total(&total.measure, &total.column);
            }
        }
        let last = index + 1 == steps.len();
        let before = diagnostics.len();
        let output = self.compile_step((index, step), &input, joined.as_ref(), last, memory, diagnostics);
        if let Some(with) = &totals {
            // The CTE that adds the totals to the rows of the earlier step is not in the spec, so messages name the
            // earlier step instead.
            let [cte, step_name] = [&with.name, &from.name].map(|name| format!("`{name}`"));
            let rename = |text: &str| text.replace(&cte, &step_name);
            let of_step: Vec<Diagnostic> = diagnostics.drain(before..).collect();
            diagnostics.extend(of_step.into_iter().map(|diagnostic| diagnostic.map_texts(rename)));
        }
        output
    }

    /// Records the select that reads the rows of `from`, and the time columns that it reads.
    fn record_first_select(&mut self, output: &mut StepOutput, last: bool) {
        let before = self.ctes.len();
        let of_output = output.first_select.map(|index| before + index);
        self.first_select = of_output.or((!last).then_some(before + output.ctes.len()));
        self.first_times = std::mem::take(&mut output.times);
    }

    /// Checks the output of the last step and records the columns of the model.
    fn finish_last_step(&mut self, output: &StepOutput, compiled: &mut CompiledSpec, memory: &mut CompileMemory) {
        put_plain_columns_first(&memory.emit.tree, &mut self.ctes, &output.body);
        let relation = output.relation.without_struct_fields();
        if !output.open {
            self.check_column_entries(&relation, &mut compiled.diagnostics);
            self.check_column_keys(&relation, &mut compiled.diagnostics);
        }
        self.check_contract(&relation, output.open, &mut compiled.diagnostics);
        self.generate_tests(output, memory, &mut compiled.diagnostics);
        compiled.columns = self.with_tags(self.documented_columns(&relation));
        self.flag_timezone_converted_columns(&mut compiled.columns);
        (compiled.single, compiled.open) = (output.single, output.open);
        compiled.additivity = self.additivity_of(&relation, &output.grain);
    }

    /// Records the properties of the model, and writes it if there are no errors.
    fn finish_model(
        &mut self,
        body: RowPlan,
        output: &NextStepInput,
        compiled: &mut CompiledSpec,
        memory: &mut CompileMemory,
    ) {
        let (relation, grain) = (output.relation.as_ref(), &output.grain);
        check_cte_names(&self.ctes, compiled);
        let repeated_draws = self.check_recomputed_volatile_values(&body, &memory.emit.tree, compiled.name_span);
        compiled.diagnostics.extend(repeated_draws);
        compiled.key.clone_from(grain);
        compiled.never_null = self.tests.never_null.drain().collect();
        compiled.access = Some(self.model_access_and_group());
        let incremental = self.plan_incremental(relation, grain, &mut compiled.diagnostics);
        if let (Some(incremental), Some(relation)) = (&incremental, relation) {
            // The key of an incremental model is declared NOT NULL and tested, so no warning is necessary.
            self.tests.nullable_key_warnings.clear();
            compiled
                .never_null
                .extend(incremental.unique_key.iter().map(|key| key.to_lowercase()));
            if grain.is_empty() && incremental.is_unique {
                self.add_unique_key_test(&incremental.unique_key, relation, memory, &mut compiled.diagnostics);
            }
        }
        compiled
            .model_warnings
            .extend(self.spec.steps.last().and_then(limit_warning));
        compiled.model_warnings.extend(self.hard_coded_table_warnings());
        compiled.model_warnings.append(&mut self.tests.nullable_key_warnings);
        if !compiled.diagnostics.iter().any(Diagnostic::is_error) {
            self.write(body, grain, incremental, &mut memory.emit, compiled);
        }
    }
}

/// Returns a warning about a limit in the last step, because the limit hides rows from readers of the model.
fn limit_warning(last: &Step<'_>) -> Option<Diagnostic> {
    let rows = last.limit?;
    let message = format!("`limit: {rows}` removes rows for all downstream models");
    let (fix, name) = match last.rank_column() {
        Some(name) => ("remove `limit`", format!("`{name}`")),
        None => ("add a rank column, for example `place = RANK(…)`", "it".to_owned()),
    };
    let help = format!("{fix}, and filter by {name} when you read the model");
    Some(Diagnostic::new(Code::LimitInModel, last.limit_span, message).with_help(help))
}

/// Returns an error if the first or last period of a series is not a date or, if `is_month_start` is set, is not known
/// to be the first day of a month.
fn check_series_bound(
    unit: &str,
    (end, is_month_start): (SpannedText<'_>, bool),
    input: Option<&Relation>,
) -> Option<Diagnostic> {
    let relation = input?;
    let name = end.text;
    let Some(column) = relation.column(name) else {
        let help = || "correct the name in `series`".to_owned();
        return (!relation.may_have_unlisted_columns())
            .then(|| check::missing_column_diagnostic(relation, name, end.node.span, help));
    };
    let is_date = matches!(column.ty(), Type::Date | Type::Unknown);
    if is_date && (column.is_month_start() || !is_month_start) {
        return None;
    }
    let message = match is_date {
        true => format!("`{name}` is not known to be the first day of a month"),
        false => format!("`series` needs dates, but `{name}` is {}", column.ty().describe()),
    };
    let help = format!("compute it from a timeframe, such as `{name} = MIN(ordered_at[{unit}])`");
    Some(Diagnostic::new(Code::TypeMismatch, end.node.span, message).with_help(help))
}
