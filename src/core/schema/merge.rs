//! What several places know of the same relations, as one.

use super::{Column, Relation, Schema};
use crate::Type;

impl Schema {
    /// Marks the schema as one that lists only some relations: a relation that is missing here may exist.
    #[must_use]
    pub fn listing_some(mut self) -> Self {
        self.partial = true;
        self
    }

    /// The relations and columns of `self`, with what `other` knows of each: of data in files what a project knows.
    #[must_use]
    pub fn described_by(self, other: &Self) -> Self {
        let described = |relation: &Relation| {
            let Some(known) = other.relation(relation.name()) else { return relation.clone() };
            let columns = relation.columns().iter().map(|shown| match known.column(shown.name()) {
                Some(column) => column.or(shown),
                None => shown.clone(),
            });
            let relation = columns.fold(Relation::new(relation.name()), Relation::with);
            let has_key = known.key().iter().all(|key| relation.column(key).is_some());
            if has_key { relation.keyed(known.key()) } else { relation }
        };
        self.relations.iter().map(described).fold(Self::new(), Self::with)
    }

    /// The relations of `self` whose columns are all known, and the others as `other` knows them.
    #[must_use]
    pub fn filled_by(self, other: Self) -> Self {
        let partial = other.partial;
        let mut schema = Self { partial, ..Self::default() };
        for relation in other.relations {
            let whole = self.relation(relation.name()).filter(|whole| !whole.may_have_more());
            schema.push(whole.cloned().unwrap_or(relation));
        }
        schema
    }

    /// What `self` knows, and where it knows nothing what `other` knows.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        let mut schema = Self { partial: self.partial && other.partial, ..Self::default() };
        for relation in &self.relations {
            schema.push(match other.relation(relation.name()) {
                Some(other) => relation.or(other),
                None => relation.clone(),
            });
        }
        for relation in other.relations.iter().filter(|relation| self.relation(relation.name()).is_none()) {
            schema.push(relation.clone());
        }
        schema
    }
}

impl Relation {
    /// What `self` knows, and where it knows nothing what `other` knows. The order of columns is that of the relation of
    /// which all columns are known.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut merged = Self::new(self.name());
        let of_both = |column: &Column| {
            let (own, others) = (self.column(column.name()), other.column(column.name()));
            match (own, others) {
                (Some(own), Some(others)) => Some(own.or(others)),
                (Some(own), None) => Some(own.clone()),
                // A relation of which all columns are known has no others.
                (None, others) => others.filter(|_| self.may_have_more()).cloned(),
            }
        };
        let (first, second) = if self.may_have_more() { (other, self) } else { (self, other) };
        for column in first.columns().iter().chain(second.columns()) {
            if merged.column(column.name()).is_none() {
                of_both(column).into_iter().for_each(|column| merged.push(column));
            }
        }
        (merged.partial, merged.open) = (self.may_have_more() && other.may_have_more(), false);
        merged.open = merged.partial && merged.columns().is_empty();
        merged.primary_key.clone_from(&self.primary_key);
        (merged.access, merged.group) = (self.access, self.group.clone());
        merged.gone.clone_from(if self.gone.is_empty() { &other.gone } else { &self.gone });
        merged
    }

    /// The names and types of its columns, without what tests prove and properties say.
    #[must_use]
    pub fn types_alone(&self) -> Self {
        let columns = self.columns().iter().map(|column| Column {
            nullable: true,
            description: None,
            values: None,
            tags: None,
            ..column.clone()
        });
        let relation = columns.fold(Self::new(self.name()), Self::with);
        Self { partial: self.partial, ..relation }
    }
}

impl Column {
    /// What `self` knows, with the type that `other` knows if `self` knows none.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        if self.ty != Type::Unknown {
            return self.clone();
        }
        let (size, digits, scale) = (other.size, other.digits, other.scale);
        Self { ty: other.ty, size, digits, scale, ..self.clone() }
    }
}
