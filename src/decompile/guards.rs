//! Guards: parts of generated SQL that handle the special cases of a call, such as NULL, halves in floats, and
//! arguments that cause errors. A person who writes the call by hand usually omits them: `round(x, 2)` instead of
//! `coalesce(round(try_cast(printf('%.15g', x) as decimal(38, 18)), 2), x)`.
//!
//! Guards are recognized by their form, and the templates of the catalogue show which functions have which guards. A
//! guard is ignored only if it affects nothing but the special cases. For example, a default for NULL inside an
//! aggregate is not ignored, because it changes the result of other rows.

use rustc_hash::{FxHashMap, FxHashSet};

use super::alternatives::EquivalentExpressions;
use super::errors::value_of_conversion;
use super::guard_positions::{ExpressionPlace, ExpressionPosition};
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::Type;
use crate::dialect::Dialect;

/// Kind of a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SqlGuard {
    /// `coalesce(f(x), 0)`
    Default,
    /// `f(cast(x as double))`
    Conversion,
    /// `case when x > 0 then f(x) end`
    Condition,
    /// `x / nullif(y, 0)`
    Division,
    /// `safe.f(x)`
    NoError,
}

impl SqlGuard {
    const ALL: [Self; 5] = [
        Self::Default,
        Self::Conversion,
        Self::Condition,
        Self::Division,
        Self::NoError,
    ];

    /// Returns the guard that has this name in the list of spellings.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "default" => Some(Self::Default),
            "conversion" => Some(Self::Conversion),
            _ => None,
        }
    }

    /// Describes what the guard adds to the SQL.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Default => "a default for NULL",
            Self::Conversion => "a conversion of types",
            Self::Condition => "a condition for special values",
            Self::Division => "NULL for a division by 0",
            Self::NoError => "NULL in place of an error",
        }
    }
}

/// Kinds and number of the guards that one expression has and another expression lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GuardDifference {
    kinds: u8,
    pub count: u32,
    /// Whether the syntax of the expressions also differs.
    pub has_other_spelling: bool,
}

impl GuardDifference {
    pub fn from_guard(guard: SqlGuard) -> Self {
        Self::default().with(guard)
    }

    fn with(self, guard: SqlGuard) -> Self {
        Self {
            kinds: self.kinds | 1 << guard as u8,
            count: self.count + 1,
            ..self
        }
    }

    fn with_spelling_difference(self) -> Self {
        Self {
            has_other_spelling: true,
            ..self
        }
    }

    pub fn union(self, other: Self) -> Self {
        Self {
            kinds: self.kinds | other.kinds,
            count: self.count.saturating_add(other.count),
            has_other_spelling: self.has_other_spelling || other.has_other_spelling,
        }
    }

    /// Returns the kinds, without duplicates.
    pub fn kinds(self) -> Vec<SqlGuard> {
        let is_in = |guard: &SqlGuard| self.kinds & 1 << *guard as u8 != 0;
        SqlGuard::ALL.into_iter().filter(is_in).collect()
    }
}

/// Recognizes guards in the SQL of a dialect.
pub(super) struct GuardRecognizer {
    /// First words of the names of numeric types and text types.
    types: Vec<&'static str>,
    date: &'static str,
    /// Whether the quotient of two integers is an integer, so that a conversion in a quotient changes the result.
    divides_integers: bool,
    /// Equivalents of the subexpressions of edited expressions.
    alternatives: EquivalentExpressions,
    /// Whether a contract converts the whole generated expression to the type of its column.
    has_contract_cast: bool,
    compared: FxHashMap<(SqlNodeId, SqlNodeId, ExpressionPosition), Option<GuardDifference>>,
}

impl GuardRecognizer {
    pub fn new(dialect: Dialect) -> Self {
        let first_word = |ty: Type| {
            let name = dialect.type_name(ty);
            name.split([' ', '(']).next().unwrap_or(name)
        };
        let type_words = [Type::Integer, Type::Decimal, Type::Float, Type::Text].map(first_word);
        // Templates also use other names for these types.
        let others = ["decimal", "numeric", "bignumeric", "number", "integer", "varchar"];
        Self {
            types: type_words.into_iter().chain(others).collect(),
            date: first_word(Type::Date),
            divides_integers: dialect.facts().divides_integers,
            alternatives: EquivalentExpressions::default(),
            has_contract_cast: false,
            compared: FxHashMap::default(),
        }
    }

    /// Also treats the conversion of the whole expression as a guard if `yes`, because a contract requires it.
    pub fn with_contract_cast(self, yes: bool) -> Self {
        Self {
            has_contract_cast: yes,
            ..self
        }
    }

