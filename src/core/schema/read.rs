//! Parser for schema files of all supported kinds. The content of a file determines its kind.

use super::{OmniFile, OmniFileKind, ParsedOmniFile, ParsedOmniModel, Relation, Schema, file, omni, properties};
use crate::diag::suggest::{nearest_name, similar_name_help};
use crate::diag::{Code, Diagnostic};
use crate::dialect::Dialect;
use crate::span::Span;
use crate::yaml::{self, Node};

/// Top-level keys of the supported YAML files.
const KEYS: &[&str] = &[
    "relations",
    "models",
    "seeds",
    "snapshots",
    "sources",
    "dimensions",
    "measures",
    "table_name",
];

/// Top-level keys of schema files and of dbt's properties files.
const SCHEMA_AND_DBT_KEYS: [&str; 5] = ["relations", "models", "seeds", "snapshots", "sources"];

impl Schema {
    /// Parses a schema file, a dbt properties file or an Omni view. Type names in dbt files are interpreted as types of
    /// the dialect.
    ///
    /// ```
    /// use formulac_core::{Dialect, Schema, Type};
    /// let text = "relations: {orders: {columns: {id: integer, amount: {type: decimal, nullable: false}}}}";
    /// let (schema, faults) = Schema::from_text(text, Dialect::default());
    /// assert!(faults.is_empty());
    /// assert_eq!(schema.relation("orders").unwrap().column("amount").unwrap().ty(), Type::Decimal);
    /// ```
    #[must_use]
    pub fn from_text(text: &str, dialect: Dialect) -> (Self, Vec<Diagnostic>) {
        let (schema, faults) = Self::from_texts(&[("", text)], dialect);
        (schema, faults.into_iter().map(|(_, fault)| fault).collect())
    }

    /// Parses several files that belong together, such as the views of an Omni model. Each file consists of a name and
    /// its content. Each error contains the index of its file in the list.
    ///
    /// ```
    /// use formulac_core::{Dialect, Schema};
    /// let views = [("orders.view", "dimensions: {id: {primary_key: true}}"), ("users.view", "dimensions: {name: {}}")];
    /// let (schema, faults) = Schema::from_texts(&views, Dialect::default());
    /// assert!(faults.is_empty());
    /// assert_eq!(schema.relation("orders").unwrap().key(), ["id"]);
    /// ```
    #[must_use]
    pub fn from_texts(files: &[(&str, &str)], dialect: Dialect) -> (Self, Vec<(usize, Diagnostic)>) {
        let mut schema = Self::new();
        let mut faults = Vec::new();
        schema.read_texts(files, 0..files.len(), dialect, &mut faults);
        (schema, faults)
    }

    /// Parses the files at the given indices and adds their relations.
    pub fn read_texts(
        &mut self,
        files: &[(&str, &str)],
        places: impl IntoIterator<Item = usize>,
        dialect: Dialect,
        faults: &mut Vec<(usize, Diagnostic)>,
    ) {
        let (mut roots, mut omni_files) = (Vec::new(), Vec::new());
        for number in places {
            let Some((path, text)) = files.get(number) else {
                continue;
            };
            let mut diagnostics = Vec::new();
            let root = yaml::read(text, &mut diagnostics).map_err(Some);
            let empty = || unsupported_schema_error(Span::default(), "the file is empty", None);
            match root.and_then(|root| root.ok_or(None)) {
                // Views inherit from other files, so the views are read together.
                Ok(root) if is_omni_view(path, &root) => {
                    omni_files.push((Some(ParsedOmniFile { path, text, root }), Vec::new()));
                    roots.push((number, None, diagnostics));
                }
                Ok(root) => roots.push((number, Some(root), diagnostics)),
                Err(fault) => {
                    diagnostics.push(fault.unwrap_or_else(empty));
                    faults.extend(diagnostics.into_iter().map(|fault| (number, fault)));
                }
            }
        }
        let (omni_model, _) = ParsedOmniModel::new(omni_files);
        let mut views = 0..omni_model.views.len();
        for (number, root, mut diagnostics) in roots {
            match root {
                Some(root) => read_yaml(root, dialect, self, &mut diagnostics),
                None => omni::read(&omni_model, views.next().unwrap_or_default(), self, &mut diagnostics),
            }
            faults.extend(diagnostics.into_iter().map(|fault| (number, fault)));
        }
    }

