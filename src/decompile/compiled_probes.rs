//! Compiles probes, and selects the patterns that may match an expression. To save time, functions are compiled and
//! their SQL is parsed only if an expression calls the same SQL functions.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use super::cache::{RecentlyUsedCache, get_or_insert_with};
use super::expression_text::FormulaTemplate;
use super::patterns::{Patterns, SqlPattern, build_probe_pattern};
use super::probe_index::{ExpressionSymbols, collect_expression_symbols, may_match_group};
use super::probes::{ProbeArgument, ProbeFormula, ProbeFormulaGroup, column_type, probe_column, unknown_type_columns};
use super::tree::{SqlNodeId, SqlTrees};
use crate::Type;
use crate::check::sql_functions::normalized_function_name;
use crate::compiler::Compiler;
use crate::dialect::Dialect;

/// Maximum number of probes that are compiled together.
const MAX_PROBES_PER_COMPILATION: usize = 2000;
/// Position of the argument that is the group key of grouped probes.
const GROUP_KEY_POSITION: usize = 15;

/// Probes, each with the SQL of its last compilation in a dialect. If the settings change, most of the SQL remains the
/// same and is not parsed again.
#[derive(Debug)]
pub(super) struct ProbesWithCachedSql {
    /// The group of the probes, unless they were derived from one expression.
    group: Option<ProbeFormulaGroup>,
    is_wide: bool,
    is_temporal: bool,
    probes: OnceLock<Vec<ProbeFormula>>,
    /// Results by position of the probe and by the step in which it was compiled.
    compiled: Mutex<FxHashMap<(usize, ProbeCompilationStep), Arc<CompiledProbe>>>,
}

/// Step in which probes are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ProbeCompilationStep {
    Rows,
    /// Step with groups. A group always has at least one row, so conditional sums compile to different SQL.
    Groups,
    /// Step without groups, in which another formula shows that columns of unknown type are numbers.
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
    pub fn from_probe_group(group: ProbeFormulaGroup, is_wide: bool, is_temporal: bool) -> Self {
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
        options.group_by = vec![probe_column(Type::Text, false, GROUP_KEY_POSITION)];
        let grouped = compiler.with_options(options);
        let is_unknown =
            |arg: &ProbeArgument| matches!(arg, ProbeArgument::Column(name) if column_type(name) == Type::Unknown);
        let is_needed = |probe: &ProbeFormula, step: ProbeCompilationStep| match step {
            ProbeCompilationStep::Rows => true,
            ProbeCompilationStep::Groups => {
                matches!(probe.shape, FormulaTemplate::Call(name) if name.starts_with("SUMIF"))
            }
            ProbeCompilationStep::RowsOfNumbers => probe.args.iter().any(is_unknown),
        };
        let numbers = format!("numbers = {}\n", unknown_type_columns().join(" + "));
        // Ignore poisoning, because no code panics while it holds this lock.
        let mut cache = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let mut compiled = Vec::new();
        for (compiler, step, others) in [
            (compiler, ProbeCompilationStep::Rows, ""),
            (&grouped, ProbeCompilationStep::Groups, ""),
            (compiler, ProbeCompilationStep::RowsOfNumbers, numbers.as_str()),
        ] {
            let probes = self.probes().iter().enumerate();
            let probes: Vec<(usize, &ProbeFormula)> = probes.filter(|(_, probe)| is_needed(probe, step)).collect();
            for chunk in probes.chunks(MAX_PROBES_PER_COMPILATION) {
                for (probe_index, sql) in compiled_sql(compiler, others, chunk) {
                    let unchanged = cache.get(&(probe_index, step)).filter(|before| *before.sql == *sql);
                    let probe = unchanged
                        .cloned()
                        .unwrap_or_else(|| Arc::new(CompiledProbe::new(probe_index, sql)));
                    cache.insert((probe_index, step), Arc::clone(&probe));
                    compiled.push(probe);
                }
            }
        }
        compiled
    }
}

/// Compiles probes together with other formulas. Returns the position and the SQL of each probe.
fn compiled_sql(compiler: &Compiler, others: &str, probes: &[(usize, &ProbeFormula)]) -> Vec<(usize, Box<str>)> {
    let mut text = others.to_owned();
    for (probe_index, probe) in probes {
        if let Some(formula) = probe.formula() {
            let _ = writeln!(text, "p{probe_index} = {formula}");
        }
    }
    let results = compiler.compile(&text);
    let definitions = results.definitions().iter();
    let sql = definitions.filter_map(|definition| {
        let probe_index = definition.name()?.get(1..)?.parse().ok()?;
        Some((probe_index, definition.sql().into()))
    });
    sql.collect()
}

/// Probe with its SQL. The SQL is parsed only for expressions that it may match, because parsing takes most of the
/// time.
#[derive(Debug)]
struct CompiledProbe {
    probe_index: usize,
    sql: Box<str>,
    patterns: OnceLock<Vec<Arc<SqlPattern>>>,
    /// Pattern of the SQL without guards. `None` if there are no guards.
    without_guards: OnceLock<Option<Arc<SqlPattern>>>,
}

