//! Children that only the file or only the base contains.

use super::super::rules::paths_within;
use super::super::tree::{NodeRef, YamlTree};
use super::{ChildIdentifiers, YamlMerger, child_range};
use crate::yaml::{Node, YamlValue};
use std::collections::HashSet;
use std::ops::Range;

impl<'t> YamlMerger<'t, '_> {
    /// Handles a value that is no longer generated.
    pub(super) fn handle_stale_value(&mut self, was: (&'t Node, usize), file: &'t Node, number: usize) {
        let (Some(base), Some(child)) = (self.base, file.child(number)) else {
            return;
        };
        let Some(old) = was.0.child(was.1) else {
            return;
        };
        let mark = self.rules.removal_mark(&self.path);
        let is_handwritten = self.rules.is_handwritten(&self.path);
        if let Some(mark) = mark.filter(|_| !self.rules.is_pruning() || is_handwritten) {
            self.mark_mapping(mark, old.value, child.value);
            return;
        }
        if self.rules.has_mark_below(&self.path) && self.remove_generated_children(Some(old.value), child.value) {
            return;
        }
        let (generated, theirs) = (base.value(old.value), self.file.value(child.value));
        if is_handwritten {
            // Remove only the generated parts of the value, and record the rest as a single kept value.
            let kept_count = self.result.kept.len();
            self.remove_generated_children(Some(old.value), child.value);
            self.result.kept.truncate(kept_count);
            self.record_merge_conflict(Some(generated), Some(theirs), None);
            return;
        }
        let is_ours = theirs.is_same_value(&generated) || mark.is_some_and(|mark| self.is_marked(mark, child.value));
        let is_commented = !self.rules.removes_commented_values()
            && self.is_commented(
                child_range(self.file, file, number),
                Some(child_range(base, was.0, was.1)),
            );
        if !is_commented && (is_ours || self.is_generated_subset(old.value, child.value)) {
            self.remove_child(file, number);
        } else if !self.remove_generated_scalars(old.value, child.value) {
            self.record_merge_conflict(Some(generated), Some(theirs), None);
        }
    }

    pub(super) fn remove_child(&mut self, file: &'t Node, number: usize) {
        self.changes.removed_children.insert((NodeRef(file), number));
        self.result.removed.push(self.path.clone());
    }

    /// Removes the generated children of a collection but keeps the collection. Returns `false` if the children cannot
    /// be identified.
    pub(super) fn remove_generated_children(&mut self, base: Option<&'t Node>, file: &'t Node) -> bool {
        let Some(names) = self.child_identifiers(file) else {
            return false;
        };
        self.merge_collection(self.base_of_same_kind(base, file), file, None, names)
    }

    /// Returns `true` if both nodes are lists of scalars and the file's list contains only generated items.
    pub(super) fn is_generated_subset(&self, base: &'t Node, file: &'t Node) -> bool {
        let (Some(YamlValue::List(old, _)), YamlValue::List(theirs, _)) =
            (self.base_value(Some(base)), self.file.value(file))
        else {
            return false;
        };
        let old: HashSet<Option<String>> = old.iter().map(YamlValue::lookup_key).collect();
        theirs
            .iter()
            .all(|item| item.is_scalar() && old.contains(&item.lookup_key()))
    }

    /// Removes the generated items from a list of scalars, and keeps the items that users added.
    pub(super) fn remove_generated_scalars(&mut self, base: &'t Node, file: &'t Node) -> bool {
        let is_scalars = matches!(self.child_identifiers(file), Some(ChildIdentifiers::Scalars));
        is_scalars
            && self.base_of_same_kind(Some(base), file).is_some()
            && self.remove_generated_children(Some(base), file)
    }

    /// Keeps a value that exists only in the file. A marked value is removed if the rules specify pruning.
    pub(super) fn retain_user_value(&mut self, file: &'t Node, number: usize) {
        let Some(child) = file.child(number).filter(|_| self.rules.is_pruning()) else {
            return;
        };
        let is_marked = self
            .rules
            .removal_mark(&self.path)
            .is_some_and(|mark| self.is_marked(mark, child.value));
        if !is_marked {
            if self.rules.has_mark_below(&self.path) {
                self.remove_generated_children(None, child.value);
            }
        } else if self.rules.is_handwritten(&self.path) || self.is_commented(child_range(self.file, file, number), None)
        {
            self.record_merge_conflict(None, Some(self.file.value(child.value)), None);
        } else {
            self.remove_child(file, number);
        }
    }

    /// Records that users wrote a value before it was generated, unless the merge fills the value.
    pub(super) fn record_handwritten(&mut self, file: &'t Node) {
        let path = self.path.text();
        let has_parts = paths_within(&self.result.handwritten, &path).next().is_some();
        if !has_parts && !self.changes.replacements.contains_key(&NodeRef(file)) {
            self.result.handwritten.insert(path);
        }
    }

    /// Records that the merge writes a value. The collection that contains the value remains handwritten.
    pub(super) fn remove_handwritten_record(&mut self) {
        let path = self.path.text();
        let paths: Vec<String> = paths_within(&self.result.handwritten, &path).cloned().collect();
        for path in &paths {
            self.result.handwritten.remove(path);
        }
        if !paths.is_empty() && self.path.steps().len() > 1 {
            let mut parent = self.path.clone();
            parent.pop();
            self.result.handwritten.insert(parent.text());
        }
    }

    /// Returns `true` if this range of the file contains a comment from users.
    pub(super) fn is_commented(&self, file: Range<usize>, base: Option<Range<usize>>) -> bool {
        let text =
            |tree: &YamlTree<'t>, comment: &Range<usize>| tree.source.get(comment.clone()).unwrap_or_default().trim();
        let generated: HashSet<&str> = match (self.base, base) {
            (Some(tree), Some(range)) => tree
                .comments_in(&range)
                .iter()
                .map(|comment| text(tree, comment))
                .collect(),
            _ => HashSet::new(),
        };
        self.file.comments_in(&file).iter().any(|comment| {
            let text = text(self.file, comment);
            !generated.contains(text) && !self.rules.is_mark_note(text)
        })
    }
}
