//! Tests `formulac promote`, and the errors that `check` reports about fields that are defined twice.

use insta::assert_snapshot;

use crate::run::TestProject;

const ORDERS: &str = "\
# the orders of the shop
schema: analytics
dimensions:
  order_id: {primary_key: true}
  ordered_at: {timeframes: [raw, month]}
measures:
  revenue:  # agreed with finance
    sql: ${amount}
    aggregate_type: sum
    filters: {status: {is: paid}}
    label: Revenue
  mean: {sql: '${amount}', aggregate_type: average}
  hidden_from_all: {sql: '${amount}', aggregate_type: sum, level_of_detail: {fixed: [orders.status]}}
";

fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("formulac.yml", "dialect: duckdb\nlint: [W0610]\n")
        .write("omni/orders.view.yaml", ORDERS);
    project
}

/// Returns a dbt manifest with the orders and with models that were generated from specs.
fn manifest(models: &[&str]) -> String {
    let node = |name: &str, columns: &str| {
        format!(
            "\"model.shop.{name}\": {{\"unique_id\": \"model.shop.{name}\", \"name\": \"{name}\", \"resource_type\": \"model\", \
             \"package_name\": \"shop\", \"original_file_path\": \"models/{name}.sql\", \"schema\": \"analytics\", \"alias\": \"{name}\", \
             \"columns\": {{{columns}}}}}"
        )
    };
    let column = |name: &str, ty: &str| format!("\"{name}\": {{\"name\": \"{name}\", \"data_type\": \"{ty}\"}}");
    let columns = [
        ("order_id", "integer"),
        ("amount", "decimal"),
        ("status", "varchar"),
        ("ordered_at", "timestamp"),
    ];
    let columns: Vec<String> = columns.map(|(name, ty)| column(name, ty)).to_vec();
    let mut nodes = vec![node("orders", &columns.join(", "))];
    nodes.extend(models.iter().map(|name| node(name, "")));
    format!(
        "{{\"metadata\": {{\"dbt_schema_version\": \"https://schemas.getdbt.com/dbt/manifest/v12.json\", \
         \"adapter_type\": \"duckdb\"}}, \"nodes\": {{{}}}}}\n",
        nodes.join(", ")
    )
}

/// The description of a day does not describe the month that contains the day.
#[test]
fn longer_periods_have_their_own_descriptions() {
    let project = create_project("promote_period_description");
    let described = "ordered_at: {description: Day of the order, timeframes: [raw, date, month]}";
    let view = ORDERS.replace("ordered_at: {timeframes: [raw, month]}", described);
    project.write("omni/orders.view.yaml", view);
    project.write("target/manifest.json", manifest(&[]));
    for (grain, description) in [
        ("ordered_at[month]", "description: First day of the month."),
        ("ordered_at[date]", "description: Day of the order"),
    ] {
        let args = ["promote", "omni/orders.view.yaml:mean", "--grain", grain, "--dry-run"];
        let run = project.run(&args);
        assert!(
            run.exit == 0 && run.out.contains(description),
            "{grain}: {}{}",
            run.out,
            run.err
        );
    }
}

/// The name of the model comes from Omni, so the help names the option that sets another name.
#[test]
fn a_name_that_is_too_long_can_be_replaced() {
    let project = create_project("promote_long_name");
    let field = "revenue_of_all_orders_that_were_paid_in_time_and_not_returned_later_on";
    project.write("formulac.yml", "dialect: postgres\n").write(
        "omni/orders.view.yaml",
        ORDERS.replace("  revenue:", &format!("  {field}:")),
    );
    let run = project.run(&["promote", &format!("omni/orders.view.yaml:{field}")]);
    assert_eq!(run.exit, 1, "{}", run.err);
    assert!(
        run.err.contains("F0510") && run.err.contains("with `--name`"),
        "{}",
        run.err
    );
    let run = project.run(&[
        "promote",
        &format!("omni/orders.view.yaml:{field}"),
        "--name",
        "revenue",
    ]);
    assert!(!run.err.contains("--name"), "{}", run.err);
}

#[test]
fn a_measure_becomes_a_spec_that_is_never_overwritten() {
    let mut project = create_project("promote");
    project.show(&["promote", "-h"]);
    project.show(&[
        "promote",
        "omni/orders.view.yaml:revenue",
        "--grain",
        "ordered_at[month]",
        "--dry-run",
    ]);
    assert!(project.files("metrics").is_empty());
    project.show(&[
        "promote",
        "orders.view.yaml:revenue,mean",
        "hidden_from_all",
        "--grain",
        "ordered_at[month]",
    ]);
    project.show(&["check"]);
    project.write("metrics/orders_by_month.yml", "model: mine\n");
    project.show(&[
        "promote",
        "orders.view.yaml:revenue,mean",
        "--grain",
        "ordered_at[month]",
    ]);
    assert_eq!(project.read("metrics/orders_by_month.yml"), "model: mine\n");
    let json = [
        "promote",
        "orders.view.yaml:revenue",
        "hidden_from_all",
        "--name",
        "Net Revenue",
        "--out",
        "specs",
        "--json",
    ];
    project.show(&json);
    assert_eq!(project.files("specs"), ["net_revenue.yml"]);
    assert_snapshot!(project.transcript());
}