impl CompiledProbe {
    fn new(probe_index: usize, sql: Box<str>) -> Self {
        Self {
            probe_index,
            sql,
            patterns: OnceLock::new(),
            without_guards: OnceLock::new(),
        }
    }
}

/// Probes of one group. The probes are compiled when they are first needed.
#[derive(Debug)]
struct CompiledGroup {
    source: Arc<ProbesWithCachedSql>,
    compiled: OnceLock<Vec<Arc<CompiledProbe>>>,
}

/// Probes compiled with the settings of one spec.
#[derive(Debug)]
pub(super) struct CompiledProbes {
    compiler: Compiler,
    groups: Vec<CompiledGroup>,
    /// Cached patterns, by the functions that an expression calls and by its parts.
    patterns: RecentlyUsedCache<Patterns>,
    /// Cached patterns of SQL without guards, by the same functions and parts.
    without_guards: RecentlyUsedCache<Patterns>,
}

impl CompiledProbes {
    /// Creates compiled probes. The compiler's schema must contain the relation that the probes read.
    pub fn new(compiler: Compiler, groups: Vec<Arc<ProbesWithCachedSql>>) -> Self {
        let group = |source| CompiledGroup {
            source,
            compiled: OnceLock::new(),
        };
        Self {
            compiler,
            groups: groups.into_iter().map(group).collect(),
            patterns: RecentlyUsedCache::default(),
            without_guards: RecentlyUsedCache::default(),
        }
    }

    /// Returns the patterns that may match an expression or a part of it.
    pub fn patterns_for_expression(&self, trees: &SqlTrees, expression: SqlNodeId) -> Arc<Patterns> {
        let (names, parts, key) = calls_and_symbols(trees, expression);
        get_or_insert_with(&self.patterns, key, || self.patterns_with_calls(&names, &parts))
    }

    /// Returns the patterns that could match an expression or a part of it if generated SQL had no guards.
    pub fn patterns_without_guards(&self, trees: &SqlTrees, expression: SqlNodeId) -> Arc<Patterns> {
        let (names, parts, key) = calls_and_symbols(trees, expression);
        get_or_insert_with(&self.without_guards, key, || {
            let dialect = self.compiler.options.dialect;
            self.collect_patterns(&parts, |source, probe| {
                if !may_contain_guards(&probe.sql, &names, dialect) {
                    return &[];
                }
                let pattern = self.pattern_without_guards(source, probe);
                let pattern = pattern.filter(|pattern| pattern.calls_only_functions(&names));
                pattern.map_or(&[], std::slice::from_ref)
            })
        })
    }

    /// Returns the pattern of a probe's SQL without guards. `None` if there are no guards.
    fn pattern_without_guards<'p>(
        &self,
        source: &ProbesWithCachedSql,
        probe: &'p CompiledProbe,
    ) -> Option<&'p Arc<SqlPattern>> {
        let pattern = probe.without_guards.get_or_init(|| {
            let formula = source.probes().get(probe.probe_index)?;
            let is_value = !matches!(
                formula.shape,
                FormulaTemplate::RangeWithCriterion | FormulaTemplate::TextOperand
            );
            let pattern = is_value.then(|| build_probe_pattern(&self.compiler, formula, &probe.sql, true));
            pattern?.map(Arc::new)
        });
        pattern.as_ref()
    }

    /// Returns the patterns that call only the given functions.
    fn patterns_with_calls(&self, names: &BTreeSet<&str>, parts: &ExpressionSymbols) -> Patterns {
        let dialect = self.compiler.options.dialect;
        self.collect_patterns(parts, |source, probe| {
            let formula = source.probes().get(probe.probe_index);
            let is_needed = required_function_calls(formula, &probe.sql, dialect).all(|name| names.contains(name));
            if is_needed {
                self.patterns_of(source, probe)
            } else {
                &[]
            }
        })
    }

    /// Compiles the groups that may match an expression with these parts, and collects the patterns of their probes,
    /// without duplicates.
    fn collect_patterns(
        &self,
        parts: &ExpressionSymbols,
        patterns_of: impl for<'p> Fn(&ProbesWithCachedSql, &'p CompiledProbe) -> &'p [Arc<SqlPattern>] + Sync,
    ) -> Patterns {
        let dialect = self.compiler.options.dialect;
        let is_needed = |CompiledGroup { source, .. }: &&CompiledGroup| {
            let group = source.group.as_ref();
            group.is_none_or(|group| may_match_group(*group, source.is_temporal, dialect, parts))
        };
        let groups: Vec<&CompiledGroup> = self.groups.iter().filter(is_needed).collect();
        // Compile and parse the required probes in parallel.
        let pattern_lists = crate::parallel::map(&groups, |CompiledGroup { source, compiled }| {
            let compiled = compiled.get_or_init(|| source.compile(&self.compiler));
            let patterns = compiled.iter().flat_map(|probe| patterns_of(source, probe));
            patterns.collect::<Vec<_>>()
        });
        let mut patterns = Patterns::default();
        let mut seen = FxHashSet::default();
        for pattern in pattern_lists.into_iter().flatten() {
            if seen.insert(pattern) {
                patterns.insert(Arc::clone(pattern));
            }
        }
        patterns
    }

    /// Returns the patterns of a probe. The patterns are learned when they are first needed.
    fn patterns_of<'p>(&self, source: &ProbesWithCachedSql, probe: &'p CompiledProbe) -> &'p [Arc<SqlPattern>] {
        probe.patterns.get_or_init(|| {
            let formula = source.probes().get(probe.probe_index);
            let pattern = formula.and_then(|formula| build_probe_pattern(&self.compiler, formula, &probe.sql, false));
            let pattern_pair = pattern
                .into_iter()
                .flat_map(|sql_pattern| sql_pattern.without_zero_default().into_iter().chain([sql_pattern]));
            pattern_pair.map(Arc::new).collect()
        })
    }
}

