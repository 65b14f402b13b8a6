//! Nodes as written in a manifest, borrowed from its text, and their conversion to [`Node`].

use std::sync::Arc;

use formulac_core::schema::dbt::unquote_column;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::chunks::ChunkFingerprint;
use super::freshness::FreshnessCriteria;
use super::intern::Interner;
use super::lenient::{Json, LenientEntries, LenientFlag, LenientList, LenientMapping, LenientText, LenientTexts};
use super::manifest::ManifestReadOptions;
use super::node::{
    Constraint, ConstraintKind, DbtGroup, DocBlock, Exposure, FunctionNode, ManifestNode, NodeColumn, NodeDetail,
    Owner, ResourceType, SavedQuery, SourceNode, TestNode, UnitTest,
};
use super::references::Ref;
use super::semantic::{DbtSemanticModel, Dimension, Entity, Measure, Metric};
use super::value::ValueFields;

/// Node fields for all resource types. Each resource type uses only some of these fields.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawNode<'a> {
    name: LenientText<'a>,
    resource_type: LenientText<'a>,
    package_name: LenientText<'a>,
    path: LenientText<'a>,
    original_file_path: LenientText<'a>,
    patch_path: LenientText<'a>,
    fqn: LenientTexts<'a>,
    database: LenientText<'a>,
    schema: LenientText<'a>,
    alias: LenientText<'a>,
    relation_name: LenientText<'a>,
    description: LenientText<'a>,
    doc_blocks: LenientTexts<'a>,
    columns: LenientEntries<'a, LenientMapping<RawColumn<'a>>>,
    tags: LenientTexts<'a>,
    meta: Json<'a>,
    config: Json<'a>,
    access: LenientText<'a>,
    group: LenientText<'a>,
    version: LenientText<'a>,
    latest_version: LenientText<'a>,
    deprecation_date: LenientText<'a>,
    time_spine: Option<IgnoredAny>,
    constraints: LenientList<LenientMapping<RawConstraint<'a>>>,
    primary_key: LenientTexts<'a>,
    contract: LenientMapping<RawContract>,
    checksum: Json<'a>,
    // Code is decoded only if it is kept, because it makes up most of a manifest's text.
    raw_code: Option<&'a RawValue>,
    compiled_code: Option<&'a RawValue>,
    depends_on: LenientMapping<RawDependsOn<'a>>,
    refs: LenientList<LenientMapping<RawRef<'a>>>,
    sources: LenientList<LenientTexts<'a>>,
    // Fields of tests:
    test_metadata: LenientMapping<RawTestMetadata<'a>>,
    attached_node: LenientText<'a>,
    column_name: LenientText<'a>,
    // Fields of sources:
    source_name: LenientText<'a>,
    source_description: LenientText<'a>,
    identifier: LenientText<'a>,
    loader: LenientText<'a>,
    loaded_at_field: LenientText<'a>,
    freshness: Json<'a>,
    // Fields of exposures, metrics and semantic models:
    label: LenientText<'a>,
    r#type: LenientText<'a>,
    maturity: LenientText<'a>,
    url: LenientText<'a>,
    owner: LenientMapping<RawOwner<'a>>,
    type_params: Json<'a>,
    filter: Json<'a>,
    time_granularity: LenientText<'a>,
    model: LenientText<'a>,
    node_relation: LenientMapping<RawRelation<'a>>,
    defaults: LenientMapping<RawDefaults<'a>>,
    primary_entity: LenientText<'a>,
    entities: LenientList<LenientMapping<RawElement<'a>>>,
    dimensions: LenientList<LenientMapping<RawElement<'a>>>,
    measures: LenientList<LenientMapping<RawElement<'a>>>,
    query_params: Json<'a>,
    // Fields of functions:
    arguments: Json<'a>,
    returns: Json<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawColumn<'a> {
    name: LenientText<'a>,
    description: LenientText<'a>,
    data_type: LenientText<'a>,
    quote: LenientFlag,
    granularity: LenientText<'a>,
    tags: LenientTexts<'a>,
    meta: Json<'a>,
    config: Json<'a>,
    doc_blocks: LenientTexts<'a>,
    constraints: LenientList<LenientMapping<RawConstraint<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawConstraint<'a> {
    r#type: LenientText<'a>,
    name: LenientText<'a>,
    expression: LenientText<'a>,
    columns: LenientTexts<'a>,
    to: LenientText<'a>,
    to_columns: LenientTexts<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawContract {
    enforced: LenientFlag,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawDependsOn<'a> {
    nodes: LenientTexts<'a>,
    macros: LenientTexts<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawRef<'a> {
    name: LenientText<'a>,
    package: LenientText<'a>,
    version: LenientText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawTestMetadata<'a> {
    name: LenientText<'a>,
    namespace: LenientText<'a>,
    kwargs: Json<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawOwner<'a> {
    name: LenientText<'a>,
    email: LenientText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawRelation<'a> {
    relation_name: LenientText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawDefaults<'a> {
    agg_time_dimension: LenientText<'a>,
}

