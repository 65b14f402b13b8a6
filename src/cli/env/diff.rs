//! `env diff`: what is defined here beside what is defined in an environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use formulac::sync::diff_lines;
use serde_json::{Value, json};

use super::super::args::EnvDiffArgs;
use super::super::change::revision;
use super::super::environment::{self, Reason};
use super::super::exit::{Exit, Failure};
use super::super::folder;
use super::super::place::Place;
use super::super::session::Session;
use super::super::sync::Repository;

/// Lines of a diff that are shown.
const LINES: usize = 60;

/// A generated model on both sides.
struct Model {
    name: String,
    here: Option<String>,
    there: Option<String>,
}

impl Model {
    fn told(&self) -> &'static str {
        match (&self.here, &self.there) {
            (Some(_), None) => "only here",
            (None, _) => "only there",
            (Some(_), Some(_)) => "differs",
        }
    }
}

pub fn run(session: &Session, place: &Place, args: &EnvDiffArgs) -> Result<Exit, Failure> {
    let environment = environment::named(&place.project, &place.root, &args.name, Reason::Option)?;
    let Some(branch) = environment::branch(&place.project, &place.root, &environment) else {
        return Err(Failure::new(Exit::Usage, format!("`{}` has no `branch:` in formulac.yml", environment.name))
            .with_help("what is defined in an environment stands on its branch"));
    };
    let repository = Repository::find(&place.root)?;
    let commit = revision(&repository, &branch)?;
    let (all, same) = models(place, &repository, &commit, &args.models)?;
    if args.json {
        let one = |it: &Model| {
            let diff = it.here.as_ref().zip(it.there.as_ref()).map(|(here, there)| diff_lines(there, here));
            json!({"model": it.name, "is": it.told(), "diff": diff})
        };
        session.json(&json!({
            "environment": environment.name, "branch": branch, "commit": commit, "same": same,
            "models": all.iter().map(one).collect::<Vec<Value>>(),
        }))?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for model in &all {
        let _ = writeln!(text, "{}  {}", model.name, model.told());
        if let (Some(here), Some(there)) = (&model.here, &model.there) {
            for line in diff_lines(there, here).lines().take(LINES) {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    session.shown(&text)?;
    let commit = commit.get(..7).unwrap_or_default();
    let differ = match all.len() {
        0 => format!("as on `{branch}` ({commit})"),
        _ => format!("{} differ from `{branch}` ({commit}), {same} are the same", all.len()),
    };
    session.note(&differ);
    Ok(Exit::Done)
}

/// Models whose SQL differs between the work tree and a commit, and how many are the same.
fn models(
    place: &Place,
    repository: &Repository,
    commit: &str,
    only: &[String],
) -> Result<(Vec<Model>, usize), Failure> {
    let (folder, _) = place.folders();
    let is_sql = |path: &Path| path.extension().is_some_and(|end| end == "sql");
    let here: BTreeSet<String> =
        folder::files(&place.root.join(&folder), is_sql).iter().map(|path| place.inside(path)).collect();
    let there = repository.files(commit, std::slice::from_ref(&folder))?;
    let there: Vec<String> = there.into_iter().filter(|path| is_sql(Path::new(path))).collect();
    let texts = repository.texts_in(commit, &there)?;
    let texts: BTreeMap<&String, Option<String>> = there.iter().zip(texts).collect();
    let paths: BTreeSet<&String> = here.iter().chain(&there).collect();
    let mut found = Vec::new();
    let mut same = 0;
    for path in paths {
        let name = Path::new(path).file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !only.is_empty() && !only.contains(&name) {
            continue;
        }
        let plain = |text: String| text.replace('\r', "");
        let here = std::fs::read_to_string(place.root.join(path)).ok().map(plain);
        let there = texts.get(path).cloned().flatten().map(plain);
        if here == there {
            same += 1;
        } else {
            found.push(Model { name, here, there });
        }
    }
    for name in only.iter().filter(|name| found.iter().all(|model| model.name != **name)) {
        let is_there =
            here.iter().chain(&there).any(|path| Path::new(path).file_stem().is_some_and(|stem| *stem == **name));
        if !is_there {
            return Err(Failure::new(Exit::Usage, format!("no generated model is named `{name}`, here or there")));
        }
    }
    Ok((found, same))
}
