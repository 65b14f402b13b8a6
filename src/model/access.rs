//! dbt access level of the model. A model that reads a private model must also be private.

use rustc_hash::FxHashMap;

use super::compile::SpecCompilation;
use super::config::config_text;
use super::sources::SourceRelation;
use crate::dbt::{RelationReference, has_jinja};
use crate::diag::{Code, Diagnostic, suggest};
use crate::schema::{Access, Relation};
use crate::span::Span;
use crate::yaml::Node;

/// Access level and group that the inputs require but the spec does not set.
#[derive(Clone, Debug, Default)]
pub(super) struct InheritedAccess {
    pub access: Option<Access>,
    pub group: Option<String>,
}

impl<'r> SpecCompilation<'r> {
    /// Returns the inputs that are private in dbt.
    fn private_inputs(&self) -> impl Iterator<Item = (&SourceRelation, &'r Relation)> {
        self.sources.sources.iter().filter_map(|source| {
            let relation = self.schema_relation(&source.from)?;
            (relation.access() == Some(Access::Private)).then_some((source, relation))
        })
    }

    /// Returns the span of each input's name in the spec.
    fn input_spans(&self) -> FxHashMap<&RelationReference, Span> {
        let mut spans = FxHashMap::default();
        for (from, span) in self.spec.relations_read_by_spec() {
            spans.entry(from).or_insert(span);
        }
        spans
    }

    /// Returns a model setting, which is a key in the spec or in the spec's `config`.
    fn model_setting(&self, key: &str, own_key: Option<&'r Node>) -> Option<(&'r str, Span)> {
        let node = own_key.or_else(|| self.spec.dbt.config?.get(key))?;
        let text = own_key
            .and_then(Node::text)
            .or_else(|| config_text(&self.spec.dbt, key))?;
        Some((text, node.span))
    }

    /// Warns of inputs that are written as warehouse tables although they belong to the dbt project.
    pub(super) fn hard_coded_table_warnings(&self) -> Vec<Diagnostic> {
        let spans = self.input_spans();
        let schema = &self.compiler.options.schema;
        let warnings = self.sources.sources.iter().filter_map(|source| {
            let call = source.from.call_for_table(schema)?;
            let span = spans.get(&source.from).copied().unwrap_or(self.spec.from_span);
            let message = format!(
                "`{}` is `{call}` in dbt, but dbt does not see a dependency on it",
                source.from
            );
            Some(Diagnostic::new(Code::HardCodedTable, span, message).with_help(format!("write `{call}`")))
        });
        warnings.collect()
    }

    /// Reports inputs that the model must not read, and an access level wider than `private` for a model with a private
    /// input.
    pub(super) fn check_access(&self, diagnostics: &mut Vec<Diagnostic>) {
        let access = self.model_setting("access", self.spec.dbt.access);
        let group = self.model_setting("group", self.spec.dbt.group);
        diagnostics.extend(group.and_then(|(name, span)| self.check_group(name, span)));
        let mut joined: Option<(&str, &Relation)> = None;
        let spans = self.input_spans();
        for (source, relation) in self.private_inputs() {
            let span = spans.get(&source.from).copied().unwrap_or(self.spec.from_span);
            let name = relation.name();
            let Some(input_group) = relation.group() else {
                diagnostics.push(
                    Diagnostic::new(
                        Code::PrivateParent,
                        span,
                        format!("`{name}` is private but in no group, so no other model may read it"),
                    )
                    .with_help(format!(
                        "put `{name}` into a group with `config: {{group: …}}`, or make it protected"
                    )),
                );
                continue;
            };
            let diagnostic = |message: String| Diagnostic::new(Code::PrivateParent, span, message);
            match (group, joined) {
                (Some((model_group, group_span)), _) if model_group != input_group => diagnostics.push(
                    diagnostic(format!(
                        "`{name}` is private to the group `{input_group}`, but the model belongs to `{model_group}`"
                    ))
                    .with_secondary_label(group_span, "the model's group")
                    .with_help(format!("write `group: {input_group}`, or read a model that is not private")),
                ),
                (None, Some((other, first))) if other != input_group => diagnostics.push(
                    diagnostic(format!(
                        "`{name}` is private to the group `{input_group}`, but `{}` is private to `{other}`",
                        first.name()
                    ))
                    .with_help(
                        "replace one of the two models with a model that is not private, because a model belongs to only one group",
                    ),
                ),
                _ => joined = joined.or(Some((input_group, relation))),
            }
            let declared = access.and_then(|(name, access_span)| Some((Access::from_name(name)?, access_span)));
            if let Some((declared_access, access_span)) = declared.filter(|(access, _)| *access > Access::Private) {
                let message = format!(
                    "the model is {}, but it reads `{name}`, which is private",
                    declared_access.name()
                );
                diagnostics.push(
                    Diagnostic::new(Code::WiderAccess, access_span, message)
                        .with_secondary_label(span, "read here")
                        .with_help("write `access: private`")
                        .with_fix(access_span, "private"),
                );
            }
        }
    }

