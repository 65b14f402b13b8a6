//! Checks candidate formulas for a definition in an edited file: compiles the spec with each formula and compares the
//! resulting SQL with the edited SQL.

mod candidate_file;
mod compilation;
mod definition_part;
mod nearest;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;

use super::alternatives::ValueType;
use super::columns::ColumnResolver;
use super::edits::{ColumnEdit, SqlEdits};
use super::equivalent_files::{are_equivalent_files, are_equivalent_files_with};
use super::expression_text::{FormulaText, RangeUse};
use super::file::{SqlFile, is_same_name};
use super::formula_names::{contains_name, has_division_by_zero};
use super::ranges;
use super::spec_edit::EditableSpec;
use super::tree::{SqlNodeId, SqlTrees};
use crate::Type;
use crate::compiler::Compiler;
use crate::model::outline::{DefinitionWithPosition, SheetOutline, StepOutline};

pub(super) use candidate_file::CandidateFile;
pub(super) use definition_part::{ColumnOrClause, expression_columns};

/// Maximum number of formulas to compile before the search stops.
const MAX_COMPILED_FORMULAS: usize = 150;
/// Maximum number of further formulas to compile after a formula has been proven, in search of a formula that
/// reproduces the edited SQL exactly.
const MAX_COMPILED_AFTER_MATCH: usize = 12;
/// Maximum number of formulas to compile in search of equivalent SQL.
const MAX_COMPILED_FOR_EQUIVALENCE: usize = 24;
/// Maximum number of bytes of SQL to compile in order to learn the SQL that formulas produce at a definition's
/// position.
const MAX_COMPILED_BYTES: usize = 4_000_000;
/// Cost of each function that a candidate calls but the formula in the spec does not.
const NEW_FUNCTION_COST: u32 = 3;

/// Checks candidate formulas for a definition in a file.
pub(super) struct CandidateCheck<'a, 's> {
    pub compiler: &'a Compiler,
    pub editable_spec: &'a EditableSpec<'s>,
    pub definition: &'a DefinitionWithPosition,
    pub step_index: usize,
    pub path: Option<&'a str>,
    /// Generated version of the file. `edited_file` is the version that users edited.
    pub generated_file: &'a SqlFile<'s>,
    pub edited_file: &'a SqlFile<'s>,
    pub edits: &'a SqlEdits,
    pub cte: Option<&'a str>,
    /// Column or clause of the file that contains the definition's SQL.
    pub definition_part: ColumnOrClause<'a>,
    /// `true` if a candidate must leave no differences at all, because this definition could have caused any of them.
    pub is_exact: bool,
    /// `true` if the rest of the file must match the edited file, except for other edits.
    pub compares_file: bool,
    /// Number of bytes of SQL that may still be compiled for learning.
    remaining_learned_bytes: Cell<usize>,
    /// Formulas that were compiled but could not be proven.
    rejected_formulas: RefCell<HashSet<String>>,
    /// Windows that ranges compile to, learned once and then reused.
    pub windows: OnceCell<Vec<ranges::WindowRanges>>,
    /// CTE in which the edited file computes the definition.
    cte_of_definition: OnceCell<Option<String>>,
}

