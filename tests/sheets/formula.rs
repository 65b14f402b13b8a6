//! Formulas over cells, as data and in the notation of a spec.

use std::fmt::Write as _;

use crate::lookup::Lookup;
use crate::pivot::Pivoted;
use crate::sheet::Sheet;

/// Row to which a reference refers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// No row number: the reference refers to the formula's row, or the range has an open end.
    Unsaid,
    /// Row at this offset from the formula's row.
    At(i64),
    Fixed(i64),
}

/// Notation of a cell reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// `$B1`.
    Dollar,
    /// `b1`.
    Lower,
    /// `revenue`, in this row.
    Name,
    /// `OFFSET(B1, -2, 0)`.
    Offset,
}

#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub column: usize,
    pub row: Row,
    pub style: Style,
}

#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub from: (usize, Row),
    pub to: (usize, Row),
    /// `true` if the range is written with OFFSET, as in `OFFSET(B1, -2, 0, 3, 1)`.
    pub by_offset: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Concat,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Op {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Concat => "&",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    Sum,
    Average,
    Count,
    CountBlank,
    Min,
    Max,
    Median,
    StDev,
    CountUnique,
}

impl Aggregate {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "SUM",
            Self::Average => "AVERAGE",
            Self::Count => "COUNT",
            Self::CountBlank => "COUNTBLANK",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Median => "MEDIAN",
            Self::StDev => "STDEV",
            Self::CountUnique => "COUNTUNIQUE",
        }
    }
}

