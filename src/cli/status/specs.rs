//! Specs beside what is made of them: dbt's files, by the last push where there was one, and Omni's fields.

use std::path::PathBuf;

use formulac::sync::{Action, ModelPlan, STATES};

use super::{Part, named, paths};
use crate::cli::args::Target;
use crate::cli::exit::{Exit, Failure, Found};
use crate::cli::generation::Generation;
use crate::cli::place::Place;
use crate::cli::session::Session;
use crate::cli::words::count;
use crate::cli::write::Planned;
use crate::cli::{promote, sync};

/// What is to be said of the specs of the project.
pub fn parts(session: &Session) -> Result<Vec<Part>, Failure> {
    let place = Place::find(session)?;
    let was_pushed = place.root.join(STATES).is_dir();
    let mut parts = vec![if was_pushed { pushed(session, &place)? } else { generated(session, &place)? }];
    parts.extend(twice(&place)?);
    Ok(parts)
}

/// What a push would do.
fn pushed(session: &Session, place: &Place) -> Result<Part, Failure> {
    let made = sync::planned(session, place)?;
    if !made.is_sound() {
        return Ok(part(vec![faulty(&made.found).unwrap_or_default()], String::new(), "formulac check"));
    }
    let conflicts: Vec<&ModelPlan> = made.plan.models.iter().filter(|model| !model.conflicts.is_empty()).collect();
    let mut found = Vec::new();
    for (action, what) in [(Action::Create, "to be made"), (Action::Update, "to be changed"), (Action::Delete, "to go")]
    {
        let models = made.plan.models.iter().filter(|model| model.action == action && model.conflicts.is_empty());
        let names: Vec<String> = models.map(|model| model.model.clone()).collect();
        if !names.is_empty() {
            found.push(format!("{} {what}: {}", count(names.len(), "model is", "models are"), named(&names)));
        }
    }
    if !conflicts.is_empty() {
        let places: Vec<String> = conflicts
            .iter()
            .flat_map(|model| {
                model.conflicts.iter().map(|it| {
                    it.definition.as_ref().map_or_else(|| model.model.clone(), |name| format!("{}.{name}", model.model))
                })
            })
            .collect();
        found.push(format!(
            "{} to be decided: {}",
            count(places.len(), "conflict is", "conflicts are"),
            named(&places)
        ));
    }
    let kept: usize = made.plan.models.iter().map(|model| model.kept.len()).sum();
    let well = match kept {
        0 => "as pushed".to_owned(),
        kept => format!("as pushed, with {}", count(kept, "hand edit", "hand edits")),
    };
    let mend = match conflicts.first() {
        Some(model) => format!("formulac plan shows them; formulac resolve {} --ours|--theirs|--edit", model.model),
        None => "formulac plan, then formulac push".to_owned(),
    };
    Ok(part(found, well, &mend))
}

/// What `generate` would do, where nothing was ever pushed.
fn generated(session: &Session, place: &Place) -> Result<Part, Failure> {
    let target = Target::default();
    let compiler = place.compiler(session, &target, place.dialect(&target)?)?;
    let made = Generation::of(place, &compiler, place.sources()?, || {})?;
    let left_out = made.left_out();
    let delivery = made.delivery(|at| left_out[at].is_none(), true)?;
    let faulty = faulty(&made.found);
    let of_files = |files: Vec<PathBuf>, one: &str, many: &str| {
        (!files.is_empty()).then(|| format!("{}: {}", count(files.len(), one, many), named(&paths(&files))))
    };
    let planned = |files: &[Planned]| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    let updated = planned(&delivery.updated).into_iter().filter(|path| !delivery.by_hand.contains(path)).collect();
    let mut found: Vec<String> = faulty.iter().cloned().collect();
    found.extend(of_files(planned(&delivery.created), "file is missing", "files are missing"));
    found.extend(of_files(updated, "file differs from its spec", "files differ from their specs"));
    found.extend(of_files(delivery.by_hand.clone(), "file was edited by hand", "files were edited by hand"));
    found.extend(of_files(delivery.removed.clone(), "file is left over", "files are left over"));
    let mend = match (faulty.is_none(), delivery.by_hand.is_empty()) {
        (false, _) => "formulac check, then formulac generate",
        (true, false) => "formulac adopt takes the edits into the specs, then formulac generate",
        (true, true) => "formulac generate",
    };
    let well = match delivery.unchanged.len() {
        0 => "there are no specs".to_owned(),
        files => format!("{} as the specs make them", count(files, "file is", "files are")),
    };
    Ok(part(found, well, mend))
}

fn part(found: Vec<String>, well: String, mend: &str) -> Part {
    Part { name: "specs and dbt", found, well, mend: mend.to_owned() }
}

fn faulty(found: &[Found]) -> Option<String> {
    let faulty: Vec<String> = found
        .iter()
        .filter(|found| Exit::of(&found.diagnostics) != Exit::Done)
        .map(|found| found.file.clone())
        .collect();
    let what = count(faulty.len(), "spec has errors", "specs have errors");
    (!faulty.is_empty()).then(|| format!("{what}: {}", named(&faulty)))
}

/// What specs and Omni both define, where there is such.
fn twice(place: &Place) -> Result<Option<Part>, Failure> {
    let sources = place.sources()?;
    let specs: Vec<(String, String)> =
        sources.into_iter().map(|(source, path)| (path.unwrap_or_else(|| source.name.clone()), source.text)).collect();
    let faults = promote::twice(&place.project, &place.root, &specs);
    let told = faults.iter().filter(|(_, fault)| !place.project.silenced().contains(&fault.kind()));
    let spec = |number: usize| specs.get(number).map(|(path, _)| path.as_str()).unwrap_or_default();
    let found: Vec<String> = told.map(|(number, fault)| format!("{}: {}", spec(*number), fault.message())).collect();
    let mend = "formulac promote FILE --repoint makes the fields of Omni read the columns".to_owned();
    Ok((!found.is_empty()).then(|| Part { name: "specs and Omni", found, well: String::new(), mend }))
}
