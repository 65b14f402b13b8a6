//! Converts parsed formulas to the interpreter's expressions. Names are not resolved, and types are neither checked
//! nor converted.

use crate::ast::{Ast, BinaryOp, Definition, Expr, ExprId, Sign};
use crate::calendar::{InterpreterCalendarUnit, PeriodFrame};
use crate::catalog::{self, ParamType, ResultType};
use crate::expr::{InterpreterExpr, InterpreterOp, RangeEndPosition, RangeWindowRows, Window};
use crate::parse::{reference, unquote};
use crate::value::Value;
use crate::{Level, Type};

/// Description of the first part of a formula that the interpreter does not support.
pub type UnsupportedFormula = String;

/// Maximum depth of formulas. The interpreter is recursive, so deeper formulas could overflow the stack.
const MAX_DEPTH: usize = 100;
/// Maximum number of nodes after names from LET are replaced with their values.
const MAX_NODES: usize = 1000;

/// Context in which a formula is converted: the input relation, the current day and the calendar.
#[derive(Clone, Copy, Default)]
pub struct FormulaContext<'a> {
    /// Name of the input relation if there is only one. A column qualifier with this name is redundant. `None` if there
    /// are several relations.
    pub relation: Option<&'a str>,
    /// Current day, in days since 1970-01-01. `None` if unknown.
    pub today: Option<i64>,
    /// Whether weeks begin on Monday and fiscal years in January.
    pub plain_calendar: bool,
}

/// Returns a name in lower case, the form in which the interpreter compares names.
pub fn fold_case(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Converts a definition to an expression.
///
/// # Errors
///
/// Returns the part of the definition that is not supported.
pub fn convert_formula(
    ast: &Ast,
    source: &str,
    definition: &Definition,
    reading: FormulaContext<'_>,
) -> Result<InterpreterExpr, UnsupportedFormula> {
    if definition.broken {
        return Err("what could not be parsed".to_owned());
    }
    let reader = AstReader { ast, source, reading };
    let first = definition.first.index();
    let mut converted_nodes: Vec<Option<(InterpreterExpr, usize)>> = Vec::new();
    // Child nodes have smaller indexes than their parents, so children are converted first.
    for node_index in first..=definition.body.index() {
        let id = ExprId(u32::try_from(node_index).unwrap_or(u32::MAX));
        let mut depth = 0;
        let mut children = Vec::new();
        for child in ast.children(id) {
            let converted_child = child
                .index()
                .checked_sub(first)
                .and_then(|position| converted_nodes.get_mut(position))
                .and_then(Option::take);
            let (expr, child_depth) = converted_child.ok_or_else(|| "a definition that occurs twice".to_owned())?;
            depth = depth.max(child_depth);
            children.push(expr);
        }
        if depth >= MAX_DEPTH {
            return Err("such deep nesting".to_owned());
        }
        let expr = reader.convert_node(id, children)?;
        let depth = if reader.is_let_call(id) {
            expr.size(|_| None).1
        } else {
            depth + 1
        };
        converted_nodes.push(Some((expr, depth)));
    }
    let body = converted_nodes.pop().flatten();
    body.map(|(expr, _)| expr).ok_or_else(|| "an empty formula".to_owned())
}

struct AstReader<'a> {
    ast: &'a Ast,
    source: &'a str,
    reading: FormulaContext<'a>,
}

