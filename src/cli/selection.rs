//! Resolves `--select` and `--exclude` to models, in a graph of the specs and of dbt's manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use formulac::artifacts::GraphNode;
use formulac::artifacts::{Manifest, ManifestNode, ManifestReadOptions, ResourceType};
use formulac::dbt::selection::{
    self, SELECTION_METHODS, SUPPORTED_STATES, SelectableNode, SelectionError, StateChange, UNSUPPORTED_STATES,
};
use formulac::dbt::{RelationReference, is_same_except_layout};
use formulac::diag::suggest;

use super::args::Selection;
use super::artifacts::TargetArtifacts;
use super::exit::{Exit, Failure, FileDiagnostics};
use super::models::{CompiledMetricSet, CompiledModel};

/// Selected models, and the specs whose errors stop the command.
pub struct SelectedModels {
    /// One entry per model: whether the model is selected.
    pub models: Vec<bool>,
    /// Specs whose errors stop the command: the specs of selected models and of the models that they read, and all
    /// specs that produce no model.
    pub specs: Vec<bool>,
    /// Parts of `--select` that match no model, each with a warning.
    pub unmatched: Vec<(String, String)>,
}

impl SelectedModels {
    pub fn is_model_selected(&self, model: usize) -> bool {
        self.models.get(model) == Some(&true)
    }

    pub fn is_spec_selected(&self, spec: usize) -> bool {
        self.specs.get(spec) == Some(&true)
    }
}

/// Applies a selection. `package` is the name of the dbt project, and `folder` is the folder of its models.
pub fn apply_selection(
    models: &[CompiledModel],
    file_diagnostics: &[FileDiagnostics],
    manifest: &Manifest,
    graph_nodes: &[GraphNode],
    (package, folder): (&str, &str),
    selection: &Selection,
) -> Result<SelectedModels, Failure> {
    let (mut nodes, ids) = build_selection_graph(models, manifest, graph_nodes, (package, folder));
    if let Some(folder) = &selection.state {
        let earlier = read_earlier_manifest(folder)?;
        let checksums_by_node_id = checksums_by_node_id(manifest);
        for (index, (node, id)) in nodes.iter_mut().zip(&ids).enumerate() {
            node.change = Some(match models.get(index) {
                Some(model) => compare_model_state(model, node, find_earlier_model(&earlier, node)),
                None => compare_node_state(node, checksums_by_node_id.get(id.as_str()).copied(), earlier.node(id)),
            });
        }
    }
    let select = |select: &[String], exclude: &[String]| {
        selection::select(&nodes, select, exclude).map_err(|fault| selection_failure(&fault))
    };
    // Reject unknown names only if all specs have models, because a spec with errors may have no model and its name is
    // then unknown.
    let with_model: BTreeSet<usize> = models.iter().map(|model| model.spec).collect();
    let mut others = file_diagnostics
        .iter()
        .enumerate()
        .filter(|(index, _)| !with_model.contains(index));
    let all_named =
        others.all(|(_, file_diagnostics)| Exit::from_failures(std::slice::from_ref(file_diagnostics)) == Exit::Done);
    let mut unmatched = Vec::new();
    for part in selection.select.iter().flat_map(|text| text.split_whitespace()) {
        let part_matches = select(&[part.to_owned()], &[])?;
        if part_matches.iter().take(models.len()).any(|is_match| *is_match) {
            continue;
        }
        let near = suggest::nearest_name(
            part.trim_matches(['+', '@']),
            models.iter().map(|model| model.name.as_str()),
        );
        let near = near.map(suggest::similar_name_help);
        let is_name = part
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '+' | '@'));
        if is_name && all_named && !part_matches.contains(&true) {
            let failure = Failure::new(Exit::Usage, format!("`{part}` selects no spec"));
            return Err(match near {
                Some(near) => failure.with_help(near),
                None => failure,
            });
        }
        let near = near.map(|near| format!("; {near}")).unwrap_or_default();
        unmatched.push((part.to_owned(), format!("`{part}` selects no spec{near}")));
    }
    let mut selected_flags = select(&selection.select, &selection.exclude)?;
    selected_flags.truncate(models.len());
    // A spec without a name cannot be selected, so its errors are always reported.
    let mut specs = vec![true; file_diagnostics.len()];
    // The models that a selected model reads must be free of errors, even if they are not selected.
    let mut needed_models: BTreeSet<usize> = selected_flags
        .iter()
        .enumerate()
        .filter(|(_, is_selected)| **is_selected)
        .map(|(index, _)| index)
        .collect();
    let mut next: Vec<usize> = needed_models.iter().copied().collect();
    while let Some(index) = next.pop() {
        let model_parents = nodes.get(index).into_iter().flat_map(|node| &node.parents);
        let own_parents = model_parents.copied().filter(|parent| *parent < models.len());
        next.extend(own_parents.filter(|parent| needed_models.insert(*parent)));
    }
    for (index, model) in models.iter().enumerate() {
        if let Some(spec) = specs.get_mut(model.spec) {
            *spec = needed_models.contains(&index);
        }
    }
    Ok(SelectedModels {
        models: selected_flags,
        specs,
        unmatched,
    })
}

