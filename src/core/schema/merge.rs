//! Merging of schemas that describe the same relations.

use super::{Column, Relation, Schema};
use crate::Type;

impl Schema {
    /// Marks the schema as incomplete, which means that other relations may exist.
    #[must_use]
    pub fn as_partial_list(mut self) -> Self {
        self.partial = true;
        self
    }

    /// Returns the relations and columns of `self`, completed with the properties that `other` specifies for them. This
    /// merge is used for data files that a project describes.
    #[must_use]
    pub fn with_properties_of(self, other: &Self) -> Self {
        let described = |relation: &Relation| {
            let Some(known) = other.relation(relation.schema_name()) else {
                return relation.clone();
            };
            let columns = relation.columns().iter().map(|shown| match known.column(shown.name()) {
                Some(column) => column.merged_with(shown),
                None => shown.clone(),
            });
            let relation = columns.fold(relation.without_columns(), Relation::with);
            let has_key = known.key().iter().all(|key| relation.column(key).is_some());
            if has_key {
                relation.with_key(known.key())
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
            let whole = self
                .relation(relation.schema_name())
                .filter(|whole| !whole.may_have_more_columns());
            schema.push(whole.cloned().unwrap_or(relation));
        }
        schema
    }

    /// Merges two schemas. The properties in `self` take precedence, and `other` provides missing properties.
    #[must_use]
    pub fn merged_with(self, other: &Self) -> Self {
        let mut schema = Self {
            partial: self.partial && other.partial,
            ..Self::default()
        };
        for relation in &self.relations {
            schema.push(match other.relation(relation.schema_name()) {
                Some(other) => relation.merged_with(other),
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
            let (own, others) = (self.column(column.name()), other.column(column.name()));
            match (own, others) {
                (Some(own), Some(others)) => Some(own.merged_with(others)),
                (Some(own), None) => Some(own.clone()),
                // If all columns of `self` are known, `other` cannot add columns.
                (None, others) => others.filter(|_| self.may_have_more_columns()).cloned(),
            }
        };
        let (first, second) = if self.may_have_more_columns() {
            (other, self)
        } else {
            (self, other)
        };
        for column in first.columns().iter().chain(second.columns()) {
            if merged.column(column.name()).is_none() {
                of_both(column).into_iter().for_each(|column| merged.push(column));
            }
        }
        (merged.partial, merged.open) = (self.may_have_more_columns() && other.may_have_more_columns(), false);
        merged.open = merged.partial && merged.columns().is_empty();
        merged.primary_key.clone_from(&self.primary_key);
        (merged.access, merged.group) = (self.access, self.group.clone());
        merged.former_columns.clone_from(if self.former_columns.is_empty() {
            &other.former_columns
        } else {
            &self.former_columns
        });
        merged
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
        if self.type_precision() >= other.type_precision() {
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

    /// Returns a rank: unknown types, then user-defined types, then all other types.
    fn type_precision(&self) -> u8 {
        match self.ty {
            Type::Unknown => 0,
            Type::Other if self.is_user_defined => 1,
            _ => 2,
        }
    }
}
