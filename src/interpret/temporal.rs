//! Which expressions are dates and times. A value tells that itself, unless it is NULL: then `blanks: zero` reads a number
//! as 0 and no date, and a date that stands in for a time is its midnight.

use std::collections::BTreeMap;

use crate::interpret::expr::{Expr, Op, Window};
use crate::interpret::spec::{By, Keep, Spec, Step, bare};
use crate::interpret::value::Value;

/// What values are, NULL among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Other,
    /// A fraction of a day that TIME made: it moves a date to a moment.
    Clock,
    Date,
    Time,
}

/// The names of a step.
type Names = BTreeMap<String, Kind>;

/// Says so in the expressions, given what the columns of relations are.
pub fn settle(spec: &mut Spec, of_relation: &dyn Fn(&str) -> Vec<(String, Kind)>) {
    let mut known: BTreeMap<String, Vec<(String, Kind)>> = BTreeMap::new();
    let mut read = spec.from.clone();
    for step in &mut spec.steps {
        let columns = |name: &str| known.get(name).cloned().unwrap_or_else(|| of_relation(name));
        let mut input = Names::new();
        let relations = step.joins.iter().map(|join| (join.name().to_owned(), join.to.clone()));
        for (alias, to) in [(read.clone(), read.clone())].into_iter().chain(relations) {
            for (column, kind) in columns(&to) {
                input.insert(format!("{alias}.{column}"), kind);
                input.entry(column).or_insert(kind);
            }
        }
        let names = defined(step, &input);
        for (name, x) in &mut step.definitions {
            settle_in(x, &Scope { names: &names, input: &input, own: Some(name) });
        }
        let scope = Scope { names: &names, input: &input, own: None };
        [&mut step.filter, &mut step.having].into_iter().flatten().for_each(|x| settle_in(x, &scope));
        for join in &mut step.joins {
            if let By::On(condition) = &mut join.by {
                settle_in(condition, &scope);
            }
        }
        let of = |names: &Names, name: &String| names.get(name).copied().unwrap_or(Kind::Other);
        let mut outputs: Vec<(String, Kind)> = match &step.keep {
            Keep::Nothing => Vec::new(),
            Keep::All => columns(&read),
            Keep::Some(kept) => kept.iter().map(|k| (bare(k).to_owned(), of(&input, k))).collect(),
        };
        outputs.extend(step.group_by.iter().map(|entry| (entry.output(), kind(&entry.expr(), &scope))));
        outputs.extend(step.definitions.iter().map(|(name, _)| (name.clone(), of(&names, name))));
        // What comes last of a name is it.
        let outputs: Names = outputs.into_iter().collect();
        known.insert(step.name.clone(), outputs.into_iter().collect());
        read.clone_from(&step.name);
    }
}

/// Says so in one formula over these columns.
pub fn settle_formula(x: &mut Expr, columns: &[(String, Kind)]) {
    let columns = columns.iter().cloned().collect();
    settle_in(x, &Scope { names: &Names::new(), input: &columns, own: None });
}

/// What each definition is, whatever order they are written in.
fn defined(step: &Step, input: &Names) -> Names {
    let mut names = Names::new();
    for _ in 0..=step.definitions.len() {
        let before = names.clone();
        for (name, x) in &step.definitions {
            let is = kind(x, &Scope { names: &before, input, own: Some(name) });
            names.insert(name.clone(), is);
        }
        if names == before {
            break;
        }
    }
    names
}

struct Scope<'a> {
    names: &'a Names,
    input: &'a Names,
    own: Option<&'a String>,
}

impl Scope<'_> {
    fn of(&self, name: &String) -> Kind {
        let defined = self.names.get(name).filter(|_| self.own != Some(name));
        defined.or_else(|| self.input.get(name)).copied().unwrap_or(Kind::Other)
    }
}

/// The places of the values that a choice gives; none of what is no choice.
fn choices(name: &str, count: usize) -> Option<Vec<usize>> {
    let all = 0..count;
    let last = count.saturating_sub(1);
    Some(match name {
        "IF" | "CHOOSE" => all.skip(1).collect(),
        "IFS" => all.filter(|at| at % 2 == 1 || *at == last).collect(),
        "SWITCH" => all.filter(|at| *at > 0 && (at % 2 == 0 || *at == last)).collect(),
        "COALESCE" | "IFERROR" | "IFNA" | "MIN" | "MAX" | "MEDIAN" | "DISTINCT" => all.collect(),
        _ => return None,
    })
}

