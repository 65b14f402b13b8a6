//! Row-by-row comparison of two relations: the built model and either the rows of its formula or a relation listed in
//! `compare:`. The comparison runs in the warehouse, which returns one row of counts. If there are differences, the
//! warehouse also returns the rows with the largest differences.

mod results;
mod sql;

pub use results::{ColumnCounts, Counts, RowDifference, ValueDifference};

use serde::{Deserialize, Serialize};

use crate::CompiledSpec;
use crate::Type;
use crate::dbt::{self, RelationReference};
use crate::dialect::Dialect;
use crate::schema::Column;

/// Tolerance for floats, relative to the larger absolute value, or to 1 if both are smaller. A sum of floats has about
/// 16 digits, and the order of addition can change the last digits.
pub const FLOAT_TOLERANCE: &str = "1e-9";

/// Recipient of a query, which determines the syntax of relation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonReader {
    /// dbt, which resolves `ref` and `source`.
    Dbt,
    /// The warehouse, which needs plain table names.
    Tables,
}

/// One of the two compared relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationSide {
    /// The model.
    Ours,
    /// The relation with which the model is compared.
    Theirs,
}

impl RelationSide {
    /// Both sides, in order.
    pub const BOTH: [Self; 2] = [Self::Ours, Self::Theirs];

    /// Returns the value for this side.
    fn value_of<T>(self, [ours, theirs]: &[T; 2]) -> &T {
        match self {
            Self::Ours => ours,
            Self::Theirs => theirs,
        }
    }

    fn value_of_mut<T>(self, [ours, theirs]: &mut [T; 2]) -> &mut T {
        match self {
            Self::Ours => ours,
            Self::Theirs => theirs,
        }
    }
}

/// Source of the compared rows.
#[derive(Clone, Debug)]
enum RowSource {
    Relation(RelationReference),
    /// Query as plain SQL and as SQL for dbt.
    Query {
        plain: String,
        dbt: String,
    },
}

/// SQL for plain queries, and the equivalent SQL for dbt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SqlTexts {
    pub(crate) plain: String,
    pub(crate) dbt: String,
}

/// One of the two compared relations.
#[derive(Clone, Debug)]
struct ComparedRelation {
    rows: RowSource,
    /// Qualifier of the columns in the filter, as written in the spec.
    alias: Option<String>,
    filter: Option<SqlTexts>,
}

impl ComparedRelation {
    /// Compares all rows.
    fn from_rows(rows: RowSource) -> Self {
        Self {
            rows,
            alias: None,
            filter: None,
        }
    }
}

/// Column that both sides have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SharedColumn {
    pub(crate) name: String,
    /// SQL name of the column on each side.
    pub(crate) written: [String; 2],
    pub(crate) types: [Type; 2],
    /// Whether the user lists the column explicitly in `compare:`.
    pub(crate) is_named: bool,
}

/// Entry of `compare:` in a compiled spec: the relation and the columns to compare.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComparedColumnNames {
    pub(crate) with: RelationReference,
    pub(crate) keys: Vec<SharedColumn>,
    pub(crate) columns: Vec<SharedColumn>,
    pub(crate) tolerance: Option<String>,
    /// Qualifiers of the columns on each side.
    pub(crate) aliases: [String; 2],
    pub(crate) filters: Option<[SqlTexts; 2]>,
}

/// Rule that determines whether two values of a column agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgreementRule<'c> {
    /// The values are equal, or both are NULL.
    Exact,
    /// The values are floats that differ by no more than [`FLOAT_TOLERANCE`].
    Close,
    /// The values differ by no more than this number.
    Within(&'c str),
}

/// Two relations that are compared row by row.
///
/// ```
/// use formulac_model::verify::ComparisonReader;
///
/// let spec = "model: revenue\nfrom: orders\ngroup_by: region\ndefinitions: total = SUM(amount)\n";
/// let compiled = formulac_model::Compiler::default().compile_spec(spec);
/// let comparison = compiled.formula_comparison().unwrap();
/// assert_eq!((comparison.keys(), comparison.columns()), (vec!["region"], vec!["total"]));
/// assert!(comparison.counts_sql(ComparisonReader::Dbt).contains("select * from {{ ref('revenue') }}"));
/// assert!(comparison.counts_sql(ComparisonReader::Tables).contains("select * from revenue"));
/// ```
#[derive(Clone, Debug)]
pub struct Comparison {
    dialect: Dialect,
    sides: [ComparedRelation; 2],
    /// Key columns.
    keys: Vec<SharedColumn>,
    columns: Vec<SharedColumn>,
    /// Whether the comparison has no key and therefore counts equal rows on each side.
    counts_rows: bool,
    tolerance: Option<String>,
    /// Whether the numbers of each column are summed on each side.
    sums: bool,
}

