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
        D: ParserDefinition<Success = ()>,
        I: Iterator<Item = Result<TokenTriple<D>, ParseError<D>>>,
    {
        let mut states = Vec::with_capacity(ROOM);
        let mut symbols = Vec::with_capacity(ROOM);
        let mut top = definition.start_state();
        states.push(top);
        for token in tokens {
            let (l, token, r) = token?;
            let Some(index) = definition.token_to_index(&token) else { return refused::<D>(l, token, r) };
            loop {
                let action = definition.action(top, index);
                if let Some(next) = action.as_shift() {
                    symbols.push((l, definition.token_to_symbol(index, token), r));
                    states.push(next);
                    top = next;
                    break;
                }
                let Some(rule) = action.as_reduce() else { return refused::<D>(l, token, r) };
                if let Some(result) = definition.reduce(rule, Some(&l), &mut states, &mut symbols) {
                    return result;
                }
                let Some(next) = states.last() else { return refused::<D>(l, token, r) };
                top = *next;
            }
        }
        // The grammar ends with a token: when that is shifted all was read, and what is left to reduce has no value.
        let (location, expected) = (definition.start_location(), Vec::new());
        match definition.eof_action(top).as_reduce() {
            Some(_) => Ok(()),
            None => Err(lalrpop_util::ParseError::UnrecognizedEof { location, expected }),
        }
    }
}

/// The text is read again by the parser that recovers, which says what is wrong.
#[cold]
fn refused<D: ParserDefinition>(l: D::Location, token: D::Token, r: D::Location) -> ParseResult<D> {
    Err(lalrpop_util::ParseError::UnrecognizedToken { token: (l, token, r), expected: Vec::new() })
}
