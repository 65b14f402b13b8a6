//! Marks of the mappings that formulac generates.

use super::super::changes::AddedNode;
use super::super::path::PathSegment;
use super::super::rules::RemovalMark;
use super::super::tree::NodeRef;
use super::{ChildIdentifiers, YamlMerger, child_range};
use crate::yaml::{CollectionStyle, Layout, Node, YamlValue};

impl<'t> YamlMerger<'t, '_> {
    pub(super) fn is_marked(&self, mark: &RemovalMark, file: &'t Node) -> bool {
        !mark.items.is_empty()
            && mark
                .items
                .iter()
                .all(|(key, item)| self.find_list_item(file, key, item).is_some())
    }

    /// Returns `true` if the generated value is already marked.
    pub(super) fn was_marked(&self, base: &'t Node) -> bool {
        let (Some(mark), Some(base)) = (self.rules.removal_mark(&self.path), self.base_value(Some(base))) else {
            return false;
        };
        let has = |(key, item): &(String, YamlValue)| match base.get(key) {
            Some(YamlValue::List(items, _)) => items.iter().any(|yaml_value| yaml_value.is_same_value(item)),
            _ => false,
        };
        !mark.items.is_empty() && mark.items.iter().all(has)
    }

    /// Marks a mapping that is no longer generated.
    pub(super) fn mark_mapping(&mut self, mark: &RemovalMark, base: &'t Node, file: &'t Node) {
        if self.is_marked(mark, file) {
            return;
        }
        let lists = mark.items.iter().map(|(key, _)| self.find_pair(file, key));
        let is_fit = lists.flatten().all(|(_, node)| node.is_list());
        if !matches!(self.child_identifiers(file), Some(ChildIdentifiers::Keys)) || !is_fit {
            self.record_merge_conflict(self.base_value(Some(base)), Some(self.file.value(file)), None);
            return;
        }
        let end = file.child_count();
        for (key, item) in &mark.items {
            match self.find_pair(file, key) {
                Some((_, list)) if self.find_list_item(file, key, item).is_none() => {
                    self.changes.add_child(
                        NodeRef(list),
                        list.child_count(),
                        AddedNode {
                            key: None,
                            value: item.clone(),
                            note: None,
                        },
                    );
                }
                Some(_) => {}
                None => {
                    let value = YamlValue::List(vec![item.clone()], CollectionStyle::Flow);
                    self.changes.add_child(
                        NodeRef(file),
                        end,
                        AddedNode {
                            key: Some(key.clone()),
                            value,
                            note: None,
                        },
                    );
                }
            }
        }
        for (key, value) in &mark.pairs {
            if self.find_pair(file, key).is_some() {
                continue;
            }
            let note = (file.layout == Layout::Block || file.child_count() == 0).then(|| mark.note.clone());
            self.changes.add_child(
                NodeRef(file),
                end,
                AddedNode {
                    key: Some(key.clone()),
                    value: value.clone(),
                    note,
                },
            );
        }
        self.result.marked.push(self.path.clone());
    }

    /// Removes the mark from a mapping that is generated again. List items that are also in the base are removed, like
    /// other values that are no longer generated.
    pub(super) fn unmark_mapping(&mut self, file: &'t Node, new: &'t Node, is_in_base: bool) {
        let Some(mark) = self
            .rules
            .removal_mark(&self.path)
            .filter(|mark| self.is_marked(mark, file))
        else {
            return;
        };
        let is_new = |key: &str| self.new.value(new).get(key).is_some();
        let mut removed = Vec::new();
        for (key, item) in mark.items.iter().filter(|_| !is_in_base) {
            let Some((index, list, number)) = self.find_list_item(file, key, item) else {
                continue;
            };
            let is_last = list.child_count() == 1 && !is_new(key);
            removed.push(if is_last {
                (NodeRef(file), index)
            } else {
                (NodeRef(list), number)
            });
        }
        for (key, value) in &mark.pairs {
            let Some((index, node)) = self.find_pair(file, key) else {
                continue;
            };
            let line = child_range(self.file, file, index);
            let is_noted = self.file.comments_in(&line).iter().any(|comment| {
                let text = self.file.source.get(comment.clone()).unwrap_or_default();
                text.strip_prefix("# ").is_some_and(|text| text.trim() == mark.note)
            });
            let theirs = self.file.value(node);
            if theirs.is_same_value(value) && is_noted {
                removed.push((NodeRef(file), index));
            } else if theirs.is_same_value(value) && !is_new(key) {
                // Keep the key, because a user may have set it.
                self.path.push(PathSegment::Key(key.clone()));
                self.record_merge_conflict(None, Some(theirs), None);
                self.path.pop();
            }
        }
        self.changes.removed_children.extend(removed);
        self.result.updated.push(self.path.clone());
    }
}
