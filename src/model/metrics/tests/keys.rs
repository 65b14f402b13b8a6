//! Tests the keys of models, and errors in these keys.

use formulac_core::schema::{Column, Relation, Schema};

use super::{compile_last, compile_last_with, reports, sql};
use crate::calendar::Weekday;
use crate::{Compiler, Type};

const ORDERS: &str = "\
metric_set: orders
from: orders
time: ordered_on
definitions: revenue = SUM(amount)
";

fn compiler(schema: &str) -> Compiler {
    let compiler = Compiler::default();
    let (schema, faults) = Schema::from_text(schema, compiler.options.dialect);
    assert!(faults.is_empty(), "{faults:?}");
    Compiler::builder().schema(schema).build()
}

/// Returns the errors of the last file, each as `code text: message; help`.
fn errors(texts: &[&str]) -> Vec<String> {
    let compiled = compile_last(texts);
    let text = texts.last().copied().unwrap_or_default();
    let errors = compiled.diagnostics().iter().filter(|fault| fault.is_error());
    let lines = errors.map(|fault| {
        let help = fault.help().unwrap_or_default();
        format!(
            "{} {}: {}; {help}",
            fault.code(),
            fault.span().text(text),
            fault.message()
        )
    });
    lines.collect()
}

#[test]
fn windows_with_a_partition_are_ordered_by_the_time_key_in_a_step_before_the_last() {
    let model = |partition: &str| {
        let head = "model: m\nmetrics: [orders.revenue]\ngroup_by: [month, region]\nsince: 2024-02-01\n";
        let definitions = "definitions: |\n  prior = PERIODOFFSET(revenue, -1, \"month\")\n";
        sql(&[ORDERS, &format!("{head}{partition}{definitions}")])
    };
    assert_eq!(
        model("partition_by: region\n"),
        model("partition_by: region\norder_by: month\n")
    );
}

#[test]
fn a_column_that_is_the_time_of_a_set_may_be_named_like_a_period() {
    let growth = "definitions: |\n  total = SUM(balance)\n  growth = total / PERIODOFFSET(total, -1, \"UNIT\") - 1\n";
    let cases = [
        ("time: day", "day: date", "day", "month"),
        ("time: {column: month, grain: month}", "month: date", "month", "month"),
        (
            "time: {column: period, grain: year}",
            "year: integer, period: date",
            "period",
            "year",
        ),
        // `time` is a dimension.
        (
            "time: {column: first_day, grain: year}\ndimension",
            "year: integer",
            "first_day",
            "year",
        ),
    ];
    for (time, columns, key, period) in cases {
        let growth = growth.replace("UNIT", period);
        let set = match time.strip_suffix("\ndimension") {
            Some(time) => {
                let growth = growth.replace("|\n", "|\n  first_day = DATE(year, 1, 1)\n");
                format!("metric_set: balances\nfrom: balances\n{time}\n{growth}")
            }
            None => format!("metric_set: balances\nfrom: balances\n{time}\n{growth}"),
        };
        let compiler = compiler(&format!(
            "relations:\n  balances: {{columns: {{{columns}, balance: decimal}}}}\n"
        ));
        let compiled_set = compile_last_with(&compiler, &[&set]);
        assert!(!compiled_set.has_errors(), "{set}\n{:#?}", compiled_set.diagnostics());
        let model = format!("model: m\nmetrics: [balances.growth]\ngroup_by: {key}\nfill: {key}\n");
        let model = compile_last_with(&compiler, &[&set, &model]);
        assert!(!model.has_errors(), "{set}\n{:#?}", model.diagnostics());
        assert!(
            model.query().is_some_and(|sql| sql.contains(&format!("as {key}"))),
            "{set}"
        );
    }
}

#[test]
fn a_period_may_be_a_column_in_one_of_several_sets() {
    let compiler = compiler(
        "relations:\n  payroll: {columns: {month: date, salaries: decimal}}\n  \
         orders: {columns: {ordered_on: date, amount: decimal}}\n",
    );
    let payroll = "metric_set: payroll\nfrom: payroll\ntime: {column: month, grain: month}\ndefinitions: salaries = SUM(salaries)\n";
    let model = "model: m\nmetrics: [orders.revenue, payroll.salaries]\ngroup_by: month\nfill: month\n";
    let compiled = compile_last_with(&compiler, &[ORDERS, payroll, model]);
    assert!(!compiled.has_errors(), "{:#?}", compiled.diagnostics());
}

