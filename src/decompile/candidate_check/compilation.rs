//! Compiles the spec with other formulas, in order to learn the SQL that formulas produce.

use super::CandidateCheck;
use crate::alternatives::ValueType;
use crate::file::SqlFile;
use crate::model::SpecDefinition;
use crate::model::outline::DefinitionWithPosition;
use crate::probes::ProbeArgument;
use crate::tree::{SqlLabel, SqlNodeId, SqlTrees};

/// Minimum number of bytes that each compilation subtracts from `MAX_COMPILED_BYTES`, even if its SQL is shorter.
const MIN_BYTES_PER_COMPILATION: usize = 1_500;

impl CandidateCheck<'_, '_> {
    /// Compiles the spec with a different formula for the definition, and returns the SQL to learn from.
    pub fn compile_formula(&self, formula: &str) -> Option<String> {
        self.compile_with_formula_of(self.definition, formula)
    }

    fn compile_with_formula_of(&self, definition: &DefinitionWithPosition, formula: &str) -> Option<String> {
        self.compile_spec_sql(&self.editable_spec.with_formula_unchecked(definition, formula)?)
    }

    pub fn compile_spec_sql(&self, spec: &str) -> Option<String> {
        self.editable_spec.compile_sql(self.compiler, spec, self.path)
    }

    /// Returns the type that the definition has with a different formula, and whether its value may be NULL. `None` if
    /// the formula does not compile.
    pub fn formula_type(&self, formula: &str) -> Option<ValueType> {
        let spec = self.editable_spec.with_formula_unchecked(self.definition, formula)?;
        let compiled = self.editable_spec.compile(self.compiler, &spec, self.path);
        let step = self.step()?;
        let is_definition = |definition: &&SpecDefinition| {
            definition.name() == self.definition.name
                && (definition.step().is_none() || definition.step() == step.name.as_deref())
        };
        let definition = compiled
            .definitions()
            .iter()
            .find(is_definition)
            .filter(|_| compiled.model_sql().is_some())?;
        Some((definition.ty(), definition.nullable()))
    }

    /// Returns the definition's expression after replacing its formula.
    pub fn expression_tree(&self, formula: &str, trees: &mut SqlTrees) -> Option<SqlNodeId> {
        self.expression_tree_with_formula_of(self.definition, formula, trees)
    }

    /// Replaces the formula of any definition in the step, and returns the definition's new expression.
    fn expression_tree_with_formula_of(
        &self,
        definition: &DefinitionWithPosition,
        formula: &str,
        trees: &mut SqlTrees,
    ) -> Option<SqlNodeId> {
        let remaining = self
            .remaining_learned_bytes
            .get()
            .checked_sub(MIN_BYTES_PER_COMPILATION)?;
        self.remaining_learned_bytes.set(remaining);
        let sql = self.compile_with_formula_of(definition, formula)?;
        let more = sql.len().saturating_sub(MIN_BYTES_PER_COMPILATION);
        self.remaining_learned_bytes.set(remaining.saturating_sub(more));
        let file = SqlFile::read(&sql, self.edited_file.dialect);
        self.editable_spec
            .definition_expression(&file, self.cte, self.step_index, &definition.name, trees)
            .ok()
    }

    /// Returns the expression that a formula compiles to if it replaces a definition's formula. If the formula does not
    /// compile there, it is wrapped in `MAX`, as a grouped step requires, and the expression inside the aggregate is
    /// returned.
    pub fn expand_formula(
        &self,
        definition: &DefinitionWithPosition,
        formula: &str,
        trees: &mut SqlTrees,
    ) -> Option<SqlNodeId> {
        self.expression_tree_with_formula_of(definition, formula, trees)
            .or_else(|| {
                let aggregate = self.expression_tree_with_formula_of(definition, &format!("MAX({formula})"), trees)?;
                match (trees.label(aggregate), trees.children(aggregate)) {
                    (SqlLabel::Call, [_, inner]) => Some(*inner),
                    _ => None,
                }
            })
    }

    /// Converts a formula to a probe argument that stands for any expression.
    pub fn probe_argument_from_formula(&self, formula: &str, trees: &mut SqlTrees) -> Option<ProbeArgument> {
        Some(ProbeArgument::Named(
            formula.to_owned(),
            self.expression_tree(formula, trees)?,
        ))
    }
}
