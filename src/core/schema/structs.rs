//! Types that formulas only copy: STRUCT columns with their fields, arrays, and user-defined types.

use crate::lex::split_qualifier;

/// Maximum depth of nested STRUCT columns. BigQuery allows 15 levels.
const MAX_DEPTH: usize = 15;

/// Warehouse types that are not numbers, text, booleans or dates. All other names are user-defined types.
const BUILT_IN_TYPES: &[&str] = &[
    "array",
    "binary",
    "bit",
    "blob",
    "box",
    "bytea",
    "bytes",
    "cidr",
    "circle",
    "geography",
    "geometry",
    "hllsketch",
    "inet",
    "interval",
    "json",
    "jsonb",
    "line",
    "list",
    "lseg",
    "macaddr",
    "macaddr8",
    "map",
    "money",
    "object",
    "other",
    "path",
    "point",
    "polygon",
    "range",
    "record",
    "row",
    "struct",
    "super",
    "time",
    "timetz",
    "tsquery",
    "tsvector",
    "union",
    "varbinary",
    "varbyte",
    "variant",
    "vector",
    "xml",
];

/// Returns whether a type name, other than that of a number, text, boolean or date, is a built-in type of a warehouse.
pub fn is_built_in_type(text: &str) -> bool {
    let word = text.trim().split(['(', '<', ' ']).next().unwrap_or_default();
    BUILT_IN_TYPES.iter().any(|name| name.eq_ignore_ascii_case(word))
}

/// Returns the last name in a path: `category` for `device.category`.
pub fn field_name(path: &str) -> &str {
    split_qualifier(path).1
}

/// Returns whether a type is an array: `ARRAY<…>` in BigQuery, and `…[]` in DuckDB and Postgres.
pub fn is_array_type(text: &str) -> bool {
    let text = text.trim();
    let is_word = |word: &str| {
        text.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    text.ends_with(']') || is_word("array<") || text.eq_ignore_ascii_case("array")
}

/// Returns the fields of a STRUCT column, and the fields of these fields, each with its path and type. The type is
/// `STRUCT<a INT64, b STRUCT<c STRING>>` in BigQuery, and `STRUCT(a BIGINT)` in DuckDB. Empty for all other types.
pub fn fields_of_struct(column: &str, text: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut open = vec![(column.to_owned(), text.to_owned(), 0)];
    while let Some((path, text, depth)) = open.pop() {
        let Some(inside) = struct_body(&text).filter(|_| depth < MAX_DEPTH) else {
            continue;
        };
        for field in split_fields(inside) {
            let field = field.trim();
            let name_and_type = match field.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"'),
                None => field.split_once(char::is_whitespace),
            };
            let Some((name, ty)) = name_and_type.filter(|(name, _)| !name.is_empty() && !name.contains('.')) else {
                continue;
            };
            let path = format!("{path}.{name}");
            fields.push((path.clone(), ty.trim().to_owned()));
            open.push((path, ty.trim().to_owned(), depth + 1));
        }
    }
    fields
}

/// Returns the text between the brackets of a STRUCT type.
fn struct_body(text: &str) -> Option<&str> {
    let text = text.trim();
    let rest = text
        .get(.."struct".len())
        .filter(|word| word.eq_ignore_ascii_case("struct"))
        .and_then(|word| text.get(word.len()..))?
        .trim();
    let of_bigquery = rest.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    of_bigquery.or_else(|| rest.strip_prefix('(')?.strip_suffix(')'))
}

/// Splits a string at the commas outside of brackets.
fn split_fields(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut fields) = (0_usize, 0, Vec::new());
    for (offset, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                fields.extend(text.get(start..offset));
                start = offset + 1;
            }
            _ => {}
        }
    }
    fields.extend(text.get(start..));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_paths() {
        let fields = |text: &str| {
            let fields = fields_of_struct("device", text).into_iter();
            fields.map(|(path, ty)| format!("{path} {ty}")).collect::<Vec<_>>()
        };
        let bigquery = "STRUCT<category STRING, web_info STRUCT<browser STRING, sizes ARRAY<NUMERIC(10, 2)>>>";
        let expected_fields = [
            "device.category STRING",
            "device.web_info STRUCT<browser STRING, sizes ARRAY<NUMERIC(10, 2)>>",
            "device.web_info.browser STRING",
            "device.web_info.sizes ARRAY<NUMERIC(10, 2)>",
        ];
        assert_eq!(fields(bigquery), expected_fields);
        let duckdb = "STRUCT(category VARCHAR, price DECIMAL(12,2), \"screen size\" INTEGER)";
        let expected = [
            "device.category VARCHAR",
            "device.price DECIMAL(12,2)",
            "device.screen size INTEGER",
        ];
        assert_eq!(fields(duckdb), expected);
        for other in [
            "INT64",
            "ARRAY<STRUCT<a INT64>>",
            "STRUCT(a INTEGER)[]",
            "STRUCT<",
            "",
            "STRUCT<>",
            "structé<",
        ] {
            assert!(fields(other).is_empty(), "{other}");
        }
        assert!(fields(&"struct<a ".repeat(10_000)).len() <= MAX_DEPTH);
    }

    #[test]
    fn arrays_are_recognized() {
        for array in [
            "ARRAY<STRING>",
            "array<struct<a int64>>",
            "VARCHAR[]",
            "STRUCT(a INTEGER)[]",
            "integer[3]",
        ] {
            assert!(is_array_type(array), "{array}");
        }
        assert!(!is_array_type("STRUCT<a ARRAY<STRING>>") && !is_array_type("arrayé"));
    }
}
