//! Reasons why no formula produces edited SQL. Each reason names the SQL construct and the most similar formula.

use formulac_syntax::text::collapse_whitespace;

use super::file::{FilePartKind, FilePartPosition};
use super::formula::{DecompileError, decompile_error};
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::check::sql_function_advice;

/// The most similar formula for each SQL function, operator and keyword.
const UNSUPPORTED_SQL_ADVICE_TEXT: &str = include_str!("unsupported_sql_advice.txt");
/// Advice for SQL that has no similar formula.
const DBT_MODEL_ADVICE: &str = "a dbt model that the spec reads can compute it";

/// Returns the advice that the list contains for one of these names.
fn advice_for_names(names: &[String]) -> Option<String> {
    let lines = UNSUPPORTED_SQL_ADVICE_TEXT
        .lines()
        .filter(|line| !line.starts_with('#'));
    let entries: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let advice_for = |name: &String| {
        entries
            .iter()
            .find(|(names, _)| names.split(' ').any(|listed_name| listed_name == name))
    };
    let (_, advice) = names.iter().find_map(advice_for)?;
    Some((*advice).to_owned())
}

/// Returns the reason why no formula was found for a subexpression. Jinja in the subexpression is the reason, because a
/// formula cannot contain Jinja. But the reason for a subquery is the subquery, even if it reads a `ref`.
pub(super) fn unknown_sql_error(trees: &SqlTrees, expression: SqlNodeId, part: SqlNodeId) -> DecompileError {
    let construct_node = innermost_named_construct(trees, expression, part);
    let is_jinja = |part: &SqlNodeId| matches!(trees.label(*part), SqlLabel::Jinja(_));
    let named_node = match is_subquery(trees, construct_node) {
        true => construct_node,
        false => {
            let jinja = trees.descendants(construct_node).into_iter().find(is_jinja);
            jinja.unwrap_or(construct_node)
        }
    };
    let names = advice_keys_of_construct(trees, named_node);
    let advice = advice_for_names(&names).or_else(|| names.iter().find_map(|name| sql_function_advice(name)));
    let advice = advice.unwrap_or_else(|| DBT_MODEL_ADVICE.to_owned());
    let construct = describe_construct(trees, named_node);
    decompile_error(format!("no formula expresses {construct}; {advice}"))
}

/// Returns the outermost subexpression for which the list contains advice.
pub(super) fn subexpression_with_advice(trees: &SqlTrees, expression: SqlNodeId) -> Option<SqlNodeId> {
    let parts = trees.descendants(expression).into_iter().rev();
    let mut listed_parts = parts.filter(|part| advice_for_names(&advice_keys_of_construct(trees, *part)).is_some());
    listed_parts.next()
}

/// Returns the reason for rejecting an edit whose nearest formula has different SQL.
pub(super) fn nearest_formula_error(formula: &str, sql: &str) -> DecompileError {
    decompile_error(format!(
        "no formula produces this SQL; the nearest formula is `{formula}`, whose SQL is `{sql}`"
    ))
}

/// Returns the reason for rejecting an edit if the SQL of its formula is in a CTE that the edited file lacks.
pub(super) fn wrong_cte_error(formula: &str, cte: &str) -> DecompileError {
    decompile_error(format!(
        "formulac computes the formula `{formula}` in the CTE `{cte}`; add the definition to the spec"
    ))
}

/// Returns the reason for rejecting an edit whose formula has a different value in periods that `fill` adds. `values`
/// are the value of the formula and the value of the edited SQL, if they are known.
pub(super) fn added_periods_error(formula: &str, values: [Option<String>; 2]) -> DecompileError {
    let difference = match values {
        [Some(value), Some(edited)] => format!("{value}, but the edited SQL returns {edited}"),
        _ => "a different value than the edited SQL".to_owned(),
    };
    decompile_error(format!(
        "in periods that `fill` adds, the formula `{formula}` would return {difference}"
    ))
}

