//! Tests the names in the SQL of steps with joins, and of steps with STRUCT columns.

use formulac_catalog::Dialect;
use formulac_core::{Column, Relation, Schema, Type};

use crate::Compiler;

/// Returns the SQL of a spec, and the codes of its diagnostics.
fn compile(spec: &str, dialect: &str, relations: &[Relation]) -> (String, Vec<&'static str>) {
    let schema = relations.iter().cloned().fold(Schema::new(), Schema::with);
    let dialect: Dialect = dialect.parse().expect("a dialect");
    let compiled = Compiler::builder()
        .dialect(dialect)
        .schema(schema)
        .build()
        .compile_spec(spec);
    let codes = compiled
        .diagnostics()
        .iter()
        .map(crate::diag::Diagnostic::code)
        .collect();
    (compiled.query().unwrap_or_default().to_owned(), codes)
}

#[test]
fn the_condition_of_a_join_determines_the_relations_of_its_names() {
    for (condition, sql) in [
        ("customer_id = c.id", "on orders.customer_id = c.id"),
        ("c.id = customer_id", "on orders.customer_id = c.id"),
        ("id = c.id", "on orders.id = c.id"),
        ("orders.customer_id = key", "on orders.customer_id = c.key"),
        (
            "AND(orders.id = c.id, customer = c.name)",
            "on orders.id = c.id and orders.customer = c.name",
        ),
    ] {
        let spec = format!(
            "model: m\nfrom: orders\njoins: [{{to: customers, as: c, cardinality: many, on: \"{condition}\"}}]\ngroup_by: c.name\n"
        );
        let (text, codes) = compile(&spec, "postgres", &[]);
        assert!(text.contains(sql) && codes.is_empty(), "{condition}: {text} {codes:?}");
    }
}

#[test]
fn names_that_several_relations_may_have_cause_one_warning() {
    let spec = "model: m\nfrom: orders\njoins: [{to: customers, as: c, cardinality: many, on: x = y}]\n\
        group_by: region\ndefinitions: n = COUNT(c.id)\n";
    let (text, codes) = compile(spec, "postgres", &[]);
    assert!(text.contains("on x = y") && codes == ["W0317"], "{text} {codes:?}");
    // The columns of one relation are known, so other names belong to the other relation.
    let customers = Relation::new("customers").with(Column::new("id", Type::Integer));
    let relations = [Relation::unknown("orders"), customers];
    let (text, codes) = compile(spec, "postgres", &relations);
    assert!(text.contains("orders.region") && codes.is_empty(), "{text} {codes:?}");
}

#[test]
fn a_step_that_names_its_input_has_the_key_of_the_input() {
    let of_key = |from: &str| {
        let spec = format!(
            "model: m\nfrom: orders\nsteps:\n  - name: months\n    group_by: month\n    definitions: n = COUNT()\n\
             \x20 - name: doubled\n    {from}\n    keep: all\n    definitions: twice = n * 2\n"
        );
        let orders = Relation::new("orders").with(Column::new("month", Type::Date));
        let compiler = Compiler::builder().schema(Schema::new().with(orders)).build();
        compiler.compile_spec(&spec).key
    };
    assert_eq!(of_key("from: months"), ["month"]);
    assert_eq!(of_key("from: months"), of_key("where: n > 0"));
}

/// A step with `keep: all` has its own definitions and the columns of its input, even if no schema lists these columns.
#[test]
fn a_step_reads_all_columns_of_the_step_that_it_names() {
    let query = |from: &str| {
        let spec = format!(
            "model: m\nfrom: orders\nsteps:\n  - name: prep\n    keep: all\n    definitions: net = amount - discount\n\
             \x20 - name: totals\n{from}    group_by: region\n    definitions: |\n      total = SUM(net)\n\
             \x20     gross = SUM(amount)\n"
        );
        compile(&spec, "postgres", &[])
    };
    let (text, codes) = query("    from: prep\n");
    assert!(text.contains("sum(net)") && codes.is_empty(), "{text} {codes:?}");
    assert_eq!(text, query("").0);
}

