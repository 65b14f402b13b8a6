//! Generates random metric sets, and models built on one or two of them.

use crate::calendar::{InterpreterCalendarUnit, PeriodFrame};
use crate::database::{Database, Table};
use crate::draw_joins::Relation;
use crate::draw_specs::{GROUPED, Maker, Scope};
use crate::expr::{InterpreterExpr, InterpreterOp, RangeEndPosition, RangeWindowRows, Window};
use crate::kind::Kind;
use crate::random::Random;
use crate::spec::{InterpreterJoin, InterpreterJoinKind, JoinCondition, unqualified_name};

#[derive(Clone)]
pub struct MetricSet {
    pub name: &'static str,
    pub table: String,
    pub join: Option<InterpreterJoin>,
    pub filter: Option<InterpreterExpr>,
    pub time: String,
    pub time_kind: Kind,
    pub dimensions: Vec<(String, InterpreterExpr)>,
    pub metrics: Vec<MetricFormula>,
    /// Columns and dimensions, as spelled in formulas.
    pub rows: Vec<(InterpreterExpr, Kind)>,
}

impl MetricSet {
    /// Returns whether a name is the time column, or a dimension that consists only of the time column.
    fn is_time(&self, name: &str) -> bool {
        let is_column = |name: &str| name == self.time;
        let is_alias = |(dimension, x): &(String, InterpreterExpr)| {
            dimension == name && matches!(x, InterpreterExpr::Name(column) if is_column(column))
        };
        is_column(name) || self.dimensions.iter().any(is_alias)
    }
}

/// Formula of a metric in a metric set, or of a definition in a model.
#[derive(Clone)]
pub struct MetricFormula {
    pub name: String,
    pub formula: InterpreterExpr,
    pub kind: Kind,
    pub window: Option<WindowForm>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WindowForm {
    /// Reads this row and earlier rows.
    LooksBack,
    /// Reads rows in an order.
    Ordered,
    /// Reads all rows, without an order.
    Total,
}

#[derive(Clone)]
pub enum ModelKey {
    /// Period of each metric set's time column. If `is_spelled` is set, the key is written as a mapping, or as the
    /// column with a timeframe if there is only one metric set.
    Time { frame: PeriodFrame, is_spelled: bool },
    /// Column or dimension of each metric set. `name` is the name of a mapping.
    Column {
        name: Option<String>,
        of: Vec<InterpreterExpr>,
    },
}

/// Entry of `metrics`.
#[derive(Clone)]
pub enum Listed {
    All(usize),
    One {
        set: usize,
        metric: String,
        renamed: Option<String>,
    },
}

#[derive(Clone)]
pub struct ModelOverSets {
    pub blank_zero: bool,
    pub sets: Vec<MetricSet>,
    pub keys: Vec<ModelKey>,
    pub listed_metrics: Vec<Listed>,
    /// Filter of each metric set.
    pub filters: Vec<Option<InterpreterExpr>>,
    pub having: Option<InterpreterExpr>,
    /// Descending or ascending order of the first keys. Empty if the model has no `order_by`.
    pub order_by: Vec<bool>,
    pub limit: Option<usize>,
    pub since: Option<i64>,
    pub until: Option<i64>,
    /// Periods of the time key for which the model has rows.
    pub fill: Option<Fill>,
    pub definitions: Vec<MetricFormula>,
}

#[derive(Clone, Copy)]
pub struct Fill {
    pub from: Option<i64>,
    pub to: Option<i64>,
    pub is_each: bool,
}

impl ModelKey {
    /// Returns the name of the output column.
    pub fn output(&self, sets: &[MetricSet]) -> String {
        match (self, sets) {
            (Self::Time { frame, .. }, [set]) => format!("{}_{}", set.time, frame.name()),
            (Self::Time { is_spelled: true, .. }, _) => "period".to_owned(),
            (Self::Time { frame, .. }, _) => frame.name().to_owned(),
            (Self::Column { name: Some(name), .. }, _) => name.clone(),
            (Self::Column { of, .. }, _) => unqualified_name(name_of(&of[0])).to_owned(),
        }
    }

