//! Recognizes rules that are equivalent to dbt tests, regardless of their notation.

use super::TestedModel;
use crate::catalog::{self, internal};
use crate::dbt::escaped_text;
use crate::ir::{Ir, IrId, Program};
use crate::yaml::YamlValue;

/// dbt test on a column of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EquivalentTest {
    NotNull,
    Unique,
    /// Allowed values in dbt's notation, and whether dbt puts the values in quotes.
    AcceptedValues(Vec<YamlValue>, bool),
    /// Other relation in dbt's notation, and the column of that relation.
    Relationships(String, String),
    /// Range test from the package `dbt_utils`, with the minimum, the maximum, and whether both bounds are inclusive.
    AcceptedRange(Option<String>, Option<String>, bool),
}

/// Name of the range test in `dbt_utils`.
pub const RANGE_TEST: &str = "dbt_utils.accepted_range";

impl EquivalentTest {
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotNull => "not_null",
            Self::Unique => "unique",
            Self::AcceptedValues(..) => "accepted_values",
            Self::Relationships(..) => "relationships",
            Self::AcceptedRange(..) => RANGE_TEST,
        }
    }

    pub fn arguments(self) -> Vec<(String, YamlValue)> {
        let bare = |text: String| YamlValue::Bare(text);
        let (named_arguments, plain): (Vec<(&str, Option<YamlValue>)>, _) = match self {
            Self::NotNull | Self::Unique => (Vec::new(), true),
            Self::AcceptedValues(values, quoted) => (vec![("values", Some(YamlValue::list(values)))], quoted),
            Self::Relationships(to, field) => {
                let text = |text: &str| Some(escaped_text(text));
                (vec![("to", text(&to)), ("field", text(&field))], true)
            }
            Self::AcceptedRange(least, most, inclusive) => (
                vec![("min_value", least.map(bare)), ("max_value", most.map(bare))],
                inclusive,
            ),
        };
        let flag = if named_arguments.len() == 1 {
            "quote"
        } else {
            "inclusive"
        };
        let flag = (!plain).then(|| (flag, Some(YamlValue::Bare("false".to_owned()))));
        named_arguments
            .into_iter()
            .chain(flag)
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}

/// Returns the column, and the tests on it that together are equivalent to a rule. `None` if no tests are equivalent.
/// `ranges` is `true` if the project has the range test.
pub(super) fn column_tests(
    program: &Program,
    root: IrId,
    nulls_fail: bool,
    ranges: bool,
    tested: &TestedModel<'_>,
) -> Option<(String, Vec<EquivalentTest>)> {
    let (column, mut tests) = find_column_tests(program, root, ranges)?;
    if nulls_fail && !tests.contains(&EquivalentTest::NotNull) && !is_null_allowed(program, root) {
        tests.push(EquivalentTest::NotNull);
    }
    let input_column = program.columns.try_get(column as usize)?;
    let known_column = tested.relation.column(&input_column.name);
    (tested.has_unknown_columns || known_column.is_some())
        .then(|| (known_column.map_or(&*input_column.name, |c| c.name()).to_owned(), tests))
}

fn find_column_tests(program: &Program, root: IrId, ranges: bool) -> Option<(u32, Vec<EquivalentTest>)> {
    if let Some(column) = recognize_not_null(program, root) {
        return Some((column, vec![EquivalentTest::NotNull]));
    }
    if let Some((column, empty_passes)) = recognize_unique(program, root) {
        let not_null = (!empty_passes).then_some(EquivalentTest::NotNull);
        return Some((column, [EquivalentTest::Unique].into_iter().chain(not_null).collect()));
    }
    if let Some((column, values, quoted)) = recognize_accepted_values(program, root) {
        return Some((column, vec![EquivalentTest::AcceptedValues(values, quoted)]));
    }
    if let Some((column, values, quoted)) = recognize_switch(program, root) {
        // SWITCH returns FALSE if no case matches or the value is NULL, so the rule also implies a `not_null` test.
        return Some((
            column,
            vec![EquivalentTest::AcceptedValues(values, quoted), EquivalentTest::NotNull],
        ));
    }
    if ranges {
        let (column, test) = recognize_range(program, root)?;
        return Some((column, vec![test]));
    }
    None
}

