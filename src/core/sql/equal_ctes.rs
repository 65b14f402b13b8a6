//! Removes CTEs that compute the same rows as an earlier CTE.

use std::collections::HashMap;

use super::query::{Cte, QueryInput, SelectSource};
use super::relational_plan::{Operator, RowPlan, Star};
use super::select::write_plan;
use super::text::SqlText;
use super::tree::SqlTree;

/// Existing CTEs of a query, by the text of their selects.
#[derive(Debug, Default)]
pub struct CteIndex {
    names: HashMap<String, String>,
    /// Number of CTEs whose texts are known.
    count: usize,
}

impl CteIndex {
    /// Removes each CTE whose select is equal to that of an earlier CTE, and redirects the selects that read it to the
    /// earlier CTE. A CTE is kept if a select joins it, because expressions may then contain its name. `earlier` begins
    /// with the CTEs of the previous call.
    pub fn dedup_ctes(&mut self, tree: &SqlTree, earlier: &[Cte], (ctes, body): (&mut Vec<Cte>, &mut RowPlan)) {
        if ctes.is_empty() {
            return;
        }
        let new = earlier.get(self.count..).unwrap_or_default();
        let plans = new.iter().chain(&*ctes).map(|cte| &cte.body);
        let names: Vec<String> = (0..=plans.flat_map(RowPlan::inputs).max().unwrap_or(0))
            .map(|input| format!("<{input}>"))
            .collect();
        let inputs: Vec<QueryInput<'_>> = names
            .iter()
            .map(|name| QueryInput {
                name,
                alias: None,
                import: None,
            })
            .collect();
        let text = |plan: &RowPlan| {
            let mut out = SqlText::default();
            write_plan(tree, plan, &inputs, 0, &mut out);
            out.text
        };
        for cte in new {
            self.names.entry(text(&cte.body)).or_insert_with(|| cte.name.clone());
        }
        self.count = earlier.len();
        let known_names = &self.names;
        let mut index = 0;
        while let Some(cte) = ctes.get(index) {
            let earlier_name = known_names.get(&text(&cte.body));
            let name = cte.name.clone();
            let is_joined = || {
                let mut readers = ctes.iter().skip(index + 1).map(|cte| &cte.body).chain([&*body]);
                readers.any(|reader| joins_relation(reader, &name))
            };
            match earlier_name.filter(|_| !is_joined()) {
                Some(equal_name) => {
                    ctes.remove(index);
                    let readers = ctes.iter_mut().skip(index).map(|cte| &mut cte.body).chain([&mut *body]);
                    readers.for_each(|reader| redirect_source(reader, &name, equal_name));
                }
                None => index += 1,
            }
        }
    }
}

/// Returns whether a plan joins a relation, or contains a `*` that is qualified with the relation's name.
fn joins_relation(plan: &RowPlan, name: &str) -> bool {
    let reads = |operator: &Operator| operator.scan().is_some_and(|scan| scan.source.cte_name() == Some(name));
    let is_qualified = |operator: &Operator| {
        let star = operator.list().and_then(|list| list.star.as_ref());
        operator.is_join() || matches!(star, Some(Star(Some(_))))
    };
    plan.branches()
        .any(|branch| branch.iter().any(reads) && branch.iter().any(is_qualified))
}

fn redirect_source(plan: &mut RowPlan, name: &str, to: &str) {
    for scan in plan.operators.iter_mut().filter_map(Operator::scan_mut) {
        if let SelectSource::Name(source_name) = &mut scan.source
            && source_name == name
        {
            to.clone_into(source_name);
        }
    }
}
