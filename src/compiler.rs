//! The compiler of formulas, and of specs above it.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

pub(crate) use formulac_core::compiler::{Options, order_key, path, silence};

use crate::calendar::Weekday;
use crate::check::Context;
use crate::diag::Code;
use crate::dialect::Dialect;
use crate::limits::Limits;
use crate::model::SemanticModels;
use crate::schema::Schema;

/// A compiler for one dialect and schema; cheap to share between threads. What it makes of formulas alone is that of
/// `formulac-core`, which it stands for.
///
/// ```
/// use formulac::{Column, Compiler, Relation, Schema, Type};
/// let schema = Schema::new().with(Relation::new("orders").with(Column::new("revenue", Type::Decimal)));
/// let compiler = Compiler::builder().dialect("bigquery".parse().unwrap()).schema(schema).build();
/// let compiled = compiler.compile("total = SUM(revenue)");
/// assert_eq!(compiled.definitions()[0].sql(), "coalesce(sum(revenue), 0)");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Compiler {
    pub(crate) formulas: formulac_core::Compiler,
    pub(crate) specs: Arc<SpecOptions>,
}

/// What only specs ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpecOptions {
    /// Tags that a column keeps which is made of a tagged one.
    pub inherit: Vec<String>,
    /// Specs are compiled with other types to find columns whose type decides the SQL.
    pub probe_types: bool,
    /// The version of dbt that reads the models; none said is a recent one.
    pub dbt_version: Option<(u32, u32, u32)>,
    /// Data tests of packages that the project has, `dbt_utils.accepted_range`.
    pub generic_tests: BTreeSet<String>,
    /// The project enforces the contracts of models of which the spec says nothing.
    pub contracts: bool,
    /// Whether dbt's semantic layer is told of models whose specs do not say.
    pub semantic_models: SemanticModels,
}

impl SpecOptions {
    /// dbt takes arguments of tests beside their configuration only.
    pub fn flat_tests(&self) -> bool {
        self.dbt_version.is_some_and(|version| version < (1, 10, 5))
    }

    /// dbt reads tags and meta of columns and exposures beside their names only, and passes over them below `config`.
    pub fn flat_meta(&self) -> bool {
        self.dbt_version.is_some_and(|version| version < (1, 10, 0))
    }

    /// dbt reads semantic models as keys of the model.
    pub fn new_semantic_models(&self) -> bool {
        self.dbt_version.is_some_and(|version| version >= (1, 12, 0))
    }

    /// dbt has unit tests.
    pub fn unit_tests(&self) -> bool {
        self.dbt_version.is_none_or(|version| version >= (1, 8, 0))
    }

    /// Whether the same files are generated for two versions of dbt.
    #[cfg(feature = "cli")]
    pub fn generate_alike(one: &str, other: &str) -> bool {
        let features = |version| {
            let options = Self { dbt_version: version_of(version), ..Self::default() };
            (options.flat_tests(), options.flat_meta(), options.new_semantic_models(), options.unit_tests())
        };
        features(one) == features(other)
    }
}

/// Major, minor and patch version of dbt.
fn version_of(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..digits).and_then(|digits| digits.parse::<u32>().ok())
    });
    Some((parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)))
}

/// Collects what a [`Compiler`] is to know.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder {
    formulas: formulac_core::Builder,
    specs: SpecOptions,
}

