//! Index of the probes. For each group of probes, the index contains the parts that an expression must have to match
//! one of the group's patterns. Only groups whose patterns can match an edit are compiled, because compiling all groups
//! takes half a second.
//!
//! `probe_index.txt` contains the index. After a change to the SQL of functions, rewrite it with
//! `FORMULAC_WRITE=1 cargo test -p formulac-decompile the_index_is_complete`.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use rustc_hash::{FxHashMap, FxHashSet};

#[cfg(test)]
use super::patterns::{PatternNode, SqlPattern};
#[cfg(test)]
use super::probes::ProbeArgument;
use super::probes::ProbeFormulaGroup;
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::dialect::Dialect;

const PROBE_INDEX_TEXT: &str = include_str!("probe_index.txt");

/// Word in the index that represents an empty set of parts.
const EMPTY_SYMBOL_SET: &str = "any";

/// Names, operators and other parts of an expression.
pub(super) type ExpressionSymbols = BTreeSet<String>;

/// Sets of parts. Every expression that matches one of the group's patterns contains all parts of at least one of these
/// sets.
type RequiredSymbolSets = Vec<Vec<&'static str>>;

/// Returns whether an expression with these parts may match a pattern in a group of probes.
pub(super) fn may_match_group(
    group: ProbeFormulaGroup,
    is_temporal: bool,
    dialect: Dialect,
    parts: &ExpressionSymbols,
) -> bool {
    static SYMBOL_SETS_BY_GROUP: OnceLock<FxHashMap<String, RequiredSymbolSets>> = OnceLock::new();
    static DIALECTS: OnceLock<FxHashSet<&'static str>> = OnceLock::new();
    let lines = || PROBE_INDEX_TEXT.lines().filter_map(|line| line.split_once(": "));
    let dialects = DIALECTS.get_or_init(|| lines().filter_map(|(key, _)| key.split(' ').next()).collect());
    let sets = SYMBOL_SETS_BY_GROUP.get_or_init(|| {
        let parts = |set: &'static str| set.split(' ').filter(|part| *part != EMPTY_SYMBOL_SET).collect();
        let sets = |list: &'static str| list.split(" | ").map(parts).collect();
        lines().map(|(key, list)| (key.to_owned(), sets(list))).collect()
    });
    let is_contained = |set: &Vec<&str>| set.iter().all(|part| parts.contains(*part));
    match sets.get(&key(group, is_temporal, dialect)) {
        Some(sets) => sets.iter().any(is_contained),
        // A dialect may lack an index.
        None => !dialects.contains(dialect.name()),
    }
}

fn key(group: ProbeFormulaGroup, is_temporal: bool, dialect: Dialect) -> String {
    let kind = if is_temporal { "temporal" } else { "other" };
    format!("{dialect} {} {kind}", group.name())
}

/// Returns the parts of an expression.
pub(super) fn collect_expression_symbols(trees: &SqlTrees, expression: SqlNodeId) -> ExpressionSymbols {
    let parts = trees.descendants(expression);
    parts
        .into_iter()
        .filter_map(|part| symbol_name(trees.label(part)))
        .collect()
}

/// Returns the parts of an expression that a pattern matches. `None` if the pattern is a constant, unless its formula
/// refers to a column. For example, `T(number)` is always an empty string.
#[cfg(test)]
pub(super) fn collect_pattern_symbols(pattern: &SqlPattern) -> Option<ExpressionSymbols> {
    let mut symbols = ExpressionSymbols::new();
    let mut nodes_to_visit = vec![&pattern.root];
    while let Some(part) = nodes_to_visit.pop() {
        if let PatternNode::Node(label, parts) = part {
            symbols.extend(symbol_name(label));
            nodes_to_visit.extend(parts);
        }
    }
    let is_constant = matches!(
        &pattern.root,
        PatternNode::Node(SqlLabel::Number(_) | SqlLabel::Text(..), _)
    );
    let has_hidden_column = pattern
        .args
        .iter()
        .any(|arg| matches!(arg, ProbeArgument::HiddenColumn(_)));
    let is_constant = is_constant && !has_hidden_column;
    (!is_constant && matches!(pattern.root, PatternNode::Node(..))).then_some(symbols)
}

