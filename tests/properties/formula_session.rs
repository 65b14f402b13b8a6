//! Checks that a session returns the same results as a compilation of the whole formula file, after any series of
//! edits.

use formulac::{Column, Compiled, Compiler, Context, FormulaSession, Relation, Schema, Type};
use proptest::prelude::*;

use crate::formulas::measure;
use crate::mutations::{Change, apply_changes, change};

/// Names of definitions. Some are also columns or functions, or differ only in case.
const NAMES: &[&str] = &[
    "a",
    "b",
    "c",
    "total",
    "Total",
    "totla",
    "amount",
    "status",
    "region",
    "sum",
    "Q1",
    "paid_share",
];

/// Formulas. `@` is replaced with a name.
const FORMULAS: &[&str] = &[
    "SUM(amount)",
    "@ + 1",
    "@ / @",
    "@ & @",
    "COUNT()",
    "SUM(@)",
    "IF(@ > 0, @, )",
    "IF(@, 1, 2)",
    "@ = \"Open\"",
    "SUMIF(status, \"open\", amount)",
    "COUNTIF(status, \"=Open\")",
    "COUNTIF(status = \"Open\")",
    "COUNTIF(@, \"open\")",
    "ordered_on[week]",
    "ordered_on[day_of_week_num]",
    "WEEKNUM(ordered_on)",
    "WEEKDAY(ordered_on)",
    "WEEKDAY(@) > 5",
    "@[month]",
    "stauts",
    "amuont * 2",
    "discount_",
    "unknown_one - unknown_two",
    "unknown_one & \"x\"",
    "unknown_two > DATE(2026, 1, 1)",
    "DATEDIF(unknown_one, ordered_on, \"D\")",
    "customers.region",
    "region",
    "${orders.amount}",
    "${amount}",
    "orders.@",
    "SUMM(@)",
    "@(1)",
    "OFFSET(@, -1)",
    "SUM(FIRST(@):@)",
    "PERIODOFFSET(@, -1, \"month\")",
    "FIRST(@, \"year\")",
    "RANK(@)",
    "RAND()",
    "ROUND(ROUND(@, 2), 1)",
    "LET(a, amount, a * @)",
    "paid = TRUE",
    "\"open\"",
    "1/0",
    "SUM(amount) // noqa",
    "stauts // noqa: F0302",
    "SUM(\n  amount,\n  // a comment\n  @\n)",
    "\"two\nlines\" & @",
    "\"two\n/// lines\"",
    "\"two\n/// lines\nc = 1\"",
    "1 +",
    "(1 + @",
    "@ + 2)",
    "1 + * 2",
    "@ @",
    "@!",
    "'tab'!A1",
    "A1:B2",
    "@ == 1",
    "\"open",
    "sum(amount) over (order by @)",
    "/* @",
    "*/ 1",
    "let",
    "",
];

/// Lines between definitions.
const LINES: &[&str] = &[
    "",
    "// note",
    "/// Description",
    "  ",
    "+ 2",
    "=1",
    "let a = 1",
    ")",
    "\u{feff}",
    "\t// é",
];

#[derive(Clone, Debug)]
struct Line(String);

fn line() -> impl Strategy<Value = Line> {
    let name = || prop::sample::select(NAMES);
    let definition = (name(), prop::sample::select(FORMULAS), prop::collection::vec(name(), 2)).prop_map(
        |(name, formula, mut names)| {
            let mut text = format!("{name} = ");
            for part in formula.split_inclusive('@') {
                text.push_str(part.trim_end_matches('@'));
                if part.ends_with('@') {
                    text.push_str(names.first().unwrap());
                    names.rotate_left(1);
                }
            }
            Line(text)
        },
    );
    let random = (name(), measure()).prop_map(|(name, formula)| Line(format!("{name} = {formula}")));
    prop_oneof![8 => definition, 2 => random, 1 => prop::sample::select(LINES).prop_map(|line| Line(line.to_owned()))]
}

#[derive(Clone, Debug)]
enum Edit {
    Insert(prop::sample::Index, Line),
    Remove(prop::sample::Index),
    Replace(prop::sample::Index, Line),
    Swap(prop::sample::Index, prop::sample::Index),
    /// Renames a definition or changes a reference: replaces the first letters of a line with a name.
    Rename(prop::sample::Index, &'static str),
    Characters(Vec<Change>),
    /// Returns to the text before the last edit.
    Undo,
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), line()).prop_map(|(at, line)| Edit::Insert(at, line)),
        2 => at().prop_map(Edit::Remove),
        4 => (at(), line()).prop_map(|(at, line)| Edit::Replace(at, line)),
        1 => (at(), at()).prop_map(|(a, b)| Edit::Swap(a, b)),
        2 => (at(), prop::sample::select(NAMES)).prop_map(|(at, name)| Edit::Rename(at, name)),
        3 => prop::collection::vec(change(), 1..3).prop_map(Edit::Characters),
        1 => Just(Edit::Undo),
    ]
}

