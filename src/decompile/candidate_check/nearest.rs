//! Explains why no formula expresses an edit, with the SQL or the error of the nearest formula.

use std::ops::Range;

use formulac_syntax::text::collapse_whitespace;

use super::{CandidateCheck, expression_columns};
use crate::column_readers::{column_readers, uses_name};
use crate::edits::{ColumnEdit, SqlEdits, compare_files};
use crate::errors;
use crate::expression_text::FormulaText;
use crate::file::{FilePartPosition, SqlFile, is_same_name};
use crate::formula::DecompileError;
use crate::parse::parse;
use crate::search::FormulaSearch;
use crate::tree::{SqlNodeId, SqlTrees};

/// Maximum number of formulas to compile in order to explain why an edit cannot be expressed as a formula.
const MAX_COMPILED_FOR_EXPLANATION: usize = 3;

impl CandidateCheck<'_, '_> {
    /// Returns the reason why even the best of these formulas does not produce the edited expression: the SQL of the
    /// formula, or its error. `None` if no formula is similar.
    pub fn explain_rejected_formula(
        &self,
        mut forms: Vec<FormulaText>,
        trees: &mut SqlTrees,
        edited: SqlNodeId,
    ) -> Option<DecompileError> {
        self.sort_by_formula_similarity(&mut forms);
        let parts = trees.descendants(edited);
        let mut error = None;
        for form in forms.into_iter().take(MAX_COMPILED_FOR_EXPLANATION) {
            let spec = self.editable_spec.with_formula_unchecked(self.definition, &form.text)?;
            let compiled = self.editable_spec.compile(self.compiler, &spec, self.path);
            let Some(sql) = compiled.model_sql() else {
                let diagnostic = compiled.diagnostics().iter().find(|diagnostic| diagnostic.is_error());
                error = error
                    .or(diagnostic.map(|diagnostic| errors::invalid_formula_error(&form.text, diagnostic.message())));
                continue;
            };
            let file = SqlFile::read(sql, self.edited_file.dialect);
            let edits = compare_files(&file, self.edited_file);
            if let Some(item) = self.difference_in_added_periods(&edits) {
                let values =
                    [&file, self.edited_file].map(|file| describe_value_in_added_periods(file, &item.position));
                if !matches!(&values, [Some(value), Some(edited)] if value == edited) {
                    return Some(errors::added_periods_error(&form.text, values));
                }
            }
            let columns = self.column_resolver(&file);
            let Some(column_expression) =
                self.editable_spec
                    .find_column_expression(&columns, &file, self.cte, &self.definition.name)
            else {
                return Some(errors::unaggregated_formula_error(&form.text));
            };
            let generated = self.expression_in_file(&file, self.definition_part, trees).ok();
            if generated == Some(edited)
                && let Some(reader) = self.unnamed_dependent_definition()
            {
                return Some(errors::unnamed_dependent_error(
                    &form.text,
                    &self.definition.name,
                    reader,
                ));
            }
            if !edits.items.iter().any(|item| self.is_column_of_definition(item))
                && let Some((part, sql)) = self.first_unintended_difference(&edits)
            {
                return Some(errors::changed_part_error(&form.text, &part, sql.as_deref()));
            }
            // A formula that lacks the outer part of the edit, such as a conversion, does not count as similar.
            if generated.is_some_and(|generated| generated != edited && parts.contains(&generated)) {
                continue;
            }
            if generated == Some(edited)
                && let Some(cte) = &column_expression.cte
            {
                return Some(errors::wrong_cte_error(&form.text, cte));
            }
            let sql = collapse_whitespace(file.text(&column_expression.tokens));
            return Some(errors::nearest_formula_error(&form.text, &sql));
        }
        let listed = errors::subexpression_with_advice(trees, edited).filter(|_| error.is_some());
        listed
            .map(|listed| errors::unknown_sql_error(trees, edited, listed))
            .or(error)
    }

