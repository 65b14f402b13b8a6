//! `formulac generate`: all specs of the project to dbt models, tests and docs in the work tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use formulac::artifacts::Manifest;
use formulac::dbt::spec_of;
use formulac::diag::{Code, render};
use formulac::{Compiler, Dialect, Project, Schema};
use serde_json::{Value, json};

use super::args::{GenerateArgs, Target};
use super::artifacts::Artifacts;
use super::chosen::{self, Chosen};
use super::dbt_project::{self, DbtProject};
use super::deliver::{self, Delivery};
use super::exit::{Exit, Failure, Found};
use super::models::{self, Model};
use super::session::{Session, reports};
use super::write::Planned;
use super::{folder, progress, project, settings, taken_names, time_spine, validate};

/// Files that are named before the others are counted.
const NAMED: usize = 20;

/// The project, and where what is generated goes.
struct Place {
    project: Project,
    /// The project's folder, as seen from here.
    root: PathBuf,
    dbt: Option<DbtProject>,
}

pub fn run(session: &Session, args: &GenerateArgs) -> Result<Exit, Failure> {
    let place = place(session)?;
    let artifacts = place.artifacts()?;
    if let Some(artifacts) = artifacts {
        artifacts.tell(session, place.dbt.as_ref());
    }
    let dialect = place.dialect(&args.target)?;
    if args.target.schema.is_none() && artifacts.is_none() {
        session.note("nothing is known of the columns: types are taken from use; `dbt parse` or `--schema` tells them");
    }
    let compiler = place.compiler(session, &args.target, dialect)?;
    let nothing = Manifest::default();
    let manifest = artifacts.map_or(&nothing, |artifacts| &artifacts.manifest);
    let nodes = formulac::dbt::graph(manifest);
    let specs = project::specs(&place.root.join(place.project.specs().unwrap_or(project::SPECS)))?;
    let bar = progress::bar(session, specs.len(), "compiling");
    let (mut models, mut found) =
        models::compiled(&compiler, models::sources(&specs, Some(&place.root)), || bar.inc(1));
    bar.finish_and_clear();
    let folders = place.folders();
    taken_names::check(&models, manifest, &nodes, &place.root, [&folders.0, &folders.1], &mut found);
    if time_spine::is_missing(manifest) {
        time_spine::warn(&models, &mut found);
    }
    let chosen = chosen::choose(&models, &found, manifest, &nodes, &folders.0, &args.select, &args.exclude)?;
    if !args.select.is_empty() && !chosen.models.contains(&true) {
        session.warn("warning: the selection matches no spec");
    }
    let faulty: Vec<bool> = found.iter().map(|found| Exit::of(&found.diagnostics) != Exit::Done).collect();
    let left_out = left_out(&models, &faulty);
    // What is not chosen, and what nothing chosen reads, is not told of.
    for (found, told) in found.iter_mut().zip(&chosen.specs) {
        if !told {
            found.diagnostics.clear();
        }
    }
    let mut exit = Exit::of_all(&found);
    let goes_on = exit == Exit::Done || args.keep_going;
    let delivery = if goes_on {
        let is_made = |at: usize| chosen.models[at] && left_out[at].is_none();
        place.delivery(&models, &chosen, is_made, args)?
    } else {
        Delivery::default()
    };
    let mut notes = Vec::new();
    let misses_columns = found.iter().flat_map(|found| &found.diagnostics).any(|d| d.kind() == Code::UnknownName);
    let told_by = args.target.schema.as_deref().or(artifacts.map(|artifacts| artifacts.path.as_path()));
    if misses_columns && told_by.is_some_and(lacks_catalog) {
        session.note(
            "dbt's manifest has the columns that are described only: `dbt docs generate` writes catalog.json, with all",
        );
    }
    if args.check {
        exit = exit.worse(delivery.tell(session));
    } else if goes_on {
        found.extend(delivery.conflicts());
        if delivery.by_hand.is_empty() {
            let changed = delivery.write()?;
            let refused = if args.validate {
                validate::run(session, &place.project, &place.root, &models, &found)?
            } else {
                Vec::new()
            };
            if refused.is_empty() {
                notes = summary(&delivery);
            } else {
                changed.undo();
                found.extend(refused);
                notes.push("nothing is written: dbt refuses it".to_owned());
            }
        } else {
            notes.push("nothing is written".to_owned());
        }
        exit = Exit::of_all(&found);
    } else {
        let count = found.iter().filter(|found| Exit::of(&found.diagnostics) != Exit::Done).count();
        notes.push(format!("nothing is written: {count} of {} specs have errors", found.len()));
    }
    let told = models.iter().zip(&left_out).filter(|(model, _)| chosen.specs[model.spec] && goes_on);
    notes.extend(told.filter_map(|(model, why)| Some(format!("left out {}: {}", model.name, why.as_ref()?))));
    if goes_on {
        notes.extend(no_metrics(&models, &chosen));
    }
    if args.json {
        models.retain(|model| chosen.specs[model.spec]);
        session.json(&data(dialect, &models, &delivery, &found))?;
    } else {
        session.report(&found);
    }
    notes.iter().for_each(|note| session.note(note));
    Ok(exit)
}

