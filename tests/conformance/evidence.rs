//! Evidence for the SQL of a function in a dialect: the weakest verdict among the constructs of its SQL
//! (`dialects/facts`).

use std::collections::BTreeSet;

use formulac::catalog::Function;
use formulac::{ConstructFact, Dialect, FactVerdict};

use crate::calls::{calls, query};
use crate::known_calls::called_names;

/// Maximum number of constructs that are listed.
const LISTED: usize = 5;

/// Returns the evidence as a suffix of a cell in the matrix, such as `, SQL cited`. Empty if every construct ran on the
/// warehouse's own engine.
pub fn suffix(function: &'static Function, dialect: Dialect) -> String {
    match weakest_verdict(&facts(function, dialect)) {
        FactVerdict::Run => String::new(),
        weaker => format!(", SQL {}", weaker.name()),
    }
}

/// Returns the evidence in the wording of the function's page, with the uncertain constructs. Empty if every construct
/// ran on the warehouse's own engine.
pub fn sentence(function: &'static Function, dialect: Dialect) -> String {
    let facts = facts(function, dialect);
    let why = match weakest_verdict(&facts) {
        FactVerdict::Run => return String::new(),
        FactVerdict::Cited => "; the SQL follows the warehouse's documentation",
        FactVerdict::Emulated => "; the warehouse's documentation does not describe all of the SQL",
        _ => "; part of the SQL is not confirmed by any source",
    };
    why.to_owned() + &list_doubtful(&facts)
}

/// Lists the constructs that have not run on the warehouse's engine and have no documentation page. Empty if no
/// construct qualifies.
fn list_doubtful(facts: &[&ConstructFact]) -> String {
    let doubtful = facts.iter().filter(|fact| fact.own_verdict() > FactVerdict::Cited);
    let texts: Vec<String> = doubtful.map(|fact| format!("`{}`", fact.text)).collect();
    match texts.len() {
        0 => String::new(),
        count if count > LISTED => format!(" ({} and {} more)", texts[..LISTED].join(", "), count - LISTED),
        _ => format!(" ({})", texts.join(", ")),
    }
}

fn weakest_verdict(facts: &[&ConstructFact]) -> FactVerdict {
    let verdicts = facts.iter().map(|fact| fact.own_verdict());
    verdicts.max().unwrap_or(FactVerdict::Run)
}

/// Returns the entries of `dialects/facts` for a function's templates. For a function without templates, its SQL is
/// searched for calls, and the entries for all argument types of each call are included.
fn facts(function: &'static Function, dialect: Dialect) -> Vec<&'static ConstructFact> {
    let facts = dialect.function_facts(function);
    if !facts.is_empty() || function.lower.is_none() {
        return facts;
    }
    let mut names: BTreeSet<String> = BTreeSet::new();
    for call in calls(function) {
        let sql = call.compile(dialect).ok().map(|written| written.sql);
        let sql = sql.or_else(|| query(&call.formula, &call.columns, dialect));
        names.extend(sql.iter().flat_map(|sql| called_names(sql, dialect)));
    }
    let is_called = |fact: &&ConstructFact| {
        let name = fact.text.split('(').next().unwrap_or_default();
        fact.section == "calls" && names.contains(name)
    };
    dialect.support_of_constructs().iter().filter(is_called).collect()
}

/// Fails unless `dialects/facts` specifies the versions of the engines that `tests/setup.sh` installs.
pub fn versions() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/requirements.txt");
    let requirements = std::fs::read_to_string(path).expect("the requirements can be read");
    let sources: BTreeSet<&str> = Dialect::all()
        .flat_map(Dialect::support_of_constructs)
        .filter(|fact| matches!(fact.verdict, FactVerdict::Run | FactVerdict::Emulated))
        .map(|fact| fact.source)
        .collect();
    for name in ["duckdb", "fakesnow", "zetasql"] {
        let mut lines = requirements.lines();
        let version = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix("=="));
        let version = version.expect("the requirements have each engine");
        let named = sources
            .iter()
            .any(|source| source.to_lowercase().contains(&format!("{name} {version}")));
        assert!(named, "dialects/facts/ansi.toml: [sources] must name {name} {version}");
    }
}
