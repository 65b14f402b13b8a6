//! Tests pulls into an Omni model that Omni itself has written.

use std::collections::BTreeMap;

use formulac::artifacts::{Manifest, ManifestReadOptions};
use formulac::omni::{
    Artifacts, ExistingFiles, OmniFiles, OmniModel, OmniOptions, ParsedFiles, Pull, PullOptions, PulledFileLocation,
};
use serde_json::{Value, json};

/// Files and records of an Omni model.
#[derive(Clone, Debug, Default)]
pub struct Files {
    pub omni: BTreeMap<String, String>,
    pub records: BTreeMap<String, String>,
}

impl OmniFiles for Files {
    fn read_omni_file(&self, path: &str) -> Option<String> {
        self.omni.get(path).cloned()
    }

    fn read_record(&self, name: &str) -> Option<String> {
        self.records.get(name).cloned()
    }

    fn record_names(&self) -> Vec<String> {
        self.records.keys().cloned().collect()
    }
}

impl Files {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let omni = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self {
            omni: omni.collect(),
            records: BTreeMap::new(),
        }
    }

    /// Pulls, and returns the lines of the report.
    fn pull(&mut self, nodes: &[Value], virtual_schema: Option<&str>) -> Vec<String> {
        let (_, pull) = self.pull_with(nodes, virtual_schema, PullOptions::default());
        let line = |change: &formulac::omni::PullChange| {
            let name = change.name.as_deref().or(change.after.as_deref()).unwrap_or_default();
            format!("{} {} {} {name}", change.kind.name(), change.of.name(), change.view)
                .trim_end()
                .to_owned()
        };
        pull.changes.iter().map(line).collect()
    }

    /// Pulls, and returns the Omni model and the plan.
    pub fn pull_with(
        &mut self,
        nodes: &[Value],
        virtual_schema: Option<&str>,
        pull_options: PullOptions,
    ) -> (OmniModel, Pull) {
        let nodes: serde_json::Map<String, Value> = nodes
            .iter()
            .map(|node| (node["unique_id"].as_str().unwrap().to_owned(), node.clone()))
            .collect();
        let manifest =
            Manifest::from_text(&json!({"nodes": nodes}).to_string(), ManifestReadOptions::default()).unwrap();
        let paths: Vec<String> = self.omni.keys().cloned().collect();
        let existing = ExistingFiles::read(&paths, |path| self.omni.get(path).cloned(), &ParsedFiles::default());
        let options = OmniOptions::default()
            .strip_status(true)
            .virtual_schema(virtual_schema)
            .existing_files(&existing);
        let model = OmniModel::new(Artifacts::from_manifest(&manifest), &options, None);
        let mut pull = Pull::plan(&model, self, pull_options);
        pull.find_removed_dimensions(&existing);
        assert_eq!(pull.uneditable_files, []);
        for location in &pull.files_to_remove {
            match location {
                PulledFileLocation::Omni(path) => drop(self.omni.remove(path)),
                PulledFileLocation::Record(name) => drop(self.records.remove(name)),
                _ => {}
            }
        }
        for (location, text) in pull.files_to_write.clone() {
            match location {
                PulledFileLocation::Omni(path) => drop(self.omni.insert(path, text)),
                PulledFileLocation::Record(name) => drop(self.records.insert(name, text)),
                _ => {}
            }
        }
        (model, pull)
    }

    fn paths(&self) -> Vec<&str> {
        self.omni.keys().map(String::as_str).collect()
    }
}

