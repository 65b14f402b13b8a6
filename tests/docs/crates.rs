//! Tests the dependencies between the crates of the workspace. `bindings/python/tests/test_release.py` builds the
//! crates in the form in which they are published.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Each crate, without the prefix `formulac-`, and the workspace crates that it uses. A crate may use only crates that
/// are listed before it. The empty name represents `formulac` itself.
const LAYERS: &[(&str, &str)] = &[
    // Input: spans, diagnostics, tokens, syntax trees and YAML.
    ("syntax", ""),
    // Parser.
    ("grammar", "syntax"),
    // Functions and dialects as tables.
    ("catalog", ""),
    // Compiler of formulas to SQL expressions.
    ("core", "syntax grammar catalog"),
    // Threads and binary caches.
    ("runtime", ""),
    // dbt's artifacts and generated files.
    ("dbt", "syntax catalog core runtime"),
    // Edits YAML files in place.
    ("yaml-edit", "syntax"),
    // Column lineage of SQL.
    ("lineage", "catalog runtime"),
    // Interpreter that does not depend on the compiler, so its results can be used to verify the SQL.
    ("interpret", "syntax grammar catalog"),
    // Compiles specs to queries and dbt models.
    ("model", "syntax grammar catalog core dbt interpret runtime"),
    // Drafts of unit tests.
    ("draft", "syntax catalog core interpret model"),
    // Converts edited SQL back to formulas.
    ("decompile", "syntax grammar catalog core dbt model runtime"),
    // Omni models from dbt's artifacts, and specs from Omni's fields.
    (
        "omni",
        "syntax grammar catalog core dbt decompile lineage model runtime yaml-edit",
    ),
    // Plans, pushes, approvals and the state of a project.
    ("sync", "syntax catalog core dbt decompile model omni runtime yaml-edit"),
    // Impact of a change.
    ("impact", "syntax catalog core dbt lineage model runtime"),
    // Facade of the library, and the command.
    (
        "",
        "syntax grammar catalog core dbt decompile draft impact interpret lineage model omni sync yaml-edit",
    ),
    // Python module, which uses the facade.
    ("python", "facade"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the packages in the workspace. With `--all-features` instead of `--no-deps`, also returns their
/// dependencies.
fn packages(scope: &str) -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["metadata", scope, "--format-version", "1"])
        .current_dir(root());
    let ran = cargo.output().expect("cargo starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let read: Value = serde_json::from_slice(&ran.stdout).expect("cargo writes JSON");
    read["packages"].as_array().expect("there are packages").clone()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn full_name(short: &str) -> String {
    match short {
        "" | "facade" => "formulac".to_owned(),
        _ => format!("formulac-{short}"),
    }
}

#[test]
fn crates_depend_only_on_lower_layers() {
    let packages = packages("--no-deps");
    assert_eq!(packages.len(), LAYERS.len(), "each crate has its line in LAYERS");
    let mut below = BTreeSet::new();
    for (short, uses) in LAYERS {
        let name = full_name(short);
        let allowed: BTreeSet<String> = uses.split_whitespace().map(full_name).collect();
        assert!(
            allowed.is_subset(&below),
            "{name} may use only crates that are listed before it"
        );
        let package = packages.iter().find(|package| text(package, "name") == name);
        let package = package.unwrap_or_else(|| panic!("there is no crate {name}"));
        let dependencies = package["dependencies"].as_array().expect("a list").iter();
        let used: BTreeSet<String> = dependencies.map(|it| text(it, "name").to_owned()).collect();
        let used: BTreeSet<String> = used.into_iter().filter(|used| used.starts_with("formulac")).collect();
        assert_eq!(used, allowed, "the crates that {name} uses");
        below.insert(name);
    }
}

/// Each crate has an introduction. All its files are in its folder, so that it can be published.
#[test]
fn crates_have_an_introduction_and_contain_their_files() {
    for package in packages("--no-deps") {
        let name = text(&package, "name");
        if package["publish"].is_array() {
            continue;
        }
        assert!(!text(&package, "description").is_empty(), "{name} has no description");
        let folder = Path::new(text(&package, "manifest_path")).parent().expect("a folder");
        let targets = package["targets"].as_array().expect("a list");
        for target in targets {
            assert!(
                Path::new(text(target, "src_path")).starts_with(folder),
                "{name}: {}",
                text(target, "src_path")
            );
        }
        let library = targets
            .iter()
            .find(|target| target["kind"][0] == "lib")
            .expect("a library");
        let source = std::fs::read_to_string(text(library, "src_path")).expect("it is there");
        let intro = source.lines().take_while(|line| line.starts_with("//!")).count();
        assert!(intro >= 15, "the introduction of {name} has {intro} lines");
    }
}

/// Every dependency has a license that `deny.toml` allows, and comes from the registry.
#[test]
fn dependencies_have_allowed_licences() {
    let rules = std::fs::read_to_string(root().join("deny.toml")).expect("it exists");
    let (_, rest) = rules.split_once("allow = [").expect("a list of licences");
    let (list, _) = rest.split_once(']').expect("the end of the list");
    let allowed: BTreeSet<&str> = list.split(',').map(|name| name.trim().trim_matches('"')).collect();
    // `A OR B` requires one of the two licenses, `A AND B` requires both, and `A/B` is the old form of `A OR B`.
    let is_allowed = |expression: &str| {
        let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
        expression
            .split(" AND ")
            .all(|one| one.split(" OR ").any(|name| allowed.contains(name.trim())))
    };
    for package in packages("--all-features") {
        let name = text(&package, "name");
        let licence = text(&package, "license");
        assert!(
            is_allowed(licence),
            "`{name}` has the licence `{licence}`, which deny.toml does not allow"
        );
        let is_from_registry = text(&package, "source").starts_with("registry+");
        assert!(
            is_from_registry || name.starts_with("formulac"),
            "`{name}` does not come from the registry"
        );
    }
}

/// Appends the contents of the Rust files and grammars in a folder to `sources`, without the crates in its subfolders.
fn add_sources(folder: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let is_skipped = path.ends_with("target") || path.join("Cargo.toml").exists();
        if path.is_dir() && !is_skipped {
            add_sources(&path, sources);
        } else if path.extension().is_some_and(|it| it == "rs" || it == "lalrpop") {
            sources.push_str(&std::fs::read_to_string(&path).expect("UTF-8"));
        }
    }
}

/// Each crate uses its dependencies, which means that their names occur in its source files.
#[test]
fn dependencies_are_used() {
    for package in packages("--no-deps") {
        let name = text(&package, "name");
        let folder = Path::new(text(&package, "manifest_path")).parent().expect("a folder");
        let mut sources = String::new();
        add_sources(folder, &mut sources);
        for dependency in package["dependencies"].as_array().expect("a list") {
            let used_as = dependency["rename"].as_str().unwrap_or(text(dependency, "name"));
            assert!(
                sources.contains(&used_as.replace('-', "_")),
                "{name} does not use its dependency `{used_as}`"
            );
        }
    }
}