/// Returns the reason for rejecting an edit whose formula is not an aggregate, in a step with groups.
pub(super) fn unaggregated_formula_error(formula: &str) -> DecompileError {
    decompile_error(format!(
        "a step with groups has no column for `{formula}`; aggregate it, or add it to `group_by`"
    ))
}

/// Returns the reason for rejecting an edit of a column from which the SQL also computes another definition. The
/// formula of this definition contains the same aggregate instead of the column's name.
pub(super) fn unnamed_dependent_error(formula: &str, column: &str, reader: &str) -> DecompileError {
    decompile_error(format!(
        "the formula `{formula}` would change only `{column}`, but the edited SQL also changes `{reader}`; first write \
         `{column}` in the formula of `{reader}`"
    ))
}

/// Returns the reason for rejecting an edit whose formula also changes another part of the SQL. `sql` is the generated
/// SQL of this part, or `None` if the part is the whole query.
pub(super) fn changed_part_error(formula: &str, part: &str, sql: Option<&str>) -> DecompileError {
    let sql = sql.map(collapse_whitespace);
    decompile_error(match sql.as_deref() {
        None => format!("the formula `{formula}` also changes {part}"),
        Some("") => format!("the formula `{formula}` also removes {part}"),
        Some(sql) if part == format!("the column `{sql}`") => {
            format!("the formula `{formula}` also moves {part} to an earlier CTE")
        }
        Some(sql) => format!("the formula `{formula}` also changes {part} to `{sql}`"),
    })
}

/// Returns the reason for rejecting an edit whose nearest formula does not compile.
pub(super) fn invalid_formula_error(formula: &str, error: &str) -> DecompileError {
    decompile_error(format!("the formula `{formula}` has an error: {error}"))
}

/// Returns the innermost construct around a node that has a name in SQL. For example, adjacent words inside a call have
/// no name of their own, so the call is returned.
fn innermost_named_construct(trees: &SqlTrees, expression: SqlNodeId, part: SqlNodeId) -> SqlNodeId {
    let parts = trees.descendants(expression);
    let mut part = part;
    loop {
        // Children precede their parents.
        let parent = parts.iter().find(|other| trees.children(**other).contains(&part));
        let is_unnamed = match trees.label(part) {
            SqlLabel::Group => !is_subquery(trees, part),
            SqlLabel::Row | SqlLabel::Bracket | SqlLabel::Nothing | SqlLabel::Rows | SqlLabel::Clause(_) => true,
            // A call may be a type with arguments, such as `numeric(10, 2)`. If a call has a window, the window may be
            // the reason why no formula exists.
            SqlLabel::Call => parent.is_some_and(|parent| {
                let is_first = trees.children(*parent).first() == Some(&part);
                is_conversion(trees, *parent) && !is_first
                    || is_first && *trees.label(*parent) == SqlLabel::Behind("over")
            }),
            _ => false,
        };
        match parent.filter(|_| is_unnamed) {
            Some(parent) => part = *parent,
            None => return part,
        }
    }
}

/// Returns whether a subexpression is `value as type`.
fn is_conversion(trees: &SqlTrees, part: SqlNodeId) -> bool {
    let as_type = |word: &SqlNodeId| matches!(trees.label(*word), SqlLabel::Word(word) if word == "as");
    *trees.label(part) == SqlLabel::Row && trees.children(part).get(1).is_some_and(as_type)
}

/// Returns the value in `cast(value as type)`.
pub(super) fn value_of_conversion(trees: &SqlTrees, expression: SqlNodeId) -> Option<SqlNodeId> {
    match (trees.label(expression), trees.children(expression)) {
        (SqlLabel::Call, [_, conversion]) if is_conversion(trees, *conversion) => {
            trees.children(*conversion).first().copied()
        }
        _ => None,
    }
}

fn is_subquery(trees: &SqlTrees, part: SqlNodeId) -> bool {
    let mut words = trees.descendants(part).into_iter();
    words.any(|part| matches!(trees.label(part), SqlLabel::Word(word) if word == "select"))
}