    /// Returns an error if the dbt project does not define the model's group.
    fn check_group(&self, name: &str, span: Span) -> Option<Diagnostic> {
        let groups = self.compiler.specs.groups.as_ref()?;
        if groups.contains(name) || has_jinja(name) {
            return None;
        }
        let help = match suggest::nearest_name(name, groups.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "define the group in a properties file of the dbt project, then run `dbt parse`".to_owned(),
        };
        let message = format!("the dbt project does not define the group `{name}`");
        Some(Diagnostic::new(Code::UnknownGroup, span, message).with_help(help))
    }

    /// Returns the access level and group of the model, for other specs that read the model.
    pub(super) fn model_access_and_group(&self) -> (Access, Option<String>) {
        let granted = self.inherited_access();
        let model_value = |key: &str, own_key: Option<&'r Node>| self.model_setting(key, own_key).map(|(text, _)| text);
        let access = model_value("access", self.spec.dbt.access)
            .and_then(Access::from_name)
            .or(granted.access);
        let group = model_value("group", self.spec.dbt.group)
            .map(str::to_owned)
            .or_else(|| granted.group.clone());
        // dbt's default is `protected`.
        (access.unwrap_or(Access::Protected), group)
    }

    /// Returns the group of a private model. dbt allows only nodes in the same group to read the model.
    pub(super) fn group_of_private_model(&self) -> Option<String> {
        let (access, group) = self.model_access_and_group();
        group.filter(|_| access == Access::Private)
    }

    /// Returns the group of a test that reads the model and possibly another relation. A test that reads a private
    /// model needs a group.
    pub(super) fn group_of_test(&self, other: Option<&Relation>) -> Option<String> {
        self.group_of_private_model().or_else(|| {
            other
                .filter(|other| other.access() == Some(Access::Private))?
                .group()
                .map(str::to_owned)
        })
    }

    /// Returns a diagnostic if the two relations of a test are private to different groups, so that the test cannot
    /// read both.
    pub(super) fn check_test_access(&self, other: &Relation, span: Span) -> Option<Diagnostic> {
        let name = other.name();
        let group = other.group().filter(|_| other.access() == Some(Access::Private))?;
        let own_group = self
            .group_of_private_model()
            .filter(|model_group| model_group != group)?;
        let message = format!("`{name}` is private to the group `{group}`, but the model is private to `{own_group}`");
        Some(
            Diagnostic::new(Code::PrivateParent, span, message)
                .with_help("compare with a model that is not private, because a test belongs to only one group"),
        )
    }

    /// Returns the access level and group that the model inherits from its inputs. If an input is private, the model is
    /// also private and belongs to the same group. Call this function only after the inputs are known.
    pub(super) fn inherited_access(&self) -> &InheritedAccess {
        // Cache the result. Every generated test needs it, so searching the inputs each time would take quadratic time.
        self.inherited.get_or_init(|| {
            let Some((_, relation)) = self.private_inputs().next() else {
                return InheritedAccess::default();
            };
            let says = |key: &str, own_key: Option<&'r Node>| {
                own_key.is_some() || self.spec.dbt.config.is_some_and(|config| config.get(key).is_some())
            };
            InheritedAccess {
                access: Some(Access::Private).filter(|_| !says("access", self.spec.dbt.access)),
                group: relation
                    .group()
                    .map(str::to_owned)
                    .filter(|_| !says("group", self.spec.dbt.group)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use formulac_core::{Access, Column, Relation, Schema, Type};

    use crate::Compiler;

    #[test]
    fn the_error_about_a_private_relation_is_at_its_name() {
        let relation = |name: &str| Relation::new(name).with(Column::new("id", Type::Integer));
        let secrets = relation("secrets").with_access(Access::Private, None);
        let schema = Schema::new().with(relation("orders")).with(secrets);
        let compiler = Compiler::builder().schema(schema).build();
        for spec in [
            "model: m\nfrom: secrets\nkeep: id\n",
            "model: m\nfrom: orders\nsteps:\n  - {name: a, keep: id}\n  - {name: b, from: secrets, keep: id}\n  \
             - {name: c, union: [a, b], keep: id}\n",
        ] {
            let compiled = compiler.compile_spec(spec);
            let private = compiled.diagnostics().iter().filter(|fault| fault.code() == "F0641");
            let texts: Vec<&str> = private.map(|fault| fault.span().text(spec)).collect();
            assert_eq!(texts, ["secrets"], "{spec}");
        }
    }
}
