//! Schema file: relations, their columns and keys.
//!
//! ```yaml
//! relations:
//!   orders:
//!     columns:
//!       id: integer
//!       amount: {type: decimal, nullable: false, description: What was paid}
//!       status: {type: text, values: [Open, Paid]}
//!     primary_key: [id]
//! ```

use super::read::{string_keyed_pairs, unexpected_node_error};
use super::{Access, Column, Relation, Schema};
use crate::Type;
use crate::diag::suggest::{nearest_name, similar_name_help};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::yaml::Node;

const RELATION_KEYS: &[&str] = &["columns", "primary_key", "complete", "access", "group", "name"];
const COLUMN_KEYS: &[&str] = &["type", "nullable", "description", "values", "tags", "quoted"];
const TYPES: &[&str] = &[
    "boolean",
    "integer",
    "decimal",
    "float",
    "text",
    "date",
    "timestamp",
    "timestamptz",
    "unknown",
    "other",
];

pub fn read(root: &Node, schema: &mut Schema, faults: &mut Vec<Diagnostic>) {
    for (key, name, value) in string_keyed_pairs(root, "the schema", faults) {
        if name == "relations" {
            for (key, name, value) in string_keyed_pairs(value, "`relations`", faults) {
                if schema.relation(name).is_some() {
                    let message =
                        format!("the relation `{name}` is listed twice; names that differ only in case are the same");
                    faults.push(Diagnostic::new(Code::InvalidYaml, key.span, message));
                }
                schema.push(read_relation(name, value, faults));
            }
        } else {
            faults.push(unknown_key_error(key, name, &["relations"]));
        }
    }
}

pub fn read_relation(name: &str, node: &Node, faults: &mut Vec<Diagnostic>) -> Relation {
    let own_name = node.text_at("name").unwrap_or(name);
    let mut relation = Relation::new(own_name).with_schema_name(name);
    let mut access = None;
    let mut group = None;
    let mut primary_key = None;
    // Columns outside of `columns` are reported as a single error.
    let mut misplaced = false;
    for (key, word, value) in string_keyed_pairs(node, &format!("`{name}`"), faults) {
        match word {
            "columns" => {
                for (key, name, value) in string_keyed_pairs(value, "`columns`", faults) {
                    let column = read_column(key, name, value, faults);
                    relation.push(column);
                }
            }
            "primary_key" => primary_key = Some(value),
            "access" => match value.text().and_then(Access::from_name) {
                Some(word) => access = Some(word),
                None => faults.push(unexpected_node_error(
                    value,
                    "`access`",
                    "`private`, `protected` or `public`",
                )),
            },
            "name" if value.text().is_some() => {}
            "name" => faults.push(unexpected_node_error(value, "`name`", "the name of the relation")),
            "group" => match value.text() {
                Some(name) => group = Some(name),
                None => faults.push(unexpected_node_error(value, "`group`", "the name of a group")),
            },
            "complete" => match value.boolean() {
                Some(true) => {}
                Some(false) => relation = relation.mark_incomplete(),
                None => faults.push(unexpected_node_error(value, "`complete`", "true or false")),
            },
            _ if is_type_name(value) && !std::mem::replace(&mut misplaced, true) => {
                let message = format!("the column `{word}` of `{name}` is not under `columns`");
                let help = "write `columns:` before the columns, and indent the columns below this key";
                faults.push(Diagnostic::new(Code::UnknownKey, key.span, message).with_help(help));
            }
            _ if is_type_name(value) => {}
            _ => faults.push(unknown_key_error(key, word, RELATION_KEYS)),
        }
    }
    if let Some(access) = access {
        relation = relation.with_access(access, group);
    }
    match primary_key {
        Some(node) => {
            let names = key_names(&relation, node, faults);
            relation.primary_key(names)
        }
        None => relation,
    }
}

fn read_column(key: &Node, name: &str, node: &Node, faults: &mut Vec<Diagnostic>) -> Column {
    let mut column = Column::new(name, Type::Unknown).with_quoted_name(key.is_quoted());
    if node.pairs().is_none() {
        return if node.is_null() {
            column
        } else {
            column
                .with_type(parse_type(node, faults))
                .with_declared_type(node.text().unwrap_or_default())
        };
    }
    for (key, word, value) in string_keyed_pairs(node, &format!("`{name}`"), faults) {
        match word {
            "type" => {
                column = column
                    .with_type(parse_type(value, faults))
                    .with_declared_type(value.text().unwrap_or_default());
            }
            "nullable" => match value.boolean() {
                Some(nullable) => column = column.nullable(nullable),
                None => faults.push(unexpected_node_error(value, "`nullable`", "true or false")),
            },
            "description" => match value.text() {
                Some(text) => column = column.description(text),
                None if value.is_null() => {}
                None => faults.push(unexpected_node_error(value, "`description`", "a string")),
            },
            "values" => match column_values(value) {
                Some(values) => column = column.values(values),
                None => faults.push(unexpected_node_error(value, "`values`", "a list of strings")),
            },
            "tags" => match column_values(value) {
                Some(tags) => column = column.with_tags(tags),
                None => faults.push(unexpected_node_error(value, "`tags`", "a list of strings")),
            },
            "quoted" => match value.boolean() {
                Some(quoted) => column = column.with_quoted_name(quoted),
                None => faults.push(unexpected_node_error(value, "`quoted`", "true or false")),
            },
            _ => faults.push(unknown_key_error(key, word, COLUMN_KEYS)),
        }
    }
    column
}

