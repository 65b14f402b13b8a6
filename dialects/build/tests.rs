//! Tests of the build script's modules.

#![allow(dead_code, reason = "the tests use a part of each module")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests fail by panicking")]

mod catalogue;
mod constructs;
mod dialects;
mod facts;
#[path = "../src/hash.rs"]
mod hash;
#[path = "../src/tables/lowering.rs"]
mod lowering;
#[path = "../src/tables/op.rs"]
mod op;
#[path = "../src/tables/part.rs"]
mod part;
mod signature;
mod template;
mod toml_file;
mod used_constructs;

use std::path::{Path, PathBuf};

use constructs::{AggregateUses, Conversion, Scope, Section, constructs_of_template};
use facts::{Facts, SharedSources, UsedConstructs, VERDICTS, read};
use toml_file::TomlFile;

/// Returns the constructs of a template, without their sections.
fn constructs(sql: &str, roles: AggregateUses) -> Vec<String> {
    let signature = signature::parse("(text: text, amount: decimal, day: date, count: 1..9) -> any").unwrap();
    let params: Vec<String> = signature.params.iter().map(|p| p.name.clone()).collect();
    let nodes = template::parse(sql, &params).unwrap();
    let names = |list: &[(&str, &str)]| {
        list.iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect::<Vec<_>>()
    };
    let types = names(&[("float", "double"), ("text", "varchar")]);
    let results = names(&[("floor", "argument"), ("date_trunc", "moment"), ("length", "integer")]);
    let days = Conversion {
        mode: "days".to_owned(),
        from: "decimal".to_owned(),
        class: "decimal".to_owned(),
    };
    let scope = Scope {
        functions: &[],
        types: &types,
        results: &results,
        conversions: &[days],
    };
    constructs_of_template(&nodes, &signature, roles, &scope)
        .into_iter()
        .map(|(_, text)| text)
        .collect()
}

#[test]
fn constructs_have_the_types_of_their_arguments() {
    let table: [(&str, &[&str]); 16] = [
        (
            "f({amount} order by {amount} desc nulls last limit {count})",
            &[
                "f(decimal limit integer)",
                "f(decimal order by decimal desc nulls last limit integer)",
            ],
        ),
        ("substr({text}, {count:days})", &["substr(text, integer)"]),
        ("substr({text}, {amount:days})", &["substr(text, decimal)"]),
        ("round({amount}, {count})", &["round(decimal, integer)"]),
        ("round(floor({amount}))", &["floor(decimal)", "round(decimal)"]),
        ("round({amount:float})", &["round(float)"]),
        ("{day} + {count}", &["date + number"]),
        ("{day} - date '0001-01-01'", &["date - date", "date text"]),
        ("{amount} / {count}", &["decimal / integer"]),
        (
            "extract(year from date_trunc('month', {day}))",
            &["date_trunc(text, date)", "extract(year from date)"],
        ),
        (
            "cast(cast({amount} as float) as text)",
            &["cast(decimal as double)", "cast(float as varchar)"],
        ),
        (
            "case when {text} is null then {amount} else 0 end",
            &["case", "is null"],
        ),
        ("dateadd(day, {count}, {day})", &["dateadd(day, integer, date)"]),
        (
            "f(lambda word: upper(word))",
            &["f(lambda)", "upper(any)", "lambda x: …"],
        ),
        (
            "(select max(v) from unnest([{amount}]) as u(v))",
            &["max(any)", "unnest(array)", "[decimal]", "subquery"],
        ),
        (
            "cardinality(array[{amount}])",
            &["cardinality(array)", "array[decimal]"],
        ),
    ];
    for (sql, expected) in table {
        assert_eq!(constructs(sql, AggregateUses::default()), expected, "{sql}");
    }
}

#[test]
fn aggregates_are_constructs_in_each_of_their_windows() {
    let framed = AggregateUses {
        frame: true,
        grouped: true,
        ..AggregateUses::default()
    };
    assert_eq!(
        constructs("sum({amount})", framed),
        ["sum(decimal)", "sum(decimal) over (rows)"]
    );
    let window = "nullif(corr({amount}, {count}) over {window}, 0)";
    let partition = AggregateUses {
        partition: true,
        ..AggregateUses::default()
    };
    assert_eq!(
        constructs(window, partition),
        ["corr(decimal, integer) over (partition by)", "nullif(any, integer)"]
    );
    let ordered = "listagg({text}) within group (order by {text})";
    let grouped = AggregateUses {
        grouped: true,
        ..AggregateUses::default()
    };
    assert_eq!(constructs(ordered, grouped), ["listagg(text) within group (order by)"]);
}

fn file(name: &str, text: &str) -> TomlFile {
    TomlFile {
        path: PathBuf::from(name),
        text: text.to_owned(),
    }
}

