//! The project file, `formulac.yml`: for now its dialect.

use std::fs;
use std::path::{Path, PathBuf};

use formulac::{Dialect, UnknownDialect};
use saphyr_parser::{Event, Parser};

use super::exit::{Exit, Failure};
use super::source::Source;

const FILE: &str = "formulac.yml";

/// The dialect of the project in this folder, or in the working directory or a folder above it.
pub fn dialect(folder: Option<&Path>) -> Result<Option<Dialect>, Failure> {
    let Some(path) = find(folder)? else { return Ok(None) };
    let source = Source::file(&path)?;
    if let Some(fault) = source.fault.clone() {
        return Err(Failure::Found(vec![source.found(vec![fault])]));
    }
    let faulty = |line: usize, what: String| Failure::new(Exit::Faulty, format!("{}:{line}: {what}", source.name));
    match top_level_value(&source.text, "dialect") {
        Ok(Some((name, line))) => name.parse().map(Some).map_err(|e: UnknownDialect| faulty(line, e.to_string())),
        Ok(None) => Ok(None),
        Err((what, line)) => Err(faulty(line, format!("not valid YAML: {what}"))),
    }
}

fn find(folder: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    if let Some(folder) = folder {
        if !folder.is_dir() {
            return Err(Failure::new(Exit::Failed, format!("there is no folder `{}`", folder.display())));
        }
        return Ok(Some(folder.join(FILE)).filter(|path| path.is_file()));
    }
    let Ok(start) = std::env::current_dir() else { return Ok(None) };
    Ok(start.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file()))
}

/// A spec's path as generated files name it: seen from the project's folder, so that it is the same
/// wherever the command is run. Standard input has none.
pub fn path_in_project(path: &Path, folder: Option<&Path>) -> Option<String> {
    if path.as_os_str() == "-" {
        return None;
    }
    let root = find(folder).ok().flatten().and_then(|file| fs::canonicalize(file.parent()?).ok());
    let inside = root.and_then(|root| fs::canonicalize(path).ok()?.strip_prefix(root).ok().map(Path::to_owned));
    let shown = inside.unwrap_or_else(|| path.to_owned());
    Some(shown.to_string_lossy().replace('\\', "/"))
}

/// The scalar at a key of the outermost mapping with its line; else why the text is no YAML, and where.
fn top_level_value(text: &str, key: &str) -> Result<Option<(String, usize)>, (String, usize)> {
    let mut depth = 0usize;
    let mut is_key = true;
    let mut wanted = false;
    for event in Parser::new_from_str(text) {
        let (event, place) = event.map_err(|fault| (fault.info().to_owned(), fault.marker().line()))?;
        match event {
            Event::SequenceStart(..) if depth == 0 => return Ok(None),
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => {
                depth = depth.saturating_sub(1);
                is_key |= depth == 1;
            }
            Event::Scalar(value, ..) if depth == 1 => {
                if !is_key && wanted {
                    return Ok(Some((value.into_owned(), place.start.line())));
                }
                wanted = is_key && value == key;
                is_key = !is_key;
            }
            Event::Alias(..) if depth == 1 => is_key = !is_key,
            _ => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::top_level_value;

    #[test]
    fn only_the_outermost_key_counts() {
        let text = "environments:\n  dev: {dialect: duckdb}\ndialect: snowflake # all\n";
        assert_eq!(top_level_value(text, "dialect"), Ok(Some(("snowflake".to_owned(), 3))));
        for none in ["specs: dialect\nmodels: m\n", "- dialect\n- x\n", "", "a: {dialect: b}\n"] {
            assert_eq!(top_level_value(none, "dialect"), Ok(None), "{none}");
        }
        assert_eq!(top_level_value("a: 1\nb: [\n", "dialect").unwrap_err().1, 3);
    }
}
