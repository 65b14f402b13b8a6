//! Probes: formulas that are compiled to learn their SQL. The probes cover every function and operator of the
//! catalogue, with columns and literals of the accepted types as arguments.

use rustc_hash::FxHashSet;

use super::call_probes::add_overload_probes;
use super::criteria::{add_criteria_call_probes, add_criterion_probes};
use super::expression_text::{FormulaTemplate, FormulaText};
use super::masks::add_text_format_probes;
use super::operator_probes::{INFIX_OPERATORS, add_column_probes, add_infix_probes};
use super::tree::SqlNodeId;
use crate::Type;
use crate::ast::BinaryOp;
use crate::catalog::{Function, Lowering, Param, ParamType, functions};
use crate::schema::{Column, Relation};

/// Name of the relation that contains the columns of probes.
pub(super) const RELATION: &str = "fx_probe";

/// An argument of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ProbeArgument {
    /// A column that represents any expression.
    Column(String),
    /// A formula that represents any expression, with the tree that the formula compiles to in its step.
    Named(String, SqlNodeId),
    /// A sample number, which represents any number.
    Number(&'static str),
    /// A sample negative number, which represents any negative number.
    Minus(&'static str),
    /// A sample string, which represents any text, together with the parts of a criterion before and after this string.
    Text(&'static str, &'static str, &'static str),
    /// A string that represents any text with wildcards, together with the criterion's operator before this string.
    Wild(&'static str, &'static str),
    /// A range with a criterion, which together represent any range and criterion.
    Criterion(usize),
    /// A quotient, which represents any expression of the quotient's type. No column has this type.
    Quotient(usize),
    /// The first day of a month, which represents any date that is known to be the first day of a month. A column
    /// cannot be used, because no column is known to contain only first days of months.
    MonthStart(usize),
    /// A fixed argument that represents only itself.
    Fixed(String),
    /// A column of this type that does not appear in the SQL.
    HiddenColumn(Type),
}

/// Formula that is compiled only to learn its SQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ProbeFormula {
    pub shape: FormulaTemplate,
    pub args: Vec<ProbeArgument>,
}

/// Numbers that rarely occur in formulas, one for each argument position.
pub(super) const NUMBERS: [&str; 5] = ["7919", "6007", "5003", "4001", "3001"];
/// Numbers that are also valid parts of a time of day.
pub(super) const TIME_PART_NUMBERS: [&str; 5] = ["11", "13", "17", "19", "21"];
pub(super) const DECIMAL_NUMBERS: [&str; 5] = ["7919.375", "6007.375", "5003.375", "4001.375", "3001.375"];
pub(super) const PLACEHOLDER_STRINGS: [&str; 5] = ["qzjw", "vkxw", "wyqj", "jvqz", "xwzk"];

/// String with a non-ASCII letter, which is converted to lower case by the warehouse instead of the compiler.
pub(super) const NON_ASCII_TEXT: &str = "qzjé";

/// Strings with wildcards. The second string contains a character that must be escaped, and the third string contains
/// a non-ASCII letter.
pub(super) const WILDCARD_TEXTS: [&str; 3] = ["qzj*w", "qz%j*w", "qzj*é"];

/// Types of probe columns, each with the letter that identifies the type in column names.
pub(super) const TYPES: [(Type, char); 9] = [
    (Type::Unknown, 'u'),
    (Type::Boolean, 'b'),
    (Type::Integer, 'i'),
    (Type::Decimal, 'd'),
    (Type::Float, 'f'),
    (Type::Text, 's'),
    (Type::Date, 'a'),
    (Type::Timestamp, 't'),
    (Type::Timestamptz, 'z'),
];

/// Number of arguments up to which all calls have probes. Calls with more arguments are rare, so they get probes only
/// when an expression contains such a call. Calls with more than `MAX_ARGUMENTS` arguments are not supported.
pub(super) const MAX_ALWAYS_PROBED_ARGUMENTS: usize = 5;
pub(super) const MAX_ARGUMENTS: usize = 14;
/// Maximum number of positions to try for a value whose type or nullability differs from all other values of the row.
const MAX_TRIED_POSITIONS: usize = 4;
/// Functions that exist in only one spreadsheet program. Their SQL is converted to a formula that all spreadsheet
/// programs support, such as `AND(x >= 1, x <= 5)`.
const SINGLE_PRODUCT_FUNCTIONS: [&str; 1] = ["ISBETWEEN"];
/// Number of argument positions for which columns of each type exist.
pub(super) const ARGUMENT_POSITIONS: usize = 16;

/// Returns the relation that the probes read. For each type and argument position, the relation has a nullable and a
/// non-nullable column.
pub(super) fn probe_relation() -> Relation {
    let mut relation = Relation::new(RELATION);
    for (ty, _) in TYPES {
        for index in 0..ARGUMENT_POSITIONS {
            for nullable in [true, false] {
                relation = relation.with(Column::new(probe_column(ty, nullable, index), ty).nullable(nullable));
            }
        }
    }
    relation
}

pub(super) fn probe_column(ty: Type, nullable: bool, index: usize) -> String {
    let letter = TYPES.iter().find(|(t, _)| *t == ty).map_or('s', |(_, letter)| *letter);
    format!("fx_{letter}{}{index}", if nullable { 'n' } else { 'v' })
}

/// Returns a column of each type, as arguments.
pub(super) fn column_args(types: &[Type], nullable: bool) -> Vec<ProbeArgument> {
    let of_place = |(index, ty): (usize, &Type)| ProbeArgument::Column(probe_column(*ty, nullable, index));
    types.iter().enumerate().map(of_place).collect()
}

/// Returns the columns of unknown type.
pub(super) fn unknown_type_columns() -> Vec<String> {
    let of_place = |index| [true, false].map(|nullable| probe_column(Type::Unknown, nullable, index));
    (0..ARGUMENT_POSITIONS).flat_map(of_place).collect()
}

/// Returns the type of a probe's column.
pub(super) fn column_type(column: &str) -> Type {
    let letter = column.strip_prefix("fx_").and_then(|rest| rest.chars().next());
    TYPES
        .iter()
        .find(|(_, type_letter)| Some(*type_letter) == letter)
        .map_or(Type::Unknown, |(ty, _)| *ty)
}

/// Returns the types that a parameter accepts.
fn accepted_types(ty: ParamType) -> &'static [Type] {
    match ty {
        ParamType::Is(Type::Boolean) => &[Type::Boolean],
        ParamType::Is(Type::Integer) | ParamType::Literal(..) => &[Type::Integer],
        ParamType::Is(Type::Decimal) => &[Type::Decimal, Type::Integer],
        ParamType::Is(Type::Float) | ParamType::Positive | ParamType::Negative => {
            &[Type::Float, Type::Decimal, Type::Integer]
        }
        ParamType::Is(Type::Date) => &[Type::Date],
        ParamType::Is(Type::Timestamp) => &[Type::Timestamp, Type::Date],
        ParamType::Is(Type::Timestamptz) => &[Type::Timestamptz],
        ParamType::Is(_) => &[Type::Text],
        ParamType::Number => &[Type::Decimal, Type::Integer, Type::Float],
        ParamType::Temporal => &[Type::Date, Type::Timestamp, Type::Timestamptz],
        ParamType::Any | ParamType::Same => &[
            Type::Text,
            Type::Integer,
            Type::Decimal,
            Type::Float,
            Type::Date,
            Type::Timestamp,
            Type::Boolean,
        ],
    }
}

