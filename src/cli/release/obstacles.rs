//! What stands against a release: parts that are out of step, tests that fail, approvals that lack. All are told at once.

use formulac::Environment;
use formulac::artifacts::{Status, last_results};
use formulac::omni::Place as OmniPlace;

use super::super::artifacts::{Artifacts, Beside};
use super::super::change::{self, UnderWay};
use super::super::environment;
use super::super::exit::{Exit, Failure};
use super::super::place::Place;
use super::super::pull;
use super::super::session::Session;
use super::super::sync::{self, Repository};
use super::super::words::count;
use super::tags::Release;

/// Names that are listed.
const NAMED: usize = 5;

/// What stands against it, and the command that mends that.
pub struct Obstacle {
    pub exit: Exit,
    pub what: String,
    pub mend: String,
}

fn obstacle(exit: Exit, what: impl Into<String>, mend: &str) -> Obstacle {
    Obstacle { exit, what: what.into(), mend: mend.to_owned() }
}

pub fn of(
    session: &Session,
    place: &Place,
    repository: &Repository,
    environment: Option<&Environment>,
    last: Option<&Release>,
) -> Result<Vec<Obstacle>, Failure> {
    let mut found = Vec::new();
    found.extend(step(session, place)?);
    if place.dbt.is_some() {
        found.extend(omni(session)?);
        found.extend(tests(place, environment)?);
    }
    found.extend(approvals(session, place, repository, last)?);
    Ok(found)
}

/// Specs and dbt's files.
fn step(session: &Session, place: &Place) -> Result<Option<Obstacle>, Failure> {
    let made = sync::planned(session, place)?;
    if !made.is_sound() {
        return Ok(Some(obstacle(Exit::Faulty, "the specs have errors", "formulac check")));
    }
    if made.plan.conflicts() > 0 {
        return Ok(Some(obstacle(Exit::Conflict, "specs and dbt's files are in conflict", "formulac plan")));
    }
    if made.plan.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = made.plan.models.iter().map(|model| model.model.clone()).collect();
    let what = format!("specs and dbt's files are out of step: {}", named(&names));
    Ok(Some(obstacle(Exit::Faulty, what, "formulac push")))
}

/// Omni's files, where they are pulled at all.
fn omni(session: &Session) -> Result<Option<Obstacle>, Failure> {
    let standing = pull::standing(session)?;
    let Some((_, _, _, pull)) = standing.known.filter(|_| standing.was_pulled) else { return Ok(None) };
    let places = pull.writes.iter().map(|(place, _)| place).chain(&pull.removes);
    let files: Vec<String> = places
        .filter_map(|place| match place {
            OmniPlace::Omni(path) => Some(path.clone()),
            _ => None,
        })
        .collect();
    let what = format!("Omni's files are not what dbt knows: {}", named(&files));
    Ok((!files.is_empty()).then(|| obstacle(Exit::Faulty, what, "formulac pull")))
}

/// What dbt's last run in the environment came to.
fn tests(place: &Place, environment: Option<&Environment>) -> Result<Vec<Obstacle>, Failure> {
    let Some(dbt) = &place.dbt else { return Ok(Vec::new()) };
    let target = dbt.target();
    let own = environment.map(|it| environment::artifacts(&place.root, &target, it));
    let folder = own.filter(|folder| folder.join("run_results.json").is_file()).unwrap_or(target);
    let build = match environment.and_then(|it| it.connection.as_deref()) {
        Some(connection) => format!("dbt build --target {connection}"),
        None => "dbt build".to_owned(),
    };
    let read = Artifacts::read(folder.join("manifest.json")).map_err(|found| Failure::Found(vec![found]))?;
    let beside = Beside::read(&folder)?;
    let last = last_results(&beside.runs);
    let (Some(read), false) = (read, last.is_empty()) else {
        let what = format!("nothing is known of tests: {} has no run of dbt", folder.display());
        return Ok(vec![obstacle(Exit::Faulty, what, &build)]);
    };
    let mut found = Vec::new();
    let newer: Vec<String> = read.newer(dbt).iter().map(|path| path.display().to_string()).collect();
    if !newer.is_empty() {
        let what =
            format!("{} newer than dbt's last run: {}", count(newer.len(), "file is", "files are"), named(&newer));
        found.push(obstacle(Exit::Faulty, what, &build));
    }
    let is_bad = |status: &Status| matches!(status, Status::Fail | Status::Error | Status::RuntimeError);
    let bad: Vec<String> = last
        .iter()
        .filter(|(_, it)| is_bad(&it.result.status))
        .map(|(id, _)| id.split('.').nth(2).unwrap_or(id).to_owned())
        .collect();
    if !bad.is_empty() {
        let what = format!("{} failed in dbt's last run: {}", bad.len(), named(&bad));
        found.push(obstacle(Exit::Faulty, what, &build));
    }
    let is_test = |id: &&&str| id.starts_with("test.") || id.starts_with("unit_test.");
    if last.keys().filter(is_test).count() == 0 {
        found.push(obstacle(Exit::Faulty, "no test ran in dbt's last run", &build));
    }
    Ok(found)
}

/// Each commit of the branch since the last release, by the rules that were in force before it.
fn approvals(
    session: &Session,
    place: &Place,
    repository: &Repository,
    last: Option<&Release>,
) -> Result<Vec<Obstacle>, Failure> {
    let (changes, _) = change::read(place);
    let mut found = Vec::new();
    for (commit, parent, title) in repository.first_parents(last.map(|last| last.commit.as_str()))? {
        let Some(parent) = parent else { continue };
        let under_way = UnderWay::between(place, repository, &parent, &commit, session.global.env.as_deref())?;
        if !under_way.asks() {
            continue;
        }
        let standing = under_way.standing(&changes);
        if !standing.is_approved() {
            let short = commit.get(..7).unwrap_or_default();
            let mut lacks = standing.lacks;
            lacks.extend(standing.rejected.iter().map(|by| format!("the agreement of {by}, who rejected it")));
            let what = format!("{short} \"{title}\" lacks {}", lacks.join(", "));
            found.push(obstacle(Exit::NotAllowed, what, "formulac change approve"));
        }
    }
    Ok(found)
}

fn named(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}
