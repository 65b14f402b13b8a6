//! Files in the `--data` folder. Each file contains one relation and has the relation's name.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cli::exit::{Exit, Failure};
use crate::cli::source::SourceText;

/// Maximum number of bytes to read from a file to find its header.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// Format of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFormat {
    Csv { delimiter: char },
    Parquet,
    Json,
}

/// A file with the rows of a relation.
#[derive(Debug)]
pub struct DataFile {
    pub relation: String,
    /// Path as specified by the user.
    pub display_path: String,
    /// Absolute path.
    pub path: String,
    pub kind: DataFormat,
    /// Column types for reading the file, unless the schema specifies other types.
    pub types: Vec<(String, String)>,
    /// Columns of the file. Empty until a query needs them.
    pub columns: OnceLock<Vec<String>>,
}

/// Returns the data files in a folder, sorted by name. Files in other formats are ignored.
pub fn find_data_files(folder: &Path) -> Result<Vec<DataFile>, Failure> {
    let unreadable = |path: &Path, error: &std::io::Error| Failure::from_source(SourceText::read_failure(path, error));
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let mut files: Vec<DataFile> = Vec::new();
    for path in paths {
        let Some(kind) = detect_format(&path).map_err(|error| unreadable(&path, &error))? else {
            continue;
        };
        let file = inspect_file(&path, kind)?;
        if let Some(other) = files
            .iter()
            .find(|other| other.relation.eq_ignore_ascii_case(&file.relation))
        {
            let text = format!(
                "`{}` and `{}` are files of the same relation `{}`",
                other.display_path, file.display_path, file.relation
            );
            return Err(Failure::new(Exit::Usage, text).with_help("keep one file per relation"));
        }
        files.push(file);
    }
    if files.is_empty() {
        let text = format!("the folder `{}` contains no data", folder.display());
        let help = "add one CSV, Parquet or JSON file per relation, for example `orders.csv`";
        return Err(Failure::new(Exit::Usage, text).with_help(help));
    }
    Ok(files)
}

fn inspect_file(path: &Path, kind: DataFormat) -> Result<DataFile, Failure> {
    let display_path = path.to_string_lossy().into_owned();
    let full_path: PathBuf =
        std::path::absolute(path).map_err(|error| Failure::from_io("read", &display_path, &error))?;
    match (path.file_stem().and_then(|stem| stem.to_str()), full_path.to_str()) {
        (Some(stem), Some(path_text)) if !stem.contains('\0') => Ok(DataFile {
            relation: stem.to_owned(),
            path: path_text.to_owned(),
            display_path,
            kind,
            types: Vec::new(),
            columns: OnceLock::new(),
        }),
        _ => {
            let failure = Failure::new(Exit::Usage, format!("the name of `{display_path}` is not UTF-8"));
            Err(failure.with_help("rename the file"))
        }
    }
}

fn detect_format(path: &Path) -> std::io::Result<Option<DataFormat>> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    Ok(match extension.as_deref() {
        Some("csv") => Some(DataFormat::Csv {
            delimiter: detect_delimiter(path)?,
        }),
        Some("tsv") => Some(DataFormat::Csv { delimiter: '\t' }),
        Some("parquet") => Some(DataFormat::Parquet),
        Some("json" | "jsonl" | "ndjson") => Some(DataFormat::Json),
        _ => None,
    })
}

/// Returns the delimiter in the header of a file. The engine must not guess the delimiter, because a malformed row
/// would make it read the file as a single column.
fn detect_delimiter(path: &Path) -> std::io::Result<char> {
    let header = header_line(path)?;
    let count = |delimiter: char| header.chars().filter(|c| *c == delimiter).count();
    // If several delimiters are equally frequent, the last one in the list is used.
    Ok(['|', '\t', ';', ',']
        .into_iter()
        .max_by_key(|delimiter| count(*delimiter))
        .unwrap_or(','))
}

fn header_line(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    BufReader::new(File::open(path)?)
        .take(MAX_HEADER_BYTES)
        .read_until(b'\n', &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes)
        .trim_end_matches(['\r', '\n'])
        .trim_start_matches('\u{feff}')
        .to_owned())
}

/// Returns the column names of a CSV file.
pub fn header_columns(path: &Path, delimiter: char) -> std::io::Result<Vec<String>> {
    let line = header_line(path)?;
    let (mut names, mut name, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => quoted = !quoted,
            c if c == delimiter && !quoted => names.push(std::mem::take(&mut name)),
            c => name.push(c),
        }
    }
    names.push(name);
    Ok(names)
}
