//! Finds the formula that produces the edited SQL of a column, and verifies the formula by compiling it.

use std::sync::{Arc, OnceLock};

use rustc_hash::{FxHashMap, FxHashSet};

use super::alternatives::SpellingPatterns;
use super::cache::{RecentlyUsedCache, get_or_insert_with};
use super::candidate_check::CandidateCheck;
use super::columns::{ColumnExpression, ColumnResolver};
use super::compiled_probes::{CompiledProbes, ProbesWithCachedSql};
use super::constant_probes::constants_in_expression;
use super::context_probes::DEFINITION_NAME_COST;
use super::edits::compare_files;
use super::equivalent_files::resolve_output_column;
use super::errors;
use super::file::SqlFile;
use super::literal_probes::literal_probes;
use super::patterns::Patterns;
use super::probes::{MAX_ALWAYS_PROBED_ARGUMENTS, ProbeFormulaGroup, RELATION, probe_relation};
use super::search::{FormulaSearch, SeedFormulas};
use super::spec_edit::{EditableSpec, SpecEditError};
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::compiler::Compiler;
use crate::model::outline::DefinitionWithPosition;
use crate::schema::Schema;

/// Reason why no formula was found for a piece of SQL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DecompileError {
    /// Description of the part that no formula expresses, or of the text that could not be parsed.
    pub reason: String,
}

impl From<SpecEditError> for DecompileError {
    fn from(error: SpecEditError) -> Self {
        decompile_error(error.reason)
    }
}

pub(super) fn decompile_error(reason: impl Into<String>) -> DecompileError {
    DecompileError { reason: reason.into() }
}

/// Finds formulas that produce manually edited SQL.
///
/// To learn the SQL of a function, the decompiler compiles the function as soon as an edit may contain this SQL. Each
/// function is compiled once per dialect and per combination of settings that affect it. Reuse a `Decompiler` for many
/// files, because learning takes time.
///
/// ```
/// use formulac_model::Compiler;
/// use formulac_decompile::Decompiler;
///
/// let spec = "model: m\nfrom: orders\ngroup_by: country\ndefinitions: revenue = SUM(amount)\n";
/// let compiler = Compiler::default();
/// let written = compiler.compile_spec(spec).model_sql().unwrap().to_owned();
/// let found = written.replace("coalesce(sum(amount), 0)", "count(distinct customer_id)");
/// let formula = Decompiler::default().find_formula(&compiler, spec, None, &found, None, "revenue")?;
/// assert_eq!(formula, "COUNTUNIQUE(customer_id)");
/// # Ok::<(), formulac_decompile::DecompileError>(())
/// ```
#[derive(Debug, Default)]
pub struct Decompiler {
    /// Compiled probes, keyed by the settings that their SQL depends on. The probes are compiled when a caller first
    /// needs them.
    compiled: RecentlyUsedCache<OnceLock<CompiledProbes>>,
    /// Probes that are compiled in each dialect to learn the patterns.
    probes_by_dialect: RecentlyUsedCache<Vec<Arc<ProbesWithCachedSql>>>,
    /// Words that occur in generated SQL of each dialect, except names.
    words: RecentlyUsedCache<FxHashSet<&'static str>>,
    /// Spellings of each dialect.
    pub(super) spellings: RecentlyUsedCache<SpellingPatterns>,
}

impl Decompiler {
    /// Returns the formula that produces the edited SQL of a definition, given the whole file of a model.
    ///
    /// The returned formula always compiles to this SQL. The spec with this formula produces the edited file, or a file
    /// that differs from it only where other edits exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the spec does not compile or lacks the definition, if the column is not in the file, or if
    /// no known formula produces its SQL.
    pub fn find_formula(
        &self,
        compiler: &Compiler,
        spec: &str,
        path: Option<&str>,
        text: &str,
        step: Option<&str>,
        definition: &str,
    ) -> Result<String, DecompileError> {
        let editable_spec = EditableSpec::new(spec)?;
        let definition = editable_spec.definition(step, definition)?;
        self.find_formula_at(compiler, &editable_spec, path, text, definition)
    }

    /// Like [`Self::find_formula`], but the definition includes the position of its step.
    pub(super) fn find_formula_at(
        &self,
        compiler: &Compiler,
        editable_spec: &EditableSpec<'_>,
        path: Option<&str>,
        text: &str,
        definition: (usize, &DefinitionWithPosition),
    ) -> Result<String, DecompileError> {
        self.find_formula_in(compiler, editable_spec, path, text, (definition, true))
    }

