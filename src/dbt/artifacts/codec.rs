//! Binary format in which manifests are stored so that they can be loaded quickly.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::chunks::{ChunkFingerprint, ManifestOutline};
use super::freshness::{AgeThreshold, FreshnessCriteria};
use super::manifest::{Manifest, ManifestReadOptions};
use super::manifest_diff::NodeDifference;
use super::metadata::Metadata;
use super::node::{
    Constraint, ConstraintKind, DbtGroup, DocBlock, Exposure, FunctionNode, ManifestNode, NodeColumn, NodeDetail,
    Owner, ResourceType, SavedQuery, SourceNode, TestNode, UnitTest,
};
use super::references::Ref;
use super::semantic::{DbtSemanticModel, Dimension, Entity, Measure, Metric};
use super::value::{MetaValue, ValueFields};
use crate::codec::{self, CodecReader, CodecWriter, MAX_NESTING_DEPTH, Stored, structs};

impl Manifest {
    /// Serializes the manifest in the format that [`from_stored`](Self::from_stored) reads.
    #[must_use]
    pub fn to_stored(&self) -> Vec<u8> {
        codec::to_bytes(self, SHAPE)
    }

    /// Deserializes a manifest. Returns `None` if the bytes are truncated, damaged or written by another build.
    ///
    /// ```
    /// use formulac_dbt::artifacts::{ManifestReadOptions, Manifest};
    /// let text = r#"{"nodes": {"model.shop.orders": {"name": "orders", "resource_type": "model"}}}"#;
    /// let manifest = Manifest::from_text(text, ManifestReadOptions::default()).unwrap();
    /// let stored = manifest.to_stored();
    /// assert_eq!(&*Manifest::from_stored(&stored).unwrap().node("model.shop.orders").unwrap().name, "orders");
    /// assert!(Manifest::from_stored(&stored[1..]).is_none());
    /// ```
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        let mut manifest: Self = codec::read(bytes, SHAPE)?;
        manifest.index_nodes();
        Some(manifest)
    }
}

impl NodeDifference {
    /// Serializes the difference in the format that [`from_stored`](Self::from_stored) reads.
    #[must_use]
    pub fn to_stored(&self) -> Vec<u8> {
        codec::to_bytes(self, SHAPE)
    }

    /// Deserializes a difference. Returns `None` if the bytes are truncated, damaged or written by another build.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        codec::read(bytes, SHAPE)
    }
}

impl ManifestOutline {
    /// Serializes the outline in the format that [`from_stored`](Self::from_stored) reads.
    #[must_use]
    pub fn to_stored(&self) -> Vec<u8> {
        let mut lines: Vec<(Arc<str>, ChunkFingerprint)> =
            self.prints.iter().map(|(id, print)| (Arc::clone(id), *print)).collect();
        lines.sort_by(|(line, _), (other, _)| line.cmp(other));
        codec::to_bytes(&lines, SHAPE)
    }

    /// Deserializes an outline. Returns `None` if the bytes are truncated, damaged or written by another build.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        let lines: Vec<(Arc<str>, ChunkFingerprint)> = codec::read(bytes, SHAPE)?;
        Some(Self {
            prints: lines.into_iter().collect(),
        })
    }
}

structs! {
    NodeDifference { dropped_ids, manifest }
    ChunkFingerprint { hash, length }
    ManifestReadOptions { raw_code, compiled_code, only_names }
    Metadata { version, dbt_version, generated_at, invocation_id, project_name, adapter_type, newer }
    ManifestNode {
        unique_id, name, resource_type, package, path, original_file_path, patch_path, patch_package, fqn, database,
        schema, alias, relation_name, description, doc_blocks, columns, tags, meta, config, access, group, version,
        latest_version, deprecation_date, has_time_spine, constraints, primary_key, contract_enforced, checksum,
        raw_code, compiled_code, depends_on, macros, refs, detail, fingerprint,
    }
    NodeColumn { name, description, data_type, meta, tags, constraints, quote, granularity, doc_blocks }
    Constraint { kind, name, expression, columns, to, to_columns }
    TestNode { name, namespace, kwargs, attached_node, column_name }
    SourceNode { source_name, source_description, loader, loaded_at_field, freshness }
    FreshnessCriteria { warn_after, error_after, filter }
    AgeThreshold { count, period }
    Exposure { kind, label, maturity, url, owner }
    Owner { name, email }
    Metric { label, kind, type_params, filter, time_granularity }
    DbtSemanticModel {
        label, model, relation_name, agg_time_dimension, primary_entity, entities, dimensions, measures,
    }
    Entity { name, kind, description, label, expr }
    Dimension { name, kind, description, label, expr, granularity }
    Measure {
        name, agg, description, label, expr, agg_time_dimension, agg_params, non_additive_dimension, create_metric,
    }
    SavedQuery { label, metrics, group_by }
    UnitTest { model }
    FunctionNode { arguments, returns }
    DbtGroup { unique_id, name, package, description, owner }
    DocBlock { unique_id, name, package, original_file_path, text }
}