/// Columns that are missing on a side of a comparison, and columns that are not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingColumns {
    /// Missing key columns, without which no comparison is possible.
    pub keys: Vec<String>,
    /// Other missing columns.
    pub columns: Vec<String>,
    /// Columns that exist on this side but are not compared.
    pub not_compared: Vec<String>,
}

impl Comparison {
    /// Returns the relation with which the model is compared. `None` if the model is compared with its own formula.
    #[must_use]
    pub fn compared_relation(&self) -> Option<&RelationReference> {
        match &self.sides[1].rows {
            RowSource::Relation(from) => Some(from),
            RowSource::Query { .. } => None,
        }
    }

    /// Returns the model's own relation. `None` if the rows of its formula are used instead.
    #[must_use]
    pub fn own_relation(&self) -> Option<&RelationReference> {
        match &self.sides[0].rows {
            RowSource::Relation(from) => Some(from),
            RowSource::Query { .. } => None,
        }
    }

    /// Returns the key columns, or all compared columns if there is no key.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        self.keys.iter().map(|column| column.name.as_str()).collect()
    }

    /// Returns the columns whose values are compared.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// Returns whether the comparison has no key and therefore counts equal rows on each side.
    #[must_use]
    pub fn counts_rows(&self) -> bool {
        self.counts_rows
    }

    /// Returns the largest allowed difference between two numbers, if one is set.
    #[must_use]
    pub fn tolerance(&self) -> Option<&str> {
        self.tolerance.as_deref()
    }

    /// Sets the tolerance, unless the comparison already has one.
    #[must_use]
    pub fn with_default_tolerance(mut self, tolerance: Option<&str>) -> Self {
        self.tolerance = self.tolerance.or_else(|| tolerance.map(str::to_owned));
        self
    }

    /// Compares the rows of the model's formula instead of the built model. Used for models that are not built.
    #[must_use]
    pub fn with_formula(mut self, compiled: &CompiledSpec) -> Option<Self> {
        self.sides[0].rows = compiled.formula_rows()?;
        Some(self)
    }

    /// Replaces the compared relations with two other relations that have the same columns and keys, such as the model
    /// in two environments. The result also contains the sums of numeric columns.
    #[must_use]
    pub fn between_relations(mut self, ours: RelationReference, theirs: RelationReference) -> Self {
        self.sides = [ours, theirs].map(|from| ComparedRelation::from_rows(RowSource::Relation(from)));
        self.sums = true;
        self
    }

    /// Returns the rule that determines whether two values of a column agree.
    fn column_agreement(&self, column: &SharedColumn) -> AgreementRule<'_> {
        let ty = column.ty();
        match &self.tolerance {
            Some(tolerance) if is_tolerance_applicable(ty, column.is_named) => AgreementRule::Within(tolerance),
            None if ty.sql_type() == Type::Float => AgreementRule::Close,
            _ => AgreementRule::Exact,
        }
    }

    /// Restricts the comparison to the columns that exist on a side, and uses the types of these columns. Returns the
    /// columns that are missing on that side.
    pub fn keep_columns(&mut self, side: RelationSide, side_columns: &[Column]) -> MissingColumns {
        let mut lacking = MissingColumns::default();
        let has = |column: &mut SharedColumn| {
            let side_column = side_columns
                .iter()
                .find(|candidate| candidate.name().eq_ignore_ascii_case(&column.name))?;
            if side_column.ty() != Type::Unknown {
                *side.value_of_mut(&mut column.types) = side_column.ty();
            }
            Some(())
        };
        let has_column = |name: &str, shared_columns: &[SharedColumn]| {
            shared_columns
                .iter()
                .any(|column| column.name.eq_ignore_ascii_case(name))
        };
        let more = side_columns
            .iter()
            .map(Column::name)
            .filter(|name| !has_column(name, &self.keys) && !has_column(name, &self.columns));
        lacking.not_compared = more.map(str::to_owned).collect();
        for (columns, lacks) in [
            (&mut self.keys, &mut lacking.keys),
            (&mut self.columns, &mut lacking.columns),
        ] {
            columns.retain_mut(|column| {
                let exists = has(column).is_some();
                if !exists {
                    lacks.push(column.name.clone());
                }
                exists
            });
        }
        if self.counts_rows {
            // If all columns form the key, the comparison is also possible without the missing columns.
            lacking.columns.append(&mut lacking.keys);
        }
        lacking
    }

    /// Returns whether there are no columns to compare.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.columns.is_empty()
    }
}

/// Returns whether a tolerance applies to a column of this type. A column of unknown type that the user lists
/// explicitly is treated as a number.
pub fn is_tolerance_applicable(ty: Type, is_named: bool) -> bool {
    ty.is_number() || (ty == Type::Unknown && is_named)
}