#[test]
fn errors_in_keys_name_the_problem() {
    let cases = [
        (
            "model: m\nmetrics: [orders]\ngroup_by: month\n",
            "F0850 orders: `orders` is a metric set, not a metric; write `orders.*` for all of its metrics, or a metric, \
             such as `orders.revenue`",
        ),
        (
            "model: m\nmetrics: [orders.revenue]\ngroup_by: month\nwhere: {orders: OR(a, b)}\n",
            "F0809 , b): inside `{…}`, a comma ends a value in YAML, so the formula of `orders` ends before it; put the value \
             in quotes: `orders: 'OR(a, b)'`",
        ),
        (
            "model: m\nmetrics: [orders.revenue]\ngroup_by: month\nsince: 'DATE(2024, 1'\n",
            "F0203 (: `(` is not closed; add `)` after `2024, 1`, or earlier in the formula",
        ),
        (
            "model: m\nmetric: [orders.revenue]\ngroup_by: month\n",
            "F0802 metric: unknown key `metric`; did you mean `metrics`?",
        ),
        (
            "model: m\nmetrics: [orders.revenue]\nsteps:\n  - group_by: month\n",
            "F0804 metrics: `metrics` and `steps` cannot be used together; move the key into a step; the key is allowed at \
             the top level only in a spec without `steps`",
        ),
        (
            "model: m\nmetrics: [orders.revenue]\ngroup_by: month\nsince: 01/02/2024\n",
            "F0804 01/02/2024: `01/02/2024` is not a valid date; write a date as YYYY-MM-DD",
        ),
        (
            "model: m\nmetrics: [orders.revenue]\ngroup_by: [{region: {order: area}}]\n",
            "F0850 order: the model does not read a metric set `order`; the metric sets of the model are `orders`",
        ),
    ];
    for (model, expected) in cases {
        assert_eq!(errors(&[ORDERS, model])[0], expected, "{model}");
    }
}

#[test]
fn ranks_are_over_all_rows_whatever_the_order() {
    let refunds = "metric_set: refunds\nfrom: refunds\ntime: refunded_on\ndefinitions: refunded = SUM(amount)\n";
    let ranks = format!("{ORDERS}  place = RANK(revenue)\n").replace("definitions: ", "definitions: |\n  ");
    let over_several = "model: m\nmetrics: [orders.place, refunds.refunded]\ngroup_by: month\norder_by: place\n";
    let filled = "model: m\nfrom: orders\ngroup_by: [\"ordered_on[month]\", region]\nfill: month\norder_by: \"ordered_on[month]\"\n\
        definitions: |\n  revenue = SUM(amount)\n  place = RANK(revenue)\n  prior = OFFSET(revenue, -1)\n";
    for texts in [[&*ranks, refunds, over_several].as_slice(), &[filled]] {
        let text = sql(texts);
        assert!(text.contains("rank() over (order by"), "{text}");
    }
}

/// Returns the codes and messages of the errors in the last of these specs.
fn errors_with(compiler: &Compiler, texts: &[&str]) -> Vec<String> {
    let compiled = compile_last_with(compiler, texts);
    let errors = compiled.diagnostics().iter().filter(|diagnostic| diagnostic.is_error());
    errors
        .map(|diagnostic| format!("{} {}", diagnostic.code(), diagnostic.message()))
        .collect()
}

#[test]
fn a_set_without_a_setting_has_the_setting_of_the_project() {
    let sets = [
        "metric_set: a\nfrom: a\ntime: seen_at\ntimezone: Asia/Tokyo\ndefinitions: n = COUNT()\n",
        "metric_set: b\nfrom: b\ntime: seen_at\ndefinitions: o = COUNT()\n",
        "model: m\nmetrics: [a.n, b.o]\ngroup_by: month\n",
    ];
    let utc = Compiler::builder().timezone("UTC").build();
    assert_eq!(
        errors_with(&utc, &sets),
        ["F0854 `timezone` is `Asia/Tokyo` in the set `a`, but `UTC` in the set `b`, which has no setting of its own"]
    );
    let tokyo = Compiler::builder().timezone("Asia/Tokyo").build();
    assert_eq!(errors_with(&tokyo, &sets), Vec::<String>::new());
}

