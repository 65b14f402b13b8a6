//! Patterns for the SQL to which formulas compile, with placeholders for the arguments. The patterns are learned by
//! compiling probes.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use super::expression_text::ExpressionShape;
use super::formula::{RecentlyUsedCache, get_or_learn};
use super::parse::parse;
use super::probes::{Arg, ProbeFormula, ProbeGroup, column_type, probe_column, unknown_columns};
use super::tree::{SqlLabel, SqlNodeId, Trees};
use crate::Type;
use crate::compiler::Compiler;
use crate::dbt::tokens::tokens;

/// Maximum number of probes that are compiled together.
const TOGETHER: usize = 2000;
/// Position of the argument that is the group key of grouped probes.
const KEY: usize = 15;
/// Maximum depth of a pattern. Deeper patterns are discarded, but no function in the catalogue has such a deep pattern.
const MAX_DEPTH: u32 = 100;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum PatternPart {
    /// Any expression, which is the argument at this position.
    Any(usize),
    /// A range with a criterion.
    Criterion(usize),
    /// A number that is larger than the argument by this amount. This suffix follows its digits.
    Number(usize, i64, &'static str),
    /// A string that contains the wildcards `%` and `_`.
    Wild(usize, &'static str),
    /// A string that consists of a prefix, the value of the argument, and a suffix.
    Text(usize, String, String, &'static str),
    Node(SqlLabel, Vec<PatternPart>),
}

/// SQL, together with the formula that produces it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SqlPattern {
    pub root: PatternPart,
    pub shape: ExpressionShape,
    pub args: Vec<Arg>,
}

/// Value that a pattern binds to an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    Node(SqlNodeId),
    Criterion(SqlNodeId),
    Number(String),
    Text(String),
}

/// Root of a tree. Used as the key to look up the patterns that may match an expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PatternRoot(SqlLabel, Option<SqlLabel>, usize);

/// All patterns for one dialect and one spec's settings.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    values: HashMap<PatternRoot, Vec<Arc<SqlPattern>>>,
    criteria: HashMap<PatternRoot, Vec<Arc<SqlPattern>>>,
    /// Patterns whose formula refers to a column that their SQL does not contain. For example, `T(number)` compiles to
    /// an empty string.
    hidden_columns: HashMap<PatternRoot, Vec<Arc<SqlPattern>>>,
}

/// Probes, each with the SQL of its last compilation in a dialect. If the settings change, most of the SQL remains the
/// same and is not parsed again.
#[derive(Debug)]
pub(super) struct ProbesWithCachedSql {
    /// The group of the probes, unless they were derived from one expression.
    group: Option<ProbeGroup>,
    is_wide: bool,
    is_temporal: bool,
    probes: OnceLock<Vec<ProbeFormula>>,
    /// Results by position of the probe and by the step in which it was compiled.
    compiled: Mutex<FxHashMap<(usize, ProbeStep), Arc<CompiledProbe>>>,
}

/// Step in which probes are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ProbeStep {
    Rows,
    /// A group always has at least one row, so conditional sums compile to different SQL.
    Groups,
    /// Another formula of the step shows that columns of unknown type are numbers.
    RowsOfNumbers,
}

impl ProbesWithCachedSql {
    pub fn new(probes: Vec<ProbeFormula>) -> Self {
        Self {
            group: None,
            is_wide: false,
            is_temporal: false,
            probes: probes.into(),
            compiled: Mutex::default(),
        }
    }

    /// Creates the probes of a group when they are first needed.
    pub fn of_group(group: ProbeGroup, is_wide: bool, is_temporal: bool) -> Self {
        Self {
            group: Some(group),
            is_wide,
            is_temporal,
            probes: OnceLock::new(),
            compiled: Mutex::default(),
        }
    }

    fn probes(&self) -> &[ProbeFormula] {
        self.probes.get_or_init(|| match self.group {
            Some(group) => group.probes(self.is_wide, self.is_temporal),
            None => Vec::new(),
        })
    }

