//! Lowers literals and operators.

use super::Lowerer;
use crate::ast::{Ast, BinaryOp, Expr, ExprId, Sign};
use crate::catalog::{self, FunctionId, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta};
use crate::schema::DecimalDigits;
use crate::span::Span;
use crate::{Level, Type};

/// Maximum number of characters in a number literal.
const MAX_NUMBER_LENGTH: usize = 60;

impl Lowerer<'_> {
    /// Lowers a number literal to its SQL digits and its default type.
    #[inline(never)]
    pub(in crate::check) fn lower_number(&mut self, span: Span) -> IrId {
        let source = self.source;
        let text = span.text(source);
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        if plain && text.len() < 19 && (text.len() == 1 || !text.starts_with('0')) {
            return self.program.add_integer(text, span);
        }
        let ty = match (plain, text.parse::<i64>()) {
            (true, Ok(_)) => Type::Integer,
            (true, Err(_)) => Type::Decimal,
            (false, _) => Type::Point,
        };
        let value = text.parse::<f64>().unwrap_or(f64::INFINITY);
        let mut mantissa = text.bytes().take_while(|b| !matches!(b, b'e' | b'E'));
        if value == 0.0 && text.len() <= MAX_NUMBER_LENGTH && mantissa.any(|b| matches!(b, b'1'..=b'9')) {
            let message = format!(
                "`{}` is too close to 0 to be represented as a number",
                self.source_text(span)
            );
            let help = "write 0, or use a number of at least 1e-307";
            self.report(Diagnostic::new(Code::NumberTooLarge, span, message).with_help(help));
            return self.add_error(span);
        }
        if !value.is_finite() || text.len() > MAX_NUMBER_LENGTH {
            self.report(
                Diagnostic::new(
                    Code::NumberTooLarge,
                    span,
                    format!(
                        "`{}` is too large to be represented as a number",
                        self.source_text(span)
                    ),
                )
                .with_help("use a number below 1.8e308 with at most 60 digits"),
            );
            return self.add_error(span);
        }
        let ty = match decimal_literal_type(text.trim_start_matches('0')) {
            Type::Float => Type::Float,
            _ => ty,
        };
        // Some engines report an error for a longer integer.
        if plain && ty == Type::Float {
            let slice = self.program.add_text(&format!("{value:e}"));
            return self.program.add(Ir::Number(slice), NodeMeta::constant(ty, span));
        }
        let as_it_is = match text.as_bytes() {
            [b'0', next, ..] => *next == b'.',
            [first, ..] => first.is_ascii_digit(),
            [] => false,
        };
        if as_it_is && !text.ends_with('.') && !text.bytes().any(|b| matches!(b, b'e' | b'E')) {
            let slice = self.program.add_text(text);
            return self.program.add(Ir::Number(slice), NodeMeta::constant(ty, span));
        }
        let mut digits = text.trim_start_matches('0').to_owned();
        if digits.is_empty() || !digits.starts_with(|c: char| c.is_ascii_digit()) {
            digits.insert(0, '0');
        }
        let digits = digits
            .trim_end_matches('.')
            .replace(".e", "e")
            .replace(".E", "e")
            .replace('E', "e");
        let slice = self.program.add_text(&digits);
        self.program.add(Ir::Number(slice), NodeMeta::constant(ty, span))
    }

    pub(in crate::check) fn lower_sign(&mut self, sign: Sign, operand: ExprId, span: Span) -> IrId {
        let x = self.lower_value(operand);
        let meta = self.program.meta(x);
        if self.is_error(x) {
            return x;
        }
        match (sign, self.program.node(x)) {
            (Sign::Minus, Ir::Number(slice)) => {
                let text = self.program.text(slice);
                let text = text.strip_prefix('-').map_or_else(|| format!("-{text}"), str::to_owned);
                let slice = self.program.add_text(&text);
                self.program.add(Ir::Number(slice), NodeMeta { span, ..meta })
            }
            // Two minus signs cancel out. This also avoids `--` in the SQL, which starts a comment.
            (Sign::Minus, Ir::Apply { args, overload }) if self.is_negation(overload) => {
                self.program.args(args).first().copied().unwrap_or(x)
            }
            (Sign::Minus, _) => self.add_scalar_call(internal::NEGATE, &[x], span, "-"),
            (Sign::Plus, _) if meta.ty.is_number() || meta.ty == Type::Unknown => x,
            (Sign::Plus, _) => self.add_scalar_call(internal::NEGATE, &[x], span, "+"),
        }
    }

    fn is_negation(&self, overload: catalog::OverloadId) -> bool {
        catalog::get(internal::NEGATE)
            .overloads
            .iter()
            .any(|o| o.id == overload)
    }

    pub(in crate::check) fn lower_percent(&mut self, operand: ExprId, span: Span) -> IrId {
        let x = self.lower_value(operand);
        if let Ir::Number(slice) = self.program.node(x)
            && let Some(text) = divide_by_100(self.program.text(slice))
            // Limit the length, because each percent sign adds two digits.
            && text.len() <= MAX_NUMBER_LENGTH
        {
            let ty = decimal_literal_type(&text);
            let slice = self.program.add_text(&text);
            return self.program.add(Ir::Number(slice), NodeMeta::constant(ty, span));
        }
        self.add_scalar_call(internal::PERCENT, &[x], span, "%")
    }

    #[inline(never)]
    pub(in crate::check) fn lower_binary(&mut self, op: BinaryOp, left: ExprId, right: ExprId, span: Span) -> IrId {
        let (mut a, mut b) = (self.lower_value(left), self.lower_value(right));
        let mut operands = self.summarize_operands(&[a, b], span);
        if operands.has_error() || (self.has_syntax_error && op.is_comparison() && is_comparison(self.ast, left)) {
            return self.add_error(span);
        }
        if op == BinaryOp::Concat && !operands.are_all_texts() {
            a = self.convert_to_text(a);
            b = self.convert_to_text(b);
            operands = self.summarize_operands(&[a, b], span);
        }
        if op == BinaryOp::Divide && self.is_zero(b) && self.program.meta(a).level == Level::Const {
            // `1/0` is the documented way to write a NULL of any type. The quotient of a column and zero is a numeric
            // NULL.
            return self.program.add_null(Type::Float, span);
        }
        if op.is_comparison() {
            self.warn_of_comparison_with_null(op, (a, b), span);
        }
        if self.scope.blank_zero {
            match op {
                BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply => {
                    a = self.replace_blank_with_zero(a);
                    b = self.replace_blank_with_zero(b);
                }
                BinaryOp::Divide => a = self.replace_blank_with_zero(a),
                _ => {}
            }
            operands = self.summarize_operands(&[a, b], span);
        }
        if operands.meta.level == Level::Const
            && let Some(value) = self.fold_integer_arithmetic(op, a, b)
        {
            self.program.has_unused_nodes = true;
            return self.program.add_integer(&value.to_string(), span);
        }
        let adds = matches!(op, BinaryOp::Add | BinaryOp::Subtract);
        if adds && self.scope.timezone.is_some() && operands.has_kind(Type::Timestamptz as u32) {
            // Convert instants to wall-clock time, so that adding a day results in the same time on the next day even
            // if the clock changes.
            a = self.convert_instant_to_timestamp(a);
            b = self.convert_instant_to_timestamp(b);
            operands = self.summarize_operands(&[a, b], span);
        }
        if adds && operands.has_kind(Type::Time as u32) && operands.has_kind(Type::Date as u32) {
            // The date becomes a timestamp at midnight before the time is added or subtracted.
            a = self.convert_date_to_timestamp(a);
            b = self.convert_date_to_timestamp(b);
            operands = self.summarize_operands(&[a, b], span);
        }
        if adds && self.report_quoted_days(&[a, b], op.symbol()) {
            return self.add_error(span);
        }
        if adds && operands.has_kind(Type::Date as u32) {
            [a, b].iter().for_each(|days| self.warn_of_day_fraction(*days));
            let (first, second) = (self.truncate_days(a), self.truncate_days(b));
            // A fraction of a day, such as 0.5, does not change a date.
            let is_fraction = |days: IrId, whole: IrId| days != whole && self.literal_number(whole) == Some(0.0);
            if op == BinaryOp::Add && is_fraction(a, first) {
                return second;
            }
            if is_fraction(b, second) {
                return first;
            }
            (a, b) = (first, second);
            operands = self.summarize_operands(&[a, b], span);
        }
        if op == BinaryOp::Power && self.constant_number(b) == Some(0.5) {
            // Use SQRT, because a square root needs no checks of the exponent.
            operands = self.summarize_operands(&[a], span);
            return self.add_checked_call(internal::SQRT, &[a], operands, op.symbol());
        }
        let function = match op {
            BinaryOp::Power if self.is_fraction(b) => internal::FRACTIONAL_POWER,
            _ => operator_function(op),
        };
        self.add_checked_call(function, &[a, b], operands, op.symbol())
    }

    /// Warns if a value is compared with `1/0`, because the result is NULL in every row.
    fn warn_of_comparison_with_null(&mut self, op: BinaryOp, (a, b): (IrId, IrId), span: Span) {
        let is_null = |id: IrId| self.program.node(id) == Ir::Null;
        if self.is_in_function_definition() || is_null(a) == is_null(b) {
            return;
        }
        let (null, value) = if is_null(a) { (a, b) } else { (b, a) };
        if self.program.meta(value).level == Level::Const {
            return;
        }
        let text = |id: IrId| self.source_text(self.program.meta(id).span);
        let message = format!(
            "`{}` is NULL in every row, because `{}` is NULL",
            self.source_text(span),
            text(null)
        );
        let help = match op {
            BinaryOp::Equal => format!("write `ISBLANK({})`", text(value)),
            BinaryOp::NotEqual => format!("write `NOT(ISBLANK({}))`", text(value)),
            _ => "compare with a value that is not NULL".to_owned(),
        };
        self.report(Diagnostic::new(Code::NeverVaries, span, message).with_help(help));
    }

    /// Warns if a fraction of a day is added to a date, because a date has no time of day. The fraction is a literal
    /// with decimals or a multiple of a time of day.
    fn warn_of_day_fraction(&mut self, days: IrId) {
        let meta = self.program.meta(days);
        let is_made_of_time = || {
            self.program
                .operands(days)
                .any(|part| self.program.meta(part).ty == Type::Time)
        };
        let help = match self.constant_number(days) {
            Some(number) if number.trunc() == 0.0 && number != 0.0 => {
                "add `TIME(…)` for hours and minutes, or remove the operation".to_owned()
            }
            Some(number) if number.fract() != 0.0 => {
                format!(
                    "write a whole number of days, such as {}, or add `TIME(…)` for hours and minutes",
                    number.trunc()
                )
            }
            None if meta.ty == Type::Float && is_made_of_time() => {
                "add `TIME(…)` with the hours and minutes that you need; only sums and differences of times are \
                    times"
                    .to_owned()
            }
            _ => return,
        };
        let message = format!(
            "the fractional part of `{}` days is ignored, because a date has no time",
            self.source_text(meta.span)
        );
        self.report(Diagnostic::new(Code::FractionOfDay, meta.span, message).with_help(help));
    }

    /// Truncates a constant number of days to an integer. Returns other values unchanged.
    fn truncate_days(&mut self, days: IrId) -> IrId {
        let meta = self.program.meta(days);
        match self.constant_number(days) {
            Some(number) if meta.ty != Type::Integer && number.abs() < 1e9 => {
                self.program.has_unused_nodes = true;
                // Adding 0 turns -0 into 0.
                self.program.add_integer(&(number.trunc() + 0.0).to_string(), meta.span)
            }
            _ => days,
        }
    }

    /// Returns whether a function applied to times of day returns a time. Most functions treat a time as a float.
    pub(in crate::check) fn preserves_time_of_day(&self, function: FunctionId, args: &[IrId]) -> bool {
        let is_kept = matches!(
            function,
            internal::ADD | internal::SUBTRACT | internal::NEGATE | internal::ROW_SUM
        );
        is_kept && args.iter().all(|arg| self.program.meta(*arg).ty == Type::Time)
    }

    fn convert_date_to_timestamp(&mut self, id: IrId) -> IrId {
        if self.program.meta(id).ty == Type::Date {
            self.convert_to(id, Type::Timestamp)
        } else {
            id
        }
    }

    fn convert_instant_to_timestamp(&mut self, id: IrId) -> IrId {
        match self.program.meta(id).ty {
            Type::Timestamptz => self.convert_to_wall_clock(id),
            _ => id,
        }
    }

    /// Computes constant integer arithmetic if the result exceeds 32 bits. SQL engines treat short literals as 32-bit
    /// integers, so `60 * 60 * 24 * 1000 * 30` would overflow. Arithmetic in the definition of a function is always
    /// computed, because the user does not see it.
    fn fold_integer_arithmetic(&self, op: BinaryOp, a: IrId, b: IrId) -> Option<i64> {
        let (a, b) = (self.constant_integer(a, 8)?, self.constant_integer(b, 8)?);
        let value = compute_integer(op, a, b)?;
        (self.is_in_function_definition() || i32::try_from(value).is_err()).then_some(value)
    }

    /// Returns the value of an integer literal, or of arithmetic on integer literals that is nested at most `depth`
    /// levels deep.
    pub(in crate::check) fn constant_integer(&self, id: IrId, depth: u8) -> Option<i64> {
        let Ir::Apply { overload, args } = self.program.node(id) else {
            return self.literal_integer(id);
        };
        let [a, b] = *self.program.args(args) else { return None };
        let function = catalog::overload_owner(overload);
        let mut folded = [BinaryOp::Add, BinaryOp::Subtract, BinaryOp::Multiply].into_iter();
        let op = folded.find(|op| operator_function(*op) == function)?;
        let depth = depth.checked_sub(1)?;
        compute_integer(op, self.constant_integer(a, depth)?, self.constant_integer(b, depth)?)
    }

    pub(in crate::check) fn is_zero(&self, id: IrId) -> bool {
        matches!(self.program.node(id), Ir::Number(slice)
            if self.program.text(slice).bytes().take_while(|b| *b != b'e').all(|b| matches!(b, b'0' | b'.' | b'-')))
    }
}

