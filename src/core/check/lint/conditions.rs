//! Lints for conditions that have the same result in every row, and for branches that an earlier branch makes
//! unreachable.

use rustc_hash::FxHashMap;

use super::{Lints, swap_comparison_operands};
use crate::ast::BinaryOp;
use crate::catalog::{self, internal};
use crate::check::lower::operators::comparison_operator;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, PoolRange};
use crate::span::Span;

/// Index of a column or definition, a flag for definitions, and a flag for comparisons that ignore case.
type ConditionSubject = (u32, bool, bool);

/// Literal in a comparison. Dates are compared as numbers. Strings are compared only for equality, because their order
/// depends on the warehouse.
#[derive(Clone, Copy, Debug, PartialEq)]
enum OrderedLiteral<'p> {
    Number(f64),
    Text(&'p str),
}

/// Lower or upper bound of the values that satisfy a condition.
#[derive(Clone, Copy, Debug)]
struct ConstantBound {
    at: f64,
    included: bool,
}

impl ConstantBound {
    /// Returns whether the range of this bound contains the range of another bound. A range contains the values above
    /// its bound or, if `upper` is set, below its bound.
    fn contains_range_of(self, other: Self, upper: bool) -> bool {
        let beyond = if upper { other.at < self.at } else { other.at > self.at };
        beyond || (other.at == self.at && (self.included || !other.included))
    }
}

/// Conditions on a subject that have been collected so far.
#[derive(Default)]
struct SubjectConditions<'p> {
    lower: Option<(ConstantBound, Span)>,
    upper: Option<(ConstantBound, Span)>,
    equals: Vec<(OrderedLiteral<'p>, Span)>,
    differs: Option<OrderedLiteral<'p>>,
}

/// Maximum number of literals that are stored per subject.
const MAX_LITERALS: usize = 64;

/// Comparison of a name with a literal. The literal is read only if the program contains several comparisons of the
/// same name.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct NameComparison {
    subject: ConditionSubject,
    comparison: BinaryOp,
    literal: IrId,
    /// Node of the comparison.
    condition: IrId,
    /// Position in the list of comparisons.
    index: u32,
}

struct ConditionTest<'p> {
    comparison: BinaryOp,
    literal: OrderedLiteral<'p>,
}

impl ConditionTest<'_> {
    /// Returns the bound of the values that satisfy the test, and whether it is an upper bound.
    fn bound_of_test(&self) -> Option<(ConstantBound, bool)> {
        let OrderedLiteral::Number(number) = self.literal else {
            return None;
        };
        let (included, upper) = match self.comparison {
            BinaryOp::Greater => (false, false),
            BinaryOp::GreaterEqual => (true, false),
            BinaryOp::Less => (false, true),
            BinaryOp::LessEqual => (true, true),
            _ => return None,
        };
        Some((ConstantBound { at: number, included }, upper))
    }
}

impl<'a> Lints<'a> {
    /// Adds a condition to the list if the condition compares a name with a literal.
    fn add_comparison(&self, condition: IrId, list: &mut Vec<NameComparison>) {
        let program = self.program;
        let Ir::Apply { overload, args } = program.node(condition) else {
            return;
        };
        let [a, b] = *program.args(args) else { return };
        let function = catalog::overload_owner(overload);
        let ignores_case = function == internal::EQUAL_IGNORE_CASE;
        let comparison = match comparison_operator(function) {
            Some(comparison) => comparison,
            None if ignores_case => BinaryOp::Equal,
            None => return,
        };
        let is_literal = |id: IrId| matches!(program.node(id), Ir::Text(_) | Ir::Number(_) | Ir::Date(_));
        let (operand, literal, comparison) = match (is_literal(a), is_literal(b)) {
            (false, true) => (a, b, comparison),
            (true, false) => (b, a, swap_comparison_operands(comparison)),
            _ => return,
        };
        let subject = match program.node(self.resolve_name(operand)) {
            Ir::Column(column) => (column, false, ignores_case),
            Ir::Definition(definition) => (definition, true, ignores_case),
            _ => match program.node(operand) {
                Ir::Definition(definition) => (definition, true, ignores_case),
                _ => return,
            },
        };
        list.push(NameComparison {
            subject,
            comparison,
            literal,
            condition,
            index: list.len() as u32,
        });
    }

