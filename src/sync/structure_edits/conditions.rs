//! Conditions that a user edited in the SQL of a model, and formulas for SQL that is computed from the rows of a step.

use formulac_syntax::text::collapse_whitespace;

use super::candidates::SpecWithStructureEdit;
use super::spec_edits::{step_with_condition, with_definition, without_output_definitions};
use crate::dbt::tokens::{SqlToken, SqlTokenKind, tokens};
use crate::decompile::{DecompileError, DecompiledFormula};
use crate::dialect::Dialect;
use crate::model_reconciler::ModelReconciler;
use crate::yaml_edit::{Edit, YamlValue, apply_edits};

/// Name of the column that temporarily replaces a condition.
pub(super) const CONDITION_PLACEHOLDER_COLUMN: &str = "fx_condition";

impl ModelReconciler<'_> {
    /// Returns an edited condition without the generated conditions, which do not come from the model's `where` or
    /// `having`. The conditions of metric sets come first, and the conditions of keys such as `since` come last. `None`
    /// if there are no such conditions, or if the user edited them.
    pub fn without_generated_condition(
        &self,
        (cte, clause): (Option<&str>, &str),
        edited: &str,
        actual: &str,
    ) -> Option<String> {
        let source = &self.ours.source;
        let (at, _) = step_with_condition(source, cte)?;
        let without = apply_edits(source, &[Edit::Remove { at: at.key(clause) }]).ok()?;
        if without == *source {
            return None;
        }
        let without = self.tools.compile(&self.ours.spec, &without)?;
        let dialect = without.compiled.dialect();
        let differences = self.differences(&without, actual);
        let generated = match differences.iter().find(|(_, after)| after == edited) {
            Some((before, _)) => collapse_whitespace(before),
            // The user removed the model's own condition.
            None => return Some(String::new()),
        };
        let generated = without_jinja_block(&generated, dialect).to_owned();
        let edited = collapse_whitespace(without_jinja_block(edited, dialect));
        if generated.is_empty() {
            return None;
        }
        let first = || edited.strip_suffix(&generated)?.trim_end().strip_suffix("and");
        let last = || edited.strip_prefix(&generated)?.trim_start().strip_prefix("and");
        Some(first().or_else(last)?.trim().to_owned())
    }

    /// Returns the spec in which `where` or `having` of a step contains the condition from the edited SQL.
    pub fn with_condition(
        &self,
        clause: &'static str,
        condition: &str,
        cte: Option<&str>,
    ) -> Option<SpecWithStructureEdit> {
        let source = &self.ours.source;
        let (at, up_to) = step_with_condition(source, cte)?;
        if condition.is_empty() {
            let without = apply_edits(source, &[Edit::Remove { at: at.key(clause) }]).ok()?;
            return Some(Ok((without, None)));
        }
        let (formula, after) = if clause == "where" {
            (
                self.formula_over_rows_of_spec(&without_output_definitions(&up_to)?, condition)?,
                ["joins", "from"],
            )
        } else {
            let spec = with_definition(&up_to, CONDITION_PLACEHOLDER_COLUMN, "COUNT() > 0")?;
            let formula = self.formula_at_placeholder(&spec, "count(*) > 0", condition)?;
            (formula, ["group_by", "where"])
        };
        let DecompiledFormula { formula, rewritten, .. } = match formula {
            Ok(formula) => formula,
            Err(error) => return Some(Err(error)),
        };
        let edit = Edit::Set {
            at: at.key(clause),
            value: YamlValue::text(formula),
            after: after.map(str::to_owned).to_vec(),
        };
        Some(Ok((apply_edits(source, &[edit]).ok()?, rewritten)))
    }

    /// Returns the formula for SQL that is computed from the rows that the last step reads. `None` if the step cannot
    /// be edited.
    pub fn formula_over_last_step_rows(&self, sql: &str) -> Option<Result<DecompiledFormula, DecompileError>> {
        self.formula_over_rows_of_spec(&without_output_definitions(&self.ours.source)?, sql)
    }

    /// Returns the formula for SQL that is computed from the rows that the spec `rows` selects. This spec has no
    /// definitions. `None` if the spec cannot be edited.
    pub fn formula_over_rows_of_spec(
        &self,
        rows: &str,
        sql: &str,
    ) -> Option<Result<DecompiledFormula, DecompileError>> {
        let spec = with_definition(rows, CONDITION_PLACEHOLDER_COLUMN, "TRUE")?;
        self.formula_at_placeholder(&spec, "true", sql)
    }

    /// Returns the formula for SQL that replaces a placeholder in a spec. The formula is found as if the SQL were a
    /// column.
    fn formula_at_placeholder(
        &self,
        spec: &str,
        placeholder: &str,
        sql: &str,
    ) -> Option<Result<DecompiledFormula, DecompileError>> {
        let path = Some(self.ours.spec.as_str());
        let before = format!("{placeholder} as {CONDITION_PLACEHOLDER_COLUMN}");
        let generated = self.tools.compile(&self.ours.spec, spec)?;
        let edited_sql =
            generated
                .compiled
                .model_sql()?
                .replacen(&before, &format!("({sql}) as {CONDITION_PLACEHOLDER_COLUMN}"), 1);
        let (decompiler, compiler) = (self.tools.decompiler, self.tools.compiler);
        Some(decompiler.find_formula_with_guards(compiler, spec, path, &edited_sql, None, CONDITION_PLACEHOLDER_COLUMN))
    }
}

/// Returns a condition without the block for incremental runs at its end, `{% if is_incremental() %} and … {% endif
/// %}`.
pub(super) fn without_jinja_block(condition: &str, dialect: Dialect) -> &str {
    let tokens = tokens(condition, dialect);
    let is_block = |token: &&SqlToken| token.kind == SqlTokenKind::Jinja && token.text(condition).starts_with("{%");
    let end = tokens
        .iter()
        .find(is_block)
        .map_or(condition.len(), |token| token.start);
    condition.get(..end).unwrap_or(condition).trim_end()
}
