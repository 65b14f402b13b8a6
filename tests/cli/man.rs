//! Tests the man pages.

use std::fs;

use crate::run::{TestProject, finish};

#[test]
fn each_command_has_a_page() {
    let project = TestProject::new("man");
    let mut command = project.command(&[]);
    command.env("FORMULAC_MAN_PAGES", project.path("man1"));
    assert_eq!(finish(command).exit, 0);
    let page = |name: &str| fs::read_to_string(project.path("man1").join(name)).unwrap();
    let whole = page("formulac.1");
    for name in ["init", "check", "generate", "change", "doctor"] {
        assert!(whole.contains(&format!("formulac\\-{name}(1)")), "{name}:\n{whole}");
    }
    let check = page("formulac-check.1");
    assert!(
        check.contains("\\fB\\-\\-fix\\fR") && check.contains("formulac check metrics/revenue.yml"),
        "{check}"
    );
    assert!(page("formulac-change-propose.1").contains("formulac\\-change\\-propose"));
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let project = TestProject::new("man_unwritable");
    project.write("file", "");
    let mut command = project.command(&[]);
    command.env("FORMULAC_MAN_PAGES", project.path("file"));
    let run = finish(command);
    assert_ne!(run.exit, 0);
    assert!(run.err.contains("the man pages cannot be written to"), "{}", run.err);
}