/// Entity, dimension or measure of a semantic model.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawElement<'a> {
    name: LenientText<'a>,
    r#type: LenientText<'a>,
    agg: LenientText<'a>,
    description: LenientText<'a>,
    label: LenientText<'a>,
    expr: LenientText<'a>,
    type_params: Json<'a>,
    agg_time_dimension: LenientText<'a>,
    agg_params: Json<'a>,
    non_additive_dimension: Json<'a>,
    create_metric: LenientFlag,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawGroup<'a> {
    name: LenientText<'a>,
    package_name: LenientText<'a>,
    description: LenientText<'a>,
    owner: LenientMapping<RawOwner<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawDoc<'a> {
    name: LenientText<'a>,
    package_name: LenientText<'a>,
    original_file_path: LenientText<'a>,
    block_contents: LenientText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawMacro<'a> {
    depends_on: LenientMapping<RawDependsOn<'a>>,
}

impl RawMacro<'_> {
    /// Returns the ids of the macros that the macro calls.
    pub fn macros_called(&self, interner: &mut Interner) -> Vec<Arc<str>> {
        interner.intern_texts(&self.depends_on.0.macros)
    }
}

/// Returns the code, if it is kept and not empty.
fn retained_code(raw: Option<&RawValue>, keep: bool) -> Option<Arc<str>> {
    let text: LenientText<'_> = raw
        .filter(|_| keep)
        .and_then(|raw| serde_json::from_str(raw.get()).ok())?;
    text.as_str().filter(|text| !text.is_empty()).map(Arc::from)
}

/// Returns a path with `/` as the separator. dbt on Windows writes `\`.
fn normalize_path(text: &LenientText<'_>, interner: &mut Interner) -> Arc<str> {
    let text = text.as_str().unwrap_or_default();
    if text.contains('\\') {
        Arc::from(text.replace('\\', "/"))
    } else {
        interner.intern_str(text)
    }
}

