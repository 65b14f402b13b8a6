//! Doc comments: `///` lines above a definition.

/// Returns the text of the `///` lines directly above the line that contains `start`.
///
/// ```
/// let source = "/// First day\n/// of the month.\nmonth = d[month]";
/// assert_eq!(formulac_grammar::description(source, 32).as_deref(), Some("First day\nof the month."));
/// ```
#[must_use]
#[inline]
pub fn description(source: &str, start: u32) -> Option<String> {
    if start == 0 {
        return None;
    }
    let before = source.get(..start as usize)?;
    let line_start = before.rfind('\n')? + 1;
    let mut lines_above = before.get(..line_start)?;
    let mut lines = Vec::new();
    loop {
        let line = lines_above.strip_suffix('\n').unwrap_or(lines_above);
        let from = line.rfind('\n').map_or(0, |i| i + 1);
        let text = line.get(from..).unwrap_or_default().trim();
        match text.strip_prefix("///") {
            Some(text) if !lines_above.is_empty() => lines.push(text.trim()),
            _ => break,
        }
        lines_above = lines_above.get(..from)?;
    }
    lines.reverse();
    (!lines.is_empty())
        .then(|| lines.join("\n").trim().to_owned())
        .filter(|t| !t.is_empty())
}