    /// Also compares generated expressions with equivalents of subexpressions of the edited expression.
    pub fn with_alternatives(self, alternatives: EquivalentExpressions) -> Self {
        Self {
            alternatives,
            compared: FxHashMap::default(),
            ..self
        }
    }

    /// Returns the guards that a generated expression has and an edited expression lacks. `None` if the expressions
    /// also differ in other respects.
    pub fn added_guards(
        &mut self,
        trees: &SqlTrees,
        generated: SqlNodeId,
        edited: SqlNodeId,
    ) -> Option<GuardDifference> {
        let position = ExpressionPosition::WHOLE_EXPRESSION;
        self.compare(trees, generated, edited, position).or_else(|| {
            let value = value_of_conversion(trees, generated).filter(|_| self.has_contract_cast)?;
            Some(self.compare(trees, value, edited, position)?.with(SqlGuard::Conversion))
        })
    }

    fn compare(
        &mut self,
        trees: &SqlTrees,
        generated: SqlNodeId,
        edited: SqlNodeId,
        position: ExpressionPosition,
    ) -> Option<GuardDifference> {
        if generated == edited {
            return Some(GuardDifference::default());
        }
        let key = (generated, edited, position);
        if let Some(guard_set) = self.compared.get(&key) {
            return *guard_set;
        }
        // An equivalent expression may contain the edited expression itself.
        self.compared.insert(key, None);
        let mut added_guards = self.compare_children(trees, generated, edited, position);
        if added_guards.is_none()
            && let Some((guard, inner)) = self.expression_inside_guard(trees, generated, position)
        {
            added_guards = self
                .compare(trees, inner, edited, position)
                .map(|guards| guards.with(guard));
        }
        for equivalent_index in 0..self.alternatives.equivalent_expressions(edited).len() {
            let Some((other, added)) = self
                .alternatives
                .equivalent_expressions(edited)
                .get(equivalent_index)
                .copied()
                .filter(|_| added_guards.is_none())
            else {
                break;
            };
            if added.kinds().into_iter().all(|guard| position.accepts_guard(guard)) {
                added_guards = self
                    .compare(trees, generated, other, position)
                    .map(|guards| guards.union(added).with_spelling_difference());
            }
        }
        self.compared.insert(key, added_guards);
        added_guards
    }

    /// Compares the children of two expressions with the same form.
    fn compare_children(
        &mut self,
        trees: &SqlTrees,
        generated: SqlNodeId,
        edited: SqlNodeId,
        position: ExpressionPosition,
    ) -> Option<GuardDifference> {
        let mut guard_set = GuardDifference::default();
        let parent = edited;
        let (label, mut parts) = (trees.label(edited), trees.children(generated));
        let edited = trees.children(edited);
        let is_call = *trees.label(generated) == SqlLabel::Call;
        if let (true, [name, a, b]) = (is_call, parts)
            && is_word(trees, *name, "safe_divide")
            && *label == SqlLabel::Op("/".to_owned())
            && position.accepts_guard(SqlGuard::Division)
        {
            let [x, y] = edited else { return None };
            let dividend = self.compare(trees, *a, *x, position.of_child(trees, parent, label, 0))?;
            let divisor = self.compare(trees, *b, *y, position.of_child(trees, parent, label, 1))?;
            return Some(dividend.union(divisor).with(SqlGuard::Division));
        }
        if trees.label(generated) != label || parts.len() != edited.len() || parts.is_empty() {
            return None;
        }
        let mut edited = edited;
        if let (true, [name, args @ ..], [edited_name, edited_args @ ..]) = (is_call, parts, edited) {
            if name != edited_name {
                (without_safe_prefix(trees, *name)? == *edited_name && position.accepts_guard(SqlGuard::NoError))
                    .then_some(())?;
                guard_set = guard_set.with(SqlGuard::NoError);
            }
            (parts, edited) = (args, edited_args);
        }
        for (child_index, (part, other)) in parts.iter().zip(edited).enumerate() {
            let inside = position.of_child(trees, parent, label, child_index);
            guard_set = guard_set.union(self.compare(trees, *part, *other, inside)?);
        }
        Some(guard_set)
    }

    /// Returns the expression without its guards.
    pub fn without_guards(&self, trees: &mut SqlTrees, id: SqlNodeId) -> SqlNodeId {
        self.without_guards_at(trees, id, ExpressionPosition::WHOLE_EXPRESSION)
    }

