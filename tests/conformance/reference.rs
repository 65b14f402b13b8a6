//! Generates `docs/reference/`, which has a page for each function. A page is generated from the function's entry in
//! the catalogue and from its case file. `docs/SUMMARY.md` lists the pages.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use formulac::catalog::{self, Function};
use formulac::{Dialect, Type};
use serde_json::Value as Json;

use crate::case::{Case, CaseFile, Expected, Source};
use crate::evidence;
use crate::generated;
use crate::matrix::{Cell, cell};
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
    pages.push(("SUMMARY.md".to_owned(), summary(&pages)));
    let mut text = String::from(
        "# Functions\n\nThese pages are generated from the catalogue (`dialects/functions`) and the cases (`tests/conformance/cases`).\n\
         The [matrix](../matrix.md) shows how each function was verified in each dialect.\n",
    );
    for (category, lines) in index {
        let _ = write!(text, "\n## {category}\n\n{lines}");
    }
    pages.push(("reference/README.md".to_owned(), text));
    generated::check(&pages);
    generated::report_obsolete_files("reference", &pages);
}

/// Returns the book's summary, in which all function pages are listed below their index page.
fn summary(pages: &[(String, String)]) -> String {
    const INDEX: &str = "- [Functions](reference/README.md)\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SUMMARY.md");
    let now = fs::read_to_string(path).expect("the book has a summary");
    let (before, after) = now.split_once(INDEX).expect("the summary lists the functions");
    let mut text = format!("{before}{INDEX}");
    for (name, page) in pages {
        let title = page.lines().next().unwrap_or_default().trim_start_matches("# ");
        let _ = writeln!(text, "  - [{title}]({name})");
    }
    text.extend(after.split_inclusive('\n').skip_while(|line| line.starts_with("  - ")));
    text
}

fn file_name(function: &str) -> String {
    format!("{}.md", function.to_lowercase())
}

fn page(function: &'static Function, file: Option<&CaseFile>) -> String {
    let mut text = format!(
        "# {}\n\n{}\n\n    {}\n",
        function.name,
        function.summary,
        function.signature()
    );
    let mut section = |title: &str, body: &str| {
        if !body.is_empty() {
            let _ = write!(text, "\n## {title}\n\n{body}");
        }
    };
    let args = function
        .args
        .iter()
        .map(|(name, what)| format!("| `{name}` | {} |\n", cell_text(what)));
    let args: String = args.collect();
    let head = "| argument | description |\n|---|---|\n";
    section(
        "Arguments",
        &if args.is_empty() { args } else { format!("{head}{args}") },
    );
    let examples: String = function
        .examples
        .iter()
        .map(|example| format!("    {example}\n"))
        .collect();
    section("Examples", if function.unverified.is_some() { "" } else { &examples });
    section("Rules", &rules(function));
    let caution = match function.caution {
        "" => String::new(),
        what => format!("Each call causes a warning ([W0419](../diagnostics.md#w0419-not-as-in-sheets)): {what}.\n"),
    };
    section("Warning", &caution);
    section(
        "Notes",
        &if function.notes.is_empty() {
            String::new()
        } else {
            format!("{}\n", function.notes)
        },
    );
    section("Values", &values(function, file));
    let known = Dialect::all().map(|d| {
        let cell = cell(function, file, d);
        let evidence = match cell {
            _ if d.unverified().is_some() => String::new(),
            Cell::Unsupported => String::new(),
            _ => evidence::sentence(function, d),
        };
        format!("- {}: {}{evidence}\n", d.name(), cell.sentence(d))
    });
    let known: String = known.collect();
    section("SQL", &format!("```text\n{}```\n", sql_of(function)));
    let reason = function
        .unverified
        .map_or(String::new(), |reason| format!("\nUnverified: {reason}.\n"));
    section("Status per dialect", &format!("{known}{reason}"));
    let related = function
        .related
        .iter()
        .map(|name| format!("[{name}]({})", file_name(name)));
    let related = related.collect::<Vec<_>>().join(", ");
    section(
        "Related",
        &if related.is_empty() {
            related
        } else {
            format!("{related}\n")
        },
    );
    section("Source", &format!("{}\n", function.source));
    text
}

