//! Tests edits with calls that people write without guards: without a default for NULL, a conversion of types, or a
//! condition that prevents errors. Generated SQL has these guards, so the SQL of the formula differs from the edit.

use formulac::{Column, Compiler, Dialect, Relation, Schema, Type};

use crate::decompiler;

const GROUPED: &str = "model: m\nfrom: orders\ngroup_by: country\ndefinitions: value = COUNT()\n";
const ROWS: &str = "model: m\nfrom: orders\ndefinitions: value = 7919\n";

fn compiler(dialect: Dialect) -> Compiler {
    let columns = [
        ("country", Type::Text),
        ("name", Type::Text),
        ("quantity", Type::Integer),
        ("amount", Type::Decimal),
        ("score", Type::Float),
        ("day", Type::Date),
        ("paid_at", Type::Timestamp),
    ];
    let orders = columns.iter().fold(Relation::new("orders"), |relation, (name, ty)| {
        relation.with(Column::new(*name, *ty))
    });
    // The type of `other` is unknown.
    let orders = orders.with(Column::new("other", Type::Unknown));
    Compiler::builder()
        .dialect(dialect)
        .schema(Schema::new().with(orders))
        .build()
}

/// Returns the formula for an edit to the definition, and the guards that the formula's SQL adds to the edit. If no
/// formula was found, returns an empty string and the reason.
fn find_formula(dialect: Dialect, spec: &str, edit: &str) -> (String, String) {
    let compiler = compiler(dialect);
    let compiled = compiler.compile_spec(spec);
    let sql = compiled
        .model_sql()
        .unwrap_or_else(|| panic!("{:?}", compiled.diagnostics()));
    let found = ["count(*) as value", "7919 as value"]
        .iter()
        .fold(sql.to_owned(), |sql, before| {
            sql.replacen(before, &format!("{edit} as value"), 1)
        });
    assert_ne!(found, sql, "{sql}");
    match decompiler().find_formula_with_guards(&compiler, spec, None, &found, None, "value") {
        Ok(formula) => (
            formula.formula,
            formula
                .rewritten
                .map_or_else(String::new, |rewritten_sql| rewritten_sql.describe()),
        ),
        Err(reason) => (String::new(), reason.reason),
    }
}

/// Spec, edit, dialects, formula, and whether the formula's SQL is spelled differently from the edit.
type Case = (&'static str, &'static str, &'static [&'static str], &'static str, bool);

const ALL: &[&str] = &["bigquery", "snowflake", "postgres", "duckdb"];