/// Applies a selection to metric sets. Returns one entry per metric set: whether the metric set is selected.
pub fn select_metric_sets(
    sets: &[CompiledMetricSet],
    select: &[String],
    exclude: &[String],
) -> Result<Vec<bool>, Failure> {
    let is_named = |set: &CompiledMetricSet, name: &str| {
        set.compiled
            .metric_set()
            .is_some_and(|own_name| own_name.eq_ignore_ascii_case(name))
    };
    let index = |name: &String| sets.iter().position(|set| is_named(set, name));
    let node = |set: &CompiledMetricSet| {
        let name = set.compiled.metric_set().unwrap_or_default();
        let mut node = SelectableNode::default();
        node.name = name.to_owned();
        node.kind = "metric_set".to_owned();
        node.paths = vec![set.path.clone()];
        node.metrics = set
            .compiled
            .metrics_of_set()
            .map(|(metric, _)| format!("{name}.{metric}"))
            .collect();
        node.tags = set.compiled.tags().to_vec();
        node.parents = set.compiled.combined_sets().iter().filter_map(index).collect();
        node.change = Some(StateChange::default());
        node
    };
    // If there are no metric sets, no node was compared with an earlier state, so `select` would report an error for
    // `state:`.
    if sets.is_empty() {
        return Ok(Vec::new());
    }
    let nodes: Vec<SelectableNode> = sets.iter().map(node).collect();
    selection::select(&nodes, select, exclude).map_err(|fault| selection_failure(&fault))
}

fn selection_failure(fault: &SelectionError) -> Failure {
    let name_list = |names: &[&str], end: &str| {
        names
            .iter()
            .map(|name| format!("`{name}{end}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let help = match fault {
        SelectionError::UnknownState(state) => {
            match UNSUPPORTED_STATES.iter().find(|(dbt_state, _)| dbt_state == state) {
                Some((_, description)) => {
                    format!(
                        "formulac does not compare {description}, but dbt does: run `dbt ls --select state:{state} --state \
                    DIR` after `formulac generate`"
                    )
                }
                None => format!("write `state:` with {}", name_list(SUPPORTED_STATES, "")),
            }
        }
        SelectionError::NoEarlierManifest => {
            "use `--state DIR` to specify the folder that contains the earlier manifest.json".to_owned()
        }
        _ => format!("the methods are {}", name_list(SELECTION_METHODS, ":")),
    };
    Failure::new(Exit::Usage, fault.to_string()).with_help(help)
}

/// Reads the manifest of an earlier state, with the code of its models.
fn read_earlier_manifest(folder: &Path) -> Result<Manifest, Failure> {
    let path = folder.join("manifest.json");
    let target_folder =
        TargetArtifacts::read_manifest_with_options(path.clone(), ManifestReadOptions::default().with_raw_code());
    let read_folder = target_folder.map_err(|file_diagnostics| Failure::Found(vec![file_diagnostics]))?;
    read_folder
        .map(|earlier_folder| earlier_folder.manifest)
        .ok_or_else(|| {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            Failure::from_io("read", &path.to_string_lossy(), &missing)
                .with_help("`--state` needs a folder with a manifest.json")
        })
}

fn checksums_by_node_id(manifest: &Manifest) -> BTreeMap<&str, &str> {
    let nodes = manifest.nodes.iter();
    nodes
        .filter_map(|node| Some((&*node.unique_id, node.checksum.as_deref()?)))
        .collect()
}

/// Returns the model of the same name in the earlier manifest. If the model has several versions, returns the latest
/// version, because specs describe the latest version.
fn find_earlier_model<'m>(earlier: &'m Manifest, node: &SelectableNode) -> Option<&'m ManifestNode> {
    let mut namesakes = earlier
        .nodes
        .iter()
        .filter(|node| node.resource_type == ResourceType::Model);
    namesakes.find(|manifest_node| {
        *manifest_node.name == *node.name && *manifest_node.package == *node.package && manifest_node.is_latest()
    })
}

