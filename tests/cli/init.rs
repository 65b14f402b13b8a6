//! Tests `formulac init`.

use insta::assert_snapshot;

use crate::repository::{commit, git, switch_user};
use crate::run::{TestProject, finish, without_unverified_dialects};

const PROFILES: &str = "\
shop:
  target: \"{{ env_var('FORMULAC_TEST_TARGET', 'dev') }}\"
  outputs:
    production: {type: postgres, host: h, password: not-to-be-shown}
    dev: {type: duckdb, path: x.duckdb}
    \"on\": {type: duckdb}
";
const ORDERS: &str = "\
version: 2
models:
  - name: orders
    columns:
      - {name: order_id, data_type: bigint}
      - {name: ordered_on, data_type: date}
      - {name: amount, data_type: \"decimal(12, 2)\"}
  - name: customers
    columns: [{name: name}]
";

/// Creates a dbt project. Profiles are looked up only in the project.
pub fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project.write(
        "shop/dbt_project.yml",
        "name: shop\nprofile: shop\nmodel-paths: [dbt_models]\n",
    );
    project
        .write("shop/profiles.yml", PROFILES)
        .write("shop/dbt_models/orders.yml", ORDERS);
    project
        .write("shop/dbt_models/marts/orders.sql", "select 1")
        .write("shop/dbt_models/customers.sql", "select 1");
    project
}

pub fn run(project: &TestProject, folder: &str, args: &[&str]) -> crate::run::Run {
    let mut command = project.command(args);
    command
        .current_dir(project.path(folder))
        .env("HOME", project.path("."))
        .env("GIT_CEILING_DIRECTORIES", env!("CARGO_TARGET_TMPDIR"))
        .env_remove("DBT_PROFILES_DIR");
    finish(command)
}

