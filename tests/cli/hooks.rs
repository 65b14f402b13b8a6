//! Tests a push in a repository with hooks: formatters that rewrite the committed files, and hooks that fail.

#![cfg(unix)]

use crate::repository::{begin, commit, edit, git};
use crate::run::{Run, TestProject};

const SPEC: &str = "model: revenue\nfrom: orders\nkeep: all\ndefinitions: net = amount - tax\n";
/// Shell command that formats SQL like sqlfluff.
const FORMAT: &str = "sed -i 's/^select/SELECT/; s/^from/FROM/' models/formulac/*.sql\n";

/// Creates a project that was pushed once, with a staged file, a changed file and an untracked file.
fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(&format!("hooks/{name}"));
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write("metrics/revenue.yml", SPEC);
    project.write("notes.md", "notes\n");
    begin(&project);
    project.succeed(&["push", "--yes", "--quiet"]);
    edit(&project, "metrics/revenue.yml", "amount - tax", "amount - tax - fees");
    project.write(
        "metrics/lines.yml",
        "model: lines\nfrom: ref('revenue')\nkeep: all\ndefinitions: double = net * 2\n",
    );
    project
        .write("staged.txt", "staged")
        .write("notes.md", "more notes\n")
        .write("README.md", "unknown to git");
    git(&project, &["add", "staged.txt"]);
    project
}

fn hook(project: &TestProject, name: &str, text: &str) {
    project.program(&format!(".git/hooks/{name}"), &format!("#!/bin/sh\n{text}"));
}

fn push(project: &TestProject) -> Run {
    project.run(&["push", "--yes", "--quiet"])
}

fn status(project: &TestProject) -> String {
    git(project, &["status", "--porcelain", "--untracked-files=all"])
}

/// Output of `git status` for the user's other files, which a push leaves unchanged.
const OTHERS: &str = " M notes.md\nA  staged.txt\n?? README.md\n";

#[test]
fn files_rewritten_by_a_formatter_are_committed() {
    for (name, text) in [
        ("stages", format!("{FORMAT}git add models\n")),
        ("leaves", FORMAT.to_owned()),
        // A hook that fails if it changes a file, as hooks of the pre-commit framework do.
        (
            "refuses",
            format!(
                "cat models/formulac/*.sql > .git/before\n{FORMAT}cat models/formulac/*.sql | cmp -s - .git/before\n"
            ),
        ),
    ] {
        let project = create_project(name);
        hook(&project, "pre-commit", &text);
        let run = push(&project);
        assert_eq!(run.exit, 0, "{name}: {}", run.err);
        assert_eq!(status(&project), OTHERS, "{name}");
        for model in ["lines", "revenue"] {
            let path = format!("models/formulac/{model}.sql");
            let committed = git(&project, &["show", &format!("HEAD:{path}")]);
            assert!(
                committed.contains("SELECT") && committed == project.read(&path),
                "{name}: {committed}"
            );
        }
        assert_eq!(
            git(&project, &["rev-list", "--count", "HEAD"]),
            "3\n",
            "{name}: it is one commit"
        );
        assert!(
            git(&project, &["log", "-1", "--format=%B"]).contains("Formulac-Entry: "),
            "{name}"
        );
    }
}

/// A YAML formatter that also changes the layout of the state and of the log.
#[test]
fn the_layout_of_the_state_and_the_log_is_not_a_change() {
    let project = create_project("layout");
    let format = "for f in .formulac/state/revenue.yml .formulac/state/lines.yml .formulac/log/*.yml; do\n\
                  grep -q '^---' \"$f\" || sed -i -e '1s/^/---\\n/' -e \"s/: '\\(.*\\)'\\$/: \\\"\\1\\\"/\" \"$f\"\ndone\ngit add .formulac\n";
    hook(&project, "pre-commit", format);
    let run = push(&project);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(project.read(".formulac/state/revenue.yml").starts_with("---\n"));
    let plan = project.run(&["plan"]);
    let is_quiet = plan.out.contains("0 to create, 0 to update") && !plan.err.contains("changed by hand");
    assert!(is_quiet, "{}{}", plan.out, plan.err);
    let log = project.run(&["log"]);
    assert!(
        log.exit == 0 && !format!("{}{}", log.out, log.err).contains("changed after"),
        "{}{}",
        log.out,
        log.err
    );
    edit(&project, "metrics/revenue.yml", "- fees", "+ fees");
    let run = push(&project);
    assert_eq!((run.exit, run.err.as_str()), (0, ""));
}

#[test]
fn files_that_a_hook_adds_are_committed() {
    let project = create_project("adds");
    hook(&project, "pre-commit", &format!("{FORMAT}git add --all\n"));
    assert_eq!(push(&project).exit, 0);
    // All changes that the hook added are committed.
    assert_eq!(status(&project), "");
    assert_eq!(git(&project, &["show", "HEAD:README.md"]), "unknown to git");
}

#[test]
fn a_hook_that_fails_is_named_and_nothing_is_changed() {
    for (hook_name, text, status_code, printed) in [
        ("pre-commit", "exit 3\n", 3, " and printed nothing"),
        ("commit-msg", "exit 1\n", 1, " and printed nothing"),
        (
            "commit-msg",
            "echo no ticket is named >&2\nexit 1\n",
            1,
            ":\n  no ticket is named",
        ),
        // A hook that changes files and then fails for another reason.
        (
            "pre-commit",
            "sed -i 's/select/SELECT/' models/formulac/*.sql\necho never\nexit 1\n",
            1,
            ":\n  never",
        ),
    ] {
        let project = create_project("fails");
        hook(&project, hook_name, text);
        let before = (
            status(&project),
            project.read("models/formulac/revenue.sql"),
            git(&project, &["rev-parse", "HEAD"]),
        );
        let run = push(&project);
        let expected = format!(
            "the git hook `{hook_name}` (.git/hooks/{hook_name}) failed with exit status {status_code}{printed}\n"
        );
        assert!(run.exit == 5 && run.err.contains(&expected), "{expected}\n{}", run.err);
        let after = (
            status(&project),
            project.read("models/formulac/revenue.sql"),
            git(&project, &["rev-parse", "HEAD"]),
        );
        assert_eq!(after, before, "{text}");
        assert!(!project.path(".formulac/local/journal").exists());
        assert_eq!(
            project.files(".formulac/local"),
            [".gitignore", "lock"],
            "no trace is left"
        );
        std::fs::remove_file(project.path(&format!(".git/hooks/{hook_name}"))).unwrap();
        assert_eq!(push(&project).exit, 0);
    }
}

/// Error messages contain the path of the hook in the folder that `core.hooksPath` specifies. If a commit fails but
/// there is no hook, the messages do not mention hooks.
#[test]
fn the_failed_hook_is_named() {
    let project = create_project("paths");
    project.program("hooks/pre-commit", "#!/bin/sh\nexit 1\n");
    commit(&project, "hooks");
    git(&project, &["config", "core.hooksPath", "hooks"]);
    edit(&project, "metrics/revenue.yml", "- fees", "- fees * 2");
    let run = push(&project);
    assert!(
        run.err.contains("hook `pre-commit` (hooks/pre-commit) failed"),
        "{}",
        run.err
    );
    git(&project, &["config", "core.hooksPath", "nowhere"]);
    git(&project, &["config", "commit.gpgsign", "true"]);
    git(&project, &["config", "gpg.program", "false"]);
    let run = push(&project);
    assert!(
        run.exit == 5 && run.err.contains("`git commit` failed: ") && !run.err.contains("hook"),
        "{}",
        run.err
    );
}
