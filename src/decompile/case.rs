//! A definition of a file that was found: formulas compiled in its place, to learn what they become there and to prove them.

use std::cell::Cell;

use super::edits::{Edits, ItemEdit, between};
use super::file::File;
use super::form::{Range, Shape, name_of};
use super::lexer::tokens;
use super::parse::parse;
use super::patterns::{Patterns, pattern};
use super::periods::{numbers, period_probes};
use super::place::Read;
use super::probes::{Arg, Probe};
use super::ranges;
use super::search::{Given, Search};
use super::sheets::{self, Lookups};
use super::tree::{Id, Label, Trees};
use super::windows::{range_probes, window_probes};
use crate::compiler::Compiler;
use crate::spec::outline::Placed;

/// So many formulas are compiled before it is said that there is none.
const TRIED: usize = 100;
/// So many are compiled to learn what they become.
const LEARNED: usize = 700;
/// What a function costs that the formula in the spec does not call.
const LIKENESS: u32 = 3;
/// So many names stand for any in what is compiled.
const NAMES: usize = 4;

/// One definition of one file.
pub(super) struct Case<'a, 's> {
    pub compiler: &'a Compiler,
    pub read: &'a Read<'s>,
    pub placed: &'a Placed,
    pub place: usize,
    pub path: Option<&'a str>,
    pub found: &'a File<'s>,
    pub edits: &'a Edits,
    pub cte: Option<&'a str>,
    /// How much may still be compiled to learn from it.
    pub left: Cell<usize>,
}