    fn condition_test(&self, name_comparison: &NameComparison) -> Option<ConditionTest<'a>> {
        Some(ConditionTest {
            comparison: name_comparison.comparison,
            literal: self.ordered_literal(name_comparison.literal)?,
        })
    }

    fn ordered_literal(&self, id: IrId) -> Option<OrderedLiteral<'a>> {
        let program = self.program;
        match program.node(id) {
            Ir::Text(text) => Some(OrderedLiteral::Text(program.text(text))),
            Ir::Number(digits) => program.text(digits).parse().ok().map(OrderedLiteral::Number),
            Ir::Date(iso) => {
                // Compare dates and timestamps by their digits. A date is equal to midnight at the start of the day.
                let digits: String = program.text(iso).chars().filter(char::is_ascii_digit).collect();
                format!("{digits:0<14}").parse().ok().map(OrderedLiteral::Number)
            }
            _ => None,
        }
    }

    /// Warns about an AND that is never true, and about an OR that is always true.
    pub(super) fn check_and_or_conditions(&mut self, id: IrId, args: PoolRange, and: bool) {
        let mut list = std::mem::take(&mut *self.comparisons);
        list.clear();
        for condition in self.program.args(args) {
            self.add_comparison(*condition, &mut list);
        }
        let mut first: Option<NameComparison> = None;
        for group in comparisons_of_same_name(&mut list) {
            let mut seen = SubjectConditions::default();
            for name_comparison in group {
                let Some(test) = self.condition_test(name_comparison) else {
                    continue;
                };
                if seen.is_contradiction(&test, and) {
                    first = first
                        .filter(|other| other.index < name_comparison.index)
                        .or(Some(*name_comparison));
                    break;
                }
                seen.add(&test, Span::default(), and);
            }
        }
        *self.comparisons = list;
        if let Some(name_comparison) = first {
            self.warn_of_constant_condition(id, name_comparison.condition, and);
        }
    }

    fn warn_of_constant_condition(&mut self, id: IrId, condition: IrId, and: bool) {
        let condition_text = self.excerpt(id);
        let subject_text = match self.program.node(condition) {
            Ir::Apply { args, .. } => {
                let names = self
                    .program
                    .args(args)
                    .iter()
                    .find(|arg| self.ordered_literal(**arg).is_none());
                names.map(|name| self.excerpt(*name)).unwrap_or_default()
            }
            _ => String::new(),
        };
        let starts = |word: &str| {
            condition_text
                .get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        let (message, help) = if and {
            let help = match starts("AND") {
                true => "use OR, which requires only one condition to be true".to_owned(),
                false => "write one call for each value and add the results, because a row must meet every criterion"
                    .to_owned(),
            };
            (
                format!(
                    "`{condition_text}` is never true, because no value of `{subject_text}` can meet all conditions"
                ),
                help,
            )
        } else {
            let help = "use AND, which requires all conditions to be true".to_owned();
            (
                format!("`{condition_text}` is true for every value of `{subject_text}` except NULL"),
                help,
            )
        };
        self.warn(Code::NeverVaries, id, message, help);
    }

    /// Warns about CASE branches that an earlier branch makes unreachable, in the nodes from `first` to `last`. If the
    /// default branch of a CASE is another CASE, the branches of the inner CASE continue the list.
    pub(super) fn warn_of_unreachable(&mut self, first: IrId, last: IrId) {
        let program = self.program;
        // Whether each node continues another CASE. Empty until the first of these nodes is found.
        let mut continues: Vec<bool> = Vec::new();
        let offset = |id: IrId| id.index() - first.index();
        let mut list = std::mem::take(&mut *self.comparisons);
        for node_id in (first.0..last.0 + 1).rev().map(IrId) {
            let Ir::Case(arms) = program.node(node_id) else {
                continue;
            };
            let has_one_condition = match *program.args(arms) {
                [_, _] => true,
                [_, _, other] => !matches!(program.node(other), Ir::Case(_)),
                _ => false,
            };
            if has_one_condition || continues.get(offset(node_id)) == Some(&true) {
                continue;
            }
            list.clear();
            let mut next = Some(node_id);
            while let Some(Ir::Case(arms)) = next.map(|id| program.node(id)) {
                next = None;
                for arm in program.args(arms).chunks(2) {
                    match *arm {
                        [condition, _] => self.add_comparison(condition, &mut list),
                        [other] if (first..node_id).contains(&other) && matches!(program.node(other), Ir::Case(_)) => {
                            continues.resize(offset(last) + 1, false);
                            let mark = continues.get_mut(offset(other));
                            let is_first = mark.is_some_and(|mark| !std::mem::replace(mark, true));
                            next = is_first.then_some(other);
                        }
                        _ => {}
                    }
                }
            }
            self.check_case_branches(&mut list);
        }
        *self.comparisons = list;
    }

    fn check_case_branches(&mut self, list: &mut [NameComparison]) {
        let mut unreachable: Vec<(u32, Span, Span)> = Vec::new();
        for group in comparisons_of_same_name(list) {
            let mut seen = SubjectConditions::default();
            for name_comparison in group {
                let Some(test) = self.condition_test(name_comparison) else {
                    continue;
                };
                let span = self.program.meta(name_comparison.condition).span;
                match seen.find_covering_test(&test) {
                    Some(earlier) => unreachable.push((name_comparison.index, span, earlier)),
                    None => seen.add(&test, span, false),
                }
            }
        }
        unreachable.sort_unstable();
        for (_, span, earlier) in unreachable {
            self.warn_of_unreachable_branch(span, earlier);
        }
    }

    fn warn_of_unreachable_branch(&mut self, span: Span, earlier: Span) {
        let (condition_text, before) = (span.excerpt(self.source), earlier.excerpt(self.source));
        let help = if condition_text == before {
            "remove the condition, or correct its value".to_owned()
        } else {
            format!("put `{condition_text}` before `{before}`")
        };
        self.found.push(
            Diagnostic::new(
                Code::NeverReached,
                span,
                format!(
                    "`{condition_text}` is never reached, because the earlier condition `{before}` already covers all its \
                    cases"
                ),
            )
            .with_secondary_label(earlier, "this earlier condition already applies")
            .with_help(help),
        );
    }

    /// Warns about duplicate values in a SWITCH.
    pub(super) fn warn_of_duplicate_cases(&mut self, arms: PoolRange) {
        let mut seen: FxHashMap<&str, IrId> = FxHashMap::default();
        for pair in self.program.args(arms).chunks_exact(2) {
            let Some(case) = pair.first().copied() else { continue };
            let text = match self.program.node(case) {
                Ir::Text(text) | Ir::Number(text) | Ir::Date(text) => self.program.text(text),
                _ => continue,
            };
            let Some(first) = seen.get(text).copied() else {
                seen.insert(text, case);
                continue;
            };
            let span = self.program.meta(case).span;
            self.found.push(
                Diagnostic::new(
                    Code::NeverReached,
                    span,
                    format!(
                        "`{}` is never reached, because the same value appears earlier",
                        span.excerpt(self.source)
                    ),
                )
                .with_secondary_label(self.program.meta(first).span, "the same value")
                .with_help("remove the value, or correct it"),
            );
        }
    }
}

