//! Shows the relational plans of a query to users.

use std::fmt;

use rustc_hash::{FxHashMap, FxHashSet};

use super::query::{Query, SelectSource, implicit_name};
use super::relational_plan::{Item, Operator, RowPlan, Scan, SelectList, Star};
use super::text::SqlText;
use super::tree::{Sql, SqlId, SqlTree};

/// Relational operators of a query: one part per CTE, in the order of the SQL, and a last part for the final select.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct QueryPlan {
    /// Parts of the query. A part reads only earlier parts.
    pub parts: Vec<PlanPart>,
}

/// Operators of a CTE or of the final select.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PlanPart {
    /// Name of the CTE. For the final select, the name of the model.
    pub name: String,
    /// Operators, each after its inputs. The last operator returns the rows of the part.
    pub operators: Vec<PlanOperator>,
}

/// Relational operator, which computes rows from the rows of its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PlanOperator {
    /// Kind of the operator.
    pub kind: OperatorKind,
    /// Argument of the operator, such as its relation, condition, keys or columns. Empty if it has no argument.
    pub argument: String,
    /// Names of the spec's definitions that the operator computes.
    pub definitions: Vec<String>,
    /// Indices of the operators in the same part that this operator reads.
    pub inputs: Vec<usize>,
    /// Index of the part that a scan reads. `None` if the operator reads no other part.
    pub part: Option<usize>,
}

/// Kind of a relational operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum OperatorKind {
    /// Reads a relation or an earlier part.
    Scan,
    /// Joins the rows of two inputs.
    Join,
    /// Keeps the rows that satisfy a condition.
    Filter,
    /// Combines the rows of each group.
    Aggregate,
    /// Computes values from other rows, without combining rows.
    Window,
    /// Selects and computes columns.
    Project,
    /// Removes repeated rows.
    Distinct,
    /// Combines the rows of all inputs, including repeated rows.
    Union,
    /// Sorts the rows.
    Sort,
    /// Keeps the first rows.
    Limit,
    /// Returns rows whose values are in the query itself.
    Values,
    /// Macro that decides, when another tool renders the query, whether the query contains the operator below.
    Macro,
}

/// Formats the operator on one line, such as `Aggregate by region, computes revenue`.
impl fmt::Display for PlanOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)?;
        if !self.argument.is_empty() {
            // A literal can contain line breaks.
            write!(f, " {}", self.argument.replace('\n', " "))?;
        }
        if !self.definitions.is_empty() {
            let comma = if self.argument.is_empty() { "" } else { "," };
            write!(f, "{comma} computes {}", self.definitions.join(", "))?;
        }
        Ok(())
    }
}

/// Argument of an aggregate or window without keys.
const OVER_ALL_ROWS: &str = "over all rows";

/// Maximum indentation of an operator. The limit keeps the length of the text linear in the number of joins.
const MAX_DEPTH: usize = 40;

/// Formats each part as a tree, in which the inputs of an operator are indented below it.
impl fmt::Display for QueryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            writeln!(f, "{}", part.name)?;
            let mut open: Vec<(usize, usize)> = part
                .operators
                .len()
                .checked_sub(1)
                .map(|root| (root, 1))
                .into_iter()
                .collect();
            while let Some((index, depth)) = open.pop() {
                let Some(operator) = part.operators.get(index) else {
                    continue;
                };
                writeln!(f, "{:indent$}{operator}", "", indent = 2 * depth.min(MAX_DEPTH))?;
                // An operator comes after its inputs, so the loop ends.
                let inputs = operator.inputs.iter().rev().filter(|input| **input < index);
                open.extend(inputs.map(|input| (*input, depth + 1)));
            }
        }
        Ok(())
    }
}

/// Names that the plan of a query contains.
#[derive(Debug)]
pub struct PlanNames<'a> {
    /// Name of the final select.
    pub result: &'a str,
    /// Relations that the query reads as inputs.
    pub inputs: &'a [String],
    /// Definitions of the spec, by their lower-case names as written in SQL.
    pub definitions: &'a FxHashMap<String, String>,
}

impl QueryPlan {
    /// Names the operators of a query.
    pub fn from_query(tree: &SqlTree, query: &Query, names: &PlanNames<'_>) -> Self {
        let mut part_indices = FxHashMap::default();
        let mut parts = Vec::with_capacity(query.ctes.len() + 1);
        let part_names = query.ctes.iter().map(|cte| cte.name.as_str()).chain([names.result]);
        for (name, plan) in part_names.zip(query.plans()) {
            let mut builder = PlanPartBuilder {
                tree,
                names,
                parts: &part_indices,
                operators: Vec::new(),
                unread: Vec::new(),
            };
            builder.add_plan(plan);
            let operators = builder.operators;
            part_indices.insert(name, parts.len());
            parts.push(PlanPart {
                name: name.to_owned(),
                operators,
            });
        }
        Self { parts }
    }
}

