//! Infers which expressions are dates or times. Every value except NULL contains its type. The type of a NULL matters
//! if `blanks: zero` applies, because only NULLs of a numeric type are replaced with 0. The type also matters for dates
//! that are used as times, because such dates represent midnight.

use std::collections::BTreeMap;

use crate::expr::{InterpreterExpr, InterpreterOp, Window};
use crate::spec::{InterpreterProjection, InterpreterSpec, InterpreterStep, JoinCondition, unqualified_name};
use crate::value::Value;

/// Type of a value that may be NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TemporalKind {
    Other,
    /// Fraction of a day, such as the result of TIME. The sum of a date and a fraction of a day is a time.
    Clock,
    Date,
    Time,
}

/// Types of the columns and definitions in a step, by name.
type TemporalKindByName = BTreeMap<String, TemporalKind>;

/// Rewrites the operators on dates and times in a spec to explicit date and time operations. `of_relation` returns
/// the types of a relation's columns.
pub fn make_spec_date_operators_explicit(
    spec: &mut InterpreterSpec,
    of_relation: &dyn Fn(&str) -> Vec<(String, TemporalKind)>,
) {
    let mut columns_by_name: BTreeMap<String, Vec<(String, TemporalKind)>> = BTreeMap::new();
    let mut input_name = spec.from.clone();
    for step in &mut spec.steps {
        let columns = |name: &str| columns_by_name.get(name).cloned().unwrap_or_else(|| of_relation(name));
        let mut input = TemporalKindByName::new();
        let relations = step.joins.iter().map(|join| (join.name().to_owned(), join.to.clone()));
        for (alias, to) in [(input_name.clone(), input_name.clone())].into_iter().chain(relations) {
            for (column, kind) in columns(&to) {
                input.insert(format!("{alias}.{column}"), kind);
                input.entry(column).or_insert(kind);
            }
        }
        let names = infer_definition_kinds(step, &input);
        for (name, x) in &mut step.definitions {
            make_operators_explicit_in_scope(
                x,
                &TemporalScope {
                    names: &names,
                    input: &input,
                    own: Some(name),
                },
            );
        }
        let scope = TemporalScope {
            names: &names,
            input: &input,
            own: None,
        };
        [&mut step.filter, &mut step.having]
            .into_iter()
            .flatten()
            .for_each(|x| make_operators_explicit_in_scope(x, &scope));
        for join in &mut step.joins {
            if let JoinCondition::On(condition) = &mut join.condition {
                make_operators_explicit_in_scope(condition, &scope);
            }
        }
        let kind_of =
            |names: &TemporalKindByName, name: &String| names.get(name).copied().unwrap_or(TemporalKind::Other);
        let mut outputs: Vec<(String, TemporalKind)> = match &step.keep {
            InterpreterProjection::Nothing => Vec::new(),
            InterpreterProjection::All => columns(&input_name),
            InterpreterProjection::Some(kept_names) => kept_names
                .iter()
                .map(|k| (unqualified_name(k).to_owned(), kind_of(&input, k)))
                .collect(),
        };
        outputs.extend(
            step.group_by
                .iter()
                .map(|entry| (entry.output(), temporal_kind_of_expression(&entry.expr(), &scope))),
        );
        outputs.extend(
            step.definitions
                .iter()
                .map(|(name, _)| (name.clone(), kind_of(&names, name))),
        );
        // If several outputs have the same name, the last output takes precedence.
        let outputs: TemporalKindByName = outputs.into_iter().collect();
        columns_by_name.insert(step.name.clone(), outputs.into_iter().collect());
        input_name.clone_from(&step.name);
    }
}

/// Rewrites the operators on dates and times in one formula to explicit operations, based on the types of the
/// columns.
pub fn make_date_operators_explicit(x: &mut InterpreterExpr, columns: &[(String, TemporalKind)]) {
    let columns = columns.iter().cloned().collect();
    make_operators_explicit_in_scope(
        x,
        &TemporalScope {
            names: &TemporalKindByName::new(),
            input: &columns,
            own: None,
        },
    );
}

