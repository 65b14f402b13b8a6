//! The project file, `formulac.yml`: what it says of compiling.

use std::str::FromStr;

use crate::diag::{Code, Diagnostic, Severity, suggest};
use crate::dialect::Dialect;
use crate::span::Span;
use crate::yaml::{self, Node};

/// Keys that are read here.
const KEYS: &[&str] = &["dialect", "specs", "timezone", "blanks", "lint", "environments"];
/// Keys of commands that keep a dbt project in step; they change no SQL.
const OTHERS: &[&str] = &["models", "tests", "omni", "inherit", "groups", "roles", "default_role", "approvals"];
/// Keys that would change SQL, with the one value that is built.
const DEFAULTS_ONLY: &[(&str, &str)] = &[("week_start", "monday"), ("fiscal_month_offset", "0")];

/// What a project file says of compiling, for all its specs and formulas.
///
/// ```
/// let (project, faults) = formulac::Project::from_text("dialect: bigquery\ntimezone: Europe/Berlin\nlint: [W0412]\n");
/// assert!(faults.is_empty());
/// assert_eq!(project.dialect().unwrap().name(), "bigquery");
/// assert_eq!(project.timezone(), Some("Europe/Berlin"));
/// assert_eq!(project.silenced(), [formulac::Code::CountOfCondition]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Project {
    dialect: Option<Dialect>,
    specs: Option<String>,
    timezone: Option<String>,
    blank_zero: bool,
    silenced: Vec<Code>,
    environments: Vec<Environment>,
}

/// An environment of a project, as far as it says where something is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// The output of the dbt profile.
    pub connection: Option<String>,
    /// Whether nothing is to be run in it by chance.
    pub protected: bool,
    /// The dialect of its warehouse, where that is not the project's.
    pub dialect: Option<Dialect>,
}

impl Project {
    /// Reads a project file. What is not understood is reported and left out.
    #[must_use]
    pub fn from_text(text: &str) -> (Self, Vec<Diagnostic>) {
        let mut reader = Reader { project: Self::default(), diagnostics: Vec::new() };
        match yaml::read(text, &mut reader.diagnostics) {
            Err(fault) => reader.diagnostics.push(fault),
            Ok(None) => {}
            Ok(Some(root)) => reader.root(&root),
        }
        crate::diag::sort(&mut reader.diagnostics);
        (reader.project, reader.diagnostics)
    }

    /// The dialect of all SQL.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// The folder of the specs, seen from the project's own.
    #[must_use]
    pub fn specs(&self) -> Option<&str> {
        self.specs.as_deref()
    }

    /// The time zone in which instants become dates.
    #[must_use]
    pub fn timezone(&self) -> Option<&str> {
        self.timezone.as_deref()
    }

    /// Whether blank operands of `+ - *` and of numerators count as 0.
    #[must_use]
    pub fn blanks_as_zero(&self) -> bool {
        self.blank_zero
    }

    /// The environments, in the order written.
    #[must_use]
    pub fn environments(&self) -> &[Environment] {
        &self.environments
    }

    /// Warnings that are turned off.
    #[must_use]
    pub fn silenced(&self) -> &[Code] {
        &self.silenced
    }
}

struct Reader {
    project: Project,
    diagnostics: Vec<Diagnostic>,
}

impl Reader {
    fn report(&mut self, code: Code, span: Span, message: String, help: String) {
        self.diagnostics.push(Diagnostic::new(code, span, message).with_help(help));
    }

    fn root(&mut self, root: &Node) {
        let Some(pairs) = root.pairs() else {
            let message = format!("a project file is a mapping, found {}", root.described());
            return self.report(Code::WrongShape, root.span, message, "begin with `dialect: postgres`".to_owned());
        };
        for (key, value) in pairs {
            match key.text() {
                Some("dialect") => self.project.dialect = self.dialect(value),
                Some("specs") => self.project.specs = self.text("specs", value),
                Some("timezone") => self.project.timezone = self.text("timezone", value),
                Some("blanks") => self.project.blank_zero = self.blanks(value),
                Some("lint") => self.lint(value),
                Some("environments") => self.environments(value),
                Some(name) if OTHERS.contains(&name) => {}
                Some(name) => self.other(name, key, value),
                None => {
                    let help = "write `key: value`".to_owned();
                    self.report(Code::UnknownKey, key.span, "a key must be a text".to_owned(), help);
                }
            }
        }
    }

    fn other(&mut self, name: &str, key: &Node, value: &Node) {
        if let Some((_, built)) = DEFAULTS_ONLY.iter().find(|(known, _)| *known == name) {
            let is_built = value.is_null() || value.text().is_some_and(|text| text.eq_ignore_ascii_case(built));
            if !is_built {
                let message = format!("another `{name}` than `{built}` is not built yet");
                self.report(Code::LaterKey, key.span, message, format!("leave it out, or write `{name}: {built}`"));
            }
            return;
        }
        let known = KEYS.iter().chain(OTHERS).copied().chain(DEFAULTS_ONLY.iter().map(|(known, _)| *known));
        let help = match suggest::nearest(name, known) {
            Some(near) => suggest::similar(near),
            None => format!("the keys here are {}", listed(KEYS.iter().chain(OTHERS).copied())),
        };
        self.report(Code::UnknownKey, key.span, format!("unknown key `{name}`"), help);
    }

    fn text(&mut self, key: &str, value: &Node) -> Option<String> {
        if value.text().is_none() && !value.is_null() {
            let message = format!("`{key}` must be a text, found {}", value.described());
            self.report(Code::WrongShape, value.span, message, format!("write `{key}:` followed by a text"));
        }
        value.text().map(str::to_owned)
    }

