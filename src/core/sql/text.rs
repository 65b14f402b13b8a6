//! SQL text in which some parts are macros.

use std::ops::Range;

use super::single_line::write_single_line;
use super::tree::{SqlId, SqlTree};

/// Printed SQL, with the positions of its macros. A macro is text that another tool renders before the SQL runs.
#[derive(Debug, Default)]
pub struct SqlText {
    pub(super) text: String,
    /// Macros in the order of the text.
    pub(super) macros: Vec<PrintedMacro>,
}

/// Macro in printed SQL.
#[derive(Debug)]
pub(super) struct PrintedMacro {
    pub range: Range<usize>,
    /// Part of the text that is omitted in a query without macros. This part may contain further macros.
    pub optional: Range<usize>,
    /// SQL that a query without macros contains in place of the optional part.
    pub default: Option<SqlId>,
}

impl SqlText {
    /// Creates an empty text with space for this number of bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            macros: Vec::new(),
        }
    }

    /// Returns the text since the last line break.
    pub(super) fn current_line(&self) -> &str {
        self.text.rsplit('\n').next().unwrap_or_default()
    }

    /// Prints an expression on one line.
    pub fn from_expr(tree: &SqlTree, expr: SqlId) -> Self {
        let mut text = Self::default();
        write_single_line(tree, expr, &mut Vec::new(), &mut text);
        text
    }

    /// Returns the text with its macros.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the SQL for a tool that renders the macros. `escape` escapes the SQL between the macros.
    pub fn to_template(&self, escape: impl Fn(&str) -> String) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut end = 0;
        for printed in &self.macros {
            out.push_str(&escape(self.part(end..printed.range.start)));
            out.push_str(self.part(printed.range.clone()));
            end = printed.range.end;
        }
        out.push_str(&escape(self.part(end..self.text.len())));
        out
    }

    /// Returns the SQL without macros, which contains the default of each macro.
    pub fn into_query(self, tree: &SqlTree) -> String {
        if self.macros.is_empty() {
            return self.text;
        }
        let mut out = Self::default();
        let mut end = 0;
        for printed in &self.macros {
            if printed.optional.start < end {
                continue;
            }
            out.text.push_str(self.part(end..printed.optional.start));
            if let Some(default) = printed.default {
                write_single_line(tree, default, &mut Vec::new(), &mut out);
            }
            end = printed.optional.end;
        }
        out.text.push_str(self.part(end..self.text.len()));
        out.text
    }

    /// Appends a macro.
    pub(super) fn push_macro(&mut self, text: &str, default: Option<SqlId>) {
        let start = self.text.len();
        self.text.push_str(text);
        let position = start..self.text.len();
        self.macros.push(PrintedMacro {
            optional: position.clone(),
            range: position,
            default,
        });
    }

    pub(super) fn push_spaces(&mut self, count: usize) {
        self.text.extend(std::iter::repeat_n(' ', count));
    }

    fn part(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }
}
