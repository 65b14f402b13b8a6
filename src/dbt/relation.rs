//! Relation names in dbt's artifacts: `"acme"."prod"."orders"`.

use crate::dialect::Dialect;

/// Name of a relation in the warehouse, split into its parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct RelationName {
    parts: Vec<RelationNamePart>,
}

/// Part of a relation's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
struct RelationNamePart {
    name: String,
    /// Whether the part is quoted, which makes its case significant. The warehouse changes the case of unquoted parts.
    is_quoted: bool,
}

impl RelationName {
    /// Parses a relation name as quoted by an adapter. Returns `None` if the name contains a character that dbt never
    /// uses in relation names, because the content of an artifact is untrusted.
    ///
    /// ```
    /// use formulac_catalog::Dialect;
    /// use formulac_dbt::RelationName;
    ///
    /// let relation = RelationName::read("\"acme\".\"Prod\".orders").unwrap();
    /// assert_eq!(relation.to_sql(Dialect::default()), "acme.\"Prod\".orders");
    /// assert_eq!(RelationName::read("`p-1.sales.orders`").unwrap().name(), "orders");
    /// assert!(RelationName::read("orders; drop table orders").is_none());
    /// ```
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let parts = split_name_parts(text)?;
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | ' ');
        let is_name = |part: &RelationNamePart| {
            let may_stand_bare = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
            part.name.chars().all(is_plain) && (part.is_quoted || part.name.chars().all(may_stand_bare))
        };
        ((1..=4).contains(&parts.len()) && parts.iter().all(is_name)).then_some(Self { parts })
    }

    /// Returns the name in the SQL syntax of a dialect.
    #[must_use]
    pub fn to_sql(&self, dialect: Dialect) -> String {
        let mut out = String::new();
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                out.push('.');
            }
            // Keep the quotes, because table names may be case-sensitive even if column names in the dialect are not.
            if part.is_quoted && part.name.chars().any(char::is_uppercase) {
                dialect.push_quoted(&mut out, &part.name);
            } else {
                dialect.push_name(&mut out, &part.name, !part.is_quoted);
            }
        }
        out
    }

    /// Returns the last part of the name, without schema and database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.parts.last().map_or("", |part| part.name.as_str())
    }

    /// Returns the parts of the name joined with dots, for messages.
    #[must_use]
    pub fn display_name(&self) -> String {
        let names: Vec<&str> = self.parts.iter().map(|part| part.name.as_str()).collect();
        names.join(".")
    }
}

/// Returns the parts of a relation's name in lower case and without quotes. Returns an empty list if the text is not a
/// name as quoted by an adapter.
///
/// ```
/// assert_eq!(formulac_dbt::relation_name_parts("\"acme\".\"main\".\"Orders\""), ["acme", "main", "orders"]);
/// ```
#[must_use]
pub fn relation_name_parts(name: &str) -> Vec<String> {
    let name = name.trim();
    // dbt-duckdb reads files: `'orders.csv'` or `read_csv('orders.csv')`.
    if let Some(file) = name.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return vec![file.to_lowercase()];
    }
    if name.ends_with(')') {
        return vec![name.to_lowercase().split_whitespace().collect()];
    }
    split_name_parts(name)
        .unwrap_or_default()
        .into_iter()
        .map(|part| part.name.to_lowercase())
        .collect()
}

/// Returns the parts of a name. `None` if a quote is not closed.
fn split_name_parts(text: &str) -> Option<Vec<RelationNamePart>> {
    let mut parts = vec![RelationNamePart::default()];
    let mut quote = None;
    for c in text.trim().chars() {
        match (quote, c) {
            (None, '"' | '`' | '[') => {
                quote = Some(if c == '[' { ']' } else { c });
                if let Some(last) = parts.last_mut() {
                    last.is_quoted = true;
                }
            }
            (Some(open), c) if open == c => quote = None,
            (None, '.') => parts.push(RelationNamePart::default()),
            // One pair of backticks may contain several parts, as in BigQuery.
            (Some('`'), '.') => parts.push(RelationNamePart {
                is_quoted: true,
                ..RelationNamePart::default()
            }),
            (_, c) => {
                if let Some(last) = parts.last_mut() {
                    last.name.push(c);
                }
            }
        }
    }
    parts.retain(|part| !part.name.is_empty());
    quote.is_none().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_with_the_quotes_of_each_adapter() {
        for (name, expected) in [
            ("\"acme\".\"main\".\"Orders\"", vec!["acme", "main", "orders"]),
            ("`p-1`.`d`.`t`", vec!["p-1", "d", "t"]),
            ("`p.d.t`", vec!["p", "d", "t"]),
            ("[db].[dbo].[t 1]", vec!["db", "dbo", "t 1"]),
            ("DB.S.T", vec!["db", "s", "t"]),
            ("\"a.b\".t", vec!["a.b", "t"]),
            ("'data/Orders.csv'", vec!["data/orders.csv"]),
            (
                "read_csv('a.csv', header = true)",
                vec!["read_csv('a.csv',header=true)"],
            ),
            ("", vec![]),
        ] {
            assert_eq!(relation_name_parts(name), expected, "{name}");
        }
    }

    #[test]
    fn invalid_relation_names_are_rejected() {
        for name in [
            "",
            "a; b",
            "\"a\"\"b\"x'",
            "\"a",
            "a.b.c.d.e",
            "\"{{ x }}\"",
            "a b",
            "\"x\ny\"",
            "\"a.b\".t",
        ] {
            assert_eq!(RelationName::read(name), None, "{name}");
        }
        let sql_name = |name: &str, dialect: &str| RelationName::read(name).unwrap().to_sql(dialect.parse().unwrap());
        assert_eq!(sql_name("PROD.SALES.orders", "snowflake"), "prod.sales.orders");
        assert_eq!(sql_name("\"prod\".\"order\"", "snowflake"), "\"prod\".\"order\"");
        assert_eq!(sql_name("`p-1`.`Sales`.`t`", "bigquery"), "`p-1`.`Sales`.t");
        assert_eq!(
            sql_name("\"My Schema\".\"order\"", "postgres"),
            "\"My Schema\".\"order\""
        );
    }
}