/// Returns a model, seed or source. Its column `id` is the key, and `parent_id` refers to `dim_users` if `parent` is
/// `true`.
fn node(kind: &str, database: &str, schema: &str, name: &str, parent: bool) -> Value {
    let id = match kind {
        "source" => format!("source.shop.raw.{name}"),
        kind => format!("{kind}.shop.{name}"),
    };
    let constraints = json!([{"type": "primary_key"}]);
    let foreign = json!([{"type": "foreign_key", "to": "ref('dim_users')", "to_columns": ["id"]}]);
    let mut columns = json!({"id": {"name": "id", "description": "Its number.", "constraints": constraints}});
    if parent {
        columns["parent_id"] = json!({"name": "parent_id", "constraints": foreign});
    }
    json!({
        "unique_id": id, "resource_type": kind, "package_name": "shop", "name": name, "alias": name,
        "database": database, "schema": schema, "relation_name": format!("{database}.{schema}.{name}"),
        "source_name": "raw", "columns": columns, "config": {"schema": "marts"}, "depends_on": {"nodes": ["model.shop.dim_users"]},
    })
}

const USERS: &str = "# Reference this view as omni_dbt_marts__dim_users
schema: omni_dbt_marts
table_name: dim_users

dimensions:
  id:
    format: ID # people like it

measures:
  count:
    aggregate_type: count

dbt:
  name: dim_users
  target_schema: shop
  config:
    schema: marts
";

const JOINS: &str = "- join_from_view: omni_dbt_marts__fct_events
  join_to_view: omni_dbt_marts__dim_users
  join_type: always_left
  on_sql: ${omni_dbt_marts__fct_events.parent_id} =
    ${omni_dbt_marts__dim_users.id}
  relationship_type: many_to_one
";

#[test]
fn views_of_a_virtual_schema_are_enriched() {
    let events = USERS
        .replace("dim_users", "fct_events")
        .replace("id:\n", "id:\n    primary_key: true\n");
    let mut files = Files::new(&[
        ("BigQuery/omni_dbt_marts/dim_users.view.yaml", USERS),
        ("BigQuery/omni_dbt_marts/fct_events.view.yaml", &events),
        ("relationships.yaml", JOINS),
    ]);
    let nodes = [
        node("model", "db", "shop_marts", "dim_users", false),
        node("model", "db", "shop_marts", "fct_events", true),
    ];
    let before = files.clone();
    let changes = files.pull(&nodes, None);
    assert_eq!(
        changes,
        [
            "new key omni_dbt_marts__dim_users id",
            "changed text omni_dbt_marts__fct_events"
        ]
    );
    assert_eq!(files.paths(), before.paths());
    assert_eq!(files.omni["relationships.yaml"].matches("join_from_view").count(), 1);
    let users = &files.omni["BigQuery/omni_dbt_marts/dim_users.view.yaml"];
    assert!(
        users.starts_with("# Reference this view as omni_dbt_marts__dim_users\nschema: omni_dbt_marts\n"),
        "{users}"
    );
    assert!(
        users.contains("    format: ID # people like it\n") && users.contains("primary_key: true"),
        "{users}"
    );
    let after = files.clone();
    assert_eq!(files.pull(&nodes, None), [""; 0]);
    assert_eq!(files.omni, after.omni);
    // A view of a new model is next to the other views of its schema.
    let more = [&nodes[..], &[node("model", "db", "shop_marts", "dim_days", false)]].concat();
    assert_eq!(files.pull(&more, None), ["new model omni_dbt_marts__dim_days"]);
    let days = &files.omni["BigQuery/omni_dbt_marts/dim_days.view.yaml"];
    assert!(
        days.starts_with("schema: omni_dbt_marts\ntable_name: dim_days\n"),
        "{days}"
    );
    let after = files.clone();
    assert_eq!(files.pull(&more, None), [""; 0]);
    assert_eq!(files.omni, after.omni);
}

