//! The loop that drives the tables of the parser without recovery, in place of LALRPOP's.
//!
//! LALRPOP's hands each token around in an enum that recovery needs and grows its stacks from nothing; a short formula
//! takes a fifth less time without. `grammar/build.rs` names this module where the generated code names LALRPOP's.

pub(super) use lalrpop_util::state_machine::*;

/// Deeper than the stacks of most formulas get.
const ROOM: usize = 48;

pub(super) struct Parser;

impl Parser {
    pub(super) fn drive<D, I>(mut definition: D, mut tokens: I) -> ParseResult<D>
    where
        D: ParserDefinition,
        I: Iterator<Item = Result<TokenTriple<D>, ParseError<D>>>,
    {
        let mut states = Vec::with_capacity(ROOM);
        let mut symbols = Vec::with_capacity(ROOM);
        let mut top = definition.start_state();
        states.push(top);
        loop {
            // After the last token nothing is shifted. One loop for both, so that there is one call to inline.
            let token = tokens.next().transpose()?;
            let index = token.as_ref().and_then(|t| definition.token_to_index(&t.1));
            if token.is_some() && index.is_none() {
                return refused::<D>(token, definition.start_location());
            }
            loop {
                let action = match index {
                    Some(index) => definition.action(top, index),
                    None => definition.eof_action(top),
                };
                if let (Some(next), Some(index)) = (action.as_shift(), index)
                    && let Some((l, token, r)) = token
                {
                    symbols.push((l, definition.token_to_symbol(index, token), r));
                    states.push(next);
                    top = next;
                    break;
                }
                let Some(rule) = action.as_reduce() else {
                    return refused::<D>(token, definition.start_location());
                };
                let lookahead = token.as_ref().map(|t| &t.0);
                if let Some(result) = definition.reduce(rule, lookahead, &mut states, &mut symbols) {
                    return result;
                }
                let Some(next) = states.last() else { return refused::<D>(token, definition.start_location()) };
                top = *next;
            }
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
