//! Tests of lineages, tags and time zones.

use formulac_catalog::Type;
use formulac_core::{Column, Relation, Schema};

use crate::Compiler;

fn test_schema() -> Schema {
    let orders = Relation::new("orders")
        .with(Column::new("order_id", Type::Integer).nullable(false))
        .with(Column::new("customer_id", Type::Integer))
        .with(Column::new("email", Type::Text).with_tags(["pii", "contact"]))
        .with(Column::new("amount", Type::Decimal))
        .with(Column::new("day", Type::Date));
    let customers = Relation::new("customers")
        .with(Column::new("customer_id", Type::Integer))
        .with(Column::new("name", Type::Text).with_tags(["pii"]))
        .with(Column::new("country", Type::Text))
        .primary_key(["customer_id"]);
    Schema::new().with(orders).with(customers)
}

/// Returns one line per column, in the form `column: sources / tags`.
fn lineage_lines(spec: &str) -> Vec<String> {
    let compiler = Compiler::builder().schema(test_schema()).inherit(["pii"]).build();
    let compiled = compiler.compile_spec(spec);
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics());
    let line = |(lineage, column): (super::ColumnLineage, &Column)| {
        assert_eq!(lineage.column(), column.name());
        let sources = lineage
            .sources()
            .iter()
            .map(|s| format!("{}.{}", s.relation(), s.column()));
        format!(
            "{}: {} / {}",
            column.name(),
            sources.collect::<Vec<_>>().join(" "),
            column.tags().join(" ")
        )
    };
    compiled
        .lineage()
        .into_iter()
        .zip(compiled.columns())
        .map(line)
        .collect()
}

#[test]
fn lineage_follows_steps_joins_and_windows() {
    let spec = "
model: m
from: orders
steps:
  - name: mails
    where: amount > 0
    group_by: [email, customer_id, 'day[month]']
    definitions: |
      net = amount * 2
      revenue = SUM(net)
      n = COUNT()
  - name: named
    keep: [email, revenue]
    joins: [{to: customers, using: customer_id}]
    order_by: day_month
    definitions: |
      who = IF(customers.country = \"DE\", customers.name, \"\")
      is_new = ISBLANK(OFFSET(email, -1))
      rank = RANK(revenue)
      all_rows = n
      month = day_month
";
    assert_eq!(
        lineage_lines(&spec.replace("\\\"", "\"")),
        [
            "email: orders.email / pii",
            "revenue: orders.amount / ",
            "who: customers.country customers.name / pii",
            "is_new: orders.email / pii",
            "rank: orders.amount / ",
            "all_rows:  / ",
            "month: orders.day / ",
        ]
    );
}

#[test]
fn a_kept_column_comes_from_the_relation_that_keep_names() {
    let spec = "model: m\nfrom: orders\njoins: [{to: customers, as: c, using: customer_id}]\nkeep: [order_id, c.day]\n";
    let customers = Relation::new("customers")
        .with(Column::new("customer_id", Type::Integer))
        .with(Column::new("day", Type::Date).description("first day"))
        .primary_key(["customer_id"]);
    let orders = test_schema().relation("orders").cloned().unwrap();
    let schema = Schema::new().with(orders).with(customers);
    let compiled = Compiler::builder().schema(schema).build().compile_spec(spec);
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics());
    let lineage = compiled.lineage();
    let sources: Vec<&str> = lineage[1].sources().iter().map(super::SourceColumn::relation).collect();
    assert_eq!((lineage[1].column(), sources), ("day", vec!["customers"]));
    assert_eq!(compiled.columns()[1].description_text(), Some("first day"));
}

#[test]
fn a_column_of_a_union_has_the_sources_of_all_branches() {
    let branches = "
model: m
from: orders
steps:
  - name: sold
    keep: order_id
    definitions: who = UPPER(email)
  - name: people
    from: customers
    definitions: |
      order_id = customer_id
      who = country
";
    let read = [
        "customers.customer_id orders.order_id / ",
        "customers.country orders.email / pii",
    ];
    // Only one branch of the union has a tag. Kept and computed columns inherit the tag regardless of the order of the
    // branches.
    for union in ["[sold, people]", "[people, sold]"] {
        for keep in ["[order_id, who]", "all"] {
            let spec = format!(
                "{branches}  - name: together\n    union: {union}\n    keep: {keep}\n    definitions: lower = LOWER(who)\n"
            );
            let expected = [("order_id", read[0]), ("who", read[1]), ("lower", read[1])];
            assert_eq!(
                lineage_lines(&spec),
                expected.map(|(name, read)| format!("{name}: {read}")),
                "{union} {keep}"
            );
        }
    }
}

