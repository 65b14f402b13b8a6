//! Compiles the steps of a spec. The compiler checks and plans each step based on the output of the previous step.

use rustc_hash::FxHashMap;

use super::additivity::StepColumns;
use super::averaged_rates::{check_rates, column_provenances, input_relations, is_provenance_needed};
use super::cardinality::{check_join_support, check_join_visibility};
use super::checks::{check_cte_names, check_helpers, check_keys, check_outputs, check_shape, check_unnamed_formulas};
use super::dbt_tests::SpecTests;
use super::fan_out::check_fan_out;
use super::file::SpecFile;
use super::formulas::StepFormulas;
use super::hidden_periods::check_hidden_periods;
use super::incremental::is_incremental;
use super::join_scope::{JoinedStepInput, StepFacts};
use super::join_tests::SingleMatchTest;
use super::lineage::Lineage;
use super::load::{KeptColumns, Spec, SpecKind, Step};
use super::long_names::check_lengths;
use super::metrics::{MetricSetWithErrors, UncompiledModelOverSets, find_step_over_metric_sets, period_steps};
use super::missing_periods::{check_gaps, check_units};
use super::partitions::check_partitions;
use super::possible_columns::possible_columns;
use super::properties::other_versions;
use super::reads::NamesUsed;
use super::selector_facts;
use super::sources::SpecSources;
use super::time_range::{CrossRowRead, StepTimes};
use super::totals::PreviousStepInput;
use super::worksheet::{check_order, pivot_cell_keys, sheet_column_indexes, without_calculations, worksheet_grid};
use super::{CompiledSpec, SpecDefinition};
use crate::UndecidedType;
use crate::ast::Ast;
use crate::check::{self, CheckScope, Context, DefinitionRole};
use crate::compiler::{Compiler, SpecOptions, column_path};
use crate::diag::{self, Code, Diagnostic};
use crate::ir::{ColumnUse, Ir, Program};
use crate::parse;
use crate::plan::{
    CteNames, KeepColumns, PivotOrder, StepInput, StepOutput, StepPlan, StepSpec, TimeColumn, key_name,
    needs_every_cell, plan_step, rewrite_unsupported,
};
use crate::schema::Relation;
use crate::scratch::CompileMemory;
use crate::sql::{Cte, Select, put_plain_columns_first};
use crate::{Level, Type};
use std::sync::Arc;

impl Compiler {
    /// Compiles a model spec. The function always returns a result, but the result contains generated texts only if
    /// there are no errors.
    ///
    /// If the schema contains the relation named by `from`, that relation determines the types and nullability of the
    /// columns. Otherwise, every name is a column whose type is inferred from use.
    #[must_use]
    pub fn compile_spec(&self, source: &str) -> CompiledSpec {
        self.compile_spec_at(source, None)
    }

    /// Compiles a spec that has a path. The headers of generated files contain the path.
    #[must_use]
    pub fn compile_spec_at(&self, source: &str, path: Option<&str>) -> CompiledSpec {
        self.compile_file(SpecFile::read(source, path, &self.options.limits))
    }

    pub(super) fn compile_file(&self, file: SpecFile<'_>) -> CompiledSpec {
        let contents = SpecContents::from_file(self, &file);
        self.compile_contents(file, contents)
    }

    /// Compiles a spec whose contents were read with this compiler.
    pub(super) fn compile_contents(&self, file: SpecFile<'_>, contents: SpecContents) -> CompiledSpec {
        match contents {
            SpecContents::Set(set) => self.compile_metric_set(&file, set),
            SpecContents::OverSets(model) => self.compile_from_metric_sets(&file, *model),
            SpecContents::Periods => self.compile_periods(file),
            SpecContents::Plain => self.compile_spec_file(file, SpecKind::Written),
        }
    }

