//! Project file `formulac.yml`, which contains settings for the compiler.

use semver::{Version, VersionReq};

use super::environments::{self, Environment};
use super::keys::PROJECT;
use super::load::Loader;
use super::semantic::SemanticModels;
use super::team;
use super::today::{parse_fiscal_months, parse_weekday, too_many_months};
use crate::calendar::Weekday;
use crate::diag::{Code, Diagnostic, Severity, suggest};
use crate::dialect::Dialect;
use crate::people::People;
use crate::span::Span;
use crate::yaml::{self, Node};

/// Settings in a project file, which apply to all specs and formulas of the project.
///
/// ```
/// let (project, faults) = formulac_model::Project::from_text("dialect: bigquery\ntimezone: Europe/Berlin\nlint: [W0412]\n");
/// assert!(faults.is_empty());
/// assert_eq!(project.dialect().unwrap().name(), "bigquery");
/// assert_eq!(project.timezone(), Some("Europe/Berlin"));
/// assert_eq!(project.silenced(), [formulac_syntax::diag::Code::CountOfCondition]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Project {
    dialect: Option<Dialect>,
    requires: Option<VersionReq>,
    specs: Option<String>,
    models: Option<String>,
    omni: Option<String>,
    is_omni_repository: bool,
    topics: bool,
    access_grants: bool,
    virtual_schema: Option<String>,
    tests: Option<String>,
    timezone: Option<String>,
    blank_zero: bool,
    semantic_models: SemanticModels,
    inherit: Vec<String>,
    week_start: Weekday,
    fiscal_month_offset: Option<u8>,
    silenced: Vec<Code>,
    pub(super) environments: Vec<Environment>,
    people: People,
    pub(super) user: Option<String>,
}

impl Project {
    /// Parses a project file. Invalid parts are reported and skipped.
    #[must_use]
    pub fn from_text(text: &str) -> (Self, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let mut project = Self::default();
        match yaml::read(text, &mut diagnostics) {
            Err(fault) => diagnostics.push(fault),
            Ok(None) => {}
            Ok(Some(root)) if root.pairs().is_none() => diagnostics.push(
                Diagnostic::new(
                    Code::WrongShape,
                    root.span,
                    format!("a project file must be a mapping, found {}", root.kind_name()),
                )
                .with_help("start with `dialect: postgres`"),
            ),
            Ok(Some(root)) => {
                Loader::new(text, &mut diagnostics).check_keys(&root, &[&PROJECT]);
                project = ProjectReader {
                    diagnostics: &mut diagnostics,
                    silenced: Vec::new(),
                }
                .read(&root, text);
            }
        }
        crate::diag::sort(&mut diagnostics);
        (project, diagnostics)
    }

    /// Returns the dialect of all generated SQL.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// Returns the versions of formulac that the project accepts. `None` if it accepts all versions.
    #[must_use]
    pub fn requires(&self) -> Option<String> {
        self.requires.as_ref().map(VersionReq::to_string)
    }

    /// Returns whether the project accepts a version of formulac, such as `0.2.0`.
    ///
    /// ```
    /// let (project, _) = formulac_model::Project::from_text("requires: \">=0.2,<0.3\"\n");
    /// assert!(project.accepts_version("0.2.7"));
    /// assert!(!project.accepts_version("0.3.0"));
    /// ```
    #[must_use]
    pub fn accepts_version(&self, version: &str) -> bool {
        let accepts = |requires: &VersionReq| Version::parse(version).is_ok_and(|version| requires.matches(&version));
        self.requires.as_ref().is_none_or(accepts)
    }

    /// Returns the folder that contains the specs, relative to the project.
    #[must_use]
    pub fn specs(&self) -> Option<&str> {
        self.specs.as_deref()
    }

    /// Returns the folder that contains Omni's model files, relative to the project.
    #[must_use]
    pub fn omni(&self) -> Option<&str> {
        self.omni.as_deref()
    }

    /// Returns whether the folder with Omni's model files is the root of a separate git repository.
    #[must_use]
    pub fn omni_is_repository(&self) -> bool {
        self.is_omni_repository
    }

    /// Returns whether `pull` writes topics for models that do not request one.
    #[must_use]
    pub fn topics(&self) -> bool {
        self.topics
    }

    /// Returns whether `pull` writes access grants for private models that do not request one.
    #[must_use]
    pub fn access_grants(&self) -> bool {
        self.access_grants
    }

    /// Returns the first part of the names of Omni's virtual schemas. `None` if `pull` derives the schemas from the
    /// existing views.
    #[must_use]
    pub fn virtual_schema(&self) -> Option<&str> {
        self.virtual_schema.as_deref()
    }

