//! Converts Omni's filter operators to conditions in formulas.

use super::calendar::OmniCalendar;
use super::display::yaml_line;
use super::patterns;
use super::relative_dates::{DayStart, RelativePeriod, is_date};
use super::term::FormulaTerm;
use crate::Type;
use crate::dbt::has_jinja;
use crate::yaml::Node;

/// Value that a filter tests.
#[derive(Clone, Debug)]
pub(super) struct FilteredValue {
    pub term: FormulaTerm,
    /// Whether the values are known to be dates or times.
    pub is_temporal: bool,
    pub calendar: OmniCalendar,
}

/// Converted condition. `caveats` lists possible differences between the condition and the filter.
#[derive(Clone, Debug)]
pub(super) struct ConvertedCondition {
    pub term: FormulaTerm,
    pub caveats: Vec<String>,
}

/// Operators that are not supported because they depend on the query or on other rows, each with the reason.
const UNSUPPORTED_OPERATORS: &[(&str, &str)] = &[
    (
        "date_offset_from_query",
        "the operator shifts the dates of the query, but the dates of a model are fixed",
    ),
    (
        "cancel_query_filter",
        "the operator removes a filter of the query, but the model does not have this filter",
    ),
    ("field_name_in_query", "the operator looks up rows in another query"),
    ("field_name_not_in_query", "the operator looks up rows in another query"),
];

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Converts all operators of a filter to one condition.
///
/// # Errors
///
/// Returns an error with the unsupported operator and the reason.
pub(super) fn convert_filter(tested: &FilteredValue, filter: &Node) -> Result<ConvertedCondition, String> {
    if has_jinja(&yaml_line(filter)) {
        return Err("the value is a template, which depends on the user or on the query".to_owned());
    }
    let mut reader = FilterConverter {
        tested,
        ignore_case: false,
        caveats: Vec::new(),
    };
    let term = reader.convert_all(filter, "AND")?;
    Ok(ConvertedCondition {
        term,
        caveats: reader.caveats,
    })
}

struct FilterConverter<'t> {
    tested: &'t FilteredValue,
    ignore_case: bool,
    caveats: Vec<String>,
}

