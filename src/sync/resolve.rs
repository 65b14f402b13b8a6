//! A conflict decided: an edit taken out of the file that it stands in, or brought into the spec over what that says.

use super::hand_edits::{HandEdit, HandEditKind, Property};
use super::reconcile::{Conflict, Ours, Tools};
use super::state::lines;
use super::{reconcile, write_back};
use crate::decompile::with_formula;
use crate::yaml_edit::{Edit, Path, YamlValue, edit as edit_yaml};

/// The file without the edit: what formulac wrote stands there again. None where it cannot be told what that would be.
#[must_use]
pub fn without(edit: &HandEdit, model: &str, file: &str) -> Option<String> {
    if edit.is_whole() {
        return edit.before.clone();
    }
    let in_yaml = HandEditKind::new(&edit.file, model) == HandEditKind::Properties;
    match edit.property {
        Property::Description | Property::Tests | Property::Config if in_yaml => {
            edit_yaml(file, &[undone(edit, model)?]).ok()
        }
        _ => {
            let (before, after) = (
                edit.before.as_ref()?,
                edit.after.as_ref().filter(|after| !after.is_empty())?,
            );
            let text = lines(file);
            let begin: usize = text
                .split_inclusive('\n')
                .take(edit.line.saturating_sub(1))
                .map(str::len)
                .sum();
            let at = begin + text.get(begin..)?.find(after.as_str())?;
            Some([text.get(..at)?, before, text.get(at + after.len()..)?].concat())
        }
    }
}

/// The edit of YAML that takes back another.
fn undone(edit: &HandEdit, model: &str) -> Option<Edit> {
    let node = Path::root().key("models").item("name", model);
    let node = match &edit.definition {
        Some(column) => node.key("columns").item("name", column),
        None => node,
    };
    let (before, after) = &edit.values;
    let at = match edit.property {
        Property::Description => node.key("description"),
        Property::Tests => {
            let tests = node.key("data_tests");
            return match (before, after) {
                (None, Some(YamlValue::Text(item))) => Some(Edit::Remove { at: tests.scalar(item) }),
                (Some(item), None) => Some(Edit::Add {
                    to: tests,
                    value: item.clone(),
                }),
                _ => None,
            };
        }
        _ => node.key("config").key(&edit.detail),
    };
    Some(match before {
        Some(value) => Edit::Set {
            at,
            value: value.clone(),
            after: vec!["name".to_owned()],
        },
        None => Edit::Remove { at },
    })
}

/// The spec with what the file says, over what the spec says; where no spec can say it, without what the spec changed, so
/// that the edit stays in the file. None where that cannot be.
#[must_use]
pub fn take_edit(conflict: &Conflict, model: &str, ours: &Ours, tools: Tools<'_>) -> Option<String> {
    let edit = conflict.edit.as_ref()?;
    if edit.property == Property::Formula {
        let formula = conflict.theirs_formula.as_ref().or(conflict.base.as_ref())?;
        return spoken(conflict, ours, formula);
    }
    let says = |source: &String| {
        let made = tools.compile(&ours.spec, source);
        made.is_some_and(|made| reconcile::says(model, &made, edit))
    };
    write_back::candidates(&ours.source, edit).into_iter().find(says)
}

/// The spec with another formula of the definition that the conflict is of. `None` if it is not of a formula.
#[must_use]
pub fn spoken(conflict: &Conflict, ours: &Ours, formula: &str) -> Option<String> {
    let name = conflict
        .definition
        .as_deref()
        .filter(|_| conflict.property == Property::Formula)?;
    let (step, _) = reconcile::definition(ours, name, conflict.step.as_deref())?;
    with_formula(&ours.source, step.as_deref(), name, formula).ok()
}
