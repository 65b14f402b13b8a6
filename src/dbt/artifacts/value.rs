//! JSON values of any shape: meta, test arguments, configuration.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// JSON value of any shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MetaValue {
    /// Null.
    #[default]
    Null,
    /// Boolean.
    Bool(bool),
    /// Number, as text.
    Number(Arc<str>),
    /// Text.
    Text(Arc<str>),
    /// List.
    List(Vec<MetaValue>),
    /// Mapping.
    Map(ValueFields),
}

impl MetaValue {
    /// Returns the text if the value is a string, or `None` otherwise.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Returns the text of a string, number or boolean, or `None` for any other value.
    #[must_use]
    pub fn scalar(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Returns the value if it is a boolean, or `None` otherwise.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(flag) = self { Some(*flag) } else { None }
    }

    /// Returns a number as the nearest `f64`.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        if let Self::Number(text) = self {
            text.parse().ok()
        } else {
            None
        }
    }

    /// Returns the items of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[MetaValue]> {
        if let Self::List(items) = self {
            Some(items)
        } else {
            None
        }
    }

    /// Returns the fields of a mapping.
    #[must_use]
    pub fn as_map(&self) -> Option<&ValueFields> {
        if let Self::Map(fields) = self {
            Some(fields)
        } else {
            None
        }
    }

    /// Returns the scalars in a list as strings, or a single scalar as a list of one string.
    #[must_use]
    pub fn scalar_texts(&self) -> Vec<&str> {
        match self {
            Self::List(items) => items.iter().filter_map(MetaValue::scalar).collect(),
            other => other.scalar().into_iter().collect(),
        }
    }

    /// Returns whether the value is null or empty.
    #[must_use]
    pub fn is_empty_value(&self) -> bool {
        match self {
            Self::Null => true,
            Self::List(items) => items.is_empty(),
            Self::Map(fields) => fields.is_empty(),
            Self::Bool(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }
}

impl fmt::Display for MetaValue {
    /// Writes a scalar as plain text, and other values as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scalar() {
            Some(text) => f.write_str(text),
            None => f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?),
        }
    }
}

impl Serialize for MetaValue {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(flag) => to.serialize_bool(*flag),
            Self::Number(text) => match (text.parse::<i64>(), text.parse::<u64>(), text.parse::<f64>()) {
                (Ok(number), ..) => to.serialize_i64(number),
                (_, Ok(number), _) => to.serialize_u64(number),
                (.., Ok(number)) => to.serialize_f64(number),
                _ => to.serialize_str(text),
            },
            Self::Text(text) => to.serialize_str(text),
            Self::List(items) => to.collect_seq(items),
            Self::Map(fields) => fields.serialize(to),
        }
    }
}

/// Fields of a mapping, in file order.
///
/// ```
/// use formulac_dbt::artifacts::{ManifestReadOptions, Manifest};
/// let text = r#"{"nodes": {"model.shop.orders": {"config": {"meta": {"omni": {"label": "Orders"}}}}}}"#;
/// let manifest = Manifest::from_text(text, ManifestReadOptions::default()).unwrap();
/// let label = manifest.nodes[0].meta.get_path(&["omni", "label"]).and_then(|label| label.as_str());
/// assert_eq!(label, Some("Orders"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueFields(pub(super) Vec<(Arc<str>, MetaValue)>);

impl ValueFields {
    pub(super) fn new(fields: Vec<(Arc<str>, MetaValue)>) -> Self {
        Self(fields)
    }

    /// Returns the value of a key. If the key occurs several times, returns the last value, as in Python.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&MetaValue> {
        self.0
            .iter()
            .rev()
            .find(|(name, _)| &**name == key)
            .map(|(_, value)| value)
    }

    /// Returns the value at a path of nested keys.
    #[must_use]
    pub fn get_path(&self, keys: &[&str]) -> Option<&MetaValue> {
        let (last, parent_keys) = keys.split_last()?;
        parent_keys
            .iter()
            .try_fold(self, |fields, key| fields.get(key)?.as_map())?
            .get(last)
    }

    /// Returns all fields, in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MetaValue)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// Returns the number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the mapping has no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for ValueFields {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}
