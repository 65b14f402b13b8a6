//! Relations, fields, keys and joins of the spec.

use rustc_hash::FxHashMap;

use super::super::display::yaml_line;
use super::super::fields::FieldKey;
use super::super::joins::ViewJoins;
use super::super::measures::PerKeyAggregation;
use super::super::names::to_snake_case;
use super::super::omni_model::find_references;
use super::super::spec_text::{SpecJoin, SpecStep};
use super::view::is_measure;
use super::{SpecBuilder, SpecOutput, field_key};
use crate::dbt::RelationReference;
use crate::schema::{OmniFieldKind, OmniReference, OmniRowSource};

impl SpecBuilder<'_, '_> {
    /// Determines the views that the spec reads and the joins between them.
    pub(super) fn join_views(&mut self) {
        let (mut joins, mut missing) = self.find_joins(&self.requested_fields());
        if joins.all.iter().any(|join| join.is_many) && self.omit_fanned_out_measures() {
            (joins, missing) = self.find_joins(&self.requested_fields());
        }
        for (name, reason) in missing {
            if let Some(file) = self.model.files.get(self.plan.file) {
                let original = format!("joins of {name}");
                let gap = self.new_issue(self.plan.file, &file.root, &name, original, reason, false);
                self.spec.gaps.push(gap.comment());
                self.gaps.push(gap);
            }
        }
        self.fields.joins = joins;
    }

    /// Returns the fields that the spec reads directly: outputs, filters and conditions.
    fn requested_fields(&self) -> Vec<FieldKey> {
        let base = &self.fields.base_name;
        let outputs = self.plan.outputs.iter().map(|output| output.key.clone());
        let filters = self.plan.filters.iter();
        let filters = filters.map(|(reference, ..)| field_key(self.model, base, reference));
        let sqls = self.plan.conditions.iter().flat_map(|(sql, ..)| find_references(sql));
        let sqls = sqls.map(|name| field_key(self.model, base, &OmniReference::read(name)));
        outputs.chain(filters).chain(sqls).collect()
    }

    /// Finds the joins to the views that contain these fields and the fields on which they depend.
    fn find_joins(&self, fields: &[FieldKey]) -> (ViewJoins, Vec<(String, String)>) {
        let base = &self.fields.base_name;
        let mut names: Vec<String> = Vec::new();
        for (view, _) in self.fields.field_closure(fields) {
            if view != *base && !names.contains(&view) {
                names.push(view);
            }
        }
        ViewJoins::find(self.model, base, &names, self.plan.topic)
    }

    /// If only some of the measures need a join with several matching rows, leaves out these measures, because the join
    /// would repeat the rows of the other measures. Applies only to the promotion of a view. Returns whether measures
    /// were left out.
    fn omit_fanned_out_measures(&mut self) -> bool {
        if !self.plan.takes_over || self.plan.of_rows {
            return false;
        }
        let repeating_join = |output: &SpecOutput| {
            let (joins, _) = self.find_joins(std::slice::from_ref(&output.key));
            joins.all.into_iter().find(|join| join.is_many).map(|join| join.name)
        };
        let repeating: Vec<Option<String>> = self.plan.outputs.iter().map(repeating_join).collect();
        let outputs = || self.plan.outputs.iter().zip(&repeating);
        let needs_no_join =
            |(output, join): (&SpecOutput, &Option<String>)| join.is_none() && is_measure(self.model, output);
        let is_key_repeating = outputs().any(|(output, join)| join.is_some() && !is_measure(self.model, output));
        if is_key_repeating || !outputs().any(needs_no_join) {
            return false;
        }
        let outputs = std::mem::take(&mut self.plan.outputs);
        for (output, join) in outputs.into_iter().zip(repeating) {
            let (Some(join), Some(field)) = (join, self.fields.field(&output.key)) else {
                self.plan.outputs.push(output);
                continue;
            };
            let reason = format!(
                "the join of `{join}` repeats the rows of the other measures, so the measure needs its own model; promote it \
                 separately"
            );
            self.fields.record_issue(field, &field.name, reason, false);
        }
        true
    }

    /// Sets the relation that the spec reads, and the relation names of all views.
    pub(super) fn set_relations(&mut self) {
        let Some(view) = self.model.views.get(self.plan.base) else {
            return;
        };
        let relation = match view.rows {
            OmniRowSource::Table => self.table_name(self.plan.base),
            _ => view.name.clone(),
        };
        let why = match view.rows {
            OmniRowSource::Table => None,
            OmniRowSource::Sql => Some("the rows come from raw SQL: write this SQL in a separate model"),
            OmniRowSource::Query => {
                Some("the rows come from another query: promote that query first, to a model with the name of the view")
            }
        };
        // After the query has been promoted, a model contains the rows of the query view.
        let is_model = self.compiler.options.schema.relation(&relation).is_some();
        let why = why.filter(|_| view.rows != OmniRowSource::Query || !is_model);
        if let (Some(why), Some((file, node))) = (why, self.model.rows_node(view)) {
            let gap = self.new_issue(file, node, &view.name, yaml_line(node), why.to_owned(), false);
            self.spec.gaps.push(gap.comment());
            self.gaps.push(gap);
        }
        self.spec.from = match self.relations.get(&self.plan.base) {
            Some(reference) if view.rows == OmniRowSource::Table => reference.to_string(),
            _ => relation.clone(),
        };
        self.add_relation(self.plan.base, self.fields.base_name.clone(), relation);
        for join in self.fields.joins.all.clone() {
            let table = self.table_name(join.view);
            let is_taken = self
                .fields
                .relations
                .values()
                .any(|relation| relation.eq_ignore_ascii_case(&table));
            let name = if is_taken || self.model.view(&join.name).is_none() {
                to_snake_case(&join.name)
            } else {
                table
            };
            self.add_relation(join.view, join.name, name);
        }
    }