/// Checks the facts of a fictional dialect that uses `round(decimal)` and extends a dialect in which `abs(float)` was
/// tested. Returns the facts and the errors.
fn check(text: &str) -> (Facts, String) {
    let mut faults = Vec::new();
    let base = file(
        "ansi.toml",
        "[sources]\nengine = \"Engine 1.0\"\n[calls]\n\"abs(float)\" = \"run engine\"",
    );
    let uses = |texts: &[&str]| -> UsedConstructs {
        texts
            .iter()
            .map(|text| ((Section::Calls, (*text).to_owned()), "`ROUND`".to_owned()))
            .collect()
    };
    let mut shared = SharedSources::read(&base, &mut faults).unwrap();
    let parent = read(
        &base,
        &uses(&["abs(float)"]),
        &Facts::new(),
        false,
        &mut shared,
        &mut faults,
    )
    .unwrap();
    let dialect_file = file("own.toml", text);
    let used_constructs = uses(&["abs(float)", "round(decimal)"]);
    let facts = read(
        &dialect_file,
        &used_constructs,
        &parent,
        false,
        &mut shared,
        &mut faults,
    )
    .unwrap();
    shared.report_unused(&base, &mut faults);
    (facts, faults.join("\n"))
}

#[test]
fn each_construct_has_an_entry_and_each_entry_has_a_construct() {
    // Entries of the file, and part of the expected error message. The message is empty if no error is expected.
    let table = [
        ("[calls]\n\"round(decimal)\" = \"unsure\"", ""),
        ("[calls]\n\"round(decimal)\" = \"run engine\"", ""),
        (
            "",
            "own.toml: [calls] has no entry for `round(decimal)`, which `ROUND` uses; add `\"round(decimal)\" = \"unsure\"`",
        ),
        (
            "[calls]\n\"round(decimal)\" = \"unsure\"\n\"round(float)\" = \"unsure\"",
            "own.toml:3: no template, literal, cast or fact of the dialect uses `round(float)`; remove the entry",
        ),
        (
            "[calls]\n\"round(decimal)\" = \"run other\"",
            "own.toml:2: `round(decimal)`: [sources] has no `other`",
        ),
        (
            "[calls]\n\"round(decimal)\" = \"run\"",
            "an entry has the form \"run SOURCE\"",
        ),
        (
            "[calls]\n\"round(decimal)\" = \"unsure engine\"",
            "an entry has the form \"run SOURCE\"",
        ),
        (
            "[calls]\n\"round(decimal)\" = \"proven engine\"",
            "an entry has the form \"run SOURCE\"",
        ),
        (
            "[call]\n\"round(decimal)\" = \"unsure\"",
            "own.toml:1: unknown key `call`",
        ),
        (
            "[sources]\npage = \"https://example.com/{page}\"\n[calls]\n\"round(decimal)\" = \"cited page\"",
            "the source `page` needs the name of a page, as in `page:abs`",
        ),
        (
            "[calls]\n\"round(decimal)\" = \"run engine:abs\"",
            "the source `engine` has no `{page}`",
        ),
        (
            "[sources]\npage = \"https://example.com/{page}\"\n[calls]\n\"round(decimal)\" = \"unsure\"",
            "own.toml:2: no entry cites the source `page`; remove it",
        ),
        (
            "[calls]\n\"round(decimal)\" = \"run engine; depends on ZONE\"",
            "[parameters] has no entry for `ZONE`, which `round(decimal)` uses",
        ),
        (
            "[calls]\n\"round(decimal)\" = \"run engine; depends on ZONE\"\n[parameters]\nZONE = \"run engine\"",
            "",
        ),
    ];
    for (text, expected) in table {
        let (_, faults) = check(text);
        assert!(
            faults.contains(expected) && faults.is_empty() == expected.is_empty(),
            "{text}\n{faults}"
        );
    }
}

#[test]
fn an_entry_of_the_extended_dialect_is_inherited_and_marked() {
    let (facts, faults) = check(
        "[sources]\npage = \"https://example.com/{page}, July 2026\"\n[calls]\n\"round(decimal)\" = \"cited page:round\"",
    );
    assert_eq!(faults, "");
    let fact_rows: Vec<(&str, &str, &str, bool)> = facts
        .iter()
        .map(|((_, text), fact)| {
            (
                text.as_str(),
                VERDICTS[fact.verdict].0,
                fact.source.as_str(),
                fact.inherited,
            )
        })
        .collect();
    let expected = [
        ("abs(float)", "run", "Engine 1.0", true),
        ("round(decimal)", "cited", "https://example.com/round, July 2026", false),
    ];
    assert_eq!(fact_rows, expected);
}

/// Copies the dialects to a folder for a test.
fn copy_dialects(name: &str) -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(folder.join("facts")).unwrap();
    for from in [crate_folder.to_owned(), crate_folder.join("facts")] {
        for path in std::fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|extension| extension == "toml") {
                std::fs::copy(&path, folder.join(path.strip_prefix(crate_folder).unwrap())).unwrap();
            }
        }
    }
    folder
}

/// Compiles the dialects in a folder to Rust, or returns the errors.
fn generate_tables_of_folder(folder: &Path) -> Result<String, String> {
    let functions = catalogue::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("functions")).unwrap();
    let dialects = dialects::read(folder, &functions).map_err(|faults| faults.join("\n"))?;
    Ok(dialects::write::write(&functions, &dialects))
}

