//! Finds definitions that several specs of the project contain.

use formulac::sync::extract::{ExtractRequest, ExtractedMetricSet, extract};
use formulac::{Compiler, Dialect, SpecText};

use super::first_spec;
use crate::cli::dbt_project::DbtProject;
use crate::cli::exit::Failure;
use crate::cli::source::SourceText;

/// Returns a message for each metric set that `formulac extract` proposes.
pub fn find(dbt: &DbtProject, dialect: Dialect, sources: &[SourceText]) -> Result<Vec<String>, Failure> {
    let sound: Vec<&SourceText> = sources.iter().filter(|source| source.fault.is_none()).collect();
    if sound.len() < 2 {
        return Ok(Vec::new());
    }
    let schema = first_spec::schema(dbt, dialect)?;
    let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
    let specs: Vec<SpecText<'_>> = sound
        .iter()
        .map(|source| SpecText {
            text: &source.text,
            path: None,
        })
        .collect();
    let selection = vec![true; specs.len()];
    let request = ExtractRequest {
        specs: &specs,
        may_change: &selection,
        name: None,
        folder: "",
    };
    let extraction = extract(&compiler, &request);
    let note = |set: &ExtractedMetricSet| {
        let noun = match set.shared.len() {
            1 => "definition".to_owned(),
            count => format!("{count} definitions"),
        };
        format!(
            "{} specs contain the same {noun} over {}; `formulac extract` moves such definitions to a metric set",
            extraction.specs_of(set),
            set.name
        )
    };
    Ok(extraction.sets.iter().map(note).collect())
}