#[test]
fn a_union_needs_the_columns_of_its_steps() {
    let spec = "model: m\nfrom: orders\nsteps:\n  - name: a\n    keep: all\n    definitions: net = amount - discount\n\
         \x20 - name: b\n    group_by: region\n    definitions: total = SUM(net)\n\
         \x20 - name: both\n    union: [b, a]\n    keep: all\n";
    assert_eq!(compile(spec, "postgres", &[]).1, ["F0814"]);
    let columns = ["amount", "discount"].map(|name| Column::new(name, Type::Integer));
    let orders = Relation::new("orders").with(Column::new("region", Type::Text));
    let orders = columns.into_iter().fold(orders, Relation::with);
    let (text, codes) = compile(spec, "postgres", &[orders]);
    assert!(text.contains("null as net") && codes.is_empty(), "{text} {codes:?}");
}

fn events() -> Relation {
    Relation::new("events")
        .with(Column::new("id", Type::Integer))
        .with(Column::new("device", Type::Other))
        .with(Column::new("device.category", Type::Text))
        .with(Column::new("device.web_info.browser", Type::Text))
        .with(Column::new("geo", Type::Other))
        .with(Column::new("params", Type::Other).with_declared_type("ARRAY<STRUCT<key STRING>>"))
}

#[test]
fn fields_of_structs_are_columns() {
    let spec = "model: m\nfrom: events\ngroup_by: [device.category, \"${device.web_info.browser}\"]\n\
        where: ${events.device.category} <> \"tv\"\norder_by: category\n\
        definitions: |\n  events = COUNT(id)\n  countries = COUNTUNIQUE(geo.country)\n  so_far = SUM(FIRST(events):events)\n";
    let (text, codes) = compile(spec, "bigquery", &[events()]);
    for part in [
        "device.category as category,",
        "where device.category <> 'tv'",
        "count(distinct geo.country)",
        "group by device.category, device.web_info.browser",
        "order by category",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The schema may list only some of the fields of `geo`.
    assert_eq!(codes, ["W0316"]);
    let (of_duckdb, _) = compile(spec, "duckdb", &[events()]);
    assert!(of_duckdb.contains("group by device.category"), "{of_duckdb}");
    // Other warehouses do not read fields as `a.b`, so this is a column whose name contains a dot.
    let quoted = "model: m\nfrom: events\ngroup_by: device.category\ndefinitions: n = COUNT(id)\n";
    let (text, _) = compile(quoted, "postgres", &[events()]);
    assert!(text.contains("\"device.category\" as category"), "{text}");
}

#[test]
fn fields_of_structs_are_passed_on_by_joins() {
    let spec = "model: m\nfrom: events\njoins: [{to: users, using: id, cardinality: many}]\nkeep: events.id\n\
        order_by: events.id\ndefinitions: |\n  kind = device.category & users.category\n  so_far = COUNT(FIRST(users.category):users.category)\n  \
        later = IF(so_far > 1, device.category)\n";
    let users = Relation::new("users")
        .with(Column::new("id", Type::Integer))
        .with(Column::new("category", Type::Text));
    let (text, codes) = compile(spec, "bigquery", &[events(), users]);
    assert!(
        text.contains("events.device.category") && codes.is_empty(),
        "{text} {codes:?}"
    );
    assert!(!text.contains("`device.category`"), "{text}");
}

#[test]
fn fields_that_do_not_exist_are_errors() {
    let code = |formula: &str, dialect: &str| {
        let spec = format!("model: m\nfrom: events\ndefinitions: n = COUNT({formula})\n");
        compile(&spec, dialect, &[events()]).1
    };
    assert_eq!(code("params.key", "bigquery"), ["F0318"]);
    assert_eq!(code("device.categry", "bigquery"), ["F0302"]);
    assert_eq!(code("id.category", "bigquery"), ["F0307"]);
    assert_eq!(code("geo.country", "snowflake"), ["F0307"]);
    let open = |formula: &str| {
        let keys = "group_by: [\"day[month]\", device.category]\nfill: month\n";
        let spec = format!("model: m\nfrom: events\n{keys}definitions: n = {formula}\n");
        compile(&spec, "bigquery", &[Relation::unknown("events")])
    };
    let (text, codes) = open("COUNTIF(device.kind = \"tv\")");
    assert!(
        codes.is_empty() && text.contains("countif(device.kind = 'tv')"),
        "{text} {codes:?}"
    );
}

#[test]
fn struct_fields_are_not_columns_of_steps_with_rows() {
    let sorted = "model: m\nfrom: events\nkeep: [id]\norder_by: device.category\nlimit: 1\n";
    let (text, codes) = compile(sorted, "duckdb", &[events()]);
    assert!(
        text.contains("order by device.category") && codes.is_empty(),
        "{text} {codes:?}"
    );
    let spec = "model: m\nfrom: events\nkeep: [id, device.category]\n";
    assert_eq!(compile(spec, "duckdb", &[events()]).1, ["F0302"]);
}

#[test]
fn relations_with_the_same_name_are_distinguished() {
    let model = Relation::new("orders").with(Column::new("customer", Type::Text));
    let source = Relation::new("orders")
        .with_schema_name("raw.orders")
        .with(Column::new("amount", Type::Integer));
    let version = Relation::new("orders")
        .with_schema_name("orders_v1")
        .with(Column::new("note", Type::Text));
    let relations = [model, source, version];
    let spec = |from: &str, formula: &str| format!("model: m\nfrom: {from}\ndefinitions: x = {formula}\n");
    for (from, formula) in [
        ("ref('orders')", "COUNT(customer)"),
        ("source('raw', 'orders')", "SUM(amount)"),
        ("ref('orders', v=1)", "MAX(note)"),
    ] {
        assert_eq!(
            compile(&spec(from, formula), "duckdb", &relations).1,
            Vec::<&str>::new(),
            "{from}"
        );
    }
    let spec_text = "model: m\nfrom: source('raw', 'orders')\nsteps:\n  - definitions: a = SUM(amount)\n    name: raw_rows\n  \
        - name: both\n    from: source('crm', 'orders')\n    definitions: b = COUNT()\n";
    let (sql, _) = compile(spec_text, "duckdb", &[]);
    assert!(
        sql.contains("from raw.orders") && sql.contains("from crm.orders"),
        "{sql}"
    );
    let model_and_source = "model: m\nfrom: source('raw', 'orders')\njoins: [{to: ref('orders'), as: o, using: id}]\n\
        group_by: o.channel\ndefinitions: n = SUM(orders.amount)\n";
    let (sql, _) = compile(model_and_source, "duckdb", &[]);
    assert!(
        sql.contains("from raw.orders\nleft join orders as o\n") && sql.contains("sum(orders.amount)"),
        "{sql}"
    );
    let version = "model: m\nfrom: ref('orders', v=2)\njoins: [{to: ref('orders'), as: o, using: id}]\n\
        definitions: n = SUM(orders.amount) - SUM(o.amount)\n";
    let (sql, _) = compile(version, "duckdb", &[]);
    assert!(
        sql.contains("from orders_v2 as orders\nleft join orders as o\n"),
        "{sql}"
    );
}

#[test]
fn packages_versions_and_sources_that_dbt_does_not_list_are_errors() {
    use formulac_core::schema::RelationOrigin;
    let node = |name: &str, package: &str, version: Option<&str>| {
        let (package, version) = (package.into(), version.map(Into::into));
        Relation::new(name).with_origin(RelationOrigin::Node { package, version })
    };
    let schema = Schema::new()
        .with(node("orders", "shop", Some("2")))
        .with(node("orders", "shop", Some("1")).with_schema_name("orders_v1"))
        .with(node("items", "goods", None))
        .with(Relation::new("payments").with_origin(RelationOrigin::Source("raw".into())))
        .with(Relation::new("of_a_file"));
    let compiler = Compiler::builder().schema(schema).build();
    for (from, near) in [
        ("ref('orders', v=2)", None),
        ("ref('orders', v=1)", None),
        ("ref('shop', 'orders')", None),
        ("ref('goods', 'items')", None),
        ("source('raw', 'payments')", None),
        ("raw.payments", None),
        ("source('raw', 'of_a_file')", None),
        ("ref('orders', v=9)", Some("ref('orders', v=2)")),
        ("ref('good', 'items')", Some("ref('goods', 'items')")),
        ("ref('goods', 'itms')", Some("ref('goods', 'items')")),
        ("source('rwa', 'payments')", Some("source('raw', 'payments')")),
        ("source('raw', 'items')", Some("ref('items')")),
        ("payments", Some("source('raw', 'payments')")),
        ("ordres", Some("orders")),
    ] {
        let compiled = compiler.compile_spec(&format!("model: m\nfrom: {from}\ndefinitions: n = COUNT()\n"));
        let missing = compiled.diagnostics().iter().find(|fault| fault.code() == "F0307");
        let help = missing.and_then(|fault| fault.help().map(str::to_owned));
        assert_eq!(help, near.map(|near| format!("did you mean `{near}`?")), "{from}");
    }
}

#[test]
fn random_numbers_that_are_read_twice_cause_a_warning() {
    let spec = |definitions: &str| {
        format!(
            "model: m\nfrom: t\nsteps:\n- name: by_month\n  group_by: day[month]\n  definitions: n = SUM(i * RAND())\n\
             - name: months\n  keep: all\n  order_by: day_month\n  definitions: {definitions}\n"
        )
    };
    let relation = Relation::new("t")
        .with(Column::new("day", Type::Date))
        .with(Column::new("i", Type::Integer));
    let before = spec("before = PERIODOFFSET(n, -1, \"month\")");
    for (dialect, spec, expected) in [
        ("bigquery", &before, &["W0513"][..]),
        ("bigquery", &spec("double = n * 2"), &[]),
        ("postgres", &before, &[]),
    ] {
        assert_eq!(
            compile(spec, dialect, std::slice::from_ref(&relation)).1,
            expected,
            "{spec}"
        );
    }
}

#[test]
fn a_select_lists_its_columns_if_a_column_has_the_name_of_a_definition() {
    let spec = "model: m\nfrom: orders\ngroup_by: region\ndefinitions: |\n  amount = qty * 2\n  total = SUM(amount)\n  largest = MAX(amount)\n";
    let orders = Relation::new("orders")
        .with(Column::new("region", Type::Text))
        .with(Column::new("qty", Type::Integer));
    let listed = "select\n        region,\n        qty * 2 as amount\n    from orders\n";
    let star = "select\n        *,\n        qty * 2 as amount\n    from orders\n";
    let with_amount = orders.clone().with(Column::new("amount", Type::Decimal));
    for (relations, select) in [
        (vec![orders.clone()], star),
        (vec![with_amount], listed),
        (vec![orders.mark_incomplete()], star),
        (vec![], star),
    ] {
        let (text, codes) = compile(spec, "duckdb", &relations);
        assert!(text.contains(select) && codes.is_empty(), "{text} {codes:?}");
    }
    // Later selects read the fields of STRUCT columns by their paths.
    let spec = "model: m\nfrom: events\ngroup_by: device.category\ndefinitions: |\n  params = geo.country & \"!\"\n  \
        longest = MAX(LEN(params))\n  countries = COUNTUNIQUE(params)\n";
    let (text, _) = compile(spec, "bigquery", &[events()]);
    assert!(text.contains("select\n        device,\n"), "{text}");
    assert!(text.contains("device.category as category"), "{text}");
}

#[test]
fn tables_that_belong_to_the_project_cause_a_warning() {
    use formulac_core::schema::RelationOrigin;
    let node = RelationOrigin::Node {
        package: "shop".into(),
        version: None,
    };
    let orders = Relation::new("orders").with(Column::new("x", Type::Integer));
    let orders = orders.with_warehouse_schema(Some("finance".into()));
    let items = Relation::new("items").with(Column::new("x", Type::Integer));
    let items = items.with_warehouse_schema(Some("raw_schema".into()));
    let schema = Schema::new()
        .with(orders.with_origin(node))
        .with(items.with_origin(RelationOrigin::Source("raw".into())));
    let compiler = Compiler::builder().schema(schema).build();
    for (from, call) in [
        ("finance.orders", Some("ref('orders')")),
        ("warehouse.Finance.Orders", Some("ref('orders')")),
        ("raw_schema.items", Some("source('raw', 'items')")),
        ("raw.items", Some("source('raw', 'items')")),
        ("raw.orders", None),
        ("orders", None),
        ("ref('orders')", None),
        ("source('raw', 'items')", None),
    ] {
        let compiled = compiler.compile_spec(&format!("model: m\nfrom: {from}\ndefinitions: a = SUM(x)\n"));
        let warnings = compiled.model_warnings();
        let warning = warnings.iter().find(|warning| warning.code() == "W0605");
        let help = warning.and_then(|warning| warning.help().map(str::to_owned));
        assert_eq!(help, call.map(|call| format!("write `{call}`")), "{from}");
    }
}
