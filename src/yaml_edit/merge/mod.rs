//! Merges the changes to a generated file into a file that users have edited.

mod marks;
mod removed;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::changes::{AddedNode, YamlChanges};
use super::path::{Path, PathSegment};
use super::rules::Rules;
use super::splice::own_line_range;
use super::tree::{NodeRef, YamlTree, read};
use super::{YamlEditError, blocks, splice, split_byte_order_mark};
use crate::yaml::{ChildNode, Layout, Node, YamlValue, lines};

/// Value for which the users' edit is kept, although the generated value changed.
#[derive(Clone, Debug, PartialEq)]
pub struct YamlMergeConflict {
    /// Path of the value. For a block of comments, the first line of the block.
    pub path: Path,
    /// Previously generated value. `None` if the value was not generated.
    pub base: Option<YamlValue>,
    /// Value in the file. `None` if users removed the value.
    pub file: Option<YamlValue>,
    /// Newly generated value. `None` if the value is no longer generated.
    pub new: Option<YamlValue>,
}

/// Result of a merge: the new text of the file, and the differences from the old text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MergedText {
    /// Contents of the new file.
    pub text: String,
    /// `true` if the new contents differ from the old contents.
    pub changed: bool,
    /// Values for which the users' edits are kept, although their generated values changed.
    pub kept: Vec<YamlMergeConflict>,
    /// Paths of added values.
    pub added: Vec<Path>,
    /// Paths of values that changed, or whose mark was removed.
    pub updated: Vec<Path>,
    /// Paths of removed values.
    pub removed: Vec<Path>,
    /// Paths of values that are now marked because their origin no longer exists.
    pub marked: Vec<Path>,
    /// Paths of the generated values that users wrote before they were generated. For a collection, only the paths
    /// inside it are included, if there are any.
    pub handwritten: BTreeSet<String>,
}

/// Applies the differences between `base`, the previously generated text, and `new`, the newly generated text, to a
/// file that users may have edited. Without a base, existing values are kept and missing values are added.
///
/// Values that users changed are kept. If the generated text of such a value also changed, the value is listed in
/// [`MergedText::kept`]. The comments, order, quotes and line breaks of the file are kept. Comments from `new` are
/// added only in managed blocks, which begin with `# >>> formulac` and end with `# <<< formulac`. Values in
/// [`Rules::handwritten`] are not removed. Generated values with comments from users are not removed, unless
/// [`Rules::remove_commented_values`] is set. A second merge that uses `new` as the base changes nothing.
///
/// # Errors
///
/// Returns an error if one of the versions is not valid YAML, or contains several documents or a duplicate key. Also
/// returns an error if the merge would change a value that an anchor or an alias shares with other parts of the file.
/// The versions are not merged in these cases.
///
/// ```
/// use formulac_yaml_edit::{Rules, merge};
///
/// let base = "label: Orders\ntags: [a]\n";
/// let file = "label: All orders # ours\ntags: [a, mine]\n";
/// let new = "label: Orders\nhidden: true\ntags: [a, b]\n";
/// let merged = merge(Some(base), file, new, &Rules::new())?;
/// assert_eq!(merged.text, "label: All orders # ours\nhidden: true\ntags: [a, b, mine]\n");
/// assert!(merged.kept.is_empty());
/// # Ok::<(), formulac_yaml_edit::YamlEditError>(())
/// ```
pub fn merge(base: Option<&str>, file: &str, new: &str, rules: &Rules) -> Result<MergedText, YamlEditError> {
    let (mark, source) = split_byte_order_mark(file);
    let base = base.map(|text| parse_generated(text, "last time")).transpose()?;
    let new = parse_generated(new, "now")?;
    let tree = read(source)?;
    let mut merger = YamlMerger {
        base: base.as_ref(),
        file: &tree,
        new: &new,
        rules,
        changes: YamlChanges::default(),
        result: MergedText {
            handwritten: rules.handwritten_paths().clone(),
            ..MergedText::default()
        },
        path: Path::root(),
    };
    merger.merge_root();
    let YamlMerger {
        changes,
        result: mut merged,
        ..
    } = merger;
    let text = splice::apply_changes(&tree, &changes)?;
    let (text, differing) = blocks::merge(base.as_ref(), &text, &new, lines::line_break(source))?;
    let value = |text: Option<String>| text.map(YamlValue::Text);
    merged.kept.extend(differing.into_iter().map(|block| YamlMergeConflict {
        path: Path::root().key(block.name),
        base: value(block.base),
        file: value(block.file),
        new: value(block.new),
    }));
    merged.changed = text != source;
    merged.text = format!("{mark}{text}");
    Ok(merged)
}

