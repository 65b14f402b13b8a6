//! Patterns for the SQL that formulas compile to, with placeholders for the arguments. A pattern is learned from a
//! compiled probe.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::expression_text::FormulaTemplate;
use super::guards::GuardRecognizer;
use super::parse::parse;
use super::probes::{ProbeArgument, ProbeFormula, column_type};
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::compiler::Compiler;
use crate::dbt::tokens::tokens;

/// Maximum depth of a pattern. Deeper patterns are discarded, but no function in the catalogue has such a deep pattern.
const MAX_DEPTH: u32 = 100;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum PatternNode {
    /// Any expression, which is the argument at this position.
    Any(usize),
    /// A range with a criterion.
    Criterion(usize),
    /// A number that is larger than the argument by this amount. The suffix follows the digits of the number.
    Number(usize, i64, &'static str),
    /// A string that contains the wildcards `%` and `_`.
    Wild(usize, &'static str),
    /// A string that consists of a prefix, the value of the argument, and a suffix.
    Text(usize, String, String, &'static str),
    Node(SqlLabel, Vec<PatternNode>),
}

/// SQL, together with the formula that produces it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SqlPattern {
    pub root: PatternNode,
    pub shape: FormulaTemplate,
    pub args: Vec<ProbeArgument>,
}

/// Value that a pattern binds to an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ArgumentBinding {
    Node(SqlNodeId),
    Criterion(SqlNodeId),
    Number(String),
    Text(String),
}

/// Root of a tree. Used as the key to look up the patterns that may match an expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PatternRootKey(SqlLabel, Option<SqlLabel>, usize);

/// All patterns for one dialect and one spec's settings.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    values: HashMap<PatternRootKey, Vec<Arc<SqlPattern>>>,
    criteria: HashMap<PatternRootKey, Vec<Arc<SqlPattern>>>,
    /// Patterns whose formula refers to a column that their SQL does not contain. For example, `T(number)` compiles to
    /// an empty string.
    hidden_columns: HashMap<PatternRootKey, Vec<Arc<SqlPattern>>>,
}

impl Patterns {
    /// Returns the formula functions whose SQL calls only functions that an expression also calls. Each formula
    /// function is mapped to the number of SQL functions that it calls.
    pub fn functions_with_matching_calls(&self, trees: &SqlTrees, id: SqlNodeId) -> FxHashMap<&'static str, usize> {
        let names = trees.called_functions(id);
        let mut call_counts = FxHashMap::default();
        for pattern in self.values.values().flatten() {
            if let (FormulaTemplate::Call(name), Some(calls)) = (&pattern.shape, pattern.count_called_functions(&names))
            {
                let most: &mut usize = call_counts.entry(*name).or_default();
                *most = calls.max(*most);
            }
        }
        call_counts
    }

    /// Adds a pattern.
    pub fn add_pattern(&mut self, pattern: SqlPattern) {
        self.insert(Arc::new(pattern));
    }

    pub fn insert(&mut self, pattern: Arc<SqlPattern>) {
        let PatternNode::Node(label, parts) = &pattern.root else {
            return;
        };
        let first = match parts.first() {
            Some(PatternNode::Node(label, _)) => Some(label.clone()),
            _ => None,
        };
        let root = PatternRootKey(label.clone(), first.filter(|_| *label == SqlLabel::Call), parts.len());
        let map = match pattern.shape {
            _ if pattern
                .args
                .iter()
                .any(|arg| matches!(arg, ProbeArgument::HiddenColumn(_))) =>
            {
                &mut self.hidden_columns
            }
            FormulaTemplate::RangeWithCriterion => &mut self.criteria,
            _ => &mut self.values,
        };
        map.entry(root).or_default().push(pattern);
    }

    /// Returns all patterns that match values.
    pub fn all(&self) -> impl Iterator<Item = &SqlPattern> {
        self.values.values().flatten().map(Arc::as_ref)
    }

    fn with_root<'a>(
        map: &'a HashMap<PatternRootKey, Vec<Arc<SqlPattern>>>,
        trees: &SqlTrees,
        id: SqlNodeId,
    ) -> &'a [Arc<SqlPattern>] {
        let label = trees.label(id).clone();
        let kids = trees.children(id);
        let first = kids
            .first()
            .filter(|_| label == SqlLabel::Call)
            .map(|name| trees.label(*name).clone());
        map.get(&PatternRootKey(label, first, kids.len()))
            .map_or(&[], Vec::as_slice)
    }

    /// Returns the value patterns that may match a node.
    pub fn value_patterns(&self, trees: &SqlTrees, id: SqlNodeId) -> &[Arc<SqlPattern>] {
        Self::with_root(&self.values, trees, id)
    }

    /// Returns the patterns that may match a node even though their formula refers to a column that the node does not
    /// contain.
    pub fn hidden_column_patterns(&self, trees: &SqlTrees, id: SqlNodeId) -> &[Arc<SqlPattern>] {
        Self::with_root(&self.hidden_columns, trees, id)
    }

    /// Returns the patterns from which the range and the criterion of a condition can be derived.
    pub fn criterion_patterns(&self, trees: &SqlTrees, id: SqlNodeId) -> &[Arc<SqlPattern>] {
        Self::with_root(&self.criteria, trees, id)
    }
}

