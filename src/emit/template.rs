//! A template with its arguments, as nodes of the SQL tree.

use super::Emitter;
use crate::catalog::{self, FunctionId, ParamType, ResultType};
use crate::dialect::part::{Mode, Part, TypeName};
use crate::dialect::{Cell, Template};
use crate::ir::{Ir, IrId, Meta};
use crate::span::Span;
use crate::sql::{Sql, SqlId};
use crate::types::Type;

impl Emitter<'_> {
    /// One forward loop over the template's parts; their operands come before them.
    pub(super) fn instantiate(
        &mut self,
        template: &'static Template,
        args: &[IrId],
        distinct: bool,
        span: Span,
    ) -> SqlId {
        // One buffer serves all templates, also those inside others: each begins where it stood.
        let base = self.locals.len();
        // A repeated argument stands for several nodes, which only lists take.
        let mut spread: Vec<(usize, Vec<SqlId>)> = Vec::new();
        for (at, part) in template.parts.iter().enumerate() {
            let id = match *part {
                Part::Arg { index, mode } => {
                    let arg = args.get(index as usize).map(|a| self.argument(*a, mode, span));
                    let arg = arg.unwrap_or_else(|| self.tree.word("null", span));
                    if distinct && index == 0 {
                        let word = self.tree.word("distinct", span);
                        let both = self.tree.slice(&[word, arg]);
                        self.tree.add(Sql::Spaced(both), span)
                    } else {
                        arg
                    }
                }
                Part::ArgList { index, mode } => {
                    let rest = args.get(index as usize..).unwrap_or_default().to_vec();
                    let ids: Vec<SqlId> = rest.iter().map(|a| self.argument(*a, mode, span)).collect();
                    let first = ids.first().copied();
                    spread.push((at, ids));
                    first.unwrap_or_else(|| self.tree.word("null", span))
                }
                Part::ArgJoin { index, mode, op } => {
                    let rest = args.get(index as usize..).unwrap_or_default().to_vec();
                    let mut joined: Option<SqlId> = None;
                    for arg in rest {
                        let right = self.argument(arg, mode, span);
                        joined = Some(match joined {
                            None => right,
                            Some(left) => self.tree.binary(op, left, right, span),
                        });
                    }
                    joined.unwrap_or_else(|| self.tree.word("null", span))
                }
                _ => self.part(part, base, &spread, span),
            };
            self.locals.push(id);
        }
        let root = self.locals.last().copied();
        self.locals.truncate(base);
        root.unwrap_or_else(|| self.tree.word("null", span))
    }

    fn part(&mut self, part: &Part, base: usize, spread: &[(usize, Vec<SqlId>)], span: Span) -> SqlId {
        let locals = &self.locals;
        let at = |i: u16| locals[base + i as usize];
        let list = |items: &[u16]| -> Vec<SqlId> {
            let mut all = Vec::with_capacity(items.len());
            for item in items {
                match spread.iter().find(|(index, _)| *index == *item as usize) {
                    Some((_, ids)) => all.extend_from_slice(ids),
                    None => all.push(at(*item)),
                }
            }
            all
        };
        let node = match *part {
            Part::Word(word) => Sql::Word(word),
            Part::Number(digits) => return self.tree.text(span, |out| out.push_str(digits)),
            Part::Text(value) => {
                let dialect = self.dialect;
                return self.tree.text(span, |out| dialect.push_text(out, value));
            }
            Part::Call { name, args } => {
                let args = list(args);
                if let Some(same) = self.pointless_call(name, &args) {
                    return same;
                }
                let args = self.without_coalesce(name, args);
                Sql::Call { name, args: self.tree.slice(&args) }
            }
            Part::Binary { op, left, right } => Sql::Binary { op, left: at(left), right: at(right) },
            Part::Unary { op, x } => Sql::Unary { op, x: at(x) },
            Part::Postfix { op, x } => Sql::Postfix { op, x: at(x) },
            Part::In { x, negated, args } => {
                let args = list(args);
                Sql::In { x: at(x), negated, args: self.tree.slice(&args) }
            }
            Part::Between { x, low, high } => Sql::Between { x: at(x), low: at(low), high: at(high) },
            Part::Case(arms) => {
                let arms = list(arms);
                Sql::Case { subject: None, arms: self.tree.slice(&arms) }
            }
            Part::Cast { name, x, ty } => {
                let ty = match ty {
                    TypeName::Neutral(index) => self.dialect.neutral_type(index),
                    TypeName::Native(name) => name,
                };
                Sql::Cast { name, x: at(x), ty }
            }
            Part::Spaced(parts) => {
                let parts = list(parts);
                Sql::Spaced(self.tree.slice(&parts))
            }
            Part::Paren(x) => Sql::Paren(at(x)),
            Part::List(items) => {
                let items = list(items);
                Sql::List(self.tree.slice(&items))
            }
            Part::Bracket(items) => {
                let items = list(items);
                Sql::Bracket(self.tree.slice(&items))
            }
            Part::Subscript { x, index } => Sql::Subscript { x: at(x), index: at(index) },
            Part::Arg { .. } | Part::ArgList { .. } | Part::ArgJoin { .. } => Sql::Word("null"),
        };
        self.tree.add(node, span)
    }

    /// `nullif(coalesce(x, 0), 0)` is `nullif(x, 0)`.
    fn without_coalesce(&self, name: &str, mut args: Vec<SqlId>) -> Vec<SqlId> {
        if let ("nullif", [x, zero]) = (name, args.as_slice())
            && let Sql::Call { name: "coalesce", args: inner } = self.tree.node(*x)
            && let [value, default] = self.tree.args(inner)
            && (self.tree.node(*default) == self.tree.node(*zero) || self.is_zero(*default) && self.is_zero(*zero))
        {
            args[0] = *value;
        }
        args
    }

    fn is_zero(&self, id: SqlId) -> bool {
        matches!(self.tree.node(id), Sql::Text { first, len } if self.tree.str(first, len) == "0")
    }

    /// `nullif(12, 0)` is 12.
    fn pointless_call(&self, name: &str, args: &[SqlId]) -> Option<SqlId> {
        let [x, zero] = args else { return None };
        let text = |id: SqlId| match self.tree.node(id) {
            Sql::Text { first, len } => self.tree.str(first, len),
            _ => "",
        };
        let number = text(*x);
        let digits = number.strip_prefix('-').unwrap_or(number);
        let is_number = digits.starts_with(|c: char| c.is_ascii_digit());
        let not_zero = digits.bytes().take_while(|b| *b != b'e').any(|b| (b'1'..=b'9').contains(&b));
        (name == "nullif" && text(*zero) == "0" && is_number && not_zero).then_some(*x)
    }

    /// An argument, converted as its placeholder asks.
    fn argument(&mut self, arg: IrId, mode: Mode, span: Span) -> SqlId {
        let sql = self.sql[arg.index()];
        let meta = self.program.meta(arg);
        match mode {
            Mode::Plain => sql,
            Mode::Convert(function) => {
                let function = FunctionId(function);
                let wanted = catalog::get(function).overloads.first().map(|o| o.result);
                match wanted {
                    Some(ResultType::Is(ty)) if ty == meta.ty => sql,
                    Some(ResultType::Is(Type::Decimal)) => match self.gives(arg) {
                        Some(Type::Decimal) => sql,
                        Some(_) => {
                            let ty = self.dialect.type_name(Type::Decimal);
                            self.tree.add(Sql::Cast { name: "cast", x: sql, ty }, span)
                        }
                        None => self.convert(function, arg, meta, span),
                    },
                    _ => self.convert(function, arg, meta, span),
                }
            }
            Mode::Or(_) if !meta.nullable => sql,
            Mode::Or(function) | Mode::Call(function) => self.convert(FunctionId(function), arg, meta, span),
        }
    }

    /// The kind of number that the dialect's template gives, where it says so.
    fn gives(&self, mut id: IrId) -> Option<Type> {
        while let Ir::Definition(used) = self.program.node(id) {
            id = self.program.definitions[used as usize].root;
        }
        match self.program.node(id) {
            Ir::Apply { overload, .. } | Ir::Aggregate { overload, .. } => match self.dialect.cell(overload) {
                Cell::Template(template) => template.gives,
                _ => None,
            },
            _ => None,
        }
    }

    /// A call of an internal function of one argument.
    fn convert(&mut self, function: FunctionId, arg: IrId, meta: Meta, span: Span) -> SqlId {
        let literal = match self.program.node(arg) {
            Ir::Number(slice) if meta.ty == Type::Integer => self.program.text(slice).parse::<i64>().ok(),
            _ => None,
        };
        let fits = |ty: ParamType| match ty {
            ParamType::Literal(low, high) => literal.is_some_and(|n| (low..=high).contains(&n)),
            ParamType::Is(ty) => ty == meta.ty || (meta.ty == Type::Point && ty == Type::Float),
            ParamType::Number => meta.ty.is_number(),
            ParamType::Temporal => meta.ty.is_temporal(),
            ParamType::Any | ParamType::Same => true,
        };
        let is_literal = |ty: ParamType| matches!(ty, ParamType::Literal(..));
        let overloads = catalog::get(function).overloads;
        let by = |literal: bool| {
            overloads.iter().find(|o| o.params.first().is_some_and(|p| is_literal(p.ty) == literal && fits(p.ty)))
        };
        // A number of unknown kind, or a value of unknown type, takes the most general form.
        let last_number = || {
            overloads.iter().rfind(|o| {
                o.params
                    .first()
                    .is_some_and(|p| matches!(p.ty, ParamType::Is(ty) if ty.is_number()) || p.ty == ParamType::Number)
            })
        };
        let Some(overload) = by(true).or_else(|| by(false)).or_else(last_number) else { return self.sql[arg.index()] };
        match self.dialect.cell(overload.id) {
            Cell::Template(template) => {
                let inner = [arg];
                self.instantiate(template, &inner, false, span)
            }
            _ => self.sql[arg.index()],
        }
    }
}
