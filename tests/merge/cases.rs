//! Runs the cases in `cases/*.txt`: the previously generated text, the edited file, the newly generated text, and the
//! result.
//!
//! If `FORMULAC_WRITE=1` is set, the test rewrites the results. Review the diff afterwards.

use std::fmt::Write as _;

use formulac::yaml_edit::{MergedText, RemovalMark, Rules, YamlEditError, YamlValue, merge};

/// Rules similar to those that a pull applies to views and to dbt's properties.
pub fn rules() -> Rules {
    let mark = RemovalMark::new("dbt_removed")
        .add_to_list("tags", "dbt_removed")
        .set_if_missing("hidden", YamlValue::Bare("true".into()));
    Rules::new()
        .list("", &["join_from_view", "join_to_view", "on_sql"])
        .list("models", &["name"])
        .list("models.*.columns", &["name"])
        .with_mark("dimensions.*", mark)
}

#[derive(Default)]
struct Case {
    title: String,
    options: Vec<String>,
    sections: Vec<(String, String)>,
}

impl Case {
    fn section(&self, name: &str) -> Option<String> {
        let (_, text) = self.sections.iter().find(|(section, _)| section == name)?;
        Some(text.clone())
    }

    fn has_option(&self, option: &str) -> bool {
        self.options.iter().any(|other| other == option)
    }

    /// Converts text to a file as a user might save it.
    fn as_file(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if self.has_option("no final line break") {
            text.pop();
        }
        if self.has_option("crlf") {
            text = text.replace('\n', "\r\n");
        }
        if self.has_option("bom") {
            text.insert(0, '\u{feff}');
        }
        text
    }

    fn run(&self) -> Result<MergedText, YamlEditError> {
        let file = self.as_file(&self.section("file").expect("a case has a file"));
        let new = self.section("new").expect("a case has a new text");
        merge(
            self.section("base").as_deref(),
            &file,
            &new,
            &rules().prune(self.has_option("prune")),
        )
    }
}

fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(title) = line.strip_prefix("##### ") {
            cases.push(Case {
                title: title.trim().to_owned(),
                ..Case::default()
            });
        } else if let Some(options) = line.strip_prefix("option: ") {
            let case = cases.last_mut().expect("a title comes first");
            case.options
                .extend(options.split(',').map(|option| option.trim().to_owned()));
        } else if let Some(name) = line.strip_prefix("=== ") {
            let case = cases.last_mut().expect("a title comes first");
            case.sections.push((name.trim().to_owned(), String::new()));
        } else if let Some((_, section)) = cases.last_mut().and_then(|case| case.sections.last_mut()) {
            section.push_str(line);
        }
    }
    cases
}

fn format_result(merged: &MergedText) -> String {
    let mut out = String::new();
    for (word, paths) in [
        ("added", &merged.added),
        ("updated", &merged.updated),
        ("removed", &merged.removed),
        ("marked", &merged.marked),
    ] {
        for path in paths {
            writeln!(out, "{word} {path}").unwrap();
        }
    }
    let shown = |value: &Option<YamlValue>| value.as_ref().map_or_else(|| "gone".to_owned(), YamlValue::to_string);
    for kept in &merged.kept {
        let (base, file, new) = (shown(&kept.base), shown(&kept.file), shown(&kept.new));
        writeln!(out, "kept {}: was {base}, is {file}, would be {new}", kept.path).unwrap();
    }
    out
}

#[test]
fn cases_have_the_expected_results() {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/merge/cases"));
    let is_written = std::env::var_os("FORMULAC_WRITE").is_some();
    let mut count = 0;
    let mut faults = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut written = text.split("##### ").next().unwrap_or_default().to_owned();
        for case in read(&text) {
            count += 1;
            let outcome = outcome(&case);
            let expected: String = case
                .sections
                .iter()
                .filter(|(name, _)| !["base", "file", "new"].contains(&name.as_str()))
                .map(|(name, text)| format!("=== {name}\n{text}"))
                .collect();
            if outcome.trim_end() != expected.trim_end() {
                faults.push(format!(
                    "{}: {}\n{outcome}\n--- instead of\n{expected}",
                    path.display(),
                    case.title
                ));
            }
            writeln!(written, "##### {}", case.title).unwrap();
            for option in &case.options {
                writeln!(written, "option: {option}").unwrap();
            }
            for (name, text) in case
                .sections
                .iter()
                .filter(|(n, _)| ["base", "file", "new"].contains(&n.as_str()))
            {
                write!(written, "=== {name}\n{text}").unwrap();
            }
            writeln!(written, "{outcome}").unwrap();
        }
        if is_written {
            std::fs::write(&path, written.trim_end().to_owned() + "\n").unwrap();
        }
    }
    assert!(count > 60, "{count} cases");
    assert!(is_written || faults.is_empty(), "{}", faults.join("\n\n"));
}

fn outcome(case: &Case) -> String {
    match case.run() {
        Err(refusal) => format!("=== refused\n{refusal}\n"),
        Ok(merged) => {
            let file = case.as_file(&case.section("file").unwrap());
            assert_eq!(merged.changed, merged.text != file, "{}", case.title);
            let new = case.section("new").unwrap();
            let again = merge(Some(&new), &merged.text, &new, &rules().prune(case.has_option("prune"))).unwrap();
            assert_eq!(again.text, merged.text, "again: {}", case.title);
            assert!(again.kept.is_empty(), "again: {}: {:?}", case.title, again.kept);
            // Carriage returns would be invisible in the case file.
            assert_eq!(
                merged.text.matches('\n').count(),
                if case.has_option("crlf") {
                    merged.text.matches("\r\n").count()
                } else {
                    merged.text.matches('\n').count()
                }
            );
            assert_eq!(
                merged.text.starts_with('\u{feff}'),
                case.has_option("bom"),
                "{}",
                case.title
            );
            let text = merged.text.replace("\r\n", "\n").replace('\u{feff}', "");
            let text = if merged.changed {
                text
            } else {
                "(unchanged)\n".to_owned()
            };
            let end = if text.ends_with('\n') {
                ""
            } else {
                "\n(no line break)\n"
            };
            let output = format_result(&merged);
            format!("=== result\n{text}{end}=== told\n{output}")
        }
    }
}
