//! `formulac.local.yml`: personal settings next to the project file, ignored by git.

use super::keys::LOCAL;
use super::load::SpecLoader;
use super::project::Project;
use crate::diag::{Code, Diagnostic, suggest};
use crate::yaml::{self, Node};

impl Project {
    /// Applies personal settings to the project. Invalid settings are reported and skipped. Branches, protection and
    /// approvals are not allowed, because they must be the same for all users.
    ///
    /// ```
    /// use formulac_model::Project;
    ///
    /// let (mut project, _) = Project::from_text("environments: {dev: {schema: 'dev_${user}'}}\n");
    /// assert!(project.apply_personal_settings("user: ann\nenvironments: {dev: {connection: my_duckdb}}\n").is_empty());
    /// assert_eq!(project.user(), Some("ann"));
    /// assert_eq!(project.environments()[0].connection.as_deref(), Some("my_duckdb"));
    /// assert!(!project.apply_personal_settings("environments: {dev: {protected: false}}\n").is_empty());
    /// ```
    #[must_use]
    pub fn apply_personal_settings(&mut self, text: &str) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        match yaml::read(text, &mut diagnostics) {
            Err(fault) => diagnostics.push(fault),
            Ok(None) => {}
            Ok(Some(root)) if root.pairs().is_none() => {
                let message = format!("a personal settings file must be a mapping, found {}", root.kind_name());
                diagnostics
                    .push(Diagnostic::new(Code::WrongShape, root.span, message).with_help("start with `user: ann`"));
            }
            Ok(Some(root)) => {
                SpecLoader::new(text, &mut diagnostics).check_keys(&root, &[&LOCAL]);
                self.user = root.text_at("user").map(str::to_owned);
                for (key, values) in root.pairs_at("environments") {
                    self.override_environment(key, values, text, &mut diagnostics);
                }
            }
        }
        crate::diag::sort(&mut diagnostics);
        diagnostics
    }

    fn override_environment(&mut self, key: &Node, values: &Node, source: &str, diagnostics: &mut Vec<Diagnostic>) {
        let Some(name) = key.text() else { return };
        if let Some(environment) = self
            .environments
            .iter_mut()
            .find(|environment| environment.name == name)
        {
            environment.apply_overrides(values, source);
            return;
        }
        let names = self.environments.iter().map(|environment| environment.name.as_str());
        let other = || "add the environment to `environments:` in formulac.yml".to_owned();
        let help = suggest::similar_name_help_or(name, names, other);
        let message = format!("there is no environment `{name}`");
        diagnostics.push(Diagnostic::new(Code::WrongShape, key.span, message).with_help(help));
    }
}
