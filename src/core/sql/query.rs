//! Queries as a tree: CTEs and selects.

use std::collections::BTreeSet;

use super::relation_aliases::alias_shadowed_relations;
use super::select::write_select;
use super::text::SqlText;
use super::tree::{Sql, SqlId, SqlTree};

/// SQL query: its CTEs and the final select.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub ctes: Vec<Cte>,
    pub body: Select,
}

impl Query {
    /// Returns the indexes of the inputs that the query reads.
    fn inputs(&self) -> BTreeSet<u32> {
        let selects = self.ctes.iter().map(|cte| &cte.body).chain([&self.body]);
        selects.flat_map(Select::inputs).collect()
    }
}

/// Common table expression: a named part of a query.
#[derive(Clone, Debug)]
pub struct Cte {
    /// Name as written in SQL.
    pub name: String,
    pub body: Select,
}

/// Column of a select.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Item {
    pub expr: SqlId,
    /// Alias as written in SQL. `None` if the expression already has that name.
    pub alias: Option<String>,
}

/// Returns the name of an item without an alias, such as `region` for `orders.region`.
pub fn implicit_name(tree: &SqlTree, expr: SqlId) -> String {
    let sql = match *tree.node(expr) {
        Sql::Field { name, .. } => name,
        _ => expr,
    };
    SqlText::from_expr(tree, sql).text
}

/// Relation that a select reads.
#[derive(Clone, Debug)]
pub enum SelectSource {
    /// Input of the query, by index. The select reads the input table or the CTE that imports the table.
    Input(u32),
    /// CTE, by its name as written in SQL.
    Name(String),
}

impl SelectSource {
    /// Returns the name of the CTE, as written in SQL. `None` for an input.
    #[must_use]
    pub fn cte_name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Input(_) => None,
        }
    }
}

/// Table that the query reads as an input.
#[derive(Clone, Copy, Debug)]
pub struct QueryInput<'a> {
    /// Name of the table, or of the CTE that imports the table, as written in SQL.
    pub name: &'a str,
    /// Qualifier of the table's columns, as written in SQL. `None` if the qualifier is the last part of the name.
    pub alias: Option<&'a str>,
    /// Macro that is the body of the CTE that imports the table under this name. `None` if the table is read directly.
    /// A query imports only the inputs that it reads.
    pub import: Option<&'a str>,
}

impl<'a> QueryInput<'a> {
    /// Returns the qualifier of the table's columns, as written in SQL.
    pub(super) fn qualifier(&self) -> &'a str {
        let last_part = self.name.rsplit('.').next().unwrap_or(self.name);
        self.alias.unwrap_or(last_part)
    }
}

/// Join of another relation to the relation in `from`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Join {
    pub kind: JoinKind,
    pub source: SelectSource,
    /// Alias as written in SQL.
    pub alias: Option<String>,
    /// Join condition. `None` for a cross join.
    pub on: Option<SqlId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Left,
    Inner,
    Full,
    Cross,
}

impl JoinKind {
    /// Returns the word before `join`.
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Inner => "inner",
            Self::Full => "full",
            Self::Cross => "cross",
        }
    }
}

/// Named window: `window by_month as (partition by … order by …)`.
#[derive(Clone, Debug)]
pub struct NamedWindow {
    /// Name as written in SQL.
    pub name: String,
    pub partition: Vec<SqlId>,
    pub order: Vec<SqlId>,
}

/// Condition between two macros. The tool that renders the macros decides whether the condition applies. A query
/// without macros does not contain the condition.
#[derive(Clone, Copy, Debug)]
pub struct OptionalCondition {
    pub begin: SqlId,
    pub condition: SqlId,
    pub end: SqlId,
}

/// SELECT, including any further branches of its `union all`. The functions in `operators` build selects.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Select {
    /// Whether `*` comes before the items.
    pub star: bool,
    /// Relation that qualifies `*`, as written in SQL. Set only if several relations are read.
    pub star_of: Option<String>,
    pub distinct: bool,
    pub items: Vec<Item>,
    pub from: Option<SelectSource>,
    /// Alias of the relation in `from`, as written in SQL.
    pub from_alias: Option<String>,
    pub joins: Vec<Join>,
    pub filter: Option<SqlId>,
    /// Condition in addition to `filter`.
    pub optional_filter: Option<OptionalCondition>,
    pub group_by: Vec<SqlId>,
    /// Whether the select combines rows, into one row per group or, without keys, into one row.
    pub grouped: bool,
    pub having: Option<SqlId>,
    /// Named window that several values use.
    pub window: Option<NamedWindow>,
    pub order_by: Vec<SqlId>,
    pub limit: Option<u64>,
    /// Further selects, combined with `union all`.
    pub unions: Vec<Select>,
}