    fn without_guards_at(&self, trees: &mut SqlTrees, id: SqlNodeId, position: ExpressionPosition) -> SqlNodeId {
        let mut id = id;
        while let Some((_, inner)) = self.expression_inside_guard(trees, id, position) {
            id = inner;
        }
        let mut label = trees.label(id).clone();
        let mut parts = trees.children(id).to_vec();
        if parts.is_empty() || label == SqlLabel::Field {
            return id;
        }
        let mut names = None;
        if label == SqlLabel::Call {
            let name = parts.remove(0);
            if is_word(trees, name, "safe_divide") && parts.len() == 2 {
                label = SqlLabel::Op("/".to_owned());
            } else {
                names = Some(without_safe_prefix(trees, name).unwrap_or(name));
            }
        }
        let new: Vec<SqlNodeId> = parts
            .iter()
            .enumerate()
            .map(|(child_index, part)| {
                let inside = position.of_child(trees, id, &label, child_index);
                self.without_guards_at(trees, *part, inside)
            })
            .collect();
        trees.add(label, names.into_iter().chain(new).collect())
    }

    /// Returns the expression inside a guard.
    fn expression_inside_guard(
        &self,
        trees: &SqlTrees,
        id: SqlNodeId,
        position: ExpressionPosition,
    ) -> Option<(SqlGuard, SqlNodeId)> {
        let (guard, inner, adds_value) = self.find_guard(trees, id, position)?;
        let accepted = match adds_value {
            true => position.accepts_guard(SqlGuard::Default) && position.accepts_guard(guard),
            false => guard == SqlGuard::Default || position.accepts_guard(guard),
        };
        accepted.then_some((guard, inner))
    }

    /// Returns a guard, the expression inside, and whether the guard may return a value if the expression is NULL.
    fn find_guard(
        &self,
        trees: &SqlTrees,
        id: SqlNodeId,
        position: ExpressionPosition,
    ) -> Option<(SqlGuard, SqlNodeId, bool)> {
        let parts = trees.children(id);
        if *trees.label(id) == SqlLabel::Case {
            let (inner, adds_value) = guarded_result(trees, id)?;
            return Some((SqlGuard::Condition, inner, adds_value));
        }
        let (SqlLabel::Call, [name, first, rest @ ..]) = (trees.label(id), parts) else {
            return None;
        };
        let SqlLabel::Word(name) = trees.label(*name) else {
            return None;
        };
        match (name.as_str(), rest) {
            ("coalesce", [_, ..]) => {
                let first_columns = columns(trees, *first);
                let is_default =
                    |part: &SqlNodeId| is_constant(trees, *part) || columns(trees, *part).is_subset(&first_columns);
                // `coalesce(round(x, 2), x)` is NULL only if `x` is NULL, unlike `coalesce(greatest(x, y), x, y)`.
                let is_zero = |part: &SqlNodeId| *trees.label(*part) == SqlLabel::Number("0".to_owned());
                let adds_zero = rest.iter().all(is_zero) && position.accepts_zero_default();
                let adds_value = !adds_zero && rest.iter().any(|part| columns(trees, *part) != first_columns);
                rest.iter()
                    .all(is_default)
                    .then_some((SqlGuard::Default, *first, adds_value))
            }
            ("nullif", [zero]) if position.role == ExpressionPlace::Divisor => {
                let is_zero = *trees.label(*zero) == SqlLabel::Number("0".to_owned());
                is_zero.then_some((SqlGuard::Division, *first, false))
            }
            ("cast" | "try_cast" | "safe_cast", []) => {
                let [x, _, ty, ..] = trees.children(*first) else {
                    return None;
                };
                let x = formatted_number(trees, *x).unwrap_or(*x);
                self.is_conversion(trees, x, *ty, position)
                    .then_some((SqlGuard::Conversion, x, false))
            }
            _ => None,
        }
    }

    /// Returns whether a cast only converts the type of a value. A cast to a date also removes the time of day, so it
    /// counts as a conversion only if the value is already truncated.
    fn is_conversion(&self, trees: &SqlTrees, x: SqlNodeId, ty: SqlNodeId, position: ExpressionPosition) -> bool {
        let ty = match trees.label(ty) {
            SqlLabel::Call => trees.children(ty).first().copied().unwrap_or(ty),
            _ => ty,
        };
        let SqlLabel::Word(ty) = trees.label(ty) else {
            return false;
        };
        if ty == self.date {
            let name = trees.children(x).first().filter(|_| *trees.label(x) == SqlLabel::Call);
            return name.is_some_and(|name| is_word(trees, *name, "date_trunc"));
        }
        let is_result = is_call(trees, x);
        // The type of a number with a decimal point can differ only in its precision.
        if matches!(trees.label(x), SqlLabel::Number(digits) if digits.contains('.')) {
            return self.types.contains(&ty.as_str());
        }
        self.types.contains(&ty.as_str())
            && match position.role {
                ExpressionPlace::Argument => true,
                ExpressionPlace::Dividend | ExpressionPlace::Divisor => !self.divides_integers,
                ExpressionPlace::Other => is_result,
            }
    }
}