impl AstReader<'_> {
    fn is_let_call(&self, id: ExprId) -> bool {
        matches!(self.ast.expr(id), Expr::Call(index) if self.ast.call(index).name.text(self.source).eq_ignore_ascii_case("LET"))
    }

    fn source_text(&self, id: ExprId) -> &str {
        self.ast.span(id).text(self.source)
    }

    fn convert_node(&self, id: ExprId, children: Vec<InterpreterExpr>) -> Result<InterpreterExpr, UnsupportedFormula> {
        let node_text = self.source_text(id);
        let mut children = children.into_iter();
        let mut next = || children.next().ok_or_else(|| format!("`{node_text}`"));
        Ok(match self.ast.expr(id) {
            Expr::Number => InterpreterExpr::Literal(match node_text.parse() {
                Ok(int) => Value::Int(int),
                Err(_) => Value::Number(node_text.parse().map_err(|_| format!("the number {node_text}"))?),
            }),
            Expr::Text => InterpreterExpr::Literal(Value::Text(unquote(node_text).into_owned())),
            Expr::Bool(b) => InterpreterExpr::Literal(Value::Bool(b)),
            Expr::Name if node_text.eq_ignore_ascii_case("null") => InterpreterExpr::Literal(Value::Null),
            Expr::Name if node_text.eq_ignore_ascii_case("true") => InterpreterExpr::Literal(Value::Bool(true)),
            Expr::Name if node_text.eq_ignore_ascii_case("false") => InterpreterExpr::Literal(Value::Bool(false)),
            Expr::Name => InterpreterExpr::Name(fold_case(node_text)),
            Expr::Field | Expr::Model => self.convert_reference(id)?,
            Expr::Timeframe { frame, .. } => {
                let name = self
                    .ast
                    .names
                    .get(frame as usize)
                    .map_or("", |span| span.text(self.source));
                self.convert_timeframe(next()?, name)?
            }
            Expr::Sign { sign: Sign::Plus, .. } => next()?,
            Expr::Sign { sign: Sign::Minus, .. } => match next()? {
                InterpreterExpr::Literal(Value::Int(int)) => InterpreterExpr::Literal(Value::Int(int.saturating_neg())),
                InterpreterExpr::Literal(Value::Number(number)) => InterpreterExpr::Literal(Value::Number(-number)),
                other => InterpreterExpr::Binary(
                    InterpreterOp::Subtract,
                    Box::new(InterpreterExpr::Literal(Value::Int(0))),
                    Box::new(other),
                ),
            },
            Expr::Percent(_) => InterpreterExpr::Binary(
                InterpreterOp::Divide,
                Box::new(next()?),
                Box::new(InterpreterExpr::Literal(Value::Int(100))),
            ),
            Expr::Binary { op, .. } => {
                InterpreterExpr::Binary(convert_operator(op), Box::new(next()?), Box::new(next()?))
            }
            Expr::Range { .. } => convert_range(next()?, next()?).ok_or_else(|| format!("the range `{node_text}`"))?,
            Expr::Call(index) => {
                let call = self.ast.call(index);
                let name = call.name.text(self.source);
                let mut args: Vec<InterpreterExpr> = children.collect();
                for (arg_index, arg) in self.ast.arguments(call).iter().enumerate() {
                    if self.ast.expr(*arg) == Expr::Blank {
                        let blank = value_of_empty_argument(name, arg_index, &args)
                            .ok_or_else(|| format!("an empty argument of `{name}`"))?;
                        if let Some(arg) = args.get_mut(arg_index) {
                            *arg = InterpreterExpr::Literal(blank);
                        }
                    }
                }
                self.convert_call(name, args)?
            }
            // An empty argument is NULL here. The enclosing call replaces it with a default value.
            Expr::Blank => InterpreterExpr::Literal(Value::Null),
            Expr::Cell | Expr::Tab { .. } => return Err(format!("the cell `{node_text}`")),
            Expr::Error => return Err("what could not be parsed".to_owned()),
        })
    }

    /// Converts `view.field` or `${view.field[timeframe]}`.
    fn convert_reference(&self, id: ExprId) -> Result<InterpreterExpr, UnsupportedFormula> {
        let parts = reference(self.source, self.ast.span(id));
        if parts.total.is_some() {
            return Err(format!("the total `{}`", self.source_text(id)));
        }
        let field = fold_case(parts.field.text(self.source));
        let view = parts.view.map(|view| fold_case(view.text(self.source)));
        let name = match view {
            Some(view) if self.reading.relation.is_none_or(|relation| fold_case(relation) != view) => {
                format!("{view}.{field}")
            }
            _ => field,
        };
        match parts.timeframe {
            Some(frame) => self.convert_timeframe(InterpreterExpr::Name(name), frame.text(self.source)),
            None => Ok(InterpreterExpr::Name(name)),
        }
    }

    fn convert_timeframe(&self, base: InterpreterExpr, name: &str) -> Result<InterpreterExpr, UnsupportedFormula> {
        let name = fold_case(name);
        let hangs_on_calendar = name.contains("week") || name.contains("fiscal");
        if hangs_on_calendar && !self.reading.plain_calendar {
            return Err(format!("`[{name}]` of a custom calendar"));
        }
        let frame = PeriodFrame::ALL.into_iter().find(|frame| frame.name() == name);
        Ok(match (base, frame) {
            (operand, _) if name == "raw" => operand,
            (InterpreterExpr::Name(column), Some(frame)) => InterpreterExpr::Period(column, frame),
            (operand, _) => InterpreterExpr::Part(Box::new(operand), name),
        })
    }

    fn convert_call(&self, name: &str, args: Vec<InterpreterExpr>) -> Result<InterpreterExpr, UnsupportedFormula> {
        let unknown = || format!("the function {}", name.to_uppercase());
        let function = catalog::lookup(name).ok_or_else(unknown)?;
        if function.name == "TODAY" {
            let today = self.reading.today.ok_or_else(|| "the current date".to_owned())?;
            return Ok(InterpreterExpr::Literal(Value::Date(today)));
        }
        if function.name == "LET" {
            return substitute_let_names(args).ok_or_else(|| "such a large LET".to_owned());
        }
        if function.name == "DISTINCT" {
            return Ok(InterpreterExpr::Call(function.name, args));
        }
        let has_range = args.iter().any(|arg| matches!(arg, InterpreterExpr::Range(..)));
        if let Some(window) = convert_window(function.name, &args) {
            return Ok(InterpreterExpr::Window(window));
        }
        Ok(match function.level {
            Level::Aggregate if has_range || !function.is_row_combination(args.len()) => {
                InterpreterExpr::Aggregate(function.name, args)
            }
            Level::Window => return Err(unknown()),
            _ if has_range => return Err(format!("ranges in {}", function.name)),
            _ => InterpreterExpr::Call(function.name, args),
        })
    }
}

