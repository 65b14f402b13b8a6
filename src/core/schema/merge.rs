//! Merging of schemas that describe the same relations.

use std::sync::Arc;

use super::{Column, Relation, Schema};
use crate::Type;

impl Schema {
    /// Marks the schema as incomplete, which means that other relations may exist.
    #[must_use]
    pub fn mark_as_incomplete(mut self) -> Self {
        self.partial = true;
        self
    }

    /// Returns the relations and columns of `self`, completed with the properties that `other` specifies for them. This
    /// merge is used for data files that a project describes.
    #[must_use]
    pub fn with_properties_of(self, other: &Self) -> Self {
        let described = |relation: &Relation| {
            let Some(other_relation) = other.relation(relation.schema_name()) else {
                return relation.clone();
            };
            let columns = relation
                .columns()
                .iter()
                .map(|own_column| match other_relation.column(own_column.name()) {
                    Some(column) => column.merged_with(own_column),
                    None => own_column.clone(),
                });
            let relation = columns.fold(relation.without_columns(), Relation::with);
            let has_key = other_relation.key().iter().all(|key| relation.column(key).is_some());
            if has_key {
                relation.with_key(other_relation.key())
            } else {
                relation
            }
        };
        self.relations.iter().map(described).fold(Self::new(), Self::with)
    }

    /// Returns the relations of `other`. If `self` contains all columns of a relation, that relation replaces the
    /// relation in `other`.
    #[must_use]
    pub fn fill_missing_from(self, other: Self) -> Self {
        let partial = other.partial;
        let mut schema = Self {
            partial,
            ..Self::default()
        };
        for relation in other.relations {
            let complete = self
                .relation(relation.schema_name())
                .filter(|own_relation| !own_relation.may_have_unlisted_columns());
            schema.push(complete.cloned().unwrap_or(relation));
        }
        schema
    }

    /// Merges two schemas. The properties in `self` take precedence, and `other` provides missing properties.
    #[must_use]
    pub fn merged_with(self, other: &Self) -> Self {
        self.merge_relations_with(other, Relation::merged_with)
    }

    /// Like [`merged_with`](Self::merged_with), but also keeps the type details that only `other` specifies for a
    /// relation that is in no catalog and therefore may have unlisted columns.
    #[must_use]
    pub fn merged_with_type_details(self, other: &Self) -> Self {
        self.merge_relations_with(other, Relation::merged_with_type_details)
    }

    /// Like [`merged_with`](Self::merged_with), but a relation from a file also receives the columns, the key and the
    /// column properties that only `other` specifies, because the file may be incomplete.
    #[must_use]
    pub fn merged_with_missing_columns(self, other: &Self) -> Self {
        self.merge_relations_with(other, |relation, other| match relation.origin {
            // The relation comes from dbt's artifacts, which are complete.
            Some(_) => relation.merged_with(other),
            None => relation.merged_with_missing_columns(other),
        })
    }

    fn merge_relations_with(self, other: &Self, merge: impl Fn(&Relation, &Relation) -> Relation) -> Self {
        let mut schema = Self {
            partial: self.partial && other.partial,
            ..Self::default()
        };
        for relation in &self.relations {
            schema.push(match other.relation(relation.schema_name()) {
                Some(other) => merge(relation, other),
                None => relation.clone(),
            });
        }
        for relation in other
            .relations
            .iter()
            .filter(|relation| self.relation(relation.schema_name()).is_none())
        {
            schema.push(relation.clone());
        }
        schema
    }
}

impl Relation {
    /// Merges two relations. The properties in `self` take precedence, and `other` provides missing properties. If all
    /// columns of one relation are known, the columns of that relation come first.
    #[must_use]
    pub fn merged_with(&self, other: &Self) -> Self {
        let mut merged = self.without_columns();
        let of_both = |column: &Column| {
            let (column_of_self, others) = (self.column(column.name()), other.column(column.name()));
            match (column_of_self, others) {
                (Some(own_column), Some(others)) => Some(own_column.merged_with(others)),
                (Some(own_column), None) => Some(own_column.clone()),
                // If all columns of `self` are known, `other` cannot add columns.
                (None, others) => others.filter(|_| self.may_have_unlisted_columns()).cloned(),
            }
        };
        let (first, second) = if self.may_have_unlisted_columns() {
            (other, self)
        } else {
            (self, other)
        };
        for column in first.columns().iter().chain(second.columns()) {
            if merged.column(column.name()).is_none() {
                of_both(column).into_iter().for_each(|column| merged.push(column));
            }
        }
        (merged.partial, merged.open) = (
            self.may_have_unlisted_columns() && other.may_have_unlisted_columns(),
            false,
        );
        merged.open = merged.partial && merged.columns().is_empty();
        merged.primary_key.clone_from(&self.primary_key);
        (merged.access, merged.group) = (self.access, self.group.clone());
        merged.origin = self.origin.clone().or_else(|| other.origin.clone());
        let schemas = self.warehouse_schema.as_ref().or(other.warehouse_schema.as_ref());
        merged.warehouse_schema = schemas.cloned();
        merged.former_columns.clone_from(if self.former_columns.is_empty() {
            &other.former_columns
        } else {
            &self.former_columns
        });
        merged
    }