    /// Returns the name of a view's relation in dbt or, if it is unknown, of the view's table.
    fn table_name(&self, view: usize) -> String {
        let name = self.relations.get(&view).map(RelationReference::name);
        let name = name.or_else(|| Some(self.model.views.get(view)?.table.name()));
        name.unwrap_or_default().to_owned()
    }

    /// Records the relation of a view, and the name that formulas use for the relation.
    fn add_relation(&mut self, view: usize, view_name: String, name: String) {
        let known_relation = match self.relations.get(&view) {
            Some(relation) => relation.find_in_schema(self.fields.schema),
            None => self.fields.schema.relation(&name),
        };
        self.fields
            .known_relations
            .extend(known_relation.map(|relation| (view_name.clone(), relation)));
        self.fields.relations.insert(view_name, name);
    }

    /// Converts fields to definitions: all fields that the spec reads.
    pub(super) fn resolve_fields(&mut self) {
        let mut fields_to_visit = self.requested_fields();
        for join in &self.fields.joins.all {
            let Some(relationship) = self.model.relationships.get(join.relationship) else {
                continue;
            };
            let sqls = [&relationship.on, &relationship.condition].into_iter().flatten();
            let references = sqls.flat_map(|sql| find_references(sql)).map(OmniReference::read);
            fields_to_visit
                .extend(references.map(|reference| field_key(self.model, &self.fields.base_name, &reference)));
        }
        let order = self.fields.field_closure(&fields_to_visit);
        let mut requested_names: FxHashMap<FieldKey, String> = FxHashMap::default();
        for output in &self.plan.outputs {
            if output.reference.frame.is_none() {
                let output_name = output
                    .requested_name
                    .clone()
                    .unwrap_or_else(|| to_snake_case(&output.reference.field));
                requested_names.entry(output.key.clone()).or_insert(output_name);
            }
        }
        // Columns that are copied unchanged keep their names, so reserve these names first.
        for output in &self.plan.outputs {
            let is_plain = self
                .fields
                .field(&output.key)
                .is_none_or(|field| field.kind != OmniFieldKind::Measure && field.is_column());
            if is_plain && output.reference.frame.is_none() && output.key.1 != "count" {
                let output_name = output
                    .requested_name
                    .clone()
                    .unwrap_or_else(|| to_snake_case(&output.reference.field));
                self.fields.used_names.reserve(&[&output_name]);
            }
        }
        self.fields.choose_definition_names(&order, &requested_names);
        let is_measure = |key: &&FieldKey| {
            self.fields
                .field(key)
                .is_some_and(|field| field.kind == OmniFieldKind::Measure)
        };
        let (measures, others): (Vec<&FieldKey>, Vec<&FieldKey>) = order.iter().partition(is_measure);
        let (measures, others): (Vec<FieldKey>, Vec<FieldKey>) = (
            measures.into_iter().cloned().collect(),
            others.into_iter().cloned().collect(),
        );
        self.fields.resolve_all(&others);
        self.find_distinct_on_key(&measures);
        self.fields.resolve_all(&measures);
    }

    /// Finds the key for `…_distinct_on` aggregates, if all measures aggregate one row per value of the key.
    pub(super) fn find_distinct_on_key(&mut self, measures: &[FieldKey]) {
        let mut sqls: Vec<Option<String>> = measures
            .iter()
            .filter_map(|key| self.fields.field(key))
            .filter(|field| field.text("aggregate_type").is_some())
            .map(|field| {
                let is_on = field
                    .text("aggregate_type")
                    .is_some_and(|kind| kind.ends_with("_distinct_on"));
                field
                    .text("custom_primary_key_sql")
                    .filter(|_| is_on)
                    .map(str::to_owned)
            })
            .collect();
        sqls.dedup();
        let [Some(sql)] = sqls.as_slice() else { return };
        let view = measures.first().map(|key| key.0.clone()).unwrap_or_default();
        if let Ok(converted) = self.fields.convert_sql(&view, None, sql) {
            self.fields.per_key = Some(PerKeyAggregation {
                sql: sql.clone(),
                key: converted.term,
                values: Vec::new(),
            });
        }
    }

    pub(super) fn write_joins(&mut self, step: &mut SpecStep) {
        for join in self.fields.joins.all.clone() {
            let Some(relationship) = self.model.relationships.get(join.relationship) else {
                continue;
            };
            let table = self.table_name(join.view);
            let relation = self.relations.get(&join.view);
            let relation_name = self.fields.relations.get(&join.name).cloned().unwrap_or_default();
            let on = relationship
                .on
                .as_deref()
                .map(|condition| self.fields.convert_sql(&self.fields.base_name, None, condition));
            let join_condition = match on {
                Some(Ok(converted)) => Some(converted.term.text),
                Some(Err(reason)) => {
                    let original = yaml_line(&relationship.node);
                    let subject = format!("join of {}", join.name);
                    let gap = self.new_issue(relationship.file, &relationship.node, &subject, original, reason, false);
                    self.spec.gaps.push(gap.comment());
                    self.gaps.push(gap);
                    continue;
                }
                None => None,
            };
            step.joins.push(SpecJoin {
                to: relation.map_or_else(|| table.clone(), RelationReference::to_string),
                name: (relation_name != table).then_some(relation_name),
                on: join_condition,
                kind: join.kind,
                is_many: join.is_many,
            });
            if let Some(condition) = relationship.condition.as_deref() {
                self.write_sql_condition(step, condition, &relationship.node, relationship.file, false);
            }
        }
    }
}
