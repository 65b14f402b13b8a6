//! `formulac schema fetch`: queries the warehouse, through dbt, for the columns of the relations that specs read.

use std::path::Path;

use formulac::artifacts::{Manifest, ManifestNode, ResourceType};
use formulac::dbt::RelationReference;
use formulac_syntax::text::format_count;
use serde_json::{Map, Value, json};

use super::args::{EngineArgs, SchemaFetchArgs, TargetOptions};
use super::atomic_write::{PlannedFile, write_all};
use super::dbt_run::DbtCall;
use super::engine::{Engine, WarehouseRelation};
use super::environment;
use super::exit::{Exit, Failure};
use super::generation::CompiledProject;
use super::progress::ProgressIndicator;
use super::session::Session;
use super::source::read_text;
use super::spec::{self, Spec};
use super::workspace::{FETCHED_CATALOG_FILE, Workspace};

pub fn run(session: &Session, args: &SchemaFetchArgs) -> Result<Exit, Failure> {
    let selected_paths = selected_spec_paths(session, args)?;
    if selected_paths.as_ref().is_some_and(Vec::is_empty) {
        return report(session, args, &[], Exit::Done);
    }
    let workspace = workspace_with_manifest(session, args)?;
    let relations = relations_to_fetch(&workspace, selected_paths.as_deref())?;
    if relations.is_empty() {
        session.report_action("the specs read no dbt relation");
        return report(session, args, &[], Exit::Done);
    }
    let nothing = Manifest::default();
    let manifest = workspace.manifest()?.unwrap_or(&nothing);
    let is_ephemeral = |relation: &RelationReference| {
        find_node(manifest, relation).is_some_and(|node| node.materialized() == Some("ephemeral"))
    };
    let (ephemeral, relations): (Vec<RelationReference>, Vec<RelationReference>) =
        relations.into_iter().partition(is_ephemeral);
    let mut tables: [Map<String, Value>; 2] = Default::default();
    let mut answers = Vec::new();
    for read_relation in &ephemeral {
        let name = read_relation.display_name();
        let fault = format!(
            "`{name}` is ephemeral, so it has no table in the warehouse; write the `data_type` of its columns in a properties file"
        );
        session.warn(&fault);
        answers.push(json!({"relation": name, "columns": null, "fault": fault}));
    }
    let looked = match relations.as_slice() {
        [] => Vec::new(),
        relations => {
            let engine = EngineArgs {
                engine: Some("dbt".to_owned()),
                dbt: args.dbt.clone(),
                ..EngineArgs::default()
            };
            Engine::select(session, &engine, &workspace.project)?.look_up_relations(relations)?
        }
    };
    for (read_relation, looked) in relations.iter().zip(looked) {
        let fault = match (looked, find_node(manifest, read_relation)) {
            (Ok(Some(WarehouseRelation { columns, .. })), Some(node)) => {
                let [nodes, sources] = &mut tables;
                let tables = match node.resource_type {
                    ResourceType::Source => sources,
                    _ => nodes,
                };
                tables.insert(node.unique_id.to_string(), catalog_table(node, &columns));
                answers
                    .push(json!({"relation": read_relation.display_name(), "columns": columns.len(), "fault": null}));
                continue;
            }
            (Ok(Some(_)), None) => format!("dbt's manifest has no `{}`", read_relation.display_name()),
            (Ok(None), _) => format!(
                "`{}` is not built; run `dbt build` to build it",
                read_relation.display_name()
            ),
            (Err(why), _) => why,
        };
        session.warn(&fault);
        answers.push(json!({"relation": read_relation.display_name(), "columns": null, "fault": fault}));
    }
    let table_count: usize = tables.iter().map(Map::len).sum();
    if !args.selection.selects_all_models() {
        retain_unselected_relations(&workspace, &mut tables);
    }
    let [nodes, sources] = tables;
    let schema = "https://schemas.getdbt.com/dbt/catalog/v1.json";
    let catalog = json!({"metadata": {"dbt_schema_version": schema}, "nodes": nodes, "sources": sources});
    write_all(
        &workspace.writable_folders()?,
        &[PlannedFile {
            path: workspace.root.join(FETCHED_CATALOG_FILE),
            text: format!("{catalog}\n"),
        }],
    )?;
    session.report_action(&format!(
        "fetched the columns of {}",
        format_count(table_count, "relation", "relations")
    ));
    session.report_action("run `formulac generate` to add the columns to .formulac/state/known.yml");
    report(
        session,
        args,
        &answers,
        if table_count == relations.len() {
            Exit::Done
        } else {
            Exit::Failed
        },
    )
}

fn report(session: &Session, args: &SchemaFetchArgs, relations: &[Value], exit: Exit) -> Result<Exit, Failure> {
    if args.json {
        session.print_json(&json!({"file": FETCHED_CATALOG_FILE, "relations": relations}))?;
    }
    Ok(exit)
}

