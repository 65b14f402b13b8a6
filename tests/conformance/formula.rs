//! Compiles a formula case for one dialect, and checks the engine's result.

use formulac::{Compiled, Compiler, Dialect, Level, Schema, Type};
use serde_json::Value as Json;

use crate::case::{Case, Expected, ROW_ID, TABLE, Untyped};
use crate::compare::{type_fault, values_equal};
use crate::engine::{Answer, Table};
use crate::expect::fault_of;
use crate::report::first_lines_and_rest_count;

/// Amount of information that the compiler receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    Typed,
    /// Without a schema. The types are inferred from the formula.
    Untyped,
}

pub enum Plan {
    Ask(Question),
    /// The result is known without an engine.
    Agreed,
    Unsupported,
    /// The SQL matches the case, but no engine runs it.
    Written,
    Failed {
        sql: String,
        fault: String,
    },
}

pub struct Question {
    /// The compiled formula.
    pub sql: String,
    pub query: String,
    /// Type of the value. `None` if the question is a query.
    pub ty: Option<Type>,
    nullable: bool,
}

pub fn plan(case: &Case, dialect: Dialect, variant: Variant) -> Plan {
    if variant == Variant::Untyped && case.untyped == Untyped::Unknowable {
        return Plan::Agreed;
    }
    let compiled = compile(case, dialect, variant);
    let errors: Vec<String> = (compiled.diagnostics().iter())
        .filter(|diagnostic| diagnostic.code().starts_with('F'))
        .map(|diagnostic| {
            let help = diagnostic
                .help()
                .map(|help| format!(" (help: {help})"))
                .unwrap_or_default();
            format!("{} {}{help}", diagnostic.code(), diagnostic.message())
        })
        .collect();
    let failed = |sql: &str, fault: String| Plan::Failed {
        sql: sql.to_owned(),
        fault,
    };
    let refused_with = |code: &str| errors.iter().any(|error| error.starts_with(code));

    let refusal = match &case.expected {
        Expected::Refused(code) => Some((code, Plan::Agreed)),
        _ => case
            .unsupported
            .get(dialect.name())
            .map(|code| (code, Plan::Unsupported)),
    };
    let in_query = case
        .query_only
        .get(dialect.name())
        .filter(|_| variant == Variant::Typed);
    let refusal = refusal.or_else(|| in_query.map(|code| (code, plan_formula_query(case, dialect))));
    let last = compiled.definitions().last();
    if let Some((code, settled)) = refusal {
        return match (refused_with(code), last) {
            (true, None) => settled,
            (true, Some(definition)) => failed(definition.sql(), format!("refused with {code}, yet it compiles")),
            (false, Some(definition)) => failed(
                definition.sql(),
                format!("must be refused with {code}, but it compiles"),
            ),
            (false, None) => failed("", format!("must be refused with {code}: {errors:?}")),
        };
    }
    if variant == Variant::Untyped && case.untyped == Untyped::Error {
        return match last {
            Some(definition) if errors.is_empty() => {
                failed(definition.sql(), "without types it must be refused".to_owned())
            }
            _ => Plan::Agreed,
        };
    }
    if !errors.is_empty() {
        return failed("", format!("does not compile: {}", errors.join("; ")));
    }
    let Some(definition) = last else {
        return failed("", "compiles to nothing, without an error".to_owned());
    };
    let sql = definition.sql();
    if let Expected::Written(texts) = &case.expected {
        return match texts.get(dialect.name()) {
            Some(text) if text == sql => Plan::Written,
            Some(text) => failed(sql, format!("it must be written\n{text}")),
            None => failed(
                sql,
                "`sql` says nothing of this dialect, nor does `unsupported`".to_owned(),
            ),
        };
    }
    let level_fits = match case.expected {
        Expected::Rows(_) => definition.level() != Level::Aggregate,
        Expected::One(_) => matches!(definition.level(), Level::Const | Level::Aggregate),
        Expected::Groups(_) | Expected::Refused(_) | Expected::Written(_) => true,
    };
    if !level_fits {
        return failed(sql, format!("its level is {:?}", definition.level()));
    }
    if variant == Variant::Typed {
        let claimed = definition.ty().to_string();
        if let Some(ty) = case.ty.filter(|ty| ty.to_string() != claimed) {
            return failed(sql, format!("the compiler's type is {claimed}, expected {ty}"));
        }
        for code in &case.warnings {
            if !compiled
                .diagnostics()
                .iter()
                .any(|diagnostic| diagnostic.code() == code)
            {
                return failed(sql, format!("the warning {code} is missing"));
            }
        }
    }
    Plan::Ask(Question {
        sql: sql.to_owned(),
        query: query(case, sql),
        ty: Some(definition.ty()),
        nullable: definition.nullable(),
    })
}

