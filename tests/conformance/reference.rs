//! `docs/reference/`: a page for each function, made of its entry in the catalogue and its case file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use formulac::Dialect;
use formulac::catalog::{self, Function};
use serde_json::Value as Json;

use crate::case::{Case, CaseFile, Expected, Source};
use crate::generated;
use crate::matrix::cell;
use crate::templates::sql_of;

pub fn run() {
    let files = crate::function_cases::read_all();
    let mut pages: Vec<(String, String)> = Vec::new();
    let mut index: BTreeMap<&str, String> = BTreeMap::new();
    for function in catalog::functions() {
        let file = files.iter().find(|f| f.function == function.name);
        let name = file_name(function.name);
        let line = index.entry(function.category).or_default();
        let also = if function.aliases.is_empty() {
            String::new()
        } else {
            format!(" (also {})", function.aliases.join(", "))
        };
        let _ = writeln!(line, "- [{}]({name}){also}: {}", function.signature(), function.summary);
        pages.push((format!("reference/{name}"), page(function, file)));
    }
    let mut text = String::from(
        "# Functions\n\nGenerated from the catalogue (`dialects/functions`) and the cases (`tests/conformance/cases`).\n\
         What is known of each in each dialect: [matrix](../matrix.md).\n",
    );
    for (category, lines) in index {
        let _ = write!(text, "\n## {category}\n\n{lines}");
    }
    pages.push(("reference/README.md".to_owned(), text));
    generated::check(&pages);
    generated::no_others("reference", &pages);
}

fn file_name(function: &str) -> String {
    format!("{}.md", function.to_lowercase())
}

fn page(function: &'static Function, file: Option<&CaseFile>) -> String {
    let mut text = format!("# {}\n\n{}\n\n    {}\n", function.name, function.summary, function.signature());
    let mut section = |title: &str, body: &str| {
        if !body.is_empty() {
            let _ = write!(text, "\n## {title}\n\n{body}");
        }
    };
    let args = function.args.iter().map(|(name, what)| format!("| `{name}` | {} |\n", cell_text(what)));
    let args: String = args.collect();
    let head = "| argument | what it is |\n|---|---|\n";
    section("Arguments", &if args.is_empty() { args } else { format!("{head}{args}") });
    section("Rules", &rules(function));
    section("Notes", &if function.notes.is_empty() { String::new() } else { format!("{}\n", function.notes) });
    section("Values", &values(function, file));
    let known = Dialect::all().map(|d| format!("- {}: {}\n", d.name(), cell(function, file, d).told(d).1));
    let known: String = known.collect();
    section("SQL", &format!("```text\n{}```\n", sql_of(function)));
    let reason = function.unverified.map_or(String::new(), |reason| format!("\nUnverified: {reason}.\n"));
    section("Known of each dialect", &format!("{known}{reason}"));
    let related = function.related.iter().map(|name| format!("[{name}]({})", file_name(name)));
    let related = related.collect::<Vec<_>>().join(", ");
    section("Related", &if related.is_empty() { related } else { format!("{related}\n") });
    section("Source", &format!("{}\n", function.source));
    text
}

fn rules(function: &Function) -> String {
    let mut lines = vec![function.level_in_words().to_owned(), function.nulls_in_words().to_owned()];
    lines.extend(function.empty.map(|value| format!("of nothing it is {value}")));
    lines.extend(function.volatile.then(|| "another value at each call".to_owned()));
    if !function.aliases.is_empty() {
        lines.push(format!("also called {}", function.aliases.join(", ")));
    }
    lines.iter().map(|line| format!("- {line}\n")).collect()
}

/// The values of all cases that run.
fn values(function: &Function, file: Option<&CaseFile>) -> String {
    let Some(file) = file else {
        return function.examples.iter().map(|e| format!("- `{e}`\n")).collect();
    };
    let mut text = String::from("| formula | of | gives | says |\n|---|---|---|---|\n");
    for case in file.cases.iter().filter(|c| !matches!(c.expected, Expected::Refused(_))) {
        let names: Vec<&str> = case.table.columns.iter().skip(1).map(|c| c.name.as_str()).collect();
        let mut add = |of: String, value: &Json| {
            let formula = cell_text(&case.formula.replace('\n', " "));
            let (of, value) = (cell_text(&of), cell_text(&shown(value)));
            let _ = writeln!(text, "| `{formula}` | {of} | {value} | {} |", says(case));
        };
        match &case.expected {
            Expected::Rows(values) => {
                for (row, value) in case.table.rows.iter().zip(values) {
                    add(arguments(&names, &row[1..], &case.formula), value);
                }
            }
            Expected::One(value) => add(columns(case, &names, &[]), value),
            Expected::Groups(groups) => {
                for (keys, value) in groups {
                    add(columns(case, &names, keys), value);
                }
            }
            Expected::Refused(_) => {}
        }
    }
    text
}

/// `x = 1, y = NULL`, of what the formula reads.
fn arguments(names: &[&str], row: &[Json], formula: &str) -> String {
    let read = |name: &str| reads(formula, name);
    let of = names.iter().zip(row).filter(|(name, _)| read(name)).map(|(name, v)| format!("{name} = {}", shown(v)));
    of.collect::<Vec<_>>().join(", ")
}

/// `x = 1, 2, NULL`, the rows of a group or of all.
fn columns(case: &Case, names: &[&str], keys: &[Json]) -> String {
    let place = |name: &str| case.table.columns.iter().position(|c| c.name == name);
    let mine = |row: &&Vec<Json>| {
        let same = |(name, key): (&String, &Json)| place(name).is_some_and(|at| row[at] == *key);
        case.group_by.iter().zip(keys).all(same)
    };
    let rows: Vec<&Vec<Json>> = case.table.rows.iter().filter(mine).collect();
    if rows.is_empty() {
        return "no rows".to_owned();
    }
    let column = |name: &&&str| {
        let at = place(name).unwrap_or_default();
        let values: Vec<String> = rows.iter().map(|row| shown(&row[at])).collect();
        format!("{name} = {}", values.join(", "))
    };
    names.iter().filter(|n| reads(&case.formula, n)).map(|n| column(&n)).collect::<Vec<_>>().join("; ")
}

fn reads(formula: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    formula.match_indices(name).any(|(at, _)| {
        !formula[..at].ends_with(word) && !formula[at + name.len()..].starts_with(|c: char| word(c) || c == '(')
    })
}

fn shown(value: &Json) -> String {
    match value {
        Json::Null => "NULL".to_owned(),
        Json::Bool(truth) => truth.to_string().to_uppercase(),
        Json::String(text) => format!("\"{text}\""),
        other => other.to_string(),
    }
}

fn says(case: &Case) -> String {
    let name = cell_text(&case.name);
    match &case.source {
        Source::ContractDiffers(rule) => format!("{name}; a spreadsheet says otherwise: {rule}"),
        Source::Sheet | Source::Hand => name,
    }
}

/// Text as a cell of a table shows it.
fn cell_text(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