fn parse_generated<'s>(text: &'s str, generation_time: &str) -> Result<YamlTree<'s>, YamlEditError> {
    let edit_error = |fault: YamlEditError| YamlEditError {
        reason: format!("in the version generated {generation_time}, {}", fault.reason),
        ..fault
    };
    let tree = read(split_byte_order_mark(text).1).map_err(edit_error)?;
    let shared = tree
        .nodes()
        .into_iter()
        .find(|node| node.is_anchored || node.is_opaque());
    match shared {
        Some(node) => Err(edit_error(
            tree.edit_error_at(node.start(), "there is an anchor, an alias, a tag or a `?` key"),
        )),
        None => Ok(tree),
    }
}

struct YamlMerger<'t, 's> {
    base: Option<&'t YamlTree<'s>>,
    file: &'t YamlTree<'s>,
    new: &'t YamlTree<'s>,
    rules: &'t Rules,
    changes: YamlChanges<'t>,
    result: MergedText,
    path: Path,
}

/// Children of a list or mapping, keyed by the values that identify them.
struct ChildrenByName<'t> {
    children: Vec<(Option<PathSegment>, ChildNode<'t>)>,
    places: HashMap<PathSegment, usize>,
}

impl<'t> ChildrenByName<'t> {
    fn get(&self, step: &PathSegment) -> Option<(usize, ChildNode<'t>)> {
        let number = *self.places.get(step)?;
        self.children.get(number).map(|(_, child)| (number, *child))
    }

    fn none() -> Self {
        Self {
            children: Vec::new(),
            places: HashMap::new(),
        }
    }
}

/// Values that identify the children of a collection.
#[derive(Clone, Copy)]
enum ChildIdentifiers<'r> {
    Keys,
    Identity(&'r [String]),
    Scalars,
}

/// Returns the children of a list or mapping, keyed by name. Returns `None` if two children have the same name, or if a
/// list of scalars contains other values.
fn children_by_name<'t>(
    tree: &'t YamlTree<'_>,
    node: Option<&'t Node>,
    names: ChildIdentifiers<'_>,
) -> Option<ChildrenByName<'t>> {
    let mut by_name = ChildrenByName::none();
    let Some(node) = node else { return Some(by_name) };
    for (number, child) in node.children().enumerate() {
        let step = match names {
            ChildIdentifiers::Keys => Some(PathSegment::Key(child.name(tree.source).to_owned())),
            ChildIdentifiers::Identity(_) if child.value.is_alias => None,
            ChildIdentifiers::Identity(keys) => tree
                .list_item_identity(child.value, keys)
                .map(|texts| PathSegment::Item(keys.iter().cloned().zip(texts).collect())),
            ChildIdentifiers::Scalars => {
                // A number and a string are different values, even if they consist of the same characters.
                let value = tree.value(child.value);
                let text = value.lookup_key().filter(|_| !child.value.is_anchored)?;
                Some(PathSegment::Scalar(text))
            }
        };
        if let Some(step) = &step
            && by_name.places.insert(step.clone(), number).is_some()
        {
            return None;
        }
        by_name.children.push((step, child));
    }
    Some(by_name)
}