impl<'p> SubjectConditions<'p> {
    /// Returns whether a test and the previous conditions are never true together. If `and` is `false`, returns whether
    /// at least one of them is true in every row.
    fn is_contradiction(&self, test: &ConditionTest<'p>, and: bool) -> bool {
        if !and {
            if test.comparison == BinaryOp::NotEqual {
                return self.differs.is_some_and(|other| other != test.literal);
            }
            // The conditions cover all values if the lower bound is below the upper bound.
            return match test.bound_of_test() {
                Some((bound, true)) => self
                    .lower
                    .is_some_and(|(lower, _)| are_bounds_overlapping(lower, bound, true)),
                Some((bound, false)) => self
                    .upper
                    .is_some_and(|(upper, _)| are_bounds_overlapping(bound, upper, true)),
                None => false,
            };
        }
        if test.comparison == BinaryOp::Equal {
            let other = self.equals.iter().any(|(literal, _)| *literal != test.literal);
            let OrderedLiteral::Number(number) = test.literal else {
                return other;
            };
            let point = ConstantBound {
                at: number,
                included: true,
            };
            let outside = self
                .lower
                .is_some_and(|(lower, _)| !lower.contains_range_of(point, false))
                || self
                    .upper
                    .is_some_and(|(upper, _)| !upper.contains_range_of(point, true));
            return other || outside;
        }
        let Some((bound, upper)) = test.bound_of_test() else {
            return false;
        };
        let point_outside = self.equals.iter().any(|(literal, _)| match literal {
            OrderedLiteral::Number(number) => !bound.contains_range_of(
                ConstantBound {
                    at: *number,
                    included: true,
                },
                upper,
            ),
            OrderedLiteral::Text(_) => false,
        });
        let apart = match upper {
            true => self
                .lower
                .is_some_and(|(lower, _)| !are_bounds_overlapping(lower, bound, false)),
            false => self
                .upper
                .is_some_and(|(upper, _)| !are_bounds_overlapping(bound, upper, false)),
        };
        point_outside || apart
    }

