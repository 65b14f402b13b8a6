//! The report: what changes, what that reaches, worst first, and the graph of it.

use std::collections::{BTreeMap, BTreeSet};

use super::definitions;
use super::graph::{Graph, Part};
use super::names::Target;
use super::spread::{Grade, Spread, Start, State, Via, spread};
use crate::artifacts::{Detail, Node, Owner, ResourceType, Value};
use crate::lineage::{self, Change};

/// Something that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// `orders.amount`, `orders`.
    pub name: String,
    /// The node's id.
    pub id: String,
    /// What happens to it: `its values change`, `it is removed`.
    pub what: String,
    /// How bad that is for itself.
    pub grade: Grade,
    /// Why; none where it is what follows.
    pub reason: Option<String>,
}

/// Something that a change reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effect {
    /// `quarterly_growth_rate`, `orders.revenue` of Omni.
    pub name: String,
    /// The node's id; of Omni's things their kind and name.
    pub id: String,
    /// dbt's word for it; `omni dimension`, `omni topic`, … .
    pub kind: String,
    /// The columns that change, where they are known; none where all do.
    pub columns: Vec<String>,
    /// How it is reached, from the change on.
    pub path: Vec<String>,
    /// The id of what it is reached by.
    pub via: Option<String>,
    /// How bad it is.
    pub grade: Grade,
    /// Why.
    pub reason: String,
    /// Why it is only known for the whole of it, where that is so.
    pub whole: Option<String>,
    /// Where more is said than is known to be.
    pub gaps: Vec<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// How it, or the worst of its tests, ended last.
    pub status: Option<String>,
    /// The file that it stands in.
    pub file: Option<String>,
}

/// What reads what, by ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Edge {
    /// What is read.
    pub from: String,
    /// What reads it.
    pub to: String,
}

/// What a change touches.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Impact {
    /// What changes.
    pub changed: Vec<Changed>,
    /// What that reaches, worst first.
    pub effects: Vec<Effect>,
    /// What is downstream and not reached: ids and names.
    pub unaffected: Vec<(String, String)>,
    /// What reads what, of all these.
    pub edges: Vec<Edge>,
}

impl Impact {
    /// How bad the worst is.
    #[must_use]
    pub fn worst(&self) -> Grade {
        let changed = self.changed.iter().map(|changed| changed.grade);
        changed.chain(self.effects.iter().map(|effect| effect.grade)).max().unwrap_or_default()
    }

    /// One sentence: `1 change alters values in 2 models, 1 exposure; nothing breaks`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let count = self.changed.len();
        if count == 0 {
            return "nothing changes".to_owned();
        }
        let changes = format!("{count} change{}", if count == 1 { "" } else { "s" });
        let breaking = kinds(self.effects.iter().filter(|effect| effect.grade == Grade::Breaking));
        let changing = kinds(self.effects.iter().filter(|effect| effect.grade == Grade::Changing));
        let own = self.changed.iter().any(|changed| changed.grade == Grade::Breaking);
        let plural = count == 1;
        match (breaking.as_str(), changing.as_str()) {
            ("", "") if own => {
                format!("{changes} break{} what changes itself, and reach{} nothing else", s(plural), es(plural))
            }
            ("", "") => format!("{changes} reach{} nothing", es(plural)),
            ("", changing) if own => {
                format!("{changes} alter{} values in {changing}; what changes breaks itself", s(plural))
            }
            ("", changing) => format!("{changes} alter{} values in {changing}; nothing breaks", s(plural)),
            (breaking, "") => format!("{changes} break{} {breaking}", s(plural)),
            (breaking, changing) => {
                format!("{changes} break{} {breaking}, and alter{} values in {changing}", s(plural), s(plural))
            }
        }
    }
}

fn s(one: bool) -> &'static str {
    if one { "s" } else { "" }
}

fn es(one: bool) -> &'static str {
    if one { "es" } else { "" }
}

/// `2 models, 1 exposure, 3 Omni fields`.
fn kinds<'e>(effects: impl Iterator<Item = &'e Effect>) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for effect in effects {
        let kind = match effect.kind.as_str() {
            "omni dimension" | "omni measure" | "omni filter" | "omni column" => "Omni field",
            "omni topic" => "Omni topic",
            "omni join" => "Omni join",
            "saved_query" => "saved query",
            "semantic_model" => "semantic model",
            "unit_test" => "unit test",
            other => other,
        };
        match counts.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind, 1)),
        }
    }
    counts.sort_by_key(|(kind, _)| ORDER.iter().position(|known| known == kind).unwrap_or(ORDER.len()));
    let many = |kind: &str| kind.strip_suffix("ry").map_or(format!("{kind}s"), |stem| format!("{stem}ries"));
    let shown = counts.iter().map(|(kind, count)| match count {
        1 => format!("1 {kind}"),
        count => format!("{count} {}", many(kind)),
    });
    shown.collect::<Vec<_>>().join(", ")
}

