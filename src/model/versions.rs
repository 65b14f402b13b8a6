//! Versions of a dbt model.

use formulac_syntax::diag::lists::quote_names;

use super::load::DbtKeys;
use super::properties_yaml::{StringSyntax, yaml_list};
use crate::dbt::escaped_text;
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::yaml::{Node, YamlValue};

/// Version of a model that its spec does not generate.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct UngeneratedVersion {
    /// Name of the version.
    pub version: String,
    /// Possible names of the version's file, without `.sql`. The usual name comes first.
    pub files: Vec<String>,
    /// Entry in `versions`.
    pub span: Span,
}

/// Reports a latest version that `versions` does not contain.
pub(super) fn check_versions(dbt: &DbtKeys<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(latest) = dbt.latest_version else { return };
    let version_names: Vec<&str> = versions(dbt).map(|(name, _)| name).collect();
    let name = latest.text().unwrap_or_default();
    if !version_names.contains(&name) {
        let quoted_names = quote_names(&version_names);
        let diagnostic = Diagnostic::new(
            Code::WrongShape,
            latest.span,
            format!("`versions` has no version `{name}`"),
        );
        diagnostics.push(diagnostic.with_help(match quoted_names.as_slice() {
            [] => format!("add `versions: [{{v: {name}}}]`"),
            choices => format!("use one of the versions: {}", choices.join(", ")),
        }));
    }
}

/// Returns the entries in `versions:`, each with the version's name.
fn versions<'y>(dbt: &DbtKeys<'y>) -> impl Iterator<Item = (&'y str, &'y Node)> {
    let entries = dbt.versions.and_then(Node::items).unwrap_or_default();
    entries
        .iter()
        .filter_map(|version| Some((version.text_at("v")?, version)))
}

/// Returns the version that the spec generates. This is the latest version as defined by dbt: `latest_version` if set,
/// otherwise the greatest number or the last name.
pub(super) fn latest_version<'y>(dbt: &DbtKeys<'y>) -> Option<&'y str> {
    let names = versions(dbt).map(|(name, _)| name);
    let number = |name: &str| name.parse::<f64>().ok();
    let greatest = |version: &&str, other: &&str| match (number(version), number(other)) {
        (Some(version_number), Some(other)) => version_number.total_cmp(&other),
        _ => version.cmp(other),
    };
    dbt.latest_version
        .and_then(Node::text)
        .or_else(|| names.max_by(greatest))
}

/// Returns the entries of `versions:`. The latest version has `defined_in`, because dbt would otherwise expect a suffix
/// in the name of the generated file.
pub(super) fn versions_yaml(dbt: &DbtKeys<'_>, model: &str) -> Vec<YamlValue> {
    let Some(node) = dbt.versions else { return Vec::new() };
    let latest = latest_version(dbt);
    let mut versions = yaml_list(node, StringSyntax::Dbt);
    for version in &mut versions {
        let is_latest = version.get("v").and_then(YamlValue::as_text) == latest;
        if let (YamlValue::Map(pairs, _), true) = (version, is_latest)
            && !pairs.iter().any(|(key, _)| key == "defined_in")
        {
            pairs.push(("defined_in".to_owned(), escaped_text(model)));
        }
    }
    versions
}

/// Returns the versions that the spec does not generate.
pub(super) fn ungenerated_versions(dbt: &DbtKeys<'_>, model: &str) -> Vec<UngeneratedVersion> {
    let latest = latest_version(dbt);
    let others = versions(dbt).filter(|(name, _)| Some(*name) != latest);
    let other = |(name, node): (&str, &Node)| UngeneratedVersion {
        version: name.to_owned(),
        files: match node.text_at("defined_in") {
            Some(file) => vec![file.to_owned()],
            None => vec![format!("{model}_v{name}"), format!("{model}.v{name}")],
        },
        span: node.span,
    };
    others.map(other).collect()
}
