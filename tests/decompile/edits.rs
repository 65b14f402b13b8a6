//! Tests manual edits to generated files: `SqlEdits` reports exactly the edited column, and no column if the meaning is
//! unchanged.

use formulac::decompile::{Decompiler, SqlEdits, apply_replacements, restore_edited_column, with_formula};
use formulac::{Compiler, Dialect};
use proptest::prelude::*;

const SPEC: &str = "\
model: growth
from: subscriptions
steps:
  - name: monthly
    group_by: billing_date[month]
    where: status <> \"trial\"
    definitions: |
      revenue = SUMIF(status, \"active\", amount)
      customers = COUNT(DISTINCT(customer_id))
  - name: growth_calculations
    keep: all
    order_by: billing_date_month
    definitions: |
      prior = OFFSET(revenue, -3)
      growth = (revenue - prior) / prior
      label = IF(revenue > 100, \"large -- {{ x }}\", \"small\")
";

fn compile_spec(dialect: Dialect) -> String {
    let compiler = Compiler::builder().dialect(dialect).build();
    let compiled = compiler.compile_spec(SPEC);
    let sql = compiled
        .model_sql()
        .unwrap_or_else(|| panic!("{:?}", compiled.diagnostics()));
    // Omit the header, because it is not part of the SQL.
    sql.split_once("#}").unwrap().1.to_owned()
}

/// Returns the only difference, as CTE, column and new SQL.
fn find_only_edit(written: &str, text: &str, dialect: Dialect) -> (Option<String>, String, String) {
    let edits = SqlEdits::from_texts(written, text, dialect);
    assert!(edits.other_edits.is_empty() && edits.items.len() == 1, "{edits:?}");
    let item = edits.items.into_iter().next().unwrap();
    assert!(
        text.lines()
            .nth(item.line - 1)
            .is_some_and(|line| line.contains(item.after.lines().next().unwrap()))
    );
    (item.cte, item.column, item.after)
}

#[test]
fn edits_are_named_by_column() {
    for dialect in Dialect::verified() {
        let sql = compile_spec(dialect);
        for (from, to, column) in [
            ("count(distinct customer_id)", "count(distinct account_id)", "customers"),
            ("lag(revenue, 3)", "lag(revenue, 12)", "prior"),
            ("'small'", "'tiny'", "label"),
            ("revenue > 100", "revenue >= 100", "label"),
        ] {
            assert!(sql.contains(from), "{sql}");
            assert_eq!(
                find_only_edit(&sql, &sql.replacen(from, to, 1), dialect).1,
                column,
                "{dialect}: {from}"
            );
        }
    }
}

#[test]
fn equivalent_sql_is_not_an_edit() {
    for dialect in Dialect::verified() {
        let sql = compile_spec(dialect);
        let body = sql.as_str();
        let spread = body.replace(", ", " ,\n\t").replace("\nfrom ", "\r\n\r\nfrom  ");
        let commented = body.replace("\nselect\n", "\nselect -- the months\n    /* all */\n");
        for found in [
            body,
            &spread,
            &commented,
            &format!("{{# edited #}}{body}"),
            &body.replace(" as ", " AS "),
        ] {
            let edits = SqlEdits::from_texts(&sql, found, dialect);
            assert!(edits.is_empty(), "{dialect}: {edits:?}");
        }
    }
}

#[test]
fn all_other_edits_are_reported() {
    let dialect = Dialect::default();
    let sql = compile_spec(dialect);
    let describe_edits = |found: &str| -> Vec<String> {
        let edits = SqlEdits::from_texts(&sql, found, dialect);
        assert!(edits.items.is_empty(), "{edits:?}");
        edits.other_edits.into_iter().map(|rest| rest.description).collect()
    };
    assert_eq!(
        describe_edits(&sql.replace("<> 'trial'", "<> 'test'")),
        ["`where` of `monthly`"]
    );
    assert_eq!(
        describe_edits(&sql.replace("ref('subscriptions')", "ref('orders')")),
        ["`from` of `subscriptions`"]
    );
    assert_eq!(
        describe_edits(&format!("{{{{ config(materialized='table') }}}}\n{sql}")),
        ["the text before the query"]
    );
    assert_eq!(
        describe_edits(&sql.replace("group by", "order by")),
        ["`order by` of `monthly`", "`group by` of `monthly`"]
    );
    assert_eq!(describe_edits(&format!("{sql}limit 3\n")), ["`limit`"]);
    assert_eq!(
        describe_edits(&format!("{sql}union all select 1 as x\n")),
        ["the column `x`"]
    );
    assert!(!describe_edits(&sql.replacen("with ", "with recursive ", 1)).is_empty());
    assert!(!describe_edits("no sql at all").is_empty());
    assert!(!describe_edits("").is_empty());
}

#[test]
fn an_edit_becomes_a_formula() {
    let decompiler = Decompiler::default();
    let dialect = Dialect::default();
    let compiler = Compiler::builder().dialect(dialect).build();
    let sql = compile_spec(dialect);
    for (from, to, step, definition, formula) in [
        (
            "lag(revenue, 3)",
            "LAG(revenue, 12)",
            "growth_calculations",
            "prior",
            "OFFSET(revenue, -12)",
        ),
        (
            "revenue > 100",
            "(revenue >= 250)",
            "growth_calculations",
            "label",
            "IF(revenue >= 250, \"large -- {{ x }}\", \"small\")",
        ),
        (
            "distinct customer_id",
            "distinct account_id",
            "monthly",
            "customers",
            "COUNT(DISTINCT(account_id))",
        ),
        (
            "'active'",
            "'paid'",
            "monthly",
            "revenue",
            "SUMIF(status, \"paid\", amount)",
        ),
    ] {
        let found = sql.replacen(from, to, 1);
        assert_ne!(found, sql, "{from}");
        let shown = decompiler.find_formula(&compiler, SPEC, None, &found, Some(step), definition);
        assert_eq!(shown.as_deref(), Ok(formula));
        // Another edit elsewhere is not included.
        let other = found.replacen("'trial'", "'test'", 1);
        let shown = decompiler.find_formula(&compiler, SPEC, None, &other, Some(step), definition);
        assert_eq!(shown.as_deref(), Ok(formula));
    }
    let found = sql.replacen("lag(revenue, 3)", "nth_value(revenue, 3)", 1);
    let why = decompiler
        .find_formula(&compiler, SPEC, None, &found, Some("growth_calculations"), "prior")
        .unwrap_err();
    assert!(why.reason.contains("nth_value"), "{why}");
}

#[test]
fn names_like_cells_are_quoted_in_formulas() {
    let spec = "model: m\nfrom: sales\ngroup_by: region\ndefinitions: |\n  total = SUM(${q1})\n";
    let compiler = Compiler::builder().build();
    let compiled = compiler.compile_spec(spec);
    let sql = compiled.model_sql().unwrap();
    let found = sql.replacen("sum(q1)", "sum(q1 * 2)", 1);
    assert_ne!(found, sql);
    let shown = Decompiler::default().find_formula(&compiler, spec, None, &found, None, "total");
    assert_eq!(shown.as_deref(), Ok("SUM(${q1} * 2)"));
}

#[test]
fn formulas_are_written_in_every_form_of_yaml() {
    for (spec, expected) in [
        (
            "definitions: |\n  a = 1 // one\n  b = 2\n",
            "definitions: |\n  a = x & \"'\" // one\n  b = 2\n",
        ),
        (
            "definitions: |\r\n  a = 1\r\n  b = 2\r\n",
            "definitions: |\r\n  a = x & \"'\"\r\n  b = 2\r\n",
        ),
        (
            "definitions:\n  a: 1 # one\n  b: 2\n",
            "definitions:\n  a: x & \"'\" # one\n  b: 2\n",
        ),
        (
            "definitions:\n  a: '1'\n  b: 2\n",
            "definitions:\n  a: 'x & \"''\"'\n  b: 2\n",
        ),
        (
            "definitions:\n  a: {formula: \"1\", description: c}\n",
            "definitions:\n  a: {formula: \"x & \\\"'\\\"\", description: c}\n",
        ),
        (
            "definitions:\n  a:\n    formula: |\n      1\n",
            "definitions:\n  a:\n    formula: |\n      x & \"'\"\n",
        ),
        ("definitions: a = 1\n", "definitions: a = x & \"'\"\n"),
        (
            "definitions: |\n  a =\n    1 +\n    2\n  b = 2\n",
            "definitions: |\n  a =\n    x & \"'\"\n  b = 2\n",
        ),
    ] {
        let head = "model: m\nfrom: t\n";
        let changed = with_formula(&format!("{head}{spec}"), None, "a", "x & \"'\"");
        assert_eq!(changed.as_deref(), Ok(format!("{head}{expected}").as_str()), "{spec}");
    }
    let refused = |spec: &str, formula: &str| with_formula(spec, None, "a", formula).unwrap_err().reason;
    let spec = "model: m\nfrom: t\ndefinitions: |\n  a = 1 + // why\n    2\n";
    assert!(refused(spec, "3").contains("comment"));
    assert!(refused("model: m\nfrom: t\ndefinitions: |\n  a = 1\n", "1\nb = 2").contains("one line"));
    assert!(refused("model: m\nfrom: t\ndefinitions: |\n  b = 1\n", "1").contains("not defined"));
    assert!(refused("[", "1").len() > 3);
    // A value that YAML would truncate is quoted.
    let cut = with_formula(
        "model: m\nfrom: t\ndefinitions:\n  a: 1\n",
        None,
        "a",
        "IF(x, \"a # b: c\", 1)",
    )
    .unwrap();
    assert!(cut.ends_with("  a: 'IF(x, \"a # b: c\", 1)'\n"), "{cut}");
}

proptest! {
    #[test]
    fn any_text_is_accepted(one in ".{0,80}", other in "(select|with|a|as|\\(|\\)|,|from|case|when|end|'|\"|\\{\\{|\\}\\}| |\n|[0-9]|union|--|/\\*){0,60}") {
        for dialect in Dialect::verified() {
            for (written, found) in [(&one, &other), (&other, &one), (&other, &other)] {
                let edits = SqlEdits::from_texts(written, found, dialect);
                prop_assert_eq!(edits.is_empty(), SqlEdits::from_texts(found, written, dialect).is_empty());
            }
            prop_assert!(SqlEdits::from_texts(&other, &other, dialect).is_empty());
        }
    }

    /// Tokens that are changed, removed or added are always reported.
    #[test]
    fn no_change_is_missed(project in 0usize..400, what in 0usize..3, which in 0usize..4) {
        let dialect = Dialect::verified().nth(which).unwrap_or_default();
        let body = compile_spec(dialect);
        let words: Vec<(usize, usize)> = body
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .map(|word| (word.as_ptr() as usize - body.as_ptr() as usize, word.len()))
            .collect();
        let (at, length) = words[project % words.len()];
        let (before, word, after) = (&body[..at], &body[at..at + length], &body[at + length..]);
        let found = match what {
            0 => format!("{before}{word}x{after}"),
            1 => format!("{before}{after}"),
            _ => format!("{before}{word} + {word}{after}"),
        };
        // `as` before a column name is optional, so its removal is not an edit.
        prop_assume!(what != 1 || word != "as");
        prop_assert!(!SqlEdits::from_texts(&body, &found, dialect).is_empty(), "{}", found);
    }
}

#[test]
fn deep_and_long_sql_is_accepted() {
    let decompiler = Decompiler::default();
    let dialect = Dialect::default();
    let compiler = Compiler::builder().dialect(dialect).build();
    let sql = compile_spec(dialect);
    let many = 20_000;
    for edit in [
        format!("{}1{}", "(".repeat(many), ")".repeat(many)),
        format!("1{}", " + 1".repeat(many)),
        format!("{}1{}", "case when a then 1 else ".repeat(many), " end".repeat(many)),
        "(".repeat(many),
        format!("x{}", ".y".repeat(many)),
        "- ".repeat(many),
        "not ".repeat(many),
    ] {
        let found = sql.replacen("lag(revenue, 3)", &edit, 1);
        let _ = SqlEdits::from_texts(&sql, &found, dialect);
        let shown = decompiler.find_formula(&compiler, SPEC, None, &found, Some("growth_calculations"), "prior");
        assert!(shown.is_err());
    }
}

#[test]
fn spellings_are_not_edits() {
    let dialect: Dialect = "duckdb".parse().unwrap();
    let written = "with o as (\n    select * from {{ ref('orders') }}\n)\nselect\n    cast(date_trunc('month', o.day) as date) as month,\n    \
                   o.region,\n    coalesce(sum(x), 0) as total,\n    count(*) as n,\n    rank() over (order by o.region) as place\n\
                   from o\nleft join c as c on o.id = c.id\ninner join d on o.id = d.id\n\
                   where o.a <> 1 and (o.b = 2 or o.b = 3)\ngroup by cast(date_trunc('month', o.day) as date), o.region\n";
    let is_edit = |from: &str, to: &str| {
        assert!(written.contains(from), "{from}");
        let found = written.replace(from, to);
        !SqlEdits::from_texts(written, &found, dialect).is_empty()
    };
    for (from, to) in [
        (
            "cast(date_trunc('month', o.day) as date)",
            "date_trunc('month', o.day)::date",
        ),
        ("coalesce(sum(x), 0)", "ifnull(sum(x), 0)"),
        ("coalesce(sum(x), 0)", "(coalesce((sum((x))), 0))"),
        ("count(*)", "count(1)"),
        (" as n", " n"),
        ("o.region,", "o.region as region,"),
        ("order by o.region", "order by o.region asc"),
        ("left join c as c", "left outer join c c"),
        ("inner join", "join"),
        ("o.a <> 1", "(o.a != 1)"),
        ("o.b = 2 or o.b = 3", "o.b in (2, 3)"),
        ("o.region\n", "(o.region),\n"),
    ] {
        assert!(!is_edit(from, to), "{to}");
    }
    for (from, to) in [
        ("as date)", "as timestamp)"),
        ("order by o.region", "order by o.region desc"),
        ("left join", "inner join"),
        ("left join c as c", "left join c as e"),
        ("(o.b = 2 or o.b = 3)", "o.b = 2 or o.b = 3"),
        (" as n", " m"),
        ("count(*)", "count(n)"),
        ("cast(date_trunc('month', o.day) as date), o.region\n", "o.region\n"),
    ] {
        assert!(is_edit(from, to), "{to}");
    }
}

/// Each column is read once, although none of the keys has the spelling of its column.
#[test]
fn group_by_all_is_compared_with_a_thousand_keys() {
    let list = |item: fn(usize) -> String| (0..1000).map(item).collect::<Vec<_>>().join(", ");
    let columns = list(|i| format!("cast(c{i} as date) as d{i}"));
    let keys = list(|i| format!("cast(c{i} as date)"));
    let respelled = list(|i| format!("c{i}::date as d{i}"));
    let found = format!("select {respelled}, sum(x) as total from o group by all\n");
    for (keys, is_edited) in [(keys.clone(), false), (keys.replace("c999 ", "c1000 "), true)] {
        let written = format!("select {columns}, sum(x) as total from o group by {keys}\n");
        let edits = SqlEdits::from_texts(&written, &found, "duckdb".parse().unwrap());
        assert_eq!(!edits.is_empty(), is_edited);
    }
}

/// A position in `group by` still refers to its column after the column is restored.
#[test]
fn restored_columns_keep_their_positions() {
    const MONTH: &str = "cast(date_trunc('month', day) as date)";
    let dialect: Dialect = "duckdb".parse().unwrap();
    let select = format!("select\n    lower(region) as reg,\n    {MONTH} as month,\n    sum(x) as total\nfrom o\n");
    let written = format!("{select}group by lower(region), {MONTH}\n");
    let by_text = [
        format!("group by upper(region), {MONTH}"),
        format!("group by lower(region), {MONTH}"),
    ];
    for (groups, restored_groups) in [
        ("group by 1, 2", "group by 1, 2"),
        ("group by 2, 1", "group by 2, 1"),
        ("group by month, 1", "group by month, 1"),
        ("group by all", "group by all"),
        ("group by upper(region), 2", "group by lower(region), 2"),
        // The position of an aggregate is not a key.
        ("group by 3, 2", "group by lower(region), 2"),
        (&by_text[0], &by_text[1]),
    ] {
        let found = format!("{}{groups}\n", select.replace("lower", "upper"));
        let edits = SqlEdits::from_texts(&written, &found, dialect);
        let restored = restore_edited_column(&written, &found, dialect, &edits.items[0].position);
        let restored = apply_replacements(&found, restored.iter().collect());
        assert_eq!(restored, Some(format!("{select}{restored_groups}\n")), "{groups}");
    }
}

/// Formatters write the positions of columns in `group by` and `order by`.
#[test]
fn positions_of_columns_are_not_edits() {
    const GROUPS: &str = "group by cast(date_trunc('month', day) as date), region";
    const ORDER: &str = "order by total desc, region asc";
    let dialect: Dialect = "duckdb".parse().unwrap();
    let select =
        "select\n    cast(date_trunc('month', day) as date) as month,\n    region,\n    sum(x) as total\nfrom o\n";
    let written = format!("{select}{GROUPS}\n{ORDER}\nlimit 5\n");
    let is_edit = |select: &str, groups: &str, order: &str| {
        let found = format!("{select}{groups}\n{order}\nlimit 5\n");
        !SqlEdits::from_texts(&written, &found, dialect).is_empty()
    };
    for groups in ["group by 1, 2", "group by 1, region", "group by all"] {
        assert!(!is_edit(select, groups, ORDER), "{groups}");
    }
    for groups in [
        "group by 2, 1",
        "group by 1",
        "group by 1, 3",
        "group by 1, 2, 3",
        "group by 1, 4",
        "group by 0, 2",
    ] {
        assert!(is_edit(select, groups, ORDER), "{groups}");
    }
    for order in ["order by 3 desc, 2", "order by 3 desc, region"] {
        assert!(!is_edit(select, GROUPS, order), "{order}");
    }
    for order in ["order by 3, 2", "order by 2 desc, 3", "order by 1 desc, 2"] {
        assert!(is_edit(select, GROUPS, order), "{order}");
    }
    // The positions are those of the edited file.
    let moved =
        "select\n    region,\n    cast(date_trunc('month', day) as date) as month,\n    sum(x) as total\nfrom o\n";
    assert!(!is_edit(moved, "group by 2, 1", ORDER));
    assert!(is_edit(moved, "group by 1, 2", ORDER));
    // `group by all` also groups by a new column.
    let added = select.replace("    region,\n", "    region,\n    city,\n");
    let found = format!("{added}group by all\n{ORDER}\nlimit 5\n");
    let edits = SqlEdits::from_texts(&written, &found, dialect).other_edits.into_iter();
    let edits: Vec<String> = edits.map(|edit| edit.description).collect();
    assert_eq!(edits, ["the column `city`", "`group by`"]);
}

/// Quotes around a name that means the same without them are no change. This depends on the case folding and the
/// reserved words of the dialect.
#[test]
fn optional_quotes_are_no_change() {
    for (dialect, expression, edited, is_same) in [
        ("duckdb", "sum(quantity)", "sum(\"quantity\")", true),
        ("duckdb", "sum(quantity)", "sum(\"Quantity\")", true),
        ("duckdb", "min(\"at\")", "min(at)", false),
        ("duckdb", "min(\"order\")", "min(order)", false),
        ("postgres", "sum(quantity)", "sum(\"quantity\")", true),
        ("postgres", "sum(quantity)", "sum(\"Quantity\")", false),
        ("postgres", "max(current_date)", "max(\"current_date\")", false),
        ("postgres", "sum(t.quantity)", "sum(\"t\".\"quantity\")", true),
        ("snowflake", "sum(quantity)", "sum(\"QUANTITY\")", true),
        ("snowflake", "sum(quantity)", "sum(\"quantity\")", false),
        ("bigquery", "sum(quantity)", "sum(`quantity`)", true),
        ("bigquery", "min(`at`)", "min(at)", false),
    ] {
        let dialect: Dialect = dialect.parse().unwrap();
        let sql = |expression: &str| format!("select country, {expression} as total from t group by country");
        let edits = SqlEdits::from_texts(&sql(expression), &sql(edited), dialect);
        assert_eq!(edits.is_empty(), is_same, "{dialect}: {edited}");
    }
    for (from, to) in [("from t", "from \"t\""), ("group by country", "group by \"country\"")] {
        let generated = "select country, count(*) as total from t group by country";
        let edits = SqlEdits::from_texts(generated, &generated.replace(from, to), "duckdb".parse().unwrap());
        assert!(edits.is_empty(), "{to}: {edits:?}");
    }
}
