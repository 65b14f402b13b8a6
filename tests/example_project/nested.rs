//! Tests a typical project, in a subfolder of its repository. Each path in `dbt_project.yml` contains three levels of
//! folders, and none of the paths is the default. The project contains its own macros, macros in a folder next to the
//! project, a local package, a snapshot, private models and a macro for schema names. `push` runs dbt in a copy of the
//! project, and the copy must contain all of these files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::{copy, run, scratch, tool};
use crate::{dbt_settings, project, script};

fn formulac(dbt: &Path, project: &Path, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
    dbt_settings(command.args(args), project)
        .env("FORMULAC_DBT", dbt)
        .env_remove("FORMULAC_ENV");
    let output = command.output().expect("formulac runs");
    let text = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    (output.status.code().unwrap_or(-1), text)
}

fn git(folder: &Path, args: &[&str]) {
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com"])
        .args(args)
        .current_dir(folder);
    run(&mut command);
}

#[test]
fn a_push_lets_dbt_parse_the_whole_project() {
    let Some(dbt) = tool("FORMULAC_DBT") else { return };
    let place = scratch("nested");
    copy(&script("nested"), &place);
    let project = place.join("transform");
    let metrics = place.join("metrics");
    fs::rename(project.join("metrics"), &metrics).unwrap();
    for command in ["deps", "parse"] {
        run(dbt_settings(
            Command::new(&dbt).args(["--no-use-colors", command]),
            &project,
        ));
    }
    let (exit, output) = formulac(&dbt, &project, &["init"]);
    assert_eq!(exit, 0, "{output}");
    let settings = project::read(&project.join("formulac.yml"));
    for line in [
        "models: dbt_models/formulac/",
        "tests: data-tests/formulac/",
        "dialect: duckdb",
    ] {
        assert!(settings.lines().any(|it| it == line), "{line} in\n{settings}");
    }
    fs::remove_dir_all(project.join("metrics")).unwrap();
    fs::rename(&metrics, project.join("metrics")).unwrap();
    git(&place, &["init", "--quiet", "--initial-branch=main"]);
    for (key, value) in [
        ("user.name", "Ann"),
        ("user.email", "ann@example.com"),
        ("commit.gpgsign", "false"),
    ] {
        git(&place, &["config", key, value]);
    }
    git(&place, &["add", "--all"]);
    git(&place, &["commit", "--quiet", "--message", "specs"]);

    let manifest = project::read(&project.join("build/manifest.json"));
    let (exit, output) = formulac(&dbt, &project, &["push", "--yes"]);
    assert!(exit == 0 && !output.contains("not parsed"), "{output}");
    assert!(project.join("dbt_models/formulac/orders_by_customer.sql").is_file());
    assert!(
        project
            .join("data-tests/formulac/assert_orders_by_customer_sold.sql")
            .is_file()
    );
    assert_eq!(
        project::read(&project.join("build/manifest.json")),
        manifest,
        "dbt wrote into the copy"
    );

    // If dbt rejects the models, the message contains the path of the copy. The copy must be complete.
    let customers = project.join("more_models/marts/core/eu/customers.sql");
    let text = project::read(&customers);
    fs::remove_file(&customers).unwrap();
    let spec = project.join("metrics/orders_by_customer.yml");
    fs::write(&spec, project::read(&spec).replace("SUM(amount)", "SUM(amount * 2)")).unwrap();
    let (exit, output) = formulac(&dbt, &project, &["push", "--yes"]);
    let copied = output
        .lines()
        .find_map(|line| line.strip_prefix("the copy of the project that dbt parsed is in "));
    let copied = PathBuf::from(copied.unwrap_or_else(|| panic!("{output}")));
    assert!(
        exit == 5 && output.contains("no file is written, because dbt rejects the models"),
        "{output}"
    );
    let stands = |path: &str| copied.join(path).exists();
    assert!(
        stands("dbt_models/staging/shop/eu/stg_orders.sql")
            && stands("../shared_macros/money")
            && stands("logs/dbt.log")
    );
    assert!(project::read(&copied.join("dbt_models/formulac/orders_by_customer.sql")).contains("* 2"));
    fs::remove_dir_all(copied.ancestors().nth(2).expect("a copy is in a folder of its own")).unwrap();

    let (exit, output) = formulac(&dbt, &project, &["push", "--yes", "--no-parse"]);
    assert!(
        exit == 0 && output.contains("not parsed by dbt, because of `--no-parse`"),
        "{output}"
    );
    fs::write(&customers, text).unwrap();
}
