//! Printer of selects, formatted according to dbt's style guide.

use super::lowering::Select;
use super::pretty::{LINE_WIDTH, write_pretty};
use super::query::{QueryInput, SelectSource};
use super::relational_plan::{NamedWindow, OptionalCondition, RowPlan, Scan};
use super::single_line::write_single_line;
use super::text::SqlText;
use super::tree::{SqlId, SqlTree};

/// Appends the SQL of a plan. `indent` is the indent of the keywords.
pub(super) fn write_plan(tree: &SqlTree, plan: &RowPlan, inputs: &[QueryInput<'_>], indent: usize, out: &mut SqlText) {
    for (index, select) in plan.lower().enumerate() {
        if index > 0 {
            out.push_spaces(indent);
            out.text.push_str("union all\n");
        }
        write_select(tree, &select, inputs, indent, out);
    }
}

/// Appends the SQL of a select.
fn write_select(tree: &SqlTree, select: &Select<'_>, inputs: &[QueryInput<'_>], indent: usize, out: &mut SqlText) {
    out.push_spaces(indent);
    out.text
        .push_str(if select.distinct { "select distinct" } else { "select" });
    if let (Some(star), []) = (select.star, select.items) {
        out.text.push_str(&format!(" {star}"));
        // Print `select * from x` on one line.
        if let (Some(from), true) = (select.from, has_no_clauses(select)) {
            out.text.push_str(" from ");
            write_scan(from, inputs, out);
            out.text.push('\n');
            write_where_clause(tree, select, indent, out);
            return;
        }
    }
    if let (Some(star), [_, ..]) = (select.star, select.items) {
        out.text.push('\n');
        out.push_spaces(indent + 4);
        out.text.push_str(&format!("{star},"));
    }
    write_items(tree, select, indent, out);
    out.text.push('\n');
    write_from_clause(tree, select, inputs, indent, out);
    write_where_clause(tree, select, indent, out);
    write_key_clause(tree, "group by", select.group_by, indent, out);
    if let Some(having) = select.having {
        write_condition_clause(tree, "having", having, indent, out);
    }
    if let Some(window) = select.window {
        write_named_window(tree, window, indent, out);
    }
    write_key_clause(tree, "order by", select.order_by, indent, out);
    if let Some(limit) = select.limit {
        out.push_spaces(indent);
        out.text.push_str(&format!("limit {limit}\n"));
    }
}

/// Prints the select list with one item per line. A single item is printed on the line of `select` if it fits there.
fn write_items(tree: &SqlTree, select: &Select<'_>, indent: usize, out: &mut SqlText) {
    let is_one_line = is_single_line_select_list(tree, select, indent);
    for (i, item) in select.items.iter().enumerate() {
        if is_one_line {
            out.text.push(' ');
        } else {
            out.text.push('\n');
            out.push_spaces(indent + 4);
        }
        let last = i + 1 == select.items.len();
        let after = item.alias.as_ref().map_or(0, |a| a.len() + 4) + usize::from(!last);
        write_pretty(tree, item.expr, indent + 4, after, out);
        if let Some(alias) = &item.alias {
            if out.current_line().len() + after > LINE_WIDTH {
                out.text.push('\n');
                out.push_spaces(indent + 8);
            } else {
                out.text.push(' ');
            }
            out.text.push_str("as ");
            out.text.push_str(alias);
        }
        if !last {
            out.text.push(',');
        }
    }
}

fn write_from_clause(tree: &SqlTree, select: &Select<'_>, inputs: &[QueryInput<'_>], indent: usize, out: &mut SqlText) {
    if let Some(from) = select.from {
        out.push_spaces(indent);
        out.text.push_str("from ");
        write_scan(from, inputs, out);
        out.text.push('\n');
    }
    for join in &select.joins {
        out.push_spaces(indent);
        out.text.push_str(join.kind.keyword());
        out.text.push_str(" join ");
        write_scan(&join.scan, inputs, out);
        out.text.push('\n');
        if let Some(condition) = join.on {
            write_condition_clause(tree, "on", condition, indent + 4, out);
        }
    }
}

