//! SQL expressions as an operation with operands, independent of how the SQL writes the operation.

use sqlparser::ast::{
    CastKind, CeilFloorKind, DataType, DateTimeField, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, OrderBySort, Value,
};

use super::literals::literal_text;
use crate::dialect::Dialect;
use formulac_core::check::sql_functions;

/// Operation with its operands.
pub(super) struct SqlForm<'e> {
    /// Name of the operation, such as `is null` or `count filter`.
    pub name: String,
    /// Unit or type in the expression, such as `month` in `date_trunc('month', x)`.
    pub word: String,
    pub operands: Vec<&'e Expr>,
}

impl<'e> SqlForm<'e> {
    fn new(name: &str, operands: Vec<&'e Expr>) -> Option<Self> {
        Self::with_word(name, String::new(), operands)
    }

    fn negatable(name: &str, is_negated: bool, operands: Vec<&'e Expr>) -> Option<Self> {
        match is_negated {
            true => Self::new(&format!("not {name}"), operands),
            false => Self::new(name, operands),
        }
    }

    fn with_word(name: &str, word: String, operands: Vec<&'e Expr>) -> Option<Self> {
        let name = name.to_owned();
        Some(Self { name, word, operands })
    }

    /// Returns the form of an expression. `None` if no rule converts such an expression.
    pub fn of(expr: &'e Expr, dialect: Dialect) -> Option<Self> {
        let expr = strip_parentheses(expr);
        if let Some((condition, result, otherwise)) = single_branch(expr, dialect) {
            let otherwise = otherwise.filter(|otherwise| !is_null(otherwise));
            return Self::new("case", [condition, result].into_iter().chain(otherwise).collect());
        }
        match expr {
            Expr::UnaryOp { op, expr } => Self::new(&format!("unary {op}"), vec![expr]),
            Expr::BinaryOp { left, op, right } => Self::new(&op.to_string(), vec![left, right]),
            Expr::IsNull(x) => Self::new("is null", vec![x]),
            Expr::IsNotNull(x) => Self::new("is not null", vec![x]),
            Expr::IsTrue(x) => Self::new("is true", vec![x]),
            Expr::IsFalse(x) => Self::new("is false", vec![x]),
            Expr::IsDistinctFrom(left, right) => Self::new("is distinct", vec![left, right]),
            Expr::IsNotDistinctFrom(left, right) => Self::new("is not distinct", vec![left, right]),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => Self::negatable("between", *negated, vec![expr, low, high]),
            Expr::InList { expr, list, negated } => {
                Self::negatable("in", *negated, std::iter::once(&**expr).chain(list).collect())
            }
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => Self::negatable(
                "like",
                *negated,
                [expr, pattern].into_iter().chain(escape_char).map(|x| &**x).collect(),
            ),
            Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => Self::negatable(
                "ilike",
                *negated,
                [expr, pattern].into_iter().chain(escape_char).map(|x| &**x).collect(),
            ),
            Expr::Ceil { expr, field } if has_no_unit(field) => Self::new("ceil", vec![expr]),
            Expr::Floor { expr, field } if has_no_unit(field) => Self::new("floor", vec![expr]),
            Expr::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                ..
            } => Self::new(
                "substring",
                [expr, from].into_iter().chain(substring_for).map(|x| &**x).collect(),
            ),
            Expr::Position { expr, r#in } => Self::new("position in", vec![expr, r#in]),
            Expr::Trim {
                trim_what: None,
                trim_characters: None,
                expr,
                ..
            } => Self::new("trim", vec![expr]),
            Expr::Extract { field, expr, .. } => Self::with_word("extract", field.to_string(), vec![expr]),
            Expr::Cast {
                kind,
                expr,
                data_type,
                format: None,
            } => {
                let name = match kind {
                    CastKind::Cast | CastKind::DoubleColon => "cast",
                    CastKind::TryCast | CastKind::SafeCast => "try_cast",
                };
                Self::with_word(name, type_name(data_type), vec![expr])
            }
            Expr::Function(function) => Self::of_function(function),
            _ => None,
        }
    }