impl Builder {
    /// The dialect to write; Postgres when not said.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.formulas = self.formulas.dialect(dialect);
        self
    }

    /// What is known of the data; with nothing known, types are taken from use.
    pub fn schema(mut self, schema: Schema) -> Self {
        self.formulas = self.formulas.schema(schema);
        self
    }

    /// The relation that bare names come from.
    pub fn from(mut self, relation: impl Into<String>) -> Self {
        self.formulas = self.formulas.from(relation);
        self
    }

    /// What formulas are written for; measures when not said.
    pub fn context(mut self, context: Context) -> Self {
        self.formulas = self.formulas.context(context);
        self
    }

    /// The names that the query groups by.
    pub fn group_by<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.formulas = self.formulas.group_by(names);
        self
    }

    /// The order of rows, `name` or `name desc`, for what looks at other rows.
    pub fn order_by<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.formulas = self.formulas.order_by(keys);
        self
    }

    /// Where what looks at other rows begins anew.
    pub fn partition_by<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.formulas = self.formulas.partition_by(names);
        self
    }

    /// The columns of a worksheet in order, A, B, C and so on; those of the relation when not said. They are read in the
    /// worksheet context.
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.formulas = self.formulas.columns(names);
        self
    }

    /// The row of the worksheet for which its formulas are written; the first when not said.
    pub fn row(mut self, row: u32) -> Self {
        self.formulas = self.formulas.row(row);
        self
    }

    /// How much input is taken.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.formulas = self.formulas.limits(limits);
        self
    }

    /// The time zone in which an instant becomes a date, such as `Europe/Berlin`.
    pub fn timezone(mut self, zone: impl Into<String>) -> Self {
        self.formulas = self.formulas.timezone(zone);
        self
    }

    /// Whether blank operands of `+ - *` and of numerators count as 0, as in Omni's engine.
    pub fn blanks_as_zero(mut self, yes: bool) -> Self {
        self.formulas = self.formulas.blanks_as_zero(yes);
        self
    }

    /// The day that weeks begin on, for the timeframes `week` and `day_of_week_num`; Monday when not said.
    pub fn week_start(mut self, day: Weekday) -> Self {
        self.formulas = self.formulas.week_start(day);
        self
    }

    /// Sets the months from January to the fiscal year's first month, which fiscal timeframes need. Of more than 11
    /// months, whole years are left out.
    pub fn fiscal_month_offset(mut self, months: u8) -> Self {
        self.formulas = self.formulas.fiscal_month_offset(months);
        self
    }

    /// Warnings that are not wanted; errors stay whatever is named here.
    pub fn without_warnings(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.formulas = self.formulas.without_warnings(codes);
        self
    }

    /// Whether each definition also says which part of its SQL comes from which part of the formula.
    pub fn map_spans(mut self, yes: bool) -> Self {
        self.formulas = self.formulas.map_spans(yes);
        self
    }

    /// The tags that a column of a model keeps when it is made of a column that has them.
    ///
    /// ```
    /// use formulac::{Column, Compiler, Relation, Schema, Type};
    /// let people = Relation::new("people").with(Column::new("email", Type::Text).tagged(["pii"]));
    /// let compiler = Compiler::builder().schema(Schema::new().with(people)).inherit(["pii"]).build();
    /// let model = compiler.compile_spec("model: m\nfrom: people\ndefinitions: mail = LOWER(email)\n");
    /// assert_eq!(model.columns()[0].tags(), ["pii"]);
    /// ```
    pub fn inherit<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.specs.inherit = tags.into_iter().map(Into::into).collect();
        self
    }

    /// The version of dbt that is to read the models, as its manifest spells it. From 1.10.5 on, and when not said, what
    /// a data test is given stands below `arguments:`; earlier ones refuse that. From 1.10 on, and when not said, tags and
    /// meta of a column stand below its `config:`; earlier ones do not read them there.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ndata_tests: [{unique: {column_name: a}}]\ndefinitions: a = SUM(x)\n\
    ///             columns: {a: {tags: [pii]}}\n";
    /// let yml = |version| {
    ///     let compiler = formulac::Compiler::builder().dbt_version(version).build();
    ///     compiler.compile_spec(spec).model_yml().unwrap().to_owned()
    /// };
    /// assert!(yml("1.12.6").contains("      - unique:\n          arguments:\n            column_name: a\n"));
    /// assert!(yml("1.8.10").contains("      - unique:\n          column_name: a\n"));
    /// assert!(yml("1.12.6").contains("        config:\n          tags:\n            - pii\n"));
    /// assert!(yml("1.8.10").contains("        tags:\n          - pii\n"));
    /// ```
    pub fn dbt_version(mut self, version: &str) -> Self {
        // A text that is no version specifies nothing.
        self.specs.dbt_version = version_of(version).or(self.specs.dbt_version);
        self.formulas = self.formulas.schema_of_dbt(self.specs.dbt_version.is_some());
        self
    }

    /// Whether specs are also compiled with other types for columns of unknown type, to find those whose type decides the
    /// SQL: [`CompiledSpec::undecided_types`](crate::CompiledSpec::undecided_types). It costs a compilation or two for
    /// each such column.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ndefinitions: {days: 'MAX(DAYS(left_on, joined))', total: SUM(amount)}\n";
    /// let compiled = formulac::Compiler::builder().probe_types(true).build().compile_spec(spec);
    /// let columns: Vec<_> = compiled.undecided_types().iter().map(|it| it.column.as_str()).collect();
    /// assert_eq!(columns, ["left_on", "joined"]);
    /// ```
    pub fn probe_types(mut self, yes: bool) -> Self {
        self.specs.probe_types = yes;
        self
    }

    /// Data tests that the project has of packages, each with the package's name. Those of `dbt_utils` are used where they
    /// say what a rule says, and only then.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ngroup_by: k\ndefinitions: a = SUM(x)\nrules: [positive: a > 0]\n";
    /// let compiler = formulac::Compiler::builder().generic_tests(["dbt_utils.accepted_range"]).build();
    /// let compiled = compiler.compile_spec(spec);
    /// assert!(compiled.model_yml().unwrap().contains("- dbt_utils.accepted_range:"));
    /// ```
    pub fn generic_tests<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.specs.generic_tests = names.into_iter().map(Into::into).collect();
        self
    }

    /// Whether `dbt_project.yml` enforces the contracts of models. A spec that says something of its `contract` is not
    /// asked; no is the default.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ngroup_by: k\ndefinitions: |\n  a = COUNT()\ncolumns: {k: {data_type: text}}\n";
    /// let compiled = formulac::Compiler::builder().contracts(true).build().compile_spec(spec);
    /// assert!(compiled.model_yml().unwrap().contains("data_type: bigint"));
    /// ```
    pub fn contracts(mut self, yes: bool) -> Self {
        self.specs.contracts = yes;
        self
    }

    /// Whether models whose specs do not say have a semantic model, and in which form. The form by version is the legacy
    /// one where no version is said, since every dbt reads it.
    ///
    /// ```
    /// use formulac::SemanticModels;
    /// let spec = "model: sales\nfrom: t\ngroup_by: day[month]\ndefinitions: revenue = SUM(x)\n";
    /// let yml = |asked, version| {
    ///     let compiler = formulac::Compiler::builder().semantic_models(asked).dbt_version(version).build();
    ///     compiler.compile_spec(spec).model_yml().unwrap().to_owned()
    /// };
    /// assert!(yml(SemanticModels::ByVersion, "1.12.6").contains("    semantic_model: true\n"));
    /// assert!(yml(SemanticModels::ByVersion, "1.10.0").contains("\nsemantic_models:\n"));
    /// assert!(!yml(SemanticModels::Off, "1.12.6").contains("semantic_model"));
    /// ```
    pub fn semantic_models(mut self, asked: SemanticModels) -> Self {
        self.specs.semantic_models = asked;
        self
    }

    /// The compiler.
    #[must_use]
    pub fn build(self) -> Compiler {
        Compiler { formulas: self.formulas.build(), specs: Arc::new(self.specs) }
    }
}

impl Compiler {
    /// Begins a compiler.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The same compiler with other settings for formulas.
    #[cfg(feature = "sync")]
    pub(crate) fn with_options(&self, options: Options) -> Self {
        let formulas = formulac_core::Compiler { options: Arc::new(options), pool: Arc::default() };
        Self { formulas, specs: Arc::clone(&self.specs) }
    }

    /// The same compiler for another dialect.
    #[must_use]
    pub fn in_dialect(&self, dialect: Dialect) -> Self {
        Self { formulas: self.formulas.in_dialect(dialect), specs: Arc::clone(&self.specs) }
    }
}

impl Deref for Compiler {
    type Target = formulac_core::Compiler;

    fn deref(&self) -> &formulac_core::Compiler {
        &self.formulas
    }
}