impl Stored for Manifest {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        let Self {
            metadata,
            nodes,
            disabled,
            groups,
            docs,
            macros,
            macro_uses,
            keep,
            places: _,
        } = self;
        metadata.write(to);
        nodes.write(to);
        disabled.write(to);
        groups.write(to);
        docs.write(to);
        macros.write(to);
        macro_uses.write(to);
        keep.write(to);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        Some(Self {
            metadata: Stored::read(from)?,
            nodes: Stored::read(from)?,
            disabled: Stored::read(from)?,
            groups: Stored::read(from)?,
            docs: Stored::read(from)?,
            macros: Stored::read(from)?,
            macro_uses: Stored::read(from)?,
            keep: Stored::read(from)?,
            places: FxHashMap::default(),
        })
    }
}

impl Stored for ResourceType {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_text(self.name());
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        from.read_text().map(|name| Self::from_name(name))
    }
}

impl Stored for ConstraintKind {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_number(match self {
            Self::Custom => 0,
            Self::NotNull => 1,
            Self::Unique => 2,
            Self::PrimaryKey => 3,
            Self::ForeignKey => 4,
            Self::Check => 5,
        });
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        Some(match from.read_number()? {
            0 => Self::Custom,
            1 => Self::NotNull,
            2 => Self::Unique,
            3 => Self::PrimaryKey,
            4 => Self::ForeignKey,
            5 => Self::Check,
            _ => return None,
        })
    }
}

/// Implements `Stored` for enums whose variants have at most one field. The numbers identify the variants in the stored
/// bytes.
macro_rules! variants {
    ($name:ident: $($plain:ident = $nothing:literal),* ; $($variant:ident = $number:literal),*) => {
        impl Stored for $name {
            fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
                match self {
                    $(Self::$plain => to.write_number($nothing),)*
                    $(Self::$variant(it) => {
                        to.write_number($number);
                        it.write(to);
                    })*
                }
            }

            fn read(from: &mut CodecReader<'_>) -> Option<Self> {
                from.depth += 1;
                if from.depth > MAX_NESTING_DEPTH {
                    return None;
                }
                let found = match from.read_number()? {
                    $($nothing => Self::$plain,)*
                    $($number => Self::$variant(Stored::read(from)?),)*
                    _ => return None,
                };
                from.depth -= 1;
                Some(found)
            }
        }
    };
}

variants! { MetaValue: Null = 0; Bool = 1, Number = 2, Text = 3, List = 4, Map = 5 }
variants! { NodeDetail: None = 0; Test = 1, Source = 2, Exposure = 3, Metric = 4, SemanticModel = 5, SavedQuery = 6, UnitTest = 7, Function = 8 }

impl Stored for ValueFields {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        self.0.write(to);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        Stored::read(from).map(Self)
    }
}

impl Stored for Ref {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        match self {
            Self::Model { name, package, version } => {
                to.write_number(0);
                name.write(to);
                package.write(to);
                version.write(to);
            }
            Self::Source { source, table } => {
                to.write_number(1);
                source.write(to);
                table.write(to);
            }
        }
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        Some(match from.read_number()? {
            0 => Self::Model {
                name: Stored::read(from)?,
                package: Stored::read(from)?,
                version: Stored::read(from)?,
            },
            1 => Self::Source {
                source: Stored::read(from)?,
                table: Stored::read(from)?,
            },
            _ => return None,
        })
    }
}
