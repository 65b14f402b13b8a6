//! Generates random well-typed formulas that call any function in the catalogue.

use formulac::catalog::Function;
use formulac::{Level, Type};

use crate::calendar::{PeriodFrame, day_number};
use crate::database::Table;
use crate::expr::{InterpreterExpr, InterpreterOp, RangeEndPosition, RangeWindowRows, Window};
use crate::forms::{Choice, Form, Gives, Known, Takes, letter_fits};
use crate::formula_tables::GROUP;
use crate::metamorphic::reads_a_column;
use crate::random::Random;
use crate::value::Value;

pub const TYPES: [Type; 7] = [
    Type::Boolean,
    Type::Integer,
    Type::Decimal,
    Type::Float,
    Type::Text,
    Type::Date,
    Type::Timestamp,
];
const NUMBERS: [Type; 3] = [Type::Integer, Type::Decimal, Type::Float];
const TEMPORAL: [Type; 2] = [Type::Date, Type::Timestamp];

/// Values that are available at one position in a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Values of one row.
    Row,
    /// Values of one group.
    Group,
    /// Values of one row, in a sheet whose formulas can also refer to other rows.
    Sheet,
}

pub struct Draw<'a> {
    pub random: &'a mut Random,
    pub facts: &'a Known,
    pub table: &'a Table,
}

/// Types that the letters of a signature represent in a call.
type Letters = Vec<(char, Type)>;