/// Operators of one part.
struct PlanPartBuilder<'t> {
    tree: &'t SqlTree,
    names: &'t PlanNames<'t>,
    /// Indices of the earlier parts, by name.
    parts: &'t FxHashMap<&'t str, usize>,
    operators: Vec<PlanOperator>,
    /// Indices of the operators that no other operator reads so far.
    unread: Vec<usize>,
}

impl PlanPartBuilder<'_> {
    /// Adds an operator that reads the rows of the operators that no other operator reads.
    fn add(&mut self, kind: OperatorKind, argument: String, definitions: Vec<String>) {
        let input_count = match kind {
            OperatorKind::Scan | OperatorKind::Values => 0,
            OperatorKind::Join => 2,
            OperatorKind::Union => self.unread.len(),
            _ => 1,
        };
        let inputs = self.unread.split_off(self.unread.len().saturating_sub(input_count));
        self.unread.push(self.operators.len());
        self.operators.push(PlanOperator {
            kind,
            argument,
            definitions,
            inputs,
            part: None,
        });
    }

    fn add_plan(&mut self, plan: &RowPlan) {
        let mut grouped_list = None;
        for operator in &plan.operators {
            // Windows over groups read only the groups that a filter keeps.
            if !matches!(operator, Operator::Filter(_)) {
                grouped_list.take().into_iter().for_each(|list| self.add_windows(list));
            }
            self.add_operator(operator);
            if let Operator::Aggregate { list, .. } = operator {
                grouped_list = Some(list);
            }
        }
        grouped_list.into_iter().for_each(|list| self.add_windows(list));
    }

    fn add_operator(&mut self, operator: &Operator) {
        let mut definitions = Vec::new();
        let (kind, argument) = match operator {
            Operator::Scan(scan) => return self.add_scan(scan),
            Operator::Values(list) => (OperatorKind::Values, self.column_names(list)),
            Operator::Join(join) => {
                self.add_scan(&join.scan);
                let condition = join.on.map(|condition| format!(" on {}", self.text(condition)));
                let kind = join.kind.keyword();
                (OperatorKind::Join, format!("{kind}{}", condition.unwrap_or_default()))
            }
            Operator::Filter(condition) => (OperatorKind::Filter, self.text(*condition)),
            Operator::Macro(optional) => {
                self.add(OperatorKind::Filter, self.text(optional.condition), Vec::new());
                (OperatorKind::Macro, self.text(optional.begin))
            }
            Operator::Aggregate { keys, list } => {
                definitions = self.list_definitions(list, false);
                (OperatorKind::Aggregate, self.format_group_keys(keys, list))
            }
            Operator::Project(list) => {
                self.add_windows(list);
                if list.star.is_some() && list.items.iter().all(|item| self.has_window(item)) {
                    return;
                }
                definitions = self.list_definitions(list, false);
                (OperatorKind::Project, self.column_names(list))
            }
            Operator::Distinct => (OperatorKind::Distinct, String::new()),
            Operator::Sort(keys) => (OperatorKind::Sort, format!("by {}", self.texts(keys))),
            Operator::Limit(rows) => (OperatorKind::Limit, rows.to_string()),
            Operator::Union => {
                let row_count = self.operators.len();
                if self.operators.iter().all(|row| row.kind == OperatorKind::Values) {
                    self.operators.truncate(1);
                    let rows = self.operators.iter_mut();
                    rows.for_each(|rows| rows.argument.push_str(&format!(" ({row_count} rows)")));
                    return;
                }
                (OperatorKind::Union, String::new())
            }
        };
        self.add(kind, argument, definitions);
    }

    /// Adds the windows that a select list contains.
    fn add_windows(&mut self, list: &SelectList) {
        if !list.items.iter().any(|item| self.has_window(item)) {
            return;
        }
        let mut seen = FxHashSet::default();
        let keys = list.items.iter().flat_map(|item| self.window_keys(item.expr, list));
        let keys: Vec<String> = keys
            .filter(|keys| !keys.is_empty() && seen.insert(keys.clone()))
            .collect();
        let argument = match keys.as_slice() {
            [] => OVER_ALL_ROWS.to_owned(),
            keys => keys.join("; "),
        };
        self.add(OperatorKind::Window, argument, self.list_definitions(list, true));
    }

    fn add_scan(&mut self, scan: &Scan) {
        let (name, part) = match &scan.source {
            SelectSource::Input(input) => (self.names.inputs.get(*input as usize), None),
            SelectSource::Name(name) => (Some(name), self.parts.get(name.as_str()).copied()),
        };
        let alias = scan
            .alias
            .as_ref()
            .map_or_else(String::new, |alias| format!(" as {alias}"));
        let argument = format!("{}{alias}", name.map_or("", String::as_str));
        self.add(OperatorKind::Scan, argument, Vec::new());
        self.operators
            .iter_mut()
            .next_back()
            .into_iter()
            .for_each(|scan| scan.part = part);
    }

    fn text(&self, expr: SqlId) -> String {
        SqlText::from_expr(self.tree, expr).text
    }

    fn texts(&self, keys: &[SqlId]) -> String {
        let texts: Vec<String> = keys.iter().map(|key| self.text(*key)).collect();
        texts.join(", ")
    }

    /// Returns the name of a column in the select list.
    fn column_name(&self, expr: SqlId, alias: Option<&str>) -> String {
        alias.map_or_else(|| implicit_name(self.tree, expr), str::to_owned)
    }

    /// Returns the names of all columns of a select list.
    fn column_names(&self, list: &SelectList) -> String {
        let items = list.items.iter();
        let items = items.map(|item| self.column_name(item.expr, item.alias.as_deref()));
        let star = list.star.as_ref().map(Star::to_string);
        star.into_iter().chain(items).collect::<Vec<_>>().join(", ")
    }

    /// Returns the grouping keys. A key is shown as the name of its column if the select list contains it.
    fn format_group_keys(&self, keys: &[SqlId], list: &SelectList) -> String {
        if keys.is_empty() {
            return OVER_ALL_ROWS.to_owned();
        }
        // If several columns have the same SQL, the first one names the key.
        let items = list.items.iter().rev();
        let items: FxHashMap<String, &Item> = items.map(|item| (self.text(item.expr), item)).collect();
        let keys = keys.iter().map(|key| {
            let text = self.text(*key);
            match items.get(&text) {
                Some(item) => self.column_name(item.expr, item.alias.as_deref()),
                None => text,
            }
        });
        format!("by {}", keys.collect::<Vec<_>>().join(", "))
    }

    /// Returns the definitions that a select list computes, either with or without windows.
    fn list_definitions(&self, list: &SelectList, with_windows: bool) -> Vec<String> {
        let items = list.items.iter().filter(|item| self.has_window(item) == with_windows);
        items
            .filter_map(|item| self.column_definition(item.expr, item.alias.as_deref()))
            .collect()
    }

    fn has_window(&self, item: &Item) -> bool {
        let is_window = |id: &SqlId| matches!(self.tree.node(*id), Sql::Over { .. } | Sql::OverNamed { .. });
        self.tree.reachable_nodes([item.expr]).iter().any(is_window)
    }

    /// Returns the definition that an item computes. `None` if the item only passes on or casts a column of this name.
    fn column_definition(&self, expr: SqlId, alias: Option<&str>) -> Option<String> {
        let alias = alias?;
        let value = match *self.tree.node(expr) {
            Sql::Cast { x, .. } => x,
            _ => expr,
        };
        // A branch of `union all` contains NULL for each column that only other branches have.
        if *self.tree.node(value) == Sql::Word("null") || self.column_name(value, None) == alias {
            return None;
        }
        self.names.definitions.get(&alias.to_lowercase()).cloned()
    }

    /// Returns the partition and sort keys of each window in an expression.
    fn window_keys(&self, expr: SqlId, list: &SelectList) -> Vec<String> {
        let nodes = self.tree.reachable_nodes([expr]).into_iter();
        nodes
            .filter_map(|id| match *self.tree.node(id) {
                Sql::Over { partition, order, .. } => {
                    Some(self.format_partition_and_order(self.tree.args(partition), self.tree.args(order)))
                }
                Sql::OverNamed { .. } => {
                    let window = list.window.as_ref()?;
                    Some(self.format_partition_and_order(&window.partition, &window.order))
                }
                _ => None,
            })
            .collect()
    }

    fn format_partition_and_order(&self, partition: &[SqlId], order: &[SqlId]) -> String {
        let keys = [("partition by", partition), ("order by", order)];
        let clauses = keys.into_iter().filter(|(_, keys)| !keys.is_empty());
        let clauses = clauses.map(|(word, keys)| format!("{word} {}", self.texts(keys)));
        clauses.collect::<Vec<_>>().join(" ")
    }
}
