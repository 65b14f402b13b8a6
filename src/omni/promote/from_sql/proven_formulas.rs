//! Formulas that compile to exactly the given SQL, for SQL that the rules of this module do not convert.

use std::cell::OnceCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use sqlparser::ast::Expr;

use super::super::calendar::OmniCalendar;
use super::super::term::FormulaTerm;
use super::form::{SqlForm, strip_parentheses};
use super::reader::SqlConverter;
use crate::Type;
use crate::ast;
use crate::calendar::Weekday;
use crate::compiler::Compiler;
use crate::dbt::tokens::{SqlTokenKind, replace_tokens, tokens};
use crate::decompile::{DecompiledFormula, Decompiler};
use crate::diag::lists::join_words;
use crate::dialect::Dialect;
use crate::parse;
use crate::schema::{Column, Relation, Schema};

/// Relation that the compiled formulas read.
const SEARCH_RELATION: &str = "omni_rows";
/// Definition whose SQL is replaced, and a marker number that occurs only in this SQL.
const SEARCH_DEFINITION: &str = "omni_value";
const SEARCH_MARKER: &str = "73019284";
/// Settings of a spec with one row for each row of the relation, and with one row for each group.
const ROW_SPEC_SETTINGS: &str = "keep: omni_key\n";
const GROUP_SPEC_SETTINGS: &str = "group_by: omni_key\n";

/// Finds formulas by the SQL that they compile to.
pub(in super::super) struct FormulaFinder {
    compiler: Compiler,
    decompiler: Decompiler,
    extracts_days_from_zero: OnceCell<bool>,
}

/// First words of the operations that test, return or count points in time, independently of the time zone.
const TIME_ZONE_INDEPENDENT: [&str; 10] = [
    "is",
    "case",
    "min",
    "max",
    "count",
    "any_value",
    "coalesce",
    "nullif",
    "greatest",
    "least",
];
/// Maximum number of searches for a proven formula per SQL text.
const MAX_FORMULA_SEARCHES: usize = 8;

/// Names in SQL, with the terms that replace them in the formula.
type NamedTerms = FxHashMap<String, FormulaTerm>;

impl FormulaFinder {
    /// Creates a search for formulas of a spec with the given calendar.
    pub fn new(compiler: &Compiler, calendar: OmniCalendar) -> Self {
        let mut options = (*compiler.options).clone();
        if let Some(day) = calendar.week_start {
            options.calendar.week_start = day;
        }
        Self::with_compiler(compiler.with_options(options))
    }

    fn with_compiler(compiler: Compiler) -> Self {
        Self {
            compiler,
            decompiler: Decompiler::default(),
            extracts_days_from_zero: OnceCell::new(),
        }
    }

    /// Returns the spec's first day of the week if the expression would have a formula with weeks that start on Monday,
    /// but has none with this setting.
    fn conflicting_week_start(&self, sql: &str, names: &NamedTerms) -> Option<Weekday> {
        let week_start = self.compiler.options.calendar.week_start;
        let lower = sql.to_ascii_lowercase();
        if week_start == Weekday::Monday || !["week", "dow"].iter().any(|unit| lower.contains(unit)) {
            return None;
        }
        let mut options = (*self.compiler.options).clone();
        options.calendar.week_start = Weekday::Monday;
        let with_monday = Self::with_compiler(self.compiler.with_options(options));
        with_monday.find(sql, names).map(|_| week_start)
    }

    /// Returns whether formulas convert points in time to another time zone.
    pub fn converts_time_zones(&self) -> bool {
        self.compiler.options.timezone.is_some()
    }

    /// Returns whether `extract(dow from x)` is 0 for a Sunday, as in the SQL of `WEEKDAY`.
    pub fn extracts_days_from_zero(&self) -> bool {
        *self.extracts_days_from_zero.get_or_init(|| {
            let day = FormulaTerm::atom("omni_day").with_type(Some(Type::Date));
            let compiler = self.compiler_with_columns(&NamedTerms::from_iter([("omni_day".to_owned(), day)]));
            let spec = format!("model: omni_model\nfrom: {SEARCH_RELATION}\n{ROW_SPEC_SETTINGS}definitions: {SEARCH_DEFINITION} = WEEKDAY(omni_day)\n");
            let compiled = compiler.compile_spec(&spec);
            compiled
                .model_sql()
                .is_some_and(|sql| sql.contains("extract(dow from omni_day)"))
        })
    }