/// If Omni shows all dbt models in virtual schemas, the views of models in new schemas are written there as well. Their
/// files have the same extension as the existing files.
#[test]
fn views_of_new_schemas_have_the_common_prefix() {
    let in_schema = |mut node: Value, custom: Option<&str>| {
        node["config"]["schema"] = json!(custom);
        node
    };
    let users = node("model", "db", "shop_marts", "dim_users", false);
    let finance = in_schema(node("model", "db", "shop_finance", "fct_costs", false), Some("finance"));
    let plain = in_schema(node("model", "db", "shop", "stg_users", false), None);
    let source = node("source", "db", "raw", "events", false);
    let nodes = [users, finance, plain, source];
    let mut files = Files::new(&[("omni_dbt_marts/dim_users.view", USERS)]);
    files.pull(&nodes, None);
    let new_files = [
        "omni_dbt/stg_users.view",
        "omni_dbt_finance/fct_costs.view",
        "omni_dbt_marts/dim_users.view",
        "raw/events.view",
    ];
    assert_eq!(files.paths(), new_files);
    let before = files.clone();
    assert_eq!(files.pull(&nodes, None), [""; 0]);
    assert_eq!(files.omni, before.omni);
    // If Omni also shows a model in a schema of the warehouse, the schema of other models is unknown.
    let costs = "schema: shop_finance\ntable_name: fct_costs\n";
    let mut files = Files::new(&[
        ("omni_dbt_marts/dim_users.view.yaml", USERS),
        ("shop_finance/fct_costs.view.yaml", costs),
    ]);
    files.pull(&nodes, None);
    assert!(
        files.paths().contains(&"shop/stg_users.view.yaml"),
        "{:?}",
        files.paths()
    );
}

#[test]
fn a_virtual_schema_can_be_set() {
    let mut files = Files::default();
    let nodes = [
        node("model", "db", "shop_marts", "dim_users", false),
        node("source", "db", "raw", "events", false),
    ];
    files.pull(&nodes, Some("omni_dbt"));
    assert_eq!(
        files.paths(),
        ["omni_dbt_marts/dim_users.view.yaml", "raw/events.view.yaml"]
    );
    let before = files.clone();
    assert_eq!(files.pull(&nodes, Some("omni_dbt")), [""; 0]);
    assert_eq!(files.omni, before.omni);
    // The existing view of a model is found even if the view's file name differs from the table's name.
    let users = "schema: dbt_core_marts\ntable_name: dim_users\n";
    let mut files = Files::new(&[("core/users.view.yaml", users)]);
    files.pull(&nodes, Some("dbt_core"));
    assert_eq!(files.paths(), ["core/users.view.yaml", "raw/events.view.yaml"]);
}

/// An earlier version of `pull` wrote views next to the views of the virtual schema.
#[test]
fn duplicate_views_are_marked_as_removed() {
    let mut files = Files::default();
    let nodes = [node("model", "db", "shop_marts", "dim_users", false)];
    files.pull(&nodes, None);
    files
        .omni
        .insert("omni_dbt_marts/dim_users.view.yaml".to_owned(), USERS.to_owned());
    files.pull(&nodes, None);
    let double = &files.omni["shop_marts/dim_users.view.yaml"];
    assert!(double.contains("hidden: true"), "{double}");
    assert!(files.omni["omni_dbt_marts/dim_users.view.yaml"].contains("primary_key: true"));
}

#[test]
fn databases_distinguish_views() {
    let mut files = Files::default();
    let mut nodes = vec![
        node("model", "shop", "public", "orders", false),
        node("source", "other-db", "public", "orders", false),
        node("source", "other-db", "public", "users", false),
    ];
    files.pull(&nodes, None);
    assert_eq!(
        files.paths(),
        [
            "other_db.public/orders.view.yaml",
            "public/orders.view.yaml",
            "public/users.view.yaml"
        ]
    );
    assert!(files.omni["other_db.public/orders.view.yaml"].starts_with("catalog: other-db\nschema: public\n"));
    assert!(!files.omni["public/orders.view.yaml"].contains("catalog:"));
    assert!(files.records.contains_key("other_db_public__orders"));
    let before = files.clone();
    assert_eq!(files.pull(&nodes, None), [""; 0]);
    assert_eq!(files.omni, before.omni);
    // Omni moves the files of a schema to a folder of the database, and names the view in a comment.
    let text = files.omni.remove("public/orders.view.yaml").unwrap();
    let text = format!("# Reference this view as orders\ncatalog: shop\n{text}");
    files.omni.insert("SHOP.PUBLIC/orders.view.yaml".to_owned(), text);
    nodes.push(node("model", "shop", "public", "dim_users", false));
    nodes[0] = node("model", "shop", "public", "orders", true);
    files.pull(&nodes, None);
    assert!(!files.omni.contains_key("public/orders.view.yaml"));
    assert!(files.omni["SHOP.PUBLIC/orders.view.yaml"].starts_with("# Reference this view as orders\ncatalog: shop\n"));
    assert!(files.omni["relationships.yaml"].contains("join_from_view: orders\n"));
}

