//! Keys that set the current date and the start of weeks and fiscal years.

use super::compile::SpecCompilation;
use super::load::SpecLoader;
use crate::calendar::{Calendar, Weekday, parse_fiscal_month_offset};
use crate::check::{Today, is_iso_date};
use crate::dbt::{jinja_expression, jinja_string, split_arguments};
use crate::diag::{Code, Diagnostic};
use crate::dialect::expression;
use crate::yaml::Node;

/// Value of a spec's `today:` key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SpecToday {
    pub value: Today,
    /// Name of the dbt variable that contains the date.
    variable: Option<String>,
}

impl SpecToday {
    fn from_iso_date(iso: &str) -> Self {
        Self {
            value: Today::Date(iso.to_owned()),
            variable: None,
        }
    }

    /// Returns the name of the dbt variable that contains the date, if the spec uses one.
    pub fn variable_name(&self) -> Option<&str> {
        self.variable.as_deref()
    }

    /// Returns the current date. `variables` contains the values of the project's dbt variables. Plain SQL, which has
    /// no macros, contains the value instead of the variable.
    pub fn resolve_today(&self, variables: &[(String, String)]) -> Today {
        let name = self.variable.as_deref();
        let of_project = variables.iter().find(|(variable, _)| Some(variable.as_str()) == name);
        match (&self.value, of_project) {
            (Today::Macro { text, .. }, Some((_, date))) if is_iso_date(date) => Today::Macro {
                text: text.clone(),
                default: Some(date.clone()),
            },
            (value, _) => value.clone(),
        }
    }

    fn from_variable(name: &str, default: Option<&str>) -> Self {
        let argument = default.map_or_else(String::new, |date| format!(", \"{date}\""));
        let text = format!("cast('{{{{ var(\"{name}\"{argument}) }}}}' as date)");
        Self {
            value: Today::Macro {
                text,
                default: default.map(str::to_owned),
            },
            variable: Some(name.to_owned()),
        }
    }
}

impl SpecCompilation<'_> {
    /// Returns the start of weeks and fiscal years. Settings of the spec override the project's settings.
    pub(super) fn calendar(&self) -> Calendar {
        let of_project = self.compiler.options.calendar;
        Calendar {
            week_start: self.spec.week_start.unwrap_or(of_project.week_start),
            fiscal_month_offset: self.spec.fiscal_month_offset.or(of_project.fiscal_month_offset),
        }
    }
}

impl<'y> SpecLoader<'y, '_> {
    fn report_invalid_value(&mut self, node: &Node, message: String, help: String) {
        self.report(Diagnostic::new(Code::WrongShape, node.span, message).with_help(help));
    }

    /// Returns the first day of the week. Invalid values are reported with the other invalid shapes.
    pub(super) fn week_start(&self, root: &'y Node) -> Option<Weekday> {
        root.get("week_start").and_then(parse_weekday)
    }

    pub(super) fn fiscal_month_offset(&mut self, root: &'y Node) -> Option<u8> {
        let node = root.get("fiscal_month_offset")?;
        if let Some((message, help)) = invalid_months_message(node) {
            self.report_invalid_value(node, message, help);
        }
        // Report an invalid value only once. To avoid further errors, compute the fiscal timeframes as if the value
        // were 0.
        parse_fiscal_months(node).or((!node.is_null()).then_some(0))
    }

    /// Parses the value of `today`: `2024-03-31`, `var('run_date')`, `{var: run_date, default: 2024-03-31}`, or SQL.
    pub(super) fn read_today(&mut self, root: &'y Node) -> Option<SpecToday> {
        let node = root.get("today")?;
        if node.pairs().is_some() {
            return self.read_variable(node);
        }
        let text = node.text()?.trim();
        let typed = text
            .get(..4)
            .filter(|word| word.eq_ignore_ascii_case("date"))
            .and_then(|_| text.get(4..));
        let plain = typed.and_then(jinja_string).unwrap_or(text);
        if is_iso_date(plain) {
            return Some(SpecToday::from_iso_date(plain));
        }
        // No SQL expression for a date begins with a digit.
        if plain.starts_with(|c: char| c.is_ascii_digit()) {
            let message = format!("`today` must be a date, found `{plain}`");
            self.report_invalid_value(
                node,
                message,
                "write the year, the month and the day, as in `today: 2024-03-31`".to_owned(),
            );
            return None;
        }
        let braces = jinja_expression(text);
        let call = braces.unwrap_or(text).strip_prefix("var").map(str::trim_start);
        if let Some(arguments) = call.and_then(|t| t.strip_prefix('(')).and_then(|t| t.strip_suffix(')')) {
            if let Some(inside) = braces {
                let message = "`today` cannot contain Jinja braces".to_owned();
                self.report_invalid_value(node, message, format!("write `today: {inside}`"));
                return None;
            }
            let arguments: Vec<Option<&str>> = split_arguments(arguments).map(jinja_string).collect();
            return match arguments.as_slice() {
                [Some(name)] => self.read_named_variable(name, None, node),
                [Some(name), Some(default)] => self.read_named_variable(name, Some(default), node),
                _ => {
                    let message = format!("`today` must name a dbt variable, found `{text}`");
                    self.report_invalid_value(node, message, "write `today: var('run_date')`".to_owned());
                    None
                }
            };
        }
        if let Some(fault) = expression::expression_error(text) {
            let message = format!("`today` must be one SQL expression, but `{text}` {fault}");
            self.report_invalid_value(
                node,
                message,
                "write a date, `today: 2024-03-31`, or `today: var('run_date')`".to_owned(),
            );
            return None;
        }
        Some(SpecToday {
            value: Today::Sql(format!("cast({text} as date)")),
            variable: None,
        })
    }

    fn read_variable(&mut self, node: &'y Node) -> Option<SpecToday> {
        let name = node.text_at("var")?;
        self.read_named_variable(name, node.text_at("default"), node)
    }

    fn read_named_variable(&mut self, name: &str, default: Option<&str>, node: &Node) -> Option<SpecToday> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || !name.chars().all(plain) {
            let message = format!("`{name}` is not a valid name for a dbt variable here");
            self.report_invalid_value(node, message, "use letters, digits and `_`".to_owned());
            return None;
        }
        if let Some(text) = default.filter(|text| !is_iso_date(text)) {
            let message = format!("the default of `today` must be a date, found `{text}`");
            self.report_invalid_value(node, message, "write the date in the form `2024-03-31`".to_owned());
            return None;
        }
        Some(SpecToday::from_variable(name, default))
    }
}

/// Parses the first day of the week. `None` if the value is invalid.
pub(super) fn parse_weekday(node: &Node) -> Option<Weekday> {
    node.text()?.parse().ok()
}

/// Parses the number of months from January to the first month of the fiscal year. `None` if the number is greater than
/// 11.
pub(super) fn parse_fiscal_months(node: &Node) -> Option<u8> {
    parse_fiscal_month_offset(node.text()?)
}

/// Returns the message and help for an invalid number of months.
pub(super) fn invalid_months_message(node: &Node) -> Option<(String, String)> {
    let text = node
        .text()
        .filter(|text| text.parse::<u64>().is_ok() && parse_fiscal_month_offset(text).is_none())?;
    let help = "write the number of months from January to the first month, 0 to 11; for example, 3 if the \
        fiscal year starts in April"
        .to_owned();
    Some((
        format!("`fiscal_month_offset` must be a number from 0 to 11, found `{text}`"),
        help,
    ))
}
