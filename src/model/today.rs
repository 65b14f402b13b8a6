//! Keys that set the current date and the start of weeks and fiscal years.

use super::compile::SpecCompilation;
use super::load::Loader;
use crate::calendar::{Calendar, Weekday, months};
use crate::check::{Today, is_iso_date};
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::dialect::{Dialect, expression};
use crate::yaml::Node;

/// `today:` of a spec.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SaidToday {
    pub value: Today,
    /// dbt variable that contains the date.
    variable: Option<Variable>,
}

/// dbt variable. Plain queries use a date instead.
#[derive(Clone, Debug, PartialEq)]
struct Variable {
    name: String,
    /// ISO date used if the variable is not set.
    default: Option<String>,
}

impl Variable {
    /// Returns the SQL of the date in a model, with a call of the variable that dbt renders.
    fn in_model(&self) -> String {
        let default = self
            .default
            .as_ref()
            .map_or_else(String::new, |date| format!(", \"{date}\""));
        format!("cast('{{{{ var(\"{}\"{default}) }}}}' as date)", self.name)
    }

    /// Returns the placeholder for the date in the SQL tree. It is as long as the SQL in the model, and its character
    /// does not occur in SQL.
    fn slot(&self) -> String {
        "\u{2}".repeat(self.in_model().len())
    }

    /// Returns the SQL of the date in a plain query: the default of the variable or, if there is none, the current
    /// date.
    fn in_query(&self, dialect: Dialect) -> String {
        let formula = self.default.as_ref().map_or("TODAY()".to_owned(), |iso| {
            let parts: Vec<&str> = iso.split('-').map(|part| part.trim_start_matches('0')).collect();
            format!("DATE({})", parts.join(", "))
        });
        let compiled = Compiler::builder().dialect(dialect).build().compile(&formula);
        compiled
            .definitions()
            .first()
            .map(|d| d.sql().to_owned())
            .unwrap_or_default()
    }
}

impl SaidToday {
    fn date(iso: &str) -> Self {
        Self {
            value: Today::Date(iso.to_owned()),
            variable: None,
        }
    }

    /// Returns the name of the dbt variable that contains the date, if there is one.
    pub fn variable_name(&self) -> Option<&str> {
        self.variable.as_ref().map(|variable| variable.name.as_str())
    }

    /// Returns whether the date can be set at run time.
    #[cfg(feature = "interpreter")]
    pub(super) fn is_variable(&self) -> bool {
        self.variable.is_some()
    }

    fn from_variable(name: &str, default: Option<String>) -> Self {
        let variable = Variable {
            name: name.to_owned(),
            default,
        };
        Self {
            value: Today::Sql(variable.slot()),
            variable: Some(variable),
        }
    }
}

impl SpecCompilation<'_> {
    /// Returns the start of weeks and fiscal years. Settings of the spec override those of the project.
    pub(super) fn calendar(&self) -> Calendar {
        let of_project = self.compiler.options.calendar;
        Calendar {
            week_start: self.spec.week_start.unwrap_or(of_project.week_start),
            fiscal_month_offset: self.spec.fiscal_month_offset.or(of_project.fiscal_month_offset),
        }
    }

    /// Replaces the placeholder for the date in a plain query.
    pub(super) fn query_on_its_day(&self, sql: String) -> String {
        let variable = self.spec.today.as_ref().and_then(|today| today.variable.as_ref());
        let Some(variable) = variable else { return sql };
        let dialect = self.compiler.options.dialect;
        self.on_its_day(&sql, variable, &variable.in_query(dialect), str::to_owned)
    }

    /// Replaces the placeholder for the date in a model with the variable. `protect` converts the rest of the SQL.
    pub(super) fn model_on_its_day(&self, sql: &str, protect: impl Fn(&str) -> String) -> String {
        let variable = self.spec.today.as_ref().and_then(|today| today.variable.as_ref());
        let Some(variable) = variable else { return protect(sql) };
        self.on_its_day(sql, variable, &variable.in_model(), protect)
    }

    fn on_its_day(&self, sql: &str, variable: &Variable, day: &str, between: impl Fn(&str) -> String) -> String {
        let escapes = self.compiler.options.dialect.escapes_in_texts();
        expression::fill_placeholders(sql, &variable.slot(), day, escapes, between)
    }
}

