//! Checks candidate formulas for a definition in an edited file: compiles the spec with each formula and compares the
//! resulting SQL with the edited SQL.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;

use rustc_hash::FxHashSet;

use super::alternatives::ValueType;
use super::columns::KEYWORDS;
use super::edits::{ColumnEdit, Edits, compare_files};
use super::equivalent_files::are_equivalent;
use super::expression_text::{ExpressionShape, ExpressionText, RangeUse, format_name};
use super::file::SqlFile;
use super::formula::NotAFormula;
use super::formula_names::has_division_by_zero;
use super::patterns::{Binding, build_pattern};
use super::probes::{Arg, NUMBERS, POINTS, ProbeFormula, TEXTS};
use super::ranges;
use super::refusals;
use super::search::FormulaSearch;
use super::spec_edit::SpecPosition;
use super::tree::{SqlLabel, SqlNodeId, Trees};
use crate::Type;
use crate::compiler::Compiler;
use crate::model::SpecDefinition;
use crate::model::outline::DefinitionWithPosition;

/// Maximum number of formulas to compile before the search stops.
const MAX_COMPILED: usize = 150;
/// Maximum number of further formulas to compile after a formula has been proven, in search of a formula that
/// reproduces the edited SQL exactly.
const MAX_FURTHER_COMPILED: usize = 12;
/// Maximum number of formulas to compile in search of equivalent SQL.
const MAX_EQUIVALENT_COMPILED: usize = 24;
/// Maximum number of formulas to compile in order to explain why an edit cannot be expressed as a formula.
const MAX_NEAREST_COMPILED: usize = 3;
/// Maximum number of bytes of SQL to compile in order to learn the SQL that formulas produce at a definition's
/// position.
const MAX_LEARNED_BYTES: usize = 4_000_000;
/// Minimum number of bytes that each compilation subtracts from `MAX_LEARNED_BYTES`, even if its SQL is shorter.
const MIN_COUNTED_BYTES: usize = 1_500;
/// Maximum number of unrelated definitions to search for the expression of a definition without a column.
const MAX_UNRELATED_DEFINITIONS: usize = 8;
/// Cost of each function that a candidate calls but the formula in the spec does not.
const NEW_FUNCTION_COST: u32 = 3;

/// Part of a file that shows the SQL of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DefinitionSqlPart<'a> {
    /// The column of this definition, or of a definition that depends on it.
    Column(&'a str),
    /// A clause of a CTE or of the last select.
    Clause(Option<&'a str>, &'a str),
}

/// Checks candidate formulas for a definition in a file.
pub(super) struct CandidateCheck<'a, 's> {
    pub compiler: &'a Compiler,
    pub spec_position: &'a SpecPosition<'s>,
    pub definition: &'a DefinitionWithPosition,
    pub definition_index: usize,
    pub path: Option<&'a str>,
    /// Generated version of the file. `edited_file` is the version with hand edits.
    pub generated_file: &'a SqlFile<'s>,
    pub edited_file: &'a SqlFile<'s>,
    pub edits: &'a Edits,
    pub cte: Option<&'a str>,
    /// Part of the file that shows the definition.
    pub definition_part: DefinitionSqlPart<'a>,
    /// `true` if no difference may remain, because the difference could be caused by this definition.
    pub is_exact: bool,
    /// `true` if the rest of the file must contain only other edits.
    pub compares_file: bool,
    /// Number of bytes of SQL that may still be compiled for learning.
    left: Cell<usize>,
    /// Formulas that were compiled but could not be proven.
    tried: RefCell<HashSet<String>>,
    /// Windows to which ranges compile, learned once and then reused.
    pub windows: OnceCell<Vec<ranges::LearnedRanges>>,
    /// CTE in which the edited file computes the definition.
    site_cte: OnceCell<Option<String>>,
}