/// Returns the pattern for a probe's SQL, or for this SQL without guards. `None` if the SQL does not contain all
/// arguments, or if it has no guards to remove.
pub(super) fn build_probe_pattern(
    compiler: &Compiler,
    probe: &ProbeFormula,
    sql: &str,
    without_guards: bool,
) -> Option<SqlPattern> {
    let mut trees = SqlTrees::default();
    let dialect = compiler.options.dialect;
    let parse_sql = |sql: &str, trees: &mut SqlTrees| parse(sql, &tokens(sql, dialect), dialect, trees).ok();
    let mut root = parse_sql(sql, &mut trees)?;
    let arg_sql = |arg: &ProbeArgument| match arg {
        // The SQL for the first day of a month depends on the dialect.
        ProbeArgument::MonthStart(_) => {
            let compiled = compiler.compile(&format!("start = {}", arg.to_formula()));
            compiled
                .definitions()
                .first()
                .map(|definition| definition.sql().to_owned())
        }
        _ => arg.to_sql(),
    };
    let arg_nodes: Vec<Option<SqlNodeId>> = probe
        .args
        .iter()
        .map(|arg| arg_sql(arg).and_then(|sql| parse_sql(&sql, &mut trees)))
        .collect();
    match probe.shape {
        FormulaTemplate::RangeWithCriterion => root = condition_inside_count(&trees, root)?,
        // The root is `text || fx_sv1`, so keep only its left operand.
        FormulaTemplate::TextOperand => {
            root = *trees
                .children(root)
                .first()
                .filter(|_| matches!(trees.label(root), SqlLabel::Op(_)))?;
        }
        _ => {}
    }
    if without_guards {
        if trees.height(root) > MAX_DEPTH {
            return None;
        }
        let inner = GuardRecognizer::new(dialect).without_guards(&mut trees, root);
        if inner == root {
            return None;
        }
        root = inner;
    }
    build_pattern(&trees, root, probe, arg_nodes)
}

/// Returns the pattern for the compiled tree of a probe.
pub(super) fn build_pattern(
    trees: &SqlTrees,
    root: SqlNodeId,
    probe: &ProbeFormula,
    arg_nodes: Vec<Option<SqlNodeId>>,
) -> Option<SqlPattern> {
    if trees.height(root) > MAX_DEPTH {
        return None;
    }
    let mut learner = PatternBuilder {
        trees,
        probe,
        spelled: arg_nodes,
        is_found: vec![false; probe.args.len()],
    };
    let part = learner.build_pattern_node(root);
    let mut hidden_columns = 0;
    // Columns of different types that compile to the same SQL share one pattern.
    let mut plain = |(arg, is_found_arg): (&ProbeArgument, &bool)| match (arg, is_found_arg) {
        (
            ProbeArgument::Column(_)
            | ProbeArgument::Named(..)
            | ProbeArgument::Quotient(_)
            | ProbeArgument::MonthStart(_),
            true,
        ) => Some(ProbeArgument::Column(String::new())),
        (ProbeArgument::Column(name), false) => {
            hidden_columns += 1;
            Some(ProbeArgument::HiddenColumn(column_type(name)))
        }
        (other, is_present) => (*is_present || matches!(other, ProbeArgument::Fixed(_))).then(|| other.clone()),
    };
    let args = probe
        .args
        .iter()
        .zip(&learner.is_found)
        .map(&mut plain)
        .collect::<Option<Vec<ProbeArgument>>>()?;
    (hidden_columns <= 1).then(|| SqlPattern {
        root: part,
        shape: probe.shape.clone(),
        args,
    })
}

