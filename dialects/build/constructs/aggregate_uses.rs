//! Ways in which a query uses an aggregate's template: with `group by`, or over a kind of window.

use crate::catalogue::Function;

/// Aggregates that are never computed over a window: TEXTJOIN joins only the rows of a group (F0420).
const NEVER_WINDOWED_AGGREGATES: [&str; 1] = ["string_agg"];

/// Ways in which a query uses an aggregate's template.
#[derive(Clone, Copy, Default)]
pub struct AggregateUses {
    /// In `group by`.
    pub grouped: bool,
    /// Over all rows of a partition.
    pub partition: bool,
    /// Over the rows of a frame.
    pub frame: bool,
    /// Over ordered rows, for functions that exist only as window functions.
    pub ordered: bool,
}

impl AggregateUses {
    /// Returns the ways in which queries use a function's template. An entry that another function refers to in
    /// `window` or `over` is computed over partitions, and an entry in `framed` over frames.
    pub fn find(function: &Function, functions: &[Function]) -> Self {
        let is_referenced = |field: fn(&Function) -> &Option<String>| {
            functions.iter().any(|f| field(f).as_ref() == Some(&function.name))
        };
        let over = is_referenced(|f| &f.over) || is_referenced(|f| &f.window);
        let framed = is_referenced(|f| &f.framed);
        match function.level.as_str() {
            "window" => Self {
                ordered: true,
                ..Self::default()
            },
            "aggregate" if over || framed => Self {
                partition: over,
                frame: framed,
                ..Self::default()
            },
            "aggregate" if NEVER_WINDOWED_AGGREGATES.contains(&function.name.as_str()) => Self {
                grouped: true,
                ..Self::default()
            },
            "aggregate" => Self {
                grouped: true,
                partition: function.over.is_none() && function.window.is_none(),
                frame: function.framed.is_none() && function.window.is_none(),
                ordered: false,
            },
            _ => Self::default(),
        }
    }

    /// Returns the window clauses that can follow a call, in the form that constructs use.
    pub(super) fn window_clauses(self) -> impl Iterator<Item = &'static str> {
        [
            (self.partition, " over (partition by)"),
            (self.frame, " over (rows)"),
            (self.ordered, " over (order by)"),
        ]
        .into_iter()
        .filter_map(|(is_used, text)| is_used.then_some(text))
    }
}
