//! Tests the settings that formulac reads in the files of a dbt project: `dbt_project.yml`, and the properties of
//! models and sources.

use crate::run::TestProject;

const SPEC: &str = "\
model: sales
from: orders
group_by: country
definitions: revenue = SUM(amount)
data_tests: [{unique: {column_name: country}}]
";
const KNOWN: &str = "relations: {orders: {columns: {country: text, amount: decimal}}}\n";

/// Returns the properties of the model in a project with these lines in `dbt_project.yml`.
fn generated_properties(name: &str, settings: &str, known: &str) -> String {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write("dbt_project.yml", format!("name: shop\nprofile: shop\n{settings}"))
        .write(".formulac/state/known.yml", known)
        .write("metrics/sales.yml", SPEC);
    project.succeed(&["generate"]);
    project.read("models/formulac/sales.yml")
}

#[test]
fn a_flag_turns_off_the_arguments_of_tests() {
    let with_version = |version: &str| format!("dbt: {{dialect: duckdb, version: \"{version}\"}}\n{KNOWN}");
    for (number, (flag, expected)) in [("true", 1), ("false", 0)].into_iter().enumerate() {
        let settings = format!("flags: {{require_generic_test_arguments_property: {flag}}}\n");
        for (known, from) in [(KNOWN.to_owned(), "none"), (with_version("1.12.6"), "known")] {
            let yml = generated_properties(&format!("test_arguments_{number}_{from}"), &settings, &known);
            assert_eq!(yml.matches("arguments:").count(), expected, "{yml}");
        }
    }
}

/// Without a manifest, `require-dbt-version` shows which form of tests dbt reads. The version in `known.yml` takes
/// precedence.
#[test]
fn the_required_version_of_dbt_decides_the_form_of_tests() {
    let known = format!("dbt: {{dialect: duckdb, version: \"1.12.6\"}}\n{KNOWN}");
    for (number, (required, known, expected)) in [
        ("1.1.0", KNOWN, 0),
        ("'>=1.5.0,<1.9.0'", KNOWN, 0),
        ("['>=1.5.0', '<1.10.0']", KNOWN, 0),
        ("['>=1.5.0', '<2.0.0']", KNOWN, 1),
        ("'>=1.5.0,<1.9.0'", known.as_str(), 1),
    ]
    .into_iter()
    .enumerate()
    {
        let settings = format!("require-dbt-version: {required}\n");
        let yml = generated_properties(&format!("required_version_{number}"), &settings, known);
        assert_eq!(yml.matches("arguments:").count(), expected, "{required}\n{yml}");
    }
}

/// dbt also accepts a name whose quotes are part of the YAML value.
#[test]
fn column_names_may_have_quotes_inside() {
    let project = TestProject::new("quotes_inside_names");
    let node = r#""source.shop.raw.parts": {"resource_type": "source", "name": "parts", "source_name": "raw", "package_name": "shop", "columns": {"\"Manufacturer SKU\"": {"name": "\"Manufacturer SKU\"", "quote": true, "data_type": "text"}}}"#;
    let metadata = r#""metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop", "adapter_type": "duckdb"}"#;
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write(
            "target/manifest.json",
            format!("{{{metadata}, \"nodes\": {{}}, \"sources\": {{{node}}}}}"),
        )
        .write(
            "metrics/skus.yml",
            "model: skus\nfrom: source('raw', 'parts')\ndefinitions: skus = COUNT(DISTINCT(${Manufacturer SKU}))\n",
        );
    project.succeed(&["generate"]);
    let sql = project.read("models/formulac/skus.sql");
    assert!(sql.contains("count(distinct \"Manufacturer SKU\")"), "{sql}");
}

/// dbt rejects a name that is an entity in one semantic model and a dimension in another.
#[test]
fn names_in_semantic_models_keep_the_types_that_the_project_declares() {
    let project = TestProject::new("semantic_elements_of_project");
    let metadata = r#""metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop", "adapter_type": "duckdb"}"#;
    let manifest = |elements: &str| {
        let node = format!(
            r#""semantic_model.shop.lines": {{"resource_type": "semantic_model", "name": "lines", "package_name": "shop", "path": "lines.yml", "original_file_path": "models/lines.yml", "model": "ref('lines')", {elements}}}"#
        );
        format!("{{{metadata}, \"nodes\": {{}}, \"sources\": {{}}, \"semantic_models\": {{{node}}}}}")
    };
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("models/lines.yml", "semantic_models: []\n")
        .write(".formulac/state/known.yml", KNOWN)
        .write("metrics/sales.yml", format!("{SPEC}semantic_model: legacy\n"));
    for (elements, other) in [
        (
            r#""dimensions": [{"name": "country", "type": "categorical"}]"#,
            "a categorical dimension",
        ),
        (r#""measures": [{"name": "country", "agg": "sum"}]"#, "a measure"),
    ] {
        project.write("target/manifest.json", manifest(elements));
        let run = project.run(&["check", "--output-format", "concise"]);
        let message = format!(
            "`country` is an entity of the semantic model of `sales`, but {other} of dbt's semantic model `lines`"
        );
        assert!(
            run.exit == 1 && format!("{}{}", run.out, run.err).contains(&message),
            "{}{}",
            run.out,
            run.err
        );
    }
    project.write(
        "target/manifest.json",
        manifest(r#""entities": [{"name": "country", "type": "foreign"}]"#),
    );
    project.succeed(&["check"]);
}
