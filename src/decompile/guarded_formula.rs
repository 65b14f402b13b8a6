//! Finds the formula for edited SQL that lacks the guards of generated SQL.

use std::collections::HashMap;
use std::sync::Arc;

use super::alternatives::SpellingPatterns;
use super::cache::get_or_insert_with;
use super::candidate_check::{CandidateCheck, CandidateFile, called_functions};
use super::edits::ColumnEdit;
use super::equivalent_files::are_equivalent_files_with;
use super::expression_text::FormulaText;
use super::file::{SqlFile, is_same_name};
use super::formula::{DecompileError, Decompiler, contains_window_or_join, decompile_error};
use super::guards::{GuardDifference, GuardRecognizer, SqlGuard};
use super::patterns::Patterns;
use super::search::{FormulaSearch, SeedFormulas};
use super::spec_edit::EditableSpec;
use super::tree::{SqlNodeId, SqlTrees};
use super::value_types::ValueTypes;
use crate::compiler::Compiler;
use crate::dialect::Dialect;
use crate::model::outline::DefinitionWithPosition;
use formulac_syntax::diag::lists::join_words;
use formulac_syntax::text::collapse_whitespace;

/// Maximum number of formulas to compile in search of SQL that differs only in guards.
const MAX_COMPILED_WITH_GUARDS: usize = 24;

/// Formula for the edited SQL of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecompiledFormula {
    /// The formula.
    pub formula: String,
    /// SQL of the formula, if it differs from the edited SQL. `None` if the formula compiles to the edited SQL.
    pub rewritten: Option<RewrittenSql>,
}

/// Generated SQL that does the same as the edited SQL, except that it handles more special cases.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RewrittenSql {
    /// Generated SQL of the column.
    pub sql: String,
    /// Kinds of guards that the generated SQL has and the edited SQL lacks.
    pub guards: Vec<SqlGuard>,
    /// Whether the syntax of the generated SQL also differs from that of the edited SQL.
    pub has_other_spelling: bool,
}

impl RewrittenSql {
    pub(super) fn new(sql: String, added: GuardDifference) -> Self {
        Self {
            sql,
            guards: added.kinds(),
            has_other_spelling: added.has_other_spelling,
        }
    }

    /// Describes the differences between the generated SQL and the edited SQL.
    #[must_use]
    pub fn describe(&self) -> String {
        let syntax = (self.has_other_spelling || self.guards.is_empty()).then_some("the syntax");
        let guards = self.guards.iter().map(|guard| guard.describe());
        join_words(&syntax.into_iter().chain(guards).collect::<Vec<_>>(), "and")
    }
}

/// Formula that was found for a definition, with the guards that were compared to find it. `None` if the formula
/// compiles to the edited SQL.
pub(super) struct FoundFormula {
    pub formula: DecompiledFormula,
    pub guards: Option<(SqlTrees, GuardRecognizer)>,
}

impl Decompiler {
    /// Returns the spellings of a dialect.
    pub(super) fn spelling_patterns(&self, dialect: Dialect) -> Arc<SpellingPatterns> {
        get_or_insert_with(&self.spellings, dialect.to_string(), || SpellingPatterns::new(dialect))
    }

    /// Returns the formula for the edited SQL of a definition. If no formula compiles to exactly this SQL, returns a
    /// formula whose SQL differs from it only in guards, which handle special cases such as NULL.
    ///
    /// ```
    /// use formulac_model::Compiler;
    /// use formulac_decompile::Decompiler;
    ///
    /// let spec = "model: m\nfrom: orders\ngroup_by: country\ndefinitions: revenue = COUNT()\n";
    /// let compiler = Compiler::default();
    /// let written = compiler.compile_spec(spec).model_sql().unwrap().to_owned();
    /// let found = written.replace("count(*)", "sum(amount)");
    /// let found = Decompiler::default().find_formula_with_guards(&compiler, spec, None, &found, None, "revenue")?;
    /// assert_eq!(found.formula, "SUM(amount)");
    /// let rewritten = found.rewritten.unwrap();
    /// assert_eq!(rewritten.sql, "coalesce(sum(amount), 0)");
    /// assert_eq!(rewritten.describe(), "a default for NULL");
    /// # Ok::<(), formulac_decompile::DecompileError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`Self::find_formula`], and also if the edit only removes guards from the
    /// generated SQL of the definition.
    pub fn find_formula_with_guards(
        &self,
        compiler: &Compiler,
        spec: &str,
        path: Option<&str>,
        text: &str,
        step: Option<&str>,
        definition: &str,
    ) -> Result<DecompiledFormula, DecompileError> {
        let editable_spec = EditableSpec::new(spec)?;
        let definition = editable_spec.definition(step, definition)?;
        self.find_formula_with_guards_at(compiler, &editable_spec, path, text, definition)
    }