impl<'a, 's> Case<'a, 's> {
    pub fn new(
        compiler: &'a Compiler,
        read: &'a Read<'s>,
        (place, placed): (usize, &'a Placed),
        path: Option<&'a str>,
        (found, edits): (&'a File<'s>, &'a Edits),
    ) -> Self {
        Self { compiler, read, placed, place, path, found, edits, cte: read.cte(place), left: Cell::new(LEARNED) }
    }

    /// The first formula that is proven.
    pub fn first(&self, patterns: &[&Patterns], given: &Given, trees: &Trees, expression: Id) -> Option<String> {
        let mut forms = Search::new(patterns, trees).given(given).whole(expression);
        // Of several the one that is most like what stands in the spec.
        let known = words_of(&self.placed.formula);
        forms.retain(|form| form.range != Range::Whole);
        forms.sort_by_cached_key(|form| {
            let new = words_of(&form.text).iter().filter(|word| !known.contains(*word)).count();
            form.cost + LIKENESS * new as u32
        });
        let mut trees = trees.clone();
        forms.into_iter().take(TRIED).map(|form| form.text).find(|text| self.is_proven(text, &mut trees, expression))
    }

    /// The SQL of the spec with another formula there.
    pub fn compiled(&self, formula: &str) -> Option<String> {
        let spec = self.read.with(self.placed, formula).ok()?;
        let compiled = self.compiler.compile_spec_at(&spec, self.path);
        compiled.model_sql().map(str::to_owned)
    }

    /// The expression of the definition with another formula.
    fn tree(&self, formula: &str, trees: &mut Trees) -> Option<Id> {
        self.left.set(self.left.get().checked_sub(1)?);
        let sql = self.compiled(formula)?;
        let file = File::read(&sql, self.found.dialect);
        self.read.expression(&file, self.cte, self.place, &self.placed.name, trees).ok()
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

    /// Compiles probes in this definition's place.
    fn learn(&self, probes: Vec<Probe>, trees: &mut Trees, patterns: &mut Patterns) {
        for probe in probes {
            let Some(root) = probe.formula().and_then(|formula| self.tree(&formula, trees)) else { continue };
            let none = vec![None; probe.args.len()];
            if let Some(pattern) = pattern(trees, root, &probe, none) {
                patterns.put(pattern);
            }
        }
    }

    fn looks_at_rows(&self, trees: &Trees, expression: Id) -> bool {
        trees.below(expression).iter().any(|part| *trees.label(*part) == Label::Behind("over"))
    }

    /// What the functions that look at other rows become in this step.
    pub fn windows(&self, trees: &mut Trees, expression: Id, names: &[Arg]) -> Patterns {
        let mut patterns = Patterns::default();
        let mut probes = Vec::new();
        if self.looks_at_rows(trees, expression) {
            probes = window_probes(names);
        }
        // What the spec says that today is, no other knows.
        if self.read.outline.today {
            for call in ["TODAY()", "NOW()"] {
                probes.push(Probe { shape: Shape::words(call), args: Vec::new() });
            }
        }
        self.learn(probes, trees, &mut patterns);
        patterns
    }

    /// Formulas of the parts that are aggregates of ranges.
    pub fn ranges(&self, patterns: &[&Patterns], trees: &mut Trees, expression: Id, names: &[Arg]) -> Given {
        let mut given = Given::new();
        let windows = ranges::windows(trees, expression);
        let Some(name) = names.first().filter(|_| !windows.is_empty()) else { return given };
        let is_pivoted = self.sheet().is_some_and(|sheet| sheet.is_pivoted);
        let mut learned = Vec::new();
        for probe in ranges::counts(name, is_pivoted) {
            let counted = probe.formula().and_then(|formula| self.tree(&formula, trees));
            learned.extend(counted.and_then(|counted| ranges::learned(trees, counted, &probe)));
        }
        for window in windows {
            let Some(range) = learned.iter().find_map(|learned| learned.range(trees, window)) else { continue };
            let bare = ranges::without(trees, expression, window);
            let Some(whole) = bare.get(&expression).copied() else { continue };
            let mut search = Search::new(patterns, trees).of_ranges(&range);
            search.whole(whole);
            for (part, bare) in bare {
                let forms = search.forms(bare).iter().filter(|form| form.range == Range::Inside);
                given.entry(part).or_default().extend(forms.cloned());
            }
        }
        given
    }

    /// What looks at rows that are joined, and what only worksheets have, in waves: what is seldom comes last.
    pub fn joined(&self, trees: &mut Trees, expression: Id, names: &[Arg], wave: usize) -> Option<Patterns> {
        let mut patterns = Patterns::default();
        let parts = trees.below(expression);
        let joins = |how: &str| parts.iter().any(|part| matches!(trees.label(*part), Label::Joined(j) if j == how));
        let (left, cross) = (joins("left join"), joins("cross join"));
        let looks = self.looks_at_rows(trees, expression);
        let Some(sheet) = self.sheet() else {
            let probes = match wave {
                0 if left || looks => period_probes(names, &numbers(trees, &parts)),
                1 if left || cross || looks => range_probes(names, &super::formula::words(trees, expression).numbers),
                0 | 1 => Vec::new(),
                _ => return None,
            };
            self.learn(probes, trees, &mut patterns);
            return Some(patterns);
        };
        let columns: Vec<String> = columns_of(trees, &parts);
        let mut keys: Vec<Arg> = Vec::new();
        if left && wave >= 1 {
            let marked = columns.iter().take(2).flat_map(|name| sheets::marked(name));
            keys = marked.filter_map(|key| self.named(&key, trees)).collect();
            keys.extend(names.iter().cloned());
        }
        let lookups = Lookups { sheet, columns: &columns, keys: &keys, names, has_literals: cross };
        let probes = match wave {
            0 if looks => sheets::cells(sheet, names),
            1 if left || cross || looks => lookups.plain(),
            2 if left || cross => {
                let wild = if cross { lookups.wild() } else { Vec::new() };
                wild
            }
            3 if left || cross || looks => sheets::totals(sheet),
            4 if looks => {
                let numbers = super::formula::words(trees, expression).numbers;
                [sheets::blocks(names), range_probes(names, &numbers)].concat()
            }
            0..=4 => Vec::new(),
            _ => return None,
        };
        let with_defaults = wave == 1 && (left || cross);
        let learned = probes.clone();
        self.learn(probes, trees, &mut patterns);
        if with_defaults {
            let mut found: Vec<(Shape, Arg)> = Vec::new();
            for part in &parts {
                for pattern in patterns.values(trees, *part) {
                    let is_new = !found.iter().any(|(shape, _)| *shape == pattern.shape);
                    if is_new && pattern.matched(trees, *part).is_some() {
                        let of_shape = learned.iter().filter(|probe| probe.shape == pattern.shape);
                        found.extend(of_shape.filter_map(|p| Some((p.shape.clone(), p.args.first()?.clone()))));
                    }
                }
            }
            self.learn(lookups.with_defaults(&found), trees, &mut patterns);
        }
        Some(patterns)
    }

    fn sheet(&self) -> Option<&crate::spec::outline::SheetOutline> {
        self.read.outline.steps.get(self.place)?.sheet.as_ref()
    }

    /// A formula that stands for any expression.
    fn named(&self, formula: &str, trees: &mut Trees) -> Option<Arg> {
        Some(Arg::Named(formula.to_owned(), self.tree(formula, trees)?))
    }

    /// Names that stand in an expression, then other names of its step: a few, since each stands for any.
    pub fn names(&self, trees: &mut Trees, expression: Id) -> Vec<Arg> {
        let step = self.read.outline.steps.get(self.place);
        let columns = step.into_iter().filter_map(|step| step.sheet.as_ref()).flat_map(|sheet| &sheet.columns);
        let definitions = step.into_iter().flat_map(|step| &step.definitions).map(|placed| &placed.name);
        let others = columns.chain(definitions).filter(|name| **name != self.placed.name).cloned();
        let others: Vec<String> = others.collect();
        let parts = trees.below(expression);
        // Keywords are words too; what compiles is a name.
        let mut written = columns_of(trees, &parts);
        written.sort_by_key(|name| !others.contains(name));
        written.truncate(16);
        let mut found: Vec<Arg> = Vec::new();
        for name in written.into_iter().chain(others) {
            let known = |arg: &Arg| matches!(arg, Arg::Named(text, _) if *text == name_of(&name));
            if found.len() < NAMES && !found.iter().any(known) {
                found.extend(self.named(&name_of(&name), trees));
            }
        }
        found
    }
}

/// The names of columns in an expression, whatever relation they are of.
fn columns_of(trees: &Trees, parts: &[Id]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, name) in parts.iter().filter_map(|part| trees.column(*part)) {
        if !found.iter().any(|known| known == name) && !NO_COLUMNS.contains(&name) {
            found.push(name.to_owned());
        }
    }
    found
}

/// Words that stand beside columns in what is looked at.
const NO_COLUMNS: [&str; 24] = [
    "order", "by", "partition", "desc", "asc", "nulls", "last", "first", "rows", "between", "and", "unbounded", "preceding",
    "following", "current", "row", "over", "row_number", "max", "min", "count", "null", "distinct", "interval",
];

/// The functions that a formula calls.
fn words_of(formula: &str) -> Vec<&str> {
    let words = formula.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.'));
    words.filter(|word| crate::catalog::lookup(word).is_some()).collect()
}
