//! The crates of the workspace: what each may use. `bindings/python/tests/test_release.py` builds them as published.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Each crate with those of the workspace that it may use, which stand before it: arrows go one way.
const LAYERS: &[(&str, &[&str])] = &[
    // What is read: places, diagnostics, tokens, trees, YAML.
    ("formulac-syntax", &[]),
    // Tokens to trees.
    ("formulac-grammar", &["formulac-syntax"]),
    // Functions and dialects as tables.
    ("formulac-catalog", &[]),
    // Formulas to SQL: the compiler alone.
    ("formulac-core", &["formulac-syntax", "formulac-grammar", "formulac-catalog"]),
    // The facade, models, and the command.
    ("formulac", &["formulac-syntax", "formulac-grammar", "formulac-catalog", "formulac-core"]),
    // The Python module.
    ("formulac-python", &["formulac"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root());
    let ran = cargo.output().expect("cargo starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let read: Value = serde_json::from_slice(&ran.stdout).expect("cargo writes JSON");
    read["packages"].as_array().expect("there are packages").clone()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn arrows_go_one_way() {
    let packages = packages();
    assert_eq!(packages.len(), LAYERS.len(), "each crate has its line in LAYERS");
    for (place, (name, may_use)) in LAYERS.iter().enumerate() {
        let is_below = |used: &&str| LAYERS[..place].iter().any(|(below, _)| below == used);
        assert!(may_use.iter().all(is_below), "{name} may use crates below it only");
        let package = packages.iter().find(|package| text(package, "name") == *name);
        let package = package.unwrap_or_else(|| panic!("there is no crate {name}"));
        let mut used: Vec<&str> =
            package["dependencies"].as_array().expect("a list").iter().map(|it| text(it, "name")).collect();
        used.retain(|used| used.starts_with("formulac"));
        used.sort_unstable();
        let mut allowed = may_use.to_vec();
        allowed.sort_unstable();
        assert_eq!(used, allowed, "what {name} uses");
    }
}

/// A crate says of itself in a page what it does, and its files stand below its own folder, so that it can be published.
#[test]
fn crates_have_an_intro_and_hold_their_files() {
    for package in packages() {
        let name = text(&package, "name");
        if package["publish"].is_array() {
            continue;
        }
        assert!(!text(&package, "description").is_empty(), "{name} has no description");
        let folder = Path::new(text(&package, "manifest_path")).parent().expect("a folder");
        let targets = package["targets"].as_array().expect("a list");
        for target in targets {
            assert!(Path::new(text(target, "src_path")).starts_with(folder), "{name}: {}", text(target, "src_path"));
        }
        let library = targets.iter().find(|target| target["kind"][0] == "lib").expect("a library");
        let source = std::fs::read_to_string(text(library, "src_path")).expect("it is there");
        let intro = source.lines().take_while(|line| line.starts_with("//!")).count();
        assert!(intro >= 15, "{name} says of itself {intro} lines");
    }
}