impl<'y> Loader<'y, '_> {
    fn misshapen(&mut self, node: &Node, message: String, help: String) {
        self.report(Diagnostic::new(Code::WrongShape, node.span, message).with_help(help));
    }

    /// Returns the first day of the week. Invalid values are reported with the other invalid shapes.
    pub(super) fn week_start(&self, root: &'y Node) -> Option<Weekday> {
        root.get("week_start").and_then(weekday)
    }

    pub(super) fn fiscal_month_offset(&mut self, root: &'y Node) -> Option<u8> {
        let node = root.get("fiscal_month_offset")?;
        if let Some((message, help)) = too_many_months(node) {
            self.misshapen(node, message, help);
        }
        fiscal_months(node)
    }

    /// Parses the value of `today`: `2024-03-31`, `var('run_date')`, `{var: run_date, default: 2024-03-31}`, or SQL.
    pub(super) fn today(&mut self, root: &'y Node) -> Option<SaidToday> {
        let node = root.get("today")?;
        if node.pairs().is_some() {
            return self.variable(node);
        }
        let text = node.text()?.trim();
        let quoted = |text: &str| {
            let inner = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
            inner
                .or_else(|| text.strip_prefix('"').and_then(|t| t.strip_suffix('"')))
                .map(str::to_owned)
        };
        let typed = text
            .get(..4)
            .filter(|word| word.eq_ignore_ascii_case("date"))
            .and_then(|_| text.get(4..));
        let plain = typed
            .and_then(|rest| quoted(rest.trim()))
            .unwrap_or_else(|| text.to_owned());
        if is_iso_date(&plain) {
            return Some(SaidToday::date(&plain));
        }
        let is_day = |c: char| c.is_ascii_digit() || matches!(c, '-' | '/' | '.');
        if plain.starts_with(|c: char| c.is_ascii_digit()) && plain.chars().all(is_day) {
            let message = format!("`today` must be a date, found `{plain}`");
            self.misshapen(
                node,
                message,
                "write the year, the month and the day, as in `today: 2024-03-31`".to_owned(),
            );
            return None;
        }
        let braces = text
            .strip_prefix("{{")
            .and_then(|t| t.strip_suffix("}}"))
            .map(str::trim);
        let call = braces.unwrap_or(text).strip_prefix("var").map(str::trim_start);
        if let Some(arguments) = call.and_then(|t| t.strip_prefix('(')).and_then(|t| t.strip_suffix(')')) {
            if let Some(inside) = braces {
                let message = "`today` cannot contain Jinja braces".to_owned();
                self.misshapen(node, message, format!("write `today: {inside}`"));
                return None;
            }
            let arguments: Vec<Option<String>> = arguments.split(',').map(|a| quoted(a.trim())).collect();
            return match arguments.as_slice() {
                [Some(name)] => self.named_variable(name, None, node),
                [Some(name), Some(default)] => self.named_variable(name, Some(default), node),
                _ => {
                    let message = format!("`today` must name a dbt variable, found `{text}`");
                    self.misshapen(node, message, "write `today: var('run_date')`".to_owned());
                    None
                }
            };
        }
        if let Some(fault) = expression::expression_fault(text) {
            let message = format!("`today` must be one SQL expression, but `{text}` {fault}");
            self.misshapen(
                node,
                message,
                "write a date, `today: 2024-03-31`, or `today: var('run_date')`".to_owned(),
            );
            return None;
        }
        Some(SaidToday {
            value: Today::Sql(format!("cast({text} as date)")),
            variable: None,
        })
    }

    fn variable(&mut self, node: &'y Node) -> Option<SaidToday> {
        let name = node.get("var").and_then(Node::text)?;
        self.named_variable(name, node.get("default").and_then(Node::text), node)
    }

    fn named_variable(&mut self, name: &str, default: Option<&str>, node: &Node) -> Option<SaidToday> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || !name.chars().all(plain) {
            let message = format!("`{name}` is not a valid name for a dbt variable here");
            self.misshapen(node, message, "use letters, digits and `_`".to_owned());
            return None;
        }
        if let Some(text) = default.filter(|text| !is_iso_date(text)) {
            let message = format!("the default of `today` must be a date, found `{text}`");
            self.misshapen(node, message, "write it in the form `2024-03-31`".to_owned());
            return None;
        }
        Some(SaidToday::from_variable(name, default.map(str::to_owned)))
    }
}

/// Parses the first day of the week. `None` if it is invalid.
pub(super) fn weekday(node: &Node) -> Option<Weekday> {
    node.text()?.parse().ok()
}

/// Parses the number of months from January to the first month of the fiscal year. `None` if it is 12 or more.
pub(super) fn fiscal_months(node: &Node) -> Option<u8> {
    months(node.text()?)
}

/// Returns the message and help for an invalid number of months.
pub(super) fn too_many_months(node: &Node) -> Option<(String, String)> {
    let text = node
        .text()
        .filter(|text| text.parse::<u64>().is_ok() && months(text).is_none())?;
    let help = "write the number of months from January to the first month, 0 to 11; for example, 3 if the \
        fiscal year starts in April"
        .to_owned();
    Some((
        format!("`fiscal_month_offset` must be less than a year, found `{text}`"),
        help,
    ))
}