    /// Returns a formula that produces the edited SQL of a definition, if one of the definition's helper columns was
    /// edited. The SQL of this formula may give the helper column a different name. The caller must prove the formula.
    pub(super) fn find_formula_with_edited_helper_column(
        &self,
        compiler: &Compiler,
        editable_spec: &EditableSpec<'_>,
        path: Option<&str>,
        text: &str,
        definition: (usize, &DefinitionWithPosition),
    ) -> Result<String, DecompileError> {
        self.find_formula_in(compiler, editable_spec, path, text, (definition, false))
    }

    /// Finds a formula. `compares_file` is `true` if the rest of the file must contain only other edits.
    fn find_formula_in(
        &self,
        compiler: &Compiler,
        editable_spec: &EditableSpec<'_>,
        path: Option<&str>,
        text: &str,
        (definition, compares_file): ((usize, &DefinitionWithPosition), bool),
    ) -> Result<String, DecompileError> {
        with_candidate_check(compiler, editable_spec, path, text, definition, |mut case| {
            case.compares_file = compares_file;
            self.find_exact_formula(case)
        })
    }

    /// Finds the formula that compiles to exactly the edited SQL.
    pub(super) fn find_exact_formula(&self, mut case: CandidateCheck<'_, '_>) -> Result<String, DecompileError> {
        let mut trees = SqlTrees::default();
        let (editable_spec, name) = (case.editable_spec, &case.definition.name);
        match editable_spec.definition_expression(case.edited_file, case.cte, case.step_index, name, &mut trees) {
            Ok(expression) => self.find_formula_of_subexpression(&case, &mut trees, expression, expression),
            Err(reason) => {
                for (sql_part, expected, part) in case.find_enclosing_expressions(&mut trees) {
                    case.definition_part = sql_part;
                    case.is_exact = true;
                    if let Ok(formula) = self.find_formula_of_subexpression(&case, &mut trees, expected, part) {
                        return Ok(formula);
                    }
                }
                Err(decompile_error(reason))
            }
        }
    }

    /// Finds the formula for a subexpression in the part of the file that contains the definition's SQL. With this
    /// formula, the whole part compiles to the expected expression.
    fn find_formula_of_subexpression(
        &self,
        case: &CandidateCheck<'_, '_>,
        trees: &mut SqlTrees,
        expected: SqlNodeId,
        part: SqlNodeId,
    ) -> Result<String, DecompileError> {
        let (compiler, editable_spec) = (case.compiler, case.editable_spec);
        if let Some(call) = self.find_unsupported_call(case, trees, part) {
            return Err(errors::unknown_sql_error(trees, part, call));
        }
        let value = case.inside_contract_cast(trees, part);
        let learned = self.learn_patterns(compiler, editable_spec, trees, part);
        let patterns: Vec<&Patterns> = learned.iter().map(AsRef::as_ref).collect();
        let contains_window_or_join = contains_window_or_join(trees, part);
        let names = if contains_window_or_join {
            case.candidate_names(trees, part)
        } else {
            Vec::new()
        };
        let mut more = vec![case.learn_window_functions(trees, part, &names)];
        let mut input = SeedFormulas::new();
        case.add_definitions(trees, &mut input);
        let mut of_words: Option<Arc<Patterns>> = None;
        let mut wave = 0;
        loop {
            let mut all_patterns: Vec<&Patterns> = patterns.clone();
            all_patterns.extend(of_words.as_deref());
            all_patterns.extend(&more);
            for (part, forms) in case.learn_ranges((&all_patterns, &input), trees, part, &names) {
                input.entry(part).or_default().extend(forms);
            }
            let search = FormulaSearch::new(&all_patterns, trees).with_seed_formulas(&input);
            let forms = search.with_value(value).candidate_formulas(part);
            if let Some(formula) = case.first_matching_formula(forms, trees, expected) {
                return Ok(formula);
            }
            let next = if contains_window_or_join {
                case.learn_joined_row_functions(trees, part, &names, wave)
            } else {
                None
            };
            match next {
                Some(next) => more.push(next),
                None if of_words.is_none() => {
                    of_words = learn_literal_patterns(case, trees, &patterns, part);
                    if of_words.is_none() {
                        break;
                    }
                }
                None => break,
            }
            wave += 1;
        }
        let mut all_patterns: Vec<&Patterns> = patterns.clone();
        all_patterns.extend(of_words.as_deref());
        all_patterns.extend(&more);
        // Prefer a definition's name to its expression.
        let mut named_input = input.clone();
        let forms = named_input.values_mut().flatten();
        for form in forms.filter(|form| form.cost == DEFINITION_NAME_COST) {
            form.cost = 0;
        }
        case.add_names_of_compound_expressions(trees, part, &mut input);
        let (base, hidden_columns) = (case.base_relation(), case.columns_of_base_relation());
        let lost_type = |name: &str| case.may_lose_type_of(name);
        let others = [
            FormulaSearch::new(&all_patterns, trees).with_seed_formulas(&named_input),
            // A definition may have the same name as a column that the step reads.
            FormulaSearch::new(&all_patterns, trees)
                .with_seed_formulas(&input)
                .with_base_relation(&base),
            FormulaSearch::new(&all_patterns, trees)
                .with_seed_formulas(&input)
                .with_hidden_columns(&hidden_columns),
            FormulaSearch::new(&all_patterns, trees)
                .with_seed_formulas(&input)
                .with_temporal_names(&lost_type),
        ];
        for search in others {
            let forms = search.with_value(value).candidate_formulas(part);
            if let Some(formula) = case.first_matching_formula(forms, trees, expected) {
                return Ok(formula);
            }
        }
        if case.cte.is_none()
            && part == expected
            && let Some(formula) = find_equivalent_formula(case, trees, &all_patterns, &named_input, part)
        {
            return Ok(formula);
        }
        let search = FormulaSearch::new(&all_patterns, trees).with_seed_formulas(&input);
        let mut search = search.with_value(value);
        let forms = search.candidate_formulas(part);
        let without = search.smallest_unmatched_subexpression(part).unwrap_or(part);
        let nearest = case.explain_rejected_formula(forms, trees, part);
        Err(nearest.unwrap_or_else(|| errors::unknown_sql_error(trees, part, without)))
    }