/// Returns the result of a `case` that computes one call for usual values and constants for special values, and whether
/// one of the constants is not NULL.
fn guarded_result(trees: &SqlTrees, id: SqlNodeId) -> Option<(SqlNodeId, bool)> {
    let mut conditions = Vec::new();
    let mut results = Vec::new();
    let mut rest = id;
    while let (SqlLabel::Case, [condition, result, default]) = (trees.label(rest), trees.children(rest)) {
        conditions.push(*condition);
        results.push(*result);
        rest = *default;
    }
    results.push(rest);
    let adds_value = results.iter().any(|result| is_non_null_constant(trees, *result));
    results.retain(|result| !is_constant(trees, *result));
    let [result] = results.as_slice() else { return None };
    let result_columns = columns(trees, *result);
    let is_about_call = conditions
        .iter()
        .all(|condition| columns(trees, *condition).is_subset(&result_columns));
    (is_about_call && is_call(trees, *result)).then_some((*result, adds_value))
}

/// Returns whether an expression is a constant other than NULL.
fn is_non_null_constant(trees: &SqlTrees, id: SqlNodeId) -> bool {
    is_constant(trees, id) && *trees.label(id) != SqlLabel::Nothing && !is_word(trees, id, "null")
}

/// Returns whether an expression is a call, or the conversion of a call.
fn is_call(trees: &SqlTrees, id: SqlNodeId) -> bool {
    let mut id = id;
    loop {
        match (trees.label(id), trees.children(id)) {
            (SqlLabel::Behind(_), _) => return true,
            (SqlLabel::Call, [name, first, ..]) => match value_of_cast(trees, *name, *first) {
                Some(value) => id = value,
                None => return true,
            },
            (label, _) => return *label == SqlLabel::Call,
        }
    }
}

/// Returns the value in `cast(value as type)`, given the name and the first argument of a call.
fn value_of_cast(trees: &SqlTrees, name: SqlNodeId, first: SqlNodeId) -> Option<SqlNodeId> {
    let is_cast = ["cast", "try_cast", "safe_cast"]
        .iter()
        .any(|cast| is_word(trees, name, cast));
    trees.children(first).first().copied().filter(|_| is_cast)
}

/// Returns the number in `to_char(number, 'mask')` or `printf('%.15g', number)`, whose text is an argument of a cast.
fn formatted_number(trees: &SqlTrees, id: SqlNodeId) -> Option<SqlNodeId> {
    let (SqlLabel::Call, [name, first, second]) = (trees.label(id), trees.children(id)) else {
        return None;
    };
    let SqlLabel::Word(name) = trees.label(*name) else {
        return None;
    };
    let (number, mask) = match name.as_str() {
        "to_char" => (first, second),
        "format" | "printf" => (second, first),
        _ => return None,
    };
    matches!(trees.label(*mask), SqlLabel::Text(..)).then_some(*number)
}

fn is_word(trees: &SqlTrees, id: SqlNodeId, word: &str) -> bool {
    matches!(trees.label(id), SqlLabel::Word(own) if own == word)
}

/// Returns `f` for the name `safe.f`.
fn without_safe_prefix(trees: &SqlTrees, name: SqlNodeId) -> Option<SqlNodeId> {
    match (trees.label(name), trees.children(name)) {
        (SqlLabel::Field, [safe, function]) if is_word(trees, *safe, "safe") => Some(*function),
        _ => None,
    }
}

fn is_constant(trees: &SqlTrees, id: SqlNodeId) -> bool {
    match (trees.label(id), trees.children(id)) {
        (SqlLabel::Number(_) | SqlLabel::Text(..) | SqlLabel::Typed | SqlLabel::Nothing, _) => true,
        (SqlLabel::Word(word), []) => matches!(word.as_str(), "null" | "true" | "false"),
        (SqlLabel::Negative, [inner]) => *trees.label(*inner) != SqlLabel::Negative && is_constant(trees, *inner),
        (SqlLabel::Call, [name, first]) => value_of_cast(trees, *name, *first)
            .is_some_and(|value| trees.children(value).is_empty() && is_constant(trees, value)),
        _ => false,
    }
}