/// What generating everything would find and do; nothing is told, nothing written.
pub fn compare(session: &Session) -> Result<(Vec<Found>, Delivery), Failure> {
    let place = place(session)?;
    let args = GenerateArgs {
        select: Vec::new(),
        exclude: Vec::new(),
        keep_going: true,
        check: true,
        validate: false,
        target: Target::default(),
        json: false,
    };
    let compiler = place.compiler(session, &args.target, place.dialect(&args.target)?)?;
    let nothing = Manifest::default();
    let manifest = place.artifacts()?.map_or(&nothing, |artifacts| &artifacts.manifest);
    let folder = place.root.join(place.project.specs().unwrap_or(project::SPECS));
    let specs = if folder.is_dir() { project::specs(&folder)? } else { Vec::new() };
    let (models, found) = models::compiled(&compiler, models::sources(&specs, Some(&place.root)), || {});
    let nodes = formulac::dbt::graph(manifest);
    let chosen = chosen::choose(&models, &found, manifest, &nodes, &place.folders().0, &[], &[])?;
    let faulty: Vec<bool> = found.iter().map(|found| Exit::of(&found.diagnostics) != Exit::Done).collect();
    let left_out = left_out(&models, &faulty);
    let delivery = place.delivery(&models, &chosen, |at| left_out[at].is_none(), &args)?;
    Ok((found, delivery))
}

/// The project, and that of dbt which it is in.
fn place(session: &Session) -> Result<Place, Failure> {
    let given = session.global.project_dir.as_deref();
    let Some((project, root)) = project::read_with_place(given)? else {
        return Err(Failure::new(Exit::Usage, "there is no formulac.yml here or in a folder above")
            .with_help("begin with `formulac init` in the dbt project, or name its folder with `--project-dir`"));
    };
    let dbt = dbt_project::find(Some(&root))?;
    Ok(Place { project, root, dbt })
}

impl Place {
    /// The dialect that is asked for, else the project's, else that of dbt's adapter.
    fn dialect(&self, target: &Target) -> Result<Dialect, Failure> {
        if let Some(dialect) = target.dialect.or(self.project.dialect()) {
            return Ok(dialect);
        }
        match self.dbt.as_ref().map(|dbt| dbt.dialect(None)) {
            None => Ok(Dialect::default()),
            Some(Ok(dialect)) => Ok(dialect),
            Some(Err(why)) => Err(Failure::new(Exit::Usage, format!("the dialect is not known: {why}"))
                .with_help("write `dialect:` in formulac.yml")),
        }
    }

    /// What dbt knows of the project, where it left something.
    fn artifacts(&self) -> Result<Option<&Artifacts>, Failure> {
        Ok(self.dbt.as_ref().map(DbtProject::artifacts).transpose()?.flatten())
    }

    fn compiler(&self, session: &Session, target: &Target, dialect: Dialect) -> Result<Compiler, Failure> {
        let artifacts = self.artifacts()?;
        let schema = match (target.known(session)?, artifacts) {
            (Some(known), _) => known.schema(dialect)?,
            (None, Some(artifacts)) => artifacts.schema(dialect)?,
            (None, None) => Schema::new(),
        };
        let builder = settings::with_schema(&self.project, dialect, schema);
        let builder = match artifacts {
            Some(artifacts) => artifacts.with_dbt(builder),
            None => builder,
        };
        let (models, _) = self.folders();
        let contracts = self.dbt.as_ref().is_some_and(|dbt| dbt.enforces_contracts(Path::new(&models)));
        Ok(builder.contracts(contracts).build())
    }

    /// The folders of models and of tests, seen from the project's.
    fn folders(&self) -> (String, String) {
        let clean = |folder: &str| folder.trim_start_matches("./").trim_end_matches('/').to_owned();
        (clean(self.project.models().unwrap_or(project::MODELS)), clean(self.project.tests().unwrap_or(project::TESTS)))
    }

    /// What is to be written and removed.
    fn delivery(
        &self,
        models: &[Model],
        chosen: &Chosen,
        is_made: impl Fn(usize) -> bool,
        args: &GenerateArgs,
    ) -> Result<Delivery, Failure> {
        let (models_folder, tests_folder) = self.folders();
        let (models_folder, tests_folder) = (self.root.join(models_folder), self.root.join(tests_folder));
        let made = models.iter().enumerate().filter(|(at, _)| is_made(*at));
        let files: Vec<Planned> =
            made.clone().flat_map(|(_, model)| model.files(&models_folder, &tests_folder)).collect();
        let planned: BTreeSet<&Path> = files.iter().map(|file| &*file.path).collect();
        // The files of a spec that is not chosen or cannot be made stay as they are.
        let kept: BTreeSet<&str> =
            models.iter().enumerate().filter(|(at, _)| !is_made(*at)).map(|(_, model)| model.path.as_str()).collect();
        let specs = self.project.specs().unwrap_or(project::SPECS).trim_start_matches("./").trim_end_matches('/');
        let everything = args.select.is_empty() && args.exclude.is_empty() && chosen.specs.iter().all(|told| *told);
        let made: BTreeSet<&str> = made.map(|(_, model)| model.path.as_str()).collect();
        let is_left = |path: &Path, spec: &str| {
            let is_ours = spec.strip_prefix(specs).is_some_and(|rest| rest.starts_with('/'));
            let is_gone = everything && !self.root.join(spec).is_file();
            !planned.contains(path) && !kept.contains(spec) && (made.contains(spec) || (is_ours && is_gone))
        };
        let mut left = Vec::new();
        let mut by_hand = Vec::new();
        for folder in BTreeSet::from([&models_folder, &tests_folder]) {
            for path in folder::files(folder, is_generated) {
                let Ok(text) = fs::read_to_string(&path) else { continue };
                if !spec_of(&text).is_some_and(|spec| is_left(&path, spec)) {
                    continue;
                }
                if formulac::dbt::is_as_written(&text) {
                    left.push(path);
                } else {
                    by_hand.push(path);
                }
            }
        }
        let mut delivery = deliver::compare(files, left)?;
        delivery.by_hand.extend(by_hand);
        Ok(delivery)
    }
}

