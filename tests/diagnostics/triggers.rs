//! Causes the diagnostics whose page cannot contain an example.

use formulac::diag::Example;
use formulac::limits::Limits;
use formulac::{Access, Code, Column, Compiler, Context, Diagnostic, Relation, Schema, SpecText, Type};

use crate::orders::orders;
use crate::setting::{customers, events};

/// A code, a function that triggers the code, and a function that compiles the same input after the error is corrected.
type Trigger = (&'static str, fn() -> Vec<Diagnostic>, fn() -> Vec<Diagnostic>);

fn compile(text: &str) -> Vec<Diagnostic> {
    Compiler::default().compile(text).diagnostics().to_vec()
}

fn compile_row(text: &str) -> Vec<Diagnostic> {
    Compiler::builder()
        .context(Context::Row)
        .build()
        .compile(text)
        .diagnostics()
        .to_vec()
}

fn compile_two(text: &str) -> Vec<Diagnostic> {
    let schema = Schema::new().with(orders()).with(customers());
    Compiler::builder()
        .schema(schema)
        .build()
        .compile(text)
        .diagnostics()
        .to_vec()
}

fn compile_events(text: &str) -> Vec<Diagnostic> {
    let compiler = Compiler::builder()
        .context(Context::Row)
        .schema(Schema::new().with(events()));
    compiler.build().compile(text).diagnostics().to_vec()
}

fn compile_nested(text: &str) -> Vec<Diagnostic> {
    let compiler = Compiler::builder()
        .dialect("bigquery".parse().expect("a dialect"))
        .schema(Schema::new().with(events()));
    compiler.build().compile(text).diagnostics().to_vec()
}

fn compile_ordered(text: &str) -> Vec<Diagnostic> {
    Compiler::builder()
        .context(Context::Row)
        .order_by(["id"])
        .build()
        .compile(text)
        .diagnostics()
        .to_vec()
}

fn compile_on_bigquery(text: &str) -> Vec<Diagnostic> {
    let compiler = Compiler::builder()
        .dialect("bigquery".parse().expect("a dialect"))
        .build();
    compiler.compile_spec(text).diagnostics().to_vec()
}

/// Returns a spec whose second step reads the random numbers of the first.
fn spec_with_draws(definition: &str) -> String {
    format!(
        "model: m\nfrom: t\nsteps:\n- name: months\n  group_by: day[month]\n  definitions: n = SUM(x * RAND())\n\
         - name: compared\n  keep: all\n  order_by: day_month\n  definitions: {definition}\n"
    )
}

fn compile_spec(text: &str) -> Vec<Diagnostic> {
    Compiler::default().compile_spec(text).diagnostics().to_vec()
}

fn compile_incremental(keys: &str) -> Vec<Diagnostic> {
    let config = "config: {materialized: incremental, event_time: ordered_on, unique_key: [ordered_on, status]}";
    let text =
        format!("model: m\nfrom: orders\n{keys}\n{config}\ncolumns: {{ordered_on: {{data_tests: [not_null]}}}}\n");
    Compiler::builder()
        .schema(Schema::new().with(orders()))
        .build()
        .compile_spec(&text)
        .diagnostics()
        .to_vec()
}

/// Compares a type in `known.yml` with the type in dbt's artifacts.
fn contradictions(ty: &str) -> Vec<Diagnostic> {
    let text = |ty: &str| format!("relations: {{orders: {{columns: {{amount: \"{ty}\"}}}}}}\n");
    let (facts, _) = formulac::KnownFacts::from_text(&text("integer"));
    facts.report_contradictions(&text(ty))
}

/// Compiles a model that is built on two metric sets.
fn compile_from_metric_sets(keys: &str) -> Vec<Diagnostic> {
    let sets = [
        "metric_set: orders\nfrom: orders\ntime: ordered_on\ntimezone: Europe/Berlin\ndefinitions:\n  \
        revenue: SUM(amount)\n  largest: MAX(amount)\n  growth: revenue / PERIODOFFSET(revenue, -1, \"month\")\n\
        columns: {revenue: {renamed_from: sales}}\n",
        "metric_set: refunds\nfrom: refunds\ntimezone: Europe/Berlin\ndefinitions: refunded = SUM(amount)\n",
    ];
    let sets = sets.map(|text| SpecText { text, path: None });
    let compiler = Compiler::default();
    let compiler = compiler.with_models(&compiler.compile_specs(&sets));
    compiler
        .compile_spec(&format!("model: m\n{keys}\n"))
        .diagnostics()
        .to_vec()
}

/// Compiles a model that is built on a metric set whose relation has a column `year`.
fn compile_with_year_column(key: &str) -> Vec<Diagnostic> {
    let schema = Schema::new().with(orders().with(Column::new("year", Type::Integer)));
    let set = "metric_set: orders\nfrom: orders\ntime: ordered_on\ndefinitions: revenue = SUM(amount)\n";
    let model = format!("model: m\nmetrics: orders.revenue\ngroup_by: {key}\n");
    let texts = [set, &model].map(|text| SpecText { text, path: None });
    let compiler = Compiler::builder().schema(schema).build();
    let model = compiler.compile_specs(&texts).pop();
    model.map_or_else(Vec::new, |model| model.diagnostics().to_vec())
}

fn compile_private(keys: &str) -> Vec<Diagnostic> {
    let schema = Schema::new().with(orders().with_access(Access::Private, Some("finance")));
    let text = format!("model: m\nfrom: orders\ndefinitions: n = COUNT()\n{keys}\n");
    Compiler::builder()
        .schema(schema)
        .build()
        .compile_spec(&text)
        .diagnostics()
        .to_vec()
}

fn compile_in_groups(keys: &str) -> Vec<Diagnostic> {
    let text = format!("model: m\nfrom: orders\ndefinitions: n = COUNT()\n{keys}\n");
    let compiler = Compiler::builder().groups(["finance"]).build();
    compiler.compile_spec(&text).diagnostics().to_vec()
}

fn nested_repetition(depth: usize) -> String {
    format!("{}x + 1{}", "MOD(7, ".repeat(depth), ")".repeat(depth))
}

fn doubling_definitions(count: usize) -> String {
    let mut text = "d0 = x + 1\n".to_owned();
    (1..count).for_each(|i| text.push_str(&format!("d{i} = d{} + 1\n", i - 1)));
    text
}

/// Returns the diagnostics for a measure in Omni's view.
#[cfg(feature = "cli")]
fn promote_field(field: &str) -> Vec<Diagnostic> {
    use formulac::promote::{PromotionRequest, promote};
    let view = "measures:\n  revenue: {sql: '${amount}', aggregate_type: sum}\n";
    let mut request = PromotionRequest::from_file("orders.view");
    request.fields = vec![field.to_owned()];
    let files = [("orders.view".to_owned(), view.to_owned())];
    promote(&files, &request, &Compiler::default())
        .map_or_else(|fault| vec![fault.1], |promotion| promotion.diagnostics)
}

/// Returns the diagnostics for a spec and an Omni view that define the same field.
#[cfg(feature = "cli")]
fn with_omni_field(sql: &str) -> Vec<Diagnostic> {
    let spec = "model: m\nfrom: orders\ncolumns: {revenue: {meta: {promoted_from: orders.revenue}}}\n";
    let view = format!("measures:\n  revenue: {{sql: '{sql}', aggregate_type: sum}}\n");
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let omni = [
        file("orders.view", &view),
        file("m.view", "dimensions: {revenue: {}}\n"),
    ];
    let compile = |_| Some(Compiler::default().compile_spec(spec));
    formulac::promote::duplicate_field_warnings(&[file("m.yml", spec)], &omni, compile)
        .into_iter()
        .map(|(_, fault)| fault)
        .collect()
}

/// Compiles source text with a relation whose columns are only partly known.
fn compile_partial(text: &str) -> Vec<Diagnostic> {
    let orders = Relation::new("orders")
        .with(Column::new("id", Type::Integer))
        .mark_incomplete();
    Compiler::builder()
        .schema(Schema::new().with(orders))
        .from("orders")
        .build()
        .check(text)
}

const TRIGGERS: &[Trigger] = &[
    (
        "W0824",
        || contradictions("decimal(12,2)"),
        || contradictions("integer"),
    ),
    (
        "F0850",
        || compile_from_metric_sets("metrics: [orders.revenu]"),
        || compile_from_metric_sets("metrics: [orders.revenue]"),
    ),
    (
        "F0851",
        || compile_from_metric_sets("metrics: [orders.revenue, refunds.refunded]\ngroup_by: region"),
        || {
            compile_from_metric_sets(
                "metrics: [orders.revenue, refunds.refunded]\ngroup_by:\n  - region: {orders: area, refunds: region}",
            )
        },
    ),
    (
        "F0852",
        || compile_from_metric_sets("metrics: [orders.growth]\ngroup_by: region"),
        || compile_from_metric_sets("metrics: [orders.growth]\ngroup_by: [month, region]"),
    ),
    (
        "F0853",
        || compile_from_metric_sets("metrics: [orders.revenue]\ndefinitions: revenue = revenue * 1.19"),
        || compile_from_metric_sets("metrics: [orders.revenue]\ndefinitions: gross_revenue = revenue * 1.19"),
    ),
    (
        "F0854",
        || compile_from_metric_sets("metrics: [orders.revenue]\ntimezone: UTC"),
        || compile_from_metric_sets("metrics: [orders.revenue]"),
    ),
    (
        "F0855",
        || compile_from_metric_sets("metrics: [orders.revenue]\ndefinitions: largest_order = MAX(amount)"),
        || compile_from_metric_sets("metrics: [orders.revenue, orders.largest]"),
    ),
    (
        "W0856",
        || compile_from_metric_sets("metrics: [orders.sales]"),
        || compile_from_metric_sets("metrics: [orders.revenue]"),
    ),
    (
        "F0857",
        || compile_from_metric_sets("metrics: [orders.revenue]\ngroup_by: region\nfill: month"),
        || compile_from_metric_sets("metrics: [orders.revenue]\ngroup_by: [month, region]\nfill: month"),
    ),
    (
        "F0858",
        || compile_spec("model: m\nfrom: t\ngroup_by: region\nsince: 2024-02-01\ndefinitions: n = COUNT()\n"),
        || {
            compile_spec(
                "model: m\nfrom: t\ngroup_by: [\"ordered_at[month]\", region]\nsince: 2024-02-01\ndefinitions: n = COUNT()\n",
            )
        },
    ),
    (
        "W0859",
        || compile_with_year_column("year"),
        || compile_with_year_column("\"ordered_on[year]\""),
    ),
    #[cfg(feature = "cli")]
    ("F0710", || promote_field("revenu"), || promote_field("revenue")),
    #[cfg(feature = "cli")]
    (
        "W0712",
        || with_omni_field("${amount}"),
        || with_omni_field("${m.revenue}"),
    ),
    (
        "F0640",
        || compile_private("access: public"),
        || compile_private("access: private\ngroup: finance"),
    ),
    (
        "F0641",
        || compile_private("config: {group: sales}"),
        || compile_private("group: finance"),
    ),
    (
        "F0642",
        || compile_in_groups("group: finanse"),
        || compile_in_groups("group: finance"),
    ),
    (
        "W0634",
        || compile_incremental("group_by: [ordered_on, status]\ndefinitions: n = COUNT()"),
        || {
            compile_incremental(
                "group_by: [ordered_on, status]\ndefinitions: {n: COUNT(), status: 'COALESCE(status, \"none\")'}",
            )
        },
    ),
    (
        "F0105",
        || compile(&"a".repeat((16 << 20) + 1)),
        || {
            let limits = Limits::default().with_source(8);
            Compiler::builder()
                .limits(limits)
                .build()
                .compile("SUM(a_b)")
                .diagnostics()
                .to_vec()
        },
    ),
    (
        "F0204",
        || compile(&format!("{}1{}", "(".repeat(1_001), ")".repeat(1_001))),
        || compile(&format!("{}1{}", "(".repeat(1_000), ")".repeat(1_000))),
    ),
    (
        "W0316",
        || compile_partial("SUM(amount)"),
        || compile_partial("COUNT(id)"),
    ),
    (
        "F0318",
        || compile_nested("MAX(items.id)"),
        || compile_nested("MAX(device.category)"),
    ),
    ("F0303", || compile_two("SUM(id)"), || compile_two("SUM(orders.id)")),
    (
        "F0310",
        || compile_two("SUM(orders.amount) / COUNT(customers.name)"),
        || compile_two("SUM(orders.amount)"),
    ),
    (
        "F0502",
        || compile_row(&nested_repetition(40)),
        || compile_row(&nested_repetition(1)),
    ),
    (
        "F0512",
        || compile_on_bigquery("model: m\nfrom: t\ndefinitions: {'Net (EUR)': SUM(x)}\n"),
        || compile_on_bigquery("model: m\nfrom: t\ndefinitions: {'Net EUR': SUM(x)}\n"),
    ),
    (
        "F0504",
        || compile_row(&doubling_definitions(10_000)),
        || compile_row(&doubling_definitions(100)),
    ),
    (
        "W0513",
        || compile_on_bigquery(&spec_with_draws("before = PERIODOFFSET(n, -1, \"month\")")),
        || compile_on_bigquery(&spec_with_draws("double = n * 2")),
    ),
    ("W0506", || compile_row("YEAR(NOW())"), || compile_row("YEAR(TODAY())")),
    (
        "W0472",
        || compile_events("created_at <= DATE(2024, 1, 31)"),
        || compile_events("created_at < DATE(2024, 2, 1)"),
    ),
    (
        "F0507",
        || compile_ordered("OFFSET(OFFSET(amount, -1), -1)"),
        || compile_spec("model: m\nfrom: t\norder_by: id\ndefinitions: a = OFFSET(OFFSET(amount, -1), -1)\n"),
    ),
];

/// Codes that no source text can trigger through the library, each with the test that covers it.
const ELSEWHERE: &[(&str, &str)] = &[
    ("F0104", "only the command reads files that are not UTF-8: tests/cli"),
    ("F0602", "a query may read what a model may not: tests/cli"),
    ("F0660", "only the command compiles several specs: tests/cli"),
    ("F0661", "only the command reads dbt's artifacts: tests/cli"),
    ("F0675", "only the command compiles several specs: tests/cli"),
    (
        "W0605",
        "only dbt's manifest has schemas of the warehouse: src/model/compile/tests.rs",
    ),
    ("W0681", "only the command reads dbt's artifacts: tests/cli"),
    ("F0701", "only the command writes files: tests/cli"),
    (
        "F0710",
        "Omni's files are promoted with the feature `cli`: above, and tests/cli",
    ),
    ("W0711", "gaps become warnings only in the command: tests/cli"),
    (
        "W0712",
        "Omni's files are promoted with the feature `cli`: above, and tests/cli",
    ),
    ("F0713", "only the command changes Omni's files: tests/cli"),
    ("F0813", "only the command compiles several specs: tests/cli"),
    ("F0822", "only the command reads files: tests/cli"),
    ("F0823", "only the command runs engines: tests/cli"),
    ("F0830", "only the command reads dbt_project.yml: tests/cli/paths.rs"),
    ("F0901", "a fault of formulac itself"),
];

/// Returns all codes that are triggered here or listed as tested elsewhere.
pub fn codes() -> Vec<&'static str> {
    TRIGGERS
        .iter()
        .map(|t| t.0)
        .chain(ELSEWHERE.iter().map(|e| e.0))
        .chain(["F0820", "F0821"])
        .collect()
}

/// Returns the codes that a schema file triggers.
pub fn schema_codes(text: &str) -> Option<Vec<&'static str>> {
    let (_, diagnostics) = Schema::from_text(text, formulac::Dialect::default());
    Some(diagnostics.iter().map(Diagnostic::code).collect())
}

#[test]
fn every_code_without_an_example_can_be_triggered() {
    let mut faults = Vec::new();
    for (code, wrong, right) in TRIGGERS {
        let found: Vec<&str> = wrong().iter().map(Diagnostic::code).collect();
        if !found.contains(code) {
            faults.push(format!("{code}: found {found:?}"));
        }
        let found: Vec<&str> = right().iter().map(Diagnostic::code).collect();
        if found.contains(code) {
            faults.push(format!("{code}: the right form gives {found:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// If the example on a page is only displayed, the code has a trigger in this file.
#[test]
fn every_shown_page_has_a_trigger() {
    let known = codes();
    let shown = |c: &&Code| matches!(c.page().wrong, Example::Shown(_));
    let missing: Vec<&str> = Code::ALL
        .iter()
        .filter(shown)
        .map(|c| c.code())
        .filter(|c| !known.contains(c))
        .collect();
    assert!(missing.is_empty(), "no trigger for {missing:?}");
}