/// Prints the `window` clause on one line, or one key per line if the clause is too long.
fn write_named_window(tree: &SqlTree, window: &NamedWindow, indent: usize, out: &mut SqlText) {
    out.push_spaces(indent);
    out.text.push_str(&format!("window {} as (", window.name));
    let list = |keys: &[SqlId]| keys.iter().map(|key| tree.width(*key) as usize + 2).sum::<usize>();
    let width = list(&window.partition) + list(&window.order) + window.name.len() + 36;
    if indent + width <= LINE_WIDTH {
        let clauses = [("partition by ", &window.partition), ("order by ", &window.order)];
        let clauses = clauses.into_iter().filter(|(_, keys)| !keys.is_empty());
        for (i, (word, keys)) in clauses.enumerate() {
            out.text.push_str(if i > 0 { " " } else { "" });
            out.text.push_str(word);
            for (i, key) in keys.iter().enumerate() {
                out.text.push_str(if i > 0 { ", " } else { "" });
                write_single_line(tree, *key, &mut Vec::new(), out);
            }
        }
    } else {
        out.text.push('\n');
        write_key_clause(tree, "partition by", &window.partition, indent + 4, out);
        write_key_clause(tree, "order by", &window.order, indent + 4, out);
        out.push_spaces(indent);
    }
    out.text.push_str(")\n");
}

/// Returns whether the select has a single item that fits on the same line as `select`.
fn is_single_line_select_list(tree: &SqlTree, select: &Select<'_>, indent: usize) -> bool {
    let [item] = select.items else { return false };
    let words = if select.distinct { "select distinct " } else { "select " };
    let alias = item.alias.as_ref().map_or(0, |alias| alias.len() + 4);
    select.star.is_none() && indent + words.len() + tree.width(item.expr) as usize + alias <= LINE_WIDTH
}

/// Prints `where`. An optional condition is printed between its macros, together with the keyword before it.
fn write_where_clause(tree: &SqlTree, select: &Select<'_>, indent: usize, out: &mut SqlText) {
    let Some(OptionalCondition { begin, condition, end }) = select.optional_filter else {
        if let Some(filter) = select.filter {
            write_condition_clause(tree, "where", filter, indent, out);
        }
        return;
    };
    let mut macro_indent = indent;
    if let Some(filter) = select.filter {
        macro_indent += 4;
        out.push_spaces(indent);
        out.text.push_str("where\n");
        out.push_spaces(indent + 4);
        write_pretty(tree, filter, indent + 4, 0, out);
        out.text.push('\n');
    }
    let (start, first_macro) = (out.text.len(), out.macros.len());
    out.push_spaces(macro_indent);
    write_pretty(tree, begin, macro_indent, 0, out);
    out.text.push('\n');
    if select.filter.is_none() {
        out.push_spaces(indent + 4);
        out.text.push_str("where\n");
    }
    out.push_spaces(indent + 8);
    out.text.push_str(if select.filter.is_some() { "and " } else { "" });
    write_pretty(tree, condition, indent + 8, 0, out);
    out.text.push('\n');
    out.push_spaces(macro_indent);
    write_pretty(tree, end, macro_indent, 0, out);
    out.text.push('\n');
    if let Some(begin) = out.macros.get_mut(first_macro) {
        begin.optional = start..out.text.len();
    }
}

fn has_no_clauses(select: &Select<'_>) -> bool {
    select.joins.is_empty()
        && select.filter.is_none()
        && select.group_by.is_empty()
        && select.having.is_none()
        && select.order_by.is_empty()
        && select.limit.is_none()
        && select.window.is_none()
}