impl Column {
    /// Creates a column from the name of its type, as in a schema file.
    ///
    /// ```
    /// use formulac_core::{Column, Type};
    /// assert_eq!(Column::from_type_name("id", "bigint").unwrap().ty(), Type::Integer);
    /// assert_eq!(Column::from_type_name("id", "intger").unwrap_err().help(), Some("did you mean `integer`?"));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a diagnostic if the type is unknown.
    pub fn from_type_name(name: impl Into<String>, type_name: &str) -> Result<Self, Box<Diagnostic>> {
        let ty = type_from_name(type_name)?;
        Ok(Self::new(name, ty).with_declared_type(type_name))
    }
}

/// Returns all values that the column can have.
fn column_values(node: &Node) -> Option<Vec<String>> {
    node.items()?
        .iter()
        .map(|item| item.text().map(str::to_owned))
        .collect()
}

/// Returns whether a value is the name of a type in the formula language.
fn is_type_name(node: &Node) -> bool {
    let ty = node.text().and_then(|text| text.parse::<Type>().ok());
    ty.is_some_and(|ty| ty != Type::Other)
}

/// Parses the type in a node.
fn parse_type(node: &Node, faults: &mut Vec<Diagnostic>) -> Type {
    let Some(text) = node.text() else {
        let message = format!("expected a type, found {}", node.kind_name());
        faults
            .push(Diagnostic::new(Code::UnknownType, node.span, message).with_help("write a type, such as `integer`"));
        return Type::Unknown;
    };
    type_from_name(text).unwrap_or_else(|fault| {
        faults.push((*fault).map_spans(|_| node.span));
        Type::Unknown
    })
}

/// Parses the name of a formulac type, or a common name of that type in a warehouse. The error has no span.
fn type_from_name(text: &str) -> Result<Type, Box<Diagnostic>> {
    let base = text.split('(').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_truncated = text.matches('(').count() != text.matches(')').count();
    match text.parse() {
        Ok(ty) if !is_truncated && (ty != Type::Other || base == "other") => Ok(ty),
        Ok(_) => {
            let help = match nearest_name(&base, TYPES.iter().copied()) {
                _ if is_truncated => format!("if the type contains a comma, put it in quotes: \"{base}(10, 2)\""),
                Some(near) => similar_name_help(near),
                None => format!("for a type that formulas only pass through, write `other({text})`"),
            };
            let message = format!("unknown type `{text}`");
            Err(Box::new(
                Diagnostic::new(Code::UnknownType, Span::default(), message).with_help(help),
            ))
        }
        Err(_) => Ok(Type::Unknown),
    }
}

/// Returns the column names of a primary key, which is either a list or a single name.
fn key_names(relation: &Relation, node: &Node, faults: &mut Vec<Diagnostic>) -> Vec<String> {
    let items = node.items().unwrap_or(std::slice::from_ref(node));
    let mut names = Vec::new();
    for item in items {
        let Some(name) = item.text() else {
            faults.push(unexpected_node_error(item, "`primary_key`", "column names"));
            continue;
        };
        if relation.column(name).is_none() {
            let message = format!("`{}` has no column `{name}`", relation.name());
            let near = nearest_name(name, relation.columns().iter().map(Column::name));
            let help = near.map_or_else(|| "list the column under `columns`".to_owned(), similar_name_help);
            faults.push(Diagnostic::new(Code::UnknownName, item.span, message).with_help(help));
            continue;
        }
        names.push(name.to_owned());
    }
    names
}