impl Edit {
    fn apply(&self, text: &str, before: &str) -> String {
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        let count = lines.len();
        match self {
            Self::Insert(at, line) => lines.insert(at.index(count + 1), line.0.clone()),
            Self::Remove(at) => drop(lines.remove(at.index(count))),
            Self::Replace(at, line) => lines[at.index(count)].clone_from(&line.0),
            Self::Swap(a, b) => lines.swap(a.index(count), b.index(count)),
            Self::Rename(at, name) => {
                let line = &mut lines[at.index(count)];
                let rest = line
                    .trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
                    .to_owned();
                *line = format!("{name}{rest}");
            }
            Self::Characters(changes) => return apply_changes(text, changes),
            Self::Undo => return before.to_owned(),
        }
        lines.join("\n")
    }
}

/// Returns compilers for the situations that sessions distinguish.
fn compilers() -> Vec<Compiler> {
    let orders = Relation::new("orders")
        .with(Column::new("order_id", Type::Integer).nullable(false))
        .with(Column::new("amount", Type::Decimal))
        .with(Column::new("discount", Type::Decimal))
        .with(Column::new("status", Type::Text))
        .with(Column::new("paid", Type::Boolean))
        .with(Column::new("customer_id", Type::Integer))
        .with(Column::new("ordered_on", Type::Date));
    let untyped = orders.clone().with(Column::new("unknown_one", Type::Unknown));
    let customers = Relation::new("customers")
        .with(Column::new("region", Type::Text))
        .with(Column::new("total", Type::Integer));
    let one = || {
        Compiler::builder()
            .schema(Schema::new().with(orders.clone()))
            .from("orders")
    };
    let two = Schema::new().with(orders.clone()).with(customers);
    let keys = || one().order_by(["ordered_on[month] desc", "region"]);
    vec![
        one().build(),
        one().context(Context::Row).map_spans(true).build(),
        one()
            .group_by(["ordered_on[month]", "status"])
            .order_by(["ordered_on[month]"])
            .build(),
        one()
            .order_by(["ordered_on"])
            .partition_by(["status"])
            .dialect("snowflake".parse().unwrap())
            .build(),
        keys().build(),
        Compiler::builder().schema(two.clone()).build(),
        Compiler::builder().schema(two).from("customers").build(),
        Compiler::builder()
            .schema(Schema::new().with(untyped))
            .map_spans(true)
            .build(),
        Compiler::default(),
        Compiler::builder().order_by(["ordered_on"]).build(),
        Compiler::builder()
            .from("missing")
            .schema(Schema::new().with(orders.clone()))
            .build(),
        Compiler::builder()
            .context(Context::Worksheet)
            .columns(["amount", "status"])
            .order_by(["amount"])
            .build(),
    ]
}

/// Returns everything that a caller can read from a result.
fn contents(compiled: &Compiled) -> String {
    let definitions = compiled.definitions().iter().map(|definition| {
        let columns: Vec<_> = definition.columns().collect();
        let mappings: Vec<_> = definition.mappings().collect();
        let of_type = (definition.ty(), definition.level(), definition.nullable());
        format!(
            "{:?} {:?} {:?} {of_type:?} {columns:?} {:?} {mappings:?}\n",
            definition.name(),
            definition.span(),
            definition.sql(),
            definition.description()
        )
    });
    let definitions: String = definitions.collect();
    format!("{definitions}{:#?}\n{:?}", compiled.diagnostics(), compiled.meanings())
}

fn check(compiler: &Compiler, first: &[Line], edits: &[Edit]) -> Result<(), TestCaseError> {
    let mut session = FormulaSession::default();
    let lines: Vec<&str> = first.iter().map(|line| line.0.as_str()).collect();
    let mut text = lines.join("\n");
    let mut before = String::new();
    for edit in std::iter::once(None).chain(edits.iter().map(Some)) {
        if let Some(edit) = edit {
            let after = edit.apply(&text, &before);
            before = std::mem::replace(&mut text, after);
        }
        let expected = compiler.compile(&text);
        let compiled = session.compile(compiler, &text);
        prop_assert_eq!(
            contents(&expected),
            contents(compiled),
            "{}\n--- after ---\n{}",
            text,
            before
        );
        prop_assert_eq!(compiler.check(&text), session.check(compiler, &text), "{}", text);
    }
    Ok(())
}

fn cases() -> u32 {
    let cases = std::env::var("FORMULAC_FORMULA_EDITS").ok();
    cases.and_then(|cases| cases.parse().ok()).unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_compilation_of_the_whole_file(
        compiler in 0..compilers().len(),
        first in prop::collection::vec(line(), 1..12),
        edits in prop::collection::vec(edit(), 1..12),
    ) {
        check(&compilers()[compiler], &first, &edits)?;
    }
}