/// Returns the columns in an expression, without the names of functions and types.
fn columns(trees: &SqlTrees, id: SqlNodeId) -> FxHashSet<SqlNodeId> {
    let mut column_set = FxHashSet::default();
    let mut left = vec![id];
    let mut seen = FxHashSet::default();
    while let Some(id) = left.pop() {
        if !seen.insert(id) {
            continue;
        }
        match (trees.label(id), trees.children(id)) {
            _ if trees.column(id).is_some() => {
                if !is_constant(trees, id) {
                    column_set.insert(id);
                }
            }
            (SqlLabel::Call, [name, first, rest @ ..]) => match value_of_cast(trees, *name, *first) {
                Some(value) => left.push(value),
                None => left.extend([first].into_iter().chain(rest)),
            },
            (SqlLabel::Call, _) => {}
            (_, parts) => left.extend(parts),
        }
    }
    column_set
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;
    use crate::dbt::tokens::tokens;

    fn guards(generated: &str, edited: &str, dialect: &str) -> Option<Vec<SqlGuard>> {
        let dialect: Dialect = dialect.parse().unwrap();
        let mut trees = SqlTrees::default();
        let mut parse_sql = |sql: &str| parse(sql, &tokens(sql, dialect), dialect, &mut trees).unwrap();
        let (generated, edited) = (parse_sql(generated), parse_sql(edited));
        let guard_set = GuardRecognizer::new(dialect).added_guards(&trees, generated, edited);
        guard_set.map(GuardDifference::kinds)
    }

    #[test]
    fn guards_are_recognized() {
        for (dialect, generated, edited, expected) in [
            ("duckdb", "coalesce(sum(x), 0)", "sum(x)", vec![SqlGuard::Default]),
            (
                "duckdb",
                "coalesce(round(try_cast(printf('%.15g', x) as decimal(38, 18)), 2), x)",
                "round(x, 2)",
                vec![SqlGuard::Default, SqlGuard::Conversion],
            ),
            (
                "bigquery",
                "coalesce(round(safe_cast(format('%.15g', x) as bignumeric), 2), safe.round(x, 2))",
                "round(x, 2)",
                vec![SqlGuard::Default, SqlGuard::Conversion],
            ),
            (
                "snowflake",
                "coalesce(round(try_cast(to_char(x, 'FM0.00000000000000EE') as number(38, 18)), 2), x)",
                "round(x, 2)",
                vec![SqlGuard::Default, SqlGuard::Conversion],
            ),
            (
                "duckdb",
                "case when x >= 0 then sqrt(x) end",
                "sqrt(x)",
                vec![SqlGuard::Condition],
            ),
            (
                "postgres",
                "case when min(x) < max(x) then stddev_samp(x) when count(x) > 1 then 0 end",
                "stddev_samp(x)",
                vec![SqlGuard::Condition],
            ),
            ("duckdb", "x / nullif(y, 0)", "x / y", vec![SqlGuard::Division]),
            ("bigquery", "safe_divide(x, y)", "x / y", vec![SqlGuard::Division]),
            (
                "bigquery",
                "safe.ln(cast(x as float64))",
                "ln(x)",
                vec![SqlGuard::Conversion, SqlGuard::NoError],
            ),
            (
                "duckdb",
                "cast(date_trunc('month', x) as date)",
                "date_trunc('month', x)",
                vec![SqlGuard::Conversion],
            ),
            (
                "snowflake",
                "cast(x as float) / nullif(y, 0)",
                "x / y",
                vec![SqlGuard::Conversion, SqlGuard::Division],
            ),
        ] {
            assert_eq!(guards(generated, edited, dialect), Some(expected), "{generated}");
        }
    }

    /// The added parts of these expressions change the result even for usual values, so the parts are not guards.
    #[test]
    fn other_parts_are_not_guards() {
        for (generated, edited) in [
            // Integer division in Postgres discards the remainder.
            ("cast(x as double precision) / nullif(y, 0)", "x / y"),
            ("cast(x as double precision) * y / z", "x * y / z"),
            ("cast(x as date)", "x"),
            ("cast(current_timestamp as date)", "current_timestamp"),
            ("cast(x as bigint)", "x"),
            ("coalesce(x, y)", "x"),
            ("case when y > 0 then sqrt(x) end", "sqrt(x)"),
            ("case when x < 0 then -x else x end", "x"),
            ("case when x < 0 then ceil(x) else floor(x) end", "floor(x)"),
            ("sum(case when y = 1 then x end)", "sum(x)"),
            ("nullif(x, 0)", "x"),
            // The edit adds the guard.
            ("sum(x)", "coalesce(sum(x), 0)"),
            ("round(x, 2)", "round(cast(x as numeric), 2)"),
        ] {
            assert_eq!(guards(generated, edited, "postgres"), None, "{generated}");
        }
    }
}
