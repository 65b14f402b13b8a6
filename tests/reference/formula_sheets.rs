//! Random formulas over the whole catalogue, with the values that the interpreter computes. Formulas that read the same
//! table are in one sheet.

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use formulac::Level;

use crate::database::Database;
use crate::draw_formulas::Draw;
use crate::expr::InterpreterExpr;
use crate::forms::{Form, Known};
use crate::formula_tables::{self, GROUP, KEY};
use crate::quiet::quietly;
use crate::random::Random;
use crate::skipped_cases::select_cases;
use crate::spec::{InterpreterProjection, InterpreterSpec, InterpreterStep, KeyColumn};
use crate::uncertainty::{NoiseDirection, with_noise};
use crate::value::Value;
use crate::written::yaml;

/// Number of tables that the formulas share.
const TABLES: u64 = 24;
/// Number of formulas per query.
const TOGETHER: usize = 32;
/// Maximum number of attempts to generate a formula with informative values.
const TRIES: usize = 12;

#[derive(Clone)]
pub struct Formula {
    pub name: String,
    pub function: &'static str,
    pub expr: InterpreterExpr,
    /// Expected value of each row. `None` if the value depends on the last bits of a float.
    pub expected: Vec<Option<Value>>,
}

impl Formula {
    pub fn says_something(&self) -> bool {
        let mut known = self.expected.iter().flatten();
        let first = known.next();
        known.any(|value| first.is_some_and(|first| first.key() != value.key()))
    }

    pub fn functions(&self) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        let mut stack = vec![&self.expr];
        while let Some(x) = stack.pop() {
            if let InterpreterExpr::Call(name, _) | InterpreterExpr::Aggregate(name, _) = x {
                found.insert(*name);
            }
            stack.extend(x.children());
        }
        found.insert(self.function);
        found
    }
}

/// Formulas of one level, such as row or aggregate, that read the same table.
#[derive(Clone)]
pub struct Sheet {
    pub database: Database,
    pub level: Level,
    pub formulas: Vec<Formula>,
}

impl Sheet {
    /// Returns the spec with all formulas.
    pub fn text(&self) -> String {
        yaml(&self.spec(&self.formulas))
    }

    pub fn spec<'a>(&self, formulas: impl IntoIterator<Item = &'a Formula>) -> InterpreterSpec {
        let definitions = formulas.into_iter().map(|f| (f.name.clone(), f.expr.clone())).collect();
        spec(&self.database, self.level, definitions)
    }
}

fn spec(database: &Database, level: Level, definitions: Vec<(String, InterpreterExpr)>) -> InterpreterSpec {
    let entry = |name: &str| KeyColumn {
        name: name.to_owned(),
        frame: None,
    };
    let grouped = level == Level::Aggregate;
    let mut step = InterpreterStep {
        name: "answers".to_owned(),
        definitions,
        ..InterpreterStep::default()
    };
    step.order_by = vec![(entry(if grouped { GROUP } else { KEY }), false)];
    if grouped {
        step.group_by = vec![entry(GROUP)];
    } else {
        step.keep = InterpreterProjection::Some(vec![KEY.to_owned()]);
    }
    InterpreterSpec {
        from: database.tables[0].name.clone(),
        steps: vec![step],
    }
}

/// Returns the value of each row. An uncertain value is `None`. Returns `None` for the whole formula if an engine may
/// fail.
pub fn expected_values(database: &Database, level: Level, x: &InterpreterExpr) -> Option<Vec<Option<Value>>> {
    const NAME: &str = "answer";
    let spec = spec(database, level, vec![(NAME.to_owned(), x.clone())]);
    // Skip formulas that read only the group's key, because they do not depend on the group's rows.
    if level == Level::Aggregate && spec.steps[0].level(x, None) != crate::expr::InterpreterLevel::Aggregate {
        return None;
    }
    let values = |noise: Option<NoiseDirection>| {
        let run = with_noise(noise, || database.interpret(&spec));
        assert!(
            run.unsupported_part.is_none(),
            "the interpreter knows nothing of {:?}",
            run.unsupported_part
        );
        let column: Vec<Value> = run.value.rows.iter().map(|row| row[NAME].clone()).collect();
        (column, run.is_uncertain, run.is_too_large)
    };
    let (column, doubted, oversized) = values(None);
    if oversized || column.iter().any(is_unwieldy) {
        return None;
    }
    let others = [NoiseDirection::One, NoiseDirection::Opposite].map(|noise| values(Some(noise)));
    let settled = |at: usize, value: &Value| {
        !doubted
            && others
                .iter()
                .all(|(column, doubted, _)| !doubted && values_agree(value, &column[at]))
    };
    let settled: Vec<bool> = column
        .iter()
        .enumerate()
        .map(|(at, value)| settled(at, value))
        .collect();
    Some(
        column
            .into_iter()
            .zip(settled)
            .map(|(value, settled)| settled.then_some(value))
            .collect(),
    )
}

