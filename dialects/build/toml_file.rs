//! TOML file with positions, so that every error names its file and line.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub struct TomlFile {
    pub path: PathBuf,
    pub text: String,
}

impl TomlFile {
    pub fn read(path: &Path) -> Result<Self, Vec<String>> {
        let text = std::fs::read_to_string(path).map_err(|e| vec![format!("{}: {e}", path.display())])?;
        Ok(Self {
            path: path.to_owned(),
            text,
        })
    }

    /// Reads a file. A missing file is treated as empty.
    pub fn read_or_empty(path: &Path) -> Result<Self, Vec<String>> {
        if path.exists() {
            return Self::read(path);
        }
        Ok(Self {
            path: path.to_owned(),
            text: String::new(),
        })
    }

    pub fn table(&self) -> Result<DeTable<'_>, Vec<String>> {
        DeTable::parse(&self.text)
            .map(Spanned::into_inner)
            .map_err(|e| vec![self.format_error_at(e.span().map_or(0, |s| s.start), e.message())])
    }

    /// Formats an error message as `file:line: message`.
    pub fn format_error_at(&self, offset: usize, message: impl std::fmt::Display) -> String {
        format!("{}: {message}", self.format_position(offset))
    }

    /// Formats a position as `file:line`.
    pub fn format_position(&self, offset: usize) -> String {
        let line = self.text[..offset.min(self.text.len())].matches('\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }
}

pub type Value<'a> = Spanned<DeValue<'a>>;

pub fn get<'t, 'a>(table: &'t DeTable<'a>, key: &str) -> Option<&'t Value<'a>> {
    table.iter().find(|(k, _)| k.get_ref() == key).map(|(_, v)| v)
}

/// Returns the text value of a key. `None` if the key is missing.
pub fn text<'t>(file: &TomlFile, table: &'t DeTable<'_>, key: &str, faults: &mut Vec<String>) -> Option<&'t str> {
    let value = get(table, key)?;
    let text = value.get_ref().as_str();
    if text.is_none() {
        faults.push(file.format_error_at(value.span().start, format!("`{key}` must be a string")));
    }
    text
}

/// Returns the list of strings under a key. Empty if the key is missing.
pub fn read_texts(file: &TomlFile, table: &DeTable<'_>, key: &str, faults: &mut Vec<String>) -> Vec<String> {
    let Some(value) = get(table, key) else {
        return Vec::new();
    };
    let Some(array) = value.get_ref().as_array() else {
        faults.push(file.format_error_at(value.span().start, format!("`{key}` must be a list")));
        return Vec::new();
    };
    let list: Vec<String> = array
        .iter()
        .filter_map(|v| v.get_ref().as_str().map(str::to_owned))
        .collect();
    if list.len() != array.len() {
        faults.push(file.format_error_at(value.span().start, format!("`{key}` must be a list of strings")));
    }
    list
}

/// Reports unknown keys.
pub fn report_unknown_keys(file: &TomlFile, table: &DeTable<'_>, known_keys: &[&str], faults: &mut Vec<String>) {
    for (key, _) in table {
        if !known_keys.contains(&key.get_ref().as_ref()) {
            faults.push(file.format_error_at(key.span().start, format!("unknown key `{}`", key.get_ref())));
        }
    }
}
