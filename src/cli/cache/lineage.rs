//! Cache of the column lineage of queries.

use std::path::Path;

use formulac::impact::{Graph, LineageCache};

use super::cache_file::{read_or_default, write};
use super::{CACHE_FOLDER, MIN_CACHED_ITEMS};

const LINEAGE_CACHE_NAME: &str = "lineage";

/// Reads the cached column lineage of queries. Each lineage records the SQL from which it was derived.
pub fn read_lineages(folder: &Path) -> LineageCache {
    read_or_default(
        &folder.join(CACHE_FOLDER).join(LINEAGE_CACHE_NAME),
        LineageCache::from_stored,
    )
}

/// Caches the column lineage of queries if many queries were parsed.
pub fn write_lineages(folder: &Path, graph: &Graph<'_>) {
    if let Some(bytes) = graph.lineages_to_store(MIN_CACHED_ITEMS) {
        let _ = write(folder, &folder.join(CACHE_FOLDER).join(LINEAGE_CACHE_NAME), &[&bytes]);
    }
}
