//! Relationships file of an Omni model.

use super::joins::{Cardinality, TableJoin};
use crate::yaml::{YamlValue, write_value};
use crate::yaml_edit::{Path, PathSegment, Rules};

/// Name of the pull record for the relationships file.
pub(super) const RELATIONSHIPS_FILE: &str = "relationships";

/// Comment line before the uncertain joins. `UNCERTAIN_JOINS_END` is the comment line after them.
pub(super) const UNCERTAIN_JOINS_START: &str =
    "# >>> formulac: joins that may be wrong; to use one, move it out of this block and uncomment it";
pub(super) const UNCERTAIN_JOINS_END: &str = "# <<< formulac";

/// Returns the text of the file. Certain joins are active, and uncertain joins are written as comments with the
/// reasons. `None` if there are no joins.
pub(super) fn relationships_text(joins: &[TableJoin]) -> Option<String> {
    if joins.is_empty() {
        return None;
    }
    let (live, doubtful): (Vec<&TableJoin>, Vec<&TableJoin>) = joins.iter().partition(|join| join.doubt.is_none());
    let mut out = String::new();
    if !live.is_empty() {
        out.push_str(&write_value(&YamlValue::list(
            live.into_iter().map(relationship_entry).collect(),
        )));
    }
    if !doubtful.is_empty() {
        out.push_str(UNCERTAIN_JOINS_START);
        out.push('\n');
        for join in doubtful {
            let reason = join.doubt.as_deref().unwrap_or_default().replace(char::is_control, " ");
            out.push_str(&format!("# {reason}:\n"));
            for line in write_value(&YamlValue::list(vec![relationship_entry(join)])).lines() {
                out.push_str(&format!("#   {line}\n"));
            }
        }
        out.push_str(UNCERTAIN_JOINS_END);
        out.push('\n');
    }
    Some(out)
}

/// Keys that identify a join in the file.
const JOIN_IDENTITY_KEYS: [&str; 3] = ["join_from_view", "join_to_view", "on_sql"];

/// Returns the rules for merging the file.
pub(super) fn merge_rules() -> Rules {
    Rules::new().list("", &JOIN_IDENTITY_KEYS)
}

/// Returns the path of a join in the file.
pub(super) fn yaml_path_of_join(join: &TableJoin) -> Path {
    let values = [join.from.clone(), join.to.clone(), join_condition_sql(join)];
    Path::root().step(PathSegment::Item(
        JOIN_IDENTITY_KEYS
            .iter()
            .map(|key| (*key).to_owned())
            .zip(values)
            .collect(),
    ))
}

/// Returns the `on_sql` of a join.
fn join_condition_sql(join: &TableJoin) -> String {
    let to = join.alias.as_deref().unwrap_or(&join.to);
    format!("${{{}.{}}} = ${{{to}.{}}}", join.from, join.from_field, join.to_field)
}

fn relationship_entry(join: &TableJoin) -> YamlValue {
    let text = |text: &str| YamlValue::Text(text.to_owned());
    let kind = match join.cardinality {
        Cardinality::OneToOne => "one_to_one",
        Cardinality::ManyToOne => "many_to_one",
        Cardinality::Unknown => "many_to_many",
    };
    let mut pairs = vec![("join_from_view", text(&join.from)), ("join_to_view", text(&join.to))];
    pairs.extend(join.alias.as_deref().map(|alias| ("join_to_view_as", text(alias))));
    pairs.extend([
        ("join_type", text("always_left")),
        ("on_sql", text(&join_condition_sql(join))),
        ("relationship_type", text(kind)),
    ]);
    YamlValue::map(pairs)
}
