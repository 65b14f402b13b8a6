//! Checks that the library reports the SQL's columns in the order in which the SQL returns them.

use formulac::{Compiler, Dialect, Schema};

use crate::corpus::{compiler, specs};
use crate::sql_parser::parse;

fn unquoted_name(name: &str) -> String {
    name.trim_matches(['"', '`']).to_lowercase()
}

#[test]
fn selected_columns_match_the_declared_columns() {
    for (name, spec, schema) in specs() {
        for dialect in Dialect::all() {
            let compiled = compiler(dialect, &schema).compile_spec(&spec);
            let Some(query) = compiled.query() else { continue };
            let statements = parse(dialect, query).unwrap();
            let sqlparser::ast::Statement::Query(query_tree) = &statements[0] else {
                panic!("{name}: no query")
            };
            let sqlparser::ast::SetExpr::Select(select) = &*query_tree.body else {
                panic!("{name}: no select")
            };
            let item = |item: &sqlparser::ast::SelectItem| match item {
                sqlparser::ast::SelectItem::ExprWithAlias { alias, .. } => Some(unquoted_name(&alias.value)),
                sqlparser::ast::SelectItem::UnnamedExpr(e) => {
                    Some(unquoted_name(e.to_string().rsplit('.').next().unwrap_or_default()))
                }
                _ => None,
            };
            let Some(written) = select.projection.iter().map(item).collect::<Option<Vec<_>>>() else {
                continue;
            };
            let stated: Vec<String> = compiled.columns().iter().map(|c| unquoted_name(c.name())).collect();
            assert_eq!(written, stated, "{name} in {dialect}\n{query}");
        }
    }
}

/// If no schema lists the columns, `*` also includes the columns that earlier CTEs compute, but each column only once.
#[test]
fn unknown_columns_appear_once() {
    let query = |definitions: &str| {
        let spec = format!("model: m\nfrom: t\nkeep: all\norder_by: day\ndefinitions: |\n{definitions}");
        let compiled = Compiler::default().compile_spec(&spec);
        let codes: Vec<_> = compiled.diagnostics().iter().map(formulac::Diagnostic::code).collect();
        compiled.query().map_or_else(
            || codes.join(" "),
            |q| q.rsplit_once("\n\n").unwrap_or(("", q)).1.to_owned(),
        )
    };
    assert_eq!(
        query("  before = OFFSET(amount, -1)\n  change = amount - before\n  rate = change / before\n"),
        "select\n    *,\n    cast(change as double precision) / nullif(before, 0) as rate\nfrom with_change\norder by day\n"
    );
    assert_eq!(
        query("  twice = amount * 2\n"),
        "select\n    *,\n    amount * 2 as twice\nfrom t\norder by day\n"
    );
    for in_the_way in [
        "  change = amount - before\n  before = OFFSET(amount, -1)\n",
        "  amount = amount * 2\n",
        "  rest = MOD(7, a + b)\n",
    ] {
        assert_eq!(query(in_the_way), "F0814", "{in_the_way}");
    }
}

/// Checks that a spec reports its definitions, each with its position in the YAML file.
#[test]
fn definitions_of_a_spec() {
    let spec = "model: m\nfrom: t\nsteps:\n  - name: one\n    group_by: g\n    definitions: |\n      /// all of it\n      total = SUM(x) // here\n  - name: two\n    keep: all\n    order_by: g\n    definitions:\n      before: OFFSET(total, -1)\n";
    let compiled = Compiler::default().compile_spec(spec).into_result().unwrap();
    let shown: Vec<String> = compiled
        .definitions()
        .iter()
        .map(|d| {
            let about = d.description().unwrap_or("-");
            format!(
                "{} {} = {}: {} {} {} `{}` {about}",
                d.step().unwrap_or("-"),
                d.name(),
                d.formula(),
                d.ty(),
                d.level().name(),
                d.nullable(),
                d.span().text(spec)
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "one total = SUM(x): decimal aggregate false `total = SUM(x)` all of it",
            "two before = OFFSET(total, -1): decimal window true `before: OFFSET(total, -1)` -",
        ]
    );
}

/// Checks that months between first days of months are computed without comparing days, even if the days come from an
/// earlier step.
#[test]
fn months_between_first_days() {
    let sql = |first: &str, last: &str| {
        let spec = format!(
            "model: m\nfrom: orders\nsteps:\n  - name: one\n    group_by: [customer_id, \"ordered_at[month]\"]\n    definitions: |\n      \
             first_month = {first}\n      last_month = {last}\n  - name: two\n    keep: [ordered_at_month, first_month, last_month]\n    \
             definitions: n = 1\n  - name: three\n    keep: [first_month]\n    definitions: |\n      \
             age = DATEDIF(first_month, last_month, \"M\")\n      of_row = DATEDIF(first_month, ordered_at_month, \"M\")\n"
        );
        let facts = "relations: {orders: {columns: {customer_id: integer, ordered_at: date}}}";
        let (schema, _) = Schema::from_text(facts, "duckdb".parse().unwrap());
        let compiler = Compiler::builder()
            .dialect("duckdb".parse().unwrap())
            .schema(schema)
            .build();
        compiler.compile_spec(&spec).query().unwrap().to_owned()
    };
    let short = sql("MIN(ordered_at[month])", "MAX(ordered_at[quarter])");
    assert!(
        short.contains("date_diff('month', first_month, last_month)") && !short.contains("day("),
        "{short}"
    );
    let long = sql("MIN(ordered_at)", "MAX(ordered_at[month])");
    assert!(long.contains("day("), "{long}");
}