impl SharedColumn {
    /// Returns the type for the comparison. If one side has floats, both sides are compared as floats.
    fn ty(&self) -> Type {
        let is_float = |ty: &Type| matches!(ty.sql_type(), Type::Float | Type::Point);
        if self.types.iter().any(is_float) && self.types.iter().all(|ty| ty.is_number() || *ty == Type::Unknown) {
            return Type::Float;
        }
        let known_type = self.types.into_iter().find(|ty| *ty != Type::Unknown);
        known_type.unwrap_or_default()
    }
}

impl CompiledSpec {
    /// Returns a comparison of the built model with the rows that its formula currently returns. `None` if the spec has
    /// an error, defines no model, or may have unknown columns.
    #[must_use]
    pub fn formula_comparison(&self) -> Option<Comparison> {
        let ours = ComparedRelation::from_rows(RowSource::Relation(self.model.as_ref()?.own_reference.clone()));
        let theirs = ComparedRelation::from_rows(self.formula_rows()?);
        let is_key = |column: &Column| self.key.iter().any(|key| key.eq_ignore_ascii_case(column.name()));
        let to_shared = |column: &Column| {
            let sql_name = column.sql_name(self.dialect);
            let types = [column.ty(); 2];
            SharedColumn {
                name: column.name().to_owned(),
                written: [sql_name.clone(), sql_name],
                types,
                is_named: false,
            }
        };
        let counts_rows = self.key.is_empty() && !self.single;
        let (keys, columns): (Vec<&Column>, Vec<&Column>) =
            self.columns.iter().partition(|column| counts_rows || is_key(column));
        if self.open || (keys.is_empty() && columns.is_empty()) {
            return None;
        }
        let [keys, columns] = [keys, columns].map(|column_list| column_list.into_iter().map(to_shared).collect());
        Some(Comparison {
            dialect: self.dialect,
            sides: [ours, theirs],
            keys,
            columns,
            counts_rows,
            tolerance: None,
            sums: false,
        })
    }

    /// Returns one comparison of the model per relation in `compare:`, in source order. Empty if the spec has an error.
    ///
    /// ```
    /// let spec = "model: revenue\nfrom: orders\ngroup_by: region\ndefinitions: total = SUM(amount)\n\
    ///     compare: [{with: ref('old'), keys: region, tolerance: 0.01}]\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(spec);
    /// let comparison = &compiled.comparisons()[0];
    /// assert_eq!((comparison.compared_relation().unwrap().name(), comparison.tolerance()), ("old", Some("0.01")));
    /// ```
    #[must_use]
    pub fn comparisons(&self) -> Vec<Comparison> {
        let Some(model) = &self.model else { return Vec::new() };
        let comparison = |named_columns: &ComparedColumnNames| {
            let [ours, theirs] = match &named_columns.filters {
                Some([ours, theirs]) => [Some(ours.clone()), Some(theirs.clone())],
                None => [None, None],
            };
            let [our_alias, their_alias] = named_columns.aliases.clone().map(Some);
            Comparison {
                dialect: self.dialect,
                sides: [
                    ComparedRelation {
                        rows: RowSource::Relation(model.own_reference.clone()),
                        alias: our_alias,
                        filter: ours,
                    },
                    ComparedRelation {
                        rows: RowSource::Relation(named_columns.with.clone()),
                        alias: their_alias,
                        filter: theirs,
                    },
                ],
                keys: named_columns.keys.clone(),
                columns: named_columns.columns.clone(),
                counts_rows: false,
                tolerance: named_columns.tolerance.clone(),
                sums: false,
            }
        };
        model.compared_relations.iter().map(comparison).collect()
    }

    /// Returns a query that computes every column of the formula, and returns the counts of the values in one row. The
    /// duration of this query is the time that the formula takes, without the transfer of its rows.
    #[must_use]
    pub fn formula_count_sql(&self, reader: ComparisonReader) -> Option<String> {
        Some(sql::count_sql(
            self.dialect,
            &self.formula_rows()?,
            &self.columns,
            reader,
        ))
    }

    /// Returns the rows of the formula, as in a full refresh of the model.
    fn formula_rows(&self) -> Option<RowSource> {
        let model = self.model.as_ref()?;
        let plain = model.contract_query.as_ref().or(self.query.as_ref())?.clone();
        Some(RowSource::Query {
            plain,
            dbt: model.sql.get(model.body_at..)?.to_owned(),
        })
    }
}

impl RowSource {
    /// Returns a query that selects all rows.
    fn rows_query(&self, dialect: Dialect, reader: ComparisonReader) -> String {
        match (self, reader) {
            (Self::Relation(from), ComparisonReader::Dbt) => dbt::import_cte_body(from, &from.relation_sql(dialect)),
            (Self::Relation(from), ComparisonReader::Tables) => format!("select * from {}", from.relation_sql(dialect)),
            (Self::Query { plain, .. }, ComparisonReader::Tables) => plain.trim_end().to_owned(),
            (Self::Query { dbt, .. }, ComparisonReader::Dbt) => dbt.trim_end().to_owned(),
        }
    }
}