pub fn values_agree(a: &Value, b: &Value) -> bool {
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => (a - b).abs() <= 2e-10 * a.abs().max(b.abs()).max(1.0),
        _ => a == b,
    }
}

/// Returns `true` if a result is exempt from comparison or too long to display.
fn is_unwieldy(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.len() > 400,
        Value::Number(n) => !n.is_finite(),
        Value::Date(_) | Value::Time(_) => {
            let year =
                crate::calendar::civil_date(value.seconds().unwrap_or(0).div_euclid(crate::value::SECONDS_PER_DAY)).0;
            !(1..=9999).contains(&year)
        }
        _ => false,
    }
}

/// Returns the levels, such as row or aggregate, of formulas in which a form can be the outermost call.
fn levels(form: &Form) -> Vec<Level> {
    match form.level {
        Level::Window => vec![Level::Window],
        Level::Aggregate if !form.ranges => vec![Level::Aggregate],
        Level::Aggregate => vec![Level::Aggregate, Level::Aggregate, Level::Window],
        _ => vec![Level::Row, Level::Row, Level::Row, Level::Aggregate, Level::Window],
    }
}

/// Draws formulas over the whole catalogue, in sheets.
pub fn draw(facts: &Known, count: u64, seed: u64) -> Vec<Sheet> {
    let only = env::var("FORMULAC_FUNCTION").ok();
    let mut functions: Vec<&'static str> = facts.forms.iter().map(|f| f.function.name).collect();
    functions.dedup();
    functions.retain(|name| only.as_ref().is_none_or(|only| only == name));
    let databases: Vec<Database> = (0..TABLES).map(|at| formula_tables::draw(seed * 1000 + at)).collect();
    let mut open: BTreeMap<(u64, &'static str), Vec<Formula>> = BTreeMap::new();
    let mut sheets = Vec::new();
    for at in select_cases(0..count) {
        let mut random = Random::new(seed.wrapping_mul(1_000_000) + at);
        // Use the functions in turn, so that each function occurs often enough.
        let function = functions[(at % functions.len() as u64) as usize];
        let forms: Vec<&Form> = facts
            .forms
            .iter()
            .filter(|form| form.function.name == function)
            .collect();
        let table = random.random_below(TABLES as usize) as u64;
        let database = &databases[table as usize];
        let mut best: Option<(Level, Formula)> = None;
        for _ in 0..TRIES {
            let form = *random.pick(&forms);
            let level = *random.pick(&levels(form));
            let depth = 1 + random.random_below(3);
            let mut draw = Draw {
                random: &mut random,
                facts,
                table: &database.tables[0],
            };
            let expr = draw.formula(form, level, depth);
            if expr.to_string().len() > 600 {
                continue;
            }
            let Some(expected) = quietly(|| expected_values(database, level, &expr)) else {
                panic!("the interpreter knows no value of {expr}");
            };
            let Some(expected) = expected else { continue };
            let name = format!("{}_{at}", function.to_lowercase().replace('.', "_"));
            let formula = Formula {
                name,
                function,
                expr,
                expected,
            };
            let good = formula.says_something();
            if best.is_none() || good {
                best = Some((level, formula));
            }
            // A table with fewer than two rows cannot provide more information.
            if good || database.tables[0].rows.len() < 2 {
                break;
            }
        }
        let Some((level, formula)) = best else { continue };
        let key = (
            table,
            match level {
                Level::Aggregate => "aggregate",
                Level::Window => "window",
                _ => "row",
            },
        );
        let formulas = open.entry(key).or_default();
        formulas.push(formula);
        if formulas.len() == TOGETHER {
            sheets.push(sheet(database, key.1, std::mem::take(formulas)));
        }
    }
    for ((table, level), formulas) in open {
        if !formulas.is_empty() {
            sheets.push(sheet(&databases[table as usize], level, formulas));
        }
    }
    sheets
}

fn sheet(database: &Database, level: &str, formulas: Vec<Formula>) -> Sheet {
    let level = match level {
        "aggregate" => Level::Aggregate,
        "window" => Level::Window,
        _ => Level::Row,
    };
    Sheet {
        database: database.clone(),
        level,
        formulas,
    }
}

/// Fails if a function of the catalogue occurs in too few formulas.
pub fn every_function_is_drawn(facts: &Known, formulas: &[(&Sheet, &Formula)]) {
    let mut drawn: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, formula) in formulas {
        formula
            .functions()
            .into_iter()
            .for_each(|name| *drawn.entry(name).or_default() += 1);
    }
    for function in formulac::catalog::functions() {
        let count = drawn.get(function.name).copied().unwrap_or(0);
        let enough = formulas.len() / 1000;
        assert!(
            facts.excluded.contains_key(function.name) || count >= enough,
            "{} occurs in {count} random formulas, but must occur in {enough}: correct its entry in agreement.yml, or exclude it there with a reason",
            function.name
        );
    }
}
