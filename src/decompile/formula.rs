//! The formula that hand-edited SQL of a column comes from, proven by compiling it.

use super::case::Case;
use super::columns::{Columns, Site};
use super::edits::between;
use super::file::File;
use super::patterns::Patterns;
use super::place::Read;
use super::probes::{RELATION, Words, relation};
use super::search::Search;
use super::tree::{Id, Label, Trees};
use crate::compiler::Compiler;
use crate::schema::Schema;

/// So many sets of patterns are kept, for as many dialects and settings.
const KEPT: usize = 12;

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
/// use formulac::Compiler;
/// use formulac::decompile::Decompiler;
///
/// let spec = "model: m\nfrom: orders\ngroup_by: country\ndefinitions: revenue = SUM(amount)\n";
/// let compiler = Compiler::default();
/// let written = compiler.compile_spec(spec).model_sql().unwrap().to_owned();
/// let found = written.replace("coalesce(sum(amount), 0)", "count(distinct customer_id)");
/// let formula = Decompiler::default().formula(&compiler, spec, None, &found, None, "revenue")?;
/// assert_eq!(formula, "COUNTUNIQUE(customer_id)");
/// # Ok::<(), formulac::decompile::NotAFormula>(())
/// ```
#[derive(Debug, Default)]
pub struct Decompiler {
    /// What was learned, with the settings that it is right for.
    learned: std::sync::Mutex<Vec<(String, std::sync::Arc<Patterns>)>>,
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
        let read = Read::new(spec).map_err(|refusal| because(refusal.reason))?;
        let (place, placed) = read.definition(step, definition).map_err(|refusal| because(refusal.reason))?;
        let written = compiler.compile_spec_at(spec, path);
        let written = written.model_sql().ok_or_else(|| because("the spec has errors"))?;
        let dialect = compiler.options.dialect;
        let (written, found) = (File::read(written, dialect), File::read(found, dialect));
        let edits = between(&written, &found);
        let mut trees = Trees::default();
        let cte = read.cte(place);
        let expression = read.expression(&found, cte, place, definition, &mut trees).map_err(because)?;
        let case = Case::new(compiler, &read, (place, placed), path, (&found, &edits));
        let learned = self.patterns(compiler, &read, &Words { widest: widest(&trees, expression), ..Words::default() });
        let is_of_rows = |part: &Id| matches!(trees.label(*part), Label::Behind("over") | Label::Joined(_));
        let looks_at_rows = trees.below(expression).iter().any(is_of_rows);
        let names = if looks_at_rows { case.names(&mut trees, expression) } else { Vec::new() };
        let mut more = vec![case.windows(&mut trees, expression, &names)];
        let all = [&*learned, &more[0]];
        let mut given = case.ranges(&all, &mut trees, expression, &names);
        if let Some(formula) = case.first(&all, &given, &trees, expression) {
            return Ok(formula);
        }
        // Numbers and texts of this expression may have become others.
        let mut words = words(&trees, expression);
        words.functions = learned.functions_like(&trees, expression);
        let of_words = (!words.is_empty()).then(|| self.patterns(compiler, &read, &words));
        let mut waves = 0..;
        loop {
            let mut all: Vec<&Patterns> = vec![&learned];
            all.extend(of_words.as_deref());
            all.extend(&more);
            if let Some(formula) = case.first(&all, &given, &trees, expression) {
                return Ok(formula);
            }
            let wave = waves.next().filter(|_| looks_at_rows);
            let Some(next) = wave.and_then(|wave| case.joined(&mut trees, expression, &names, wave)) else { break };
            more.push(next);
            if waves.start == 1 {
                let mut all: Vec<&Patterns> = vec![&learned];
                all.extend(of_words.as_deref());
                all.extend(&more);
                given = case.ranges(&all, &mut trees, expression, &names);
            }
        }
        let mut all: Vec<&Patterns> = vec![&learned];
        all.extend(of_words.as_deref());
        all.extend(&more);
        let mut search = Search::new(&all, &trees).given(&given);
        let forms = search.whole(expression);
        Err(match search.unknown(expression).filter(|_| forms.is_empty()) {
            Some(part) => because(format!("no formula says {}", trees.construct(part))),
            None => because(format!("no formula of {} gives exactly this SQL", trees.construct(expression))),
        })
    }

    fn patterns(&self, compiler: &Compiler, read: &Read<'_>, words: &Words) -> std::sync::Arc<Patterns> {
        let compiler = read.outline.settings(compiler);
        let mut options = (*compiler.options).clone();
        let key = format!(
            "{:?} {} {:?} {} {:?}",
            options.timezone, options.blank_zero, options.calendar, options.dialect, words
        );
        if let Ok(learned) = self.learned.lock()
            && let Some((_, patterns)) = learned.iter().find(|(other, _)| *other == key)
        {
            return std::sync::Arc::clone(patterns);
        }
        options.schema = std::sync::Arc::new(Schema::new().with(relation()));
        options.from = Some(RELATION.to_owned());
        let compiler = Compiler { options: std::sync::Arc::new(options), pool: std::sync::Arc::default() };
        let patterns = std::sync::Arc::new(Patterns::learn(&compiler, words));
        // What is learned for the words of one expression serves no other.
        if words.is_empty()
            && let Ok(mut learned) = self.learned.lock()
        {
            learned.truncate(KEPT);
            learned.push((key, std::sync::Arc::clone(&patterns)));
        }
        patterns
    }
}

