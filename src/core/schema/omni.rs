//! View files of an Omni model. Their dimensions are columns of unknown type.

use super::read::{named_pairs, wrong_shape_error};
use super::{Column, Relation, Schema};
use crate::Type;
use crate::diag::Diagnostic;
use crate::yaml::Node;

/// Tag that `pull` adds to objects that no longer exist in dbt.
pub const REMOVED_TAG: &str = "dbt_removed";

/// Adds a view under the name of its file. All other keys in the file are relevant only to Omni.
pub fn read(file: &str, root: &Node, schema: &mut Schema, faults: &mut Vec<Diagnostic>) {
    let name = view_name(file);
    let mut relation = Relation::new(name.clone());
    let (mut key, mut gone) = (Vec::new(), Vec::new());
    if let Some(dimensions) = root.get("dimensions") {
        for (node, name, dimension) in named_pairs(dimensions, "`dimensions`", faults) {
            if dimension.pairs().is_none() && !dimension.is_null() {
                faults.push(wrong_shape_error(dimension, &format!("`{name}`"), "a mapping"));
                continue;
            }
            let is = |flag: &str| dimension.get(flag).and_then(Node::boolean) == Some(true);
            if is("ignored") {
                continue;
            }
            let tags = dimension.get("tags").map(Node::texts).unwrap_or_default();
            if tags.iter().any(|tag| tag == REMOVED_TAG) {
                gone.push(name.to_owned());
                continue;
            }
            if is("primary_key") {
                key.push(name.to_owned());
            }
            let column = Column::new(name, Type::Unknown).quoted(node.is_quoted());
            let column = column.with_tags(tags);
            relation.push(match dimension.get("description").and_then(Node::text) {
                Some(text) => column.description(text),
                None => column,
            });
        }
    }
    let longer = || {
        root.get("schema")
            .and_then(Node::text)
            .map_or_else(|| name.clone(), |s| format!("{s}__{name}"))
    };
    schema.add(relation.primary_key(key).with_past_columns(gone), longer);
}

/// Returns the name of a view from the path of its file. For example, `analytics/orders.view.yaml` contains the view
/// `orders`.
pub fn view_name(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = [".yaml", ".yml"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    let name = name.strip_suffix(".view").unwrap_or(name);
    name.strip_suffix(".query").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use crate::Type;
    use crate::dialect::Dialect;
    use crate::schema::Schema;

    #[test]
    fn dimensions_are_columns_and_measures_are_none() {
        let orders = "
schema: analytics
table_name: fct_orders
dimensions:
  order_id:
    primary_key: true
  amount: {format: usdcurrency_2, description: What was paid}
  gone: {ignored: true}
  discount: {tags: [dbt_removed], hidden: true}
  ordered_at:
measures:
  revenue: {sql: '${amount}', aggregate_type: sum}
";
        let files = [
            ("omni/analytics/orders.view.yaml", orders),
            ("omni/raw/orders.view", "schema: raw\ndimensions: {id: {}}"),
            ("omni/top.query.view", "table_name: x"),
        ];
        let (schema, faults) = Schema::from_texts(&files, Dialect::default());
        assert_eq!(faults, []);
        let names: Vec<&str> = schema.relations().iter().map(super::super::Relation::name).collect();
        assert_eq!(names, ["orders", "raw__orders", "top"]);
        let view = schema.relation("orders").unwrap();
        let columns: Vec<&str> = view.columns().iter().map(super::super::Column::name).collect();
        assert_eq!(columns, ["order_id", "amount", "ordered_at"]);
        assert_eq!(view.key(), ["order_id"]);
        assert!(view.is_past_column("Discount") && !view.is_past_column("gone"));
        assert_eq!(view.column("amount").unwrap().ty(), Type::Unknown);
        assert_eq!(view.column("amount").unwrap().description_text(), Some("What was paid"));
    }

    #[test]
    fn faults_have_their_file_index() {
        let files = [("a.view", "dimensions: {x: {}}"), ("b.view", "dimensions: [x]")];
        let (schema, faults) = Schema::from_texts(&files, Dialect::default());
        assert_eq!(schema.relations().len(), 2);
        assert_eq!((faults[0].0, faults[0].1.code()), (1, "F0804"));
    }
}