impl<'a> RawNode<'a> {
    /// Converts a raw node. `section` is the resource type to use if the node does not specify one.
    pub fn node(
        mut self,
        id: &str,
        section: ResourceType,
        keep: ManifestReadOptions,
        interner: &mut Interner,
    ) -> ManifestNode {
        let resource_type = match self
            .resource_type
            .as_str()
            .map(ResourceType::from_name)
            .unwrap_or_default()
        {
            ResourceType::Other if section == ResourceType::Other => {
                ResourceType::from_name(id.split('.').next().unwrap_or_default())
            }
            ResourceType::Other => section,
            text => text,
        };
        let meta = meta(&mut self.config, std::mem::take(&mut self.meta), interner);
        let of_config = |key: &str, config: &mut Json<'a>| config.take_key(key).into_text();
        let access = first_non_empty_text(of_config("access", &mut self.config), &self.access);
        let group = first_non_empty_text(of_config("group", &mut self.config), &self.group);
        let tags = tags(&mut self.config, std::mem::take(&mut self.tags), interner);
        let contract = self.contract.0.enforced.0;
        let (patch_package, patch_path) = match self.patch_path.as_str().filter(|text| !text.is_empty()) {
            // Example: `shop://models/orders.yml`
            Some(text) => match text.split_once("://") {
                Some((package, rest)) => (
                    Some(interner.intern_str(package)),
                    Some(interner.intern_str(&rest.replace('\\', "/"))),
                ),
                None => (None, Some(interner.intern_str(&text.replace('\\', "/")))),
            },
            None => (None, None),
        };
        let detail = self.node_detail(resource_type, interner);
        let config = interner.intern_fields(std::mem::take(&mut self.config).without_empty_values());
        // Do not `collect` in place, because this would keep the larger allocation of the source vector.
        let mut columns = Vec::with_capacity(self.columns.0.len());
        columns.extend(self.columns.0.into_iter().map(|(key, column)| {
            if keep.only_names {
                column.0.into_named_column(&key, interner)
            } else {
                column.0.column(&key, interner)
            }
        }));
        let alias = if self.alias.as_str().is_some() {
            &self.alias
        } else {
            &self.identifier
        };
        let checksum = match &mut self.checksum {
            json @ Json::Map(_) => json.take_key("checksum").into_text(),
            plain => std::mem::take(plain).into_text(),
        };
        ManifestNode {
            unique_id: interner.intern_str(id),
            name: interner.intern_or_empty(&self.name),
            resource_type,
            package: interner.intern_or_empty(&self.package_name),
            path: normalize_path(&self.path, interner),
            original_file_path: normalize_path(&self.original_file_path, interner),
            patch_path,
            patch_package,
            fqn: interner.intern_texts(&self.fqn),
            database: interner.intern_text(&self.database),
            schema: interner.intern_text(&self.schema),
            alias: interner.intern_text(alias),
            relation_name: interner.intern_text(&self.relation_name),
            description: interner.intern_or_empty(&self.description),
            doc_blocks: interner.intern_texts(&self.doc_blocks),
            columns,
            tags,
            meta,
            config,
            access: interner.intern_text(&access),
            group: interner.intern_text(&group),
            version: interner.intern_text(&self.version),
            latest_version: interner.intern_text(&self.latest_version),
            deprecation_date: interner.intern_text(&self.deprecation_date),
            has_time_spine: self.time_spine.is_some(),
            constraints: constraints(&self.constraints, interner),
            primary_key: interner.intern_texts(&self.primary_key),
            contract_enforced: contract == Some(true),
            checksum: checksum.as_str().map(Arc::from),
            // Use the raw code if dbt has not compiled the model.
            raw_code: retained_code(
                self.raw_code,
                keep.raw_code || (keep.compiled_code && self.compiled_code.is_none()),
            ),
            compiled_code: retained_code(self.compiled_code, keep.compiled_code),
            depends_on: interner.intern_texts(&self.depends_on.0.nodes),
            macros: interner.intern_texts(&self.depends_on.0.macros),
            refs: refs(&self.refs, &self.sources, interner),
            detail,
            fingerprint: ChunkFingerprint::default(),
        }
    }