    /// Returns the folder for generated models, relative to the project.
    #[must_use]
    pub fn models(&self) -> Option<&str> {
        self.models.as_deref()
    }

    /// Returns the folder for generated tests that are separate files, relative to the project.
    #[must_use]
    pub fn tests(&self) -> Option<&str> {
        self.tests.as_deref()
    }

    /// Returns the time zone for the conversion of instants to dates.
    #[must_use]
    pub fn timezone(&self) -> Option<&str> {
        self.timezone.as_deref()
    }

    /// Returns whether blank operands of `+ - *` and blank numerators are treated as 0.
    #[must_use]
    pub fn blanks_as_zero(&self) -> bool {
        self.blank_zero
    }

    /// Returns the tags that columns inherit from their inputs.
    #[must_use]
    pub fn inherit(&self) -> &[String] {
        &self.inherit
    }

    /// Adds tags that columns inherit.
    pub fn add_inherited_tags(&mut self, tags: impl IntoIterator<Item = String>) {
        self.inherit.extend(tags);
    }

    /// Returns whether models have a dbt semantic model, and in which format.
    #[must_use]
    pub fn semantic_models(&self) -> SemanticModels {
        self.semantic_models
    }

    /// Returns the environments in the order of the file.
    #[must_use]
    pub fn environments(&self) -> &[Environment] {
        &self.environments
    }

    /// Returns the people of the project and their roles.
    #[must_use]
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Returns the personal value of `${user}`, if set.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the first day of the week.
    #[must_use]
    pub fn week_start(&self) -> Weekday {
        self.week_start
    }

    /// Returns the number of months from January to the first month of the fiscal year, or `None` if the project does
    /// not set it.
    #[must_use]
    pub fn fiscal_month_offset(&self) -> Option<u8> {
        self.fiscal_month_offset
    }

    /// Returns the codes of disabled warnings.
    #[must_use]
    pub fn silenced(&self) -> &[Code] {
        &self.silenced
    }
}

/// Parser for keys whose shape the tables of keys cannot express.
struct ProjectReader<'d> {
    diagnostics: &'d mut Vec<Diagnostic>,
    silenced: Vec<Code>,
}

impl ProjectReader<'_> {
    fn report(&mut self, code: Code, span: Span, message: String, help: String) {
        self.diagnostics
            .push(Diagnostic::new(code, span, message).with_help(help));
    }

    fn read(mut self, root: &Node, source: &str) -> Project {
        let text = |key: &str| root.get(key).and_then(Node::text);
        if let Some(lint) = root.get("lint") {
            self.read_lint(lint);
        }
        let months = root.get("fiscal_month_offset");
        if let Some((node, (message, help))) = months.and_then(|node| Some((node, too_many_months(node)?))) {
            self.report(Code::WrongShape, node.span, message, help);
        }
        let requires = root.get("requires").and_then(|node| self.read_versions(node));
        let omni = root.get("omni");
        let pulls = |key: &str| root.get("pull").and_then(|pull| pull.get(key)?.boolean()) == Some(true);
        Project {
            dialect: text("dialect").and_then(|name| name.parse().ok()),
            requires,
            specs: text("specs").map(str::to_owned),
            models: text("models").map(str::to_owned),
            omni: omni
                .and_then(|omni| omni.get("path").unwrap_or(omni).text())
                .map(str::to_owned),
            is_omni_repository: omni.is_some_and(|omni| omni.pairs().is_some()),
            topics: pulls("topics"),
            access_grants: pulls("access_grants"),
            virtual_schema: root
                .get("pull")
                .and_then(|pull| pull.get("virtual_schema")?.text())
                .map(str::to_owned),
            tests: text("tests").map(str::to_owned),
            timezone: text("timezone").map(str::to_owned),
            blank_zero: text("blanks") == Some("zero"),
            semantic_models: root
                .get("semantic_model")
                .and_then(SemanticModels::from_node)
                .unwrap_or_default(),
            inherit: root.get("inherit").map(Node::texts).unwrap_or_default(),
            week_start: root.get("week_start").and_then(parse_weekday).unwrap_or_default(),
            fiscal_month_offset: months.and_then(parse_fiscal_months),
            silenced: self.silenced,
            environments: environments::read(root, source, self.diagnostics),
            people: team::read(root, self.diagnostics),
            user: None,
        }
    }

    /// Parses the versions in `requires`.
    fn read_versions(&mut self, node: &Node) -> Option<VersionReq> {
        let text = node.text()?;
        let versions = VersionReq::parse(text);
        if versions.is_err() {
            let message = format!("`{text}` does not describe versions");
            let help = "write comparisons with commas between them, such as `requires: \">=0.2,<0.3\"`".to_owned();
            self.report(Code::WrongShape, node.span, message, help);
        }
        versions.ok()
    }

    /// Parses `lint: [W0412]` and `lint: {W0412: off}`, which both turn off a warning.
    fn read_lint(&mut self, value: &Node) {
        if let Some(items) = value.items() {
            items.iter().for_each(|item| self.disable_warning(item));
        } else if let Some(pairs) = value.pairs() {
            for (key, value) in pairs {
                match value.text().map(str::to_ascii_lowercase).as_deref() {
                    Some("off" | "false" | "no" | "ignore" | "allow") => self.disable_warning(key),
                    Some("on" | "true" | "yes" | "warn" | "warning") => {}
                    _ => {
                        let message = format!("a warning is `on` or `off`, found {}", value.kind_name());
                        self.report(Code::WrongShape, value.span, message, "write `off`".to_owned());
                    }
                }
            }
        } else if !value.is_null() {
            let message = format!("`lint` must be a list of warnings, found {}", value.kind_name());
            self.report(
                Code::WrongShape,
                value.span,
                message,
                "write `lint: [W0412]`".to_owned(),
            );
        }
    }

    fn disable_warning(&mut self, node: &Node) {
        match node.text().and_then(Code::parse) {
            Some(code) if code.severity() == Severity::Warning => self.silenced.push(code),
            Some(code) => {
                let message = format!("`{}` is an error, but only warnings can be turned off", code.code());
                self.report(Code::WrongShape, node.span, message, "remove the code".to_owned());
            }
            None => {
                let name = node.text().unwrap_or_default();
                let warnings = || {
                    Code::ALL
                        .iter()
                        .filter(|c| c.severity() == Severity::Warning)
                        .map(|c| c.code())
                };
                let help = match suggest::nearest_name(name, warnings()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("use the name of a warning: {}", list_names(warnings())),
                };
                self.report(
                    Code::WrongShape,
                    node.span,
                    format!("there is no warning `{name}`"),
                    help,
                );
            }
        }
    }
}