impl<'t> YamlMerger<'t, '_> {
    fn merge_root(&mut self) {
        let base = self.base.and_then(|tree| tree.root());
        match (self.file.root(), self.new.root()) {
            (Some(file), Some(new)) => self.merge_value(base, file, new),
            (Some(file), None) => drop(self.remove_generated_children(base, file)),
            (None, Some(new)) => self.fill_empty_file(base, new),
            (None, None) => {}
        }
    }

    /// Fills an empty file with the values that are generated for the first time.
    fn fill_empty_file(&mut self, base: Option<&'t Node>, new: &'t Node) {
        let value = self.new.value(new);
        let Some(old) = base else {
            if !value.is_empty() {
                self.changes.new_contents = Some(value);
                self.result.added.push(Path::root());
            }
            return;
        };
        let Some(names) = self.child_identifiers(new) else {
            return;
        };
        let fresh = children_by_name(self.new, Some(new), names);
        let (Some(old), Some(fresh)) = (
            self.base.and_then(|tree| children_by_name(tree, Some(old), names)),
            fresh,
        ) else {
            return;
        };
        let mut added = Vec::new();
        for (step, child) in fresh.children {
            let Some(step) = step else { continue };
            self.path.push(shorten_segment(&step));
            match old.get(&step) {
                Some((_, was)) => self.merge_user_deletion(was.value, child.value),
                None => {
                    self.result.added.push(self.path.clone());
                    added.push((child.name(self.new.source).to_owned(), self.new.value(child.value)));
                }
            }
            self.path.pop();
        }
        if !added.is_empty() {
            let items = || added.iter().map(|(_, value)| value.clone()).collect();
            self.changes.new_contents = Some(if new.is_list() {
                YamlValue::list(items())
            } else {
                YamlValue::map(added)
            });
        }
    }

    /// Returns the names that identify the children of this node. `None` if the node is merged as a single value.
    fn child_identifiers(&self, node: &Node) -> Option<ChildIdentifiers<'t>> {
        if node.is_opaque() || self.rules.is_atomic(&self.path) {
            return None;
        }
        let keys = self.rules.list_item_identity(&self.path);
        let of_list = || keys.map_or(ChildIdentifiers::Scalars, ChildIdentifiers::Identity);
        let of_map = node.is_map().then_some(ChildIdentifiers::Keys);
        of_map.or_else(|| node.is_list().then(of_list))
    }

    /// Merges a value that exists in both the file and the generated text.
    fn merge_value(&mut self, base: Option<&'t Node>, file: &'t Node, new: &'t Node) {
        let is_alike = file.is_map() && new.is_map() || file.is_list() && new.is_list();
        let names = self.child_identifiers(file).filter(|_| is_alike);
        let is_done = match names {
            None => false,
            Some(ChildIdentifiers::Scalars) if self.is_reordered(base, file, new) => false,
            Some(names) => self.merge_collection(self.base_of_same_kind(base, file), file, Some(new), names),
        };
        if !is_done {
            self.merge_leaf(base, file, new);
        }
    }

    /// Returns the base node if it is of the same kind as the file's node: a list or a mapping.
    fn base_of_same_kind(&self, base: Option<&'t Node>, file: &'t Node) -> Option<&'t Node> {
        base.filter(|base| base.is_list() == file.is_list() && base.is_map() == file.is_map())
    }

    /// Returns `true` if a list of scalars is unedited and only its generated order changed.
    fn is_reordered(&self, base: Option<&'t Node>, file: &'t Node, new: &'t Node) -> bool {
        let (Some(base), YamlValue::List(theirs, _)) = (self.base_value(base), self.file.value(file)) else {
            return false;
        };
        let YamlValue::List(ours, _) = self.new.value(new) else {
            return false;
        };
        let is_same = matches!(&base, YamlValue::List(items, _)
            if items.len() == theirs.len() && items.iter().zip(&theirs).all(|(a, b)| a.is_same_value(b)));
        let keys = |items: &[YamlValue]| items.iter().filter_map(YamlValue::lookup_key).collect::<Vec<_>>();
        let (theirs, ours) = (keys(&theirs), keys(&ours));
        let common = |items: &[String], others: &[String]| {
            let others: HashSet<&String> = others.iter().collect();
            items
                .iter()
                .filter(|item| others.contains(item))
                .cloned()
                .collect::<Vec<_>>()
        };
        is_same && common(&theirs, &ours) != common(&ours, &theirs)
    }

    fn base_value(&self, base: Option<&'t Node>) -> Option<YamlValue> {
        Some(self.base?.value(base?))
    }

    /// Merges a node as a single value.
    fn merge_leaf(&mut self, base: Option<&'t Node>, file: &'t Node, new: &'t Node) {
        let (old, theirs, ours) = (self.base_value(base), self.file.value(file), self.new.value(new));
        let is_same = YamlValue::is_same_except_final_blanks;
        if is_same(&theirs, &ours) || old.as_ref().is_some_and(|old| is_same(old, &ours)) {
            return;
        }
        let is_untouched = match &old {
            Some(old) => {
                let generated = self.base.zip(base).map(|(tree, node)| value_range(tree.source, node));
                is_same(old, &theirs) && !self.is_commented(value_range(self.file.source, file), generated)
            }
            None => file.is_empty_scalar(),
        };
        if is_untouched {
            self.changes.replacements.insert(NodeRef(file), ours);
            self.remove_handwritten_record();
            self.result.updated.push(self.path.clone());
        } else {
            self.record_merge_conflict(old, Some(theirs), Some(ours));
        }
    }

    fn record_merge_conflict(&mut self, base: Option<YamlValue>, file: Option<YamlValue>, new: Option<YamlValue>) {
        self.result.kept.push(YamlMergeConflict {
            path: self.path.clone(),
            base,
            file,
            new,
        });
    }

    /// Handles a value that is still generated although users removed it. The removal is recorded as a kept edit,
    /// unless the new value is only a part of the old value.
    fn merge_user_deletion(&mut self, base: &'t Node, new: &'t Node) {
        let (old, ours) = (self.base_value(Some(base)), self.new.value(new));
        if old.as_ref().is_some_and(|old| !ours.is_subset_of(old)) {
            self.record_merge_conflict(old, None, Some(ours));
        }
    }

    /// Merges the children of a list or mapping by name. Returns `false` if the children cannot be identified.
    fn merge_collection(
        &mut self,
        base: Option<&'t Node>,
        file: &'t Node,
        new: Option<&'t Node>,
        names: ChildIdentifiers<'_>,
    ) -> bool {
        let old = match (self.base, base) {
            (Some(tree), Some(id)) => children_by_name(tree, Some(id), names),
            _ => Some(ChildrenByName::none()),
        };
        let (Some(old), Some(theirs), Some(ours)) = (
            old,
            children_by_name(self.file, Some(file), names),
            children_by_name(self.new, new, names),
        ) else {
            return false;
        };
        if ours.children.iter().any(|(step, _)| step.is_none()) {
            return false;
        }
        let mut before = None;
        for (number, (step, child)) in ours.children.iter().enumerate() {
            let Some(step) = step else { continue };
            self.path.push(shorten_segment(step));
            let was = old.get(step).map(|(_, was)| was.value);
            match (theirs.get(step), was) {
                (Some((index, found)), was) => {
                    before = Some(index);
                    let was_marked = was.is_some_and(|was| self.was_marked(was));
                    if was.is_none() || was_marked {
                        self.unmark_mapping(found.value, child.value, was_marked);
                    }
                    self.merge_value(was, found.value, child.value);
                    if was.is_none() {
                        self.record_handwritten(found.value);
                    }
                }
                (None, Some(was)) => self.merge_user_deletion(was, child.value),
                (None, None) if self.file.merged_value(file, child.name(self.new.source)).is_some() => {
                    self.record_merge_conflict(None, None, Some(self.new.value(child.value)));
                }
                (None, None) => {
                    let slot =
                        before.map_or_else(|| self.insert_position(file, &theirs, &ours, number), |index| index + 1);
                    let key = child.key.map(|_| child.name(self.new.source).to_owned());
                    self.changes.add_child(
                        NodeRef(file),
                        slot,
                        AddedNode {
                            key,
                            value: self.new.value(child.value),
                            note: None,
                        },
                    );
                    self.remove_handwritten_record();
                    self.result.added.push(self.path.clone());
                }
            }
            self.path.pop();
        }
        for (number, (step, _)) in theirs.children.iter().enumerate() {
            let Some(step) = step.as_ref().filter(|step| !ours.places.contains_key(step)) else {
                continue;
            };
            self.path.push(shorten_segment(step));
            match base.zip(old.get(step)) {
                Some((base, (was, _))) => self.handle_stale_value((base, was), file, number),
                None => self.retain_user_value(file, number),
            }
            self.path.pop();
        }
        true
    }

    /// Returns the index for a new child if the file contains none of the preceding generated children. The child is
    /// inserted before the first existing child that follows it in the generated text.
    fn insert_position(
        &self,
        file: &'t Node,
        theirs: &ChildrenByName<'_>,
        ours: &ChildrenByName<'_>,
        number: usize,
    ) -> usize {
        let end = theirs.children.len();
        // At the top level, add the child at the end, because the comments at the top of a file describe the whole
        // file.
        if self.file.root().is_some_and(|root| root.id == file.id) {
            return end;
        }
        let behind = ours.children.iter().skip(number + 1);
        let mut places = behind.filter_map(|(step, _)| step.as_ref().and_then(|step| theirs.get(step)));
        places.next().map_or(end, |(index, _)| index)
    }

    /// Finds the list item that identifies a marked mapping.
    fn find_list_item(&self, file: &'t Node, key: &str, item: &YamlValue) -> Option<(usize, &'t Node, usize)> {
        let (index, list) = self.find_pair(file, key)?;
        let number = list
            .children()
            .position(|child| self.file.value(child.value).is_same_value(item))?;
        Some((index, list, number))
    }

    fn find_pair(&self, file: &'t Node, key: &str) -> Option<(usize, &'t Node)> {
        file.children()
            .enumerate()
            .find(|(_, pair)| pair.key.is_some() && pair.name(self.file.source) == key)
            .map(|(index, pair)| (index, pair.value))
    }
}

/// Shortens a path segment for a message.
fn shorten_segment(step: &PathSegment) -> PathSegment {
    match step {
        PathSegment::Scalar(lookup) => PathSegment::Scalar(lookup.get(1..).unwrap_or_default().to_owned()),
        step => step.clone(),
    }
}

/// Returns the range of a value, including comments that are removed together with the value.
fn value_range(source: &str, node: &Node) -> Range<usize> {
    let is_block = node.layout == Layout::Block && node.child_count() > 0;
    if is_block {
        lines::line_end(source, node.indicator_end())..lines::line_end(source, node.end())
    } else {
        node.full_span.range()
    }
}

/// Returns the range of a child, including comments that are removed together with the child.
fn child_range(tree: &YamlTree<'_>, node: &Node, number: usize) -> Range<usize> {
    let Some(child) = node.child(number) else { return 0..0 };
    if node.layout == Layout::Block {
        return child.start..lines::line_end(tree.source, child.end());
    }
    if let Some(lines) = own_line_range(tree, child) {
        return lines;
    }
    let before = number.checked_sub(1).and_then(|before| node.child(before));
    let start = before.map_or(node.start(), |before| before.end());
    start..node.child(number + 1).map_or(node.end(), |next| next.start)
}
