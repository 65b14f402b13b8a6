//! Schema relations that a spec reads, with the columns that affect the spec.

use std::collections::BTreeSet;

use super::compile::SpecCompilation;
use super::load::{ColumnProjection, Step};
use crate::dbt::RelationReference;
use crate::ir::Program;
use crate::plan::StepInput;
use crate::schema::{Column, Relation};

/// Names in a spec. A column with one of these names may change the SQL even if the spec does not read it. For example,
/// the column may make an unqualified name ambiguous, or be hidden by an output column.
#[derive(Debug, Default)]
pub(super) struct SpecNames {
    /// Lower-case names.
    names: BTreeSet<String>,
    /// Whether a step reads all columns of the relation in `from`.
    reads_all: bool,
}

impl SpecNames {
    /// Returns the lower-case names.
    pub(super) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    fn add<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        self.names.extend(names.into_iter().map(str::to_ascii_lowercase));
    }
}

impl SpecCompilation<'_> {
    /// Records the names in a step.
    pub(super) fn record_names(&mut self, step: &Step<'_>, input: &StepInput<'_>, program: &Program) {
        let names_used = &mut self.names_used;
        names_used.add(program.columns.iter().map(|column| &*column.name));
        names_used.add(
            program
                .definitions
                .iter()
                .filter_map(|definition| definition.name.as_deref()),
        );
        names_used.add(step.name.map(|name| name.text));
        for tab in input.tabs {
            names_used.add(
                tab.columns
                    .iter()
                    .chain(tab.order.iter().map(|(column, _)| column))
                    .map(Column::name),
            );
        }
        if let ColumnProjection::Columns(names) = &step.keep {
            names_used.add(
                names
                    .iter()
                    .map(|name| name.text.rsplit('.').next().unwrap_or(name.text).trim_end_matches('}')),
            );
        }
        let takes_all = matches!(step.keep, ColumnProjection::All)
            || step
                .sheet
                .as_ref()
                .is_some_and(|sheet_keys| sheet_keys.columns.is_none());
        names_used.reads_all |= input.source.is_some() && takes_all;
    }

    /// Returns the schema relations that a spec reads, each with the columns that may affect the generated files.
    pub(super) fn relations_read(&mut self, output: &[Column]) -> Vec<Relation> {
        let spec = self.spec;
        let mut names_used = std::mem::take(&mut self.names_used);
        names_used.add(output.iter().map(Column::name));
        names_used.add(self.sources.sources.iter().map(|source| source.from.name()));
        for item in spec
            .examples
            .iter()
            .flat_map(|example| example.given.items().unwrap_or_default())
        {
            let rows = item.get("rows").and_then(crate::yaml::Node::items).unwrap_or_default();
            names_used.add(
                rows.iter()
                    .flat_map(|row| row.pairs().unwrap_or_default())
                    .filter_map(|(key, _)| key.text()),
            );
        }
        for comparison in &spec.comparisons {
            names_used.add(
                comparison
                    .keys
                    .iter()
                    .chain(comparison.columns.iter().flatten())
                    .map(|name| name.text),
            );
        }
        let found_in = || spec.rules.iter().filter_map(|rule| rule.found_in.as_ref());
        names_used.add(
            found_in()
                .filter_map(|reference| reference.field)
                .map(|field| field.text),
        );
        let tested = found_in()
            .map(|reference| &reference.to)
            .chain(spec.comparisons.iter().map(|compare_entry| &compare_entry.with));
        let options = &self.compiler.options;
        let of_schema = |from: &RelationReference| {
            let is_generated = from
                .unversioned_model()
                .is_some_and(|model| options.models.relation(model).is_some());
            from.find_in_schema(&options.schema).filter(|_| !is_generated)
        };
        let mut relations: Vec<Relation> = Vec::new();
        for (index, from) in self
            .sources
            .sources
            .iter()
            .map(|source| &source.from)
            .chain(tested)
            .enumerate()
        {
            let Some(relation) = of_schema(from) else { continue };
            let is_known = relations
                .iter()
                .any(|other_relation| other_relation.schema_name() == relation.schema_name());
            if !is_known {
                let is_complete = index == 0 && names_used.reads_all;
                relations.push(relation.restrict_columns((!is_complete).then_some(&names_used.names)));
            }
        }
        relations
    }
}