/// Changes one facts file, then returns the errors in the dialects in this folder.
fn build_errors_after_edit(name: &str, change: impl Fn(&str) -> String) -> String {
    let folder = copy_dialects(&format!("facts-{name}"));
    let changed = folder.join("facts").join(name).with_extension("toml");
    let text = std::fs::read_to_string(&changed).unwrap();
    std::fs::write(&changed, change(&text)).unwrap();
    generate_tables_of_folder(&folder).err().unwrap_or_default()
}

/// Adds a dialect that extends DuckDB. Returns the dialect's part of the generated tables, or the errors.
fn build_with_new_dialect(name: &str, text: &str) -> Result<String, String> {
    let folder = copy_dialects(name);
    let position = std::fs::read_dir(&folder).unwrap().count() - 2;
    let head = format!("extends = \"duckdb\"\nposition = {position}\ntitle = \"New\"\nunverified = \"a test\"\n");
    std::fs::write(folder.join("new.toml"), head + text).unwrap();
    let tables = generate_tables_of_folder(&folder)?;
    let (_, dialect_tables) = tables.split_once("DialectData { name: \"new\"").unwrap();
    Ok(dialect_tables.split("DialectData {").next().unwrap().to_owned())
}

const NEW_DIALECT: &str = "\
lacks = [\"median\"]
[types]
text = \"string\"
[similar_types]
text = [\"varchar\"]
[functions]
UPPER = \"to_upper({value})\"
";

/// A new dialect needs no facts file if it is unverified, because nothing is known about its constructs.
#[test]
fn a_file_is_a_dialect() {
    let dialect_tables = build_with_new_dialect("new", NEW_DIALECT).unwrap();
    assert!(dialect_tables.contains("unverified: \"a test\""), "{dialect_tables}");
    assert!(
        dialect_tables.contains("similar_types: [&[], &[\"int\", \"integer\", \"int4\"], &[], &[], &[\"varchar\"],")
    );
    assert!(dialect_tables.contains("TemplateShape::Call(\"to_upper\")"));
    assert!(dialect_tables.contains("Cell::Unsupported(\"New does not have `median`; compute the value"));
    assert!(
        dialect_tables
            .contains("Cell::Unsupported(\"New has no language model; compute the value in BigQuery, in Snowflake or")
    );
    assert!(!dialect_tables.contains("name: \"median\""));
}

#[test]
fn a_key_that_is_equal_to_the_inherited_key_stops_the_build() {
    let table = [
        ("[identifiers]\nfold = \"keep\"", "`fold`"),
        ("[identifiers]\nreserved = [\"lambda\"]", "`lambda`"),
        ("[strings]\nbackslash = false", "`backslash`"),
        ("[types]\nfloat = \"double\"", "`float`"),
        ("[type_synonyms]\nboolean = [\"bool\"]", "`boolean`"),
        ("[literals]\nfloat = \"cast({n} as double)\"", "`float`"),
        ("[facts]\nqualify = true", "`qualify`"),
        ("[functions]\nABS = \"abs({value})\"", "`ABS`"),
    ];
    for (text, key) in table {
        let faults = build_with_new_dialect("equal", text).unwrap_err();
        let expected = format!("new.toml:6: {key} repeats the inherited value; remove it");
        assert!(faults.contains(&expected), "{text}: {faults}");
    }
    let faults = build_with_new_dialect("equal", "lacks = [\"no_such\"]").unwrap_err();
    assert!(faults.contains("no inherited template contains `no_such`"), "{faults}");
    let faults = build_with_new_dialect("equal", "[identifiers]\nfold = \"title\"").unwrap_err();
    assert!(faults.contains("new.toml:6: `fold` has an invalid value"), "{faults}");
    let faults = build_with_new_dialect("equal", "[facts]\nsafe_divide = \"no_such\"").unwrap_err();
    assert!(
        faults.contains("`safe_divide`: no template calls `no_such`"),
        "{faults}"
    );
}

#[test]
fn a_removed_fact_and_an_invented_fact_stop_the_build() {
    assert_eq!(build_errors_after_edit("duckdb", str::to_owned), "");
    let removed = build_errors_after_edit("duckdb", |text| text.replace("\"abs(float)\" = \"run duckdb\"\n", ""));
    // The construct is inherited from ansi.toml, so an entry still exists, but it is no evidence for this dialect.
    assert_eq!(removed, "");
    let removed = build_errors_after_edit("duckdb", |text| {
        text.replace("\"to_days(integer)\" = \"run duckdb\"\n", "")
    });
    assert!(
        removed.contains("facts/duckdb.toml: [calls] has no entry for `to_days(integer)`, which"),
        "{removed}"
    );
    let invented = build_errors_after_edit("duckdb", |text| {
        text.replace("[calls]\n", "[calls]\n\"no_such(text)\" = \"unsure\"\n")
    });
    assert!(
        invented.contains("uses `no_such(text)`; remove the entry"),
        "{invented}"
    );
    let unlisted = build_errors_after_edit("ansi", |text| text.replace("\"unicode\", ", ""));
    assert!(unlisted.contains("[results] does not list `unicode`"), "{unlisted}");
}