    /// Returns the span of an earlier condition that is true whenever the given test is true.
    fn find_covering_test(&self, test: &ConditionTest<'p>) -> Option<Span> {
        let covering_span = |bound: ConstantBound, outer_bound: Option<(ConstantBound, Span)>, upper: bool| {
            outer_bound
                .filter(|(wider, _)| wider.contains_range_of(bound, upper))
                .map(|(_, span)| span)
        };
        if test.comparison == BinaryOp::Equal {
            if let Some((_, span)) = self.equals.iter().find(|(literal, _)| *literal == test.literal) {
                return Some(*span);
            }
            let OrderedLiteral::Number(number) = test.literal else {
                return None;
            };
            let point = ConstantBound {
                at: number,
                included: true,
            };
            return covering_span(point, self.lower, false).or_else(|| covering_span(point, self.upper, true));
        }
        let (bound, upper) = test.bound_of_test()?;
        covering_span(bound, if upper { self.upper } else { self.lower }, upper)
    }

    /// Adds a test to the conditions. Keeps the narrowest bound if all conditions must be true, otherwise the widest
    /// bound.
    fn add(&mut self, test: &ConditionTest<'p>, span: Span, narrowest: bool) {
        match test.comparison {
            BinaryOp::Equal if self.equals.len() < MAX_LITERALS => self.equals.push((test.literal, span)),
            BinaryOp::NotEqual => self.differs = self.differs.or(Some(test.literal)),
            _ => {}
        }
        let Some((bound, upper)) = test.bound_of_test() else {
            return;
        };
        let kept_bound = if upper { &mut self.upper } else { &mut self.lower };
        let counts = kept_bound.is_none_or(|(old, _)| {
            if narrowest {
                old.contains_range_of(bound, upper)
            } else {
                !old.contains_range_of(bound, upper)
            }
        });
        if counts {
            *kept_bound = Some((bound, span));
        }
    }
}

/// For each name with several comparisons, returns these comparisons in the order in which they were added.
fn comparisons_of_same_name(list: &mut [NameComparison]) -> impl Iterator<Item = &[NameComparison]> {
    list.sort_by_key(|name_comparison| name_comparison.subject);
    let groups = list.chunk_by(|a, b| a.subject == b.subject);
    groups.filter(|group| group.len() > 1)
}

/// Returns whether there are values between two bounds. If `covers` is set, returns whether the two ranges together
/// contain all values.
fn are_bounds_overlapping(lower: ConstantBound, upper: ConstantBound, covers: bool) -> bool {
    let at_end = if covers {
        lower.included || upper.included
    } else {
        lower.included && upper.included
    };
    lower.at < upper.at || (lower.at == upper.at && at_end)
}
