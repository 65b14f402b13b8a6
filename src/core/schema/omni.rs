//! View files of an Omni model. Their dimensions are columns of unknown type.

use rustc_hash::FxHashMap;

use super::omni_file::is_removed_from_dbt;
use super::read::{string_keyed_pairs, unexpected_node_error};
use super::{Column, OmniFieldKind, ParsedOmniModel, Relation, Schema};
use crate::Type;
use crate::diag::Diagnostic;
use crate::yaml::Node;

/// Tag that `pull` adds to objects that no longer exist in dbt.
pub const REMOVED_FROM_DBT_TAG: &str = "dbt_removed";

/// Adds a view under the name of its file. All settings except those of dimensions are relevant only to Omni.
pub(super) fn read(model: &ParsedOmniModel<'_>, index: usize, schema: &mut Schema, faults: &mut Vec<Diagnostic>) {
    let Some(view) = model.views.get(index) else { return };
    let dimensions = model.files.get(view.file).and_then(|file| file.root.get("dimensions"));
    for (_, name, dimension) in dimensions
        .map(|node| string_keyed_pairs(node, "`dimensions`", faults))
        .unwrap_or_default()
    {
        if !is_dimension(dimension) {
            faults.push(unexpected_node_error(dimension, &format!("`{name}`"), "a mapping"));
        }
    }
    if view.is_template {
        return;
    }
    let mut relation = Relation::new(view.name.clone());
    let mut removed = Vec::new();
    let fields = view
        .fields()
        .iter()
        .filter(|field| field.kind == OmniFieldKind::Dimension);
    for field in fields.filter(|field| is_dimension(&field.node) && !field.is_ignored()) {
        if is_removed_from_dbt(&field.node) {
            removed.push(field.name.clone());
            continue;
        }
        let column = Column::new(&field.name, Type::Unknown).with_quoted_name(field.at.is_quoted());
        let column = column.with_tags(field.node.texts_at("tags"));
        relation.push(match field.text("description") {
            Some(text) => column.description(text),
            None => column,
        });
    }
    let key = view
        .key
        .iter()
        .map(|name| Some(relation.column(name)?.name().to_owned()));
    let key: Option<Vec<String>> = key.collect();
    let relation = relation.primary_key(key.unwrap_or_default()).with_past_columns(removed);
    // Formulas refer to a second view of the same name by its full name.
    let is_taken = schema.relation(relation.name()).is_some();
    schema.push(match model.names.names_of_view(index) {
        Some(names) if is_taken => relation.with_name(names.full.clone()),
        _ => relation,
    });
}

fn is_dimension(node: &Node) -> bool {
    node.pairs().is_some() || node.is_null()
}

/// Names under which the files of an Omni model refer to a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OmniViewNames {
    /// Name of the file without its folder and extension.
    pub short: String,
    /// Name that Omni uses in references: the name in the file's first comment or, without this comment, a name that
    /// combines database, schema and file name.
    pub full: String,
    /// Other names that consist of the schema and the name of the file.
    others: Vec<String>,
    /// Whether `full` comes from the file: from its first comment, or from the name of a file without a schema.
    pub is_certain: bool,
}

impl OmniViewNames {
    /// Returns the names of the view in a file. `root` is the YAML in the file.
    #[must_use]
    pub fn new(file: &str, text: &str, root: &Node) -> Self {
        let key = |key: &str| root.text_at(key);
        Self::from_parts(file, name_in_header(text), key("catalog"), key("schema"))
    }

    /// Returns the names of a view with the given database and schema. `header` is the name in the first comment of the
    /// file.
    #[must_use]
    pub fn from_parts(file: &str, header: Option<&str>, catalog: Option<&str>, schema: Option<&str>) -> Self {
        let short = view_name(file);
        let schema_name = schema.map(to_omni_name);
        let of_schema = schema_name.as_ref().map(|schema| format!("{schema}__{short}"));
        let of_catalog = catalog
            .zip(schema_name)
            .map(|(catalog, schema)| format!("{}_{schema}__{short}", to_omni_name(catalog)));
        let mut names: Vec<String> = [header.map(str::to_owned), of_catalog, of_schema]
            .into_iter()
            .flatten()
            .collect();
        let full = if names.is_empty() {
            short.clone()
        } else {
            names.remove(0)
        };
        Self {
            is_certain: header.is_some() || schema.is_none(),
            short,
            full,
            others: names,
        }
    }