    /// Compiles a spec that reads relations, not metric sets.
    pub(super) fn compile_spec_file(&self, mut file: SpecFile<'_>, kind: SpecKind) -> CompiledSpec {
        let mut compiled = CompiledSpec::new(self.options.dialect, std::mem::take(&mut file.diagnostics));
        if let Some(spec) = file.spec(kind, &mut compiled.diagnostics) {
            compiled.name = Some(spec.model.text.to_owned());
            compiled.name_span = spec.model.node.span;
            (compiled.tags, compiled.config) = (selector_facts::tags(&spec.dbt), selector_facts::config(&spec.dbt));
            compiled.other_versions = other_versions(&spec.dbt, spec.model.text);
            compiled.budget = selector_facts::budget(&spec.dbt);
            compiled.column_tags = selector_facts::column_tags(&spec.columns);
            let mut run = SpecCompilation::new(self, &spec, file.source, file.path);
            self.pool.lend_memory(|memory| run.run(&mut compiled, memory));
            compiled.known_relations = run.relations_read(&compiled.columns);
            compiled.definitions = run.definitions;
            compiled.lineage = run.lineage;
            compiled.columns_read = run.columns_read;
        }
        crate::compiler::remove_silenced(&mut compiled.diagnostics, file.source, &self.options.silenced);
        crate::compiler::remove_silenced(&mut compiled.model_warnings, file.source, &self.options.silenced);
        diag::sort(&mut compiled.diagnostics);
        if compiled.has_errors() {
            compiled.query = None;
            compiled.model = None;
        } else if self.specs.probe_types {
            compiled.undecided_types = self.undecided_types_of_spec(file.source, kind, &compiled);
        }
        compiled
    }
}

/// Kind of a spec, with everything that is read before the spec is compiled.
pub(super) enum SpecContents {
    Set(MetricSetWithErrors),
    OverSets(Box<UncompiledModelOverSets>),
    /// Spec in which steps specify their periods.
    Periods,
    Plain,
}

impl SpecContents {
    pub(super) fn from_file(compiler: &Compiler, file: &SpecFile<'_>) -> Self {
        Self::from_file_and_metric_set(compiler, file, MetricSetWithErrors::from_file(compiler, file))
    }

    /// `set` is the metric set of the file, if the file is one.
    pub(super) fn from_file_and_metric_set(
        compiler: &Compiler,
        file: &SpecFile<'_>,
        set: Option<MetricSetWithErrors>,
    ) -> Self {
        if let Some(set) = set {
            return Self::Set(set);
        }
        match file.root() {
            Some(root) if find_step_over_metric_sets(root).is_some() => {
                Self::OverSets(Box::new(UncompiledModelOverSets::from_file(compiler, file)))
            }
            Some(root) if !period_steps(root).is_empty() => Self::Periods,
            _ => Self::Plain,
        }
    }
}

impl Compiler {
    /// Returns the columns of unknown type whose type affects the SQL of a spec.
    fn undecided_types_of_spec(&self, text: &str, kind: SpecKind, compiled: &CompiledSpec) -> Vec<UndecidedType> {
        let Some(before) = compiled.query() else {
            return Vec::new();
        };
        let columns = compiled.columns_read.iter().filter(|column| column.assumed);
        let columns = columns.map(|column| (column_path(column), &*column.name, column.ty));
        let specs = Arc::new(SpecOptions {
            probe_types: false,
            ..(*self.specs).clone()
        });
        self.find_undecided_types(columns, |formulas| {
            let compiler = Self {
                formulas: formulas.clone(),
                specs: Arc::clone(&specs),
            };
            let file = SpecFile::read(text, None, &compiler.options.limits);
            let compiled = compiler.compile_spec_file(file, kind);
            compiled.query().is_some_and(|sql| sql != before)
        })
    }
}