impl Draw<'_> {
    /// Generates a call in this form for a formula of the given level, with arguments nested up to the given depth.
    pub fn formula(&mut self, form: &Form, level: Level, depth: usize) -> InterpreterExpr {
        let scope = match level {
            Level::Aggregate => Scope::Group,
            Level::Window => Scope::Sheet,
            _ => Scope::Row,
        };
        let ty = match form.gives {
            Gives::Is(ty) => ty,
            Gives::Same(letter) => self.type_for(letter),
        };
        let drawn = self.call(form, ty, scope, depth);
        if form.takes.is_empty() && ty.is_number() && form.level < Level::Aggregate {
            // Combine a function without arguments with another expression, because it returns the same value in each
            // row.
            let other = self.expr(Type::Float, scope, depth - 1);
            return binary(InterpreterOp::Multiply, drawn, other);
        }
        drawn
    }

    fn type_for(&mut self, letter: char) -> Type {
        let fitting: Vec<Type> = TYPES.into_iter().filter(|ty| letter_fits(letter, *ty)).collect();
        *self.random.pick(&fitting)
    }

    fn call(&mut self, form: &Form, ty: Type, scope: Scope, depth: usize) -> InterpreterExpr {
        let mut letters: Letters = Vec::new();
        if let Gives::Same(letter) = form.gives {
            letters.push((letter, ty));
        }
        let name = form.function.name;
        match form.level {
            Level::Window => self.window(form, &mut letters, depth),
            Level::Aggregate if scope == Scope::Sheet => {
                let rows = self.rows();
                self.draw_window_aggregate(form, &mut letters, rows)
            }
            Level::Aggregate => {
                let args = self.arguments(form, &mut letters, Scope::Row, depth);
                match form.outer_function {
                    Some(outer) => InterpreterExpr::Aggregate(outer, vec![InterpreterExpr::Call(name, args)]),
                    None => InterpreterExpr::Aggregate(name, args),
                }
            }
            _ => {
                let args = self.arguments(form, &mut letters, scope, depth);
                InterpreterExpr::Call(name, args)
            }
        }
    }

    fn arguments(&mut self, form: &Form, letters: &mut Letters, scope: Scope, depth: usize) -> Vec<InterpreterExpr> {
        let mut before = Type::Text;
        let mut args = Vec::new();
        for takes in &form.takes {
            let ty = self.type_of(takes, letters, before);
            let arg = self.argument(takes, ty, scope, depth);
            // Aggregates and windows over constants provide little information. DuckDB fails on the mode of constants,
            // and Postgres fails on the lag of a constant string.
            let named = form.level >= Level::Aggregate && matches!(takes, Takes::Same(_)) && !reads_a_column(&arg);
            args.push(if named {
                InterpreterExpr::Name(self.column(ty))
            } else {
                arg
            });
            before = ty;
        }
        args
    }

    /// Returns the type of an argument in this call.
    fn type_of(&mut self, takes: &Takes, letters: &mut Letters, before: Type) -> Type {
        match takes {
            // Types that widen to the parameter's type are also accepted.
            Takes::Is(Type::Float) if self.random.chance(20) => *self.random.pick(&NUMBERS),
            Takes::Is(Type::Decimal) if self.random.chance(15) => Type::Integer,
            Takes::Is(ty) => *ty,
            Takes::Number | Takes::Positive => *self.random.pick(&NUMBERS),
            Takes::Literal(..) => Type::Integer,
            Takes::Temporal => *self.random.pick(&TEMPORAL),
            Takes::Any => *self.random.pick(&TYPES),
            Takes::Same(letter) => match letters.iter().find(|(known, _)| known == letter) {
                Some((_, ty)) => *ty,
                None => {
                    let ty = self.type_for(*letter);
                    letters.push((*letter, ty));
                    ty
                }
            },
            Takes::Criterion | Takes::AllRows => before,
            Takes::OneOf(_, Some(other)) => self.type_of(other, letters, before),
            Takes::OneOf(..) => Type::Text,
        }
    }

    fn argument(&mut self, takes: &Takes, ty: Type, scope: Scope, depth: usize) -> InterpreterExpr {
        match takes {
            Takes::OneOf(choices, other) => match other {
                Some(other) if self.random.chance(30) => self.argument(other, ty, scope, depth),
                _ => match self.random.pick(choices).clone() {
                    Choice::Value(value) => InterpreterExpr::Literal(value),
                    Choice::Column(name) if scope == Scope::Group => InterpreterExpr::Aggregate(
                        self.random.pick::<&str>(&["MIN", "MAX"]),
                        vec![InterpreterExpr::Name(name)],
                    ),
                    Choice::Column(name) => InterpreterExpr::Name(name),
                },
            },
            Takes::Literal(low, high) => {
                let likely = [*low, *high, low + 1, 0, 1, 2, 3, 5, 8, -1, -2, 12];
                let fitting: Vec<i64> = likely
                    .into_iter()
                    .filter(|n| (low..=high).contains(&n) && n.abs() <= 400)
                    .collect();
                let n = if fitting.is_empty() {
                    *low
                } else {
                    *self.random.pick(&fitting)
                };
                InterpreterExpr::Literal(Value::Int(n))
            }
            Takes::Positive => {
                InterpreterExpr::Literal(Value::Number(*self.random.pick(&[0.1, 0.25, 0.5, 1.5, 2.5, 10.0])))
            }
            Takes::Criterion => self.criterion(ty),
            _ => self.expr(ty, scope, depth.saturating_sub(1)),
        }
    }

    fn criterion(&mut self, tested: Type) -> InterpreterExpr {
        let class = match tested {
            Type::Timestamp => "date",
            ty if ty.is_number() => "number",
            ty => ty.name(),
        };
        let written = self
            .facts
            .criteria
            .get(class)
            .unwrap_or_else(|| panic!("no criteria for {class}"));
        InterpreterExpr::Literal(self.random.pick(written).clone())
    }

    /// Generates an expression of a type.
    fn expr(&mut self, ty: Type, scope: Scope, depth: usize) -> InterpreterExpr {
        if depth == 0 || self.random.chance(25) {
            return self.leaf(ty, scope);
        }
        if self.random.chance(30) {
            return self.operation(ty, scope, depth);
        }
        let highest = match scope {
            Scope::Row => Level::Row,
            Scope::Group => Level::Aggregate,
            Scope::Sheet => Level::Window,
        };
        // A window over groups would be a separate step, and in a sheet, aggregates compute over ranges.
        let fitting = |form: &&Form| {
            let ranged = scope != Scope::Sheet || form.level != Level::Aggregate || form.ranges;
            form.level <= highest && form.may_give(ty) && !form.takes.is_empty() && ranged
        };
        let names: Vec<&'static Function> = {
            let mut names: Vec<&'static Function> =
                self.facts.forms.iter().filter(fitting).map(|f| f.function).collect();
            names.dedup_by_key(|f| f.name);
            names
        };
        if names.is_empty() {
            return self.leaf(ty, scope);
        }
        let function = *self.random.pick(&names);
        let forms: Vec<&Form> = self
            .facts
            .forms
            .iter()
            .filter(fitting)
            .filter(|form| form.function.name == function.name)
            .collect();
        let form = (*self.random.pick(&forms)).clone();
        self.call(&form, ty, scope, depth - 1)
    }

    fn operation(&mut self, ty: Type, scope: Scope, depth: usize) -> InterpreterExpr {
        let depth = depth - 1;
        let of = |draw: &mut Self, op: InterpreterOp, a: Type, b: Type| {
            let (a, b) = (draw.expr(a, scope, depth), draw.expr(b, scope, depth));
            binary(op, a, b)
        };
        match ty {
            Type::Boolean => {
                let op = *self.random.pick(&[
                    InterpreterOp::Equal,
                    InterpreterOp::NotEqual,
                    InterpreterOp::Less,
                    InterpreterOp::LessOrEqual,
                    InterpreterOp::Greater,
                    InterpreterOp::GreaterOrEqual,
                ]);
                let (a, b) = match self.random.random_below(6) {
                    0 => (Type::Text, Type::Text),
                    1 => (Type::Date, Type::Date),
                    2 => (Type::Timestamp, *self.random.pick(&TEMPORAL)),
                    _ => (*self.random.pick(&NUMBERS), *self.random.pick(&NUMBERS)),
                };
                of(self, op, a, b)
            }
            Type::Integer if self.random.chance(20) => of(self, InterpreterOp::DaysBetween, Type::Date, Type::Date),
            Type::Integer | Type::Decimal => {
                let op = *self
                    .random
                    .pick(&[InterpreterOp::Add, InterpreterOp::Subtract, InterpreterOp::Multiply]);
                // A multiplication by an integer does not increase the number of decimal places.
                of(
                    self,
                    op,
                    ty,
                    if op == InterpreterOp::Multiply {
                        Type::Integer
                    } else {
                        ty
                    },
                )
            }
            Type::Float => match self.random.random_below(8) {
                0 => {
                    let other = *self.random.pick(&TEMPORAL);
                    of(self, InterpreterOp::DaysBetween, Type::Timestamp, other)
                }
                1 => {
                    let base = *self.random.pick(&NUMBERS);
                    let exponent = InterpreterExpr::Literal(
                        self.random
                            .pick(&[
                                Value::Int(2),
                                Value::Int(3),
                                Value::Int(-1),
                                Value::Int(0),
                                Value::Number(0.5),
                            ])
                            .clone(),
                    );
                    binary(InterpreterOp::Power, self.expr(base, scope, depth), exponent)
                }
                2..=4 => {
                    let (a, b) = (*self.random.pick(&NUMBERS), *self.random.pick(&NUMBERS));
                    of(self, InterpreterOp::Divide, a, b)
                }
                _ => {
                    let op = *self
                        .random
                        .pick(&[InterpreterOp::Add, InterpreterOp::Subtract, InterpreterOp::Multiply]);
                    let other = *self.random.pick(&NUMBERS);
                    of(self, op, Type::Float, other)
                }
            },
            Type::Text => {
                let other = *self.random.pick(&TYPES);
                of(self, InterpreterOp::Join, Type::Text, other)
            }
            Type::Date => {
                let op = *self.random.pick(&[InterpreterOp::AddDays, InterpreterOp::Earlier]);
                of(self, op, Type::Date, Type::Integer)
            }
            _ => {
                let op = *self.random.pick(&[InterpreterOp::AddDays, InterpreterOp::Earlier]);
                let days = *self.random.pick(&[Type::Integer, Type::Decimal]);
                of(self, op, Type::Timestamp, days)
            }
        }
    }

    fn leaf(&mut self, ty: Type, scope: Scope) -> InterpreterExpr {
        if scope == Scope::Group {
            return self.group_leaf(ty);
        }
        if ty != Type::Timestamp && self.random.chance(12) {
            return self.literal(ty);
        }
        if ty == Type::Date && self.random.chance(8) {
            let of = *self.random.pick(&TEMPORAL);
            let name = self.column(of);
            return InterpreterExpr::Period(name, *self.random.pick(&PeriodFrame::ALL));
        }
        InterpreterExpr::Name(self.column(ty))
    }

    fn column(&mut self, ty: Type) -> String {
        let fitting: Vec<&str> = self
            .table
            .columns
            .iter()
            .filter(|c| c.ty == ty)
            .map(|c| c.name)
            .collect();
        (*self.random.pick(&fitting)).to_owned()
    }

    /// Generates an aggregate of a column, or a column by which the rows are grouped.
    fn group_leaf(&mut self, ty: Type) -> InterpreterExpr {
        if ty == Type::Text && self.random.chance(25) {
            return InterpreterExpr::name(GROUP);
        }
        if ty != Type::Timestamp && self.random.chance(8) {
            return self.literal(ty);
        }
        let column = |draw: &mut Self, ty: Type| InterpreterExpr::Name(draw.column(ty));
        let (name, arg) = match ty {
            Type::Integer if self.random.chance(40) => {
                let any = *self.random.pick(&TYPES);
                ("COUNT", column(self, any))
            }
            Type::Integer | Type::Decimal if self.random.chance(50) => ("SUM", column(self, ty)),
            Type::Float if self.random.chance(40) => {
                let number = *self.random.pick(&NUMBERS);
                ("AVERAGE", column(self, number))
            }
            Type::Boolean => {
                let (a, b) = (self.group_leaf(Type::Integer), self.literal(Type::Integer));
                return binary(
                    *self
                        .random
                        .pick(&[InterpreterOp::Greater, InterpreterOp::Equal, InterpreterOp::LessOrEqual]),
                    a,
                    b,
                );
            }
            _ => (*self.random.pick(&["MIN", "MAX"]), column(self, ty)),
        };
        InterpreterExpr::Aggregate(name, vec![arg])
    }

    fn literal(&mut self, ty: Type) -> InterpreterExpr {
        let random = &mut self.random;
        InterpreterExpr::Literal(match ty {
            Type::Boolean => Value::Bool(random.chance(50)),
            Type::Integer => Value::Int(random.next_between(-2, 7)),
            Type::Decimal | Type::Float => Value::Number(random.next_between(-8, 40) as f64 / 4.0),
            Type::Text => {
                Value::Text((*random.pick(&["", "a", "o", "é", "日本", "open", "-", " ", "12", "*", "b?c"])).to_owned())
            }
            _ => Value::Date(day_number(2024, random.next_between(1, 12), random.next_between(1, 28))),
        })
    }

    /// Generates the rows of a window: usually all rows, otherwise the rows from one row to another.
    fn rows(&mut self) -> RangeWindowRows {
        if self.random.chance(60) {
            return RangeWindowRows::All;
        }
        let from = *self.random.pick(&[
            RangeEndPosition::First,
            RangeEndPosition::First,
            RangeEndPosition::At(-2),
            RangeEndPosition::At(-1),
        ]);
        let to = *self.random.pick(&[
            RangeEndPosition::At(0),
            RangeEndPosition::At(0),
            RangeEndPosition::At(2),
            RangeEndPosition::Last,
        ]);
        RangeWindowRows::Between(from, to)
    }

    /// Generates an aggregate of columns over a window's rows.
    fn draw_window_aggregate(&mut self, form: &Form, letters: &mut Letters, rows: RangeWindowRows) -> InterpreterExpr {
        let mut before = Type::Text;
        let mut args = Vec::new();
        for takes in &form.takes {
            let ty = self.type_of(takes, letters, before);
            args.push(match takes {
                Takes::OneOf(..) | Takes::Literal(..) | Takes::Positive | Takes::Criterion => {
                    self.argument(takes, ty, Scope::Row, 0)
                }
                _ => InterpreterExpr::Range(Box::new(InterpreterExpr::Name(self.column(ty))), rows),
            });
            before = ty;
        }
        InterpreterExpr::Aggregate(form.function.name, args)
    }

    fn window(&mut self, form: &Form, letters: &mut Letters, depth: usize) -> InterpreterExpr {
        let args = self.arguments(form, letters, Scope::Row, depth.min(2));
        window(form.function.name, args)
    }
}

