//! Errors that concern several specs of a batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use formulac_syntax::diag::lists::{join_words, quote_names};

use super::CompiledSpec;
use super::batch::{BatchFile, SpecText};
use crate::arena::Arena;
use crate::diag::{self, Code, Diagnostic};
use crate::span::Span;

/// Reports metric sets with the same name. `sets` contains the index and lower-case name of each metric set. If none of
/// these metric sets is one of the first `count` specs, the error is reported for the specs that read the metric sets.
pub(super) fn report_duplicate_metric_sets(
    specs: &[SpecText<'_>],
    sets: &[(usize, String)],
    compiled_specs: &mut Arena<Option<Arc<CompiledSpec>>>,
    count: usize,
) {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, name) in sets {
        by_name.entry(name).or_default().push(*number);
    }
    let path = |number: &usize| specs.get(*number).and_then(|spec| spec.path);
    for (name, numbers) in by_name.iter().filter(|(_, numbers)| numbers.len() > 1) {
        for number in numbers.iter().filter(|number| **number < count) {
            let Some(spec) = compiled_specs.try_get_mut(*number).and_then(Option::as_mut) else {
                continue;
            };
            let Some(set) = spec.metric_set.clone() else { continue };
            let spec = Arc::make_mut(spec);
            let other = numbers.iter().find(|other| *other != number).and_then(path);
            let other = other.map_or_else(String::new, |path| format!("; the other is in `{path}`"));
            add_duplicate_set_error(spec, &set.name, set.name_span, &other);
        }
        if numbers.iter().any(|number| *number < count) {
            continue;
        }
        let paths = quote_names(numbers.iter().filter_map(path));
        let locations = format!("; they are in {}", join_words(&paths, "and"));
        for spec in compiled_specs.iter_mut().take(count).flatten() {
            if spec.sets().any(|set| set.eq_ignore_ascii_case(name)) {
                let spec = Arc::make_mut(spec);
                add_duplicate_set_error(spec, name, spec.name_span, &locations);
            }
        }
    }
}

fn add_duplicate_set_error(spec: &mut CompiledSpec, set: &str, span: Span, locations: &str) {
    let message = format!("two metric sets are named `{set}`");
    let fault = Diagnostic::new(Code::SameModelTwice, span, message);
    spec.diagnostics
        .push(fault.with_help(format!("rename one of the metric sets{locations}")));
    diag::sort(&mut spec.diagnostics);
}

/// Maximum number of different names in a message about a cycle.
const MAX_CYCLE_NAMES: usize = 8;

/// Reports a cycle of specs, in which each spec reads the next one.
pub(super) fn report_cycle(
    circle: &[usize],
    files: &Arena<BatchFile<'_>>,
    compiled_specs: &mut Arena<Option<Arc<CompiledSpec>>>,
) {
    let name = |number: usize| files[number].name().map_or("", |(name, _)| name.as_str());
    let names = quote_names(circle.iter().map(|number| name(*number)));
    for (index, number) in circle.iter().enumerate() {
        let next = circle.get(index + 1).or(circle.first());
        let next = next.map_or("", |number| name(*number)).to_lowercase();
        let around = names.iter().skip(index).chain(names.iter().take(index));
        let mut path: Vec<&str> = around.take(MAX_CYCLE_NAMES).map(String::as_str).collect();
        path.extend((names.len() > MAX_CYCLE_NAMES).then_some("…"));
        path.extend(names.get(index).map(String::as_str));
        let span = files[*number]
            .reads()
            .iter()
            .find(|model_read| model_read.model == next)
            .map_or(Span::default(), |model_read| model_read.span);
        let message = format!("these models depend on each other in a cycle: {}", path.join(" reads "));
        let Some(compiled) = &mut compiled_specs[*number] else {
            continue;
        };
        let compiled = Arc::make_mut(compiled);
        compiled.diagnostics.push(
            Diagnostic::new(Code::ModelsInCircle, span, message)
                .with_help("change one of them to read the inputs of the others instead"),
        );
        (compiled.query, compiled.model) = (None, None);
        diag::sort(&mut compiled.diagnostics);
    }
}