impl Read<'_> {
    /// The CTE that a step ends in; none is the last select.
    pub(super) fn cte(&self, step: usize) -> Option<&str> {
        let last = step + 1 >= self.outline.steps.len();
        self.outline.steps.get(step).filter(|_| !last).and_then(|step| step.name.as_deref())
    }

    /// A definition's expression in a file, in the names that its formula may use.
    pub(super) fn expression(
        &self,
        file: &File<'_>,
        cte: Option<&str>,
        step: usize,
        name: &str,
        trees: &mut Trees,
    ) -> Result<Id, String> {
        let mut columns = Columns::new(file);
        columns.own = name.to_owned();
        for (at, outline) in self.outline.steps.iter().enumerate().take(step + 1) {
            let definitions = outline.definitions.iter().map(|d| &d.name);
            let cells = outline.sheet.iter().flat_map(|sheet| &sheet.columns);
            let names = definitions.chain(&outline.keys).chain(cells);
            columns.kept.extend(names.map(|name| name.to_ascii_lowercase()));
            columns.bounds.extend(outline.name.iter().filter(|_| at < step).map(|name| name.to_ascii_lowercase()));
        }
        let lower = cte.map(str::to_ascii_lowercase);
        let site = columns.site(lower.as_deref(), name).or_else(|| {
            // What is no column of the result is computed in some CTE before.
            let place = file.ctes.iter().rev().find_map(|cte| columns.site(Some(cte), name));
            place as Option<Site>
        });
        let site = site.ok_or_else(|| format!("there is no column `{name}` in the file"))?;
        columns.expression(&site, trees)
    }
}

/// The largest number of arguments of a call, and of operands of a chain.
fn widest(trees: &Trees, expression: Id) -> usize {
    let parts = trees.below(expression);
    let kids = parts.iter().map(|part| trees.kids(*part).len()).max().unwrap_or(0);
    // Few steps, so that what is learned serves many expressions.
    if kids <= 5 { 5 } else { 12 }
}

/// The numbers and texts of an expression, and those that may have become these.
pub(super) fn words(trees: &Trees, expression: Id) -> Words {
    let mut words = Words { widest: widest(trees, expression), ..Words::default() };
    for part in trees.below(expression) {
        match trees.label(part) {
            Label::Number(number) => {
                words.numbers.push(number.clone());
                if let Ok(number) = number.parse::<i64>() {
                    let near = [number.saturating_sub(1), number.saturating_add(1), number.saturating_neg()];
                    words.numbers.extend(near.iter().map(i64::to_string));
                }
                if number.trim_matches(['1', '.']).chars().all(|c| c == '0') {
                    let zeros = number.chars().filter(|c| *c == '0').count();
                    words.numbers.extend([zeros.to_string(), format!("-{zeros}")]);
                }
            }
            Label::Text(text, _) if text.len() <= 200 => words.texts.push(text.clone()),
            _ => {}
        }
    }
    words.numbers.sort();
    words.numbers.dedup();
    words.numbers.truncate(6);
    words.texts.sort();
    words.texts.dedup();
    words.texts.truncate(4);
    words
}
