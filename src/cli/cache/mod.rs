//! Cache in `.formulac/local/` for data that is slow to compute: a large manifest, the column lineage of its SQL, and
//! the results of compiled specs. If there are many Omni files, their views and the columns that their fields read are
//! also cached. The cache is kept between calls, in a format that is fast to read.

mod cache_file;
mod fingerprint;
mod lineage;
mod manifest;
mod omni_fields;
mod omni_files;
mod spec_session;

pub use lineage::{read_lineages, write_lineages};
pub use manifest::{for_compiled_sql_and_column_names, read_manifest};
pub use omni_fields::read_omni_fields;
pub use omni_files::{read_parsed_omni_files, write_parsed_omni_files};
pub use spec_session::with_spec_session;

/// Minimum number of parsed queries or files for which a cache file is written.
const MIN_CACHED_ITEMS: usize = 100;
/// Folder of the cache, relative to the project's folder.
const CACHE_FOLDER: &str = ".formulac/local";

/// Writes a file with this modification time.
#[cfg(test)]
fn write_with_time(path: &std::path::Path, text: &str, time: std::time::SystemTime) {
    std::fs::write(path, text).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}