/// Probes that are compiled together, when the search first examines an expression that one of them may have produced.
#[derive(Clone, Copy, Debug)]
pub(super) enum ProbeFormulaGroup {
    Infix(BinaryOp),
    /// Columns with a suffix or in a short formula, and formulas without columns.
    Columns,
    Function(&'static Function),
    Criteria,
}

impl ProbeFormulaGroup {
    /// Returns all groups.
    pub fn all() -> impl Iterator<Item = Self> {
        // Functions with criteria have separate probes.
        let is_probed = |function: &&Function| {
            !function.lower.is_some_and(Lowering::is_conditional_aggregate)
                && !SINGLE_PRODUCT_FUNCTIONS.contains(&function.name)
        };
        let functions = functions().filter(is_probed).map(Self::Function);
        let infix = INFIX_OPERATORS.into_iter().map(Self::Infix);
        infix.chain([Self::Columns]).chain(functions).chain([Self::Criteria])
    }

    /// If `is_temporal` is true, returns the group's probes whose SQL depends on the time zone or calendar, otherwise
    /// the other probes. If `is_wide` is true, returns the probes with many arguments instead of those with few
    /// arguments.
    pub fn probes(self, is_wide: bool, is_temporal: bool) -> Vec<ProbeFormula> {
        let few = self.probes_with_max_arguments(MAX_ALWAYS_PROBED_ARGUMENTS);
        let mut seen: FxHashSet<&ProbeFormula> = FxHashSet::default();
        let many = if is_wide {
            seen.extend(&few);
            self.probes_with_max_arguments(MAX_ARGUMENTS)
        } else {
            Vec::new()
        };
        let probes = if is_wide { &many } else { &few };
        let of_time = probes.iter().filter(|probe| probe.is_temporal() == is_temporal);
        of_time.filter(|probe| seen.insert(probe)).cloned().collect()
    }