    fn node_detail(&mut self, resource_type: ResourceType, interner: &mut Interner) -> NodeDetail {
        match resource_type {
            ResourceType::Test => NodeDetail::Test(Box::new(TestNode {
                name: interner.intern_text(&self.test_metadata.0.name),
                namespace: interner.intern_text(&self.test_metadata.0.namespace),
                kwargs: test_arguments(std::mem::take(&mut self.test_metadata.0.kwargs), interner),
                attached_node: interner.intern_text(&self.attached_node),
                column_name: interner.intern_text(&self.column_name),
            })),
            ResourceType::Source => NodeDetail::Source(Box::new(SourceNode {
                source_name: interner.intern_or_empty(&self.source_name),
                source_description: interner.intern_or_empty(&self.source_description),
                loader: interner.intern_text(&self.loader),
                loaded_at_field: interner.intern_text(&self.loaded_at_field),
                freshness: FreshnessCriteria::read(std::mem::take(&mut self.freshness), interner),
            })),
            ResourceType::Exposure => NodeDetail::Exposure(Box::new(Exposure {
                kind: interner.intern_text(&self.r#type),
                label: interner.intern_text(&self.label),
                maturity: interner.intern_text(&self.maturity),
                url: interner.intern_text(&self.url),
                owner: self.owner.0.owner(interner),
            })),
            ResourceType::Metric => NodeDetail::Metric(Box::new(Metric {
                label: interner.intern_text(&self.label),
                kind: interner.intern_or_empty(&self.r#type),
                type_params: interner.intern_fields(std::mem::take(&mut self.type_params).without_empty_values()),
                filter: interner.intern_value(std::mem::take(&mut self.filter)),
                time_granularity: interner.intern_text(&self.time_granularity),
            })),
            ResourceType::SemanticModel => NodeDetail::SemanticModel(Box::new(self.semantic_model(interner))),
            ResourceType::SavedQuery => NodeDetail::SavedQuery(Box::new(SavedQuery {
                label: interner.intern_text(&self.label),
                metrics: interner.intern_texts(&self.query_params.take_key("metrics").into_scalar_texts()),
                group_by: interner.intern_texts(&self.query_params.take_key("group_by").into_scalar_texts()),
            })),
            ResourceType::UnitTest => NodeDetail::UnitTest(Box::new(UnitTest {
                model: interner.intern_or_empty(&self.model),
            })),
            ResourceType::Function => NodeDetail::Function(Box::new(self.function(interner))),
            _ => NodeDetail::None,
        }
    }

    fn semantic_model(&mut self, interner: &mut Interner) -> DbtSemanticModel {
        let take = |list: &mut LenientList<LenientMapping<RawElement<'a>>>| {
            std::mem::take(&mut list.0).into_iter().map(|part| part.0)
        };
        let entity = |raw_element: RawElement<'_>, interner: &mut Interner| Entity {
            name: interner.intern_or_empty(&raw_element.name),
            kind: interner.intern_or_empty(&raw_element.r#type),
            description: interner.intern_or_empty(&raw_element.description),
            label: interner.intern_text(&raw_element.label),
            expr: interner.intern_text(&raw_element.expr),
        };
        let dimension = |mut raw_element: RawElement<'_>, interner: &mut Interner| Dimension {
            name: interner.intern_or_empty(&raw_element.name),
            kind: interner.intern_or_empty(&raw_element.r#type),
            description: interner.intern_or_empty(&raw_element.description),
            label: interner.intern_text(&raw_element.label),
            expr: interner.intern_text(&raw_element.expr),
            granularity: interner.intern_text(&raw_element.type_params.take_key("time_granularity").into_text()),
        };
        let measure = |raw_element: RawElement<'_>, interner: &mut Interner| Measure {
            name: interner.intern_or_empty(&raw_element.name),
            agg: interner.intern_or_empty(&raw_element.agg),
            description: interner.intern_or_empty(&raw_element.description),
            label: interner.intern_text(&raw_element.label),
            expr: interner.intern_text(&raw_element.expr),
            agg_time_dimension: interner.intern_text(&raw_element.agg_time_dimension),
            agg_params: interner.intern_fields(raw_element.agg_params.without_empty_values()),
            non_additive_dimension: interner.intern_fields(raw_element.non_additive_dimension.without_empty_values()),
            create_metric: raw_element.create_metric.0 == Some(true),
        };
        DbtSemanticModel {
            label: interner.intern_text(&self.label),
            model: interner.intern_or_empty(&self.model),
            relation_name: interner.intern_text(&self.node_relation.0.relation_name),
            agg_time_dimension: interner.intern_text(&self.defaults.0.agg_time_dimension),
            primary_entity: interner.intern_text(&self.primary_entity),
            entities: take(&mut self.entities)
                .map(|raw_element| entity(raw_element, interner))
                .collect(),
            dimensions: take(&mut self.dimensions)
                .map(|raw_element| dimension(raw_element, interner))
                .collect(),
            measures: take(&mut self.measures)
                .map(|raw_element| measure(raw_element, interner))
                .collect(),
        }
    }

    fn function(&mut self, interner: &mut Interner) -> FunctionNode {
        let arguments = match std::mem::take(&mut self.arguments) {
            Json::List(items) => items,
            _ => Vec::new(),
        };
        let argument = |mut json: Json<'_>| {
            let name = interner.intern_or_empty(&json.take_key("name").into_text());
            (name, interner.intern_text(&json.take_key("data_type").into_text()))
        };
        let arguments = arguments.into_iter().map(argument).collect();
        FunctionNode {
            arguments,
            returns: interner.intern_text(&self.returns.take_key("data_type").into_text()),
        }
    }
}

impl RawColumn<'_> {
    fn into_named_column(self, key: &str, interner: &mut Interner) -> NodeColumn {
        NodeColumn {
            name: interner.intern_str(&unquote_column(self.name.as_str().unwrap_or(key))),
            ..NodeColumn::default()
        }
    }

    fn column(mut self, key: &str, interner: &mut Interner) -> NodeColumn {
        let written = self.name.as_str().unwrap_or(key);
        let name = unquote_column(written);
        NodeColumn {
            name: interner.intern_str(&name),
            quote: self.quote.0.or((name != written).then_some(true)),
            description: interner.intern_or_empty(&self.description),
            data_type: interner.intern_text(&self.data_type),
            meta: meta(&mut self.config, self.meta, interner),
            tags: tags(&mut self.config, self.tags, interner),
            constraints: constraints(&self.constraints, interner),
            granularity: interner.intern_text(&self.granularity),
            doc_blocks: interner.intern_texts(&self.doc_blocks),
        }
    }
}

