//! The project file, and the global options that look at it.

use crate::run::Place;

#[test]
fn the_dialect_is_the_projects() {
    let place = Place::new("project");
    place.write("formulac.yml", "specs: metrics/\ndialect: bigquery\n").write("metrics/deep/x", "");
    let dialect = |args: &[&str], folder: &str| {
        let mut command = place.command(args);
        command.current_dir(place.path(folder));
        crate::run::finish(command).json()["dialect"].as_str().unwrap_or_default().to_owned()
    };
    let call = ["compile", "x", "--json"];
    assert_eq!(dialect(&call, "."), "bigquery");
    assert_eq!(dialect(&call, "metrics/deep"), "bigquery");
    assert_eq!(dialect(&["compile", "x", "--json", "--dialect", "duckdb"], "."), "duckdb");
    assert_eq!(dialect(&["--project-dir", "metrics", "compile", "x", "--json"], "."), "postgres");
    assert_eq!(dialect(&["compile", "x", "--json", "--project-dir", "../.."], "metrics/deep"), "bigquery");
}

#[test]
fn a_faulty_project_file_is_said() {
    let place = Place::new("faulty_project");
    let err = |text: &[u8]| {
        place.write("formulac.yml", text);
        let run = place.run(&["compile", "x"]);
        (run.exit, run.err)
    };
    let (exit, text) = err(b"specs: m\ndialect: mysql\n");
    assert_eq!(exit, 1);
    assert!(
        text.contains(
            "formulac.yml:2: there is no dialect `mysql`; there are bigquery, snowflake, postgres and duckdb"
        ),
        "{text}"
    );
    let (exit, text) = err(b"a: [\n");
    assert!(exit == 1 && text.contains("not valid YAML"), "{text}");
    let (exit, text) = err(b"a: \xFF\n");
    assert!(exit == 1 && text.contains("F0104"), "{text}");
    assert_eq!(err(b"").0, 0);
    // Nobody looks into it who says the dialect.
    place.write("formulac.yml", "a: [\n");
    assert_eq!(place.run(&["compile", "x", "--dialect", "duckdb"]).exit, 0);
    assert_eq!(place.run(&["compile", "x", "--project-dir", "nowhere"]).exit, 5);
}

#[test]
fn options_that_say_nothing_yet_are_taken() {
    let place = Place::new("global_options");
    let run = place.run(&["compile", "SUM(x)", "--no-input", "--env", "production", "--quiet", "--color", "never"]);
    assert_eq!((run.exit, run.out.as_str(), run.err.as_str()), (0, "coalesce(sum(x), 0)\n", ""));
}
