//! Nodes as a manifest writes them, borrowed from its text, and made into those that are kept.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::chunks::Print;
use super::freshness::Criteria;
use super::intern::Interner;
use super::lenient::{Entries, Flag, Json, List, Part, Text, Words};
use super::manifest::Keep;
use super::node::{
    Column, Constraint, ConstraintKind, Detail, DocBlock, Exposure, Function, Group, Node, Owner, ResourceType,
    SavedQuery, Source, Test, UnitTest,
};
use super::references::Ref;
use super::semantic::{Dimension, Entity, Measure, Metric, SemanticModel};
use super::value::Fields;

/// The fields of nodes of every kind; each kind has some.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawNode<'a> {
    name: Text<'a>,
    resource_type: Text<'a>,
    package_name: Text<'a>,
    path: Text<'a>,
    original_file_path: Text<'a>,
    patch_path: Text<'a>,
    fqn: Words<'a>,
    database: Text<'a>,
    schema: Text<'a>,
    alias: Text<'a>,
    relation_name: Text<'a>,
    description: Text<'a>,
    doc_blocks: Words<'a>,
    columns: Entries<'a, Part<RawColumn<'a>>>,
    tags: Words<'a>,
    meta: Json<'a>,
    config: Json<'a>,
    access: Text<'a>,
    group: Text<'a>,
    version: Text<'a>,
    latest_version: Text<'a>,
    deprecation_date: Text<'a>,
    time_spine: Option<IgnoredAny>,
    constraints: List<Part<RawConstraint<'a>>>,
    primary_key: Words<'a>,
    contract: Part<RawContract>,
    checksum: Json<'a>,
    // Most of the text, and only looked into where it is kept.
    raw_code: Option<&'a RawValue>,
    compiled_code: Option<&'a RawValue>,
    depends_on: Part<RawDependsOn<'a>>,
    refs: List<Part<RawRef<'a>>>,
    sources: List<Words<'a>>,
    // Of tests:
    test_metadata: Part<RawTestMetadata<'a>>,
    attached_node: Text<'a>,
    column_name: Text<'a>,
    // Of sources:
    source_name: Text<'a>,
    source_description: Text<'a>,
    identifier: Text<'a>,
    loader: Text<'a>,
    loaded_at_field: Text<'a>,
    freshness: Json<'a>,
    // Of exposures, metrics, and semantic models:
    label: Text<'a>,
    r#type: Text<'a>,
    maturity: Text<'a>,
    url: Text<'a>,
    owner: Part<RawOwner<'a>>,
    type_params: Json<'a>,
    filter: Json<'a>,
    time_granularity: Text<'a>,
    model: Text<'a>,
    node_relation: Part<RawRelation<'a>>,
    defaults: Part<RawDefaults<'a>>,
    primary_entity: Text<'a>,
    entities: List<Part<RawElement<'a>>>,
    dimensions: List<Part<RawElement<'a>>>,
    measures: List<Part<RawElement<'a>>>,
    query_params: Json<'a>,
    // Of functions:
    arguments: Json<'a>,
    returns: Json<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawColumn<'a> {
    name: Text<'a>,
    description: Text<'a>,
    data_type: Text<'a>,
    quote: Flag,
    granularity: Text<'a>,
    tags: Words<'a>,
    meta: Json<'a>,
    config: Json<'a>,
    doc_blocks: Words<'a>,
    constraints: List<Part<RawConstraint<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawConstraint<'a> {
    r#type: Text<'a>,
    name: Text<'a>,
    expression: Text<'a>,
    columns: Words<'a>,
    to: Text<'a>,
    to_columns: Words<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawContract {
    enforced: Flag,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawDependsOn<'a> {
    nodes: Words<'a>,
    macros: Words<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawRef<'a> {
    name: Text<'a>,
    package: Text<'a>,
    version: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawTestMetadata<'a> {
    name: Text<'a>,
    namespace: Text<'a>,
    kwargs: Json<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawOwner<'a> {
    name: Text<'a>,
    email: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawRelation<'a> {
    relation_name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawDefaults<'a> {
    agg_time_dimension: Text<'a>,
}

/// An entity, a dimension or a measure.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawElement<'a> {
    name: Text<'a>,
    r#type: Text<'a>,
    agg: Text<'a>,
    description: Text<'a>,
    label: Text<'a>,
    expr: Text<'a>,
    type_params: Json<'a>,
    agg_time_dimension: Text<'a>,
    agg_params: Json<'a>,
    non_additive_dimension: Json<'a>,
    create_metric: Flag,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawGroup<'a> {
    name: Text<'a>,
    package_name: Text<'a>,
    description: Text<'a>,
    owner: Part<RawOwner<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawDoc<'a> {
    name: Text<'a>,
    package_name: Text<'a>,
    original_file_path: Text<'a>,
    block_contents: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawMacro<'a> {
    depends_on: Part<RawDependsOn<'a>>,
}

