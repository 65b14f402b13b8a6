//! Tests the permissions of commands against the table `fixtures/roles.tsv`, by role, command and environment. Also
//! tests the effects of rejected calls.

use std::collections::BTreeMap;

use crate::repository::{begin, commit, edit, git, snapshot, switch_user};
use crate::run::TestProject;
use crate::skipped_cases::select_cases;

pub const PROJECT: &str = "\
dialect: duckdb
specs: metrics/
environments:
  production:  {connection: prod, schema: analytics, branch: main, protected: true}
  development: {connection: dev, schema: \"analytics_dev_${user}\"}
groups: {data-team: [eve@example.com, dan@example.com]}
roles: {data-team: engineer, fay@example.com: business, root@example.com: admin}
default_role: analyst
approvals: {production: {engineer: 1, business: 1}}
";
const REVENUE: &str = "\
model: revenue
description: Revenue by country.
from: orders
group_by: country
definitions: revenue = SUM(amount)
columns:
  country: {data_tests: [not_null]}
";

/// Creates a project with roles, in a repository.
pub fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", PROJECT)
        .write("metrics/revenue.yml", REVENUE);
    project.write(".gitignore", "formulac.local.yml\n.formulac/local/\ntarget/\n");
    begin(&project);
    project
}

/// Returns the rows of the table: the command, the environment, and whether each role is allowed to run the command.
fn table() -> Vec<(Vec<String>, String, BTreeMap<String, bool>)> {
    let text = include_str!("fixtures/roles.tsv");
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let roles: Vec<&str> = lines.next().unwrap().split('\t').skip(2).collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!(cells.len(), roles.len() + 2, "{line}");
        let may = roles.iter().zip(&cells[2..]).map(|(role, cell)| {
            assert!(["yes", "no"].contains(cell), "{line}");
            ((*role).to_owned(), *cell == "yes")
        });
        (
            cells[0].split(' ').map(str::to_owned).collect(),
            cells[1].to_owned(),
            may.collect(),
        )
    };
    lines.map(row).collect()
}

