//! Validates generated files with the project's dbt installation. Runs `dbt parse`, and reports dbt's errors at
//! positions in the specs.

use std::collections::BTreeSet;
use std::path::Path;

use formulac::artifacts::Manifest;
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;
use formulac_syntax::text::is_word_char;

use super::args::DbtArgs;
use super::dbt_run::{DbtCall, DbtError};
use super::dbt_setup;
use super::environment;
use super::environment::Environment;
use super::exit::{Failure, FileDiagnostics};
use super::models::CompiledModel;
use super::progress::ProgressIndicator;
use super::session::Session;
use super::workspace::Workspace;

/// Runs `dbt parse` on the project. Returns dbt's errors, each at the corresponding position in a spec.
///
/// # Errors
///
/// Returns a failure if dbt cannot run.
pub fn run(
    session: &Session,
    args: &DbtArgs,
    workspace: &Workspace,
    models: &[CompiledModel],
    file_diagnostics: &[FileDiagnostics],
) -> Result<Vec<FileDiagnostics>, Failure> {
    let environment = environment::selected_environment(&session.global, &workspace.project)?;
    parse_with_dbt(
        session,
        args,
        environment.as_ref(),
        workspace,
        None,
        models,
        file_diagnostics,
    )
}

/// Like [`run`], but in the given environment. If dbt parses a copy of the project, dbt writes its artifacts and logs
/// to the copy.
pub fn parse_with_dbt(
    session: &Session,
    args: &DbtArgs,
    environment: Option<&Environment>,
    workspace: &Workspace,
    copy: Option<&Path>,
    models: &[CompiledModel],
    file_diagnostics: &[FileDiagnostics],
) -> Result<Vec<FileDiagnostics>, Failure> {
    let call = DbtCall::new(copy.unwrap_or(&workspace.root), &["parse"], environment, args);
    let call = match copy {
        Some(copy) => call.with_output_folder(copy),
        None => call,
    };
    let parse_run = call.run(&ProgressIndicator::new(session), "asking dbt to parse the project")?;
    if !parse_run.succeeded {
        let error = parse_run.error();
        let project = workspace.dbt.as_ref();
        let problem =
            project.and_then(|project| dbt_setup::find_setup_problem(&error.text, project, environment, args));
        if let Some(problem) = problem {
            return Err(problem.into_failure());
        }
        return Ok(vec![dbt_error_failure(&error, models, file_diagnostics)]);
    }
    Ok(Vec::new())
}

/// Returns a diagnostic for each model that dbt does not find although dbt parses the project, for example because of
/// `.dbtignore`. Disabled models are considered found.
pub fn missing_node_failures<'m>(
    manifest: &Manifest,
    models: impl Iterator<Item = &'m CompiledModel>,
    file_diagnostics: &[FileDiagnostics],
) -> Vec<FileDiagnostics> {
    let all_nodes = manifest.nodes.iter().chain(&manifest.disabled);
    let node_names: BTreeSet<&str> = all_nodes.map(|node| &*node.name).collect();
    let missing = models.filter(|model| !node_names.contains(model.name.as_str()));
    let fault = |model: &CompiledModel| {
        let message = format!("dbt cannot find the model `{}`", model.name);
        let fault = Diagnostic::new(Code::EngineFailed, model.name_span, message)
            .with_help("check whether a line of `.dbtignore` matches the model's file or folder");
        let spec_file = file_diagnostics.get(model.spec)?;
        Some(FileDiagnostics {
            file: spec_file.file.clone(),
            text: spec_file.text.clone(),
            diagnostics: vec![fault],
        })
    };
    missing.filter_map(fault).collect()
}