pub(super) fn column(program: &Program, id: IrId) -> Option<u32> {
    match program.node(program.resolve_references(id)) {
        Ir::Column(column) => Some(column),
        _ => None,
    }
}

/// Recognizes `NOT(ISBLANK(x))`.
fn recognize_not_null(program: &Program, root: IrId) -> Option<u32> {
    match program.node(root) {
        Ir::IsNull { x, negated: true } => column(program, x),
        Ir::Not(inner) => match program.node(inner) {
            Ir::IsNull { x, negated: false } => column(program, x),
            _ => None,
        },
        _ => None,
    }
}

/// Recognizes `COUNTIF(x:x, x) = 1`, which NULL violates, and `COUNTIF(x:x, x) <= 1`, which NULL satisfies. For
/// strings, `COUNTIF` ignores case, unlike dbt's test.
fn recognize_unique(program: &Program, root: IrId) -> Option<(u32, bool)> {
    let Ir::Apply { overload, args } = program.node(root) else {
        return None;
    };
    let [count, bound] = program.args(args) else {
        return None;
    };
    let empty_passes = match catalog::overload_owner(overload) {
        internal::EQUAL => false,
        internal::LESS_EQUAL => true,
        _ => return None,
    };
    let Ir::Window { call, over } = program.node(*count) else {
        return None;
    };
    let (Ir::Apply { overload, args }, Ir::Number(digits)) = (program.node(call), program.node(*bound)) else {
        return None;
    };
    let ([argument], [parted]) = (program.args(args), program.window_keys(over)) else {
        return None;
    };
    let column =
        column(program, *argument).filter(|counted_column| column(program, *parted) == Some(*counted_column))?;
    let counts = catalog::overload_owner(overload) == internal::COUNTA && program.window_frame(over).covers_partition();
    (counts && program.text(digits) == "1").then_some((column, empty_passes))
}

/// Returns whether a list of alternatives includes NULL.
fn is_null_allowed(program: &Program, root: IrId) -> bool {
    or_operands(program, root)
        .iter()
        .any(|id| matches!(program.node(*id), Ir::IsNull { negated: false, .. }))
}

/// Returns the operands of `OR(x = "a", x = "b")`, or the condition itself if it is not an `OR`.
fn or_operands(program: &Program, root: IrId) -> Vec<IrId> {
    let mut ids = Vec::new();
    let mut waiting = vec![root];
    while let Some(id) = waiting.pop() {
        match program.node(id) {
            Ir::Or(args) => waiting.extend(program.args(args).iter().rev()),
            _ => ids.push(id),
        }
    }
    ids
}

/// Recognizes a list of allowed values, as in `OR(x = "a", ISBLANK(x))`. Returns the column and the values.
fn recognize_accepted_values(program: &Program, root: IrId) -> Option<(u32, Vec<YamlValue>, bool)> {
    let mut accepted_column = None;
    let mut values = Vec::new();
    for part in or_operands(program, root) {
        let (compared_column, value) = match program.node(part) {
            Ir::IsNull { x, negated: false } => (column(program, x)?, None),
            _ => {
                let (part_column, value) = column_comparison(program, part, internal::EQUAL)?;
                (part_column, Some(value))
            }
        };
        if *accepted_column.get_or_insert(compared_column) != compared_column {
            return None;
        }
        values.extend(value);
    }
    let (values, quoted) = to_dbt_arguments(program, &values)?;
    Some((accepted_column?, values, quoted))
}

/// Recognizes `SWITCH(x, "a", TRUE, "b", TRUE, FALSE)`.
fn recognize_switch(program: &Program, root: IrId) -> Option<(u32, Vec<YamlValue>, bool)> {
    let Ir::Switch { subject, arms } = program.node(root) else {
        return None;
    };
    let arms = program.args(arms);
    let (last, pairs) = arms.split_last().filter(|_| arms.len() % 2 == 1)?;
    let is = |id: IrId, value: bool| program.node(id) == Ir::Bool(value);
    let (values, results): (Vec<IrId>, Vec<IrId>) = pairs
        .chunks_exact(2)
        .filter_map(|pair| Some((*pair.first()?, *pair.last()?)))
        .unzip();
    if !is(*last, false) || !results.iter().all(|id| is(*id, true)) {
        return None;
    }
    let (values, quoted) = to_dbt_arguments(program, &values)?;
    Some((column(program, subject)?, values, quoted))
}

