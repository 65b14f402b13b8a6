//! Line-by-line merge of text files.

/// Merges two versions of a file line by line, with their common base. Returns `None` if both versions changed the same
/// lines.
///
/// ```
/// use formulac_sync::merge_lines;
///
/// assert_eq!(merge_lines("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n").as_deref(), Some("A\nb\nc\nD\n"));
/// assert_eq!(merge_lines("a\n", "b\n", "c\n"), None);
/// ```
#[must_use]
pub fn merge(base: &str, ours: &str, theirs: &str) -> Option<String> {
    diffy::merge(base, ours, theirs).ok()
}

/// Returns the lines that prevent a merge: for each conflict, the lines from the base, from `ours` and from `theirs`.
pub(super) fn conflicts(base: &str, ours: &str, theirs: &str) -> Vec<[String; 3]> {
    let Err(marked) = diffy::merge(base, ours, theirs) else {
        return Vec::new();
    };
    let mut chunks: Vec<[String; 3]> = Vec::new();
    let mut side = None;
    for line in marked.split_inclusive('\n') {
        side = match line.get(..7) {
            Some("<<<<<<<") => {
                chunks.push(Default::default());
                Some(1)
            }
            Some("|||||||") if side.is_some() => Some(0),
            Some("=======") if side.is_some() => Some(2),
            Some(">>>>>>>") if side.is_some() => None,
            _ => {
                if let (Some(side), Some(sides)) = (side, chunks.last_mut()) {
                    sides.iter_mut().skip(side).take(1).for_each(|text| text.push_str(line));
                }
                side
            }
        };
    }
    chunks
}

/// Returns a unified diff of two strings, without the file header.
///
/// ```
/// assert_eq!(formulac_sync::diff_lines("a\nb\n", "a\nc\n"), "@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
/// ```
#[must_use]
pub fn diff(before: &str, after: &str) -> String {
    let patch = diffy::create_patch(before, after).to_string();
    let hunks = patch.find("@@ ").unwrap_or(patch.len());
    patch.get(hunks..).unwrap_or_default().to_owned()
}
