//! The formula that hand-edited SQL of a column comes from, proven by compiling it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use super::candidate_check::CandidateCheck;
use super::columns::{ColumnMatches, Site};
use super::constant_probes::constants_of;
use super::context_probes::OF_DEFINITION;
use super::edits::between;
use super::file::SqlFile;
use super::literal_probes::literal_probes;
use super::patterns::{Patterns, Tried};
use super::probes::{Probe, RELATION, probes, relation};
use super::search::{Search, SearchInput};
use super::spec_edit::SpecPosition;
use super::tree::{SqlLabel, SqlNodeId, Trees};
use crate::compiler::Compiler;
use crate::schema::Schema;

/// So many sets of patterns are kept, for as many dialects and settings.
const KEPT: usize = 32;
/// Calls of more arguments than this are seldom, and learned when there is one; of more than that they are not read.
const WIDE: usize = 5;
const WIDEST: usize = 14;

/// Why SQL is not shown as a formula.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotAFormula {
    /// What of it no formula says, or what could not be read.
    pub reason: String,
}

fn because(reason: impl Into<String>) -> NotAFormula {
    NotAFormula { reason: reason.into() }
}

/// Finds the formulas of hand-edited SQL.
///
/// What SQL each function becomes is learned by compiling all of them once for each dialect and setting that they depend
/// on, so one of these should serve many files.
///
/// ```
/// use formulac_model::Compiler;
/// use formulac_decompile::Decompiler;
///
/// let spec = "model: m\nfrom: orders\ngroup_by: country\ndefinitions: revenue = SUM(amount)\n";
/// let compiler = Compiler::default();
/// let written = compiler.compile_spec(spec).model_sql().unwrap().to_owned();
/// let found = written.replace("coalesce(sum(amount), 0)", "count(distinct customer_id)");
/// let formula = Decompiler::default().formula(&compiler, spec, None, &found, None, "revenue")?;
/// assert_eq!(formula, "COUNTUNIQUE(customer_id)");
/// # Ok::<(), formulac_decompile::NotAFormula>(())
/// ```
#[derive(Debug, Default)]
pub struct Decompiler {
    /// What was learned, with the settings that it is right for: learned once, by whoever comes first.
    learned: KeptFormula<OnceLock<Patterns>>,
    /// What is compiled in each dialect to learn it.
    tried: KeptFormula<Tried>,
    /// The words that generated SQL of each dialect has beside names.
    words: KeptFormula<FxHashSet<&'static str>>,
}

/// Values by name, those that were made last.
type KeptFormula<T> = Mutex<Vec<(String, Arc<T>)>>;

fn get_or_learn<T>(all: &KeptFormula<T>, key: String, new: impl FnOnce() -> T) -> Arc<T> {
    // Nothing panics while it is locked.
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    let place = all.iter().position(|(other, _)| *other == key);
    let found = place.map_or_else(|| (key, Arc::new(new())), |at| all.remove(at));
    let value = Arc::clone(&found.1);
    all.truncate(KEPT - 1);
    all.insert(0, found);
    value
}

impl Decompiler {
    /// The formula that makes the SQL which was found for a definition, in a model's whole file.
    ///
    /// Whatever is given compiles to that SQL: the spec with it gives the file that was found, or one that differs from
    /// it in nothing but what differs already.
    ///
    /// # Errors
    ///
    /// The spec does not compile or has no such definition, the column is not in the file, or no formula is known that
    /// gives its SQL.
    pub fn formula(
        &self,
        compiler: &Compiler,
        spec: &str,
        path: Option<&str>,
        found: &str,
        step: Option<&str>,
        definition: &str,
    ) -> Result<String, NotAFormula> {
        let read = SpecPosition::new(spec).map_err(|refusal| because(refusal.reason))?;
        let (place, placed) = read.definition(step, definition).map_err(|refusal| because(refusal.reason))?;
        let written = compiler.compile_spec_at(spec, path);
        let written = written.model_sql().ok_or_else(|| because("the spec has errors"))?;
        let dialect = compiler.options.dialect;
        let (written, found) = (SqlFile::read(written, dialect), SqlFile::read(found, dialect));
        let edits = between(&written, &found);
        let mut trees = Trees::default();
        let cte = read.cte(place);
        let mut case = CandidateCheck::new(compiler, &read, (place, placed), path, (&written, &found, &edits));
        let expression = match read.expression(&found, cte, place, definition, &mut trees) {
            Ok(expression) => expression,
            Err(reason) => {
                for (shown, expected, part) in case.through(&mut trees) {
                    case.shown = shown;
                    case.is_exact = true;
                    if let Ok(formula) = self.solved(&case, &mut trees, expected, part) {
                        return Ok(formula);
                    }
                }
                return Err(because(reason));
            }
        };
        self.solved(&case, &mut trees, expression, expression)
    }

