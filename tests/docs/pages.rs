//! Handwritten pages, with their blocks and links.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::project::read;

/// Pages that other tests generate.
const GENERATED: [&str; 3] = ["docs/matrix.md", "docs/diagnostics.md", "docs/differences.md"];
/// Pages outside `docs/`.
const ELSEWHERE: [&str; 5] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "tests/README.md",
];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the paths of the pages below a folder, sorted.
pub fn pages_below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder of pages") {
            let entry = entry.expect("a readable folder");
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the paths of all pages, including generated pages.
pub fn all() -> Vec<String> {
    ELSEWHERE
        .iter()
        .map(|it| (*it).to_owned())
        .chain(pages_below("docs"))
        .collect()
}

/// Returns the paths of the README and of the handwritten manual pages.
pub fn manual() -> Vec<String> {
    let by_people = |path: &String| !path.starts_with("docs/reference/") && !GENERATED.contains(&path.as_str());
    ["README.md".to_owned()]
        .into_iter()
        .chain(pages_below("docs").into_iter().filter(by_people))
        .collect()
}

/// A fenced block with its line number.
pub struct Block {
    pub line: usize,
    pub info: String,
    pub text: String,
}

/// Splits a page into its fenced blocks and the lines outside of the blocks.
pub fn parts(page: &str) -> (Vec<Block>, Vec<(usize, String)>) {
    let (mut blocks, mut prose) = (Vec::new(), Vec::new());
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let info = line.trim_start_matches('`');
        let fence = &line[..line.len() - info.len()];
        if fence.len() < 3 {
            prose.push((number + 1, line.to_owned()));
            continue;
        }
        let body = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != fence);
        let text = body.map(|line| format!("{line}\n")).collect();
        blocks.push(Block {
            line: number + 1,
            info: info.to_owned(),
            text,
        });
    }
    (blocks, prose)
}

/// Returns the strings in backticks on a line.
pub fn code_spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// Returns the targets of the links on a line: `[text](target)`.
fn links(line: &str) -> Vec<&str> {
    let without_code = line.split("](").skip(1);
    without_code
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .collect()
}

/// Returns the anchor that GitHub and mdBook generate for a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(page: &str) -> Vec<String> {
    let headings = parts(page).1.into_iter().filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn the_readme_is_short() {
    // Each unverified dialect has a generated row.
    let text = read(&root().join("README.md"));
    let lines = text.lines().filter(|line| !line.contains("| unverified: ")).count();
    assert!(lines <= 150, "README.md has {lines} lines; details belong into docs/");
}

#[test]
fn the_summary_lists_each_page_once() {
    let summary = read(&root().join("docs/SUMMARY.md"));
    let mut listed: Vec<String> = summary
        .lines()
        .flat_map(links)
        .map(|target| format!("docs/{target}"))
        .collect();
    listed.sort();
    let pages: Vec<String> = pages_below("docs")
        .into_iter()
        .filter(|path| path != "docs/SUMMARY.md")
        .collect();
    let twice: Vec<_> = listed.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    let missing: Vec<_> = pages.iter().filter(|page| !listed.contains(page)).collect();
    let gone: Vec<_> = listed.iter().filter(|page| !pages.contains(page)).collect();
    let hint = "functions are listed by `FORMULAC_WRITE=1 cargo test --all-features --test conformance docs`";
    assert!(
        twice.is_empty() && missing.is_empty() && gone.is_empty(),
        "{twice:?} {missing:?} {gone:?}; {hint}"
    );
}

#[test]
fn links_lead_to_pages_and_headings() {
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut known: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for name in all() {
        let path = root().join(&name);
        for (line, text) in parts(&read(&path)).1 {
            for target in links(&text)
                .into_iter()
                .filter(|it| !it.contains("://") && !it.contains(' '))
            {
                count += 1;
                let (file, heading) = target.split_once('#').map_or((target, None), |(f, h)| (f, Some(h)));
                let file = if file.is_empty() {
                    path.clone()
                } else {
                    path.parent().expect("a folder").join(file)
                };
                let is_there = file.exists()
                    && heading.is_none_or(|heading| {
                        let found = known.entry(file.clone()).or_insert_with(|| anchors(&read(&file)));
                        found.iter().any(|it| it == heading)
                    });
                if !is_there {
                    wrong.push(format!("{name}:{line}: {target}"));
                }
            }
        }
    }
    assert!(count > 300, "{count} links");
    assert!(wrong.is_empty(), "these links lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn paths_of_the_repository_exist() {
    let folders = "src/ dialects/ docs/ examples/ grammar/ benches/ tests/ .ci/ bindings/ integrations/ packaging/";
    let mut wrong = Vec::new();
    let mut count = 0;
    for name in manual().into_iter().chain(ELSEWHERE.map(str::to_owned)) {
        for (line, text) in parts(&read(&root().join(&name))).1 {
            for path in code_spans(&text) {
                // `tests/formulac/` is a folder in the reader's project.
                let is_ours =
                    folders.split(' ').any(|folder| path.starts_with(folder)) && !path.starts_with("tests/formulac");
                if is_ours && !path.contains([' ', '*', '<', '$']) {
                    count += 1;
                    if !root().join(path).exists() {
                        wrong.push(format!("{name}:{line}: {path}"));
                    }
                }
            }
        }
    }
    assert!(count > 10, "{count} paths");
    assert!(wrong.is_empty(), "these paths do not exist:\n{}", wrong.join("\n"));
}
