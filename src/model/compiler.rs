//! Compiler for formulas and specs.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

pub use formulac_core::compiler::{CompilerOptions, column_path, remove_silenced_warnings, split_sort_key};

use crate::SemanticModels;
use crate::calendar::Weekday;
use crate::check::Context;
use crate::diag::Code;
use crate::dialect::Dialect;
use crate::limits::Limits;
use crate::metrics::MetricSets;
use crate::schema::Schema;
use crate::semantic::SemanticNames;

/// Compiler for one dialect and schema. The compiler is cheap to share between threads. A compiler dereferences to the
/// compiler of `formulac-core`, which compiles plain formulas.
///
/// ```
/// use formulac_core::{Column, Relation, Schema, Type};
/// use formulac_model::Compiler;
/// let schema = Schema::new().with(Relation::new("orders").with(Column::new("revenue", Type::Decimal)));
/// let compiler = Compiler::builder().dialect("bigquery".parse().unwrap()).schema(schema).build();
/// let compiled = compiler.compile("total = SUM(revenue)");
/// assert_eq!(compiled.definitions()[0].sql(), "coalesce(sum(revenue), 0)");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Compiler {
    /// Compiler for formulas.
    #[doc(hidden)]
    pub formulas: formulac_core::Compiler,
    /// Options that apply only to specs.
    #[doc(hidden)]
    pub specs: Arc<SpecOptions>,
}

/// Options that apply only to specs.
#[derive(Clone, Debug, Default)]
pub struct SpecOptions {
    /// Tags that a column inherits from the columns from which it is computed.
    pub inherit: Vec<String>,
    /// Whether specs are also compiled with other column types, to find the columns whose type affects the SQL.
    pub probe_types: bool,
    /// Whether compiled specs contain the plans of their queries.
    pub plans: bool,
    /// Version of dbt that reads the models. `None` if the version is unknown, in which case the compiler assumes a
    /// recent version.
    pub dbt_version: Option<(u32, u32, u32)>,
    /// Whether the flags of the dbt project turn off the key `arguments` of data tests.
    pub forbids_test_arguments: bool,
    /// Whether long descriptions are in the properties file, because dbt would not find docs blocks.
    pub inlines_long_descriptions: bool,
    /// Data tests from packages that the project uses, such as `dbt_utils.accepted_range`.
    pub generic_tests: BTreeSet<String>,
    /// Groups of the dbt project. `None` if they are unknown.
    pub groups: Option<BTreeSet<String>>,
    /// Whether the project enforces contracts of models whose specs do not set `contract`.
    pub contracts: bool,
    /// Names and values of the project's dbt variables.
    pub variables: Vec<(String, String)>,
    /// Semantic models to generate for specs that do not specify any.
    pub semantic_models: SemanticModels,
    /// Names in the semantic models of all specs that are compiled together.
    pub semantic_names: SemanticNames,
    /// Metric sets that specs can read.
    pub sets: MetricSets,
    /// Current date, `YYYY-MM-DD`, which determines whether deprecated metrics can still be used.
    pub current_date: Option<String>,
}

impl SpecOptions {
    /// Returns whether dbt accepts the arguments of a test only at the same level as the test's configuration.
    pub fn needs_flat_test_arguments(&self) -> bool {
        self.forbids_test_arguments || !self.supports_test_descriptions()
    }

    /// Returns whether dbt supports descriptions of data tests.
    pub fn supports_test_descriptions(&self) -> bool {
        self.dbt_version.is_none_or(|version| version >= (1, 10, 5))
    }

    /// Returns whether dbt reads the tags and meta of columns and exposures only at the same level as their names and
    /// ignores them under `config`.
    pub fn needs_flat_column_meta(&self) -> bool {
        self.dbt_version.is_some_and(|version| version < (1, 10, 0))
    }

    /// Returns whether dbt reads semantic models from keys of the model.
    pub fn supports_new_semantic_models(&self) -> bool {
        self.dbt_version.is_some_and(|version| version >= (1, 12, 0))
    }

    /// Returns whether dbt supports unit tests.
    pub fn unit_tests(&self) -> bool {
        self.dbt_version.is_none_or(|version| version >= (1, 8, 0))
    }

