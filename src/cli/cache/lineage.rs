//! Cache of the column lineage of queries.

use std::path::Path;

use formulac::impact::{Graph, LineageCache};

use super::cache_file::{content_after_header, write};
use super::{FOLDER, MIN_CACHED_ITEMS};

const LINEAGE: &str = "lineage";

/// Reads the cached column lineage of queries. Each lineage records the SQL from which it was derived.
pub fn read_lineages(folder: &Path) -> LineageCache {
    let bytes = content_after_header(&folder.join(FOLDER).join(LINEAGE), "");
    bytes
        .and_then(|bytes| LineageCache::from_stored(&bytes))
        .unwrap_or_default()
}

/// Caches the column lineage of queries if many queries were parsed.
pub fn write_lineages(folder: &Path, graph: &Graph<'_>) {
    if let Some(bytes) = graph.lineages_to_store(MIN_CACHED_ITEMS) {
        let _ = write(folder, &folder.join(FOLDER).join(LINEAGE), &[&bytes]);
    }
}
