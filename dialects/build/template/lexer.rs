//! Splits templates into tokens.

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Number(String),
    Text(String),
    Quoted(String),
    Slot(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 24] = [
    "#>>", "->", "<>", "<=", ">=", "<<", ">>", "||", "::", "!~", "~*", "(", ")", "[", "]", ",", ".", "+", "-", "*",
    "/", "%", "<", ">",
];

pub(super) fn lex(text: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut i = 0;
    let until = |from: usize, close: char| -> Result<(String, usize), String> {
        let mut value = String::new();
        let mut j = from;
        loop {
            match chars.get(j) {
                None => return Err(format!("the template has no closing {close}")),
                Some(c) if *c == close && chars.get(j + 1) == Some(&close) && close != '}' => {
                    value.push(close);
                    j += 2;
                }
                Some(c) if *c == close => return Ok((value, j + 1)),
                Some(c) => {
                    value.push(*c);
                    j += 1;
                }
            }
        }
    };
    while i < chars.len() {
        let c = chars[i];
        if c.is_whitespace() {
            i += 1;
        } else if c == '\'' {
            let (value, next) = until(i + 1, '\'')?;
            tokens.push(Token::Text(value));
            i = next;
        } else if c == '"' {
            let (value, next) = until(i + 1, '"')?;
            tokens.push(Token::Quoted(value));
            i = next;
        } else if c == '{' {
            let (value, next) = until(i + 1, '}')?;
            tokens.push(Token::Slot(value));
            i = next;
        } else if c.is_ascii_digit() || (c == '.' && chars.get(i + 1).is_some_and(char::is_ascii_digit)) {
            let start = i;
            while chars.get(i).is_some_and(|c| c.is_ascii_alphanumeric() || *c == '.') {
                if chars[i] == 'e' && matches!(chars.get(i + 1), Some('+' | '-')) {
                    i += 1;
                }
                i += 1;
            }
            tokens.push(Token::Number(chars[start..i].iter().collect()));
        } else if c.is_ascii_alphabetic() || c == '_' {
            let start = i;
            while chars
                .get(i)
                .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
            {
                i += 1;
            }
            tokens.push(Token::Word(chars[start..i].iter().collect()));
        } else {
            let rest: String = chars[i..chars.len().min(i + 3)].iter().collect();
            let symbol = SYMBOLS
                .iter()
                .chain(["=", "~", "&", "|", "#", "^", ":"].iter())
                .find(|s| rest.starts_with(**s))
                .ok_or_else(|| format!("unexpected `{c}` in template"))?;
            tokens.push(Token::Symbol(symbol));
            i += symbol.len();
        }
    }
    Ok(tokens)
}
