//! Finds the formulas of edited definitions. The formula of each definition is searched for in a model without
//! unrelated definitions. Then the whole spec is compiled with all formulas at once, in order to prove them.

use std::collections::{HashMap, HashSet};

use super::candidate_check::{CandidateCheck, CandidateFile};
use super::edits::{SqlEdits, compare_files};
use super::file::SqlFile;
use super::formula::{DecompileError, Decompiler, decompile_error};
use super::guarded_formula::{DecompiledFormula, FoundFormula};
use super::reduced_model::{ModelReducer, ReducedModel};
use super::spec_edit::EditableSpec;
use crate::compiler::Compiler;
use crate::model::outline::DefinitionWithPosition;
use crate::parallel;
use formulac_runtime::bisection::apply_with_bisection;
use formulac_syntax::text::split_words;

/// A definition with the position of its step.
type DefinitionInStep<'p> = (usize, &'p DefinitionWithPosition);

/// Model whose SQL was edited.
struct JointSearch<'a, 's> {
    decompiler: &'a Decompiler,
    compiler: &'a Compiler,
    editable_spec: &'a EditableSpec<'s>,
    path: Option<&'a str>,
    generated_file: &'a SqlFile<'s>,
    edited_file: &'a SqlFile<'s>,
    edits: &'a SqlEdits,
    /// Lower-case names in the formula of each definition, by the lower-case name of the definition.
    names: HashMap<String, HashSet<String>>,
}

/// Formula that was found in a reduced model.
struct UnprovenFormula<'p> {
    /// Position of the definition among the searched definitions.
    number: usize,
    definition: DefinitionInStep<'p>,
    found: FoundFormula,
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
        let editable_spec = match EditableSpec::new(spec) {
            Ok(editable_spec) => editable_spec,
            Err(error) => return definitions.iter().map(|_| Err(error.clone().into())).collect(),
        };
        let places = definitions
            .iter()
            .map(|(step, name)| editable_spec.definition(*step, name));
        let places: Vec<_> = places.collect();
        let placed: Vec<DefinitionInStep<'_>> = places.iter().flatten().copied().collect();
        let found = self.find_formulas_at(compiler, &editable_spec, path, text, &placed);
        let mut found = found.into_iter();
        let result = |place: Result<DefinitionInStep<'_>, _>| {
            place?;
            found
                .next()
                .unwrap_or_else(|| Err(decompile_error("no formula was found")))
        };
        places.into_iter().map(result).collect()
    }

    /// Like [`Self::find_formulas`], but each definition includes the position of its step.
    pub(super) fn find_formulas_at(
        &self,
        compiler: &Compiler,
        editable_spec: &EditableSpec<'_>,
        path: Option<&str>,
        text: &str,
        definitions: &[DefinitionInStep<'_>],
    ) -> Vec<Result<DecompiledFormula, DecompileError>> {
        let Some(generated_sql) = editable_spec.compile_sql(compiler, editable_spec.source, path) else {
            let error = || Err(decompile_error("the spec has errors"));
            return definitions.iter().map(|_| error()).collect();
        };
        let dialect = compiler.options.dialect;
        let (generated_file, edited_file) = (SqlFile::read(&generated_sql, dialect), SqlFile::read(text, dialect));
        let edits = compare_files(&generated_file, &edited_file);
        let search = JointSearch {
            decompiler: self,
            compiler,
            editable_spec,
            path,
            generated_file: &generated_file,
            edited_file: &edited_file,
            edits: &edits,
            names: names_used_by_definition(editable_spec),
        };
        search.find_formulas(definitions)
    }
}

impl<'a, 's> JointSearch<'a, 's> {
    fn find_formulas(&self, definitions: &[DefinitionInStep<'a>]) -> Vec<Result<DecompiledFormula, DecompileError>> {
        let reducer = ModelReducer::new(self.editable_spec, self.generated_file, self.edited_file);
        let find_in_reduced_model = |definition: &DefinitionInStep<'a>| {
            if let Some(reason) = self.check(*definition).reason_against_later_edit() {
                return Some(Err(decompile_error(reason)));
            }
            let reduced = reducer.as_ref()?.reduce(self.compiler, self.path, *definition)?;
            self.find_in_reduced_model(&reduced, *definition)
        };
        let mut results: Vec<Option<Result<DecompiledFormula, DecompileError>>> = Vec::new();
        let mut unproven = Vec::new();
        let found = parallel::map(definitions, find_in_reduced_model);
        for (number, (definition, found)) in definitions.iter().zip(found).enumerate() {
            match found {
                Some(Ok(found)) => {
                    let definition = *definition;
                    unproven.push(UnprovenFormula {
                        number,
                        definition,
                        found,
                    });
                    results.push(None);
                }
                Some(Err(error)) => results.push(Some(Err(error))),
                None => results.push(None),
            }
        }
        for (number, formula) in self.prove(unproven) {
            if let Some(result) = results.get_mut(number) {
                *result = Some(Ok(formula));
            }
        }
        let find_in_whole_model = |number: usize| {
            let (definition, found) = (definitions.get(number)?, results.get(number)?);
            let found = found.clone().unwrap_or_else(|| {
                let found = self.decompiler.find_formula_of_definition(self.check(*definition))?;
                Ok(found.formula)
            });
            Some(found)
        };
        parallel::map_range(definitions.len(), find_in_whole_model)
            .into_iter()
            .flatten()
            .collect()
    }

