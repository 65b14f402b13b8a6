//! Queries: the relational plans of the CTEs and of the final select.

use std::collections::BTreeSet;

use super::relation_aliases::alias_shadowed_relations;
use super::relational_plan::RowPlan;
use super::select::write_plan;
use super::text::SqlText;
use super::tree::{Sql, SqlId, SqlTree};

/// SQL query: its CTEs and the final select.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub ctes: Vec<Cte>,
    pub body: RowPlan,
}

impl Query {
    /// Returns the plans of the CTEs and of the final select.
    pub(super) fn plans(&self) -> impl Iterator<Item = &RowPlan> {
        self.ctes.iter().map(|cte| &cte.body).chain([&self.body])
    }

    pub fn plans_mut(&mut self) -> impl Iterator<Item = &mut RowPlan> {
        self.ctes.iter_mut().map(|cte| &mut cte.body).chain([&mut self.body])
    }

    /// Returns the indexes of the inputs that the query reads.
    fn inputs(&self) -> BTreeSet<u32> {
        self.plans().flat_map(RowPlan::inputs).collect()
    }
}

/// Common table expression: a named part of a query.
#[derive(Clone, Debug)]
pub struct Cte {
    /// Name as written in SQL.
    pub name: String,
    pub body: RowPlan,
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
            write_plan(tree, &part.body, inputs, 4, out);
        });
    }
    write_plan(tree, &query.body, inputs, 0, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_branch_of_a_union_is_written_and_imports_its_input() {
        let scan = |input| RowPlan::scan(SelectSource::Input(input)).select_star();
        let query = Query {
            ctes: Vec::new(),
            body: RowPlan::union_all([scan(0), scan(2)]),
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
