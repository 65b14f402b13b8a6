//! Tests the layout of the SQL.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use crate::corpus::{Written, compiled_specs};
use crate::sql_parser::parse;
use crate::sql_text::tokens;

/// Applies a rule to the query and the model of every spec.
pub fn apply_rule(rule: impl Fn(&Written, &str) -> Vec<String>) {
    let mut faults = Vec::new();
    for w in compiled_specs() {
        for fault in rule(&w, &w.query) {
            faults.push(format!("{}: {fault}", w.describe()));
        }
    }
    let count = faults.len();
    faults.truncate(40);
    assert!(faults.is_empty(), "{count} faults:\n{}", faults.join("\n"));
}

#[test]
fn all_sql_parses() {
    apply_rule(|w, sql| parse(w.dialect, sql).err().into_iter().collect());
}

/// A line may be longer than 80 characters only if it consists of a single token.
#[test]
fn lines_have_at_most_80_characters() {
    apply_rule(|w, sql| {
        let all = tokens(w.dialect, sql);
        let mut start = 0;
        let mut faults = Vec::new();
        for line in sql.split_inclusive('\n') {
            let range = start..start + line.len();
            start = range.end;
            let length = line.trim_end().chars().count();
            let indent = line.len() - line.trim_start().len();
            let longest = all
                .iter()
                .filter(|(_, r)| r.start >= range.start && r.end <= range.end)
                .map(|(_, r)| r.len())
                .max();
            if length > 80 && indent + longest.unwrap_or(0) <= 80 {
                faults.push(format!("{length} characters: {}", line.trim()));
            }
        }
        faults
    });
}

#[test]
fn words_in_lower_case() {
    apply_rule(|w, sql| {
        let upper = |t: &Token| match t {
            Token::Word(word) if word.quote_style.is_none() => word.value.chars().any(char::is_uppercase),
            _ => false,
        };
        tokens(w.dialect, sql)
            .into_iter()
            .filter(|(t, _)| upper(t))
            .map(|(t, _)| t.to_string())
            .collect()
    });
}

#[test]
fn files_end_with_one_newline() {
    apply_rule(|_, sql| {
        let mut faults = Vec::new();
        if !sql.ends_with('\n') || sql.ends_with("\n\n") {
            faults.push("does not end with one newline".to_owned());
        }
        faults.extend(
            sql.lines()
                .filter(|l| l.ends_with([' ', '\t']))
                .map(|l| format!("blanks at the end: {l:?}")),
        );
        faults.extend(sql.contains('\t').then(|| "a tab".to_owned()));
        faults
    });
}

/// Each column in a list begins on a new line.
#[test]
fn each_column_has_its_own_line() {
    apply_rule(|w, sql| {
        let all = tokens(w.dialect, sql);
        let mut depth = 0;
        let mut lists: Vec<i32> = Vec::new();
        let mut faults = Vec::new();
        for (index, (token, range)) in all.iter().enumerate() {
            match token {
                Token::LParen => depth += 1,
                Token::RParen => {
                    depth -= 1;
                    lists.retain(|d| *d <= depth);
                }
                Token::Word(word) if word.keyword == Keyword::SELECT => lists.push(depth),
                Token::Word(word) if word.keyword == Keyword::FROM && lists.last() == Some(&depth) => {
                    lists.pop();
                }
                Token::Comma if lists.last() == Some(&depth) => {
                    let next = &all[index + 1].1;
                    if !sql[range.end..next.start].contains('\n') {
                        faults.push(format!("two columns in a line: {}", &sql[range.start..next.end]));
                    }
                }
                _ => {}
            }
        }
        faults
    });
}