/// Replaces the names in a LET with their values. `None` if the result is too large.
fn substitute_let_names(mut args: Vec<InterpreterExpr>) -> Option<InterpreterExpr> {
    let body = args.pop()?;
    let mut values: Vec<(String, InterpreterExpr)> = Vec::new();
    let mut args = args.into_iter();
    let replace = |expr: InterpreterExpr, values: &[(String, InterpreterExpr)]| {
        let replaced = expr.substitute_names(values);
        let (nodes, depth) = replaced.size(|_| None);
        (nodes <= MAX_NODES && depth <= MAX_DEPTH).then_some(replaced)
    };
    while let (Some(InterpreterExpr::Name(name)), Some(value)) = (args.next(), args.next()) {
        let value = replace(value, &values)?;
        values.push((name, value));
    }
    replace(body, &values)
}

/// Returns the value of an empty argument. The value has the type of the parameter or, if the parameter does not
/// determine a type, the type of the other arguments. `None` if neither the parameter nor the other arguments
/// determine the type.
fn value_of_empty_argument(name: &str, arg_index: usize, args: &[InterpreterExpr]) -> Option<Value> {
    let function = catalog::lookup(name)?;
    let of_same_type = |other: &usize| match function.name {
        "SWITCH" => *other > 0 && (other.is_multiple_of(2) || other + 1 == args.len()),
        "IFS" => other % 2 == 1 || other + 1 == args.len(),
        "IF" | "CHOOSE" => *other > 0,
        _ => true,
    };
    if function.name == "TEXTJOIN" && arg_index == 1 {
        return Some(Value::Bool(true));
    }
    let across = function
        .across
        .filter(|_| args.len() > 1)
        .map_or(function, catalog::get);
    let gives_text = across
        .overloads
        .iter()
        .all(|overload| overload.result == ResultType::Is(Type::Text));
    let mut default_value = None;
    for overload in across.overloads {
        let param = overload
            .params
            .get(arg_index)
            .or_else(|| overload.params.last().filter(|_| overload.repeated))?;
        let value = match param.ty {
            ParamType::Same => None,
            ParamType::Any if matches!(function.name, "IFS" | "SWITCH") => None,
            ParamType::Is(Type::Text) => Some(Value::Text(String::new())),
            ParamType::Any if gives_text => Some(Value::Text(String::new())),
            ParamType::Is(Type::Boolean) => Some(Value::Bool(false)),
            ParamType::Is(ty) if ty.is_temporal() => Some(Value::Null),
            ParamType::Temporal => Some(Value::Null),
            _ => Some(Value::Int(0)),
        };
        match default_value.replace(value.clone()) {
            Some(before) if before != value => return None,
            _ => {}
        }
    }
    match default_value? {
        Some(value) => Some(value),
        None if of_same_type(&arg_index) => args
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != arg_index && of_same_type(other))
            .find_map(|(_, other)| empty_value_of_expression(other)),
        None => None,
    }
}

/// Returns the empty value for the type of an expression, if the expression's syntax determines that type.
fn empty_value_of_expression(expr: &InterpreterExpr) -> Option<Value> {
    match expr {
        InterpreterExpr::Literal(Value::Int(_) | Value::Number(_)) => Some(Value::Int(0)),
        InterpreterExpr::Literal(Value::Text(_)) | InterpreterExpr::Binary(InterpreterOp::Join, ..) => {
            Some(Value::Text(String::new()))
        }
        InterpreterExpr::Literal(Value::Bool(_)) => Some(Value::Bool(false)),
        InterpreterExpr::Binary(InterpreterOp::Multiply | InterpreterOp::Divide | InterpreterOp::Power, ..) => {
            Some(Value::Int(0))
        }
        _ => None,
    }
}