/// Returns the catalog function of an operator.
fn operator_function(op: BinaryOp) -> FunctionId {
    match op {
        BinaryOp::Equal => internal::EQUAL,
        BinaryOp::NotEqual => internal::NOT_EQUAL,
        BinaryOp::Less => internal::LESS,
        BinaryOp::LessEqual => internal::LESS_EQUAL,
        BinaryOp::Greater => internal::GREATER,
        BinaryOp::GreaterEqual => internal::GREATER_EQUAL,
        BinaryOp::Concat => internal::CONCAT,
        BinaryOp::Add => internal::ADD,
        BinaryOp::Subtract => internal::SUBTRACT,
        BinaryOp::Multiply => internal::MULTIPLY,
        BinaryOp::Divide => internal::DIVIDE,
        BinaryOp::Power => internal::POWER,
    }
}

/// Returns the comparison that a catalog function evaluates. `None` for other functions.
#[inline]
pub(in crate::check) fn comparison_operator(function: FunctionId) -> Option<BinaryOp> {
    Some(match function {
        internal::EQUAL => BinaryOp::Equal,
        internal::NOT_EQUAL => BinaryOp::NotEqual,
        internal::LESS => BinaryOp::Less,
        internal::LESS_EQUAL => BinaryOp::LessEqual,
        internal::GREATER => BinaryOp::Greater,
        internal::GREATER_EQUAL => BinaryOp::GreaterEqual,
        _ => return None,
    })
}

