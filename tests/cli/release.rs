//! `formulac release`, and `rollback` to one.

use crate::repository::{be, commit, edit, git, snapshot};
use crate::roles::place;
use crate::run::Place;

/// What was merged by the rules: specs approved, models pushed.
fn merged(name: &str) -> Place {
    let place = place(name);
    git(&place, &["switch", "--quiet", "-c", "after-tax"]);
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    commit(&place, "after tax");
    assert_eq!(place.run(&["change", "propose", "Revenue after tax"]).exit, 0);
    for name in ["fay", "dan"] {
        be(&place, name);
        assert_eq!(place.run(&["change", "approve", "rev"]).exit, 0);
    }
    be(&place, "eve");
    assert_eq!(place.run(&["push", "--yes", "--quiet"]).exit, 0);
    merge(&place, "after-tax");
    place
}

fn merge(place: &Place, branch: &str) {
    git(place, &["switch", "--quiet", "main"]);
    git(place, &["merge", "--quiet", "--no-ff", "--message", &format!("Merge {branch}"), branch]);
}

#[test]
fn what_is_in_step_tested_and_approved_gets_a_name() {
    let mut place = merged("release");
    place
        .show(&["release", "--dry-run"])
        .show(&["release"])
        .show(&["release", "--yes", "--message", "Revenue is after tax now."])
        .show(&["release", "--yes"])
        .show(&["release", "7"])
        .show(&["release", "--env", "development", "--yes", "--json"]);
    snapshot(&place, "release__made");
    assert_eq!(git(&place, &["tag"]), "v1\n");
    assert!(git(&place, &["tag", "--list", "--format=%(contents)"]).contains("Formulac-Release: production"));
    // The next one says what came since.
    git(&place, &["switch", "--quiet", "-c", "more"]);
    be(&place, "ann");
    edit(&place, "metrics/revenue.yml", "SUM(tax)", "SUM(vat)");
    commit(&place, "vat");
    for (name, args) in [
        ("ann", ["change", "propose", "Value added tax"]),
        ("fay", ["change", "approve", "value"]),
        ("eve", ["change", "approve", "value"]),
    ] {
        be(&place, name);
        assert_eq!(place.run(&args).exit, 0);
    }
    assert_eq!(place.run(&["push", "--yes", "--quiet"]).exit, 0);
    merge(&place, "more");
    be(&place, "dan");
    let told = place.run(&["release", "--yes", "--json"]).json();
    assert_eq!((told["version"].as_str(), told["after"].as_str()), (Some("v2"), Some("v1")), "{told}");
    let text = told["text"].as_str().unwrap();
    assert!(text.contains("update revenue") && !text.contains("create revenue"), "{text}");
    // Back to the first: a commit of its own on a branch, since production is protected.
    place.run(&["rollback", "v1", "--env", "production", "--yes"]);
    assert!(place.read("metrics/revenue.yml").contains("SUM(tax)"));
    assert!(place.read("models/formulac/revenue.sql").contains("sum(tax)"));
    assert!(git(&place, &["branch", "--show-current"]).starts_with("formulac/production-"));
    assert_eq!(git(&place, &["status", "--porcelain"]), "");
}

#[test]
fn all_that_stands_against_it_is_told_at_once() {
    let mut place = merged("release_refused");
    be(&place, "eve");
    // Straight to the branch, by nobody approved, and not generated anew.
    edit(&place, "metrics/revenue.yml", "SUM(tax)", "SUM(fee)");
    place.show(&["release", "--yes"]);
    commit(&place, "quick fix");
    place.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    commit(&place, "dbt");
    place.show(&["release", "--yes"]).show(&["rollback", "v9", "--yes"]);
    snapshot(&place, "release__refused");
    assert_eq!(git(&place, &["tag"]), "");
}