    /// Returns a call to a function that occurs neither in generated SQL nor in the spec. No formula can produce SQL
    /// with such a call.
    pub(super) fn find_unsupported_call(
        &self,
        case: &CandidateCheck<'_, '_>,
        trees: &SqlTrees,
        expression: SqlNodeId,
    ) -> Option<SqlNodeId> {
        let dialect = case.edited_file.dialect;
        let words = get_or_insert_with(&self.words, dialect.to_string(), || dialect.words().collect());
        let is_written =
            |name: &str| (0..case.generated_file.tokens.len()).any(|token| case.generated_file.key(token) == name);
        // The contract in a spec contains names of types, which look like function calls if they have arguments.
        let is_in_spec = |name: &str| case.editable_spec.source.to_ascii_lowercase().contains(name);
        let is_known = |name: &str| words.contains(name) || is_written(name) || is_in_spec(name);
        let is_unknown = |part: &SqlNodeId| match (trees.label(*part), trees.children(*part)) {
            (SqlLabel::Call, [name, ..]) => trees.column(*name).is_some_and(|(_, name)| !is_known(name)),
            _ => false,
        };
        trees.descendants(expression).into_iter().find(is_unknown)
    }

    /// Learns the SQL of the functions that may have produced an expression. The SQL of date and time functions depends
    /// on the spec's time zone and calendar. Calls with many arguments are learned separately.
    fn learn_patterns(
        &self,
        compiler: &Compiler,
        editable_spec: &EditableSpec<'_>,
        trees: &SqlTrees,
        expression: SqlNodeId,
    ) -> Vec<Arc<Patterns>> {
        let compiled = self.compiled_probes(compiler, editable_spec, trees, expression);
        let compiled = compiled.iter().filter_map(|cell| cell.get());
        compiled
            .map(|compiled_probes| compiled_probes.patterns_for_expression(trees, expression))
            .collect()
    }

    /// Returns the compiled probes for the functions that may have produced an expression.
    pub(super) fn compiled_probes(
        &self,
        compiler: &Compiler,
        editable_spec: &EditableSpec<'_>,
        trees: &SqlTrees,
        expression: SqlNodeId,
    ) -> Vec<Arc<OnceLock<CompiledProbes>>> {
        let compiler = compiler_for_probes(compiler, editable_spec);
        let options = &compiler.options;
        let mut group_probes = Vec::new();
        let sizes: &[bool] = if has_many_arguments(trees, expression) {
            &[false, true]
        } else {
            &[false]
        };
        for &is_wide in sizes {
            for is_temporal in [false, true] {
                let key = format!("{} {is_wide} {is_temporal}", options.dialect);
                let mut settings_key = format!("{key} {}", options.blank_zero);
                if is_temporal {
                    settings_key.push_str(&format!(" {:?} {:?}", options.timezone, options.calendar));
                }
                let compiled = get_or_insert_with(&self.compiled, settings_key, OnceLock::new);
                compiled.get_or_init(|| {
                    let probes = get_or_insert_with(&self.probes_by_dialect, key, || {
                        let group =
                            |group| Arc::new(ProbesWithCachedSql::from_probe_group(group, is_wide, is_temporal));
                        ProbeFormulaGroup::all().map(group).collect()
                    });
                    CompiledProbes::new(compiler.clone(), probes.to_vec())
                });
                group_probes.push(compiled);
            }
        }
        group_probes
    }
}