/// Returns the condition of `count(case when … then 1 end)`.
fn condition_inside_count(trees: &SqlTrees, id: SqlNodeId) -> Option<SqlNodeId> {
    let [_, inner] = trees.children(id) else { return None };
    match (trees.label(*inner), trees.children(*inner)) {
        (SqlLabel::Case, [condition, then_value, _])
            if *trees.label(*then_value) == SqlLabel::Number("1".to_owned()) =>
        {
            Some(*condition)
        }
        (SqlLabel::Case, _) => None,
        _ => Some(*inner),
    }
}

struct PatternBuilder<'l> {
    trees: &'l SqlTrees,
    probe: &'l ProbeFormula,
    spelled: Vec<Option<SqlNodeId>>,
    is_found: Vec<bool>,
}

impl PatternBuilder<'_> {
    fn record_argument_position(&mut self, index: usize, part: PatternNode) -> PatternNode {
        if let Some(flag) = self.is_found.get_mut(index) {
            *flag = true;
        }
        part
    }

    fn build_pattern_node(&mut self, id: SqlNodeId) -> PatternNode {
        if let Some(index) = self.spelled.iter().position(|arg_node| *arg_node == Some(id)) {
            let is_value = matches!(
                self.probe.args.get(index),
                Some(ProbeArgument::Quotient(_) | ProbeArgument::MonthStart(_))
            );
            return self.record_argument_position(
                index,
                if is_value {
                    PatternNode::Any(index)
                } else {
                    PatternNode::Criterion(index)
                },
            );
        }
        let label = self.trees.label(id).clone();
        for (index, arg) in self.probe.args.iter().enumerate() {
            match (arg, &label) {
                (ProbeArgument::Column(name), SqlLabel::Word(word)) if name == word => {
                    return self.record_argument_position(index, PatternNode::Any(index));
                }
                (ProbeArgument::Named(_, tree), _) if *tree == id || self.trees.without_relation(*tree) == id => {
                    return self.record_argument_position(index, PatternNode::Any(index));
                }
                (ProbeArgument::Number(digits) | ProbeArgument::Minus(digits), SqlLabel::Number(number)) => {
                    if number == digits {
                        return self.record_argument_position(index, PatternNode::Number(index, 0, ""));
                    }
                    if number.strip_suffix(".0") == Some(digits) {
                        return self.record_argument_position(index, PatternNode::Number(index, 0, ".0"));
                    }
                    let delta = number
                        .parse::<i64>()
                        .ok()
                        .zip(digits.parse::<i64>().ok())
                        .map(|(a, b)| a - b);
                    if let Some(difference @ (-1 | 1)) = delta {
                        return self.record_argument_position(index, PatternNode::Number(index, difference, ""));
                    }
                }
                // The string in the SQL may be escaped and in lower case.
                (ProbeArgument::Wild(_, marker), SqlLabel::Text(text, prefix))
                    if text.replace('\\', "") == marker.replace('*', "%") =>
                {
                    return self.record_argument_position(index, PatternNode::Wild(index, prefix));
                }
                (ProbeArgument::Text(_, marker, _), SqlLabel::Number(number)) if number == marker => {
                    return self.record_argument_position(index, PatternNode::Number(index, 0, ""));
                }
                (
                    ProbeArgument::Text(_, marker, _) | ProbeArgument::Number(marker) | ProbeArgument::Minus(marker),
                    SqlLabel::Text(text, prefix),
                ) if text.matches(marker).count() == 1 => {
                    if let Some((before, after)) = text.split_once(marker) {
                        let part = PatternNode::Text(index, before.to_owned(), after.to_owned(), prefix);
                        return self.record_argument_position(index, part);
                    }
                }
                _ => {}
            }
        }
        let mut kids = self.trees.children(id).to_vec();
        // A column of another relation may have the same name as an argument.
        if label == SqlLabel::Field && self.trees.column(id).is_some() {
            let leaf_part = |kid: SqlNodeId| PatternNode::Node(self.trees.label(kid).clone(), Vec::new());
            return PatternNode::Node(label, kids.drain(..).map(leaf_part).collect());
        }
        PatternNode::Node(
            label,
            kids.into_iter().map(|kid| self.build_pattern_node(kid)).collect(),
        )
    }
}