#[test]
fn missing_or_invalid_fields_are_reported() {
    let mut project = create_project("promote_nothing");
    project
        .write("omni/broken.view.yaml", "measures: {x: [}\n")
        .write("omni/empty.view.yaml", "# nothing\n");
    project.write("omni/orders.topic.yaml", "base_view: orders\n");
    for argument in [
        "orders.view.yaml:revenu",
        "nowhere.view.yaml",
        "broken.view.yaml",
        "empty.view.yaml",
        "orders.topic.yaml",
    ] {
        project.show(&["promote", argument]);
        assert_ne!(project.run(&["promote", argument]).exit, 0, "{argument}");
    }
    assert!(project.files("metrics").is_empty());
    assert_snapshot!(project.transcript());
}

#[test]
fn a_field_reads_the_column_where_that_is_exact() {
    let mut project = create_project("promote_repoint");
    project.write(
        "omni/by_month.query.view.yaml",
        "# kept\nquery:\n  base_view: orders\n  fields: {\"orders.ordered_at[month]\": month, orders.revenue: revenue}\n",
    );
    assert_eq!(
        project
            .run(&[
                "promote",
                "orders.view.yaml:revenue",
                "--grain",
                "order_id",
                "--name",
                "paid_orders"
            ])
            .exit,
        0
    );
    assert_eq!(
        project
            .run(&["promote", "orders.view.yaml:mean", "--grain", "ordered_at[month]"])
            .exit,
        0
    );
    assert_eq!(
        project
            .run(&["promote", "by_month.query.view.yaml", "--name", "monthly"])
            .exit,
        0
    );
    project.show(&["check"]);
    let repoint = ["promote", "orders.view.yaml:revenue", "--repoint"];
    project.show(&repoint);
    project.write(
        "target/manifest.json",
        manifest(&["paid_orders", "mean_by_month", "monthly"]),
    );
    project.show(&repoint);
    // The table's view has the same name as the query view, but does not hide it.
    for (name, columns) in [
        ("by_month", "revenue: {}"),
        ("paid_orders", "order_id: {primary_key: true}, revenue: {}"),
        ("mean_by_month", "mean: {}"),
        ("monthly", "month: {}, revenue: {}"),
    ] {
        project.write(
            &format!("omni/{name}.view.yaml"),
            format!("schema: analytics\ndimensions: {{{columns}}}\n"),
        );
    }
    project.show(&["check"]).show(&repoint);
    project.write(
        "omni/relationships.yaml",
        "- join_from_view: orders\n  join_to_view: paid_orders\n  on_sql: ${orders.order_id} = ${paid_orders.order_id}\n  relationship_type: one_to_one\n",
    );
    let spec = project.read("metrics/paid_orders.yml");
    project.write("metrics/paid_orders.yml", format!("{spec}where: amount > 0\n"));
    project.show(&repoint);
    project.write("metrics/paid_orders.yml", spec);
    project.show(&repoint);
    let text = project.read("omni/orders.view.yaml");
    assert!(text.contains("  revenue:  # agreed with finance\n    sql: \"${paid_orders.revenue}\"\n    aggregate_type: sum\n    label: Revenue\n"), "{text}");
    assert!(text.starts_with("# the orders of the shop\n"));
    project.show(&["promote", "orders.view.yaml:mean", "--repoint"]);
    assert_eq!(project.read("omni/orders.view.yaml"), text);
    project.show(&["promote", "by_month.query.view.yaml", "--repoint"]);
    assert_eq!(
        project.read("omni/by_month.query.view.yaml"),
        "schema: analytics\ntable_name: monthly\n# kept\n"
    );
    project.show(&["check"]);
    assert_snapshot!(project.transcript());
}

