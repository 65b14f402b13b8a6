//! Code at two revisions: specs by what their SQL computes, models and snapshots by their own SQL.

use super::{Difference, difference};
use crate::impact::graph::{Graph, SpecModel};
use crate::impact::spread::Start;
use crate::lineage::{self, Change, Known, SqlLineage};

/// Two states of a spec: by what the SQL computes, so that a formula in other words is no change.
pub(super) fn of_specs(
    graph: &Graph<'_>,
    old: &SpecModel,
    new: &SpecModel,
    start: &mut Start,
    found: &mut Vec<Difference>,
) {
    let name = &new.name;
    for definition in new.compiled.definitions() {
        let same = |other: &&crate::SpecDefinition| {
            other.name().eq_ignore_ascii_case(definition.name()) && other.step() == definition.step()
        };
        let shown = format!("{name}.{}", definition.name());
        match old.compiled.definitions().iter().find(same) {
            None => found.push(difference(&shown, "added", "", definition.formula())),
            Some(was) if was.formula() != definition.formula() => {
                found.push(difference(&shown, "formula", was.formula(), definition.formula()));
            }
            Some(was) if was.description() != definition.description() => {
                let said = |d: &crate::SpecDefinition| d.description().unwrap_or_default().to_owned();
                found.push(difference(&shown, "description", &said(was), &said(definition)));
            }
            Some(_) => {}
        }
    }
    for was in old.compiled.definitions() {
        let is_same = |d: &crate::SpecDefinition| d.name().eq_ignore_ascii_case(was.name()) && d.step() == was.step();
        if !new.compiled.definitions().iter().any(is_same) {
            found.push(difference(&format!("{name}.{}", was.name()), "removed", was.formula(), ""));
        }
    }
    for column in old.compiled.columns() {
        match new.compiled.columns().iter().find(|now| now.name().eq_ignore_ascii_case(column.name())) {
            None => {
                start.columns.insert(column.name().to_lowercase(), Change::Gone);
                let shown = format!("{name}.{}", column.name());
                if !found.iter().any(|d| d.name == shown) {
                    found.push(difference(&shown, "removed", "", ""));
                }
            }
            Some(now) if now.ty() != column.ty() => {
                start.columns.insert(column.name().to_lowercase(), Change::Type);
                let shown = format!("{name}.{}", column.name());
                found.push(difference(&shown, "type", &column.ty().to_string(), &now.ty().to_string()));
            }
            Some(_) => {}
        }
    }
    match (old.compiled.query(), new.compiled.query()) {
        (Some(was), Some(now)) if was == now => {
            if old.compiled.model_yml() != new.compiled.model_yml()
                && !found.iter().any(|d| d.name.starts_with(name.as_str()))
            {
                found.push(difference(name, "description", "", ""));
            }
        }
        (Some(was), Some(now)) => of_sql(graph, name, was, now, start, found),
        _ => {
            start.rows = true;
            let whole = Some("one of its states has errors".to_owned());
            found.push(Difference { whole, ..difference(name, "sql", "", "") });
        }
    }
}

/// Two SQL texts: columns that are computed otherwise, and rows that are chosen otherwise.
fn of_sql(graph: &Graph<'_>, name: &str, was: &str, now: &str, start: &mut Start, found: &mut Vec<Difference>) {
    let known = |parts: &[String]| {
        let last = parts.last();
        let place = graph.parts.iter().position(|part| {
            part.is_relation()
                && last.is_some_and(|l| {
                    part.node.is_some_and(|node| node.name.eq_ignore_ascii_case(l))
                        || part.name().eq_ignore_ascii_case(l)
                })
        });
        place.map(|place| graph.known_columns(place)).unwrap_or_else(Known::default)
    };
    let dialect = graph.sources.dialect;
    let both = (lineage::read(was, dialect, &known), lineage::read(now, dialect, &known));
    let (old, new) = match both {
        (Ok(old), Ok(new)) => (old, new),
        (Err(why), _) | (_, Err(why)) => {
            start.rows = true;
            start.redefined = true;
            found.push(Difference { whole: Some(why.to_string()), ..difference(name, "sql", "", "") });
            return;
        }
    };
    of_lineages(name, &old, &new, start, found);
}

