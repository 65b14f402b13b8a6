//! Versions of a spec with a different structure: different definitions, relations, joins or conditions.

use crate::dbt::RelationReference;
use crate::decompile::definition_byte_range;
use crate::dialect::Dialect;
use crate::model::determines_rows;
use crate::model::shared_definitions::{is_identifier, relation_identity};
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits, parse_value};

/// Reason for an edit that only changes the case of a name.
pub(super) const CASE_REASON: &str = "a spec does not determine the case of the column names";

/// Returns whether each join of a `from` clause is a left join.
pub(super) fn left_join_flags(from: &str) -> Vec<bool> {
    let from = from.to_lowercase();
    let words: Vec<&str> = from.split_whitespace().filter(|word| *word != "outer").collect();
    let type_of = |pair: &[&str]| match pair {
        [kind, "join"] => Some(*kind == "left"),
        _ => None,
    };
    words.windows(2).filter_map(type_of).collect()
}

/// Returns the spec in which the joins have the types of an edited `from` clause.
pub(super) fn with_join_types(spec: &str, before: &str, after: &str) -> Option<String> {
    let root = parse_value(spec)?;
    let Some(YamlValue::List(joins, _)) = root.get("joins") else {
        return None;
    };
    let (was, is) = (left_join_flags(before), left_join_flags(after));
    if was.len() != is.len() || joins.len() != is.len() {
        return None;
    }
    let edit = |(number, (was, is)): (usize, (&bool, &bool))| {
        let at = Path::root().key("joins").position(number).key("type");
        match (was, is) {
            (false, true) => Some(Edit::Remove { at }),
            (true, false) => Some(Edit::Set {
                at,
                value: YamlValue::text("inner"),
                after: vec!["to".to_owned()],
            }),
            _ => None,
        }
    };
    let edits: Vec<Edit> = was.iter().zip(&is).enumerate().filter_map(edit).collect();
    apply_edits(spec, &edits).ok()
}

/// Returns the path of the last step of a spec, and its value. `None` if the step has no name.
pub(super) fn last_step(root: &YamlValue) -> Option<(Path, &YamlValue)> {
    let Some(YamlValue::List(steps, _)) = root.get("steps") else {
        return Some((Path::root(), root));
    };
    let step = steps.last()?;
    let name = step.get("name").and_then(YamlValue::as_text)?;
    Some((Path::root().key("steps").item("name", name), step))
}

/// Returns the path of the step whose condition a select contains, and the spec without the steps after it. The step
/// has the name of the select's CTE, or is the last step.
pub(crate) fn step_with_condition(spec: &str, cte: Option<&str>) -> Option<(Path, String)> {
    cte.and_then(|cte| spec_up_to_step(spec, cte))
        .or_else(|| Some((last_step(&parse_value(spec)?)?.0, spec.to_owned())))
}

/// Returns the path of a step, and the spec without the steps after it. `None` if no step has this name.
fn spec_up_to_step(spec: &str, name: &str) -> Option<(Path, String)> {
    let root = parse_value(spec)?;
    let Some(YamlValue::List(steps, _)) = root.get("steps") else {
        return None;
    };
    let names: Option<Vec<&str>> = steps.iter().map(|step| step.get("name")?.as_text()).collect();
    let (names, path) = (names?, |name: &str| Path::root().key("steps").item("name", name));
    let index = names.iter().position(|other| other.eq_ignore_ascii_case(name))?;
    let later = names.iter().skip(index + 1);
    let edits: Vec<Edit> = later.map(|name| Edit::Remove { at: path(name) }).collect();
    Some((path(names.get(index)?), apply_edits(spec, &edits).ok()?))
}

/// Returns a spec without definitions that returns the rows to which the last step's condition applies. Keys that
/// depend on the result of the condition are removed.
pub(super) fn without_output_definitions(spec: &str) -> Option<String> {
    let root = parse_value(spec)?;
    let (at, step) = last_step(&root)?;
    let last_step_edits = match root.get("steps") {
        Some(_) => edits_that_remove_output_keys(&at, step),
        None => Vec::new(),
    };
    let edits = [edits_that_remove_output_keys(&Path::root(), &root), last_step_edits].concat();
    apply_edits(spec, &edits).ok()
}

/// Returns edits that remove those keys of a mapping that depend on the result of `where`.
pub(super) fn edits_that_remove_output_keys(at: &Path, mapping: &YamlValue) -> Vec<Edit> {
    let YamlValue::Map(pairs, _) = mapping else {
        return Vec::new();
    };
    let keys = pairs.iter().map(|(key, _)| key.as_str());
    let remove = |key: &str| Edit::Remove {
        at: at.clone().key(key),
    };
    keys.filter(|key| !determines_rows(key)).map(remove).collect()
}

/// Returns the reason why the last step cannot define a column with this name: the definitions are a text block, in
/// which names have no quotes, or only the case of the name requires quotes.
pub(super) fn reason_against_name(spec: &str, name: &str, dialect: Dialect) -> Option<String> {
    let root = parse_value(spec)?;
    let (_, step) = last_step(&root)?;
    let key = key_of_definitions(step);
    let is_mapping = matches!(step.get(key), Some(YamlValue::Map(..)));
    // Names without quotes are in lower case here.
    let is_upper_case = name.contains(|c: char| c.is_ascii_uppercase());
    let is_case_sensitive = is_upper_case && dialect.would_change_case(name);
    if !is_mapping && (is_case_sensitive || !is_identifier(name)) {
        return Some(format!(
            "the name `{name}` cannot be written in a text block; write `{key}` as a mapping, one `name: formula` per line"
        ));
    }
    (is_upper_case && !is_case_sensitive && is_identifier(name)).then(|| CASE_REASON.to_owned())
}

