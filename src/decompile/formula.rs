//! The formula that hand-edited SQL of a column comes from, proven by compiling it.

use super::columns::{Columns, Site};
use super::edits::{Edits, ItemEdit, between};
use super::file::File;
use super::form::Shape;
use super::lexer::tokens;
use super::parse::parse;
use super::patterns::{Patterns, pattern};
use super::place::Read;
use super::probes::{Arg, Probe, RELATION, Words, relation};
use super::search::Search;
use super::tree::{Id, Label, Trees};
use super::windows::window_probes;
use crate::compiler::Compiler;
use crate::schema::Schema;
use crate::spec::outline::Placed;

/// So many formulas are compiled before it is said that there is none.
const TRIED: usize = 100;

/// What a function costs that the formula in the spec does not call.
const LIKENESS: u32 = 3;
/// So many sets of patterns are kept, for as many dialects and settings.
const KEPT: usize = 12;
/// By how much keys are moved, where no number of the expression says it.
const MOVES: [&str; 8] = ["1", "2", "3", "4", "6", "7", "12", "52"];

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
        let case = Case { compiler, read: &read, placed, place, path, found: &found, edits: &edits, cte };
        let (more, periods);
        let patterns =
            self.patterns(compiler, &read, &Words { widest: widest(&trees, expression), ..Words::default() });
        let mut all = vec![&*patterns];
        let windows = case.windows(&mut trees, expression);
        all.push(&windows);
        if let Some(formula) = case.first(&all, &trees, expression) {
            return Ok(formula);
        }
        // Numbers and texts of this expression may have become others.
        let mut words = words(&trees, expression);
        words.functions = patterns.functions_like(&trees, expression);
        if !words.numbers.is_empty() || !words.texts.is_empty() {
            more = self.patterns(compiler, &read, &words);
            all.push(&more);
            if let Some(formula) = case.first(&all, &trees, expression) {
                return Ok(formula);
            }
        }
        periods = case.periods(&mut trees, expression);
        all.push(&periods);
        if let Some(formula) = case.first(&all, &trees, expression) {
            return Ok(formula);
        }
        let mut search = Search::new(&all, &trees);
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

/// One definition of one file.
struct Case<'a, 's> {
    compiler: &'a Compiler,
    read: &'a Read<'s>,
    placed: &'a Placed,
    place: usize,
    path: Option<&'a str>,
    found: &'a File<'s>,
    edits: &'a Edits,
    cte: Option<&'a str>,
}

impl Case<'_, '_> {
    /// The first formula that is proven.
    fn first(&self, patterns: &[&Patterns], trees: &Trees, expression: Id) -> Option<String> {
        let mut forms = Search::new(patterns, trees).whole(expression);
        // Of several the one that is most like what stands in the spec.
        let known = words_of(&self.placed.formula);
        forms.sort_by_cached_key(|form| {
            let new = words_of(&form.text).iter().filter(|word| !known.contains(*word)).count();
            form.cost + LIKENESS * new as u32
        });
        let mut trees = trees.clone();
        forms.into_iter().take(TRIED).map(|form| form.text).find(|text| self.is_proven(text, &mut trees, expression))
    }

    /// The SQL of the spec with another formula there.
    fn compiled(&self, formula: &str) -> Option<String> {
        let spec = self.read.with(self.placed, formula).ok()?;
        let compiled = self.compiler.compile_spec_at(&spec, self.path);
        compiled.model_sql().map(str::to_owned)
    }

    /// Whether a formula gives the expression, and the file that was found but for what others changed in it.
    fn is_proven(&self, formula: &str, trees: &mut Trees, expression: Id) -> bool {
        let Some(sql) = self.compiled(formula) else { return false };
        let file = File::read(&sql, self.found.dialect);
        if self.read.expression(&file, self.cte, self.place, &self.placed.name, trees) != Ok(expression) {
            return false;
        }
        let mut left = between(&file, self.found);
        // Brackets and spellings that change nothing are no difference.
        left.items.retain(|item| {
            let mut read = |sql: &str| parse(sql, &tokens(sql, file.dialect), file.dialect, trees).ok();
            let both = (read(&item.before), read(&item.after));
            both.0.is_none() || both.0 != both.1
        });
        let own = |item: &ItemEdit| {
            let same =
                |a: Option<&str>, b: Option<&str>| a.map(str::to_ascii_lowercase) == b.map(str::to_ascii_lowercase);
            item.column.eq_ignore_ascii_case(&self.placed.name) && same(item.cte.as_deref(), self.cte)
        };
        if left.items.iter().any(own) {
            return false;
        }
        let fewer = left.items.len() + left.rest.len() < self.edits.items.len() + self.edits.rest.len();
        (fewer || self.edits.is_empty())
            && left.items.iter().all(|item| self.edits.items.contains(item))
            && left.rest.iter().all(|rest| self.edits.rest.contains(rest))
    }

