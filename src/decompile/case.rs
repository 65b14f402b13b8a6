//! A definition of a file that was found: formulas compiled in its place, to learn what they become there and to prove them.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;

use super::columns::KEYWORDS;
use super::edits::{Edits, ItemEdit, between};
use super::file::File;
use super::form::{Form, Range, Shape, name_of};
use super::lexer::tokens;
use super::parse::parse;
use super::patterns::{Bound, Pattern, Patterns, pattern};
use super::periods::{numbers, period_probes};
use super::place::Read;
use super::probes::{Arg, NUMBERS, POINTS, Probe, TEXTS};
use super::ranges;
use super::search::{Given, Search};
use super::sheets::{self, Looked};
use super::tree::{Id, Label, Trees};
use super::windows::{range_probes, window_probes};
use crate::compiler::Compiler;
use crate::spec::outline::Placed;

/// So many formulas are compiled before it is said that there is none.
const TRIED: usize = 150;
/// So many more are compiled to find one that leaves no difference.
const ALIKE: usize = 12;
/// So many are compiled to learn what they become.
const LEARNED: usize = 700;
/// What a function costs that the formula in the spec does not call.
const LIKENESS: u32 = 3;
/// So many definitions of a step may stand in the formula of another.
const DEFINITIONS: usize = 400;
/// So many names of an expression are looked at.
const WRITTEN: usize = 16;
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
    /// The definition whose column tells: this one, or one that is computed from it.
    pub shown: &'a str,
    /// No difference may be left, since what is left may come of this definition.
    pub is_exact: bool,
    /// How much may still be compiled to learn from it.
    left: Cell<usize>,
    /// Formulas that are not proven.
    tried: RefCell<HashSet<String>>,
    /// The windows of ranges, learned once.
    windows: OnceCell<Vec<ranges::Learned>>,
}

