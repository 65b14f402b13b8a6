//! Checks that a change to the spec can be merged into generated SQL that sqlfluff has formatted, with several sets of
//! rules.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::manual_edits::{CHANGES, MODEL};
use crate::test_project::{SPEC, SQL, TestProject, YML, compile_current, compiler};
use formulac::sync::with_layout_from;

const RULES: [(&str, &str); 8] = [
    ("as it comes", ""),
    (
        "upper case",
        "[sqlfluff:rules:capitalisation.keywords]\ncapitalisation_policy = upper\n[sqlfluff:rules:capitalisation.functions]\nextended_capitalisation_policy = upper\n",
    ),
    (
        "leading commas",
        "[sqlfluff:layout:type:comma]\nline_position = leading\n",
    ),
    ("two blanks", "[sqlfluff:indentation]\ntab_space_size = 2\n"),
    (
        "narrow lines",
        "[sqlfluff:indentation]\ntab_space_size = 2\n[sqlfluff:layout:type:comma]\nline_position = leading\n[sqlfluff:rules:capitalisation.keywords]\ncapitalisation_policy = upper\n",
    ),
    (
        "trailing commas",
        "[sqlfluff:rules:convention.select_trailing_comma]\nselect_clause_trailing_comma = require\n",
    ),
    (
        "short casts",
        "[sqlfluff:rules:convention.casting_style]\npreferred_type_casting_style = shorthand\n",
    ),
    (
        "few words",
        "[sqlfluff:rules:aliasing.column]\naliasing = implicit\n[sqlfluff:rules:aliasing.table]\naliasing = implicit\n[sqlfluff:rules:ambiguous.join]\nfully_qualify_join_types = both\n",
    ),
];

