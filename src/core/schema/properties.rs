//! dbt properties files: `models:`, `seeds:`, `snapshots:` and `sources:` with their columns and tests.

use super::Access;
use super::Schema;
use super::dbt::{ColumnMetadata, RelationMetadata, unquote_column};
use super::read::unexpected_node_error;
use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::yaml::Node;

/// Adds the relations of a properties file. All other keys in the file are relevant only to dbt.
pub(super) fn read(root: &Node, dialect: Dialect, schema: &mut Schema, faults: &mut Vec<Diagnostic>) {
    for kind in ["models", "seeds", "snapshots"] {
        for node in read_list(root, kind, faults) {
            if let Some(facts) = read_relation(node, faults) {
                let longer = format!("{kind}.{}", facts.name);
                schema.add(facts.into_relation(dialect), || longer);
            }
        }
    }
    for source in read_list(root, "sources", faults) {
        let name = source.text_at("name").unwrap_or_default();
        for node in read_list(source, "tables", faults) {
            if let Some(facts) = read_relation(node, faults) {
                let longer = format!("{name}.{}", facts.name);
                schema.add(facts.into_relation(dialect), || longer);
            }
        }
    }
}

fn read_relation(node: &Node, faults: &mut Vec<Diagnostic>) -> Option<RelationMetadata> {
    let name = node_name(node, faults)?;
    let mut facts = RelationMetadata {
        name: name.to_owned(),
        ..RelationMetadata::default()
    };
    let text_at = |key: &str| {
        node.get("config")
            .and_then(|config| config.get(key))
            .or(node.get(key))
            .and_then(Node::text)
    };
    facts.access = text_at("access").and_then(Access::from_name);
    facts.group = text_at("group").map(str::to_owned);
    let enforced = enforces_constraints(node);
    for column in read_list(node, "columns", faults) {
        let Some(name) = node_name(column, faults) else {
            continue;
        };
        let text = |key: &str| column.text_at(key).map(str::to_owned);
        let unquoted = unquote_column(name);
        let mut column_metadata = ColumnMetadata {
            name: unquoted.to_string(),
            data_type: text("data_type"),
            description: text("description"),
            quoted: column.is_true_at("quote") || unquoted != name,
            tags: [
                column.get("config").and_then(|config| config.get("tags")),
                column.get("tags"),
            ]
            .map(|tags| tags.map(Node::texts).unwrap_or_default())
            .concat(),
            ..ColumnMetadata::default()
        };
        for test in read_data_tests(column).filter(DbtTest::is_unconditional) {
            column_metadata.not_null |= test.name == "not_null";
            column_metadata.unique |= test.name == "unique";
            if let Some(values) = test.test_argument("values").filter(|_| test.name == "accepted_values") {
                let items = values.items().unwrap_or_default();
                column_metadata.values = items
                    .iter()
                    .filter_map(|value| value.text().map(str::to_owned))
                    .collect();
            }
        }
        for constraint in read_list(column, "constraints", faults).iter().filter(|_| enforced) {
            match constraint.text_at("type") {
                Some("not_null") => column_metadata.not_null = true,
                Some("primary_key") => column_metadata.key = true,
                _ => {}
            }
        }
        facts.columns.push(column_metadata);
    }
    for test in
        read_data_tests(node).filter(|t| t.name.ends_with("unique_combination_of_columns") && t.is_unconditional())
    {
        let columns = test
            .test_argument("combination_of_columns")
            .and_then(Node::items)
            .unwrap_or_default();
        facts.unique_together.push(
            columns
                .iter()
                .filter_map(|c| c.text().map(|name| unquote_column(name).into_owned()))
                .collect(),
        );
    }
    Some(facts)
}

fn node_name<'n>(node: &'n Node, faults: &mut Vec<Diagnostic>) -> Option<&'n str> {
    let name = node.text_at("name");
    if name.is_none() {
        faults.push(unexpected_node_error(node, "a dbt entry", "a mapping with a `name`"));
    }
    name
}

fn read_list<'n>(node: &'n Node, key: &str, faults: &mut Vec<Diagnostic>) -> &'n [Node] {
    let Some(value) = node.get(key) else { return &[] };
    match value.items() {
        Some(items) => items,
        None if value.is_null() => &[],
        None => {
            faults.push(unexpected_node_error(value, &format!("`{key}`"), "a list"));
            &[]
        }
    }
}

fn enforces_constraints(node: &Node) -> bool {
    let contract = node
        .get("config")
        .and_then(|c| c.get("contract"))
        .or(node.get("contract"));
    contract.and_then(|c| c.get("enforced")).and_then(Node::boolean) == Some(true)
}

/// Data test: `- not_null`, or `- unique: {config: {where: …}}`.
struct DbtTest<'n> {
    name: &'n str,
    settings: Option<&'n Node>,
}