/// Returns a formula that is equivalent to the edited SQL of a column in the last select. formulac may compute the
/// value in a different select from the one that the user edited.
fn find_equivalent_formula(
    case: &CandidateCheck<'_, '_>,
    trees: &mut SqlTrees,
    patterns: &[&Patterns],
    input: &SeedFormulas,
    part: SqlNodeId,
) -> Option<String> {
    let whole_expression = resolve_output_column(case.edited_file, &case.definition.name, trees);
    [Some(part), whole_expression].into_iter().flatten().find_map(|part| {
        let forms = FormulaSearch::new(patterns, trees)
            .with_seed_formulas(input)
            .with_value(case.inside_contract_cast(trees, part))
            .candidate_formulas(part);
        case.first_equivalent_formula(forms, trees)
    })
}

/// Returns the patterns of the literals in an expression. The numbers and strings of the expression may come from
/// literals that look different in the formula. `None` if there are no such literals.
fn learn_literal_patterns(
    case: &CandidateCheck<'_, '_>,
    trees: &SqlTrees,
    patterns: &[&Patterns],
    part: SqlNodeId,
) -> Option<Arc<Patterns>> {
    let mut words = constants_in_expression(trees, part);
    words.functions = functions_with_matching_calls(patterns, trees, part);
    let mut probes = literal_probes(trees, patterns, part);
    if !words.is_empty() {
        probes.extend(words.build_probes());
    }
    if probes.is_empty() {
        return None;
    }
    let probes = Arc::new(ProbesWithCachedSql::new(probes));
    let compiled = CompiledProbes::new(compiler_for_probes(case.compiler, case.editable_spec), vec![probes]);
    Some(compiled.patterns_for_expression(trees, part))
}

/// Creates a compiler with the settings of a spec and with the relation that holds the columns of probes.
fn compiler_for_probes(compiler: &Compiler, editable_spec: &EditableSpec<'_>) -> Compiler {
    let compiler = editable_spec.outline.with_spec_settings(compiler);
    let mut options = (*compiler.options).clone();
    options.schema = Arc::new(Schema::new().with(probe_relation()));
    options.from = Some(RELATION.to_owned());
    compiler.with_options(options)
}