const ORDER: &[&str] = &[
    "model",
    "snapshot",
    "exposure",
    "metric",
    "semantic model",
    "saved query",
    "Omni field",
    "Omni join",
    "Omni topic",
    "test",
    "unit test",
];

/// What changes touch. `status` says how a node ended last.
#[must_use]
pub fn impact(graph: &Graph<'_>, starts: &[Start], status: &BTreeMap<String, String>) -> Impact {
    lineage::with_room(|| report(graph, starts, status)).unwrap_or_default()
}

impl Graph<'_> {
    /// A change of what a name means: of its values where `change` says nothing worse.
    #[must_use]
    pub fn start(&self, target: &Target, change: Change) -> Start {
        let mut start = Start { place: target.place, ..Start::default() };
        let spec = self.parts.get(target.place).and_then(|part| part.spec);
        if let (Some(definition), Some(spec)) = (&target.definition, spec) {
            // A definition that is no column is part of some.
            let reached = definitions::columns(spec, definition);
            start.redefined = true;
            start.rows = reached.is_empty();
            start.columns = reached.into_iter().map(|column| (column, Change::Values)).collect();
            return start;
        }
        match &target.column {
            Some(column) => {
                // A column that is defined by a formula is changed there, and others may be made of it.
                if let Some(spec) = spec
                    .filter(|spec| spec.compiled.definitions().iter().any(|d| d.name().eq_ignore_ascii_case(column)))
                {
                    start.redefined = true;
                    let made = definitions::columns(spec, column).into_iter().map(|column| (column, Change::Values));
                    start.columns = made.collect();
                }
                start.columns.insert(column.clone(), change);
            }
            None => match change {
                Change::Gone => start.gone = true,
                Change::Type => {
                    let known = self.known_columns(target.place).columns.into_iter();
                    start.columns = known.map(|column| (column.to_lowercase(), Change::Type)).collect();
                    start.rows = true;
                }
                Change::Values => start.rows = true,
            },
        }
        start
    }
}

fn report(graph: &Graph<'_>, starts: &[Start], status: &BTreeMap<String, String>) -> Impact {
    let spread = spread(graph, starts);
    let mut impact = Impact::default();
    for start in starts {
        impact.changed.extend(changed(graph, start, spread.states.get(&start.place)));
    }
    let of_tests = test_status(graph, status);
    for place in &spread.order {
        let Some(part) = graph.parts.get(*place) else { continue };
        match spread.states.get(place) {
            Some(state) if starts.iter().all(|start| start.place != *place) => {
                impact.effects.push(effect(graph, &spread, part, state, *place, status, &of_tests));
            }
            Some(_) => {}
            None if part.kind() != ResourceType::Test => impact.unaffected.push((part.id(), part.name())),
            None => {}
        }
    }
    let shown: BTreeSet<usize> = spread.order.iter().copied().chain(starts.iter().map(|start| start.place)).collect();
    for place in &spread.order {
        let Some(part) = graph.parts.get(*place) else { continue };
        if part.kind() == ResourceType::Test && !spread.states.contains_key(place) {
            continue;
        }
        for parent in graph.parents.get(*place).into_iter().flatten().filter(|parent| shown.contains(parent)) {
            if let Some(parent) = graph.parts.get(*parent) {
                impact.edges.push(Edge { from: parent.id(), to: part.id() });
            }
        }
    }
    of_omni(graph, &spread, &mut impact);
    let kind = |effect: &Effect| ORDER.iter().position(|known| *known == effect.kind).unwrap_or(ORDER.len());
    impact.effects.sort_by(|one, other| {
        (other.grade.cmp(&one.grade))
            .then_with(|| one.path.len().cmp(&other.path.len()))
            .then_with(|| kind(one).cmp(&kind(other)))
            .then_with(|| one.id.cmp(&other.id))
    });
    impact.edges.sort();
    impact.edges.dedup();
    impact
}