#[test]
fn a_setting_of_one_set_does_not_apply_to_a_set_without_it() {
    let cases = [
        ("timezone: Asia/Tokyo", "`timezone` is `Asia/Tokyo`"),
        ("fiscal_month_offset: 3", "`fiscal_month_offset` is `3`"),
    ];
    for (setting, message) in cases {
        let a = format!("metric_set: a\nfrom: a\ntime: seen_at\n{setting}\ndefinitions: n = COUNT()\n");
        let b = "metric_set: b\nfrom: b\ntime: seen_at\ndefinitions: o = COUNT()\n";
        let model = "model: m\nmetrics: [a.n, b.o]\ngroup_by: month\n";
        assert_eq!(
            errors_with(&Compiler::default(), &[&a, b, model]),
            [format!("F0854 {message} in the set `a`, but is not set in the set `b`")]
        );
        let of_model = format!("{setting}\n{model}");
        assert_eq!(
            errors_with(&Compiler::default(), &[&a, b, &of_model]),
            Vec::<String>::new()
        );
    }
}

#[test]
fn a_fiscal_year_from_january_is_the_default() {
    let sets = [
        "metric_set: a\nfrom: a\ntime: seen_at\nfiscal_month_offset: 0\ndefinitions: n = COUNT()\n",
        "metric_set: b\nfrom: b\ntime: seen_at\ndefinitions: o = COUNT()\n",
        "model: m\nmetrics: [a.n, b.o]\ngroup_by: month\n",
    ];
    assert_eq!(errors_with(&Compiler::default(), &sets), Vec::<String>::new());
}

#[test]
fn sets_with_different_blanks_cannot_be_combined() {
    let sets = [
        "metric_set: a\nfrom: a\ntime: seen_at\nblanks: zero\ndefinitions: n = MAX(x)\n",
        "metric_set: b\nfrom: b\ntime: seen_at\ndefinitions: o = MAX(y) + 1\n",
        "model: m\nmetrics: [a.n, b.o]\ngroup_by: month\n",
    ];
    assert_eq!(
        errors_with(&Compiler::default(), &sets),
        ["F0854 `blanks` is `zero` in the set `a`, but `NULL` in the set `b`, which has no setting of its own"]
    );
    assert_eq!(
        errors_with(&Compiler::builder().blanks_as_zero(true).build(), &sets),
        Vec::<String>::new()
    );
}

#[test]
fn sets_with_different_weeks_cannot_be_combined() {
    let sets = [
        "metric_set: a\nfrom: a\ntime: seen_at\nweek_start: sunday\ndefinitions: n = COUNT()\n",
        "metric_set: b\nfrom: b\ntime: seen_at\ndefinitions: o = COUNTUNIQUE(seen_at[week])\n",
        "model: m\nmetrics: [a.n, b.o]\ngroup_by: year\n",
    ];
    let error =
        "F0854 `week_start` is `sunday` in the set `a`, but `monday` in the set `b`, which has no setting of its own";
    assert_eq!(errors_with(&Compiler::default(), &sets), [error]);
    let from_sunday = Compiler::builder().week_start(Weekday::Sunday).build();
    assert_eq!(errors_with(&from_sunday, &sets), Vec::<String>::new());
    let model = "week_start: sunday\nmodel: m\nmetrics: [a.n, b.o]\ngroup_by: year\n";
    let of_model = [sets[0], sets[1], model];
    assert_eq!(errors_with(&Compiler::default(), &of_model), Vec::<String>::new());
}

#[test]
fn properties_of_a_metric_are_merged_with_those_of_the_model() {
    let set = "metric_set: orders\nfrom: orders\ntime: ordered_on\nsemantic_model: true\ndefinitions: revenue = SUM(amount)\n\
        columns: {revenue: {owner: ann, meta: {a: 1}, label: Revenue}}\n";
    let model = "model: monthly\nmetrics: [orders.revenue]\ngroup_by: month\ncolumns: {revenue: {meta: {b: 2}}}\n";
    let compiled = compile_last(&[set, model]);
    let yml = compiled.model_yml().expect("properties");
    assert!(
        yml.contains("b: 2") && yml.contains("a: 1") && yml.contains("owner: ann"),
        "{yml}"
    );
    assert!(compiled.semantic_model().is_some());
}