    /// Returns the formula that compiles to an expression, and the differences between the formula's SQL and the
    /// expression.
    pub fn find(&self, sql: &str, names: &NamedTerms) -> Option<(FormulaTerm, Option<String>)> {
        let compiler = self.compiler_with_columns(names);
        let find = |rows: &str| {
            let spec = format!(
                "model: omni_model\nfrom: {SEARCH_RELATION}\n{rows}definitions: {SEARCH_DEFINITION} = {SEARCH_MARKER}\n"
            );
            let model_sql = compiler.compile_spec(&spec).model_sql()?.to_owned();
            let edited = model_sql.replacen(SEARCH_MARKER, sql, 1);
            let found_formula =
                self.decompiler
                    .find_formula_with_guards(&compiler, &spec, None, &edited, None, SEARCH_DEFINITION);
            Some((found_formula.ok()?, spec))
        };
        let reads_aggregate = names.values().any(|term| term.aggregates);
        let of_rows = find(ROW_SPEC_SETTINGS).map(|formula| (formula, reads_aggregate));
        let of_groups = || find(GROUP_SPEC_SETTINGS).map(|formula| (formula, true));
        let proven = of_rows.or_else(|| if reads_aggregate { None } else { of_groups() });
        let ((DecompiledFormula { formula, rewritten, .. }, spec), aggregates) = proven?;
        let compiled = compiler.compile_spec(&spec.replacen(SEARCH_MARKER, &formula, 1));
        let ty = compiled
            .columns()
            .iter()
            .find(|column| column.name() == SEARCH_DEFINITION)
            .map(formulac_core::Column::ty);
        let term = replace_names(&formula, names)?.with_type(ty.filter(|ty| *ty != Type::Unknown));
        let doubt = rewritten.filter(|rewritten_sql| !rewritten_sql.guards.is_empty());
        let doubt = doubt.map(|rewritten_sql| {
            let guards = rewritten_sql.guards.iter().map(|guard| guard.describe());
            let guards: Vec<_> = guards.collect();
            format!("the SQL of the formula adds {}", join_words(&guards, "and"))
        });
        Some((if aggregates { term.into_aggregate() } else { term }, doubt))
    }

    /// Returns a compiler whose schema contains the names with the types of their terms.
    fn compiler_with_columns(&self, names: &NamedTerms) -> Compiler {
        let column = |(name, term): (&String, &FormulaTerm)| {
            Column::new(name.as_str(), term.ty.unwrap_or(Type::Unknown)).nullable(!term.is_never_null)
        };
        let relation = names
            .iter()
            .map(column)
            .fold(Relation::new(SEARCH_RELATION), Relation::with);
        let mut options = (*self.compiler.options).clone();
        options.schema = Arc::new(Schema::new().with(relation.with(Column::new("omni_key", Type::Text))));
        self.compiler.with_options(options)
    }
}

impl SqlConverter<'_> {
    /// Returns the formula that compiles to the expression. `fallback_reason` is the reason that is returned if there
    /// is none.
    pub(super) fn find_equivalent_formula(
        &mut self,
        expr: &Expr,
        fallback_reason: String,
    ) -> Result<FormulaTerm, String> {
        self.search_equivalent_formula(expr)
            .map_err(|week_start| match week_start {
                Some(day) => format!(
                    "the weeks of the SQL start on Monday, but `week_start_day` is {}, and no formula expresses both",
                    day.name()
                ),
                None => fallback_reason,
            })
    }

    /// Returns the formula that compiles to the expression. If only the first day of the week prevents a formula, the
    /// error contains this day.
    fn search_equivalent_formula(&mut self, expr: &Expr) -> Result<FormulaTerm, Option<Weekday>> {
        let proven = self.names.proven_formulas().ok_or(None)?;
        self.proofs += 1;
        if self.proofs > MAX_FORMULA_SEARCHES
            || matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_))
        {
            return Err(None);
        }
        let sql = normalize_literals(&expr.to_string(), self.dialect);
        // A window reads the rows of the view, which the spec may group or filter.
        if sql.to_ascii_uppercase().contains(" OVER ") {
            return Err(None);
        }
        let mut names = NamedTerms::default();
        for word in possible_column_names(&sql, self.dialect) {
            let term = self.term_of_word(&word).map_err(|_| None)?;
            names.insert(word.to_ascii_lowercase(), term);
        }
        let found = proven.find(&sql, &names);
        let (term, doubt) = found.ok_or_else(|| proven.conflicting_week_start(&sql, &names))?;
        self.caveats.extend(doubt);
        self.computes |= term.text.contains(['+', '-', '*', '/']);
        Ok(term)
    }

    /// Returns whether an expression has different values in SQL and in a formula because formulas convert points in
    /// time to a time zone.
    pub(super) fn depends_on_time_zone(&self, expr: &Expr) -> bool {
        if !self
            .names
            .proven_formulas()
            .is_some_and(FormulaFinder::converts_time_zones)
        {
            return false;
        }
        SqlForm::of(expr, self.dialect).is_some_and(|form| {
            let operation = form.name.split(' ').next().unwrap_or_default();
            !TIME_ZONE_INDEPENDENT.contains(&operation) && form.operands.iter().any(|operand| self.is_instant(operand))
        })
    }

    fn is_instant(&self, expr: &Expr) -> bool {
        let term = self.term_of_name(strip_parentheses(expr));
        term.and_then(Result::ok)
            .is_some_and(|term| term.ty == Some(Type::Timestamptz))
    }
}