/// Returns the paths of the selected specs, relative to the project, or `None` if all specs are selected.
fn selected_spec_paths(session: &Session, args: &SchemaFetchArgs) -> Result<Option<Vec<String>>, Failure> {
    if args.selection.selects_all_models() {
        return Ok(None);
    }
    let workspace = Workspace::find(session)?;
    let specs = CompiledProject::selected_specs(session, &TargetOptions::default(), &args.selection)?;
    Ok(Some(specs.iter().map(|path| workspace.relative_path(path)).collect()))
}

/// Keeps the results of earlier fetches by adding the tables of relations that are not selected.
fn retain_unselected_relations(workspace: &Workspace, tables: &mut [Map<String, Value>; 2]) {
    let Ok(text) = read_text(workspace.root.join(FETCHED_CATALOG_FILE)) else {
        return;
    };
    let before: Value = serde_json::from_str(&text).unwrap_or_default();
    for (tables, key) in tables.iter_mut().zip(["nodes", "sources"]) {
        for (id, table) in before.get(key).and_then(Value::as_object).into_iter().flatten() {
            if !tables.contains_key(id) {
                tables.insert(id.clone(), table.clone());
            }
        }
    }
}

/// Returns the project with a manifest. If there is no manifest, dbt creates one.
fn workspace_with_manifest(session: &Session, args: &SchemaFetchArgs) -> Result<Workspace, Failure> {
    let workspace = Workspace::find(session)?;
    let Some(dbt) = workspace
        .dbt
        .as_ref()
        .filter(|_| !matches!(workspace.artifacts(), Ok(Some(_))))
    else {
        return Ok(workspace);
    };
    let environment = environment::selected_environment(&session.global, &workspace.project)?;
    let parse_run = DbtCall::new(&dbt.folder, &["parse"], environment.as_ref(), &args.dbt)
        .run(&ProgressIndicator::new(session), "asking dbt to parse the project")?;
    if !parse_run.succeeded {
        return Err(Failure::new(
            Exit::Failed,
            format!("`dbt parse` failed: {}", parse_run.message()),
        ));
    }
    Workspace::find(session)
}

/// Returns the relations that the selected specs read and that no spec generates. `spec_paths` contains the paths of
/// the selected specs. `None` if all specs are selected.
fn relations_to_fetch(workspace: &Workspace, spec_paths: Option<&[String]>) -> Result<Vec<RelationReference>, Failure> {
    let specs = spec::compile_all(
        &formulac::Compiler::default(),
        &workspace.root,
        workspace.sources()?,
        || {},
    );
    let is_made = |name: &str| {
        specs.iter().any(|spec| {
            spec.name
                .as_deref()
                .is_some_and(|own_name| own_name.eq_ignore_ascii_case(name))
        })
    };
    let mut relations: Vec<RelationReference> = Vec::new();
    let is_chosen = |spec: &&Spec| {
        spec_paths.is_none_or(|selected_paths| {
            selected_paths.contains(&workspace.relative_path(Path::new(&spec.file_diagnostics.file)))
        })
    };
    for relation in specs.iter().filter(is_chosen).flat_map(|spec| &spec.reads) {
        if !relation.unversioned_model().is_some_and(is_made) && !relations.contains(relation) {
            relations.push(relation.clone());
        }
    }
    Ok(relations)
}

/// Returns the manifest's node for a relation that a spec reads.
fn find_node<'m>(manifest: &'m Manifest, relation: &RelationReference) -> Option<&'m ManifestNode> {
    match relation {
        RelationReference::Source { group, table } => manifest.with_type(ResourceType::Source).find(|node| {
            &*node.name == table.as_str() && node.source().is_some_and(|source| *source.source_name == **group)
        }),
        RelationReference::Ref { package, version, .. } => {
            let is_meant = |node: &&ManifestNode| match version {
                Some(version) => node
                    .version
                    .as_ref()
                    .is_some_and(|own_version| own_version.to_string() == *version),
                None => node.is_latest(),
            };
            let in_package = |node: &&ManifestNode| package.as_ref().is_none_or(|package| *node.package == **package);
            nodes_with_name(manifest, relation).filter(is_meant).find(in_package)
        }
        _ => nodes_with_name(manifest, relation).find(|node| node.is_latest()),
    }
}

fn nodes_with_name<'m>(manifest: &'m Manifest, relation: &RelationReference) -> impl Iterator<Item = &'m ManifestNode> {
    let name = relation.name().to_owned();
    manifest
        .nodes
        .iter()
        .filter(move |node| node.resource_type.is_referenceable() && *node.name == *name)
}

/// Formats a table like dbt's catalog.
fn catalog_table(node: &ManifestNode, columns: &[(String, String)]) -> Value {
    let column = |(index, (name, ty)): (usize, &(String, String))| {
        (name.clone(), json!({"type": ty, "index": index + 1, "name": name}))
    };
    let columns: Map<String, Value> = columns.iter().enumerate().map(column).collect();
    json!({"metadata": {"type": "", "schema": node.schema.as_deref().unwrap_or_default(), "name": *node.name}, "columns": columns})
}