pub(super) struct SpecCompilation<'r> {
    pub(super) compiler: &'r Compiler,
    pub(super) spec: &'r Spec<'r>,
    pub(super) source: &'r str,
    pub(super) path: Option<&'r str>,
    pub(super) names: CteNames,
    pub(super) ctes: Vec<Cte>,
    /// Descriptions of columns by name, as written by the analyst.
    pub(super) descriptions: FxHashMap<String, String>,
    /// All definitions, for the header of generated SQL and for callers.
    pub(super) definitions: Vec<SpecDefinition>,
    /// Name of each grouping key, and its text in the spec.
    pub(super) written_keys: Vec<(String, String)>,
    pub(super) sources: SpecSources,
    /// Whether every join is valid and the relations of each step have distinct names.
    joins_sound: bool,
    /// Facts about each compiled step.
    pub(super) facts: Vec<StepFacts>,
    /// Joins that are declared, but not proven, to find at most one row.
    pub(super) unproven: Vec<SingleMatchTest>,
    /// Generated dbt tests.
    pub(super) proofs: SpecTests,
    /// Definitions to compute if a step is recomputed for totals. `None` for all definitions.
    pub(super) only: Option<Vec<String>>,
    /// Relation columns that formulas read.
    columns_read: Vec<ColumnUse>,
    pub(super) names_used: NamesUsed,
    /// Totals of the next step's input.
    pub(super) totals: Vec<crate::check::SheetTotal>,
    /// Whether the spec requests an incremental model.
    pub(super) incremental: bool,
    /// Time columns of each step and the ranges that its values read, for incremental models.
    pub(super) times: Vec<StepTimes>,
    /// Time columns that the first select reads. `first_select` is the index of this select in `ctes`, or `None` if it
    /// is the last select.
    pub(super) first_times: Vec<TimeColumn>,
    pub(super) first_select: Option<usize>,
    pub(super) lineage: Lineage,
    /// Unions of steps so far, each with the names of the steps.
    pub(super) unions: Vec<(Vec<String>, Relation)>,
    /// Additivity of each step's columns.
    pub(super) additivity: Vec<StepColumns>,
}