#[test]
fn a_set_of_sets_may_read_a_set_whose_time_is_called_like_a_period() {
    let balances = "metric_set: b\nfrom: balances\ntime: day\ndefinitions: bal = SUM(balance)\n";
    let refunds = "metric_set: r\nfrom: refunds\ntime: refunded_on\ndefinitions: refunded = SUM(amount)\n";
    let combined_set = "metric_set: h\nsets: [b, r]\ndefinitions: net = b.bal - r.refunded\n";
    assert_eq!(errors(&[balances, refunds, combined_set]), Vec::<String>::new());
}

#[test]
fn the_column_of_a_time_with_the_name_of_a_period_is_a_key_even_without_a_schema() {
    let set = "metric_set: budget\nfrom: budget\ntime: {column: month, grain: month}\ndefinitions: budget = SUM(x)\n";
    let sql = sql(&[set, "model: m\nmetrics: [budget.budget]\ngroup_by: month\n"]);
    assert!(sql.contains("group by month"), "{sql}");
}

#[test]
fn no_other_column_has_the_name_of_a_key_that_is_a_period() {
    for columns in [
        "metrics: [orders.revenue]\ndefinitions: month = revenue\n",
        "metrics: [orders.revenue]\ndefinitions: ordered_on_month = revenue\n",
        "metrics: [{month: orders.revenue}]\n",
    ] {
        let model = format!("model: m\n{columns}group_by: month\n");
        let error = &errors(&[ORDERS, &model])[0];
        assert!(
            error.starts_with("F0853 ") && error.contains("is the name of a key"),
            "{error}"
        );
    }
}

#[test]
fn windows_of_one_row_are_reported_in_every_step() {
    let set = "metric_set: orders\nfrom: orders\ntime: ordered_on\ndefinitions: |\n  revenue = SUM(amount)\n  \
        order_count = COUNT()\n  aov = revenue / order_count\n";
    let window = "OFFSET(revenue, -1): each value of `month` is a separate partition, so `OFFSET(revenue, -1)` \
        reads only one row; ";
    let by_default = "write `partition_by: []` to include all groups, or order by only one of the keys `month`";
    let explicit = "remove `month` from `partition_by`, or write `partition_by: []` to include all groups";
    for metric in ["aov", "revenue"] {
        for (rows, help) in [
            ("order_by: revenue desc", Some(by_default)),
            ("order_by: month\npartition_by: month", Some(explicit)),
            ("order_by: month", None),
            ("order_by: revenue desc\npartition_by: []", None),
        ] {
            let model = format!(
                "model: m\nmetrics: [orders.{metric}]\ngroup_by: month\n{rows}\n\
                 definitions: before = OFFSET(revenue, -1)\n"
            );
            let expected: Vec<String> = help.map(|help| format!("{window}{help}")).into_iter().collect();
            assert_eq!(reports(&[set, &model], "W0422"), expected, "{model}");
        }
    }
}

#[test]
fn a_name_of_two_relations_is_ambiguous_even_if_the_join_is_not_used() {
    let schema = "relations:\n  orders: {columns: {customer_id: integer, ordered_on: date, region: text, amount: integer}}\n  \
        customers: {columns: {customer_id: integer, region: text, tier: text}, primary_key: [customer_id]}\n";
    let set = "metric_set: orders\nfrom: orders\njoins: [{to: customers, using: customer_id}]\ntime: ordered_on\n\
        definitions: |\n  revenue = SUM(amount)\n  in_eu = COUNTIF(region = \"eu\")\n";
    let ambiguous = "F0303 `region` is ambiguous: `orders` and `customers` have a column with this name";
    for (model, expected) in [
        (
            "metrics: [orders.revenue]\ngroup_by: region\n",
            Some(ambiguous.to_owned()),
        ),
        (
            "metrics: [orders.revenue]\nwhere: region = \"eu\"\n",
            Some(ambiguous.to_owned()),
        ),
        (
            "metrics: [orders.in_eu]\n",
            Some(ambiguous.replace("F0303 ", "F0303 in the metric set `orders`, ")),
        ),
        ("metrics: [orders.revenue]\ngroup_by: orders.region\n", None),
        // `using` merges both columns.
        ("metrics: [orders.revenue]\ngroup_by: customer_id\n", None),
    ] {
        let texts = [set, &format!("model: m\n{model}")];
        let expected: Vec<String> = expected.into_iter().collect();
        assert_eq!(errors_with(&compiler(schema), &texts), expected, "{model}");
        let sql = compile_last_with(&compiler(schema), &texts)
            .query()
            .unwrap_or_default()
            .to_owned();
        assert!(!sql.contains("join"), "{sql}");
    }
}