/// Returns whether an expression is a comparison.
pub(in crate::check) fn is_comparison(ast: &Ast, id: ExprId) -> bool {
    matches!(ast.expr(id), Expr::Binary { op, .. } if op.is_comparison())
}

fn compute_integer(op: BinaryOp, a: i64, b: i64) -> Option<i64> {
    match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        BinaryOp::Multiply => a.checked_mul(b),
        _ => None,
    }
}

/// Returns the type of a number literal that is not an integer.
fn decimal_literal_type(text: &str) -> Type {
    match DecimalDigits::from_literal(text) {
        Some(_) => Type::Point,
        None => Type::Float,
    }
}

/// Divides a number literal by 100 by shifting its decimal point. `None` for literals with an exponent.
pub(in crate::check) fn divide_by_100(text: &str) -> Option<String> {
    if text.contains(['e', 'E']) {
        return None;
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |d| ("-", d));
    let (integer_part, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    // Pad to at least three digits before the decimal point, so that the point can be shifted left by two digits.
    let zeros = &"000"[integer_part.len().min(3)..];
    let all_digits = [zeros, integer_part, fraction].concat();
    let (front, back) = all_digits.split_at(zeros.len() + integer_part.len() - 2);
    let (front, back) = (front.trim_start_matches('0'), back.trim_end_matches('0'));
    let front = if front.is_empty() { "0" } else { front };
    let back = if back.is_empty() { "0" } else { back };
    Some([sign, front, ".", back].concat())
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_divided_by_100() {
        for (text, expected) in [
            ("50", "0.5"),
            ("5", "0.05"),
            ("100", "1.0"),
            ("12.5", "0.125"),
            ("-3", "-0.03"),
            ("1234", "12.34"),
            ("0", "0.0"),
        ] {
            assert_eq!(super::divide_by_100(text).as_deref(), Some(expected));
        }
    }
}