    /// The formula of a part, with which the column that tells is as expected.
    fn solved(
        &self,
        case: &CandidateCheck<'_, '_>,
        trees: &mut Trees,
        expected: SqlNodeId,
        part: SqlNodeId,
    ) -> Result<String, NotAFormula> {
        let (compiler, read) = (case.compiler, case.read);
        if let Some(call) = self.unknown_call(case, trees, part) {
            return Err(because(format!("no formula expresses {}", trees.construct(call))));
        }
        let learned = self.learned(compiler, read, widest(trees, part));
        let known: Vec<&Patterns> = learned.iter().filter_map(|learned| learned.get()).collect();
        let is_of_rows =
            |part: &SqlNodeId| matches!(trees.label(*part), SqlLabel::Behind("over") | SqlLabel::Joined(_));
        let looks_at_rows = trees.below(part).iter().any(is_of_rows);
        let names = if looks_at_rows { case.names(trees, part) } else { Vec::new() };
        let mut more = vec![case.windows(trees, part, &names)];
        let mut given = SearchInput::new();
        case.definitions(trees, &mut given);
        let mut of_words: Option<Patterns> = None;
        let mut wave = 0;
        loop {
            let mut all: Vec<&Patterns> = known.clone();
            all.extend(&of_words);
            all.extend(&more);
            for (part, forms) in case.ranges((&all, &given), trees, part, &names) {
                given.entry(part).or_default().extend(forms);
            }
            let mut search = Search::new(&all, trees).with_input(&given);
            let forms = search.candidates(part);
            if let Some(formula) = case.first(forms, trees, expected) {
                return Ok(formula);
            }
            let next = if looks_at_rows { case.wave(trees, part, &names, wave) } else { None };
            match next {
                Some(next) => more.push(next),
                None if of_words.is_none() => {
                    // Numbers and texts of this expression may have become others.
                    let mut words = constants_of(trees, part);
                    words.functions = functions_like(&known, trees, part);
                    let mut tried = literal_probes(trees, &known, part);
                    if !words.is_empty() {
                        tried.extend(words.probes());
                    }
                    if tried.is_empty() {
                        break;
                    }
                    of_words = Some(Patterns::learn(&probe_compiler(compiler, read), &Tried::new(tried)));
                }
                None => break,
            }
            wave += 1;
        }
        let mut all: Vec<&Patterns> = known.clone();
        all.extend(&of_words);
        all.extend(&more);
        // Definitions by name wherever they stand.
        let mut named = given.clone();
        for form in named.values_mut().flatten().filter(|form| form.cost == OF_DEFINITION) {
            form.cost = 0;
        }
        case.keys(trees, part, &mut given);
        let (base, silent) = (case.base(), case.columns_of_base());
        let others = [
            Search::new(&all, trees).with_input(&named),
            // The same name may be a definition and a column of what the step reads.
            Search::new(&all, trees).with_input(&given).with_base(&base),
            Search::new(&all, trees).with_input(&given).with_silent(&silent),
        ];
        for mut search in others {
            if let Some(formula) = case.first(search.candidates(part), trees, expected) {
                return Ok(formula);
            }
        }
        let mut search = Search::new(&all, trees).with_input(&given);
        let forms = search.candidates(part);
        Err(match search.unknown(part).filter(|_| forms.is_empty()) {
            Some(part) => because(format!("no formula expresses {}", trees.construct(part))),
            None => because(format!("no formula of {} gives exactly this SQL", trees.construct(part))),
        })
    }

    /// A call of a function that no generated SQL calls, nor what the spec reads: then nothing has to be tried.
    fn unknown_call(&self, case: &CandidateCheck<'_, '_>, trees: &Trees, expression: SqlNodeId) -> Option<SqlNodeId> {
        let dialect = case.found.dialect;
        let words = get_or_learn(&self.words, dialect.to_string(), || dialect.words().collect());
        let is_written = |name: &str| (0..case.written.tokens.len()).any(|token| case.written.key(token) == name);
        // A type of the contract stands in the spec.
        let is_said = |name: &str| case.read.source.to_ascii_lowercase().contains(name);
        let is_known = |name: &str| words.contains(name) || is_written(name) || is_said(name);
        let is_unknown = |part: &SqlNodeId| match (trees.label(*part), trees.kids(*part)) {
            (SqlLabel::Call, [name, ..]) => trees.column(*name).is_some_and(|(_, name)| !is_known(name)),
            _ => false,
        };
        trees.below(expression).into_iter().find(is_unknown)
    }

    /// What all functions become: those in which time plays a part in the zone and the calendar of the spec, and calls of
    /// many arguments for themselves.
    fn learned(&self, compiler: &Compiler, read: &SpecPosition<'_>, widest: usize) -> Vec<Arc<OnceLock<Patterns>>> {
        let compiler = probe_compiler(compiler, read);
        let options = &compiler.options;
        let mut all = Vec::new();
        for is_wide in [false, true].into_iter().take(if widest > WIDE { 2 } else { 1 }) {
            for is_temporal in [false, true] {
                let key = format!("{} {is_wide} {is_temporal}", options.dialect);
                let mut of_settings = format!("{key} {}", options.blank_zero);
                if is_temporal {
                    of_settings.push_str(&format!(" {:?} {:?}", options.timezone, options.calendar));
                }
                let patterns = get_or_learn(&self.learned, of_settings, OnceLock::new);
                patterns.get_or_init(|| {
                    let tried = get_or_learn(&self.tried, key, || Tried::new(all_probes(is_wide, is_temporal)));
                    Patterns::learn(&compiler, &tried)
                });
                all.push(patterns);
            }
        }
        all
    }
}