#[cfg(test)]
impl CompiledProbes {
    /// Returns the patterns of every `step`th probe, with and without guards. Also checks that each pattern contains
    /// the calls that its probe requires.
    pub fn verify_and_collect_patterns(&self, step: usize) -> Vec<Arc<SqlPattern>> {
        let dialect = self.compiler.options.dialect;
        let mut patterns = Vec::new();
        for CompiledGroup { source, .. } in &self.groups {
            for probe in source.compile(&self.compiler).iter().step_by(step) {
                for pattern in self.patterns_of(source, probe) {
                    let parts = super::probe_index::collect_pattern_symbols(pattern).unwrap_or_default();
                    let mut required =
                        required_function_calls(source.probes().get(probe.probe_index), &probe.sql, dialect);
                    let missing = required.find(|name| !parts.is_empty() && !parts.contains(*name));
                    assert_eq!(missing, None, "{dialect}: {} {pattern:?}", probe.sql);
                }
                patterns.extend(self.patterns_of(source, probe).iter().cloned());
                patterns.extend(self.pattern_without_guards(source, probe).cloned());
            }
        }
        patterns
    }
}

/// Returns the names of the SQL functions that an expression calls, its parts, and the cache key for both.
fn calls_and_symbols(trees: &SqlTrees, expression: SqlNodeId) -> (BTreeSet<&str>, ExpressionSymbols, String) {
    let names = trees.called_functions(expression);
    let parts = collect_expression_symbols(trees, expression);
    let key = format!("{names:?} {parts:?}");
    (names, parts, key)
}

/// Returns the names of the SQL functions that an expression must call so that the patterns of a probe can match.
fn required_function_calls<'p>(
    formula: Option<&ProbeFormula>,
    sql: &'p str,
    dialect: Dialect,
) -> impl Iterator<Item = &'p str> {
    let sql = match formula {
        // A pattern that matches the first day of a month does not contain the calls with which the probe's argument
        // computes this day.
        Some(formula)
            if formula
                .args
                .iter()
                .any(|arg| matches!(arg, ProbeArgument::MonthStart(_))) =>
        {
            ""
        }
        // The pattern does not contain the outermost call.
        Some(formula) if formula.shape == FormulaTemplate::RangeWithCriterion || sql.starts_with("coalesce(") => {
            sql.split_once('(').map_or("", |(_, inner)| inner)
        }
        _ => sql,
    };
    called_functions(sql, dialect)
}

/// Returns whether the SQL of a probe has a function or a `case` that may be a guard, and whether the rest calls one of
/// the given functions or no function at all.
fn may_contain_guards(sql: &str, names: &BTreeSet<&str>, dialect: Dialect) -> bool {
    const GUARD_FUNCTIONS: [&str; 7] = [
        "coalesce",
        "nullif",
        "cast",
        "try_cast",
        "safe_cast",
        "safe_divide",
        "case",
    ];
    let has_guard = sql.contains("case when ")
        || sql.contains("safe.")
        || called_functions(sql, dialect).any(|name| GUARD_FUNCTIONS.contains(&name));
    let mut others = called_functions(sql, dialect)
        .filter(|name| !GUARD_FUNCTIONS.contains(name))
        .peekable();
    has_guard && (others.peek().is_none() || others.any(|name| names.contains(name)))
}

/// Returns the names of the functions that the generated SQL calls. `normalized_function_name` normalizes each name. In
/// generated SQL, no space separates the name of a function from its arguments.
fn called_functions(sql: &str, dialect: Dialect) -> impl Iterator<Item = &str> {
    let outside_strings = sql.split('\'').step_by(2);
    let names = outside_strings.flat_map(|part| {
        let mut before_brackets = part.split('(');
        before_brackets.next_back();
        before_brackets.filter_map(|text| text.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next())
    });
    let names = names.filter(|name| !name.is_empty());
    names.map(move |name| normalized_function_name(name, dialect))
}