    fn find_in_reduced_model(
        &self,
        reduced: &ReducedModel,
        (step_index, definition): DefinitionInStep<'_>,
    ) -> Option<Result<FoundFormula, DecompileError>> {
        let editable_spec = self.editable_spec.with_text(&reduced.spec)?;
        let step = editable_spec.outline.steps.get(step_index)?;
        let placed = step.definitions.iter().find(|other| other.name == definition.name)?;
        let files = [&reduced.generated_sql, &reduced.edited_sql];
        let [generated_file, edited_file] = files.map(|sql| SqlFile::read(sql, self.edited_file.dialect));
        let edits = compare_files(&generated_file, &edited_file);
        let files = (&generated_file, &edited_file, &edits);
        let check = CandidateCheck::new(self.compiler, &editable_spec, (step_index, placed), self.path, files);
        Some(self.decompiler.find_formula_of_definition(check))
    }

    /// Returns the formulas that produce the edited SQL in the whole model, each with the number of its definition.
    fn prove(&self, formulas: Vec<UnprovenFormula<'a>>) -> Vec<(usize, DecompiledFormula)> {
        let names = definition_names(&formulas);
        let depends = |formula: &UnprovenFormula<'_>| {
            let (_, definition) = formula.definition;
            self.depends_on_other_formula(&definition.name, &formula.found.formula.formula, &names)
        };
        let (alone, together): (Vec<_>, Vec<_>) = formulas.into_iter().partition(depends);
        let mut proven = Vec::new();
        let mut prove = |formulas: Vec<UnprovenFormula<'a>>| {
            let sql = self.compile_with_formulas(&formulas);
            let file = sql.as_deref().map(|sql| SqlFile::read(sql, self.edited_file.dialect));
            let file = file.map(|file| CandidateFile::with_definitions(file, definition_names(&formulas)));
            let Some(file) = file else { return Err(formulas) };
            let mut unproven = Vec::new();
            for mut formula in formulas {
                match self.is_proven(&mut formula, &file) {
                    true => proven.push((formula.number, formula.found.formula)),
                    false => unproven.push(formula),
                }
            }
            if unproven.is_empty() { Ok(()) } else { Err(unproven) }
        };
        apply_with_bisection(together, &mut prove);
        for formula in alone {
            // The caller searches in the whole model for a formula that is not proven.
            let _ = prove(vec![formula]);
        }
        proven
    }

    /// Returns whether a formula produces its definition's SQL in the file. Updates the guards that the SQL adds.
    fn is_proven(&self, formula: &mut UnprovenFormula<'_>, file: &CandidateFile<'_>) -> bool {
        let check = self.check(formula.definition);
        match &mut formula.found.guards {
            Some(guards) => {
                formula.found.formula.rewritten = check.sql_with_guards(file, guards);
                formula.found.formula.rewritten.is_some()
            }
            None => check.has_edited_expression(file),
        }
    }

    fn check<'c>(&'c self, definition: DefinitionInStep<'c>) -> CandidateCheck<'c, 's> {
        let files = (self.generated_file, self.edited_file, self.edits);
        CandidateCheck::new(self.compiler, self.editable_spec, definition, self.path, files)
    }

    fn compile_with_formulas(&self, formulas: &[UnprovenFormula<'_>]) -> Option<String> {
        let texts = formulas
            .iter()
            .map(|formula| (formula.definition.1, formula.found.formula.formula.as_str()));
        let texts: Vec<_> = texts.collect();
        let spec = match texts.as_slice() {
            [(definition, formula)] => self.editable_spec.replace_formula(definition, formula).ok()?,
            several => {
                let is_replaceable = |(definition, formula): &(&DefinitionWithPosition, &str)| {
                    !definition.has_comment && !formula.trim().is_empty() && !formula.chars().any(char::is_control)
                };
                several.iter().all(is_replaceable).then_some(())?;
                self.editable_spec.with_formulas_unchecked(several)?
            }
        };
        self.editable_spec.compile_sql(self.compiler, &spec, self.path)
    }

    /// Returns whether a formula uses another definition whose formula was found. The SQL of the formula would then
    /// depend on the other formula.
    fn depends_on_other_formula(&self, definition: &str, formula: &str, others: &HashSet<String>) -> bool {
        let definition = definition.to_ascii_lowercase();
        let mut seen: HashSet<String> = HashSet::from([definition]);
        let mut open: Vec<String> = words(formula).collect();
        while let Some(name) = open.pop() {
            if !self.names.contains_key(&name) || !seen.insert(name.clone()) {
                continue;
            }
            if others.contains(&name) {
                return true;
            }
            open.extend(self.names.get(&name).into_iter().flatten().cloned());
        }
        false
    }
}

fn definition_names(formulas: &[UnprovenFormula<'_>]) -> HashSet<String> {
    let names = formulas
        .iter()
        .map(|formula| formula.definition.1.name.to_ascii_lowercase());
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
