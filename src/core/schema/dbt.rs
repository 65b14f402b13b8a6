//! Relation metadata from dbt's artifacts or properties files, and the conversion of this metadata to schema relations.

use std::borrow::Cow;

use rustc_hash::FxHashSet;

use super::{Access, Column, Relation, structs};
use crate::Type;
use crate::dialect::Dialect;

/// Metadata of a column, from any of dbt's files.
#[derive(Clone, Debug, Default)]
pub struct ColumnMetadata {
    pub name: String,
    /// Name of the type in the warehouse.
    pub data_type: Option<String>,
    pub description: Option<String>,
    /// Whether the name is case-sensitive.
    pub quoted: bool,
    /// Whether a test or an enforced constraint guarantees that the column is never NULL.
    pub not_null: bool,
    /// Whether a test or an enforced constraint guarantees that no value occurs twice.
    pub unique: bool,
    /// Whether a constraint makes the column part of the primary key.
    pub key: bool,
    /// Values that a test or the warehouse's type allows. Empty if the values are not restricted.
    pub values: Vec<String>,
    pub tags: Vec<String>,
}

/// Metadata of a relation.
#[derive(Clone, Debug, Default)]
pub struct RelationMetadata {
    pub name: String,
    pub columns: Vec<ColumnMetadata>,
    /// Combinations of columns that are unique.
    pub unique_together: Vec<Vec<String>>,
    pub access: Option<Access>,
    pub group: Option<String>,
    /// Whether only described columns are listed, so that the relation may have other columns.
    pub partial: bool,
}

impl RelationMetadata {
    /// Returns the column with this name. Prefers an exact match to a column whose name differs in case.
    pub fn column_mut(&mut self, name: &str) -> Option<&mut ColumnMetadata> {
        let exact = self.columns.iter().position(|c| c.name == name);
        let index = exact.or_else(|| self.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name)))?;
        self.columns.get_mut(index)
    }

    /// Converts the metadata to a relation. Type names are interpreted as types of the dialect.
    pub fn into_relation(self, dialect: Dialect) -> Relation {
        let key = self.primary_key();
        let mut relation = match (self.partial, self.columns.is_empty()) {
            (false, _) => Relation::new(self.name),
            (true, false) => Relation::new(self.name).mark_incomplete(),
            (true, true) => Relation::unknown(self.name),
        };
        if let Some(access) = self.access {
            relation = relation.with_access(access, self.group.as_deref());
        }
        let listed_names: FxHashSet<String> = self.columns.iter().map(|c| c.name.to_ascii_lowercase()).collect();
        for facts in self.columns {
            let type_name = facts.data_type.unwrap_or_default();
            let ty = parse_warehouse_type(&type_name, dialect);
            let values = if facts.values.is_empty() {
                enum_values(&type_name)
            } else {
                facts.values
            };
            let column = Column::new(facts.name, ty)
                .nullable(!facts.not_null)
                .with_quoted_name(facts.quoted)
                .with_declared_type(&type_name);
            let column = column.values(values).with_tags(facts.tags);
            let fields = structs::fields_of_struct(column.name(), &type_name);
            relation.push(match facts.description {
                Some(text) => column.description(text),
                None => column,
            });
            for (path, field_type) in fields {
                let is_listed = listed_names.contains(&path.to_ascii_lowercase());
                let column =
                    Column::new(path, parse_warehouse_type(&field_type, dialect)).with_declared_type(&field_type);
                relation = if is_listed { relation } else { relation.with(column) };
            }
        }
        relation.primary_key(key)
    }

    /// Returns the primary key that a constraint declares. If there is no such constraint, returns the first column or
    /// combination of columns that is unique and never NULL.
    fn primary_key(&self) -> Vec<String> {
        let columns_with =
            |is: fn(&ColumnMetadata) -> bool| self.columns.iter().filter(move |c| is(c)).map(|c| c.name.clone());
        let declared: Vec<String> = columns_with(|c| c.key).collect();
        if !declared.is_empty() {
            return declared;
        }
        if let Some(single) = columns_with(|c| c.unique && c.not_null).next() {
            return vec![single];
        }
        let not_null = |name: &String| {
            self.columns
                .iter()
                .any(|c| c.not_null && c.name.eq_ignore_ascii_case(name))
        };
        self.unique_together
            .iter()
            .find(|names| !names.is_empty() && names.iter().all(not_null))
            .cloned()
            .unwrap_or_default()
    }
}

/// Removes the quotes of any dialect from a column name and unescapes doubled quotes inside it.
pub fn unquote_column(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    for (open, close) in [('"', '"'), ('`', '`'), ('[', ']')] {
        let inside = name.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        if let Some(inside) = inside.filter(|inside| !inside.is_empty()) {
            let doubled = [close, close].iter().collect::<String>();
            return match inside.contains(&doubled) {
                true => Cow::Owned(inside.replace(&doubled, &close.to_string())),
                false => Cow::Borrowed(inside),
            };
        }
    }
    Cow::Borrowed(name)
}

