//! Reads YAML for specs, dbt files and Omni files. Reports faults as diagnostics.

use super::diagnostics::{self, invalid_yaml_diagnostic};
use super::document::MAX_NODES;
use super::{MAX_NESTING, Node, YamlFault, parse};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;

/// Reads the first document in a string. Returns `None` if the text is empty. Errors that do not prevent parsing, such
/// as a duplicate key, are added to `faults`. If two keys are equal, the first key is used.
///
/// # Errors
///
/// Returns the first error that prevents further parsing.
pub fn read(source: &str, faults: &mut Vec<Diagnostic>) -> Result<Option<Node>, Diagnostic> {
    let mut has_second = false;
    let document = parse(source, |fault, span| {
        has_second |= matches!(fault, YamlFault::SecondValue);
        match diagnostic_for(source, &fault, span) {
            Some(diagnostic) if is_tolerated(&fault) => faults.push(diagnostic),
            Some(diagnostic) => return Err(diagnostic),
            None => {}
        }
        Ok(())
    })?;
    Ok(document.root.filter(|node| has_second || !node.is_null()))
}

/// Returns the first document in a string. `None` if the text is empty or is not valid YAML.
pub fn parse_root(source: &str) -> Option<Node> {
    read(source, &mut Vec::new()).ok().flatten()
}

/// Returns whether the rest of the file is read after a fault.
fn is_tolerated(fault: &YamlFault<'_>) -> bool {
    matches!(
        fault,
        YamlFault::DuplicateKey(..) | YamlFault::AnchorOrTag | YamlFault::SecondValue
    )
}

fn diagnostic_for(source: &str, fault: &YamlFault<'_>, span: Span) -> Option<Diagnostic> {
    let diagnostic = |message: &str| Diagnostic::new(Code::InvalidYaml, span, message);
    let too_deep = || {
        let message = format!("lists and mappings are nested more than {MAX_NESTING} levels deep");
        diagnostic(&message).with_help("remove brackets that are not needed")
    };
    Some(match fault {
        YamlFault::Nul => diagnostic("the file contains the control character U+0000")
            .with_help("remove the character; a YAML file can contain only text"),
        YamlFault::Syntax(reason) => invalid_yaml_diagnostic(source, span, reason),
        YamlFault::TooManyNodes => diagnostic(&format!("the file contains more than {MAX_NODES} keys and values"))
            .with_help("split the file into several files"),
        YamlFault::TooDeep | YamlFault::AliasTooDeep => too_deep(),
        YamlFault::UnknownAlias => invalid_yaml_diagnostic(source, span, "the alias has no anchor"),
        YamlFault::AliasTooLarge => diagnostic("the aliases in this file expand to more than 1 MiB of values")
            .with_help("use an alias only for a short value that contains no aliases"),
        YamlFault::EmptyBlock => return diagnostics::empty_block_diagnostic(source, span),
        YamlFault::AnchorOrTag => diagnostics::anchor_or_tag_diagnostic(source, span),
        YamlFault::DuplicateKey(key, first) => {
            let name = key.text()?;
            diagnostic(&format!("the key `{name}` appears more than once"))
                .with_secondary_label(*first, "the first")
                .with_help(format!("keep only one `{name}`"))
        }
        YamlFault::SecondDocument => return None,
        YamlFault::SecondValue => diagnostic("the file contains a second YAML document")
            .with_help("keep one document per file: remove the text after `---`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns nested lists in which each list has ten aliases of the previous list. Each level needs few bytes, but
    /// has ten times as many values as the previous level.
    fn levels(count: usize) -> String {
        let list = |level: usize| {
            format!(
                "l{level}: &l{level} [{}]\n",
                vec![format!("*l{}", level - 1); 10].join(", ")
            )
        };
        let first = "l0: &l0 [a, b, c]\n".to_owned();
        first + &(1..=count).map(list).collect::<String>()
    }

    #[test]
    fn values_begin_after_anchors_and_comments() {
        let text = "a: &x # why\n  text\nb: *x\n";
        let root = parse_root(text).unwrap();
        let value = root.get("a").unwrap();
        assert_eq!(value.span.text(text), "text");
        assert_eq!(value.full_span.text(text), "&x # why\n  text");
        assert_eq!(root.get("b").unwrap().full_span.text(text), "*x");
    }

    #[test]
    fn files_have_a_limit_for_nesting_and_for_values() {
        let read = |text: &str| read(text, &mut Vec::new()).map_err(|fault| fault.message().to_owned());
        let nested = |depth: usize| format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(MAX_NESTING - 1)).is_ok());
        assert!(
            read(&nested(MAX_NESTING))
                .unwrap_err()
                .contains("nested more than 64 levels")
        );
        let list = |length: usize| format!("[{}]\n", "a,".repeat(length));
        assert!(read(&list(MAX_NODES / 2)).is_ok());
        assert!(
            read(&list(MAX_NODES))
                .unwrap_err()
                .contains(&format!("more than {MAX_NODES} keys"))
        );
    }

    #[test]
    fn repeated_aliases_have_a_size_limit() {
        let read = |text: &str| read(text, &mut Vec::new());
        assert!(read(&levels(3)).is_ok());
        assert!(read(&levels(6)).unwrap_err().message().contains("1 MiB"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 20].join(", "));
        assert!(read(&long).unwrap_err().message().contains("1 MiB"));
    }

    /// The depth of an alias inside a list is the depth of the list plus the depth of the repeated value.
    #[test]
    fn aliases_nest_no_deeper_than_lists() {
        let nested = |level: usize| {
            let inside = if level == 0 {
                "a".to_owned()
            } else {
                format!("*l{}", level - 1)
            };
            format!("l{level}: &l{level} {}{inside}{}\n", "[".repeat(20), "]".repeat(20))
        };
        let text = |levels: usize| (0..levels).map(nested).collect::<String>();
        assert!(read(&text(3), &mut Vec::new()).is_ok());
        let fault = read(&text(4), &mut Vec::new()).unwrap_err();
        assert!(fault.message().contains("levels deep"), "{fault:?}");
    }
}