    /// Compiles the probes. Probes whose SQL is the same as in the previous compilation keep their patterns.
    fn compile(&self, compiler: &Compiler) -> Vec<Arc<CompiledProbe>> {
        let mut options = (*compiler.options).clone();
        options.group_by = vec![probe_column(Type::Text, false, KEY)];
        let grouped = compiler.with_options(options);
        let is_unknown = |arg: &Arg| matches!(arg, Arg::Column(name) if column_type(name) == Type::Unknown);
        let is_needed = |probe: &ProbeFormula, step: ProbeStep| match step {
            ProbeStep::Rows => true,
            ProbeStep::Groups => {
                matches!(probe.shape, ExpressionShape::Call(name) if name.starts_with("SUMIF"))
            }
            ProbeStep::RowsOfNumbers => probe.args.iter().any(is_unknown),
        };
        let numbers = format!("numbers = {}\n", unknown_columns().join(" + "));
        // No code panics while it holds this lock.
        let mut known = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let mut compiled = Vec::new();
        for (compiler, step, others) in [
            (compiler, ProbeStep::Rows, ""),
            (&grouped, ProbeStep::Groups, ""),
            (compiler, ProbeStep::RowsOfNumbers, numbers.as_str()),
        ] {
            let probes = self.probes().iter().enumerate();
            let probes: Vec<(usize, &ProbeFormula)> = probes.filter(|(_, probe)| is_needed(probe, step)).collect();
            for chunk in probes.chunks(TOGETHER) {
                for (at, sql) in compiled_sql(compiler, others, chunk) {
                    let unchanged = known.get(&(at, step)).filter(|before| *before.sql == *sql);
                    let probe = unchanged
                        .cloned()
                        .unwrap_or_else(|| Arc::new(CompiledProbe::new(at, sql)));
                    known.insert((at, step), Arc::clone(&probe));
                    compiled.push(probe);
                }
            }
        }
        compiled
    }
}

/// Compiles probes beside other formulas. Returns the position and the SQL of each probe.
fn compiled_sql(compiler: &Compiler, others: &str, probes: &[(usize, &ProbeFormula)]) -> Vec<(usize, Box<str>)> {
    let mut text = others.to_owned();
    for (at, probe) in probes {
        if let Some(formula) = probe.formula() {
            let _ = writeln!(text, "p{at} = {formula}");
        }
    }
    let results = compiler.compile(&text);
    let definitions = results.definitions().iter();
    let sql = definitions.filter_map(|definition| {
        let at = definition.name()?.get(1..)?.parse().ok()?;
        Some((at, definition.sql().into()))
    });
    sql.collect()
}

/// Probe with its SQL. The SQL is parsed only for expressions that it may match, because parsing takes most of the time.
#[derive(Debug)]
struct CompiledProbe {
    at: usize,
    sql: Box<str>,
    patterns: OnceLock<Vec<Arc<SqlPattern>>>,
}

impl CompiledProbe {
    fn new(at: usize, sql: Box<str>) -> Self {
        let patterns = OnceLock::new();
        Self { at, sql, patterns }
    }
}

/// Probes of one group. They are compiled when they are first needed.
#[derive(Debug)]
struct CompiledGroup {
    tried: Arc<ProbesWithCachedSql>,
    compiled: OnceLock<Vec<Arc<CompiledProbe>>>,
}

/// Probes compiled with the settings of one spec.
#[derive(Debug)]
pub(super) struct CompiledProbes {
    compiler: Compiler,
    groups: Vec<CompiledGroup>,
    /// Patterns by the names of SQL functions that an expression calls.
    patterns: RecentlyUsedCache<Patterns>,
}

impl CompiledProbes {
    /// Creates compiled probes. The schema of the compiler must contain the relation of the probes.
    pub fn new(compiler: Compiler, groups: Vec<Arc<ProbesWithCachedSql>>) -> Self {
        let group = |tried| CompiledGroup {
            tried,
            compiled: OnceLock::new(),
        };
        Self {
            compiler,
            groups: groups.into_iter().map(group).collect(),
            patterns: RecentlyUsedCache::default(),
        }
    }