/// Condition that a row of a range must meet.
#[derive(Clone, Copy, Debug)]
pub enum Criterion {
    /// `">5"`.
    Number(Op, i64),
    /// `"north"`.
    Text(&'static str),
    /// The value of the range's column in this row: `SUMIF(B:B, B1, C:C)`.
    SameAsHere,
    /// Comparison with the first cell: `SUMIF(B2:B9, B2 > 5, C2:C9)`.
    FirstCell(Op, i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    Sum,
    Count,
    Average,
    Min,
    Max,
}

#[derive(Clone, Debug)]
pub enum Expr {
    Int(i64),
    Text(&'static str),
    Cell(Cell),
    RowNumber,
    Binary(Op, Box<Expr>, Box<Expr>),
    Call(&'static str, Vec<Expr>),
    /// The aggregate, its ranges, and an additional value.
    Aggregate(Aggregate, Vec<Range>, Option<Box<Expr>>),
    SumProduct(Range, Range),
    /// LARGE and SMALL.
    Nth {
        largest: bool,
        range: Range,
        nth: i64,
    },
    /// `RANK(B1, B:B)`.
    Rank {
        column: usize,
        ascending: bool,
    },
    Where {
        fold: Fold,
        several: bool,
        pairs: Vec<(Range, Criterion)>,
        value: Option<Range>,
    },
    Lookup(Lookup),
    Pivoted(Pivoted),
}

pub fn letters(column: usize) -> String {
    let (before, last) = (column / 26, char::from(b'A' + (column % 26) as u8));
    if before == 0 {
        last.to_string()
    } else {
        letters(before - 1) + &last.to_string()
    }
}

impl Expr {
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Binary(_, a, b) => vec![a, b],
            Self::Call(_, args) => args.iter().collect(),
            Self::Aggregate(_, _, beside) => beside.iter().map(|x| &**x).collect(),
            Self::Lookup(lookup) => lookup.args.iter().collect(),
            Self::Pivoted(pivoted) => pivoted.child().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Self::Binary(_, a, b) => vec![a, b],
            Self::Call(_, args) => args.iter_mut().collect(),
            Self::Aggregate(_, _, beside) => beside.iter_mut().map(|x| &mut **x).collect(),
            Self::Lookup(lookup) => lookup.args.iter_mut().collect(),
            Self::Pivoted(pivoted) => pivoted.child_mut().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    pub fn has_lookup(&self) -> bool {
        matches!(self, Self::Lookup(_)) || self.children().into_iter().any(Self::has_lookup)
    }

    /// Returns `true` if the expression consists only of literals.
    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Text(_) | Self::Binary(..) | Self::Call(..))
            && self.children().into_iter().all(Self::is_constant)
    }

    /// Calls `work` on every column in the formula, so that `work` can replace the column.
    pub fn each_column(&mut self, work: &mut dyn FnMut(&mut usize)) {
        let mut of_range = |range: &mut Range| {
            work(&mut range.from.0);
            work(&mut range.to.0);
        };
        match self {
            Self::Aggregate(_, ranges, _) => ranges.iter_mut().for_each(of_range),
            Self::SumProduct(a, b) => [a, b].into_iter().for_each(of_range),
            Self::Nth { range, .. } => of_range(range),
            Self::Where { pairs, value, .. } => {
                pairs.iter_mut().for_each(|(range, _)| of_range(range));
                value.iter_mut().for_each(of_range);
            }
            Self::Cell(cell) => work(&mut cell.column),
            Self::Rank { column, .. } | Self::Pivoted(Pivoted::RankInRow(column)) => work(column),
            Self::Lookup(lookup) => lookup.columns_mut().into_iter().for_each(&mut *work),
            _ => {}
        }
        self.children_mut()
            .into_iter()
            .for_each(|child| child.each_column(work));
    }

    /// Returns `true` if the formula reads a column. This includes the columns between the corners of a range.
    pub fn names(&self, column: usize) -> bool {
        let in_range = |r: &Range| (r.from.0.min(r.to.0)..=r.from.0.max(r.to.0)).contains(&column);
        let own = match self {
            Self::Aggregate(_, ranges, _) => ranges.iter().any(in_range),
            Self::SumProduct(a, b) => in_range(a) || in_range(b),
            Self::Nth { range, .. } => in_range(range),
            Self::Where { pairs, value, .. } => {
                pairs.iter().any(|(range, _)| in_range(range)) || value.iter().any(in_range)
            }
            Self::Cell(cell) => cell.column == column,
            Self::Rank { column: of, .. } | Self::Pivoted(Pivoted::RankInRow(of)) => *of == column,
            Self::Lookup(lookup) => lookup.names(column),
            _ => false,
        };
        own || self.children().into_iter().any(|child| child.names(column))
    }

    pub fn render_text(&self, sheet: &Sheet) -> String {
        let mut out = String::new();
        self.write(sheet, &mut out);
        out
    }

    fn write(&self, sheet: &Sheet, output: &mut String) {
        let list = |name: &str, args: Vec<String>, out: &mut String| {
            let _ = write!(out, "{name}({})", args.join(", "));
        };
        match self {
            Self::Int(n) => {
                let _ = write!(output, "{n}");
            }
            Self::Text(text) => {
                let _ = write!(output, "\"{text}\"");
            }
            Self::Cell(cell) => output.push_str(&cell.render_text(sheet)),
            Self::RowNumber => output.push_str("ROW()"),
            Self::Binary(op, a, b) => {
                let _ = write!(
                    output,
                    "({} {} {})",
                    a.render_text(sheet),
                    op.symbol(),
                    b.render_text(sheet)
                );
            }
            Self::Call(name, args) => list(name, args.iter().map(|x| x.render_text(sheet)).collect(), output),
            Self::Aggregate(aggregate, ranges, beside) => {
                let ranges = ranges.iter().map(|range| range.render_text(sheet));
                let args = ranges.chain(beside.iter().map(|x| x.render_text(sheet))).collect();
                list(aggregate.name(), args, output);
            }
            Self::SumProduct(a, b) => list("SUMPRODUCT", vec![a.render_text(sheet), b.render_text(sheet)], output),
            Self::Nth { largest, range, nth } => {
                let name = if *largest { "LARGE" } else { "SMALL" };
                list(name, vec![range.render_text(sheet), nth.to_string()], output);
            }
            Self::Rank { column, ascending } => {
                let letters = letters(*column);
                let row = sheet.anchor;
                let _ = write!(
                    output,
                    "RANK({letters}{row}, {letters}:{letters}{})",
                    if *ascending { ", 1" } else { "" }
                );
            }
            Self::Lookup(lookup) => output.push_str(&lookup.render_text(sheet)),
            Self::Pivoted(pivoted) => output.push_str(&pivoted.render_text(sheet)),
            Self::Where {
                fold,
                several,
                pairs,
                value,
            } => {
                let name = match fold {
                    Fold::Sum => "SUMIF",
                    Fold::Count => "COUNTIF",
                    Fold::Average => "AVERAGEIF",
                    Fold::Min => "MINIF",
                    Fold::Max => "MAXIF",
                };
                let conditions = pairs
                    .iter()
                    .flat_map(|(range, criterion)| [range.render_text(sheet), criterion.render_text(range, sheet)]);
                let value = value.iter().map(|range| range.render_text(sheet));
                if *several {
                    list(&format!("{name}S"), value.chain(conditions).collect(), output);
                } else {
                    list(name, conditions.chain(value).collect(), output);
                }
            }
        }
    }
}

fn corner((column, row): (usize, Row), sheet: &Sheet) -> String {
    let letters = letters(column);
    match row {
        Row::Unsaid => letters,
        Row::At(by) => format!("{letters}{}", sheet.anchor + by),
        Row::Fixed(row) => format!("{letters}${row}"),
    }
}

impl Cell {
    fn render_text(&self, sheet: &Sheet) -> String {
        let plain = corner((self.column, self.row), sheet);
        match (self.style, self.row) {
            (Style::Dollar, Row::At(_) | Row::Fixed(_)) => format!("${plain}"),
            (Style::Lower, Row::At(_)) => plain.to_lowercase(),
            (Style::Name, _) => sheet.name_of(self.column).to_owned(),
            (Style::Offset, Row::At(by)) => format!("OFFSET({}, {by}, 0)", corner((self.column, Row::At(0)), sheet)),
            _ => plain,
        }
    }
}

impl Range {
    fn render_text(&self, sheet: &Sheet) -> String {
        if let (true, (left, Row::At(a)), (right, Row::At(b))) = (self.by_offset, self.from, self.to) {
            let (first, last) = (left.min(right), left.max(right));
            let (rows, columns) = (a.max(b) - a.min(b) + 1, last - first + 1);
            return format!(
                "OFFSET({}, {}, 0, {rows}, {columns})",
                corner((first, Row::At(0)), sheet),
                a.min(b)
            );
        }
        format!("{}:{}", corner(self.from, sheet), corner(self.to, sheet))
    }
}

impl Criterion {
    fn render_text(&self, range: &Range, sheet: &Sheet) -> String {
        match self {
            Self::Number(op, n) => {
                let op = if *op == Op::Equal { "" } else { op.symbol() };
                format!("\"{op}{n}\"")
            }
            Self::Text(text) => format!("\"{text}\""),
            Self::SameAsHere => corner((range.from.0, Row::At(0)), sheet),
            Self::FirstCell(op, n) => {
                let first = match (range.from.1, range.to.1) {
                    (Row::At(a), Row::At(b)) => Row::At(a.min(b)),
                    (Row::Unsaid, _) => Row::At(0),
                    (row, _) => row,
                };
                format!("{} {} {n}", corner((range.from.0, first), sheet), op.symbol())
            }
        }
    }
}