/// A column takes precedence over a period, so a warning says how to write both.
#[test]
fn keys_that_are_columns_with_the_name_of_a_period_are_reported() {
    let columns = "{columns: {year: integer, ordered_on: date, amount: decimal}}";
    let compiler = compiler(&format!("relations: {{orders: {columns}, Order Items: {columns}}}"));
    let set = |name: &str| {
        let definitions = "definitions: |\n  revenue = SUM(amount)\n  before = PERIODOFFSET(revenue, -1, \"year\")\n";
        format!("metric_set: {name}\nfrom: orders\ntime: ordered_on\n{definitions}")
    };
    let (orders, others) = (set("orders"), set("others"));
    let items = set("items").replace("from: orders", "from: Order Items");
    let is_column = "W0859 year: `year` is the column `orders.year`, not the period `ordered_on[year]`; ";
    let of_one = format!("{is_column}write `ordered_on[year]` for the period, or `orders.year` for the column");
    let of_items = of_one.replace("or `orders.year`", "or `${Order Items.year}`");
    let of_items = of_items.replace("`orders.year`", "`Order Items.year`");
    let no_key = "F0852 orders.before: `orders.before` reads other periods, but the model has no time key; `year` is a \
                  column, so write `ordered_on[year]` in `group_by` for the period";
    let of_two = format!("{is_column}specify the period or the column of each set: `- year: {{orders: …, others: …}}`");
    for (metrics, key, expected) in [
        ("orders.revenue", "year", vec![of_one.as_str()]),
        ("orders.revenue", "\"ordered_on[year]\"", vec![]),
        ("orders.revenue", "orders.year", vec![]),
        ("orders.revenue", "month", vec![]),
        ("items.revenue", "year", vec![&of_items]),
        ("items.revenue", "${Order Items.year}", vec![]),
        ("orders.before", "year", vec![no_key, &of_one]),
        ("[orders.revenue, {other: others.revenue}]", "year", vec![&of_two]),
    ] {
        let model = format!("model: m\nmetrics: {metrics}\ngroup_by: {key}\n");
        let compiled = compile_last_with(&compiler, &[&orders, &others, &items, &model]);
        let faults = compiled.diagnostics().iter();
        let faults = faults.filter(|fault| ["W0859", "F0852"].contains(&fault.code()));
        let lines: Vec<String> = faults
            .map(|fault| {
                let help = fault.help().unwrap_or_default();
                format!(
                    "{} {}: {}; {help}",
                    fault.code(),
                    fault.span().text(&model),
                    fault.message()
                )
            })
            .collect();
        assert_eq!(lines, expected, "{model}");
        assert_eq!(compiled.assumed_periods(), [], "{model}");
    }
}

/// A key is a period unless a column has its name. If not all columns are known, the period is an assumption.
#[test]
fn periods_are_assumed_if_columns_are_unknown() {
    let model = "model: m\nmetrics: orders.revenue\ngroup_by: [year, region]\n";
    let period = ("ordered_on[year]".to_owned(), "orders".to_owned());
    assert_eq!(
        compile_last(&[ORDERS, model]).assumed_periods(),
        std::slice::from_ref(&period)
    );
    let assumed = |names: &[&str]| {
        let columns = names.iter().map(|name| Column::new(*name, Type::Unknown));
        let orders = columns.fold(Relation::new("orders"), Relation::with).mark_incomplete();
        let compiler = Compiler::builder().schema(Schema::new().with(orders)).build();
        compile_last_with(&compiler, &[ORDERS, model])
            .assumed_periods()
            .to_vec()
    };
    assert_eq!(assumed(&["amount", "ordered_on"]), [period]);
    assert_eq!(assumed(&["amount", "ordered_on", "year"]), []);
}

