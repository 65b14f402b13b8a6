//! Finds equivalents for the subexpressions of an edited expression. A *spelling* is SQL as analysts write it. The
//! table in `spellings` pairs each spelling with the equivalent SQL that formulac generates.

use rustc_hash::{FxHashMap, FxHashSet};

use super::expression_text::FormulaTemplate;
use super::guard_positions::accepts_guards_in_child;
use super::guards::GuardDifference;
use super::parse::parse;
use super::patterns::{ArgumentBinding, PatternNode, SqlPattern, build_pattern};
use super::probes::{ProbeArgument, ProbeFormula};
use super::spellings::spellings;
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::Type;
use crate::check::is_iso_date;
use crate::dbt::tokens::tokens;
use crate::dialect::Dialect;

/// Maximum number of subexpressions that are examined, including those of equivalent expressions.
const MAX_EXAMINED_SUBEXPRESSIONS: usize = 400;
/// Number of further rounds that match the spellings with subexpressions in which an operand was replaced by its
/// equivalent.
const MAX_ROUNDS: usize = 3;

/// Placeholders for expressions in spellings.
const PLACEHOLDERS: [&str; 17] = [
    "value1",
    "value2",
    "value3",
    "text1",
    "text2",
    "text3",
    "text4",
    "text5",
    "date1",
    "date2",
    "integer1",
    "integer2",
    "float1",
    "boolean1",
    "timestamp1",
    "filled1",
    "constant1",
];
/// String literals that serve as placeholders in spellings: for any text, for any text in lower case, and for any date.
const PLAIN_TEXT: &str = "qzjw";
const LOWER_TEXT: &str = "vkxw";
const DATE_TEXT: &str = "wyqj";
const NUMBER: &str = "7919";

/// Type of an expression, and whether it may be NULL.
pub(super) type ValueType = (Type, bool);

/// Maps subexpressions to their equivalent expressions.
#[derive(Clone, Debug, Default)]
pub(super) struct EquivalentExpressions {
    equivalents_by_part: FxHashMap<SqlNodeId, Vec<(SqlNodeId, GuardDifference)>>,
}

impl EquivalentExpressions {
    /// Returns the equivalents of a subexpression, each with the guards that it adds.
    pub fn equivalent_expressions(&self, part: SqlNodeId) -> &[(SqlNodeId, GuardDifference)] {
        self.equivalents_by_part.get(&part).map_or(&[], Vec::as_slice)
    }

    pub fn is_empty(&self) -> bool {
        self.equivalents_by_part.is_empty()
    }

    /// Adds a parent node for an expression and all equivalent expressions, so that one node leads to all of them.
    pub fn add_common_parent(&self, trees: &mut SqlTrees, expression: SqlNodeId) -> SqlNodeId {
        let mut children = vec![expression];
        children.extend(self.equivalents_by_part.values().flatten().map(|(other, _)| *other));
        children.sort_unstable();
        trees.add(SqlLabel::Row, children)
    }

    /// Returns an expression, its subexpressions and their equivalents. Each expression comes after its operands and
    /// after its equivalents.
    pub fn parts(&self, trees: &SqlTrees, expression: SqlNodeId) -> Vec<SqlNodeId> {
        if self.is_empty() {
            return trees.descendants(expression);
        }
        let mut ordered_parts = Vec::new();
        let mut seen = FxHashSet::default();
        let mut left = vec![(expression, false)];
        while let Some((part, is_complete)) = left.pop() {
            if is_complete {
                ordered_parts.push(part);
            } else if seen.insert(part) {
                left.push((part, true));
                let others = self.equivalent_expressions(part).iter().map(|(other, _)| *other);
                left.extend(
                    others
                        .chain(trees.children(part).iter().copied())
                        .map(|next| (next, false)),
                );
            }
        }
        ordered_parts
    }
}

