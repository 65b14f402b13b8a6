//! Tests a property of formulas with every function of the catalogue: a formula that is written differently, or next
//! to other definitions, gives the same SQL. The tests in `metamorphic_values.rs` compare the values of equivalent
//! formulas.
//!
//! `FORMULAC_METAMORPHIC=100000` sets the number of formulas, `FORMULAC_SEED=7` generates different formulas, and
//! `FORMULAC_FUNCTION=MOD` generates formulas with one function.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use formulac::{Compiler, Dialect, Level};

use crate::drawn::number;
use crate::engine::print_directly;
use crate::expr::{InterpreterExpr, is_unquoted_name};
use crate::forms::{Known, load_known};
use crate::formula_sheets::{self, Formula, Sheet};
use crate::formula_tables::{GROUP, KEY};
use crate::random::Random;
use crate::rewritten::{Names, in_other_layout, rename_columns, rewritten};

const COUNT: u64 = 5000;
const SHOWN: u64 = 5;

/// Returns the generated formulas and the information about their functions. The formulas are generated once for all
/// tests.
pub fn sheets() -> &'static (Known, Vec<Sheet>) {
    static SHEETS: OnceLock<(Known, Vec<Sheet>)> = OnceLock::new();
    SHEETS.get_or_init(|| {
        let known = load_known();
        let sheets = formula_sheets::draw(
            &known,
            number("FORMULAC_METAMORPHIC", COUNT),
            number("FORMULAC_SEED", 3),
        );
        (known, sheets)
    })
}

/// Returns the names in SQL templates: every SQL word in the dialects' files, and every single letter.
fn words() -> &'static [&'static str] {
    static WORDS: OnceLock<Vec<&'static str>> = OnceLock::new();
    WORDS.get_or_init(|| {
        let mut words: BTreeSet<String> = ('a'..='z').map(String::from).collect();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialects");
        for folder in [root.clone(), root.join("functions")] {
            for file in fs::read_dir(folder)
                .expect("the dialects are there")
                .flatten()
                .map(|entry| entry.path())
            {
                let is_table = file.extension().is_some_and(|e| e == "toml") && !file.ends_with("Cargo.toml");
                let text = if is_table { crate::files::read(&file) } else { continue };
                let sql = text
                    .lines()
                    .filter_map(|line| line.split_once(" = "))
                    .map(|(_, sql)| sql);
                words.extend(
                    sql.flat_map(|sql| sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
                        .map(str::to_owned),
                );
            }
        }
        let is_name = |word: &String| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                && is_unquoted_name(word)
                && !["true", "false", KEY, GROUP].contains(&word.as_str())
                && !NOT_ON_STAND_INS.contains(&word.as_str())
        };
        words.into_iter().filter(is_name).map(|word| &*word.leak()).collect()
    })
}

/// Words that are reserved in Snowflake's emulator but not in Snowflake.
const NOT_ON_STAND_INS: &[&str] = &[
    "anti",
    "array",
    "at",
    "both",
    "collate",
    "default",
    "describe",
    "end",
    "fetch",
    "lambda",
    "leading",
    "offset",
    "only",
    "pivot",
    "semi",
    "show",
    "summarize",
    "trailing",
    "unpivot",
    "window",
];

/// Returns new names, some of which have one letter, for all columns except the key and the group.
pub fn names(sheet: &Sheet, random: &mut Random) -> Names {
    let mut taken = BTreeSet::new();
    let mut name = || loop {
        let words = words();
        let word = if random.chance(40) {
            words[random.random_below(words.len())]
        } else {
            *random.pick(&words_of_a_letter())
        };
        if taken.insert(word) {
            return word;
        }
    };
    let columns = sheet
        .database
        .tables
        .iter()
        .flat_map(|table| &table.columns)
        .map(|column| column.name);
    columns
        .filter(|old| ![KEY, GROUP].contains(old))
        .map(|old| (old, name()))
        .collect()
}

fn words_of_a_letter() -> Vec<&'static str> {
    words().iter().copied().filter(|word| word.len() == 1).collect()
}

pub fn compiler(sheet: &Sheet, dialect: Dialect) -> Compiler {
    let table = &sheet.database.tables[0];
    let builder = Compiler::builder()
        .dialect(dialect)
        .schema(sheet.database.schema())
        .from(table.name.as_str());
    if sheet.level == Level::Window {
        builder.order_by([KEY]).build()
    } else {
        builder.build()
    }
}

/// Returns the SQL of each definition by name. For a definition with an error, returns the code of the error.
fn sql(compiler: &Compiler, lines: &[String]) -> BTreeMap<String, String> {
    let compiled = compiler.compile(&lines.join("\n"));
    let named = compiled
        .definitions()
        .iter()
        .map(|d| (d.name().unwrap_or_default().to_owned(), d.sql().to_owned()));
    named.collect()
}