#[test]
fn views_read_the_relation_that_dbt_has_for_their_table() {
    let node = |name: &str, schema: &str, alias: &str| {
        format!(
            "\"model.shop.{name}\": {{\"name\": \"{name}\", \"resource_type\": \"model\", \"package_name\": \"shop\", \
             \"schema\": \"{schema}\", \"alias\": \"{alias}\", \"relation_name\": \"{schema}.{alias}\"}}"
        )
    };
    let models = [
        node("orders", "main", "orders"),
        node("eu_orders", "eu", "orders"),
        node("stg_sales", "main", "sales"),
    ];
    let source = "\"source.shop.raw.orders\": {\"name\": \"orders\", \"source_name\": \"landing\", \"resource_type\": \"source\", \
                  \"package_name\": \"shop\", \"schema\": \"raw\", \"identifier\": \"orders\", \"relation_name\": \"raw.orders\"}";
    let project = TestProject::new("promote_relations");
    let manifest = format!(
        "{{\"metadata\": {{\"dbt_schema_version\": \"https://schemas.getdbt.com/dbt/manifest/v12.json\", \"adapter_type\": \
         \"duckdb\"}}, \"nodes\": {{{}}}, \"sources\": {{{source}}}}}\n",
        models.join(", ")
    );
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("formulac.yml", "dialect: duckdb\nlint: [W0610]\nomni: omni/\n")
        .write("target/manifest.json", manifest);
    // Each case contains the view's file, the YAML keys that specify its table, and the resulting relation in the spec.
    let views = [
        ("main/orders", "schema: main\n", "orders"),
        ("eu/orders", "schema: eu\ntable_name: orders\n", "eu_orders"),
        (
            "raw/orders",
            "schema: raw\ntable_name: orders\n",
            "source('landing', 'orders')",
        ),
        ("main/sales", "schema: main\n", "stg_sales"),
        // dbt has no node for this table.
        ("old/orders", "schema: old\n", "old.orders"),
        ("main/large", "extends: [eu__orders]\n", "eu_orders"),
    ];
    for (file, keys, _) in views {
        let measures = "measures:\n  revenue: {sql: '${amount}', aggregate_type: sum}\n";
        project.write(&format!("omni/{file}.view.yaml"), format!("{keys}{measures}"));
    }
    for (file, _, relation) in views {
        let item = format!("omni/{file}.view.yaml:revenue");
        let run = project.run(&["promote", &item, "--name", "m", "--dry-run"]);
        let from = format!("from: {relation}\n");
        assert!(run.out.contains(&from), "{file}: {}{}", run.out, run.err);
    }
}

/// Outside of a project, the Omni model's folder is the nearest folder with a file such as `relationships`.
#[test]
fn joins_are_found_in_the_root_of_an_omni_repository() {
    let project = TestProject::new("promote_outside");
    project
        .write(
            "main/lines.view",
            "schema: main\ndimensions: {order_id: {}, amount: {}}\nmeasures:\n  paid: {sql: '${amount}', aggregate_type: sum, \
             filters: {orders.status: {is: paid}}}\n",
        )
        .write(
            "main/orders.view",
            "schema: main\ndimensions: {order_id: {primary_key: true}, status: {}}\n",
        )
        .write(
            "relationships.yaml",
            "- join_from_view: lines\n  join_to_view: orders\n  on_sql: ${lines.order_id} = ${orders.order_id}\n  \
             relationship_type: many_to_one\n",
        );
    crate::repository::begin(&project);
    for (folder, item) in [
        (".", "main/lines.view:paid"),
        ("main", "lines.view:paid"),
        ("main", "../main/lines.view:paid"),
    ] {
        let mut command = project.command(&["promote", item, "--dialect", "duckdb", "--dry-run"]);
        command.current_dir(project.path(folder));
        let run = crate::run::finish(command);
        assert!(
            run.out.contains("paid = SUMIF(orders.status = ") && !run.out.contains("gap"),
            "{folder}: {item}: {}{}",
            run.out,
            run.err
        );
    }
}

/// Omni writes the file `relationships` without an extension.
#[test]
fn relationships_files_without_an_extension_are_read() {
    let project = TestProject::new("promote_relationships");
    project
        .write("formulac.yml", "dialect: duckdb\nomni: omni/\n")
        .write(
            "omni/lines.view",
            "schema: main\ndimensions: {order_id: {}, amount: {}}\nmeasures:\n  paid: {sql: '${amount}', aggregate_type: sum, \
             filters: {orders.status: {is: paid}}}\n",
        )
        .write(
            "omni/orders.view",
            "schema: main\ndimensions: {order_id: {primary_key: true}, status: {}}\n",
        )
        .write(
            "omni/relationships",
            "- join_from_view: lines\n  join_to_view: orders\n  on_sql: ${lines.order_id} = ${orders.order_id}\n  \
             relationship_type: many_to_one\n",
        );
    let run = project.run(&["promote", "omni/lines.view:paid", "--dry-run"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(
        run.out.contains("paid = SUMIF(") && !run.out.contains("gap"),
        "{}",
        run.out
    );
}