impl<'a, 's> Case<'a, 's> {
    pub fn new(
        compiler: &'a Compiler,
        read: &'a Read<'s>,
        (place, placed): (usize, &'a Placed),
        path: Option<&'a str>,
        (found, edits): (&'a File<'s>, &'a Edits),
    ) -> Self {
        let (left, tried) = (Cell::new(LEARNED), RefCell::default());
        Self { compiler, read, placed, place, path, found, edits, cte: read.cte(place), shown: &placed.name, is_exact: false, left, tried, windows: OnceCell::new() }
    }

    /// The first of the formulas that is proven: with it the column that tells is as it was expected.
    pub fn first(&self, mut forms: Vec<Form>, trees: &Trees, expected: Id) -> Option<String> {
        // Of several the one that is most like what stands in the spec.
        let known = words_of(&self.placed.formula);
        forms.retain(|form| form.range != Range::Whole);
        forms.sort_by_cached_key(|form| {
            let new = words_of(&form.text).iter().filter(|word| !known.contains(*word)).count();
            form.cost + LIKENESS * new as u32
        });
        let mut trees = trees.clone();
        let mut tried = self.tried.borrow_mut();
        forms.retain(|form| !tried.contains(&form.text));
        // Of several that are proven the one that leaves the fewest differences to others.
        let mut best: Option<(usize, String)> = None;
        let mut more = TRIED.saturating_sub(tried.len());
        for form in forms {
            let Some(left) = more.checked_sub(1) else { break };
            more = left;
            match self.differences(&form.text, &mut trees, expected) {
                Some(0) => return Some(form.text),
                Some(count) => {
                    more = if best.is_none() { more.min(ALIKE) } else { more };
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

    /// In how many places the file that a formula gives differs from the one that was found, all by what others changed
    /// in it; none where it does not give the expression, or differs in more.
    fn differences(&self, formula: &str, trees: &mut Trees, expected: Id) -> Option<usize> {
        let sql = self.compiled(formula)?;
        let file = File::read(&sql, self.found.dialect);
        if self.read.expression(&file, self.cte, self.place, self.shown, trees) != Ok(expected) {
            return None;
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
            item.column.eq_ignore_ascii_case(self.shown) && same(item.cte.as_deref(), self.cte)
        };
        if left.items.iter().any(own) {
            return None;
        }
        let count = left.items.len() + left.rest.len();
        let fewer = count < self.edits.items.len() + self.edits.rest.len();
        let is_proven = (fewer || self.edits.is_empty())
            && left.items.iter().all(|item| self.edits.items.contains(item))
            && left.rest.iter().all(|rest| self.edits.rest.contains(rest));
        (is_proven && (count == 0 || !self.is_exact)).then_some(count)
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
            probes = window_probes(names.get(..1).unwrap_or(names));
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
        let learned = self.windows.get_or_init(|| {
            let learn = |probe: Probe| {
                let counted = self.tree(&probe.formula()?, trees)?;
                ranges::learned(trees, counted, &probe)
            };
            ranges::counts(name, is_pivoted).into_iter().filter_map(learn).collect()
        });
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
                0 if left => {
                    let marked = columns_of(trees, &parts).into_iter().take(2).flat_map(|name| sheets::marked(&name));
                    let marked: Vec<Arg> = marked.collect::<Vec<_>>().iter().filter_map(|m| self.named(m, trees)).collect();
                    let names: Vec<Arg> = names.iter().take(1).chain(marked.iter().take(1)).cloned().collect();
                    period_probes(&names, &numbers(trees, &parts))
                }
                1 if looks => window_probes(names),
                2 if left || cross || looks => range_probes(names, &super::formula::words(trees, expression).numbers),
                0..=2 => Vec::new(),
                _ => return None,
            };
            self.learn(probes, trees, &mut patterns);
            return Some(patterns);
        };
        let probes = match wave {
            0 if looks => [sheets::cells(sheet, names), window_probes(names)].concat(),
            1 if left || cross || looks => sheets::totals(sheet),
            2 if left || cross || looks => self.looked(trees, &parts, names, left).iter().flat_map(Looked::plain).collect(),
            3 if cross => self.looked(trees, &parts, names, left).iter().flat_map(Looked::wild).collect(),
            4 if looks => {
                let numbers = super::formula::words(trees, expression).numbers;
                [sheets::blocks(names), range_probes(names, &numbers)].concat()
            }
            0..=4 => Vec::new(),
            _ => return None,
        };
        let plain = if wave == 2 { probes.clone() } else { Vec::new() };
        self.learn(probes, trees, &mut patterns);
        let is_in = |pattern: &Pattern| parts.iter().any(|part| pattern.matched(trees, *part).is_some());
        let fit: Vec<&Shape> = patterns.all().filter(|pattern| is_in(pattern)).map(|pattern| &pattern.shape).collect();
        let found: Vec<Probe> = plain.into_iter().filter(|probe| fit.contains(&&probe.shape)).collect();
        self.learn(sheets::with_defaults(&found, names), trees, &mut patterns);
        Some(patterns)
    }

    /// The columns of the sheet and of its tabs that stand in an expression, with what may be looked for in them.
    fn looked(&self, trees: &mut Trees, parts: &[Id], names: &[Arg], left: bool) -> Vec<Looked> {
        let Some(sheet) = self.sheet() else { return Vec::new() };
        let literals = sheets::literal_keys(trees, parts);
        let columns: Vec<(Option<String>, String)> = parts
            .iter()
            .filter_map(|part| trees.column(*part))
            .filter(|(_, name)| !KEYWORDS.contains(name))
            .map(|(relation, name)| (relation.map(str::to_owned), name.to_owned()))
            .collect();
        let is_of = |relation: Option<&str>| {
            let of_it = columns.iter().filter(move |(other, _)| match (relation, other) {
                (Some(relation), Some(other)) => other.eq_ignore_ascii_case(relation),
                (None, None) => true,
                _ => false,
            });
            of_it.map(|(_, name)| name.clone()).collect::<Vec<_>>()
        };
        let own = is_of(None);
        let mut keys: Vec<Arg> = Vec::new();
        if left {
            let marked = own.iter().take(3).flat_map(|name| sheets::marked(name)).collect::<Vec<_>>();
            keys = marked.iter().filter_map(|key| self.named(key, trees)).collect();
        }
        let own_keys = keys.iter().chain(names).chain(&literals).cloned().collect();
        let tab_keys: Vec<Arg> = names.iter().filter(|_| left).chain(&literals).cloned().collect();
        let mut all: Vec<Looked> = Vec::new();
        for (tab, relation) in sheet.tabs.iter().filter(|(tab, _)| !tab.contains('\'')) {
            let mut columns = is_of(Some(relation));
            if columns.is_empty() {
                columns.clone_from(&own);
            }
            all.push(Looked::of(format!("'{tab}'!"), columns, tab_keys.clone(), (trees, parts)));
        }
        all.push(Looked::of(String::new(), own, own_keys, (trees, parts)));
        all
    }

    /// Where the definition stands in the expressions of others, since it has no column of its own: each such definition,
    /// with its expression and the part of it.
    pub fn through(&self, trees: &mut Trees) -> Vec<(&'a str, Id, Id)> {
        let Some(step) = self.read.outline.steps.get(self.place) else { return Vec::new() };
        let mut found = Vec::new();
        let markers = [
            (NUMBERS[0].to_owned(), Label::Number(NUMBERS[0].to_owned())),
            (POINTS[0].to_owned(), Label::Number(POINTS[0].to_owned())),
            (format!("\"{}\"", TEXTS[0]), Label::Text(TEXTS[0].to_owned(), "")),
        ];
        let uses = |other: &&Placed| {
            let mut words = other.formula.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.any(|word| word.eq_ignore_ascii_case(&self.placed.name))
        };
        for other in step.definitions.iter().filter(|other| other.name != self.placed.name).filter(uses) {
            let Ok(whole) = self.read.expression(self.found, self.cte, self.place, &other.name, trees) else { continue };
            let columns: Vec<(Id, String)> = columns_in(trees, whole).into_iter().take(3).collect();
            let added = columns.into_iter().map(|(column, name)| {
                let number = trees.leaf(Label::Number(NUMBERS[0].to_owned()));
                let sum = trees.add(Label::Op("+".to_owned()), vec![column, number]);
                (format!("{name} + {}", NUMBERS[0]), sum)
            });
            let added: Vec<(String, Id)> = added.collect();
            let literals = markers.iter().map(|(marker, label)| (marker.clone(), trees.leaf(label.clone())));
            let literals: Vec<(String, Id)> = literals.collect();
            for (marker, tree) in added.into_iter().chain(literals) {
                let marker = &marker;
                let Some(sql) = self.compiled(marker) else { continue };
                let file = File::read(&sql, self.found.dialect);
                let Ok(root) = self.read.expression(&file, self.cte, self.place, &other.name, trees) else { continue };
                let marker = Arg::Named(marker.clone(), tree);
                let probe = Probe { shape: Shape::words(""), args: vec![marker] };
                let bound = pattern(trees, root, &probe, vec![None]).and_then(|p| p.matched(trees, whole));
                if let Some([Some(Bound::Node(part))]) = bound.as_deref() {
                    found.push((other.name.as_str(), whole, *part));
                    break;
                }
            }
        }
        found
    }

    /// Definitions of this step, by what they are computed from and, by name, as they are written.
    pub fn definitions(&self, trees: &mut Trees, given: &mut Given) {
        let Some(step) = self.read.outline.steps.get(self.place) else { return };
        let mut columns = self.read.columns(self.found, self.place, &self.placed.name);
        let own = self.read.site(&columns, self.found, self.cte, self.shown);
        let _ = own.map(|site| columns.expression(&site, trees));
        for (joined, column) in std::mem::take(&mut columns.aliases) {
            if let Some((Some(relation), name)) = trees.column(column) {
                given.entry(joined).or_default().push(Form::name(format!("{relation}.{name}"), 2));
            }
        }
        let others = step.definitions.iter().filter(|other| other.name != self.placed.name);
        for definition in others.take(DEFINITIONS) {
            let name = trees.word(&definition.name.to_ascii_lowercase());
            given.entry(name).or_default().push(Form { strength: 0, ..Form::whole(&*definition.formula, 9) });
            let site = self.read.site(&columns, self.found, self.cte, &definition.name);
            let Some(tree) = site.and_then(|site| columns.expression(&site, trees).ok()) else { continue };
            let is_joined = matches!(trees.label(tree), Label::Joined(_));
            if trees.column(tree).is_none() {
                let cost = if is_joined { 1 } else { 6 };
                given.entry(tree).or_default().push(Form::name(name_of(&definition.name), cost));
            }
        }
    }

    /// Names that are an expression by themselves, such as a column by which two relations are joined.
    pub fn keys(&self, trees: &mut Trees, expression: Id, given: &mut Given) {
        for name in self.names(trees, expression) {
            if let Arg::Named(text, tree) = name
                && trees.column(tree).is_none()
            {
                given.entry(tree).or_default().push(Form::name(text, 0));
            }
        }
    }

    /// The relation that the step reads.
    pub fn base(&self) -> String {
        let columns = self.read.columns(self.found, self.place, &self.placed.name);
        let lower = self.cte.map(str::to_ascii_lowercase);
        columns.base_of(lower.as_deref())
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
        let mut found: Vec<Arg> = Vec::new();
        let is_known = |found: &[Arg], name: &str| found.iter().any(|arg| matches!(arg, Arg::Named(text, _) if text == name));
        // Keywords are words too; what compiles is a name.
        for (column, name) in columns_in(trees, expression).into_iter().take(WRITTEN) {
            if found.len() + 1 < NAMES && !is_known(&found, &name) {
                // What stands in aggregates only has no column of its own.
                let tree = self.tree(&name, trees).or_else(|| self.compiled(&name).map(|_| column));
                found.extend(tree.map(|tree| Arg::Named(name, tree)));
            }
        }
        for name in others.iter().map(|name| name_of(name)) {
            if found.len() < NAMES && !is_known(&found, &name) {
                found.extend(self.named(&name, trees));
            }
        }
        found
    }
}

/// The names of columns in an expression, whatever relation they are of.
fn columns_of(trees: &Trees, parts: &[Id]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, name) in parts.iter().filter_map(|part| trees.column(*part)) {
        if !found.iter().any(|known| known == name) && !KEYWORDS.contains(&name) {
            found.push(name.to_owned());
        }
    }
    found
}

/// The columns in an expression, as formulas write them.
fn columns_in(trees: &Trees, expression: Id) -> Vec<(Id, String)> {
    let column = |part: Id| {
        let (relation, name) = trees.column(part).filter(|(_, name)| !KEYWORDS.contains(name))?;
        Some((part, relation.map_or_else(|| name_of(name), |relation| format!("{relation}.{}", name_of(name)))))
    };
    trees.below(expression).into_iter().filter_map(column).collect()
}

/// The functions that a formula calls.
fn words_of(formula: &str) -> Vec<&str> {
    let words = formula.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.'));
    words.filter(|word| crate::catalog::lookup(word).is_some()).collect()
}