    /// Returns all probes with at most this number of arguments per call.
    fn probes_with_max_arguments(self, widest: usize) -> Vec<ProbeFormula> {
        let mut probes = Vec::new();
        match self {
            Self::Infix(op) => add_infix_probes(op, &mut probes),
            Self::Columns => add_column_probes(&mut probes),
            Self::Criteria => {
                add_criterion_probes(&mut probes);
                add_criteria_call_probes(&mut probes);
            }
            Self::Function(function) => {
                for overload in function.overloads {
                    add_overload_probes(function.name, overload, widest, &mut probes);
                }
                // Also add probes for aggregates with several arguments, because they aggregate the values of one row
                // instead of a column.
                let counts = 2..=widest.clamp(3, ARGUMENT_POSITIONS);
                for count in counts.filter(|_| function.is_row_combination(2)) {
                    for values in argument_type_combinations(count) {
                        let value_arg = |(index, (ty, nullable)): (usize, &(Type, bool))| {
                            ProbeArgument::Column(probe_column(*ty, *nullable, index))
                        };
                        let args = values.iter().enumerate().map(value_arg).collect();
                        probes.push(ProbeFormula {
                            shape: FormulaTemplate::Call(function.name),
                            args,
                        });
                    }
                }
                if function.lower == Some(Lowering::Text) {
                    add_text_format_probes(&mut probes);
                }
            }
        }
        probes
    }

    /// Returns the name of the group in the index of probes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Infix(op) => op.symbol(),
            Self::Columns => "columns",
            Self::Function(function) => function.name,
            Self::Criteria => "criteria",
        }
    }
}

/// Returns combinations of types and nullability for several values of one row. Either all values are the same, or one
/// value differs from the others.
fn argument_type_combinations(count: usize) -> Vec<Vec<(Type, bool)>> {
    const UNIFORM_TYPES: [Type; 6] = [
        Type::Integer,
        Type::Decimal,
        Type::Float,
        Type::Date,
        Type::Text,
        Type::Unknown,
    ];
    const NUMBERS: [(Type, Type); 6] = [
        (Type::Integer, Type::Float),
        (Type::Integer, Type::Decimal),
        (Type::Decimal, Type::Float),
        (Type::Float, Type::Integer),
        (Type::Integer, Type::Integer),
        (Type::Float, Type::Float),
    ];
    let mut combinations = Vec::new();
    for nullable in [true, false] {
        combinations.extend(UNIFORM_TYPES.iter().map(|ty| vec![(*ty, nullable); count]));
        for (most, other) in NUMBERS {
            for index in 0..count.min(MAX_TRIED_POSITIONS) {
                let value = (other, nullable != (most == other));
                combinations.push(with_value_at(&vec![(most, nullable); count], index, value));
            }
        }
    }
    combinations
}

/// Returns a copy of the values in which one value is replaced.
pub(super) fn with_value_at<T: Clone>(values: &[T], index: usize, value: T) -> Vec<T> {
    let mut values = values.to_vec();
    if let Some(old) = values.get_mut(index) {
        *old = value;
    }
    values
}

