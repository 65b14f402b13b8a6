//! Names that a template introduces: subquery aliases and lambda parameters.
//!
//! An argument inside the scope of such a name can be a user's column. If the column had the same name, SQL would
//! resolve the argument to the template's value instead. The names in templates therefore end in `_`, unlike column
//! names.

use super::Token;

#[derive(Clone, Copy, PartialEq)]
enum ScopeKind {
    Bracket,
    Subquery,
    Lambda,
}

struct Scope {
    kind: ScopeKind,
    names: Vec<String>,
    /// `true` while the first item in `from` is checked, which is outside the scope of the subquery's aliases.
    in_first_item: bool,
    has_argument: bool,
}

impl Scope {
    fn new(kind: ScopeKind, names: Vec<String>) -> Self {
        Self {
            kind,
            names,
            in_first_item: false,
            has_argument: false,
        }
    }

    fn close(self) -> Result<(), String> {
        match self
            .names
            .into_iter()
            .find(|name| self.has_argument && !name.ends_with('_'))
        {
            Some(name) => Err(format!(
                "an argument inside the scope of `{name}` may be a column with the same name; use the name `{name}_`"
            )),
            None => Ok(()),
        }
    }
}

/// Reports the first name that could capture a column in an argument.
pub(super) fn check_name_capture(tokens: &[Token]) -> Result<(), String> {
    let mut scopes: Vec<Scope> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let word_at = |place: usize| match tokens.get(place) {
            Some(Token::Word(word)) => Some(word.as_str()),
            _ => None,
        };
        let ends_lambda = matches!(token, Token::Symbol("," | ")" | "]"));
        if let Some(lambda) = scopes.pop_if(|scope| ends_lambda && scope.kind == ScopeKind::Lambda) {
            lambda.close()?;
        }
        let subquery = scopes.last_mut().filter(|scope| scope.kind == ScopeKind::Subquery);
        match (token, subquery) {
            (Token::Symbol("(" | "["), _) => {
                let is_subquery = word_at(index + 1) == Some("select");
                scopes.push(Scope::new(
                    if is_subquery {
                        ScopeKind::Subquery
                    } else {
                        ScopeKind::Bracket
                    },
                    Vec::new(),
                ));
            }
            (Token::Symbol(")" | "]"), _) => scopes.pop().map_or(Ok(()), Scope::close)?,
            (Token::Symbol("->"), _) => {
                scopes.push(Scope::new(ScopeKind::Lambda, read_lambda_parameters(tokens, index)));
            }
            (Token::Word(word), _) if word == "lambda" => {
                scopes.push(Scope::new(
                    ScopeKind::Lambda,
                    word_at(index + 1).into_iter().map(str::to_owned).collect(),
                ));
            }
            (Token::Word(word), Some(scope)) if word == "as" => {
                scope.in_first_item = false;
                scope.names.extend(read_alias_names(tokens, index));
            }
            (Token::Word(word), Some(scope)) if word == "from" => scope.in_first_item = scope.names.is_empty(),
            (Token::Word(_) | Token::Symbol(","), Some(scope)) => {
                scope.in_first_item &= word_at(index) == Some("unnest");
            }
            (Token::Slot(_), _) => {
                let inside = scopes.iter_mut().filter(|scope| !scope.in_first_item);
                inside.for_each(|scope| scope.has_argument = true);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns the alias after `as`, followed by its column list if there is one.
fn read_alias_names(tokens: &[Token], index: usize) -> Vec<String> {
    let list = matches!(tokens.get(index + 2), Some(Token::Symbol("(")));
    let end = |token: &&Token| !matches!(token, Token::Symbol(")"));
    tokens[index + 1..]
        .iter()
        .take(if list { usize::MAX } else { 1 })
        .take_while(end)
        .filter_map(word)
        .collect()
}

/// Returns the lambda parameters before `->`.
fn read_lambda_parameters(tokens: &[Token], index: usize) -> Vec<String> {
    let list = matches!(tokens.get(index.wrapping_sub(1)), Some(Token::Symbol(")")));
    let start = |token: &&Token| !matches!(token, Token::Symbol("("));
    tokens[..index]
        .iter()
        .rev()
        .take(if list { usize::MAX } else { 1 })
        .take_while(start)
        .filter_map(word)
        .collect()
}

fn word(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.clone()),
        _ => None,
    }
}