/// Compiles versions of a file in a session, and checks that each result equals that of the compiler. Returns the
/// number of definitions that the session compiled for the last version, or `None` if it compiled the whole file.
fn compile_versions(compiler: &Compiler, versions: &[&str]) -> Option<usize> {
    let mut session = FormulaSession::default();
    for text in versions {
        let expected = contents(&compiler.compile(text));
        assert_eq!(contents(session.compile(compiler, text)), expected, "{text}");
    }
    session.recompiled()
}

/// Checks that an edit compiles only the definitions that depend on it, and those that they use.
#[test]
fn only_affected_definitions_are_compiled() {
    let compiler = &compilers()[0];
    let text = "a = SUM(amount)\nb = a + 1\nc = b * 2\n// note\nd = COUNT()\ne = SUMIF(status, \"open\", amount)\n\
                f = COUNTIF(status = \"open\")\ng = amuont\nh = WEEKNUM(ordered_on)\ni = ordered_on[week]\nj = 1";
    for (what, part, new, expected) in [
        ("nothing", "j", "j", 0),
        ("a formula that no other uses", "COUNT()", "COUNT() / 2", 1),
        ("a comment", "// note", "// a note", 1),
        ("a formula that two others use", "SUM(amount)\n", "SUM(discount)\n", 3),
        ("a formula that uses two others", "b * 2", "b * 3", 3),
        (
            "a criterion that is also compared with `=`",
            "SUMIF(status, \"open\"",
            "SUMIF(status, \"closed\"",
            2,
        ),
        (
            "the first day of the week",
            "WEEKNUM(ordered_on)",
            "WEEKNUM(ordered_on, 2)",
            2,
        ),
        ("a name, which the unknown name is compared with", "d =", "amuon =", 2),
        (
            "a new definition, after which the last line ends",
            "j = 1",
            "j = 1\nk = 2",
            3,
        ),
        ("a definition that no other uses", "j = 1", "", 1),
        ("an unclosed bracket", "COUNT()", "COUNT(", 1),
        ("a syntax error", "COUNT()", "COUNT() +", 1),
        ("a name that is a column elsewhere", "d =", "discount =", 2),
    ] {
        assert_eq!(
            compile_versions(compiler, &[text, &text.replacen(part, new, 1)]),
            Some(expected),
            "{what}"
        );
    }
}

/// Checks which compilers and which errors require that the whole file is compiled.
#[test]
fn usual_edits_do_not_compile_the_whole_file() {
    let text = "first = amount\nother = 1\nlast = 2\n";
    let edited = text.replace('2', "3");
    // Two of the compilers have keys with an error or an unknown type, one has an unknown relation, and the last one is
    // for a worksheet.
    let whole = [4, 9, 10, 11];
    for (number, compiler) in compilers().iter().enumerate() {
        let expected = (!whole.contains(&number)).then_some(1);
        assert_eq!(compile_versions(compiler, &[text, &edited]), expected, "{number}");
    }
    let compiler = &compilers()[0];
    let broken = text.replace('2', "\"2");
    assert_eq!(compile_versions(compiler, &[text, &broken]), None);
    assert_eq!(compile_versions(compiler, &[text, &broken, &edited]), Some(1));
}

/// Checks that the limits for the whole file still apply if only a part of it is compiled.
#[test]
fn limits_apply_to_the_whole_file() {
    let typed = &compilers()[0];
    let unknown: Vec<String> = (0..60).map(|n| format!("x{n} = amuont + {n}\n")).collect();
    let versions: Vec<String> = (45..60).chain((45..55).rev()).map(|n| unknown[..n].concat()).collect();
    compile_versions(typed, &versions.iter().map(String::as_str).collect::<Vec<_>>());
    let limits = formulac::Limits::default();
    for limits in [limits.with_output(100), limits.with_source(100), limits.with_nesting(2)] {
        let limited = Compiler::builder().limits(limits).build();
        let first = "a = x + y\nb = x - y\nc = x\n";
        let long = first.replace(
            "b = x",
            "b = x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x",
        );
        let deep = first.replace("b = x", "b = ((((x))))");
        let longer = format!("{first}{}", "d = x\n".repeat(20));
        compile_versions(&limited, &[first, &long, first, &deep, &long, &longer, first]);
    }
    let many: String = (0..1_100).map(|n| format!("definition_{n} = amount\n")).collect();
    let misspelled = format!("{many}last = definition_1098x\n");
    compile_versions(
        typed,
        &[
            &misspelled,
            &misspelled.replacen("definition_7 =", "definition_1098 =", 1),
            &many,
        ],
    );
}

/// Checks files with many definitions in which one edit affects many definitions.
#[test]
fn many_results_are_replaced() {
    let compiler = &compilers()[0];
    let users: String = (0..40)
        .map(|n| format!("x{n} = amount + {n}\ny{n} = base * {n}\n"))
        .collect();
    let [used, broken, removed] = ["base = amount\n", "base = missing\n", ""].map(|base| format!("{base}{users}"));
    compile_versions(compiler, &[&used, &broken, &used, &removed, &used]);
}
