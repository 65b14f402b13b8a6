//! Checks that an error in a formula is reported at its exact characters in the YAML file, in every YAML style.

use formulac::Compiler;
use proptest::prelude::*;

/// Name of a function that does not exist. The name occurs once in each file.
const FAULT: &str = "NOPE";

/// Generates the parts of a formula, one of which is faulty. A line may break between any two parts.
fn parts() -> impl Strategy<Value = Vec<String>> {
    let part = prop_oneof![
        Just("SUM(x)".to_owned()),
        Just("SUM(é)".to_owned()),
        Just("COUNTIF(n = \"it's\")".to_owned()),
        Just("COUNTIF(n = \"a\\b 😀\")".to_owned()),
        Just("COUNTIF(n = \"\")".to_owned()),
        Just("COUNTIF(n = \"say \"\"é\"\"\")".to_owned()),
        Just("2.5".to_owned()),
    ];
    (prop::collection::vec(part, 0..5), 0..5usize).prop_map(|(mut parts, at)| {
        parts.insert(at.min(parts.len()), format!("{FAULT}(x)"));
        let last = parts.len() - 1;
        parts
            .iter()
            .enumerate()
            .map(|(i, part)| if i == last { part.clone() } else { format!("{part} +") })
            .collect()
    })
}

/// Returns the whitespace between two parts, depending on `choice`: one space, several spaces, or line breaks
/// with this indentation.
fn whitespace_between(choice: u8, line_break: &str, indent: &str) -> String {
    match choice % 5 {
        0 | 1 => " ".to_owned(),
        2 => format!("{line_break}{indent}"),
        3 => format!("  {line_break}{indent}  "),
        _ => format!("{line_break}{line_break}{indent}"),
    }
}

/// Returns the contents of a double-quoted string. Some characters are written as escapes.
fn escape_characters(text: &str, choices: &[u8]) -> String {
    let mut out = String::new();
    for (number, c) in text.chars().enumerate() {
        let choice = choices.get(number % choices.len().max(1)).copied().unwrap_or_default();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_ascii_uppercase() => out.push(c),
            c if choice % 7 == 0 && c.is_ascii() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if choice % 7 == 1 && (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if choice % 7 == 2 => out.push_str(&format!("\\U{:08x}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// Number of ways to write a formula after `a:`.
const STYLES: usize = 9;

fn write_scalar(style: usize, parts: &[String], choices: &[u8]) -> String {
    let choice = |i: usize| choices.get(i % choices.len().max(1)).copied().unwrap_or_default();
    let lines = |write: &dyn Fn(usize, &str) -> String, indent: &str| {
        let mut out = String::new();
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                out.push_str(&whitespace_between(choice(i), "\n", indent));
            }
            out.push_str(&write(i, part));
        }
        out
    };
    let plain = |_: usize, part: &str| part.to_owned();
    let whole = parts.join(" ");
    match style {
        0 => format!("  a: {whole}"),
        1 => format!("  a: {}", lines(&plain, "     ")),
        2 => format!("  a: '{}'", lines(&|_, part| part.replace('\'', "''"), "     ")),
        3 => format!(
            "  a: \"{}\"",
            lines(
                &|i, part| escape_characters(part, &[choice(i), 3, choice(i + 1), 4]),
                "     "
            )
        ),
        4 => {
            // A backslash at the end of a line joins two lines.
            let joined: Vec<String> = parts.iter().map(|part| escape_characters(part, &[3])).collect();
            format!("  a: \"{}\"", joined.join(" \\\n      "))
        }
        5 => format!(
            "  a: |{}\n\n    {}",
            ["", "-", "+", "2", "2-"][choice(0) as usize % 5],
            lines(&plain, "    ")
        ),
        6 => format!(
            "  a: >{}\n\n    {}",
            ["", "-", "+", "2", "2+"][choice(0) as usize % 5],
            lines(&plain, "    ")
        ),
        7 => format!("  a:\n    formula: >-  # folded\n      {}", lines(&plain, "      ")),
        _ => format!("  {{a: '{}', b: SUM(x)}}", whole.replace('\'', "''")),
    }
}

proptest! {
    #[test]
    fn errors_are_reported_at_their_position(
        style in 0..STYLES,
        parts in parts(),
        choices in prop::collection::vec(any::<u8>(), 1..8),
        crlf in any::<bool>(),
        bom in any::<bool>(),
    ) {
        let head = "model: m\ndescription: é 😀 before\nfrom: t\ndefinitions:\n";
        let text = format!("{}{head}{}\ntimezone: UTC\n", if bom { "\u{feff}" } else { "" }, write_scalar(style, &parts, &choices));
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let compiled = Compiler::default().compile_spec(&text);
        let places: Vec<u32> =
            compiled.diagnostics().iter().filter(|d| d.code() == "F0301").map(|d| d.span().start).collect();
        let expected = text.find(FAULT).unwrap() as u32;
        prop_assert_eq!(&places, &[expected], "style {} of {:?}: {:?}", style, text, compiled.diagnostics());
        let shown = compiled.diagnostics().iter().find(|d| d.code() == "F0301").map(|d| d.span().text(&text));
        prop_assert_eq!(shown, Some(FAULT), "style {} of {:?}", style, text);
    }

    /// Checks that names are reported at their position, in a comma-separated string and in a list.
    #[test]
    fn names_are_reported_at_their_position(
        before in prop::collection::vec("[a-zé]{1,4}", 0..4),
        list in any::<bool>(),
        quote in 0..3usize,
    ) {
        let quoted = |text: &str| match quote { 0 => text.to_owned(), 1 => format!("'{text}'"), _ => format!("\"{text}\"") };
        let mut names: Vec<String> = before.iter().enumerate().map(|(i, name)| format!("{name}_{i}")).collect();
        names.push(format!("{FAULT}(x)"));
        let value = if list {
            format!("\n{}", names.iter().map(|n| format!("  - {}\n", quoted(n))).collect::<String>())
        } else {
            quoted(&names.join(", "))
        };
        let text = format!("model: m\nfrom: t\ngroup_by: {value}\n");
        let compiled = Compiler::default().compile_spec(&text);
        let diagnostic = compiled.diagnostics().iter().find(|d| d.code() == "F0301");
        prop_assert_eq!(diagnostic.map(|d| d.span().start), text.find(FAULT).map(|at| at as u32), "{:?}", text);
    }
}
