//! Looks up the relations that a spec reads: first in the models of other specs, then in the schema.

use super::compile::SpecCompilation;
use crate::compiler::CompilerOptions;
use crate::dbt::RelationReference;
use crate::diag::{Code, Diagnostic, suggest};
use crate::schema::Relation;
use crate::span::Span;

/// Returns the relation, if its columns are known.
pub(super) fn schema_relation<'o>(options: &'o CompilerOptions, from: &RelationReference) -> Option<&'o Relation> {
    let model = from
        .unversioned_model()
        .and_then(|model| options.models.relation(model));
    model
        .or_else(|| from.find_in_schema(&options.schema))
        .filter(|relation| !relation.is_open())
}

impl<'r> SpecCompilation<'r> {
    /// Returns the relation, if its columns are known.
    pub(super) fn schema_relation(&self, from: &RelationReference) -> Option<&'r Relation> {
        schema_relation(&self.compiler.options, from)
    }

    /// Returns whether a relation does not exist. Returns `true` only if the schema is complete and does not contain
    /// the relation, and no spec generates the relation.
    pub(super) fn is_missing_relation(&self, from: &RelationReference) -> bool {
        let options = &self.compiler.options;
        let is_generated = match from {
            RelationReference::Ref { model, .. } => Some(model.as_str()),
            _ => from.unversioned_model(),
        }
        .is_some_and(|model| options.models.relation(model).is_some());
        !options.schema.is_partial_list() && !is_generated && from.find_in_schema(&options.schema).is_none()
    }

    /// Returns a diagnostic about a missing relation. `additional_names` contains additional names that can be
    /// suggested.
    pub(super) fn missing_relation_diagnostic<'n>(
        &'n self,
        key: &str,
        from: &RelationReference,
        span: Span,
        message_suffix: &str,
        additional_names: impl Iterator<Item = &'n str>,
    ) -> Diagnostic {
        let options = &self.compiler.options;
        let relations = options.schema.relations().iter().chain(options.models.relations());
        let name = match from.unversioned_model() {
            Some(model) => model.to_owned(),
            None => from.to_string(),
        };
        let diagnostic = Diagnostic::new(
            Code::UnknownRelation,
            span,
            format!("the schema has no relation `{name}`{message_suffix}"),
        );
        let near = suggest::nearest_name(from.name(), additional_names).map(str::to_owned);
        let near = near.or_else(|| from.most_similar_relation(relations));
        diagnostic.with_help(near.map_or_else(
            || options.unknown_relation_help(key),
            |near| suggest::similar_name_help(&near),
        ))
    }
}