/// Compares a model from a spec with the earlier model, as `dbt ls --select state:modified` does: compares the code
/// without its layout, and the configuration that the spec sets.
fn compare_model_state(model: &CompiledModel, node: &SelectableNode, earlier: Option<&ManifestNode>) -> StateChange {
    let Some(earlier) = earlier else {
        return StateChange {
            is_new: true,
            ..StateChange::default()
        };
    };
    // `generate` does not change a file if only its layout differs.
    let is_same = |now: &str, earlier: &str| now.trim() == earlier.trim() || is_same_except_layout(earlier, now);
    let now = model.files.as_ref().map(|built| built.sql.as_str());
    let has_same_body = now
        .zip(earlier.raw_code.as_deref())
        .is_some_and(|(now, earlier)| is_same(now, earlier));
    compare_node_settings(node, earlier, !has_same_body)
}

/// Compares any other node with its earlier version by the checksum of the file.
fn compare_node_state(node: &SelectableNode, checksum: Option<&str>, earlier: Option<&ManifestNode>) -> StateChange {
    let Some(earlier) = earlier else {
        return StateChange {
            is_new: true,
            ..StateChange::default()
        };
    };
    compare_node_settings(node, earlier, checksum != earlier.checksum.as_deref())
}

/// Settings that determine the name of the relation.
const RELATION_SETTINGS: [&str; 3] = ["alias", "database", "schema"];
/// Settings that dbt ignores when it compares configurations.
const IGNORED_SETTINGS: [&str; 3] = ["access", "group", "tags"];

/// Compares the settings of a node with its earlier settings. Ignores settings that only the earlier node has, because
/// they may be dbt's defaults.
fn compare_node_settings(node: &SelectableNode, earlier: &ManifestNode, has_new_body: bool) -> StateChange {
    let differing = node
        .config
        .iter()
        .filter(|(key, now)| earlier.config_text(key) != Some(now));
    let (of_relation, others): (Vec<_>, Vec<_>) =
        differing.partition(|(key, _)| RELATION_SETTINGS.contains(&key.as_str()));
    let has_new_config = others.iter().any(|(key, _)| !IGNORED_SETTINGS.contains(&key.as_str()));
    StateChange {
        is_new: false,
        has_new_body,
        has_new_config,
        has_new_relation: !of_relation.is_empty(),
    }
}

/// Returns the models followed by dbt's other nodes, and the id of each node.
fn build_selection_graph(
    models: &[CompiledModel],
    manifest: &Manifest,
    graph_nodes: &[GraphNode],
    (package, folder): (&str, &str),
) -> (Vec<SelectableNode>, Vec<String>) {
    let own_models: BTreeMap<String, usize> = models
        .iter()
        .enumerate()
        .map(|(model_index, m)| (m.name.to_lowercase(), model_index))
        .collect();
    let package = manifest.metadata.project_name.as_deref().unwrap_or(package);
    // Index of each manifest node in the graph. Nodes for models from specs are already in the graph.
    let mut places = Vec::with_capacity(graph_nodes.len());
    let mut count = models.len();
    for graph_node in graph_nodes {
        let same_model = own_models
            .get(&graph_node.node.name.to_lowercase())
            .filter(|_| graph_node.node.package == package && is_referenceable_kind(&graph_node.node.kind));
        places.push(match same_model {
            Some(own_index) => (*own_index, false),
            None => {
                count += 1;
                (count - 1, true)
            }
        });
    }
    let index = RelationPositions::new(graph_nodes, &places, package);
    let mut nodes: Vec<SelectableNode> = Vec::with_capacity(count);
    nodes.extend(models.iter().map(|model| {
        let mut node = model_node(model, package, folder);
        node.parents = model
            .reads
            .iter()
            .filter_map(|relation| index.find(relation, &own_models))
            .collect();
        node
    }));
    let mut ids = vec![String::new(); models.len()];
    for (known_node, (node_index, new)) in graph_nodes.iter().zip(&places) {
        if *new {
            let parents = known_node
                .node
                .parents
                .iter()
                .filter_map(|parent_index| places.get(*parent_index));
            // No selection includes disabled nodes.
            let mut node = SelectableNode::default();
            if !known_node.disabled {
                node = known_node.node.clone();
                node.parents = parents.map(|(node_index, _)| *node_index).collect();
            }
            nodes.push(node);
            ids.push(known_node.unique_id.clone());
        } else if let Some(own_node) = nodes.get_mut(*node_index) {
            add_manifest_settings(own_node, &known_node.node);
        }
    }
    (nodes, ids)
}

