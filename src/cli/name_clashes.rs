//! Finds names that dbt would reject because a node in any folder already uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use formulac::artifacts::{GraphNode, Manifest, ManifestNode, NodeDetail, ResourceType};
use formulac::dbt::spec_in_header;
use formulac::diag::{Code, Diagnostic};
use formulac::{SemanticModel, SemanticNameKind};

use super::exit::FileDiagnostics;
use super::models::CompiledModel;
use super::moved_files::MovedFilePaths;
use super::source::read_text;

/// Node types that `ref` can refer to. All nodes of these types share one namespace.
const REFERENCEABLE_TYPES: &[&str] = &["model", "seed", "snapshot"];

/// Reports models and tests whose names other nodes already use. `folders` are the folders of the models and tests,
/// relative to the dbt project.
pub fn check(
    models: &[CompiledModel],
    manifest: &Manifest,
    nodes: &[GraphNode],
    root: &Path,
    folders: [&str; 2],
    moved: &MovedFilePaths,
    file_diagnostics: &mut [FileDiagnostics],
) {
    let mut nodes_by_name: BTreeMap<String, &GraphNode> = BTreeMap::new();
    let mut tests: BTreeMap<String, &GraphNode> = BTreeMap::new();
    for node in nodes.iter().filter(|node| does_node_file_exist(node, manifest, root)) {
        let kind = node.node.kind.as_str();
        if REFERENCEABLE_TYPES.contains(&kind) {
            nodes_by_name.entry(node.node.name.to_lowercase()).or_insert(node);
        } else if kind == "test" {
            tests.entry(node.node.name.to_lowercase()).or_insert(node);
        }
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for model in models {
        let mut say = |message: String, help: &str| {
            let fault = Diagnostic::new(Code::NameTaken, model.name_span, message).with_help(help);
            file_diagnostics
                .iter_mut()
                .skip(model.spec)
                .take(1)
                .for_each(|file_diagnostics| file_diagnostics.diagnostics.push(fault.clone()));
        };
        // Another version of the same model may be a handwritten file that the generated properties file also
        // describes.
        let others = |node: &GraphNode, folder: &str, name: &str| {
            let own_paths = ["sql", "yml"].map(|end| format!("{}/{name}.{end}", folder.trim_end_matches('/')));
            let is_own = |path: &String| {
                own_paths
                    .iter()
                    .any(|own_path| path.trim_start_matches("./") == moved.current_path(own_path))
            };
            !node.node.paths.iter().any(is_own)
        };
        let file = |node: &GraphNode| match node.node.paths.first() {
            _ if !is_project_node(node, manifest) => format!(", in the package `{}`", node.node.package),
            Some(path) => format!(", in `{path}`"),
            None => String::new(),
        };
        let same_name = nodes_by_name.get(&model.name.to_lowercase());
        if let Some(node) = same_name.filter(|node| others(node, folders[0], &model.name)) {
            let state = if node.disabled { "disabled " } else { "" };
            let (kind, name) = (&node.node.kind, &node.node.name);
            say(
                format!("dbt already has a {state}{kind} `{name}`{}", file(node)),
                "give the model another name",
            );
        }
        for (name, _) in model.files.iter().flat_map(|built| &built.tests) {
            if let Some(node) = tests
                .get(&name.to_lowercase())
                .filter(|node| others(node, folders[1], name))
            {
                say(
                    format!("dbt already has a test `{name}`{}", file(node)),
                    "give that test another name",
                );
            }
            if seen
                .insert(name.to_lowercase(), model.spec)
                .is_some_and(|first| first != model.spec)
            {
                say(
                    format!("another spec generates the test `{name}` as well"),
                    "give the model or the rule another name",
                );
            }
        }
    }
    report_name_clashes(models, manifest, nodes, root, folders[0], moved, file_diagnostics);
}

/// Reports models whose names files of the dbt project already use. The manifest lacks files that dbt has not parsed
/// yet. `files` are the paths of models and seeds with the name of a model, ignoring case, and `folder` is the folder
/// of generated models, all relative to the project.
pub fn check_files(
    models: &[CompiledModel],
    files: &[String],
    root: &Path,
    folder: &str,
    moved: &MovedFilePaths,
    file_diagnostics: &mut [FileDiagnostics],
) {
    let mut files_by_name: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for path in files {
        let name = Path::new(path).file_stem().unwrap_or_default().to_string_lossy();
        files_by_name.entry(name.to_lowercase()).or_default().push(path);
    }
    for model in models {
        let own_path = format!("{}/{}.sql", folder.trim_end_matches('/'), model.name);
        let own_path = moved.current_path(&own_path);
        let is_handwritten = |path: &str| {
            let text = read_text(root.join(path)).unwrap_or_default();
            spec_in_header(&text).is_none()
        };
        let same_name = files_by_name.get(&model.name.to_lowercase()).into_iter().flatten();
        let mut others = same_name.filter(|path| path.as_str() != own_path && is_handwritten(path));
        let (Some(path), Some(of_spec)) = (others.next(), file_diagnostics.get_mut(model.spec)) else {
            continue;
        };
        let is_reported = |known: &Diagnostic| known.kind() == Code::NameTaken && known.span() == model.name_span;
        if !of_spec.diagnostics.iter().any(is_reported) {
            let message = format!("the file `{path}` already defines a model or seed with this name");
            let fault = Diagnostic::new(Code::NameTaken, model.name_span, message);
            of_spec.diagnostics.push(fault.with_help("give the model another name"));
        }
    }
}

/// Reports docs blocks, exposures, metrics and semantic models whose names clash with each other or with nodes of the
/// project. Existing nodes are ignored if they come from files that the specs generate again.
fn report_name_clashes(
    models: &[CompiledModel],
    manifest: &Manifest,
    nodes: &[GraphNode],
    root: &Path,
    folder: &str,
    moved: &MovedFilePaths,
    file_diagnostics: &mut [FileDiagnostics],
) {
    let own_paths: BTreeSet<String> = models
        .iter()
        .flat_map(|model| ["yml", "md"].map(|end| format!("{}/{}.{end}", folder.trim_end_matches('/'), model.name)))
        .map(|path| moved.current_path(&path).to_owned())
        .collect();
    let is_other = |package: &str, paths: &[&str]| {
        let is_own = manifest
            .metadata
            .project_name
            .as_deref()
            .is_none_or(|project| project == package);
        let is_written = paths
            .iter()
            .any(|path| own_paths.contains(path.trim_start_matches("./")));
        is_own && !is_written && paths.first().is_none_or(|path| root.join(path).is_file())
    };
    let list = |paths: &[&str]| {
        let file = paths.first().map_or_else(String::new, |path| format!(", in `{path}`"));
        format!("dbt already has a node with this name{file}")
    };
    let mut taken_names: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for node in nodes.iter().filter(|node| !node.disabled) {
        let paths: Vec<&str> = node.node.paths.iter().map(String::as_str).collect();
        if is_other(&node.node.package, &paths) {
            taken_names.insert((&node.node.kind, &node.node.name), list(&paths));
        }
    }
    for block in &manifest.docs {
        let paths: Vec<&str> = Some(&*block.original_file_path)
            .filter(|path| !path.is_empty())
            .into_iter()
            .collect();
        if is_other(&block.package, &paths) {
            taken_names.insert(("doc", &block.name), list(&paths));
        }
    }
    let elements = manifest.with_type(ResourceType::SemanticModel);
    let elements: BTreeMap<&str, SemanticElementUse<'_>> = elements
        .filter(|node| is_other(&node.package, &[&*node.original_file_path]))
        .flat_map(semantic_elements)
        .collect();
    for model in models {
        let semantic = model.files.iter().filter_map(|built| built.semantic.as_ref());
        for (name, kind) in semantic.flat_map(SemanticModel::element_kinds) {
            let Some(other) = elements.get(name.as_str()).filter(|other| other.kind != Some(*kind)) else {
                continue;
            };
            let message = format!(
                "`{name}` is {} of the semantic model of `{}`, but {} of dbt's semantic model `{}`",
                kind.description(),
                model.name,
                other.kind.map_or("a measure", SemanticNameKind::description),
                other.semantic_model
            );
            let fault = Diagnostic::new(Code::DeclaredTwice, model.name_span, message).with_help(
                "give the column another name, or set `semantic_model: false`, because a name must have the same type \
                 in all semantic models",
            );
            if let Some(of_spec) = file_diagnostics.get_mut(model.spec) {
                of_spec.diagnostics.push(fault);
            }
        }
        for declared in model.files.iter().flat_map(|built| &built.declared) {
            let kind = match declared.kind() {
                "doc" => "docs block".to_owned(),
                kind => kind.replace('_', " "),
            };
            let usage = format!("the spec of `{}` uses this name too", model.name);
            if let Some(other) = taken_names.insert((declared.kind(), declared.name()), usage) {
                let help = match declared.kind() {
                    "exposure" => "declare the exposure once, and list the other model in its `depends_on`",
                    _ => "give the model or the column another name",
                };
                let message = format!("the name `{}` of this {kind} is taken: {other}", declared.name());
                let fault = Diagnostic::new(Code::DeclaredTwice, declared.span(), message).with_help(help);
                file_diagnostics
                    .iter_mut()
                    .skip(model.spec)
                    .take(1)
                    .for_each(|file_diagnostics| file_diagnostics.diagnostics.push(fault.clone()));
            }
        }
    }
}

/// Use of a name in one of dbt's semantic models.
struct SemanticElementUse<'m> {
    semantic_model: &'m str,
    /// Kind of the element. `None` for a measure.
    kind: Option<SemanticNameKind>,
}

