//! Formulas with one mistake each: they have one error, whose help contains the user's own expressions, and the formula
//! in the help compiles.

use formulac::diag::apply_fixes;
use formulac::{Code, Diagnostic};

use crate::setting::Setting;

/// A formula, the codes of its errors, a part of the help, and the formula after the help has been applied by hand. The
/// last string is empty if the help is advice without a formula.
type Mistake = (&'static str, &'static [&'static str], &'static str, &'static str);

const MISTAKES: &[Mistake] = &[
    // Casts
    (
        "COUNT(DISTINCT(created_at::date))",
        &["F0207"],
        "`created_at[date]`",
        "COUNT(DISTINCT(created_at[date]))",
    ),
    (
        "SUM(amount::int)",
        &["F0207"],
        "`ROUND(amount, 0)`",
        "SUM(ROUND(amount, 0))",
    ),
    (
        "MAX(amount::numeric(10, 2))",
        &["F0207"],
        "`ROUND(amount, 2)`",
        "MAX(ROUND(amount, 2))",
    ),
    (
        "MAX(quantity::text)",
        &["F0207"],
        "`quantity & \"\"`",
        "MAX(quantity & \"\")",
    ),
    (
        "MAX(CAST(amount AS int))",
        &["F0301"],
        "`ROUND(amount, 0)`",
        "MAX(ROUND(amount, 0))",
    ),
    // Numbers and separators
    ("MAX(amount; 1,5)", &["F0207", "F0207"], "`1.5`", ""),
    (
        "COUNTIF(AND(paid; amount > 12.345,60))",
        &["F0207", "F0207"],
        "`12345.60`",
        "",
    ),
    (
        "IFS(SUM(amount) > 1,5; 1; TRUE; 0)",
        &["F0207", "F0207", "F0207", "F0207"],
        "`,` between",
        "",
    ),
    (
        "SUM(amount) > 1.000,50",
        &["F0202"],
        "`1000.50`",
        "SUM(amount) > 1000.50",
    ),
    // Operators
    (
        "COUNTIF(paid || amount > 5)",
        &["F0207"],
        "`OR(a, b)`",
        "COUNTIF(OR(paid, amount > 5))",
    ),
    (
        "COUNTIF(paid && amount > 5)",
        &["F0207"],
        "`AND(paid, amount > 5)`",
        "COUNTIF(AND(paid, amount > 5))",
    ),
    (
        "COUNTIF(paid AND amount > 5 AND id > 3)",
        &["F0207"],
        "`AND(paid, amount > 5, id > 3)`",
        "COUNTIF(AND(paid, amount > 5, id > 3))",
    ),
    ("COUNTIF(amount >< 5)", &["F0207"], "`<>`", "COUNTIF(amount <> 5)"),
    ("COUNTIF(amount === 5)", &["F0207"], "`=`", "COUNTIF(amount = 5)"),
    ("==SUM(amount)", &["F0207"], "`=`", "=SUM(amount)"),
    // Predicates
    (
        "COUNTIF(code IS NULL)",
        &["F0207"],
        "`ISBLANK(code)`",
        "COUNTIF(ISBLANK(code))",
    ),
    (
        "COUNTIF(paid IS NOT TRUE)",
        &["F0207"],
        "`NOT(IFNA(paid, FALSE))`",
        "COUNTIF(NOT(IFNA(paid, FALSE)))",
    ),
    (
        "COUNTIF(status IN ('Active', 'Closed'))",
        &["F0207"],
        "`OR(status = \"Active\", status = \"Closed\")`",
        "COUNTIF(OR(status = \"Active\", status = \"Closed\"))",
    ),
    (
        "COUNTIF(status NOT IN ('Active'))",
        &["F0207"],
        "`NOT(status = \"Active\")`",
        "COUNTIF(NOT(status = \"Active\"))",
    ),
    ("COUNTIF(id IN (SELECT id FROM customers))", &["F0207"], "`joins`", ""),
    ("COUNTIF(EXISTS (SELECT 1 FROM customers))", &["F0207"], "`joins`", ""),
    (
        "COUNTIF(code LIKE 'E%')",
        &["F0207"],
        "`STARTSWITH(code, \"E\")`",
        "COUNTIF(STARTSWITH(code, \"E\"))",
    ),
    (
        "COUNTIF(code NOT LIKE '%x%')",
        &["F0207"],
        "`NOT(CONTAINS(code, \"x\"))`",
        "COUNTIF(NOT(CONTAINS(code, \"x\")))",
    ),
    (
        "COUNTIF(code IS DISTINCT FROM status)",
        &["F0207"],
        "IFNA(code = status",
        "",
    ),
    (
        "COUNTIF(amount BETWEEN 1 AND 2 + id)",
        &["F0207"],
        "`AND(1 <= amount, amount <= 2 + id)`",
        "COUNTIF(AND(1 <= amount, amount <= 2 + id))",
    ),
    (
        "COUNTIF(code = NULL)",
        &["F0207"],
        "`ISBLANK(code)`",
        "COUNTIF(ISBLANK(code))",
    ),
    // Queries
    (
        "SUM(CASE WHEN paid THEN amount END)",
        &["F0207"],
        "`IF(paid, amount)`",
        "SUM(IF(paid, amount))",
    ),
    (
        "SUM(CASE WHEN paid THEN amount ELSE 0 END)",
        &["F0207"],
        "`IF(paid, amount, 0)`",
        "SUM(IF(paid, amount, 0))",
    ),
    (
        "SUM(CASE WHEN paid THEN 1 WHEN id > 1 THEN 2 ELSE NULL END)",
        &["F0207"],
        "`IFS(paid, 1, id > 1, 2)`",
        "SUM(IFS(paid, 1, id > 1, 2))",
    ),
    (
        "SUM(CASE id WHEN 1 THEN 2 ELSE 3 END)",
        &["F0207"],
        "`SWITCH(id, 1, 2, 3)`",
        "SUM(SWITCH(id, 1, 2, 3))",
    ),
    (
        "SUM(CASE WHEN paidd THEN amout END)",
        &["F0207", "F0302", "F0302"],
        "`IF(paidd, amout)`",
        "",
    ),
    (
        "SELECT amount FROM orders WHERE paid AND amount > 1",
        &["F0207"],
        "`amount` in a spec with `from: orders`, `where: AND(paid, amount > 1)`",
        "",
    ),
    (
        "SUM(amount) FILTER (WHERE paid)",
        &["F0207"],
        "`SUM(IF(paid, amount))`",
        "SUM(IF(paid, amount))",
    ),
    ("COUNT(*) FILTER (WHERE paid)", &["F0207", "F0207"], "`COUNT()`", ""),
    (
        "SUM(amount) / SUM(SUM(amount)) OVER ()",
        &["F0207"],
        "define `total = SUM(amount)`, and write `SUM(total:total)`",
        "",
    ),
    (
        "LAG(amount, 12) OVER (ORDER BY due)",
        &["F0207"],
        "`OFFSET(amount, -12)`, with `order_by: due`",
        "",
    ),
    // Functions of other tools
    (
        "MAX(DATE_TRUNC('week', created_at))",
        &["F0301"],
        "`created_at[week]`",
        "MAX(created_at[week])",
    ),
    (
        "MAX(DATE_TRUNC(created_at, MONTH))",
        &["F0301"],
        "`created_at[month]`",
        "MAX(created_at[month])",
    ),
    (
        "MAX(EXTRACT(MONTH FROM due))",
        &["F0301"],
        "`MONTH(due)`",
        "MAX(MONTH(due))",
    ),
    (
        "MAX(DATE_PART('month', due))",
        &["F0301"],
        "`MONTH(due)`",
        "MAX(MONTH(due))",
    ),
    (
        "MAX(DATEDIFF('month', due, created_at[date]))",
        &["F0301"],
        "`DATEDIF(due, created_at[date], \"M\")`",
        "MAX(DATEDIF(due, created_at[date], \"M\"))",
    ),
    ("MAX(DATEADD(day, 1, due))", &["F0301"], "`due + 1`", "MAX(due + 1)"),
    (
        "MAX(DATE_ADD(due, INTERVAL 2 MONTH))",
        &["F0301"],
        "`EDATE(due, 2)`",
        "MAX(EDATE(due, 2))",
    ),
    (
        "MAX(ISNULL(amount, 0))",
        &["F0301"],
        "`IFNA(amount, 0)`",
        "MAX(IFNA(amount, 0))",
    ),
    (
        "MAX(INSTR(code, \"x\"))",
        &["F0301"],
        "`FIND(\"x\", code)`",
        "MAX(FIND(\"x\", code))",
    ),
    ("AVG(amount)", &["F0301"], "`AVERAGE(amount)`", "AVERAGE(amount)"),
    (
        "MAX(due) = DATE '2024-01-31'",
        &["F0207"],
        "`DATE(2024, 1, 31)`",
        "MAX(due) = DATE(2024, 1, 31)",
    ),
    ("MAX(due) = CURRENT_DATE", &["F0302"], "`TODAY()`", "MAX(due) = TODAY()"),
    ("\u{ff33}\u{ff35}\u{ff2d}(amount)", &["F0301"], "`SUM`", "SUM(amount)"),
    (
        "SUM(amount) + SUM(xmount)",
        &["F0302"],
        "`amount`",
        "SUM(amount) + SUM(amount)",
    ),
    // Quotes
    (
        "COUNTIF(status = \u{2018}Active\u{2019})",
        &["F0103"],
        "`\"Active\"`",
        "COUNTIF(status = \"Active\")",
    ),
    (
        "COUNTIF(status = ''Active'')",
        &["F0106"],
        "`\"Active\"`",
        "COUNTIF(status = \"Active\")",
    ),
    (
        "COUNTIF(status = \"Active\u{201d})",
        &["F0102"],
        "`\"Active\"`",
        "COUNTIF(status = \"Active\")",
    ),
    ("IF(MAX(paid), \"yes, \"no\")", &["F0102"], "after `yes`", ""),
    // Brackets and names
    ("ROUND(MAX(amount, 2)", &["F0203"], "or earlier in the formula", ""),
    ("IF((SUM(amount) > 1, 2, 3)", &["F0203"], "add `)`", ""),
    ("IF(SUM(amount) > 1), 2, 3)", &["F0205"], "", ""),
    (
        "IF[MAX(amount) > 1, 1, 0]",
        &["F0207"],
        "`IF(MAX(amount) > 1, 1, 0)`",
        "IF(MAX(amount) > 1, 1, 0)",
    ),
    ("SUM($amount)", &["F0207"], "`amount`", "SUM(amount)"),
    (
        "SUM([events].[amount])",
        &["F0207"],
        "`events.amount`",
        "SUM(events.amount)",
    ),
    ("SUM(Table1[[#All],[amount]])", &["F0207"], "`amount`", "SUM(amount)"),
    (
        "SUM(customer.amount)",
        &["F0307"],
        "`events.amount`",
        "SUM(events.amount)",
    ),
    (
        "SUM(\"amount\" + 1)",
        &["F0402"],
        "`amount` without quotes",
        "SUM(amount + 1)",
    ),
    // Several definitions
    (
        "a = IF(MAX(id) = 1, \"x, \"b\")\nb = SUMM(amount)\nc = COUNTIF(code = \"O'Brien\")",
        &["F0102", "F0301"],
        "after `x`",
        "",
    ),
    ("x = IF(MAX(id) = 1, 1\ny = SUM(amount))", &["F0203", "F0205"], "", ""),
    (
        "a = SUM(amount)\nmy metric = SUM(amount)\nmy-metric = 2\n2024_sales = 3\n\"Quoted\" = 4\n% share = 5\nb = 6",
        &["F0207", "F0207", "F0207", "F0207", "F0207"],
        "`my_metric = …`",
        "",
    ),
    (
        "my metric = SUM(amount)\nb = SUM(id)",
        &["F0207"],
        "`my_metric = …`",
        "my_metric = SUM(amount)\nb = SUM(id)",
    ),
];

fn errors(diagnostics: &[Diagnostic]) -> Vec<&'static str> {
    diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .map(Diagnostic::code)
        .collect()
}

#[test]
fn one_mistake_has_one_error_with_help_that_compiles() {
    let setting = Setting::from_words("events");
    let mut wrong = Vec::new();
    for (formula, codes, help, applied) in MISTAKES {
        let diagnostics = setting.run(formula).diagnostics;
        let found = errors(&diagnostics);
        let helps: Vec<&str> = diagnostics.iter().filter_map(Diagnostic::help).collect();
        if found != *codes {
            wrong.push(format!("{formula}: expected {codes:?}, found {diagnostics:#?}"));
        } else if !helps.iter().any(|text| text.contains(help)) {
            wrong.push(format!("{formula}: expected the help {help}, found {helps:?}"));
        }
        let after = errors(&setting.run(applied).diagnostics);
        if !applied.is_empty() && !after.is_empty() {
            wrong.push(format!("{formula}: {applied} has the errors {after:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A fix must not give a formula an unintended meaning, so these formulas either keep an error or become the expected
/// text.
#[test]
fn fixes_do_not_change_the_meaning() {
    for (formula, expected) in [
        ("COUNT(DISTINCT(created_at::date))", None),
        ("COUNTIF(paid || amount > 5)", None),
        ("SUM(amount::int)", None),
        ("ROUND(MAX(amount, 2)", None),
        ("MAX(amount + id) * 2)", None),
        ("MAX(-amount ** 2)", None),
        ("MAX(2 ** id ** 2)", None),
        ("COUNTIF(status = \"Active\u{201d})", None),
        ("SUM(amount); -1", None),
        ("IF(paid; MAX(1, 2); 1,5)", None),
        (
            "COUNTIF(AND(paid; amount > 1,5))",
            Some("COUNTIF(AND(paid, amount > 1.5))"),
        ),
        ("COALESCE(SUM(amount); 0,5)", Some("COALESCE(SUM(amount), 0.5)")),
        ("COUNTIF(AND(amount > 1.000; paid))", None),
        ("MAX(code || \"x\")", Some("MAX(code & \"x\")")),
        ("COUNTIF(amount + id IS NULL)", Some("COUNTIF(ISBLANK(amount + id))")),
    ] {
        let setting = Setting::from_words("events");
        let diagnostics = setting.run(formula).diagnostics;
        let fixed = apply_fixes(formula, &diagnostics);
        let compiles = errors(&setting.run(&fixed).diagnostics).is_empty();
        assert_eq!(compiles.then_some(fixed.as_str()), expected, "{formula}");
    }
}

#[test]
fn examples_of_pages_compile_after_their_fixes() {
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let Some((words, text)) = crate::pages::setting(code.page().wrong) else {
            continue;
        };
        let setting = Setting::from_words(words);
        let before = setting.run(text).diagnostics;
        let is_fixed = |diagnostic: &Diagnostic| diagnostic.fix().is_some();
        if before.iter().filter(|d| d.is_error()).all(is_fixed) && before.iter().any(is_fixed) {
            let fixed = apply_fixes(text, &before);
            let after = setting.run(&fixed).diagnostics;
            if !errors(&after).is_empty() {
                wrong.push(format!("{}: {fixed:?}: {after:?}", code.code()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