    /// What the functions that look at other rows become in this step.
    fn windows(&self, trees: &mut Trees, expression: Id) -> Patterns {
        let mut patterns = Patterns::default();
        let parts = trees.below(expression);
        let mut probes = Vec::new();
        if parts.iter().any(|part| *trees.label(*part) == Label::Behind("over")) {
            let numbers = words(trees, expression).numbers;
            probes = window_probes(&self.names(trees, &parts), &numbers);
        }
        // What the spec says that today is, no other knows.
        if self.read.outline.today {
            for call in ["TODAY()", "NOW()"] {
                probes.push(Probe { shape: Shape::Words(call), args: Vec::new() });
            }
        }
        self.learn(probes, trees, &mut patterns);
        patterns
    }

    /// What PERIODOFFSET becomes in this step, where that is a column of rows that are joined.
    fn periods(&self, trees: &mut Trees, expression: Id) -> Patterns {
        let mut patterns = Patterns::default();
        let mut probes = Vec::new();
        let parts = trees.below(expression);
        let looks = |part: &Id| {
            *trees.label(*part) == Label::Behind("over") || matches!(trees.column(*part), Some((Some(_), _)))
        };
        if !parts.iter().any(looks) {
            return patterns;
        }
        for name in self.names(trees, &parts).into_iter().take(2) {
            for unit in ["month", "year", "quarter", "week", "day"] {
                for number in MOVES {
                    for sign in ["-", ""] {
                        let fixed = |text: String| Arg::Fixed(text);
                        let args = vec![
                            Arg::Column(name.clone()),
                            fixed(format!("{sign}{number}")),
                            fixed(format!("\"{unit}\"")),
                        ];
                        probes.push(Probe { shape: Shape::Call("PERIODOFFSET"), args });
                    }
                }
            }
        }
        self.learn(probes, trees, &mut patterns);
        patterns
    }

    /// Compiles probes in this definition's place.
    fn learn(&self, probes: Vec<Probe>, trees: &mut Trees, patterns: &mut Patterns) {
        for probe in probes {
            let Some(sql) = probe.formula().and_then(|formula| self.compiled(&formula)) else { continue };
            let file = File::read(&sql, self.found.dialect);
            let Ok(root) = self.read.expression(&file, self.cte, self.place, &self.placed.name, trees) else {
                continue;
            };
            let none = vec![None; probe.args.len()];
            if let Some(pattern) = pattern(trees, root, &probe, none) {
                patterns.put(pattern);
            }
        }
    }

    /// Names that stand in an expression, then other definitions of its step: a few, since each stands for any.
    fn names(&self, trees: &Trees, parts: &[Id]) -> Vec<String> {
        let step = self.read.outline.steps.get(self.place);
        let definitions = step.into_iter().flat_map(|s| &s.definitions).map(|d| d.name.as_str());
        let definitions = definitions.filter(|name| *name != self.placed.name);
        let mut written: Vec<&str> = Vec::new();
        for (_, name) in parts.iter().filter_map(|part| trees.column(*part)) {
            if !written.contains(&name) && name.chars().all(|c| c.is_alphanumeric() || c == '_') {
                written.push(name);
            }
        }
        // Keywords are words too; what compiles is a name.
        let is_name = |name: &&str| self.compiled(name).is_some();
        let written: Vec<&str> = written.into_iter().take(24).filter(is_name).take(3).collect();
        let others = definitions.filter(|name| !written.contains(name)).take(4 - written.len().min(3));
        written.iter().copied().chain(others).map(str::to_owned).collect()
    }
}

impl Read<'_> {
    /// The CTE that a step ends in; none is the last select.
    pub(super) fn cte(&self, step: usize) -> Option<&str> {
        let last = step + 1 >= self.outline.steps.len();
        self.outline.steps.get(step).filter(|_| !last).and_then(|step| step.name.as_deref())
    }

    /// A definition's expression in a file, in the names that its formula may use.
    fn expression(
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
            columns.kept.extend(definitions.chain(&outline.keys).map(|name| name.to_ascii_lowercase()));
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

/// The functions that a formula calls.
fn words_of(formula: &str) -> Vec<&str> {
    let words = formula.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.'));
    words.filter(|word| crate::catalog::lookup(word).is_some()).collect()
}

/// The largest number of arguments of a call, and of operands of a chain.
fn widest(trees: &Trees, expression: Id) -> usize {
    let parts = trees.below(expression);
    let kids = parts.iter().map(|part| trees.kids(*part).len()).max().unwrap_or(0);
    // Few steps, so that what is learned serves many expressions.
    if kids <= 5 { 5 } else { 12 }
}

/// The numbers and texts of an expression, and those that may have become these.
fn words(trees: &Trees, expression: Id) -> Words {
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