const CASES: &[Case] = &[
    (GROUPED, "sum(amount)", ALL, "SUM(amount)", true),
    (
        GROUPED,
        "median(amount)",
        &["snowflake", "duckdb"],
        "MEDIAN(amount)",
        true,
    ),
    (
        GROUPED,
        "median(score)",
        &["snowflake", "duckdb"],
        "MEDIAN(score)",
        false,
    ),
    (GROUPED, "round(avg(score), 2)", ALL, "ROUND(AVERAGE(score), 2)", true),
    (GROUPED, "round(sum(amount), 2)", ALL, "ROUND(SUM(amount), 2)", true),
    (GROUPED, "sum(amount) / count(*)", ALL, "SUM(amount) / COUNT()", true),
    (GROUPED, "sum(abs(amount))", ALL, "SUM(ABS(amount))", true),
    (
        GROUPED,
        "coalesce(sum(amount) filter (where name = 'x' and quantity = 1), 0)",
        &["postgres", "duckdb"],
        "SUM(IF(AND(name = \"x\", quantity = 1), amount))",
        true,
    ),
    (
        GROUPED,
        "coalesce(sum(amount) filter (where name = 'x' and quantity = 1 and score > 2), 0)",
        &["postgres", "duckdb"],
        "SUM(IF(AND(name = \"x\", quantity = 1, score > 2), amount))",
        true,
    ),
    (GROUPED, "stddev(score)", &["postgres"], "STDEV(score)", true),
    (
        GROUPED,
        "stddev(score)",
        &["bigquery", "snowflake", "duckdb"],
        "STDEV(score)",
        false,
    ),
    (GROUPED, "variance(score)", &["postgres"], "VAR(score)", true),
    (ROWS, "round(amount, 2)", ALL, "ROUND(amount, 2)", false),
    (ROWS, "round(score, 2)", ALL, "ROUND(score, 2)", true),
    (ROWS, "round(other, 2)", ALL, "ROUND(other, 2)", true),
    (
        ROWS,
        "round(coalesce(score, 0), 2)",
        ALL,
        "ROUND(IFNA(score, 0), 2)",
        true,
    ),
    (ROWS, "sqrt(score)", ALL, "SQRT(score)", true),
    (ROWS, "ln(amount)", ALL, "LN(amount)", true),
    (ROWS, "exp(score)", ALL, "EXP(score)", true),
    (ROWS, "amount / quantity", ALL, "amount / quantity", true),
    (
        ROWS,
        "date_trunc('quarter', day)",
        &["snowflake", "postgres", "duckdb"],
        "day[quarter]",
        true,
    ),
    (
        ROWS,
        "date_trunc('month', paid_at)",
        &["snowflake", "postgres", "duckdb"],
        "paid_at[month]",
        true,
    ),
    (ROWS, "extract(year from day)", &["postgres"], "YEAR(day)", true),
    (
        ROWS,
        "extract(year from day)",
        &["bigquery", "snowflake", "duckdb"],
        "YEAR(day)",
        false,
    ),
    (ROWS, "year(day)", &["snowflake", "duckdb"], "YEAR(day)", false),
    (
        ROWS,
        "ceiling(amount)",
        &["snowflake", "duckdb"],
        "CEILING(amount)",
        false,
    ),
    (ROWS, "substring(name, 1, 3)", ALL, "MID(name, 1, 3)", false),
    (ROWS, "char_length(name)", ALL, "LEN(name)", false),
    (
        ROWS,
        "round(score, 0)",
        &["bigquery", "snowflake", "duckdb"],
        "ROUND(score)",
        true,
    ),
    (ROWS, "upper(name)", ALL, "UPPER(name)", false),
    (
        ROWS,
        "greatest(amount, quantity)",
        &["postgres", "duckdb"],
        "MAX(amount, quantity)",
        false,
    ),
];

