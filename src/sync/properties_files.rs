//! Descriptions of nodes and columns in dbt's properties files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::artifacts::{Manifest, ManifestNode, ResourceType};
use crate::dbt::{escape_with_raw_block, unescape_raw_block};
use crate::schema::dbt::is_case_sensitive_name;
use crate::yaml::{self, Node};
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits};

/// Returns the path of the file that describes a node. The file that declares a source also describes it.
pub(super) fn properties_path(node: &ManifestNode) -> Option<&str> {
    let declared = Some(&*node.original_file_path).filter(|_| node.resource_type == ResourceType::Source);
    node.patch_path.as_deref().or(declared)
}

/// Properties files of the project, which may be newer than dbt's manifest. Each file is parsed once.
pub struct PropertiesFiles<'m, R> {
    manifest: &'m Manifest,
    /// Returns the contents of a project file.
    read: R,
    parsed: Mutex<BTreeMap<String, Option<Arc<Node>>>>,
}

impl<R> std::fmt::Debug for PropertiesFiles<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PropertiesFiles").finish_non_exhaustive()
    }
}

impl<'m, R: Fn(&str) -> Option<String>> PropertiesFiles<'m, R> {
    /// Creates the files that describe the nodes of a manifest. `read_file` returns the contents of a project file.
    pub fn new(manifest: &'m Manifest, read_file: R) -> Self {
        Self {
            manifest,
            read: read_file,
            parsed: Mutex::default(),
        }
    }

    /// Returns whether a file describes a node, or one of its columns, with this text. Spaces at the end are ignored.
    pub fn has_description(&self, node: &str, column: Option<&str>, text: &str) -> bool {
        let current_text = || {
            let node = self.manifest.node(node)?;
            let root = self.root(properties_path(node)?)?;
            let (_, node_yaml) = find(node, &root)?;
            let described = match column {
                None => node_yaml,
                Some(column) => column_node(node_yaml, column)?,
            };
            unescape_raw_block(described.text_at("description")?.trim_end())
        };
        current_text().as_deref() == Some(text.trim_end())
    }

    fn root(&self, path: &str) -> Option<Arc<Node>> {
        let mut parsed = self.parsed.lock().ok()?;
        if let Some(root) = parsed.get(path) {
            return root.clone();
        }
        let root = (self.read)(path)
            .and_then(|text| yaml::merged_root(&text))
            .map(Arc::new);
        parsed.insert(path.to_owned(), root.clone());
        root
    }
}

/// Returns a properties file with this description for a node or for one of the node's columns. Returns `None` if the
/// file does not describe the node or cannot be edited.
#[must_use]
pub fn set_description_in_properties(
    (manifest, node): (&Manifest, &ManifestNode),
    text: &str,
    column: Option<&str>,
    description: Option<&str>,
) -> Option<String> {
    let root = yaml::merged_root(text)?;
    let (path, node_yaml) = find(node, &root)?;
    match (column, description) {
        (column, Some(after)) => {
            let edit = description_edit((manifest, node), (&path, node_yaml), column, after);
            apply_edits(text, &[edit]).ok()
        }
        (None, None) => with_description(text, path, node_yaml, None),
        (Some(column), None) => {
            let column = column_node(node_yaml, column)?;
            let name = column.text_at("name")?;
            with_description(text, path.key("columns").item("name", name), column, None)
        }
    }
}

/// Returns the YAML file with a new description for the node at a path.
pub(super) fn with_description(text: &str, path: Path, node: &Node, description: Option<&str>) -> Option<String> {
    let description_path = path.key("description");
    let change = match description {
        Some(text) => Edit::Set {
            at: description_path,
            value: YamlValue::text(text),
            after: vec!["name".to_owned(), "label".to_owned()],
        },
        None if node.get("description").is_some() => Edit::Remove { at: description_path },
        None => return Some(text.to_owned()),
    };
    apply_edits(text, &[change]).ok()
}

/// Returns the path of the node in its properties file, with the node's YAML. `root` is the contents of the file, with
/// merge keys replaced.
pub(super) fn find<'r>(node: &ManifestNode, root: &'r Node) -> Option<(Path, &'r Node)> {
    fn find_node_by_name<'r>(list: &'r Node, name: &str) -> Option<&'r Node> {
        list.items()?.iter().find(|item| item.text_at("name") == Some(name))
    }
    let key = match node.resource_type {
        ResourceType::Seed => "seeds",
        ResourceType::Snapshot => "snapshots",
        ResourceType::Source => {
            let source = node.fqn.iter().rev().nth(1)?;
            let source_yaml = find_node_by_name(root.get("sources")?, source)?;
            let path = Path::root()
                .key("sources")
                .item("name", &**source)
                .key("tables")
                .item("name", &*node.name);
            return Some((path, find_node_by_name(source_yaml.get("tables")?, &node.name)?));
        }
        _ => "models",
    };
    let path = Path::root().key(key).item("name", &*node.name);
    Some((path, find_node_by_name(root.get(key)?, &node.name)?))
}

pub(super) fn column_node<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    column_nodes(node, name).next()
}

/// Returns the entries for a column. There is only one entry unless the file contains a mistake.
pub(super) fn column_nodes<'n>(node: &'n Node, name: &str) -> impl Iterator<Item = &'n Node> {
    let unquoted = |text: &str| text.trim_matches(['"', '`']).to_lowercase();
    let name = unquoted(name);
    let columns = node.items_at("columns").iter();
    columns.filter(move |column| {
        column
            .text_at("name")
            .is_some_and(|column_name| unquoted(column_name) == name)
    })
}

/// Returns the edit that sets the description for a node or for one of its columns. `path` is the path of the node in
/// its properties file, and `node_yaml` is the node's YAML.
pub(super) fn description_edit(
    (manifest, node): (&Manifest, &ManifestNode),
    (path, node_yaml): (&Path, &Node),
    column: Option<&str>,
    text: &str,
) -> Edit {
    let value = YamlValue::text(escape_with_raw_block(text));
    let after = vec!["name".to_owned()];
    let Some(name) = column else {
        return Edit::Set {
            at: path.clone().key("description"),
            value,
            after,
        };
    };
    let mut item = vec![("name", YamlValue::text(name)), ("description", value.clone())];
    if requires_quotes(manifest, node, name) {
        item.push(("quote", YamlValue::Bare("true".to_owned())));
    }
    let item = YamlValue::map(item);
    let columns = path.clone().key("columns");
    match column_node(node_yaml, name).and_then(|column| column.text_at("name")) {
        Some(column_name) => Edit::Set {
            at: columns.item("name", column_name).key("description"),
            value,
            after,
        },
        None => Edit::Add {
            to: columns,
            value: item,
        },
    }
}

/// Returns whether dbt must quote the name of a column that its properties file does not contain. The name has the case
/// of the warehouse, unless the manifest contains the column.
fn requires_quotes(manifest: &Manifest, node: &ManifestNode, name: &str) -> bool {
    let dialect = manifest.metadata.dialect().unwrap_or_default();
    let is_case_sensitive = match node.column(name) {
        Some(column) => column.quote == Some(true),
        None => is_case_sensitive_name(name, dialect),
    };
    dialect.requires_quotes(name, !is_case_sensitive)
}