/// Parses the name of a type in the warehouse. For example, `timestamp` is an instant in BigQuery and wall-clock time
/// elsewhere.
fn parse_warehouse_type(text: &str, dialect: Dialect) -> Type {
    let timestamp_types = [Type::Timestamp, Type::Timestamptz];
    let dialect_type = timestamp_types
        .into_iter()
        .find(|ty| dialect.type_name(*ty).eq_ignore_ascii_case(text.trim()));
    dialect_type.or_else(|| text.parse().ok()).unwrap_or_default()
}

/// Returns the values of an enum type in DuckDB's notation: `ENUM('open', 'paid')`.
fn enum_values(text: &str) -> Vec<String> {
    let text = text.trim();
    let inside = text
        .get(..4)
        .filter(|word| word.eq_ignore_ascii_case("enum"))
        .and_then(|_| text.get(4..));
    let inside = inside.and_then(|rest| rest.trim().strip_prefix('(')?.strip_suffix(')'));
    let mut values = Vec::new();
    let mut rest = inside.unwrap_or_default();
    while let Some(begin) = rest.trim_start_matches([',', ' ']).strip_prefix('\'') {
        let mut value = String::new();
        let mut chars = begin.char_indices().peekable();
        rest = "";
        while let Some((offset, c)) = chars.next() {
            match c {
                '\'' if chars.next_if(|(_, next)| *next == '\'').is_some() => value.push('\''),
                '\'' => {
                    rest = begin.get(offset + 1..).unwrap_or_default();
                    break;
                }
                c => value.push(c),
            }
        }
        values.push(value);
    }
    values
}

/// Returns whether a name from the warehouse is case-sensitive. A name is case-sensitive if the warehouse would convert
/// the unquoted name to another case.
pub fn is_case_sensitive_name(name: &str, dialect: Dialect) -> bool {
    dialect.name_text(name, false) != dialect.name_text(name, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_depend_on_dialect() {
        let parsed_type = |text: &str, dialect: &str| parse_warehouse_type(text, dialect.parse().unwrap());
        assert_eq!(parsed_type("TIMESTAMP", "bigquery"), Type::Timestamptz);
        assert_eq!(parsed_type("DATETIME", "bigquery"), Type::Timestamp);
        assert_eq!(parsed_type("TIMESTAMP", "duckdb"), Type::Timestamp);
        assert_eq!(parsed_type("TIMESTAMP WITH TIME ZONE", "duckdb"), Type::Timestamptz);
        assert_eq!(parsed_type("TIMESTAMP_NTZ", "snowflake"), Type::Timestamp);
        assert_eq!(parsed_type("STRUCT<a INT64>", "bigquery"), Type::Other);
        assert_eq!(parsed_type("", "duckdb"), Type::Unknown);
    }

    #[test]
    fn enum_values_are_parsed() {
        assert_eq!(enum_values("ENUM('Open', 'it''s paid')"), ["Open", "it's paid"]);
        assert_eq!(enum_values("enum('a','b')"), ["a", "b"]);
        assert!(
            enum_values("ENUM").is_empty() && enum_values("VARCHAR").is_empty() && enum_values("ENUM('a").is_empty()
        );
    }

    #[test]
    fn column_case_follows_the_warehouse() {
        let cased = |name: &str, dialect: &str| is_case_sensitive_name(name, dialect.parse().unwrap());
        assert!(!cased("CUSTOMER_ID", "snowflake"));
        assert!(cased("netRevenue", "snowflake"));
        assert!(cased("netRevenue", "postgres"));
        assert!(!cased("customer_id", "postgres"));
        assert!(!cased("netRevenue", "duckdb"));
    }

    #[test]
    fn key_requires_proof() {
        let column = |name: &str, not_null: bool, unique: bool| ColumnMetadata {
            name: name.to_owned(),
            not_null,
            unique,
            ..ColumnMetadata::default()
        };
        let mut facts = RelationMetadata {
            name: "t".to_owned(),
            columns: vec![
                column("email", false, true),
                column("id", true, true),
                column("day", true, false),
            ],
            unique_together: vec![vec!["day".to_owned(), "id".to_owned()]],
            ..RelationMetadata::default()
        };
        assert_eq!(facts.primary_key(), ["id"]);
        facts.columns[1].unique = false;
        assert_eq!(facts.primary_key(), ["day", "id"]);
        facts.columns[1].not_null = false;
        assert!(facts.primary_key().is_empty());
        facts.columns[0].key = true;
        assert_eq!(facts.primary_key(), ["email"]);
    }

    #[test]
    fn quotes_of_every_dialect() {
        for (name, expected) in [
            ("id", "id"),
            ("\"Insurer Code\"", "Insurer Code"),
            ("`a b`", "a b"),
            ("[a b]", "a b"),
            ("\"a\"\"b\"", "a\"b"),
            ("\"", "\""),
            ("\"\"", "\"\""),
            ("\"a", "\"a"),
        ] {
            assert_eq!(unquote_column(name), expected, "{name}");
        }
    }
}