impl SqlPattern {
    /// Removes the default from `coalesce(sum(x), 0)`. The compiler omits the default if a NULL has no effect or
    /// cannot occur.
    pub fn without_zero_default(&self) -> Option<Self> {
        let PatternNode::Node(SqlLabel::Call, parts) = &self.root else {
            return None;
        };
        let [
            PatternNode::Node(SqlLabel::Word(name), _),
            inner @ PatternNode::Node(..),
            PatternNode::Node(default, _),
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

    /// Returns whether the formula uses a number as a condition. The SQL compares such a number with 0.
    pub fn has_implicit_comparison(&self) -> bool {
        let PatternNode::Node(SqlLabel::Case, parts) = &self.root else {
            return false;
        };
        let zero = PatternNode::Node(SqlLabel::Number("0".to_owned()), Vec::new());
        matches!(parts.first(), Some(PatternNode::Node(SqlLabel::Op(op), operands))
            if op == "<>" && matches!(operands.as_slice(), [PatternNode::Any(_), other] if *other == zero))
            && !self.args.contains(&ProbeArgument::Fixed("0".to_owned()))
    }

    /// Returns whether the pattern calls only functions among the given names.
    pub fn calls_only_functions(&self, names: &BTreeSet<&str>) -> bool {
        self.count_called_functions(names).is_some()
    }

    /// Counts the SQL functions that the pattern calls. `None` if the pattern calls a function that is not among the
    /// given names.
    fn count_called_functions(&self, names: &BTreeSet<&str>) -> Option<usize> {
        let mut call_names: Vec<&str> = Vec::new();
        let mut pattern_parts = vec![&self.root];
        while let Some(part) = pattern_parts.pop() {
            let PatternNode::Node(label, parts) = part else {
                continue;
            };
            if let (SqlLabel::Call, Some(PatternNode::Node(SqlLabel::Word(name), _))) = (label, parts.first()) {
                let name = names.get(name.as_str())?;
                if !call_names.contains(name) {
                    call_names.push(name);
                }
            }
            pattern_parts.extend(parts);
        }
        Some(call_names.len())
    }

    /// Matches the pattern against a node and returns the values of its arguments. `None` if the node does not match
    /// the pattern.
    pub fn match_node(&self, trees: &SqlTrees, id: SqlNodeId) -> Option<Vec<Option<ArgumentBinding>>> {
        let mut bound = vec![None; self.args.len()];
        matches_pattern_node(&self.root, trees, id, &mut bound).then_some(bound)
    }
}

fn bind(bound: &mut [Option<ArgumentBinding>], index: usize, binding: ArgumentBinding) -> bool {
    let Some(slot) = bound.get_mut(index) else { return false };
    match slot {
        Some(before) => *before == binding,
        None => {
            *slot = Some(binding);
            true
        }
    }
}

fn matches_pattern_node(
    part: &PatternNode,
    trees: &SqlTrees,
    id: SqlNodeId,
    bound: &mut [Option<ArgumentBinding>],
) -> bool {
    match part {
        PatternNode::Any(index) => bind(bound, *index, ArgumentBinding::Node(id)),
        PatternNode::Criterion(index) => bind(bound, *index, ArgumentBinding::Criterion(id)),
        PatternNode::Number(index, difference, suffix) => {
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
            let digits = match difference {
                0 => format!("{sign}{digits}"),
                _ => match format!("{sign}{digits}").parse::<i64>() {
                    Ok(number) => number.saturating_sub(*difference).to_string(),
                    Err(_) => return false,
                },
            };
            bind(bound, *index, ArgumentBinding::Number(digits))
        }
        PatternNode::Wild(index, prefix) => match trees.label(id) {
            SqlLabel::Text(text, with) if with == prefix => bind(bound, *index, ArgumentBinding::Text(text.clone())),
            _ => false,
        },
        PatternNode::Text(index, before, after, prefix) => {
            let SqlLabel::Text(text, with) = trees.label(id) else {
                return false;
            };
            let inner = text
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()));
            // A string may also be written as a raw string, for example if it contains backslashes.
            let same_kind = with == prefix || (prefix.is_empty() && *with == "r");
            inner.is_some_and(|inner| same_kind && bind(bound, *index, ArgumentBinding::Text(inner.to_owned())))
        }
        PatternNode::Node(label, parts) => {
            let kids = trees.children(id);
            trees.label(id) == label
                && kids.len() == parts.len()
                && parts
                    .iter()
                    .zip(kids)
                    .all(|(part, kid)| matches_pattern_node(part, trees, *kid, bound))
        }
    }
}