/// Returns the names under which the list may contain advice for a construct: its function, its operator or its
/// keyword.
fn advice_keys_of_construct(trees: &SqlTrees, part: SqlNodeId) -> Vec<String> {
    let first = trees.children(part).first().copied();
    let of_call = |call: SqlNodeId| {
        let name = trees.children(call).first().copied();
        name.and_then(|name| match (trees.label(name), trees.children(name)) {
            (SqlLabel::Word(word), _) => Some(word.clone()),
            (SqlLabel::Field, [.., last]) => trees.column(*last).map(|(_, name)| name.to_owned()),
            _ => None,
        })
    };
    match trees.label(part) {
        SqlLabel::Call => of_call(part).into_iter().collect(),
        SqlLabel::Behind(suffix) => {
            let inner = first
                .filter(|first| *trees.label(*first) == SqlLabel::Call)
                .and_then(of_call);
            inner.into_iter().chain([(*suffix).to_owned()]).collect()
        }
        SqlLabel::Op(op) => vec![op.clone()],
        SqlLabel::Case | SqlLabel::Switch => vec!["case".to_owned()],
        SqlLabel::Typed => first
            .and_then(|first| trees.column(first))
            .map(|(_, name)| name.to_owned())
            .into_iter()
            .collect(),
        SqlLabel::Group if is_subquery(trees, part) => vec!["select".to_owned()],
        SqlLabel::Group | SqlLabel::Row => {
            let words = trees.children(part).iter().filter_map(|part| trees.column(*part));
            words.map(|(_, word)| word.to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

/// Describes a construct as it appears in the SQL.
fn describe_construct(trees: &SqlTrees, part: SqlNodeId) -> String {
    let parts = trees.children(part);
    match (trees.label(part), parts) {
        (SqlLabel::Word(word) | SqlLabel::Number(word), _) => format!("`{word}`"),
        (SqlLabel::Jinja(code), _) => format!("the Jinja `{code}`"),
        (SqlLabel::Quoted(name), _) => format!("`\"{name}\"`"),
        (SqlLabel::Text(text, _), _) => format!("the text '{text}'"),
        (SqlLabel::Op(op), [_]) => format!("`{op}` of this operand"),
        (SqlLabel::Op(op), _) => format!("`{op}` between these operands"),
        (SqlLabel::Not, _) => "`not`".to_owned(),
        (SqlLabel::Negative, _) => "the minus".to_owned(),
        (SqlLabel::Call, [name, args @ ..]) => describe_call(trees, *name, args),
        (SqlLabel::Field, _) => format!("`{}`", abbreviate_sql(trees, part)),
        (SqlLabel::Typed, _) => format!("`{}`", abbreviate_sql(trees, part)),
        (SqlLabel::Case | SqlLabel::Switch, _) => "this `case`".to_owned(),
        (SqlLabel::Behind("at time zone"), _) => "`at time zone`".to_owned(),
        (SqlLabel::Behind(clause), [inner, ..]) => format!("`{} {clause} (…)`", abbreviate_sql(trees, *inner)),
        (SqlLabel::In, _) => "`in` with this list".to_owned(),
        (SqlLabel::Between, _) => "`between` with these bounds".to_owned(),
        (SqlLabel::Subscript, _) => "an element in square brackets".to_owned(),
        (SqlLabel::Group, _) if is_subquery(trees, part) => "a subquery".to_owned(),
        (SqlLabel::Group, [inner]) => describe_construct(trees, *inner),
        (SqlLabel::Row, _) => {
            let words: Vec<String> = parts.iter().map(|part| abbreviate_sql(trees, *part)).collect();
            match words.iter().all(|word| word == "…") {
                true => "this sequence of expressions".to_owned(),
                false => format!("`{}`", words.join(" ")),
            }
        }
        (SqlLabel::Joined(_), [value, ..]) => format!("`{}` of the joined rows", abbreviate_sql(trees, *value)),
        _ => "this SQL".to_owned(),
    }
}

fn describe_call(trees: &SqlTrees, name: SqlNodeId, args: &[SqlNodeId]) -> String {
    let name = abbreviate_sql(trees, name);
    let row = match args {
        [row] if *trees.label(*row) == SqlLabel::Row => trees.children(*row),
        _ => &[],
    };
    let is_word = |part: &SqlNodeId, word: &str| matches!(trees.label(*part), SqlLabel::Word(own) if own == word);
    match row {
        [_, word, ty @ ..] if is_word(word, "as") => {
            let ty: Vec<String> = ty.iter().map(|part| abbreviate_sql(trees, *part)).collect();
            format!("the conversion `{name}(… as {})`", ty.join(" "))
        }
        [unit, word, _] if is_word(word, "from") => format!("`{name}({} from …)`", abbreviate_sql(trees, *unit)),
        [word, ..] if is_word(word, "distinct") => format!("`{name}(distinct …)`"),
        _ => match args
            .iter()
            .any(|arg| trees.children(*arg).iter().any(|part| is_word(part, "order")))
        {
            true => format!("`{name}(… order by …)`"),
            false => format!("the function `{name}`"),
        },
    }
}

/// Returns the SQL of a name, a literal, a type or a call. Other parts are shown as `…`.
fn abbreviate_sql(trees: &SqlTrees, part: SqlNodeId) -> String {
    let parts = trees.children(part);
    let join_sql = |parts: &[SqlNodeId], separator: &str| {
        let texts: Vec<String> = parts.iter().map(|part| abbreviate_sql(trees, *part)).collect();
        texts.join(separator)
    };
    match (trees.label(part), parts) {
        (SqlLabel::Word(word) | SqlLabel::Number(word) | SqlLabel::Quoted(word), _) => word.clone(),
        (SqlLabel::Text(text, _), _) => format!("'{text}'"),
        (SqlLabel::Field, [_, _]) if trees.column(part).is_some() => join_sql(parts, "."),
        (SqlLabel::Typed, _) => join_sql(parts, " "),
        (SqlLabel::Call, [name, args @ ..]) if args.iter().all(|arg| trees.children(*arg).is_empty()) => {
            format!("{}({})", abbreviate_sql(trees, *name), join_sql(args, ", "))
        }
        (SqlLabel::Call, [name, ..]) => format!("{}(…)", abbreviate_sql(trees, *name)),
        _ => "…".to_owned(),
    }
}

impl FilePartPosition {
    /// Returns the way to write an edited part in a spec, or the reason why a spec cannot express the edit. `None` if
    /// there is no general answer.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        let clause = match &self.kind {
            FilePartKind::Column(_) if self.cte.is_some() => {
                return Some(
                    "`push` copies new and removed columns only from the last select; change the step in the spec",
                );
            }
            FilePartKind::Column(_) => return Some("the spec would also change other parts of the query"),
            FilePartKind::Unnamed => {
                return Some(
                    "a definition needs a name, but only the warehouse can determine the names of these columns",
                );
            }
            FilePartKind::Config => {
                return Some("only the key `config` of a spec changes the text before the query");
            }
            FilePartKind::Other => return Some("a spec generates only a query"),
            FilePartKind::Clause(clause) => clause,
        };
        Some(match clause.as_str() {
            "where" | "having" => "no condition of the spec generates this SQL",
            "group by" => {
                "`push` can only add keys to `group_by`, together with their columns; change other keys in the spec"
            }
            "from" => "to join relations, use `joins` in the spec",
            "qualify" => "to filter by a window, use `where` in the next step of the spec",
            "order by" => "a model has no order; to select the first rows, use `order_by` and `limit` in the spec",
            "limit" | "offset" | "fetch" => "to select the first rows, use `order_by` and `limit` in the spec",
            "distinct" => "to remove duplicate rows, use `group_by` in the spec",
            "union" | "intersect" | "except" => "combine the relations in a dbt model that the spec reads",
            "window" => {
                "formulas express windows with functions such as `OFFSET` and `RANK`, and with ranges such \
                as `SUM(FIRST(x):x)`"
            }
            _ => return None,
        })
    }
}