    /// Returns all names with their ranks. If several views have the same name, the view with the lowest rank has
    /// precedence.
    fn ranked_names(&self) -> impl Iterator<Item = (&str, u8)> {
        let full = (self.full.as_str(), u8::from(!self.is_certain));
        let others = self.others.iter().map(|name| (name.as_str(), 2));
        [full].into_iter().chain(others).chain([(self.short.as_str(), 3)])
    }
}

/// Returns the name that Omni writes to the first comment of a view file: `# Reference this view as orders`.
fn name_in_header(text: &str) -> Option<&str> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let mut comments = lines.take_while(|line| line.is_empty() || line.starts_with('#'));
    let name = comments.find_map(|line| {
        line.trim_start_matches('#')
            .trim_start()
            .strip_prefix("Reference this view as ")
    })?;
    Some(name.trim()).filter(|name| !name.is_empty())
}

/// Views of an Omni model, by all their names.
#[derive(Clone, Debug, Default)]
pub struct OmniViewIndex {
    names: Vec<OmniViewNames>,
    /// Index and rank of the view that a name refers to. The names are in lower case.
    by_name: FxHashMap<String, (usize, u8)>,
}

impl OmniViewIndex {
    /// Adds a view and returns its index.
    pub fn add(&mut self, names: OmniViewNames) -> usize {
        let index = self.names.len();
        for (name, rank) in names.ranked_names() {
            let entry = self.by_name.entry(name.to_lowercase()).or_insert((index, rank));
            if rank < entry.1 {
                *entry = (index, rank);
            }
        }
        self.names.push(names);
        index
    }

    /// Returns the names of the view with this index.
    #[must_use]
    pub fn names_of_view(&self, index: usize) -> Option<&OmniViewNames> {
        self.names.get(index)
    }

    /// Returns the index of the view with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(&name.trim().to_lowercase()).map(|(index, _)| *index)
    }

    /// Returns the shortest name that refers to the view with this index, in lower case.
    #[must_use]
    pub fn name_of(&self, index: usize) -> Option<String> {
        let names = self.names.get(index)?;
        let short = names.short.to_lowercase();
        Some(if self.find(&short) == Some(index) {
            short
        } else {
            names.full.to_lowercase()
        })
    }

    /// Returns the name that [`name_of`](Self::name_of) returns for the view. Returns other names, such as the alias of
    /// a join, in lower case.
    #[must_use]
    pub fn canonical_name(&self, name: &str) -> String {
        let view_name = self.find(name).and_then(|index| self.name_of(index));
        view_name.unwrap_or_else(|| name.trim().to_lowercase())
    }
}

/// Returns the name of a view from the path of its file. For example, `analytics/orders.view.yaml` contains the view
/// `orders`.
pub fn view_name(file: &str) -> String {
    let name = file_stem(file);
    let name = name.strip_suffix(".view").unwrap_or(name);
    name.strip_suffix(".query").unwrap_or(name).to_owned()
}

/// Returns the name of a file without its folder and its YAML extension.
pub(super) fn file_stem(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let ends = [".yaml", ".yml"];
    ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// Converts a string to a name in Omni: lower-case letters, digits and `_`. For example, `Insurer Code` becomes
/// `insurer_code`. The name is never empty.
#[must_use]
pub fn to_omni_name(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
    }
    let length = out.trim_end_matches('_').len();
    // Keep a trailing `_` only if the string ends with `_`.
    if !text.ends_with('_') {
        out.truncate(length);
    }
    match out.chars().next() {
        None => "unnamed".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{out}"),
        Some(_) => out,
    }
}

#[cfg(test)]
mod tests {
    use super::{OmniViewIndex, OmniViewNames, to_omni_name};
    use crate::Type;
    use crate::dialect::Dialect;
    use crate::schema::Schema;
    use crate::yaml;