/// Returns the meta from the configuration or, if the configuration has none, from the node itself.
fn meta<'a>(config: &mut Json<'a>, node_meta: Json<'a>, interner: &mut Interner) -> ValueFields {
    let configured = interner.intern_fields(config.take_key("meta"));
    if configured.is_empty() {
        interner.intern_fields(node_meta)
    } else {
        configured
    }
}

/// Returns the tags of a node. dbt writes tags to the configuration, to the node itself, or to both.
fn tags<'a>(config: &mut Json<'a>, node_tags: LenientTexts<'a>, interner: &mut Interner) -> Vec<Arc<str>> {
    let mut all_tags = config.take_key("tags").into_scalar_texts();
    all_tags.0.extend(node_tags.0);
    let mut distinct: Vec<Arc<str>> = Vec::with_capacity(all_tags.0.len());
    for tag in interner.intern_texts(&all_tags) {
        if !distinct.contains(&tag) {
            distinct.push(tag);
        }
    }
    distinct
}

fn first_non_empty_text<'a>(first: LenientText<'a>, second: &LenientText<'a>) -> LenientText<'a> {
    if first.as_str().is_some() {
        first
    } else {
        second.clone()
    }
}

/// Returns the arguments of a test. Arguments under `arguments` are moved to the top level.
fn test_arguments(mut json: Json<'_>, interner: &mut Interner) -> ValueFields {
    let is_map = |value: &Json<'_>| matches!(value, Json::Map(_));
    if let Json::Map(outer) = &mut json
        && let Some(index) = outer
            .iter()
            .position(|(key, value)| key == "arguments" && is_map(value))
        && let (_, Json::Map(inner)) = outer.remove(index)
    {
        outer.extend(inner);
    }
    interner.intern_fields(json)
}

fn constraints(raw: &LenientList<LenientMapping<RawConstraint<'_>>>, interner: &mut Interner) -> Vec<Constraint> {
    let constraint = |LenientMapping(raw): &LenientMapping<RawConstraint<'_>>| Constraint {
        kind: ConstraintKind::from_name(raw.r#type.as_str().unwrap_or_default()),
        name: interner.intern_text(&raw.name),
        expression: interner.intern_text(&raw.expression),
        columns: interner.intern_texts(&raw.columns),
        to: interner.intern_text(&raw.to),
        to_columns: interner.intern_texts(&raw.to_columns),
    };
    raw.0.iter().map(constraint).collect()
}

fn refs(
    models: &LenientList<LenientMapping<RawRef<'_>>>,
    sources: &LenientList<LenientTexts<'_>>,
    interner: &mut Interner,
) -> Vec<Ref> {
    let mut refs = Vec::with_capacity(models.0.len() + sources.0.len());
    for LenientMapping(raw) in &models.0 {
        refs.push(Ref::Model {
            name: interner.intern_or_empty(&raw.name),
            package: interner.intern_text(&raw.package),
            version: interner.intern_text(&raw.version),
        });
    }
    for words in &sources.0 {
        if let [source, table] = words.0.as_slice() {
            refs.push(Ref::Source {
                source: interner.intern_str(source),
                table: interner.intern_str(table),
            });
        }
    }
    refs
}

impl RawOwner<'_> {
    fn owner(&self, interner: &mut Interner) -> Owner {
        Owner {
            name: interner.intern_text(&self.name),
            email: interner.intern_text(&self.email),
        }
    }
}

impl RawGroup<'_> {
    pub fn group(&self, id: &str, interner: &mut Interner) -> DbtGroup {
        DbtGroup {
            unique_id: interner.intern_str(id),
            name: interner.intern_or_empty(&self.name),
            package: interner.intern_or_empty(&self.package_name),
            description: interner.intern_or_empty(&self.description),
            owner: self.owner.0.owner(interner),
        }
    }
}

impl RawDoc<'_> {
    pub fn block(&self, id: &str, interner: &mut Interner) -> DocBlock {
        DocBlock {
            unique_id: interner.intern_str(id),
            name: interner.intern_or_empty(&self.name),
            package: interner.intern_or_empty(&self.package_name),
            original_file_path: normalize_path(&self.original_file_path, interner),
            text: Arc::from(self.block_contents.as_str().unwrap_or_default()),
        }
    }
}
