//! What must hold of the model: it is checked against the columns that the model has, and becomes tests of dbt.

mod comparison;
mod dbt_tests;
mod grain;
mod relationship;
mod rules;
mod unit_tests;

use rustc_hash::FxHashSet;

#[cfg(feature = "cli")]
pub(crate) use {dbt_tests::RANGE, grain::COMBINATION};

use super::compile::SpecCompilation;
use super::formulas::StepFormulas;
use super::load::{Rule, SpannedText};
use super::sources::SpecSources;
use crate::check::{self, CheckScope, Context, DefinitionRole};
use crate::dbt::{self, From, TestConfig};
use crate::diag::{Code, Diagnostic, suggest};
use crate::parse;
use crate::plan::{CteNames, StepOutput};
use crate::schema::{Column, Relation};
use crate::scratch::Memory;
use crate::span::Span;
use crate::sql::{Query, SqlTree};
use crate::verify::NamedColumns;
use crate::yaml::Node;

/// What is made of rules, comparisons and examples.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    /// Tests that are files of their own.
    pub files: Vec<SingularTest>,
    pub of_columns: Vec<ColumnProof>,
    /// Tests of the model that its properties have.
    pub of_model: Vec<dbt::YamlOutput>,
    pub unit_tests: Vec<dbt::YamlOutput>,
    /// What `compare:` names, for whoever compares values.
    pub compared: Vec<NamedColumns>,
    /// One column tells the rows apart, and is never NULL: dbt's `unique` tests it.
    pub unique_column: bool,
    /// Columns, in small letters, of which the spec says that they are never NULL.
    pub never_null: FxHashSet<String>,
    /// The keys that may be NULL, as warnings.
    pub nullable_keys: Vec<Diagnostic>,
}

/// A test that a column of the model has.
#[derive(Debug)]
pub(super) struct ColumnProof {
    pub column: String,
    pub name: String,
    /// What dbt calls such tests.
    pub kind: &'static str,
    /// It is of all rows, and fails.
    pub always: bool,
    pub test: dbt::YamlOutput,
}

/// A test that is a file of its own: its query has a row for each fault.
#[derive(Debug)]
pub(super) struct SingularTest {
    /// What the file is called.
    pub name: String,
    pub config: TestConfig,
    /// What a row means, for those who read the query.
    pub about: String,
    /// As dbt is to read it.
    pub sql: String,
}

impl SingularTest {
    /// The text of its file.
    pub fn text(&self, spec: &str) -> String {
        dbt::sealed_sql(&format!("{}{}{}", self.config.call(), dbt::comment(&self.about), self.sql), spec)
    }
}

/// The model as its tests see it.
pub(super) struct TestedModel<'t> {
    /// Its columns, any of which may be NULL: a test trusts nothing that another test may show to be wrong.
    pub relation: Relation,
    /// It may have columns that nobody knows.
    pub open: bool,
    /// The columns that tell its rows apart, as far as known.
    pub grain: &'t [String],
    /// It has one row at most.
    pub single: bool,
    /// What the compiler knows of the columns.
    known: &'t Relation,
}

impl<'t> TestedModel<'t> {
    fn new(output: &'t StepOutput, model: &str) -> Self {
        let mut relation = output.relation.columns().iter().cloned().fold(Relation::new(model), Relation::with);
        relation.all_nullable();
        let (known, grain) = (&output.relation, &output.grain);
        Self { relation, open: output.open, grain, single: output.single, known }
    }

    /// Whether a column is known to be never NULL, of which the model has a test.
    fn is_never_null(&self, column: &str) -> bool {
        self.known.column(column).is_some_and(|column| !column.is_nullable())
    }
}

