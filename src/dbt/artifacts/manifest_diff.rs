//! Difference between two versions of a manifest. After a small change to a large manifest, only the difference has to
//! be stored.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::manifest::Manifest;

/// Ids of the nodes that a manifest update parsed or dropped.
#[derive(Clone, Debug, Default)]
pub struct ManifestChanges {
    /// Ids of the parsed nodes.
    pub(super) read: Vec<Arc<str>>,
    /// Ids of the earlier manifest's nodes that the update did not reuse.
    pub(super) dropped_ids: Vec<Arc<str>>,
}

/// Difference between a manifest and an earlier manifest.
///
/// ```
/// use formulac_dbt::artifacts::{NodeDifference, ManifestReadOptions, Manifest, ManifestOutline};
/// let text = |name: &str| {
///     format!(r#"{{"nodes": {{"model.shop.a": {{"name": "a"}}, "model.shop.b": {{"name": "{name}"}}}}}}"#)
/// };
/// let (before, _) = Manifest::from_text_incremental(&text("b"), ManifestReadOptions::default(), &ManifestOutline::default(), || None).unwrap();
/// let earlier = before.clone();
/// let (after, changes) = Manifest::from_text_incremental(&text("c"), ManifestReadOptions::default(), &before.outline(), || Some(before)).unwrap();
/// let difference = NodeDifference::from_stored(&after.difference(&changes).to_stored()).unwrap();
/// assert_eq!(&*earlier.with_difference(difference).node("model.shop.b").unwrap().name, "c");
/// ```
#[derive(Clone, Debug, Default)]
pub struct NodeDifference {
    pub(super) dropped_ids: Vec<Arc<str>>,
    /// The later manifest, without the nodes that the update reused.
    pub(super) manifest: Manifest,
}

impl ManifestChanges {
    /// Returns the number of parsed nodes.
    #[must_use]
    pub fn parsed_count(&self) -> usize {
        self.read.len()
    }
}

impl Manifest {
    /// Returns the difference from the earlier manifest: all nodes except those that the update reused, and all other
    /// sections, even if they did not change.
    #[must_use]
    pub fn difference(&self, changes: &ManifestChanges) -> NodeDifference {
        let Self {
            metadata,
            nodes: _,
            disabled,
            groups,
            docs,
            macros,
            macro_uses,
            keep,
            places: _,
        } = self;
        let nodes = changes.read.iter().filter_map(|id| self.node(id)).cloned().collect();
        let manifest = Self {
            metadata: metadata.clone(),
            nodes,
            disabled: disabled.clone(),
            groups: groups.clone(),
            docs: docs.clone(),
            macros: macros.clone(),
            macro_uses: macro_uses.clone(),
            keep: *keep,
            places: FxHashMap::default(),
        };
        NodeDifference {
            dropped_ids: changes.dropped_ids.clone(),
            manifest,
        }
    }

    /// Applies the difference to the earlier manifest and returns the later manifest.
    #[must_use]
    pub fn with_difference(self, difference: NodeDifference) -> Self {
        let NodeDifference { dropped_ids, manifest } = difference;
        let dropped_ids: FxHashSet<Arc<str>> = dropped_ids.into_iter().collect();
        let mut nodes = self.nodes;
        if !dropped_ids.is_empty() {
            nodes.retain(|node| !dropped_ids.contains(&node.unique_id));
        }
        let new = manifest.nodes;
        Self { nodes, ..manifest }.with_nodes(new)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Map, Value, json};

    use super::super::chunks::{ChunkFingerprint, ManifestOutline};
    use super::super::manifest::ManifestReadOptions;
    use super::Manifest;

    const SECTIONS: [&str; 6] = [
        "nodes",
        "sources",
        "exposures",
        "metrics",
        "semantic_models",
        "disabled",
    ];

    /// Serializes a manifest, so that tests can compare manifests.
    fn serialize_manifest(mut manifest: Manifest) -> Vec<u8> {
        manifest
            .nodes
            .iter_mut()
            .for_each(|node| node.fingerprint = ChunkFingerprint::default());
        manifest.to_stored()
    }

