//! Random specs that mean something: every name is known, every type fits, every order is total where rows depend on it.

use crate::calendar::{Frame, Unit, days};
use crate::database::Table;
use crate::draw_joins::{Many, Relation};
use crate::expr::{Expr, Level, Op, Place, Rows, Window};
use crate::random::Random;
use crate::spec::{Entry, Keep, Spec, Step, bare};
use crate::value::{DAY, Kind, Value};

/// What a step can read.
pub struct Input {
    /// What `keep` is about; of joined relations the first, with what tells the joined rows apart.
    pub relation: Relation,
    /// Columns as formulas spell them.
    pub leaves: Vec<(Expr, Kind)>,
    /// All of these; formulas read some.
    pub every: Vec<(Expr, Kind)>,
    /// Relations that are joined with many rows.
    pub many: Vec<Many>,
}

impl Input {
    fn of(relation: Relation) -> Self {
        let leaves: Vec<(Expr, Kind)> = relation.columns.iter().map(|(name, kind)| (Expr::name(name), *kind)).collect();
        Self { relation, every: leaves.clone(), leaves, many: Vec::new() }
    }
}

pub fn spec(random: &mut Random, tables: &[Table]) -> Spec {
    let mut known: Vec<Relation> = tables.iter().map(Relation::of).collect();
    let mut read = known[0].clone();
    let mut steps = Vec::new();
    let count = 1 + random.below(3);
    let (mut made, mut multiplied) = (0, 0);
    let blank_zero = random.percent(15);
    for at in 0..count {
        let input = Input::of(read);
        let mut maker = Maker {
            random,
            input,
            step: Step { blank_zero, ..Step::default() },
            made,
            kinds: Vec::new(),
            multiplied,
            calendar: None,
        };
        read = maker.step(at, &known);
        (made, multiplied) = (maker.made, maker.multiplied);
        steps.push(maker.step);
        known.push(read.clone());
    }
    Spec { from: tables[0].name.clone(), steps }
}

pub struct Maker<'a> {
    pub random: &'a mut Random,
    pub input: Input,
    pub step: Step,
    made: usize,
    /// Kinds of the definitions.
    kinds: Vec<(String, Kind)>,
    /// How many joins of the spec may find several rows.
    pub multiplied: usize,
    /// The period by which the step is grouped and ordered, so that others can be looked up.
    calendar: Option<Entry>,
}

/// What expressions are made of.
#[derive(Clone, Default)]
pub struct Scope {
    /// What stands for itself.
    pub leaves: Vec<(Expr, Kind)>,
    /// What aggregates take; empty where none may stand.
    pub rows: Vec<(Expr, Kind)>,
    /// What windows take; empty where none may stand.
    pub windowed: Vec<(Expr, Kind)>,
}

/// Kinds that can be compared and ordered by; times where there are some.
const COMPARED: [Kind; 5] = [Kind::Int, Kind::Exact, Kind::Text, Kind::Date, Kind::Time];
pub const GROUPED: [Kind; 5] = [Kind::Int, Kind::Bool, Kind::Text, Kind::Date, Kind::Time];

