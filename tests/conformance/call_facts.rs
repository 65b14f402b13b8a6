//! Analyzes the calls to a function in a case: the form that each call uses, and its argument values in each row.

use formulac::ast::{Ast, Expr, ExprId, Sign};
use formulac::catalog::{self, Function, Overload, ParamType};
use formulac::{Level, Type};
use serde_json::Value as Json;

use crate::calls::compile;
use crate::expect::TestTable;

/// Call with its arguments.
pub struct CallFacts {
    /// Index of the form that the call uses. `None` if the call combines several arguments within one row.
    pub overload: Option<usize>,
    pub args: Vec<Arg>,
    /// Source texts of the arguments.
    pub texts: Vec<String>,
}

/// Argument, classified as far as possible without evaluation.
#[derive(Clone, Debug)]
pub enum Arg {
    /// Index of a column in the table. Also used for the columns in `x:x` and `DISTINCT(x)`.
    Column(usize, Type),
    /// Literal value.
    Literal(Json, Type),
    /// `1/0`, which represents NULL.
    Null,
    /// Expression of this type.
    Other(Type),
}

/// Returns all calls to a function in a formula.
pub fn calls_of(function: &'static Function, formula: &str, table: &TestTable) -> Vec<CallFacts> {
    let (parsed, _) = formulac::parse::parse(formula);
    let ast = parsed.ast();
    let mut call_facts = Vec::new();
    let mut left: Vec<ExprId> = ast.definitions.iter().map(|d| d.body).collect();
    while let Some(id) = left.pop() {
        left.extend(ast.children(id));
        let Expr::Call(index) = ast.expr(id) else { continue };
        let call = ast.call(index);
        if catalog::lookup(text_of(formula, call.name)).is_some_and(|f| f.name == function.name) {
            let given = ast.arguments(call);
            let args: Vec<Arg> = given.iter().map(|a| arg(ast, formula, *a, table)).collect();
            let texts = given
                .iter()
                .map(|a| text_of(formula, ast.span(*a)).to_owned())
                .collect();
            call_facts.push(CallFacts {
                overload: form(function, &args),
                args,
                texts,
            });
        }
    }
    call_facts
}

fn text_of(formula: &str, span: formulac::span::Span) -> &str {
    formula.get(span.start as usize..span.end as usize).unwrap_or_default()
}

fn arg(ast: &Ast, formula: &str, id: ExprId, table: &TestTable) -> Arg {
    let text = text_of(formula, ast.span(id));
    let column = |text: &str| table.columns.iter().position(|c| c.name.eq_ignore_ascii_case(text));
    let number = |text: &str, sign: f64| {
        let value: f64 = text.parse().unwrap_or_default();
        let whole = text.bytes().all(|b| b.is_ascii_digit());
        Arg::Literal(
            Json::from(sign * value),
            if whole { Type::Integer } else { Type::Float },
        )
    };
    match ast.expr(id) {
        Expr::Number => number(text, 1.0),
        Expr::Sign {
            sign: Sign::Minus,
            operand,
        } if ast.expr(operand) == Expr::Number => number(text_of(formula, ast.span(operand)), -1.0),
        Expr::Text => Arg::Literal(Json::from(text.trim_matches('"').replace("\"\"", "\"")), Type::Text),
        Expr::Bool(value) => Arg::Literal(Json::from(value), Type::Boolean),
        Expr::Binary { .. } if text.replace(' ', "") == "1/0" => Arg::Null,
        Expr::Range { from, .. } => arg(ast, formula, from, table),
        Expr::Name => match column(text) {
            Some(at) => Arg::Column(at, table.columns.get(at).map_or(Type::Unknown, |c| c.ty)),
            None => Arg::Other(Type::Unknown),
        },
        Expr::Call(index) if text_of(formula, ast.call(index).name).eq_ignore_ascii_case("DISTINCT") => {
            match ast.arguments(ast.call(index)) {
                [one] => arg(ast, formula, *one, table),
                _ => Arg::Other(Type::Unknown),
            }
        }
        _ => Arg::Other(type_of(text, table)),
    }
}

/// Returns the type of a standalone expression.
fn type_of(text: &str, table: &TestTable) -> Type {
    let columns: Vec<(String, Type)> = table.columns.iter().skip(1).map(|c| (c.name.clone(), c.ty)).collect();
    let dialect = formulac::Dialect::verified().last().expect("there are dialects");
    compile(text, &columns, Level::Window, dialect).map_or(Type::Unknown, |written| written.ty)
}

