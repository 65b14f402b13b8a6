//! Edits values at given paths in a file, in a single pass.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::changes::{AddedNode, YamlChanges};
use super::path::{Path, PathSegment};
use super::tree::{NodeRef, YamlTree, read};
use super::{YamlEditError, splice, split_byte_order_mark};
use crate::yaml::{ChildNode, MAX_NESTING, Node, YamlValue};

/// Edit to a YAML file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Sets the value at a path. If the key is missing, it is added after the first key in `after` that exists,
    /// otherwise at the end.
    Set {
        /// Path of the value.
        at: Path,
        /// New value.
        value: YamlValue,
        /// Keys after which a new key can be inserted, in order of preference.
        after: Vec<String>,
    },
    /// Adds an item to the end of a list, unless it is a scalar that the list already contains. If the key of the list
    /// is missing, it is added at the end of its mapping.
    Add {
        /// Path of the list.
        to: Path,
        /// New item.
        value: YamlValue,
    },
    /// Removes a key with its value, or a list item.
    Remove {
        /// Path of the key or item.
        at: Path,
    },
}

/// Applies edits. All paths refer to the original file, before any edit is applied.
///
/// Only the bytes of the edited values change. The function parses the result again and checks that it has the expected
/// value.
///
/// # Errors
///
/// Returns an error if the file is not valid YAML, or contains several documents or a duplicate key. Also returns an
/// error if an edit refers to a value that does not exist, if two edits overlap, or if an edit would change a value
/// that an anchor or an alias shares with other parts of the file. If a mapping inherits the edited key through a merge
/// key (`<<`), the key is set in the mapping itself.
pub fn apply_edits(text: &str, edits: &[Edit]) -> Result<String, YamlEditError> {
    let (mark, source) = split_byte_order_mark(text);
    let tree = read(source)?;
    let mut editor = Editor {
        tree: &tree,
        changes: YamlChanges::default(),
        keys: HashMap::new(),
        items: HashMap::new(),
        empty: BTreeMap::new(),
        new_keys: HashSet::new(),
        new_lists: BTreeMap::new(),
    };
    for edit in edits {
        editor.record_edit(edit)?;
    }
    let changes = editor.finish()?;
    splice::apply_changes(&tree, &changes).map(|edited| format!("{mark}{edited}"))
}

/// List items, keyed by the values that identify them. `None` if several items have the same values.
type ListItemIndex = HashMap<Vec<String>, Option<usize>>;