impl Maker<'_> {
    fn step(&mut self, at: usize, known: &[Relation]) -> Relation {
        self.step.name = ["first_step", "second_step", "third_step"][at].to_owned();
        if self.random.percent(45) {
            self.joins(known);
        }
        let mut rows = Scope { leaves: self.input.leaves.clone(), ..Scope::default() };
        for _ in 0..self.random.below(3) {
            self.row_definition(&mut rows);
        }
        if self.random.percent(35) {
            // Where a column and a definition share a name, the column is meant, which has the same kind.
            let filter = self.with_name(Kind::Bool, &rows);
            self.step.filter = Some(filter);
        }
        // Of two relations with many rows each repeats the other's.
        let aggregates = match self.input.many.as_slice() {
            [] => true,
            [one] => !one.leaves.is_empty(),
            _ => false,
        };
        if aggregates && self.random.percent(60) { self.grouped(&rows) } else { self.plain(rows) }
    }

    /// Mostly a plain name, at times one that needs quotes.
    fn name(&mut self) -> String {
        self.made += 1;
        match self.random.below(40) {
            0 => format!("Value {}", self.made),
            1 => format!("Größe {}", self.made),
            2 => format!("NetValue{}", self.made),
            3 if self.made < 4 => ["user", "table", "where", "limit"][self.made].to_owned(),
            _ => format!("value_{}", self.made),
        }
    }

    /// A kind of which something can be made here.
    fn any_kind(&mut self, scope: &Scope) -> Kind {
        if has_times(scope) && self.random.percent(12) { Kind::Time } else { *self.random.pick(&Kind::ALL) }
    }

    fn compared(&mut self, scope: &Scope) -> Kind {
        let kind = *self.random.pick(&COMPARED);
        if kind == Kind::Time && !has_times(scope) { Kind::Date } else { kind }
    }

    fn define(&mut self, name: String, kind: Kind, x: Expr) {
        self.kinds.push((name.clone(), kind));
        self.step.definitions.push((name, x));
    }

    /// A definition of single rows, at times under the name of a column that it cleans.
    fn row_definition(&mut self, rows: &mut Scope) {
        let kind = self.any_kind(rows);
        let x = self.with_name(kind, rows);
        let column = rows.leaves.iter().find(|(x, k)| *k == kind && matches!(x, Expr::Name(_))).cloned();
        match column {
            Some((Expr::Name(name), _))
                if !name.contains('.') && self.random.percent(20) && !self.kinds.iter().any(|(n, _)| *n == name) =>
            {
                // Others that are there already now read this one; it must not read them.
                if self.step.definitions.iter().all(|(_, other)| !reads(other, &name)) {
                    let cleaned = Expr::Call("COALESCE", vec![Expr::Name(name.clone()), self.literal(kind)]);
                    self.define(name, kind, cleaned);
                }
            }
            _ => {
                let name = self.name();
                rows.leaves.push((Expr::name(&name), kind));
                self.define(name, kind, x);
            }
        }
    }

    fn grouped(&mut self, rows: &Scope) -> Relation {
        let mut keys: Vec<(Expr, Kind)> = Vec::new();
        let is_dated = |kind: Kind| matches!(kind, Kind::Date | Kind::Time);
        let dates: Vec<(Expr, Kind)> = rows.leaves.iter().filter(|(_, kind)| is_dated(*kind)).cloned().collect();
        let calendar = !dates.is_empty() && self.random.percent(25);
        let count = if calendar { 2 + self.random.below(3) } else { *self.random.pick(&[0, 1, 1, 1, 2, 2, 3]) };
        for at in 0..count {
            let date = calendar && at == 0;
            let (leaf, kind) = self.random.pick(if date { &dates } else { &rows.leaves }).clone();
            let Expr::Name(name) = &leaf else { continue };
            if !GROUPED.contains(&kind) || (calendar && !date && is_dated(kind)) {
                continue;
            }
            let frame = (is_dated(kind) && self.random.percent(75)).then(|| *self.random.pick(&Frame::ALL));
            // Periods with a neighbour are the months mostly.
            let frame = frame.map(|frame| match date {
                true => *self.random.pick(&[Frame::Month, Frame::Month, frame]),
                false => frame,
            });
            let entry = Entry { name: name.clone(), frame };
            let is_taken = self.kinds.iter().any(|(n, _)| *n == entry.output() && *n != entry.name);
            if !is_taken && self.step.group_by.iter().all(|e| e.output() != entry.output() && e.name != entry.name) {
                keys.push((entry.expr(), if entry.frame.is_some() { Kind::Date } else { kind }));
                if date {
                    self.calendar = Some(entry.clone());
                }
                self.step.group_by.push(entry);
            }
        }
        let mut leaves = keys.clone();
        // What is made of keys alone has one value in a group.
        for (name, kind) in &self.kinds {
            let mut names = Vec::new();
            self.step.definition(name).into_iter().for_each(|x| x.names(&mut names));
            let is_key = |name: &String| self.step.group_by.iter().any(|e| e.frame.is_none() && e.name == *name);
            if !is_key(name) && !names.contains(name) && names.iter().all(is_key) {
                leaves.push((Expr::name(name), *kind));
            }
        }
        let mut scope = Scope { leaves, rows: self.aggregated(rows), windowed: Vec::new() };
        let helpers = self.kinds.len();
        self.shadow(&mut scope);
        for at in 0..usize::from(keys.is_empty()) + self.random.below(4) {
            let kind = self.any_kind(&scope);
            // Without keys it is an aggregate that makes a step a grouped one.
            let x =
                if keys.is_empty() && at == 0 { self.aggregate(kind, &scope) } else { self.group_expr(kind, &scope) };
            let name = self.name();
            scope.leaves.push((Expr::name(&name), kind));
            self.define(name, kind, x);
        }
        if self.random.percent(20) {
            let having = self.group_expr(Kind::Bool, &scope);
            self.step.having = Some(having);
        }
        self.ordered(&scope.leaves.clone());
        self.windows(&scope);
        let key_columns = self.step.group_by.iter().zip(&keys).map(|(e, (_, kind))| (e.output(), *kind));
        let mut columns: Vec<(String, Kind)> = key_columns.collect();
        // What is made of keys alone is a helper.
        let is_output = |(name, _): &&(String, Kind)| self.step.level_of(name) != Level::Row;
        columns.extend(self.kinds.iter().skip(helpers).filter(is_output).cloned());
        let grain: Vec<String> = self.step.group_by.iter().map(Entry::output).collect();
        self.limited();
        Relation { name: self.step.name.clone(), columns, single: grain.is_empty(), grain, sure: false }
    }

    /// What aggregates may take.
    fn aggregated(&self, rows: &Scope) -> Vec<(Expr, Kind)> {
        self.input.many.first().map_or_else(|| rows.leaves.clone(), |many| many.leaves.clone())
    }

    fn keep(&mut self) -> Keep {
        // A row of several relations keeps columns of any.
        let names: Vec<String> = match self.step.joins.is_empty() || self.random.percent(30) {
            true => self.input.relation.columns.iter().map(|(n, _)| n.clone()).collect(),
            false => self
                .input
                .leaves
                .iter()
                .filter_map(|(x, _)| if let Expr::Name(name) = x { Some(name.clone()) } else { None })
                .collect(),
        };
        match self.random.below(3) {
            0 => Keep::Nothing,
            1 => Keep::All,
            _ => {
                let mut some: Vec<String> = Vec::new();
                let mut add = |name: &String| {
                    if some.iter().all(|other| bare(other) != bare(name)) {
                        some.push(name.clone());
                    }
                };
                let likely = if self.step.joins.is_empty() { 60 } else { 35 };
                // Mostly with what tells the rows apart.
                if !self.step.joins.is_empty() {
                    self.input.relation.grain.iter().filter(|_| self.random.percent(70)).for_each(&mut add);
                }
                names.iter().filter(|_| self.random.percent(likely)).for_each(&mut add);
                self.input.relation.grain.iter().filter(|_| self.random.percent(70)).for_each(&mut add);
                if some.is_empty() { Keep::Nothing } else { Keep::Some(some) }
            }
        }
    }

    /// What is kept, in order: what it is called, its kind, and the name that tells which column it is.
    fn kept(&self) -> Vec<(String, Kind, String)> {
        let relation = &self.input.relation;
        let joined = !self.step.joins.is_empty();
        let own = |name: &String| {
            let (_, kind) = relation.columns.iter().find(|(n, _)| n == name)?;
            // Grain is told by merged names, or by those of relations.
            let merged = !joined || relation.grain.contains(name);
            let told = if merged { name.clone() } else { format!("{}.{name}", relation.name) };
            Some((name.clone(), *kind, told))
        };
        let any = |name: &String| {
            let leaf = self.input.every.iter().find(|(x, _)| *x == Expr::name(name));
            let told = || own(name).filter(|_| !name.contains('.'));
            told().or_else(|| leaf.map(|(_, kind)| (bare(name).to_owned(), *kind, name.clone())))
        };
        match &self.step.keep {
            Keep::Nothing => Vec::new(),
            Keep::All => relation.columns.iter().filter_map(|(name, _)| own(name)).collect(),
            Keep::Some(names) => names.iter().filter_map(any).collect(),
        }
    }

    fn plain(&mut self, scope: Scope) -> Relation {
        self.step.keep = self.keep();
        if self.step.definitions.is_empty() {
            let kind = self.any_kind(&scope);
            let x = self.with_name(kind, &scope);
            let name = self.name();
            self.define(name, kind, x);
        }
        if !self.input.relation.grain.is_empty() {
            self.ordered(&scope.leaves.clone());
        }
        self.windows(&scope);
        self.limited();
        let is_defined = |name: &String| self.kinds.iter().any(|(n, _)| n == name);
        let kept: Vec<(String, Kind, String)> =
            self.kept().into_iter().filter(|(name, ..)| !is_defined(name)).collect();
        let output = |grain: &String| kept.iter().find(|(.., told)| told == grain).map(|(name, ..)| name.clone());
        let grain: Option<Vec<String>> = self.input.relation.grain.iter().map(output).collect();
        let mut columns: Vec<(String, Kind)> = kept.iter().map(|(name, kind, _)| (name.clone(), *kind)).collect();
        columns.extend(self.kinds.iter().cloned());
        let sure = self.input.relation.sure;
        Relation { name: self.step.name.clone(), columns, grain: grain.unwrap_or_default(), sure, single: false }
    }

    fn ordered(&mut self, leaves: &[(Expr, Kind)]) {
        if let Some(entry) = self.calendar.clone() {
            let descending = self.random.percent(20);
            self.step.order_by.push((entry, descending));
        }
        if !self.random.percent(if self.calendar.is_some() { 25 } else { 65 }) {
            return;
        }
        for _ in 0..1 + self.random.below(2) {
            let (leaf, kind) = self.random.pick(leaves).clone();
            let entry = match leaf {
                Expr::Name(name) => Entry { name, frame: None },
                Expr::Period(name, frame) => Entry { name, frame: Some(frame) },
                _ => continue,
            };
            if COMPARED.contains(&kind) && self.step.order_by.iter().all(|(e, _)| *e != entry) {
                let descending = self.random.percent(35);
                self.step.order_by.push((entry, descending));
            }
        }
        if !self.step.order_by.is_empty() && self.random.percent(15) {
            let keys = if self.step.group_by.is_empty() {
                leaves.iter().filter(|(_, k)| GROUPED.contains(k)).map(|(x, _)| x.clone()).collect()
            } else {
                self.step.group_by.iter().filter(|e| e.frame.is_none()).map(Entry::expr).collect::<Vec<_>>()
            };
            let names: Vec<String> = keys
                .into_iter()
                .filter_map(|x| if let Expr::Name(name) = x { Some(name) } else { None })
                .filter(|name| self.step.order_by.iter().all(|(e, _)| e.name != *name))
                .collect();
            let count = self.random.below(names.len().min(2) + 1);
            self.step.partition_by = Some(names.into_iter().take(count).collect());
        }
    }

    fn windows(&mut self, scope: &Scope) {
        let mut scope = Scope { windowed: scope.leaves.clone(), ..scope.clone() };
        // Of two dates the first is moved, which the interpreter cannot tell where one is empty in all rows.
        let dates = [Kind::Date, Kind::Time];
        let is_date = |entry: &Entry| scope.leaves.iter().any(|(x, kind)| *x == entry.expr() && dates.contains(kind));
        let chance = if self.calendar.is_some() { 65 } else { 30 };
        let dated = self.step.order_by.iter().filter(|(entry, _)| is_date(entry)).count() == 1;
        for _ in 0..usize::from(self.calendar.is_some()) + self.random.below(3) {
            let (inner, kind) = self.random.pick(&scope.windowed).clone();
            // A helper that is made of keys is no column, which lookups need.
            let is_column = |maker: &Self, x: &Expr| {
                let key = maker.step.group_by.iter().any(|e| e.expr() == *x);
                !maker.step.is_grouped() || key || maker.step.level(x, None) != Level::Row
            };
            let drawn = if dated && is_column(self, &inner) && self.random.percent(chance) {
                let shift = *self.random.pick(&[-1, -1, -2, -3, 1, 2]);
                let frame = self.calendar.as_ref().and_then(|entry| entry.frame).filter(|_| self.random.percent(80));
                let unit = frame.map_or_else(|| *self.random.pick(&Unit::ALL), Frame::unit);
                Some((Expr::Window(Window::Period(Box::new(inner.clone()), shift, unit)), kind))
            } else {
                self.window(&inner, kind, &scope)
            };
            let Some((mut x, mut made)) = drawn else { continue };
            let kind = if made.is_number() { kind } else { made };
            if kind.is_number() && self.random.percent(50) {
                let op = *self.random.pick(&[Op::Subtract, Op::Divide, Op::Add]);
                x = Expr::Binary(op, Box::new(inner), Box::new(x));
                made = if op == Op::Divide || made == Kind::Float { Kind::Float } else { kind };
            }
            let name = self.name();
            // A window over a window takes another stratum.
            scope.windowed.push((Expr::name(&name), made));
            self.define(name, made, x);
        }
    }

    /// A value that looks at other rows, and its kind; none where this one cannot be looked at so.
    fn window(&mut self, inner: &Expr, kind: Kind, scope: &Scope) -> Option<(Expr, Kind)> {
        let boxed = || Box::new(inner.clone());
        let ordered = !self.step.order_by.is_empty();
        let (window, made) = match self.random.below(if ordered { 10 } else { 5 }) {
            0 if matches!(kind, Kind::Int | Kind::Exact | Kind::Date | Kind::Time) => {
                (Window::Rank("RANK", boxed(), self.random.percent(60)), Kind::Int)
            }
            1 if matches!(kind, Kind::Int | Kind::Exact | Kind::Date | Kind::Time) => {
                (Window::PercentRank(boxed()), Kind::Float)
            }
            0 | 1 => return None,
            2..=4 => return self.range(inner, kind, Rows::All, scope),
            5 => (Window::First(boxed()), kind),
            6 => (Window::Last(boxed()), kind),
            7 if self.random.percent(30) => (Window::Row, Kind::Int),
            7 => {
                let shift = *self.random.pick(&[-1, -1, -2, -3, 1, 2]);
                (Window::Offset(boxed(), shift), kind)
            }
            _ => {
                let places = [Place::First, Place::First, Place::At(-2), Place::At(-1), Place::At(1), Place::Last];
                let (from, to) =
                    (*self.random.pick(&places), *self.random.pick(&[Place::At(0), Place::At(2), Place::Last]));
                if from == to {
                    return None;
                }
                let (from, to) = if self.random.percent(10) { (to, from) } else { (from, to) };
                return self.range(inner, kind, Rows::Between(from, to), scope);
            }
        };
        Some((Expr::Window(window), made))
    }

    fn range(&mut self, inner: &Expr, kind: Kind, rows: Rows, scope: &Scope) -> Option<(Expr, Kind)> {
        if !matches!(inner, Expr::Name(_) | Expr::Period(..)) {
            return None;
        }
        // Of rows only those of the relation that has many are told once.
        let is_repeated = |many: &Many| many.leaves.iter().all(|(x, _)| x != inner);
        if !self.step.is_grouped() && self.input.many.iter().any(is_repeated) {
            return None;
        }
        let all = rows == Rows::All;
        let (aggregate, made) = match self.random.below(9) {
            7 if all && kind != Kind::Float => ("COUNTUNIQUE", Kind::Int),
            8 if all && kind.is_number() => ("MEDIAN", Kind::Float),
            0 | 1 if kind.is_number() => ("SUM", kind),
            2 if kind.is_number() => ("AVERAGE", Kind::Float),
            3 if kind.is_number() => ("SUMIF", kind),
            4 if kind.is_number() => ("AVERAGEIF", Kind::Float),
            5 => ("COUNT", Kind::Int),
            _ if kind == Kind::Bool => ("COUNTIF", Kind::Int),
            _ => (*self.random.pick(&["MIN", "MAX"]), kind),
        };
        let conditional = matches!(aggregate, "SUMIF" | "AVERAGEIF");
        let mut args: Vec<Expr> = Vec::new();
        if conditional {
            args.push(self.with_name(Kind::Bool, scope));
        }
        args.push(Expr::Range(Box::new(inner.clone()), rows));
        Some((Expr::Aggregate(aggregate, args), made))
    }

    fn limited(&mut self) {
        if !self.step.order_by.is_empty() && self.random.percent(12) {
            self.step.limit = Some(1 + self.random.below(4));
        }
    }

    /// `amount = SUM(amount)`: the column in its own expression, the sum elsewhere.
    fn shadow(&mut self, scope: &mut Scope) {
        let (leaf, kind) = self.random.pick(&scope.rows).clone();
        let Expr::Name(name) = &leaf else { return };
        if name.contains('.') {
            return;
        }
        let is_read = self.step.definitions.iter().any(|(defined, x)| defined == name || reads(x, name))
            || self.step.group_by.iter().any(|e| e.name == *name || e.output() == *name);
        if !matches!(kind, Kind::Int | Kind::Exact) || is_read || scope.rows.len() < 2 || !self.random.percent(20) {
            return;
        }
        scope.rows.retain(|(x, _)| *x != leaf);
        scope.leaves.push((leaf.clone(), kind));
        self.define(name.clone(), kind, Expr::Aggregate("SUM", vec![leaf]));
    }

    /// An expression of groups.
    fn group_expr(&mut self, kind: Kind, scope: &Scope) -> Expr {
        self.expr(kind, scope, 2)
    }

    /// An expression that reads something.
    pub fn with_name(&mut self, kind: Kind, scope: &Scope) -> Expr {
        self.with_name_in(kind, scope, 2)
    }

    fn with_name_in(&mut self, kind: Kind, scope: &Scope, depth: usize) -> Expr {
        for _ in 0..8 {
            let x = self.expr(kind, scope, depth);
            let mut names = Vec::new();
            x.names(&mut names);
            if !names.is_empty() {
                return x;
            }
        }
        let (leaf, _) = self.random.pick(&scope.leaves).clone();
        let time = scope.leaves.iter().find(|(_, k)| *k == Kind::Time);
        match (kind, time) {
            (Kind::Time, Some((time, _))) => time.clone(),
            (Kind::Bool, _) => Expr::Call("ISBLANK", vec![leaf]),
            _ => Expr::Call("IF", vec![Expr::Call("ISBLANK", vec![leaf]), self.literal(kind), self.literal(kind)]),
        }
    }

    pub fn literal(&mut self, kind: Kind) -> Expr {
        Expr::Literal(match kind {
            Kind::Bool => Value::Bool(self.random.percent(50)),
            Kind::Int => Value::Int(self.random.between(0, 7)),
            Kind::Exact | Kind::Float => Value::Number(self.random.between(0, 60) as f64 / 4.0),
            Kind::Text => Value::Text((*self.random.pick(&["open", "north", "x", ""])).to_owned()),
            Kind::Date => Value::Date(days(2024, self.random.between(1, 12), self.random.between(1, 29).min(28))),
            Kind::Time => Value::Time(DAY * days(2024, self.random.between(1, 12), self.random.between(1, 28))),
        })
    }

    fn leaf(&mut self, kind: Kind, scope: &Scope) -> Expr {
        let fitting: Vec<&Expr> = scope.leaves.iter().filter(|(_, k)| *k == kind).map(|(x, _)| x).collect();
        // Times have no literals of their own.
        if !fitting.is_empty() && (kind == Kind::Time || self.random.percent(85)) {
            return (*self.random.pick(&fitting)).clone();
        }
        if !scope.rows.is_empty() && can_aggregate(kind, scope) {
            return self.aggregate(kind, scope);
        }
        self.literal(kind)
    }

    fn expr(&mut self, kind: Kind, scope: &Scope, depth: usize) -> Expr {
        if depth == 0 || self.random.percent(25) {
            return self.leaf(kind, scope);
        }
        if !scope.rows.is_empty() && can_aggregate(kind, scope) && self.random.percent(40) {
            return self.aggregate(kind, scope);
        }
        let depth = depth - 1;
        if self.random.percent(15) {
            let condition = if scope.leaves.is_empty() {
                self.condition(scope, depth)
            } else {
                self.with_name_in(Kind::Bool, scope, depth)
            };
            let mut args = vec![condition, self.expr(kind, scope, depth)];
            if self.random.percent(70) {
                args.push(self.expr(kind, scope, depth));
            }
            return Expr::Call("IF", args);
        }
        if self.random.percent(10) {
            let args = vec![self.leaf(kind, scope), self.expr(kind, scope, depth)];
            return Expr::Call("COALESCE", args);
        }
        match kind {
            Kind::Bool => self.condition(scope, depth),
            Kind::Int => self.integer(scope, depth),
            Kind::Exact => self.exact(scope, depth),
            Kind::Float => self.float(scope, depth),
            Kind::Text => self.text(scope, depth),
            Kind::Date => self.date(scope, depth),
            Kind::Time => self.time(scope, depth),
        }
    }

    fn time(&mut self, scope: &Scope, depth: usize) -> Expr {
        let time = self.expr(Kind::Time, scope, depth);
        let days = match self.random.below(3) {
            0 => Expr::Literal(Value::Number(self.random.between(0, 12) as f64 / 4.0)),
            _ => self.days(scope, depth),
        };
        let op = *self.random.pick(&[Op::Later, Op::Earlier]);
        Expr::Binary(op, Box::new(time), Box::new(days))
    }

    /// So few days that no date leaves the calendar.
    fn days(&mut self, scope: &Scope, depth: usize) -> Expr {
        let literal = Expr::Literal(Value::Int(self.random.between(1, 60)));
        if self.random.percent(75) {
            return literal;
        }
        Expr::Call("MOD", vec![self.expr(Kind::Int, scope, depth), literal])
    }

    fn condition(&mut self, scope: &Scope, depth: usize) -> Expr {
        match self.random.below(8) {
            0 | 1 => {
                let function = *self.random.pick(&["AND", "OR"]);
                let args = (0..2 + self.random.below(2)).map(|_| self.expr(Kind::Bool, scope, depth)).collect();
                Expr::Call(function, args)
            }
            2 => Expr::Call("NOT", vec![self.expr(Kind::Bool, scope, depth)]),
            3 => {
                let kind = self.compared(scope);
                Expr::Call("ISBLANK", vec![self.expr(kind, scope, depth)])
            }
            _ => {
                let ops = [Op::Equal, Op::NotEqual, Op::Less, Op::LessOrEqual, Op::Greater, Op::GreaterOrEqual];
                let op = *self.random.pick(&ops);
                let kind = self.compared(scope);
                let other = match kind {
                    Kind::Exact if self.random.percent(30) => Kind::Int,
                    Kind::Time if self.random.percent(40) => Kind::Date,
                    _ => kind,
                };
                let (a, b) = (self.expr(kind, scope, depth), self.expr(other, scope, depth));
                Expr::Binary(op, Box::new(a), Box::new(b))
            }
        }
    }

    fn binary(&mut self, ops: &[Op], left: Kind, right: Kind, scope: &Scope, depth: usize) -> Expr {
        let op = *self.random.pick(ops);
        let (a, b) = (self.expr(left, scope, depth), self.expr(right, scope, depth));
        Expr::Binary(op, Box::new(a), Box::new(b))
    }

    fn integer(&mut self, scope: &Scope, depth: usize) -> Expr {
        match self.random.below(8) {
            0 => Expr::Call("ABS", vec![self.expr(Kind::Int, scope, depth)]),
            1 => Expr::Call("MOD", vec![self.expr(Kind::Int, scope, depth), self.leaf(Kind::Int, scope)]),
            2 => Expr::Call("INT", vec![self.expr(Kind::Exact, scope, depth)]),
            3 => {
                let function = *self.random.pick(&["YEAR", "MONTH"]);
                let kind = if has_times(scope) && self.random.percent(40) { Kind::Time } else { Kind::Date };
                Expr::Call(function, vec![self.expr(kind, scope, depth)])
            }
            4 => Expr::Call("LEN", vec![self.expr(Kind::Text, scope, depth)]),
            5 => {
                let function = *self.random.pick(&["MIN", "MAX"]);
                Expr::Call(function, vec![self.expr(Kind::Int, scope, depth), self.expr(Kind::Int, scope, depth)])
            }
            _ => self.binary(&[Op::Add, Op::Subtract, Op::Multiply], Kind::Int, Kind::Int, scope, depth),
        }
    }

    fn exact(&mut self, scope: &Scope, depth: usize) -> Expr {
        match self.random.below(5) {
            0 => Expr::Call("ABS", vec![self.expr(Kind::Exact, scope, depth)]),
            1 => {
                // Digits behind the point do not add up.
                let (a, b) = (self.expr(Kind::Exact, scope, depth), self.leaf(Kind::Int, scope));
                Expr::Binary(Op::Multiply, Box::new(a), Box::new(b))
            }
            2 => {
                let function = *self.random.pick(&["MIN", "MAX"]);
                Expr::Call(function, vec![self.expr(Kind::Exact, scope, depth), self.expr(Kind::Exact, scope, depth)])
            }
            _ => {
                let other = *self.random.pick(&[Kind::Int, Kind::Exact]);
                self.binary(&[Op::Add, Op::Subtract], Kind::Exact, other, scope, depth)
            }
        }
    }

    fn float(&mut self, scope: &Scope, depth: usize) -> Expr {
        let numbers = [Kind::Int, Kind::Exact, Kind::Float];
        if has_times(scope) && self.random.percent(25) {
            let (mut a, mut b) = (Kind::Time, *self.random.pick(&[Kind::Time, Kind::Date]));
            if self.random.percent(50) {
                (a, b) = (b, a);
            }
            return self.binary(&[Op::Apart], a, b, scope, depth);
        }
        let (a, b) = (*self.random.pick(&numbers), *self.random.pick(&numbers));
        self.binary(&[Op::Divide], a, b, scope, depth)
    }

    fn text(&mut self, scope: &Scope, depth: usize) -> Expr {
        match self.random.below(4) {
            0 => Expr::Call("UPPER", vec![self.expr(Kind::Text, scope, depth)]),
            1 => {
                // DuckDB 1.4 fails on `left('x', 0)`, an error of its own.
                let count = Expr::Literal(Value::Int(self.random.between(1, 3)));
                Expr::Call("LEFT", vec![self.expr(Kind::Text, scope, depth), count])
            }
            _ => {
                let other = *self.random.pick(&[Kind::Text, Kind::Text, Kind::Int, Kind::Date, Kind::Bool, Kind::Time]);
                let other = if other == Kind::Time && !has_times(scope) { Kind::Int } else { other };
                self.binary(&[Op::Join], Kind::Text, other, scope, depth)
            }
        }
    }

    fn date(&mut self, scope: &Scope, depth: usize) -> Expr {
        let date = self.expr(Kind::Date, scope, depth);
        let count = self.days(scope, depth);
        let op = *self.random.pick(&[Op::Later, Op::Earlier]);
        Expr::Binary(op, Box::new(date), Box::new(count))
    }

    /// An aggregate that gives this kind.
    fn aggregate(&mut self, kind: Kind, scope: &Scope) -> Expr {
        let rows = Scope { leaves: scope.rows.clone(), ..Scope::default() };
        let one = |maker: &mut Self, aggregate: &'static str, of: Kind| {
            let arg = maker.with_name_in(of, &rows, 1);
            Expr::Aggregate(aggregate, vec![arg])
        };
        match kind {
            Kind::Int => match self.random.below(7) {
                0 if self.input.many.iter().all(|many| !many.unmatched) => Expr::Aggregate("COUNT", Vec::new()),
                0 | 1 => {
                    let of = self.compared(&rows);
                    one(self, "COUNT", of)
                }
                2 => {
                    let of = *self.random.pick(&[Kind::Int, Kind::Text, Kind::Date, Kind::Time]);
                    let of = if of == Kind::Time && !has_times(&rows) { Kind::Date } else { of };
                    let arg = self.with_name_in(of, &rows, 1);
                    Expr::Aggregate("COUNT", vec![Expr::Call("DISTINCT", vec![arg])])
                }
                3 => one(self, "COUNTIF", Kind::Bool),
                4 => self.conditional("SUMIF", Kind::Int, &rows),
                5 => {
                    let aggregate = *self.random.pick(&["MIN", "MAX"]);
                    one(self, aggregate, Kind::Int)
                }
                _ => one(self, "SUM", Kind::Int),
            },
            Kind::Exact => match self.random.below(3) {
                0 => self.conditional("SUMIF", Kind::Exact, &rows),
                1 => {
                    let aggregate = *self.random.pick(&["MIN", "MAX"]);
                    one(self, aggregate, Kind::Exact)
                }
                _ => one(self, "SUM", Kind::Exact),
            },
            Kind::Float => {
                let of = *self.random.pick(&[Kind::Int, Kind::Exact]);
                match self.random.below(3) {
                    0 => self.conditional("AVERAGEIF", of, &rows),
                    1 => one(self, "MEDIAN", of),
                    _ => one(self, "AVERAGE", of),
                }
            }
            Kind::Text | Kind::Date | Kind::Time => {
                let aggregate = *self.random.pick(&["MIN", "MAX"]);
                one(self, aggregate, kind)
            }
            Kind::Bool => {
                let (a, b) = (self.aggregate(Kind::Int, scope), self.literal(Kind::Int));
                Expr::Binary(Op::Greater, Box::new(a), Box::new(b))
            }
        }
    }

    fn conditional(&mut self, aggregate: &'static str, of: Kind, rows: &Scope) -> Expr {
        let condition = self.with_name_in(Kind::Bool, rows, 1);
        let value = self.with_name_in(of, rows, 1);
        Expr::Aggregate(aggregate, vec![condition, value])
    }
}

/// Whether there is a time to make others of.
fn has_times(scope: &Scope) -> bool {
    scope.leaves.iter().any(|(_, kind)| *kind == Kind::Time) || can_aggregate(Kind::Time, scope)
}

fn can_aggregate(kind: Kind, scope: &Scope) -> bool {
    kind != Kind::Time || scope.rows.iter().any(|(_, kind)| *kind == Kind::Time)
}

fn reads(x: &Expr, name: &str) -> bool {
    let mut names = Vec::new();
    x.names(&mut names);
    names.iter().any(|n| n == name)
}