fn of_lineages(name: &str, old: &SqlLineage, new: &SqlLineage, start: &mut Start, found: &mut Vec<Difference>) {
    let ((old_columns, old_rows), (new_columns, new_rows)) = (old.prints(), new.prints());
    let mut is_layout = true;
    for (column, print) in &old_columns {
        match new_columns.iter().find(|(known, _)| known == column) {
            Some((_, now)) if now == print => {}
            Some(_) => {
                is_layout = false;
                start.columns.entry(column.clone()).or_insert(Change::Values);
            }
            None if new.is_complete() => {
                is_layout = false;
                start.columns.insert(column.clone(), Change::Gone);
            }
            None => {}
        }
    }
    let added = new_columns.iter().filter(|(column, _)| !old_columns.iter().any(|(known, _)| known == column)).count();
    if old_rows != new_rows {
        is_layout = false;
        start.rows = true;
        found.push(difference(name, "rows", "", ""));
    }
    if is_layout && added == 0 {
        found.push(difference(name, "layout", "", ""));
    }
    start.redefined |= !is_layout;
}

/// Two states of a model's file: its `ref`s and `source`s stand for tables; other Jinja cannot be followed.
pub(super) fn of_models(
    graph: &Graph<'_>,
    name: &str,
    old: &str,
    new: &str,
    start: &mut Start,
    found: &mut Vec<Difference>,
) {
    match (without_jinja(old), without_jinja(new)) {
        (Some(was), Some(now)) => {
            if !found.iter().any(|d| d.name == name) {
                found.push(difference(name, "sql", "", ""));
            }
            of_sql(graph, name, &was, &now, start, found);
        }
        _ => {
            start.rows = true;
            start.redefined = true;
            let whole = Some("its Jinja cannot be followed without dbt".to_owned());
            found.push(Difference { whole, ..difference(name, "sql", "", "") });
        }
    }
}

/// The models that code reads with `ref`, by their names.
pub(super) fn refs(text: &str) -> Vec<String> {
    let calls = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    let reads = calls.filter_map(|(call, _)| crate::dbt::From::read(call.trim().trim_matches('-').trim()));
    reads.filter(|from| matches!(from, crate::dbt::From::Ref { .. })).map(|from| from.name().to_owned()).collect()
}

/// SQL with names in place of `{{ ref(…) }}` and `{{ source(…) }}`, and nothing in place of comments and `config`; none
/// where other Jinja stands in it.
fn without_jinja(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(rest.get(..at)?);
        rest = rest.get(at..)?;
        let (end, is_expression) = match rest.get(..2)? {
            "{{" => ("}}", true),
            "{#" => ("#}", false),
            "{%" => return None,
            _ => {
                out.push('{');
                rest = rest.get(1..)?;
                continue;
            }
        };
        let close = rest.find(end)?;
        let inside = rest.get(2..close)?.trim().trim_matches('-').trim();
        rest = rest.get(close + 2..)?;
        if !is_expression || inside.starts_with("config(") {
            continue;
        }
        let from =
            crate::dbt::From::read(inside).filter(|_| inside.starts_with("ref(") || inside.starts_with("source("))?;
        out.push_str(&from.name().replace(|c: char| !c.is_alphanumeric() && c != '_', "_"));
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::without_jinja;

    #[test]
    fn refs_stand_for_tables() {
        for (text, expected) in [
            ("select 1", Some("select 1")),
            ("{{ config(materialized='table') }}select * from {{ ref('a') }}", Some("select * from a")),
            ("{# c #}select '{' from {{ source('raw', 'b c') }}", Some("select '{' from b_c")),
            ("select {{ x }}", None),
            ("{% if x %}select 1{% endif %}", None),
            ("select {{ ref('a'", None),
        ] {
            assert_eq!(without_jinja(text).as_deref(), expected, "{text}");
        }
    }
}
