//! Window frames: the rows that a window function reads.

use super::CalendarRange;

/// Purpose of a window over the rows of each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupWindowKind {
    /// Computes the aggregate. Its value is the same in all rows of the group.
    Value,
    /// Computes the rank of the row's value within its group, in descending or ascending order.
    ExpressionPlace { descending: bool },
    /// Counts the values in the group.
    Count,
    /// Counts the occurrences of the row's value in the group.
    Occurrences,
    /// Counts the occurrences of the most frequent value in the group.
    MaxOccurrences,
}

impl GroupWindowKind {
    /// Returns the suffix of the generated column's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "in_group",
            Self::ExpressionPlace { .. } => "place",
            Self::Count => "count",
            Self::Occurrences => "repeats",
            Self::MaxOccurrences => "most",
        }
    }
}

/// Rows that a window call reads, and their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowFrame {
    /// Rows of the partition in the step's order. The window function determines which of these rows it reads.
    Ordered,
    /// All rows of the partition, without an order.
    Partition,
    /// Rows from one bound to another in the step's order, including both bounds.
    Rows { from: FrameBound, to: FrameBound },
    /// All rows, sorted by the call's own argument. NULLs come last or, if `nulls_apart` is set, are in a separate
    /// partition. If `in_step_partition` is set, the rows are partitioned by the step's partition keys, otherwise only
    /// by the partition keys in the spec.
    Ranked {
        descending: bool,
        nulls_apart: bool,
        in_step_partition: bool,
    },
    /// Rows of the partition with the same value of the call's own argument.
    SameValue,
    /// Rows of the partition whose key is within a calendar range. The window's last additional partition key is the
    /// sort key of the frame, unless the frame contains all rows of the partition.
    Calendar(CalendarRange),
    /// Rows before the current row, sorted by the window's last additional partition key. If `own` is set, rows with
    /// the same value as the current row are included.
    Ahead { descending: bool, own: bool },
    /// Cells in one row of a pivoted sheet, one cell per column.
    Across(CellFrame),
    /// All cells of a row of the pivoted sheet, in column order.
    PivotColumns,
}

/// Cells in a row of a pivoted sheet that a window reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellFrame {
    /// All cells, without an order.
    All,
    /// All cells, in the order of the columns. The window function determines which of these cells it reads.
    Ordered,
    /// Cells from one column to another, including both columns.
    Cells { from: FrameBound, to: FrameBound },
    /// All cells, sorted by the call's own argument.
    Ranked { descending: bool },
}

impl WindowFrame {
    /// Returns whether the window depends on the step's order.
    pub fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::Ordered | Self::Rows { .. } | Self::Calendar(_) | Self::Across(_) | Self::PivotColumns
        )
    }

    /// Returns whether the window reads rows in the step's order rather than the cells of one row.
    pub fn is_row_window(self) -> bool {
        matches!(self, Self::Ordered | Self::Rows { .. })
    }

    /// Returns whether the window reads all rows of a partition or all cells of a row.
    pub fn covers_partition(self) -> bool {
        matches!(self, Self::Partition | Self::Across(CellFrame::All))
    }

    /// Returns whether the rows or cells are sorted by the call's own argument.
    pub fn is_sorted_by_argument(self) -> bool {
        matches!(self, Self::Ranked { .. } | Self::Across(CellFrame::Ranked { .. }))
    }

    /// Returns whether the window always includes the current row.
    pub fn includes_current_row(self) -> bool {
        match self {
            Self::Rows { from, to } | Self::Across(CellFrame::Cells { from, to }) => {
                from <= FrameBound::At(0) && FrameBound::At(0) <= to
            }
            Self::Ordered
            | Self::Partition
            | Self::Ranked { .. }
            | Self::SameValue
            | Self::Across(_)
            | Self::PivotColumns => true,
            Self::Ahead { own: is_inclusive, .. } => is_inclusive,
            Self::Calendar(range) => range.includes_current_row(),
        }
    }

    /// Returns whether the window can be partitioned by an additional value. Each bound of such a window must be the
    /// current row or an end of the partition.
    pub fn is_valid_in_partitions(self) -> bool {
        use FrameBound::{At, First, Last};
        match self {
            Self::Rows { from, to } | Self::Across(CellFrame::Cells { from, to }) => {
                matches!((from, to), (First | At(0), At(0) | Last))
            }
            // The ends of a calendar range are keys, so they do not depend on the other rows.
            Self::Ordered | Self::Partition | Self::Calendar(_) | Self::Across(CellFrame::All | CellFrame::Ordered) => {
                true
            }
            Self::Ranked { .. }
            | Self::SameValue
            | Self::Ahead { .. }
            | Self::Across(CellFrame::Ranked { .. })
            | Self::PivotColumns => false,
        }
    }
}

/// Bound of a window: a row of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameBound {
    First,
    /// Number of rows after the current row. Negative for rows before the current row.
    At(i32),
    Last,
}

/// Index of a [`WindowFrame`] in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowFrameId(pub(super) u32);