impl EquivalentExpressions {
    fn add(&mut self, part: SqlNodeId, other: SqlNodeId, guards: GuardDifference) {
        let equivalents = self.equivalents_by_part.entry(part).or_default();
        if equivalents.iter().all(|(equivalent, _)| *equivalent != other) {
            equivalents.push((other, guards));
        }
    }

    /// For each subexpression whose children have equivalents, adds a copy that contains these equivalents. Returns the
    /// added copies.
    fn add_parents(&mut self, trees: &mut SqlTrees, expression: SqlNodeId) -> Vec<SqlNodeId> {
        let mut rewritten: FxHashMap<SqlNodeId, (SqlNodeId, GuardDifference)> = FxHashMap::default();
        let mut added = Vec::new();
        for part in self.parts(trees, expression) {
            let first = self.equivalent_expressions(part).first().copied();
            let children = trees.children(part).to_vec();
            let is_accepted = |(index, child): (usize, &SqlNodeId)| {
                let (_, guards) = rewritten.get(child)?;
                accepts_guards_in_child(trees, part, index, &guards.kinds()).then_some(index)
            };
            let places: Vec<usize> = children.iter().enumerate().filter_map(is_accepted).collect();
            // Also replace each child alone, because a spelling may match only the original form of the other children.
            let alone = places.iter().map(|index| vec![*index]).filter(|_| places.len() > 1);
            let mut parent = None;
            for replaced in std::iter::once(places.clone())
                .chain(alone)
                .filter(|places| !places.is_empty())
            {
                let (mut now, mut guards) = (children.clone(), GuardDifference::default());
                for index in replaced {
                    let Some(child) = now.get_mut(index) else { continue };
                    if let Some((other, added)) = rewritten.get(child) {
                        (*child, guards) = (*other, guards.union(*added));
                    }
                }
                let other = trees.add(trees.label(part).clone(), now);
                self.add(part, other, guards);
                added.push(other);
                parent = parent.or(Some((other, guards)));
            }
            let of_first = first.map(|(other, own_guards)| match rewritten.get(&other) {
                Some((last, added)) => (*last, own_guards.union(*added)),
                None => (other, own_guards),
            });
            if let Some(other) = of_first.or(parent) {
                rewritten.insert(part, other);
            }
        }
        added
    }
}

/// Spelling, parsed as trees with placeholders.
#[derive(Debug)]
struct SpellingPattern {
    pattern: SqlPattern,
    generated: PatternNode,
    guards: GuardDifference,
}

/// All spellings of a dialect.
#[derive(Debug)]
pub(super) struct SpellingPatterns(Vec<SpellingPattern>);

impl SpellingPatterns {
    pub fn new(dialect: Dialect) -> Self {
        let pattern = |sql: &str, args: Vec<ProbeArgument>| {
            let mut trees = SqlTrees::default();
            let root = parse(sql, &tokens(sql, dialect), dialect, &mut trees).ok()?;
            let arg_nodes = vec![None; args.len()];
            let shape = FormulaTemplate::named("");
            build_pattern(&trees, root, &ProbeFormula { shape, args }, arg_nodes)
        };
        let patterns = spellings(dialect).into_iter().filter_map(|spelling| {
            let args = placeholders(&spelling.pattern);
            let mut sql_pattern = pattern(&spelling.pattern, args.clone())?;
            let generated = pattern(&spelling.generated, args.clone())?;
            sql_pattern.args = args;
            Some(SpellingPattern {
                pattern: sql_pattern,
                generated: generated.root,
                guards: spelling.guard.map(GuardDifference::from_guard).unwrap_or_default(),
            })
        });
        Self(patterns.collect())
    }

