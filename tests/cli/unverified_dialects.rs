//! Tests the commands with dialects whose SQL no test runs. Without such a dialect, these tests have nothing to check.

use formulac::Dialect;

use crate::run::{TestProject, finish};

fn unverified() -> impl Iterator<Item = (&'static str, &'static str)> {
    Dialect::all().filter_map(|dialect| Some((dialect.name(), dialect.unverified()?)))
}

/// Each command that shows or writes SQL of an unverified dialect reports that the SQL is unverified.
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

/// SQL that Redshift's documentation requires, although Postgres accepts simpler SQL.
#[test]
fn redshift_sql_follows_its_documentation() {
    let project = TestProject::new("redshift_sql");
    project.write(
        "orders.yml",
        "relations: {orders: {columns: {id: integer, region: text, price: float}}}\n",
    );
    let compiled = |formula: &str| {
        let dialect_and_schema = ["--dialect", "redshift", "--schema", "orders.yml", "--from", "orders"];
        let run = project.run(&[&["compile"], &dialect_and_schema[..], &[formula]].concat());
        assert_eq!(run.exit, 0, "{}", run.err);
        run.out
    };
    // TO_CHAR does not support decimals with more than 19 digits.
    assert!(compiled("TEXT(price, \"0.00\")").starts_with("to_char(cast(round("));
    assert!(compiled("TEXT(price, \"0.##\")").ends_with(", '\\\\.?0{1,2}$', '', 1)\n"));
    // ILIKE ignores case only for ASCII letters.
    assert_eq!(compiled("SUMIF(region, \"a*\", price)").matches("ilike").count(), 0);
    project.write(
        "m.yml",
        "model: m\nfrom: orders\nconfig: {materialized: table, contract: {enforced: true}}\nsteps:\n  - name: kinds\n    \
         keep: [id, region]\n    definitions: kind = \"orders\"\n  - name: last\n    group_by: kind, region\n    \
         definitions: n = COUNT()\n",
    );
    let model = project.run(&["model", "--dialect", "redshift", "--schema", "orders.yml", "m.yml"]);
    assert_eq!(model.exit, 0, "{}", model.err);
    // A text literal in a CTE would have the type `unknown`.
    assert!(model.out.contains("cast('orders' as varchar) as kind"), "{}", model.out);
    // In CREATE TABLE, a varchar without a length has 256 bytes.
    assert_eq!(
        model.out.matches("data_type: varchar(65535)").count(),
        2,
        "{}",
        model.out
    );
}

/// Redshift has neither `isodow` nor `age`, but other functions give the same values.
#[test]
fn redshift_counts_weekdays_and_years() {
    let project = TestProject::new("redshift_dates");
    project
        .write(
            "orders.yml",
            "relations: {orders: {columns: {ordered_on: date, paid_on: date}}}\n",
        )
        .write(
            "m.yml",
            "model: m\nfrom: orders\nweek_start: sunday\ndefinitions: |\n  weekday = ordered_on[day_of_week_num]\n  \
             workdays = NETWORKDAYS(ordered_on, paid_on)\n  due_on = WORKDAY(ordered_on, 3)\n  \
             years = DATEDIF(ordered_on, paid_on, \"y\")\n  months = DATEDIF(ordered_on, paid_on, \"ym\")\n  \
             days = DATEDIF(ordered_on, paid_on, \"yd\")\n",
        );
    let query = project.run(&["query", "--dialect", "redshift", "--schema", "orders.yml", "m.yml"]);
    assert_eq!(query.exit, 0, "{}", query.err);
    assert!(
        query
            .out
            .contains("cast(extract(dow from ordered_on) as bigint) + 1 as weekday"),
        "{}",
        query.out
    );
    assert!(
        query.out.contains("datediff(year, ordered_on, paid_on)"),
        "{}",
        query.out
    );
}

/// dbt inserts the names in `cluster_by` into SQL unchanged.
#[test]
fn reserved_names_are_quoted_in_cluster_by() {
    let project = TestProject::new("cluster_by_reserved");
    project.write(
        "orders.yml",
        "relations: {orders: {columns: {group: text, amount: decimal}}}\n",
    );
    project.write(
        "m.yml",
        "model: m\nfrom: orders\ngroup_by: group\nconfig: {materialized: table, cluster_by: [group]}\n\
         definitions: revenue = SUM(amount)\n",
    );
    for (dialect, expected) in [("snowflake", "\"GROUP\""), ("bigquery", "`group`")] {
        let model = project.run(&["model", "--dialect", dialect, "--schema", "orders.yml", "m.yml"]);
        assert_eq!(model.exit, 0, "{}", model.err);
        assert!(
            model.out.contains(&format!("cluster_by=['{expected}']")),
            "{}",
            model.out
        );
    }
}
