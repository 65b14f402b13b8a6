//! Generates expressions for random specs, each of the requested type.

use crate::calendar::day_number;
use crate::draw_specs::{Maker, Scope};
use crate::expr::{InterpreterExpr, InterpreterOp};
use crate::kind::Kind;
use crate::value::{SECONDS_PER_DAY, Value};

impl Maker<'_> {
    /// Generates an expression with one value per group.
    pub fn group_expr(&mut self, kind: Kind, scope: &Scope) -> InterpreterExpr {
        self.expr(kind, scope, 2)
    }

    /// Generates an expression that reads at least one name.
    pub fn with_name(&mut self, kind: Kind, scope: &Scope) -> InterpreterExpr {
        self.with_name_in(kind, scope, 2)
    }

    pub fn with_name_in(&mut self, kind: Kind, scope: &Scope, depth: usize) -> InterpreterExpr {
        for _ in 0..8 {
            let x = self.expr(kind, scope, depth);
            let mut names = Vec::new();
            x.collect_names(&mut names);
            if !names.is_empty() {
                return x;
            }
        }
        let (leaf, _) = self.random.pick(&scope.leaves).clone();
        let time = scope.leaves.iter().find(|(_, k)| *k == Kind::Time);
        match (kind, time) {
            (Kind::Time, Some((time, _))) => time.clone(),
            (Kind::Bool, _) => InterpreterExpr::Call("ISBLANK", vec![leaf]),
            _ => InterpreterExpr::Call(
                "IF",
                vec![
                    InterpreterExpr::Call("ISBLANK", vec![leaf]),
                    self.literal(kind),
                    self.literal(kind),
                ],
            ),
        }
    }

    pub fn literal(&mut self, kind: Kind) -> InterpreterExpr {
        InterpreterExpr::Literal(match kind {
            Kind::Bool => Value::Bool(self.random.chance(50)),
            Kind::Int => Value::Int(self.random.next_between(0, 7)),
            Kind::Exact | Kind::Float => Value::Number(self.random.next_between(0, 60) as f64 / 4.0),
            Kind::Text => Value::Text((*self.random.pick(&["open", "north", "x", ""])).to_owned()),
            Kind::Date => Value::Date(day_number(
                2024,
                self.random.next_between(1, 12),
                self.random.next_between(1, 29).min(28),
            )),
            Kind::Time => Value::Time(
                SECONDS_PER_DAY * day_number(2024, self.random.next_between(1, 12), self.random.next_between(1, 28)),
            ),
        })
    }

    pub fn leaf(&mut self, kind: Kind, scope: &Scope) -> InterpreterExpr {
        let fitting: Vec<&InterpreterExpr> = scope
            .leaves
            .iter()
            .filter(|(_, k)| *k == kind)
            .map(|(x, _)| x)
            .collect();
        // Times have no literals.
        if !fitting.is_empty() && (kind == Kind::Time || self.random.chance(85)) {
            return (*self.random.pick(&fitting)).clone();
        }
        if !scope.rows.is_empty() && can_aggregate(kind, scope) {
            return self.aggregate(kind, scope);
        }
        self.literal(kind)
    }

    pub fn expr(&mut self, kind: Kind, scope: &Scope, depth: usize) -> InterpreterExpr {
        if depth == 0 || self.random.chance(25) {
            return self.leaf(kind, scope);
        }
        if !scope.rows.is_empty() && can_aggregate(kind, scope) && self.random.chance(40) {
            return self.aggregate(kind, scope);
        }
        let depth = depth - 1;
        if self.random.chance(15) {
            let condition = if scope.leaves.is_empty() {
                self.condition(scope, depth)
            } else {
                self.with_name_in(Kind::Bool, scope, depth)
            };
            let mut args = vec![condition, self.expr(kind, scope, depth)];
            if self.random.chance(70) {
                args.push(self.expr(kind, scope, depth));
            }
            return InterpreterExpr::Call("IF", args);
        }
        if self.random.chance(10) {
            let args = vec![self.leaf(kind, scope), self.expr(kind, scope, depth)];
            return InterpreterExpr::Call("COALESCE", args);
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

    pub fn time(&mut self, scope: &Scope, depth: usize) -> InterpreterExpr {
        let time = self.expr(Kind::Time, scope, depth);
        let days = match self.random.random_below(3) {
            0 => InterpreterExpr::Literal(Value::Number(self.random.next_between(0, 12) as f64 / 4.0)),
            _ => self.days(scope, depth),
        };
        let op = *self.random.pick(&[InterpreterOp::AddDays, InterpreterOp::Earlier]);
        InterpreterExpr::Binary(op, Box::new(time), Box::new(days))
    }

    /// Generates a number of days that is small enough for all dates to remain in the calendar.
    pub fn days(&mut self, scope: &Scope, depth: usize) -> InterpreterExpr {
        let literal = InterpreterExpr::Literal(Value::Int(self.random.next_between(1, 60)));
        if self.random.chance(75) {
            return literal;
        }
        InterpreterExpr::Call("MOD", vec![self.expr(Kind::Int, scope, depth), literal])
    }

    pub fn condition(&mut self, scope: &Scope, depth: usize) -> InterpreterExpr {
        match self.random.random_below(8) {
            0 | 1 => {
                let function = *self.random.pick(&["AND", "OR"]);
                let args = (0..2 + self.random.random_below(2))
                    .map(|_| self.expr(Kind::Bool, scope, depth))
                    .collect();
                InterpreterExpr::Call(function, args)
            }
            2 => InterpreterExpr::Call("NOT", vec![self.expr(Kind::Bool, scope, depth)]),
            3 => {
                let kind = self.draw_compared_kind(scope);
                InterpreterExpr::Call("ISBLANK", vec![self.expr(kind, scope, depth)])
            }
            _ => {
                let ops = [
                    InterpreterOp::Equal,
                    InterpreterOp::NotEqual,
                    InterpreterOp::Less,
                    InterpreterOp::LessOrEqual,
                    InterpreterOp::Greater,
                    InterpreterOp::GreaterOrEqual,
                ];
                let op = *self.random.pick(&ops);
                let kind = self.draw_compared_kind(scope);
                let other = match kind {
                    Kind::Exact if self.random.chance(30) => Kind::Int,
                    Kind::Time if self.random.chance(40) => Kind::Date,
                    _ => kind,
                };
                let (a, b) = (self.expr(kind, scope, depth), self.expr(other, scope, depth));
                InterpreterExpr::Binary(op, Box::new(a), Box::new(b))
            }
        }
    }

    pub fn binary(
        &mut self,
        ops: &[InterpreterOp],
        kind: Kind,
        right: Kind,
        scope: &Scope,
        depth: usize,
    ) -> InterpreterExpr {
        let op = *self.random.pick(ops);
        let (a, b) = (self.expr(kind, scope, depth), self.expr(right, scope, depth));
        InterpreterExpr::Binary(op, Box::new(a), Box::new(b))
    }

    pub fn integer(&mut self, scope: &Scope, depth: usize) -> InterpreterExpr {
        match self.random.random_below(8) {
            0 => InterpreterExpr::Call("ABS", vec![self.expr(Kind::Int, scope, depth)]),
            1 => InterpreterExpr::Call(
                "MOD",
                vec![self.expr(Kind::Int, scope, depth), self.leaf(Kind::Int, scope)],
            ),
            2 => InterpreterExpr::Call("INT", vec![self.expr(Kind::Exact, scope, depth)]),
            3 => {
                let function = *self.random.pick(&["YEAR", "MONTH"]);
                let kind = if has_times(scope) && self.random.chance(40) {
                    Kind::Time
                } else {
                    Kind::Date
                };
                InterpreterExpr::Call(function, vec![self.expr(kind, scope, depth)])
            }
            4 => InterpreterExpr::Call("LEN", vec![self.expr(Kind::Text, scope, depth)]),
            5 => {
                let function = *self.random.pick(&["MIN", "MAX"]);
                InterpreterExpr::Call(
                    function,
                    vec![self.expr(Kind::Int, scope, depth), self.expr(Kind::Int, scope, depth)],
                )
            }
            _ => self.binary(
                &[InterpreterOp::Add, InterpreterOp::Subtract, InterpreterOp::Multiply],
                Kind::Int,
                Kind::Int,
                scope,
                depth,
            ),
        }
    }

    pub fn exact(&mut self, scope: &Scope, depth: usize) -> InterpreterExpr {
        match self.random.random_below(5) {
            0 => InterpreterExpr::Call("ABS", vec![self.expr(Kind::Exact, scope, depth)]),
            1 => {
                // A multiplication by an integer does not increase the number of decimal places.
                let (a, b) = (self.expr(Kind::Exact, scope, depth), self.leaf(Kind::Int, scope));
                InterpreterExpr::Binary(InterpreterOp::Multiply, Box::new(a), Box::new(b))
            }
            2 => {
                let function = *self.random.pick(&["MIN", "MAX"]);
                InterpreterExpr::Call(
                    function,
                    vec![
                        self.expr(Kind::Exact, scope, depth),
                        self.expr(Kind::Exact, scope, depth),
                    ],
                )
            }
            _ => {
                let other = *self.random.pick(&[Kind::Int, Kind::Exact]);
                self.binary(
                    &[InterpreterOp::Add, InterpreterOp::Subtract],
                    Kind::Exact,
                    other,
                    scope,
                    depth,
                )
            }
        }
    }

    pub fn float(&mut self, scope: &Scope, depth: usize) -> InterpreterExpr {
        let numbers = [Kind::Int, Kind::Exact, Kind::Float];
        if has_times(scope) && self.random.chance(25) {
            let (mut a, mut b) = (Kind::Time, *self.random.pick(&[Kind::Time, Kind::Date]));
            if self.random.chance(50) {
                (a, b) = (b, a);
            }
            return self.binary(&[InterpreterOp::DaysBetween], a, b, scope, depth);
        }
        let (a, b) = (*self.random.pick(&numbers), *self.random.pick(&numbers));
        self.binary(&[InterpreterOp::Divide], a, b, scope, depth)
    }

    pub fn text(&mut self, scope: &Scope, depth: usize) -> InterpreterExpr {
        match self.random.random_below(4) {
            0 => InterpreterExpr::Call("UPPER", vec![self.expr(Kind::Text, scope, depth)]),
            1 => {
                // DuckDB 1.4 fails on `left('x', 0)`, which is a bug in DuckDB.
                let count = InterpreterExpr::Literal(Value::Int(self.random.next_between(1, 3)));
                InterpreterExpr::Call("LEFT", vec![self.expr(Kind::Text, scope, depth), count])
            }
            _ => {
                let other = *self
                    .random
                    .pick(&[Kind::Text, Kind::Text, Kind::Int, Kind::Date, Kind::Bool, Kind::Time]);
                let other = if other == Kind::Time && !has_times(scope) {
                    Kind::Int
                } else {
                    other
                };
                self.binary(&[InterpreterOp::Join], Kind::Text, other, scope, depth)
            }
        }
    }

    pub fn date(&mut self, scope: &Scope, depth: usize) -> InterpreterExpr {
        let date = self.expr(Kind::Date, scope, depth);
        let count = self.days(scope, depth);
        let op = *self.random.pick(&[InterpreterOp::AddDays, InterpreterOp::Earlier]);
        InterpreterExpr::Binary(op, Box::new(date), Box::new(count))
    }

    /// Generates an aggregate that returns a value of this kind.
    pub fn aggregate(&mut self, kind: Kind, scope: &Scope) -> InterpreterExpr {
        let rows = Scope {
            leaves: scope.rows.clone(),
            ..Scope::default()
        };
        let one = |maker: &mut Self, aggregate: &'static str, of: Kind| {
            let arg = maker.with_name_in(of, &rows, 1);
            InterpreterExpr::Aggregate(aggregate, vec![arg])
        };
        match kind {
            Kind::Int => match self.random.random_below(7) {
                0 if self.input.many.iter().all(|many| !many.unmatched) => {
                    InterpreterExpr::Aggregate("COUNT", Vec::new())
                }
                0 | 1 => {
                    let of = self.draw_compared_kind(&rows);
                    one(self, "COUNT", of)
                }
                2 => {
                    let of = *self.random.pick(&[Kind::Int, Kind::Text, Kind::Date, Kind::Time]);
                    let of = if of == Kind::Time && !has_times(&rows) {
                        Kind::Date
                    } else {
                        of
                    };
                    let arg = self.with_name_in(of, &rows, 1);
                    InterpreterExpr::Aggregate("COUNT", vec![InterpreterExpr::Call("DISTINCT", vec![arg])])
                }
                3 => one(self, "COUNTIF", Kind::Bool),
                4 => self.conditional("SUMIF", Kind::Int, &rows),
                5 => {
                    let aggregate = *self.random.pick(&["MIN", "MAX"]);
                    one(self, aggregate, Kind::Int)
                }
                _ => one(self, "SUM", Kind::Int),
            },
            Kind::Exact => match self.random.random_below(3) {
                0 => self.conditional("SUMIF", Kind::Exact, &rows),
                1 => {
                    let aggregate = *self.random.pick(&["MIN", "MAX"]);
                    one(self, aggregate, Kind::Exact)
                }
                _ => one(self, "SUM", Kind::Exact),
            },
            Kind::Float => {
                let of = *self.random.pick(&[Kind::Int, Kind::Exact]);
                match self.random.random_below(3) {
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
                InterpreterExpr::Binary(InterpreterOp::Greater, Box::new(a), Box::new(b))
            }
        }
    }

    pub fn conditional(&mut self, aggregate: &'static str, of: Kind, rows: &Scope) -> InterpreterExpr {
        let condition = self.with_name_in(Kind::Bool, rows, 1);
        let value = self.with_name_in(of, rows, 1);
        InterpreterExpr::Aggregate(aggregate, vec![condition, value])
    }
}

/// Returns `true` if the scope has a time from which other times can be derived.
pub fn has_times(scope: &Scope) -> bool {
    scope.leaves.iter().any(|(_, kind)| *kind == Kind::Time) || can_aggregate(Kind::Time, scope)
}

fn can_aggregate(kind: Kind, scope: &Scope) -> bool {
    kind != Kind::Time || scope.rows.iter().any(|(_, kind)| *kind == Kind::Time)
}
