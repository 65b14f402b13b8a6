//! Compiles the steps of a spec. The compiler checks and plans each step based on the output of the previous step.

mod independent_errors;
mod required_types;
mod step;
mod step_output;
mod step_plan;
mod step_sequence;
#[cfg(test)]
mod tests;
mod volatile_values;

pub use step::StepToCompile;

use std::cell::OnceCell;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use self::required_types::RequiredTypes;
use crate::access::InheritedAccess;
use crate::additivity::StepColumns;
use crate::check::{self, Today};
use crate::compiler::{Compiler, column_path, remove_silenced_warnings};
use crate::dbt_tests::SpecTests;
use crate::described_formulas::FormulasByName;
use crate::diag;
use crate::file::SpecFile;
use crate::ir::ColumnUse;
use crate::join_scope::StepOutputProperties;
use crate::join_tests::SingleMatchTest;
use crate::lineage::Lineage;
use crate::load::{Spec, SpecKind};
use crate::metrics::{MetricSetWithErrors, UncompiledModelOnMetricSets, find_step_over_metric_sets, period_steps};
use crate::plan::{CteNames, TimeColumn};
use crate::reads::SpecNames;
use crate::schema::Relation;
use crate::sources::SpecSources;
use crate::spec_facts;
use crate::sql::{Cte, CteIndex};
use crate::time_range::StepTimeColumns;
use crate::totals::PreviousStepInput;
use crate::versions::ungenerated_versions;
use crate::{CompiledSpec, SpecDefinition, TypeSensitiveColumn};

impl Compiler {
    /// Compiles a model spec. The function always returns a result, but the result contains generated text only if
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

    pub(crate) fn compile_file(&self, file: SpecFile<'_>) -> CompiledSpec {
        let contents = SpecContents::from_file(self, &file);
        self.compile_contents(file, contents)
    }

    /// Compiles a spec whose contents were read with this compiler.
    pub(crate) fn compile_contents(&self, file: SpecFile<'_>, contents: SpecContents) -> CompiledSpec {
        match contents {
            SpecContents::Set(set) => self.compile_metric_set(&file, set),
            SpecContents::OverSets(model) => self.compile_from_metric_sets(&file, *model),
            SpecContents::Periods | SpecContents::Plain => {
                self.compile_spec_with_periods(file, SpecKind::Written, GeneratedSpecSources::default())
            }
        }
    }

    /// Compiles a spec that reads relations, not metric sets, without writing its model.
    pub(crate) fn compile_query(&self, file: SpecFile<'_>, kind: SpecKind) -> CompiledSpec {
        self.compile_relational_spec(file, kind, None)
    }

    /// Compiles a spec that reads relations, and writes its model. If the spec is generated, the descriptions of
    /// columns show the formulas in `generated_from` instead of the generated formulas.
    pub(crate) fn compile_model(
        &self,
        file: SpecFile<'_>,
        kind: SpecKind,
        generated_from: GeneratedSpecSources,
    ) -> CompiledSpec {
        self.compile_relational_spec(file, kind, Some(generated_from))
    }

    /// `generated_from` is `None` if only the query is needed.
    fn compile_relational_spec(
        &self,
        mut file: SpecFile<'_>,
        kind: SpecKind,
        generated_from: Option<GeneratedSpecSources>,
    ) -> CompiledSpec {
        let mut compiled = CompiledSpec::new(self.options.dialect, std::mem::take(&mut file.diagnostics));
        let is_probed = self.specs.probe_types && generated_from.is_some();
        let spec = file.spec(kind, &mut compiled.diagnostics);
        if let Some(spec) = &spec {
            compiled.name = Some(spec.model.text.to_owned());
            compiled.name_span = spec.model.node.span;
            (compiled.tags, compiled.config) = (spec_facts::tags(&spec.dbt), spec_facts::config(&spec.dbt));
            compiled.ungenerated_versions = ungenerated_versions(&spec.dbt, spec.model.text);
            compiled.budget = spec_facts::budget(&spec.dbt);
            compiled.column_tags = spec_facts::column_tags(&spec.columns);
            compiled.column_formats = spec_facts::column_formats(&spec.columns);
            let mut run = SpecCompilation::new(self, spec, file.source, file.path);
            run.is_query_only = generated_from.is_none();
            run.generated_from = generated_from.unwrap_or_default();
            self.pool.with_compile_memory(|memory| run.run(&mut compiled, memory));
            compiled.known_relations = run.relations_read(&compiled.columns);
            compiled.definitions = run.definitions;
            compiled.lineage = run.lineage;
            compiled.columns_read = run.columns_read;
        }
        remove_silenced_warnings(&mut compiled.diagnostics, file.source, &self.options.silenced);
        remove_silenced_warnings(&mut compiled.model_warnings, file.source, &self.options.silenced);
        diag::sort(&mut compiled.diagnostics);
        if compiled.has_errors() {
            compiled.query = None;
            compiled.model = None;
            compiled.plan = None;
        } else if let Some(spec) = spec.filter(|_| is_probed) {
            compiled.undecided_types = self.type_sensitive_columns_of_spec(&spec, file.source, &compiled);
        }
        compiled
    }
}