/// Plans the query for a spec whose only definition is the formula.
fn plan_formula_query(case: &Case, dialect: Dialect) -> Plan {
    let keys = if case.group_by.is_empty() {
        String::new()
    } else {
        format!("group_by: [{}]\n", case.group_by.join(", "))
    };
    let formula = Json::from(case.formula.as_str());
    let spec = format!("model: answers\nfrom: {TABLE}\n{keys}definitions:\n  answer: {formula}\n");
    let builder = Compiler::builder().dialect(dialect).fiscal_month_offset(0);
    let compiler = builder.schema(Schema::new().with(case.table.relation())).build();
    let compiled = compiler.compile_spec(&spec);
    let faults: Vec<String> = (compiled.diagnostics().iter())
        .filter(|diagnostic| diagnostic.code().starts_with('F'))
        .map(|diagnostic| format!("{} {}", diagnostic.code(), diagnostic.message()))
        .collect();
    match compiled.query() {
        Some(query) if faults.is_empty() => Plan::Ask(Question {
            sql: query.to_owned(),
            query: query.to_owned(),
            ty: None,
            nullable: true,
        }),
        _ => Plan::Failed {
            sql: String::new(),
            fault: format!("no query either: {}", faults.join("; ")),
        },
    }
}

fn compile(case: &Case, dialect: Dialect, variant: Variant) -> Compiled {
    let mut builder = Compiler::builder().dialect(dialect).fiscal_month_offset(0);
    if variant == Variant::Typed {
        builder = builder.schema(Schema::new().with(case.table.relation())).from(TABLE);
    }
    if !case.group_by.is_empty() {
        builder = builder.group_by(case.group_by.iter().map(String::as_str));
    }
    if !case.order_by.is_empty() {
        builder = builder.order_by(case.order_by.iter().map(String::as_str));
    }
    builder.build().compile(&case.formula)
}

fn query(case: &Case, sql: &str) -> String {
    match case.expected {
        Expected::Groups(_) => {
            let keys = case.group_by.join(", ");
            format!("select {keys}, {sql} as answer from {TABLE} group by {keys}")
        }
        Expected::Rows(_) => format!("select {sql} as answer from {TABLE} order by {ROW_ID}"),
        Expected::One(_) | Expected::Refused(_) | Expected::Written(_) => {
            format!("select {sql} as answer from {TABLE}")
        }
    }
}

/// Returns the error in the result. `None` if the result is as expected.
pub fn check_answer(
    case: &Case,
    dialect: Dialect,
    variant: Variant,
    question: &Question,
    answer: &Answer,
) -> Option<String> {
    let expected = |table: &Table| table_fault(case, dialect, variant, question, table);
    let deviant = |values: &Vec<Json>, table: &Table| {
        let got = answers_in_order(case, table);
        values.len() == got.len() && values.iter().zip(&got).all(|(a, b)| values_equal(a, b))
    };
    fault_of(case.differs.get(dialect.name()), answer, expected, deviant)
}

fn table_fault(case: &Case, dialect: Dialect, variant: Variant, question: &Question, table: &Table) -> Option<String> {
    let expected = expected_in_order(case);
    let got = answers_in_order(case, table);
    if expected.len() != got.len() {
        return Some(format!("{} rows expected, got {}", expected.len(), table.rows.len()));
    }
    let wrong: Vec<String> = (expected.iter().zip(&got).enumerate())
        .filter(|(_, (expected, got))| !values_equal(expected, got))
        .map(|(at, (expected, got))| format!("{}expected {expected}, got {got}", location_of_value(case, at)))
        .collect();
    if !wrong.is_empty() {
        return Some(first_lines_and_rest_count(6, &wrong));
    }
    if !question.nullable && got.iter().any(Json::is_null) {
        return Some("the compiler says it is never NULL, yet it is".to_owned());
    }
    let ty = case.ty.filter(|_| variant == Variant::Typed)?;
    type_fault(dialect, &ty.to_string(), table.types.last()?)
}

/// Returns the expected values. Groups are sorted by key, because the order of a query's groups is not defined.
fn expected_in_order(case: &Case) -> Vec<Json> {
    match &case.expected {
        Expected::Rows(values) => values.clone(),
        Expected::One(value) => vec![value.clone()],
        Expected::Groups(groups) => groups.iter().map(|(_, value)| value.clone()).collect(),
        Expected::Refused(_) | Expected::Written(_) => Vec::new(),
    }
}

/// Returns the last column, in the order of the case. If a group is missing, the list is shorter.
fn answers_in_order(case: &Case, table: &Table) -> Vec<Json> {
    let last = |row: &Vec<Json>| row.last().cloned().unwrap_or(Json::Null);
    let Expected::Groups(groups) = &case.expected else {
        return table.rows.iter().map(last).collect();
    };
    if groups.len() != table.rows.len() {
        return Vec::new();
    }
    let matching =
        |keys: &[Json]| (table.rows.iter()).find(|row| keys.iter().zip(*row).all(|(key, got)| values_equal(key, got)));
    groups.iter().filter_map(|(keys, _)| matching(keys)).map(last).collect()
}

/// Returns the location of a value: `row {x: 1, y: null}: `, or the keys of its group.
fn location_of_value(case: &Case, at: usize) -> String {
    match &case.expected {
        Expected::Rows(_) => {
            let columns = case.table.columns.iter().map(|column| column.name.as_str());
            let values = case.table.rows.get(at).map_or(&[][..], Vec::as_slice);
            let shown: Vec<String> = (columns.zip(values).skip(1))
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            format!("row {{{}}}: ", shown.join(", "))
        }
        Expected::Groups(groups) => {
            let keys = groups.get(at).map_or(&[][..], |(keys, _)| keys.as_slice());
            format!("group {}: ", Json::from(keys))
        }
        Expected::One(_) | Expected::Refused(_) | Expected::Written(_) => String::new(),
    }
}
