//! Tests the commands with dialects whose SQL no test runs. Without such a dialect, these tests have nothing to check.

use formulac::Dialect;

use crate::run::{TestProject, finish};

fn unverified() -> impl Iterator<Item = (&'static str, &'static str)> {
    Dialect::all().filter_map(|dialect| Some((dialect.name(), dialect.unverified()?)))
}

/// Each command that shows or writes such SQL reports that the SQL is unverified.
#[test]
fn commands_report_that_the_sql_is_unverified() {
    for (dialect, reason) in unverified() {
        let project = TestProject::new(&format!("unverified_{dialect}"));
        let profile = format!("shop: {{target: dev, outputs: {{dev: {{type: {dialect}}}}}}}\n");
        project
            .write("dbt_project.yml", "name: shop\nprofile: shop\n")
            .write("profiles.yml", profile)
            .write("formulac.yml", "specs: metrics/\n")
            .write(
                "orders.yml",
                "relations: {orders: {columns: {country: text, amount: decimal}}}\n",
            )
            .write(
                "metrics/sales.yml",
                "model: sales\nfrom: orders\ngroup_by: country\ndefinitions: revenue = SUM(amount)\n",
            );
        let run = |args: &[&str]| {
            let mut command = project.command(args);
            command.env("HOME", project.path(".")).env_remove("DBT_PROFILES_DIR");
            finish(command)
        };
        // The dialect is that of the dbt profile.
        let generated = run(&["generate", "--schema", "orders.yml"]);
        assert_eq!(generated.exit, 0, "{}", generated.err);
        assert!(
            generated.err.contains(&format!("is unverified: {reason};")),
            "{}",
            generated.err
        );
        assert!(project.read("models/formulac/sales.sql").contains("sum(amount)"));
        let verified = run(&["generate", "--schema", "orders.yml", "--dialect", "duckdb"]);
        assert!(!verified.err.contains("unverified"), "{}", verified.err);

        let entry = run(&["functions", "SUM", "--dialect", dialect]);
        assert!(
            entry.out.contains(&format!("unverified, SQL unsure: {reason}")),
            "{}",
            entry.out
        );
        let json = run(&["functions", "SUM", "--json"]).json();
        assert_eq!(json["functions"][0]["unverified_dialects"][dialect], reason);

        let compiled = run(&["compile", "--dialect", dialect, "COUNT()"]);
        assert_eq!(
            (compiled.exit, compiled.out.as_str()),
            (0, "count(*)\n"),
            "{}",
            compiled.err
        );
    }
}

/// formulac has its own connection only to DuckDB and Postgres. dbt connects to all other warehouses.
#[test]
fn only_dbt_connects_to_other_warehouses() {
    let project = TestProject::new("unverified_engines");
    project.write("formulac.yml", "dialect: duckdb\nspecs: .\n");
    project.write("m.yml", "model: m\nfrom: t\ndefinitions: n = COUNT()\n");
    for dialect in Dialect::all().filter(|dialect| !["duckdb", "postgres"].contains(&dialect.name())) {
        for command in ["preview", "verify"] {
            let run = project.run(&[command, "m.yml", "--engine", dialect.name()]);
            let expected = format!("formulac cannot connect to {} itself", dialect.title());
            assert!(run.exit != 0 && run.err.contains(&expected), "{command}: {}", run.err);
        }
    }
}
