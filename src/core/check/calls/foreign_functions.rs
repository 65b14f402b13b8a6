//! Suggestions for functions from other tools that the catalog does not contain.

use super::foreign_calls::{self, CallInSource};
use super::functions_of_other_tools::FUNCTIONS_OF_OTHER_TOOLS;
use super::functions_of_other_tools::FunctionReplacement::{Advice, Formula};
use super::translated_functions::TRANSLATED_FUNCTIONS;
use crate::catalog;
use crate::diag::{Code, Diagnostic};
use crate::span::Span;

/// Prefixes of the names of newer functions in Excel files.
const EXCEL_PREFIXES: [&str; 2] = ["_XLFN.", "_XLWS."];

/// Returns the error for a function from another tool. The function's name is in upper case. `None` if the function is
/// not known.
pub(in crate::check) fn foreign_function_diagnostic(
    name: &str,
    span: Span,
    call: Option<CallInSource<'_>>,
) -> Option<Diagnostic> {
    let mut base_name = name;
    for prefix in EXCEL_PREFIXES {
        base_name = base_name.strip_prefix(prefix).unwrap_or(base_name);
    }
    let diagnostic = || {
        Diagnostic::new(Code::UnknownFunction, span, format!("unknown function `{name}`"))
            .with_label("not in the function catalogue")
    };
    if base_name != name && catalog::lookup(base_name).is_some() {
        return Some(
            diagnostic()
                .with_help(format!("write `{base_name}`"))
                .with_fix(span, base_name),
        );
    }
    if let Some((_, english)) = TRANSLATED_FUNCTIONS
        .iter()
        .find(|(translated, _)| *translated == base_name)
    {
        return Some(
            diagnostic()
                .with_help(format!("write `{english}`, the English name of this function"))
                .with_fix(span, *english),
        );
    }
    if let Some(narrow) = without_full_width_letters(base_name).filter(|narrow| catalog::lookup(narrow).is_some()) {
        return Some(
            diagnostic()
                .with_help(format!("write `{narrow}`"))
                .with_fix(span, narrow),
        );
    }
    let instead = FUNCTIONS_OF_OTHER_TOOLS
        .iter()
        .find(|(n, _)| *n == base_name)
        .map(|(_, instead)| instead);
    let renamed = match instead {
        Some(Formula(formula)) => Some(*formula),
        _ => None,
    };
    let advice = call.and_then(|call| foreign_calls::equivalent_call_help(call, base_name, renamed));
    if let Some(advice) = advice {
        return Some(diagnostic().with_help(advice));
    }
    Some(diagnostic().with_help(match instead? {
        Formula(formula) => format!("write `{formula}`"),
        Advice(advice) => (*advice).to_owned(),
    }))
}

/// Returns the name in ASCII letters if it contains full-width letters, such as those of a Japanese keyboard.
fn without_full_width_letters(name: &str) -> Option<String> {
    const FULL_WIDTH: u32 = 0xfee0;
    let narrow = |c: char| match c {
        '\u{ff21}'..='\u{ff3a}' => char::from_u32(c as u32 - FULL_WIDTH).unwrap_or(c),
        c => c,
    };
    (!name.is_ascii()).then(|| name.chars().map(narrow).collect())
}

/// Returns the call that replaces a function without brackets, such as `CURRENT_DATE`.
pub(in crate::check) fn call_for_bare_name(name: &str) -> Option<&'static str> {
    let named = FUNCTIONS_OF_OTHER_TOOLS
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name));
    match named?.1 {
        Formula(formula) if formula.ends_with("()") => Some(formula),
        _ => None,
    }
}

/// Returns advice for an SQL function that formulas do not support. `None` if there is no similar function.
#[must_use]
pub fn sql_function_advice(name: &str) -> Option<String> {
    let (_, instead) = FUNCTIONS_OF_OTHER_TOOLS
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name))?;
    Some(match instead {
        Formula(formula) => format!("the nearest formula is `{formula}`"),
        Advice(advice) => (*advice).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn foreign_functions_are_not_in_the_catalogue() {
        let translated = super::TRANSLATED_FUNCTIONS.iter().map(|(name, _)| name);
        for name in super::FUNCTIONS_OF_OTHER_TOOLS
            .iter()
            .map(|(name, _)| name)
            .chain(translated)
        {
            assert!(crate::catalog::lookup(name).is_none(), "{name} is built");
        }
        for (name, english) in super::TRANSLATED_FUNCTIONS {
            assert!(crate::catalog::lookup(english).is_some(), "{english} of {name}");
        }
    }
}
