//! Generates formulas over the cells of a sheet, for each kind of value.

use crate::formula::{Aggregate, Cell, Criterion, Expr, Fold, Op, Range, Row, Style};
use crate::random::Random;
use crate::sheet::Sheet;
use crate::table::Kind;

pub struct Draw<'a> {
    pub random: &'a mut Random,
    pub sheet: &'a Sheet,
}

impl Draw<'_> {
    pub fn columns(&self, fits: impl Fn(Kind) -> bool) -> Vec<usize> {
        (0..self.sheet.width())
            .filter(|column| fits(self.sheet.kind_of(*column)))
            .collect()
    }

    pub fn draw_expression(&mut self, kind: Kind, depth: usize) -> Expr {
        match kind {
            Kind::Exact => self.exact(depth),
            Kind::Inexact => self.draw_inexact(depth),
            Kind::Text => self.text(depth),
            Kind::Date => self.date(depth),
            Kind::Bool => self.truth(depth),
        }
    }

    /// Generates an expression that needs a sheet with another tab or a pivoted sheet.
    fn of_other_cells(&mut self, kind: Kind, depth: usize) -> Option<Expr> {
        if depth == 0 {
            return None;
        }
        if self.sheet.tab.is_some() && self.random.chance(35) {
            return self.lookup(kind, depth);
        }
        (self.sheet.pivot.is_some() && self.random.chance(35))
            .then(|| self.draw_pivot_expression(kind))
            .flatten()
    }

    fn row(&mut self) -> Row {
        match self.random.random_below(20) {
            0..=7 => Row::At(0),
            // Rows before row 1 have no number, so only a formula with a later anchor row can refer to them.
            8..=15 => Row::At(self.random.next_between(-self.sheet.anchor, 3)),
            16 => Row::At(self.random.next_between(5, 40)),
            _ => Row::Fixed(self.random.next_between(1, 6)),
        }
    }

    fn cell(&mut self, fits: impl Fn(Kind) -> bool) -> Option<Expr> {
        let columns = self.columns(fits);
        if columns.is_empty() {
            return None;
        }
        let column = *self.random.pick(&columns);
        let mut row = self.row();
        let is_plain = self
            .sheet
            .name_of(column)
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let style = match self.random.random_below(10) {
            0 if is_plain && self.sheet.name_of(column) != "select" => {
                row = Row::At(0);
                Style::Name
            }
            1 => Style::Dollar,
            2 => Style::Lower,
            3 => Style::Offset,
            4 => {
                row = Row::Unsaid;
                Style::Plain
            }
            _ => Style::Plain,
        };
        if let (Style::Offset, Row::At(0..)) = (style, row) {
            row = Row::At(self.random.next_between(-8, 3));
        }
        Some(Expr::Cell(Cell { column, row, style }))
    }

    /// Generates the first and last row of a range, and whether the range is written with OFFSET.
    fn rows(&mut self) -> (Row, Row, bool) {
        let reach = -self.sheet.anchor;
        let mut number = |low: i64, high: i64| self.random.next_between(low, high);
        let (a, b) = match number(0, 11) {
            0 | 1 => (Row::Unsaid, Row::Unsaid),
            2 | 3 => (Row::Fixed(1), Row::At(number(reach.max(-1), 1))),
            4 | 5 => (Row::At(number(reach, 2)), Row::At(number(reach, 4))),
            6 => return (Row::At(number(-7, -1)), Row::At(number(0, 3)), true),
            7 => (Row::Unsaid, Row::At(number(reach, 1))),
            8 => (Row::At(number(reach, 2)), Row::Unsaid),
            9 => (Row::Fixed(number(1, 7)), Row::Fixed(number(1, 12))),
            10 => (Row::Fixed(number(2, 6)), Row::At(number(reach.max(-2), 2))),
            _ => match number(0, 1) {
                0 => (Row::Unsaid, Row::Fixed(number(1, 5))),
                _ => (Row::Fixed(number(1, 5)), Row::Unsaid),
            },
        };
        let open = matches!((a, b), (Row::Unsaid, _) | (_, Row::Unsaid));
        // `C1:C` and `C:C1` are different ranges. The corners of other ranges may be written in either order.
        if !open && self.random.chance(20) {
            (b, a, false)
        } else {
            (a, b, false)
        }
    }

    fn range(&mut self, column: usize) -> Range {
        let (a, b, by_offset) = self.rows();
        Range {
            from: (column, a),
            to: (column, b),
            by_offset,
        }
    }

    fn whole_column(column: usize) -> Range {
        Range {
            from: (column, Row::Unsaid),
            to: (column, Row::Unsaid),
            by_offset: false,
        }
    }

    /// Generates a range that may have several columns.
    fn wide(&mut self, fits: impl Fn(Kind) -> bool + Copy) -> Option<Range> {
        let columns = self.columns(fits);
        if columns.is_empty() {
            return None;
        }
        let first = *self.random.pick(&columns);
        let mut range = self.range(first);
        let mut last = first;
        while self.random.chance(25) && last + 1 < self.sheet.width() && fits(self.sheet.kind_of(last + 1)) {
            last += 1;
        }
        range.to.0 = last;
        if self.random.chance(30) && !range.by_offset {
            (range.from.0, range.to.0) = (range.to.0, range.from.0);
        }
        Some(range)
    }

    fn aggregate(&mut self, aggregate: Aggregate, fits: impl Fn(Kind) -> bool + Copy) -> Option<Expr> {
        let mut ranges = vec![self.wide(fits)?];
        let mut beside = None;
        if aggregate == Aggregate::Sum && self.random.chance(15) {
            ranges.push(self.wide(fits)?);
        }
        if matches!(aggregate, Aggregate::Sum) && self.random.chance(10) {
            beside = self.cell(fits).map(Box::new);
        }
        Some(Expr::Aggregate(aggregate, ranges, beside))
    }

    fn draw_fold(&mut self, fold: Fold, value_fits: impl Fn(Kind) -> bool) -> Option<Expr> {
        let values = self.columns(value_fits);
        let keys = self.columns(|kind| matches!(kind, Kind::Exact | Kind::Text));
        if values.is_empty() || keys.is_empty() {
            return None;
        }
        let (a, b, by_offset) = self.rows();
        let range = |column: usize| Range {
            from: (column, a),
            to: (column, b),
            by_offset,
        };
        let several = matches!(fold, Fold::Min | Fold::Max) || self.random.chance(30);
        // Search for this row's value in all rows, in the rows up to this row, or in this row and the rows after it.
        let looks = matches!(
            (a, b),
            (Row::Unsaid | Row::Fixed(_), Row::Unsaid | Row::At(0) | Row::Fixed(_))
                | (Row::At(0), Row::Unsaid | Row::Fixed(_))
        );
        let count = if several { 1 + self.random.random_below(2) } else { 1 };
        let mut pairs = Vec::new();
        for _ in 0..count {
            let key = *self.random.pick(&keys);
            let is_text = self.sheet.kind_of(key) == Kind::Text;
            let number = self.random.next_between(-2, 30);
            let op = *self
                .random
                .pick(&[Op::Less, Op::LessEqual, Op::Greater, Op::GreaterEqual, Op::Equal]);
            let criterion = match self.random.random_below(4) {
                0 if looks => Criterion::SameAsHere,
                1 if !is_text && !several && !by_offset => Criterion::FirstCell(op, number),
                2 if !is_text => Criterion::Number(Op::NotEqual, number),
                _ if is_text => Criterion::Text(self.random.pick::<&str>(&["north", "east", "SOUTH"])),
                _ => Criterion::Number(op, number),
            };
            pairs.push((range(key), criterion));
        }
        let own_values = !several && self.sheet.kind_of(pairs[0].0.from.0) == Kind::Exact && self.random.chance(20);
        let value = (fold != Fold::Count && !own_values).then(|| range(*self.random.pick(&values)));
        Some(Expr::Where {
            fold,
            several,
            pairs,
            value,
        })
    }

    pub fn exact(&mut self, depth: usize) -> Expr {
        if let Some(drawn) = self.of_other_cells(Kind::Exact, depth) {
            return drawn;
        }
        let exact = |kind: Kind| kind == Kind::Exact;
        let columns = self.columns(exact);
        let drawn = match self.random.random_below(if depth == 0 { 3 } else { 26 }) {
            0 | 1 => self.cell(exact),
            2 if self.random.chance(50) => Some(Expr::RowNumber),
            2 => Some(Expr::Int(self.random.next_between(-2, 9))),
            3 | 4 => {
                let op = *self.random.pick(&[Op::Add, Op::Subtract]);
                Some(Expr::Binary(
                    op,
                    Box::new(self.exact(depth - 1)),
                    Box::new(self.exact(depth - 1)),
                ))
            }
            5 => {
                let by = self.random.next_between(-2, 3);
                Some(Expr::Binary(
                    Op::Multiply,
                    Box::new(self.exact(depth - 1)),
                    Box::new(Expr::Int(by)),
                ))
            }
            6 => Some(self.branches(depth, Self::exact)),
            7 => Some(Expr::Call(
                "IFERROR",
                vec![self.exact(depth - 1), self.exact(depth - 1)],
            )),
            8 => {
                let dates = |kind| kind == Kind::Date;
                let both = self.cell(dates).zip(self.cell(dates));
                both.map(|(a, b)| Expr::Binary(Op::Subtract, Box::new(a), Box::new(b)))
            }
            9..=13 => self.aggregate(Aggregate::Sum, exact),
            14 => self.aggregate(Aggregate::Min, exact),
            15 => self.aggregate(Aggregate::Max, exact),
            16 => self.aggregate(Aggregate::Count, |_| true),
            17 => self.aggregate(Aggregate::CountBlank, |kind| kind != Kind::Inexact),
            18 | 19 => self.draw_fold(Fold::Sum, exact),
            20 => self.draw_fold(Fold::Count, exact),
            21 => {
                let fold = *self.random.pick(&[Fold::Min, Fold::Max]);
                self.draw_fold(fold, exact)
            }
            22 if columns.len() > 1 => {
                let (a, b) = (*self.random.pick(&columns), *self.random.pick(&columns));
                let range = self.range(a);
                let other = Range {
                    from: (b, range.from.1),
                    to: (b, range.to.1),
                    ..range
                };
                Some(Expr::SumProduct(range, other))
            }
            23 if !columns.is_empty() => {
                let (range, nth) = (
                    Self::whole_column(*self.random.pick(&columns)),
                    self.random.next_between(1, 5),
                );
                Some(Expr::Nth {
                    largest: self.random.chance(50),
                    range,
                    nth,
                })
            }
            24 if !columns.is_empty() => Some(Expr::Rank {
                column: *self.random.pick(&columns),
                ascending: self.random.chance(40),
            }),
            25 => {
                let of = self.columns(|kind| matches!(kind, Kind::Exact | Kind::Text | Kind::Date));
                (!of.is_empty()).then(|| {
                    let range = Self::whole_column(*self.random.pick(&of));
                    Expr::Aggregate(Aggregate::CountUnique, vec![range], None)
                })
            }
            _ => self.cell(exact),
        };
        drawn.unwrap_or_else(|| Expr::Int(self.random.next_between(0, 5)))
    }

    fn draw_inexact(&mut self, depth: usize) -> Expr {
        if let Some(drawn) = self.of_other_cells(Kind::Inexact, depth) {
            return drawn;
        }
        let numbers = |kind: Kind| matches!(kind, Kind::Exact | Kind::Inexact);
        let exact = |kind: Kind| kind == Kind::Exact;
        let drawn = match self.random.random_below(if depth == 0 { 2 } else { 12 }) {
            0 => self.cell(numbers),
            2..=4 => Some(Expr::Binary(
                Op::Divide,
                Box::new(self.exact(depth - 1)),
                Box::new(self.exact(depth - 1)),
            )),
            5 => {
                let op = *self.random.pick(&[Op::Add, Op::Subtract]);
                Some(Expr::Binary(
                    op,
                    Box::new(self.draw_inexact(depth - 1)),
                    Box::new(self.exact(depth - 1)),
                ))
            }
            6 => Some(self.branches(depth, Self::draw_inexact)),
            7 | 8 => self.aggregate(Aggregate::Average, exact),
            9 => self.draw_fold(Fold::Average, exact),
            10 => self.aggregate(Aggregate::Sum, numbers),
            11 => {
                let aggregate = *self.random.pick(&[Aggregate::Median, Aggregate::StDev]);
                let columns = self.columns(exact);
                (!columns.is_empty()).then(|| {
                    let range = Self::whole_column(*self.random.pick(&columns));
                    Expr::Aggregate(aggregate, vec![range], None)
                })
            }
            _ => None,
        };
        drawn.unwrap_or_else(|| {
            let (a, b) = (self.exact(0), self.exact(0));
            Expr::Binary(Op::Divide, Box::new(a), Box::new(b))
        })
    }

    fn text(&mut self, depth: usize) -> Expr {
        if let Some(drawn) = self.of_other_cells(Kind::Text, depth) {
            return drawn;
        }
        let texts = |kind: Kind| kind == Kind::Text;
        let drawn = match self.random.random_below(if depth == 0 { 3 } else { 6 }) {
            0 | 1 => self.cell(texts),
            3 => Some(Expr::Binary(
                Op::Concat,
                Box::new(self.text(depth - 1)),
                Box::new(self.text(depth - 1)),
            )),
            4 => Some(self.branches(depth, Self::text)),
            5 => Some(Expr::Call("IFERROR", vec![self.text(depth - 1), self.text(depth - 1)])),
            _ => None,
        };
        drawn.unwrap_or_else(|| Expr::Text(self.random.pick::<&str>(&["a", "none", "up"])))
    }

    /// Generates a formula for a date. The sheet has a column of dates.
    fn date(&mut self, depth: usize) -> Expr {
        if let Some(drawn) = self.of_other_cells(Kind::Date, depth) {
            return drawn;
        }
        let dates = |kind: Kind| kind == Kind::Date;
        let drawn = match self.random.random_below(if depth == 0 { 2 } else { 6 }) {
            2 => self.aggregate(Aggregate::Min, dates),
            3 => self.aggregate(Aggregate::Max, dates),
            4 => {
                let op = *self.random.pick(&[Op::Add, Op::Subtract]);
                let days = self.random.next_between(0, 40);
                Some(Expr::Binary(
                    op,
                    Box::new(self.date(depth - 1)),
                    Box::new(Expr::Int(days)),
                ))
            }
            5 => Some(self.branches(depth, Self::date)),
            _ => None,
        };
        drawn.or_else(|| self.cell(dates)).expect("a column of dates")
    }

    fn truth(&mut self, depth: usize) -> Expr {
        if let Some(drawn) = self.of_other_cells(Kind::Bool, depth) {
            return drawn;
        }
        const COMPARISONS: &[Op] = &[
            Op::Equal,
            Op::NotEqual,
            Op::Less,
            Op::LessEqual,
            Op::Greater,
            Op::GreaterEqual,
        ];
        let below = depth.saturating_sub(1);
        let op = *self.random.pick(COMPARISONS);
        let drawn = match self.random.random_below(if depth == 0 { 4 } else { 8 }) {
            0 => self.cell(|kind| kind == Kind::Bool),
            1 => self.cell(|_| true).map(|cell| Expr::Call("ISBLANK", vec![cell])),
            2 => {
                let dates = |kind| kind == Kind::Date;
                self.cell(dates)
                    .zip(self.cell(dates))
                    .map(|(a, b)| Expr::Binary(op, Box::new(a), Box::new(b)))
            }
            3 => {
                let texts = |kind| kind == Kind::Text;
                let op = if self.random.chance(50) {
                    Op::Equal
                } else {
                    Op::NotEqual
                };
                self.cell(texts)
                    .zip(self.cell(texts))
                    .map(|(a, b)| Expr::Binary(op, Box::new(a), Box::new(b)))
            }
            4 => Some(Expr::Call("AND", vec![self.truth(below), self.truth(below)])),
            5 => Some(Expr::Call("OR", vec![self.truth(below), self.truth(below)])),
            6 => Some(Expr::Call("NOT", vec![self.truth(below)])),
            _ => None,
        };
        drawn.unwrap_or_else(|| Expr::Binary(op, Box::new(self.exact(below)), Box::new(self.exact(below))))
    }

    fn branches(&mut self, depth: usize, of: fn(&mut Self, usize) -> Expr) -> Expr {
        let mut args = vec![self.truth(depth - 1), of(self, depth - 1)];
        if self.random.chance(80) {
            args.push(of(self, depth - 1));
        }
        Expr::Call("IF", args)
    }
}