fn changed(graph: &Graph<'_>, start: &Start, state: Option<&State>) -> Vec<Changed> {
    let Some(part) = graph.parts.get(start.place) else { return Vec::new() };
    let grade = state.map(|state| state.grade).unwrap_or_default();
    let reason = state.map(|state| state.reason.clone()).filter(|reason| !reason.is_empty());
    let one = |name: String, what: &str| Changed {
        name,
        id: part.id(),
        what: what.to_owned(),
        grade,
        reason: reason.clone(),
    };
    let mut found = Vec::new();
    if start.gone {
        found.push(one(part.name(), "it is removed"));
    } else if start.rows {
        found.push(one(part.name(), "its rows and values change"));
    }
    for (column, change) in &start.columns {
        let what = match change {
            Change::Gone => "it is removed",
            Change::Type => "its type changes",
            Change::Values if start.rows => continue,
            Change::Values => "its values change",
        };
        found.push(one(format!("{}.{column}", part.name()), what));
    }
    if found.is_empty() {
        found.push(one(part.name(), "what is said of it changes"));
    }
    found
}

fn effect(
    graph: &Graph<'_>,
    spread: &Spread,
    part: &Part<'_>,
    state: &State,
    place: usize,
    status: &BTreeMap<String, String>,
    of_tests: &BTreeMap<usize, String>,
) -> Effect {
    let columns = if state.rows.is_some() { Vec::new() } else { state.columns.keys().cloned().collect() };
    // dbt lists exposures in its results, and does nothing with them.
    let own = part.node.and_then(|node| status.get(&*node.unique_id)).filter(|status| *status != "no-op").cloned();
    Effect {
        name: part.name(),
        id: part.id(),
        kind: part.kind().name().to_owned(),
        columns,
        path: path(graph, spread, place, state),
        via: state.via.as_ref().and_then(|(at, _)| Some(graph.parts.get(*at)?.id())),
        grade: state.grade,
        reason: state.reason.clone(),
        whole: state.whole.clone(),
        gaps: state.gaps.clone(),
        owner: part.node.and_then(|node| owner(graph, node)),
        status: of_tests.get(&place).cloned().or(own),
        file: part.node.map(|node| node.original_file_path.to_string()).or_else(|| Some(part.spec?.path.clone())),
    }
}

/// The way from the change to a node, each step with its column where one is known.
fn path(graph: &Graph<'_>, spread: &Spread, place: usize, state: &State) -> Vec<String> {
    let shown = |place: usize, column: &Option<String>| {
        let name = graph.parts.get(place).map(Part::name).unwrap_or_default();
        column.as_ref().map_or_else(|| name.clone(), |column| format!("{name}.{column}"))
    };
    let mut steps = vec![shown(place, &None)];
    let mut via: Via = state.via.clone();
    let mut seen = BTreeSet::from([place]);
    while let Some((at, column)) = via {
        steps.push(shown(at, &column));
        if !seen.insert(at) {
            break;
        }
        let Some(before) = spread.states.get(&at) else { break };
        let of_column = column.as_ref().and_then(|column| before.columns.get(column)).map(|(_, via)| via.clone());
        let of_rows = before.rows.clone().flatten();
        via = of_column.flatten().or(of_rows).or_else(|| before.via.clone());
    }
    steps.reverse();
    steps
}

/// Who answers for a node: what its meta says, else its group.
fn owner(graph: &Graph<'_>, node: &Node) -> Option<String> {
    if let Detail::Exposure(exposure) = &node.detail {
        return named(&exposure.owner);
    }
    if let Some(owner) = node.meta.get("owner") {
        let said = owner.scalar().map(str::to_owned);
        let part = |key: &str| owner.as_map()?.get(key).and_then(Value::scalar).map(str::to_owned);
        return said.or_else(|| part("email")).or_else(|| part("name"));
    }
    let group = node.group.as_deref()?;
    let group = graph.sources.manifest.groups.iter().find(|known| &*known.name == group)?;
    named(&group.owner).or_else(|| Some(group.name.to_string()))
}

fn named(owner: &Owner) -> Option<String> {
    match (&owner.name, &owner.email) {
        (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_string()),
        (None, None) => None,
    }
}

/// The worst of the last results of each node's tests.
fn test_status(graph: &Graph<'_>, status: &BTreeMap<String, String>) -> BTreeMap<usize, String> {
    let mut all: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for test in graph.sources.manifest.data_tests() {
        let (Some(on), Some(status)) = (test.on, status.get(&*test.node.unique_id)) else { continue };
        if let Some(place) = graph.place(&on.unique_id) {
            all.entry(place).or_default().push(status);
        }
    }
    let shown = |of: &[&str]| {
        let passed = of.iter().filter(|status| **status == "pass").count();
        let count = of.len();
        let tests = if count == 1 { "test" } else { "tests" };
        match of.iter().find(|status| **status != "pass") {
            None => format!("{count} {tests} pass"),
            Some(worst) => format!("{passed} of {count} {tests} pass, {worst}"),
        }
    };
    all.into_iter().map(|(place, of)| (place, shown(&of))).collect()
}