impl RawMacro<'_> {
    /// The ids of the macros that it uses.
    pub fn uses(&self, interner: &mut Interner) -> Vec<Arc<str>> {
        interner.words(&self.depends_on.0.macros)
    }
}

/// Code, where it is kept and there is some.
fn code(raw: Option<&RawValue>, keep: bool) -> Option<Arc<str>> {
    let text: Text<'_> = raw.filter(|_| keep).and_then(|raw| serde_json::from_str(raw.get()).ok())?;
    text.as_str().filter(|text| !text.is_empty()).map(Arc::from)
}

/// A path with `/` between folders, on whichever machine it was written.
fn path(text: &Text<'_>, interner: &mut Interner) -> Arc<str> {
    let text = text.as_str().unwrap_or_default();
    if text.contains('\\') { Arc::from(text.replace('\\', "/")) } else { interner.text(text) }
}

impl<'a> RawNode<'a> {
    /// `section` is what it is where it does not say so.
    pub fn node(mut self, id: &str, section: ResourceType, keep: Keep, interner: &mut Interner) -> Node {
        let resource_type = match self.resource_type.as_str().map(ResourceType::from_name).unwrap_or_default() {
            ResourceType::Other if section == ResourceType::Other => {
                ResourceType::from_name(id.split('.').next().unwrap_or_default())
            }
            ResourceType::Other => section,
            said => said,
        };
        let meta = meta(&mut self.config, std::mem::take(&mut self.meta), interner);
        let of_config = |key: &str, config: &mut Json<'a>| config.take(key).into_text();
        let access = either(of_config("access", &mut self.config), &self.access);
        let group = either(of_config("group", &mut self.config), &self.group);
        let tags = tags(&mut self.config, std::mem::take(&mut self.tags), interner);
        let contract = self.contract.0.enforced.0;
        let (patch_package, patch_path) = match self.patch_path.as_str().filter(|text| !text.is_empty()) {
            // `shop://models/orders.yml`
            Some(text) => match text.split_once("://") {
                Some((package, rest)) => (Some(interner.text(package)), Some(interner.text(&rest.replace('\\', "/")))),
                None => (None, Some(interner.text(&text.replace('\\', "/")))),
            },
            None => (None, None),
        };
        let detail = self.detail(resource_type, interner);
        let config = interner.fields(std::mem::take(&mut self.config).pruned());
        // Not collected: that would keep the room of what is larger.
        let mut columns = Vec::with_capacity(self.columns.0.len());
        columns.extend(self.columns.0.into_iter().map(|(key, column)| {
            if keep.only_names { column.0.named(&key, interner) } else { column.0.column(&key, interner) }
        }));
        let alias = if self.alias.as_str().is_some() { &self.alias } else { &self.identifier };
        let checksum = match &mut self.checksum {
            named @ Json::Map(_) => named.take("checksum").into_text(),
            plain => std::mem::take(plain).into_text(),
        };
        Node {
            unique_id: interner.text(id),
            name: interner.or_empty(&self.name),
            resource_type,
            package: interner.or_empty(&self.package_name),
            path: path(&self.path, interner),
            original_file_path: path(&self.original_file_path, interner),
            patch_path,
            patch_package,
            fqn: interner.words(&self.fqn),
            database: interner.said(&self.database),
            schema: interner.said(&self.schema),
            alias: interner.said(alias),
            relation_name: interner.said(&self.relation_name),
            description: interner.or_empty(&self.description),
            doc_blocks: interner.words(&self.doc_blocks),
            columns,
            tags,
            meta,
            config,
            access: interner.said(&access),
            group: interner.said(&group),
            version: interner.said(&self.version),
            latest_version: interner.said(&self.latest_version),
            deprecation_date: interner.said(&self.deprecation_date),
            has_time_spine: self.time_spine.is_some(),
            constraints: constraints(&self.constraints, interner),
            primary_key: interner.words(&self.primary_key),
            contract_enforced: contract == Some(true),
            checksum: checksum.as_str().map(Arc::from),
            // What dbt has not compiled is read as it is written.
            raw_code: code(self.raw_code, keep.raw_code || (keep.compiled_code && self.compiled_code.is_none())),
            compiled_code: code(self.compiled_code, keep.compiled_code),
            depends_on: interner.words(&self.depends_on.0.nodes),
            macros: interner.words(&self.depends_on.0.macros),
            refs: refs(&self.refs, &self.sources, interner),
            detail,
            print: Print::default(),
        }
    }

