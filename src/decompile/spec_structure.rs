//! Renames definitions in a spec, and finds the lines of a definition.

use std::ops::Range;

use super::formula_names::replace_formula_names;
use super::spec_edit::EditableSpec;
use super::substitute::{Substitution, apply_replacements};
use crate::model::outline::DefinitionWithPosition;
use crate::yaml::{Node, NodeKind};

/// Keys of a step whose values may contain column names.
const KEYS_WITH_NAMES: [&str; 7] = [
    "keep",
    "group_by",
    "where",
    "having",
    "order_by",
    "partition_by",
    "rules",
];

/// Returns versions of a spec in which a definition has a new name. In each version, the last definition with the old
/// name has the new name, and so have the columns of later steps that repeat it. Other definitions and the column's
/// properties use the new name. The second version also uses the new name in other keys, such as `order_by`, in which
/// the old name may refer to an input column instead.
///
/// ```
/// use formulac_decompile::with_renamed_definition;
/// let spec = "model: m\nfrom: t\ndefinitions: |\n  a = SUM(x) // all\n  b = a * 2\ncolumns:\n  a: {description: All}\n";
/// assert_eq!(
///     with_renamed_definition(spec, "a", "total"),
///     ["model: m\nfrom: t\ndefinitions: |\n  total = SUM(x) // all\n  b = total * 2\ncolumns:\n  total: {description: All}\n"]
/// );
/// ```
#[must_use]
pub fn with_renamed_definition(spec: &str, old: &str, new: &str) -> Vec<String> {
    let Some((mut changes, of_keys)) = find_rename_substitutions(spec, old, new) else {
        return Vec::new();
    };
    let mut specs: Vec<String> = apply_replacements(spec, changes.iter().collect()).into_iter().collect();
    if !of_keys.is_empty() {
        changes.extend(of_keys);
        specs.extend(apply_replacements(spec, changes.iter().collect()));
    }
    specs
}

/// Returns the replacements of a name in definitions and properties, and the replacements in other keys.
fn find_rename_substitutions(spec: &str, old: &str, new: &str) -> Option<(Vec<Substitution>, Vec<Substitution>)> {
    let editable_spec = EditableSpec::new(spec).ok()?;
    let steps = &editable_spec.outline.steps;
    let defines = |placed: &&DefinitionWithPosition| placed.name == old;
    let first = steps
        .iter()
        .rposition(|step| step.definitions.iter().any(|placed| defines(&placed)))?;
    let steps = steps.get(first..)?;
    let definition = steps.first()?.definitions.iter().find(defines)?;
    let renamed = |byte_range: Range<usize>| {
        let text = spec.get(byte_range.clone())?;
        let renamed = replace_formula_names(text, &[(old, new.to_owned())]);
        (renamed != text).then_some((byte_range, renamed))
    };
    let mut changes: Vec<Substitution> = vec![(definition_name_range(spec, definition)?, new.to_owned())];
    let others = steps
        .iter()
        .flat_map(|step| &step.definitions)
        .filter(|placed| *placed != definition);
    changes.extend(
        others.filter_map(|placed| renamed(placed.formula_span.start as usize..placed.formula_span.end as usize)),
    );
    let columns = editable_spec.root().pairs_at("columns");
    let key = columns.iter().map(|(key, _)| key).find(|key| key.text() == Some(old));
    changes.extend(key.map(|key| (key.span.start as usize..key.span.end as usize, new.to_owned())));
    let step_nodes = editable_spec.root().items_at("steps");
    let mut texts = Vec::new();
    for step in step_nodes.iter().skip(first).chain([editable_spec.root()]) {
        KEYS_WITH_NAMES
            .iter()
            .filter_map(|key| step.get(key))
            .for_each(|node| collect_scalar_ranges(node, &mut texts));
    }
    Some((changes, texts.into_iter().filter_map(renamed).collect()))
}

/// Adds the byte ranges of the scalars in a node, without their quotes.
fn collect_scalar_ranges(node: &Node, ranges: &mut Vec<Range<usize>>) {
    match &node.kind {
        NodeKind::Scalar { .. } => {
            let quote = usize::from(node.is_quoted());
            ranges.push(node.span.start as usize + quote..node.span.end as usize - quote);
        }
        NodeKind::Sequence(items) => items.iter().for_each(|item| collect_scalar_ranges(item, ranges)),
        NodeKind::Mapping(pairs) => pairs.iter().for_each(|(_, value)| collect_scalar_ranges(value, ranges)),
    }
}

/// Returns the byte range of the lines that contain a definition of the last step, with the comment lines above it.
/// `None` if other text is on these lines.
#[must_use]
pub fn definition_byte_range(spec: &str, name: &str) -> Option<Range<usize>> {
    let editable_spec = EditableSpec::new(spec).ok()?;
    let step = editable_spec.outline.steps.last()?;
    let definition = step
        .definitions
        .iter()
        .find(|placed| placed.name == name && !placed.alone)?;
    let mut start = line_start(spec, definition_name_range(spec, definition)?.start);
    if !spec.get(start..)?.trim_start().starts_with(name) {
        return None;
    }
    let is_comment = |line: &str| line.trim_start().starts_with("//");
    while let Some(previous_start) = start.checked_sub(1).map(|end| line_start(spec, end)) {
        match spec.get(previous_start..start).filter(|line| is_comment(line)) {
            Some(_) => start = previous_start,
            None => break,
        }
    }
    let rest = spec.get(definition.formula_span.end as usize..)?;
    let end = rest
        .find('\n')
        .map_or(spec.len(), |line| definition.formula_span.end as usize + line + 1);
    let is_alone = |other: &DefinitionWithPosition| {
        other == definition || !(start..end).contains(&(other.formula_span.start as usize))
    };
    step.definitions.iter().all(is_alone).then_some(start..end)
}

fn line_start(text: &str, offset: usize) -> usize {
    text.get(..offset)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |line| line + 1)
}

/// Returns the byte range of a definition's name: the last occurrence before its formula.
pub(super) fn definition_name_range(spec: &str, definition: &DefinitionWithPosition) -> Option<Range<usize>> {
    let before = spec.get(..definition.formula_span.start as usize)?;
    let start = before.rfind(&definition.name)?;
    let end = start + definition.name.len();
    let between = before.get(end..)?.replace("formula", "");
    (!between.contains(|c: char| c.is_alphanumeric() || c == '\n')).then_some(start..end)
}
