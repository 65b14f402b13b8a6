//! Parses the keys `environments:` and `approvals:` of the project file.

use crate::diag::{Code, Diagnostic, suggest};
use crate::dialect::Dialect;
use crate::metrics::format_node_inline;
use crate::role::Role;
use crate::yaml::{self, Node};

/// Placeholder for the current user in `schema`, `branch` and `vars`.
pub const USER: &str = "${user}";

/// Placeholder in `schema` and `vars`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placeholder<'t> {
    /// `${user}`: the user of the environment.
    User,
    /// `${branch}`: the current git branch.
    Branch,
    /// `${env.NAME}`: an environment variable.
    Variable(&'t str),
}

impl<'t> Placeholder<'t> {
    fn read(name: &'t str) -> Option<Self> {
        match name {
            "user" => Some(Self::User),
            "branch" => Some(Self::Branch),
            _ => name
                .strip_prefix("env.")
                .filter(|name| !name.is_empty())
                .map(Self::Variable),
        }
    }

    /// Replaces the placeholders in a string with their values. Placeholders without a value remain in the string and
    /// are also returned.
    ///
    /// ```
    /// use formulac_model::Placeholder;
    ///
    /// let value = |it: Placeholder<'_>| (it == Placeholder::Variable("PR")).then(|| "42".to_owned());
    /// let filled = Placeholder::fill_all("pr_${env.PR}_${branch}_${x}", value);
    /// assert_eq!(filled, ("pr_42_${branch}_${x}".to_owned(), vec!["${branch}"]));
    /// ```
    pub fn fill_all(text: &'t str, value: impl Fn(Self) -> Option<String>) -> (String, Vec<&'t str>) {
        let (mut filled, mut missing, mut rest) = (String::new(), Vec::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            filled.push_str(before);
            let placeholder_parts = after
                .split_once('}')
                .and_then(|(name, after)| Some((Self::read(name)?, name, after)));
            let Some((placeholder, name, behind)) = placeholder_parts else {
                filled.push_str("${");
                rest = after;
                continue;
            };
            // Text of the placeholder, including its delimiters.
            let start = text.len() - after.len() - 2;
            let placeholder_text = text.get(start..start + name.len() + 3).unwrap_or_default();
            match value(placeholder) {
                Some(value) => filled.push_str(&value),
                None => {
                    filled.push_str(placeholder_text);
                    missing.push(placeholder_text);
                }
            }
            rest = behind;
        }
        filled.push_str(rest);
        (filled, missing)
    }
}

/// Environment of a project: the target of dbt builds, and the requirements for a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// Name of the environment.
    pub name: String,
    /// Name of an output in the dbt profile.
    pub connection: Option<String>,
    /// Schema for the models. The schema may contain [`Placeholder`]s.
    pub schema: Option<String>,
    /// Whether a push creates a branch that has to be merged.
    pub protected: bool,
    /// Dialect of the environment's warehouse, if it differs from the project's dialect.
    pub dialect: Option<Dialect>,
    /// Variables for dbt, as YAML. The values may contain [`Placeholder`]s.
    pub vars: Option<String>,
    /// Branch to which a push commits. `${user}` is replaced with the name of the user who pushes.
    pub branch: Option<String>,
    /// Folder of dbt's artifacts for this environment, relative to the project's folder.
    pub artifacts: Option<String>,
    /// Whether merged commits must be signed by their authors.
    pub signed: bool,
    /// Number of required approvals by role.
    pub approvals: Vec<(Role, usize)>,
}

impl Environment {
    /// Returns whether a string is a valid name for an environment. Names of folders and branches contain the name.
    #[must_use]
    pub fn is_valid_name(name: &str) -> bool {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        name.chars().all(is_plain) && name.starts_with(char::is_alphanumeric) && name.len() <= 64
    }

    /// Returns whether a push is reviewed before it is merged.
    #[must_use]
    pub fn is_reviewed(&self) -> bool {
        self.protected || !self.approvals.is_empty()
    }

    /// Applies personal overrides to the environment.
    pub(super) fn apply_overrides(&mut self, value: &Node, source: &str) {
        let text = |key: &str| value.text_at(key).map(str::to_owned);
        let vars = value
            .get("vars")
            .filter(|vars| vars.pairs().is_some())
            .map(|vars| match has_alias(vars) {
                true => format_node_inline(vars),
                false => yaml_text(vars, source),
            });
        for (setting, override_value) in [
            (&mut self.connection, text("connection")),
            (&mut self.schema, text("schema")),
            (&mut self.artifacts, text("artifacts")),
            (&mut self.vars, vars),
        ] {
            if override_value.is_some() {
                *setting = override_value;
            }
        }
        self.dialect = text("dialect").and_then(|name| name.parse().ok()).or(self.dialect);
    }
}

/// Parses the environments in source order, and reports errors.
pub(super) fn read(root: &Node, source: &str, diagnostics: &mut Vec<Diagnostic>) -> Vec<Environment> {
    let pairs = root.pairs_at("environments");
    let mut environments = Vec::new();
    for (key, value) in pairs {
        let Some(name) = key.text() else { continue };
        if !Environment::is_valid_name(name) {
            let message = format!("`{name}` is not a valid name for an environment");
            let help = "use letters, digits, `-` and `_`, with a letter or digit first, because branches and folders get \
                    this name";
            diagnostics.push(Diagnostic::new(Code::WrongShape, key.span, message).with_help(help));
            continue;
        }
        environments.push(read_environment(name, value, source));
    }
    for (key, value) in root.pairs_at("approvals") {
        let Some(name) = key.text() else { continue };
        if let Some(environment) = environments.iter_mut().find(|environment| environment.name == name) {
            let approval =
                |(role, count): &(Node, Node)| Some((role.text()?.parse().ok()?, count.text()?.parse().ok()?));
            environment.approvals = value.pairs().unwrap_or_default().iter().filter_map(approval).collect();
            environment.approvals.retain(|(_, count)| *count > 0);
        } else {
            let names = environments.iter().map(|environment| environment.name.as_str());
            let help =
                suggest::similar_name_help_or(name, names, || "add the environment to `environments:`".to_owned());
            let message = format!("`approvals` names the environment `{name}`, which does not exist");
            diagnostics.push(Diagnostic::new(Code::WrongShape, key.span, message).with_help(help));
        }
    }
    environments
}

fn read_environment(name: &str, value: &Node, source: &str) -> Environment {
    let mut environment = Environment {
        name: name.to_owned(),
        protected: value.is_true_at("protected"),
        branch: value.text_at("branch").map(str::to_owned),
        signed: value.is_true_at("signed"),
        ..Environment::default()
    };
    environment.apply_overrides(value, source);
    environment
}

/// Returns whether the text of a node contains an alias, whose anchor may be elsewhere in the file. The nesting depth
/// is limited when a file is read.
fn has_alias(node: &Node) -> bool {
    let has_alias_in = |child: yaml::ChildNode<'_>| has_alias(child.value);
    node.is_alias || node.children().any(has_alias_in)
}

/// Returns the YAML of a node as written, without the comments that follow it. The first line is indented like the
/// other lines.
fn yaml_text(node: &Node, source: &str) -> String {
    let before = source.get(..node.span.start as usize).unwrap_or_default();
    let indent = before.chars().rev().take_while(|c| *c != '\n').count();
    // The span of a block ends before the next key of the file.
    let end = yaml::lines::line_end(source, node.end()).min(node.span.end as usize);
    let text = source.get(node.span.start as usize..end).unwrap_or_default();
    format!("{}{}", " ".repeat(indent), text.trim_end())
}