    /// Like [`Self::find_formula_with_guards`], but the definition includes the position of its step.
    pub(super) fn find_formula_with_guards_at(
        &self,
        compiler: &Compiler,
        editable_spec: &EditableSpec<'_>,
        path: Option<&str>,
        text: &str,
        definition: (usize, &DefinitionWithPosition),
    ) -> Result<DecompiledFormula, DecompileError> {
        let mut found = self.find_formulas_at(compiler, editable_spec, path, text, &[definition]);
        found
            .pop()
            .unwrap_or_else(|| Err(decompile_error("no formula was found")))
    }

    /// Finds the formula that compiles to the edited SQL of a definition, or a formula whose SQL differs from it only
    /// in guards.
    pub(super) fn find_formula_of_definition(
        &self,
        case: CandidateCheck<'_, '_>,
    ) -> Result<FoundFormula, DecompileError> {
        let with_guards = case.with_new_limits();
        match self.find_exact_formula(case) {
            Ok(formula) => Ok(FoundFormula {
                formula: DecompiledFormula {
                    formula,
                    rewritten: None,
                },
                guards: None,
            }),
            Err(not_exact) => self.find_guarded_formula(&with_guards)?.ok_or(not_exact),
        }
    }

    /// Finds a formula whose SQL differs from the edited SQL only in guards.
    fn find_guarded_formula(&self, case: &CandidateCheck<'_, '_>) -> Result<Option<FoundFormula>, DecompileError> {
        let (editable_spec, mut trees) = (case.editable_spec, SqlTrees::default());
        let mut expression = |file| {
            editable_spec.definition_expression(file, case.cte, case.step_index, &case.definition.name, &mut trees)
        };
        let (Ok(expected), generated_tree) = (expression(case.edited_file), expression(case.generated_file)) else {
            return Ok(None);
        };
        let dialect = case.edited_file.dialect;
        let spellings = self.spelling_patterns(dialect);
        let mut types = ValueTypes::new(case);
        let alternatives = spellings.alternatives(&mut trees, expected, |trees, part| types.type_of(trees, part));
        if alternatives.is_empty() && self.find_unsupported_call(case, &trees, expected).is_some() {
            return Ok(None);
        }
        let mut guards = GuardRecognizer::new(dialect)
            .with_alternatives(alternatives.clone())
            .with_contract_cast(case.has_contract_cast());
        let removed = generated_tree
            .ok()
            .and_then(|generated_node| guards.added_guards(&trees, generated_node, expected));
        if let Some(removed) = removed.filter(|removed| removed.count > 0) {
            return Err(guard_removal_error(&case.definition.formula, removed));
        }
        let root = alternatives.add_common_parent(&mut trees, expected);
        let compiled = self.compiled_probes(case.compiler, editable_spec, &trees, root);
        let mut pattern_sets: Vec<Arc<Patterns>> = Vec::new();
        for probes in compiled.iter().filter_map(|cell| cell.get()) {
            pattern_sets.push(probes.patterns_for_expression(&trees, root));
            pattern_sets.push(probes.patterns_without_guards(&trees, root));
        }
        let names = match contains_window_or_join(&trees, expected) {
            true => case.candidate_names(&mut trees, expected),
            false => Vec::new(),
        };
        let windows = case.learn_window_functions(&mut trees, expected, &names);
        let mut all_patterns: Vec<&Patterns> = pattern_sets.iter().map(AsRef::as_ref).collect();
        all_patterns.push(&windows);
        let mut input = SeedFormulas::new();
        case.add_definitions(&mut trees, &mut input);
        for (part, forms) in case.learn_ranges((&all_patterns, &input), &mut trees, expected, &names) {
            input.entry(part).or_default().extend(forms);
        }
        let search = FormulaSearch::new(&all_patterns, &trees).with_seed_formulas(&input);
        let search = search.with_value(case.inside_contract_cast(&trees, expected));
        let forms = search.with_alternatives(&alternatives).candidate_formulas(expected);
        let formula = case.formula_with_fewest_guards(forms, &mut guards, &mut trees, expected);
        Ok(formula.map(|formula| FoundFormula {
            formula,
            guards: Some((trees, guards)),
        }))
    }
}

/// Returns at most `count` formulas in the same order. Formulas that call different functions are preferred, because
/// formulas with the same functions differ only in the form of their arguments.
fn prefer_distinct_functions(forms: Vec<FormulaText>, count: usize) -> Vec<FormulaText> {
    let mut similar: HashMap<Vec<String>, usize> = HashMap::new();
    let number_among_similar = |form: &FormulaText| {
        let mut functions: Vec<String> = called_functions(&form.text).into_iter().map(str::to_owned).collect();
        functions.sort();
        let number = similar.entry(functions).or_default();
        *number += 1;
        *number
    };
    let numbers: Vec<usize> = forms.iter().map(number_among_similar).collect();
    let mut form_indices: Vec<usize> = (0..forms.len()).collect();
    form_indices.sort_by_key(|form_index| numbers.get(*form_index));
    form_indices.truncate(count);
    let is_chosen = |(form_index, _): &(usize, FormulaText)| form_indices.contains(form_index);
    forms
        .into_iter()
        .enumerate()
        .filter(is_chosen)
        .map(|(_, form)| form)
        .collect()
}

