//! Checks the conditions that a spec defines for its model, and converts the conditions to dbt tests.

mod compared_columns;
mod comparison;
mod equivalent_tests;
mod grain;
mod relationship;
mod rules;
mod unit_tests;
mod violations;

use formulac_syntax::text::is_word_char;
use rustc_hash::FxHashSet;

pub(crate) use grain::with_original_key;
pub use {equivalent_tests::RANGE_TEST, grain::UNIQUE_COMBINATION_TEST};

use super::compile::SpecCompilation;
use super::formulas::StepFormulas;
use super::load::{SpannedText, SpecRule};
use super::sources::{SpecSources, dbt_sql};
use crate::check::{self, CheckScope, Context, DefinitionRole};
use crate::dbt::{self, RelationReference, TestConfig};
use crate::diag::{Code, Diagnostic, suggest};
use crate::plan::{CteNames, StepOutput};
use crate::schema::{Column, Relation};
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::sql::{Query, SqlTree};
use crate::verify::ComparedColumnNames;
use crate::yaml::{Node, YamlValue};

/// dbt tests that are generated from rules, comparisons and examples, with the related warnings and NOT NULL columns.
#[derive(Debug, Default)]
pub(super) struct SpecTests {
    /// Tests in separate files.
    pub files: Vec<SingularTest>,
    pub column_tests: Vec<ColumnTest>,
    /// Lower-case names of the tests in files and on columns, and of the tests of joins.
    pub names: FxHashSet<String>,
    /// Tests on the model, in the properties file.
    pub of_model: Vec<YamlValue>,
    pub unit_tests: Vec<YamlValue>,
    /// Relations in `compare:`, for commands that compare values.
    pub comparisons: Vec<ComparedColumnNames>,
    /// Whether the key is a single column, for which dbt's `unique` is used.
    pub unique_column: bool,
    /// Lower-case columns that the spec declares NOT NULL.
    pub never_null: FxHashSet<String>,
    /// Warnings about nullable keys.
    pub nullable_key_warnings: Vec<Diagnostic>,
}

/// Test on a column of the model.
#[derive(Debug)]
pub(super) struct ColumnTest {
    pub column: String,
    pub name: String,
    /// dbt's name for the test, such as `not_null`.
    pub kind: &'static str,
    /// Whether the test has the severity `error` and applies to all rows.
    pub always: bool,
    pub test: YamlValue,
}

/// Test in a separate file. The query of the test returns one row per violation.
#[derive(Debug)]
pub(super) struct SingularTest {
    /// Name of the file.
    pub name: String,
    pub config: TestConfig,
    /// Explanation of a returned row, for readers of the query.
    pub explanation: String,
    /// Query of the test, for dbt.
    pub sql: String,
}

impl SingularTest {
    /// Returns the text of the test's file.
    pub fn file_text(&self, spec: &str) -> String {
        dbt::add_sql_header(
            &format!(
                "{}{}{}",
                self.config.config_call(),
                dbt::sql_comment(&self.explanation),
                self.sql
            ),
            spec,
        )
    }
}

/// Model, as used in its tests.
pub(super) struct TestedModel<'t> {
    /// Columns of the model. All columns are nullable here, because a test must not rely on facts that another test may
    /// refute. The test of a declared key is the exception: its caller passes columns that are NOT NULL.
    pub relation: Relation,
    /// Whether the model may have unknown columns.
    pub has_unknown_columns: bool,
    /// Key columns. Empty if the key is unknown or the model has at most one row.
    pub grain: &'t [String],
    /// Whether the model has at most one row.
    pub single: bool,
    /// Columns as inferred by the compiler, including their nullability.
    known: &'t Relation,
}

impl<'t> TestedModel<'t> {
    fn new(output: &'t StepOutput, model: &str) -> Self {
        let mut relation = output.relation.copy_columns_under_name(model);
        relation.make_all_nullable();
        let (known_relation, grain) = (&output.relation, &output.grain);
        Self {
            relation,
            has_unknown_columns: output.open,
            grain,
            single: output.single,
            known: known_relation,
        }
    }

    /// Returns whether the compiler inferred that a column is NOT NULL.
    fn is_never_null(&self, column: &str) -> bool {
        self.known.column(column).is_some_and(|column| !column.is_nullable())
    }
}

