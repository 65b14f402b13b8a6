//! Header of a generated file. The header contains the path of the spec that users should edit instead, and a hash that
//! detects manual edits.

use std::ops::Range;

use formulac_syntax::text::collapse_whitespace;

use super::property_hashes::PropertyHashes;
use super::property_hashes::recorded_hashes;
use super::tokens::canonical_text;
use super::tokens::{SqlToken, tokens};
use crate::dialect::Dialect;

const HEADER_START: &str = "formulac: edit ";
const HEADER_END: &str = ", not this file.";

/// Maximum number of lines above a header. Formatters and users may add lines there.
const MAX_LINES_ABOVE_HEADER: usize = 10;

/// Returns the 64-bit FNV-1a hash of a string. The hash detects edits but is not cryptographic.
pub(super) fn hash(text: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// Returns SQL with a header. The header is a Jinja comment, so the warehouse does not receive it. The hash in the
/// header covers the SQL tokens.
pub fn add_sql_header(body: &str, spec: &str) -> String {
    add_header(body, spec, &hash(&canonical_text(body)))
}

/// Returns a file of docs blocks with a header. The hash in the header covers the lines, because layout matters in
/// Markdown.
pub fn add_md_header(body: &str, spec: &str) -> String {
    add_header(body, spec, &hash(&strip_trailing_whitespace(body)))
}

fn add_header(body: &str, spec: &str, hash: &str) -> String {
    format!(
        "{{# {HEADER_START}{}{HEADER_END} {hash} #}}\n{body}",
        escape_comment_path(spec)
    )
}

/// Returns a properties file with a header. The hashes are in `config.meta` instead of in the header.
pub fn add_yml_header(body: &str, spec: &str) -> String {
    format!("# {HEADER_START}{}{HEADER_END}\n{body}", collapse_whitespace(spec))
}

/// Returns the name of a test, truncated to `most` bytes unless `most` is 0. dbt uses the name for the table that
/// stores failures. A truncated name ends with the first digits of the full name's hash.
pub fn truncate_test_name(name: &str, most: usize) -> String {
    if most == 0 || name.len() <= most {
        return name.to_owned();
    }
    let hash_text = hash(name);
    let digest = hash_text.get(..8).unwrap_or_default();
    let mut length = most.saturating_sub(digest.len() + 1);
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    format!(
        "{}_{digest}",
        name.get(..length).unwrap_or_default().trim_end_matches('_')
    )
}

/// Converts a path so that it can be part of a Jinja comment. A `#}` in the path would end the comment.
fn escape_comment_path(text: &str) -> String {
    collapse_whitespace(text).replace("#}", "# }")
}

/// Removes whitespace at the end of each line, and empty lines at the end of the text.
fn strip_trailing_whitespace(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

/// Header found in a file.
struct Header<'t> {
    spec: &'t str,
    /// Hash of the content. `None` for a properties file.
    hash: Option<&'t str>,
    bytes: Range<usize>,
}

impl<'t> Header<'t> {
    fn from_text(text: &'t str) -> Option<Self> {
        let mut start = 0;
        for line in text.split_inclusive('\n').take(MAX_LINES_ABOVE_HEADER + 1) {
            let marked = line.trim_start();
            let mark = ["{#", "#"].into_iter().find(|mark| marked.starts_with(mark));
            let after = mark.and_then(|mark| marked.strip_prefix(mark));
            if let (Some(mark), Some(header_text)) = (
                mark,
                after.and_then(|after| after.trim_start().strip_prefix(HEADER_START)),
            ) {
                let (spec, rest) = header_text.split_once(HEADER_END)?;
                let end = start + line.trim_end().len();
                if mark == "#" {
                    return Some(Self {
                        spec,
                        hash: None,
                        bytes: start..end,
                    });
                }
                let (hash, behind) = rest.split_once("#}")?;
                return Some(Self {
                    spec,
                    hash: Some(hash.trim()),
                    bytes: start..end - behind.trim_end().len(),
                });
            }
            start += line.len();
        }
        None
    }
}

/// Returns the spec named in the header of a generated file; `None` for other files.
///
/// ```
/// let sql = formulac_dbt::add_sql_header("select sum(x) as a from t", "metrics/m.yml");
/// assert_eq!(formulac_dbt::spec_in_header(&sql), Some("metrics/m.yml"));
/// assert_eq!(formulac_dbt::spec_in_header("select 1"), None);
/// ```
#[must_use]
pub fn spec_in_header(text: &str) -> Option<&str> {
    Header::from_text(text).map(|header| header.spec)
}

/// Returns whether a generated file still has the content that formulac wrote. Returns `false` for files that formulac
/// did not write.
///
/// SQL is compared by tokens and YAML by values, so differences in layout, comments or the case of keywords are
/// ignored.
///
/// ```
/// let sql = formulac_dbt::add_sql_header("select sum(x) as a from t", "metrics/m.yml");
/// assert!(formulac_dbt::is_unmodified(&sql));
/// assert!(formulac_dbt::is_unmodified(&sql.replace("select", "-- all\nSELECT")));
/// assert!(!formulac_dbt::is_unmodified(&sql.replace("sum", "max")));
/// assert!(!formulac_dbt::is_unmodified("select 1"));
/// ```
#[must_use]
pub fn is_unmodified(text: &str) -> bool {
    match Header::from_text(text).and_then(|header| header.hash) {
        Some(noted) => {
            noted == hash(&canonical_text(text)) || noted == hash(&strip_trailing_whitespace(without_header(text)))
        }
        None => PropertyHashes::from_text(text).is_some_and(|hashes| hashes.has_matching_hashes()),
    }
}

/// Returns whether a file has the same content as a generated file. The layout may differ: case of keywords,
/// whitespace, comments without Jinja and the order of keys. The path of the spec in the header may also differ.
///
/// ```
/// let sql = formulac_dbt::add_sql_header("select sum(x) as a from t", "metrics/m.yml");
/// assert!(formulac_dbt::is_same_except_layout(&sql.replace("select", "-- all\nSELECT"), &sql));
/// assert!(!formulac_dbt::is_same_except_layout(&sql.replace("sum", "max"), &sql));
/// ```
#[must_use]
pub fn is_same_except_layout(actual: &str, generated: &str) -> bool {
    let of_sql = |text| Header::from_text(text).and_then(|header| header.hash);
    let is_same = match (of_sql(actual), of_sql(generated)) {
        (Some(actual_content), Some(generated)) => actual_content == generated,
        (None, None) => PropertyHashes::from_text(actual)
            .zip(PropertyHashes::from_text(generated))
            .is_some_and(|(property_hashes, generated)| property_hashes.has_same_values_as(&generated)),
        _ => false,
    };
    is_same && is_unmodified(actual)
}

/// Returns the text of a generated file without `config` calls that a user added. Returns `None` if the user also made
/// other edits, apart from layout changes.
pub fn strip_added_config(text: &str) -> Option<String> {
    if is_unmodified(text) {
        return Some(text.to_owned());
    }
    let sql_tokens = tokens(text, Dialect::default());
    let is_query = |token: &SqlToken| matches!(&*token.comparison_key(text), "with" | "select");
    let is_config = |token: &&SqlToken| {
        token
            .comparison_key(text)
            .trim_start_matches("{{")
            .trim_start_matches('-')
            .starts_with("config(")
    };
    let calls: Vec<SqlToken> = sql_tokens
        .iter()
        .take_while(|token| !is_query(token))
        .filter(is_config)
        .copied()
        .collect();
    let without = |left_out: &[SqlToken]| {
        let mut out = text.to_owned();
        left_out
            .iter()
            .rev()
            .for_each(|token| out.replace_range(token.start..token.end, ""));
        is_unmodified(&out).then_some(out)
    };
    calls
        .iter()
        .find_map(|call| without(&[*call]))
        .or_else(|| without(&calls))
}

/// Returns a file of docs blocks without its header.
fn without_header(text: &str) -> &str {
    Header::from_text(text)
        .and_then(|header| text.get(header.bytes.end..))
        .unwrap_or(text)
        .trim_start_matches(['\r', '\n'])
}

/// Replaces the header of `text` with the header of `other`. If `text` has no header, the header is inserted at the
/// top. If both headers have the same hash, the header of `text` is kept, because otherwise dbt's `state:modified`
/// would select models for which only the spec's path has changed.
pub fn copy_header(text: &str, other: &str) -> String {
    let Some(other_header) = Header::from_text(other) else {
        return text.to_owned();
    };
    let new = other.get(other_header.bytes).unwrap_or_default();
    match Header::from_text(text) {
        Some(header) if header.hash.is_some() && header.hash == other_header.hash => text.to_owned(),
        Some(header) => {
            let mut text = text.to_owned();
            text.replace_range(header.bytes, new);
            text
        }
        None => format!("{new}\n{text}"),
    }
}

/// Returns whether two SQL or docs files differ only in the spec path in their headers.
pub fn is_same_except_path(file_text: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let header = Header::from_text(text)?;
        Some((
            header.hash?.to_owned(),
            text.get(..header.bytes.start)?.to_owned(),
            text.get(header.bytes.end..)?.to_owned(),
        ))
    };
    parts(file_text).is_some_and(|file_parts| Some(file_parts) == parts(other))
}

