//! A small YAML tree with line numbers, whose mappings reject unknown keys.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Number, Value as Json};

/// The error is a message that names the line.
pub type Result<T> = std::result::Result<T, String>;

#[derive(Clone, Debug)]
pub struct Node {
    pub line: usize,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Scalar(Json),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// A mapping from which entries are taken one at a time. Any remaining entry is an error.
pub struct Map {
    line: usize,
    entries: Vec<(String, Node)>,
}

pub fn parse(text: &str) -> Result<Node> {
    let documents = MarkedYaml::load_from_str(text).map_err(|error| error.to_string())?;
    match documents.as_slice() {
        [document] => convert(document),
        _ => Err("expected one YAML document".to_owned()),
    }
}

fn convert(yaml: &MarkedYaml<'_>) -> Result<Node> {
    let line = yaml.span.start.line();
    let content = match &yaml.data {
        YamlData::Value(scalar) => Content::Scalar(scalar_value(scalar)),
        YamlData::Sequence(items) => Content::List(items.iter().map(convert).collect::<Result<_>>()?),
        YamlData::Mapping(entries) => {
            let mut map = Vec::new();
            for (key, value) in entries {
                let key = match &key.data {
                    YamlData::Value(Scalar::String(key)) => key.to_string(),
                    other => return Err(format!("line {line}: a key must be text: {other:?}")),
                };
                map.push((key, convert(value)?));
            }
            Content::Map(map)
        }
        other => return Err(format!("line {line}: no tags here: {other:?}")),
    };
    Ok(Node { line, content })
}

fn scalar_value(scalar: &Scalar<'_>) -> Json {
    match scalar {
        Scalar::Null => Json::Null,
        Scalar::Boolean(value) => Json::Bool(*value),
        Scalar::Integer(value) => Json::from(*value),
        Scalar::FloatingPoint(value) => Number::from_f64(value.0).map_or(Json::Null, Json::Number),
        Scalar::String(value) => Json::from(value.as_ref()),
    }
}

impl Node {
    pub fn error<T>(&self, message: impl std::fmt::Display) -> Result<T> {
        Err(format!("line {}: {message}", self.line))
    }

    pub fn map(&self) -> Result<Map> {
        match &self.content {
            Content::Map(entries) => Ok(Map {
                line: self.line,
                entries: entries.clone(),
            }),
            _ => self.error("expected `key: value` entries"),
        }
    }

    pub fn list(&self) -> Result<&[Node]> {
        match &self.content {
            Content::List(items) => Ok(items),
            _ => self.error("expected a list"),
        }
    }

    pub fn scalar(&self) -> Result<&Json> {
        match &self.content {
            Content::Scalar(value) => Ok(value),
            _ => self.error("expected a plain value"),
        }
    }

    pub fn text(&self) -> Result<&str> {
        match self.scalar()? {
            Json::String(text) => Ok(text),
            _ => self.error("expected text (quote it)"),
        }
    }

    /// Returns a list of strings, or a single string as a list.
    pub fn texts(&self) -> Result<Vec<String>> {
        match &self.content {
            Content::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
            _ => Ok(vec![self.text()?.to_owned()]),
        }
    }

    pub fn is_list(&self) -> bool {
        matches!(self.content, Content::List(_))
    }
}

impl Map {
    pub fn take(&mut self, key: &str) -> Option<Node> {
        let at = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(at).1)
    }

    pub fn need(&mut self, key: &str) -> Result<Node> {
        self.take(key)
            .ok_or_else(|| format!("line {}: `{key}` is missing", self.line))
    }

    /// Returns the remaining entries, for mappings that allow any key.
    pub fn into_entries(self) -> Vec<(String, Node)> {
        self.entries
    }

    pub fn finish(self) -> Result<()> {
        match self.entries.first() {
            Some((key, node)) => node.error(format!("unknown key `{key}`")),
            None => Ok(()),
        }
    }
}