impl Select {
    /// Returns the select and the further selects of its `union all`.
    pub(super) fn branches(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.unions)
    }

    /// Returns the relations that the select and its further branches read.
    pub fn sources(&self) -> impl Iterator<Item = &SelectSource> {
        self.branches()
            .flat_map(|branch| branch.from.iter().chain(branch.joins.iter().map(|join| &join.source)))
    }

    /// Returns the indexes of the inputs that the select and its further branches read, possibly with duplicates.
    pub(super) fn inputs(&self) -> impl Iterator<Item = u32> {
        self.sources().filter_map(|source| match source {
            SelectSource::Input(index) => Some(*index),
            SelectSource::Name(_) => None,
        })
    }

    /// Returns the expressions of the select, without those of its further branches.
    pub(super) fn expressions(&self) -> impl Iterator<Item = SqlId> {
        let windows = self
            .window
            .iter()
            .flat_map(|window| window.partition.iter().chain(&window.order));
        let clauses = self.filter.iter().chain(&self.having).chain(&self.group_by);
        let conditions = self.joins.iter().filter_map(|join| join.on.as_ref());
        let optional_filter = self.optional_filter.map(|optional| optional.condition);
        let items = self.items.iter().map(|item| item.expr);
        let sort_keys = self.order_by.iter().copied();
        clauses
            .chain(windows)
            .chain(conditions)
            .copied()
            .chain(items)
            .chain(sort_keys)
            .chain(optional_filter)
    }
}

/// Appends the SQL of a query, with a final line break. `shadows_relations` specifies whether output columns hide
/// relations with the same name in GROUP BY, HAVING and ORDER BY.
pub fn write_query(
    tree: &SqlTree,
    query: &Query,
    inputs: &[QueryInput<'_>],
    shadows_relations: bool,
    out: &mut SqlText,
) {
    let aliased = shadows_relations
        .then(|| alias_shadowed_relations(tree, query, inputs))
        .flatten();
    let (tree, query) = aliased.as_ref().map_or((tree, query), |(tree, query)| (tree, query));
    let read_inputs = query.inputs();
    let read_inputs = read_inputs.iter().filter_map(|index| inputs.get(*index as usize));
    let imports = read_inputs.filter_map(|input| Some((input.name, input.import?)));
    let count = imports.clone().count() + query.ctes.len();
    let mut cte_index = 0;
    let mut cte = |name: &str, out: &mut SqlText, body: &mut dyn FnMut(&mut SqlText)| {
        out.text.push_str(if cte_index == 0 { "with " } else { "" });
        out.text.push_str(name);
        out.text.push_str(" as (\n\n");
        body(out);
        cte_index += 1;
        out.text
            .push_str(if cte_index == count { "\n)\n\n" } else { "\n),\n\n" });
    };
    for (name, body) in imports {
        cte(name, out, &mut |out| {
            out.push_spaces(4);
            out.push_macro(body, None);
            out.text.push('\n');
        });
    }
    for part in &query.ctes {
        cte(&part.name, out, &mut |out| {
            write_select(tree, &part.body, inputs, 4, out);
        });
    }
    write_select(tree, &query.body, inputs, 0, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_branch_of_a_union_is_written_and_imports_its_input() {
        let scan = |input| Select::scan(SelectSource::Input(input)).select_star();
        let query = Query {
            ctes: Vec::new(),
            body: Select::union_all([scan(0), scan(2)]),
        };
        let names = ["a", "b", "c"];
        let inputs = names.map(|name| QueryInput {
            name,
            alias: None,
            import: Some("{{ ref('x') }}"),
        });
        let mut out = SqlText::default();
        write_query(&SqlTree::default(), &query, &inputs, false, &mut out);
        let imported = names.map(|name| out.text.contains(&format!("{name} as (")));
        assert_eq!(imported, [true, false, true], "{}", out.text);
        let read = names.map(|name| out.text.contains(&format!("select * from {name}\n")));
        assert_eq!(read, [true, false, true], "{}", out.text);
    }
}