/// Returns whether formulac wrote the same content to both files. Users may have edited either file since then.
pub fn has_same_generated_content(file_text: &str, other: &str) -> bool {
    let noted = |text: &str| -> Vec<String> {
        match Header::from_text(text).and_then(|header| header.hash.map(str::to_owned)) {
            Some(hash) => vec![hash],
            None => recorded_hashes(text).into_iter().map(|noted| noted.hash).collect(),
        }
    };
    !noted(file_text).is_empty() && noted(file_text) == noted(other)
}

#[cfg(test)]
mod tests {
    use super::truncate_test_name;

    #[test]
    fn test_names_fit_and_are_distinct() {
        let long = |end: &str| format!("assert_revenue_of_all_customers_by_region_finds_one_of_{end}");
        assert_eq!(truncate_test_name("short", 63), "short");
        assert_eq!(
            truncate_test_name(&long("countries_of_the_world"), 0),
            long("countries_of_the_world")
        );
        let (first_name, other) = (
            truncate_test_name(&long("countries_of_the_world"), 63),
            truncate_test_name(&long("countries_of_the_moon"), 63),
        );
        assert!(
            first_name.len() <= 63 && other.len() <= 63 && first_name != other,
            "{first_name} {other}"
        );
        assert!(
            first_name.starts_with("assert_revenue_of_all_customers_by_region_finds_one_of"),
            "{first_name}"
        );
    }
}
