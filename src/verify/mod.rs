//! Two relations beside each other, row by row: the built model beside the rows of its formula, and beside the relations
//! that `compare:` names. The warehouse compares; what comes back is one row of counts, and the worst rows where there
//! are such.

mod answer;
mod sql;

pub use answer::{ColumnCounts, Counts, DifferingRow, DifferingValue};

use crate::CompiledSpec;
use crate::Type;
use crate::dbt::{self, From};
use crate::dialect::Dialect;
use crate::schema::Column;

/// Floats agree that lie apart by less than this part of the larger one, or of 1 where both are smaller: sums of floats
/// come out otherwise in another order, in the last of their some 16 digits.
pub const CLOSE: &str = "1e-9";

/// How relations are named in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonReader {
    /// dbt fills in what `ref` and `source` mean.
    Dbt,
    /// By their own names.
    Tables,
}

/// Which of the two relations is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationSide {
    /// The model.
    Ours,
    /// What it is compared with.
    Theirs,
}

impl RelationSide {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::Ours, Self::Theirs];
}

/// Rows that are compared.
#[derive(Clone, Debug)]
enum RowSource {
    Relation(From),
    /// A query: as it is, and as dbt is to read it.
    Query {
        plain: String,
        dbt: String,
    },
}

/// A text of SQL as it is, and as dbt is to read it.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    pub plain: String,
    pub dbt: String,
}

/// One of the two relations.
#[derive(Clone, Debug)]
struct ComparedRelation {
    rows: RowSource,
    /// What its columns may be qualified by in the filter, as written.
    alias: Option<String>,
    filter: Option<Texts>,
}

/// A column that both have.
#[derive(Clone, Debug)]
pub(crate) struct BothHave {
    pub name: String,
    /// As written, on either side.
    pub written: [String; 2],
    pub types: [Type; 2],
    /// Somebody named it as one that is compared.
    pub is_named: bool,
}

/// A relation that `compare:` names, with what is compared, as compiling the spec finds it.
#[derive(Clone, Debug)]
pub(crate) struct NamedColumns {
    pub with: From,
    pub keys: Vec<BothHave>,
    pub columns: Vec<BothHave>,
    pub tolerance: Option<String>,
    /// What the columns of each side may be qualified by.
    pub aliases: [String; 2],
    pub filters: Option<[Texts; 2]>,
}

/// When two values of a column agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement<'c> {
    /// They are the same, or both NULL.
    Exact,
    /// They are floats of which no more differs than [`CLOSE`] allows.
    Close,
    /// They lie apart by no more than this.
    Within(&'c str),
}

/// Two relations that are compared row by row.
///
/// ```
/// use formulac::verify::ComparisonReader;
///
/// let spec = "model: revenue\nfrom: orders\ngroup_by: region\ndefinitions: total = SUM(amount)\n";
/// let compiled = formulac::Compiler::default().compile_spec(spec);
/// let comparison = compiled.beside_formula().unwrap();
/// assert_eq!((comparison.keys(), comparison.columns()), (vec!["region"], vec!["total"]));
/// assert!(comparison.counts_sql(ComparisonReader::Dbt).contains("select * from {{ ref('revenue') }}"));
/// assert!(comparison.counts_sql(ComparisonReader::Tables).contains("select * from revenue"));
/// ```
#[derive(Clone, Debug)]
pub struct Comparison {
    dialect: Dialect,
    sides: [ComparedRelation; 2],
    /// The columns that tell the rows apart.
    keys: Vec<BothHave>,
    columns: Vec<BothHave>,
    /// No column tells the rows apart: rows that are the same in all columns are counted.
    counts_rows: bool,
    tolerance: Option<String>,
    /// The numbers of each column are summed on either side.
    sums: bool,
}

/// Columns that one side lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lacking {
    /// Those that tell the rows apart, without which nothing can be compared.
    pub keys: Vec<String>,
    /// Others.
    pub columns: Vec<String>,
    /// Columns that it has and nobody compares.
    pub more: Vec<String>,
}

impl Comparison {
    /// The relation that the model is compared with; `None` if that is its own formula.
    #[must_use]
    pub fn with(&self) -> Option<&From> {
        match &self.sides[1].rows {
            RowSource::Relation(from) => Some(from),
            RowSource::Query { .. } => None,
        }
    }