    /// Returns the patterns that may match an expression or a part of it.
    pub fn patterns_for(&self, trees: &Trees, expression: SqlNodeId) -> Arc<Patterns> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for part in trees.descendants(expression) {
            // The name of a function is the first child of its call, perhaps after a dot.
            if let (SqlLabel::Call, Some(name)) = (trees.label(part), trees.children(part).first()) {
                let words = trees.descendants(*name).into_iter();
                names.extend(words.filter_map(|word| match trees.label(word) {
                    SqlLabel::Word(word) => Some(word.as_str()),
                    _ => None,
                }));
            }
        }
        let key = names.iter().copied().collect::<Vec<_>>().join(" ");
        get_or_learn(&self.patterns, key, || self.patterns_with_calls(&names))
    }

    /// Returns the patterns that call no other functions than those named.
    fn patterns_with_calls(&self, names: &BTreeSet<&str>) -> Patterns {
        let dialect = self.compiler.options.dialect;
        let may_call_only = |group: &ProbeGroup| group.may_call_only(dialect, names);
        let is_needed = |group: &&CompiledGroup| group.tried.group.as_ref().is_none_or(may_call_only);
        let groups: Vec<&CompiledGroup> = self.groups.iter().filter(is_needed).collect();
        // Compile and parse in parallel what is needed.
        let needed = crate::parallel::map_range(groups.len(), |number| {
            let CompiledGroup { tried, compiled } = groups[number];
            let compiled = compiled.get_or_init(|| tried.compile(&self.compiler));
            let is_needed = |probe: &&Arc<CompiledProbe>| {
                let formula = tried.probes().get(probe.at);
                required_calls(formula, &probe.sql).all(|name| names.contains(name))
            };
            let needed = compiled.iter().filter(is_needed);
            needed
                .flat_map(|probe| self.patterns_of(tried, probe))
                .collect::<Vec<_>>()
        });
        let mut patterns = Patterns::default();
        let mut seen = FxHashSet::default();
        for pattern in needed.into_iter().flatten() {
            if seen.insert(pattern) {
                patterns.insert(Arc::clone(pattern));
            }
        }
        patterns
    }

    /// Returns the patterns of a probe, which are learned when they are first needed.
    fn patterns_of<'p>(&self, tried: &ProbesWithCachedSql, probe: &'p CompiledProbe) -> &'p [Arc<SqlPattern>] {
        probe.patterns.get_or_init(|| {
            let formula = tried.probes().get(probe.at);
            let pattern = formula.and_then(|formula| learn_probe(&self.compiler, formula, &probe.sql));
            let both = pattern
                .into_iter()
                .flat_map(|it| it.without_brackets().into_iter().chain([it]));
            both.map(Arc::new).collect()
        })
    }
}

/// Returns the names of the SQL functions that an expression must call so that the patterns of a probe can match.
fn required_calls<'p>(formula: Option<&ProbeFormula>, sql: &'p str) -> impl Iterator<Item = &'p str> {
    let sql = match formula {
        // The pattern of an argument that is the first day of a month does not contain the calls of the argument.
        Some(formula) if formula.args.iter().any(|arg| matches!(arg, Arg::MonthStart(_))) => "",
        // The pattern does not contain the outermost call.
        Some(formula) if formula.shape == ExpressionShape::Pair || sql.starts_with("coalesce(") => {
            sql.split_once('(').map_or("", |(_, inner)| inner)
        }
        _ => sql,
    };
    called_functions(sql)
}

/// Returns the names of the functions that generated SQL calls. In generated SQL, no space separates the name of a
/// function from its arguments.
fn called_functions(sql: &str) -> impl Iterator<Item = &str> {
    let outside_strings = sql.split('\'').step_by(2);
    let names = outside_strings.flat_map(|part| {
        let mut before_brackets = part.split('(');
        before_brackets.next_back();
        before_brackets.filter_map(|text| text.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next())
    });
    names.filter(|name| !name.is_empty())
}