impl<'a, 's> CandidateCheck<'a, 's> {
    pub fn new(
        compiler: &'a Compiler,
        position: &'a SpecPosition<'s>,
        (definition_index, definition): (usize, &'a DefinitionWithPosition),
        path: Option<&'a str>,
        (generated_file, edited_file, edits): (&'a SqlFile<'s>, &'a SqlFile<'s>, &'a Edits),
    ) -> Self {
        let (left, tried) = (Cell::new(MAX_LEARNED_BYTES), RefCell::default());
        Self {
            compiler,
            spec_position: position,
            definition,
            definition_index,
            path,
            generated_file,
            edited_file,
            edits,
            cte: position.step_cte(definition_index),
            definition_part: DefinitionSqlPart::Column(&definition.name),
            is_exact: false,
            compares_file: true,
            left,
            tried,
            windows: OnceCell::new(),
            site_cte: OnceCell::new(),
        }
    }

    /// Returns a new check for the same definition, with its own limits and without the formulas that were already
    /// tried.
    pub fn restart(&self) -> Self {
        let definition = (self.definition_index, self.definition);
        let files = (self.generated_file, self.edited_file, self.edits);
        Self::new(self.compiler, self.spec_position, definition, self.path, files)
    }

    /// Returns a proven formula, which compiles to the expected expression in the part of the file that shows the
    /// definition.
    pub fn first_proven(&self, mut forms: Vec<ExpressionText>, trees: &Trees, expected: SqlNodeId) -> Option<String> {
        self.sort_by_similarity(&mut forms);
        let mut trees = trees.clone();
        let mut tried = self.tried.borrow_mut();
        forms.retain(|form| !tried.contains(&form.text));
        // If several formulas are proven, keep the formula that leaves the fewest differences elsewhere.
        let mut best: Option<(usize, String)> = None;
        let mut more = MAX_COMPILED.saturating_sub(tried.len());
        for form in forms {
            let Some(left) = more.checked_sub(1) else { break };
            more = left;
            match self.count_differences(&form.text, &mut trees, expected) {
                Some(0) => return Some(form.text),
                Some(count) => {
                    more = if best.is_none() {
                        more.min(MAX_FURTHER_COMPILED)
                    } else {
                        more
                    };
                    if best.as_ref().is_none_or(|(least, _)| count < *least) {
                        best = Some((count, form.text));
                    }
                }
                None => {
                    tried.insert(form.text);
                }
            }
        }
        best.map(|(_, text)| text)
    }

    /// Returns a formula with which the spec compiles to SQL that returns the same columns of the same rows as the
    /// edited file, even if other selects compute the columns.
    pub fn first_equivalent(&self, mut forms: Vec<ExpressionText>, trees: &Trees) -> Option<String> {
        self.sort_by_similarity(&mut forms);
        let mut trees = trees.clone();
        let mut is_equivalent = |form: &ExpressionText| {
            let spec = self.spec_position.replace_formula(self.definition, &form.text).ok();
            let sql = spec.and_then(|spec| self.compile_spec_sql(&spec));
            sql.is_some_and(|sql| {
                are_equivalent(
                    &SqlFile::read(&sql, self.edited_file.dialect),
                    self.edited_file,
                    &mut trees,
                )
            })
        };
        let mut forms = forms.into_iter().take(MAX_EQUIVALENT_COMPILED);
        forms.find(|form| is_equivalent(form)).map(|form| form.text)
    }

    /// Returns whether an edit belongs to the column that shows the definition.
    pub(super) fn is_own_column(&self, item: &ColumnEdit) -> bool {
        let same = |a: Option<&str>, b: Option<&str>| a.map(str::to_ascii_lowercase) == b.map(str::to_ascii_lowercase);
        let is_it =
            |sql_part| matches!(sql_part, DefinitionSqlPart::Column(name) if item.column.eq_ignore_ascii_case(name));
        is_it(self.definition_part) && same(item.cte.as_deref(), self.site_cte())
    }

    /// Returns a difference in the value that the definition's column has in the periods that a step with `fill` adds.
    pub(super) fn difference_in_added_periods<'i>(&self, edits: &'i Edits) -> Option<&'i ColumnEdit> {
        let step = self.spec_position.outline.steps.get(self.definition_index)?;
        let is_it =
            |item: &&ColumnEdit| item.column.eq_ignore_ascii_case(&self.definition.name) && !self.is_own_column(item);
        edits.items.iter().filter(|_| step.is_filled).find(is_it)
    }

