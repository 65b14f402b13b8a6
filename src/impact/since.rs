//! What differs between two revisions: specs by what their SQL computes, models by theirs, properties by what they say.

use std::collections::BTreeMap;

use super::graph::{Graph, SpecModel};
use super::spread::Start;
use crate::diag::Diagnostic;
use crate::lineage::{self, Change, Known, SqlLineage};
use crate::yaml::{self, Node};

/// The text of a model's file at the other revision and now.
#[derive(Clone, Debug, Default)]
pub struct ModelText {
    /// The model's name.
    pub name: String,
    /// At the other revision; none where it is new.
    pub before: Option<String>,
    /// Now; none where it is gone.
    pub now: Option<String>,
}

/// What stood at the other revision.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// The specs.
    pub specs: Vec<SpecModel>,
    /// The SQL files that differ, but for generated ones.
    pub models: Vec<ModelText>,
    /// The properties files that differ: path, text then, text now.
    pub properties: Vec<(String, Option<String>, Option<String>)>,
}

/// What differs, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// `mrr.growth`, `orders`.
    pub name: String,
    /// What: `formula`, `removed`, `added`, `description`, `contract`, `type`, `rows`, `sql`, `layout`.
    pub what: &'static str,
    /// What it was.
    pub before: String,
    /// What it is.
    pub now: String,
    /// Why it is only known for the whole model, where that is so.
    pub whole: Option<String>,
}

/// What changed since a revision, and what is said of it.
#[must_use]
pub fn since(graph: &Graph<'_>, before: &Before) -> (Vec<Start>, Vec<Difference>) {
    lineage::with_room(|| compare(graph, before)).unwrap_or_default()
}

fn compare(graph: &Graph<'_>, before: &Before) -> (Vec<Start>, Vec<Difference>) {
    let mut starts: BTreeMap<usize, Start> = BTreeMap::new();
    let mut found = Vec::new();
    let now = graph.sources.specs;
    for spec in now {
        let Some(place) = place_of(graph, &spec.name) else { continue };
        let old = before.specs.iter().find(|old| old.name.eq_ignore_ascii_case(&spec.name));
        let start = starts.entry(place).or_insert_with(|| Start { place, ..Start::default() });
        match old {
            Some(old) => of_specs(graph, old, spec, start, &mut found),
            None => found.push(difference(&spec.name, "added", "", &spec.path)),
        }
    }
    for old in &before.specs {
        if now.iter().any(|spec| spec.name.eq_ignore_ascii_case(&old.name)) {
            continue;
        }
        found.push(difference(&old.name, "removed", &old.path, ""));
        if let Some(place) = place_of(graph, &old.name) {
            starts.insert(place, Start { place, gone: true, ..Start::default() });
        }
    }
    for model in &before.models {
        let place = place_of(graph, &model.name);
        let mut start = Start { place: place.unwrap_or_default(), ..Start::default() };
        match (&model.before, &model.now) {
            (Some(old), Some(new)) => of_models(graph, &model.name, old, new, &mut start, &mut found),
            (None, _) => found.push(difference(&model.name, "added", "", "")),
            (Some(_), None) => {
                found.push(difference(&model.name, "removed", "", ""));
                start.gone = true;
            }
        }
        if let Some(place) = place {
            starts.entry(place).or_insert(start);
        }
    }
    for (path, old, new) in &before.properties {
        of_properties(graph, path, old.as_deref(), new.as_deref(), &mut starts, &mut found);
    }
    let is_something = |start: &Start| start.rows || start.gone || !start.columns.is_empty();
    (starts.into_values().filter(is_something).collect(), found)
}

fn difference(name: &str, what: &'static str, before: &str, now: &str) -> Difference {
    Difference { name: name.to_owned(), what, before: before.to_owned(), now: now.to_owned(), whole: None }
}

fn place_of(graph: &Graph<'_>, name: &str) -> Option<usize> {
    graph.parts.iter().position(|part| {
        (part.kind().is_referred())
            && (part.name().eq_ignore_ascii_case(name) || part.spec.is_some_and(|s| s.name == name))
    })
}