fn rules(function: &Function) -> String {
    let mut lines = vec![
        function.describe_level().to_owned(),
        function.describe_nulls().to_owned(),
    ];
    lines.extend(function.empty.map(|value| format!("{value} if there are no rows")));
    lines.extend(
        function
            .volatile
            .then(|| "may return a different value on each call".to_owned()),
    );
    if !function.aliases.is_empty() {
        lines.push(format!("also called {}", function.aliases.join(", ")));
    }
    lines.iter().map(|line| format!("- {line}\n")).collect()
}

/// Lists the values of all cases that run.
fn values(function: &Function, file: Option<&CaseFile>) -> String {
    let Some(file) = file.filter(|_| function.unverified.is_none()) else {
        return function.examples.iter().map(|e| format!("- `{e}`\n")).collect();
    };
    let mut text = String::from("| formula | values | result | explanation |\n|---|---|---|---|\n");
    for case in file
        .cases
        .iter()
        .filter(|c| !matches!(c.expected, Expected::Refused(_) | Expected::Written(_)))
    {
        let mut add = |of: String, value: &Json| {
            let formula = cell_text(&case.formula.replace('\n', " "));
            // Values are displayed outside of backticks, where `<` would begin a tag.
            let [of, value] = [of, render_value(value)].map(|text| cell_text(&text).replace('<', "&lt;"));
            let _ = writeln!(text, "| `{formula}` | {of} | {value} | {} |", describe_case(case));
        };
        match &case.expected {
            Expected::Rows(values) => {
                for (row, value) in case.table.rows.iter().zip(values) {
                    add(arguments(case, row), value);
                }
            }
            Expected::One(value) => add(columns(case, &[]), value),
            Expected::Groups(groups) => {
                for (keys, value) in groups {
                    add(columns(case, keys), value);
                }
            }
            Expected::Refused(_) | Expected::Written(_) => {}
        }
    }
    text
}

/// Formats the values that the formula reads, such as `x = 1, y = NULL`.
fn arguments(case: &Case, row: &[Json]) -> String {
    let cells = case
        .table
        .columns
        .iter()
        .zip(row)
        .skip(1)
        .filter(|(column, _)| contains_name(&case.formula, &column.name));
    cells
        .map(|(column, v)| format!("{} = {}", column.name, shown_as(v, column.ty)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Formats the rows of a group, or all rows, for example as `x = 1, 2, NULL`.
fn columns(case: &Case, keys: &[Json]) -> String {
    let index_of = |name: &str| case.table.columns.iter().position(|c| c.name == name);
    let mine = |row: &&Vec<Json>| {
        let same = |(name, key): (&String, &Json)| index_of(name).is_some_and(|at| row[at] == *key);
        case.group_by.iter().zip(keys).all(same)
    };
    let rows: Vec<&Vec<Json>> = case.table.rows.iter().filter(mine).collect();
    if rows.is_empty() {
        return "no rows".to_owned();
    }
    // Display the key of the group, because a window function reads other groups.
    let is_key = |name: &String| !case.order_by.is_empty() && case.group_by.contains(name);
    let columns = case.table.columns.iter().enumerate().skip(1);
    let columns = columns.filter(|(_, column)| is_key(&column.name) || contains_name(&case.formula, &column.name));
    let shown = columns.map(|(at, column)| {
        let mut values: Vec<String> = rows.iter().map(|row| shown_as(&row[at], column.ty)).collect();
        if is_key(&column.name) {
            values.truncate(1);
        }
        format!("{} = {}", column.name, values.join(", "))
    });
    shown.collect::<Vec<_>>().join("; ")
}

fn contains_name(formula: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    formula.match_indices(name).any(|(at, _)| {
        !formula[..at].ends_with(word) && !formula[at + name.len()..].starts_with(|c: char| word(c) || c == '(')
    })
}

/// Formats a column value. Cases also write numbers and dates as strings, but only values of text columns are displayed
/// with quotes.
fn shown_as(value: &Json, ty: Type) -> String {
    match value {
        Json::String(text) if ty != Type::Text => text.clone(),
        _ => render_value(value),
    }
}

fn render_value(value: &Json) -> String {
    match value {
        Json::Null => "NULL".to_owned(),
        Json::Bool(truth) => truth.to_string().to_uppercase(),
        Json::String(text) => format!("\"{text}\""),
        other => other.to_string(),
    }
}

fn describe_case(case: &Case) -> String {
    let name = cell_text(&case.name);
    match &case.source {
        Source::ContractDiffers(rule) => format!("{name}; differs from spreadsheets: {rule}"),
        Source::Sheet | Source::Hand => name,
    }
}

/// Formats text for a table cell.
fn cell_text(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