    fn index(files: &[(&str, &str)]) -> OmniViewIndex {
        let mut index = OmniViewIndex::default();
        for (file, text) in files {
            let root = yaml::parse_root(text);
            index.add(OmniViewNames::new(file, text, &root.unwrap()));
        }
        index
    }

    #[test]
    fn views_have_the_names_that_omni_writes() {
        let header = "# Reference this view as shop_prod_ecomm__users\ncatalog: SHOP_PROD\nschema: ECOMM\n";
        let index = index(&[
            ("SHOP_PROD.ECOMM/users.view.yaml", header),
            ("SHOP-PROD.RAW/items.view", "catalog: SHOP-PROD\nschema: RAW\n"),
            ("raw/users.view.yaml", "schema: raw\n"),
            (
                "public/orders.view.yaml",
                "# Reference this view as orders\nschema: public\n",
            ),
            ("old/orders.view.yaml", "schema: old\n"),
            ("raw__users.query.view", "query: {}\n"),
            ("dbt_greg_lee/visits.view.yaml", "schema: dbt_greg.lee\n"),
            ("dbt_ann_lee/visits.view.yaml", "schema: dbt-ann-lee\n"),
        ]);
        for (name, position) in [
            ("shop_prod_ecomm__users", Some(0)),
            ("ECOMM__users", Some(0)),
            ("users", Some(0)),
            ("shop_prod_raw__items", Some(1)),
            ("raw__items", Some(1)),
            // If the name of a view is not written in its file, a query view with the same name takes precedence.
            ("raw__users", Some(5)),
            ("orders", Some(3)),
            ("old__orders", Some(4)),
            ("dbt_greg_lee__visits", Some(6)),
            ("dbt_ann_lee__visits", Some(7)),
            ("nowhere", None),
        ] {
            assert_eq!(index.find(name), position, "{name}");
        }
        assert_eq!(index.canonical_name("Shop_Prod_Ecomm__Users"), "users");
        assert_eq!(index.canonical_name("old__orders"), "old__orders");
        assert_eq!(index.canonical_name("An_Alias"), "an_alias");
    }

    #[test]
    fn names_are_plain() {
        for (text, expected) in [
            ("orders", "orders"),
            ("AMOUNT", "amount"),
            ("Insurer Code", "insurer_code"),
            ("Größe (cm)", "gr_e_cm"),
            ("2024", "_2024"),
            ("a_", "a_"),
            ("", "unnamed"),
            ("客户", "unnamed"),
            ("../../etc", "etc"),
        ] {
            assert_eq!(to_omni_name(text), expected);
        }
    }

    #[test]
    fn dimensions_are_columns_but_measures_are_not() {
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
    fn views_inherit_columns_and_keys() {
        let files = [
            (
                "small.view",
                "extends: [base, orders]\ndimensions: {note: {description: Own}}",
            ),
            ("base.view", "template: true\ndimensions: {note: {}, at: {}}"),
            (
                "orders.view",
                "custom_compound_primary_key_sql: ['\"ID\"', at]\ndimensions: {id: {}, at: {}}",
            ),
            (
                "days.view",
                "custom_compound_primary_key_sql: [day, hour]\ndimensions: {day: {}}",
            ),
        ];
        let (schema, faults) = Schema::from_texts(&files, Dialect::default());
        assert_eq!(faults, []);
        let names: Vec<&str> = schema.relations().iter().map(super::super::Relation::name).collect();
        assert_eq!(names, ["small", "orders", "days"]);
        let small = schema.relation("small").unwrap();
        let columns: Vec<&str> = small.columns().iter().map(super::super::Column::name).collect();
        assert_eq!(columns, ["note", "at", "id"]);
        assert_eq!(small.key(), ["id", "at"]);
        // A part of a key does not identify rows.
        assert!(schema.relation("days").unwrap().key().is_empty());
    }

    #[test]
    fn faults_have_their_file_index() {
        let files = [("a.view", "dimensions: {x: {}}"), ("b.view", "dimensions: [x]")];
        let (schema, faults) = Schema::from_texts(&files, Dialect::default());
        assert_eq!(schema.relations().len(), 2);
        assert_eq!((faults[0].0, faults[0].1.code()), (1, "F0804"));
    }
}