impl FilterConverter<'_> {
    /// Converts a mapping of operators, a list of such mappings, or a value without an operator. Recursion is safe
    /// because the YAML parser limits the nesting depth.
    fn convert_all(&mut self, filter: &Node, joined_by: &str) -> Result<FormulaTerm, String> {
        if let Some(items) = filter
            .items()
            .filter(|items| items.iter().any(|item| item.pairs().is_some()))
        {
            let terms = items
                .iter()
                .map(|item| self.convert_all(item, "AND"))
                .collect::<Result<Vec<_>, _>>()?;
            return Ok(FormulaTerm::combine_conditions(joined_by, terms));
        }
        let Some(pairs) = filter.pairs() else {
            return self.equality_condition(filter);
        };
        let insensitive = filter.is_true_at("case_insensitive");
        let before = self.ignore_case;
        self.ignore_case |= insensitive;
        let mut terms = Vec::new();
        for (operator, value) in pairs {
            let operator = operator.text().unwrap_or_default();
            if operator != "case_insensitive" {
                terms.push(self.apply_operator(operator, value)?);
            }
        }
        self.ignore_case = before;
        if terms.is_empty() {
            return Err("the filter has no operator".to_owned());
        }
        Ok(FormulaTerm::combine_conditions(joined_by, terms))
    }

    fn apply_operator(&mut self, operator: &str, value: &Node) -> Result<FormulaTerm, String> {
        let plain = operator.strip_prefix("not_").filter(|plain| !plain.is_empty());
        let base = plain.unwrap_or(operator);
        if let Some((_, why)) = UNSUPPORTED_OPERATORS
            .iter()
            .find(|(name, _)| *name == base || *name == operator)
        {
            return Err(format!("the operator `{operator}` cannot be converted: {why}"));
        }
        let is_negated = plain.is_some() || operator == "not";
        let at_operator = |reason: String| format!("the operator `{operator}`: {reason}");
        match (operator, base) {
            ("is", _) => self.equality_condition(value).map_err(at_operator),
            ("not", _) => self.inequality_condition(value).map_err(at_operator),
            ("and", _) => self.convert_all(value, "AND"),
            ("or", _) => self.convert_all(value, "OR"),
            ("is_not", _) => Err(at_operator("Omni has no such operator; use `not`".to_owned())),
            (_, "is" | "and" | "or" | "not") => Err(format!("`{operator}` is not an operator; `not` negates")),
            _ => {
                let condition = self.negatable_condition(base, value).map_err(at_operator)?;
                Ok(if is_negated {
                    self.or_is_null(condition.negate())
                } else {
                    condition
                })
            }
        }
    }

    /// Converts an operator that `not_` can negate.
    fn negatable_condition(&mut self, operator: &str, value: &Node) -> Result<FormulaTerm, String> {
        let compared = |op: &str| -> Result<FormulaTerm, String> {
            if self.is_date_value(value) {
                return Ok(self
                    .tested_term()
                    .compare_with(op, &self.parse_day_start(value)?.to_term()));
            }
            Ok(self.tested_term().compare_with(op, &self.literal_text(value)?))
        };
        match operator {
            "greater_than" => compared(">"),
            "greater_than_or_equal_to" => compared(">="),
            "less_than" => compared("<"),
            "less_than_or_equal_to" => compared("<="),
            "between" => {
                let [low, high] = self.exactly_two_values(value)?;
                let parts = vec![
                    self.tested_term().compare_with(">=", &self.literal_text(low)?),
                    self.tested_term().compare_with("<=", &self.literal_text(high)?),
                ];
                Ok(FormulaTerm::combine_conditions("AND", parts))
            }
            "contains" => self.any_text_condition(value, patterns::contains),
            "starts_with" => self.any_text_condition(value, patterns::starts_with),
            "ends_with" => self.any_text_condition(value, patterns::ends_with),
            "sql_like" => {
                let ignore_case = self.ignore_case;
                let patterns = self.text_values(value)?;
                let like =
                    |pattern: String| patterns::like_pattern(self.tested_term(), &pattern, Some('\\'), ignore_case);
                Ok(FormulaTerm::combine_conditions(
                    "OR",
                    patterns.into_iter().map(like).collect(),
                ))
            }
            "is_empty" => {
                let is_empty = patterns::length_term(self.tested_term()).compare_with("=", &FormulaTerm::integer(0));
                match value.boolean() {
                    Some(false) => Ok(self.or_is_null(is_empty.negate())),
                    _ => Ok(is_empty),
                }
            }
            "before" => Ok(self
                .tested_term()
                .compare_with("<", &self.parse_day_start(value)?.to_term())),
            "on_or_after" => {
                let start = self.parse_day_start(value)?;
                if start.is_counted_from_today() {
                    self.caveats.push(
                        "Omni does not document whether `N units ago` counts the current unit; the formula counts \
                         the current unit, so `30 days ago` is the day 29 days before today"
                            .to_owned(),
                    );
                }
                Ok(self.tested_term().compare_with(">=", &start.to_term()))
            }
            "between_dates" => {
                let [from, to] = self.exactly_two_values(value)?;
                self.caveats.push(
                    "Omni documents `between_dates` both with and without its last day; the formula includes the \
                     last day"
                        .to_owned(),
                );
                Ok(self.day_range_condition(self.parse_day_start(from)?, self.parse_period(to)?.to))
            }
            "time_for_duration" => {
                let [from, length] = self.exactly_two_values(value)?;
                let from = self.parse_day_start(from)?;
                let length = length.text().ok_or("the operator needs a start and a length")?;
                Ok(self.day_range_condition(from, from.add_length(length)?))
            }
            "day_of_week" => self.convert_date_part_filter(value, Some((&WEEKDAYS, 0)), 1, |x| {
                FormulaTerm::call("WEEKDAY", &[x, FormulaTerm::integer(1)])
            }),
            "month_of_year" => {
                self.convert_date_part_filter(value, Some((&MONTHS, 1)), 0, |x| FormulaTerm::call("MONTH", &[x]))
            }
            "day_of_month" => self.convert_date_part_filter(value, None, 0, |x| FormulaTerm::call("DAY", &[x])),
            "day_of_quarter" | "day_of_year" => {
                let calendar = self.tested.calendar;
                let (day, _) = calendar.apply_timeframe(self.tested_term(), false, Some(operator))?;
                self.convert_date_part_filter(value, None, 0, |_| day.clone())
            }
            "hour_of_day" => self.convert_date_part_filter(value, None, 0, |x| FormulaTerm::call("HOUR", &[x])),
            "quarter_of_year" => self.convert_date_part_filter(value, None, 0, |x| FormulaTerm::call("QUARTER", &[x])),
            _ => Err("the operator is unknown".to_owned()),
        }
    }

    fn tested_term(&self) -> FormulaTerm {
        self.tested.term.clone()
    }

    /// Adds a test for NULL to a negated condition, because Omni's negated filters keep rows in which the value is
    /// NULL.
    fn or_is_null(&self, condition: FormulaTerm) -> FormulaTerm {
        if self.tested_term().is_never_null {
            condition
        } else {
            FormulaTerm::combine_conditions("OR", vec![condition, self.tested_term().isblank_call()])
        }
    }

    /// Converts `is: a`, `is: [a, b]`, `is: null` or `is: falsey`.
    fn equality_condition(&self, value: &Node) -> Result<FormulaTerm, String> {
        let values = value.items().unwrap_or(std::slice::from_ref(value));
        let terms = values
            .iter()
            .map(|value| self.equals_value(value))
            .collect::<Result<Vec<_>, _>>()?;
        if terms.is_empty() {
            Err("the list is empty".to_owned())
        } else {
            Ok(FormulaTerm::combine_conditions("OR", terms))
        }
    }

    fn equals_value(&self, value: &Node) -> Result<FormulaTerm, String> {
        if value.is_null() {
            return Ok(self.tested_term().isblank_call());
        }
        if let Some(truth) = self.boolean_value(value) {
            return Ok(if truth {
                self.tested_term()
            } else {
                self.tested_term().negate()
            });
        }
        if self.is_falsey(value) {
            return Ok(FormulaTerm::combine_conditions(
                "OR",
                vec![self.tested_term().negate(), self.tested_term().isblank_call()],
            ));
        }
        if self.is_date_value(value) {
            let period = self.parse_period(value)?;
            return Ok(self.day_range_condition(period.from, period.to));
        }
        let literal = self.literal_text(value)?;
        if self.ignore_case && literal.ty == Some(Type::Text) {
            let text = value.text().unwrap_or_default().to_lowercase();
            return Ok(patterns::lower_term(self.tested_term()).compare_with("=", &FormulaTerm::string_literal(&text)));
        }
        Ok(self.tested_term().compare_with("=", &literal))
    }

    fn inequality_condition(&self, value: &Node) -> Result<FormulaTerm, String> {
        let values = value.items().unwrap_or(std::slice::from_ref(value));
        let mut terms = Vec::new();
        let mut keeps_blanks = true;
        for value in values {
            if value.is_null() {
                keeps_blanks = false;
            } else if self.is_falsey(value) {
                keeps_blanks = false;
                terms.push(self.tested_term());
            } else if let Some(truth) = self.boolean_value(value) {
                terms.push(if truth {
                    self.tested_term().negate()
                } else {
                    self.tested_term()
                });
            } else if self.is_date_value(value) {
                let period = self.parse_period(value)?;
                let before = self.tested_term().compare_with("<", &period.from.to_term());
                let after = self.tested_term().compare_with(">=", &period.to.to_term());
                terms.push(FormulaTerm::combine_conditions("OR", vec![before, after]));
            } else if self.ignore_case && value.text().is_some() {
                let text = value.text().unwrap_or_default().to_lowercase();
                terms.push(
                    patterns::lower_term(self.tested_term()).compare_with("<>", &FormulaTerm::string_literal(&text)),
                );
            } else {
                terms.push(self.tested_term().compare_with("<>", &self.literal_text(value)?));
            }
        }
        match (terms.is_empty(), keeps_blanks) {
            (true, true) => Err("the list is empty".to_owned()),
            (true, false) => Ok(self.tested_term().isblank_call().negate()),
            (false, true) => Ok(self.or_is_null(FormulaTerm::combine_conditions("AND", terms))),
            (false, false) => Ok(FormulaTerm::combine_conditions("AND", terms)),
        }
    }

    /// Returns a value as a boolean. If the field is a boolean, the value may be quoted, as `pull` writes it.
    fn boolean_value(&self, value: &Node) -> Option<bool> {
        match self.tested_term().ty {
            Some(Type::Boolean) => value.text()?.to_ascii_lowercase().parse().ok(),
            None => value.boolean(),
            Some(_) => None,
        }
    }

    fn is_falsey(&self, value: &Node) -> bool {
        value.text() == Some("falsey")
            && !value.is_quoted()
            && matches!(self.tested_term().ty, None | Some(Type::Boolean))
    }

    /// Returns whether to treat a value as a date. The field must be a date, or its type must be unknown and the value
    /// must look like a date.
    fn is_date_value(&self, value: &Node) -> bool {
        match value.text() {
            Some(text) => {
                self.tested.is_temporal || self.tested_term().ty.is_none() && !value.is_quoted() && is_date(text)
            }
            None => false,
        }
    }

    fn day_range_condition(&self, from: DayStart, to: DayStart) -> FormulaTerm {
        let parts = vec![
            self.tested_term().compare_with(">=", &from.to_term()),
            self.tested_term().compare_with("<", &to.to_term()),
        ];
        FormulaTerm::combine_conditions("AND", parts)
    }

    fn parse_day_start(&self, value: &Node) -> Result<DayStart, String> {
        DayStart::read(value.text().ok_or("expected a date")?)
    }

    fn parse_period(&self, value: &Node) -> Result<RelativePeriod, String> {
        RelativePeriod::read(value.text().ok_or("expected a date")?)
    }

    fn exactly_two_values<'n>(&self, value: &'n Node) -> Result<[&'n Node; 2], String> {
        match value.items() {
            Some([first, second]) => Ok([first, second]),
            _ => Err("the operator needs a list of two values".to_owned()),
        }
    }

    fn text_values(&self, value: &Node) -> Result<Vec<String>, String> {
        let texts = value.texts();
        if texts.is_empty() {
            Err("the operator needs a string".to_owned())
        } else {
            Ok(texts)
        }
    }

    fn any_text_condition(
        &self,
        value: &Node,
        test: fn(FormulaTerm, &str) -> FormulaTerm,
    ) -> Result<FormulaTerm, String> {
        let to_term = |text: String| match self.ignore_case {
            true => test(patterns::lower_term(self.tested_term()), &text.to_lowercase()),
            false => test(self.tested_term(), &text),
        };
        Ok(FormulaTerm::combine_conditions(
            "OR",
            self.text_values(value)?.into_iter().map(to_term).collect(),
        ))
    }

    /// Converts a filter on a part of a date, such as the month. The filter specifies the part as a number or name.
    fn convert_date_part_filter(
        &self,
        value: &Node,
        names: Option<(&[&str], i64)>,
        shift: i64,
        date_part: impl Fn(FormulaTerm) -> FormulaTerm,
    ) -> Result<FormulaTerm, String> {
        let number = |text: &str| -> Result<i64, String> {
            let lower = text.to_lowercase();
            let named_number = names.and_then(|(names, first)| {
                let position = names
                    .iter()
                    .position(|name| *name == lower || lower.len() == 3 && name.starts_with(&lower))?;
                Some(position as i64 + first)
            });
            named_number
                .or_else(|| lower.parse().ok())
                .ok_or_else(|| format!("`{text}` is not a part of a date"))
        };
        let mut terms = Vec::new();
        for text in self.text_values(value)? {
            terms.push(date_part(self.tested_term()).compare_with("=", &FormulaTerm::integer(number(&text)? + shift)));
        }
        Ok(FormulaTerm::combine_conditions("OR", terms))
    }

    /// Returns a value as a literal for formulas. The literal has the type of the field or, if that type is unknown,
    /// the type of the value in YAML.
    fn literal_text(&self, value: &Node) -> Result<FormulaTerm, String> {
        let text = value.text().ok_or("expected a value")?;
        let is_number = is_number(text);
        match self.tested_term().ty {
            Some(Type::Integer | Type::Decimal | Type::Float) if is_number => Ok(number_term(text)),
            Some(Type::Integer | Type::Decimal | Type::Float) => Err(format!("`{text}` is not a number")),
            None if is_number && !value.is_quoted() => Ok(number_term(text)),
            _ => Ok(FormulaTerm::string_literal(text)),
        }
    }
}

/// Returns whether a string is a valid number literal in formulas.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [integer, fraction]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

pub(super) fn number_term(text: &str) -> FormulaTerm {
    let ty = if text.contains('.') {
        Type::Decimal
    } else {
        Type::Integer
    };
    match text.strip_prefix('-') {
        Some(digits) => FormulaTerm::atom(digits)
            .with_type(Some(ty))
            .with_never_null(true)
            .negative(),
        None => FormulaTerm::atom(text).with_type(Some(ty)).with_never_null(true),
    }
}