/// Returns a spec with a new definition at the end of its last step.
pub(super) fn with_definition(spec: &str, name: &str, formula: &str) -> Option<String> {
    let root = parse_value(spec)?;
    let (at, step) = last_step(&root)?;
    let key = key_of_definitions(step);
    let at = at.key(key);
    let line = format!("{name} = {formula}");
    let set = |at: Path, value: YamlValue| Edit::Set {
        at,
        value,
        after: Vec::new(),
    };
    let edit = match step.get(key) {
        Some(YamlValue::Map(..)) => set(at.key(name), YamlValue::text(formula)),
        Some(YamlValue::Text(text)) if is_identifier(name) => {
            set(at, YamlValue::text(format!("{}\n{line}\n", text.trim_end())))
        }
        None if is_identifier(name) => set(at, YamlValue::text(line)),
        _ => return None,
    };
    apply_edits(spec, &[edit]).ok()
}

/// Returns a spec with a new definition in its last step, after the last of the given definitions. `None` if the step
/// defines none of them.
pub(super) fn with_definition_after_others(spec: &str, name: &str, formula: &str, others: &[String]) -> Option<String> {
    let root = parse_value(spec)?;
    let (at, step) = last_step(&root)?;
    let key = key_of_definitions(step);
    match step.get(key)? {
        YamlValue::Map(pairs, _) => {
            let other = others
                .iter()
                .rfind(|other| pairs.iter().any(|(name, _)| name == *other))?;
            let edit = Edit::Set {
                at: at.key(key).key(name),
                value: YamlValue::text(formula),
                after: vec![other.clone()],
            };
            apply_edits(spec, &[edit]).ok()
        }
        _ if is_identifier(name) => {
            let lines = others
                .iter()
                .rev()
                .find_map(|other| definition_byte_range(spec, other))?;
            let text = spec.get(lines.clone())?.strip_suffix('\n')?;
            let indentation = text.get(..text.len() - text.trim_start().len())?;
            let line = format!("{indentation}{name} = {formula}\n");
            Some([spec.get(..lines.end)?, &line, spec.get(lines.end..)?].concat())
        }
        _ => None,
    }
}

/// Returns formulas that can temporarily define an output column in a spec's last step. If the step has `group_by`,
/// `COUNT()` comes first, but it does not compile if a join can match several rows.
pub(super) fn placeholder_formulas(spec: &str) -> &'static [&'static str] {
    let root = parse_value(spec);
    match root.as_ref().and_then(last_step) {
        Some((_, step)) if step.get("group_by").is_some() => &["COUNT()", "1"],
        Some(_) => &["1"],
        None => &[],
    }
}

/// Returns the key that contains the definitions of a step. Worksheets have a key of their own.
fn key_of_definitions(step: &YamlValue) -> &'static str {
    let is_worksheet = step.get("calculations").is_some() || matches!(step.get("columns"), Some(YamlValue::List(..)));
    if is_worksheet { "calculations" } else { "definitions" }
}

/// Returns a spec without one of the definitions in its last step, and without the properties of the column.
pub(super) fn without_definition(spec: &str, name: &str) -> Option<String> {
    let root = parse_value(spec)?;
    let (at, step) = last_step(&root)?;
    let key = key_of_definitions(step);
    let text = match step.get(key) {
        Some(YamlValue::Map(pairs, _)) if pairs.len() > 1 => {
            let at = at.key(key).key(name);
            apply_edits(spec, &[Edit::Remove { at }]).ok()?
        }
        Some(YamlValue::Text(_)) => {
            let lines = definition_byte_range(spec, name)?;
            [spec.get(..lines.start)?, spec.get(lines.end..)?].concat()
        }
        _ => return None,
    };
    let at = Path::root().key("columns").key(name);
    Some(apply_edits(&text, &[Edit::Remove { at }]).unwrap_or(text))
}

/// Returns the versions of a spec in which one relation is replaced, in `from` or in a join.
pub(super) fn with_relation(spec: &str, before: &str, after: &str) -> Vec<String> {
    let Some(root) = parse_value(spec) else {
        return Vec::new();
    };
    let identity = |text: &str| Some(relation_identity(&RelationReference::read(text)?));
    let joins = match root.get("joins") {
        Some(YamlValue::List(joins, _)) => joins.as_slice(),
        _ => &[],
    };
    let from = root.get("from").and_then(YamlValue::as_text);
    let from = from.map(|from| (Path::root().key("from"), from));
    let targets = joins.iter().filter_map(|join| {
        let to = join.get("to").and_then(YamlValue::as_text)?;
        Some((Path::root().key("joins").item("to", to).key("to"), to))
    });
    let edits = from.into_iter().chain(targets).filter_map(|(at, text)| {
        let is_meant = identity(text).is_some() && identity(text) == identity(before);
        let is_bare = !text.contains('(');
        let name = after.strip_prefix("ref('").and_then(|rest| rest.strip_suffix("')"));
        let spelling = match name.filter(|name| is_bare && is_identifier(name)) {
            Some(name) => name.to_owned(),
            None => after.to_owned(),
        };
        let value = YamlValue::text(spelling);
        let edit = Edit::Set {
            at,
            value,
            after: Vec::new(),
        };
        is_meant.then(|| apply_edits(spec, &[edit]).ok())?
    });
    edits.collect()
}
