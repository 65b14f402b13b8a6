//! Runs the programs in `examples/` and compares their output with snapshots.

use std::path::Path;
use std::process::Command;

#[test]
fn examples_print_what_their_snapshots_show() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> = std::fs::read_dir(root.join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for name in names {
        // Use this test's profile and features, so that nothing is compiled twice.
        let mut command = Command::new(env!("CARGO"));
        command.args([
            "run",
            "--quiet",
            "--profile",
            "test",
            "--all-features",
            "--example",
            &name,
        ]);
        if name == "list_functions" {
            command.args(["--", "SUMIF"]);
        }
        let output = command.current_dir(root).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
        assert_eq!(errors, "", "{name}");
        settings.bind(|| insta::assert_snapshot!(format!("example_{name}"), String::from_utf8(output.stdout).unwrap()));
    }
}