    /// Adds a relation under its own name. If the name is in use, the relation is added under the name that `longer`
    /// returns.
    pub fn add(&mut self, relation: Relation, longer: impl FnOnce() -> String) {
        let relation = if self.relation(relation.schema_name()).is_some() {
            relation.with_schema_name(longer())
        } else {
            relation
        };
        self.push(relation);
    }
}

fn is_omni_view(path: &str, root: &Node) -> bool {
    let has = |key: &str| root.get(key).is_some();
    let is_other = SCHEMA_AND_DBT_KEYS.into_iter().any(has);
    let is_view = OmniFile::new(path, root).kind() == OmniFileKind::View;
    !is_other && is_view && ["dimensions", "measures", "table_name", "extends"].into_iter().any(has)
}

fn read_yaml(root: Node, dialect: Dialect, schema: &mut Schema, faults: &mut Vec<Diagnostic>) {
    let has = |key: &str| root.get(key).is_some();
    if has("relations") {
        file::read(&root, schema, faults);
    } else if SCHEMA_AND_DBT_KEYS.into_iter().any(has) {
        properties::read(&root.with_merged_keys(), dialect, schema, faults);
    } else {
        faults.push(unknown_format_error(&root));
    }
}

fn unknown_format_error(root: &Node) -> Diagnostic {
    let Some(pairs) = root.pairs() else {
        return unsupported_schema_error(
            root.span,
            &format!("expected `relations:`, found {}", root.kind_name()),
            None,
        );
    };
    let near = pairs
        .iter()
        .find_map(|(key, _)| Some((key.span, nearest_name(key.text()?, KEYS.iter().copied())?)));
    match near {
        Some((span, key)) => unsupported_schema_error(span, "the file contains no schema key", Some(key)),
        None => unsupported_schema_error(
            pairs.first().map_or(root.span, |(key, _)| key.span),
            "the file contains no schema key",
            None,
        ),
    }
}

/// Returns the error for a file in an unsupported format.
pub fn unsupported_schema_error(span: Span, description: &str, near: Option<&str>) -> Diagnostic {
    let help = match near {
        Some(key) => similar_name_help(key),
        None => "write `relations:` with tables and their columns, or use dbt's manifest.json".to_owned(),
    };
    Diagnostic::new(Code::NotASchema, span, format!("not a schema: {description}")).with_help(help)
}

/// Returns the error for a node that does not have the expected shape.
pub fn unexpected_node_error(node: &Node, description: &str, expected: &str) -> Diagnostic {
    let found = match node.text() {
        Some(word) if expected == "true or false" => format!("`{word}`"),
        _ => node.kind_name().to_owned(),
    };
    let help = match expected {
        "true or false" => "write `true` or `false`".to_owned(),
        "a mapping" => "write lines of the form `name: value`".to_owned(),
        _ if expected.starts_with("a list") => {
            "write lines that begin with `- `, or a list such as `[a, b]`".to_owned()
        }
        _ => format!("write {expected}"),
    };
    let message = format!("{description}: expected {expected}, found {found}");
    Diagnostic::new(Code::WrongShape, node.span, message).with_help(help)
}

/// Returns the pairs of a mapping whose keys are strings. Reports keys that are not strings, and nodes that are not
/// mappings.
pub fn string_keyed_pairs<'n>(
    node: &'n Node,
    description: &str,
    faults: &mut Vec<Diagnostic>,
) -> Vec<(&'n Node, &'n str, &'n Node)> {
    let Some(pairs) = node.pairs() else {
        if !node.is_null() {
            faults.push(unexpected_node_error(node, description, "a mapping"));
        }
        return Vec::new();
    };
    let mut named_nodes = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        match key.text() {
            Some(name) => named_nodes.push((key, name, value)),
            None => faults.push(unexpected_node_error(key, description, "a name")),
        }
    }
    named_nodes
}