    fn manifest_fixtures() -> Vec<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/artifacts");
        let read_manifest = |name: &str| fs::read_to_string(format!("{folder}/{name}/manifest.json")).unwrap();
        ["dbt_1_10", "dbt_1_12", "kinds"].map(read_manifest).to_vec()
    }

    /// Deterministic generator of pseudo-random numbers.
    struct TestRandom(u64);

    impl TestRandom {
        fn random_below(&mut self, count: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % count.max(1)
        }
    }

    /// Makes a random change to a section: edits, removes, adds or moves an entry, or replaces it with a value of an
    /// unknown shape.
    fn mutate_section(root: &mut Map<String, Value>, dice: &mut TestRandom) {
        let Some(Value::Object(section)) = root.get_mut(SECTIONS[dice.random_below(SECTIONS.len())]) else {
            return;
        };
        let Some(id) = section.keys().nth(dice.random_below(section.len())).cloned() else {
            return;
        };
        match dice.random_below(7) {
            0 => drop(section.shift_remove(&id)),
            1 => {
                let node = section[&id].clone();
                section.insert(format!("{id}_{}", dice.random_below(1_000)), node);
            }
            2 => {
                let node = section.shift_remove(&id).unwrap_or_default();
                section.insert(id, node);
            }
            3 if section[&id].is_object() => section[&id] = Value::Null,
            4 if section[&id].is_object() => section[&id] = json!([section[&id]]),
            5 => root["metadata"]["generated_at"] = json!(dice.random_below(1_000).to_string()),
            _ => {
                if let Some(node) = section[&id].as_object_mut() {
                    node.insert(
                        "description".to_owned(),
                        json!(format!("\"new\" {{ é {}", dice.random_below(1_000))),
                    );
                }
            }
        }
    }

    /// Checks that an updated manifest equals the manifest parsed from scratch, regardless of which nodes the update
    /// reuses and whether only the difference was stored.
    #[test]
    fn updated_manifest_equals_full_parse() {
        let keep = ManifestReadOptions::default().with_compiled_code();
        let (mut dice, mut reused_count, mut in_blocks) = (TestRandom(7), 0, 0);
        for text in manifest_fixtures() {
            let nothing = ManifestOutline::default();
            let (mut before, _) = Manifest::from_text_incremental(&text, keep, &nothing, || None).unwrap();
            assert!(
                serialize_manifest(before.clone()) == serialize_manifest(Manifest::from_text(&text, keep).unwrap())
            );
            let mut root: Map<String, Value> = serde_json::from_str(&text).unwrap();
            for round in 0..60 {
                (0..dice.random_below(4)).for_each(|_| mutate_section(&mut root, &mut dice));
                let text = match round % 2 {
                    0 => serde_json::to_string(&root).unwrap(),
                    _ => serde_json::to_string_pretty(&root).unwrap(),
                };
                // Pass the earlier manifest only if both manifests have the same layout, as manifests from dbt do. Most
                // nodes then have equal text.
                let earlier = if round % 2 == 0 {
                    before.clone()
                } else {
                    Manifest {
                        keep,
                        ..Manifest::default()
                    }
                };
                let outline = [before.outline(), ManifestOutline::default()][dice.random_below(2)].clone();
                let (after, changes) =
                    Manifest::from_text_incremental(&text, keep, &outline, || Some(earlier.clone())).unwrap();
                let expected = serialize_manifest(Manifest::from_text(&text, keep).unwrap());
                assert!(serialize_manifest(after.clone()) == expected, "{round}");
                let read = Manifest::from_reader_incremental(text.as_bytes(), keep, &outline, || Some(earlier.clone()));
                if let Some((read, read_changes)) = read {
                    assert!(serialize_manifest(read) == expected, "{round}, read in blocks");
                    assert_eq!(
                        read_changes.parsed_count(),
                        changes.parsed_count(),
                        "{round}, read in blocks"
                    );
                    in_blocks += 1;
                }
                assert!(
                    serialize_manifest(earlier.with_difference(after.difference(&changes))) == expected,
                    "{round}, by what differs"
                );
                if round % 2 == 0 {
                    reused_count += after.nodes.len() - changes.parsed_count();
                    before = after;
                }
            }
        }
        assert!(reused_count > 1_000 && in_blocks > 20, "{reused_count} {in_blocks}");
    }

    /// Checks that a truncated or damaged text causes the same error with and without an earlier manifest.
    #[test]
    fn errors_equal_those_of_full_parse() {
        let keep = ManifestReadOptions::default();
        for text in manifest_fixtures() {
            let (before, _) =
                Manifest::from_text_incremental(&text, keep, &ManifestOutline::default(), || None).unwrap();
            let ends = (0..text.len())
                .step_by(text.len() / 40)
                .filter(|offset| text.is_char_boundary(*offset));
            for offset in ends {
                let (start, rest) = text.split_at(offset);
                let mut damaged = rest.chars();
                damaged.next();
                for text in [start.to_owned(), format!("{start}\u{1}{}", damaged.as_str())] {
                    let full_parse = Manifest::from_text(&text, keep)
                        .map(serialize_manifest)
                        .map_err(|error| error.to_string());
                    let after =
                        Manifest::from_text_incremental(&text, keep, &before.outline(), || Some(before.clone()));
                    let read_in_blocks =
                        Manifest::from_reader_incremental(text.as_bytes(), keep, &before.outline(), || {
                            Some(before.clone())
                        });
                    let read_in_blocks = read_in_blocks.map(|(manifest, _)| serialize_manifest(manifest));
                    assert!(
                        read_in_blocks.is_none_or(|manifest| full_parse.as_ref().is_ok_and(|full| *full == manifest)),
                        "{offset}"
                    );
                    let after = after
                        .map(|(manifest, _)| serialize_manifest(manifest))
                        .map_err(|error| error.to_string());
                    assert!(after == full_parse, "{offset}");
                }
            }
        }
    }
}