    /// Finds the equivalents of all subexpressions of an expression. `value_type` returns the type of a subexpression,
    /// if it is known.
    pub fn alternatives(
        &self,
        trees: &mut SqlTrees,
        expression: SqlNodeId,
        mut value_type: impl FnMut(&mut SqlTrees, SqlNodeId) -> Option<ValueType>,
    ) -> EquivalentExpressions {
        let mut alternatives = EquivalentExpressions::default();
        let mut parts = trees.descendants(expression);
        let mut seen: FxHashSet<SqlNodeId> = parts.iter().copied().collect();
        let mut part_index = 0;
        for _ in 0..MAX_ROUNDS {
            while let Some(part) = parts
                .get(part_index)
                .copied()
                .filter(|_| part_index < MAX_EXAMINED_SUBEXPRESSIONS)
            {
                part_index += 1;
                for spelling in &self.0 {
                    let Some(other) = spelling.apply(trees, part, &mut value_type) else {
                        continue;
                    };
                    alternatives.add(part, other, spelling.guards);
                    parts.extend(trees.descendants(other).into_iter().filter(|part| seen.insert(*part)));
                }
            }
            let new = alternatives.add_parents(trees, expression);
            parts.extend(new.into_iter().filter(|part| seen.insert(*part)));
        }
        alternatives
    }
}

impl SpellingPattern {
    /// Returns the generated SQL for a subexpression that has this spelling. `None` if it does not have this spelling.
    fn apply(
        &self,
        trees: &mut SqlTrees,
        part: SqlNodeId,
        value_type: &mut impl FnMut(&mut SqlTrees, SqlNodeId) -> Option<ValueType>,
    ) -> Option<SqlNodeId> {
        let args = &self.pattern.args;
        let bound = self.pattern.match_node(trees, part)?;
        let mut pairs = args.iter().zip(&bound);
        let is_fit = pairs.all(|(arg, bound)| can_placeholder_match(trees, arg, bound.as_ref(), value_type));
        let other = is_fit.then(|| instantiate(&self.generated, args, &bound, trees))?;
        other.filter(|other| *other != part)
    }
}

/// Returns the placeholders of a spelling.
fn placeholders(sql: &str) -> Vec<ProbeArgument> {
    let is_used = |text: &str| sql.contains(text);
    let words = PLACEHOLDERS.into_iter().filter(|word| is_used(word));
    let texts = [PLAIN_TEXT, LOWER_TEXT, DATE_TEXT]
        .into_iter()
        .filter(|text| is_used(text));
    let number = is_used(NUMBER).then_some(ProbeArgument::Number(NUMBER));
    words
        .map(|word| ProbeArgument::Column(word.to_owned()))
        .chain(texts.map(|text| ProbeArgument::Text("", text, "")))
        .chain(number)
        .collect()
}

/// Returns whether a placeholder can stand for a subexpression.
fn can_placeholder_match(
    trees: &mut SqlTrees,
    arg: &ProbeArgument,
    bound: Option<&ArgumentBinding>,
    value_type: &mut impl FnMut(&mut SqlTrees, SqlNodeId) -> Option<ValueType>,
) -> bool {
    match (arg, bound) {
        (ProbeArgument::Column(word), Some(ArgumentBinding::Node(part))) => {
            match word.trim_end_matches(|c: char| c.is_ascii_digit()) {
                "value" => *trees.label(*part) != SqlLabel::Nothing,
                "constant" => is_literal(trees, *part),
                "filled" => value_type(trees, *part).is_some_and(|(_, nullable)| !nullable),
                name => value_type(trees, *part).is_some_and(|(ty, _)| ty.name() == name),
            }
        }
        (ProbeArgument::Text(_, marker, _), Some(ArgumentBinding::Text(text))) => match *marker {
            DATE_TEXT => is_iso_date(text),
            LOWER_TEXT => text.is_ascii() && has_no_like_metacharacters(text),
            _ => has_no_like_metacharacters(text),
        },
        (ProbeArgument::Number(_), Some(ArgumentBinding::Number(digits) | ArgumentBinding::Text(digits))) => {
            (1..=6).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit())
        }
        _ => false,
    }
}