/// Infers the type of each definition. The order of the definitions does not matter.
fn infer_definition_kinds(step: &InterpreterStep, input: &TemporalKindByName) -> TemporalKindByName {
    let mut names = TemporalKindByName::new();
    for _ in 0..=step.definitions.len() {
        let before = names.clone();
        for (name, x) in &step.definitions {
            let is = temporal_kind_of_expression(
                x,
                &TemporalScope {
                    names: &before,
                    input,
                    own: Some(name),
                },
            );
            names.insert(name.clone(), is);
        }
        if names == before {
            break;
        }
    }
    names
}

struct TemporalScope<'a> {
    names: &'a TemporalKindByName,
    input: &'a TemporalKindByName,
    own: Option<&'a String>,
}

impl TemporalScope<'_> {
    fn temporal_kind_of_name(&self, name: &String) -> TemporalKind {
        let defined = self.names.get(name).filter(|_| self.own != Some(name));
        defined
            .or_else(|| self.input.get(name))
            .copied()
            .unwrap_or(TemporalKind::Other)
    }
}

/// Returns the indexes of the arguments that a conditional function may return. `None` for any other function.
pub fn result_argument_indices(name: &str, count: usize) -> Option<Vec<usize>> {
    let indexes = 0..count;
    let last = count.saturating_sub(1);
    Some(match name {
        "IF" | "CHOOSE" => indexes.skip(1).collect(),
        "IFS" => indexes.filter(|index| index % 2 == 1 || *index == last).collect(),
        "SWITCH" => indexes
            .filter(|index| *index > 0 && (index % 2 == 0 || *index == last))
            .collect(),
        "COALESCE" | "IFERROR" | "IFNA" | "MIN" | "MAX" | "MEDIAN" | "DISTINCT" => indexes.collect(),
        _ => return None,
    })
}

fn temporal_kind_of_expression(x: &InterpreterExpr, scope: &TemporalScope<'_>) -> TemporalKind {
    let kind_of = |x: &InterpreterExpr| temporal_kind_of_expression(x, scope);
    match x {
        InterpreterExpr::Literal(Value::Date(_)) | InterpreterExpr::Period(..) => TemporalKind::Date,
        InterpreterExpr::Literal(Value::Time(_)) => TemporalKind::Time,
        InterpreterExpr::Name(name) => scope.temporal_kind_of_name(name),
        InterpreterExpr::Part(_, frame) => match frame.as_str() {
            "date" | "day" => TemporalKind::Date,
            "hour" | "minute" | "second" | "millisecond" => TemporalKind::Time,
            _ => TemporalKind::Other,
        },
        InterpreterExpr::Binary(InterpreterOp::AddDays | InterpreterOp::Earlier | InterpreterOp::Add, a, b) => {
            match (kind_of(a), kind_of(b)) {
                (TemporalKind::Date, TemporalKind::Clock) | (TemporalKind::Clock, TemporalKind::Date) => {
                    TemporalKind::Time
                }
                (TemporalKind::Clock, TemporalKind::Other) | (TemporalKind::Other, TemporalKind::Clock) => {
                    TemporalKind::Other
                }
                (a, b) => a.max(b),
            }
        }
        // `-x` is represented as `0 - x`. The negation of a fraction of a day is a fraction of a day.
        InterpreterExpr::Binary(InterpreterOp::Subtract, a, b)
            if matches!(**a, InterpreterExpr::Literal(Value::Int(0))) && kind_of(b) == TemporalKind::Clock =>
        {
            TemporalKind::Clock
        }
        InterpreterExpr::Binary(InterpreterOp::Subtract, a, b) => match (kind_of(a), kind_of(b)) {
            (TemporalKind::Date, TemporalKind::Clock) => TemporalKind::Time,
            (TemporalKind::Clock, TemporalKind::Clock) => TemporalKind::Clock,
            (TemporalKind::Clock, _) | (_, TemporalKind::Date | TemporalKind::Time) => TemporalKind::Other,
            (a, _) => a,
        },
        InterpreterExpr::Call("TIME", _) => TemporalKind::Clock,
        InterpreterExpr::Call("SUM", args) if args.iter().all(|x| kind_of(x) == TemporalKind::Clock) => {
            TemporalKind::Clock
        }
        InterpreterExpr::Call("DATE" | "EDATE" | "EOMONTH" | "DATEVALUE" | "WORKDAY", _) => TemporalKind::Date,
        InterpreterExpr::Call(name, args) => {
            let places = result_argument_indices(name, args.len()).unwrap_or_default();
            let branches = places.into_iter().filter_map(|index| args.get(index));
            let kinds = branches
                .filter(|x| !matches!(x, InterpreterExpr::Literal(Value::Null)))
                .map(kind_of);
            // The result is a number if some values are times of day and others are numbers.
            kinds
                .reduce(|a, b| {
                    if a.min(b) == TemporalKind::Other && a.max(b) == TemporalKind::Clock {
                        TemporalKind::Other
                    } else {
                        a.max(b)
                    }
                })
                .unwrap_or(TemporalKind::Other)
        }
        InterpreterExpr::Aggregate("MIN" | "MAX" | "MINIFS" | "MAXIFS" | "LARGE" | "SMALL" | "MODE", args) => {
            args.first().map_or(TemporalKind::Other, kind_of)
        }
        InterpreterExpr::Range(x, _) => kind_of(x),
        InterpreterExpr::Window(
            Window::Offset(x, _) | Window::InPeriod(x, ..) | Window::First(x) | Window::Last(x) | Window::Period(x, ..),
        ) => kind_of(x),
        InterpreterExpr::Literal(_)
        | InterpreterExpr::Binary(..)
        | InterpreterExpr::Aggregate(..)
        | InterpreterExpr::Window(_) => TemporalKind::Other,
    }
}