impl Patterns {
    /// Returns the formula functions whose SQL calls only functions that an expression also calls. Each formula
    /// function is mapped to the number of SQL functions that it calls.
    pub fn functions_like(&self, trees: &Trees, id: SqlNodeId) -> FxHashMap<&'static str, usize> {
        let mut names = FxHashSet::default();
        for part in trees.descendants(id) {
            // A call to `safe.chr` is treated as a call to `chr`.
            if let (SqlLabel::Call, Some(name)) = (trees.label(part), trees.children(part).first())
                && let Some((_, name)) = trees.column(*name)
            {
                names.insert(name);
            }
        }
        let mut found = FxHashMap::default();
        for pattern in self.values.values().flatten() {
            if let (ExpressionShape::Call(name), Some(calls)) = (&pattern.shape, pattern.count_calls(&names)) {
                let most: &mut usize = found.entry(*name).or_default();
                *most = calls.max(*most);
            }
        }
        found
    }

    /// Adds a pattern.
    pub fn add_pattern(&mut self, pattern: SqlPattern) {
        self.insert(Arc::new(pattern));
    }

    fn insert(&mut self, pattern: Arc<SqlPattern>) {
        let PatternPart::Node(label, parts) = &pattern.root else {
            return;
        };
        let first = match parts.first() {
            Some(PatternPart::Node(label, _)) => Some(label.clone()),
            _ => None,
        };
        let root = PatternRoot(label.clone(), first.filter(|_| *label == SqlLabel::Call), parts.len());
        let map = match pattern.shape {
            _ if pattern.args.iter().any(|arg| matches!(arg, Arg::HiddenColumn(_))) => &mut self.hidden_columns,
            ExpressionShape::Pair => &mut self.criteria,
            _ => &mut self.values,
        };
        map.entry(root).or_default().push(pattern);
    }

    /// Returns all patterns that match values.
    pub fn all_patterns(&self) -> impl Iterator<Item = &SqlPattern> {
        self.values.values().flatten().map(Arc::as_ref)
    }

    fn patterns_at<'a>(
        map: &'a HashMap<PatternRoot, Vec<Arc<SqlPattern>>>,
        trees: &Trees,
        id: SqlNodeId,
    ) -> &'a [Arc<SqlPattern>] {
        let label = trees.label(id).clone();
        let kids = trees.children(id);
        let first = kids
            .first()
            .filter(|_| label == SqlLabel::Call)
            .map(|name| trees.label(*name).clone());
        map.get(&PatternRoot(label, first, kids.len()))
            .map_or(&[], Vec::as_slice)
    }

    /// Returns the value patterns that may match a node.
    pub fn value_patterns(&self, trees: &Trees, id: SqlNodeId) -> &[Arc<SqlPattern>] {
        Self::patterns_at(&self.values, trees, id)
    }

    /// Returns the patterns that may match a node even though their formula refers to a column that the node does not
    /// contain.
    pub fn hidden_column_patterns(&self, trees: &Trees, id: SqlNodeId) -> &[Arc<SqlPattern>] {
        Self::patterns_at(&self.hidden_columns, trees, id)
    }

    /// Returns the patterns from which the range and the criterion of a condition can be derived.
    pub fn criterion_patterns(&self, trees: &Trees, id: SqlNodeId) -> &[Arc<SqlPattern>] {
        Self::patterns_at(&self.criteria, trees, id)
    }
}

/// Returns the pattern for a probe's SQL. `None` if the SQL does not contain all arguments.
fn learn_probe(compiler: &Compiler, probe: &ProbeFormula, sql: &str) -> Option<SqlPattern> {
    let mut trees = Trees::default();
    let dialect = compiler.options.dialect;
    let read = |sql: &str, trees: &mut Trees| parse(sql, &tokens(sql, dialect), dialect, trees).ok();
    let mut root = read(sql, &mut trees)?;
    let spelled = |arg: &Arg| match arg {
        // The SQL for the first day of a month depends on the dialect.
        Arg::MonthStart(_) => {
            let compiled = compiler.compile(&format!("start = {}", arg.text()));
            compiled
                .definitions()
                .first()
                .map(|definition| definition.sql().to_owned())
        }
        _ => arg.to_text(),
    };
    let spelled: Vec<Option<SqlNodeId>> = probe
        .args
        .iter()
        .map(|arg| spelled(arg).and_then(|sql| read(&sql, &mut trees)))
        .collect();
    match probe.shape {
        ExpressionShape::Pair => root = condition_inside_count(&trees, root)?,
        // The root is `text || fx_sv1`, so keep only its left operand.
        ExpressionShape::AsText => {
            root = *trees
                .children(root)
                .first()
                .filter(|_| matches!(trees.label(root), SqlLabel::Op(_)))?;
        }
        _ => {}
    }
    build_pattern(&trees, root, probe, spelled)
}