/// All probes in which time plays a part or does not, of few arguments, or those that have more.
fn all_probes(is_wide: bool, is_temporal: bool) -> Vec<Probe> {
    let up_to = |widest: usize| {
        let mut all = probes(widest);
        all.retain(|probe| probe.is_temporal() == is_temporal);
        all
    };
    let few = up_to(WIDE);
    if !is_wide {
        return few;
    }
    let few: FxHashSet<Probe> = few.into_iter().collect();
    let mut all = up_to(WIDEST);
    all.retain(|probe| !few.contains(probe));
    all
}

/// A compiler with the settings of a spec that knows the columns of probes.
fn probe_compiler(compiler: &Compiler, read: &SpecPosition<'_>) -> Compiler {
    let compiler = read.outline.settings(compiler);
    let mut options = (*compiler.options).clone();
    options.schema = Arc::new(Schema::new().with(relation()));
    options.from = Some(RELATION.to_owned());
    compiler.with_options(options)
}

impl SpecPosition<'_> {
    /// The CTE that a step ends in; none is the last select.
    pub(super) fn cte(&self, step: usize) -> Option<&str> {
        let last = step + 1 >= self.outline.steps.len();
        self.outline.steps.get(step).filter(|_| !last).and_then(|step| step.name.as_deref())
    }

    /// A definition's expression in a file, in the names that its formula may use.
    pub(super) fn expression(
        &self,
        file: &SqlFile<'_>,
        cte: Option<&str>,
        step: usize,
        name: &str,
        trees: &mut Trees,
    ) -> Result<SqlNodeId, String> {
        let mut columns = self.columns(file, step, name);
        let site = self.site(&columns, file, cte, name);
        let site = site.ok_or_else(|| format!("there is no column `{name}` in the file"))?;
        let id = columns.expression(&site, trees)?;
        // Of the rows that a wide pivot makes one, each column is the largest of one value.
        let is_wide =
            self.outline.steps.get(step).and_then(|step| step.sheet.as_ref()).is_some_and(|sheet| sheet.is_wide);
        Ok(match (trees.label(id), trees.kids(id)) {
            (SqlLabel::Call, [_, inner]) if is_wide => *inner,
            _ => id,
        })
    }

    /// What reads a file for the formula of a definition.
    pub(super) fn columns<'f, 's>(&self, file: &'f SqlFile<'s>, step: usize, name: &str) -> ColumnMatches<'f, 's> {
        let mut columns = ColumnMatches::new(file);
        columns.own = name.to_owned();
        for (at, outline) in self.outline.steps.iter().enumerate().take(step + 1) {
            let definitions = outline.definitions.iter().map(|d| &d.name);
            let cells = outline.sheet.iter().flat_map(|sheet| &sheet.columns);
            let names = definitions.chain(&outline.keys).chain(cells);
            columns.kept.extend(names.map(|name| name.to_ascii_lowercase()));
            let tabs = outline.sheet.iter().filter(|_| at == step).flat_map(|sheet| &sheet.tabs);
            columns.tabs.extend(tabs.map(|(_, relation)| relation.to_ascii_lowercase()));
            columns.bounds.extend(outline.name.iter().filter(|_| at < step).map(|name| name.to_ascii_lowercase()));
        }
        columns
    }

    /// Where a definition is computed.
    pub(super) fn site(
        &self,
        columns: &ColumnMatches<'_, '_>,
        file: &SqlFile<'_>,
        cte: Option<&str>,
        name: &str,
    ) -> Option<Site> {
        let lower = cte.map(str::to_ascii_lowercase);
        // What is no column of the result is computed in some CTE before.
        let elsewhere = || file.ctes.iter().rev().find_map(|cte| columns.site(Some(cte), name));
        columns.site(lower.as_deref(), name).or_else(elsewhere)
    }
}

/// The functions whose SQL calls none that an expression does not call, those first that call most of them.
fn functions_like(known: &[&Patterns], trees: &Trees, expression: SqlNodeId) -> Vec<&'static str> {
    let mut found: FxHashMap<&'static str, usize> = FxHashMap::default();
    for (name, calls) in known.iter().flat_map(|known| known.functions_like(trees, expression)) {
        let most = found.entry(name).or_default();
        *most = calls.max(*most);
    }
    let mut found: Vec<(&'static str, usize)> = found.into_iter().collect();
    found.sort_by_key(|(name, calls)| (std::cmp::Reverse(*calls), *name));
    found.into_iter().map(|(name, _)| name).collect()
}

/// The largest number of arguments of a call, and of operands of a chain.
fn widest(trees: &Trees, expression: SqlNodeId) -> usize {
    let parts = trees.below(expression);
    let kids = parts.iter().map(|part| trees.kids(*part).len()).max().unwrap_or(0);
    // Few steps, so that what is learned serves many expressions.
    if kids <= WIDE { WIDE } else { WIDEST }
}