#[test]
fn init_writes_the_project_files() {
    let project = create_project("init");
    let dry = run(&project, "shop/dbt_models", &["init", "--dry-run"]);
    assert_eq!((dry.exit, dry.err.as_str()), (0, "no file is written\n"));
    assert_snapshot!(without_unverified_dialects(&dry.out));
    assert_eq!(project.files("shop"), ["dbt_models", "dbt_project.yml", "profiles.yml"]);

    let json = run(&project, "shop", &["init", "--dry-run", "--json"]);
    crate::json_output::check(&["init", "--json"], &json.out);
    let (report, paths) = (
        json.json(),
        ["formulac.yml", "metrics/orders_by_month.yml", ".gitignore"],
    );
    assert_eq!(
        report["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| &file["path"])
            .collect::<Vec<_>>(),
        paths
    );
    assert_eq!(report["written"], false);
    assert_eq!(project.files("shop"), ["dbt_models", "dbt_project.yml", "profiles.yml"]);

    let done = run(&project, "shop", &["init"]);
    assert_eq!((done.exit, done.out.as_str()), (0, ""));
    let next = "next:\n  dbt docs generate    # so that formulac knows all columns and their types\n  edit metrics/orders_by_month.yml\n  formulac check\n  formulac preview metrics/orders_by_month.yml\n  formulac generate\n  dbt build\n";
    assert_eq!(
        done.err,
        format!("wrote formulac.yml\nwrote metrics/orders_by_month.yml\nwrote .gitignore\n{next}")
    );
    let again = run(&project, "shop", &["init", "--json"]);
    assert_eq!((again.exit, &again.json()["written"]), (0, &false.into()));
    let checked = run(&project, "shop", &["check"]);
    assert_eq!(
        (checked.exit, checked.err.as_str()),
        (0, "1 file checked: no problems found\n")
    );
    let checked = run(&project, "shop", &["check", "formulac.yml"]);
    assert_eq!(
        (checked.exit, checked.err.as_str()),
        (0, "1 file checked: no problems found\n")
    );
    let model = run(
        &project,
        "shop",
        &[
            "model",
            "metrics/orders_by_month.yml",
            "--schema",
            "dbt_models/orders.yml",
        ],
    );
    assert_eq!((model.exit, model.err.as_str()), (0, ""));
    assert!(
        model.out.contains("{{ ref('orders') }}") && model.out.contains("as total_amount"),
        "{}",
        model.out
    );

    // `init` does not change handwritten files, and a second `init` changes no files.
    project
        .write("shop/formulac.yml", "dialect: snowflake\nspecs: metrics\n")
        .write("shop/.gitignore", "target/");
    let again = run(&project, "shop", &["init"]);
    assert_eq!(
        again.err,
        "kept formulac.yml\nkept metrics (1 spec)\nadded 2 lines to .gitignore\n"
    );
    assert_eq!(
        project.read("shop/.gitignore"),
        "target/\n.formulac/local/\nformulac.local.yml\n"
    );
    let again = run(&project, "shop", &["init"]);
    assert_eq!(
        again.err,
        "kept formulac.yml\nkept metrics (1 spec)\nkept .gitignore\nall files already exist\n"
    );
    project.write("shop/.gitignore", "target/\r\n");
    run(&project, "shop", &["init"]);
    assert_eq!(
        project.read("shop/.gitignore"),
        "target/\r\n.formulac/local/\r\nformulac.local.yml\r\n"
    );
    assert_eq!(
        project.read("shop/formulac.yml"),
        "dialect: snowflake\nspecs: metrics\n"
    );
}

/// `init` uses the first folder of each kind that dbt reads, and does not use disabled models in its examples.
#[test]
fn init_uses_the_folders_of_the_dbt_project() {
    let project = create_project("init_folders");
    let init = |text: &str| {
        project.write("shop/dbt_project.yml", format!("name: shop\nprofile: shop\n{text}"));
        let run = run(&project, "shop", &["init", "--dry-run"]);
        (run.exit, run.out, run.err)
    };
    let (_, text, _) = init(
        "model-paths: [\"{{ env_var('NO_SUCH_VARIABLE', './dbt_models/') }}\", other]\ntest-paths: [data-tests, tests]\n\
         models: {shop: {orders: {+enabled: \"{{ var('with_orders', false) }}\"}, marts: {+enabled: false}}}\n",
    );
    assert!(
        text.contains("\nmodels: dbt_models/formulac/\n") && text.contains("\ntests: data-tests/formulac/\n"),
        "{text}"
    );
    assert!(text.contains("from: ref('customers')"), "{text}");
    let (exit, _, err) = init("model-paths: [\"{{ folder() }}\"]\n");
    assert_eq!(exit, 2);
    assert!(
        err.starts_with("error: formulac cannot resolve the Jinja of `model-paths: {{ folder() }}` in dbt_project.yml"),
        "{err}"
    );
}

/// A new project passes `env check`: `init` writes the branch of a protected environment if git knows the branch.
/// dbt would read specs in a folder of `model-paths` as properties files.
#[test]
fn specs_are_in_a_folder_that_dbt_does_not_read() {
    let project = create_project("init_metrics_folder");
    project
        .write(
            "shop/dbt_project.yml",
            "name: shop\nprofile: shop\nmodel-paths: [dbt_models, ./metrics/]\n",
        )
        .write("shop/metrics/exposures.yml", "version: 2\nexposures: []\n");
    let init = run(&project, "shop", &["init"]);
    assert_eq!(init.exit, 0, "{}", init.err);
    assert!(
        project.read("shop/formulac.yml").contains("specs: specs/"),
        "{}",
        init.out
    );
    let check = run(&project, "shop", &["check"]);
    assert_eq!(check.exit, 0, "{}{}", check.out, check.err);
}

/// `init` creates no environment for an output with an unsupported adapter, because its models would get the SQL of
/// another dialect.
#[test]
fn outputs_of_unsupported_adapters_are_no_environments() {
    let project = create_project("init_adapters");
    let lake = "    lake: {type: trino}\n    bricks: {type: databricks}\n    later: {type: \"{{ env_var('NO_SUCH_VARIABLE') }}\"}\n";
    project.write("shop/profiles.yml", format!("{PROFILES}{lake}"));
    let init = run(&project, "shop", &["init"]);
    assert_eq!(init.exit, 0, "{}", init.err);
    let message = "formulac.yml has no environment for `lake` (trino), `bricks` (databricks) of the dbt profile, because formulac supports only ";
    assert!(init.err.contains(message), "{}", init.err);
    let text = project.read("shop/formulac.yml");
    let environments = text.lines().skip_while(|line| *line != "environments:").skip(1);
    let names: Vec<&str> = environments
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.trim().split_once(':'))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["dev", "production", "\"on\"", "later"]);
}