    fn detail(&mut self, resource_type: ResourceType, interner: &mut Interner) -> Detail {
        match resource_type {
            ResourceType::Test => Detail::Test(Box::new(Test {
                name: interner.said(&self.test_metadata.0.name),
                namespace: interner.said(&self.test_metadata.0.namespace),
                kwargs: kwargs(std::mem::take(&mut self.test_metadata.0.kwargs), interner),
                attached_node: interner.said(&self.attached_node),
                column_name: interner.said(&self.column_name),
            })),
            ResourceType::Source => Detail::Source(Box::new(Source {
                source_name: interner.or_empty(&self.source_name),
                source_description: interner.or_empty(&self.source_description),
                loader: interner.said(&self.loader),
                loaded_at_field: interner.said(&self.loaded_at_field),
                freshness: Criteria::read(std::mem::take(&mut self.freshness), interner),
            })),
            ResourceType::Exposure => Detail::Exposure(Box::new(Exposure {
                kind: interner.said(&self.r#type),
                label: interner.said(&self.label),
                maturity: interner.said(&self.maturity),
                url: interner.said(&self.url),
                owner: self.owner.0.owner(interner),
            })),
            ResourceType::Metric => Detail::Metric(Box::new(Metric {
                label: interner.said(&self.label),
                kind: interner.or_empty(&self.r#type),
                type_params: interner.fields(std::mem::take(&mut self.type_params).pruned()),
                filter: interner.value(std::mem::take(&mut self.filter)),
                time_granularity: interner.said(&self.time_granularity),
            })),
            ResourceType::SemanticModel => Detail::SemanticModel(Box::new(self.semantic_model(interner))),
            ResourceType::SavedQuery => Detail::SavedQuery(Box::new(SavedQuery {
                label: interner.said(&self.label),
                metrics: interner.words(&self.query_params.take("metrics").into_words()),
                group_by: interner.words(&self.query_params.take("group_by").into_words()),
            })),
            ResourceType::UnitTest => Detail::UnitTest(Box::new(UnitTest { model: interner.or_empty(&self.model) })),
            ResourceType::Function => Detail::Function(Box::new(self.function(interner))),
            _ => Detail::None,
        }
    }

    fn semantic_model(&mut self, interner: &mut Interner) -> SemanticModel {
        let take = |list: &mut List<Part<RawElement<'a>>>| std::mem::take(&mut list.0).into_iter().map(|part| part.0);
        let entity = |it: RawElement<'_>, interner: &mut Interner| Entity {
            name: interner.or_empty(&it.name),
            kind: interner.or_empty(&it.r#type),
            description: interner.or_empty(&it.description),
            label: interner.said(&it.label),
            expr: interner.said(&it.expr),
        };
        let dimension = |mut it: RawElement<'_>, interner: &mut Interner| Dimension {
            name: interner.or_empty(&it.name),
            kind: interner.or_empty(&it.r#type),
            description: interner.or_empty(&it.description),
            label: interner.said(&it.label),
            expr: interner.said(&it.expr),
            granularity: interner.said(&it.type_params.take("time_granularity").into_text()),
        };
        let measure = |it: RawElement<'_>, interner: &mut Interner| Measure {
            name: interner.or_empty(&it.name),
            agg: interner.or_empty(&it.agg),
            description: interner.or_empty(&it.description),
            label: interner.said(&it.label),
            expr: interner.said(&it.expr),
            agg_time_dimension: interner.said(&it.agg_time_dimension),
            agg_params: interner.fields(it.agg_params.pruned()),
            non_additive_dimension: interner.fields(it.non_additive_dimension.pruned()),
            create_metric: it.create_metric.0 == Some(true),
        };
        SemanticModel {
            label: interner.said(&self.label),
            model: interner.or_empty(&self.model),
            relation_name: interner.said(&self.node_relation.0.relation_name),
            agg_time_dimension: interner.said(&self.defaults.0.agg_time_dimension),
            primary_entity: interner.said(&self.primary_entity),
            entities: take(&mut self.entities).map(|it| entity(it, interner)).collect(),
            dimensions: take(&mut self.dimensions).map(|it| dimension(it, interner)).collect(),
            measures: take(&mut self.measures).map(|it| measure(it, interner)).collect(),
        }
    }

    fn function(&mut self, interner: &mut Interner) -> Function {
        let arguments = match std::mem::take(&mut self.arguments) {
            Json::List(items) => items,
            _ => Vec::new(),
        };
        let argument = |mut it: Json<'_>| {
            let name = interner.or_empty(&it.take("name").into_text());
            (name, interner.said(&it.take("data_type").into_text()))
        };
        let arguments = arguments.into_iter().map(argument).collect();
        Function { arguments, returns: interner.said(&self.returns.take("data_type").into_text()) }
    }
}