/// Writes string literals as the compiler does, because sqlparser prints their values without escapes: `R'\d'` and
/// `'\\d'` become `r'\d'` in BigQuery, and `r'a'` becomes `'a'`.
fn normalize_literals(printed_sql: &str, dialect: Dialect) -> String {
    let printed_dialect = match dialect.has_backslash_escapes() {
        true => Dialect::default(),
        false => dialect,
    };
    replace_tokens(printed_sql, printed_dialect, |tokens, index| {
        let token = tokens.get(index)?;
        let text = token.text(printed_sql);
        let quote = match token.kind {
            SqlTokenKind::Text => "'",
            SqlTokenKind::Quoted if dialect.accepts_double_quoted_texts() => "\"",
            _ => return None,
        };
        let (prefix, literal) = text.split_once(quote)?;
        let value = literal.strip_suffix(quote)?;
        Some(match prefix {
            "" => dialect.text_literal(&value.replace(&quote.repeat(2), quote)),
            "R" => dialect.text_literal(value),
            _ => format!("{}{quote}{literal}", prefix.to_ascii_lowercase()),
        })
    })
}

/// Returns the words of an expression that may be names of columns.
fn possible_column_names(sql: &str, dialect: Dialect) -> Vec<String> {
    let tokens = tokens(sql, dialect);
    let is_word = |index: &usize| {
        let is_called = tokens.get(index + 1).is_some_and(|next| next.text(sql) == "(");
        tokens.get(*index).is_some_and(|token| token.kind == SqlTokenKind::Word) && !is_called
    };
    let words = (0..tokens.len())
        .filter(is_word)
        .filter_map(|index| Some(tokens.get(index)?.text(sql).to_owned()));
    words.collect()
}

/// Replaces the names in a formula with their terms. `None` if a name has no term.
fn replace_names(formula: &str, names: &NamedTerms) -> Option<FormulaTerm> {
    let (parsed, _) = parse::parse(&format!("={formula}"));
    let (ast, source) = (parsed.ast(), parsed.source());
    let nodes = ast.nodes_of(ast.definitions.first()?);
    let mut text = source.to_owned();
    let mut places: Vec<_> = nodes
        .iter()
        .filter(|(expr, _)| matches!(expr, ast::Expr::Name | ast::Expr::Model))
        .map(|(_, span)| *span)
        .collect();
    places.sort_by_key(|span| std::cmp::Reverse(span.start));
    for span in places {
        let name = span.text(source);
        // A name such as `q1` has quotes: `${q1}`.
        let name = name
            .strip_prefix("${")
            .and_then(|name| name.strip_suffix('}'))
            .unwrap_or(name);
        let term = names.get(&name.to_ascii_lowercase())?;
        text.replace_range(span.start as usize..span.end as usize, &term.text);
    }
    let text = text.strip_prefix('=')?;
    let is_whole = nodes
        .last()
        .is_some_and(|(expr, _)| matches!(expr, ast::Expr::Name | ast::Expr::Model | ast::Expr::Call { .. }));
    Some(if is_whole {
        FormulaTerm::atom(text)
    } else {
        FormulaTerm::compound(text)
    })
}
