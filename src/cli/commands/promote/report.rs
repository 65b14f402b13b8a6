//! Reports the result of a promotion.

use std::collections::BTreeMap;
use std::path::Path;

use formulac::diag::{Code, Diagnostic};
use formulac::promote::{Promotion, PromotionIssue};
use formulac::span::Span;
use formulac_syntax::text::format_count;
use serde_json::{Value, json};

use crate::cli::args::PromoteArgs;
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::folder::display_path;
use crate::cli::session::{Session, diagnostics_json};

/// Returns the diagnostics of the spec. If the model's name is invalid, the help mentions the option that sets the
/// name.
pub fn promotion_diagnostics(promotion: &Promotion) -> Vec<Diagnostic> {
    let with_option = |diagnostic: &Diagnostic| {
        let is_name = diagnostic.span().text(&promotion.spec) == promotion.name;
        let is_too_long = is_name && diagnostic.kind() == Code::NameTooLong;
        match is_too_long {
            true => diagnostic
                .clone()
                .with_help("give the model a shorter name with `--name`"),
            false => diagnostic.clone(),
        }
    };
    promotion.diagnostics.iter().map(with_option).collect()
}

/// Reports the result of the promotion.
pub fn report_lines(
    session: &Session,
    args: &PromoteArgs,
    outcome: Option<(&Promotion, bool)>,
    target: Option<&Path>,
    file_diagnostics: &[FileDiagnostics],
    notes: &[String],
) -> Result<Exit, Failure> {
    if args.json {
        let mut data = outcome.map_or_else(|| json!({"model": null}), |(promotion, _)| promotion_json(promotion));
        if let Value::Object(fields) = &mut data {
            fields.insert("path".to_owned(), json!(target.map(display_path)));
            fields.insert("notes".to_owned(), json!(notes));
            fields.insert("diagnostics".to_owned(), json!(diagnostics_json(file_diagnostics)));
        }
        session.print_json(&data)?;
    } else {
        if let Some((promotion, true)) = outcome {
            session.print_data(&promotion.spec)?;
        }
        session.report(file_diagnostics);
        notes.iter().for_each(|note| session.report_action(note));
        if let Some((promotion, _)) = outcome {
            session.report_action(&promotion_summary(promotion));
        }
    }
    Ok(Exit::from_failures(file_diagnostics))
}

fn promotion_json(promotion: &Promotion) -> Value {
    let carried_fields = promotion.carried.iter();
    let carried_json: Vec<Value> = carried_fields
        .map(|carried_field| json!({"field": carried_field.field, "column": carried_field.column, "formula": carried_field.formula}))
        .collect();
    let gaps: Vec<Value> = promotion
        .gaps
        .iter()
        .map(|gap| {
            json!({
                "file": gap.file, "line": gap.line, "what": gap.what, "original": gap.original,
                "reason": gap.reason, "carried": gap.is_carried,
            })
        })
        .collect();
    json!({
        "model": promotion.name, "grain": promotion.grain, "spec": promotion.spec, "carried": carried_json, "gaps": gaps,
    })
}

fn promotion_summary(promotion: &Promotion) -> String {
    let open = promotion.gaps.iter().filter(|gap| !gap.is_carried).count();
    let mut parts = vec![format_count(promotion.carried.len(), "definition", "definitions")];
    if open > 0 {
        parts.push(format_count(
            open,
            "gap that the spec does not cover",
            "gaps that the spec does not cover",
        ));
    }
    if promotion.gaps.len() > open {
        parts.push(format!("{} to check", promotion.gaps.len() - open));
    }
    format!("{}: {}", promotion.name, parts.join(", "))
}

/// Returns a warning for each part of Omni's files that is missing from the spec or may differ in the spec.
pub fn promotion_gap_warnings(files: &[(String, String)], gaps: &[PromotionIssue]) -> Vec<FileDiagnostics> {
    let texts: BTreeMap<&str, &str> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let mut diagnostics: Vec<FileDiagnostics> = Vec::new();
    for gap in gaps {
        let text = texts.get(gap.file.as_str()).copied().unwrap_or_default();
        let begin: usize = text
            .split_inclusive('\n')
            .take(gap.line.saturating_sub(1))
            .map(str::len)
            .sum();
        let line = text
            .get(begin..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        let start = begin + (line.len() - line.trim_start().len());
        let span = Span::new(
            start.min(text.len()) as u32,
            (begin + line.trim_end().len()).max(start) as u32,
        );
        let verb = if gap.is_carried {
            "needs a check"
        } else {
            "is not converted"
        };
        // A description such as "access filter of the topic `orders`" already has its name in backticks.
        let what = match gap.what.contains('`') {
            true => gap.what.clone(),
            false => format!("`{}`", gap.what),
        };
        let fault = Diagnostic::new(Code::NotCarried, span, format!("{what} {verb}: {}", gap.reason));
        match diagnostics
            .iter_mut()
            .find(|file_diagnostics| file_diagnostics.file == gap.file)
        {
            Some(file_diagnostics) => file_diagnostics.diagnostics.push(fault),
            None => diagnostics.push(FileDiagnostics {
                file: gap.file.clone(),
                text: text.to_owned(),
                diagnostics: vec![fault],
            }),
        }
    }
    for file_entry in &mut diagnostics {
        file_entry.diagnostics.sort_by_key(|fault| fault.span().start);
    }
    diagnostics
}

pub fn file_exists_failure(path: &Path) -> FileDiagnostics {
    let file = display_path(path);
    let message = format!("`{file}` already exists");
    let fault = Diagnostic::new(Code::EditedByHand, Span::default(), message).with_help(
        "give the model another name with `--name`, or show the spec with `--dry-run`; `promote` never \
            overwrites a file",
    );
    FileDiagnostics {
        file,
        text: String::new(),
        diagnostics: vec![fault],
    }
}