/// Converts a dbt error to a diagnostic in the spec whose file or model the error message names.
fn dbt_error_failure(
    error: &DbtError,
    models: &[CompiledModel],
    file_diagnostics: &[FileDiagnostics],
) -> FileDiagnostics {
    let dbt_message = error.text.trim();
    let named_model = |text: &str| {
        let ranked = models
            .iter()
            .filter_map(|model| Some((message_match_rank(text, model)?, model)));
        ranked.max_by_key(|(rank, _)| *rank)
    };
    // The node that has the error is more reliable than the names in the text.
    let best_match = match &error.node {
        Some(node) => named_model(node),
        None => named_model(dbt_message),
    };
    let Some((_, model)) = best_match else {
        let fault = Diagnostic::new(
            Code::EngineFailed,
            Span::default(),
            format!("dbt rejects the project: {}", error.to_string().trim()),
        )
        .with_help(
            "the error names no generated file; run `dbt parse` without the generated files to find out whether they \
             cause it",
        );
        return FileDiagnostics {
            file: "dbt_project.yml".to_owned(),
            text: String::new(),
            diagnostics: vec![fault],
        };
    };
    let (file, text) = file_diagnostics
        .get(model.spec)
        .map_or((String::new(), String::new()), |f| (f.file.clone(), f.text.clone()));
    let span = quoted_parts(dbt_message, &model.name)
        .find_map(|word| find_word(&text, word))
        .unwrap_or(model.name_span);
    let fault = Diagnostic::new(
        Code::EngineFailed,
        span,
        format!("dbt rejects the model `{}`: {dbt_message}", model.name),
    );
    FileDiagnostics {
        file,
        text,
        diagnostics: vec![fault],
    }
}

/// Returns a rank for how reliably the message identifies a model: by one of its files, its id or its quoted name.
fn message_match_rank(message: &str, model: &CompiledModel) -> Option<u8> {
    let mut tests = model.files.iter().flat_map(|built| &built.tests);
    let has_test_file = tests.any(|(test, _)| name_match_rank(message, test) == Some(FILE_RANK));
    name_match_rank(message, &model.name).max(has_test_file.then_some(FILE_RANK))
}

/// Rank of a name that is the name of a file.
const FILE_RANK: u8 = 3;

/// Returns the highest rank of a name in a message: as a file, as the last or middle part of an id, or in quotes.
fn name_match_rank(message: &str, name: &str) -> Option<u8> {
    let ranks = message.match_indices(name).filter_map(|(offset, _)| {
        let before = message.get(..offset)?.chars().next_back();
        let after = message.get(offset + name.len()..)?;
        let is_file = [".sql", ".yml", ".md"].iter().any(|end| after.starts_with(end));
        match (before, after.chars().next()) {
            (None | Some('/' | '\\' | ' ' | '(' | '\'' | '"'), _) if is_file => Some(FILE_RANK),
            (Some('.'), after) if !after.is_some_and(is_word_char) => Some(2),
            (Some('\'' | '"'), after) if after == before => Some(1),
            _ => None,
        }
    });
    ranks.max()
}

/// Returns the quoted parts of a message, except the model's own name.
fn quoted_parts<'m>(message: &'m str, model_name: &'m str) -> impl Iterator<Item = &'m str> {
    let parts = message
        .split(['\'', '"', '`'])
        .enumerate()
        .filter(|(number, _)| number % 2 == 1)
        .map(|(_, part)| part);
    parts.filter(move |part| !part.is_empty() && !part.contains(char::is_whitespace) && !part.ends_with(model_name))
}

/// Returns the first occurrence of a whole word.
fn find_word(text: &str, word: &str) -> Option<Span> {
    let alone = |(offset, _): &(usize, &str)| {
        let before = text.get(..*offset).and_then(|text| text.chars().next_back());
        let after = text.get(offset + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_word_char) && !after.is_some_and(is_word_char)
    };
    let (offset, _) = text.match_indices(word).find(alone)?;
    Some(Span::new(offset as u32, (offset + word.len()) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_ids_identify_a_model() {
        for (message, rank) in [
            ("model g (models/formulac/g.sql)", Some(3)),
            ("test unique_g_region (models\\formulac\\g.yml)", Some(3)),
            ("Error reading mini: g.yml - Runtime Error", Some(3)),
            ("Model 'model.mini.g' depends on a node", Some(2)),
            ("unit_test.mini.g.first depends on a node", Some(2)),
            ("Unable to find model 'g'", Some(1)),
            ("model gg (models/my_g.sql) reads 'gg' and model.mini.gg", None),
        ] {
            assert_eq!(name_match_rank(message, "g"), rank, "{message}");
        }
    }

    #[test]
    fn quoted_words_are_located_in_the_spec() {
        let message = "Model 'model.shop.revenue' (models/formulac/revenue.sql) depends on a node named 'ordrs' which was not found";
        assert_eq!(quoted_parts(message, "revenue").collect::<Vec<_>>(), ["ordrs"]);
        let text = "model: revenue\nfrom: ref('ordrs')\n";
        assert_eq!(find_word(text, "ordrs").unwrap().text(text), "ordrs");
        assert_eq!(find_word(text, "ordr"), None);
    }
}