    /// The model's own relation; `None` if the rows of its formula stand for it.
    #[must_use]
    pub fn ours(&self) -> Option<&From> {
        match &self.sides[0].rows {
            RowSource::Relation(from) => Some(from),
            RowSource::Query { .. } => None,
        }
    }

    /// The columns that tell the rows apart; all that are compared where none does.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        self.keys.iter().map(|column| column.name.as_str()).collect()
    }

    /// The columns whose values are compared.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// Whether no column tells the rows apart, so that rows that are the same are counted on either side.
    #[must_use]
    pub fn counts_rows(&self) -> bool {
        self.counts_rows
    }

    /// How far two numbers may lie apart, where that is said.
    #[must_use]
    pub fn tolerance(&self) -> Option<&str> {
        self.tolerance.as_deref()
    }

    /// Says it for a comparison that does not say it itself.
    #[must_use]
    pub fn or_tolerance(mut self, tolerance: Option<&str>) -> Self {
        self.tolerance = self.tolerance.or_else(|| tolerance.map(str::to_owned));
        self
    }

    /// The same with the rows of the formula in place of the model, for where that is not built.
    #[must_use]
    pub fn with_formula(mut self, compiled: &CompiledSpec) -> Option<Self> {
        self.sides[0].rows = compiled.formula_rows()?;
        Some(self)
    }

    /// The same columns and keys of two other relations, such as what two environments built of the model; numbers are
    /// summed too.
    #[must_use]
    pub fn between(mut self, ours: From, theirs: From) -> Self {
        self.sides =
            [ours, theirs].map(|from| ComparedRelation { rows: RowSource::Relation(from), alias: None, filter: None });
        self.sums = true;
        self
    }

    /// When two values of the column at this place agree.
    #[must_use]
    pub fn agreement(&self, column: usize) -> Agreement<'_> {
        self.columns.get(column).map_or(Agreement::Exact, |column| self.agreement_of(column))
    }

    fn agreement_of(&self, column: &BothHave) -> Agreement<'_> {
        let ty = column.ty();
        match &self.tolerance {
            Some(tolerance) if may_lie_apart(ty, column.is_named) => Agreement::Within(tolerance),
            None if ty.in_sql() == Type::Float => Agreement::Close,
            _ => Agreement::Exact,
        }
    }

    /// Keeps to the columns that a side has, and tells which it lacks. Their types are known from then on.
    pub fn keep_to(&mut self, side: RelationSide, there: &[Column]) -> Lacking {
        let place = side as usize;
        let mut lacking = Lacking::default();
        let has = |column: &mut BothHave| {
            let found = there.iter().find(|it| it.name().eq_ignore_ascii_case(&column.name))?;
            if found.ty() != Type::Unknown {
                column.types[place] = found.ty();
            }
            Some(())
        };
        let named = |name: &str, all: &[BothHave]| all.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        let more =
            there.iter().map(Column::name).filter(|name| !named(name, &self.keys) && !named(name, &self.columns));
        lacking.more = more.map(str::to_owned).collect();
        for (columns, lacks) in [(&mut self.keys, &mut lacking.keys), (&mut self.columns, &mut lacking.columns)] {
            columns.retain_mut(|column| {
                let is_there = has(column).is_some();
                if !is_there {
                    lacks.push(column.name.clone());
                }
                is_there
            });
        }
        if self.counts_rows {
            // Any columns do where all of them are the key.
            lacking.columns.append(&mut lacking.keys);
        }
        lacking
    }

    /// Whether there is something to compare: a row is found by its keys or by all that it holds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.columns.is_empty()
    }
}

/// Whether a tolerance is of a column of this type. Who names a column beside a tolerance means a number.
pub(crate) fn may_lie_apart(ty: Type, is_named: bool) -> bool {
    ty.is_number() || (ty == Type::Unknown && is_named)
}

impl BothHave {
    /// The type that decides when values agree: where one side has floats, both are compared as such.
    fn ty(&self) -> Type {
        let is_float = |ty: &Type| matches!(ty.in_sql(), Type::Float | Type::Point);
        if self.types.iter().any(is_float) && self.types.iter().all(|ty| ty.is_number() || *ty == Type::Unknown) {
            return Type::Float;
        }
        let known = self.types.into_iter().find(|ty| *ty != Type::Unknown);
        known.unwrap_or_default()
    }
}