/// Returns the name of a part in the index, without spaces. `None` for parts that the index does not contain.
fn symbol_name(label: &SqlLabel) -> Option<String> {
    let name = match label {
        SqlLabel::Word(word) if word == "*" => return None,
        SqlLabel::Word(name) | SqlLabel::Op(name) => name.as_str(),
        SqlLabel::Behind(name) => name,
        SqlLabel::Not => "not",
        SqlLabel::Negative => "minus",
        SqlLabel::Case => "case",
        SqlLabel::Switch => "switch",
        SqlLabel::In => "in",
        SqlLabel::Between => "between",
        SqlLabel::Subscript | SqlLabel::Bracket => "[]",
        _ => return None,
    };
    Some(name.replace(' ', "_"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;
    use std::sync::Arc;

    use super::super::compiled_probes::{CompiledProbes, ProbesWithCachedSql};
    use super::super::probes::{RELATION, probe_relation};
    use super::*;
    use crate::compiler::Compiler;
    use crate::schema::Schema;

    /// Compilers with the settings on which the SQL of probes depends.
    fn compilers(dialect: Dialect) -> Vec<Compiler> {
        let with_zone = Compiler::builder().timezone("Europe/Berlin");
        let with_zeros = Compiler::builder().blanks_as_zero(true);
        let [plain, with_zone, with_zeros] =
            [Compiler::builder(), with_zone, with_zeros].map(crate::model::Builder::build);
        let mut with_calendar = (*plain.options).clone();
        with_calendar.calendar.week_start = "sunday".parse().unwrap();
        with_calendar.calendar.fiscal_month_offset = Some(4);
        let with_calendar = plain.with_options(with_calendar);
        [plain, with_zone, with_zeros, with_calendar]
            .into_iter()
            .map(|compiler| {
                let mut options = (*compiler.options).clone();
                options.dialect = dialect;
                options.schema = Arc::new(Schema::new().with(probe_relation()));
                options.from = Some(RELATION.to_owned());
                compiler.with_options(options)
            })
            .collect()
    }

    /// Returns, for each group, the set of parts in each of its patterns. Omits supersets of other sets.
    fn sets(dialect: Dialect, compiler: &Compiler, step: usize) -> BTreeMap<String, BTreeSet<ExpressionSymbols>> {
        let groups: Vec<ProbeFormulaGroup> = ProbeFormulaGroup::all().collect();
        let groups: Vec<(ProbeFormulaGroup, bool)> = groups
            .iter()
            .flat_map(|group| [(*group, false), (*group, true)])
            .collect();
        let sets = crate::parallel::map_range(groups.len(), |group_index| {
            let (group, is_temporal) = groups[group_index];
            let tried = Arc::new(ProbesWithCachedSql::from_probe_group(group, false, is_temporal));
            let probes = CompiledProbes::new(compiler.clone(), vec![tried]);
            let has_setting = compiler.options.timezone.is_some()
                || compiler.options.calendar != Compiler::default().options.calendar;
            let patterns = if is_temporal || !has_setting {
                probes.verify_and_collect_patterns(step)
            } else {
                Vec::new()
            };
            let sets: BTreeSet<ExpressionSymbols> = patterns
                .iter()
                .filter_map(|sql_pattern| collect_pattern_symbols(sql_pattern))
                .collect();
            (key(group, is_temporal, dialect), sets)
        });
        sets.into_iter().collect()
    }

    #[test]
    fn the_index_is_complete() {
        let is_written = std::env::var("FORMULAC_WRITE").is_ok();
        let mut text = String::new();
        for dialect in Dialect::all() {
            let mut sets_by_key: BTreeMap<String, BTreeSet<ExpressionSymbols>> = BTreeMap::new();
            for compiler in compilers(dialect).iter().take(if is_written { 4 } else { 1 }) {
                for (key, sets) in sets(dialect, compiler, if is_written { 1 } else { 23 }) {
                    sets_by_key.entry(key).or_default().extend(sets);
                }
            }
            for (key, sets) in &sets_by_key {
                let is_least =
                    |set: &&ExpressionSymbols| !sets.iter().any(|other| other != *set && other.is_subset(set));
                let least = sets.iter().filter(is_least).map(|set| match set.is_empty() {
                    true => EMPTY_SYMBOL_SET.to_owned(),
                    false => set.iter().cloned().collect::<Vec<_>>().join(" "),
                });
                let least: Vec<String> = least.collect();
                if !least.is_empty() {
                    let _ = writeln!(text, "{key}: {}", least.join(" | "));
                }
            }
            if is_written {
                continue;
            }
            for group in ProbeFormulaGroup::all() {
                for is_temporal in [false, true] {
                    for set in &sets_by_key[&key(group, is_temporal, dialect)] {
                        assert!(
                            may_match_group(group, is_temporal, dialect, set),
                            "{dialect}: {group:?}: {set:?}"
                        );
                    }
                }
            }
        }
        if is_written {
            std::fs::write("probe_index.txt", text).unwrap();
        }
    }
}