/// Returns a column and the value with which it is compared. For `=`, the operands may be in either order.
fn column_comparison(program: &Program, id: IrId, operator: catalog::FunctionId) -> Option<(u32, IrId)> {
    let Ir::Apply { overload, args } = program.node(id) else {
        return None;
    };
    let [left, right] = program.args(args) else { return None };
    if catalog::overload_owner(overload) != operator {
        return None;
    }
    let pair =
        |operand: IrId, with: IrId| Some((column(program, operand)?, with)).filter(|_| column(program, with).is_none());
    pair(*left, *right).or_else(|| pair(*right, *left).filter(|_| operator == internal::EQUAL))
}

/// Converts the values to arguments of dbt's test. Strings that need escapes have no equivalent, because dbt puts
/// strings in quotes without escaping them.
fn to_dbt_arguments(program: &Program, values: &[IrId]) -> Option<(Vec<YamlValue>, bool)> {
    let texts = values.iter().map(|id| match program.node(*id) {
        Ir::Text(text) => Some(program.text(text))
            .filter(|text| is_safe_in_quotes(text))
            .map(escaped_text),
        _ => None,
    });
    if let Some(texts) = texts
        .collect::<Option<Vec<YamlValue>>>()
        .filter(|texts| !texts.is_empty())
    {
        return Some((texts, true));
    }
    let numbers: Vec<YamlValue> = values
        .iter()
        .map(|id| Some(YamlValue::Bare(yaml_number(program, *id)?)))
        .collect::<Option<_>>()?;
    (!numbers.is_empty()).then_some((numbers, false))
}

fn is_safe_in_quotes(text: &str) -> bool {
    !text.contains(|c: char| matches!(c, '\'' | '\\') || c.is_control())
}

/// Returns the text of a number if YAML parses the text as the same number.
fn yaml_number(program: &Program, id: IrId) -> Option<String> {
    let (sign, digits) = match program.node(id) {
        Ir::Number(digits) => ("", digits),
        Ir::Apply { overload, args } if catalog::overload_owner(overload) == internal::NEGATE => {
            match program.args(args) {
                [inner] => match program.node(*inner) {
                    Ir::Number(digits) => ("-", digits),
                    _ => return None,
                },
                _ => return None,
            }
        }
        _ => return None,
    };
    let (sign, digits) = match program.text(digits).strip_prefix('-') {
        Some(digits) if sign.is_empty() => ("-", digits),
        _ => (sign, program.text(digits)),
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.len() <= 15;
    // YAML parses `010` as an octal number.
    let integer = digits.split('.').next().unwrap_or_default();
    (plain && (integer == "0" || !integer.starts_with('0'))).then(|| format!("{sign}{digits}"))
}

/// Recognizes `AND(x >= 0, x <= 100)`, or only one of the two conditions.
fn recognize_range(program: &Program, root: IrId) -> Option<(u32, EquivalentTest)> {
    let parts = match program.node(root) {
        Ir::And(args) => program.args(args).to_vec(),
        _ => vec![root],
    };
    let bounds = [
        (internal::GREATER_EQUAL, true, true),
        (internal::GREATER, true, false),
        (internal::LESS_EQUAL, false, true),
        (internal::LESS, false, false),
    ];
    let (mut column, mut closed) = (None, None);
    let (mut least, mut most) = (None, None);
    for part in parts {
        let bound = |(operator, low, inclusive)| Some((column_comparison(program, part, operator)?, low, inclusive));
        let ((part_column, value), low, inclusive) = bounds.iter().copied().find_map(bound)?;
        let limit = if low { &mut least } else { &mut most };
        if *column.get_or_insert(part_column) != part_column
            || *closed.get_or_insert(inclusive) != inclusive
            || limit.is_some()
        {
            return None;
        }
        *limit = Some(yaml_number(program, value)?);
    }
    Some((column?, EquivalentTest::AcceptedRange(least, most, closed?)))
}