/// Returns the entities, dimensions and measures of a semantic model by name.
fn semantic_elements(node: &ManifestNode) -> Vec<(&str, SemanticElementUse<'_>)> {
    let NodeDetail::SemanticModel(model) = &node.detail else {
        return Vec::new();
    };
    let entities = model
        .entities
        .iter()
        .map(|entity| &entity.name)
        .chain(&model.primary_entity);
    let entities = entities.map(|name| (name, Some(SemanticNameKind::Entity)));
    let dimensions = model.dimensions.iter().map(|dimension| {
        let kind = match &*dimension.kind {
            "time" => SemanticNameKind::TimeDimension,
            _ => SemanticNameKind::Categorical,
        };
        (&dimension.name, Some(kind))
    });
    let measures = model.measures.iter().map(|measure| (&measure.name, None));
    let elements = entities.chain(dimensions).chain(measures);
    let semantic_model = &*node.name;
    elements
        .map(|(name, kind)| (&**name, SemanticElementUse { semantic_model, kind }))
        .collect()
}

/// Returns whether the file of a node still exists at its path in the manifest. Files of packages are elsewhere and are
/// not checked.
fn does_node_file_exist(node: &GraphNode, manifest: &Manifest, root: &Path) -> bool {
    !is_project_node(node, manifest) || node.node.paths.first().is_none_or(|path| root.join(path).is_file())
}

/// Returns whether the node belongs to the project itself instead of a package.
fn is_project_node(node: &GraphNode, manifest: &Manifest) -> bool {
    let project = manifest.metadata.project_name.as_deref();
    project.is_none_or(|project| project == node.node.package)
}