/// Returns `true` if a string is not empty and contains no character with a special meaning in `like`.
fn has_no_like_metacharacters(text: &str) -> bool {
    !text.is_empty() && !text.contains(['%', '_', '\\'])
}

/// Returns whether a subexpression is a number, a string or a date.
fn is_literal(trees: &SqlTrees, part: SqlNodeId) -> bool {
    match (trees.label(part), trees.children(part)) {
        (SqlLabel::Negative, [inner]) => matches!(trees.label(*inner), SqlLabel::Number(_)),
        (label, _) => matches!(label, SqlLabel::Number(_) | SqlLabel::Text(..) | SqlLabel::Typed),
    }
}

/// Builds an expression from a pattern by filling in its placeholders.
fn instantiate(
    part: &PatternNode,
    args: &[ProbeArgument],
    bound: &[Option<ArgumentBinding>],
    trees: &mut SqlTrees,
) -> Option<SqlNodeId> {
    let value = |index: &usize| bound.get(*index)?.as_ref();
    match part {
        PatternNode::Any(index) => match value(index)? {
            ArgumentBinding::Node(id) => Some(*id),
            _ => None,
        },
        PatternNode::Number(index, 0, "") => match value(index)? {
            ArgumentBinding::Number(digits) | ArgumentBinding::Text(digits) => {
                Some(trees.add_leaf(SqlLabel::Number(digits.clone())))
            }
            _ => None,
        },
        PatternNode::Text(index, before, after, prefix) => match value(index)? {
            ArgumentBinding::Number(text) | ArgumentBinding::Text(text) => {
                let is_lower = matches!(args.get(*index), Some(ProbeArgument::Text(_, LOWER_TEXT, _)));
                let text = if is_lower {
                    text.to_ascii_lowercase()
                } else {
                    text.clone()
                };
                Some(trees.add_leaf(SqlLabel::Text(format!("{before}{text}{after}"), prefix)))
            }
            _ => None,
        },
        PatternNode::Node(label, parts) => {
            let parts = parts.iter().map(|part| instantiate(part, args, bound, trees));
            let parts = parts.collect::<Option<Vec<SqlNodeId>>>()?;
            Some(trees.add(label.clone(), parts))
        }
        PatternNode::Number(..) | PatternNode::Criterion(_) | PatternNode::Wild(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_valid() {
        for dialect in Dialect::all() {
            let dialect_spellings = spellings(dialect);
            assert!(dialect_spellings.len() > 20, "{dialect}");
            assert_eq!(
                SpellingPatterns::new(dialect).0.len(),
                dialect_spellings.len(),
                "{dialect}"
            );
        }
    }

    /// A spelling is also recognized if its operands are spelled differently from the generated SQL.
    #[test]
    fn parts_have_equivalent_expressions() {
        let dialect: Dialect = "duckdb".parse().unwrap();
        let mut trees = SqlTrees::default();
        let mut parse_sql = |sql: &str| parse(sql, &tokens(sql, dialect), dialect, &mut trees).unwrap();
        let edited = parse_sql("(if(x like 'a%', y, null) % 7 + 7) % 7");
        let expected = parse_sql("mod(mod(case when starts_with(x, 'a') then y end, 7) + 7, 7)");
        let unknown = parse_sql("date_diff('day', x, y)");
        let spelling_patterns = SpellingPatterns::new(dialect);
        let alternatives = spelling_patterns.alternatives(&mut trees, edited, |_, _| None);
        assert!(alternatives.parts(&trees, edited).contains(&expected));
        assert!(
            spelling_patterns
                .alternatives(&mut trees, unknown, |_, _| None)
                .is_empty()
        );
        let dates = spelling_patterns.alternatives(&mut trees, unknown, |_, _| Some((Type::Date, true)));
        assert_eq!(dates.equivalent_expressions(unknown).len(), 1);
    }
}