/// Checks that definitions give the same SQL separately, in any order and in any layout. Also checks that different
/// column names change only the names, and that a separate definition for part of a formula does not change the SQL.
pub fn run() {
    let mut random = Random::new(number("FORMULAC_SEED", 3));
    let (mut faults, mut compared) = (Vec::new(), 0);
    for sheet in &sheets().1 {
        let names = names(sheet, &mut random);
        let other = rename_columns(sheet, &names);
        let line = |f: &Formula| format!("{} = {}", f.name, f.expr);
        let lines: Vec<String> = sheet.formulas.iter().map(line).collect();
        let laid: Vec<String> = sheet
            .formulas
            .iter()
            .map(|f| format!("{} = {}", f.name, in_other_layout(&f.expr.to_string(), &mut random)))
            .collect();
        let mut mixed = lines.clone();
        random.shuffle(&mut mixed);
        let parted: Vec<Option<[String; 2]>> = sheet.formulas.iter().map(|f| split_formula(f, &mut random)).collect();
        for dialect in Dialect::all() {
            let make = || compiler(sheet, dialect);
            let combines = dialect.facts().sorted_aggregates_combine;
            // If the dialect rejects a select in which aggregates sort by different values, sorted aggregates are not
            // compared.
            let right: BTreeMap<String, String> = lines
                .iter()
                .flat_map(|line| sql(&make(), std::slice::from_ref(line)))
                .filter(|(_, sql)| combines || !sql.contains("within group"))
                .collect();
            compared += right.len();
            let mut equal = |what: &str, got: &BTreeMap<String, String>, same: &dyn Fn(&str, &str) -> bool| {
                for (formula, (name, sql)) in sheet
                    .formulas
                    .iter()
                    .filter_map(|f| Some((f, right.get_key_value(&f.name)?)))
                {
                    let got = got.get(name).map_or("", String::as_str);
                    if !same(sql, got) {
                        faults.push(format!("{} {what}: {}\n  {sql}\n  {got}", dialect.name(), formula.expr));
                    }
                }
            };
            equal("together with other definitions", &sql(&make(), &lines), &|a, b| a == b);
            equal("in another order", &sql(&make(), &mixed), &|a, b| a == b);
            equal("in another layout", &sql(&make(), &laid), &|a, b| a == b);
            let lines: Vec<String> = other.formulas.iter().map(line).collect();
            equal("with other names", &sql(&compiler(&other, dialect), &lines), &|a, b| {
                same_but_names(a, b, &names, dialect)
            });
            let mut named = right.clone();
            for pair in parted.iter().flatten() {
                named.extend(sql(&make(), pair));
            }
            equal("with a named part", &named, &|a, b| a == b);
        }
    }
    print_directly(&format!("metamorphic: the SQL of {compared} definitions compared"));
    fail_on(&faults);
}

pub fn fail_on(faults: &[String]) {
    let shown = faults.get(..number("FORMULAC_SHOWN", SHOWN) as usize).unwrap_or(faults);
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), shown.join("\n\n"));
}

/// Splits a formula into two definitions: a part of the formula, and the whole formula, which refers to that part by
/// name.
fn split_formula(formula: &Formula, random: &mut Random) -> Option<[String; 2]> {
    let (part, whole) = with_named_part(&formula.expr, random)?;
    Some([
        format!("{PART}{} = {part}", formula.name),
        format!("{} = {}", formula.name, renamed_part(&whole, &formula.name)),
    ])
}

pub const PART: &str = "part_of_";

pub fn renamed_part(whole: &InterpreterExpr, name: &str) -> InterpreterExpr {
    rewritten(whole, &mut |x| {
        (*x == InterpreterExpr::name(PART)).then(|| InterpreterExpr::Name(format!("{PART}{name}")))
    })
}

/// Returns a part that can become a definition, and the whole expression with `PART` in its place. Literals, columns
/// and ranges cannot become definitions.
pub fn with_named_part(x: &InterpreterExpr, random: &mut Random) -> Option<(InterpreterExpr, InterpreterExpr)> {
    let mut parts: Vec<&InterpreterExpr> = Vec::new();
    let mut left: Vec<&InterpreterExpr> = x.children();
    while let Some(x) = left.pop() {
        left.extend(x.children());
        if matches!(
            x,
            InterpreterExpr::Binary(..)
                | InterpreterExpr::Call(..)
                | InterpreterExpr::Aggregate(..)
                | InterpreterExpr::Window(_)
        ) && reads_a_column(x)
        {
            parts.push(x);
        }
    }
    let part = (!parts.is_empty()).then(|| (*random.pick(&parts)).clone())?;
    let mut done = false;
    let whole = rewritten(x, &mut |x| {
        (!done && *x == part).then(|| (done = true, InterpreterExpr::name(PART)).1)
    });
    Some((part, whole))
}

pub fn reads_a_column(x: &InterpreterExpr) -> bool {
    let mut names = Vec::new();
    x.collect_names(&mut names);
    !names.is_empty()
}

/// Returns `true` if two statements differ only in column names.
fn same_but_names(a: &str, b: &str, names: &Names, dialect: Dialect) -> bool {
    let escapes = matches!(dialect.name(), "bigquery" | "snowflake");
    let (a, b) = (tokens(a, escapes), tokens(b, escapes));
    let same = |(a, b): (&String, &String)| {
        // If a column has the same name as a template's alias, the alias gets another `_`.
        let is_alias = a.ends_with('_') && b.strip_suffix('_') == Some(a);
        a == b
            || is_alias
            || names
                .get(a.to_lowercase().as_str())
                .is_some_and(|new| new.eq_ignore_ascii_case(b))
    };
    a.len() == b.len() && a.iter().zip(&b).all(same)
}

/// Returns the words, string literals and symbols of an SQL statement. If `escapes` is set, a backslash may escape
/// characters in literals. A name in quotes counts as one word.
fn tokens(sql: &str, escapes: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' | '"' | '`' => {
                let mut escaped = false;
                let end = rest[1..].char_indices().find(|(_, c)| {
                    let ends = *c == first && !escaped;
                    escaped = escapes && *c == '\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |(at, _)| at + 2)
            }
            c if c.is_alphanumeric() || c == '_' => rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (word, after) = rest.split_at(taken);
        if matches!(first, '"' | '`') {
            found.push(word.trim_matches(first).to_owned());
        } else if !first.is_whitespace() {
            found.push(word.to_owned());
        }
        rest = after;
    }
    found
}