struct Editor<'t, 's> {
    tree: &'t YamlTree<'s>,
    changes: YamlChanges<'t>,
    keys: HashMap<NodeRef<'t>, HashMap<&'t str, usize>>,
    items: HashMap<(NodeRef<'t>, Vec<String>), ListItemIndex>,
    /// Children to add to keys that have no value.
    empty: BTreeMap<NodeRef<'t>, Vec<(Option<String>, YamlValue)>>,
    new_keys: HashSet<(NodeRef<'t>, String)>,
    /// Items of lists whose keys are missing, by the mapping and the key.
    new_lists: BTreeMap<(NodeRef<'t>, String), Vec<YamlValue>>,
}

impl<'t> Editor<'t, '_> {
    fn record_edit(&mut self, edit: &Edit) -> Result<(), YamlEditError> {
        match edit {
            Edit::Set { at, value, after } => self.record_set_edit(at, value, after),
            Edit::Add { to, value } => self.record_add_edit(to, value),
            Edit::Remove { at } => self.record_remove_edit(at),
        }
    }

    fn record_set_edit(&mut self, at: &Path, value: &YamlValue, after: &[String]) -> Result<(), YamlEditError> {
        self.check_writable(at, value)?;
        let Some((last, above)) = at.steps().split_last() else {
            return match self.tree.root() {
                None => {
                    self.changes.new_contents = Some(value.clone());
                    Ok(())
                }
                Some(_) => Err(self.tree.edit_error_at(0, "the complete file would be replaced")),
            };
        };
        if self.tree.root().is_none() && above.is_empty() {
            return self.set_first_key(last, value);
        }
        let parent = self.find(above, at)?;
        match (self.find_child(parent, last), last) {
            (Some(number), _) => {
                let Some(child) = parent.0.child(number) else {
                    return Ok(());
                };
                let node = NodeRef(child.value);
                if !self.tree.value(&node).is_same_value(value)
                    && self.changes.replacements.insert(node, value.clone()).is_some()
                {
                    return Err(self.overlapping_edits_error(child.start, at));
                }
                Ok(())
            }
            (None, PathSegment::Key(key)) => self.add_new_key(parent, at, key, value, after),
            (None, _) => Err(self.missing_value_error(&parent, at)),
        }
    }

    fn set_first_key(&mut self, step: &PathSegment, value: &YamlValue) -> Result<(), YamlEditError> {
        let PathSegment::Key(key) = step else {
            return Err(self.tree.edit_error_at(0, "the file is empty"));
        };
        match self
            .changes
            .new_contents
            .get_or_insert_with(|| YamlValue::map(Vec::<(String, YamlValue)>::new()))
        {
            YamlValue::Map(pairs, _) => pairs.push((key.clone(), value.clone())),
            _ => return Err(self.tree.edit_error_at(0, "two edits overlap here")),
        }
        Ok(())
    }

    fn add_new_key(
        &mut self,
        parent: NodeRef<'t>,
        at: &Path,
        key: &str,
        value: &YamlValue,
        after: &[String],
    ) -> Result<(), YamlEditError> {
        let tree = self.tree;
        if !self.new_keys.insert((parent, key.to_owned())) {
            return Err(self.overlapping_edits_error(parent.start(), at));
        }
        if parent.is_empty_scalar() {
            self.empty
                .entry(parent)
                .or_default()
                .push((Some(key.to_owned()), value.clone()));
            return Ok(());
        }
        if !parent.is_map() {
            return Err(self.missing_value_error(&parent, at));
        }
        // A key of the mapping itself takes precedence over a key from a merge key (`<<`), and does not affect other
        // mappings.
        let inherited = tree.merged_value(parent.0, key);
        if inherited.is_some_and(|inherited| tree.value(inherited).is_same_value(value)) {
            return Ok(());
        }
        let behind = after.iter().find_map(|key| self.find_key(parent, key));
        let slot = behind.map_or(parent.child_count(), |number| number + 1);
        self.changes.add_child(
            parent,
            slot,
            AddedNode {
                key: Some(key.to_owned()),
                value: value.clone(),
                note: None,
            },
        );
        Ok(())
    }

    fn record_add_edit(&mut self, to: &Path, value: &YamlValue) -> Result<(), YamlEditError> {
        self.check_writable(to, value)?;
        if self.tree.root().is_none() && to.steps().is_empty() {
            match self
                .changes
                .new_contents
                .get_or_insert_with(|| YamlValue::list(Vec::new()))
            {
                YamlValue::List(items, _) => items.push(value.clone()),
                _ => return Err(self.tree.edit_error_at(0, "two edits overlap here")),
            }
            return Ok(());
        }
        if let Some((PathSegment::Key(key), above)) = to.steps().split_last() {
            let parent = self.find(above, to)?;
            let is_inherited = || self.tree.merged_value(parent.0, key).is_some();
            if parent.is_empty_scalar() || parent.is_map() && self.find_key(parent, key).is_none() && !is_inherited() {
                return self.add_to_new_list(parent, to, key, value);
            }
        }
        let list = self.find(to.steps(), to)?;
        if list.is_empty_scalar() {
            self.empty.entry(list).or_default().push((None, value.clone()));
            return Ok(());
        }
        if !list.is_list() {
            return Err(self.tree.edit_error_at(list.start(), format!("`{to}` is not a list")));
        }
        let has = match value.as_text() {
            Some(text) => self.find_child(list, &PathSegment::Scalar(text.to_owned())).is_some(),
            None => false,
        };
        if !has {
            let end = list.child_count();
            self.changes.add_child(
                list,
                end,
                AddedNode {
                    key: None,
                    value: value.clone(),
                    note: None,
                },
            );
        }
        Ok(())
    }

    /// Adds an item to a list that the mapping does not contain yet. Several edits may add items to the same list.
    fn add_to_new_list(
        &mut self,
        parent: NodeRef<'t>,
        to: &Path,
        key: &str,
        value: &YamlValue,
    ) -> Result<(), YamlEditError> {
        let place = (parent, key.to_owned());
        if self.new_keys.insert(place.clone()) || self.new_lists.contains_key(&place) {
            self.new_lists.entry(place).or_default().push(value.clone());
            return Ok(());
        }
        Err(self.overlapping_edits_error(parent.start(), to))
    }

    fn record_remove_edit(&mut self, at: &Path) -> Result<(), YamlEditError> {
        let Some((last, above)) = at.steps().split_last() else {
            return Err(self.tree.edit_error_at(0, "the complete file would be removed"));
        };
        let parent = self.find(above, at)?;
        let number = self.find_child(parent, last).ok_or_else(|| match last {
            PathSegment::Key(key) if parent.is_map() && self.tree.merged_value(parent.0, key).is_some() => {
                let reason = format!("`{key}` comes from a merge key (`<<`)");
                self.tree.edit_error_at(parent.start(), reason)
            }
            _ => self.missing_value_error(&parent, at),
        })?;
        if !self.changes.removed_children.insert((parent, number)) {
            return Err(self.overlapping_edits_error(parent.start(), at));
        }
        Ok(())
    }

    /// Checks that no edit changes a part of a value that another edit replaces or removes.
    fn finish(mut self) -> Result<YamlChanges<'t>, YamlEditError> {
        let overlap = |node: NodeRef<'_>| self.tree.edit_error_at(node.start(), "two edits overlap here");
        for ((parent, key), items) in std::mem::take(&mut self.new_lists) {
            let (key, value) = (Some(key), YamlValue::list(items));
            if parent.is_empty_scalar() {
                self.empty.entry(parent).or_default().push((key, value));
            } else {
                let added = AddedNode { key, value, note: None };
                self.changes.add_child(parent, parent.child_count(), added);
            }
        }
        for (node, added) in std::mem::take(&mut self.empty) {
            let value = if added.iter().all(|(key, _)| key.is_none()) {
                YamlValue::list(added.into_iter().map(|(_, value)| value).collect())
            } else {
                YamlValue::map(added.into_iter().map(|(key, value)| (key.unwrap_or_default(), value)))
            };
            if self.changes.replacements.insert(node, value).is_some() {
                return Err(overlap(node));
            }
        }
        let parents = self.tree.parents();
        let changes = self.changes;
        let collections = changes.collections();
        for node in changes.replacements.keys().chain(&collections).copied() {
            let mut inner = node;
            let mut meets = changes.replacements.contains_key(&node) && collections.binary_search(&node).is_ok();
            while let Some(parent) = parents.get(inner.id as usize).and_then(Option::as_ref) {
                meets |= changes.removed_children.contains(parent) || changes.replacements.contains_key(&parent.0);
                inner = parent.0;
            }
            if meets {
                return Err(overlap(node));
            }
        }
        Ok(changes)
    }

    fn find(&mut self, steps: &[PathSegment], path: &Path) -> Result<NodeRef<'t>, YamlEditError> {
        let root = self.tree.root();
        let mut node = root.ok_or_else(|| self.tree.edit_error_at(0, format!("there is no `{path}`")))?;
        for step in steps {
            let number = self.find_child(NodeRef(node), step);
            let child = number.and_then(|number| node.child(number));
            node = child.ok_or_else(|| self.missing_value_error(node, path))?.value;
        }
        Ok(NodeRef(node))
    }