/// Two states of a spec: by what the SQL computes, so that a formula in other words is no change.
fn of_specs(graph: &Graph<'_>, old: &SpecModel, new: &SpecModel, start: &mut Start, found: &mut Vec<Difference>) {
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
fn of_models(graph: &Graph<'_>, name: &str, old: &str, new: &str, start: &mut Start, found: &mut Vec<Difference>) {
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

/// Two states of a properties file: descriptions do no harm, contracts and types may break.
fn of_properties(
    graph: &Graph<'_>,
    path: &str,
    old: Option<&str>,
    new: Option<&str>,
    starts: &mut BTreeMap<usize, Start>,
    found: &mut Vec<Difference>,
) {
    let read = |text: Option<&str>| {
        let mut faults: Vec<Diagnostic> = Vec::new();
        text.and_then(|text| yaml::read(text, &mut faults).ok().flatten())
    };
    let (old, new) = (read(old), read(new));
    for list in ["models", "seeds", "snapshots"] {
        let listed = |root: &Option<Node>| {
            root.as_ref().and_then(|root| root.get(list)).and_then(Node::items).unwrap_or_default().to_vec()
        };
        let (was, now) = (listed(&old), listed(&new));
        for model in &now {
            let Some(name) = model.get("name").and_then(Node::text) else { continue };
            let before = was.iter().find(|other| other.get("name").and_then(Node::text) == Some(name));
            of_described(graph, name, before, model, starts, found);
        }
    }
    if !found.iter().any(|d| !d.name.is_empty()) {
        found.push(difference(path, "description", "", ""));
    }
}

fn of_described(
    graph: &Graph<'_>,
    name: &str,
    before: Option<&Node>,
    now: &Node,
    starts: &mut BTreeMap<usize, Start>,
    found: &mut Vec<Difference>,
) {
    let text = |node: Option<&Node>, key: &str| {
        node.and_then(|node| node.get(key)).and_then(Node::text).unwrap_or_default().to_owned()
    };
    let contract = |node: Option<&Node>| {
        let config =
            node.and_then(|node| node.get("config").and_then(|config| config.get("contract")).or(node.get("contract")));
        config.and_then(|contract| contract.get("enforced")).and_then(Node::boolean).unwrap_or_default()
    };
    if text(before, "description") != text(Some(now), "description") {
        found.push(difference(name, "description", &text(before, "description"), &text(Some(now), "description")));
    }
    if contract(before) != contract(Some(now)) {
        let word = |enforced: bool| if enforced { "enforced" } else { "none" };
        found.push(difference(name, "contract", word(contract(before)), word(contract(Some(now)))));
    }
    let columns = |node: Option<&Node>| {
        node.and_then(|node| node.get("columns")).and_then(Node::items).unwrap_or_default().to_vec()
    };
    let was = columns(before);
    for column in columns(Some(now)) {
        let Some(own) = column.get("name").and_then(Node::text) else { continue };
        let old = was.iter().find(|other| other.get("name").and_then(Node::text) == Some(own));
        let shown = format!("{name}.{own}");
        if text(old, "description") != text(Some(&column), "description") {
            found.push(difference(
                &shown,
                "description",
                &text(old, "description"),
                &text(Some(&column), "description"),
            ));
        }
        let (old_type, new_type) = (text(old, "data_type"), text(Some(&column), "data_type"));
        if old.is_some() && old_type != new_type {
            found.push(difference(&shown, "type", &old_type, &new_type));
            // A type that is only written down changes nothing; under a contract it is the column's.
            if contract(Some(now))
                && !old_type.is_empty()
                && !new_type.is_empty()
                && let Some(place) = place_of(graph, name)
            {
                let start = starts.entry(place).or_insert_with(|| Start { place, ..Start::default() });
                start.columns.insert(own.to_lowercase(), Change::Type);
            }
        }
    }
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
