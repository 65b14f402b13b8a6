//! Header of a generated file. It names the spec that users should edit instead, and contains a hash that shows whether
//! somebody edited the file by hand.

use std::ops::Range;

use super::property_hashes::PropertyHashes;
use super::property_hashes::noted_hashes;
use super::tokens::canonical;
use super::tokens::{SqlToken, tokens};
use crate::dialect::Dialect;

const EDIT: &str = "formulac: edit ";
const NOT_THIS: &str = ", not this file.";

/// Maximum number of lines above a header. Formatters and users may add lines there.
const LINES_ABOVE: usize = 10;

/// Returns the 64-bit FNV-1a hash of a string. It detects edits but is not cryptographic.
pub(super) fn hash(text: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// Returns SQL with a header. The header is a Jinja comment, so it does not reach the warehouse. The hash in it covers
/// the SQL tokens.
pub fn sealed_sql(body: &str, spec: &str) -> String {
    sealed(body, spec, &hash(&canonical(body)))
}

/// Returns a file of docs blocks with a header. The hash in the header covers the lines, because layout matters in
/// Markdown.
pub fn sealed_md(body: &str, spec: &str) -> String {
    sealed(body, spec, &hash(&lines(body)))
}

fn sealed(body: &str, spec: &str, hash: &str) -> String {
    format!("{{# {EDIT}{}{NOT_THIS} {hash} #}}\n{body}", comment(spec))
}

/// Returns a properties file with a header. The hashes are in `config.meta` instead of in the header.
pub fn sealed_yml(body: &str, spec: &str) -> String {
    format!("# {EDIT}{}{NOT_THIS}\n{body}", one_line(spec))
}

/// Returns the name of a test, truncated to `most` bytes unless `most` is 0. dbt uses the name for the table that
/// stores failures. A truncated name ends with a part of the name's hash.
pub fn test_name(name: &str, most: usize) -> String {
    if most == 0 || name.len() <= most {
        return name.to_owned();
    }
    let told = hash(name);
    let told = told.get(..8).unwrap_or_default();
    let mut cut = most.saturating_sub(told.len() + 1);
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}_{told}", name.get(..cut).unwrap_or_default().trim_end_matches('_'))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a path that can be part of a Jinja comment. A `#}` in the path would end the comment.
fn comment(text: &str) -> String {
    one_line(text).replace("#}", "# }")
}

/// Removes whitespace at the end of each line, and empty lines at the end of the text.
fn lines(text: &str) -> String {
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
        for line in text.split_inclusive('\n').take(LINES_ABOVE + 1) {
            let marked = line.trim_start();
            let mark = ["{#", "#"].into_iter().find(|mark| marked.starts_with(mark));
            let after = mark.and_then(|mark| marked.strip_prefix(mark));
            if let (Some(mark), Some(named)) = (mark, after.and_then(|after| after.trim_start().strip_prefix(EDIT))) {
                let (spec, rest) = named.split_once(NOT_THIS)?;
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
/// let sql = formulac_dbt::sealed_sql("select sum(x) as a from t", "metrics/m.yml");
/// assert_eq!(formulac_dbt::spec_of(&sql), Some("metrics/m.yml"));
/// assert_eq!(formulac_dbt::spec_of("select 1"), None);
/// ```
#[must_use]
pub fn spec_of(text: &str) -> Option<&str> {
    Header::from_text(text).map(|header| header.spec)
}

/// Returns whether a generated file still has the content that formulac wrote. Returns `false` for files that formulac
/// did not write.
///
/// SQL is compared by tokens and YAML by values, so differences in layout, comments or the case of keywords don't
/// count.
///
/// ```
/// let sql = formulac_dbt::sealed_sql("select sum(x) as a from t", "metrics/m.yml");
/// assert!(formulac_dbt::is_as_written(&sql));
/// assert!(formulac_dbt::is_as_written(&sql.replace("select", "-- all\nSELECT")));
/// assert!(!formulac_dbt::is_as_written(&sql.replace("sum", "max")));
/// assert!(!formulac_dbt::is_as_written("select 1"));
/// ```
#[must_use]
pub fn is_as_written(text: &str) -> bool {
    match Header::from_text(text).and_then(|header| header.hash) {
        Some(noted) => noted == hash(&canonical(text)) || noted == hash(&lines(without_header(text))),
        None => PropertyHashes::from_text(text).is_some_and(|hashes| hashes.are_noted()),
    }
}

/// Returns whether a file has the same content as a generated file. The layout may differ: case of keywords,
/// whitespace, comments without Jinja and the order of keys. The path of the spec in the header may also differ.
///
/// ```
/// let sql = formulac_dbt::sealed_sql("select sum(x) as a from t", "metrics/m.yml");
/// assert!(formulac_dbt::is_layout_of(&sql.replace("select", "-- all\nSELECT"), &sql));
/// assert!(!formulac_dbt::is_layout_of(&sql.replace("sum", "max"), &sql));
/// ```
#[must_use]
pub fn is_layout_of(found: &str, generated: &str) -> bool {
    let of_sql = |text| Header::from_text(text).and_then(|header| header.hash);
    let is_same = match (of_sql(found), of_sql(generated)) {
        (Some(found), Some(generated)) => found == generated,
        (None, None) => PropertyHashes::from_text(found)
            .zip(PropertyHashes::from_text(generated))
            .is_some_and(|(found, generated)| found.has_values_of(&generated)),
        _ => false,
    };
    is_same && is_as_written(found)
}

/// Returns the text of a generated file without `config` calls that a user added. `None` if the user also made other
/// edits, except for changes to the layout.
pub fn as_written(text: &str) -> Option<String> {
    if is_as_written(text) {
        return Some(text.to_owned());
    }
    let all = tokens(text, Dialect::default());
    let is_query = |token: &SqlToken| matches!(&*token.key(text), "with" | "select");
    let is_config = |token: &&SqlToken| {
        token
            .key(text)
            .trim_start_matches("{{")
            .trim_start_matches('-')
            .starts_with("config(")
    };
    let calls: Vec<SqlToken> = all
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
        is_as_written(&out).then_some(out)
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
/// top. If both headers have the same hash, the header of `text` stays, because otherwise dbt's `state:modified` would
/// select the model even if only the path of its spec has changed.
pub fn with_header_of(text: &str, other: &str) -> String {
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

/// Returns whether two files of SQL or docs differ only in the path of the spec in their headers.
pub fn differ_by_path_alone(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let header = Header::from_text(text)?;
        Some((
            header.hash?.to_owned(),
            text.get(..header.bytes.start)?.to_owned(),
            text.get(header.bytes.end..)?.to_owned(),
        ))
    };
    parts(one).is_some_and(|one| Some(one) == parts(other))
}

/// Returns whether formulac wrote both files with the same content. Both may contain later manual edits.
pub fn are_of_one_text(one: &str, other: &str) -> bool {
    let noted = |text: &str| -> Vec<String> {
        match Header::from_text(text).and_then(|header| header.hash.map(str::to_owned)) {
            Some(hash) => vec![hash],
            None => noted_hashes(text).into_iter().map(|noted| noted.hash).collect(),
        }
    };
    !noted(one).is_empty() && noted(one) == noted(other)
}

#[cfg(test)]
mod tests {
    use super::test_name;

    #[test]
    fn names_of_tests_fit_and_differ() {
        let long = |end: &str| format!("assert_revenue_of_all_customers_by_region_finds_one_of_{end}");
        assert_eq!(test_name("short", 63), "short");
        assert_eq!(
            test_name(&long("countries_of_the_world"), 0),
            long("countries_of_the_world")
        );
        let (one, other) = (
            test_name(&long("countries_of_the_world"), 63),
            test_name(&long("countries_of_the_moon"), 63),
        );
        assert!(one.len() <= 63 && other.len() <= 63 && one != other, "{one} {other}");
        assert!(
            one.starts_with("assert_revenue_of_all_customers_by_region_finds_one_of"),
            "{one}"
        );
    }
}
