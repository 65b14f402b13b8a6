//! Managed blocks: generated comments between two markers. Each block is replaced as a whole.

use super::YamlEditError;
use super::tree::{YamlTree, read};
use crate::yaml::lines;

const START_MARKER: &str = "# >>> formulac";
const END_MARKER: &str = "# <<< formulac";

/// Returns whether the line is the opening marker of a managed block.
pub(super) fn is_block_start_marker(line: &str) -> bool {
    line.starts_with(START_MARKER)
}

/// Managed block. The first line of the block is its name.
#[derive(Debug)]
struct YamlBlock<'s> {
    start: usize,
    end: usize,
    name: &'s str,
    /// Lines of the block, trimmed.
    lines: Vec<&'s str>,
}

/// Block that users edited and whose generated text also changed.
#[derive(Debug)]
pub(super) struct BlockDifference {
    pub name: String,
    pub base: Option<String>,
    pub file: Option<String>,
    pub new: Option<String>,
}

/// Returns the managed blocks of a file. The markers of a block are comments at the beginning of a line.
fn read_blocks<'s>(tree: &YamlTree<'s>) -> Result<Vec<YamlBlock<'s>>, YamlEditError> {
    let source = tree.source;
    let mut yaml_blocks: Vec<YamlBlock<'s>> = Vec::new();
    let mut open: Option<(usize, &'s str)> = None;
    for comment in &tree.comments {
        let text = source.get(comment.clone()).unwrap_or_default();
        if lines::line_start(source, comment.start) != comment.start {
            continue;
        }
        if is_block_start_marker(text) {
            if open.is_some() {
                return Err(tree.edit_error_at(comment.start, format!("`{END_MARKER}` is missing before this line")));
            }
            let name = text.trim_end();
            if yaml_blocks.iter().any(|block| block.name == name) {
                return Err(tree.edit_error_at(comment.start, format!("`{name}` occurs twice")));
            }
            open = Some((comment.start, name));
        } else if text.starts_with(END_MARKER) {
            let Some((start, name)) = open.take() else {
                return Err(tree.edit_error_at(comment.start, format!("`{START_MARKER}` is missing above this line")));
            };
            let inside = source.get(start..comment.end).unwrap_or_default();
            yaml_blocks.push(YamlBlock {
                start,
                end: comment.end,
                name,
                lines: inside.lines().map(str::trim_end).collect(),
            });
        }
    }
    match open {
        Some((start, _)) => Err(tree.edit_error_at(start, format!("`{END_MARKER}` is missing below this line"))),
        None => Ok(yaml_blocks),
    }
}

/// Merges the blocks of `new` into the file. Replaces unedited blocks, and appends new blocks.
pub(super) fn merge(
    base: Option<&YamlTree<'_>>,
    file: &str,
    new: &YamlTree<'_>,
    line_break: &str,
) -> Result<(String, Vec<BlockDifference>), YamlEditError> {
    let sources = [file, new.source].into_iter().chain(base.map(|tree| tree.source));
    if !sources
        .into_iter()
        .any(|text| text.contains(START_MARKER) || text.contains(END_MARKER))
    {
        return Ok((file.to_owned(), Vec::new()));
    }
    let tree = read(file)?;
    let ours = read_blocks(&tree)?;
    let old = base.map_or_else(|| Ok(Vec::new()), read_blocks)?;
    let fresh = read_blocks(new)?;
    let mut differing = Vec::new();
    let mut out = String::with_capacity(file.len());
    let mut at = 0;
    for block in &ours {
        let was = old.iter().find(|other| other.name == block.name);
        let is = fresh.iter().find(|other| other.name == block.name);
        if was.is_none() && is.is_none() || is.is_some_and(|is| is.lines == block.lines) {
            continue;
        }
        let as_generated = was.is_some_and(|was| was.lines == block.lines);
        if !as_generated {
            let changed = was.map(|was| &was.lines) != is.map(|is| &is.lines);
            if changed {
                differing.push(differing_block(block.name, was, Some(block), is));
            }
            continue;
        }
        match is {
            Some(is) => {
                out.push_str(file.get(at..block.start).unwrap_or_default());
                out.push_str(&is.lines.join(line_break));
                at = block.end;
            }
            None => {
                out.push_str(file.get(at..block.start).unwrap_or_default());
                at = lines::next_line_start(file, block.end);
            }
        }
    }
    out.push_str(file.get(at..).unwrap_or_default());
    for block in fresh
        .iter()
        .filter(|block| ours.iter().all(|own| own.name != block.name))
    {
        match old.iter().find(|was| was.name == block.name) {
            Some(was) if was.lines == block.lines => {}
            Some(was) => differing.push(differing_block(block.name, Some(was), None, Some(block))),
            None => append_lines(&mut out, &block.lines, line_break),
        }
    }
    let after = read(&out)?;
    let means = |tree: &YamlTree<'_>| tree.root().map(|root| tree.value(root));
    match (means(&tree), means(&after)) {
        (Some(before), Some(after)) if before.is_same_value(&after) => Ok((out, differing)),
        (None, None) => Ok((out, differing)),
        _ => Err(tree.edit_error_at(0, "the meaning of the managed comments would change")),
    }
}

fn append_lines(output: &mut String, lines: &[&str], line_break: &str) {
    if !output.is_empty() {
        if !output.ends_with('\n') {
            output.push_str(line_break);
        }
        output.push_str(line_break);
    }
    output.push_str(&lines.join(line_break));
    output.push_str(line_break);
}

fn differing_block(
    name: &str,
    base: Option<&YamlBlock<'_>>,
    file: Option<&YamlBlock<'_>>,
    new: Option<&YamlBlock<'_>>,
) -> BlockDifference {
    let text = |block: Option<&YamlBlock<'_>>| block.map(|block| block.lines.join("\n"));
    BlockDifference {
        name: name.to_owned(),
        base: text(base),
        file: text(file),
        new: text(new),
    }
}