impl<'a, 's> CandidateCheck<'a, 's> {
    pub fn new(
        compiler: &'a Compiler,
        editable_spec: &'a EditableSpec<'s>,
        (step_index, definition): (usize, &'a DefinitionWithPosition),
        path: Option<&'a str>,
        (generated_file, edited_file, edits): (&'a SqlFile<'s>, &'a SqlFile<'s>, &'a SqlEdits),
    ) -> Self {
        Self {
            compiler,
            editable_spec,
            definition,
            step_index,
            path,
            generated_file,
            edited_file,
            edits,
            cte: editable_spec.step_cte(step_index),
            definition_part: ColumnOrClause::Column(&definition.name),
            is_exact: false,
            compares_file: true,
            remaining_learned_bytes: Cell::new(MAX_COMPILED_BYTES),
            rejected_formulas: RefCell::default(),
            windows: OnceCell::new(),
            cte_of_definition: OnceCell::new(),
        }
    }

    /// Returns a new check for the same definition, with its own limits and without the rejected formulas.
    pub fn with_new_limits(&self) -> Self {
        let definition = (self.step_index, self.definition);
        let files = (self.generated_file, self.edited_file, self.edits);
        Self::new(self.compiler, self.editable_spec, definition, self.path, files)
    }

    /// Returns a proven formula: a formula that compiles to the expected expression in the part of the file that
    /// contains the definition's SQL.
    pub fn first_matching_formula(
        &self,
        mut forms: Vec<FormulaText>,
        trees: &SqlTrees,
        expected: SqlNodeId,
    ) -> Option<String> {
        self.sort_by_formula_similarity(&mut forms);
        let mut trees = trees.clone();
        let mut rejected = self.rejected_formulas.borrow_mut();
        forms.retain(|form| !rejected.contains(&form.text));
        let least_count = self.count_edits_of_other_definitions().unwrap_or_default();
        // If several formulas are proven, keep the formula that leaves the fewest other differences in the file.
        let mut best: Option<(usize, String)> = None;
        let mut more = MAX_COMPILED_FORMULAS.saturating_sub(rejected.len());
        for form in forms {
            let Some(left) = more.checked_sub(1) else { break };
            more = left;
            let count = self.count_differences(&form.text, &mut trees, expected);
            match count {
                Some(count) if count <= least_count => return Some(form.text),
                Some(count) => {
                    more = if best.is_none() {
                        more.min(MAX_COMPILED_AFTER_MATCH)
                    } else {
                        more
                    };
                    if best.as_ref().is_none_or(|(least, _)| count < *least) {
                        best = Some((count, form.text));
                    }
                }
                None => {
                    rejected.insert(form.text);
                }
            }
        }
        best.map(|(_, text)| text)
    }

    /// Returns a formula that makes the spec equivalent to the edited file: both return the same columns of the same
    /// rows, even if the columns are computed in other selects.
    pub fn first_equivalent_formula(&self, mut forms: Vec<FormulaText>, trees: &SqlTrees) -> Option<String> {
        self.sort_by_formula_similarity(&mut forms);
        let mut trees = trees.clone();
        let mut is_equivalent = |form: &FormulaText| {
            let spec = self.editable_spec.replace_formula(self.definition, &form.text).ok();
            let sql = spec.and_then(|spec| self.compile_spec_sql(&spec));
            sql.is_some_and(|sql| {
                are_equivalent_files(
                    &SqlFile::read(&sql, self.edited_file.dialect),
                    self.edited_file,
                    &mut trees,
                )
            })
        };
        let mut forms = forms.into_iter().take(MAX_COMPILED_FOR_EQUIVALENCE);
        forms.find(|form| is_equivalent(form)).map(|form| form.text)
    }

    /// Returns the step that contains the definition.
    fn step(&self) -> Option<&'a StepOutline> {
        self.editable_spec.outline.steps.get(self.step_index)
    }

    /// Returns a resolver for the columns of a file, with the names that the definition's step uses.
    fn column_resolver<'f, 't>(&self, file: &'f SqlFile<'t>) -> ColumnResolver<'f, 't> {
        self.editable_spec
            .column_resolver(file, self.step_index, &self.definition.name)
    }

    /// Returns whether an edit belongs to the column that contains the definition's SQL.
    pub fn is_column_of_definition(&self, item: &ColumnEdit) -> bool {
        let same = |a: Option<&str>, b: Option<&str>| a.map(str::to_ascii_lowercase) == b.map(str::to_ascii_lowercase);
        let is_column =
            matches!(self.definition_part, ColumnOrClause::Column(name) if item.column.eq_ignore_ascii_case(name));
        is_column && same(item.cte.as_deref(), self.cte_of_definition())
    }

    /// Returns an edit to the definition's column that concerns only the periods that a step with `fill` adds.
    pub fn difference_in_added_periods<'i>(&self, edits: &'i SqlEdits) -> Option<&'i ColumnEdit> {
        let step = self.step()?;
        let is_other_column = |item: &&ColumnEdit| {
            item.column.eq_ignore_ascii_case(&self.definition.name) && !self.is_column_of_definition(item)
        };
        edits.items.iter().filter(|_| step.is_filled).find(is_other_column)
    }

    /// Returns the reason why no formula expresses an edit to the column in a select after the definition's step. Such
    /// a select only passes the column on. `None` if there is no such edit.
    pub fn reason_against_later_edit(&self) -> Option<String> {
        let (cte, name) = (self.cte?, &self.definition.name);
        let position = |cte: &str| self.edited_file.ctes.iter().position(|other| is_same_name(other, cte));
        let step_position = position(cte)?;
        let is_later = |item: &ColumnEdit| {
            let edited = item.cte.as_deref().map_or(Some(usize::MAX), position);
            is_same_name(&item.column, name) && edited > Some(step_position)
        };
        let later_steps = self.editable_spec.outline.steps.iter().skip(self.step_index + 1);
        let mut later_definitions = later_steps.flat_map(|step| &step.definitions);
        let is_defined_later = later_definitions.any(|other| is_same_name(&other.name, name));
        (!is_defined_later && self.edits.items.iter().any(is_later)).then(|| {
            format!(
                "the CTE `{cte}` computes `{name}`, and the edited select only reads it; edit `{cte}`, or add a column \
                 with a new name"
            )
        })
    }

    /// Returns the CTE in which the edited file computes the definition. `None` for the last select.
    fn cte_of_definition(&self) -> Option<&str> {
        let find = || {
            let columns = self.column_resolver(self.edited_file);
            let position = self.editable_spec;
            position
                .find_column_expression(&columns, self.edited_file, self.cte, &self.definition.name)?
                .cte
        };
        self.cte_of_definition.get_or_init(find).as_deref()
    }

    /// Sorts formulas by their similarity to the formula in the spec, the most similar formula first.
    pub fn sort_by_formula_similarity(&self, forms: &mut Vec<FormulaText>) {
        let known = called_functions(&self.definition.formula);
        let may_write_errors = has_division_by_zero(&self.definition.formula);
        forms.retain(|form| form.range != RangeUse::Whole && (may_write_errors || !has_division_by_zero(&form.text)));
        forms.sort_by_cached_key(|form| {
            let new = called_functions(&form.text)
                .iter()
                .filter(|word| !known.contains(*word))
                .count();
            form.cost + NEW_FUNCTION_COST * new as u32
        });
    }

    /// Returns the number of edits to columns of other definitions. No formula of this definition can undo these edits.
    /// `None` if the file has edits to other parts.
    fn count_edits_of_other_definitions(&self) -> Option<usize> {
        let names = &self.step()?.definitions;
        let names: HashSet<String> = names.iter().map(|other| other.name.to_ascii_lowercase()).collect();
        let is_of_definition = |item: &ColumnEdit| names.contains(&item.column.to_ascii_lowercase());
        let is_of_step = |item: &ColumnEdit| item.cte.as_deref() == self.cte_of_definition();
        let own = |item: &ColumnEdit| item.column.eq_ignore_ascii_case(&self.definition.name);
        let edits = &self.edits;
        (edits.other_edits.is_empty()
            && edits
                .items
                .iter()
                .all(|item| is_of_definition(item) && is_of_step(item)))
        .then(|| edits.items.iter().filter(|item| !own(item)).count())
    }

    /// Counts the differences between the SQL of a formula and the edited file, provided that all differences come from
    /// other edits. `None` if the formula does not produce the expected expression or if any other difference remains.
    fn count_differences(&self, formula: &str, trees: &mut SqlTrees, expected: SqlNodeId) -> Option<usize> {
        let sql = self.compile_spec_sql(&self.editable_spec.replace_formula(self.definition, formula).ok()?)?;
        let candidate = CandidateFile::new(SqlFile::read(&sql, self.edited_file.dialect));
        self.count_remaining_differences(&candidate, trees, expected)
    }

    fn count_remaining_differences(
        &self,
        candidate: &CandidateFile<'_>,
        trees: &mut SqlTrees,
        expected: SqlNodeId,
    ) -> Option<usize> {
        if self.expression_in_file(&candidate.file, self.definition_part, trees) != Ok(expected) {
            return None;
        }
        if !self.compares_file {
            return Some(0);
        }
        let edits = candidate.edits(self.edited_file);
        if edits.items.iter().any(|item| self.is_column_of_definition(item))
            || self.difference_in_added_periods(edits).is_some()
        {
            return None;
        }
        // The edits to other definitions with candidates remain, because this formula does not change their columns.
        let is_edit_of_other_definition =
            |item: &&ColumnEdit| candidate.is_edit_of_other_definition(item, &self.definition.name);
        let of_others = self.edits.items.iter().filter(is_edit_of_other_definition).count();
        let own: Vec<&ColumnEdit> = edits
            .items
            .iter()
            .filter(|item| !is_edit_of_other_definition(item))
            .collect();
        let count = own.len() + of_others + edits.other_edits.len();
        let fewer = count < self.edits.items.len() + self.edits.other_edits.len();
        let is_proven = (fewer || self.edits.is_empty())
            && own.iter().all(|item| self.edits.items.contains(item))
            && edits
                .other_edits
                .iter()
                .all(|rest| self.edits.other_edits.contains(rest));
        (is_proven && (count == 0 || !self.is_exact)).then_some(count)
    }

    /// Returns whether the file of a candidate contains the definition's edited SQL, possibly in another select.
    pub fn has_edited_expression(&self, candidate: &CandidateFile<'_>) -> bool {
        let mut trees = SqlTrees::default();
        let Ok(expected) = self.expression_in_file(self.edited_file, self.definition_part, &mut trees) else {
            return false;
        };
        if self
            .count_remaining_differences(candidate, &mut trees, expected)
            .is_some()
        {
            return true;
        }
        let is_other_edit = |column: &str| {
            let mut edits = self
                .edits
                .items
                .iter()
                .filter(|item| is_same_name(&item.column, column));
            edits.next().is_some() && !is_same_name(column, &self.definition.name)
        };
        are_equivalent_files_with(
            &candidate.file,
            self.edited_file,
            &mut trees,
            &mut |_, column, first, second| first == second || is_other_edit(column),
        )
    }

    /// Returns the relation that the step reads.
    pub fn base_relation(&self) -> String {
        let columns = self.column_resolver(self.edited_file);
        let lower = self.cte.map(str::to_ascii_lowercase);
        columns.base_relation_of(lower.as_deref())
    }

    /// Returns the columns of the relation that the step reads, if they are known.
    pub fn columns_of_base_relation(&self) -> Vec<(String, Type)> {
        let base = self.compiler.options.schema.relation(&self.base_relation());
        let columns = base.into_iter().flat_map(formulac_core::Relation::columns);
        columns.map(|column| (column.name().to_owned(), column.ty())).collect()
    }

    /// Returns the type of a column in the step's relation, and whether the column may be NULL. `None` if the type is
    /// unknown.
    pub fn base_column_type(&self, name: &str) -> Option<ValueType> {
        let base = self.compiler.options.schema.relation(&self.base_relation())?;
        let column = base
            .columns()
            .iter()
            .find(|column| column.name().eq_ignore_ascii_case(name))?;
        Some((column.ty(), column.is_nullable()))
    }

    /// Returns whether only the definition's formula may show the type of a column, so that a different formula can
    /// lose the type.
    pub fn may_lose_type_of(&self, name: &str) -> bool {
        contains_name(&self.definition.formula, name)
            && self.base_column_type(name).is_none_or(|(ty, _)| ty == Type::Unknown)
    }

    pub fn sheet_outline(&self) -> Option<&SheetOutline> {
        self.step()?.sheet.as_ref()
    }
}

/// Returns the functions that a formula calls. Timeframes are skipped because they may have the same names as
/// functions, such as `[quarter]`.
pub(super) fn called_functions(formula: &str) -> Vec<&str> {
    let is_in_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let calls = formula
        .match_indices('(')
        .filter_map(|(at, _)| formula.get(..at)?.trim_end().rsplit(|c| !is_in_name(c)).next());
    calls.filter(|word| crate::catalog::lookup(word).is_some()).collect()
}
