//! Metric queries that are specified by options instead of a spec.

use formulac::lex::split_list;
use formulac::limits::Limits;

use super::args::MetricsArgs;
use super::environment::quote_for_shell;
use super::exit::FileDiagnostics;
use super::source::SourceText;

/// Name of the spec that the options describe. The name is not part of the output.
pub const QUERY_SPEC_NAME: &str = "metrics_query";
/// Name that messages use for the text generated from the options.
const OPTIONS_SOURCE_NAME: &str = "<options>";
/// Keys of a spec, with the options that replace them.
const OPTIONS_BY_SPEC_KEY: [(&str, &str); 9] = [
    ("metrics", "--metrics"),
    ("group_by", "--by"),
    ("where", "--where"),
    ("having", "--having"),
    ("since", "--since"),
    ("until", "--until"),
    ("fill", "--fill"),
    ("order_by", "--order-by"),
    ("definitions", "--define"),
];
/// Keys in the steps of a spec for which there is no option.
const KEYS_WITHOUT_OPTION: [&str; 3] = ["partition_by", "overrides", "columns"];

impl MetricsArgs {
    /// Returns whether the options describe a query.
    pub fn describes_query(&self) -> bool {
        !self.metrics.is_empty()
    }

    /// Returns the spec that the options describe.
    pub fn spec(&self, limit: Option<u32>) -> SourceText {
        let mut text = format!("model: {QUERY_SPEC_NAME}\nmetrics:\n");
        for metric in entries(&self.metrics) {
            let (metric, name) = match metric.to_ascii_lowercase().find(" as ") {
                Some(end) => (
                    &metric[..end],
                    Some(metric[end + " as ".len()..].trim().trim_matches('"')),
                ),
                None => (metric, None),
            };
            let metric = quoted(metric);
            text.push_str(&match name {
                Some(name) => format!("  - {}: {metric}\n", quoted(name)),
                None => format!("  - {metric}\n"),
            });
        }
        for (key, names) in [("group_by", &self.by), ("order_by", &self.order_by)] {
            let names: Vec<String> = entries(names).map(quoted).collect();
            if !names.is_empty() {
                text.push_str(&format!("{key}: [{}]\n", names.join(", ")));
            }
        }
        let formulas = [
            ("where", &self.filter),
            ("having", &self.having),
            ("since", &self.since),
            ("until", &self.until),
        ];
        for (key, formula) in formulas {
            if let Some(formula) = formula {
                text.push_str(&format!("{key}: {}\n", quoted(formula)));
            }
        }
        if let Some(fill) = &self.fill {
            // A mapping has the same syntax as in a spec, so do not quote it as a string.
            let is_mapping = fill.trim_start().starts_with('{');
            let fill = if is_mapping {
                fill.replace(['\n', '\r'], " ")
            } else {
                quoted(fill)
            };
            text.push_str(&format!("fill: {fill}\n"));
        }
        if !self.define.is_empty() {
            text.push_str("definitions: |\n");
            for definition in &self.define {
                definition
                    .lines()
                    .for_each(|line| text.push_str(&format!("  {line}\n")));
            }
        }
        if let Some(limit) = limit {
            text.push_str(&format!("limit: {limit}\n"));
        }
        SourceText::from_bytes(OPTIONS_SOURCE_NAME, text.into_bytes(), Limits::default().source)
    }
}

/// Replaces spec keys with the corresponding options, in diagnostics about the options.
pub fn replace_keys_with_options(file_diagnostics: &mut [FileDiagnostics]) {
    let name = |text: &str| {
        let replace =
            |text: String, (key, option): &(&str, &str)| text.replace(&format!("`{key}`"), &format!("`{option}`"));
        OPTIONS_BY_SPEC_KEY.iter().fold(text.to_owned(), replace)
    };
    for file in file_diagnostics
        .iter_mut()
        .filter(|file| file.file == OPTIONS_SOURCE_NAME)
    {
        let diagnostics = std::mem::take(&mut file.diagnostics);
        file.diagnostics = diagnostics
            .into_iter()
            .map(|diagnostic| diagnostic.map_texts(name).map_help(yaml_to_options))
            .collect();
    }
}

/// Rewrites the YAML between backticks in help text as options. Says `in a spec` after YAML that no option replaces.
fn yaml_to_options(help: &str) -> String {
    let parts: Vec<&str> = help.split('`').collect();
    let mut text = String::new();
    for (index, part) in parts.iter().enumerate() {
        let after = parts.get(index + 1).copied().filter(|_| index % 2 == 1);
        match (after, after.and_then(|_| option_for_yaml(part))) {
            (Some(_), Some(OptionForYaml::Option(option))) => text.push_str(&option),
            (Some(after), Some(OptionForYaml::OnlyInSpec)) => {
                text.push_str(part);
                text.push_str(if after.starts_with(" in a spec") {
                    "`"
                } else {
                    "` in a spec"
                });
                continue;
            }
            _ => text.push_str(part),
        }
        if index + 1 < parts.len() {
            text.push('`');
        }
    }
    // A query without a spec has no steps.
    text.replace(" to the step that groups by", " for the key")
}

/// Command-line option that replaces YAML in a message, if there is such an option.
enum OptionForYaml {
    Option(String),
    OnlyInSpec,
}

/// Returns the command-line option that replaces YAML such as `since: 2024-01-01`. `None` if the text is not
/// YAML of a spec.
fn option_for_yaml(yaml: &str) -> Option<OptionForYaml> {
    if yaml.starts_with("- ") {
        return Some(OptionForYaml::OnlyInSpec);
    }
    let mapping = yaml.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let (key, value) = mapping.unwrap_or(yaml).split_once(": ")?;
    if mapping.is_some() {
        // A mapping such as `{refunded: refunds.amount}` gives a metric another name.
        let is_pair = !value.contains(['{', ',']);
        return is_pair.then(|| OptionForYaml::Option(format!("{} as {key}", value.trim_matches('"'))));
    }
    if KEYS_WITHOUT_OPTION.contains(&key) {
        return Some(OptionForYaml::OnlyInSpec);
    }
    let (_, option) = OPTIONS_BY_SPEC_KEY.iter().find(|(name, _)| *name == key)?;
    if value.starts_with('{') && key != "fill" {
        return Some(OptionForYaml::OnlyInSpec);
    }
    let list = value.strip_prefix('[').and_then(|list| list.strip_suffix(']'));
    let value = match list {
        Some("") => return Some(OptionForYaml::OnlyInSpec),
        Some(list) => list.replace('"', ""),
        None => value.trim_matches('"').to_owned(),
    };
    Some(OptionForYaml::Option(format!("{option} {}", quote_for_shell(&value))))
}

/// Returns the entries of an option that may be repeated and that may contain several entries.
fn entries(values: &[String]) -> impl Iterator<Item = &str> {
    values.iter().flat_map(|value| split_list(value))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text.trim()).to_string()
}