fn kind(x: &Expr, scope: &Scope<'_>) -> Kind {
    let of = |x: &Expr| kind(x, scope);
    match x {
        Expr::Literal(Value::Date(_)) | Expr::Period(..) => Kind::Date,
        Expr::Literal(Value::Time(_)) => Kind::Time,
        Expr::Name(name) => scope.of(name),
        Expr::Part(_, frame) => match frame.as_str() {
            "date" | "day" => Kind::Date,
            "hour" | "minute" | "second" | "millisecond" => Kind::Time,
            _ => Kind::Other,
        },
        Expr::Binary(Op::Later | Op::Earlier | Op::Add, a, b) => match (of(a), of(b)) {
            (Kind::Date, Kind::Clock) | (Kind::Clock, Kind::Date) => Kind::Time,
            (Kind::Clock, Kind::Other) | (Kind::Other, Kind::Clock) => Kind::Other,
            (a, b) => a.max(b),
        },
        // The reader writes `-x` as `0 - x`.
        Expr::Binary(Op::Subtract, a, b) if matches!(**a, Expr::Literal(Value::Int(0))) && of(b) == Kind::Clock => {
            Kind::Clock
        }
        Expr::Binary(Op::Subtract, a, b) => match (of(a), of(b)) {
            (Kind::Date, Kind::Clock) => Kind::Time,
            (Kind::Clock, Kind::Clock) => Kind::Clock,
            (Kind::Clock, _) | (_, Kind::Date | Kind::Time) => Kind::Other,
            (a, _) => a,
        },
        Expr::Call("TIME", _) => Kind::Clock,
        Expr::Call("SUM", args) if args.iter().all(|x| of(x) == Kind::Clock) => Kind::Clock,
        Expr::Call("DATE" | "EDATE" | "EOMONTH" | "DATEVALUE" | "WORKDAY", _) => Kind::Date,
        Expr::Call(name, args) => {
            let places = choices(name, args.len()).unwrap_or_default();
            let chosen = places.into_iter().filter_map(|at| args.get(at));
            let kinds = chosen.filter(|x| !matches!(x, Expr::Literal(Value::Null))).map(of);
            // A time of day beside another number is a number.
            kinds
                .reduce(|a, b| if a.min(b) == Kind::Other && a.max(b) == Kind::Clock { Kind::Other } else { a.max(b) })
                .unwrap_or(Kind::Other)
        }
        Expr::Aggregate("MIN" | "MAX" | "MINIFS" | "MAXIFS" | "LARGE" | "SMALL" | "MODE", args) => {
            args.first().map_or(Kind::Other, of)
        }
        Expr::Range(x, _) => of(x),
        Expr::Window(Window::Offset(x, _) | Window::First(x) | Window::Last(x) | Window::Period(x, ..)) => of(x),
        Expr::Literal(_) | Expr::Binary(..) | Expr::Aggregate(..) | Expr::Window(_) => Kind::Other,
    }
}

/// Makes the expression of a date that of its midnight.
fn midnight(date: &mut Expr) {
    let of = std::mem::replace(date, Expr::Literal(Value::Null));
    *date = Expr::Part(Box::new(of), "second".to_owned());
}

fn settle_in(x: &mut Expr, scope: &Scope<'_>) {
    let own = kind(x, scope);
    match x {
        Expr::Binary(op @ (Op::Add | Op::Subtract), a, b) => {
            let (of_a, of_b) = (kind(a, scope), kind(b, scope));
            match (of_a, of_b) {
                (Kind::Date, Kind::Clock) => midnight(a),
                (Kind::Clock, Kind::Date) if *op == Op::Add => midnight(b),
                _ => {}
            }
            match (*op, of_a >= Kind::Date, of_b >= Kind::Date) {
                (Op::Add, true, _) => *op = Op::Later,
                (Op::Add, false, true) => {
                    *op = Op::Later;
                    std::mem::swap(a, b);
                }
                (Op::Subtract, true, true) => *op = Op::Apart,
                (Op::Subtract, true, false) => *op = Op::Earlier,
                _ => {}
            }
        }
        Expr::Call(name, args) if own == Kind::Time => {
            for at in choices(name, args.len()).unwrap_or_default() {
                if let Some(arg) = args.get_mut(at).filter(|arg| kind(arg, scope) == Kind::Date) {
                    midnight(arg);
                }
            }
        }
        _ => {}
    }
    match x {
        Expr::Literal(_) | Expr::Name(_) | Expr::Period(..) | Expr::Window(Window::Row) => {}
        Expr::Binary(_, a, b) => [a, b].into_iter().for_each(|x| settle_in(x, scope)),
        Expr::Call(_, args) | Expr::Aggregate(_, args) => args.iter_mut().for_each(|x| settle_in(x, scope)),
        Expr::Range(of, _) | Expr::Part(of, _) => settle_in(of, scope),
        Expr::Window(
            Window::Offset(of, _)
            | Window::First(of)
            | Window::Last(of)
            | Window::Rank(_, of, _)
            | Window::PercentRank(of)
            | Window::Period(of, ..),
        ) => settle_in(of, scope),
    }
}
