//! Finds generated models that a handwritten properties file also describes. dbt accepts only one entry per model.

use std::collections::BTreeMap;
use std::path::Path;

use formulac::dbt::spec_in_header;
use formulac::diag::{Code, Diagnostic};
use formulac_syntax::yaml;

use super::exit::FileDiagnostics;
use super::folder::find_files;
use super::models::CompiledModel;
use super::moved_files::MovedFilePaths;
use super::source::read_text;
use super::workspace::Workspace;

/// Reports models that a properties file in the dbt project describes. dbt's manifest is not sufficient, because dbt
/// skips entries of models that do not exist yet. `folder` is the folder of generated models.
pub fn check(
    workspace: &Workspace,
    models: &[CompiledModel],
    folder: &str,
    moved: &MovedFilePaths,
    file_diagnostics: &mut [FileDiagnostics],
) {
    let Some(dbt) = &workspace.dbt else { return };
    let by_name: BTreeMap<&str, &CompiledModel> = models.iter().map(|model| (model.name.as_str(), model)).collect();
    let is_yaml = |path: &Path| path.extension().is_some_and(|end| end == "yml" || end == "yaml");
    let folders = dbt.model_paths.iter().map(|path| dbt.folder.join(path));
    for path in folders.flat_map(|folder| find_files(&folder, is_yaml)) {
        let Ok(text) = read_text(&path) else { continue };
        // Most files describe no generated model, so they are not parsed.
        let mut names = text.lines().filter_map(|line| line.split_once("name:"));
        let may_describe_model = names.any(|(_, name)| by_name.contains_key(unquoted_name(name)));
        if !may_describe_model || spec_in_header(&text).is_some() {
            continue;
        }
        let path = workspace.relative_path(&path);
        let root = yaml::parse_root(&text);
        let entries = root.iter().flat_map(|root| root.items_at("models"));
        for model in entries.filter_map(|entry| by_name.get(entry.text_at("name")?)) {
            let own_path = format!("{}/{}.yml", folder.trim_end_matches('/'), model.name);
            if path == moved.current_path(&own_path) {
                continue;
            }
            let message = format!("`{path}` already describes the model `{}`", model.name);
            let fault = Diagnostic::new(Code::NameTaken, model.name_span, message).with_help(
                "move what the entry says into the spec and remove the entry, because dbt accepts only one entry per model",
            );
            let of_spec = file_diagnostics.get_mut(model.spec);
            of_spec
                .into_iter()
                .for_each(|of_spec| of_spec.diagnostics.push(fault.clone()));
        }
    }
}

/// Returns a name without quotes and without the comment or the bracket after it.
fn unquoted_name(value: &str) -> &str {
    let end = |c: char| matches!(c, '#' | ',' | '}');
    value
        .split(end)
        .next()
        .unwrap_or_default()
        .trim()
        .trim_matches(['"', '\''])
}