    /// Returns the CTE in which the edited file computes the definition. `None` for the last select.
    fn site_cte(&self) -> Option<&str> {
        let find = || {
            let columns = self
                .spec_position
                .columns(self.edited_file, self.definition_index, &self.definition.name);
            let site = self
                .spec_position
                .find_site(&columns, self.edited_file, self.cte, &self.definition.name);
            site.and_then(|site| site.cte)
        };
        self.site_cte.get_or_init(find).as_deref()
    }

    /// Sorts formulas by their similarity to the formula in the spec, the most similar formula first.
    pub(super) fn sort_by_similarity(&self, forms: &mut Vec<ExpressionText>) {
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

    /// Compiles the spec with a different formula for the definition, and returns the SQL to learn from.
    pub fn compile_formula(&self, formula: &str) -> Option<String> {
        self.compile_formula_at(self.definition, formula)
    }

    fn compile_formula_at(&self, definition: &DefinitionWithPosition, formula: &str) -> Option<String> {
        self.compile_spec_sql(&self.spec_position.with_formula_unchecked(definition, formula)?)
    }

    pub(super) fn compile_spec_sql(&self, spec: &str) -> Option<String> {
        self.spec_position.compile_sql(self.compiler, spec, self.path)
    }

    /// Returns the type that the definition has with a different formula, and whether its value may be NULL. `None` if
    /// the formula does not compile.
    pub fn formula_type(&self, formula: &str) -> Option<ValueType> {
        let spec = self.spec_position.with_formula_unchecked(self.definition, formula)?;
        let compiled = self.spec_position.compile(self.compiler, &spec, self.path);
        let step = self.spec_position.outline.steps.get(self.definition_index)?;
        let is_it = |definition: &&SpecDefinition| {
            definition.name() == self.definition.name
                && (definition.step().is_none() || definition.step() == step.name.as_deref())
        };
        let definition = compiled
            .definitions()
            .iter()
            .find(is_it)
            .filter(|_| compiled.model_sql().is_some())?;
        Some((definition.ty(), definition.nullable()))
    }

    /// Returns the reason why even the best of these formulas does not produce the edited expression: the SQL of the
    /// formula, or its error. `None` if no formula is similar.
    pub fn nearest_formula(
        &self,
        mut forms: Vec<ExpressionText>,
        trees: &mut Trees,
        edited: SqlNodeId,
    ) -> Option<NotAFormula> {
        self.sort_by_similarity(&mut forms);
        let parts = trees.descendants(edited);
        let mut error = None;
        for form in forms.into_iter().take(MAX_NEAREST_COMPILED) {
            let spec = self.spec_position.with_formula_unchecked(self.definition, &form.text)?;
            let compiled = self.spec_position.compile(self.compiler, &spec, self.path);
            let Some(sql) = compiled.model_sql() else {
                let diagnostic = compiled.diagnostics().iter().find(|diagnostic| diagnostic.is_error());
                error =
                    error.or(diagnostic.map(|diagnostic| refusals::invalid_formula(&form.text, diagnostic.message())));
                continue;
            };
            let file = SqlFile::read(sql, self.edited_file.dialect);
            let edits = compare_files(&file, self.edited_file);
            if let Some(item) = self.difference_in_added_periods(&edits) {
                return Some(refusals::added_periods(&form.text, &item.before));
            }
            let columns = self
                .spec_position
                .columns(&file, self.definition_index, &self.definition.name);
            let Some(site) = self
                .spec_position
                .find_site(&columns, &file, self.cte, &self.definition.name)
            else {
                return Some(refusals::not_aggregated(&form.text));
            };
            if !edits.items.iter().any(|item| self.is_own_column(item))
                && let Some((part, sql)) = self.first_other_difference(&edits)
            {
                return Some(refusals::formula_changes_other_part(&form.text, &part, sql.as_deref()));
            }
            // A formula that lacks the outer part of the edit, such as a conversion, does not count as similar.
            let generated = self.shown_expression(&file, self.definition_part, trees).ok();
            if generated.is_some_and(|generated| generated != edited && parts.contains(&generated)) {
                continue;
            }
            if generated == Some(edited)
                && let Some(cte) = &site.cte
            {
                return Some(refusals::formula_in_other_cte(&form.text, cte));
            }
            let sql = file.text(&site.tokens).split_whitespace().collect::<Vec<_>>().join(" ");
            return Some(refusals::nearest_formula(&form.text, &sql));
        }
        let listed = refusals::listed_part(trees, edited).filter(|_| error.is_some());
        listed
            .map(|listed| refusals::no_formula_for(trees, edited, listed))
            .or(error)
    }

    /// Returns the first difference that is not an edit: the description of the part, and its generated SQL. The SQL is
    /// `None` if the difference concerns the whole file.
    fn first_other_difference(&self, edits: &Edits) -> Option<(String, Option<String>)> {
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

    /// Returns the definition's expression after replacing its formula.
    pub fn expression_tree(&self, formula: &str, trees: &mut Trees) -> Option<SqlNodeId> {
        self.expression_tree_at(self.definition, formula, trees)
    }

    /// Replaces the formula of any definition in the step, and returns the definition's new expression.
    fn expression_tree_at(
        &self,
        definition: &DefinitionWithPosition,
        formula: &str,
        trees: &mut Trees,
    ) -> Option<SqlNodeId> {
        self.left.set(self.left.get().checked_sub(MIN_COUNTED_BYTES)?);
        let sql = self.compile_formula_at(definition, formula)?;
        self.left.set(
            self.left
                .get()
                .saturating_sub(sql.len().saturating_sub(MIN_COUNTED_BYTES)),
        );
        let file = SqlFile::read(&sql, self.edited_file.dialect);
        self.spec_position
            .definition_expression(&file, self.cte, self.definition_index, &definition.name, trees)
            .ok()
    }

    /// Returns the expression to which a formula compiles in place of a definition's formula. If the formula does not
    /// compile there, it is wrapped in `MAX`, as a grouped step requires, and the expression inside the aggregate is
    /// returned.
    pub fn expand_formula(
        &self,
        definition: &DefinitionWithPosition,
        formula: &str,
        trees: &mut Trees,
    ) -> Option<SqlNodeId> {
        self.expression_tree_at(definition, formula, trees).or_else(|| {
            let aggregate = self.expression_tree_at(definition, &format!("MAX({formula})"), trees)?;
            match (trees.label(aggregate), trees.children(aggregate)) {
                (SqlLabel::Call, [_, inner]) => Some(*inner),
                _ => None,
            }
        })
    }

    /// Returns the expression that shows the definition in a file.
    pub(super) fn shown_expression(
        &self,
        file: &SqlFile<'_>,
        sql_part: DefinitionSqlPart<'_>,
        trees: &mut Trees,
    ) -> Result<SqlNodeId, String> {
        match sql_part {
            DefinitionSqlPart::Column(name) => {
                self.spec_position
                    .definition_expression(file, self.cte, self.definition_index, name, trees)
            }
            DefinitionSqlPart::Clause(cte, clause) => {
                let mut columns = self
                    .spec_position
                    .columns(file, self.definition_index, &self.definition.name);
                columns.resolve_clause(cte, clause, trees)
            }
        }
    }

    /// Counts the differences between the SQL of a formula and the edited file, provided that all differences come from
    /// other edits. `None` if the formula does not produce the expected expression or if any other difference remains.
    fn count_differences(&self, formula: &str, trees: &mut Trees, expected: SqlNodeId) -> Option<usize> {
        let sql = self.compile_spec_sql(&self.spec_position.replace_formula(self.definition, formula).ok()?)?;
        let file = SqlFile::read(&sql, self.edited_file.dialect);
        if self.shown_expression(&file, self.definition_part, trees) != Ok(expected) {
            return None;
        }
        if !self.compares_file {
            return Some(0);
        }
        let edits = compare_files(&file, self.edited_file);
        if edits.items.iter().any(|item| self.is_own_column(item)) || self.difference_in_added_periods(&edits).is_some()
        {
            return None;
        }
        let count = edits.items.len() + edits.other_edits.len();
        let fewer = count < self.edits.items.len() + self.edits.other_edits.len();
        let is_proven = (fewer || self.edits.is_empty())
            && edits.items.iter().all(|item| self.edits.items.contains(item))
            && edits
                .other_edits
                .iter()
                .all(|rest| self.edits.other_edits.contains(rest));
        (is_proven && (count == 0 || !self.is_exact)).then_some(count)
    }

    /// Finds the expression of a definition that has no column of its own. Searches the columns of other definitions
    /// and the clauses that use the definition. Returns each of these parts with its whole expression and the
    /// definition's subexpression.
    pub fn surrounding_candidates(&self, trees: &mut Trees) -> Vec<(DefinitionSqlPart<'a>, SqlNodeId, SqlNodeId)> {
        let Some(step) = self.spec_position.outline.steps.get(self.definition_index) else {
            return Vec::new();
        };
        let uses = |other: &&DefinitionWithPosition| {
            let mut words = other.formula.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.any(|word| word.eq_ignore_ascii_case(&self.definition.name))
        };
        // Definitions that do not refer to this definition may still use it to look up rows.
        let others = step
            .definitions
            .iter()
            .filter(|other| other.name != self.definition.name);
        let (users, more): (Vec<&DefinitionWithPosition>, Vec<&DefinitionWithPosition>) = others.partition(uses);
        let columns = users
            .into_iter()
            .chain(more.into_iter().take(MAX_UNRELATED_DEFINITIONS));
        let columns = columns.map(|other| DefinitionSqlPart::Column(&other.name));
        let clauses = self
            .edited_file
            .clauses(&["where", "having"])
            .map(|(cte, clause)| DefinitionSqlPart::Clause(cte, clause));
        columns
            .chain(clauses)
            .filter_map(|sql_part| self.find_definition_part(sql_part, trees))
            .collect()
    }

    /// Finds the subexpression of the definition: the part that changes when the definition's formula changes.
    fn find_definition_part(
        &self,
        sql_part: DefinitionSqlPart<'a>,
        trees: &mut Trees,
    ) -> Option<(DefinitionSqlPart<'a>, SqlNodeId, SqlNodeId)> {
        let whole = self.shown_expression(self.edited_file, sql_part, trees).ok()?;
        let columns: Vec<SqlNodeId> = expression_columns(trees, whole)
            .into_iter()
            .take(3)
            .map(|(column, _)| column)
            .collect();
        let names: Vec<ExpressionText> = columns
            .iter()
            .flat_map(|column| FormulaSearch::new(&[], trees).candidates(*column))
            .collect();
        let of_columns = names.iter().flat_map(|ExpressionText { text, .. }| {
            [format!("{text} + {}", NUMBERS[0]), format!("{text} = {}", NUMBERS[0])]
        });
        let literals = [
            format!("{} = {}", NUMBERS[0], NUMBERS[1]),
            NUMBERS[0].to_owned(),
            POINTS[0].to_owned(),
            format!("\"{}\"", TEXTS[0]),
        ];
        for marker in of_columns.chain(literals) {
            let Some(sql) = self.compile_formula(&marker) else {
                continue;
            };
            // Compile the formula as another definition to learn its SQL outside this expression.
            let others = self
                .spec_position
                .outline
                .steps
                .get(self.definition_index)
                .into_iter()
                .flat_map(|step| &step.definitions);
            let mut others = others
                .filter(|other| other.name != self.definition.name)
                .take(MAX_UNRELATED_DEFINITIONS);
            let Some(tree) = others.find_map(|other| self.expand_formula(other, &marker, trees)) else {
                continue;
            };
            let file = SqlFile::read(&sql, self.edited_file.dialect);
            let Ok(root) = self.shown_expression(&file, sql_part, trees) else {
                continue;
            };
            let probe = ProbeFormula {
                shape: ExpressionShape::named(""),
                args: vec![Arg::Named(marker, tree)],
            };
            let bound =
                build_pattern(trees, root, &probe, vec![None]).and_then(|pattern| pattern.match_node(trees, whole));
            if let Some([Some(Binding::Node(part))]) = bound.as_deref() {
                return Some((sql_part, whole, *part));
            }
        }
        None
    }

    /// Returns the relation that the step reads.
    pub fn base_relation(&self) -> String {
        let columns = self
            .spec_position
            .columns(self.edited_file, self.definition_index, &self.definition.name);
        let lower = self.cte.map(str::to_ascii_lowercase);
        columns.base_relation_of(lower.as_deref())
    }

    /// Returns the columns of the relation that the step reads, if they are known.
    pub fn base_columns(&self) -> Vec<(String, Type)> {
        let base = self.compiler.options.schema.relation(&self.base_relation());
        let columns = base.into_iter().flat_map(formulac_core::Relation::columns);
        columns.map(|column| (column.name().to_owned(), column.ty())).collect()
    }

    /// Returns the type of a column in the step's relation, and whether the column may be NULL. `None` if it is not
    /// known.
    pub fn base_column_type(&self, name: &str) -> Option<ValueType> {
        let base = self.compiler.options.schema.relation(&self.base_relation())?;
        let column = base
            .columns()
            .iter()
            .find(|column| column.name().eq_ignore_ascii_case(name))?;
        Some((column.ty(), column.is_nullable()))
    }

    pub fn sheet_outline(&self) -> Option<&crate::model::outline::SheetOutline> {
        self.spec_position
            .outline
            .steps
            .get(self.definition_index)?
            .sheet
            .as_ref()
    }

    /// Converts a formula to a probe argument, which represents any expression.
    pub fn argument_from_formula(&self, formula: &str, trees: &mut Trees) -> Option<Arg> {
        Some(Arg::Named(formula.to_owned(), self.expression_tree(formula, trees)?))
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

/// Returns the columns in an expression, spelled as in formulas.
pub(super) fn expression_columns(trees: &Trees, expression: SqlNodeId) -> Vec<(SqlNodeId, String)> {
    let parts = trees.descendants(expression);
    // Skip names of relations and functions, because they are not columns.
    let mut values = FxHashSet::default();
    values.insert(expression);
    for part in &parts {
        let kids = trees.children(*part);
        values.extend(match trees.label(*part) {
            SqlLabel::Field => &[],
            SqlLabel::Call => kids.get(1..).unwrap_or_default(),
            _ => kids,
        });
    }
    let column = |part: SqlNodeId| {
        let (relation, name) = trees.column(part).filter(|(_, name)| !KEYWORDS.contains(name))?;
        Some((
            part,
            relation.map_or_else(
                || format_name(name),
                |relation| format!("{relation}.{}", format_name(name)),
            ),
        ))
    };
    parts
        .into_iter()
        .filter(|part| values.contains(part))
        .filter_map(column)
        .collect()
}
