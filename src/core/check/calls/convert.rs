//! Implicit conversions. Only safe conversions are supported. Each conversion becomes a call in the IR.

use super::operands::Operands;
use crate::Type;
use crate::catalog::{self, FunctionId, internal};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta};
use crate::span::Span;

/// Reason why values must have the same type. Messages include this reason.
#[derive(Clone, Copy)]
pub(in crate::check) enum SameTypeReason<'n> {
    /// The values are arguments of the named function or operator.
    Values(&'n str),
    /// The values are the branches of the named function.
    Branches(&'n str),
}

impl Lowerer<'_> {
    /// Returns the value of a text literal.
    pub(in crate::check) fn literal_text(&self, id: IrId) -> Option<&str> {
        match self.program.node(id) {
            Ir::Text(slice) => Some(self.program.text(slice)),
            _ => None,
        }
    }

    /// Returns the value of an integer literal.
    pub(in crate::check) fn literal_integer(&self, id: IrId) -> Option<i64> {
        match self.program.node(id) {
            Ir::Number(slice) if self.program.meta(id).ty == Type::Integer => self.program.text(slice).parse().ok(),
            _ => None,
        }
    }

    /// Returns the value of a literal number.
    pub(in crate::check) fn literal_number(&self, id: IrId) -> Option<f64> {
        match self.program.node(id) {
            Ir::Number(slice) if self.program.meta(id).ty.is_number() => self.program.text(slice).parse().ok(),
            _ => None,
        }
    }

    /// Converts a node to a condition: a number becomes `<> 0`. Reports types that cannot be conditions.
    pub(in crate::check) fn convert_to_condition(&mut self, id: IrId) -> IrId {
        let meta = self.program.meta(id);
        match meta.ty {
            Type::Boolean | Type::Unknown => id,
            ty if ty.is_number() => {
                let zero = self.program.add_integer("0", meta.span);
                self.add_call(internal::NOT_EQUAL, &[id, zero], meta.span)
            }
            ty => {
                let text = self.source_text(meta.span);
                let help = match ty {
                    Type::Text => format!("write a comparison, for example `{text} = \"yes\"`"),
                    ty if ty.is_temporal() => format!("write a comparison, or test `NOT(ISBLANK({text}))`"),
                    _ => "write a comparison".to_owned(),
                };
                self.report(
                    Diagnostic::new(
                        Code::TypeMismatch,
                        meta.span,
                        format!("expected a condition, found `{text}`, which is {}", ty.describe()),
                    )
                    .with_help(help),
                );
                self.add_error(meta.span)
            }
        }
    }

    /// Converts a node to text. Numbers, booleans and dates are formatted as the function reference specifies.
    pub(in crate::check) fn convert_to_text(&mut self, id: IrId) -> IrId {
        let meta = self.program.meta(id);
        match (meta.ty, self.program.node(id)) {
            (_, Ir::Error) | (Type::Text, _) => id,
            (_, Ir::Null) => self
                .program
                .add(Ir::Null, crate::ir::NodeMeta { ty: Type::Text, ..meta }),
            (Type::Integer, Ir::Number(slice)) => {
                let node = Ir::Text(slice);
                self.program.add(node, crate::ir::NodeMeta { ty: Type::Text, ..meta })
            }
            (Type::Timestamptz, _) if self.scope.timezone.is_some() => {
                let clock = self.convert_to_wall_clock(id);
                self.add_call(internal::TO_TEXT, &[clock], meta.span)
            }
            (Type::Timestamptz, _) => {
                self.warn_of_session_timezone("text", meta.span);
                self.add_call(internal::TO_TEXT, &[id], meta.span)
            }
            _ => self.add_call(internal::TO_TEXT, &[id], meta.span),
        }
    }

    /// Converts an instant to wall-clock time, and warns if no time zone is set, because the result then depends on
    /// the session.
    pub(in crate::check) fn convert_to_wall_clock(&mut self, id: IrId) -> IrId {
        let meta = self.program.meta(id);
        if let Some(zone) = self.scope.timezone {
            let text = self.program.add_text(zone);
            let zone = self
                .program
                .add(Ir::Text(text), NodeMeta::constant(Type::Text, meta.span));
            return self.add_call(internal::TO_WALL_CLOCK, &[id, zone], meta.span);
        }
        self.warn_of_session_timezone("date", meta.span);
        self.add_call(internal::TO_TIMESTAMP, &[id], meta.span)
    }

    /// Warns that a result computed from an instant depends on the session. `noun` describes the result.
    fn warn_of_session_timezone(&mut self, noun: &str, instant: Span) {
        let text = self.source_text(instant);
        self.report(
            Diagnostic::new(
                Code::SessionTimezone,
                instant,
                format!("the {noun} of `{text}` depends on the time zone, but no time zone is set"),
            )
            .with_help("set `timezone:` in the spec or project, for example `timezone: Europe/Berlin`"),
        );
    }

    /// Converts a text literal that is compared or combined with a date or timestamp to that type. Reports invalid
    /// strings.
    pub(in crate::check) fn convert_date_literal(&mut self, id: IrId, timed: bool) -> IrId {
        let meta = self.program.meta(id);
        let Ir::Text(slice) = self.program.node(id) else {
            return id;
        };
        let text = self.program.text(slice);
        if crate::check::dates::is_iso_date(text) {
            return self
                .program
                .add(Ir::Date(slice), NodeMeta::constant(Type::Date, meta.span));
        }
        let moment = crate::check::dates::normalize_iso_timestamp(text);
        if let Some(moment) = moment.as_ref().filter(|_| timed) {
            let slice = self.program.add_text(moment);
            return self
                .program
                .add(Ir::Date(slice), NodeMeta::constant(Type::Timestamp, meta.span));
        }
        let (message, help) = match moment {
            Some(moment) => (
                format!("`\"{text}\"` has a time of day, but the other value is a date"),
                format!("remove the time: write `\"{}\"`", &moment[..10]),
            ),
            None if text.is_empty() => (
                "`\"\"` is empty text, not a date".to_owned(),
                "write `1/0` to return NULL (an empty value), and test for NULL with `ISBLANK(…)`".to_owned(),
            ),
            None if timed => (
                format!("`\"{text}\"` is not a date in the form YYYY-MM-DD or YYYY-MM-DD HH:MM:SS"),
                "write the time in the form `\"2024-01-31\"` or `\"2024-01-31 18:30:00\"`".to_owned(),
            ),
            None => (
                format!("`\"{text}\"` is not a date in the form YYYY-MM-DD"),
                "write the date in the form `\"2024-01-31\"` or `DATE(2024, 1, 31)`".to_owned(),
            ),
        };
        self.report(Diagnostic::new(Code::BadDateText, meta.span, message).with_help(help));
        self.add_error(meta.span)
    }

    /// Returns whether at least one of the values has a time of day. `None` if no value is a date or timestamp.
    pub(in crate::check) fn has_time_of_day(&self, ids: &[IrId]) -> Option<bool> {
        let types = ids.iter().map(|id| self.program.meta(*id).ty);
        types
            .filter(|ty| ty.is_temporal())
            .map(|ty| ty != Type::Date)
            .reduce(|a, b| a || b)
    }

    /// Converts a node to a type. The caller must ensure that the conversion is supported.
    pub(in crate::check) fn convert_to(&mut self, id: IrId, target_type: Type) -> IrId {
        let meta = self.program.meta(id);
        let text = matches!(self.program.node(id), Ir::Text(_));
        match (meta.ty, target_type) {
            (from, to) if from == to => id,
            (Type::Unknown, _) if !text => id,
            (ty, Type::Boolean) if ty.is_number() => self.convert_to_condition(id),
            (Type::Integer, Type::Text) => self.convert_to_text(id),
            (Type::Text, Type::Date) if text => self.convert_date_literal(id, false),
            (Type::Text, Type::Timestamp) if text => {
                let date = self.convert_date_literal(id, true);
                self.convert_to(date, Type::Timestamp)
            }
            (Type::Date, Type::Timestamp) => match self.program.node(id) {
                Ir::Date(slice) => self
                    .program
                    .add(Ir::Date(slice), NodeMeta::constant(Type::Timestamp, meta.span)),
                _ => self.call_internal(internal::TO_TIMESTAMP, id),
            },
            (Type::Timestamptz, Type::Timestamp) => self.convert_to_wall_clock(id),
            (Type::Timestamptz, Type::Date) => {
                let clock = self.convert_to_wall_clock(id);
                self.call_internal(internal::TO_DATE, clock)
            }
            (Type::Timestamp, Type::Date) => self.call_internal(internal::TO_DATE, id),
            (Type::Decimal | Type::Float | Type::Point | Type::Time, Type::Integer) => {
                self.call_internal(internal::TO_INTEGER, id)
            }
            _ => id,
        }
    }

    fn call_internal(&mut self, function: FunctionId, id: IrId) -> IrId {
        if matches!(self.program.node(id), Ir::Error) {
            return id;
        }
        self.add_call(function, &[id], self.program.meta(id).span)
    }

    /// Returns the common type of values that need no conversion. `None` if [`Self::unify_values`] is needed to convert
    /// a value or report a mismatch.
    pub(in crate::check) fn common_type_unconverted(&self, ids: &[IrId], operands: &Operands) -> Option<Type> {
        if !operands.has_independent_types() {
            return None;
        }
        ids.iter()
            .try_fold(Type::Unknown, |ty, id| common_type(ty, self.program.meta(*id).ty))
    }

    /// Converts values to a common type: literals to the type of the other values, dates to timestamps, ISO strings to
    /// dates. Reports the first value that does not match.
    pub(in crate::check) fn unify_values(
        &mut self,
        ids: &mut [IrId],
        reason: SameTypeReason<'_>,
        compare: bool,
    ) -> Option<Type> {
        if let Some(timed) = self.has_time_of_day(ids) {
            for id in ids.iter_mut() {
                if matches!(self.program.node(*id), Ir::Text(_)) {
                    *id = self.convert_date_literal(*id, timed);
                }
            }
        }
        let mut shared = Type::Unknown;
        let mut first: Option<IrId> = None;
        // `1/0` is NULL in formulas and matches every type. If all values are NULL, each value keeps its type.
        let is_null = |pass: &Self, id: &IrId| matches!(pass.program.node(*id), Ir::Null);
        let nulls_alone = ids.iter().all(|id| is_null(self, id));
        for id in ids.iter() {
            if !nulls_alone && is_null(self, id) {
                continue;
            }
            let ty = self.program.meta(*id).ty;
            match common_type(shared, ty) {
                Some(common_type) => shared = common_type,
                None => {
                    let other = first.unwrap_or(*id);
                    self.report_mismatch(other, *id, reason);
                    return None;
                }
            }
            if ty != Type::Unknown {
                first.get_or_insert(*id);
            }
        }
        for id in ids.iter_mut() {
            match (self.program.node(*id), shared) {
                (Ir::Number(_), Type::Float | Type::Decimal)
                    if self.program.meta(*id).ty == Type::Point && !compare =>
                {
                    self.program.meta_mut(*id).ty = shared;
                }
                (_, Type::Timestamp | Type::Date) => *id = self.convert_to(*id, shared),
                _ => {}
            }
        }
        Some(shared)
    }

    /// Returns whether a function is the internal function with the given id.
    pub(in crate::check) fn is_internal(function: &'static catalog::Function, id: FunctionId) -> bool {
        std::ptr::eq(function, catalog::get(id))
    }
}

/// Returns the common type of two types, by the rules for the branches of IF. `None` if they have no common type.
pub fn common_type(a: Type, b: Type) -> Option<Type> {
    use Type::{Date, Decimal, Float, Integer, Number, Other, Point, Time, Timestamp, Timestamptz, Unknown};
    Some(match (a, b) {
        (a, b) if a == b => a,
        (Unknown, other) | (other, Unknown) => other,
        (Number, x) | (x, Number) if x.is_number() => Number,
        (Point, Integer) | (Integer, Point) => Float,
        (Point, Decimal) | (Decimal, Point) => Decimal,
        (Float | Time, x) | (x, Float | Time) if x.is_number() => Float,
        (Integer, Decimal) | (Decimal, Integer) => Decimal,
        (Date, Timestamp) | (Timestamp, Date) => Timestamp,
        (Timestamptz, Date | Timestamp) | (Date | Timestamp, Timestamptz) => Timestamp,
        (Other, Type::Text) | (Type::Text, Other) => Other,
        _ => return None,
    })
}
