//! Finds the base of models that were never pushed but whose files a user edited. The base is the version to which both
//! the current spec and the edited files are compared.

use std::collections::BTreeMap;

use formulac::dbt::is_unmodified;
use formulac::sync::{CurrentSpec, PushState};

use super::super::repository::Repository;
use super::inputs::ModelInputs;
use super::states::ModelState;
use super::tools::PlannerTools;
use crate::cli::workspace::Workspace;

/// Maximum number of committed versions of a spec to compile while searching for the version from which the files were
/// generated.
const MAX_EARLIER_SPECS: usize = 20;

/// Adds to `inputs` the bases of models that were never pushed but whose files a user edited.
pub fn add_unpushed_bases(workspace: &Workspace, tools: &PlannerTools, inputs: &mut ModelInputs) {
    for (name, texts) in &inputs.files {
        let never_pushed = inputs.specs.get(name).filter(|_| !inputs.states.contains_key(name));
        if let Some(base) =
            never_pushed.and_then(|ours| find_base_of_unpushed_model(workspace, tools, name, ours, texts))
        {
            let (text, bases) = (None, vec![base]);
            inputs.states.insert(name.clone(), ModelState { text, bases });
        }
    }
}

/// Finds the base of a model that was never pushed but whose files a user edited. Each file contains a hash of its
/// generated contents. The hash identifies the version of the spec from which the file was generated: the current
/// version or a recently committed one.
fn find_base_of_unpushed_model(
    workspace: &Workspace,
    tools: &PlannerTools,
    name: &str,
    ours: &CurrentSpec,
    texts: &BTreeMap<String, String>,
) -> Option<PushState> {
    let base = PushState::base_from_unpushed_files(name, ours, texts);
    if base.is_some() || texts.values().all(|text| is_unmodified(text)) {
        return base;
    }
    let committed = Repository::find(&workspace.root)
        .ok()?
        .last_committed_versions(&ours.spec, MAX_EARLIER_SPECS);
    let earlier = committed.iter().filter(|text| **text != ours.source);
    earlier
        .filter_map(|text| tools.as_tools().compile(&ours.spec, text))
        .find_map(|spec| PushState::base_from_unpushed_files(name, &spec, texts))
}