    fn of_function(function: &'e Function) -> Option<Self> {
        let (mut args, is_distinct) = call_arguments(function)?;
        let mut name = function.name.to_string().to_lowercase();
        let unit = |expr: &Expr| literal_text(expr).unwrap_or_else(|| expr.to_string());
        let is_plain = !is_distinct && function.filter.is_none() && function.within_group.is_empty();
        match (name.as_str(), args.as_slice()) {
            _ if !is_plain => {}
            // In BigQuery, the unit is the last argument and is not quoted.
            ("date_trunc", [x, last]) if literal_text(x).is_none() => {
                return Self::with_word(&name, last.to_string(), vec![x]);
            }
            ("date_trunc", [first, x]) => return Self::with_word(&name, unit(first), vec![x]),
            ("date_part", [first, x]) if literal_text(first).is_some() => {
                return Self::with_word("extract", unit(first), vec![x]);
            }
            ("datediff" | "date_diff", [first, from, to]) => {
                return Self::with_word("datediff", unit(first), vec![from, to]);
            }
            _ => {}
        }
        if is_distinct {
            name.push_str(" distinct");
        }
        match function.within_group.as_slice() {
            [] => {}
            [key] if matches!(key.options.sort, None | Some(OrderBySort::Asc)) => {
                name.push_str(" within group");
                args.push(&key.expr);
            }
            _ => return None,
        }
        if let Some(filter) = &function.filter {
            name.push_str(" filter");
            args.insert(0, filter);
        }
        Self::new(&name, args)
    }
}

/// Returns the condition, the result and the default of a conditional expression with one condition.
pub(super) fn single_branch(expr: &Expr, dialect: Dialect) -> Option<(&Expr, &Expr, Option<&Expr>)> {
    match expr {
        Expr::Case {
            operand: None,
            conditions,
            else_result,
            ..
        } => match conditions.as_slice() {
            [when] => Some((&when.condition, &when.result, else_result.as_deref())),
            _ => None,
        },
        Expr::Function(function) => {
            let (args, _) = call_arguments(function)?;
            let [condition, result, otherwise] = args.as_slice() else {
                return None;
            };
            let name = function.name.to_string().to_lowercase();
            let sql_function = sql_functions::find_equivalent(&name, dialect, args.len())?;
            (sql_function.formula == "IF").then_some((*condition, *result, Some(*otherwise)))
        }
        _ => None,
    }
}

/// Returns the unnamed arguments, and whether `distinct` precedes them. `*` is not counted as an argument.
pub(super) fn call_arguments(function: &Function) -> Option<(Vec<&Expr>, bool)> {
    let list = match &function.args {
        FunctionArguments::None => return Some((Vec::new(), false)),
        FunctionArguments::Subquery(_) => return None,
        FunctionArguments::List(list) => list,
    };
    if !list.clauses.is_empty() {
        return None;
    }
    let mut exprs = Vec::with_capacity(list.args.len());
    for arg in &list.args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => exprs.push(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
            _ => return None,
        }
    }
    Some((
        exprs,
        matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct)),
    ))
}

/// Returns the expression inside all brackets that enclose it.
pub(super) fn strip_parentheses(expr: &Expr) -> &Expr {
    let mut inner = expr;
    while let Expr::Nested(nested) = inner {
        inner = nested;
    }
    inner
}

pub(super) fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::Null))
}

fn has_no_unit(field: &CeilFloorKind) -> bool {
    matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime))
}

/// Returns the name that all names of a type share: `float` for `double precision`.
fn type_name(data_type: &DataType) -> String {
    let name = data_type.to_string().to_lowercase();
    let common_name = match name.as_str() {
        _ if is_real(data_type) => "float",
        "int" | "int64" | "bigint" => "integer",
        "varchar" | "string" => "text",
        name => name,
    };
    common_name.to_owned()
}

pub(super) fn is_real(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float(..)
        | DataType::Float4
        | DataType::Float8
        | DataType::Float64
        | DataType::Real
        | DataType::Double(..)
        | DataType::DoublePrecision => true,
        // Accept a numeric type only without a precision, because a type with a precision rounds.
        DataType::Numeric(info) | DataType::Decimal(info) => info.to_string().is_empty(),
        _ => false,
    }
}