/// Whether it is a manifest without the catalogue beside it, which has the columns that the warehouse has.
fn lacks_catalog(schema: &Path) -> bool {
    schema.file_name().is_some_and(|name| name == "manifest.json") && !schema.with_file_name("catalog.json").is_file()
}

/// Why models cannot be made, of those that cannot: their specs have errors, or they read such a model.
fn left_out(models: &[Model], faulty: &[bool]) -> Vec<Option<String>> {
    let has_errors = |model: &Model| (faulty[model.spec] || model.built.is_none()).then(|| "it has errors".to_owned());
    let mut out: Vec<Option<String>> = models.iter().map(has_errors).collect();
    let with_out = models.iter().zip(&out).filter(|(_, out)| out.is_some());
    let mut names: BTreeSet<String> = with_out.map(|(model, _)| model.name.to_lowercase()).collect();
    loop {
        let before = names.len();
        for (model, out) in models.iter().zip(&mut out).filter(|(_, out)| out.is_none()) {
            let is_out = |name: &&str| names.contains(&name.to_lowercase()) && !model.name.eq_ignore_ascii_case(name);
            if let Some(read) = model.reads.iter().filter_map(|read| read.own_model()).find(is_out) {
                *out = Some(format!("it reads `{read}`"));
                names.insert(model.name.to_lowercase());
            }
        }
        if names.len() == before {
            return out;
        }
    }
}

/// The columns that dbt's semantic layer is not told of, by name as far as they are few.
fn no_metrics(models: &[Model], chosen: &Chosen) -> Vec<String> {
    let of_chosen = models.iter().zip(&chosen.models).filter(|(_, is_chosen)| **is_chosen);
    let built = of_chosen.filter_map(|(model, _)| Some((model, model.built.as_ref()?)));
    let mut notes: Vec<String> = built.flat_map(|(model, built)| built.left_out(&model.name)).collect();
    let more = notes.len().saturating_sub(NAMED);
    notes.truncate(NAMED);
    if more > 0 {
        notes.push(format!("and {more} more columns that are no metrics; `--json` names all"));
    }
    notes
}

/// Whether a file is of a kind that is generated.
fn is_generated(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "sql" || end == "yml" || end == "md")
}

/// What was done: the first files by name, the others counted.
fn summary(delivery: &Delivery) -> Vec<String> {
    let mut notes = delivery.notes();
    if delivery.is_empty() {
        return notes;
    }
    let more = notes.len().saturating_sub(NAMED);
    notes.truncate(NAMED);
    if more > 0 {
        notes.push(format!("and {more} more"));
    }
    notes.push(format!(
        "{} created, {} changed, {} removed, {} as they were",
        delivery.created.len(),
        delivery.updated.len(),
        delivery.removed.len(),
        delivery.unchanged.len()
    ));
    notes
}

fn data(dialect: Dialect, models: &[Model], delivery: &Delivery, found: &[Found]) -> Value {
    let mut files: Vec<(&Path, &str)> = delivery.created.iter().map(|file| (&*file.path, "created")).collect();
    files.extend(delivery.updated.iter().map(|file| (&*file.path, "updated")));
    files.extend(delivery.unchanged.iter().map(|path| (&**path, "unchanged")));
    files.extend(delivery.removed.iter().map(|path| (&**path, "removed")));
    files.sort();
    let file = |(path, change): &(&Path, &str)| json!({"path": path.to_string_lossy(), "change": change});
    let model = |model: &Model| {
        let mut object = json!({"name": model.name, "spec": model.path});
        let built = model.built.as_ref().filter(|built| built.semantic.is_some());
        if let (Some(built), Value::Object(fields)) = (built, &mut object) {
            fields.insert("semantic_model".to_owned(), built.semantics());
        }
        object
    };
    json!({
        "dialect": dialect.name(),
        "models": models.iter().map(model).collect::<Vec<_>>(),
        "files": files.iter().map(file).collect::<Vec<_>>(),
        "diagnostics": render::filed_objects(&reports(found)),
    })
}