    /// Returns the name of the key in the model's formulas.
    pub fn name(&self, sets: &[MetricSet]) -> String {
        match self {
            Self::Time {
                frame,
                is_spelled: false,
            } => frame.name().to_owned(),
            _ => self.output(sets),
        }
    }
}

pub fn name_of(x: &InterpreterExpr) -> &str {
    match x {
        InterpreterExpr::Name(name) => name,
        other => panic!("{other} is not a name"),
    }
}

impl ModelOverSets {
    pub fn time_key(&self) -> Option<(usize, PeriodFrame)> {
        self.keys.iter().enumerate().find_map(|(at, key)| match key {
            ModelKey::Time { frame, .. } => Some((at, *frame)),
            ModelKey::Column { .. } => None,
        })
    }

    /// Returns the key that orders windows. If the time itself is a key, returns the time, because it is finer than its
    /// periods; otherwise, returns a period. With `fill`, windows are ordered by the filled key.
    pub fn window_key(&self) -> Option<(usize, Option<PeriodFrame>)> {
        let (index, frame) = self.time_key()?;
        let is_time = |key: &ModelKey| match key {
            ModelKey::Column { name: None, of } => self.sets.iter().enumerate().all(|(at, set)| {
                let column = of.get(at).or(of.first());
                set.time_kind != Kind::Time && column.is_some_and(|of| set.is_time(name_of(of)))
            }),
            _ => false,
        };
        let time = self.keys.iter().position(is_time);
        let finer = time.filter(|_| self.fill.is_none());
        Some(finer.map_or((index, Some(frame)), |time| (time, None)))
    }

    /// Returns the metrics that the model lists, each with its name in the model.
    pub fn outputs(&self) -> Vec<(&MetricFormula, String)> {
        let mut outputs = Vec::new();
        for entry in &self.listed_metrics {
            match entry {
                Listed::All(set) => {
                    let metrics = self.sets[*set].metrics.iter();
                    outputs.extend(metrics.map(|metric| (metric, metric.name.clone())));
                }
                Listed::One { set, metric, renamed } => {
                    let metric_formula = self.sets[*set].metrics.iter().find(|of| of.name == *metric);
                    let found = metric_formula.expect("a model lists metrics of its sets");
                    outputs.push((found, renamed.clone().unwrap_or_else(|| metric.clone())));
                }
            }
        }
        outputs
    }

