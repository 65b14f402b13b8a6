//! Exposures of the model for dbt's properties file.

use super::compile::SpecCompilation;
use super::load::SpecExposure;
use super::properties_yaml::{StringSyntax, yaml_list, yaml_pairs};
use crate::dbt::{RelationReference, escaped_text};
use crate::diag::{Code, Diagnostic};
use crate::yaml::{Node, YamlValue};

/// Keys that are copied unchanged, in the usual order.
const COPIED_EXPOSURE_KEYS: &[&str] = &["label", "type", "maturity", "url"];

impl SpecCompilation<'_> {
    /// Reports exposures without an owner, which dbt requires.
    pub(super) fn check_exposures(&self, diagnostics: &mut Vec<Diagnostic>) {
        for exposure in self
            .spec
            .exposures
            .iter()
            .filter(|exposure| self.exposure_owner(exposure).is_empty())
        {
            let message = format!("the exposure `{}` has no owner", exposure.name.text);
            diagnostics.push(
                Diagnostic::new(Code::ExposureWithoutOwner, exposure.name.node.span, message)
                    .with_help("add `owner: {name: …}` or `owner: {email: …}`, or add `owner` to the spec"),
            );
        }
    }

    /// Returns the owner of an exposure or, if the exposure has none, the owner of the model.
    fn exposure_owner(&self, exposure: &SpecExposure<'_>) -> Vec<(String, YamlValue)> {
        let mut pairs = yaml_pairs(
            exposure.node.get("owner").filter(|owner| owner.pairs().is_some()),
            StringSyntax::Text,
        );
        pairs.retain(|(_, value)| value.as_text().is_some_and(|text| !matches!(text, "" | "null")));
        let of_spec = self
            .spec
            .dbt
            .owner
            .and_then(Node::text)
            .filter(|owner| !owner.is_empty() && pairs.is_empty());
        pairs.extend(of_spec.map(|owner| {
            let key = if owner.contains('@') { "email" } else { "name" };
            (key.to_owned(), escaped_text(owner))
        }));
        pairs.sort_by(|(key, _), (other, _)| other.cmp(key));
        pairs
    }

    /// Returns the exposures for the properties file.
    pub(super) fn exposure_entries(&self) -> Vec<YamlValue> {
        self.spec
            .exposures
            .iter()
            .map(|exposure| self.exposure_entry(exposure))
            .collect()
    }

    fn exposure_entry(&self, exposure: &SpecExposure<'_>) -> YamlValue {
        let value_of = |key: &str| exposure.node.get(key).filter(|node| !node.is_null());
        let mut out = vec![("name".to_owned(), escaped_text(exposure.name.text))];
        let mut add = |key: &str, value: YamlValue| out.push((key.to_owned(), value));
        for key in COPIED_EXPOSURE_KEYS {
            if let Some(text) = value_of(key).and_then(Node::text) {
                add(key, escaped_text(text));
            }
        }
        if let Some(text) = value_of("description").and_then(Node::text) {
            add("description", escaped_text(text.trim_end()));
        }
        // Each item is on a separate line, because YAML would split `ref('m', v=2)` at its comma in a one-line list.
        let uses = self
            .own_reference()
            .ref_call()
            .into_iter()
            .chain(exposure.depends_on.iter().filter_map(RelationReference::ref_call));
        let mut calls: Vec<YamlValue> = Vec::new();
        uses.map(YamlValue::Text).for_each(|call| {
            if !calls.contains(&call) {
                calls.push(call);
            }
        });
        add("depends_on", YamlValue::list(calls));
        add("owner", YamlValue::map(self.exposure_owner(exposure)));
        let tags = value_of("tags")
            .map(|tags| yaml_list(tags, StringSyntax::Text))
            .unwrap_or_default();
        let meta = yaml_pairs(value_of("meta"), StringSyntax::Text);
        let mut config = Vec::new();
        config.extend((!tags.is_empty()).then(|| ("tags".to_owned(), YamlValue::list(tags))));
        config.extend((!meta.is_empty()).then(|| ("meta".to_owned(), YamlValue::map(meta))));
        // dbt before 1.10 accepts these keys only outside of the configuration.
        if self.compiler.specs.needs_flat_column_meta() {
            out.extend(config);
        } else if !config.is_empty() {
            out.push(("config".to_owned(), YamlValue::map(config)));
        }
        YamlValue::map(out)
    }
}
