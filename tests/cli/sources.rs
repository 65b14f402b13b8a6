//! Tests input sources, and the reasons that formulac reports if it cannot read an input.

use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::json;

use crate::run::{TestProject, finish};

#[test]
fn unreadable_sources_are_reported() {
    let mut project = TestProject::new("unreadable");
    project
        .write("latin1.fx", b"a = \"caf\xE9\"\nb = 1")
        .write("utf16.fx", b"\xFF\xFEa\x00")
        .write("nul.fx", b"a = 1 \0 + 2")
        .write("bom.fx", b"\xEF\xBB\xBFa = 1")
        .write("crlf.fx", b"a = 1\r\nb = SUMM(x)\r\n")
        .write("empty.fx", b"")
        .write("spec.yml", b"model: [\n");
    for file in [
        "latin1.fx",
        "utf16.fx",
        "nul.fx",
        "bom.fx",
        "crlf.fx",
        "empty.fx",
        "missing.fx",
        ".",
        "empty.fx/x",
    ] {
        project.show(&["compile", "--file", file]);
    }
    for file in ["spec.yml", "empty.fx", "latin1.fx", "missing.yml", "."] {
        project.show(&["query", file]).show(&["model", file]);
    }
    project
        .show(&["check", "latin1.fx", "missing.fx"])
        .show(&["compile", "x", "--schema", "missing.yml"]);
    assert_snapshot!(project.transcript());
}

/// A missing file is reported like other diagnostics, and the other files are still checked.
#[test]
fn a_missing_file_is_a_diagnostic() {
    let project = TestProject::new("missing_file");
    project
        .write("a.fx", "a = SUMM(x)")
        .write("m.yml", "model: m\nfrom: t\ndefinitions: a = SUM(x)\n");
    let of = |args: &[&str]| {
        let run = project.run(args);
        let value = run.json();
        let codes: Vec<String> = value["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["code"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            value["diagnostics"][0]["span"],
            json!({"start": 0, "end": 0, "line": 1, "column": 1}),
            "{args:?}"
        );
        (run.exit, codes.join(" "))
    };
    let missing = || (5, "F0822".to_owned());
    assert_eq!(of(&["compile", "--file", "b.fx", "--json"]), missing());
    assert_eq!(of(&["compile", "x", "--schema", "b.yml", "--json"]), missing());
    assert_eq!(of(&["compile", "x", "--project-dir", "nowhere", "--json"]), missing());
    assert_eq!(of(&["query", "b.yml", "--json"]), missing());
    assert_eq!(of(&["model", "b.yml", "m.yml", "--out", "out", "--json"]), missing());
    assert_eq!(of(&["check", "b.yml", "a.fx", "--json"]), (5, "F0822 F0301".to_owned()));
    assert_eq!(project.files("."), ["a.fx", "m.yml"]);
    let run = project.run(&["check", "aa.fx", "--json"]);
    assert_eq!(run.json()["diagnostics"][0]["help"], "did you mean `a.fx`?");
}

#[test]
fn not_utf8_has_the_span_of_the_first_bad_byte() {
    let project = TestProject::new("not_utf8_span");
    let run = project.run_with(&["compile", "-", "--json"], b"a = \"\xC3\xA9\xE9\"");
    assert_eq!(run.exit, 1);
    let value = run.json();
    assert_eq!(value["diagnostics"][0]["code"], "F0104");
    assert_eq!(
        value["diagnostics"][0]["span"],
        json!({"start": 7, "end": 8, "line": 1, "column": 7})
    );
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let project = TestProject::new("not_utf8_argument");
    let mut command = project.command(&["compile", "--json"]);
    command.arg(std::ffi::OsStr::from_bytes(b"SUM(\xFF)"));
    let run = finish(command);
    assert_eq!(
        (run.exit, run.json()["diagnostics"][0]["code"].as_str()),
        (1, Some("F0104"))
    );
}

#[test]
fn a_source_past_the_limit_is_refused() {
    let project = TestProject::new("too_large");
    for args in [&["compile", "-", "--json"][..], &["query", "-", "--json"]] {
        let run = project.run_with(args, vec![b' '; (16 << 20) + 1]);
        assert_eq!(run.exit, 1);
        assert_eq!(run.json()["diagnostics"][0]["code"], "F0105");
    }
    // formulac stops reading an endless source.
    #[cfg(unix)]
    assert_eq!(project.run(&["compile", "--file", "/dev/zero"]).exit, 1);
}

/// If a program closes the pipe because it has read enough, formulac neither fails nor panics.
#[test]
fn a_closed_pipe_does_not_cause_a_panic() {
    let project = TestProject::new("closed_pipe");
    let mut command = project.command(&["functions", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported() {
    let project = TestProject::new("full_disk");
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = project.command(&["compile", "SUM(x)"]);
    let output = command.stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .starts_with("error: cannot write `<stdout>`")
    );
    // The exit status still reports the error if messages cannot be written.
    let mut command = project.command(&["compile", "SUMM(x)"]);
    assert_eq!(command.stderr(full()).status().unwrap().code(), Some(1));
}

#[test]
fn standard_input_may_be_closed() {
    let project = TestProject::new("closed_stdin");
    let run = project.run(&["compile", "-"]);
    assert_eq!((run.exit, run.out.as_str()), (1, ""));
    assert!(run.err.contains("F0201"));
}

/// Reading always ends, even if a source is a link to a device.
#[cfg(unix)]
#[test]
fn reading_a_device_terminates() {
    let run = TestProject::new("endless").run(&["compile", "x", "--schema", "/dev/zero", "--json"]);
    assert_eq!(run.json()["diagnostics"][0]["code"], "F0105");
    let mut folders = vec![std::path::PathBuf::from("src/cli")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let endless = ["fs::read(", "fs::read_to_string("]
                .iter()
                .any(|call| code.contains(call));
            assert!(
                !endless,
                "{}: `source::read_bytes` and `source::read_text` have a limit",
                path.display()
            );
        }
    }
}
