//! Sources from arguments, files and standard input.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use formulac::SpecText;
use formulac::limits::{Limits, format_bytes};

use super::exit::{FileDiagnostics, io_error_reason};
use formulac::diag::{Code, Diagnostic, suggest};
use formulac::span::Span;

/// Source, or the reason why it cannot be read.
#[derive(Clone, Debug)]
pub struct SourceText {
    /// Path, `<stdin>` or `<formula>`.
    pub name: String,
    /// Contents. Invalid UTF-8 is replaced with replacement characters.
    pub text: String,
    /// Error if the file cannot be read, is too large or is not UTF-8.
    pub fault: Option<Diagnostic>,
}

/// Returns sources in the form that the compiler reads. Each source has a path relative to the project.
pub fn spec_texts(sources: &[(SourceText, Option<String>)]) -> Vec<SpecText<'_>> {
    sources
        .iter()
        .map(|(source, path)| SpecText {
            text: &source.text,
            path: path.as_deref(),
        })
        .collect()
}

impl SourceText {
    /// Reads an argument. `-` is standard input.
    pub fn from_argument(text: &OsStr) -> Self {
        if text == "-" {
            return Self::from_stdin(Limits::default().source);
        }
        Self::decode(
            "<formula>".to_owned(),
            text.as_encoded_bytes().to_vec(),
            Limits::default().source,
        )
    }

    /// Creates a source from text that is not in a file.
    pub fn from_bytes(name: &str, bytes: Vec<u8>, limit: usize) -> Self {
        Self::decode(name.to_owned(), bytes, limit)
    }

    /// Reads a file. `-` is standard input.
    pub fn from_file(path: &Path) -> Self {
        Self::read_with_size_limit(path, Limits::default().source)
    }

    /// Reads a file that may be larger than the source of a formula. `-` is standard input.
    pub fn read_with_size_limit(path: &Path, limit: usize) -> Self {
        if path.as_os_str() == "-" {
            return Self::from_stdin(limit);
        }
        match open_with_limit(path, limit).and_then(|(file, limit)| Ok((read_file(file, limit)?, limit))) {
            Ok((bytes, limit)) => Self::decode(path.to_string_lossy().into_owned(), bytes, limit),
            Err(error) => Self::read_failure(path, &error),
        }
    }

    /// Reads standard input. Later calls return the same text.
    fn from_stdin(limit: usize) -> Self {
        static STDIN: OnceLock<io::Result<Vec<u8>>> = OnceLock::new();
        let name = "<stdin>";
        match STDIN.get_or_init(|| read(io::stdin().lock(), 0, limit.min(MAX_STREAM_BYTES))) {
            Ok(bytes) => Self::decode(name.to_owned(), bytes.clone(), limit),
            Err(error) => Self::read_failure(Path::new(name), error),
        }
    }

    /// Creates a source for a file or folder that could not be read.
    pub fn read_failure(path: &Path, error: &io::Error) -> Self {
        let name = path.to_string_lossy().into_owned();
        let message = format!("cannot read `{name}`: {}", io_error_reason(error));
        let help = match most_similar_file(path).filter(|_| error.kind() == io::ErrorKind::NotFound) {
            Some(near) => format!("did you mean `{}`?", near.display()),
            None if path.is_dir() => format!(
                "specify files in the folder, such as `{}`",
                path.join("*.yml").display()
            ),
            None => "specify a readable file, or `-` for standard input".to_owned(),
        };
        let fault = Diagnostic::new(Code::UnreadableFile, Span::default(), message).with_help(help);
        Self {
            name,
            text: String::new(),
            fault: Some(fault),
        }
    }

    fn decode(name: String, bytes: Vec<u8>, limit: usize) -> Self {
        if bytes.len() > limit {
            let message = format!("the input is longer than {}", format_bytes(limit));
            let fault = Diagnostic::new(Code::SourceTooLarge, Span::default(), message);
            return Self {
                name,
                text: String::new(),
                fault: Some(fault.with_help("split the input into several files")),
            };
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self {
                name,
                text,
                fault: None,
            },
            Err(error) => {
                let offset = error.utf8_error().valid_up_to() as u32;
                let byte = error.as_bytes().get(offset as usize).copied().unwrap_or_default();
                let help = match error.as_bytes() {
                    [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "save the file as UTF-8 instead of UTF-16",
                    _ => "save the file as UTF-8",
                };
                let message = format!("the input is not UTF-8: byte {offset} is 0x{byte:02X}");
                let fault = Diagnostic::new(Code::NotUtf8, Span::new(offset, offset + 1), message).with_help(help);
                Self {
                    name,
                    text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                    fault: Some(fault),
                }
            }
        }
    }

    /// Returns a failure with the diagnostics for this source.
    pub fn with_diagnostics(self, diagnostics: Vec<Diagnostic>) -> FileDiagnostics {
        FileDiagnostics {
            file: self.name,
            text: self.text,
            diagnostics,
        }
    }
}

/// Returns the file in the same folder whose name is most similar.
fn most_similar_file(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
    let names = folder.unwrap_or(Path::new(".")).read_dir().ok()?;
    let mut names: Vec<String> = names.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let near = suggest::nearest_name(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near))
}