impl SpecCompilation<'_> {
    /// Makes tests of what the spec says of its model.
    pub(super) fn prove(&mut self, output: &StepOutput, memory: &mut Memory, diagnostics: &mut Vec<Diagnostic>) {
        self.check_proofs(&output.relation, output.open, memory, diagnostics);
        if diagnostics.iter().any(Diagnostic::is_error) {
            return;
        }
        let tested = TestedModel::new(output, self.spec.model.text);
        self.test_rules(&tested, memory, diagnostics);
        self.note_never_null();
        self.test_grain(&tested, memory, diagnostics);
        self.test_comparisons(&tested, memory, diagnostics);
        self.unit_tests(&tested, diagnostics);
    }

    /// Adds a test, unless there is one of its name: dbt takes the name of the file for the name of the test.
    fn add_test(&mut self, test: Option<SingularTest>, span: Span, diagnostics: &mut Vec<Diagnostic>) {
        let Some(test) = test else { return };
        let files = self.proofs.files.iter().map(|test| &test.name).chain(self.unproven.iter().map(|test| &test.name));
        let of_columns = self.proofs.of_columns.iter().map(|test| &test.name);
        if files.chain(of_columns).any(|name| name.eq_ignore_ascii_case(&test.name)) {
            diagnostics.push(
                Diagnostic::new(Code::DuplicateDefinition, span, format!("two tests would be called `{}`", test.name))
                    .with_help("leave one of them out, or give the rule another name"),
            );
            return;
        }
        self.proofs.files.push(test);
    }

    /// The formulas of rules and comparisons, and the names of columns beside them. `open` where the model may have
    /// columns that nobody knows.
    fn check_proofs(&self, output: &Relation, open: bool, memory: &mut Memory, diagnostics: &mut Vec<Diagnostic>) {
        self.check_conditions(output, open, memory, diagnostics);
        if open {
            return;
        }
        let mut known = |name: &str, span: Span| {
            if output.column(name).is_none() {
                diagnostics.push(no_column(name, span, output));
            }
        };
        for comparison in &self.spec.comparisons {
            let names = comparison.keys.iter().chain(comparison.columns.iter().flatten());
            names.for_each(|name| known(name.text, name.span(self.source)));
        }
        for example in &self.spec.examples {
            let rows = example.expect.get("rows").and_then(Node::items).unwrap_or_default();
            let mut columns = FxHashSet::default();
            for (key, _) in rows.iter().filter_map(Node::pairs).flatten() {
                // A name is wrong once, not in every row.
                if let Some(name) = key.text().filter(|name| columns.insert(*name)) {
                    known(name, key.span);
                }
            }
        }
    }

    fn check_conditions(&self, output: &Relation, open: bool, memory: &mut Memory, diagnostics: &mut Vec<Diagnostic>) {
        let rules = self.spec.rules.iter().flat_map(Rule::conditions);
        let filters =
            self.spec.comparisons.iter().filter_map(|comparison| Some((comparison.filter?, DefinitionRole::Rule)));
        let conditions: Vec<(SpannedText<'_>, DefinitionRole)> = rules.chain(filters).collect();
        if conditions.is_empty() {
            return;
        }
        let named = output.columns().iter().cloned().fold(Relation::new(self.spec.model.text), Relation::with);
        let mut found = Vec::new();
        self.conditions(&conditions, &named, open, memory, &mut found);
        diagnostics.extend(found.into_iter().filter(|d| !self.is_cut(d.span())));
    }

    /// Checks conditions on the rows of the model; each becomes a definition of the memory's program, in order.
    fn conditions(
        &self,
        conditions: &[(SpannedText<'_>, DefinitionRole)],
        relation: &Relation,
        open: bool,
        memory: &mut Memory,
        found: &mut Vec<Diagnostic>,
    ) -> StepFormulas {
        let mut formulas = StepFormulas::default();
        conditions.iter().for_each(|(text, role)| formulas.condition(*text, *role, self.source));
        let Memory { parse, ast, check, program, .. } = memory;
        let options = &self.compiler.options;
        parse::parse_parts(&formulas.text, &formulas.parts, &options.limits, parse, ast, found);
        let scope = CheckScope {
            context: Context::Row,
            relations: std::slice::from_ref(relation),
            merged: &[],
            open,
            chosen: true,
            roles: &formulas.roles,
            ordered: true,
            blank_zero: self.spec.blank_zero || options.blank_zero,
            timezone: self.spec.timezone.as_deref().or(options.timezone.as_deref()),
            calendar: self.calendar(),
            today: self.spec.today.as_ref().map(|today| &today.value),
            strata: true,
            sheet: None,
            given_types: &options.given_types,
        };
        check::check(ast, &formulas.text, &scope, check, program, found);
        for diagnostic in found.iter_mut() {
            *diagnostic = diagnostic.clone().mapped(|span| formulas.in_file(span));
        }
        formulas
    }

    /// Whether it stands in a formula that YAML has cut: what is wrong there follows from that.
    pub(super) fn is_cut(&self, span: Span) -> bool {
        self.spec.cut.iter().any(|cut| cut.start <= span.start && span.end <= cut.end)
    }

    /// The model as its own tests read it, and names for what they compute, which no column has.
    fn read_model(&self, tested: &TestedModel<'_>) -> (SpecSources, CteNames) {
        let dialect = self.compiler.options.dialect;
        let mut names = CteNames::new(dialect.max_bytes());
        let mut sources = SpecSources::default();
        sources.add(&self.own_ref(), dialect, &mut names);
        names.reserve_columns(&tested.relation);
        (sources, names)
    }

    /// The model as its tests call it: the version that the spec makes.
    pub(in crate::model) fn own_ref(&self) -> From {
        From::Ref { package: None, model: self.spec.model.text.to_owned(), version: self.own_version() }
    }

    /// A test's query as dbt is to read it.
    fn test_sql(&self, sources: &SpecSources, tree: &SqlTree, query: &Query) -> String {
        sources.dbt_sql(tree, query, |sql| self.model_on_its_day(sql, dbt::protect))
    }
}

/// A name as a part of a file's name.
pub(super) fn file_word(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '_' };
    name.chars().map(plain).collect()
}

impl<'y> Rule<'y> {
    /// Its condition, and which rows are asked.
    fn conditions(&self) -> impl Iterator<Item = (SpannedText<'y>, DefinitionRole)> + use<'y> {
        let filter = self.filter.map(|filter| (filter, DefinitionRole::Rule));
        let check = if self.found_in.is_some() { DefinitionRole::Definitions } else { DefinitionRole::Check };
        std::iter::once((self.check, check)).chain(filter)
    }
}

pub(super) fn no_column(name: &str, span: Span, output: &Relation) -> Diagnostic {
    let help = match suggest::nearest(name, output.columns().iter().map(Column::name)) {
        Some(near) => suggest::similar(near),
        None => "correct the name, or leave it out".to_owned(),
    };
    Diagnostic::new(Code::UnknownName, span, format!("the model has no column `{name}`")).with_help(help)
}
