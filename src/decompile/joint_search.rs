//! Finds the formulas of several edited definitions of a spec. The spec is compiled with a candidate formula for each
//! definition at once, because compiling the whole spec for every candidate of every definition would be quadratic.
//!
//! A search that needs the SQL of a candidate stops. After all searches have stopped, the spec is compiled with their
//! candidates, and the searches run again with the results that are known so far.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};

use super::candidate_check::CandidateCheck;
use super::edits::{ColumnEdit, SqlEdits, compare_files};
use super::file::SqlFile;
use super::formula::{DecompileError, Decompiler, decompile_error};
use super::guarded_formula::DecompiledFormula;
use super::guards::GuardDifference;
use super::spec_edit::EditableSpec;
use crate::compiler::Compiler;
use crate::model::outline::DefinitionWithPosition;
use formulac_runtime::bisection::apply_with_bisection;
use formulac_syntax::text::split_words;

/// SQL of the spec with candidate formulas.
pub(super) struct CandidateFile<'s> {
    pub file: SqlFile<'s>,
    edits: OnceCell<SqlEdits>,
    /// Definitions with a candidate formula, in lower case. Empty if only one definition has a candidate.
    definitions: HashSet<String>,
}

impl<'s> CandidateFile<'s> {
    pub fn new(file: SqlFile<'s>) -> Self {
        Self {
            file,
            edits: OnceCell::new(),
            definitions: HashSet::new(),
        }
    }

    /// Returns the differences between this SQL and the edited file.
    pub fn edits(&self, edited_file: &SqlFile<'_>) -> &SqlEdits {
        self.edits.get_or_init(|| compare_files(&self.file, edited_file))
    }

    /// Returns whether an edited column belongs to another definition with a candidate formula.
    pub fn is_edit_of_other_definition(&self, item: &ColumnEdit, definition: &str) -> bool {
        !item.column.eq_ignore_ascii_case(definition) && self.definitions.contains(&item.column.to_ascii_lowercase())
    }
}

/// Results of the candidates of one definition.
#[derive(Default)]
struct CompiledCandidateResults {
    /// Number of differences from the edited file, by formula.
    differences: HashMap<String, Option<usize>>,
    /// Guards and SQL of the column, by formula.
    guards: HashMap<String, Option<(GuardDifference, String)>>,
}

/// Candidates of one definition whose SQL is compiled together with candidates of other definitions.
pub(super) struct SharedCandidates<'r> {
    results: &'r RefCell<CompiledCandidateResults>,
    /// SQL of the candidates that were compiled last, by formula. `None` if the candidate does not compile.
    compiled: HashMap<&'r str, Option<&'r CandidateFile<'r>>>,
    /// Candidates that the search needs next.
    wanted: RefCell<Vec<String>>,
}

/// Maximum number of candidates that are compiled for a definition before the search for this definition runs again.
/// The first candidate is compiled alone, because it is usually right.
const MAX_REQUESTED_CANDIDATES: usize = 24;

impl<'r> SharedCandidates<'r> {
    /// Returns whether the search must stop until a candidate has been compiled.
    pub fn is_blocked_on_compilation(&self) -> bool {
        !self.wanted.borrow().is_empty()
    }

