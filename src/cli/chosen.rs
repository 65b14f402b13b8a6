//! The models that `--select` and `--exclude` choose, in a graph of the specs and of what dbt's manifest knows.

use std::collections::{BTreeMap, BTreeSet};

use formulac::artifacts::Manifest;
use formulac::dbt::selection::{self, Node, UnknownMethod};
use formulac::dbt::{From as Read, GraphNode};

use super::exit::{Exit, Failure, Found};
use super::models::Model;

/// Which models are chosen, and which of them and their ancestors have to be made.
pub struct Chosen {
    /// By the place of the model.
    pub models: Vec<bool>,
    /// The specs whose faults stand in the way: those of chosen models, of what they read, and all that make no model
    /// where everything is chosen.
    pub specs: Vec<bool>,
}

/// Applies the selections. `folder` is that of the models, seen from dbt's project.
pub fn choose(
    models: &[Model],
    found: &[Found],
    manifest: &Manifest,
    known: &[GraphNode],
    folder: &str,
    select: &[String],
    exclude: &[String],
) -> Result<Chosen, Failure> {
    let nodes = graph(models, manifest, known, folder);
    let chosen = selection::select(&nodes, select, exclude).map_err(|fault| unknown(&fault))?;
    let chosen: Vec<bool> = chosen.into_iter().take(models.len()).collect();
    // What has no name cannot be chosen, and is told in any case.
    let mut specs = vec![true; found.len()];
    // What a model is made of has to be sound, chosen or not.
    let mut needed: BTreeSet<usize> = (0..models.len()).filter(|at| chosen[*at]).collect();
    let mut next: Vec<usize> = needed.iter().copied().collect();
    while let Some(at) = next.pop() {
        let own = nodes[at].parents.iter().copied().filter(|parent| *parent < models.len());
        next.extend(own.filter(|parent| needed.insert(*parent)));
    }
    for (at, model) in models.iter().enumerate() {
        if let Some(spec) = specs.get_mut(model.spec) {
            *spec = needed.contains(&at);
        }
    }
    Ok(Chosen { models: chosen, specs })
}

fn unknown(fault: &UnknownMethod) -> Failure {
    let methods: Vec<String> = selection::METHODS.iter().map(|method| format!("`{method}:`")).collect();
    Failure::new(Exit::Usage, fault.to_string()).with_help(format!("there are {}", methods.join(", ")))
}

/// The models first, then what dbt knows besides.
fn graph(models: &[Model], manifest: &Manifest, all: &[GraphNode], folder: &str) -> Vec<Node> {
    let own: BTreeMap<String, usize> = models.iter().enumerate().map(|(at, m)| (m.name.to_lowercase(), at)).collect();
    let package = manifest.metadata.project_name.clone().unwrap_or_default();
    let is_model = |kind: &str| matches!(kind, "model" | "seed" | "snapshot");
    // Where each node of the manifest stands in the graph: a model of a spec stands there already.
    let mut places = Vec::with_capacity(all.len());
    let mut count = models.len();
    for known in all {
        let same = own.get(&known.node.name.to_lowercase()).filter(|_| known.node.package == package);
        places.push(match same.filter(|_| is_model(&known.node.kind)) {
            Some(at) => (*at, false),
            None => {
                count += 1;
                (count - 1, true)
            }
        });
    }
    let mut by_name: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut by_package: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut by_source: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (known, (place, _)) in all.iter().zip(&places).filter(|(known, _)| !known.disabled) {
        let node = &known.node;
        if is_model(&node.kind) {
            by_package.insert((&node.package, &node.name), *place);
            if node.package == package {
                by_name.insert(("", &node.name), *place);
            } else {
                by_name.entry(("", &node.name)).or_insert(*place);
            }
        } else if let ("source", [.., group, table]) = (node.kind.as_str(), node.fqn.as_slice()) {
            by_source.insert((group, table), *place);
        }
    }
    let parent = |read: &Read| match read {
        Read::Source { group, table } => by_source.get(&(group.as_str(), table.as_str())).copied(),
        Read::Ref { package: Some(package), model, .. } => by_package.get(&(package.as_str(), model.as_str())).copied(),
        other => {
            let model = other.own_model().unwrap_or(other.name());
            own.get(&model.to_lowercase()).copied().or_else(|| by_name.get(&("", model)).copied())
        }
    };
    let path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let mut nodes: Vec<Node> = Vec::with_capacity(count);
    for model in models {
        let mut node = Node::default();
        // dbt leaves out the folder of all models.
        let folders = path.iter().skip(1).map(|part| (*part).to_owned());
        node.fqn = std::iter::once(package.clone()).chain(folders).chain([model.name.clone()]).collect();
        node.paths =
            [format!("{}/{}.sql", path.join("/"), model.name), format!("{}/{}.yml", path.join("/"), model.name)]
                .into_iter()
                .chain([model.path.clone()])
                .collect();
        (node.name, node.kind, node.package) = (model.name.clone(), "model".to_owned(), package.clone());
        (node.tags, node.config) = (model.tags.clone(), model.config.clone());
        node.parents = model.reads.iter().filter_map(parent).collect();
        nodes.push(node);
    }
    for (known, (place, new)) in all.iter().zip(&places) {
        let parents = known.node.parents.iter().filter_map(|at| places.get(*at)).map(|(place, _)| *place);
        if *new {
            let mut node = known.node.clone();
            node.parents = parents.collect();
            // One that is switched off is selected by nothing.
            if known.disabled {
                node = Node::default();
            }
            nodes.push(node);
        } else if let Some(own) = nodes.get_mut(*place) {
            // What dbt_project.yml says of the folder, dbt knows.
            own.tags.extend(known.node.tags.iter().filter(|tag| !own.tags.contains(tag)).cloned().collect::<Vec<_>>());
            let said: BTreeSet<String> = own.config.iter().map(|(key, _)| key.clone()).collect();
            own.config.extend(known.node.config.iter().filter(|(key, _)| !said.contains(key)).cloned());
        }
    }
    nodes
}
