//! Escapes strings for Markdown, so that no name or sentence becomes markup.

use std::borrow::Cow;

use crate::diag::hidden::escape_hidden;
use crate::text::collapse_whitespace;

/// Formats a string as inline code on one line. Uses HTML if the text contains a backtick or a vertical bar, because a
/// bar would end a table cell.
///
/// ```
/// use formulac_syntax::markdown::inline_code;
///
/// assert_eq!(inline_code("SUM(a)"), "`SUM(a)`");
/// assert_eq!(inline_code("a | b_c"), r"<code>a \| b_c</code>");
/// ```
#[must_use]
pub fn inline_code(text: &str) -> String {
    let text = escape_hidden(&collapse_whitespace(text)).into_owned();
    if text.contains(['`', '|']) {
        return format!("<code>{}</code>", escape_markdown(&text));
    }
    format!("`{}`", if text.is_empty() { " " } else { &text })
}

/// Formats a string as a fenced code block whose fence does not occur in the contents.
///
/// ```
/// assert_eq!(formulac_syntax::markdown::code_block("sql", "select 1\n"), "```sql\nselect 1\n```\n");
/// ```
#[must_use]
pub fn code_block(language: &str, text: &str) -> String {
    let text = escape_hidden(text);
    let fence = "`".repeat(longest_run(&text, '`').max(2) + 1);
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{fence}{language}\n{text}{end}{fence}\n")
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or_default()
}

/// Escapes a sentence from a message. Text in backticks becomes code.
///
/// ```
/// assert_eq!(formulac_syntax::markdown::escape_sentence("`a_b` reads a_b"), "`a_b` reads a_b");
/// ```
#[must_use]
pub fn escape_sentence(sentence: &str) -> String {
    let mut out = String::new();
    let parts: Vec<&str> = sentence.split('`').collect();
    for (number, part) in parts.iter().enumerate() {
        if number % 2 == 1 && number + 1 < parts.len() && !part.trim().is_empty() {
            out.push_str(&inline_code(part));
        } else {
            out.push_str(&escape_markdown(part));
        }
    }
    out
}

/// Escapes a string, for example in a table cell, so that it contains no Markdown or HTML.
///
/// ```
/// use formulac_syntax::markdown::escape_markdown;
///
/// assert_eq!(escape_markdown("a_b _c_ | <i>"), r"a_b \_c\_ \| &lt;i&gt;");
/// assert_eq!(escape_markdown("me@example.com, @all"), "me@example.com, &#64;all");
/// ```
#[must_use]
pub fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let text: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let text = escape_hidden(&text);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_inside = std::mem::replace(&mut before, c).is_alphanumeric();
        let escaped: Cow<'static, str> = match c {
            // An underscore inside a word does not mark emphasis.
            '_' if is_inside && rest.peek().is_some_and(|next| next.is_alphanumeric()) => "_".into(),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => format!("\\{c}").into(),
            '<' => "&lt;".into(),
            '>' => "&gt;".into(),
            '&' => "&amp;".into(),
            // Escape `@` at the start of a word, because GitHub and GitLab treat the word as a mention and notify that
            // person. `@` in an e-mail address is harmless.
            '@' if !is_inside => "&#64;".into(),
            c => {
                out.push(c);
                continue;
            }
        };
        out.push_str(&escaped);
    }
    out
}
