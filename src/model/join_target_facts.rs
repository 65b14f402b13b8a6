//! Properties of the relations that joins and tabs read.

use super::compile::SpecCompilation;
use super::sources::JoinTarget;
use crate::dbt::RelationReference;
use crate::schema::Relation;
use crate::sql::SelectSource;

/// Properties of a relation that a join or tab reads.
pub(super) struct JoinTargetProperties<'s> {
    pub target: JoinTarget,
    /// Known columns of the relation.
    pub relation: Option<&'s Relation>,
    pub source: SelectSource,
    /// Name of the relation in SQL.
    pub name: &'s str,
    pub key: Vec<String>,
    /// Whether the relation has a single row.
    pub single: bool,
}

impl SpecCompilation<'_> {
    /// Returns the properties of a relation that a join or tab of the step at this index reads.
    pub(super) fn join_target_properties<'s>(
        &'s self,
        step: usize,
        reference: &'s RelationReference,
    ) -> JoinTargetProperties<'s> {
        let target = self.sources.resolve_join_target(self.spec, step, reference);
        match target {
            JoinTarget::Step(step_index) => {
                let facts = self.facts.get(step_index);
                let name = self.spec.steps.get(step_index).and_then(|s| s.name);
                let name = name.map_or("", |name| name.text);
                JoinTargetProperties {
                    target,
                    relation: facts.and_then(|f| f.relation.as_ref()),
                    source: SelectSource::Name(self.compiler.options.dialect.name_text(name, true)),
                    name,
                    key: facts.map(|f| f.grain.clone()).unwrap_or_default(),
                    single: facts.is_some_and(|f| f.single),
                }
            }
            JoinTarget::Source(source_index) => {
                let relation = self.schema_relation(reference);
                let source = self.sources.sources.get(source_index);
                JoinTargetProperties {
                    target,
                    relation,
                    source: SelectSource::Input(source_index as u32),
                    name: source.map_or("", |source| source.name.as_str()),
                    key: relation.map(|r| r.key().to_vec()).unwrap_or_default(),
                    single: false,
                }
            }
            JoinTarget::Later => JoinTargetProperties {
                target,
                relation: None,
                source: SelectSource::Name(String::new()),
                name: reference.name(),
                key: Vec::new(),
                single: false,
            },
        }
    }
}
