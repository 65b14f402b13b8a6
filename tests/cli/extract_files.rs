//! Tests how `formulac extract` writes files: all of them or none, with their comments and line endings.

use std::fs;
use std::io;

use formulac::sync::{Disk, FileChange, prepare};
use serde_json::Value;

use crate::extract::{BY_MONTH, BY_REGION, project, with_comments};
use crate::run::TestProject;

/// Disk whose files are in the project's folder, for a transaction.
struct FolderDisk<'p>(&'p TestProject);

impl Disk for FolderDisk<'_> {
    fn read(&mut self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(fs::read(self.0.path(path)).ok())
    }
    fn write(&mut self, path: &str, bytes: &[u8], _: Option<&str>) -> io::Result<()> {
        fs::write(self.0.path(path), bytes)
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.path(from), self.0.path(to))
    }
    fn remove(&mut self, path: &str) -> io::Result<()> {
        fs::remove_file(self.0.path(path))
    }
    fn has_folder(&mut self, path: &str) -> bool {
        self.0.path(path).is_dir()
    }
    fn make_folder(&mut self, path: &str) -> io::Result<()> {
        fs::create_dir(self.0.path(path))
    }
    fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        fs::remove_dir(self.0.path(path))
    }
    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        Ok(self.0.files(path))
    }
    fn flush_folder(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_extraction_killed_between_two_files_is_completed() {
    let specs = [("by_month", BY_MONTH), ("by_region", BY_REGION)];
    let complete = project("complete", &specs);
    complete.succeed(&["extract", "--yes"]);
    let files = ["metrics/orders.yml", "metrics/by_month.yml", "metrics/by_region.yml"];
    let after = files.map(|file| complete.read(file));
    // Number of files that the process writes after the journal, before it is killed.
    for written in 0..=files.len() {
        let place = project("killed", &specs);
        place.write(".formulac/local/.gitignore", "*\n");
        let changes = files.iter().zip(&after).map(|(file, text)| FileChange {
            path: (*file).to_owned(),
            before: fs::read(place.path(file)).ok(),
            after: Some(text.clone().into_bytes()),
        });
        let changes: Vec<FileChange> = changes.collect();
        prepare(&mut FolderDisk(&place), &changes, Value::Null).unwrap();
        for (file, text) in files.iter().zip(&after).take(written) {
            place.write(file, text);
        }
        let run = place.run(&["extract", "--yes"]);
        assert_eq!(run.exit, 0, "{}", run.err);
        assert_eq!(files.map(|file| place.read(file)), after, "after {written} files");
        assert!(run.err.contains("no definition occurs twice"), "{}", run.err);
    }
}

#[test]
fn an_extraction_that_fails_writes_nothing() {
    let specs = [("by_month", BY_MONTH), ("by_region", BY_REGION)];
    let project = project("fails", &specs);
    // The folder of the journal cannot be created, because a file with the same name exists.
    project.write(".formulac/local/journal", "");
    let run = project.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 5, "{}", run.err);
    assert_eq!(project.read("metrics/by_month.yml"), BY_MONTH);
    assert_eq!(project.files("metrics"), ["by_month.yml", "by_region.yml"]);
}

#[test]
fn comments_in_formulas_are_kept() {
    let specs = [("a", with_comments("a", "amount")), ("b", with_comments("b", "amount"))];
    let texts = specs.each_ref().map(|(name, text)| (*name, text.as_str()));
    let project = project("comments_in_formulas", &texts);
    let run = project.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let set = project.read("metrics/orders.yml");
    assert!(set.contains("// no tests of a") && set.contains("// in euros"), "{set}");
    assert!(!project.read("metrics/a.yml").contains("no tests"));
    let other = project.read("metrics/b.yml");
    assert!(
        other.contains("# no tests of b\nmetrics:") && !other.contains("in euros"),
        "{other}"
    );
}

/// A comment directly above a definition describes this definition, so the comment moves to the metric set. Other
/// comments stay in the spec.
#[test]
fn comments_above_definitions_move_with_them() {
    let spec = |model: &str, own: &str| {
        format!(
            "model: {model}\nfrom: orders\ngroup_by: [status]\ndefinitions:\n  # All of them.\n\n  # In euros.\n  # Net.\n  \
             revenue: SUM(amount)\n  # Only in {model}.\n  {own}\n"
        )
    };
    let specs = [
        ("a", spec("a", "largest: MAX(amount)")),
        ("b", spec("b", "least: MIN(amount)")),
    ];
    let texts = specs.each_ref().map(|(name, text)| (*name, text.as_str()));
    let project = project("comments_above_definitions", &texts);
    let run = project.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let set = project.read("metrics/orders.yml");
    assert!(
        set.contains("  // In euros.\n  // Net.\n  revenue = SUM(amount)\n"),
        "{set}"
    );
    let text = project.read("metrics/a.yml");
    assert!(!text.contains("In euros") && !text.contains("Net"), "{text}");
    assert!(text.contains("# All of them."), "{text}");
    assert!(
        set.contains("// Only in a.\n  largest = MAX(amount)") || text.contains("# Only in a.\n  largest: MAX(amount)"),
        "{set}{text}"
    );
}

#[test]
fn files_keep_their_line_ends() {
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let specs = ["a", "b"].map(|name| (name, crlf(&format!("# {name}\n{}", with_comments(name, "amount")))));
    let texts = specs.each_ref().map(|(name, text)| (*name, text.as_str()));
    let project = project("line_ends", &texts);
    let run = project.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let text = project.read("metrics/b.yml");
    assert!(text.contains("# no tests of b\r\nmetrics:"), "{text:?}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
}