    fn dialect(&mut self, value: &Node) -> Option<Dialect> {
        let name = self.text("dialect", value)?;
        let known = Dialect::from_str(&name);
        if let Err(unknown) = &known {
            let near = suggest::nearest(&name, Dialect::all().map(Dialect::name));
            let help = near.map_or_else(
                || format!("write one of {}", listed(Dialect::all().map(Dialect::name))),
                suggest::similar,
            );
            self.report(Code::WrongShape, value.span, unknown.to_string(), help);
        }
        known.ok()
    }

    fn blanks(&mut self, value: &Node) -> bool {
        if value.text() == Some("zero") {
            return true;
        }
        if !value.is_null() {
            let message = format!("`blanks` must be `zero`, found {}", value.described());
            self.report(Code::WrongShape, value.span, message, "write `blanks: zero`, or leave it out".to_owned());
        }
        false
    }

    /// What else an environment says is read by the commands that it is for.
    fn environments(&mut self, value: &Node) {
        let Some(pairs) = value.pairs() else {
            if !value.is_null() {
                let message = format!("`environments` must be a mapping, found {}", value.described());
                let help = "write `environments: {development: {connection: dev}}`".to_owned();
                self.report(Code::WrongShape, value.span, message, help);
            }
            return;
        };
        for (key, value) in pairs {
            let Some(name) = key.text() else { continue };
            let mut environment = Environment { name: name.to_owned(), ..Environment::default() };
            for (key, value) in value.pairs().unwrap_or_default() {
                match key.text() {
                    Some("connection") => environment.connection = self.text("connection", value),
                    Some("dialect") => environment.dialect = self.dialect(value),
                    Some("protected") => {
                        environment.protected = value.text().is_some_and(|text| text.eq_ignore_ascii_case("true"));
                    }
                    _ => {}
                }
            }
            self.project.environments.push(environment);
        }
    }

    /// `lint: [W0412]` and `lint: {W0412: off}` turn a warning off.
    fn lint(&mut self, value: &Node) {
        if let Some(items) = value.items() {
            items.iter().for_each(|item| self.silence(item));
        } else if let Some(pairs) = value.pairs() {
            for (key, value) in pairs {
                match value.text().map(str::to_ascii_lowercase).as_deref() {
                    Some("off" | "false" | "no" | "ignore" | "allow") => self.silence(key),
                    Some("on" | "true" | "yes" | "warn" | "warning") => {}
                    _ => {
                        let message = format!("a warning is `on` or `off`, found {}", value.described());
                        self.report(Code::WrongShape, value.span, message, "write `off`".to_owned());
                    }
                }
            }
        } else if !value.is_null() {
            let message = format!("`lint` must be a list of warnings, found {}", value.described());
            self.report(Code::WrongShape, value.span, message, "write `lint: [W0412]`".to_owned());
        }
    }

    fn silence(&mut self, node: &Node) {
        match node.text().and_then(Code::parse) {
            Some(code) if code.severity() == Severity::Warning => self.project.silenced.push(code),
            Some(code) => {
                let message = format!("`{}` is an error, and only warnings are turned off", code.code());
                self.report(Code::WrongShape, node.span, message, "leave it out".to_owned());
            }
            None => {
                let name = node.text().unwrap_or_default();
                let warnings = || Code::ALL.iter().filter(|c| c.severity() == Severity::Warning).map(|c| c.code());
                let help = match suggest::nearest(name, warnings()) {
                    Some(near) => format!("there is `{near}`"),
                    None => format!("the warnings are {}", listed(warnings())),
                };
                self.report(Code::WrongShape, node.span, format!("there is no warning `{name}`"), help);
            }
        }
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<(&'static str, u32)> {
        Project::from_text(text).1.iter().map(|d| (d.code(), d.span().start)).collect()
    }

    #[test]
    fn the_contracts_own_file_is_understood() {
        let text = "
dialect: snowflake              # of all committed SQL
specs: metrics/
models: models/formulac/
omni: omni/
environments:
  production:  {connection: prod_warehouse, schema: analytics, branch: main, protected: true}
  development: {connection: dev_warehouse, schema: \"analytics_dev_${user}\", branch: feature/new-metrics}
inherit: [pii]
groups: {data-team: [a@example.com, b@example.com]}
roles: {data-team: engineer, finance@example.com: business}
default_role: analyst
approvals: {production: {engineer: 1, business: 1}}
blanks: zero
week_start: Monday
fiscal_month_offset: 0
lint: {W0412: off, W0210: on}
";
        let (project, faults) = Project::from_text(text);
        assert_eq!(faults, []);
        assert_eq!((project.dialect().map(Dialect::name), project.specs()), (Some("snowflake"), Some("metrics/")));
        assert_eq!((project.blanks_as_zero(), project.silenced()), (true, &[Code::CountOfCondition][..]));
        let [production, development] = project.environments() else { panic!("two environments") };
        assert_eq!((production.name.as_str(), production.protected), ("production", true));
        assert_eq!((development.connection.as_deref(), development.protected), (Some("dev_warehouse"), false));
    }

    #[test]
    fn every_fault_is_found_in_one_run() {
        let text = "dialekt: x\ndialect: mysql\nweek_start: sunday\nblanks: one\ntimezone: []\nlint: [F0301, W9999]\n";
        assert_eq!(
            faults(text),
            [("F0802", 0), ("F0804", 20), ("F0805", 26), ("F0804", 53), ("F0804", 67), ("F0804", 77), ("F0804", 84)]
        );
        assert_eq!(faults(""), []);
        assert_eq!(faults("- a"), [("F0804", 0)]);
        assert_eq!(faults("a: [")[0].0, "F0801");
    }
}