    /// Requests candidates to compile together with the candidate for which the search waits. If `are_needed` is
    /// `false`, the search needs these candidates only if the awaited candidate is wrong.
    pub fn request_candidates<'f>(&self, formulas: impl Iterator<Item = &'f str>, are_needed: bool) {
        let mut wanted = self.wanted.borrow_mut();
        if are_needed || !self.results.borrow().differences.is_empty() {
            let more = MAX_REQUESTED_CANDIDATES.saturating_sub(wanted.len());
            wanted.extend(formulas.take(more).map(str::to_owned));
        }
    }

    /// Returns the number of differences that a candidate leaves. Also returns `None` if the candidate must be compiled
    /// first.
    pub fn differences(&self, formula: &str, count: impl FnOnce(&CandidateFile<'_>) -> Option<usize>) -> Option<usize> {
        let known = self.results.borrow().differences.get(formula).copied();
        known.unwrap_or_else(|| {
            let result = self.compiled_candidate_file(formula)?.and_then(count);
            self.results.borrow_mut().differences.insert(formula.to_owned(), result);
            result
        })
    }

    /// Returns the guards that a candidate adds, and its SQL. Also returns `None` if the candidate must be compiled
    /// first.
    pub fn guards(
        &self,
        formula: &str,
        compare: impl FnOnce(&CandidateFile<'_>) -> Option<(GuardDifference, String)>,
    ) -> Option<(GuardDifference, String)> {
        let known = self.results.borrow().guards.get(formula).cloned();
        known.unwrap_or_else(|| {
            let result = self.compiled_candidate_file(formula)?.and_then(compare);
            let mut results = self.results.borrow_mut();
            results.guards.insert(formula.to_owned(), result.clone());
            result
        })
    }

    /// Returns the SQL of a candidate. `None` if the candidate must be compiled first.
    fn compiled_candidate_file(&self, formula: &str) -> Option<Option<&'r CandidateFile<'r>>> {
        let compiled = self.compiled.get(formula).copied();
        if compiled.is_none() {
            self.wanted.borrow_mut().push(formula.to_owned());
        }
        compiled
    }
}

/// Search for the formula of one definition.
struct DefinitionFormulaSearch<'p> {
    definition: (usize, &'p DefinitionWithPosition),
    results: RefCell<CompiledCandidateResults>,
    wanted: Vec<String>,
    /// Reason why no formula has exactly the edited SQL, once this is known.
    not_exact: Option<DecompileError>,
    found: Option<Result<DecompiledFormula, DecompileError>>,
}

/// Spec and file of a search for several definitions.
struct JointFormulaSearch<'a, 's> {
    compiler: &'a Compiler,
    editable_spec: &'a EditableSpec<'s>,
    path: Option<&'a str>,
    edited_file: &'a SqlFile<'s>,
    edits: &'a SqlEdits,
    /// Lower-case names in the formula of each definition, by the lower-case name of the definition.
    names: HashMap<String, HashSet<String>>,
}

impl Decompiler {
    /// Returns the formulas of several edited definitions, as [`Self::find_formula_with_guards`] does for each of them.
    /// Each definition is given by its step and its name.
    ///
    /// # Errors
    ///
    /// Returns an error for a definition in the same cases as [`Self::find_formula_with_guards`].
    pub fn find_formulas(
        &self,
        compiler: &Compiler,
        spec: &str,
        path: Option<&str>,
        text: &str,
        definitions: &[(Option<&str>, &str)],
    ) -> Vec<Result<DecompiledFormula, DecompileError>> {
        let fail = |reason: &DecompileError| definitions.iter().map(|_| Err(reason.clone())).collect();
        let editable_spec = match EditableSpec::new(spec) {
            Ok(editable_spec) => editable_spec,
            Err(refusal) => return fail(&refusal.into()),
        };
        let Some(generated_sql) = editable_spec.compile_sql(compiler, spec, path) else {
            return fail(&decompile_error("the spec has errors"));
        };
        let dialect = compiler.options.dialect;
        let (generated_file, edited_file) = (SqlFile::read(&generated_sql, dialect), SqlFile::read(text, dialect));
        let edits = compare_files(&generated_file, &edited_file);
        let joint = JointFormulaSearch {
            compiler,
            editable_spec: &editable_spec,
            path,
            edited_file: &edited_file,
            edits: &edits,
            names: names_used_by_definition(&editable_spec),
        };
        let mut searches: Vec<Result<DefinitionFormulaSearch<'_>, DecompileError>> = definitions
            .iter()
            .map(|(step, name)| Ok(DefinitionFormulaSearch::new(editable_spec.definition(*step, name)?)))
            .collect();
        let mut open: Vec<&mut DefinitionFormulaSearch<'_>> = searches.iter_mut().flatten().collect();
        while !open.is_empty() {
            let most = open.iter().map(|search| search.wanted.len()).max().unwrap_or_default();
            let wanted_at = |place: usize| -> Vec<DefinitionCandidate<'_>> {
                let searches = open.iter().enumerate();
                let wanted = searches.filter_map(|(number, search)| {
                    Some((number, search.definition.1, search.wanted.get(place)?.clone()))
                });
                wanted.collect()
            };
            let compiled: Vec<CompiledCandidateBatch<'_>> =
                (0..most).flat_map(|place| joint.compile(wanted_at(place))).collect();
            let files: Vec<Option<CandidateFile<'_>>> = compiled.iter().map(|batch| joint.read_file(batch)).collect();
            let mut results: HashMap<usize, HashMap<&str, Option<&CandidateFile<'_>>>> = HashMap::new();
            for (batch, file) in compiled.iter().zip(&files) {
                for (number, _, formula) in &batch.candidates {
                    results.entry(*number).or_default().insert(formula, file.as_ref());
                }
            }
            for (number, search) in open.iter_mut().enumerate() {
                let files = (&generated_file, &edited_file, &edits);
                let shared = SharedCandidates {
                    results: &search.results,
                    compiled: results.remove(&number).unwrap_or_default(),
                    wanted: RefCell::default(),
                };
                let mut case = CandidateCheck::new(compiler, &editable_spec, search.definition, path, files);
                case.shared = Some(&shared);
                let wanted = search.wanted.first().map(String::as_str);
                let found = self.search_with_guards(case, (wanted, &shared), &mut search.not_exact);
                search.wanted = shared.wanted.take();
                search.found = found;
            }
            open.retain(|search| !search.wanted.is_empty());
        }
        let result = |search: Result<DefinitionFormulaSearch<'_>, DecompileError>| {
            let found = search?.found;
            found.unwrap_or_else(|| Err(decompile_error("no formula was found")))
        };
        searches.into_iter().map(result).collect()
    }

    /// Finds a formula, if all candidates that the search needs have been compiled. `wanted` is the candidate for which
    /// the search has stopped.
    fn search_with_guards(
        &self,
        case: CandidateCheck<'_, '_>,
        (wanted, shared): (Option<&str>, &SharedCandidates<'_>),
        not_exact: &mut Option<DecompileError>,
    ) -> Option<Result<DecompiledFormula, DecompileError>> {
        let with_guards = case.with_new_limits();
        if not_exact.is_none() {
            // This candidate is usually right, so do not search again.
            if let Some(formula) = wanted.filter(|formula| case.has_no_remaining_differences(formula)) {
                return Some(Ok(DecompiledFormula {
                    formula: formula.to_owned(),
                    rewritten: None,
                }));
            }
            let exact = self.find_exact_formula(case);
            if shared.is_blocked_on_compilation() {
                return None;
            }
            match exact {
                Ok(formula) => {
                    return Some(Ok(DecompiledFormula {
                        formula,
                        rewritten: None,
                    }));
                }
                Err(reason) => *not_exact = Some(reason),
            }
        }
        let guarded = self.find_guarded_formula(&with_guards);
        if shared.is_blocked_on_compilation() {
            return None;
        }
        let not_exact = not_exact
            .take()
            .unwrap_or_else(|| decompile_error("no formula was found"));
        Some(guarded.and_then(|found| found.ok_or(not_exact)))
    }
}