/// Minimum size in bytes of a file that is read in parallel parts. For a file of this size, memory allocation takes
/// most of the time.
const MIN_PARALLEL_BYTES: usize = 16 << 20;

/// Maximum size of an artifact, in bytes: 1 GiB. The manifest of a large project has several hundred million bytes.
pub const MAX_ARTIFACT_BYTES: usize = 1 << 30;
/// Maximum number of bytes that are read from a device or a pipe, which may never end: 64 MiB.
const MAX_STREAM_BYTES: usize = 64 << 20;
/// Maximum size in bytes of a project file that is not a dbt artifact: 64 MiB, the maximum output of one compilation.
const MAX_TEXT_BYTES: usize = 64 << 20;

/// Opens a file, and returns it with the maximum number of bytes to read.
fn open_with_limit(path: &Path, limit: usize) -> io::Result<(File, usize)> {
    let file = File::open(path)?;
    let is_file = file.metadata()?.is_file();
    Ok((file, if is_file { limit } else { limit.min(MAX_STREAM_BYTES) }))
}

/// Reads a file of up to `limit` bytes. Reports a larger file as an error.
fn read_with_limit(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let (file, limit) = open_with_limit(path, limit)?;
    let bytes = read_file(file, limit)?;
    match bytes.len() > limit {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("the file is longer than {}", format_bytes(limit)),
        )),
        false => Ok(bytes),
    }
}

/// Reads a file that formulac writes or copies.
pub fn read_bytes(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    read_with_limit(path.as_ref(), MAX_ARTIFACT_BYTES)
}

/// Reads a text file of a project: a generated file, dbt code, or a record such as evidence of a test run.
pub fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    let bytes = read_with_limit(path.as_ref(), MAX_TEXT_BYTES)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Reads a complete file, or one byte more than the limit.
fn read_file(file: File, limit: usize) -> io::Result<Vec<u8>> {
    let size = file
        .metadata()
        .map_or(0, |data| usize::try_from(data.len()).unwrap_or(usize::MAX));
    if (MIN_PARALLEL_BYTES..=limit).contains(&size)
        && let Some(bytes) = read_in_parallel_parts(&file, size)
    {
        return Ok(bytes);
    }
    read(file, size.min(MIN_PARALLEL_BYTES), limit)
}

/// Reads a file of this size in parallel parts. Returns `None` if the size has changed or the file cannot be read in
/// parts.
#[cfg(unix)]
fn read_in_parallel_parts(file: &File, size: usize) -> Option<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; size];
    let length = size.div_ceil(thread::available_parallelism().map_or(1, NonZero::get));
    let is_whole = thread::scope(|scope| {
        let parts = bytes.chunks_mut(length).enumerate();
        let started = parts.map(|(number, part)| {
            let read_part = move || file.read_exact_at(part, (number * length) as u64).is_ok();
            thread::Builder::new().spawn_scoped(scope, read_part).ok()
        });
        let threads: Vec<_> = started.collect();
        threads
            .into_iter()
            .all(|thread| thread.is_some_and(|join_handle| join_handle.join().unwrap_or(false)))
    });
    let is_same = is_whole && file.metadata().is_ok_and(|data| data.len() == size as u64);
    is_same.then_some(bytes)
}

#[cfg(not(unix))]
fn read_in_parallel_parts(_: &File, _: usize) -> Option<Vec<u8>> {
    None
}

/// Reads the complete source, or one byte more than the limit. `size` is the expected number of bytes.
fn read(from: impl Read, size: usize, limit: usize) -> io::Result<Vec<u8>> {
    // Read one more byte to detect the end of the source.
    let mut bytes = Vec::with_capacity(size + 1);
    from.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], limit: usize) -> SourceText {
        SourceText::decode("x".to_owned(), bytes.to_vec(), limit)
    }

    #[test]
    fn first_invalid_byte_is_reported() {
        let source = decode(b"a = \xC3\xA9\xE9 + 1", 100);
        let fault = source.fault.unwrap();
        assert_eq!((fault.code(), fault.span()), ("F0104", Span::new(6, 7)));
        assert_eq!(source.text, "a = é\u{fffd} + 1");
        assert!(
            decode(&[0xFF, 0xFE, 0x41, 0], 100)
                .fault
                .unwrap()
                .help()
                .unwrap()
                .contains("UTF-16")
        );
    }

    #[test]
    fn oversized_text_is_dropped() {
        assert!(decode(b"abc", 3).fault.is_none());
        let source = decode(b"abcd", 3);
        assert_eq!(source.fault.unwrap().code(), "F0105");
        assert!(source.text.is_empty());
        assert_eq!(read(io::repeat(0), 0, 5).unwrap().len(), 6);
    }
}