/// Returns the pattern for the tree to which a probe compiles.
pub(super) fn build_pattern(
    trees: &Trees,
    root: SqlNodeId,
    probe: &ProbeFormula,
    spelled: Vec<Option<SqlNodeId>>,
) -> Option<SqlPattern> {
    if trees.height(root) > MAX_DEPTH {
        return None;
    }
    let mut learner = PatternBuilder {
        trees,
        probe,
        spelled,
        found: vec![false; probe.args.len()],
    };
    let part = learner.pattern_part(root);
    let mut hidden_columns = 0;
    // Columns of different types that compile to the same SQL share one pattern.
    let mut plain = |(arg, found): (&Arg, &bool)| match (arg, found) {
        (Arg::Column(_) | Arg::Named(..) | Arg::Quotient(_) | Arg::MonthStart(_), true) => {
            Some(Arg::Column(String::new()))
        }
        (Arg::Column(name), false) => {
            hidden_columns += 1;
            Some(Arg::HiddenColumn(column_type(name)))
        }
        (other, found) => (*found || matches!(other, Arg::Fixed(_))).then(|| other.clone()),
    };
    let args = probe
        .args
        .iter()
        .zip(&learner.found)
        .map(&mut plain)
        .collect::<Option<Vec<Arg>>>()?;
    (hidden_columns <= 1).then(|| SqlPattern {
        root: part,
        shape: probe.shape.clone(),
        args,
    })
}

/// Returns the condition of `count(case when … then 1 end)`.
fn condition_inside_count(trees: &Trees, id: SqlNodeId) -> Option<SqlNodeId> {
    let [_, inner] = trees.children(id) else { return None };
    match (trees.label(*inner), trees.children(*inner)) {
        (SqlLabel::Case, [condition, one, _]) if *trees.label(*one) == SqlLabel::Number("1".to_owned()) => {
            Some(*condition)
        }
        (SqlLabel::Case, _) => None,
        _ => Some(*inner),
    }
}

struct PatternBuilder<'l> {
    trees: &'l Trees,
    probe: &'l ProbeFormula,
    spelled: Vec<Option<SqlNodeId>>,
    found: Vec<bool>,
}