fn convert_operator(op: BinaryOp) -> InterpreterOp {
    match op {
        BinaryOp::Equal => InterpreterOp::Equal,
        BinaryOp::NotEqual => InterpreterOp::NotEqual,
        BinaryOp::Less => InterpreterOp::Less,
        BinaryOp::LessEqual => InterpreterOp::LessOrEqual,
        BinaryOp::Greater => InterpreterOp::Greater,
        BinaryOp::GreaterEqual => InterpreterOp::GreaterOrEqual,
        BinaryOp::Concat => InterpreterOp::Join,
        BinaryOp::Add => InterpreterOp::Add,
        BinaryOp::Subtract => InterpreterOp::Subtract,
        BinaryOp::Multiply => InterpreterOp::Multiply,
        BinaryOp::Divide => InterpreterOp::Divide,
        BinaryOp::Power => InterpreterOp::Power,
    }
}

/// Converts a range, such as `m:m`, `FIRST(m):m` or `OFFSET(m, -2):m`.
fn convert_range(from: InterpreterExpr, to: InterpreterExpr) -> Option<InterpreterExpr> {
    let (operand, from) = range_end_position(from)?;
    let (to_operand, to) = range_end_position(to)?;
    // An offset in rows cannot be combined with a calendar end.
    let is_offset = |end: RangeEndPosition| matches!(end, RangeEndPosition::At(n) if n != 0);
    if from.is_calendar_position() && is_offset(to) || to.is_calendar_position() && is_offset(from) {
        return None;
    }
    let rows = match (from, to) {
        (RangeEndPosition::At(0), RangeEndPosition::At(0)) => RangeWindowRows::All,
        _ => RangeWindowRows::Between(from, to),
    };
    (operand == to_operand).then(|| InterpreterExpr::Range(Box::new(operand), rows))
}

fn range_end_position(end: InterpreterExpr) -> Option<(InterpreterExpr, RangeEndPosition)> {
    Some(match end {
        InterpreterExpr::Window(Window::First(operand)) => (*operand, RangeEndPosition::First),
        InterpreterExpr::Window(Window::Last(operand)) => (*operand, RangeEndPosition::Last),
        InterpreterExpr::Window(Window::Offset(operand, offset)) => (*operand, RangeEndPosition::At(offset)),
        InterpreterExpr::Window(Window::InPeriod(operand, frame, is_last)) => {
            (*operand, RangeEndPosition::InPeriod(frame, is_last))
        }
        InterpreterExpr::Window(Window::Period(operand, offset, unit)) => {
            (*operand, RangeEndPosition::Moved(offset, unit))
        }
        name @ (InterpreterExpr::Name(_) | InterpreterExpr::Period(..) | InterpreterExpr::Part(..)) => {
            (name, RangeEndPosition::At(0))
        }
        _ => return None,
    })
}

/// Converts a call to a window function. `None` for any other function.
fn convert_window(name: &'static str, args: &[InterpreterExpr]) -> Option<Window> {
    let operand = || args.first().cloned().map(Box::new);
    let integer_arg = |arg_index: usize| match args.get(arg_index) {
        Some(InterpreterExpr::Literal(Value::Int(n))) => Some(*n),
        _ => None,
    };
    match (name, args.len()) {
        ("OFFSET", 2) => Some(Window::Offset(operand()?, integer_arg(1)?)),
        ("FIRST" | "LAST", 2) => {
            let Some(InterpreterExpr::Literal(Value::Text(unit))) = args.get(1) else {
                return None;
            };
            let frame = PeriodFrame::ALL
                .into_iter()
                .find(|frame| unit.eq_ignore_ascii_case(frame.name()))?;
            Some(Window::InPeriod(operand()?, frame, name == "LAST"))
        }
        ("FIRST", 1) => Some(Window::First(operand()?)),
        ("LAST", 1) => Some(Window::Last(operand()?)),
        ("ROW", 0) => Some(Window::Row),
        ("RANK" | "OMNI_RANK", 1) => Some(Window::Rank(name, operand()?, true)),
        ("RANK" | "OMNI_RANK", 2) => Some(Window::Rank(name, operand()?, integer_arg(1)? == 0)),
        ("PERCENTRANK", 1) => Some(Window::PercentRank(operand()?)),
        ("PERIODOFFSET", 3) => {
            let Some(InterpreterExpr::Literal(Value::Text(unit))) = args.get(2) else {
                return None;
            };
            let unit = InterpreterCalendarUnit::ALL
                .into_iter()
                .find(|interpreter_unit| unit.eq_ignore_ascii_case(interpreter_unit.name()))?;
            Some(Window::Period(operand()?, integer_arg(1)?, unit))
        }
        _ => None,
    }
}