impl<'r> SpecCompilation<'r> {
    fn new(compiler: &'r Compiler, spec: &'r Spec<'r>, source: &'r str, path: Option<&'r str>) -> Self {
        Self {
            compiler,
            spec,
            source,
            path,
            names: CteNames::new(compiler.options.dialect.max_bytes()),
            ctes: Vec::new(),
            descriptions: FxHashMap::default(),
            definitions: Vec::new(),
            written_keys: Vec::new(),
            sources: SpecSources::default(),
            joins_sound: true,
            facts: Vec::new(),
            unproven: Vec::new(),
            proofs: SpecTests::default(),
            only: None,
            columns_read: Vec::new(),
            names_used: NamesUsed::default(),
            totals: Vec::new(),
            incremental: false,
            times: Vec::new(),
            first_times: Vec::new(),
            first_select: None,
            lineage: Lineage::default(),
            unions: Vec::new(),
            additivity: Vec::new(),
        }
    }

    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    fn run(&mut self, compiled: &mut CompiledSpec, memory: &mut CompileMemory) {
        memory.emit.tree.clear();
        let spec = self.spec;
        self.incremental = is_incremental(self);
        self.check_dbt_keys(&mut compiled.diagnostics);
        let from = spec.from.name().to_owned();
        spec.steps
            .iter()
            .filter_map(|s| s.name)
            .for_each(|n| self.names.reserve(n.text));
        self.sources = SpecSources::new(spec, self.compiler.options.dialect, &mut self.names);
        compiled.reads = self.sources.all.iter().map(|source| source.from.clone()).collect();
        compiled.tables = self
            .sources
            .all
            .iter()
            .map(|source| source.from.display_name().into_owned())
            .collect();
        self.check_names(&mut compiled.diagnostics);
        self.check_model_name(&mut compiled.diagnostics);
        self.check_exposures(&mut compiled.diagnostics);
        self.check_access(&mut compiled.diagnostics);
        self.check_step_lengths(&mut compiled.diagnostics);
        self.joins_sound = self.check_joins(&mut compiled.diagnostics);
        if self.is_missing(&spec.from) {
            let missing = self.report_missing_relation("from", &from, spec.from_span, "", std::iter::empty());
            compiled.diagnostics.push(missing);
            return;
        }
        let known = self.known_relation(&spec.from);
        let mut relation: Option<Relation> = known.cloned();
        let mut grain: Vec<String> = known.map(|r| r.key().to_vec()).unwrap_or_default();
        let mut name = from;
        let mut body = Select::default();
        let count = spec.steps.len();
        let mut before: Option<PreviousStepInput> = None;
        for (index, step) in spec.steps.iter().enumerate() {
            let last = index + 1 == count;
            let mut source = (index == 0).then_some(0);
            if let Some((of, _)) = step.from.as_ref().filter(|_| index > 0) {
                let known = self.known_relation(of);
                of.name().clone_into(&mut name);
                relation = known.cloned();
                grain = known.map(|r| r.key().to_vec()).unwrap_or_default();
                source = self.sources.source_position(of).map(|at| at as u32);
            }
            if !step.union.is_empty() {
                let union = self.add_union_cte(step, memory, &mut compiled.diagnostics);
                union.name().clone_into(&mut name);
                relation = Some(union);
                grain = Vec::new();
            }
            if let Some(series) = &step.series {
                if self.incremental {
                    let message = "`fill` is not allowed in an incremental model: a run reads only new and late rows, so it \
                        does not know all periods and keys";
                    compiled.diagnostics.push(
                        Diagnostic::new(Code::UnboundedInTime, step.span, message)
                            .with_help("write `materialized: table`"),
                    );
                    return;
                }
                let periods = self.add_period_series_cte(step, *series, &name, relation.as_ref(), memory);
                periods.name().clone_into(&mut name);
                grain = periods
                    .columns()
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect();
                relation = Some(periods);
                self.facts.push(StepFacts {
                    relation: relation.clone(),
                    grain: grain.clone(),
                    single: false,
                });
                continue;
            }
            let read = PreviousStepInput {
                index,
                name: name.clone(),
                relation: relation.clone(),
                grain: grain.clone(),
            };
            let tabs = self.read_tabs(step, index, &mut compiled.diagnostics);
            let mut input = StepInput {
                name: &name,
                source,
                relation: relation.as_ref(),
                grain: &grain,
                joined: None,
                joined_grain: &[],
                tabs: &tabs,
            };
            let joined = match step.joins.as_slice() {
                [] => None,
                _ => Some(self.join_inputs(step, index, &input, &mut compiled.diagnostics)),
            };
            input.joined = joined.as_ref().map(|joined| &joined.input);
            let totals = match &step.sheet {
                Some(_) => self.with_totals(step, &input, before.as_ref(), memory, &mut compiled.diagnostics),
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
                with.totals
                    .iter()
                    .for_each(|total| self.lineage.add_total(&total.measure, &total.column));
            }
            let Some(mut output) =
                self.compile_step(step, &input, joined.as_ref(), last, memory, &mut compiled.diagnostics)
            else {
                let limits = &self.compiler.options.limits;
                let mut columns = possible_columns(step, self.source, relation.as_ref(), limits, memory);
                for step in spec.steps.iter().skip(index + 1) {
                    // The columns of joined relations are not considered here, so they are treated as unknown if the
                    // step has joins.
                    let seen = columns.as_ref().filter(|_| step.joins.is_empty());
                    self.report_independent_errors(step, seen, memory, &mut compiled.diagnostics);
                    columns = possible_columns(step, self.source, columns.as_ref(), limits, memory);
                }
                return;
            };
            if index == 0 {
                self.first_select = output
                    .first_select
                    .map(|place| self.ctes.len() + place)
                    .or((!last).then_some(self.ctes.len() + output.ctes.len()));
                self.first_times = std::mem::take(&mut output.times);
            }
            self.ctes.append(&mut output.ctes);
            if last {
                put_plain_columns_first(&memory.emit.tree, &mut self.ctes, &output.body);
                if !output.open {
                    self.check_columns(&output.relation, &mut compiled.diagnostics);
                    self.check_column_keys(&output.relation, &mut compiled.diagnostics);
                }
                self.check_contract(&output.relation, output.open, &mut compiled.diagnostics);
                self.generate_tests(&output, memory, &mut compiled.diagnostics);
                body = output.body;
                compiled.columns = self.with_tags(self.documented_columns(&output.relation));
                self.mark_converted_times(&mut compiled.columns);
                (compiled.single, compiled.open) = (output.single, output.open);
                compiled.additivity = self.additivity_of(&output.relation, &output.grain);
            } else {
                let step_name = step.name.map_or_else(String::new, |n| n.text.to_owned());
                let written = self.compiler.options.dialect.name_text(&step_name, true);
                self.ctes.push(Cte {
                    name: written,
                    body: output.body,
                });
                name = step_name;
            }
            grain = output.grain;
            before = Some(read);
            relation = (!output.open || output.relation.is_partial()).then_some(output.relation);
            if !last {
                let (grain, single) = (grain.clone(), output.single);
                self.facts.push(StepFacts {
                    relation: relation.clone(),
                    grain,
                    single,
                });
            }
        }
        check_cte_names(&self.ctes, compiled);
        compiled.key.clone_from(&grain);
        compiled.never_null = std::mem::take(&mut self.proofs.never_null);
        compiled.access = Some(self.model_access_and_group());
        let incremental = self.plan_incremental(relation.as_ref(), &grain, &mut compiled.diagnostics);
        if let (Some(incremental), Some(relation)) = (&incremental, &relation) {
            // The key of an incremental model is declared NOT NULL and tested, so no warning is necessary.
            self.proofs.nullable_keys.clear();
            compiled
                .never_null
                .extend(incremental.unique_key.iter().map(|key| key.to_lowercase()));
            if grain.is_empty() && incremental.is_unique {
                self.add_unique_key_test(&incremental.unique_key, relation, memory, &mut compiled.diagnostics);
            }
        }
        compiled
            .model_warnings
            .extend(spec.steps.last().and_then(limit_warning));
        compiled.model_warnings.append(&mut self.proofs.nullable_keys);
        if !compiled.diagnostics.iter().any(Diagnostic::is_error) {
            self.write(body, &grain, incremental, &mut memory.emit, compiled);
        }
    }

    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    pub(super) fn compile_step(
        &mut self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        joined: Option<&JoinedStepInput<'_>>,
        last: bool,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<StepOutput> {
        let before = diagnostics.len();
        let failed = |all: &[Diagnostic]| all.get(before..).unwrap_or_default().iter().any(Diagnostic::is_error);
        let CompileMemory {
            parse,
            ast,
            check,
            program,
            emit,
            ..
        } = memory;
        let options = &self.compiler.options;
        let formulas = StepFormulas::with_using(step, joined.map_or(&[], |joined| &joined.using), self.source);
        let mut found = Vec::new();
        parse::parse_parts(&formulas.text, &formulas.parts, &options.limits, parse, ast, &mut found);
        let timezone = self.spec.timezone.as_deref().or(options.timezone.as_deref());
        let mut sheet = worksheet_grid(step, input.relation, input.grain, input.tabs);
        // An incremental run reads only part of the rows, but pivots and totals need all rows.
        let whole_sheet = sheet.as_ref().is_some_and(|sheet| sheet.pivot.is_some()) || !self.totals.is_empty();
        let refused = whole_sheet.then_some(step.span);
        if let Some(sheet) = &mut sheet {
            sheet.totals = Some(std::mem::take(&mut self.totals));
        }
        let step = &without_calculations(step, ast, &formulas);
        let scope = CheckScope {
            context: if sheet.is_some() {
                Context::Worksheet
            } else {
                Context::Measure
            },
            relations: match joined {
                Some(joined) => &joined.input.relations,
                None => input.relation.map_or(&[][..], std::slice::from_ref),
            },
            merged: joined.map_or(&[], |joined| &joined.merged),
            open: match joined {
                Some(joined) => joined.input.relations.iter().any(Relation::is_open),
                None => input.relation.is_none(),
            },
            chosen: true,
            roles: &formulas.roles,
            ordered: !step.order_by.is_empty(),
            descending: &formulas.descending,
            blank_zero: self.spec.blank_zero || options.blank_zero,
            timezone,
            calendar: self.calendar(),
            today: self.spec.today.as_ref().map(|today| &today.value),
            strata: true,
            sheet: sheet.as_ref(),
            given_types: &options.given_types,
        };
        let syntax = found.len();
        check::check(ast, &formulas.text, &scope, check, program, &mut found);
        let pivoted = sheet.as_ref().is_some_and(|sheet| sheet.pivot.is_some());
        let sound = pivoted && !step.faulty && !found.iter().any(Diagnostic::is_error);
        let mut values = Vec::new();
        let mut cells = None;
        if sound {
            values = self.pivot_values(step, input.relation, program, emit, diagnostics);
            let wide = step
                .sheet
                .iter()
                .any(|sheet| sheet.pivot.iter().any(|pivot| pivot.values.is_some()));
            let every = wide
                || needs_every_cell(
                    &build_plan(program, ast, &formulas, step),
                    &pivot_cell_keys(step, input.grain),
                );
            if every && !failed(diagnostics) {
                cells = {
                    let totals = sheet
                        .as_ref()
                        .and_then(|sheet| sheet.totals.as_deref())
                        .unwrap_or_default();
                    self.pivot_cells(step, input, program, (&values, totals), emit, diagnostics)
                };
            }
        }
        let of_sheet = input;
        let in_cells;
        let input = match &cells {
            None => input,
            Some(cells) => {
                in_cells = cells.with_cells(input);
                let relations = in_cells.relation.map_or(&[][..], std::slice::from_ref);
                found.truncate(syntax);
                check::check(
                    ast,
                    &formulas.text,
                    &CheckScope { relations, ..scope },
                    check,
                    program,
                    &mut found,
                );
                &in_cells
            }
        };
        rewrite_unsupported(program, options.dialect);
        check_unnamed_formulas(ast, &formulas, &mut found);
        let mut plan = build_plan(program, ast, &formulas, step);
        if let Some(only) = &self.only {
            for (definition, output) in program.definitions.iter().zip(&mut plan.outputs) {
                *output &= only.iter().any(|name| {
                    definition
                        .name
                        .as_deref()
                        .is_some_and(|own| own.eq_ignore_ascii_case(name))
                });
            }
        }
        check_keys(&plan, &mut found);
        check_outputs(&plan, &formulas.text, &mut found);
        check_helpers(&plan, ast, &formulas.text, &mut found);
        let before = self.additivity.last().filter(|_| input.source.is_none());
        check_gaps(&plan, input, before, sheet.is_some(), &formulas.text, &mut found);
        check_units(&plan, before, &formulas.text, &mut found);
        check_hidden_periods(&plan, &formulas.text, &mut found);
        check_partitions(&plan, step, &formulas.text, &mut found);
        check_lengths(&plan, ast, &formulas.text, last, options.dialect, &mut found);
        let read = input_relations(input);
        let made = if is_provenance_needed(read, last) {
            column_provenances(program, read)
        } else {
            Vec::new()
        };
        check_rates(&plan, &made, read, &formulas.text, &mut found);
        // Skip these checks if a relation is missing or ambiguous, because the error is already reported.
        let sound = joined.filter(|_| self.joins_sound && !step.faulty);
        if let Some(joined) = sound {
            check_join_visibility(&plan, joined, &mut found);
            check_fan_out(&plan, step, joined, &mut found);
            check_join_support(&plan, step, joined, options.dialect, &mut found);
        }
        let kept = joined.map(|joined| joined.kept_columns(step, diagnostics));
        let unproven = sound.map(|joined| self.unproven_joins(&plan, step, input.name, joined, diagnostics));
        check_order(step, program, input.grain, self.source, diagnostics);
        check_shape(
            step,
            &plan,
            input,
            !found.iter().any(Diagnostic::is_error),
            self.source,
            diagnostics,
        );
        let found = found.into_iter().map(|d| d.map_spans(|s| formulas.to_file_span(s)));
        diagnostics.extend(found.filter(|d| !self.is_truncated_formula(d.span())));
        if input.source.is_some() || joined.is_some() {
            self.columns_read.extend(program.columns.iter().cloned());
        }
        self.note_names(step, of_sheet, program);
        if step.unsound || step.faulty || failed(diagnostics) {
            // Stop here, because later steps read the output of this step and would only repeat its errors.
            return None;
        }
        if self.only.is_none() {
            self.collect_descriptions(step, program, ast, &formulas);
        }
        let name = self.step_name(step, input.name, &plan, &formulas.text);
        let by_definition = |by_part: &[bool]| -> Vec<bool> {
            let of = |part: u32| by_part.get(part as usize).copied().unwrap_or(false);
            ast.definitions.iter().map(|definition| of(definition.part)).collect()
        };
        let descending = by_definition(&formulas.descending);
        let quoted = by_definition(&formulas.quoted);
        let spec = StepSpec {
            name: &name,
            last,
            keep: match &step.keep {
                _ if cells.is_some() => {
                    KeepColumns::Some(cells.iter().flat_map(|cells| &cells.kept).map(String::as_str).collect())
                }
                _ if matches!(kept, Some(Some(_))) => KeepColumns::Joined(kept.flatten().unwrap_or_default()),
                KeptColumns::Nothing => KeepColumns::Nothing,
                KeptColumns::All => KeepColumns::All,
                KeptColumns::Columns(names) => KeepColumns::Some(names.iter().map(|n| n.text).collect()),
            },
            limit: step.limit,
            descending: &descending,
            quoted: &quoted,
            default_partition: step.partition_by.is_none(),
            source: &formulas.text,
            first: &sheet_column_indexes(step),
            times: self.incremental && input.source.is_some(),
            sheet: sheet.is_some(),
            pivot: sheet.as_ref().and_then(|sheet| sheet.pivot).map(|_| {
                cells
                    .as_ref()
                    .and_then(|cells| cells.place.as_deref())
                    .map_or(PivotOrder::ByKeys, PivotOrder::ByColumn)
            }),
        };
        let joined_grain = joined
            .map(|joined| joined.grain(step, input, &plan))
            .unwrap_or_default();
        let input = &StepInput {
            joined_grain: &joined_grain,
            ..input.clone()
        };
        let mut output = plan_step(
            &plan,
            &spec,
            input,
            options.dialect,
            &options.limits,
            emit,
            &mut self.names,
        );
        for (definition, _) in program
            .definitions
            .iter()
            .zip(&plan.outputs)
            .filter(|(_, output)| **output)
        {
            let made = made.get(definition.root.index()).cloned().unwrap_or_default();
            output
                .relation
                .record_provenance(definition.name.as_deref().unwrap_or_default(), made);
        }
        if last {
            // Other specs may only use facts that dbt can provide.
            output.relation.clear_month_starts();
        } else {
            record_possible_values(&plan, read, &mut output.relation);
        }
        if self.incremental && self.only.is_none() {
            let place = self.times.len();
            let mut times = self.step_times(step, place, (&plan, input), &output, &formulas);
            if let Some(span) = refused {
                times.looks.push(CrossRowRead::Unbounded {
                    span,
                    why: "a pivot or a total needs all rows of the sheet",
                });
            }
            self.times.push(times);
        }
        diagnostics.extend(
            output
                .diagnostics
                .iter()
                .cloned()
                .map(|d| d.map_spans(|s| formulas.to_file_span(s))),
        );
        if let Some(joined) = joined {
            let unproven = unproven.unwrap_or_default();
            self.add_tests_of_unproven_joins(&unproven, &plan, step, joined, &output, emit);
        }
        if self.only.is_none() {
            self.record_lineage(step, &plan, of_sheet, &output.relation, &formulas.text);
            self.record_additivity(step, &plan, input, &output.relation, &formulas.text);
        }
        if let Some(cells) = &cells {
            let kept = match &step.keep {
                KeptColumns::Columns(names) => KeepColumns::Some(names.iter().map(|n| n.text).collect()),
                _ => KeepColumns::All,
            };
            if cells.place.is_some() {
                let work = (&mut *program, &mut *emit, last);
                self.convert_to_wide_form(step, cells, &values, &kept, of_sheet, work, &mut output, diagnostics);
                self.keep_additivity_of_row_keys();
            } else {
                self.convert_to_long_form(cells, of_sheet, &kept, &mut output, &mut emit.tree);
            }
        }
        if self.only.is_none() {
            self.lineage.record_outputs(&output.relation, last);
        }
        if let Some(column) = &output.star_conflict {
            diagnostics.push(
                Diagnostic::new(
                    Code::ColumnsNotKnown,
                    step.keep_span,
                    format!("`keep: all` cannot exclude the redefined column `{column}`, because no schema lists the other columns"),
                )
                .with_help("provide a schema with `--schema`, or list the columns in `keep`"),
            );
        }
        (!failed(diagnostics)).then_some(output)
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

    /// Returns the name of a step. The name of an unnamed step is generated from its input and grouping keys, for
    /// example `orders_by_region`.
    fn step_name(&self, step: &Step<'_>, from: &str, plan: &StepPlan<'_>, text: &str) -> String {
        if let Some(name) = step.name {
            return name.text.to_owned();
        }
        let program = plan.program;
        let keys: Vec<String> = (0..program.definitions.len())
            .filter(|i| plan.roles[*i] == DefinitionRole::GroupBy)
            .filter_map(|i| match program.node(program.definitions[i].root) {
                Ir::Definition(used) => program.definitions[used as usize].name.as_deref().map(str::to_owned),
                Ir::Column(column) => Some(program.columns[column as usize].name.to_string()),
                _ => Some(key_name(program.definitions[i].span.text(text))),
            })
            .collect();
        let mut name = match keys.as_slice() {
            [] if plan.grouped => format!("{from}_in_total"),
            [] => format!("{from}_calculated"),
            [key] => format!("{from}_by_{key}"),
            [one, two] => format!("{from}_by_{one}_and_{two}"),
            [one, ..] => format!("{from}_by_{one}_and_more"),
        };
        while self
            .sources
            .all
            .iter()
            .any(|source| source.name.eq_ignore_ascii_case(&name))
        {
            name.push_str("_rows");
        }
        name
    }
}

/// Records which strings a step's columns may contain, for comparisons in later steps.
fn record_possible_values(plan: &StepPlan<'_>, read: &[Relation], relation: &mut Relation) {
    let program = plan.program;
    for (index, definition) in program.definitions.iter().enumerate() {
        let of = match (program.node(definition.root), plan.roles[index]) {
            (Ir::Column(column), DefinitionRole::GroupBy) => program.columns.get(column as usize).map(|c| &*c.name),
            _ if plan.outputs[index] => definition.name.as_deref(),
            _ => None,
        };
        let Some(name) = of.filter(|_| program.meta(definition.root).ty == Type::Text) else {
            continue;
        };
        if let Some(values) = check::possible_values(program, read, definition.root) {
            relation.record_values(name, values);
        }
    }
}

/// Returns a warning about a limit in the last step, because it hides rows from readers of the model.
fn limit_warning(last: &Step<'_>) -> Option<Diagnostic> {
    let rows = last.limit?;
    let message = format!("`limit: {rows}` removes rows for all downstream models");
    let help = "add a rank column, for example `place = RANK(…)`, and filter by it when you read the model";
    Some(Diagnostic::new(Code::LimitInModel, last.limit_span, message).with_help(help))
}

fn build_plan<'p>(program: &'p Program, ast: &Ast, formulas: &StepFormulas, step: &Step<'_>) -> StepPlan<'p> {
    let role = |index: usize| {
        ast.definitions
            .get(index)
            .and_then(|d| formulas.roles.get(d.part as usize))
            .copied()
            .unwrap_or(DefinitionRole::Definitions)
    };
    let count = program.definitions.len();
    let roles: Vec<DefinitionRole> = (0..count).map(role).collect();
    let aggregates = program
        .nodes()
        .any(|n| matches!(n, Ir::Aggregate { .. } | Ir::CountRows));
    let grouped = !step.group_by.is_empty() || aggregates;
    let mut keys = vec![false; count];
    for (role, definition) in roles.iter().zip(&program.definitions) {
        if let (DefinitionRole::GroupBy, Ir::Definition(used)) = (role, program.node(definition.root)) {
            keys[used as usize] = true;
        }
    }
    let outputs = (0..count)
        .map(|i| {
            let level = program.meta(program.definitions[i].root).level;
            roles[i] == DefinitionRole::Definitions && (!grouped || keys[i] || level != Level::Row)
        })
        .collect();
    StepPlan {
        program,
        roles,
        grouped,
        keys,
        outputs,
    }
}
