//! Lets the user write a formula or a description in an editor.

use std::fs;
use std::process::Command;

use formulac::sync::{Conflict, Property};

use crate::cli::exit::{Exit, Failure};
use crate::cli::source::read_text;

/// Lets the user write the formula or the description in an editor that shows both sides.
pub fn edit_conflict_in_editor(conflict: &Conflict) -> Result<String, Failure> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|it| !it.is_empty()));
    let Some(editor) = editor else {
        return Err(Failure::new(Exit::Usage, "no editor is set").with_help("set EDITOR, for example `EDITOR=nano`"));
    };
    let text = |text: &Option<String>| text.as_deref().unwrap_or("nothing").replace('\n', "\n//         ");
    let name = conflict.definition.as_deref().or(conflict.clause());
    let name = name.unwrap_or_default();
    let what = match conflict.clause() {
        Some(_) => Property::Formula,
        None => conflict.property,
    };
    let begin = format!(
        "// base    {}\n// ours    {}\n// theirs  {}\n// The {} of {name}, below:\n{}\n",
        text(&conflict.base),
        text(&conflict.ours),
        text(
            conflict
                .theirs_formula
                .as_ref()
                .map_or(&conflict.theirs, |_| &conflict.theirs_formula)
        ),
        what,
        conflict.ours.as_deref().unwrap_or_default()
    );
    let failed = |error: &std::io::Error| Failure::from_io("write", &std::env::temp_dir().to_string_lossy(), error);
    let file = tempfile::Builder::new()
        .prefix("formulac-")
        .suffix(".txt")
        .tempfile()
        .map_err(|error| failed(&error))?;
    // Close the file, because an editor may replace it.
    let path = file.into_temp_path();
    fs::write(&path, &begin).map_err(|error| failed(&error))?;
    // The setting may contain options after the editor's name.
    let mut words = editor.split_whitespace();
    let status = Command::new(words.next().unwrap_or_default())
        .args(words)
        .arg(&path)
        .status();
    let text_in_file = read_text(&path);
    if !status.is_ok_and(|status| status.success()) {
        return Err(Failure::new(Exit::Failed, format!("the editor `{editor}` failed")));
    }
    let edited_text = text_in_file.map_err(|error| failed(&error))?;
    let lines: Vec<&str> = edited_text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let formula = lines.join("\n").trim().to_owned();
    if formula.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            format!("the {} is empty, so no file is written", conflict.property),
        ));
    }
    Ok(formula)
}