/// A project may declare the table of a seed as a source, too.
#[test]
fn a_source_over_a_seed_is_one_view() {
    let mut files = Files::default();
    let mut seed = node("seed", "db", "raw", "priority", false);
    seed["columns"] = json!({});
    let mut source = node("source", "db", "raw", "priority", false);
    source["description"] = json!("Priorities of issues.");
    files.pull(&[seed, source], None);
    assert_eq!(files.paths(), ["raw/priority.view.yaml"]);
    let text = &files.omni["raw/priority.view.yaml"];
    assert!(
        text.contains("description: Priorities of issues.\n") && text.contains("description: Its number.\n"),
        "{text}"
    );
}

/// Dimensions whose names differ from their columns, and measures with the names of columns, keep their names.
#[test]
fn dimensions_and_measures_of_people_keep_their_names() {
    let view = "schema: main
table_name: orders
dimensions:
  id:
    sql: '\"id\"'
  order_key:
    sql: '${TABLE}.\"key\"'
  placed_on:
    timeframes: [raw, date]
  shipping_amount:
    sql: shipping
measures:
  count:
    aggregate_type: count
  shipping:
    sql: ${shipping_amount}
    aggregate_type: sum
";
    let mut orders = node("model", "db", "main", "orders", false);
    orders["columns"] = json!({});
    for name in ["id", "key", "shipping", "count"] {
        orders["columns"][name] = json!({"name": name, "description": format!("Column {name}.")});
    }
    orders["columns"]["key"]["constraints"] = json!([{"type": "primary_key"}]);
    orders["columns"]["placed_on"] = json!({"name": "placed_on", "data_type": "date"});
    let mut files = Files::new(&[("main/orders.view", view)]);
    files.pull(std::slice::from_ref(&orders), None);
    let text = files.omni["main/orders.view"].clone();
    insta::assert_snapshot!(text);
    assert!(files.pull(&[orders.clone()], None).is_empty());
    assert_eq!(files.omni["main/orders.view"], text);
    // A timeframe that a user removes after a pull is not added again.
    let edited = text.replace("[raw, date]", "[date]");
    files.omni.insert("main/orders.view".to_owned(), edited.clone());
    orders["columns"]["placed_on"]["granularity"] = json!("week");
    files.pull(&[orders], None);
    assert_eq!(files.omni["main/orders.view"], edited);
}

/// Omni does not always record the dbt model of a view.
#[test]
fn a_view_in_a_virtual_schema_is_recognized_by_its_table() {
    let view = "schema: omni_dbt\ntable_name: order_facts\n";
    let mut files = Files::new(&[("omni_dbt/order_facts.view.yaml", view)]);
    let mut facts = node("model", "db", "analytics", "order_facts", false);
    facts["config"] = json!({});
    files.pull(&[facts], None);
    assert_eq!(files.paths(), ["omni_dbt/order_facts.view.yaml"]);
    let text = &files.omni["omni_dbt/order_facts.view.yaml"];
    assert!(
        text.starts_with(view) && text.contains("description: Its number."),
        "{text}"
    );
    // A model with a custom schema is in another virtual schema.
    let mut files = Files::new(&[(
        "omni_dbt/dim_users.view.yaml",
        "schema: omni_dbt\ntable_name: dim_users\n",
    )]);
    files.pull(&[node("model", "db", "marts", "dim_users", false)], None);
    assert_eq!(files.paths().len(), 2);
}