impl PatternBuilder<'_> {
    fn mark_argument_found(&mut self, place: usize, part: PatternPart) -> PatternPart {
        if let Some(found) = self.found.get_mut(place) {
            *found = true;
        }
        part
    }

    fn pattern_part(&mut self, id: SqlNodeId) -> PatternPart {
        if let Some(place) = self.spelled.iter().position(|spelled| *spelled == Some(id)) {
            let is_value = matches!(self.probe.args.get(place), Some(Arg::Quotient(_) | Arg::MonthStart(_)));
            return self.mark_argument_found(
                place,
                if is_value {
                    PatternPart::Any(place)
                } else {
                    PatternPart::Criterion(place)
                },
            );
        }
        let label = self.trees.label(id).clone();
        for (place, arg) in self.probe.args.iter().enumerate() {
            match (arg, &label) {
                (Arg::Column(name), SqlLabel::Word(word)) if name == word => {
                    return self.mark_argument_found(place, PatternPart::Any(place));
                }
                (Arg::Named(_, tree), _) if *tree == id || self.trees.without_relation(*tree) == id => {
                    return self.mark_argument_found(place, PatternPart::Any(place));
                }
                (Arg::Number(digits) | Arg::Minus(digits), SqlLabel::Number(number)) => {
                    if number == digits {
                        return self.mark_argument_found(place, PatternPart::Number(place, 0, ""));
                    }
                    if number.strip_suffix(".0") == Some(digits) {
                        return self.mark_argument_found(place, PatternPart::Number(place, 0, ".0"));
                    }
                    let by = number
                        .parse::<i64>()
                        .ok()
                        .zip(digits.parse::<i64>().ok())
                        .map(|(a, b)| a - b);
                    if let Some(by @ (-1 | 1)) = by {
                        return self.mark_argument_found(place, PatternPart::Number(place, by, ""));
                    }
                }
                // The string in the SQL may be escaped and in lower case.
                (Arg::Wild(_, marker), SqlLabel::Text(text, prefix))
                    if text.replace('\\', "") == marker.replace('*', "%") =>
                {
                    return self.mark_argument_found(place, PatternPart::Wild(place, prefix));
                }
                (Arg::Text(_, marker, _), SqlLabel::Number(number)) if number == marker => {
                    return self.mark_argument_found(place, PatternPart::Number(place, 0, ""));
                }
                (Arg::Text(_, marker, _) | Arg::Number(marker) | Arg::Minus(marker), SqlLabel::Text(text, prefix))
                    if text.matches(marker).count() == 1 =>
                {
                    if let Some((before, after)) = text.split_once(marker) {
                        let part = PatternPart::Text(place, before.to_owned(), after.to_owned(), prefix);
                        return self.mark_argument_found(place, part);
                    }
                }
                _ => {}
            }
        }
        let mut kids = self.trees.children(id).to_vec();
        // A column of another relation may have the same name as an argument.
        if label == SqlLabel::Field && self.trees.column(id).is_some() {
            let whole = |kid: SqlNodeId| PatternPart::Node(self.trees.label(kid).clone(), Vec::new());
            return PatternPart::Node(label, kids.drain(..).map(whole).collect());
        }
        PatternPart::Node(label, kids.into_iter().map(|kid| self.pattern_part(kid)).collect())
    }
}

impl SqlPattern {
    /// Removes the default from `coalesce(sum(x), 0)`. The compiler omits the default if a NULL has no effect or
    /// cannot occur.
    pub fn without_brackets(&self) -> Option<Self> {
        let PatternPart::Node(SqlLabel::Call, parts) = &self.root else {
            return None;
        };
        let [
            PatternPart::Node(SqlLabel::Word(name), _),
            inner @ PatternPart::Node(..),
            PatternPart::Node(default, _),
        ] = parts.as_slice()
        else {
            return None;
        };
        let is_blank =
            matches!(default, SqlLabel::Number(_)) || matches!(default, SqlLabel::Text(text, _) if text.is_empty());
        (name == "coalesce" && is_blank).then(|| Self {
            root: inner.clone(),
            ..self.clone()
        })
    }

    /// Counts the SQL functions that the pattern calls. `None` if the pattern calls a function that is not among the
    /// given names.
    fn count_calls(&self, names: &FxHashSet<&str>) -> Option<usize> {
        let mut called: Vec<&str> = Vec::new();
        let mut left = vec![&self.root];
        while let Some(part) = left.pop() {
            let PatternPart::Node(label, parts) = part else {
                continue;
            };
            if let (SqlLabel::Call, Some(PatternPart::Node(SqlLabel::Word(name), _))) = (label, parts.first()) {
                let name = names.get(name.as_str())?;
                if !called.contains(name) {
                    called.push(name);
                }
            }
            left.extend(parts);
        }
        Some(called.len())
    }

    /// Matches the pattern against a node and returns the values of its arguments. `None` if the node does not match
    /// the pattern.
    pub fn match_node(&self, trees: &Trees, id: SqlNodeId) -> Option<Vec<Option<Binding>>> {
        let mut bound = vec![None; self.args.len()];
        is_part_match(&self.root, trees, id, &mut bound).then_some(bound)
    }
}

fn bind(bound: &mut [Option<Binding>], place: usize, what: Binding) -> bool {
    let Some(slot) = bound.get_mut(place) else { return false };
    match slot {
        Some(before) => *before == what,
        None => {
            *slot = Some(what);
            true
        }
    }
}