    fn merged_with_type_details(&self, other: &Self) -> Self {
        let merged = self.merged_with(other);
        if !self.may_have_unlisted_columns() {
            return merged;
        }
        let columns = merged.columns().iter().map(|column| match other.column(column.name()) {
            Some(other_column) => column.with_type_details_of(other_column),
            None => column.clone(),
        });
        let empty = Self {
            columns: Arc::default(),
            ..merged.clone()
        };
        columns.fold(empty, Self::with)
    }

    /// Returns the relation, completed with the properties that only `other` has.
    fn merged_with_missing_columns(&self, other: &Self) -> Self {
        let columns = self.columns().iter().map(|column| match other.column(column.name()) {
            Some(other_column) => column.merged_with_missing_columns(other_column),
            None => column.clone(),
        });
        let mut own_relation = columns.fold(self.without_columns(), Self::with);
        own_relation.primary_key.clone_from(if self.primary_key.is_empty() {
            &other.primary_key
        } else {
            &self.primary_key
        });
        own_relation.access = self.access.or(other.access);
        own_relation.group = self.group.clone().or_else(|| other.group.clone());
        own_relation.former_columns.clone_from(&self.former_columns);
        // A partially known relation gets the columns of the other relation.
        own_relation.partial = true;
        let mut completed = own_relation.merged_with(other);
        completed.partial = self.may_have_unlisted_columns() && other.may_have_unlisted_columns();
        completed
    }

    /// Returns a copy of the relation with only the names and types of its columns, without information from tests and
    /// properties files.
    #[must_use]
    pub fn with_types_only(&self) -> Self {
        let columns = self.columns().iter().map(|column| Column {
            nullable: true,
            description: None,
            values: None,
            tags: None,
            ..column.clone()
        });
        let relation = columns.fold(self.without_columns(), Self::with);
        Self {
            partial: self.partial,
            ..relation
        }
    }
}

impl Column {
    /// Merges two columns. Returns `self`, with the type of `other` if that type is more precise.
    #[must_use]
    pub fn merged_with(&self, other: &Self) -> Self {
        if self.type_specificity() >= other.type_specificity() {
            return self.clone();
        }
        Self {
            ty: other.ty,
            size: other.size,
            digits: other.digits,
            is_uuid: other.is_uuid,
            is_array: other.is_array,
            is_user_defined: other.is_user_defined,
            ..self.clone()
        }
    }

    /// Returns the column with the details of the type that only `other` specifies, if both columns have the same type.
    /// A properties file may say `numeric` for a column of the type `numeric(12,2)`, and `text` for a UUID.
    #[must_use]
    pub fn with_type_details_of(&self, other: &Self) -> Self {
        let is_same = self.ty == other.ty && self.is_array == other.is_array;
        if !is_same || self.size != 0 || self.digits.is_some() || self.is_uuid {
            return self.clone();
        }
        Self {
            size: other.size,
            digits: other.digits,
            is_uuid: other.is_uuid,
            ..self.clone()
        }
    }

    /// Returns the column, completed with the properties that only `other` has.
    fn merged_with_missing_columns(&self, other: &Self) -> Self {
        let column = self.merged_with(other);
        Self {
            nullable: self.nullable && other.nullable,
            description: column.description.or_else(|| other.description.clone()),
            values: column.values.or_else(|| other.values.clone()),
            tags: column.tags.or_else(|| other.tags.clone()),
            ..column
        }
    }

    /// Returns a rank: unknown types, then user-defined types, then all other types.
    fn type_specificity(&self) -> u8 {
        match self.ty {
            Type::Unknown => 0,
            Type::Other if self.is_user_defined => 1,
            _ => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_file_does_not_hide_other_facts() {
        let text = |name: &str| Column::new(name, Type::Text);
        let known_relation = Relation::new("customers")
            .with(Column::new("id", Type::Integer).nullable(false))
            .with(text("tier").values(["gold", "free"]))
            .with(text("city"))
            .primary_key(["id"]);
        let file_relation = Relation::new("customers")
            .with(Column::new("tier", Type::Integer))
            .with(Column::new("id", Type::Unknown));
        let schema = |relation: &Relation| Schema::new().with(relation.clone());
        let merged = schema(&file_relation).merged_with_missing_columns(&schema(&known_relation));
        let merged = merged.relation("customers").unwrap();
        let columns: Vec<_> = merged
            .columns()
            .iter()
            .map(|c| (c.name(), c.ty(), c.is_nullable()))
            .collect();
        assert_eq!(
            columns,
            [
                ("id", Type::Integer, false),
                ("tier", Type::Integer, true),
                ("city", Type::Text, true)
            ]
        );
        assert_eq!(
            (merged.key(), merged.is_marked_incomplete()),
            (&["id".to_owned()][..], false)
        );
        assert!(merged.column("tier").is_some_and(|tier| tier.known_values().is_some()));
        // A relation from dbt's artifacts is complete.
        let origin = super::super::RelationOrigin::Source("raw".into());
        let merged = schema(&file_relation.with_origin(origin)).merged_with_missing_columns(&schema(&known_relation));
        assert_eq!(merged.relation("customers").unwrap().columns().len(), 2);
    }
}