fn unknown_key_error(key: &Node, name: &str, known_keys: &[&str]) -> Diagnostic {
    let help = match nearest_name(name, known_keys.iter().copied()) {
        Some(near) => similar_name_help(near),
        None => format!(
            "the valid keys are {}",
            known_keys
                .iter()
                .map(|k| format!("`{k}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    Diagnostic::new(Code::UnknownKey, key.span, format!("unknown key `{name}`")).with_help(help)
}

#[cfg(test)]
mod tests {
    use crate::Type;
    use crate::dialect::Dialect;
    use crate::schema::Schema;

    /// Formats each error as `code text: message (help)`, where `text` is the source text at the error's span.
    fn format_faults(text: &str) -> Vec<String> {
        let (_, faults) = Schema::from_text(text, Dialect::default());
        let format_fault = |d: &crate::Diagnostic| {
            format!(
                "{} {}: {} ({})",
                d.code(),
                d.span().text(text),
                d.message(),
                d.help().unwrap_or_default()
            )
        };
        faults.iter().map(format_fault).collect()
    }

    #[test]
    fn example_schema_is_read() {
        let text = "
relations:
  subscriptions:
    columns:
      id: integer
      subscription_amount: {type: decimal, nullable: false, description: Amount per billing period}
      \"Net Revenue\": NUMBER(12, 2)
      note:
      shape: other(geography)
      status: {type: text, values: [Open, \"Paid\"]}
    primary_key: [id]
  empty:
";
        let (schema, faults) = Schema::from_text(text, Dialect::default());
        assert_eq!(faults, []);
        let relation = schema.relation("subscriptions").unwrap();
        let column = |name: &str| relation.column(name).unwrap();
        assert!(!column("id").is_nullable());
        assert_eq!(relation.key(), ["id"]);
        assert_eq!(
            column("subscription_amount").description_text(),
            Some("Amount per billing period")
        );
        assert!(!column("subscription_amount").is_nullable());
        assert!(column("net revenue").is_quoted());
        assert_eq!(column("Net Revenue").ty(), Type::Decimal);
        assert_eq!(
            (column("note").ty(), column("shape").ty()),
            (Type::Unknown, Type::Other)
        );
        assert_eq!(
            column("status").known_values(),
            Some(&["Open".to_owned(), "Paid".to_owned()][..])
        );
        assert!(schema.relation("empty").unwrap().columns().is_empty());
    }

    #[test]
    fn every_fault_has_its_span() {
        assert_eq!(
            format_faults(
                "relations:\n  o:\n    colums: {}\n    columns:\n      id: intger\n      x: {typ: text, nullable: 1, values: Open}\n    primary_key: [idd]\n"
            ),
            [
                "F0802 colums: unknown key `colums` (did you mean `columns`?)",
                "F0821 intger: unknown type `intger` (did you mean `integer`?)",
                "F0802 typ: unknown key `typ` (did you mean `type`?)",
                "F0804 1: `nullable`: expected true or false, found `1` (write `true` or `false`)",
                "F0804 Open: `values`: expected a list of strings, found a string (write lines that begin with `- `, or a list such as `[a, b]`)",
                "F0302 idd: `o` has no column `idd` (did you mean `id`?)",
            ]
        );
        assert_eq!(
            format_faults("relations: {orders: {columns: {id: []}}}"),
            ["F0821 []: expected a type, found a list (write a type, such as `integer`)"]
        );
        assert_eq!(
            format_faults("relations: {o: {columns: {g: geography}}}"),
            [
                "F0821 geography: unknown type `geography` (for a type that formulas only pass through, write `other(geography)`)"
            ]
        );
        assert_eq!(
            format_faults("relations: {o: {id: integer, note: text, keys: [id]}}"),
            [
                "F0802 id: the column `id` of `o` is not under `columns` (write `columns:` before the columns, and indent the columns below this key)",
                "F0802 keys: unknown key `keys` (the valid keys are `columns`, `primary_key`, `complete`, `access`, `group`, `name`)",
            ]
        );
        assert_eq!(
            format_faults("relations: [a]"),
            ["F0804 [a]: `relations`: expected a mapping, found a list (write lines of the form `name: value`)"]
        );
        let double = "F0801 A: the relation `A` is listed twice; names that differ only in case are the same ()";
        assert_eq!(format_faults("relations: {a: {}, A: {}}"), [double]);
    }

    #[test]
    fn other_files_are_refused() {
        let help = "write `relations:` with tables and their columns, or use dbt's manifest.json";
        assert_eq!(
            format_faults(""),
            [format!("F0820 : not a schema: the file is empty ({help})")]
        );
        assert_eq!(
            format_faults("just text"),
            [format!(
                "F0820 just text: not a schema: expected `relations:`, found a string ({help})"
            )]
        );
        assert_eq!(
            format_faults("tables: []"),
            [format!(
                "F0820 tables: not a schema: the file contains no schema key ({help})"
            )]
        );
        assert_eq!(
            format_faults("relation: {}"),
            ["F0820 relation: not a schema: the file contains no schema key (did you mean `relations`?)"]
        );
        assert!(format_faults("a: [").iter().all(|f| f.starts_with("F0801")));
    }
}
