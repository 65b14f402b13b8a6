//! Edits handwritten YAML files. The comments, order, quotes and line breaks of all other parts are kept.
//!
//! [`apply_edits`] sets, adds and removes values. [`merge`] transfers the changes in generated text to a file that
//! users have edited in the meantime. Both functions return the new text, or a [`YamlEditError`] with a reason. Both
//! functions parse the new text and compare its values with the expected values, so they never return text with an
//! unexpected meaning.
//!
//! ```
//! use formulac_yaml_edit::{Edit, Path, YamlValue, apply_edits};
//!
//! let file = "models:\n  - name: orders # ours\n    tags: ['a']\n";
//! let order = Path::root().key("models").item("name", "orders");
//! let edits = [
//!     Edit::Set { at: order.clone().key("description"), value: YamlValue::text("Paid: yes"), after: vec!["name".into()] },
//!     Edit::Add { to: order.key("tags"), value: YamlValue::text("b") },
//! ];
//! let edited = apply_edits(file, &edits)?;
//! assert_eq!(edited, "models:\n  - name: orders # ours\n    description: \"Paid: yes\"\n    tags: ['a', b]\n");
//! # Ok::<(), formulac_yaml_edit::YamlEditError>(())
//! ```

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

mod blocks;
mod changes;
mod edit;
mod merge;
mod path;
mod render;
mod rules;
mod splice;
mod tree;

use formulac_syntax::span::LineIndex;
use formulac_syntax::yaml;

use std::fmt;

pub use edit::{Edit, apply_edits};
pub use formulac_syntax::yaml::{CollectionStyle, YamlValue};
pub use merge::{MergedText, YamlMergeConflict, merge};
pub use path::{Path, PathPattern, PathSegment};
pub use rules::{RemovalMark, Rules};

/// Reason why a file cannot be edited, and its position in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlEditError {
    line: usize,
    column: usize,
    reason: String,
}

impl YamlEditError {
    fn at(source: &str, at: usize, reason: impl Into<String>) -> Self {
        let place = LineIndex::new(source).position(at as u32);
        Self {
            line: place.line as usize,
            column: place.column as usize,
            reason: reason.into(),
        }
    }

    /// Returns the line number, starting at 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column number in characters, starting at 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// Returns the reason as text.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for YamlEditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.reason)
    }
}

impl std::error::Error for YamlEditError {}

/// Returns the reason why a file cannot be edited: it is not valid YAML, or contains several documents or a duplicate
/// key.
pub fn edit_error(text: &str) -> Option<YamlEditError> {
    tree::read(split_byte_order_mark(text).1).err()
}

/// Parses the value of a file. `None` if the file is empty or not valid YAML.
pub fn parse_value(text: &str) -> Option<YamlValue> {
    let tree = tree::read(split_byte_order_mark(text).1).ok()?;
    tree.root().map(|root| tree.value(root))
}

/// Separates a byte order mark from the text.
fn split_byte_order_mark(text: &str) -> (&'static str, &str) {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    }
}