/// Names that need quotes in YAML are quoted, and names that environments cannot have are reported.
#[test]
fn names_of_outputs_are_quoted_or_reported() {
    let project = create_project("init_output_names");
    let outputs = "    2024: {type: duckdb}\n    non-prod: {type: duckdb}\n    \"my output\": {type: duckdb}\n    a.b: {type: duckdb}\n";
    project.write("shop/profiles.yml", format!("{PROFILES}{outputs}"));
    let init = run(&project, "shop", &["init"]);
    assert_eq!(init.exit, 0, "{}", init.err);
    let message = "formulac.yml has no environment for `my output`, `a.b` of the dbt profile, because names of \
        environments consist of letters, digits, `-` and `_`, with a letter or digit first\n";
    assert!(init.err.contains(message), "{}", init.err);
    let text = project.read("shop/formulac.yml");
    for line in [
        "  \"on\": {connection: \"on\"}",
        "  \"2024\": {connection: \"2024\"}",
        "  non-prod: {connection: non-prod}",
    ] {
        assert!(text.lines().any(|other| other == line), "{text}");
    }
    let shown = run(&project, "shop", &["env", "show", "2024"]);
    assert_eq!(shown.exit, 0, "{}", shown.err);
}

/// The first spec does not read a time spine, because nobody analyzes a time spine.
#[test]
fn the_first_spec_reads_no_time_spine() {
    let project = create_project("init_time_spine");
    let spine = "    time_spine: {standard_granularity_column: day}\n    columns: [{name: day, data_type: date}, {name: week, data_type: decimal}]\n";
    let orders = "  - name: orders\n    columns: [{name: order_id, data_type: bigint}]\n";
    let models = format!("  - name: all_days\n{spine}  - name: metricflow_time_spine\n{spine}{orders}");
    project
        .write("shop/dbt_models/all_days.sql", "select 1")
        .write("shop/dbt_models/metricflow_time_spine.sql", "select 1")
        .write("shop/dbt_models/orders.yml", format!("version: 2\nmodels:\n{models}"));
    let init = run(&project, "shop", &["init", "--quiet"]);
    assert_eq!(init.exit, 0, "{}", init.err);
    assert_eq!(project.files("shop/metrics"), ["orders_summary.yml"]);
}

#[test]
fn a_new_project_has_no_errors_in_its_environments() {
    let project = create_project("init_environments");
    let init = || {
        std::fs::remove_file(project.path("shop/formulac.yml")).ok();
        assert_eq!(run(&project, "shop", &["init", "--quiet"]).exit, 0);
        let text = project.read("shop/formulac.yml");
        let line = text.lines().find(|line| line.starts_with("  production:"));
        let checked = run(&project, "shop", &["env", "check"]);
        assert_eq!(checked.exit, 0, "{}", checked.out);
        (line.unwrap().to_owned(), checked.out)
    };
    let environment =
        |branch: &str| format!("  production: {{connection: production, dialect: postgres{branch}, protected: true}}");
    let (written, found) = init();
    assert_eq!(written, environment(""));
    let missing = "warning: production: pushes to the environment need a merge, but the environment has no `branch:`";
    assert!(found.starts_with(missing), "{found}");
    git(&project, &["init", "--quiet", "--initial-branch", "trunk"]);
    let (written, found) = init();
    assert_eq!(written, environment(", branch: trunk"));
    let unborn = "warning: production: the repository has no commits, so its branches were not checked\n";
    assert_eq!(found, unborn);
    switch_user(&project, "ann");
    commit(&project, "begin");
    assert_eq!(init(), (environment(", branch: trunk"), String::new()));
    // A new branch is not the branch into which changes are merged.
    git(&project, &["switch", "--quiet", "--create", "try/formulac"]);
    assert_eq!(init().0, environment(""));
    git(&project, &["branch", "main"]);
    assert_eq!(init(), (environment(", branch: main"), String::new()));
}

