//! Versions of a spec that may generate SQL with the edited structure.

use super::StructureEdit;
use super::conditions::without_jinja_block;
use super::metric_sets::with_renamed_metric;
use super::spec_edits::{
    placeholder_formulas, reason_against_name, with_definition, with_definition_after_others, with_join_types,
    with_relation, without_definition,
};
use crate::decompile::{DecompileError, DecompiledFormula, RewrittenSql, columns_before, with_renamed_definition};
use crate::model_reconciler::ModelReconciler;

/// Version of a spec that may produce an edit, or the reason why there is no formula for the edit. If the generated SQL
/// of an added column or condition differs from the edited SQL, the version contains the generated SQL.
pub(super) type SpecWithStructureEdit = Result<(String, Option<RewrittenSql>), DecompileError>;

impl ModelReconciler<'_> {
    /// Returns the versions of the spec that may produce an edit to the structure of the SQL. The generated SQL of an
    /// added column or of a condition may handle more special cases than the edited SQL.
    pub fn specs_with_structure_edit(&self, edit: &StructureEdit, text: &str) -> Vec<SpecWithStructureEdit> {
        let source = &self.ours.source;
        let specs = match edit {
            StructureEdit::Removed(name) => without_definition(source, name).into_iter().collect(),
            StructureEdit::Renamed(old, new) => {
                let renamed = with_renamed_definition(source, old, new).into_iter();
                renamed.chain(with_renamed_metric(source, old, new)).collect()
            }
            StructureEdit::Relation { before, after, .. } => with_relation(source, before, after),
            StructureEdit::JoinTypes { before, after } => with_join_types(source, before, after).into_iter().collect(),
            StructureEdit::GroupKeys(keys) => self.with_group_keys(keys).into_iter().collect(),
            StructureEdit::Condition { cte, clause, after, .. } => {
                let edited = self.without_generated_condition((cte.as_deref(), clause), after, text);
                let dialect = self.ours.compiled.dialect();
                let condition = edited.as_deref().unwrap_or_else(|| without_jinja_block(after, dialect));
                return match self.edited_model {
                    Some(_) if !condition.is_empty() && *clause == "where" => self.with_metric_set_condition(condition),
                    Some(_) if !condition.is_empty() => Vec::new(),
                    _ => self
                        .with_condition(clause, condition, cte.as_deref())
                        .into_iter()
                        .collect(),
                };
            }
            StructureEdit::Added(name) if self.edited_model.is_some() => {
                return self.with_metric_column(name, text).into_iter().collect();
            }
            StructureEdit::Added(name) => return self.with_added_column(name, text),
        };
        specs.into_iter().map(|spec| Ok((spec, None))).collect()
    }

    /// Returns the specs with a definition for an added column: after the definitions of the columns before it, or at
    /// the end.
    fn with_added_column(&self, name: &str, text: &str) -> Vec<SpecWithStructureEdit> {
        let source = &self.ours.source;
        if let Some(reason) = reason_against_name(source, name, self.ours.compiled.dialect()) {
            return vec![Err(DecompileError { reason })];
        }
        // Find the formula as for a changed definition: temporarily define the name with a placeholder formula.
        let placeholders = placeholder_formulas(source).iter();
        let mut specs = placeholders.filter_map(|formula| with_definition(source, name, formula));
        let before = specs.find(|spec| self.tools.compile(&self.ours.spec, spec).is_some());
        let Some(before) = before else { return Vec::new() };
        let (decompiler, path) = (self.tools.decompiler, Some(self.ours.spec.as_str()));
        let formula = decompiler.find_formula_with_guards(self.tools.compiler, &before, path, text, None, name);
        let DecompiledFormula { formula, rewritten, .. } = match formula {
            Ok(formula) => formula,
            Err(error) => return vec![Err(error)],
        };
        let columns = columns_before(text, name, self.ours.compiled.dialect());
        let in_place = with_definition_after_others(source, name, &formula, &columns);
        let specs = in_place.into_iter().chain(with_definition(source, name, &formula));
        specs.map(|spec| Ok((spec, rewritten.clone()))).collect()
    }
}