/// Kind of a spec, with everything that is read before the spec is compiled.
pub(crate) enum SpecContents {
    Set(MetricSetWithErrors),
    OverSets(Box<UncompiledModelOnMetricSets>),
    /// Spec with steps that have `fill`, `since` or `until`.
    Periods,
    Plain,
}

impl SpecContents {
    pub(crate) fn from_file(compiler: &Compiler, file: &SpecFile<'_>) -> Self {
        Self::from_file_and_metric_set(compiler, file, MetricSetWithErrors::from_file(compiler, file))
    }

    /// `set` is the metric set that the file defines, if any.
    pub(crate) fn from_file_and_metric_set(
        compiler: &Compiler,
        file: &SpecFile<'_>,
        set: Option<MetricSetWithErrors>,
    ) -> Self {
        if let Some(set) = set {
            return Self::Set(set);
        }
        match file.root() {
            Some(root) if find_step_over_metric_sets(root).is_some() => {
                Self::OverSets(Box::new(UncompiledModelOnMetricSets::from_file(compiler, file)))
            }
            Some(root) if !period_steps(root).is_empty() => Self::Periods,
            _ => Self::Plain,
        }
    }
}

impl Compiler {
    /// Returns the columns of unknown type whose type affects the SQL of a spec.
    fn type_sensitive_columns_of_spec(
        &self,
        spec: &Spec<'_>,
        source: &str,
        compiled: &CompiledSpec,
    ) -> Vec<TypeSensitiveColumn> {
        let Some(before) = compiled.query() else {
            return Vec::new();
        };
        let columns = compiled.columns_read.iter().filter(|column| column.assumed);
        let columns = columns.map(|column| (column_path(column), &*column.name, column.ty));
        self.find_type_sensitive_columns(columns, |formulas| {
            let compiler = Self {
                formulas: formulas.clone(),
                specs: Arc::clone(&self.specs),
            };
            let mut compiled = CompiledSpec::new(compiler.options.dialect, Vec::new());
            let mut run = SpecCompilation::new(&compiler, spec, source, None);
            run.is_query_only = true;
            compiler
                .pool
                .with_compile_memory(|memory| run.run(&mut compiled, memory));
            !compiled.has_errors() && compiled.query().is_some_and(|sql| sql != before)
        })
    }
}

/// Origins of a generated spec: the original formulas, and the steps that come from metric sets. The name of a spec's
/// only step is empty.
#[derive(Debug, Default)]
pub(crate) struct GeneratedSpecSources {
    /// Formulas of definitions as written, by the name of the step and the lower-case name of the definition.
    pub formulas: FxHashMap<(String, String), String>,
    /// Names of the steps that contain the joins of metric sets.
    pub steps_of_sets: FxHashSet<String>,
    /// Names of the steps that find the last or first rows of each group for metrics with `non_additive`.
    pub last_row_steps: FxHashSet<String>,
}