#[test]
fn the_first_spec_uses_the_documented_columns() {
    let first = |name: &str, properties: &str| {
        let project = create_project(name);
        project.write("shop/dbt_models/orders.yml", properties);
        let run = run(&project, "shop", &["init", "--quiet"]);
        assert_eq!((run.exit, run.err.as_str()), (0, ""));
        let [file] = project.files("shop/metrics").try_into().unwrap();
        project.read(&format!("shop/metrics/{file}"))
    };
    let nothing = first("init_nothing_known", "models: []\n");
    assert!(
        nothing.contains("from: ref('orders')") && nothing.ends_with("row_count = COUNT()\n"),
        "{nothing}"
    );
    let number = "models: [{name: orders, columns: [{name: id, data_type: int}, {name: qty, data_type: int}]}]\n";
    let number = first("init_number", number);
    assert!(
        number.contains("model: orders_summary\n") && number.contains("total_qty = SUM(qty)\n"),
        "{number}"
    );
    // Names that need quotes are not used.
    let odd =
        "models: [{name: orders, columns: [{name: \"Net Revenue\", data_type: int}, {name: on, data_type: date}]}]\n";
    let odd = first("init_odd_names", odd);
    assert!(odd.contains("group_by: on[month]") && !odd.contains("Net"), "{odd}");
    // A date that is never NULL needs no filter, and sums of averages or prices have no meaning.
    let facts = "models: [{name: orders, columns: [{name: day, data_type: date, data_tests: [not_null]}, \
        {name: avg_wins, data_type: numeric}, {name: unit_price, data_type: numeric}, {name: qty, data_type: int}]}]\n";
    let facts = first("init_never_null", facts);
    assert!(
        facts.contains("total_qty = SUM(qty)\n") && !facts.contains("where:"),
        "{facts}"
    );
}

/// The first spec reads a model that prepares data for other models only if the columns of the other models are
/// unknown.
#[test]
fn the_first_spec_reads_a_model_for_users() {
    let known = "columns: [{name: day, data_type: date}, {name: amount, data_type: numeric}]";
    let first = |name: &str, models: &[&str], documented: &[&str]| {
        let project = TestProject::new(name);
        project.write(
            "shop/dbt_project.yml",
            "name: shop\nprofile: shop\nmodel-paths: [dbt_models]\n",
        );
        project.write("shop/profiles.yml", PROFILES);
        for model in models {
            project.write(&format!("shop/dbt_models/{model}.sql"), "select 1");
        }
        let documented: Vec<String> = documented
            .iter()
            .map(|name| format!("{{name: {name}, {known}}}"))
            .collect();
        project.write(
            "shop/dbt_models/models.yml",
            format!("models: [{}]\n", documented.join(", ")),
        );
        assert_eq!(run(&project, "shop", &["init", "--quiet"]).exit, 0);
        let [file] = project.files("shop/metrics").try_into().unwrap();
        let text = project.read(&format!("shop/metrics/{file}"));
        let from = text.lines().find(|line| line.starts_with("from: "));
        from.unwrap_or_default().to_owned()
    };
    let layers = [
        "base/orders_raw",
        "int_orders",
        "marts/customers",
        "marts/fct_orders",
        "staging/orders",
    ];
    let names = ["orders_raw", "int_orders", "customers", "fct_orders", "orders"];
    assert_eq!(first("init_facts", &layers, &names), "from: ref('fct_orders')");
    assert_eq!(
        first("init_marts", &layers, &["int_orders", "customers"]),
        "from: ref('customers')"
    );
    assert_eq!(
        first("init_staging", &layers, &["int_orders", "orders"]),
        "from: ref('int_orders')"
    );
    assert_eq!(
        first("init_unlayered", &["a_daily", "int_a", "z"], &["int_a", "z"]),
        "from: ref('z')"
    );
    assert_eq!(
        first("init_audit", &["audit_log_data", "int_a"], &["audit_log_data", "int_a"]),
        "from: ref('int_a')"
    );
}

