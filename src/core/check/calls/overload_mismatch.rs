//! Errors about calls whose arguments match no overload.

use crate::Type;
use crate::catalog::{self, Function, ParamType, internal};
use crate::check::calls::help_with_unsupported_type;
use crate::check::criteria::criterion_text::is_number;
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId};
use crate::lex::quote_formula_name;
use crate::span::Span;
use formulac_syntax::diag::lists::join_words;

/// Returns the rule for the operands of `+` or `-`.
fn arithmetic_operand_rule(symbol: &str) -> Option<&'static str> {
    match symbol {
        "+" => Some("`+` adds numbers, or a number of days to a date"),
        "-" => Some("`-` subtracts numbers, or subtracts days or dates from dates"),
        _ => None,
    }
}

impl Lowerer<'_> {
    /// Reports a quoted number of days that is added to a date or subtracted from it, as in `created_on + "1"`. Returns
    /// whether there is such an operand.
    pub(in crate::check) fn report_quoted_days(&mut self, operands: &[IrId], symbol: &str) -> bool {
        // Exclude strings with eight digits, which are dates without separators.
        let is_number_of_days = |text: &str| text.trim().len() < 8 && is_number(text);
        let is_days = |id: &IrId| self.literal_text(*id).is_some_and(is_number_of_days);
        let (Some(days), Some(rule), Some(_)) = (
            operands.iter().copied().find(is_days),
            arithmetic_operand_rule(symbol),
            self.has_time_of_day(operands),
        ) else {
            return false;
        };
        let span = self.program.meta(days).span;
        let text = self.source_text(span);
        let message = format!("{rule}, but `{text}` is text");
        let help = format!("write the number without quotes: `{}`", text.trim_matches(['"', ' ']));
        self.report(Diagnostic::new(Code::TypeMismatch, span, message).with_help(help));
        true
    }

    /// Returns whether a text literal contains the name of a column.
    fn is_quoted_column(&self, literal: &str) -> bool {
        let name = literal.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        name.is_some_and(|name| {
            self.scope
                .relations
                .iter()
                .any(|relation| relation.position(name).is_some())
        })
    }

    /// Returns the types that the overloads accept for an argument, as phrases such as `a number`. `choices` contains
    /// the bounds of an argument that must be an integer literal.
    fn accepted_types(function: &Function, index: usize, choices: Option<(i64, i64)>) -> Vec<String> {
        let mut accepted: Vec<String> = Vec::new();
        for param in function.overloads.iter().filter_map(|o| Self::overload_param(o, index)) {
            let name = match (param.ty, choices) {
                (ParamType::Literal(..), Some((least, most))) => format!("an integer from {least} to {most}"),
                (ParamType::Is(ty), _) if !ty.is_number() => ty.describe().to_owned(),
                (ParamType::Temporal, _) => "a date".to_owned(),
                (ParamType::Any | ParamType::Same, _) => continue,
                _ => "a number".to_owned(),
            };
            if !accepted.contains(&name) {
                accepted.push(name);
            }
        }
        accepted
    }

    /// Returns the bounds of an argument if every overload takes an integer literal for it.
    fn literal_bounds(function: &Function, index: usize) -> Option<(i64, i64)> {
        let params = function.overloads.iter().filter_map(|o| Self::overload_param(o, index));
        params
            .map(|param| match param.ty {
                ParamType::Literal(least, most) => Some((least, most)),
                _ => None,
            })
            .reduce(|a, b| Some((a?.0.min(b?.0), a?.1.max(b?.1))))
            .flatten()
    }

    /// Returns the equivalent of a spreadsheet formula that relies on dates being numbers, such as `INT(ts)`.
    fn help_with_serial_date(function: &Function, display_name: &str, ty: Type, text: &str) -> Option<String> {
        let date = match ty {
            Type::Date => text.to_owned(),
            _ if ty.is_temporal() => format!("{text}[date]"),
            _ => return None,
        };
        match display_name {
            "DATEVALUE" if ty == Type::Date => Some(format!("`{text}` is already a date: remove `DATEVALUE`")),
            "DATEVALUE" => Some(format!("write `{date}` for the date")),
            "VALUE" => Some(format!(
                "a date is not a number here; for a spreadsheet's number of days, write `{date} - DATE(1899, 12, 30)`"
            )),
            _ if function.discontinuous && !function.internal && ty != Type::Date => Some(format!(
                "write `{date}` for the date, or `{text} - {date}` for the time of day as a fraction of a day"
            )),
            _ => None,
        }
    }

    /// Returns the source of a value, in brackets if it is a sum or difference, so that a timeframe can follow.
    fn operand_text(&self, id: IrId) -> String {
        let text = self.source_text(self.program.meta(id).span);
        let is_sum = |overload| [internal::ADD, internal::SUBTRACT].contains(&catalog::overload_owner(overload));
        match self.program.node(id) {
            Ir::Apply { overload, .. } if is_sum(overload) => format!("({text})"),
            _ => text,
        }
    }

    /// Reports arguments that are valid on their own, but not together. An example is `+` with two dates.
    fn report_combination_mismatch(&mut self, function: &Function, args: &[IrId], span: Span, display_name: &str) {
        let types: Vec<&str> = args.iter().map(|a| self.program.meta(*a).ty.describe()).collect();
        let help = match display_name {
            "+" => "add a number of days to a date, or add two numbers; to join text, use `&`".to_owned(),
            "-" => "subtract a number of days or a date from a date, or subtract two numbers".to_owned(),
            _ => format!("check the types of the arguments of `{}`", function.signature()),
        };
        let message = format!("`{display_name}` cannot be applied to {}", join_words(&types, "and"));
        self.report(Diagnostic::new(Code::TypeMismatch, span, message).with_help(help));
    }

    /// Reports that no overload matches the arguments. The message names the wrong argument and suggests a fix.
    #[cold]
    pub(in crate::check) fn report_overload_mismatch(
        &mut self,
        function: &'static Function,
        args: &[IrId],
        span: Span,
        display_name: &str,
    ) {
        let wrong = args.iter().enumerate().find(|(index, arg)| {
            !function
                .overloads
                .iter()
                .any(|o| Self::overload_param(o, *index).is_some_and(|p| self.rank_argument(p.ty, **arg).is_some()))
        });
        let is_operator = function.internal;
        let Some((index, arg)) = wrong else {
            return self.report_combination_mismatch(function, args, span, display_name);
        };
        let meta = self.program.meta(*arg);
        let text = self.source_text(meta.span);
        // The lexer has already reported text in single quotes.
        if meta.ty == Type::Text && text.starts_with('\'') {
            return;
        }
        let takes_date = function
            .overloads
            .iter()
            .filter_map(|o| Self::overload_param(o, index))
            .any(|param| match param.ty {
                ParamType::Is(ty) => ty.is_temporal(),
                ParamType::Temporal | ParamType::Any | ParamType::Same => true,
                _ => false,
            });
        if let Some(timed) = self.has_time_of_day(args).filter(|_| takes_date)
            && matches!(self.program.node(*arg), Ir::Text(_))
        {
            self.convert_date_literal(*arg, timed);
            return;
        }
        let choices = Self::literal_bounds(function, index);
        let expected_types = Self::accepted_types(function, index, choices);
        let is_arithmetic =
            Self::is_internal(function, internal::ADD) || Self::is_internal(function, internal::SUBTRACT);
        let arithmetic = arithmetic_operand_rule(display_name).filter(|_| is_arithmetic);
        let help = match (meta.ty, expected_types.first().map_or("", String::as_str), display_name) {
            // The author may know SQL, in which double quotes enclose names.
            (Type::Text, ..) if self.is_quoted_column(&text) => {
                let name = quote_formula_name(text.trim_matches('"'));
                format!("write `{name}` without quotes for the column, because quotes enclose text")
            }
            (Type::Text, _, "+") => "join text with `&`".to_owned(),
            (Type::Boolean, "a number", _) => format!("convert the condition to a number: `N({text})`"),
            (Type::Text, "a number", _) if is_number(text.trim_matches('"')) => {
                format!("write the number without quotes: `{}`", text.trim_matches('"'))
            }
            (Type::Other, ..) => help_with_unsupported_type(&text),
            (ty, ..)
                if let Some(help) =
                    Self::help_with_serial_date(function, display_name, ty, &self.operand_text(*arg)) =>
            {
                help
            }
            (ty, "text", _) if ty != Type::Text => format!("convert the value to text: `{text} & \"\"`"),
            (_, "a date", _) => "use a date column, `DATE(2024, 1, 31)` or text such as `\"2024-01-31\"`".to_owned(),
            _ => match if is_operator {
                catalog::lookup(display_name)
            } else {
                Some(function)
            } {
                Some(callee) => {
                    let param = callee.overloads.iter().find_map(|o| Self::overload_param(o, index));
                    let param = param.filter(|_| !is_operator).map(|param| param.name);
                    let expected_text = join_words(&expected_types, "or");
                    match param {
                        Some(name) => format!("use {expected_text} as `{name}` in `{}`", callee.signature()),
                        None => format!("use {expected_text} in `{}`", callee.signature()),
                    }
                }
                None => format!("use {} here", join_words(&expected_types, "or")),
            },
        };
        let is = meta.ty.describe();
        let message = match (arithmetic, Self::is_internal(function, internal::NEGATE)) {
            (_, true) => format!("`{display_name}` needs a number, but `{text}` is {is}"),
            (Some(rule), _) => format!("{rule}, but `{text}` is {is}"),
            _ if choices.is_some() && meta.ty.is_number() => {
                format!(
                    "`{display_name}` expects {}, found `{text}`",
                    join_words(&expected_types, "or")
                )
            }
            // Names that begin with a lower-case letter belong to internal functions, which users do not know.
            _ => {
                let expected_text = join_words(&expected_types, "or");
                let expected = match display_name.starts_with(|c: char| c.is_ascii_lowercase()) {
                    true => format!("expected {expected_text}"),
                    false => format!("`{display_name}` expects {expected_text}"),
                };
                format!("{expected}, found `{text}`, which is {is}")
            }
        };
        let is_definition = matches!(self.program.node(*arg), Ir::Definition(_));
        let hidden = self.help_with_hidden_column(&text).filter(|_| is_definition);
        self.report(Diagnostic::new(Code::TypeMismatch, meta.span, message).with_help(hidden.unwrap_or(help)));
    }
}