fn is_part_match(part: &PatternPart, trees: &Trees, id: SqlNodeId, bound: &mut [Option<Binding>]) -> bool {
    match part {
        PatternPart::Any(place) => bind(bound, *place, Binding::Node(id)),
        PatternPart::Criterion(place) => bind(bound, *place, Binding::Criterion(id)),
        PatternPart::Number(place, by, suffix) => {
            let (sign, id) = match (trees.label(id), trees.children(id)) {
                (SqlLabel::Negative, [inner]) => ("-", *inner),
                _ => ("", id),
            };
            let SqlLabel::Number(number) = trees.label(id) else {
                return false;
            };
            let Some(digits) = number.strip_suffix(suffix) else {
                return false;
            };
            let digits = match by {
                0 => format!("{sign}{digits}"),
                _ => match format!("{sign}{digits}").parse::<i64>() {
                    Ok(number) => number.saturating_sub(*by).to_string(),
                    Err(_) => return false,
                },
            };
            bind(bound, *place, Binding::Number(digits))
        }
        PatternPart::Wild(place, prefix) => match trees.label(id) {
            SqlLabel::Text(text, with) if with == prefix => bind(bound, *place, Binding::Text(text.clone())),
            _ => false,
        },
        PatternPart::Text(place, before, after, prefix) => {
            let SqlLabel::Text(text, with) = trees.label(id) else {
                return false;
            };
            let inner = text
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()));
            // A string may also be written as a raw string, for example if it contains backslashes.
            let same_kind = with == prefix || (prefix.is_empty() && *with == "r");
            inner.is_some_and(|inner| same_kind && bind(bound, *place, Binding::Text(inner.to_owned())))
        }
        PatternPart::Node(label, parts) => {
            let kids = trees.children(id);
            trees.label(id) == label
                && kids.len() == parts.len()
                && parts
                    .iter()
                    .zip(kids)
                    .all(|(part, kid)| is_part_match(part, trees, *kid, bound))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::probes::{RELATION, probe_relation};
    use super::*;
    use crate::dialect::Dialect;
    use crate::schema::Schema;

    /// Returns the names of the functions that a pattern calls.
    fn calls(pattern: &SqlPattern) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut left = vec![(&pattern.root, false)];
        while let Some((part, is_name)) = left.pop() {
            let PatternPart::Node(label, parts) = part else {
                continue;
            };
            if let (SqlLabel::Word(word), true) = (label, is_name) {
                found.insert(word.as_str());
            }
            let is_call = *label == SqlLabel::Call;
            left.extend(
                parts
                    .iter()
                    .enumerate()
                    .map(|(at, part)| (part, is_name || (is_call && at == 0))),
            );
        }
        found
    }

    /// The functions that a probe calls are known from templates and from its text, so that it need not be parsed.
    #[test]
    fn patterns_contain_the_required_calls() {
        for dialect in Dialect::all() {
            let compiler = Compiler::default();
            let mut options = (*compiler.options).clone();
            options.dialect = dialect;
            options.schema = Arc::new(Schema::new().with(probe_relation()));
            options.from = Some(RELATION.to_owned());
            let groups = ProbeGroup::all().flat_map(|group| {
                [false, true].map(|is_temporal| Arc::new(ProbesWithCachedSql::of_group(group, false, is_temporal)))
            });
            let probes = CompiledProbes::new(compiler.with_options(options), groups.collect());
            let mut checked = 0;
            for CompiledGroup { tried, .. } in &probes.groups {
                for probe in tried.compile(&probes.compiler).iter().step_by(23) {
                    let formula = tried.probes().get(probe.at);
                    for pattern in probes.patterns_of(tried, probe) {
                        let calls = calls(pattern);
                        let missing = required_calls(formula, &probe.sql).find(|name| !calls.contains(name));
                        assert_eq!(missing, None, "{dialect}: {} {pattern:?}", probe.sql);
                        // Calls without columns may compile to a literal.
                        let is_constant = pattern.args.iter().all(|arg| !matches!(arg, Arg::Column(_)));
                        let is_needed = tried.group.is_some_and(|group| group.may_call_only(dialect, &calls));
                        assert!(is_constant || is_needed, "{dialect}: {} {pattern:?}", probe.sql);
                        checked += 1;
                    }
                }
            }
            assert!(checked > TOGETHER, "{dialect}");
        }
    }
}