#[test]
fn default_timeframes_of_the_model_apply_to_fields_without_granularity() {
    let mut orders = node("model", "db", "main", "orders", false);
    orders["columns"]["placed_at"] = json!({"name": "placed_at", "data_type": "timestamp"});
    orders["columns"]["month"] = json!({"name": "month", "data_type": "date", "granularity": "month"});
    let text = |files: &[(&str, &str)]| {
        let mut files = Files::new(files);
        files.pull(std::slice::from_ref(&orders), None);
        files.omni["main/orders.view.yaml"].clone()
    };
    assert!(text(&[]).contains("timeframes: [raw, date, week, month, quarter, year]"));
    let with_default = text(&[("model.yaml", "default_timeframes: [raw, date, month]\n")]);
    assert!(with_default.contains("placed_at: {}"), "{with_default}");
    assert!(
        with_default.contains("timeframes: [month, quarter, year]"),
        "{with_default}"
    );
}

#[test]
fn fields_that_read_a_removed_column_are_reported() {
    let mut orders = node("model", "db", "main", "orders", false);
    orders["columns"]["pages"] = json!({"name": "pages", "description": "Pages."});
    let mut files = Files::default();
    files.pull(std::slice::from_ref(&orders), None);
    let view = files.omni.get_mut("main/orders.view.yaml").unwrap();
    view.push_str("measures:\n  total: {sql: '${pages}', aggregate_type: sum}\n");
    let other = "measures:\n  twice: {sql: '2 * MAX(${main__orders.pages[raw]})'}\n  other: {sql: '${pages}'}\n";
    files.omni.insert("main/other.view.yaml".to_owned(), other.to_owned());
    orders["columns"].as_object_mut().unwrap().remove("pages");
    for prune in [false, true] {
        let mut files = files.clone();
        let (_, pull) = files.pull_with(std::slice::from_ref(&orders), None, PullOptions::default().prune(prune));
        let measure = files.omni["main/orders.view.yaml"]
            .lines()
            .position(|line| line.contains("total:"));
        let expected = [
            format!("main/orders.view.yaml:{}", measure.unwrap() + 1),
            "main/other.view.yaml:2".to_owned(),
        ];
        assert_eq!(pull.removed_dimensions.len(), 1, "{prune}");
        assert_eq!(
            (
                &*pull.removed_dimensions[0].name,
                &pull.removed_dimensions[0].readers[..]
            ),
            ("pages", &expected[..]),
            "{prune}"
        );
    }
}

/// The pull that marks a dimension also removes the joins that read it. A name in a comment is not a reference.
#[test]
fn joins_that_a_pull_removes_and_comments_are_not_reported() {
    let users = node("model", "db", "main", "dim_users", false);
    let mut orders = node("model", "db", "main", "orders", true);
    let mut files = Files::default();
    files.pull(&[users.clone(), orders.clone()], None);
    let joins = &files.omni["relationships.yaml"];
    assert!(joins.contains("parent_id}"), "{joins}");
    let view = files.omni.get_mut("main/orders.view.yaml").unwrap();
    view.push_str("# formerly ${parent_id}\n");
    orders["columns"].as_object_mut().unwrap().remove("parent_id");
    let (_, pull) = files.pull_with(&[users, orders], None, PullOptions::default());
    assert!(
        pull.marked_items
            .iter()
            .any(|(_, place)| place == "dimensions.parent_id"),
        "{:?}",
        pull.marked_items
    );
    assert_eq!(pull.removed_dimensions, []);
}

/// The file already has everything that the pull would write.
#[test]
fn the_first_pull_reports_only_files_that_it_changes() {
    let orders = node("model", "db", "main", "orders", false);
    let mut files = Files::default();
    files.pull(std::slice::from_ref(&orders), None);
    files.records.clear();
    assert_eq!(files.pull(&[orders], None), [""; 0]);
}
