//! Builds the text of a new `formulac.yml`.

use std::path::Path;

use formulac::{Dialect, Environment};
use formulac_syntax::diag::lists::quote_names;
use formulac_syntax::yaml;

use crate::cli::commands::sync::Repository;
use crate::cli::dbt_project::{DbtProject, Profile, ProfileOutput};

/// Words that identify production outputs by name. These outputs become protected environments, because users should
/// not experiment in them.
const PRODUCTION_WORDS: [&str; 4] = ["prod", "production", "prd", "live"];
/// Words in the names of outputs that are not production even if another word suggests it, such as `non-prod` and
/// `prod_test`.
const NON_PRODUCTION_WORDS: [&str; 10] = [
    "non", "not", "no", "pre", "dev", "test", "staging", "stage", "copy", "clone",
];

/// Returns the text of the project file for a dbt project, with optional settings as comments. Also returns messages
/// about outputs of the profile that are missing from the project file.
pub fn project_file_text(dbt: &DbtProject, dialect: Dialect, specs: &str) -> (String, Vec<String>) {
    let first = |paths: &[String], default: &str| {
        let path = paths.first().map_or(default, String::as_str);
        path.trim_start_matches("./").trim_end_matches('/').to_owned()
    };
    let (models, tests) = (first(&dbt.model_paths, "models"), first(&dbt.test_paths, "tests"));
    let dialects = dialect_names();
    let outputs = dbt.profile().map(profile_outputs).unwrap_or_default();
    let (supported, unsupported): (Vec<_>, Vec<_>) = outputs.into_iter().partition(|output| !has_no_dialect(output));
    let (supported, misnamed): (Vec<_>, Vec<_>) = supported
        .into_iter()
        .partition(|output| Environment::is_valid_name(&output.name));
    let lowest = match dialect.facts().lowest_version {
        "" => String::new(),
        version => format!("# formulac needs {dialect} {version} or newer; `formulac doctor` checks the version\n"),
    };
    let text = format!(
        "\
# Settings of formulac for this dbt project; `formulac --help` lists the commands.

# SQL dialect of the generated models: {dialects}
{lowest}dialect: {dialect}
# Folder of model specs, YAML files with formulas; `formulac check` checks all of them
specs: {specs}
# Folder for the models that `formulac generate` writes
models: {models}/formulac/
# Folder for generated tests that are separate files
tests: {tests}/formulac/
{}
# Time zone in which instants (timestamptz) become dates; by default, the session's time zone
# timezone: Europe/Berlin

# Treat blank numbers as 0 in + - * and in numerators, as Omni does; by default, they stay blank
# blanks: zero

# Warnings to turn off
# lint: [W0412]
",
        environments_text(&supported, &dbt.folder, dialect)
    );
    let messages = [unsupported_message(&unsupported), misnamed_message(&misnamed)];
    (text, messages.into_iter().flatten().collect())
}

/// Returns the profile's outputs. The default output comes first because previews use it.
fn profile_outputs(mut profile: Profile) -> Vec<ProfileOutput> {
    let target = profile.target.take();
    profile
        .outputs
        .sort_by_key(|output| Some(&output.name) != target.as_ref());
    profile.outputs
}

fn dialect_names() -> String {
    Dialect::all().map(Dialect::name).collect::<Vec<_>>().join(", ")
}

/// Returns whether the adapter of an output is known but not supported. SQL generated for this output would be in
/// another dialect.
fn has_no_dialect(output: &ProfileOutput) -> bool {
    let adapter = output.adapter.as_deref();
    adapter.is_some_and(|adapter| adapter.parse::<Dialect>().is_err())
}

/// Returns a message about outputs whose adapter is not supported.
fn unsupported_message(outputs: &[ProfileOutput]) -> Option<String> {
    let name = |output: &ProfileOutput| {
        let adapter = output.adapter.as_deref().unwrap_or_default();
        format!("`{}` ({adapter})", output.name)
    };
    let names: Vec<String> = outputs.iter().map(name).collect();
    (!names.is_empty()).then(|| {
        format!(
            "formulac.yml has no environment for {} of the dbt profile, because formulac supports only {}",
            names.join(", "),
            dialect_names()
        )
    })
}

/// Returns a message about outputs whose name is not valid for an environment.
fn misnamed_message(outputs: &[ProfileOutput]) -> Option<String> {
    let names = quote_names(outputs.iter().map(|output| &output.name));
    (!names.is_empty()).then(|| {
        format!(
            "formulac.yml has no environment for {} of the dbt profile, because names of environments consist of letters, \
             digits, `-` and `_`, with a letter or digit first",
            names.join(", ")
        )
    })
}

/// Returns outputs of the profile as environments.
fn environments_text(outputs: &[ProfileOutput], folder: &Path, dialect: Dialect) -> String {
    let mut text = String::new();
    for output in outputs {
        let output_dialect = output
            .adapter
            .as_deref()
            .and_then(|adapter| adapter.parse::<Dialect>().ok());
        let dialect_text = output_dialect
            .filter(|own_dialect| *own_dialect != dialect)
            .map(|own_dialect| format!(", dialect: {own_dialect}"))
            .unwrap_or_default();
        let protected = if is_production(&output.name) {
            format!("{}, protected: true", branch_setting(folder))
        } else {
            String::new()
        };
        let name = yaml::format_flow_scalar(&output.name);
        text.push_str(&format!("  {name}: {{connection: {name}{dialect_text}{protected}}}\n"));
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "\n# Outputs of the dbt profile; `formulac preview --env NAME` runs a spec in an \
        environment.\nenvironments:\n{text}"
    )
}

/// Returns the setting for the branch into which changes to a protected environment are merged. Empty if the branch is
/// not known.
fn branch_setting(folder: &Path) -> String {
    let branch = Repository::find(folder).and_then(|repository| repository.default_branch());
    match branch {
        Ok(Some(branch)) => format!(", branch: {}", yaml::format_flow_scalar(&branch)),
        _ => String::new(),
    }
}

/// Returns whether a dbt output has the name of a production environment.
fn is_production(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let has_word_of = |words: &[&str]| name.split(['_', '-']).any(|word| words.contains(&word));
    has_word_of(&PRODUCTION_WORDS) && !has_word_of(&NON_PRODUCTION_WORDS)
}

#[cfg(test)]
mod tests {
    use super::is_production;

    #[test]
    fn production_is_recognized_by_its_name() {
        for name in ["prod", "Production", "prod_service_account", "bigquery-prd", "live"] {
            assert!(is_production(name), "{name}");
        }
        for name in [
            "dev",
            "non_prod",
            "pre-prod",
            "prod_test",
            "product",
            "delivery",
            "default",
        ] {
            assert!(!is_production(name), "{name}");
        }
    }
}