    fn find_child(&mut self, node: NodeRef<'t>, step: &PathSegment) -> Option<usize> {
        match step {
            PathSegment::Key(key) => self.find_key(node, key),
            PathSegment::Position(position) => {
                Some(*position).filter(|position| node.is_list() && *position < node.child_count())
            }
            PathSegment::Scalar(text) => self.find_list_item(node, &[], vec![text.trim_end_matches('\n').to_owned()]),
            PathSegment::Item(keys) => {
                let (keys, texts): (Vec<String>, Vec<String>) = keys.iter().cloned().unzip();
                self.find_list_item(node, &keys, texts)
            }
        }
    }

    fn find_key(&mut self, node: NodeRef<'t>, key: &str) -> Option<usize> {
        if !node.is_map() {
            return None;
        }
        let number = |(number, pair): (usize, ChildNode<'t>)| (pair.name(self.tree.source), number);
        let read = || node.0.children().enumerate().map(number).collect();
        self.keys.entry(node).or_insert_with(read).get(key).copied()
    }

    fn find_list_item(&mut self, node: NodeRef<'t>, keys: &[String], texts: Vec<String>) -> Option<usize> {
        if !node.is_list() {
            return None;
        }
        let read = || {
            let mut items = ListItemIndex::new();
            for (number, item) in node.children().enumerate() {
                let Some(texts) = self.tree.list_item_identity(item.value, keys) else {
                    continue;
                };
                items
                    .entry(texts)
                    .and_modify(|first| *first = None)
                    .or_insert(Some(number));
            }
            items
        };
        self.items
            .entry((node, keys.to_vec()))
            .or_insert_with(read)
            .get(&texts)
            .copied()
            .flatten()
    }

    fn check_writable(&self, at: &Path, value: &YamlValue) -> Result<(), YamlEditError> {
        if value.is_deeper_than(MAX_NESTING) {
            return Err(self
                .tree
                .edit_error_at(0, format!("the value for `{at}` is nested too deeply")));
        }
        match value.verbatim() {
            Some(_) => Err(self
                .tree
                .edit_error_at(0, format!("the value for `{at}` contains an alias or a tag"))),
            None => Ok(()),
        }
    }

    fn missing_value_error(&self, node: &Node, path: &Path) -> YamlEditError {
        let reason = match node.is_alias {
            true => "an alias would be changed".to_owned(),
            false => format!("there is no `{path}`, or more than one"),
        };
        self.tree.edit_error_at(node.start(), reason)
    }

    fn overlapping_edits_error(&self, at: usize, path: &Path) -> YamlEditError {
        self.tree.edit_error_at(at, format!("two edits overlap at `{path}`"))
    }
}
