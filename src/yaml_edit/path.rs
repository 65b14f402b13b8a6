//! Where a value stands: keys, and items of lists by what identifies them.

use std::fmt;

/// A step from a value into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathSegment {
    /// The value of a key.
    Key(String),
    /// The item of a list of mappings in which these keys have these texts.
    Item(Vec<(String, String)>),
    /// The item of a list of scalars.
    Scalar(String),
}

/// Where a value stands in a YAML text.
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
    /// The whole text.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The value of a key in it.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        self.step(PathSegment::Key(key.into()))
    }

    /// The item whose key has this text.
    #[must_use]
    pub fn item(self, key: impl Into<String>, text: impl Into<String>) -> Self {
        self.step(PathSegment::Item(vec![(key.into(), text.into())]))
    }

    /// The item of a list of scalars.
    #[must_use]
    pub fn scalar(self, text: impl Into<String>) -> Self {
        self.step(PathSegment::Scalar(text.into()))
    }

    /// One step further.
    #[must_use]
    pub fn step(mut self, step: PathSegment) -> Self {
        self.0.push(step);
        self
    }

    /// The steps from the top.
    #[must_use]
    pub fn steps(&self) -> &[PathSegment] {
        &self.0
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
            return f.write_str("the whole text");
        }
        for (number, step) in self.0.iter().enumerate() {
            match step {
                PathSegment::Key(key) if number == 0 => f.write_str(key)?,
                PathSegment::Key(key) => write!(f, ".{key}")?,
                PathSegment::Scalar(text) => write!(f, "[{text}]")?,
                PathSegment::Item(keys) => {
                    let keys: Vec<String> = keys.iter().map(|(key, text)| format!("{key}={text}")).collect();
                    write!(f, "[{}]", keys.join(", "))?;
                }
            }
        }
        Ok(())
    }
}

/// Paths of one shape: `dimensions.*` is every key of `dimensions`, or every item; nothing is the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(Vec<String>);

impl PathPattern {
    /// Keys between dots; `*` stands for any one key or item.
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

    /// Whether the path has this shape.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        self.0.len() == path.0.len() && self.begins_with(path)
    }

    /// Whether paths inside this one may have this shape.
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
