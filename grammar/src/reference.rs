//! Parser for the parts of references such as `view.field` and `${view.field[timeframe]:total}`.

use formulac_syntax::lex::split_qualifier;
use formulac_syntax::span::Span;

/// Parts of a reference. Spans refer to the whole source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldReference {
    /// View, if the reference has one.
    pub view: Option<Span>,
    /// Field or column.
    pub field: Span,
    /// Timeframe in square brackets.
    pub timeframe: Option<Span>,
    /// Total after the colon.
    pub total: Option<Span>,
}

/// Splits the reference at `span`, which is `view.field` or `${…}`, into its parts.
///
/// ```
/// use formulac_grammar::reference;
/// use formulac_syntax::span::Span;
/// let source = "${orders.Net Revenue[month]:row_total}";
/// let parts = reference(source, Span::new(0, source.len() as u32));
/// assert_eq!(parts.view.unwrap().text(source), "orders");
/// assert_eq!(parts.field.text(source), "Net Revenue");
/// assert_eq!(parts.timeframe.unwrap().text(source), "month");
/// assert_eq!(parts.total.unwrap().text(source), "row_total");
/// ```
#[must_use]
pub fn reference(source: &str, span: Span) -> FieldReference {
    let text = span.text(source);
    let (mut start, mut end) = (0, text.len());
    if text.starts_with("${") {
        start = 2;
        if text.ends_with('}') {
            end -= 1;
        }
    }
    let trim = |from: usize, to: usize| {
        let part = text.get(from..to).unwrap_or_default();
        let lead = part.len() - part.trim_start().len();
        let trail = part.len() - part.trim_end().len();
        Span::new(
            span.start + (from + lead.min(part.len())) as u32,
            span.start + (to - trail).max(from + lead) as u32,
        )
    };
    let find = |from: usize, to: usize, c: char| text.get(from..to).and_then(|t| t.find(c)).map(|i| from + i);
    let mut total = None;
    let mut timeframe = None;
    if let Some(colon) = find(start, end, ':') {
        total = Some(trim(colon + 1, end));
        end = colon;
    }
    if let Some(open) = find(start, end, '[') {
        let close = find(open, end, ']').unwrap_or(end);
        timeframe = Some(trim(open + 1, close));
        end = open;
    }
    // The field begins after the last dot, because a view may be qualified. In `${…}`, names may contain dots.
    let inside = text.get(start..end).unwrap_or_default();
    let dot = match start {
        0 => inside.rfind('.'),
        _ => split_qualifier(inside.trim_end()).0.map(str::len),
    };
    let (view, field) = match dot.map(|at| start + at) {
        Some(dot) => (Some(trim(start, dot)), trim(dot + 1, end)),
        None => (None, trim(start, end)),
    };
    FieldReference {
        view,
        field,
        timeframe,
        total,
    }
}
