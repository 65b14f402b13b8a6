//! The header of a generated file: what to edit, the formulas, and a hash that shows a hand edit.

use std::fmt::Write as _;

const EDIT: &str = "formulac: edit ";

/// 64 bits of FNV-1a over the text, its line ends made alike: enough to tell an edit, not a secret.
pub(super) fn hash(text: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes().filter(|b| *b != b'\r') {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// A model's SQL with its header, a Jinja comment that does not reach the warehouse.
pub(crate) fn sealed_sql<'f>(body: &str, spec: &str, formulas: impl Iterator<Item = (&'f str, &'f str)>) -> String {
    let mut out = format!("{{# {EDIT}{}, not this file.\n", comment(spec));
    for (name, formula) in formulas {
        let _ = writeln!(out, "   {} = {}", comment(name), comment(&one_line(formula)));
    }
    let _ = writeln!(out, "   hash {} #}}", hash(body));
    out + body
}

/// A properties file with its header.
pub(crate) fn sealed_yml(body: &str, spec: &str) -> String {
    format!("# {EDIT}{}, not this file. hash {}\n{body}", one_line(spec), hash(body))
}

/// A file of docs blocks with its header, a Jinja comment too.
pub(crate) fn sealed_md(body: &str, spec: &str) -> String {
    sealed_sql(body, spec, std::iter::empty())
}

/// The name of a test, cut to so many bytes where there is a limit: dbt calls the table by it in which it stores what
/// fails. What is cut off is told by a part of its hash.
pub(crate) fn test_name(name: &str, most: usize) -> String {
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

/// A Jinja comment ends at the first `#}`, which a formula may hold.
fn comment(text: &str) -> String {
    text.replace("#}", "# }")
}

/// The spec that a generated file names, as `sealed_sql` was given it; none for a file of another kind.
///
/// ```
/// let spec = "model: m\nfrom: t\ndefinitions: a = SUM(x)\n";
/// let model = formulac::Compiler::default().compile_spec_at(spec, Some("metrics/m.yml"));
/// assert_eq!(formulac::dbt::spec_of(model.model_sql().unwrap()), Some("metrics/m.yml"));
/// assert_eq!(formulac::dbt::spec_of("select 1"), None);
/// ```
#[must_use]
pub fn spec_of(text: &str) -> Option<&str> {
    let head = text.lines().next()?;
    let named = head.strip_prefix("{# ").or_else(|| head.strip_prefix("# "))?.strip_prefix(EDIT)?;
    Some(named.split_once(", not this file.")?.0)
}

/// Whether a generated file still is what formulac wrote; false for one that it did not write.
///
/// ```
/// let spec = "model: m\nfrom: t\ndefinitions: a = SUM(x)\n";
/// let model = formulac::Compiler::default().compile_spec(spec);
/// let sql = model.model_sql().unwrap();
/// assert!(formulac::dbt::is_as_written(sql));
/// assert!(!formulac::dbt::is_as_written(&sql.replace("sum", "max")));
/// assert!(!formulac::dbt::is_as_written("select 1"));
/// ```
#[must_use]
pub fn is_as_written(text: &str) -> bool {
    let text = text.replace("\r\n", "\n");
    parts(&text).is_some_and(|(noted, body)| noted == hash(body))
}

/// Whether both files, each generated and perhaps edited since, were written with the same text.
#[cfg(feature = "sync")]
pub(crate) fn are_of_one_text(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| text.replace("\r\n", "\n"));
    let noted = |text: &str| parts(text).map(|(noted, _)| noted.to_owned());
    noted(&one).is_some() && noted(&one) == noted(&other)
}

/// The hash that a header notes, and what stands below it.
fn parts(text: &str) -> Option<(&str, &str)> {
    let (head, body) = if text.starts_with("{# ") {
        text.split_once(" #}\n")?
    } else {
        text.split_once('\n').filter(|_| text.starts_with("# "))?
    };
    let noted = head.rsplit("hash ").next().unwrap_or_default().trim();
    head.contains(EDIT).then_some((noted, body))
}

#[cfg(test)]
mod tests {
    use super::test_name;

    #[test]
    fn names_of_tests_fit_and_differ() {
        let long = |end: &str| format!("assert_revenue_of_all_customers_by_region_finds_one_of_{end}");
        assert_eq!(test_name("short", 63), "short");
        assert_eq!(test_name(&long("countries_of_the_world"), 0), long("countries_of_the_world"));
        let (one, other) =
            (test_name(&long("countries_of_the_world"), 63), test_name(&long("countries_of_the_moon"), 63));
        assert!(one.len() <= 63 && other.len() <= 63 && one != other, "{one} {other}");
        assert!(one.starts_with("assert_revenue_of_all_customers_by_region_finds_one_of"), "{one}");
    }
}