#[test]
fn sheet_lineage_covers_lookups_totals_and_pivots() {
    let spec = "
model: m
from: orders
steps:
  - name: mails
    group_by: [email, customer_id]
    definitions: revenue = SUM(amount)
  - name: sheet
    columns: [email, customer_id, revenue]
    order_by: email
    tabs: {People: {model: customers, columns: [customer_id, name]}}
    calculations:
      who: VLOOKUP(B1, 'People'!A:B, 2, FALSE)
      share: C1 / ${revenue:column_total}
";
    assert_eq!(
        lineage_lines(spec),
        [
            "email: orders.email / pii",
            "customer_id: orders.customer_id / ",
            "revenue: orders.amount / ",
            "who: customers.customer_id customers.name orders.customer_id / pii",
            "share: orders.amount / ",
        ]
    );
    let spec = "
model: m
from: customers
steps:
  - name: people
    group_by: [country, name]
    definitions: n = COUNT(customer_id)
  - name: sheet
    columns: [country, name, n]
    order_by: country
    pivot_by: name
    values: [Ann, Bo]
    calculations: {twice: C1 * 2}
";
    // The columns of the wide form are named after pivot values, so each column may depend on all inputs.
    let people = "customers.country customers.customer_id customers.name / pii";
    let wide = ["n_ann", "n_bo", "twice_ann", "twice_bo"].map(|name| format!("{name}: {people}"));
    assert_eq!(
        lineage_lines(spec),
        [&["country: customers.country / ".to_owned()], &wide[..]].concat()
    );
}

/// Returns the names of the columns for which a model's properties file disables Omni's time zone conversion.
fn columns_in_timezone(compiler: &Compiler, spec: &str) -> Vec<String> {
    let compiled = compiler.compile_spec(spec);
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics());
    let yml = compiled.model_yml().unwrap();
    let columns = yml.split("      - name: ").skip(1);
    let stops = columns.filter(|text| text.contains("            omni:\n") && text.contains("convert_tz: false\n"));
    stops.map(|text| text.lines().next().unwrap().to_owned()).collect()
}

#[test]
fn times_in_the_projects_time_zone_are_not_converted_again() {
    let orders = Relation::new("orders")
        .with(Column::new("created_at", Type::Timestamptz))
        .with(Column::new("local_time", Type::Timestamp))
        .with(Column::new("amount", Type::Integer));
    let schema = Schema::new().with(orders);
    let compiler = Compiler::builder()
        .schema(schema.clone())
        .timezone("Europe/Berlin")
        .build();
    let one_step = "model: m\nfrom: orders\ngroup_by: \"created_at[date], local_time[date], next\"\ndefinitions: |\n  \
                        last_hour = MAX(HOUR(created_at))\n  last_order = MAX(created_at)\n  next = created_at[date] + 1\n";
    assert_eq!(columns_in_timezone(&compiler, one_step), ["created_at_date", "next"]);
    let several_steps = "model: m\nfrom: orders\nsteps:\n  - name: by_month\n    group_by: \"created_at[month]\"\n    \
                             fill: month\n    definitions: total = SUM(amount)\n  - name: last\n    \
                             definitions: |\n      latest = MAX(created_at_month)\n      best = MAX(total)\n";
    assert_eq!(columns_in_timezone(&compiler, several_steps), ["latest"]);
    let filled = "model: m\nfrom: orders\ngroup_by: \"created_at[month]\"\nfill: month\ndefinitions: n = COUNT()\n";
    assert_eq!(columns_in_timezone(&compiler, filled), ["created_at_month"]);

    // Also test settings in the spec, and a model that reads this model.
    let base = compiler.compile_spec(one_step);
    let reading = compiler.with_models(std::slice::from_ref(&base));
    let spec = "model: later\nfrom: m\nkeep: [next]\ndefinitions: month = created_at_date[month]\n";
    assert_eq!(columns_in_timezone(&reading, spec), ["next", "month"]);
    let set = format!("{filled}columns: {{created_at_month: {{omni: {{label: Month}}}}}}\n");
    assert_eq!(columns_in_timezone(&compiler, &set), ["created_at_month"]);
    let set = set.replace("label: Month", "convert_tz: true");
    assert_eq!(columns_in_timezone(&compiler, &set), [""; 0]);

    // The values are in the time zone of the session.
    let without = Compiler::builder().schema(schema).build();
    assert_eq!(columns_in_timezone(&without, one_step), [""; 0]);
}