pub(crate) struct SpecCompilation<'r> {
    pub(crate) compiler: &'r Compiler,
    pub(crate) spec: &'r Spec<'r>,
    pub(crate) source: &'r str,
    pub(crate) path: Option<&'r str>,
    /// Current date, if the spec sets one.
    pub(crate) today: Option<Today>,
    pub(crate) names: CteNames,
    pub(crate) ctes: Vec<Cte>,
    cte_texts: CteIndex,
    /// Descriptions of columns by name, as written by the analyst.
    pub(crate) descriptions: FxHashMap<String, String>,
    /// All definitions, for the header of generated SQL and for callers.
    pub(crate) definitions: Vec<SpecDefinition>,
    pub(crate) generated_from: GeneratedSpecSources,
    /// Formulas of definitions and grouping keys as written.
    pub(crate) formulas: FormulasByName,
    pub(crate) sources: SpecSources,
    /// Access level and group that the inputs require, once computed.
    pub(crate) inherited: OnceCell<InheritedAccess>,
    /// Whether every join is valid and the relations of each step have distinct names.
    joins_sound: bool,
    /// Output of each compiled step: its columns, its grain, and whether it has at most one row.
    pub(crate) facts: Vec<StepOutputProperties>,
    /// Joins that are declared, but not proven, to find at most one row.
    pub(crate) unverified: Vec<SingleMatchTest>,
    /// Generated dbt tests.
    pub(crate) tests: SpecTests,
    /// Definitions to compute if a step is recomputed for totals. `None` for all definitions.
    pub(crate) computed_definitions: Option<Vec<String>>,
    /// Columns of relations to which formulas refer.
    columns_read: Vec<ColumnUse>,
    pub(crate) names_used: SpecNames,
    /// Whether to compile only the query, without writing a model.
    pub(crate) is_query_only: bool,
    /// Types that later steps require of each step's columns, by the index of the step.
    required_types: FxHashMap<usize, RequiredTypes>,
    /// Totals of the next step's input.
    pub(crate) totals: Vec<check::SheetTotal>,
    /// Inputs of the steps that have been compiled so far, so that a step can be compiled again for a total. Empty if
    /// the spec has no worksheet.
    pub(crate) inputs: Vec<PreviousStepInput>,
    /// Whether the spec requests an incremental model.
    pub(crate) incremental: bool,
    /// Time columns of each step, and the other rows on which its values depend. Only incremental models need them.
    pub(crate) times: Vec<StepTimeColumns>,
    /// Time columns that the first select reads. `first_select` is the index of this select in `ctes`, or `None` if it
    /// is the last select.
    pub(crate) first_times: Vec<TimeColumn>,
    pub(crate) first_select: Option<usize>,
    pub(crate) lineage: Lineage,
    /// Unions that have been created so far, each with the names of the combined steps.
    pub(crate) unions: Vec<(Vec<String>, Relation)>,
    /// Additivity of each step's columns.
    pub(crate) additivity: Vec<StepColumns>,
}

impl<'r> SpecCompilation<'r> {
    fn new(compiler: &'r Compiler, spec: &'r Spec<'r>, source: &'r str, path: Option<&'r str>) -> Self {
        Self {
            compiler,
            spec,
            source,
            path,
            today: spec
                .today
                .as_ref()
                .map(|today| today.resolve_today(&compiler.specs.variables)),
            names: CteNames::new(compiler.options.dialect.max_bytes()),
            ctes: Vec::new(),
            cte_texts: CteIndex::default(),
            descriptions: FxHashMap::default(),
            definitions: Vec::new(),
            generated_from: GeneratedSpecSources::default(),
            formulas: FormulasByName::default(),
            sources: SpecSources::default(),
            inherited: OnceCell::new(),
            joins_sound: true,
            facts: Vec::new(),
            unverified: Vec::new(),
            tests: SpecTests::default(),
            computed_definitions: None,
            columns_read: Vec::new(),
            names_used: SpecNames::default(),
            is_query_only: false,
            required_types: FxHashMap::default(),
            totals: Vec::new(),
            inputs: Vec::new(),
            incremental: false,
            times: Vec::new(),
            first_times: Vec::new(),
            first_select: None,
            lineage: Lineage::default(),
            unions: Vec::new(),
            additivity: Vec::new(),
        }
    }
}