/// Returns a call to a window function in the interpreter's form.
fn window(name: &str, args: Vec<InterpreterExpr>) -> InterpreterExpr {
    let number = |at: usize| match args.get(at) {
        Some(InterpreterExpr::Literal(Value::Int(n))) => *n,
        other => panic!("{name} takes a constant, not {other:?}"),
    };
    let first = || Box::new(args[0].clone());
    InterpreterExpr::Window(match (name, args.len()) {
        ("OFFSET", 2) => Window::Offset(first(), number(1)),
        ("FIRST", 1) => Window::First(first()),
        ("LAST", 1) => Window::Last(first()),
        ("ROW", 0) => Window::Row,
        ("RANK", 1) => Window::Rank("RANK", first(), true),
        ("RANK", 2) => Window::Rank("RANK", first(), number(1) == 0),
        ("OMNI_RANK", 1) => Window::Rank("OMNI_RANK", first(), true),
        ("PERCENTRANK", 1) => Window::PercentRank(first()),
        _ => panic!("nobody knows {name} of {} arguments", args.len()),
    })
}

fn binary(op: InterpreterOp, a: InterpreterExpr, b: InterpreterExpr) -> InterpreterExpr {
    InterpreterExpr::Binary(op, Box::new(a), Box::new(b))
}