fn is_referenceable_kind(kind: &str) -> bool {
    matches!(kind, "model" | "seed" | "snapshot")
}

/// Positions of the manifest's relations in the graph.
struct RelationPositions<'m> {
    /// Relations by name. If several packages contain a relation with the same name, the project's own relation is
    /// used.
    by_name: BTreeMap<&'m str, usize>,
    by_package: BTreeMap<(&'m str, &'m str), usize>,
    by_source: BTreeMap<(&'m str, &'m str), usize>,
}

impl<'m> RelationPositions<'m> {
    fn new(graph_nodes: &'m [GraphNode], places: &[(usize, bool)], package: &str) -> Self {
        let mut index = Self {
            by_name: BTreeMap::new(),
            by_package: BTreeMap::new(),
            by_source: BTreeMap::new(),
        };
        for (graph_node, (node_index, _)) in graph_nodes.iter().zip(places).filter(|(node, _)| !node.disabled) {
            let node = &graph_node.node;
            if is_referenceable_kind(&node.kind) {
                index.by_package.insert((&node.package, &node.name), *node_index);
                if node.package == package {
                    index.by_name.insert(&node.name, *node_index);
                } else {
                    index.by_name.entry(&node.name).or_insert(*node_index);
                }
            } else if let ("source", [.., group, table]) = (node.kind.as_str(), node.fqn.as_slice()) {
                index.by_source.insert((group, table), *node_index);
            }
        }
        index
    }

    /// Returns the position of the relation that a model reads. `own_models` contains the positions of the models from
    /// specs.
    fn find(&self, relation: &RelationReference, own_models: &BTreeMap<String, usize>) -> Option<usize> {
        match relation {
            RelationReference::Source { group, table } => {
                self.by_source.get(&(group.as_str(), table.as_str())).copied()
            }
            RelationReference::Ref {
                package: Some(package),
                model,
                ..
            } => self.by_package.get(&(package.as_str(), model.as_str())).copied(),
            other => {
                let model = other.unversioned_model().unwrap_or(other.name());
                own_models
                    .get(&model.to_lowercase())
                    .or_else(|| self.by_name.get(model))
                    .copied()
            }
        }
    }
}

/// Returns the node of a model from a spec, without its parents.
fn model_node(model: &CompiledModel, package: &str, folder: &str) -> SelectableNode {
    let path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    // dbt ignores the outermost folder, which contains all models.
    let folders = path.iter().skip(1).map(|part| (*part).to_owned());
    let files = path.join("/");
    let compiled = model.files.as_ref().map(|built| &built.compiled);
    let mut node = SelectableNode::default();
    (node.name, node.kind, node.package) = (model.name.clone(), "model".to_owned(), package.to_owned());
    node.is_own = true;
    node.fqn = std::iter::once(package.to_owned())
        .chain(folders)
        .chain([model.name.clone()])
        .collect();
    node.paths = vec![
        format!("{files}/{}.sql", model.name),
        format!("{files}/{}.yml", model.name),
        model.path.clone(),
    ];
    (node.tags, node.config) = (model.tags.clone(), model.config.clone());
    node.metrics = compiled.map_or_else(Vec::new, |compiled| compiled.metrics_read().to_vec());
    node
}

/// Adds the tags and settings of the manifest's node to the node of the same model, because the manifest includes the
/// settings for folders in `dbt_project.yml`.
fn add_manifest_settings(own_node: &mut SelectableNode, node: &SelectableNode) {
    own_node.tags.extend(
        node.tags
            .iter()
            .filter(|tag| !own_node.tags.contains(tag))
            .cloned()
            .collect::<Vec<_>>(),
    );
    let own_keys: BTreeSet<String> = own_node.config.iter().map(|(key, _)| key.clone()).collect();
    own_node
        .config
        .extend(node.config.iter().filter(|(key, _)| !own_keys.contains(key)).cloned());
}