#[test]
fn each_role_may_run_the_commands_in_the_table() {
    let people = [
        ("business", "fay"),
        ("analyst", "ann"),
        ("engineer", "eve"),
        ("admin", "root"),
        ("none", "nobody"),
    ];
    let mut wrong = Vec::new();
    for (role, name) in people {
        let project = create_project(&format!("roles_{role}"));
        if role == "none" {
            edit(&project, "formulac.yml", "default_role: analyst\n", "");
            commit(&project, "no default");
        }
        switch_user(&project, "root");
        git(&project, &["switch", "--quiet", "-c", "work"]);
        edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) * 2");
        commit(&project, "twice");
        project.succeed(&["change", "propose", "Twice"]);
        switch_user(&project, name);
        let mut refused = 0;
        for (command, environment, may) in select_cases(table()) {
            let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
            if environment != "-" {
                args.extend(["--env", &environment]);
            }
            let run = project.run(&args);
            let expected = may[role];
            // The current branch is not the production branch, so even users who may push to production are rejected.
            let is_elsewhere = run.exit == 4 && run.err.contains("can be changed only on its branch");
            if (run.exit != 4 || is_elsewhere) != expected {
                wrong.push(format!("{role}: {args:?} ended with {}: {}", run.exit, run.err));
            }
            refused += usize::from(run.exit == 4);
        }
        let logged = project.run(&["log", "--json"]).json();
        let of = logged["entries"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["did"] == "refused");
        assert!(of.clone().all(|it| it["number"].is_null()), "{logged}");
        let by: Vec<&str> = of.map(|it| it["by"].as_str().unwrap()).collect();
        assert!(
            by.len() == refused && by.iter().all(|by| by.contains(name)),
            "{role}: {refused} refused, {logged}"
        );
        assert_eq!(logged["faults"].as_array().unwrap().len(), 0);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_lists_every_command() {
    let project = TestProject::new("roles_commands");
    let help = project.run(&["--help"]).out;
    let commands = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let named = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let known: Vec<String> = table().into_iter().map(|(command, _, _)| command[0].clone()).collect();
    for command in named.filter(|name| !name.is_empty() && *name != "help") {
        assert!(
            known.iter().any(|known| known == command),
            "{command} is not in tests/cli/fixtures/roles.tsv"
        );
    }
}

#[test]
fn a_rejection_names_the_required_role_and_is_logged() {
    let mut project = create_project("roles_refused");
    project
        .show(&["push", "--env", "production", "--yes"])
        .show(&["log"])
        .show(&["rollback", "1", "--env", "production"]);
    // A commit on the production branch changes production, regardless of the current environment.
    project.show(&["push", "--yes"]);
    git(&project, &["switch", "--quiet", "-c", "work"]);
    switch_user(&project, "fay");
    project.show(&["push", "--yes"]).show(&["generate"]);
    // Other users are not blocked if the log entry of a rejected call is missing, because no later entry refers to it.
    switch_user(&project, "eve");
    project.run(&["push", "--yes"]);
    project.show(&["log"]);
    snapshot(&project, "roles__refused");
}

/// A rejection does not change the output of `git status`, whether or not the project ignores the folder. Every branch
/// contains all entries that its log needs.
#[test]
fn a_rejection_does_not_change_git_status() {
    let project = TestProject::new("roles_untracked");
    project
        .write("formulac.yml", PROJECT)
        .write("metrics/revenue.yml", REVENUE);
    begin(&project);
    git(&project, &["switch", "--quiet", "-c", "work"]);
    project.succeed(&["push", "--yes", "--quiet"]);
    switch_user(&project, "fay");
    for args in [["push", "--yes"].as_slice(), &["generate"], &["release", "--yes"]] {
        assert_eq!(project.run(args).exit, 4, "{args:?}");
    }
    assert_eq!(git(&project, &["status", "--porcelain", "--untracked-files=all"]), "");
    for branch in ["work", "main"] {
        git(&project, &["switch", "--quiet", branch]);
        let run = project.run(&["log", "--json"]);
        let refused = run.json()["entries"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["did"] == "refused")
            .count();
        assert_eq!((run.exit, refused), (0, 3), "{branch}: {}", run.out);
    }
}

#[test]
fn identity_of_the_user() {
    let project = create_project("roles_who");
    let as_user = |user: &str| {
        let mut command = project.command(&["push", "--env", "production", "--yes", "--quiet"]);
        command.env("FORMULAC_USER", user);
        crate::run::finish(command).exit
    };
    // The name of a group is not the name of a user.
    for (user, exit) in [("data-team", 4), ("nobody@example.com", 4), ("fay@example.com", 4)] {
        assert_eq!(as_user(user), exit, "{user}");
    }
    assert_ne!(as_user("EVE@example.com"), 4);
    // If the project has no roles, every user is an engineer.
    let free = project_without_roles();
    free.succeed(&["push", "--yes", "--quiet"]);
}

fn project_without_roles() -> TestProject {
    let project = TestProject::new("roles_free");
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write("metrics/revenue.yml", REVENUE);
    begin(&project);
    project
}

/// Without roles, every user is an engineer, so nobody can run proofs in a protected environment.
#[test]
fn proofs_in_a_protected_environment_need_an_admin_even_without_roles() {
    let project = create_project("roles_none");
    let without: String = PROJECT
        .lines()
        .filter(|line| {
            !["groups:", "roles:", "default_role:", "approvals:"]
                .iter()
                .any(|key| line.starts_with(key))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    project.write("formulac.yml", &without);
    for args in [&["--yes"][..], &["--dry-run"]] {
        let run = project.run(&[&["prove", "--env", "production"], args].concat());
        assert_eq!(run.exit, 4, "{}", run.err);
        assert!(
            run.err.contains("has the role engineer")
                && run.err.contains("add `roles: {ADDRESS: admin}` to formulac.yml"),
            "{}",
            run.err
        );
    }
    // Other environments and other commands do not need an admin. There is no dbt project here.
    assert_eq!(project.run(&["prove", "--env", "development", "--yes"]).exit, 2);
    project.succeed(&["generate", "--env", "production"]);
    project.write("formulac.yml", format!("{without}roles: {{ann@example.com: admin}}\n"));
    assert_eq!(project.run(&["prove", "--env", "production", "--yes"]).exit, 2);
}

/// A tag never decides which rules apply, even if the tag has the name of the branch to merge into.
#[test]
fn tags_do_not_replace_the_target_branch() {
    let project = create_project("roles_tags");
    git(&project, &["update-ref", "refs/remotes/origin/main", "main"]);
    git(&project, &["switch", "--quiet", "-c", "work"]);
    edit(&project, "formulac.yml", "default_role: analyst", "default_role: admin");
    commit(&project, "more rights");
    let authorize = |base: &str| project.run(&["authorize", "--base", base]).exit;
    for base in ["origin/main", "main", "refs/remotes/origin/main", "refs/heads/main"] {
        assert_eq!(authorize(base), 4, "{base}");
    }
    for base in ["origin/main", "main"] {
        git(&project, &["tag", base]);
        for suffix in ["", "~0"] {
            let run = project.run(&["authorize", "--base", &format!("{base}{suffix}")]);
            assert_eq!(run.exit, 2, "{base}{suffix}: {}", run.out);
            assert!(
                run.err.contains(&format!("`{base}` is the name of a tag")),
                "{}",
                run.err
            );
        }
    }
    for base in ["refs/remotes/origin/main", "refs/heads/main"] {
        assert_eq!(authorize(base), 4, "{base}");
    }
    // If the branch is missing, git looks for a tag with the branch's complete name.
    git(&project, &["tag", "refs/remotes/origin/gone"]);
    for base in ["origin/gone", "refs/remotes/origin/gone", "gone"] {
        assert_eq!(authorize(base), 2, "{base}");
    }
    let run = project.run(&["env", "diff", "production"]);
    assert_eq!(run.exit, 2, "{}", run.out);
    // The tag does not change the name of the current branch.
    git(&project, &["switch", "--quiet", "main"]);
    switch_user(&project, "root");
    let run = project.run(&["push", "--env", "production", "--yes"]);
    assert_ne!(run.exit, 4, "{}{}", run.out, run.err);
}
