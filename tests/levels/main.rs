//! Tests which levels of formulas, such as row and aggregate, can be combined. `levels.yml` contains pairs of levels,
//! each with the resulting SQL or error code.

use formulac::{Column, Compiler, Context, Relation, Schema, Type};
use saphyr::{LoadableYamlNode, Yaml};

fn compiler(context: Context) -> Compiler {
    let orders = Relation::new("orders")
        .with(Column::new("id", Type::Integer).nullable(false))
        .with(Column::new("amount", Type::Decimal).nullable(false))
        .with(Column::new("month", Type::Date).nullable(false));
    let builder = Compiler::builder()
        .schema(Schema::new().with(orders))
        .from("orders")
        .context(context)
        .order_by(["month"]);
    // In a measure, the test groups by month. A dimension is computed per row.
    if context == Context::Measure {
        builder.group_by(["month"]).build()
    } else {
        builder.build()
    }
}

/// Returns the SQL, or the codes of the errors.
fn outcome(case: &Yaml<'_>) -> (String, String) {
    let text = |key: &str| case.as_mapping_get(key).and_then(|n| n.as_str());
    let codes = |all: &[formulac::Diagnostic]| {
        all.iter()
            .filter(|d| d.is_error())
            .map(formulac::Diagnostic::code)
            .collect::<Vec<_>>()
            .join(" ")
    };
    if let Some(step) = text("step") {
        let spec = format!("model: m\nfrom: orders\n{step}");
        let compiled = compiler(Context::Measure).compile_spec(&spec);
        return (
            compiled.query().unwrap_or_default().to_owned(),
            codes(compiled.diagnostics()),
        );
    }
    let context = if text("for") == Some("rows") {
        Context::Row
    } else {
        Context::Measure
    };
    let compiled = compiler(context).compile(text("formula").expect("a case has `formula` or `step`"));
    let sql = compiled
        .definitions()
        .first()
        .map_or_else(String::new, |d| format!("{} -- {}", d.sql(), d.level()));
    (sql, codes(compiled.diagnostics()))
}

#[test]
fn pairs_of_levels_compile_as_listed() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/levels/levels.yml");
    let text = std::fs::read_to_string(path).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    let cases = documents[0].as_sequence().unwrap();
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    let mut faults = Vec::new();
    for case in cases {
        let it = case
            .as_mapping_get("it")
            .and_then(|n| n.as_str())
            .expect("a case has `it`");
        let (sql, codes) = outcome(case);
        let wanted = |key: &str| case.as_mapping_get(key).and_then(|n| n.as_str()).unwrap_or_default();
        if std::env::var("SHOW").is_ok() {
            println!("@@{it}@@{sql}@@{codes}@@");
        }
        if sql.trim() != wanted("gives").trim() || codes != wanted("refused") {
            faults.push(format!(
                "{it}: gives {sql}{codes}, wanted {}{}",
                wanted("gives"),
                wanted("refused")
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