impl CompiledSpec {
    /// The built model beside the rows that its formula gives now; `None` if the spec has an error, makes no model, or
    /// nobody knows its columns.
    #[must_use]
    pub fn beside_formula(&self) -> Option<Comparison> {
        let ours =
            ComparedRelation { rows: RowSource::Relation(self.model.as_ref()?.own.clone()), alias: None, filter: None };
        let theirs = ComparedRelation { rows: self.formula_rows()?, alias: None, filter: None };
        let is_key = |column: &Column| self.key.iter().any(|key| key.eq_ignore_ascii_case(column.name()));
        let both = |column: &Column| {
            let written = self.dialect.name_text(column.name(), !column.is_quoted());
            let types = [column.ty(); 2];
            BothHave { name: column.name().to_owned(), written: [written.clone(), written], types, is_named: false }
        };
        let counts_rows = self.key.is_empty() && !self.single;
        let (keys, columns): (Vec<&Column>, Vec<&Column>) =
            self.columns.iter().partition(|column| counts_rows || is_key(column));
        if self.open || (keys.is_empty() && columns.is_empty()) {
            return None;
        }
        let [keys, columns] = [keys, columns].map(|all| all.into_iter().map(both).collect());
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

    /// The model beside each relation that `compare:` names, in the order written; empty if the spec has an error.
    ///
    /// ```
    /// let spec = "model: revenue\nfrom: orders\ngroup_by: region\ndefinitions: total = SUM(amount)\n\
    ///     compare: [{with: ref('old'), keys: region, tolerance: 0.01}]\n";
    /// let compiled = formulac::Compiler::default().compile_spec(spec);
    /// let comparison = &compiled.comparisons()[0];
    /// assert_eq!((comparison.with().unwrap().name(), comparison.tolerance()), ("old", Some("0.01")));
    /// ```
    #[must_use]
    pub fn comparisons(&self) -> Vec<Comparison> {
        let Some(model) = &self.model else { return Vec::new() };
        let comparison = |named: &NamedColumns| {
            let [ours, theirs] = match &named.filters {
                Some([ours, theirs]) => [Some(ours.clone()), Some(theirs.clone())],
                None => [None, None],
            };
            let [our_alias, their_alias] = named.aliases.clone().map(Some);
            Comparison {
                dialect: self.dialect,
                sides: [
                    ComparedRelation { rows: RowSource::Relation(model.own.clone()), alias: our_alias, filter: ours },
                    ComparedRelation {
                        rows: RowSource::Relation(named.with.clone()),
                        alias: their_alias,
                        filter: theirs,
                    },
                ],
                keys: named.keys.clone(),
                columns: named.columns.clone(),
                counts_rows: false,
                tolerance: named.tolerance.clone(),
                sums: false,
            }
        };
        model.compared.iter().map(comparison).collect()
    }

    /// A query that computes every column of the formula and counts what comes out, in one row: how long it takes is
    /// how long the formula takes, without bringing its rows anywhere.
    #[must_use]
    pub fn counted_sql(&self, reader: ComparisonReader) -> Option<String> {
        Some(sql::counted(self.dialect, &self.formula_rows()?, &self.columns, reader))
    }

    /// The rows that the formula gives: all of them, as a model that is built anew has them.
    fn formula_rows(&self) -> Option<RowSource> {
        let model = self.model.as_ref()?;
        let plain = model.under_contract.as_ref().or(self.query.as_ref())?.clone();
        Some(RowSource::Query { plain, dbt: model.sql.get(model.body_at..)?.to_owned() })
    }
}

impl RowSource {
    /// A query of all of them.
    fn select(&self, dialect: Dialect, reader: ComparisonReader) -> String {
        match (self, reader) {
            (Self::Relation(from), ComparisonReader::Dbt) => dbt::import(from, &from.relation_sql(dialect)),
            (Self::Relation(from), ComparisonReader::Tables) => format!("select * from {}", from.relation_sql(dialect)),
            (Self::Query { plain, .. }, ComparisonReader::Tables) => plain.trim_end().to_owned(),
            (Self::Query { dbt, .. }, ComparisonReader::Dbt) => dbt.trim_end().to_owned(),
        }
    }
}
