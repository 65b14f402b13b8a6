//! Replaces the names of windows with their definitions.

use super::ColumnResolver;
use crate::dbt::tokens::{SqlToken, SqlTokenKind};

impl ColumnResolver<'_, '_> {
    /// Replaces the window name in `over w` and `over (w rows …)` with the definition of `w` in the select.
    pub(super) fn replace_window_names(&self, cte: Option<&str>, tokens: &[SqlToken]) -> Vec<SqlToken> {
        let Some(window) = self
            .file
            .clause(cte, "window")
            .and_then(|range| self.file.tokens.get(range))
        else {
            return tokens.to_vec();
        };
        let [name, _as, open, inner @ .., close] = window else {
            return tokens.to_vec();
        };
        let key = |token: &SqlToken| token.comparison_key(self.file.source).into_owned();
        let name = key(name);
        let mut out = Vec::with_capacity(tokens.len());
        let mut rest = tokens;
        while let [token, following @ ..] = rest {
            out.push(*token);
            rest = following;
            if key(token) != "over" {
                continue;
            }
            match following {
                [name_token, tail @ ..] if key(name_token) == name => {
                    out.push(*open);
                    out.extend_from_slice(inner);
                    out.push(*close);
                    rest = tail;
                }
                [bracket, name_token, tail @ ..] if bracket.kind == SqlTokenKind::Sign && key(name_token) == name => {
                    out.push(*bracket);
                    out.extend_from_slice(inner);
                    rest = tail;
                }
                _ => {}
            }
        }
        out
    }
}
