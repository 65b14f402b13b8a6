//! Text that dbt renders: SQL, and every text in YAML.

use super::From;

/// The body of an import CTE.
pub(crate) fn import(from: &From, table: &str) -> String {
    match from.call() {
        Some(call) => format!("select * from {{{{ {call} }}}}"),
        None => format!("select * from {table}"),
    }
}

/// Text so that it comes out of dbt as it is. Markers of Jinja are written as expressions that give them,
/// which works inside a longer SQL text where `raw` blocks would not read well.
///
/// `a {{ b` becomes `a {{ '{{' }} b`.
pub(crate) fn protect(text: &str) -> String {
    if !["{{", "{%", "{#", "#}", "}}", "%}"].iter().any(|m| text.contains(m)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 32);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // Each brace, percent or hash that could begin or end a marker is given by an expression of its own,
        // whatever stands beside it.
        let next = chars.peek().copied();
        let marker = matches!((c, next), ('{', Some('{' | '%' | '#')) | ('#' | '%' | '}', Some('}')));
        if marker {
            let both: String = [c, next.unwrap_or_default()].iter().collect();
            chars.next();
            out.push_str(&format!("{{{{ '{both}' }}}}"));
        } else {
            out.push(c);
        }
    }
    out
}

/// A text of YAML so that it comes out of dbt as it is. A `raw` block reads best; a text that could end one is given
/// by expressions.
pub(super) fn raw(text: &str) -> String {
    if !["{{", "{%", "{#"].iter().any(|m| text.contains(m)) {
        return text.to_owned();
    }
    if text.contains("endraw") { protect(text) } else { format!("{{% raw %}}{text}{{% endraw %}}") }
}

#[cfg(test)]
mod tests {
    use super::{protect, raw};

    #[test]
    fn texts_do_not_end_their_raw_block() {
        assert_eq!(raw("plain { text } #}"), "plain { text } #}");
        assert_eq!(raw("a {{ b }}"), "{% raw %}a {{ b }}{% endraw %}");
        assert_eq!(raw("{%-endraw-%}{{ evil }}"), "{{ '{%' }}-endraw-{{ '%}' }}{{ '{{' }} evil {{ '}}' }}");
    }

    #[test]
    fn markers_become_expressions() {
        assert_eq!(protect("plain { text }"), "plain { text }");
        assert_eq!(protect("a {{ b }}"), "a {{ '{{' }} b {{ '}}' }}");
        assert_eq!(protect("{% x %} {# y #}"), "{{ '{%' }} x {{ '%}' }} {{ '{#' }} y {{ '#}' }}");
        assert_eq!(protect("{{{"), "{{ '{{' }}{");
    }
}