impl<'p> DefinitionFormulaSearch<'p> {
    fn new(definition: (usize, &'p DefinitionWithPosition)) -> Self {
        Self {
            definition,
            results: RefCell::default(),
            wanted: Vec::new(),
            not_exact: None,
            found: None,
        }
    }
}

/// Candidates of several definitions, each with the number of its search, and the SQL of the spec with all of them.
struct CompiledCandidateBatch<'p> {
    candidates: Vec<DefinitionCandidate<'p>>,
    sql: Option<String>,
}

type DefinitionCandidate<'p> = (usize, &'p DefinitionWithPosition, String);

impl JointFormulaSearch<'_, '_> {
    /// Compiles the spec with candidates. Candidates that do not compile, or that change other parts of the file, are
    /// compiled alone.
    fn compile<'p>(&self, candidates: Vec<DefinitionCandidate<'p>>) -> Vec<CompiledCandidateBatch<'p>> {
        let names: HashSet<String> = candidates.iter().map(|(_, d, _)| d.name.to_ascii_lowercase()).collect();
        let (alone, together): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|(_, definition, formula)| self.depends_on_other_candidate(&definition.name, formula, &names));
        let mut compiled = Vec::new();
        let mut compile = |candidates: Vec<DefinitionCandidate<'p>>| {
            let sql = self.compile_with_candidates(&candidates);
            let is_own = |sql: &str| self.changes_only_candidate_columns(sql, &candidates);
            if candidates.len() > 1 && !sql.as_deref().is_some_and(is_own) {
                return Err(candidates);
            }
            compiled.push(CompiledCandidateBatch { candidates, sql });
            Ok(())
        };
        apply_with_bisection(together, &mut compile);
        for candidate in alone {
            // A batch of one candidate is never rejected.
            let _ = compile(vec![candidate]);
        }
        compiled
    }

    fn compile_with_candidates(&self, candidates: &[DefinitionCandidate<'_>]) -> Option<String> {
        let spec = match candidates {
            [(_, definition, formula)] => self.editable_spec.replace_formula(definition, formula).ok()?,
            several => {
                let formulas: Vec<_> = several
                    .iter()
                    .map(|(_, definition, formula)| (*definition, formula.as_str()))
                    .collect();
                let is_replaceable = |(definition, formula): &(&DefinitionWithPosition, &str)| {
                    !definition.has_comment && !formula.trim().is_empty() && !formula.chars().any(char::is_control)
                };
                formulas.iter().all(is_replaceable).then_some(())?;
                self.editable_spec.with_formulas_unchecked(&formulas)?
            }
        };
        self.editable_spec.compile_sql(self.compiler, &spec, self.path)
    }

    /// Returns whether the SQL of the candidates differs from the edited file only in their own columns and in other
    /// edits.
    fn changes_only_candidate_columns(&self, sql: &str, candidates: &[DefinitionCandidate<'_>]) -> bool {
        let edits = compare_files(&SqlFile::read(sql, self.edited_file.dialect), self.edited_file);
        let names = definition_names(candidates);
        edits
            .items
            .iter()
            .all(|item| names.contains(&item.column.to_ascii_lowercase()) || self.edits.items.contains(item))
            && edits
                .other_edits
                .iter()
                .all(|rest| self.edits.other_edits.contains(rest))
    }

    fn read_file<'b>(&self, batch: &'b CompiledCandidateBatch<'_>) -> Option<CandidateFile<'b>> {
        let mut file = CandidateFile::new(SqlFile::read(batch.sql.as_deref()?, self.edited_file.dialect));
        if batch.candidates.len() > 1 {
            file.definitions = definition_names(&batch.candidates);
        }
        Some(file)
    }

    /// Returns whether a candidate uses another definition with a candidate. The SQL of the first candidate would then
    /// depend on the other candidate.
    fn depends_on_other_candidate(&self, definition: &str, formula: &str, candidates: &HashSet<String>) -> bool {
        let definition = definition.to_ascii_lowercase();
        let mut seen: HashSet<String> = HashSet::from([definition.clone()]);
        let mut open: Vec<String> = words(formula).collect();
        while let Some(name) = open.pop() {
            if !self.names.contains_key(&name) || !seen.insert(name.clone()) {
                continue;
            }
            if candidates.contains(&name) {
                return true;
            }
            open.extend(self.names.get(&name).into_iter().flatten().cloned());
        }
        false
    }
}

fn definition_names(candidates: &[DefinitionCandidate<'_>]) -> HashSet<String> {
    let names = candidates
        .iter()
        .map(|(_, definition, _)| definition.name.to_ascii_lowercase());
    names.collect()
}

fn names_used_by_definition(editable_spec: &EditableSpec<'_>) -> HashMap<String, HashSet<String>> {
    let mut names: HashMap<String, HashSet<String>> = HashMap::new();
    for definition in editable_spec.outline.steps.iter().flat_map(|step| &step.definitions) {
        let own = names.entry(definition.name.to_ascii_lowercase()).or_default();
        own.extend(words(&definition.formula));
    }
    names
}

/// Returns the lower-case words of a formula.
fn words(formula: &str) -> impl Iterator<Item = String> {
    let words = split_words(formula);
    words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase)
}