/// Returns the reason why an edit that removes guards from the SQL of a formula cannot be expressed as another formula.
fn guard_removal_error(formula: &str, removed: GuardDifference) -> DecompileError {
    let guards: Vec<&str> = removed.kinds().into_iter().map(SqlGuard::describe).collect();
    let syntax = match removed.has_other_spelling {
        true => "; the rest differs only in syntax",
        false => "",
    };
    decompile_error(format!(
        "the SQL of `{formula}` always has {}, which the edit removes{syntax}",
        join_words(&guards, "and")
    ))
}

impl CandidateCheck<'_, '_> {
    /// Returns the formula whose SQL has the fewest guards that the expected expression lacks. The SQL must not differ
    /// in any other way.
    fn formula_with_fewest_guards(
        &self,
        mut forms: Vec<FormulaText>,
        guards: &mut GuardRecognizer,
        trees: &mut SqlTrees,
        expected: SqlNodeId,
    ) -> Option<DecompiledFormula> {
        self.sort_by_formula_similarity(&mut forms);
        let mut best: Option<(u32, DecompiledFormula)> = None;
        for form in prefer_distinct_functions(forms, MAX_COMPILED_WITH_GUARDS) {
            let guards_of_form = self.guards_added_by_formula(&form.text, guards, trees, expected);
            let Some((added, sql)) = guards_of_form else { continue };
            if best.as_ref().is_none_or(|(least, _)| added.count < *least) {
                let rewritten = RewrittenSql::new(sql, added);
                let formula = DecompiledFormula {
                    formula: form.text,
                    rewritten: Some(rewritten),
                };
                best = Some((added.count, formula));
            }
        }
        best.map(|(_, formula)| formula)
    }

    /// Returns the guards that the SQL of a formula has and the expected expression lacks, and the SQL of the column.
    /// `None` if the spec with this formula produces a file that differs in other ways, unless other edits cause these
    /// differences.
    fn guards_added_by_formula(
        &self,
        formula: &str,
        guards: &mut GuardRecognizer,
        trees: &mut SqlTrees,
        expected: SqlNodeId,
    ) -> Option<(GuardDifference, String)> {
        let sql = self.compile_spec_sql(&self.editable_spec.replace_formula(self.definition, formula).ok()?)?;
        let candidate = CandidateFile::new(SqlFile::read(&sql, self.edited_file.dialect));
        self.compare_guards(&candidate, guards, trees, expected)
    }

    /// Returns the definition's SQL in the file of a candidate, if it differs from the edited SQL only in guards.
    pub fn sql_with_guards(
        &self,
        candidate: &CandidateFile<'_>,
        (trees, guards): &mut (SqlTrees, GuardRecognizer),
    ) -> Option<RewrittenSql> {
        let expected = self
            .expression_in_file(self.edited_file, self.definition_part, trees)
            .ok()?;
        let (added, sql) = self.compare_guards(candidate, guards, trees, expected)?;
        Some(RewrittenSql::new(sql, added))
    }

    fn compare_guards(
        &self,
        candidate: &CandidateFile<'_>,
        guards: &mut GuardRecognizer,
        trees: &mut SqlTrees,
        expected: SqlNodeId,
    ) -> Option<(GuardDifference, String)> {
        let file = &candidate.file;
        let generated = self.expression_in_file(file, self.definition_part, trees).ok()?;
        let added = guards.added_guards(trees, generated, expected)?;
        let name = &self.definition.name;
        let is_own =
            |item: &ColumnEdit| self.is_column_of_definition(item) || candidate.is_edit_of_other_definition(item, name);
        let edits = candidate.edits(self.edited_file);
        if self.difference_in_added_periods(edits).is_some() {
            return None;
        }
        let has_only_other_edits = edits
            .items
            .iter()
            .all(|item| is_own(item) || self.edits.items.contains(item))
            && edits
                .other_edits
                .iter()
                .all(|rest| self.edits.other_edits.contains(rest));
        // formulac may compute a part of the formula in a different select from the one that the user edited.
        let is_other_edit = |column: &str| self.edits.items.iter().any(|item| is_same_name(&item.column, column));
        let mut is_same = |trees: &SqlTrees, column: &str, ours: SqlNodeId, theirs: SqlNodeId| {
            ours == theirs || guards.added_guards(trees, ours, theirs).is_some() || is_other_edit(column)
        };
        let is_proven = has_only_other_edits || are_equivalent_files_with(file, self.edited_file, trees, &mut is_same);
        let columns = self.editable_spec.column_resolver(file, self.step_index, name);
        let column_expression = self
            .editable_spec
            .find_column_expression(&columns, file, self.cte, name)?;
        let text = collapse_whitespace(file.text(&column_expression.tokens));
        is_proven.then_some((added, text))
    }
}
