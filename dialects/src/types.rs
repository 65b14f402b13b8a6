//! Types of values, and the levels at which values are computed.

use std::fmt;
use std::str::FromStr;

/// Type of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
#[non_exhaustive]
pub enum Type {
    /// TRUE or FALSE.
    Boolean,
    /// Integer.
    Integer,
    /// Exact number with a fraction.
    Decimal,
    /// Approximate number.
    Float,
    /// Text.
    Text,
    /// Calendar date without a time.
    Date,
    /// Date and time without a time zone (BigQuery DATETIME, Snowflake `TIMESTAMP_NTZ`).
    Timestamp,
    /// Point in time (BigQuery TIMESTAMP).
    Timestamptz,
    /// Warehouse type that formulas can only copy.
    Other,
    /// Unknown type.
    #[default]
    Unknown,
    /// Number whose exact type is unknown. Displayed as decimal.
    #[doc(hidden)]
    #[cfg_attr(feature = "serde", serde(rename(serialize = "decimal")))]
    Number,
    /// Literal with a decimal point. The type becomes decimal or float, depending on the other operands. Displayed as
    /// float.
    #[doc(hidden)]
    #[cfg_attr(feature = "serde", serde(rename(serialize = "float")))]
    Point,
    /// Time of day as a fraction of a day. The sum of a date and a time is a timestamp. Displayed as float.
    #[doc(hidden)]
    #[cfg_attr(feature = "serde", serde(rename(serialize = "float")))]
    Time,
}

impl Type {
    /// Number of types, including those that are displayed as another type.
    pub const COUNT: usize = Self::Time as usize + 1;

    /// Returns `true` if the type is any kind of number.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Self::Integer | Self::Decimal | Self::Float | Self::Number | Self::Point | Self::Time
        )
    }

    /// Returns the type of the value in SQL, which is float for a time.
    #[must_use]
    pub fn sql_type(self) -> Self {
        if self == Self::Time { Self::Float } else { self }
    }

    /// Returns `true` if the type is a date, a timestamp or an instant.
    #[must_use]
    pub fn is_temporal(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::Timestamptz)
    }

    /// Returns the name that schemas and results use for the type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal | Self::Number => "decimal",
            Self::Float | Self::Point | Self::Time => "float",
            Self::Text => "text",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the name that messages use for the type, such as `a number` if the kind of number is unknown.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Decimal => "a decimal",
            Self::Float | Self::Point | Self::Time => "a float",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Date => "a date",
            Self::Timestamp => "a timestamp",
            Self::Timestamptz => "an instant (timestamptz)",
            Self::Other => "a value of a warehouse-specific type",
            Self::Unknown => "of unknown type",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Type {
    type Err = UnknownType;

    /// Parses a type from its name in this language or from a common name in warehouses, such as `varchar`, `NUMBER(38,
    /// 0)` or `INT64`.
    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let lower = text.trim().to_ascii_lowercase();
        let (base, arguments) = match lower.split_once('(') {
            Some((base, rest)) => (base.trim_end(), rest.trim_end_matches(')')),
            None => (lower.as_str(), ""),
        };
        let zone = lower.contains("with time zone") || lower.contains("with local time zone");
        Ok(match base {
            "boolean" | "bool" => Self::Boolean,
            "integer" | "int" | "int2" | "int4" | "int8" | "int64" | "bigint" | "smallint" | "tinyint" | "byteint"
            | "hugeint" | "uinteger" | "ubigint" | "usmallint" | "utinyint" | "serial" | "bigserial" => Self::Integer,
            "number" | "numeric" | "decimal" | "bignumeric" | "bigdecimal" | "dec" => {
                let scale = arguments.split(',').nth(1).map(str::trim);
                let is_integer = scale == Some("0") || (scale.is_none() && !arguments.is_empty());
                if is_integer { Self::Integer } else { Self::Decimal }
            }
            "float" | "float4" | "float8" | "float64" | "double" | "double precision" | "real" => Self::Float,
            "text" | "string" | "varchar" | "character varying" | "char" | "character" | "bpchar" | "nvarchar"
            | "citext" | "enum" | "uuid" => Self::Text,
            "date" => Self::Date,
            "timestamp_ntz"
            | "datetime"
            | "timestamp without time zone"
            | "timestamp_s"
            | "timestamp_ms"
            | "timestamp_ns" => Self::Timestamp,
            "timestamp" if !zone => Self::Timestamp,
            "timestamp" | "timestamptz" | "timestamp with time zone" | "timestamp_tz" | "timestamp_ltz" => {
                Self::Timestamptz
            }
            "unknown" => Self::Unknown,
            "" => return Err(UnknownType),
            _ => Self::Other,
        })
    }
}

/// Size of decimals that may use all digits that the engine supports. Such decimals must keep their scale.
pub const MAX_DECIMAL_DIGITS: u32 = u32::MAX;

/// Error for a string that is not the name of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no type is specified")]
pub struct UnknownType;

/// Levels at which expressions are computed, earliest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Level {
    /// The same value for all rows.
    #[default]
    Const,
    /// One value per row.
    Row,
    /// One value per group of rows.
    Aggregate,
    /// One value per row of the grouped result. The value can also depend on other rows of the result.
    Window,
}

impl Level {
    /// Returns the name of the level.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Const => "const",
            Self::Row => "row",
            Self::Aggregate => "aggregate",
            Self::Window => "window",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