/// Returns the form that matches the arguments best. As in `check`, forms for literals come first, then exact matches.
fn form(function: &'static Function, args: &[Arg]) -> Option<usize> {
    let rank = |overload: &Overload| {
        let worst = fit(overload, args)?;
        let before = if overload.has_literal_params { 0 } else { 2 };
        let loose = overload.repeated || overload.params.iter().any(|p| p.ty == ParamType::Same);
        Some(worst * 4 + before + u8::from(loose))
    };
    let fits = function
        .overloads
        .iter()
        .enumerate()
        .filter_map(|(at, o)| Some((rank(o)?, at)));
    fits.min().map(|(_, at)| at)
}

fn fit(overload: &Overload, args: &[Arg]) -> Option<u8> {
    if args.len() < overload.min_arguments || (args.len() > overload.params.len() && !overload.repeated) {
        return None;
    }
    let mut worst = 0;
    for (at, arg) in args.iter().enumerate() {
        worst = worst.max(fit_one(param_of(overload, at)?, arg)?);
    }
    for param in overload.params.get(args.len()..).unwrap_or_default() {
        if let (ParamType::Literal(low, high), Some(default)) = (param.ty, param.default) {
            default.parse::<i64>().ok().filter(|d| (low..=high).contains(d))?;
        }
    }
    Some(worst)
}

/// Returns the type that a parameter accepts. The last parameter of a form may be a repeated parameter.
fn param_of(overload: &Overload, at: usize) -> Option<ParamType> {
    overload
        .params
        .get(at)
        .or(overload.params.last().filter(|_| overload.repeated))
        .map(|p| p.ty)
}

/// Returns 0 for an exact match, 1 if the argument is widened, and 2 if it is converted.
fn fit_one(param: ParamType, arg: &Arg) -> Option<u8> {
    let ty = arg.ty();
    let literal = match arg {
        Arg::Literal(value, _) => value.as_f64(),
        _ => None,
    };
    let whole = literal.filter(|_| ty == Type::Integer);
    match param {
        ParamType::Literal(low, high) => whole.filter(|n| (low as f64..=high as f64).contains(n)).map(|_| 0),
        ParamType::Positive => literal.filter(|n| *n > 0.0).map(|_| 0),
        ParamType::Negative => literal.filter(|n| *n < 0.0).map(|_| 0),
        _ if matches!(arg, Arg::Null) || ty == Type::Unknown => Some(2),
        ParamType::Number => ty.is_number().then_some(0),
        ParamType::Temporal => match ty {
            Type::Date | Type::Timestamp => Some(0),
            Type::Timestamptz => Some(1),
            Type::Text => literal_date(arg).then_some(2),
            _ => None,
        },
        ParamType::Is(wanted) if ty == wanted => Some(0),
        ParamType::Is(wanted) => match (ty, wanted) {
            (Type::Float, Type::Decimal) if literal.is_some() => Some(0),
            (Type::Integer, Type::Decimal | Type::Float) | (Type::Decimal, Type::Float) => Some(1),
            (Type::Date | Type::Timestamptz, Type::Timestamp) => Some(1),
            (Type::Timestamp | Type::Timestamptz, Type::Date) | (Type::Decimal | Type::Float, Type::Integer) => Some(2),
            (Type::Text, Type::Date | Type::Timestamp) => literal_date(arg).then_some(2),
            (ty, Type::Boolean) if ty.is_number() => Some(2),
            (Type::Integer, Type::Text) => Some(1),
            _ => None,
        },
        _ => Some(0),
    }
}

fn literal_date(arg: &Arg) -> bool {
    matches!(arg, Arg::Literal(Json::String(text), _) if text.contains(['-', '/', '.']))
}

impl Arg {
    pub fn ty(&self) -> Type {
        match self {
            Self::Column(_, ty) | Self::Literal(_, ty) | Self::Other(ty) => *ty,
            Self::Null => Type::Unknown,
        }
    }

    /// Returns the value of the argument in a row, if it can be determined.
    pub fn in_row<'a>(&'a self, row: &'a [Json]) -> Option<&'a Json> {
        match self {
            Self::Column(at, _) => row.get(*at),
            Self::Literal(value, _) => Some(value),
            Self::Null => Some(&Json::Null),
            Self::Other(_) => None,
        }
    }
}