    /// Returns a definition that the edited SQL computes from the definition's column, although its formula does not
    /// name the definition, directly or through other definitions. The two formulas contain the same aggregate.
    fn unnamed_dependent_definition(&self) -> Option<&str> {
        let definitions = &self.step()?.definitions;
        let own_name = self.definition.name.as_str();
        let is_own = |item: &&ColumnEdit| item.cte.is_some() && is_same_name(&item.column, own_name);
        let edit = self.edits.items.iter().find(is_own)?;
        let readers = column_readers(self.edited_file.source, self.edited_file.dialect, &edit.position);
        let mut named = vec![own_name];
        let mut at = 0;
        while let Some(name) = named.get(at).copied() {
            let names_it = |formula: &str| uses_name(formula, name);
            let users = definitions.iter().filter(|definition| names_it(&definition.formula));
            let users = users.map(|definition| definition.name.as_str());
            let new: Vec<&str> = users.filter(|user| !named.contains(user)).collect();
            named.extend(new);
            at += 1;
        }
        let is_reader = |name: &&str| {
            let mut columns = readers.iter().filter_map(|(part, _)| part.column_name_if_column());
            columns.any(|column| is_same_name(column, name))
        };
        let names = definitions.iter().map(|definition| definition.name.as_str());
        names.filter(|name| !named.contains(name)).find(is_reader)
    }

    /// Returns the first difference that is not one of the user's edits: a description of the part, and its generated
    /// SQL. The SQL is `None` if the difference concerns the whole file.
    fn first_unintended_difference(&self, edits: &SqlEdits) -> Option<(String, Option<String>)> {
        let mut columns = edits.items.iter().filter(|item| !self.edits.items.contains(item));
        let column = columns
            .next()
            .map(|item| (format!("the column `{}`", item.column), Some(item.before.clone())));
        let mut rest = edits
            .other_edits
            .iter()
            .filter(|rest| !self.edits.other_edits.contains(rest));
        column.or_else(|| {
            let rest = rest.next()?;
            Some((
                rest.description.clone(),
                rest.position.as_ref().map(|_| rest.before.clone()),
            ))
        })
    }
}

/// Returns the value that a column has in the periods that `fill` adds: the default in `coalesce(max(x), default)`, as
/// a formula, and NULL in `max(x)`. A column that only passes on a name has the value of this name in an earlier CTE.
/// `None` if the column has another form.
fn describe_value_in_added_periods(file: &SqlFile<'_>, position: &FilePartPosition) -> Option<String> {
    let value = |tokens: &Range<usize>| {
        let keys: Vec<String> = tokens.clone().map(|token| file.key(token)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        match keys.as_slice() {
            ["max", "(", _, ")"] => Some("NULL".to_owned()),
            ["coalesce", "(", "max", "(", _, ")", ",", _, .., ")"] => {
                let default = constant_formula(file, tokens.start + 7..tokens.end - 1)?;
                Some(format!("`{default}`"))
            }
            _ => None,
        }
    };
    let tokens = file.part_tokens(position)?;
    let in_cte = |name: String| {
        let mut ctes = file.ctes.iter().rev();
        ctes.find_map(|cte| value(&file.column(Some(cte), &name)?))
    };
    value(&tokens).or_else(|| in_cte(file.column_name(&tokens)?))
}

/// Returns the formula of a literal. `None` if the SQL contains a column.
fn constant_formula(file: &SqlFile<'_>, tokens: Range<usize>) -> Option<String> {
    let mut trees = SqlTrees::default();
    let expression = parse(file.source, file.tokens.get(tokens)?, file.dialect, &mut trees).ok()?;
    let formulas = FormulaSearch::new(&[], &trees).candidate_formulas(expression);
    let formula = formulas.into_iter().next()?.text;
    expression_columns(&trees, expression).is_empty().then_some(formula)
}