/// Returns the literal for the argument at a position. All arguments after the fifth share the last literal.
pub(super) fn placeholder_literal_at(literals: &[&'static str; 5], index: usize) -> &'static str {
    let [.., last] = literals;
    literals.get(index).unwrap_or(last)
}

pub(super) fn literal_args(index: usize) -> Vec<ProbeArgument> {
    vec![
        ProbeArgument::Number(placeholder_literal_at(&NUMBERS, index)),
        ProbeArgument::Number(placeholder_literal_at(&DECIMAL_NUMBERS, index)),
        ProbeArgument::Text("", placeholder_literal_at(&PLACEHOLDER_STRINGS, index), ""),
    ]
}

/// Units and other keywords that functions accept.
const KEYWORD_ARGUMENTS: [&str; 16] = [
    "D", "M", "Y", "MD", "YM", "YD", "day", "week", "month", "quarter", "year", "hour", "minute", "second", ", ", "",
];

/// Returns the arguments to try for a parameter, except columns.
pub(super) fn parameter_args(param: &Param, index: usize) -> Vec<ProbeArgument> {
    let fixed = |text: &str| ProbeArgument::Fixed(text.to_owned());
    let mut args = Vec::new();
    match param.ty {
        ParamType::Literal(low, high) if high.saturating_sub(low) <= 40 => {
            args.extend((low..=high).map(|n| fixed(&n.to_string())));
        }
        ParamType::Literal(low, high) => {
            args.push(ProbeArgument::Number(placeholder_literal_at(&NUMBERS, index)));
            args.extend((low..=high).contains(&1).then(|| fixed("1")));
            let near = (-3..=6).filter(|n| (low..=high).contains(n));
            args.extend(near.map(|n| fixed(&n.to_string())));
        }
        ParamType::Number | ParamType::Positive | ParamType::Is(Type::Integer | Type::Decimal | Type::Float) => {
            args.extend([
                ProbeArgument::Number(placeholder_literal_at(&NUMBERS, index)),
                fixed("1"),
                ProbeArgument::Number(placeholder_literal_at(&DECIMAL_NUMBERS, index)),
            ]);
            args.extend((-3..=6).map(|n| fixed(&n.to_string())));
            args.extend(["0.1", "0.5", "0.25", "0.75", "0.9"].map(fixed));
        }
        ParamType::Negative => args.extend(["-1", "-5", "-0.5", "-0.25", "-0.1"].map(fixed)),
        ParamType::Is(Type::Text) => {
            args.push(ProbeArgument::Text(
                "",
                placeholder_literal_at(&PLACEHOLDER_STRINGS, index),
                "",
            ));
            args.extend(KEYWORD_ARGUMENTS.iter().map(|word| fixed(&format!("\"{word}\""))));
        }
        ParamType::Is(Type::Boolean) => args.extend(["TRUE", "FALSE"].map(fixed)),
        ParamType::Is(_) | ParamType::Temporal => args.push(fixed("\"2019-07-23\"")),
        ParamType::Any | ParamType::Same => {
            args.extend(literal_args(index));
            args.extend(["TRUE", "FALSE", "0", "1", "\"\""].map(fixed));
        }
    }
    args
}

/// Returns a literal for a parameter. If possible, the literal represents any other literal.
pub(super) fn parameter_literal(
    param: &Param,
    numbers: [&'static str; 5],
    index: usize,
    is_true: bool,
) -> ProbeArgument {
    match accepted_types(param.ty).first() {
        Some(Type::Boolean) => ProbeArgument::Fixed(if is_true { "TRUE" } else { "FALSE" }.to_owned()),
        Some(Type::Text) => ProbeArgument::Text("", placeholder_literal_at(&PLACEHOLDER_STRINGS, index), ""),
        Some(Type::Integer | Type::Decimal | Type::Float) => {
            ProbeArgument::Number(placeholder_literal_at(&numbers, index))
        }
        _ => ProbeArgument::Fixed(shortest_literal(param)),
    }
}

/// Returns the shortest literal that a parameter accepts.
pub(super) fn shortest_literal(param: &Param) -> String {
    match accepted_types(param.ty).first() {
        Some(Type::Boolean) => "TRUE".to_owned(),
        Some(Type::Date | Type::Timestamp | Type::Timestamptz) => "\"2019-07-23\"".to_owned(),
        Some(Type::Text) if !matches!(param.ty, ParamType::Any | ParamType::Same) => "\"D\"".to_owned(),
        _ => "1".to_owned(),
    }
}

/// Returns assignments of one type to each parameter. If there are only a few combinations, returns all of them.
pub(super) fn type_assignments(params: &[&Param]) -> Vec<Vec<Type>> {
    let ways: usize = params.iter().map(|p| accepted_types(p.ty).len()).product();
    if ways > 50 || params.len() > 4 {
        return types_by_rank(params);
    }
    params.iter().fold(vec![Vec::new()], |assignments, param| {
        let with = |before: &Vec<Type>| {
            accepted_types(param.ty)
                .iter()
                .map(|ty| [before.as_slice(), &[*ty]].concat())
                .collect::<Vec<_>>()
        };
        assignments.iter().flat_map(with).collect()
    })
}

/// Returns the first type of each parameter, then the second type of each parameter, and so on.
pub(super) fn types_by_rank(params: &[&Param]) -> Vec<Vec<Type>> {
    let most = params.iter().map(|p| accepted_types(p.ty).len()).max().unwrap_or(1);
    let nth_types = |n: usize| -> Vec<Type> {
        params
            .iter()
            .map(|p| {
                accepted_types(p.ty)
                    .get(n % accepted_types(p.ty).len())
                    .copied()
                    .unwrap_or(Type::Text)
            })
            .collect()
    };
    (0..most).map(nth_types).collect()
}

fn quotient_formula(index: usize) -> String {
    format!("{} / {}", probe_column(Type::Decimal, true, index + 8), NUMBERS[0])
}

impl ProbeArgument {
    /// Returns the argument in formula syntax.
    pub fn to_formula(&self) -> String {
        match self {
            Self::Column(name) | Self::Fixed(name) | Self::Named(name, _) => name.clone(),
            Self::Number(digits) => (*digits).to_owned(),
            Self::Minus(digits) => format!("-{digits}"),
            Self::Wild(before, text) => format!("\"{before}{text}\""),
            Self::Text(before, text, after) => format!("\"{before}{text}{after}\""),
            Self::Criterion(index) => format!("fx_in{}, \">{}\"", index + 8, NUMBERS[0]),
            Self::Quotient(index) => quotient_formula(*index),
            Self::MonthStart(index) => format!("{}[month]", probe_column(Type::Date, true, *index)),
            Self::HiddenColumn(_) => String::new(),
        }
    }

    /// Returns the SQL of an argument that compiles to more than one node: the condition of a criterion, or a quotient.
    /// The SQL of these arguments is the same in all dialects.
    pub fn to_sql(&self) -> Option<String> {
        match self {
            Self::Criterion(index) => Some(format!("fx_in{} > {}", index + 8, NUMBERS[0])),
            Self::Quotient(index) => Some(quotient_formula(*index)),
            _ => None,
        }
    }
}

impl ProbeFormula {
    /// Returns whether the SQL of the probe may depend on the time zone or the calendar of a spec.
    pub fn is_temporal(&self) -> bool {
        let is_time = |ty: ParamType| {
            matches!(
                ty,
                ParamType::Temporal | ParamType::Is(Type::Date | Type::Timestamp | Type::Timestamptz)
            )
        };
        let of_call = |name: &str| {
            let overloads = crate::catalog::lookup(name).map_or(&[][..], |function| function.overloads);
            overloads
                .iter()
                .any(|overload| overload.params.iter().any(|param| is_time(param.ty)))
        };
        let of_arg = |arg: &ProbeArgument| match arg {
            ProbeArgument::Column(name) => {
                name.starts_with("fx_a") || name.starts_with("fx_t") || name.starts_with("fx_z")
            }
            ProbeArgument::Fixed(text) | ProbeArgument::Named(text, _) => text.contains("-07-"),
            ProbeArgument::Text(_, text, _) => text.contains("-07-"),
            ProbeArgument::MonthStart(_) => true,
            ProbeArgument::Number(_)
            | ProbeArgument::Minus(_)
            | ProbeArgument::Wild(..)
            | ProbeArgument::Criterion(_)
            | ProbeArgument::Quotient(_)
            | ProbeArgument::HiddenColumn(_) => false,
        };
        let of_shape = match &self.shape {
            FormulaTemplate::Frame(_) | FormulaTemplate::Template(_) => true,
            FormulaTemplate::Call(name) => of_call(name),
            FormulaTemplate::Infix(..)
            | FormulaTemplate::Minus
            | FormulaTemplate::Percent
            | FormulaTemplate::Unique(_)
            | FormulaTemplate::RangeWithCriterion
            | FormulaTemplate::TextOperand => false,
        };
        of_shape || self.args.iter().any(of_arg)
    }

    /// Returns the formula of the probe. The formula for a criterion counts the rows that meet the criterion. To probe
    /// the conversion of a value to text, the formula uses the value as a text operand.
    pub fn formula(&self) -> Option<String> {
        let args: Vec<FormulaText> = self
            .args
            .iter()
            .map(|arg| FormulaText::name(arg.to_formula(), 1))
            .collect();
        match self.shape {
            FormulaTemplate::RangeWithCriterion => Some(format!("COUNTIF({})", self.shape.with_args(&args)?.text)),
            FormulaTemplate::TextOperand => Some(format!(
                "{} & {}",
                self.shape.with_args(&args)?.text,
                probe_column(Type::Text, false, 1)
            )),
            _ => Some(self.shape.with_args(&args)?.text),
        }
    }
}
