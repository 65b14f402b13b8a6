//! Lenient types for deserialization. Most of these types accept any value, and convert a value with an unexpected
//! shape to an empty value. Strings are borrowed from the artifact.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Text of a string, number or boolean.
#[derive(Clone, Debug, Default)]
pub(super) struct LenientText<'a>(pub Option<Cow<'a, str>>);

impl LenientText<'_> {
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub fn into_string(self) -> Option<String> {
        self.0.map(Cow::into_owned)
    }
}

/// Strings from the scalars in a list, or the string from a single scalar.
#[derive(Debug, Default)]
pub(super) struct LenientTexts<'a>(pub Vec<Cow<'a, str>>);

/// Boolean. `None` if the value is neither `true` nor `false`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LenientFlag(pub Option<bool>);

/// Mapping that is deserialized as `T`. A value with a different shape becomes the default of `T`.
#[derive(Debug, Default)]
pub(super) struct LenientMapping<T>(pub T);

/// List. `null` is an empty list, and any other value is an error.
#[derive(Debug)]
pub(super) struct LenientList<T>(pub Vec<T>);

/// Mapping with its entries in file order. `null` is an empty mapping, and any other value is an error.
#[derive(Debug)]
pub(super) struct LenientEntries<'a, T>(pub Vec<(Cow<'a, str>, T)>);

impl<T> Default for LenientList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for LenientEntries<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Any JSON value.
#[derive(Debug, Default)]
pub(super) enum Json<'a> {
    #[default]
    Null,
    Bool(bool),
    Number(String),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Map(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Removes a key from a mapping and returns its value.
    pub fn take_key(&mut self, key: &str) -> Json<'a> {
        let Self::Map(fields) = self else { return Self::Null };
        let field = fields.iter_mut().rev().find(|(name, _)| name == key);
        field.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }

    /// Removes nulls, empty lists and empty mappings from a mapping and from the mappings in it. Most settings are
    /// empty: dbt writes every parameter, and writes `null` if a parameter has no value.
    pub fn without_empty_values(self) -> Self {
        match self {
            Self::Map(fields) => {
                let fields = fields
                    .into_iter()
                    .map(|(key, value)| (key, value.without_empty_values()));
                Self::Map(fields.filter(|(_, value)| !value.is_empty()).collect())
            }
            Self::List(items) => Self::List(items.into_iter().map(Self::without_empty_values).collect()),
            scalar => scalar,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::List(items) => items.is_empty(),
            Self::Map(fields) => fields.is_empty(),
            Self::Bool(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }

    /// Returns the text of a scalar.
    pub fn into_text(self) -> LenientText<'a> {
        LenientText(match self {
            Self::Text(text) => Some(text),
            Self::Number(text) => Some(Cow::Owned(text)),
            Self::Bool(flag) => Some(Cow::Borrowed(if flag { "true" } else { "false" })),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        })
    }

    /// Returns the scalars in a list as strings, or a single scalar as a list of one string.
    pub fn into_scalar_texts(self) -> LenientTexts<'a> {
        LenientTexts(match self {
            Self::List(items) => items.into_iter().filter_map(|item| item.into_text().0).collect(),
            other => other.into_text().0.into_iter().collect(),
        })
    }
}

macro_rules! any {
    ($visitor:ident, $value:ty, $($body:tt)*) => {
        impl<'de: 'a, 'a> Visitor<'de> for $visitor<'a> {
            type Value = $value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            $($body)*
        }
    };
}

struct LenientTextVisitor<'a>(PhantomData<&'a ()>);

any! { LenientTextVisitor, LenientText<'a>,
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<LenientText<'a>, E> {
        Ok(LenientText(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<LenientText<'a>, E> {
        Ok(LenientText(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E>(self, it: bool) -> Result<LenientText<'a>, E> {
        Ok(Json::Bool(it).into_text())
    }

    fn visit_i64<E>(self, number: i64) -> Result<LenientText<'a>, E> {
        Ok(LenientText(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<LenientText<'a>, E> {
        Ok(LenientText(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_f64<E>(self, number: f64) -> Result<LenientText<'a>, E> {
        Ok(LenientText(Some(Cow::Owned(format!("{number:?}")))))
    }

    fn visit_unit<E>(self) -> Result<LenientText<'a>, E> {
        Ok(LenientText(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<LenientText<'a>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(LenientText(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LenientText<'a>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(LenientText(None))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for LenientText<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(LenientTextVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for LenientFlag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = LenientText::deserialize(from)?;
        Ok(Self(text.as_str().and_then(|text| text.parse().ok())))
    }
}

struct JsonVisitor<'a>(PhantomData<&'a ()>);

any! { JsonVisitor, Json<'a>,
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'a>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'a>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, it: bool) -> Result<Json<'a>, E> {
        Ok(Json::Bool(it))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'a>, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'a>, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'a>, E> {
        Ok(Json::Number(format!("{number:?}")))
    }

    fn visit_unit<E>(self) -> Result<Json<'a>, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'a>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'a>, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = map.next_key::<LenientText<'a>>()? {
            fields.push((key.0.unwrap_or_default(), map.next_value()?));
        }
        Ok(Json::Map(fields))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(JsonVisitor(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for LenientTexts<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Json::deserialize(from).map(Json::into_scalar_texts)
    }
}

struct LenientMappingVisitor<T>(PhantomData<T>);

impl<'de, T: Default + Deserialize<'de>> Visitor<'de> for LenientMappingVisitor<T> {
    type Value = LenientMapping<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LenientMapping<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(LenientMapping)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<LenientMapping<T>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(LenientMapping::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<LenientMapping<T>, E> {
        Ok(LenientMapping::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<LenientMapping<T>, E> {
        Ok(LenientMapping::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<LenientMapping<T>, E> {
        Ok(LenientMapping::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<LenientMapping<T>, E> {
        Ok(LenientMapping::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<LenientMapping<T>, E> {
        Ok(LenientMapping::default())
    }

    fn visit_unit<E>(self) -> Result<LenientMapping<T>, E> {
        Ok(LenientMapping::default())
    }
}

impl<'de, T: Default + Deserialize<'de>> Deserialize<'de> for LenientMapping<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(LenientMappingVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LenientList<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Option::deserialize(from)?.unwrap_or_default()))
    }
}

struct LenientEntriesVisitor<'a, T>(PhantomData<(&'a (), T)>);

impl<'de: 'a, 'a, T: Deserialize<'de>> Visitor<'de> for LenientEntriesVisitor<'a, T> {
    type Value = LenientEntries<'a, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_unit<E>(self) -> Result<LenientEntries<'a, T>, E> {
        Ok(LenientEntries::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LenientEntries<'a, T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<LenientText<'a>>()? {
            entries.push((key.0.unwrap_or_default(), map.next_value()?));
        }
        Ok(LenientEntries(entries))
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for LenientEntries<'a, T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(LenientEntriesVisitor(PhantomData))
    }
}
