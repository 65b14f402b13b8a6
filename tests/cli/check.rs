//! Tests `formulac check`.

use insta::assert_snapshot;

use crate::run::Place;

const SPEC: &str = "model: m\nfrom: t\ngroupby: g\ndefinitions: a = SUMM(x)\n";

#[test]
fn check_prints_diagnostics_to_standard_output() {
    let mut place = Place::new("check");
    place
        .write("good.fx", "a = SUM(x)\n")
        .write("warn.fx", "a = COUNT(x = 1)\n")
        .write("bad.fx", "a = SUMM(x)\n");
    place
        .write("spec.yml", SPEC)
        .write("spec.yaml", SPEC.replace("groupby", "group_by").replace("SUMM", "SUM"));
    place
        .show(&["check", "good.fx"])
        .show(&["check", "warn.fx"])
        .show(&["check", "good.fx", "warn.fx", "bad.fx", "spec.yml", "spec.yaml"])
        .show(&["check", "good.fx", "spec.yaml", "--quiet"])
        .show_with(&["check", "-"], "a = SUMM(x)\n")
        .show_with(&["check", "-"], SPEC);
    assert_snapshot!(place.transcript());
}

#[test]
fn fix_applies_safe_fixes() {
    let mut place = Place::new("fix");
    place
        .write("a.fx", "a = COUNTIF(status = “open”)\nb = SUM(x\nc = SUMM(x)\n")
        .write("same.fx", "a = 1\n");
    place.write(
        "spec.yml",
        "model: m\nfrom: t\ndefinitions: |\n  a = COUNTIF(status != “open”)\n",
    );
    place.show(&["check", "--fix", "a.fx", "same.fx", "spec.yml"]);
    let after = format!(
        "{}\n----\n{}\n----\n{}",
        place.transcript(),
        place.read("a.fx"),
        place.read("spec.yml")
    );
    assert_snapshot!(after);
    assert_eq!(place.read("same.fx"), "a = 1\n");
    assert_eq!(place.files("."), ["a.fx", "same.fx", "spec.yml"]);
}

/// A name in a formula, key or list of columns is fixed if it is similar to exactly one known name.
#[test]
fn fix_inserts_the_only_similar_name() {
    let place = Place::new("fix_near");
    place.write(
        "schema.yml",
        "relations: {t: {columns: {country: text, amount: float, price_a: float, price_b: float}}}\n",
    );
    let spec = "model: m\nfrom: t\ngroup_by: contry\ndefintions: |\n  a = SUM(amuont)\n";
    place.write("spec.yml", spec);
    assert_eq!(
        place
            .run(&["check", "--fix", "--schema", "schema.yml", "spec.yml"])
            .exit,
        0
    );
    assert_eq!(
        place.read("spec.yml"),
        "model: m\nfrom: t\ngroup_by: country\ndefinitions: |\n  a = SUM(amount)\n"
    );
    // If two known names are similar, no fix is made.
    place.write(
        "two.yml",
        spec.replace("contry", "country").replace("amuont", "price_c"),
    );
    assert_eq!(
        place.run(&["check", "--fix", "--schema", "schema.yml", "two.yml"]).exit,
        1
    );
    assert!(
        place.read("two.yml").contains("SUM(price_c)"),
        "{}",
        place.read("two.yml")
    );
}

/// A fix is not applied if it would make the surrounding YAML invalid.
#[test]
fn fix_skips_errors_without_a_safe_fix() {
    let place = Place::new("fix_in_quotes");
    let text = "model: m\nfrom: t\ndefinitions: {a: \"COUNTIF(status = “open”)\"}\n";
    place.write("spec.yml", text);
    let run = place.run(&["check", "--fix", "spec.yml"]);
    let after = place.read("spec.yml");
    let again = place.run(&["check", "spec.yml"]);
    assert_eq!(run.exit, again.exit);
    assert!(after == text || again.exit == 0, "{after}");
    // The characters of a fix are escaped for the style of the YAML scalar. A fix that would require different quotes
    // is not made.
    for (before, fixed) in [
        ("\"status != 'open'\"", "\"status <> \\\"open\\\"\""),
        ("'note = “it''''s”'", "'note = \"it''''s\"'"),
        ("'note != ''open'''", "'note <> \"open\"'"),
        ("“open” = status", "“open” = status"),
        ("status = “open”", "status = \"open\""),
        ("status = “a: b”", "status = “a: b”"),
    ] {
        let spec = |filter: &str| format!("model: x\nfrom: t\nwhere: {filter}\ngroup_by: region\n");
        place.write("spec.yml", spec(before));
        place.run(&["check", "--fix", "spec.yml"]);
        assert_eq!(place.read("spec.yml"), spec(fixed));
    }
}

#[test]
fn either_all_fixes_are_applied_or_none() {
    let place = Place::new("fix_none");
    place.write("a.fx", "a = COUNTIF(status = “open”)\n");
    assert_eq!(place.run(&["check", "--fix", "a.fx", "missing.fx"]).exit, 5);
    assert_eq!(place.read("a.fx"), "a = COUNTIF(status = “open”)\n");
}

/// Other files in a project are checked according to their kinds.
#[test]
fn project_and_schema_files_are_checked_too() {
    let place = Place::new("check_other_files");
    place.write("there/formulac.yml", "dialekt: duckdb\n");
    place.write("schema.yml", "relations: {orders: {columns: {id: nubmer}}}\n");
    let run = place.run(&[
        "check",
        "there/formulac.yml",
        "schema.yml",
        "--output-format",
        "concise",
    ]);
    assert_eq!(run.exit, 1);
    let codes: Vec<&str> = run.out.lines().filter_map(|l| l.split(['[', ']']).nth(1)).collect();
    assert_eq!(codes, ["F0802", "F0821"], "{}", run.out);
}