    /// Returns every metric, listed or not, with its name in the model.
    pub fn all_metrics(&self) -> Vec<(&MetricFormula, String)> {
        let mut visible = self.outputs();
        for metric in self.sets.iter().flat_map(|set| &set.metrics) {
            if visible.iter().all(|(of, _)| of.name != metric.name) {
                visible.push((metric, metric.name.clone()));
            }
        }
        visible
    }
}

/// Generates metric sets and a model built on them.
pub fn model(random: &mut Random, database: &Database) -> ModelOverSets {
    let frame = if random.chance(60) {
        PeriodFrame::Month
    } else {
        *random.pick(&PeriodFrame::ALL)
    };
    let is_timed = random.chance(65);
    let blank_zero = random.chance(15);
    let (orders, customers, visits) = (&database.tables[0], &database.tables[1], &database.tables[3]);
    let mut sets = vec![metric_set(random, "sales", (orders, "ordered_on"), customers)];
    if random.chance(50) {
        let times: Vec<&str> = orders
            .columns
            .iter()
            .filter(|c| c.kind == Kind::Time)
            .map(|c| c.name)
            .collect();
        let of = match random.chance(20) {
            true => (orders, *random.pick(&times)),
            false => (visits, visits.columns[2].name),
        };
        sets.push(metric_set(random, "traffic", of, customers));
    }
    let keys = keys(random, &sets, is_timed.then_some(frame));
    let by = is_timed.then_some(frame);
    for set in &mut sets {
        for _ in 0..random.random_below(3) {
            let read = set.metrics.iter();
            let metrics: Vec<(InterpreterExpr, Kind)> =
                read.map(|m| (InterpreterExpr::name(&m.name), m.kind)).collect();
            if let Some((formula, kind, form)) = window(random, &metrics, by, keys.len()) {
                let name = format!("{}_{}", set.name, set.metrics.len());
                set.metrics.push(MetricFormula {
                    name,
                    formula,
                    kind,
                    window: Some(form),
                });
            }
        }
    }
    let listed = draw_listed_metrics(random, &sets);
    let filters = sets
        .iter()
        .map(|set| {
            let mut maker = Maker::of_expressions(random, Relation::of(orders));
            let rows = Scope {
                leaves: set.rows.clone(),
                ..Scope::default()
            };
            maker.random.chance(35).then(|| maker.with_name(Kind::Bool, &rows))
        })
        .collect();
    let mut model = ModelOverSets {
        blank_zero,
        sets,
        keys,
        listed_metrics: listed,
        filters,
        having: None,
        order_by: Vec::new(),
        limit: None,
        since: None,
        until: None,
        fill: None,
        definitions: Vec::new(),
    };
    finish(random, &mut model, Relation::of(orders));
    if is_timed && random.chance(30) {
        let (one, other) = (day(random), day(random));
        model.fill = Some(Fill {
            from: random.chance(40).then_some(one.min(other)),
            to: random.chance(40).then_some(one.max(other)),
            is_each: random.chance(30),
        });
    }
    model
}

fn day(random: &mut Random) -> i64 {
    crate::calendar::day_number(2023, 1, 1) + random.next_between(0, 900)
}

/// Adds an order, definitions and conditions to a model.
fn finish(random: &mut Random, model: &mut ModelOverSets, relation: Relation) {
    if !model.keys.is_empty() && random.chance(25) {
        model.order_by = model.keys.iter().map(|_| random.chance(30)).collect();
        // Windows in the model's order need its time key.
        let is_time_first = model.time_key().is_none_or(|(index, _)| index == 0);
        if is_time_first && random.chance(40) {
            model.order_by.truncate(1);
        }
        if model.order_by.len() == model.keys.len() && random.chance(40) {
            model.limit = Some(1 + random.random_below(4));
        }
    }
    let visible = model.all_metrics().into_iter();
    let visible: Vec<(InterpreterExpr, Kind, bool)> = visible
        .map(|(metric, name)| (InterpreterExpr::name(&name), metric.kind, metric.window.is_some()))
        .collect();
    let mut metrics: Vec<(InterpreterExpr, Kind)> = visible.iter().map(|(x, kind, _)| (x.clone(), *kind)).collect();
    let by = model.time_key().map(|(_, frame)| frame);
    let count = random.random_below(4);
    for at in 0..count {
        let name = format!("defined_{at}");
        let (formula, kind, form) = if random.chance(50) {
            match window(random, &metrics, by, model.keys.len()) {
                Some((formula, kind, form)) => (formula, kind, Some(form)),
                None => continue,
            }
        } else {
            let scope = Scope {
                leaves: metrics.clone(),
                ..Scope::default()
            };
            let mut maker = Maker::of_expressions(random, relation.clone());
            let kind = maker.any_kind(&scope);
            let formula = maker.with_name(kind, &scope);
            (formula, kind, None)
        };
        let definition = MetricFormula {
            name,
            formula,
            kind,
            window: form,
        };
        metrics.push((InterpreterExpr::name(&definition.name), kind));
        model.definitions.push(definition);
    }
    let unwindowed = visible.iter().filter(|(_, _, is_window)| !is_window);
    let scope = Scope {
        leaves: unwindowed.map(|(x, kind, _)| (x.clone(), *kind)).collect(),
        ..Scope::default()
    };
    if random.chance(25) {
        let mut maker = Maker::of_expressions(random, relation);
        model.having = Some(maker.with_name(Kind::Bool, &scope));
    }
    let formulas = model.sets.iter().flat_map(|set| &set.metrics).chain(&model.definitions);
    let looks_back = formulas
        .filter_map(|metric| metric.window)
        .all(|form| form == WindowForm::LooksBack);
    if model.order_by.is_empty() && looks_back && random.chance(35) {
        let (one, other) = (day(random), day(random));
        model.since = random.chance(70).then_some(one.min(other));
        model.until = random.chance(60).then_some(one.max(other));
    }
}

fn metric_set(random: &mut Random, name: &'static str, (table, time): (&Table, &str), customers: &Table) -> MetricSet {
    let join = random.chance(45).then(|| InterpreterJoin {
        to: customers.name.clone(),
        alias: Some("customers".to_owned()),
        condition: JoinCondition::On(InterpreterExpr::Binary(
            InterpreterOp::Equal,
            Box::new(InterpreterExpr::name(&format!("{}.customer_id", table.name))),
            Box::new(InterpreterExpr::name("customers.customer_id")),
        )),
        kind: *random.pick(&[
            InterpreterJoinKind::Left,
            InterpreterJoinKind::Left,
            InterpreterJoinKind::Inner,
        ]),
        many: false,
    });
    let spelled = |relation: &str, column: &str| match (&join, column) {
        (Some(_), "customer_id") => format!("{relation}.{column}"),
        _ if relation == "customers" => format!("{relation}.{column}"),
        _ => column.to_owned(),
    };
    let own = table.columns.iter().map(|c| (spelled(&table.name, c.name), c.kind));
    let joined = join.iter().flat_map(|_| &customers.columns);
    let joined = joined.map(|c| (spelled("customers", c.name), c.kind));
    let mut rows = Scope {
        leaves: own
            .chain(joined)
            .map(|(name, kind)| (InterpreterExpr::name(&name), kind))
            .collect(),
        ..Scope::default()
    };
    let mut maker = Maker::of_expressions(random, Relation::of(table));
    let mut dimensions = Vec::new();
    for at in 0..maker.random.random_below(3) {
        let kind = maker.any_kind(&rows);
        let formula = maker.with_name(kind, &rows);
        let name = format!("{name}_dimension_{at}");
        rows.leaves.push((InterpreterExpr::name(&name), kind));
        dimensions.push((name, formula));
    }
    let filter = maker.random.chance(35).then(|| maker.with_name(Kind::Bool, &rows));
    let mut metrics: Vec<MetricFormula> = Vec::new();
    for at in 0..2 + maker.random.random_below(4) {
        let scope = Scope {
            leaves: metrics
                .iter()
                .map(|m| (InterpreterExpr::name(&m.name), m.kind))
                .collect(),
            rows: rows.leaves.clone(),
            ..Scope::default()
        };
        let kind = maker.any_kind(&scope);
        let formula = match metrics.is_empty() || maker.random.chance(55) {
            true => maker.aggregate(kind, &scope),
            false => maker.with_name(kind, &scope),
        };
        metrics.push(MetricFormula {
            name: format!("{name}_{at}"),
            formula,
            kind,
            window: None,
        });
    }
    let time_kind = table.columns.iter().find(|c| c.name == time).map(|c| c.kind);
    MetricSet {
        name,
        table: table.name.clone(),
        join,
        filter,
        time: time.to_owned(),
        time_kind: time_kind.unwrap_or(Kind::Date),
        dimensions,
        metrics,
        rows: rows.leaves,
    }
}

fn keys(random: &mut Random, sets: &[MetricSet], frame: Option<PeriodFrame>) -> Vec<ModelKey> {
    let is_spelled = random.chance(30);
    let mut keys: Vec<ModelKey> = frame
        .into_iter()
        .map(|frame| ModelKey::Time { frame, is_spelled })
        .collect();
    let count = match keys.len() {
        0 => *random.pick(&[0, 1, 1, 2]),
        _ => *random.pick(&[0, 0, 1, 1, 2]),
    };
    for at in 0..count {
        let grouped = sets[0].rows.iter().filter(|(_, kind)| GROUPED.contains(kind));
        let (first, kind) = random.pick(&grouped.collect::<Vec<_>>()).to_owned().clone();
        let mut of = vec![first.clone()];
        if let Some(other) = sets.get(1) {
            let alike: Vec<&InterpreterExpr> = other.rows.iter().filter(|(_, k)| *k == kind).map(|(x, _)| x).collect();
            if alike.is_empty() {
                continue;
            }
            let same = alike.contains(&&first) && random.chance(60);
            of.push(if same {
                first.clone()
            } else {
                (*random.pick(&alike)).clone()
            });
        }
        let is_joined = name_of(&first).starts_with("customers.");
        let is_shared = of.iter().all(|x| *x == first) && (is_joined || sets.iter().all(|s| s.table == sets[0].table));
        let name = (!is_shared).then(|| format!("key_{at}"));
        let key = ModelKey::Column { name, of };
        let is_new = |other: &ModelKey| match (other, &key) {
            (ModelKey::Column { of: a, .. }, ModelKey::Column { of: b, .. }) => a
                .iter()
                .zip(b)
                .all(|(a, b)| unqualified_name(name_of(a)) != unqualified_name(name_of(b))),
            _ => true,
        };
        let output = key.output(sets).to_lowercase();
        if keys
            .iter()
            .all(|other| is_new(other) && other.output(sets).to_lowercase() != output)
        {
            keys.push(key);
        }
    }
    if random.chance(30) {
        keys.reverse();
    }
    keys
}

fn draw_listed_metrics(random: &mut Random, sets: &[MetricSet]) -> Vec<Listed> {
    let mut listed = Vec::new();
    for (at, set) in sets.iter().enumerate() {
        if random.chance(15) {
            listed.push(Listed::All(at));
            continue;
        }
        let mut places: Vec<usize> = (0..set.metrics.len()).collect();
        random.shuffle(&mut places);
        let count = 1 + random.random_below(places.len());
        for index in places.into_iter().take(count) {
            listed.push(Listed::One {
                set: at,
                metric: set.metrics[index].name.clone(),
                renamed: random.chance(20).then(|| format!("renamed_{}", listed.len())),
            });
        }
    }
    if listed.len() > 1 && random.chance(50) {
        random.shuffle(&mut listed);
    }
    listed
}

/// Generates a formula with a window over one of the metrics. `by` is the period of the time key.
fn window(
    random: &mut Random,
    metrics: &[(InterpreterExpr, Kind)],
    by: Option<PeriodFrame>,
    keys: usize,
) -> Option<(InterpreterExpr, Kind, WindowForm)> {
    let (x, kind) = random.pick(metrics).clone();
    let boxed = || Box::new(x.clone());
    let (window, made, form) = match (by, random.random_below(8)) {
        (_, 0) if keys > 0 && matches!(kind, Kind::Int | Kind::Exact | Kind::Date) => {
            let rank = Window::Rank("RANK", boxed(), random.chance(60));
            (InterpreterExpr::Window(rank), Kind::Int, WindowForm::Total)
        }
        (None, _) | (_, 0 | 1) => {
            let (aggregate, made) = range_aggregate(random, kind);
            let range = InterpreterExpr::Range(boxed(), RangeWindowRows::All);
            (
                InterpreterExpr::Aggregate(aggregate, vec![range]),
                made,
                WindowForm::Total,
            )
        }
        (Some(frame), 2 | 3) => {
            let units = [
                InterpreterCalendarUnit::Month,
                InterpreterCalendarUnit::Quarter,
                InterpreterCalendarUnit::Year,
            ];
            let longer: Vec<InterpreterCalendarUnit> = units.into_iter().filter(|unit| *unit >= frame.unit()).collect();
            let unit = if random.chance(60) {
                frame.unit()
            } else {
                *random.pick(&longer)
            };
            let shift = *random.pick(&[-1, -1, -1, -2, 1]);
            let form = if shift < 0 {
                WindowForm::LooksBack
            } else {
                WindowForm::Ordered
            };
            (
                InterpreterExpr::Window(Window::Period(boxed(), shift, unit)),
                kind,
                form,
            )
        }
        (Some(frame), other) => {
            let from = match other {
                4 => RangeEndPosition::Moved(-2, frame.unit()),
                5 => RangeEndPosition::InPeriod(PeriodFrame::Year, false),
                6 => RangeEndPosition::At(-1),
                _ => RangeEndPosition::First,
            };
            let (aggregate, made) = range_aggregate(random, kind);
            let range = InterpreterExpr::Range(boxed(), RangeWindowRows::Between(from, RangeEndPosition::At(0)));
            let call = InterpreterExpr::Aggregate(aggregate, vec![range]);
            (call, made, WindowForm::LooksBack)
        }
    };
    if !kind.is_number() || !made.is_number() || random.chance(50) {
        return Some((window, made, form));
    }
    let op = *random.pick(&[InterpreterOp::Subtract, InterpreterOp::Divide]);
    let made = match op {
        InterpreterOp::Divide => Kind::Float,
        _ if made == Kind::Float || kind == Kind::Float => Kind::Float,
        _ if made == Kind::Exact || kind == Kind::Exact => Kind::Exact,
        _ => Kind::Int,
    };
    Some((InterpreterExpr::Binary(op, boxed(), Box::new(window)), made, form))
}

fn range_aggregate(random: &mut Random, kind: Kind) -> (&'static str, Kind) {
    match random.random_below(5) {
        0 | 1 if kind.is_number() => ("SUM", kind),
        2 if kind.is_number() => ("AVERAGE", Kind::Float),
        3 => ("COUNT", Kind::Int),
        _ if kind == Kind::Bool => ("COUNTIF", Kind::Int),
        _ => (*random.pick(&["MIN", "MAX"]), kind),
    }
}