impl RawColumn<'_> {
    fn named(self, key: &str, interner: &mut Interner) -> Column {
        Column { name: interner.text(self.name.as_str().unwrap_or(key)), ..Column::default() }
    }

    fn column(mut self, key: &str, interner: &mut Interner) -> Column {
        Column {
            name: interner.text(self.name.as_str().unwrap_or(key)),
            description: interner.or_empty(&self.description),
            data_type: interner.said(&self.data_type),
            meta: meta(&mut self.config, self.meta, interner),
            tags: tags(&mut self.config, self.tags, interner),
            constraints: constraints(&self.constraints, interner),
            quote: self.quote.0,
            granularity: interner.said(&self.granularity),
            doc_blocks: interner.words(&self.doc_blocks),
        }
    }
}

/// The meta of a configuration, else the node's own.
fn meta<'a>(config: &mut Json<'a>, own: Json<'a>, interner: &mut Interner) -> Fields {
    let configured = interner.fields(config.take("meta"));
    if configured.is_empty() { interner.fields(own) } else { configured }
}

/// Tags, which dbt says in the configuration, in the node's own place, or in both.
fn tags<'a>(config: &mut Json<'a>, own: Words<'a>, interner: &mut Interner) -> Vec<Arc<str>> {
    let mut all = config.take("tags").into_words();
    all.0.extend(own.0);
    let mut distinct: Vec<Arc<str>> = Vec::with_capacity(all.0.len());
    for tag in interner.words(&all) {
        if !distinct.contains(&tag) {
            distinct.push(tag);
        }
    }
    distinct
}

fn either<'a>(first: Text<'a>, second: &Text<'a>) -> Text<'a> {
    if first.as_str().is_some() { first } else { second.clone() }
}

/// Arguments of a test stand flat, even where they are written below `arguments`.
fn kwargs(mut json: Json<'_>, interner: &mut Interner) -> Fields {
    let is_map = |value: &Json<'_>| matches!(value, Json::Map(_));
    if let Json::Map(outer) = &mut json
        && let Some(at) = outer.iter().position(|(key, value)| key == "arguments" && is_map(value))
        && let (_, Json::Map(inner)) = outer.remove(at)
    {
        outer.extend(inner);
    }
    interner.fields(json)
}

fn constraints(raw: &List<Part<RawConstraint<'_>>>, interner: &mut Interner) -> Vec<Constraint> {
    let constraint = |Part(raw): &Part<RawConstraint<'_>>| Constraint {
        kind: ConstraintKind::from_name(raw.r#type.as_str().unwrap_or_default()),
        name: interner.said(&raw.name),
        expression: interner.said(&raw.expression),
        columns: interner.words(&raw.columns),
        to: interner.said(&raw.to),
        to_columns: interner.words(&raw.to_columns),
    };
    raw.0.iter().map(constraint).collect()
}

fn refs(models: &List<Part<RawRef<'_>>>, sources: &List<Words<'_>>, interner: &mut Interner) -> Vec<Ref> {
    let mut refs = Vec::with_capacity(models.0.len() + sources.0.len());
    for Part(raw) in &models.0 {
        refs.push(Ref::Model {
            name: interner.or_empty(&raw.name),
            package: interner.said(&raw.package),
            version: interner.said(&raw.version),
        });
    }
    for words in &sources.0 {
        if let [source, table] = words.0.as_slice() {
            refs.push(Ref::Source { source: interner.text(source), table: interner.text(table) });
        }
    }
    refs
}

impl RawOwner<'_> {
    fn owner(&self, interner: &mut Interner) -> Owner {
        Owner { name: interner.said(&self.name), email: interner.said(&self.email) }
    }
}

impl RawGroup<'_> {
    pub fn group(&self, id: &str, interner: &mut Interner) -> Group {
        Group {
            unique_id: interner.text(id),
            name: interner.or_empty(&self.name),
            package: interner.or_empty(&self.package_name),
            description: interner.or_empty(&self.description),
            owner: self.owner.0.owner(interner),
        }
    }
}

impl RawDoc<'_> {
    pub fn block(&self, id: &str, interner: &mut Interner) -> DocBlock {
        DocBlock {
            unique_id: interner.text(id),
            name: interner.or_empty(&self.name),
            package: interner.or_empty(&self.package_name),
            original_file_path: path(&self.original_file_path, interner),
            text: Arc::from(self.block_contents.as_str().unwrap_or_default()),
        }
    }
}
