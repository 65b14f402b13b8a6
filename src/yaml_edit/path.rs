//! Paths to values. Each segment of a path is a key or a list item. List items are identified by values or by position.

use std::fmt;

/// Segment of a path: a key or a list item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathSegment {
    /// Value under a key.
    Key(String),
    /// List item that is a mapping in which these keys have these values.
    Item(Vec<(String, String)>),
    /// List item that is a scalar.
    Scalar(String),
    /// List item at this position, starting at 0.
    Position(usize),
}

/// Path of a value in a YAML file.
///
/// ```
/// use formulac_yaml_edit::Path;
///
/// let path = Path::root().key("models").item("name", "orders").key("tags").scalar("pii");
/// assert_eq!(path.to_string(), "models[name=orders].tags[pii]");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path(Vec<PathSegment>);

impl Path {
    /// Returns the path of the whole document.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Appends a key to the path.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        self.step(PathSegment::Key(key.into()))
    }

    /// Appends the list item in which this key has this value.
    #[must_use]
    pub fn item(self, key: impl Into<String>, text: impl Into<String>) -> Self {
        self.step(PathSegment::Item(vec![(key.into(), text.into())]))
    }

    /// Appends the item of a list of scalars.
    #[must_use]
    pub fn scalar(self, text: impl Into<String>) -> Self {
        self.step(PathSegment::Scalar(text.into()))
    }

    /// Appends the list item at a position, starting at 0.
    #[must_use]
    pub fn position(self, position: usize) -> Self {
        self.step(PathSegment::Position(position))
    }

    /// Appends a segment.
    #[must_use]
    pub fn step(mut self, step: PathSegment) -> Self {
        self.0.push(step);
        self
    }

    /// Returns the segments, outermost segment first.
    #[must_use]
    pub fn steps(&self) -> &[PathSegment] {
        &self.0
    }

    /// Returns the path as one line of text that identifies the value in records.
    #[must_use]
    pub fn text(&self) -> String {
        self.to_string().replace(char::is_control, " ")
    }

    pub(super) fn push(&mut self, step: PathSegment) {
        self.0.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the complete file");
        }
        for (number, step) in self.0.iter().enumerate() {
            match step {
                PathSegment::Key(key) if number == 0 => f.write_str(key)?,
                PathSegment::Key(key) => write!(f, ".{key}")?,
                PathSegment::Scalar(text) => write!(f, "[{text}]")?,
                PathSegment::Position(position) => write!(f, "[{position}]")?,
                PathSegment::Item(keys) => {
                    let keys: Vec<String> = keys.iter().map(|(key, text)| format!("{key}={text}")).collect();
                    write!(f, "[{}]", keys.join(", "))?;
                }
            }
        }
        Ok(())
    }
}

/// Pattern for paths. For example, `dimensions.*` matches every key or item of `dimensions`. The empty pattern matches
/// the whole document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(Vec<String>);

impl PathPattern {
    /// Creates a pattern from keys separated by dots, in which `*` matches any key or item.
    #[must_use]
    pub fn new(written: &str) -> Self {
        Self(
            written
                .split('.')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// Returns `true` if the path matches the pattern.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        self.0.len() == path.0.len() && self.begins_with(path)
    }

    /// Returns `true` if paths inside this path may match the pattern.
    pub(super) fn reaches_into(&self, path: &Path) -> bool {
        self.0.len() > path.0.len() && self.begins_with(path)
    }

    fn begins_with(&self, path: &Path) -> bool {
        path.0
            .iter()
            .zip(&self.0)
            .all(|(step, part)| part == "*" || matches!(step, PathSegment::Key(key) if key == part))
    }
}