fn list_names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Role;

    fn fault_lines(text: &str) -> Vec<(&'static str, u32)> {
        Project::from_text(text)
            .1
            .iter()
            .map(|d| (d.code(), d.span().start))
            .collect()
    }

    #[test]
    fn example_project_file_is_read() {
        let text = "
dialect: snowflake              # of all committed SQL
specs: metrics/
models: models/formulac/
omni: omni/
pull: {topics: true}
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
        assert_eq!((project.topics(), project.access_grants()), (true, false));
        assert_eq!(
            (project.dialect().map(Dialect::name), project.specs()),
            (Some("snowflake"), Some("metrics/"))
        );
        assert_eq!(project.inherit(), ["pii"]);
        assert_eq!(
            (project.blanks_as_zero(), project.silenced()),
            (true, &[Code::CountOfCondition][..])
        );
        let [production, development] = project.environments() else {
            panic!("two environments")
        };
        assert_eq!((production.name.as_str(), production.protected), ("production", true));
        assert_eq!(production.approvals, [(Role::Engineer, 1), (Role::Business, 1)]);
        assert_eq!(
            (development.connection.as_deref(), development.protected),
            (Some("dev_warehouse"), false)
        );
        let vars = |text: &str| {
            Project::from_text(text)
                .0
                .environments()
                .first()
                .and_then(|e| e.vars.clone())
        };
        let block = "environments:\n  dev:\n    vars:\n      a: 1\n      b: [x,\n        y]  # c\n    schema: s\n";
        assert_eq!(
            vars(block).as_deref().map(str::trim),
            Some("a: 1\n      b: [x,\n        y]  # c")
        );
        assert_eq!(
            vars("environments: {dev: {vars: {a: 1}}}").as_deref().map(str::trim),
            Some("{a: 1}")
        );
        assert_eq!(vars("environments: {dev: {schema: s}}"), None);
    }

    #[test]
    fn every_fault_is_found_in_one_run() {
        let text = "dialekt: x\ndialect: mysql\nweek_start: someday\nblanks: one\ntimezone: []\nlint: [F0301, W9999]\n";
        assert_eq!(
            fault_lines(text),
            [
                ("F0802", 0),
                ("F0804", 20),
                ("F0804", 38),
                ("F0804", 54),
                ("F0804", 68),
                ("F0804", 78),
                ("F0804", 85)
            ]
        );
        assert_eq!(fault_lines(""), []);
        assert_eq!(fault_lines("- a"), [("F0804", 0)]);
        assert_eq!(fault_lines("a: [")[0].0, "F0801");
    }
}