impl SpecCompilation<'_> {
    /// Generates the tests of a spec.
    pub(super) fn generate_tests(
        &mut self,
        output: &StepOutput,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        self.check_spec_tests(&output.relation, output.open, memory, diagnostics);
        if diagnostics.iter().any(Diagnostic::is_error) {
            return;
        }
        let tested = TestedModel::new(output, self.spec.model.text);
        self.add_rule_tests(&tested, memory, diagnostics);
        self.record_not_null_columns();
        self.add_grain_tests(&tested, memory, diagnostics);
        self.add_comparison_tests(&tested, memory, diagnostics);
        self.unit_tests(&tested, diagnostics);
    }

    /// Adds a test in a separate file, or reports an error if another test has the same name. dbt names a test after
    /// its file, so names must be unique.
    fn add_test(&mut self, test: Option<SingularTest>, span: Span, diagnostics: &mut Vec<Diagnostic>) {
        let Some(test) = test else { return };
        if !self.tests.names.insert(test.name.to_lowercase()) {
            diagnostics.push(
                Diagnostic::new(
                    Code::DuplicateDefinition,
                    span,
                    format!("two tests would be named `{}`", test.name),
                )
                .with_help("remove one of the tests, give the rule another name, or list the columns of each comparison in `columns`"),
            );
            return;
        }
        self.tests.files.push(test);
    }

    /// Checks the formulas and column names in rules, comparisons and examples. `open` is `true` if the model may have
    /// unknown columns.
    pub(super) fn check_spec_tests(
        &self,
        output: &Relation,
        open: bool,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        self.check_conditions(output, open, memory, diagnostics);
        if open {
            return;
        }
        let mut check_name = |name: &str, span: Span| {
            if output.column(name).is_none() {
                diagnostics.push(missing_column_error(name, span, output));
            }
        };
        for comparison in &self.spec.comparisons {
            let names = comparison.keys.iter().chain(comparison.columns.iter().flatten());
            names.for_each(|name| check_name(name.text, name.span(self.source)));
        }
        for example in &self.spec.examples {
            let rows = example.expect.items_at("rows");
            let mut columns = FxHashSet::default();
            for (key, _) in rows.iter().filter_map(Node::pairs).flatten() {
                // Report a wrong name only once instead of in every row.
                if let Some(name) = key.text().filter(|name| columns.insert(*name)) {
                    check_name(name, key.span);
                }
            }
        }
    }

    fn check_conditions(
        &self,
        output: &Relation,
        open: bool,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let rules = self.spec.rules.iter().flat_map(SpecRule::condition_and_filter);
        let filters = self
            .spec
            .comparisons
            .iter()
            .filter_map(|comparison| Some((comparison.filter?, DefinitionRole::Rule)));
        let conditions: Vec<(SpannedText<'_>, DefinitionRole)> = rules.chain(filters).collect();
        if conditions.is_empty() {
            return;
        }
        let relation = output.copy_columns_under_name(self.spec.model.text);
        let (_, formula_faults) = self.check_condition_formulas(&conditions, &relation, open, memory);
        diagnostics.extend(
            formula_faults
                .into_iter()
                .filter(|d| !self.is_truncated_formula(d.span())),
        );
    }

    /// Checks conditions on the model's rows, and returns their formulas and diagnostics. Each condition becomes a
    /// definition of a temporary program, in order.
    fn check_condition_formulas<'f>(
        &'f self,
        conditions: &[(SpannedText<'f>, DefinitionRole)],
        relation: &Relation,
        open: bool,
        memory: &mut CompileMemory,
    ) -> (StepFormulas<'f>, Vec<Diagnostic>) {
        let mut formulas = StepFormulas::empty(self.source);
        conditions
            .iter()
            .for_each(|(text, role)| formulas.add_condition(*text, *role));
        let CompileMemory {
            parse,
            ast,
            check,
            program,
            ..
        } = memory;
        let mut diagnostics = Vec::new();
        formulas.parse(&self.compiler.options.limits, parse, ast, &mut diagnostics);
        let scope = CheckScope {
            open,
            ..self.scope_with_settings(Context::Row, std::slice::from_ref(relation), &formulas.roles)
        };
        check::check(ast, &formulas.text, &scope, check, program, &mut diagnostics);
        let diagnostics = diagnostics.into_iter().map(|d| formulas.map_to_file(d)).collect();
        (formulas, diagnostics)
    }

    /// Returns whether a span is in a formula that YAML truncated. Errors in such formulas are not reported.
    pub(super) fn is_truncated_formula(&self, span: Span) -> bool {
        self.spec.truncated_formulas.iter().any(|cut| cut.contains(span))
    }

    /// Returns the model as the source of its own tests, and a list of reserved names, so that computed columns get
    /// unused names.
    fn read_model(&self, tested: &TestedModel<'_>) -> (SpecSources, CteNames) {
        let dialect = self.compiler.options.dialect;
        let mut names = CteNames::new(dialect.max_bytes());
        let mut sources = SpecSources::default();
        sources.add_input_relation(&self.own_reference(), dialect, &mut names);
        names.reserve_columns(&tested.relation);
        (sources, names)
    }

    /// Returns the reference to the model in its own tests, with the version that the spec generates.
    pub(crate) fn own_reference(&self) -> RelationReference {
        RelationReference::Ref {
            package: None,
            model: self.spec.model.text.to_owned(),
            version: self.model_version(),
        }
    }

    /// Returns the query of a test as SQL for dbt.
    fn test_sql(&self, sources: &SpecSources, tree: &SqlTree, query: &Query) -> String {
        dbt_sql(tree, query, &sources.dbt_imports(), self.compiler.options.dialect)
    }
}

/// Converts a name so that it can be part of a file name.
pub(super) fn to_file_name_part(name: &str) -> String {
    let plain = |c: char| {
        if is_word_char(c) { c.to_ascii_lowercase() } else { '_' }
    };
    name.chars().map(plain).collect()
}

impl<'y> SpecRule<'y> {
    /// Returns the rule's condition, and its filter, if any.
    fn condition_and_filter(&self) -> impl Iterator<Item = (SpannedText<'y>, DefinitionRole)> + use<'y> {
        let filter = self.filter.map(|filter| (filter, DefinitionRole::Rule));
        let check = if self.found_in.is_some() {
            DefinitionRole::Definitions
        } else {
            DefinitionRole::Check
        };
        std::iter::once((self.check, check)).chain(filter)
    }
}

pub(super) fn missing_column_error(name: &str, span: Span, output: &Relation) -> Diagnostic {
    let names = || output.columns().iter().map(Column::name);
    // If a model built on a metric set groups by `month`, its column has a name such as `ordered_at_month`.
    let end = format!("_{}", name.to_lowercase());
    let mut keys = names().filter(|column| column.to_lowercase().ends_with(&end));
    let key = keys.next().filter(|_| keys.next().is_none());
    let help = match key.or_else(|| suggest::nearest_name(name, names())) {
        Some(near) => suggest::similar_name_help(near),
        None => "correct the name, or remove it".to_owned(),
    };
    Diagnostic::new(Code::UnknownName, span, format!("the model has no column `{name}`")).with_help(help)
}
