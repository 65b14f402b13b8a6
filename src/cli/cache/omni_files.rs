//! Cache of the parsed views in Omni files.

use std::path::Path;

use formulac::omni::{ExistingFiles, ParsedFiles};

use super::cache_file::{read_or_default, write};
use super::{CACHE_FOLDER, MIN_CACHED_ITEMS};

const OMNI_FILES_CACHE_NAME: &str = "omni_files";

/// Reads the results of parsing the files of the Omni model in an earlier call. Each result records the fingerprint of
/// its file's text.
pub fn read_parsed_omni_files(folder: &Path) -> ParsedFiles {
    read_or_default(
        &folder.join(CACHE_FOLDER).join(OMNI_FILES_CACHE_NAME),
        ParsedFiles::from_stored,
    )
}

/// Caches the results of parsing the files of the Omni model if many files were parsed.
pub fn write_parsed_omni_files(folder: &Path, files: &ExistingFiles) {
    if files.parsed_count() >= MIN_CACHED_ITEMS {
        let _ = write(
            folder,
            &folder.join(CACHE_FOLDER).join(OMNI_FILES_CACHE_NAME),
            &[&files.to_stored()],
        );
    }
}