/// Metric sets over one relation with a date `d`, whose `time` is spelled in several ways.
const TIME_SPELLINGS: [&str; 4] = [
    "metric_set: orders\nfrom: orders\ntime: d\ndefinitions: |\n  revenue = SUM(amount)\n  mom = revenue / PERIODOFFSET(revenue, -1, \"month\") - 1\n  dd = d\n",
    "metric_set: sales\nfrom: orders\ntime: orders.d\ndefinitions: |\n  total = SUM(amount)\n  shifted = d + 1\n",
    "metric_set: refunds\nfrom: refunds\ntime: t\ndefinitions: refunded = SUM(amt)\n",
    "metric_set: targets\nfrom: orders\ntime: {column: d, grain: month}\ndefinitions: |\n  goal = SUM(amount)\n  dd = d\n",
];

/// A key is the time key in every spelling of the time column, so `since` does not cut its periods.
#[test]
fn the_time_column_has_several_spellings() {
    let compiler = compiler(
        "relations: {orders: {columns: {id: integer, d: date, amount: decimal}}, refunds: {columns: {rid: integer, t: date, amt: decimal}}}",
    );
    let compile = |metrics: &str, rest: &str| {
        let model = format!("model: m\nmetrics: {metrics}\n{rest}\n");
        let texts: Vec<&str> = TIME_SPELLINGS.into_iter().chain([model.as_str()]).collect();
        let compiled = compile_last_with(&compiler, &texts);
        let errors: Vec<&str> = compiled
            .diagnostics()
            .iter()
            .filter(|fault| fault.is_error())
            .map(formulac_core::Diagnostic::code)
            .collect();
        (compiled.query().unwrap_or_default().to_owned(), errors.join(", "))
    };
    for (metrics, key) in [
        ("orders.revenue", "month"),
        ("orders.revenue", "orders.d[month]"),
        ("orders.revenue", "dd[month]"),
        ("sales.total", "month"),
        ("sales.total", "d[month]"),
        ("sales.total", "orders.d[month]"),
    ] {
        let (sql, errors) = compile(metrics, &format!("group_by: [\"{key}\"]\nsince: 2024-02-15"));
        let is_whole = sql.contains("d >= date '2024-02-01'") && sql.contains("\norder by d");
        assert!(is_whole && errors.is_empty(), "{metrics} {key}: {sql} {errors}");
    }
    let (sql, errors) = compile("sales.total", "group_by: [\"shifted[month]\"]\nsince: 2024-02-15");
    assert!(
        sql.contains("d >= date '2024-02-15'") && errors.is_empty(),
        "{sql} {errors}"
    );
    let mapped = "group_by:\n  - month: {orders: \"orders.d[month]\", refunds: \"t[month]\"}\nsince: 2024-02-15";
    let (sql, errors) = compile("[orders.revenue, refunds.refunded]", mapped);
    assert!(
        sql.contains("t >= date '2024-02-01'") && errors.is_empty(),
        "{sql} {errors}"
    );
    let previous = format!("{mapped}\ndefinitions: prev = PERIODOFFSET(revenue, -1, \"month\")");
    let single = "group_by: [\"orders.d[month]\"]";
    for (metrics, rest, expected) in [
        ("[orders.revenue, refunds.refunded]", previous.as_str(), ""),
        ("orders.mom", single, ""),
        ("orders.mom", "group_by: [\"dd[month]\"]", ""),
        (
            "orders.revenue",
            &format!("{single}\norder_by: month desc\ndefinitions: n = MONTH(month)"),
            "",
        ),
        ("orders.revenue", &format!("{single}\nfill: month"), ""),
        ("targets.goal", "group_by: [\"d[day]\"]", "F0851"),
        ("targets.goal", "group_by: [\"orders.d[day]\"]", "F0851"),
        ("targets.goal", "group_by: [\"dd[day]\"]", "F0851"),
        ("targets.goal", "group_by: [\"dd[month]\"]", ""),
    ] {
        let (sql, errors) = compile(metrics, rest);
        assert_eq!(errors, expected, "{metrics} {rest}: {sql}");
    }
}