fn read_data_tests(node: &Node) -> impl Iterator<Item = DbtTest<'_>> {
    let lists = ["data_tests", "tests"]
        .into_iter()
        .filter_map(|key| node.get(key)?.items());
    lists.flatten().filter_map(|test| match test.pairs() {
        None => Some(DbtTest {
            name: test.text()?,
            settings: None,
        }),
        Some(_) if test.get("test_name").is_some() => Some(DbtTest {
            name: test.text_at("test_name")?,
            settings: Some(test),
        }),
        Some(pairs) => pairs.first().and_then(|(key, value)| {
            Some(DbtTest {
                name: key.text()?,
                settings: Some(value),
            })
        }),
    })
}

impl DbtTest<'_> {
    /// Returns whether a passing test guarantees its property: the test must be enabled, cover all rows, and report
    /// errors instead of warnings.
    fn is_unconditional(&self) -> bool {
        let Some(settings) = self.settings else { return true };
        let config = settings.get("config");
        let setting = |key: &str| {
            config
                .and_then(|c| c.get(key))
                .or(settings.get(key))
                .and_then(Node::text)
        };
        setting("where").is_none()
            && !setting("severity").is_some_and(|s| s.eq_ignore_ascii_case("warn"))
            && setting("enabled") != Some("false")
    }

    fn test_argument(&self, key: &str) -> Option<&Node> {
        let settings = self.settings?;
        settings.get("arguments").and_then(|a| a.get(key)).or(settings.get(key))
    }
}

#[cfg(test)]
mod tests {
    use crate::Type;
    use crate::dialect::Dialect;
    use crate::schema::Schema;

    #[test]
    fn merge_keys_are_replaced() {
        let text = "
models:
  - name: a
    columns:
      - &id {name: id, data_type: int, data_tests: [not_null]}
  - name: b
    columns: [{<<: *id, description: Key}, {<<: *id, name: n}]
";
        let (schema, faults) = Schema::from_text(text, Dialect::default());
        assert_eq!(faults, []);
        let b = schema.relation("b").unwrap();
        let columns = b
            .columns()
            .iter()
            .map(|column| (column.name(), column.ty(), column.is_nullable()));
        let expected = [("id", Type::Integer, false), ("n", Type::Integer, false)];
        assert_eq!(columns.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn properties_files_are_read() {
        let text = "
version: 2
seeds:
  - name: customers
    columns:
      - name: customer_id
        description: Key of the customer.
        data_type: varchar
        data_tests: [unique, not_null]
      - {name: country, data_type: varchar, tests: [{not_null: {config: {where: 'id > 0'}}}]}
      - {name: email, quote: true, tests: [{unique: {severity: warn}}, not_null]}
models:
  - name: revenue
    config: {contract: {enforced: true}}
    data_tests:
      - dbt_utils.unique_combination_of_columns:
          arguments: {combination_of_columns: [day, region]}
    columns:
      - {name: day, data_type: date, constraints: [{type: not_null}]}
      - {name: region, tests: [not_null]}
  - name: plain
sources:
  - name: raw
    tables: [{name: events, columns: [{name: at, data_type: timestamp}]}, {name: customers}]
";
        let (schema, faults) = Schema::from_text(text, "bigquery".parse().unwrap());
        assert_eq!(faults, []);
        let names: Vec<&str> = schema
            .relations()
            .iter()
            .map(super::super::Relation::schema_name)
            .collect();
        assert_eq!(names, ["revenue", "plain", "customers", "events", "raw.customers"]);
        let customers = schema.relation("customers").unwrap();
        assert_eq!(customers.key(), ["customer_id"]);
        assert_eq!(customers.column("customer_id").unwrap().ty(), Type::Text);
        assert!(customers.column("country").unwrap().is_nullable());
        assert!(customers.column("email").unwrap().is_quoted());
        assert!(!customers.column("email").unwrap().is_nullable());
        assert_eq!(schema.relation("revenue").unwrap().key(), ["day", "region"]);
        let events = schema.relation("events").unwrap();
        assert_eq!(events.column("at").unwrap().ty(), Type::Timestamptz);
    }

    #[test]
    fn names_in_quotes_are_quoted_names() {
        let text = "
sources:
  - name: raw
    tables:
      - name: parts
        columns: [{name: '\"Manufacturer SKU\"', quote: true, data_type: text}, {name: '`Unit Cost`'}]
        data_tests: [{unique_combination_of_columns: {combination_of_columns: ['\"Manufacturer SKU\"']}}]
";
        let (schema, faults) = Schema::from_text(text, Dialect::default());
        assert_eq!(faults, []);
        let parts = schema.relation("parts").unwrap();
        let columns = parts.columns().iter().map(|column| (column.name(), column.is_quoted()));
        assert_eq!(
            columns.collect::<Vec<_>>(),
            [("Manufacturer SKU", true), ("Unit Cost", true)]
        );
    }

    #[test]
    fn faults_have_spans() {
        let text = "models:\n  - columns: []\n  - name: a\n    columns: {b: c}\nseeds: x\n";
        let (_, faults) = Schema::from_text(text, Dialect::default());
        let places: Vec<&str> = faults.iter().map(|d| d.span().text(text).trim()).collect();
        assert_eq!(places, ["columns: []", "{b: c}", "x"]);
    }
}
