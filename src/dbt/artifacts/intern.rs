//! Interner that stores equal strings of an artifact only once.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::lenient::{Json, LenientText, LenientTexts};
use super::value::{MetaValue, ValueFields};

/// Set of interned strings.
#[derive(Debug, Default)]
pub(super) struct Interner {
    seen: FxHashSet<Arc<str>>,
}

impl Interner {
    pub fn intern_str(&mut self, text: &str) -> Arc<str> {
        if let Some(interned) = self.seen.get(text) {
            return Arc::clone(interned);
        }
        let new: Arc<str> = Arc::from(text);
        self.seen.insert(Arc::clone(&new));
        new
    }

    /// Interns a string. A missing string becomes an empty string.
    pub fn intern_or_empty(&mut self, text: &LenientText<'_>) -> Arc<str> {
        self.intern_str(text.as_str().unwrap_or_default())
    }

    /// Interns a string. Returns `None` if the string is empty or missing.
    pub fn intern_text(&mut self, text: &LenientText<'_>) -> Option<Arc<str>> {
        text.as_str()
            .filter(|text| !text.is_empty())
            .map(|text| self.intern_str(text))
    }

    pub fn intern_texts(&mut self, words: &LenientTexts<'_>) -> Vec<Arc<str>> {
        words.0.iter().map(|word| self.intern_str(word)).collect()
    }

    /// Interns all strings in a JSON value. The JSON parser limits the nesting depth, which limits the recursion.
    pub fn intern_value(&mut self, json: Json<'_>) -> MetaValue {
        match json {
            Json::Null => MetaValue::Null,
            Json::Bool(flag) => MetaValue::Bool(flag),
            Json::Number(text) => MetaValue::Number(self.intern_str(&text)),
            Json::Text(text) => MetaValue::Text(self.intern_str(&text)),
            Json::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                values.extend(items.into_iter().map(|item| self.intern_value(item)));
                MetaValue::List(values)
            }
            Json::Map(fields) => MetaValue::Map(self.intern_map(fields)),
        }
    }

    /// Interns the fields of a mapping. Values of other kinds have no fields.
    pub fn intern_fields(&mut self, json: Json<'_>) -> ValueFields {
        match json {
            Json::Map(fields) => self.intern_map(fields),
            _ => ValueFields::default(),
        }
    }

    fn intern_map(&mut self, fields: Vec<(Cow<'_, str>, Json<'_>)>) -> ValueFields {
        // Do not `collect` in place, because this would keep the larger allocation of the source vector.
        let mut pairs = Vec::with_capacity(fields.len());
        pairs.extend(
            fields
                .into_iter()
                .map(|(key, value)| (self.intern_str(&key), self.intern_value(value))),
        );
        ValueFields::new(pairs)
    }
}