#[test]
fn init_without_models_writes_no_spec() {
    let project = TestProject::new("init_no_models");
    project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    let run = run(&project, ".", &["init", "--dialect", "bigquery"]);
    assert!(run.err.starts_with(
        "kept metrics empty, because there is no model yet that a spec could read\nwrote formulac.yml\nwrote .gitignore\nnext:\n"
    ));
    assert!(project.read("formulac.yml").contains("\ndialect: bigquery\n"));
}

#[test]
fn the_dialect_is_that_of_dbt() {
    let project = create_project("init_dialect");
    let dialect = |args: &[&str]| {
        let run = run(&project, "shop", &[&["init", "--dry-run", "--quiet"], args].concat());
        assert_eq!((run.exit, run.err.as_str()), (0, ""));
        run.out
            .lines()
            .find(|line| line.starts_with("dialect:"))
            .unwrap()
            .to_owned()
    };
    assert_eq!(dialect(&[]), "dialect: duckdb");
    assert_eq!(dialect(&["--dialect", "bigquery"]), "dialect: bigquery");
    project.write("shop/target/manifest.json", r#"{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "snowflake"}, "nodes": {}, "sources": {}}"#);
    assert_eq!(dialect(&[]), "dialect: snowflake");
    project.write("shop/target/manifest.json", r#"{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.7.19"}, "nodes": {}, "sources": {}}"#);
    let outdated =
        "dbt: version 1.7.19 is too old: version 1.8 or newer is needed; run `pip install --upgrade dbt-core`\n";
    let run_init = run(&project, "shop", &["init", "--dry-run"]);
    assert!(run_init.err.contains(outdated), "{}", run_init.err);
    let needed = "# formulac needs duckdb 1.4 or newer; `formulac doctor` checks the version\n";
    assert!(run_init.out.contains(needed), "{}", run_init.out);
    let init_output = |profiles: &str| {
        project.write("shop/profiles.yml", profiles);
        std::fs::remove_dir_all(project.path("shop/target")).ok();
        let run = run(&project, "shop", &["init"]);
        assert_eq!(run.exit, 2);
        run.err
    };
    let help = "help: specify the dialect, for example `--dialect postgres`\n";
    assert_eq!(
        init_output("other: {}\n"),
        format!("error: the dialect is unknown: profiles.yml has no profile `shop`\n{help}")
    );
    let names: Vec<&str> = formulac::Dialect::all().map(formulac::Dialect::name).collect();
    let adapter = format!(
        "the dbt adapter is `oracle`, but formulac supports {}",
        names.join(", ")
    );
    let found = init_output("shop: {target: a, outputs: {a: {type: oracle}}}\n");
    assert_eq!(found, format!("error: the dialect is unknown: {adapter}\n{help}"));
    let found = init_output("shop: {target: \"{{ x }}\", outputs: {a: {type: duckdb}, b: {type: postgres}}}\n");
    assert_eq!(
        found,
        format!("error: the dialect is unknown: the target of profile `shop` is unknown\n{help}")
    );
    assert_eq!(project.files("shop"), ["dbt_models", "dbt_project.yml", "profiles.yml"]);
    let merged = "shop: {target: a, outputs: {a: &a {type: duckdb, path: x}, b: {<<: *a, threads: 2}}}\n";
    project.write("shop/profiles.yml", merged.replace("target: a", "target: b"));
    let run = run(&project, "shop", &["init", "--dry-run"]);
    assert!(run.out.contains("dialect: duckdb"), "{}{}", run.out, run.err);
}

#[test]
fn outside_a_dbt_project() {
    let mut project = TestProject::new("init_nowhere");
    project.write("full/file", "");
    project
        .show(&["init"])
        .show(&["init", "full"])
        .show(&["init", "--example", "full"]);
    assert_snapshot!(project.transcript());
    assert_eq!(project.files("full"), ["file"]);
}

/// A command at the root of a repository names the dbt projects in subfolders, but not their packages.
#[test]
fn projects_in_subfolders_are_named() {
    let mut project = TestProject::new("init_subfolders");
    project.write("transform/dbt main/dbt_project.yml", "name: main\n");
    project.write("transform/dbt main/dbt_packages/utils/dbt_project.yml", "name: utils\n");
    project.show(&["init"]).show(&["status"]).show(&["pull"]);
    project.write("ml/dbt_project.yml", "name: ml\n");
    project
        .show(&["init"])
        .show(&["check", "--project-dir", "ml"])
        .show(&["init", "transform"]);
    assert_snapshot!(project.transcript());
}

/// The example is complete: `check` accepts its specs, and the example runs without further settings.
#[test]
fn the_example_is_ready() {
    let project = TestProject::new("init_example");
    let dry = project.run(&["init", "--example", "new/shop", "--dry-run"]);
    assert_eq!((dry.exit, project.files(".").len()), (0, 0));
    let run = project.run(&["init", "--example", "new/shop"]);
    assert_eq!((run.exit, run.out.as_str()), (0, ""));
    let next = "next, in new/shop:\n  formulac preview metrics/customer_ltv_by_segment.yml --data seeds\n";
    assert!(
        run.err.starts_with("wrote new/shop/.gitignore\n") && run.err.contains(next),
        "{}",
        run.err
    );
    let checked = project.run(&["check", "--project-dir", "new/shop"]);
    // Before dbt has parsed the project, no artifact declares that keys are never NULL.
    assert!(
        checked.exit == 0 && checked.err.ends_with(" files checked: 4 warnings\n"),
        "{}",
        checked.err
    );
}

#[test]
fn the_package_contains_the_example_files() {
    let project = TestProject::new("init_package");
    project.succeed(&["init", "--example", "shop"]);
    let mut command = std::process::Command::new(env!("CARGO"));
    command
        .args([
            "package",
            "--package",
            "formulac",
            "--list",
            "--allow-dirty",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let listed = finish(command);
    assert_eq!(listed.exit, 0, "{}", listed.err);
    let packaged: Vec<&str> = listed.out.lines().collect();
    let mut folders = vec![project.path("shop")];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(project.path("shop")).unwrap().display().to_string();
            let named = format!("examples/subscription_business/{inside}");
            // Files that `init` creates do not belong to the example.
            if std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&named).is_file() {
                assert!(packaged.contains(&named.as_str()), "{named} is not packaged");
                count += 1;
            }
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn definitions_of_several_specs_are_reported() {
    let project = create_project("init_repeated");
    for (name, keys) in [("a", "group_by: ordered_on[month]\n"), ("b", "")] {
        let spec = format!("model: {name}\nfrom: orders\n{keys}definitions: |\n  revenue = SUM(amount)\n");
        project.write(&format!("shop/metrics/{name}.yml"), spec);
    }
    let output = run(&project, "shop", &["init", "--dry-run"]).err;
    let note =
        "2 specs contain the same definition over orders; `formulac extract` moves such definitions to a metric set\n";
    assert!(output.contains(note), "{output}");
    assert!(!project.path("shop/metrics/orders.yml").exists());
}
