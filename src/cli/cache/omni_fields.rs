//! Cache of the columns that the fields in Omni files refer to.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use formulac::impact::OmniFields;

use super::cache_file::{content_after_header, write};
use super::fingerprint::combined_cache_key;
use super::{CACHE_FOLDER, MIN_CACHED_ITEMS};

const OMNI_FIELDS_CACHE_NAME: &str = "omni";

/// Returns the columns that the fields in Omni files refer to. The columns come from the cache if possible, otherwise
/// from `read`. The result is cached if the files have no errors, and is computed again if one of the files changes.
/// `about` describes all other inputs on which the result depends.
pub fn read_omni_fields(
    files: &[PathBuf],
    about: &str,
    folder: &Path,
    read: impl FnOnce() -> (OmniFields, bool),
) -> OmniFields {
    let start = SystemTime::now();
    let Some(key) = combined_cache_key(files, about).filter(|_| files.len() >= MIN_CACHED_ITEMS) else {
        return read().0;
    };
    let file = folder.join(CACHE_FOLDER).join(OMNI_FIELDS_CACHE_NAME);
    if let Some(fields) = content_after_header(&file, &key.text).and_then(|bytes| OmniFields::from_stored(&bytes)) {
        return fields;
    }
    let (fields, is_sound) = read();
    if is_sound && key.was_unchanged_long_enough(start) && combined_cache_key(files, about).as_ref() == Some(&key) {
        let _ = write(folder, &file, &[key.text.as_bytes(), &fields.to_stored()]);
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::cli::cache::write_with_time;

    /// Checks that a large set of files is read only once, until a file is changed or added.
    #[test]
    fn files_are_reread_after_one_is_replaced() {
        let folder = std::env::temp_dir().join(format!("formulac_kept_omni_{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let old = SystemTime::now() - Duration::from_secs(60);
        let write = |number: usize, column: &str, time: SystemTime| {
            let path = folder.join(format!("v_{number}.view.yaml"));
            let text = format!("table_name: t_{number}\ndimensions: {{a: {{sql: '\"{column}\"'}}}}\n");
            write_with_time(&path, &text, time);
            path
        };
        let mut files: Vec<PathBuf> = (0..MIN_CACHED_ITEMS).map(|number| write(number, "a", old)).collect();
        let look = |files: &[PathBuf], about: &str, is_sound: bool| {
            let is_read = Cell::new(false);
            let fields = read_omni_fields(files, about, &folder, || {
                is_read.set(true);
                let texts = files
                    .iter()
                    .map(|path| (path.to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()));
                (OmniFields::from_texts(&texts.collect::<Vec<_>>(), None).0, is_sound)
            });
            assert!(!fields.is_empty());
            is_read.get()
        };
        assert_eq!(
            [look(&files, "", false), look(&files, "", true), look(&files, "", true)],
            [true, true, false]
        );
        assert_eq!(
            [look(&files, "snowflake", true), look(&files, "snowflake", true)],
            [true, false]
        );
        write(7, "b", old);
        assert_eq!(
            [look(&files, "snowflake", true), look(&files, "snowflake", true)],
            [true, false]
        );
        files.push(write(MIN_CACHED_ITEMS, "a", old));
        assert_eq!(
            [look(&files, "snowflake", true), look(&files, "snowflake", true)],
            [true, false]
        );
        write(7, "c", SystemTime::now() + Duration::from_secs(60));
        assert_eq!(
            [look(&files, "snowflake", true), look(&files, "snowflake", true)],
            [true, true],
            "just now"
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