/// Converts a date expression to midnight on that date.
fn replace_with_midnight(date: &mut InterpreterExpr) {
    let date_expr = std::mem::replace(date, InterpreterExpr::Literal(Value::Null));
    *date = InterpreterExpr::Part(Box::new(date_expr), "second".to_owned());
}

fn make_operators_explicit_in_scope(x: &mut InterpreterExpr, scope: &TemporalScope<'_>) {
    let kind = temporal_kind_of_expression(x, scope);
    match x {
        InterpreterExpr::Binary(op @ (InterpreterOp::Add | InterpreterOp::Subtract), a, b) => {
            let (of_a, of_b) = (
                temporal_kind_of_expression(a, scope),
                temporal_kind_of_expression(b, scope),
            );
            match (of_a, of_b) {
                (TemporalKind::Date, TemporalKind::Clock) => replace_with_midnight(a),
                (TemporalKind::Clock, TemporalKind::Date) if *op == InterpreterOp::Add => replace_with_midnight(b),
                _ => {}
            }
            match (*op, of_a >= TemporalKind::Date, of_b >= TemporalKind::Date) {
                (InterpreterOp::Add, true, _) => *op = InterpreterOp::AddDays,
                (InterpreterOp::Add, false, true) => {
                    *op = InterpreterOp::AddDays;
                    std::mem::swap(a, b);
                }
                (InterpreterOp::Subtract, true, true) => *op = InterpreterOp::DaysBetween,
                (InterpreterOp::Subtract, true, false) => *op = InterpreterOp::Earlier,
                _ => {}
            }
        }
        InterpreterExpr::Call(name, args) if kind == TemporalKind::Time => {
            for arg_index in result_argument_indices(name, args.len()).unwrap_or_default() {
                if let Some(arg) = args
                    .get_mut(arg_index)
                    .filter(|arg| temporal_kind_of_expression(arg, scope) == TemporalKind::Date)
                {
                    replace_with_midnight(arg);
                }
            }
        }
        _ => {}
    }
    match x {
        InterpreterExpr::Literal(_)
        | InterpreterExpr::Name(_)
        | InterpreterExpr::Period(..)
        | InterpreterExpr::Window(Window::Row) => {}
        InterpreterExpr::Binary(_, a, b) => [a, b]
            .into_iter()
            .for_each(|x| make_operators_explicit_in_scope(x, scope)),
        InterpreterExpr::Call(_, args) | InterpreterExpr::Aggregate(_, args) => {
            args.iter_mut().for_each(|x| make_operators_explicit_in_scope(x, scope));
        }
        InterpreterExpr::Range(operand, _) | InterpreterExpr::Part(operand, _) => {
            make_operators_explicit_in_scope(operand, scope);
        }
        InterpreterExpr::Window(
            Window::Offset(operand, _)
            | Window::InPeriod(operand, ..)
            | Window::First(operand)
            | Window::Last(operand)
            | Window::Rank(_, operand, _)
            | Window::PercentRank(operand)
            | Window::Period(operand, ..),
        ) => make_operators_explicit_in_scope(operand, scope),
    }
}
