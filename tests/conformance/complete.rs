//! Reports gaps in the case files. A function's file is complete if the following is true in every dialect that
//! supports the function:
//!
//! - each form runs, including with NULL in each argument while the other arguments are not NULL;
//! - each text parameter is tested with an empty string, each number parameter with zero and a negative number, and
//!   each parameter that accepts a class of types with every type in the class;
//! - an aggregate runs on a table without rows;
//! - at least three cases agree, and one of them is marked with `edge`.
//!
//!
//! If no engine runs a function, a case must specify the SQL of each form.
//!
//! Gaps that cannot be closed are listed with a reason under `lacks` in the file. Each listed gap must exist.

use std::collections::{BTreeMap, BTreeSet};

use formulac::catalog::{self, Function, Overload, Param, ParamType};
use formulac::{Dialect, Level, Type};
use serde_json::Value as Json;

use crate::call_facts::{Arg, CallFacts, calls_of};
use crate::calls::compile;
use crate::case::{Case, CaseFile, Expected};
use crate::files;
use crate::matrix::{Cell, cell};

/// Minimum number of cases for a function in a dialect.
pub const CASES: usize = 3;

pub fn run() {
    let files = crate::function_cases::read_all();
    let mut faults = Vec::new();
    for function in catalog::functions() {
        let Some(file) = files.iter().find(|file| file.function == function.name) else {
            // Functions that only a query can compute have spec cases, which cover the same requirements.
            for dialect in Dialect::verified() {
                match cell(function, None, dialect) {
                    Cell::Shown(_, missing) if missing.is_empty() => {}
                    other => faults.push(format!(
                        "{}: {} in {}",
                        function.name,
                        other.verdict(dialect).1,
                        dialect.name()
                    )),
                }
            }
            continue;
        };
        let path = files::short_name(&file.path);
        let found = if function.unverified.is_some() {
            forms_without_sql(function, file)
        } else {
            find_gaps(function, file)
        };
        let stated = |what: &String| file.lacks.iter().any(|(name, _)| name == what);
        faults.extend(
            found
                .iter()
                .filter(|what| !stated(what))
                .map(|what| format!("{path}: {what}")),
        );
        let idle = file.lacks.iter().filter(|(name, _)| !found.contains(name));
        faults.extend(idle.map(|(name, _)| format!("{path}: `lacks` says `{name}`, and nothing is lacking")));
    }
    assert!(
        faults.is_empty(),
        "{} things that case files leave out:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// Returns the gaps in a function's file. The description of a gap includes its dialects, unless all dialects are
/// affected.
fn find_gaps(function: &'static Function, file: &CaseFile) -> BTreeSet<String> {
    let cases: Vec<(&Case, Vec<CallFacts>)> = file
        .cases
        .iter()
        .map(|case| (case, calls_of(function, &case.formula, &case.table)))
        .collect();
    let mut by_lack: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let has_it = |dialect: Dialect| cases.iter().any(|(case, _)| agrees(case, dialect));
    let dialects: Vec<Dialect> = Dialect::verified().filter(|d| has_it(*d)).collect();
    for dialect in &dialects {
        for lack in missing_cases_of_function(function, &cases, *dialect) {
            by_lack.entry(lack).or_default().push(dialect.name());
        }
    }
    let listed = |(lack, of): (String, Vec<&str>)| {
        if of.len() == dialects.len() {
            lack
        } else {
            format!("{lack} in {}", of.join(", "))
        }
    };
    by_lack.into_iter().map(listed).collect()
}

/// Returns the forms for which no test case specifies the SQL. Used for functions that no engine runs.
fn forms_without_sql(function: &'static Function, file: &CaseFile) -> BTreeSet<String> {
    let is_written = |case: &&Case| matches!(case.expected, Expected::Written(_));
    let calls = file
        .cases
        .iter()
        .filter(is_written)
        .flat_map(|c| calls_of(function, &c.formula, &c.table));
    let covered: BTreeSet<usize> = calls.filter_map(|call| call.overload).collect();
    let forms = function
        .overloads
        .iter()
        .enumerate()
        .filter(|(at, _)| !covered.contains(at));
    forms
        .map(|(_, overload)| format!("the SQL of {}", signature(function, overload)))
        .collect()
}

/// Returns `true` if the case has a value in this dialect and the engine agrees.
fn agrees(case: &Case, dialect: Dialect) -> bool {
    let name = dialect.name();
    !matches!(case.expected, Expected::Refused(_) | Expected::Written(_))
        && !case.unsupported.contains_key(name)
        && !case.differs.contains_key(name)
}

fn missing_cases_of_function(
    function: &'static Function,
    cases: &[(&Case, Vec<CallFacts>)],
    dialect: Dialect,
) -> Vec<String> {
    let agreeing = || cases.iter().filter(|(case, _)| agrees(case, dialect));
    let calls = || agreeing().flat_map(|(case, calls)| calls.iter().map(move |call| (*case, call)));
    let mut lacks = Vec::new();
    if agreeing().count() < CASES {
        lacks.push(format!("{CASES} cases"));
    }
    if !agreeing().any(|(case, _)| case.edge) {
        lacks.push("an edge".to_owned());
    }
    if function.level == Level::Aggregate && !agreeing().any(|(case, _)| has_table_without_rows(case)) {
        lacks.push("no rows".to_owned());
    }
    for (at, overload) in function.overloads.iter().enumerate() {
        let mine = || calls().filter(|(_, call)| call.overload == Some(at));
        if mine().next().is_none() {
            lacks.push(format!("a call of {}", signature(function, overload)));
            continue;
        }
        for (index, param) in overload.params.iter().enumerate() {
            let takes_null = !takes_only_literals(param);
            let is_null = |(case, call): (&Case, &CallFacts)| null_only_in(index, overload, case, call);
            if takes_null && !mine().any(is_null) && !is_refused(function, at, index, first_type(param), cases) {
                lacks.push(format!("NULL in `{}` of {}", param.name, signature(function, overload)));
            }
        }
    }
    // The function combines several arguments within one row, like `MAX(a, b)`.
    let goes_across = function.arity().1.is_none() && !function.overloads.iter().any(|o| o.repeated);
    let across = || calls().filter(|(_, call)| call.args.len() > 1 && call.overload.is_none());
    if goes_across && across().next().is_none() {
        lacks.push("a call of several arguments".to_owned());
    }
    let some_null = |(case, call): (&Case, &CallFacts)| {
        rows_of(case)
            .iter()
            .any(|row| call.args.iter().any(|a| a.in_row(row).is_some_and(Json::is_null)))
    };
    if goes_across && !across().any(some_null) {
        lacks.push("NULL among several arguments".to_owned());
    }
    // Errors also count, because they show how a value is treated.
    let listed = || {
        let is_tested = |case: &Case| agrees(case, dialect) || matches!(case.expected, Expected::Refused(_));
        cases
            .iter()
            .filter(move |(case, _)| is_tested(case))
            .flat_map(|(case, calls)| calls.iter().map(move |c| (*case, c)))
    };
    let mut done: Vec<&str> = Vec::new();
    for (at, overload) in function.overloads.iter().enumerate() {
        for (index, param) in overload.params.iter().enumerate() {
            if done.contains(&param.name) || takes_only_literals(param) {
                continue;
            }
            done.push(param.name);
            let has = |wanted: &dyn Fn(&Json) -> bool| {
                listed().any(|(case, call)| {
                    let args = call
                        .args
                        .iter()
                        .enumerate()
                        .filter(|(i, _)| is_of(function, call, *i, param));
                    args.into_iter()
                        .any(|(_, arg)| rows_of(case).iter().any(|r| arg.in_row(r).is_some_and(wanted)))
                })
            };
            let name = param.name;
            if takes_text(param)
                && !has(&|v| v.as_str() == Some(""))
                && !is_refused(function, at, index, Type::Text, cases)
            {
                lacks.push(format!("empty text in `{name}`"));
            }
            if takes_numbers(param) {
                let number = |v: &Json| v.as_f64().or_else(|| v.as_str().and_then(|t| t.parse().ok()));
                if !has(&|v| number(v) == Some(0.0)) {
                    lacks.push(format!("zero in `{name}`"));
                }
                if !has(&|v| number(v).is_some_and(|n| n < 0.0)) {
                    lacks.push(format!("a negative number in `{name}`"));
                }
            }
            for (class, types) in kinds(param) {
                let mut of = listed().flat_map(|(_, call)| {
                    let args = call
                        .args
                        .iter()
                        .enumerate()
                        .filter(|(i, _)| is_of(function, call, *i, param));
                    args.map(|(_, arg)| arg.ty()).collect::<Vec<_>>()
                });
                if !of.any(|ty| types.contains(&ty))
                    && !types.iter().all(|t| is_refused(function, at, index, *t, cases))
                {
                    lacks.push(format!("{class} in `{name}`"));
                }
            }
        }
    }
    lacks
}

/// Returns `true` if the argument of the call belongs to this parameter.
fn is_of(function: &Function, call: &CallFacts, at: usize, param: &Param) -> bool {
    let Some(overload) = call.overload.and_then(|o| function.overloads.get(o)) else {
        return false;
    };
    let own = overload
        .params
        .get(at)
        .or(overload.params.last().filter(|_| overload.repeated));
    own.is_some_and(|own| own.name == param.name)
}

fn rows_of(case: &Case) -> Vec<&[Json]> {
    if case.table.rows.is_empty() {
        vec![&[]]
    } else {
        case.table.rows.iter().map(Vec::as_slice).collect()
    }
}

/// Returns `true` if the case has a table without rows.
fn has_table_without_rows(case: &Case) -> bool {
    case.table.rows.is_empty() && case.table.columns.len() > 1
}

/// Returns `true` if a row exists in which only this argument, and arguments with the same column, are NULL.
fn null_only_in(index: usize, overload: &Overload, case: &Case, call: &CallFacts) -> bool {
    let last = overload.params.len().saturating_sub(1);
    let same = |at: usize| match (call.args.get(at), call.args.get(index)) {
        (Some(Arg::Column(a, _)), Some(Arg::Column(b, _))) => a == b,
        _ => false,
    };
    let is_it = |at: usize| at == index || same(at) || (overload.repeated && index == last && at >= last);
    let null = |arg: &Arg, row: &[Json]| arg.in_row(row).is_some_and(Json::is_null);
    rows_of(case).iter().any(|row| {
        let mine = call.args.iter().enumerate().filter(|(_, arg)| null(arg, row));
        let places: Vec<usize> = mine.map(|(at, _)| at).collect();
        places
            .iter()
            .any(|at| *at == index || (overload.repeated && index == last && *at >= last))
            && places.iter().all(|at| is_it(*at))
    })
}

/// Returns one of the types that the parameter accepts.
fn first_type(param: &Param) -> Type {
    match param.ty {
        ParamType::Is(ty) => ty,
        ParamType::Temporal => Type::Date,
        ParamType::Any | ParamType::Same => Type::Text,
        _ => Type::Integer,
    }
}

fn takes_text(param: &Param) -> bool {
    param.ty == ParamType::Is(Type::Text)
}

fn takes_numbers(param: &Param) -> bool {
    matches!(
        param.ty,
        ParamType::Number | ParamType::Is(Type::Integer | Type::Decimal | Type::Float)
    )
}

/// Returns the types of a class. Each of these types must occur in a case.
fn kinds(param: &Param) -> Vec<(&'static str, &'static [Type])> {
    match param.ty {
        ParamType::Number => {
            vec![
                ("an integer", &[Type::Integer]),
                ("a decimal", &[Type::Decimal]),
                ("a float", &[Type::Float]),
            ]
        }
        ParamType::Temporal => vec![("a date", &[Type::Date]), ("a timestamp", &[Type::Timestamp])],
        ParamType::Any | ParamType::Same => vec![
            ("a number", &[Type::Integer, Type::Decimal, Type::Float]),
            ("a text", &[Type::Text]),
            ("a date", &[Type::Date, Type::Timestamp]),
            ("a boolean", &[Type::Boolean]),
        ],
        _ => Vec::new(),
    }
}

/// Returns `true` if every dialect rejects a column of this type as the argument, for example because the argument must
/// be a literal.
fn is_refused(function: &Function, form: usize, index: usize, ty: Type, cases: &[(&Case, Vec<CallFacts>)]) -> bool {
    let agreeing = cases
        .iter()
        .filter(|(case, _)| !matches!(case.expected, Expected::Refused(_)));
    let found = agreeing.filter_map(|(case, calls)| {
        Some((
            case,
            calls
                .iter()
                .find(|c| c.overload == Some(form) && c.args.len() > index)?,
        ))
    });
    let is_taken = |(case, call): (&&Case, &CallFacts)| {
        let mut columns: Vec<(String, Type)> = case
            .table
            .columns
            .iter()
            .skip(1)
            .map(|c| (c.name.clone(), c.ty))
            .collect();
        let mut args = call.texts.clone();
        args[index] = "in_this_place".to_owned();
        columns.push(("in_this_place".to_owned(), ty));
        let formula = format!("{}({})", function.name, args.join(", "));
        Dialect::verified().any(|dialect| compile(&formula, &columns, function.level, dialect).is_ok())
    };
    let mut found = found.peekable();
    found.peek().is_some() && !found.any(is_taken)
}

fn takes_only_literals(param: &Param) -> bool {
    matches!(
        param.ty,
        ParamType::Literal(..) | ParamType::Positive | ParamType::Negative
    )
}

fn signature(function: &Function, overload: &Overload) -> String {
    let name = |param: &Param| match param.ty {
        ParamType::Is(ty) => format!("{}: {ty}", param.name),
        ParamType::Literal(low, high) if low == high => low.to_string(),
        ParamType::Literal(low, high) => format!("{}: {low}..{high}", param.name),
        ParamType::Positive => format!("{}: a literal above 0", param.name),
        ParamType::Negative => format!("{}: a literal below 0", param.name),
        ParamType::Number => format!("{}: number", param.name),
        ParamType::Temporal => format!("{}: temporal", param.name),
        ParamType::Any | ParamType::Same => param.name.to_owned(),
    };
    let params: Vec<String> = overload.params.iter().map(name).collect();
    format!("{}({})", function.name, params.join(", "))
}
