//! Parses an input relation of a spec: a table, a `ref` or a `source`.

use super::checks::is_identifier;
use super::load::{SpannedText, SpecLoader};
use crate::dbt::RelationReference;
use crate::diag::{Code, Diagnostic};

impl SpecLoader<'_, '_> {
    pub(super) fn parse_relation(&mut self, key: &str, text: SpannedText<'_>) -> Option<RelationReference> {
        let trimmed = text.text.trim();
        if trimmed.starts_with("{{") && trimmed.ends_with("}}") {
            self.report_jinja(key, text.node, trimmed);
            return None;
        }
        if let Some(help) = sql_relation_help(key, trimmed) {
            let message = format!("`{key}` must be a table, a ref or a source, found `{trimmed}`");
            self.report(Diagnostic::new(Code::WrongShape, text.node.span, message).with_help(help));
            return None;
        }
        if let Some(from) = RelationReference::read(trimmed) {
            return Some(from);
        }
        let help = match quote_reference_arguments(trimmed) {
            Some(corrected) => format!("put the names in quotes: `{key}: {corrected}`"),
            None => {
                "write `orders`, `ref('orders')`, `ref('package', 'orders')` or `source('raw', 'orders')`".to_owned()
            }
        };
        self.report(
            Diagnostic::new(
                Code::WrongShape,
                text.node.span,
                format!("`{key}` must be a table, a ref or a source, found `{trimmed}`"),
            )
            .with_help(help),
        );
        None
    }
}

/// Returns help if the text is SQL: a query, or a table with an alias.
fn sql_relation_help(key: &str, text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [first, _, ..] if first.eq_ignore_ascii_case("select") => Some(format!(
            "write `{key}: orders` with the name of the table; columns belong in `definitions`, conditions in `where`"
        )),
        [table, word, alias] if word.eq_ignore_ascii_case("as") => Some(match key {
            "to" => format!("write `to: {table}` and `as: {alias}`"),
            _ => format!("write `{key}: {table}`; formulas use the name of the table"),
        }),
        _ => None,
    }
}

/// Adds the missing quotes to `ref(orders)` or `source(raw, events)`.
fn quote_reference_arguments(text: &str) -> Option<String> {
    let (word, inside) = text.strip_suffix(')')?.split_once('(')?;
    let word = word.trim_end();
    let names: Vec<&str> = inside.split(',').map(str::trim).collect();
    let fits = (word == "ref" && names.len() <= 2) || (word == "source" && names.len() == 2);
    if !fits || !names.iter().all(|name| is_identifier(name)) {
        return None;
    }
    let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    Some(format!("{word}({})", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use crate::dbt::RelationReference;
    use crate::load::{SpecKind, load};

    fn from(text: &str) -> Option<RelationReference> {
        let source = format!("model: m\nfrom: {text}\ndefinitions: a = 1\n");
        let node = crate::yaml::read(&source, &mut Vec::new()).unwrap().unwrap();
        let mut diagnostics = Vec::new();
        load(&node, &source, SpecKind::Written, &mut diagnostics).map(|s| s.from)
    }

    #[test]
    fn relation_references_are_parsed() {
        assert_eq!(from("raw.orders").unwrap().name(), "orders");
        assert_eq!(
            from("\"ref('p', 'm', v=2)\""),
            Some(RelationReference::Ref {
                package: Some("p".into()),
                model: "m".into(),
                version: Some("2".into())
            })
        );
        assert_eq!(from("source('raw', 'events')").unwrap().name(), "events");
        for name in ["events_*", "Orders 2024", "my-table", "/BIC/ORDERS", "a#b@c:d%e&f+g"] {
            assert_eq!(from(&format!("\"source('raw', '{name}')\"")).unwrap().name(), name);
        }
        assert_eq!(from("\"source('raw', 'a{{b')\""), None);
        assert_eq!(from("ref('m') }} evil {{ ref('x')"), None);
        assert_eq!(from("orders; drop table x"), None);
    }
}
