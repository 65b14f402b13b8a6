//! The loop that drives the tables of the parser without recovery, in place of LALRPOP's.
//!
//! LALRPOP's hands each token around in an enum that recovery needs and grows its stacks from nothing; a short formula
//! takes a fifth less time without. `grammar/build.rs` names this module where the generated code names LALRPOP's.

pub(super) use lalrpop_util::state_machine::*;

/// Deeper than the stacks of most formulas get.
const ROOM: usize = 48;

pub(super) struct Parser;

impl Parser {
    pub(super) fn drive<D, I>(mut definition: D, tokens: I) -> ParseResult<D>
    where
        D: ParserDefinition,
        I: Iterator<Item = Result<TokenTriple<D>, ParseError<D>>>,
    {
        let mut states = Vec::with_capacity(ROOM);
        let mut symbols = Vec::with_capacity(ROOM);
        let mut top = definition.start_state();
        states.push(top);
        for token in tokens {
            let token = token?;
            let Some(index) = definition.token_to_index(&token.1) else {
                return refused::<D>(Some(token), definition.start_location());
            };
            loop {
                let action = definition.action(top, index);
                if let Some(next) = action.as_shift() {
                    let symbol = definition.token_to_symbol(index, token.1);
                    symbols.push((token.0, symbol, token.2));
                    states.push(next);
                    top = next;
                    break;
                }
                let Some(rule) = action.as_reduce() else {
                    return refused::<D>(Some(token), definition.start_location());
                };
                if let Some(result) = definition.reduce(rule, Some(&token.0), &mut states, &mut symbols) {
                    return result;
                }
                let Some(next) = states.last() else { return refused::<D>(Some(token), definition.start_location()) };
                top = *next;
            }
        }
        loop {
            let Some(rule) = definition.eof_action(top).as_reduce() else {
                return refused::<D>(None, definition.start_location());
            };
            if let Some(result) = definition.reduce(rule, None, &mut states, &mut symbols) {
                return result;
            }
            let Some(next) = states.last() else { return refused::<D>(None, definition.start_location()) };
            top = *next;
        }
    }
}

/// The text is read again by the parser that recovers, which says what is wrong.
#[cold]
fn refused<D: ParserDefinition>(token: Option<TokenTriple<D>>, start: D::Location) -> ParseResult<D> {
    let expected = Vec::new();
    Err(match token {
        Some(token) => lalrpop_util::ParseError::UnrecognizedToken { token, expected },
        None => lalrpop_util::ParseError::UnrecognizedEof { location: start, expected },
    })
}