#[test]
fn calls_without_guards_become_formulas() {
    let mut faults = Vec::new();
    for (spec, edit, dialects, formula, is_rewritten) in CASES {
        for dialect in *dialects {
            let (found, added) = find_formula(dialect.parse().unwrap(), spec, edit);
            if found != *formula || added.is_empty() == *is_rewritten {
                faults.push(format!(
                    "{dialect}: {edit}: found {found:?} ({added}), expected {formula:?}"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Edits remain manual edits if the formula function with the same name returns different values, or if the edit
/// removes guards on purpose.
#[test]
fn other_calls_remain_manual_edits() {
    let summed = GROUPED.replace("COUNT()", "SUM(amount)");
    let postgres: &[&str] = &["postgres"];
    for (spec, edit, dialects) in [
        // In formulas, TRIM also removes repeated spaces between words.
        (ROWS, "trim(name)", ALL),
        // In formulas, the result of MOD has the sign of the divisor.
        (ROWS, "mod(quantity, 7)", ALL),
        // Integer division in Postgres discards the remainder.
        (ROWS, "quantity / quantity", postgres),
        (GROUPED, "sum(quantity) / count(*)", postgres),
        (ROWS, "round(cast(score as integer), 2)", ALL),
        (ROWS, "paid_at", ALL),
    ] {
        for dialect in dialects {
            let (formula, reason) = find_formula(dialect.parse().unwrap(), spec, edit);
            assert!(
                formula.is_empty() || formula == edit && edit == "paid_at",
                "{dialect}: {edit}: {formula} ({reason})"
            );
        }
    }
    let compiler = compiler(Dialect::default());
    let large = summed.replace("SUM(amount)", "SUM(IF(name = \"a\", amount))");
    let ranked = "model: m\nfrom: orders\nsteps:\n  - name: totals\n    group_by: [country, name]\n    definitions: total = SUM(amount)\n  - name: ranks\n    keep: all\n    definitions: value = RANK(total)\n";
    let ranked = ranked.to_owned();
    let net = "model: m\nfrom: orders\ngroup_by: country\ndefinitions: |\n  value = SUM(amount)\n  net = SUM(amount) - SUM(score)\n  n = COUNT(quantity)\nhaving: n > 0\n";
    let net = net.to_owned();
    for (spec, from, to, expected) in [
        (
            &ranked,
            "(order by total desc)",
            "(partition by country order by total desc)",
            "no formula expresses `rank() over (…)`; windows are ranges such as `SUM(x:x)` or `SUM(FIRST(x):x)`, in the \
             order of `order_by` and with the keys of `partition_by`",
        ),
        (
            &net,
            "coalesce(sum(amount), 0) as value",
            "coalesce(sum(distinct amount), 0) as value",
            "the formula `SUM(DISTINCT(amount))` would change only `value`, but the edited SQL also changes `net`; first \
             write `value` in the formula of `net`",
        ),
        (
            &summed,
            "coalesce(sum(amount), 0)",
            "sum(quantity) // 2",
            "no formula expresses `//` between these operands; `QUOTIENT(a, b)` drops the decimals of a quotient",
        ),
        (
            &summed,
            "coalesce(sum(amount), 0)",
            "sum(amount)",
            "the SQL of `SUM(amount)` always has a default for NULL, which the edit removes",
        ),
        (
            &large,
            "coalesce(sum(case when name = 'a' then amount end), 0)",
            "sum(case when name = 'a' then amount else null end)",
            "the SQL of `SUM(IF(name = \"a\", amount))` always has a default for NULL, which the edit removes; the rest differs \
             only in syntax",
        ),
    ] {
        let sql = compiler.compile_spec(spec).model_sql().unwrap().to_owned();
        assert!(sql.contains(from), "{sql}");
        let why = decompiler()
            .find_formula_with_guards(&compiler, spec, None, &sql.replace(from, to), None, "value")
            .unwrap_err();
        assert_eq!(why.reason, expected);
    }
}

/// The reason for an edit that remains a manual edit names its cause: Jinja in the SQL, the value in the periods that
/// `fill` adds, or another definition with the same aggregate, even if a contract casts the columns.
#[test]
fn reasons_name_their_cause() {
    let by_month = |formula: &str| {
        format!(
            "model: m\nfrom: orders\nwhere: NOT(ISBLANK(day))\ngroup_by: day[month]\nfill: month\ndefinitions: value = {formula}\n"
        )
    };
    let grouped = GROUPED.replace("COUNT()", "SUM(amount)");
    let summed = "coalesce(sum(amount), 0) as value";
    let shared = "model: m\nfrom: orders\ngroup_by: country\ncontract: {enforced: true}\ndefinitions: |\n  value = SUM(quantity)\n  mean = SUM(quantity) / COUNT(amount)\n  half = mean / 2\n";
    let added = "the formula `SUM(quantity) + 7` would change only `value`, but the edited SQL also changes `mean`; first \
                 write `value` in the formula of `mean`";
    let largest = added.replace("SUM(quantity) + 7", "MAX(quantity)");
    let sum = "coalesce(sum(quantity), 0) as value";
    let jinja = "no formula expresses the Jinja `{{x}}`; a dbt model that the spec reads can compute it";
    let subquery =
        "no formula expresses a subquery; join the table with `joins`, or compute the value in another model";
    for (spec, from, to, expected) in [
        (
            &grouped,
            summed,
            "sum(amount) / (select max(x) from {{ ref('other') }}) as value",
            subquery,
        ),
        (&grouped, summed, "sum({{ x }}) as value", jinja),
        (&grouped, summed, "coalesce(sum(amount * {{ x }}), 0) as value", jinja),
        (
            &grouped,
            summed,
            "sum(case when {{ x }} then amount end) as value",
            jinja,
        ),
        (&grouped, summed, "my_udf({{ x }}) as value", jinja),
        (
            &by_month("SUM(amount)"),
            summed,
            "min(amount) as value",
            "in periods that `fill` adds, the formula `MIN(amount)` would return NULL, but the edited SQL returns `0`",
        ),
        (
            &by_month("MIN(amount)"),
            "min(amount) as value",
            summed,
            "in periods that `fill` adds, the formula `SUM(amount)` would return `0`, but the edited SQL returns NULL",
        ),
        (
            &by_month("MIN(name)"),
            "min(name) as value",
            "coalesce(min(name), 'x') as value",
            "in periods that `fill` adds, the formula `IFNA(MIN(name), \"x\")` would return a different value than the \
             edited SQL",
        ),
        (
            &shared.to_owned(),
            sum,
            "coalesce(sum(quantity), 0) + 7 as value",
            added,
        ),
        (&shared.to_owned(), sum, "max(quantity) as value", &largest),
    ] {
        let compiler = compiler("duckdb".parse().unwrap());
        let sql = compiler.compile_spec(spec).model_sql().unwrap().to_owned();
        assert!(sql.contains(from), "{sql}");
        let why = decompiler()
            .find_formula_with_guards(&compiler, spec, None, &sql.replace(from, to), None, "value")
            .unwrap_err();
        assert_eq!(why.reason, expected, "{to}");
    }
}

/// A contract casts every column of the last select to its type. Users may omit the cast, as they may omit other
/// guards.
#[test]
fn edits_may_omit_the_cast_of_a_contract() {
    let head = "model: m\nfrom: orders\ngroup_by: country\ncontract: {enforced: true}\ndefinitions: |\n";
    let one_select = format!("{head}  value = SUM(quantity)\n");
    let two_selects = format!("{head}  total = SUM(quantity)\n  value = total / COUNT(amount)\n");
    // Replaces the last column of the last select.
    let replace = |sql: &str, column: &str, value: &str| {
        let start = sql.rfind(column).unwrap() + column.len();
        let end = sql.rfind("\nfrom").unwrap();
        assert!(sql[start..end].contains("cast("), "{sql}");
        format!("{}    {value} as value{}", &sql[..start], &sql[end..])
    };
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        let compiler = compiler(dialect.parse().unwrap());
        for (spec, edited, expected) in [
            (&one_select, "max(quantity)", "MAX(quantity)"),
            (&one_select, "sum(quantity * 2)", "SUM(quantity * 2)"),
            (&one_select, "count(distinct name)", "COUNTUNIQUE(name)"),
            (&two_selects, "total * 2", "total * 2"),
        ] {
            let sql = compiler.compile_spec(spec).model_sql().unwrap().to_owned();
            let column = if *spec == one_select {
                " as country,\n"
            } else {
                " as total,\n"
            };
            let edited_sql = replace(&sql, column, edited);
            let found = decompiler().find_formula_with_guards(&compiler, spec, None, &edited_sql, None, "value");
            let found = found.unwrap_or_else(|why| panic!("{dialect}: {}\n{edited_sql}", why.reason));
            assert_eq!(found.formula, expected, "{dialect}: {sql}");
            let guards = found.rewritten.unwrap().describe();
            assert!(guards.contains("a conversion of types"), "{dialect}: {guards}");
        }
        let sql = compiler.compile_spec(&one_select).model_sql().unwrap().to_owned();
        let edited_sql = replace(&sql, " as country,\n", "coalesce(sum(quantity), 0)");
        let why = decompiler().find_formula_with_guards(&compiler, &one_select, None, &edited_sql, None, "value");
        let expected = "the SQL of `SUM(quantity)` always has a conversion of types, which the edit removes";
        assert_eq!(why.unwrap_err().reason, expected, "{dialect}: {edited_sql}");
    }
}