/// Omni's fields, topics and joins behind the tables that change.
fn of_omni(graph: &Graph<'_>, spread: &Spread, impact: &mut Impact) {
    if graph.sources.omni.is_empty() {
        return;
    }
    for (place, state) in &spread.states {
        let Some(part) = graph.parts.get(*place).filter(|part| part.is_relation()) else { continue };
        let table = part.node.and_then(|node| node.alias.as_deref()).map_or_else(|| part.name(), str::to_owned);
        let schema = part.node.and_then(|node| node.schema.as_deref());
        let columns: BTreeSet<String> = state.columns.keys().cloned().collect();
        let whole = state.rows.is_some() || state.fails.is_some();
        let reached = graph.sources.omni.reached(schema, &table, &columns, whole);
        let ids: BTreeMap<String, String> = reached
            .iter()
            .map(|field| (format!("{}.{}", field.view, field.field), format!("omni.{}.{}", field.view, field.field)))
            .collect();
        let before = path(graph, spread, *place, state);
        for field in &reached {
            let name = format!("{}.{}", field.view, field.field);
            let change = field.column.as_ref().and_then(|column| state.columns.get(column)).map(|(change, _)| *change);
            let (grade, reason) = match change {
                _ if state.fails.is_some() => {
                    (Grade::Breaking, format!("`{}`, which its view shows, fails or is gone", part.name()))
                }
                Some(Change::Gone) => (Grade::Breaking, format!("it reads `{}`, and its column is gone", field.by)),
                Some(Change::Type) if field.in_sql => {
                    (Grade::Breaking, format!("it reads `{}` in SQL, and the column is of another type", field.by))
                }
                Some(Change::Type) => (Grade::Changing, format!("`{}` is of another type", field.by)),
                Some(Change::Values) | None => (Grade::Changing, format!("it reads `{}`", field.by)),
            };
            let mut path = before.clone();
            if let (Some(last), Some(column)) = (path.last_mut(), &field.column) {
                *last = format!("{last}.{column}");
            }
            if field.by_field {
                path.push(format!("Omni {}", field.by));
            }
            path.push(format!("Omni {name}"));
            let whole = field
                .is_guessed
                .then(|| "its SQL cannot be followed: every word in it is taken for a column".to_owned());
            let from = ids.get(&field.by).filter(|_| field.by_field).cloned().unwrap_or_else(|| part.id());
            impact.edges.push(Edge { from: from.clone(), to: format!("omni.{name}") });
            impact.effects.push(Effect {
                id: format!("omni.{name}"),
                name,
                kind: format!("omni {}", field.kind),
                columns: Vec::new(),
                path,
                via: Some(from),
                grade,
                reason,
                whole,
                gaps: Vec::new(),
                owner: None,
                status: None,
                file: Some(field.file.clone()),
            });
        }
        for (kind, name, file, field) in graph.sources.omni.users(&reached) {
            let Some(of) = impact.effects.iter().find(|effect| effect.id == format!("omni.{field}")) else { continue };
            let mut path = of.path.clone();
            path.push(format!("Omni {kind} {name}"));
            let via = Some(of.id.clone());
            let (verb, grade) =
                if kind == "join" { ("joins by", of.grade) } else { ("shows", Grade::Changing.min(of.grade)) };
            impact.edges.push(Edge { from: of.id.clone(), to: format!("omni {kind} {name}") });
            impact.effects.push(Effect {
                id: format!("omni {kind} {name}"),
                name,
                kind: format!("omni {kind}"),
                columns: Vec::new(),
                path,
                via,
                grade,
                reason: format!("it {verb} `{field}`"),
                whole: None,
                gaps: Vec::new(),
                owner: None,
                status: None,
                file: Some(file),
            });
        }
    }
    // A field that two tables reach is told once, the worse first.
    let mut seen: BTreeMap<String, Grade> = BTreeMap::new();
    for effect in &impact.effects {
        let known = seen.entry(effect.id.clone()).or_default();
        *known = (*known).max(effect.grade);
    }
    let mut told = BTreeSet::new();
    impact.effects.retain(|effect| seen.get(&effect.id) == Some(&effect.grade) && told.insert(effect.id.clone()));
}