fn run_formatter(program: &std::ffi::OsStr, sql: &str, name: &str, rules: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("formatters")
        .join(name.replace(' ', "_"));
    std::fs::create_dir_all(&folder).unwrap();
    let width = if name == "narrow lines" { 50 } else { 80 };
    let config = format!(
        "[sqlfluff]\ndialect = duckdb\ntemplater = jinja\nmax_line_length = {width}\n{rules}\n[sqlfluff:templater:jinja]\napply_dbt_builtins = true\n"
    );
    std::fs::write(folder.join(".sqlfluff"), config).unwrap();
    let mut command = Command::new(program);
    command
        .args(["fix", "--quiet", "-"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn formatted_files_receive_the_next_change_of_the_spec() {
    let Some(program) = std::env::var_os("FORMULAC_SQLFLUFF").filter(|value| !value.is_empty()) else {
        assert!(
            std::env::var_os("FORMULAC_REQUIRE_ENGINES").is_none(),
            "FORMULAC_SQLFLUFF is not set"
        );
        eprintln!("SKIPPED sync::formatters: FORMULAC_SQLFLUFF is not set");
        return;
    };
    let compiler = compiler();
    for (name, rules) in RULES {
        let mut project = TestProject::from_spec(MODEL).push(&compiler);
        let text = run_formatter(&program, project.text(SQL), name, rules);
        assert_ne!(text, project.text(SQL), "{name}");
        project.set(SQL, text.clone());
        let quiet = project.plan(&compiler);
        assert!(
            quiet.is_empty() && quiet.models.is_empty(),
            "{name}: {:#}",
            quiet.json()
        );
        for (from, to) in CHANGES {
            let mut project = project.clone();
            project.set(SPEC, project.spec().replacen(from, to, 1));
            let plan = project.plan(&compiler);
            assert_eq!(plan.conflicts(), 0, "{name}: {:#}", plan.json());
            assert!(
                plan.models.iter().all(|model| model.kept.is_empty()),
                "{name}: {:#}",
                plan.json()
            );
            let after = project.apply_plan(&plan);
            // `generate` has no base but gives the same result, unless a removed column makes the position of another
            // column unknown, or the formatter changed tokens.
            let has_other_tokens = ["short casts", "few words"].contains(&name);
            let spec = compile_current(&compiler, project.spec()).unwrap();
            let generated = with_layout_from(SQL, &text, &spec.files[SQL], "duckdb".parse().unwrap());
            assert!(
                generated.is_some() || to.is_empty() || has_other_tokens,
                "{name}: {from}"
            );
            assert!(
                generated.is_none_or(|generated| generated == after.text(SQL)),
                "{name}: {from}"
            );
            // All lines except the lines of the changed column are as the formatter wrote them.
            let others = |text: &str| -> Vec<String> {
                let lines = text
                    .lines()
                    .filter(|line| !line.contains("largest") && !line.contains("smallest"));
                let lines = lines.filter(|line| !line.contains("formulac: edit") && !line.contains("orders"));
                lines.map(str::to_owned).collect()
            };
            assert_eq!(
                others(&text),
                others(after.text(SQL)),
                "{name}: {from}\n{}",
                after.text(SQL)
            );
            let again = after.plan(&compiler);
            assert!(again.is_empty() && again.conflicts() == 0, "{name}: {:#}", again.json());
        }
    }
}

#[test]
fn comments_of_removed_parts_are_kept() {
    let made = |definitions: &str| {
        let spec = format!("model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  a = SUM(x)\n{definitions}");
        formulac::Compiler::default()
            .compile_spec(&spec)
            .model_sql()
            .unwrap()
            .to_owned()
    };
    let (before, after) = (made("  share = a / SUM(a:a)\n"), made(""));
    let found = before
        .replacen("    from t\n", "    -- without refunds\n    from t -- see FIN-12\n", 1)
        .replacen("as share\n", "as share /* two\n    lines */\n", 1)
        .replacen("select\n    g,\n    a,", "select\n    g, -- the group\n    a,", 1);
    assert_eq!(found.lines().count(), before.lines().count() + 2, "{found}");
    let merged = with_layout_from("m.sql", &found, &after, formulac::Dialect::default()).unwrap();
    let comments = [
        "-- without refunds\n",
        "-- see FIN-12\n",
        "/* two\n    lines */\n",
        "-- the group\n",
    ];
    let mut rest = merged.clone();
    for comment in comments {
        assert_eq!(merged.matches(comment).count(), 1, "{comment}\n{merged}");
        rest = rest.replace(comment, "");
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&rest), words(&after), "{merged}");
}

/// Changes the indentation of each line, based on its current indentation and the number of lists around it.
fn indented(yml: &str, indentation: impl Fn(usize, usize) -> usize) -> String {
    let mut lists: Vec<usize> = Vec::new();
    let mut out = String::new();
    for line in yml.lines() {
        let text = line.trim_start();
        let (indent, is_item) = (line.len() - text.len(), text.starts_with("- "));
        lists.retain(|list| *list < indent || (*list == indent && is_item));
        if is_item && lists.last() != Some(&indent) {
            lists.push(indent);
        }
        out.push_str(&" ".repeat(if text.is_empty() {
            0
        } else {
            indentation(indent, lists.len())
        }));
        out.push_str(text);
        out.push('\n');
    }
    out
}

/// Converts a properties file to another layout.
type Style = fn(&str) -> String;

/// Indents lists by four spaces, like prettier with `tabWidth: 4`.
fn wide(yml: &str) -> String {
    indented(yml, |indent, lists| indent + 2 * lists)
}

/// Removes the indentation of lists, like yamlfmt with `indentless_arrays`.
fn remove_list_indentation(yml: &str) -> String {
    indented(yml, |indent, lists| indent - 2 * lists)
}

/// Puts strings in quotes.
fn quote_strings(yml: &str) -> String {
    let quoted = |line: &str| {
        let item = line.trim_start().strip_prefix("- ").filter(|item| !item.contains(": "));
        let value = line.split_once(": ").map(|(_, value)| value).or(item);
        match value.filter(|value| {
            !value.contains('"') && !value.starts_with(['1', '[', '{', '|']) && *value != "2" && *value != "yes"
        }) {
            Some(value) if !line.starts_with('#') => format!("{}\"{value}\"", line.strip_suffix(value).unwrap()),
            _ => line.to_owned(),
        }
    };
    yml.lines().map(|line| quoted(line) + "\n").collect()
}

/// Uses the other kind of quotes.
fn change_quotes(yml: &str) -> String {
    let other = |line: &str| {
        if line.contains('(') {
            line.to_owned()
        } else {
            line.replace('"', "'")
        }
    };
    quote_strings(yml).lines().map(|line| other(line) + "\n").collect()
}

/// Writes short lists in brackets, and writes `true` instead of `yes`.
fn flow(yml: &str) -> String {
    let lines: Vec<&str> = yml.lines().collect();
    let item = |line: &&str| {
        line.trim_start()
            .strip_prefix("- ")
            .filter(|it| !it.contains(':'))
            .map(str::to_owned)
    };
    let mut out = String::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let items: Vec<String> = lines[at + 1..].iter().map_while(item).collect();
        at += 1;
        out.push_str(&line.replace(": yes", ": true"));
        if line.ends_with(':') && !items.is_empty() {
            at += items.len();
            out.push_str(&format!(" [{}]", items.join(", ")));
        }
        out.push('\n');
    }
    out
}

#[test]
fn formatted_properties_receive_the_next_change_of_the_spec() {
    let compiler = compiler();
    let styles: [(&str, Style); 5] = [
        ("wide", wide),
        ("indentless", remove_list_indentation),
        ("quoted", quote_strings),
        ("single", change_quotes),
        ("flow", flow),
    ];
    let more = "meta: {owner: sales, since: \"2024-01-01\", is_core: yes}\ntags: [daily, \"1.0\"]\n";
    for (name, style) in styles {
        let mut project = TestProject::from_spec(&format!("{MODEL}{more}")).push(&compiler);
        let text = style(project.text(YML));
        assert_ne!(text, project.text(YML), "{name}");
        project.set(YML, text.clone());
        let quiet = project.plan(&compiler);
        assert!(
            quiet.is_empty() && quiet.conflicts() == 0,
            "{name}: {text}\n{:#}",
            quiet.json()
        );
        for (from, to) in CHANGES {
            let mut project = project.clone();
            project.set(SPEC, project.spec().replacen(from, to, 1));
            let plan = project.plan(&compiler);
            assert_eq!(plan.conflicts(), 0, "{name}: {:#}", plan.json());
            assert!(
                plan.models.iter().all(|model| model.kept.is_empty()),
                "{name}: {:#}",
                plan.json()
            );
            let after = project.apply_plan(&plan);
            // The lines of other columns are as the formatter wrote them.
            let others = |text: &str| -> Vec<String> {
                let words = ["largest", "smallest", "hash"];
                text.lines()
                    .filter(|line| !words.iter().any(|word| line.contains(word)))
                    .map(str::to_owned)
                    .collect()
            };
            let (before, now) = (others(&text), others(after.text(YML)));
            let kept = before.iter().filter(|line| now.contains(line)).count();
            assert!(kept + 1 >= before.len(), "{name}: {from}\n{}", after.text(YML));
            let again = after.plan(&compiler);
            assert!(again.is_empty() && again.conflicts() == 0, "{name}: {:#}", again.json());
        }
    }
}