    /// Returns whether the compiler generates the same files for two versions of dbt.
    pub fn generates_same_files(first_version: &str, other: &str) -> bool {
        let features = |version| {
            let options = Self {
                dbt_version: parse_dbt_version(version),
                ..Self::default()
            };
            (
                options.needs_flat_test_arguments(),
                options.needs_flat_column_meta(),
                options.supports_new_semantic_models(),
                options.unit_tests(),
            )
        };
        features(first_version) == features(other)
    }
}

/// Parses the major, minor and patch version of dbt.
fn parse_dbt_version(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..digits).and_then(|digits| digits.parse::<u32>().ok())
    });
    Some((parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)))
}

/// Builder of a [`Compiler`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder {
    formulas: formulac_core::Builder,
    specs: SpecOptions,
}

/// Defines functions that set the options for formulas.
macro_rules! forward_settings {
    ($($(#[$doc:meta])* $name:ident($value:ident: $ty:ty);)*) => {
        $(
            $(#[$doc])*
            pub fn $name(mut self, $value: $ty) -> Self {
                self.formulas = self.formulas.$name($value);
                self
            }
        )*
    };
}

impl Builder {
    forward_settings! {
        /// Sets the SQL dialect. Defaults to Postgres.
        dialect(dialect: Dialect);
        /// Sets the schema of the data. Types that the schema does not specify are inferred from use.
        schema(schema: Schema);
        /// Sets the relation to which unqualified names refer.
        from(relation: impl Into<String>);
        /// Sets the context in which formulas are written. Defaults to measures.
        context(context: Context);
        /// Sets the grouping keys of the query.
        group_by(names: impl IntoIterator<Item = impl Into<String>>);
        /// Sets the sort keys for functions that read other rows, as `name` or `name desc`.
        order_by(keys: impl IntoIterator<Item = impl Into<String>>);
        /// Sets the partition columns for functions that read other rows.
        partition_by(names: impl IntoIterator<Item = impl Into<String>>);
        /// Sets the columns of a worksheet in the order A, B, C and so on. By default, these are the columns of the
        /// relation. Only the worksheet context uses them.
        columns(names: impl IntoIterator<Item = impl Into<String>>);
        /// Sets the worksheet row for which the formulas are written. Defaults to the first row.
        row(row: u32);
        /// Sets the limits on the size of the input.
        limits(limits: Limits);
        /// Sets the time zone in which an instant is converted to a date, such as `Europe/Berlin`.
        timezone(zone: impl Into<String>);
        /// Sets whether blank operands of `+ - *` and blank numerators count as 0, as in Omni's engine.
        blanks_as_zero(yes: bool);
        /// Sets the first day of the week for the timeframes `week` and `day_of_week_num`. Defaults to Monday.
        week_start(day: Weekday);
        /// Sets the number of months from January to the first month of the fiscal year, which fiscal timeframes need.
        /// Numbers above 11 are reduced modulo 12.
        fiscal_month_offset(months: u8);
        /// Suppresses warnings with these codes. Errors are always reported.
        without_warnings(codes: impl IntoIterator<Item = Code>);
        /// Sets whether each definition contains a map from spans of the SQL to spans of the formula.
        map_spans(yes: bool);
    }

    /// Sets the tags that a column of a model inherits from the columns from which it is computed.
    ///
    /// ```
    /// use formulac_core::{Column, Relation, Schema, Type};
    /// use formulac_model::Compiler;
    /// let people = Relation::new("people").with(Column::new("email", Type::Text).with_tags(["pii"]));
    /// let compiler = Compiler::builder().schema(Schema::new().with(people)).inherit(["pii"]).build();
    /// let model = compiler.compile_spec("model: m\nfrom: people\ndefinitions: mail = LOWER(email)\n");
    /// assert_eq!(model.columns()[0].tags(), ["pii"]);
    /// ```
    pub fn inherit<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.specs.inherit = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the version of dbt that reads the models, as written in a manifest. By default and in version 1.10.5 or
    /// later, the arguments of a data test are under `arguments:`, which earlier versions reject. By default and in
    /// version 1.10 or later, the tags and meta of a column are under its `config:`, which earlier versions ignore.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ndata_tests: [{unique: {column_name: a}}]\ndefinitions: a = SUM(x)\n\
    ///             columns: {a: {tags: [pii]}}\n";
    /// let yml = |version| {
    ///     let compiler = formulac_model::Compiler::builder().dbt_version(version).build();
    ///     compiler.compile_spec(spec).model_yml().unwrap().to_owned()
    /// };
    /// assert!(yml("1.12.6").contains("      - unique:\n          arguments:\n            column_name: a\n"));
    /// assert!(yml("1.8.10").contains("      - unique:\n          column_name: a\n"));
    /// assert!(yml("1.12.6").contains("        config:\n          tags:\n            - pii\n"));
    /// assert!(yml("1.8.10").contains("        tags:\n          - pii\n"));
    /// ```
    pub fn dbt_version(mut self, version: &str) -> Self {
        // Keep the previous setting if the text is not a version.
        self.specs.dbt_version = parse_dbt_version(version).or(self.specs.dbt_version);
        self.formulas = self.formulas.mark_schema_as_dbt(self.specs.dbt_version.is_some());
        self
    }

    /// Sets whether the flags of `dbt_project.yml` turn off the key `arguments` of data tests:
    /// `require_generic_test_arguments_property: false`.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ndata_tests: [{unique: {column_name: a}}]\ndefinitions: a = SUM(x)\n";
    /// let builder = formulac_model::Compiler::builder().dbt_version("1.12.6").forbid_test_arguments(true);
    /// let compiled = builder.build().compile_spec(spec);
    /// assert!(compiled.model_yml().unwrap().contains("      - unique:\n          column_name: a\n"));
    /// ```
    pub fn forbid_test_arguments(mut self, yes: bool) -> Self {
        self.specs.forbids_test_arguments = yes;
        self
    }

    /// Sets whether long descriptions are in the properties file instead of in docs blocks, because dbt does not search
    /// the folder of the models for docs blocks.
    ///
    /// ```
    /// let spec = format!("model: m\ndescription: {}\nfrom: t\ndefinitions: n = COUNT()\n", "word ".repeat(80));
    /// let builder = formulac_model::Compiler::builder().inline_long_descriptions(true);
    /// assert!(builder.build().compile_spec(&spec).model_yml().unwrap().contains("word word word"));
    /// ```
    pub fn inline_long_descriptions(mut self, yes: bool) -> Self {
        self.specs.inlines_long_descriptions = yes;
        self
    }

    /// Sets whether specs are also compiled with other types for columns of unknown type, to find the columns whose
    /// type affects the SQL. [`CompiledSpec::undecided_types`](crate::CompiledSpec::undecided_types) returns these
    /// columns. Each column of unknown type costs one or two extra compilations.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ndefinitions: {days: 'MAX(DAYS(left_on, joined))', total: SUM(amount)}\n";
    /// let compiled = formulac_model::Compiler::builder().probe_types(true).build().compile_spec(spec);
    /// let columns: Vec<_> = compiled.undecided_types().iter().map(|it| it.column.as_str()).collect();
    /// assert_eq!(columns, ["left_on", "joined"]);
    /// ```
    pub fn probe_types(mut self, yes: bool) -> Self {
        self.specs.probe_types = yes;
        self
    }

    /// Sets whether compiled specs contain the plans of their queries, which
    /// [`CompiledSpec::plan`](crate::CompiledSpec::plan) returns.
    pub fn plans(mut self, yes: bool) -> Self {
        self.specs.plans = yes;
        self
    }

    /// Sets the data tests from the project's packages. Each name includes the name of the package. The compiler
    /// generates a test of `dbt_utils` for a rule only if the test checks exactly that rule.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ngroup_by: k\ndefinitions: a = SUM(x)\nrules: [positive: a > 0]\n";
    /// let compiler = formulac_model::Compiler::builder().generic_tests(["dbt_utils.accepted_range"]).build();
    /// let compiled = compiler.compile_spec(spec);
    /// assert!(compiled.model_yml().unwrap().contains("- dbt_utils.accepted_range:"));
    /// ```
    pub fn generic_tests<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.specs.generic_tests = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the groups of the dbt project. The compiler reports models in other groups, because dbt rejects them.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ngroup: finanse\ngroup_by: k\ndefinitions: n = COUNT()\n";
    /// let compiler = formulac_model::Compiler::builder().groups(["finance"]).build();
    /// assert_eq!(compiler.compile_spec(spec).diagnostics()[0].help(), Some("did you mean `finance`?"));
    /// ```
    pub fn groups<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.specs.groups = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the names and values of the project's dbt variables. A query contains the value of the variable that
    /// `today: var('run_date')` names.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ntoday: var('run_date')\ndefinitions: recent = COUNTIF(day > TODAY())\n";
    /// let builder = formulac_model::Compiler::builder().variables([("run_date", "2024-01-05")]);
    /// let compiled = builder.build().compile_spec(spec);
    /// assert!(compiled.query().unwrap().contains("date '2024-01-05'"));
    /// ```
    pub fn variables<S: Into<String>>(mut self, variables: impl IntoIterator<Item = (S, S)>) -> Self {
        let variables = variables.into_iter();
        self.specs.variables = variables.map(|(name, value)| (name.into(), value.into())).collect();
        self
    }

    /// Sets the current date, `YYYY-MM-DD`. A metric that its metric set marks with `deprecated: {until: …}` cannot be
    /// used on or after that date. Without a current date, the metric causes only a warning.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let set = "metric_set: o\nfrom: t\ndefinitions: n = COUNT()\ncolumns: {n: {deprecated: {until: 2024-01-01}}}\n";
    /// let texts = [set, "model: m\nmetrics: [o.n]\n"].map(|text| SpecText { text, path: None });
    /// let compiler = Compiler::builder().current_date("2024-01-01").build();
    /// assert!(compiler.compile_specs(&texts)[1].has_errors());
    /// ```
    pub fn current_date(mut self, date: impl Into<String>) -> Self {
        self.specs.current_date = Some(date.into());
        self
    }

    /// Sets whether `dbt_project.yml` enforces the contracts of models. Defaults to `false`. A `contract` in the spec
    /// takes precedence.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ngroup_by: k\ndefinitions: |\n  a = COUNT()\ncolumns: {k: {data_type: text}}\n";
    /// let compiled = formulac_model::Compiler::builder().contracts(true).build().compile_spec(spec);
    /// assert!(compiled.model_yml().unwrap().contains("data_type: bigint"));
    /// ```
    pub fn contracts(mut self, yes: bool) -> Self {
        self.specs.contracts = yes;
        self
    }

    /// Sets the default for specs without `semantic_model`: whether to generate a semantic model, and in which format.
    /// If the setting is `ByVersion` and the version of dbt is unknown, the legacy format is used, because every
    /// version supports it.
    ///
    /// ```
    /// use formulac_model::SemanticModels;
    /// let spec = "model: sales\nfrom: t\ngroup_by: day[month]\ndefinitions: revenue = SUM(x)\n";
    /// let yml = |asked, version| {
    ///     let compiler = formulac_model::Compiler::builder().semantic_models(asked).dbt_version(version).build();
    ///     compiler.compile_spec(spec).model_yml().unwrap().to_owned()
    /// };
    /// assert!(yml(SemanticModels::ByVersion, "1.12.6").contains("    semantic_model: true\n"));
    /// assert!(yml(SemanticModels::ByVersion, "1.10.0").contains("\nsemantic_models:\n"));
    /// assert!(!yml(SemanticModels::Off, "1.12.6").contains("semantic_model"));
    /// ```
    pub fn semantic_models(mut self, semantic_models: SemanticModels) -> Self {
        self.specs.semantic_models = semantic_models;
        self
    }

    /// Builds the compiler.
    #[must_use]
    pub fn build(self) -> Compiler {
        Compiler {
            formulas: self.formulas.build(),
            specs: Arc::new(self.specs),
        }
    }
}

impl Compiler {
    /// Returns a builder.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns a compiler with the same spec options but different formula options.
    #[must_use]
    pub fn with_options(&self, options: CompilerOptions) -> Self {
        let formulas = formulac_core::Compiler {
            options: Arc::new(options),
            pool: Arc::default(),
        };
        Self {
            formulas,
            specs: Arc::clone(&self.specs),
        }
    }

    /// Returns the same compiler for another dialect.
    #[must_use]
    pub fn in_dialect(&self, dialect: Dialect) -> Self {
        Self {
            formulas: self.formulas.in_dialect(dialect),
            specs: Arc::clone(&self.specs),
        }
    }
}

impl Deref for Compiler {
    type Target = formulac_core::Compiler;

    fn deref(&self) -> &formulac_core::Compiler {
        &self.formulas
    }
}
