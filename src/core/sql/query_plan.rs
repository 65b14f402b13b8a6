//! Plan of a query: the relational operators of each of its selects.

use std::fmt;

use rustc_hash::{FxHashMap, FxHashSet};

use super::query::{Item, OptionalCondition, Query, Select, SelectSource, implicit_name};
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

impl OperatorKind {
    /// Returns the name of the operator.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scan => "Scan",
            Self::Join => "Join",
            Self::Filter => "Filter",
            Self::Aggregate => "Aggregate",
            Self::Window => "Window",
            Self::Project => "Project",
            Self::Distinct => "Distinct",
            Self::Union => "Union",
            Self::Sort => "Sort",
            Self::Limit => "Limit",
            Self::Values => "Values",
            Self::Macro => "Macro",
        }
    }
}

/// Formats the operator on one line, such as `Aggregate by region, computes revenue`.
impl fmt::Display for PlanOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
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
    /// Derives the plan of a query.
    pub fn from_query(tree: &SqlTree, query: &Query, names: &PlanNames<'_>) -> Self {
        let mut part_indices = FxHashMap::default();
        let mut parts = Vec::with_capacity(query.ctes.len() + 1);
        let ctes = query.ctes.iter().map(|cte| (cte.name.as_str(), &cte.body));
        for (name, body) in ctes.chain([(names.result, &query.body)]) {
            let mut builder = PlanPartBuilder {
                tree,
                names,
                parts: &part_indices,
                operators: Vec::new(),
            };
            builder.add_select(body);
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
}

impl PlanPartBuilder<'_> {
    fn add(&mut self, kind: OperatorKind, argument: String, inputs: &[usize]) -> usize {
        self.operators.push(PlanOperator {
            kind,
            argument,
            definitions: Vec::new(),
            inputs: inputs.to_vec(),
            part: None,
        });
        self.operators.len() - 1
    }

    fn add_definitions(&mut self, operator: usize, definitions: Vec<String>) {
        if let Some(operator) = self.operators.get_mut(operator) {
            operator.definitions = definitions;
        }
    }

    /// Adds the operators of a select and of the further selects of its union.
    fn add_select(&mut self, select: &Select) {
        if select.branches().all(|branch| branch.from.is_none()) {
            self.add_values_operator(select);
            return;
        }
        let branches: Vec<usize> = select.branches().map(|branch| self.add_union_branch(branch)).collect();
        if branches.len() > 1 {
            self.add(OperatorKind::Union, String::new(), &branches);
        }
    }

    fn add_values_operator(&mut self, select: &Select) -> usize {
        let argument = match select.unions.len() {
            0 => self.column_names(select),
            more => format!("{} ({} rows)", self.column_names(select), more + 1),
        };
        self.add(OperatorKind::Values, argument, &[])
    }

    fn add_union_branch(&mut self, select: &Select) -> usize {
        use OperatorKind::{Aggregate, Distinct, Filter, Limit, Macro, Project, Sort, Window};
        let Some(from) = &select.from else {
            return self.add_values_operator(select);
        };
        let mut rows = self.add_scan(from, select.from_alias.as_deref());
        for join in &select.joins {
            let right = self.add_scan(&join.source, join.alias.as_deref());
            let on_clause = join
                .on
                .map_or_else(String::new, |condition| format!(" on {}", self.text(condition)));
            rows = self.add(
                OperatorKind::Join,
                format!("{}{on_clause}", join.kind.keyword()),
                &[rows, right],
            );
        }
        if let Some(filter) = select.filter {
            rows = self.add(Filter, self.text(filter), &[rows]);
        }
        if let Some(OptionalCondition { begin, condition, .. }) = select.optional_filter {
            rows = self.add(Filter, self.text(condition), &[rows]);
            rows = self.add(Macro, self.text(begin), &[rows]);
        }
        let is_grouped = select.grouped || !select.group_by.is_empty() || select.having.is_some();
        let windows: Vec<Option<String>> = select
            .items
            .iter()
            .map(|item| self.format_window_keys(item.expr, select))
            .collect();
        let computed = |builder: &Self, is_window: bool| -> Vec<String> {
            let items = select.items.iter().zip(&windows);
            let items = items.filter(|(_, window)| window.is_some() == is_window);
            items
                .filter_map(|(item, _)| builder.column_definition(item.expr, item.alias.as_deref()))
                .collect()
        };
        if is_grouped {
            rows = self.add(Aggregate, self.format_group_keys(select), &[rows]);
            self.add_definitions(rows, computed(self, false));
        }
        if let Some(having) = select.having {
            rows = self.add(Filter, self.text(having), &[rows]);
        }
        let mut texts: Vec<&str> = windows.iter().flatten().map(String::as_str).collect();
        if !texts.is_empty() {
            let mut seen = FxHashSet::default();
            texts.retain(|text| !text.is_empty() && seen.insert(*text));
            let argument = if texts.is_empty() {
                OVER_ALL_ROWS.to_owned()
            } else {
                texts.join("; ")
            };
            rows = self.add(Window, argument, &[rows]);
            self.add_definitions(rows, computed(self, true));
        }
        let adds_only_windows = select.star && windows.iter().all(Option::is_some);
        if !is_grouped && !adds_only_windows {
            rows = self.add(Project, self.column_names(select), &[rows]);
            self.add_definitions(rows, computed(self, false));
        }
        if select.distinct {
            rows = self.add(Distinct, String::new(), &[rows]);
        }
        if !select.order_by.is_empty() {
            let keys: Vec<String> = select.order_by.iter().map(|key| self.text(*key)).collect();
            rows = self.add(Sort, format!("by {}", keys.join(", ")), &[rows]);
        }
        if let Some(limit) = select.limit {
            rows = self.add(Limit, limit.to_string(), &[rows]);
        }
        rows
    }

    fn add_scan(&mut self, source: &SelectSource, alias: Option<&str>) -> usize {
        let (name, part) = match source {
            SelectSource::Input(input) => (self.names.inputs.get(*input as usize), None),
            SelectSource::Name(name) => (Some(name), self.parts.get(name.as_str()).copied()),
        };
        let alias = alias.map_or_else(String::new, |alias| format!(" as {alias}"));
        let argument = format!("{}{alias}", name.map_or("", String::as_str));
        let scan = self.add(OperatorKind::Scan, argument, &[]);
        if let Some(operator) = self.operators.get_mut(scan) {
            operator.part = part;
        }
        scan
    }

    fn text(&self, expr: SqlId) -> String {
        SqlText::from_expr(self.tree, expr).text
    }

    /// Returns the name of a column in the select list.
    fn column_name(&self, expr: SqlId, alias: Option<&str>) -> String {
        alias.map_or_else(|| implicit_name(self.tree, expr), str::to_owned)
    }

    /// Returns the names of all columns of a select.
    fn column_names(&self, select: &Select) -> String {
        let items = select.items.iter();
        let items = items.map(|item| self.column_name(item.expr, item.alias.as_deref()));
        let star = select.star.then(|| match &select.star_of {
            Some(relation) => format!("{relation}.*"),
            None => "*".to_owned(),
        });
        star.into_iter().chain(items).collect::<Vec<_>>().join(", ")
    }

    /// Returns the grouping keys. A key is shown as the name of its column if the select list contains it.
    fn format_group_keys(&self, select: &Select) -> String {
        if select.group_by.is_empty() {
            return OVER_ALL_ROWS.to_owned();
        }
        // If several columns have the same SQL, the first one names the key.
        let items = select.items.iter().rev();
        let items: FxHashMap<String, &Item> = items.map(|item| (self.text(item.expr), item)).collect();
        let keys = select.group_by.iter().map(|key| {
            let text = self.text(*key);
            match items.get(&text) {
                Some(item) => self.column_name(item.expr, item.alias.as_deref()),
                None => text,
            }
        });
        format!("by {}", keys.collect::<Vec<_>>().join(", "))
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

    /// Returns the partition and sort keys of the windows in an expression. `None` if it contains no window.
    fn format_window_keys(&self, expr: SqlId, select: &Select) -> Option<String> {
        let mut texts: Vec<String> = Vec::new();
        for id in self.tree.reachable_nodes([expr]) {
            let text = match *self.tree.node(id) {
                Sql::Over { partition, order, .. } => {
                    Some(self.format_partition_and_order(self.tree.args(partition), self.tree.args(order)))
                }
                Sql::OverNamed { .. } => {
                    let window = select.window.as_ref();
                    Some(window.map_or_else(String::new, |window| {
                        self.format_partition_and_order(&window.partition, &window.order)
                    }))
                }
                _ => None,
            };
            texts.extend(text.filter(|text| !texts.contains(text)));
        }
        (!texts.is_empty()).then(|| {
            texts
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join("; ")
        })
    }

    fn format_partition_and_order(&self, partition: &[SqlId], order: &[SqlId]) -> String {
        let keys = [("partition by", partition), ("order by", order)];
        let clauses = keys
            .into_iter()
            .filter(|(_, keys)| !keys.is_empty())
            .map(|(word, keys)| {
                let keys: Vec<String> = keys.iter().map(|key| self.text(*key)).collect();
                format!("{word} {}", keys.join(", "))
            });
        clauses.collect::<Vec<_>>().join(" ")
    }
}