fn write_scan(scan: &Scan, inputs: &[QueryInput<'_>], out: &mut SqlText) {
    let (name, own_alias) = match &scan.source {
        SelectSource::Input(index) => inputs
            .get(*index as usize)
            .map_or(("", None), |input| (input.name, input.alias)),
        SelectSource::Name(text) => (text.as_str(), None),
    };
    let alias = scan.alias.as_deref().or(own_alias);
    write_relation(name, alias.map_or(0, |alias| alias.len() + 4), out);
    if let Some(alias) = alias {
        out.text.push_str(" as ");
        out.text.push_str(alias);
    }
}

/// Prints the name of a relation, or a call of a table function with one argument per line if the call is too long.
/// `bytes_after` is the number of bytes that follow on the same line.
fn write_relation(name: &str, bytes_after: usize, out: &mut SqlText) {
    if !name.ends_with(')') {
        out.text.push_str(name);
        return;
    }
    let line = out.current_line();
    let is_long = line.len() + name.len() + bytes_after > LINE_WIDTH;
    let indent = line.len() - line.trim_start().len();
    let Some((function, arguments)) = split_table_function_call(name).filter(|_| is_long) else {
        out.text.push_str(name);
        return;
    };
    out.text.push_str(function);
    out.text.push('(');
    for (index, argument) in arguments.iter().enumerate() {
        out.text.push_str(if index == 0 { "\n" } else { ",\n" });
        out.push_spaces(indent + 4);
        out.text.push_str(argument);
    }
    out.text.push('\n');
    out.push_spaces(indent);
    out.text.push(')');
}

/// Splits a call of a table function into the function and its arguments. `None` for other relations.
fn split_table_function_call(relation: &str) -> Option<(&str, Vec<&str>)> {
    let (function, rest) = relation.split_once('(')?;
    let arguments = rest.strip_suffix(')')?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ');
    if !function.chars().all(is_word) {
        return None;
    }
    let (mut depth, mut quote, mut start, mut parts) = (0_usize, None, 0, Vec::new());
    for (offset, c) in arguments.char_indices() {
        match (quote, c) {
            (Some(open), _) => quote = Some(open).filter(|open| *open != c),
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.checked_sub(1)?,
            (None, ',') if depth == 0 => {
                parts.push(arguments.get(start..offset)?.trim());
                start = offset + 1;
            }
            (None, _) => {}
        }
    }
    parts.push(arguments.get(start..)?.trim());
    Some((function, parts))
}

/// Prints a condition after its keyword, or below the keyword if the condition is too long.
fn write_condition_clause(tree: &SqlTree, word: &str, expr: SqlId, indent: usize, out: &mut SqlText) {
    out.push_spaces(indent);
    out.text.push_str(word);
    if indent + word.len() + 1 + tree.width(expr) as usize <= LINE_WIDTH {
        out.text.push(' ');
        write_pretty(tree, expr, indent, 0, out);
    } else {
        out.text.push('\n');
        out.push_spaces(indent + 4);
        write_pretty(tree, expr, indent + 4, 0, out);
    }
    out.text.push('\n');
}

/// Prints keys after their keyword on the same line, or below the keyword with one key per line.
fn write_key_clause(tree: &SqlTree, word: &str, keys: &[SqlId], indent: usize, out: &mut SqlText) {
    if keys.is_empty() {
        return;
    }
    out.push_spaces(indent);
    out.text.push_str(word);
    let width: usize = keys.iter().map(|k| tree.width(*k) as usize + 2).sum();
    let short = indent + word.len() + width <= LINE_WIDTH;
    for (i, key) in keys.iter().enumerate() {
        if short {
            out.text.push(' ');
        } else {
            out.text.push('\n');
            out.push_spaces(indent + 4);
        }
        write_pretty(tree, *key, if short { indent } else { indent + 4 }, 1, out);
        if i + 1 < keys.len() {
            out.text.push(',');
        }
    }
    out.text.push('\n');
}
