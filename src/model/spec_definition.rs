//! Definitions of a compiled spec.

use crate::span::Span;
use crate::{Level, Type};

/// Definition of a spec. The SQL of the definition is part of the query. The level of the definition, such as row or
/// group, determines the clause that contains this SQL.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct SpecDefinition {
    pub(crate) name: String,
    pub(crate) step: Option<String>,
    pub(crate) formula: String,
    pub(crate) ty: Type,
    pub(crate) level: Level,
    pub(crate) nullable: bool,
    pub(crate) description: Option<String>,
    pub(crate) span: Span,
}

impl SpecDefinition {
    /// Returns the name of the definition.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the step that contains the definition, if the step has one.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.step.as_deref()
    }

    /// Returns the definition's formula without comments.
    #[must_use]
    pub fn formula(&self) -> &str {
        &self.formula
    }

    /// Returns the type of the definition's values.
    #[must_use]
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Returns the level at which the definition is computed, such as per row or per group.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns whether the definition's values may be NULL.
    #[must_use]
    pub fn nullable(&self) -> bool {
        self.nullable
    }

    /// Returns the description that the analyst wrote.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Returns the span of the definition in the YAML text.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }
}