impl EditableSpec<'_> {
    /// Returns the name of the CTE in which a step ends. `None` for the last step, which ends in the last select.
    pub(super) fn step_cte(&self, step: usize) -> Option<&str> {
        let last = step + 1 >= self.outline.steps.len();
        self.outline
            .steps
            .get(step)
            .filter(|_| !last)
            .and_then(|step| step.name.as_deref())
    }

    /// Returns a definition's expression in a file, rewritten to contain only names that the definition's formula may
    /// use.
    pub(super) fn definition_expression(
        &self,
        file: &SqlFile<'_>,
        cte: Option<&str>,
        step: usize,
        name: &str,
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        let mut columns = self.column_resolver(file, step, name);
        self.resolve_definition(&mut columns, file, cte, (step, name), trees)
    }

    /// Resolves a definition's expression. The resolver then contains the parts of the file that compute the
    /// definition.
    pub(super) fn resolve_definition(
        &self,
        columns: &mut ColumnResolver<'_, '_>,
        file: &SqlFile<'_>,
        cte: Option<&str>,
        (step, name): (usize, &str),
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        let column_expression = self.find_column_expression(columns, file, cte, name);
        let column_expression = column_expression.ok_or_else(|| format!("the file has no column `{name}`"))?;
        let id = columns.resolve_expression(&column_expression, trees)?;
        // Each column is the maximum of a single value, because a wide pivot combines several rows into one row.
        let is_wide = self
            .outline
            .steps
            .get(step)
            .and_then(|step| step.sheet.as_ref())
            .is_some_and(|sheet| sheet.is_wide);
        Ok(match (trees.label(id), trees.children(id)) {
            (SqlLabel::Call, [_, inner]) if is_wide => *inner,
            _ => id,
        })
    }

    /// Creates the resolver that converts a file's expressions to names that the definition's formula may use.
    pub(super) fn column_resolver<'f, 's>(
        &self,
        file: &'f SqlFile<'s>,
        step: usize,
        name: &str,
    ) -> ColumnResolver<'f, 's> {
        let mut columns = ColumnResolver::new(file);
        columns.definition_name = name.to_owned();
        columns.is_filled = self.outline.steps.get(step).is_some_and(|step| step.is_filled);
        for (step_index, outline) in self.outline.steps.iter().enumerate().take(step + 1) {
            let definitions = outline.definitions.iter().map(|d| &d.name);
            let cells = outline.sheet.iter().flat_map(|sheet| &sheet.columns);
            let names = definitions.chain(&outline.keys).chain(cells);
            columns
                .allowed_names
                .extend(names.map(|name| name.to_ascii_lowercase()));
            let tabs = outline
                .sheet
                .iter()
                .filter(|_| step_index == step)
                .flat_map(|sheet| &sheet.tabs);
            columns
                .tabs
                .extend(tabs.map(|(_, relation)| relation.to_ascii_lowercase()));
            columns.visible_ctes.extend(
                outline
                    .name
                    .iter()
                    .filter(|_| step_index < step)
                    .map(|name| name.to_ascii_lowercase()),
            );
        }
        columns
    }

    /// Finds the position in the file where a definition is computed.
    pub(super) fn find_column_expression(
        &self,
        columns: &ColumnResolver<'_, '_>,
        file: &SqlFile<'_>,
        cte: Option<&str>,
        name: &str,
    ) -> Option<ColumnExpression> {
        let lower = cte.map(str::to_ascii_lowercase);
        // A definition that is not a column of the result is computed in a preceding CTE.
        let elsewhere = || {
            file.ctes
                .iter()
                .rev()
                .find_map(|cte| columns.find_column_expression(Some(cte), name))
        };
        columns
            .find_column_expression(lower.as_deref(), name)
            .or_else(elsewhere)
    }
}

/// Returns the functions whose SQL calls only functions that an expression also calls, sorted by the number of these
/// calls in descending order.
fn functions_with_matching_calls(patterns: &[&Patterns], trees: &SqlTrees, expression: SqlNodeId) -> Vec<&'static str> {
    let mut call_counts: FxHashMap<&'static str, usize> = FxHashMap::default();
    for (name, calls) in patterns
        .iter()
        .flat_map(|patterns| patterns.functions_with_matching_calls(trees, expression))
    {
        let most = call_counts.entry(name).or_default();
        *most = calls.max(*most);
    }
    let mut functions: Vec<(&'static str, usize)> = call_counts.into_iter().collect();
    functions.sort_by_key(|(name, calls)| (std::cmp::Reverse(*calls), *name));
    functions.into_iter().map(|(name, _)| name).collect()
}

/// Compares a file with the SQL that the spec generates, and calls a function with the candidate check for a
/// definition.
pub(super) fn with_candidate_check<T>(
    compiler: &Compiler,
    editable_spec: &EditableSpec<'_>,
    path: Option<&str>,
    text: &str,
    definition: (usize, &DefinitionWithPosition),
    search: impl FnOnce(CandidateCheck<'_, '_>) -> Result<T, DecompileError>,
) -> Result<T, DecompileError> {
    let generated_sql = editable_spec
        .compile_sql(compiler, editable_spec.source, path)
        .ok_or_else(|| decompile_error("the spec has errors"))?;
    let dialect = compiler.options.dialect;
    let (generated_file, file) = (SqlFile::read(&generated_sql, dialect), SqlFile::read(text, dialect));
    let edits = compare_files(&generated_file, &file);
    search(CandidateCheck::new(
        compiler,
        editable_spec,
        definition,
        path,
        (&generated_file, &file, &edits),
    ))
}

/// Returns whether an expression contains a window or a value from joined rows.
pub(super) fn contains_window_or_join(trees: &SqlTrees, expression: SqlNodeId) -> bool {
    let is_of_rows = |part: &SqlNodeId| matches!(trees.label(*part), SqlLabel::Behind("over") | SqlLabel::Joined(_));
    trees.descendants(expression).iter().any(is_of_rows)
}

/// Returns whether a call has more arguments, or a chain more operands, than the probes that are always learned.
fn has_many_arguments(trees: &SqlTrees, expression: SqlNodeId) -> bool {
    let parts = trees.descendants(expression);
    parts
        .iter()
        .any(|part| trees.children(*part).len() > MAX_ALWAYS_PROBED_ARGUMENTS)
}
