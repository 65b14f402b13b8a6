//! Queries: CTEs and selects, laid out as dbt's style guide has them.

use super::pretty::pretty;
use super::tree::{SqlId, Tree};

/// A query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub ctes: Vec<Cte>,
    pub body: Select,
}

/// A named part of a query.
#[derive(Clone, Debug)]
pub(crate) struct Cte {
    /// As written.
    pub name: String,
    pub body: Select,
}

/// A column of a select.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub expr: SqlId,
    /// As written; none when the expression has that name already.
    pub alias: Option<String>,
}

/// What a select reads.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// What the whole query reads: the table, or the CTE that imports it.
    Input,
    /// A CTE, as written.
    Name(String),
}

/// A key of `order by`.
#[derive(Clone, Debug)]
pub(crate) struct OrderKey {
    pub expr: SqlId,
}

/// One select.
#[derive(Clone, Debug, Default)]
pub(crate) struct Select {
    /// `*` before the items.
    pub star: bool,
    pub distinct: bool,
    pub items: Vec<Item>,
    pub from: Option<Source>,
    pub filter: Option<SqlId>,
    pub group_by: Vec<SqlId>,
    pub having: Option<SqlId>,
    pub order_by: Vec<OrderKey>,
    pub limit: Option<u64>,
}

/// Appends a query, ending in a line break.
/// `import` is a CTE that reads the input, with the text of its body; else `input` is read directly.
pub(crate) fn write_query(tree: &Tree, query: &Query, input: &str, import: Option<&str>, out: &mut String) {
    if let Some(body) = import {
        out.push_str(&format!(
            "with {input} as (\n\n    {body}\n\n){}\n\n",
            if query.ctes.is_empty() { "" } else { "," }
        ));
    }
    for (i, cte) in query.ctes.iter().enumerate() {
        out.push_str(if i == 0 && import.is_none() { "with " } else { "" });
        out.push_str(&cte.name);
        out.push_str(" as (\n\n");
        write_select(tree, &cte.body, input, 4, out);
        out.push_str(if i + 1 == query.ctes.len() { "\n)\n\n" } else { "\n),\n\n" });
    }
    write_select(tree, &query.body, input, 0, out);
}

fn line(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_select(tree: &Tree, select: &Select, input: &str, indent: usize, out: &mut String) {
    line(out, indent);
    out.push_str(if select.distinct { "select distinct" } else { "select" });
    if select.star && select.items.is_empty() {
        out.push_str(" *");
        // `select * from x` is one line.
        if let (Some(from), true) = (&select.from, is_bare(select)) {
            out.push_str(" from ");
            write_source(from, input, out);
            out.push('\n');
            return;
        }
    }
    if select.star && !select.items.is_empty() {
        out.push('\n');
        line(out, indent + 4);
        out.push_str("*,");
    }
    for (i, item) in select.items.iter().enumerate() {
        out.push('\n');
        line(out, indent + 4);
        let last = i + 1 == select.items.len();
        let after = item.alias.as_ref().map_or(0, |a| a.len() + 4) + usize::from(!last);
        pretty(tree, item.expr, indent + 4, after, out);
        if let Some(alias) = &item.alias {
            out.push_str(" as ");
            out.push_str(alias);
        }
        if !last {
            out.push(',');
        }
    }
    out.push('\n');
    if let Some(from) = &select.from {
        line(out, indent);
        out.push_str("from ");
        write_source(from, input, out);
        out.push('\n');
    }
    if let Some(filter) = select.filter {
        clause(tree, "where", filter, indent, out);
    }
    keys(tree, "group by", &select.group_by, indent, out);
    if let Some(having) = select.having {
        clause(tree, "having", having, indent, out);
    }
    let order: Vec<SqlId> = select.order_by.iter().map(|k| k.expr).collect();
    keys(tree, "order by", &order, indent, out);
    if let Some(limit) = select.limit {
        line(out, indent);
        out.push_str(&format!("limit {limit}\n"));
    }
}

fn is_bare(select: &Select) -> bool {
    select.filter.is_none()
        && select.group_by.is_empty()
        && select.having.is_none()
        && select.order_by.is_empty()
        && select.limit.is_none()
}

fn write_source(source: &Source, input: &str, out: &mut String) {
    match source {
        Source::Input => out.push_str(input),
        Source::Name(text) => out.push_str(text),
    }
}

/// A condition behind its keyword, or below it when it is too long.
fn clause(tree: &Tree, word: &str, expr: SqlId, indent: usize, out: &mut String) {
    line(out, indent);
    out.push_str(word);
    if indent + word.len() + 1 + tree.width(expr) as usize <= 80 {
        out.push(' ');
        pretty(tree, expr, indent, 0, out);
    } else {
        out.push('\n');
        line(out, indent + 4);
        pretty(tree, expr, indent + 4, 0, out);
    }
    out.push('\n');
}

/// Keys behind their keyword, or one a line below it.
fn keys(tree: &Tree, word: &str, keys: &[SqlId], indent: usize, out: &mut String) {
    if keys.is_empty() {
        return;
    }
    line(out, indent);
    out.push_str(word);
    let width: usize = keys.iter().map(|k| tree.width(*k) as usize + 2).sum();
    let short = indent + word.len() + width <= 80;
    for (i, key) in keys.iter().enumerate() {
        if short {
            out.push(' ');
        } else {
            out.push('\n');
            line(out, indent + 4);
        }
        pretty(tree, *key, if short { indent } else { indent + 4 }, 1, out);
        if i + 1 < keys.len() {
            out.push(',');
        }
    }
    out.push('\n');
}
