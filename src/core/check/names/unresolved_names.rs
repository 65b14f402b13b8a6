//! Diagnostics for unknown and ambiguous names, with suggestions.

use super::column_diagnostics::{
    MAX_TYPO_DISTANCE, ambiguous_column_diagnostic, describe_columns, explain_removed_column, unknown_name_diagnostic,
    unlisted_column_diagnostic,
};
use super::{NameTarget, Resolver};
use crate::Level;
use crate::ast::{BinaryOp, Call, Definition, Expr, ExprId};
use crate::catalog::{self, Function, Lowering, Overload};
use crate::check::DefinitionRole;
use crate::check::calls::foreign_calls;
use crate::check::calls::foreign_calls::CallInSource;
use crate::check::calls::foreign_functions::{call_for_bare_name, foreign_function_diagnostic};
use crate::check::dates::timeframe::{is_timeframe, split_timeframe_name};
use crate::diag::{Code, Diagnostic, suggest};
use crate::lex::{looks_like_cell, quote_formula_name};
use crate::plan::{key_name, split_timeframe};
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::symbol_table::HashedName;
use formulac_syntax::diag::lists::{join_names, join_words, quote_names};
use formulac_syntax::text::{is_word_char, words_at};

/// Maximum number of candidates per kind to compare with a name.
pub const MAX_CANDIDATES: usize = 1000;
/// Maximum number of names that help text lists.
pub(super) const MAX_LISTED_NAMES: usize = 8;
/// Maximum number of searches for similar names. The limit keeps checks fast if a source contains many errors.
pub const MAX_SIMILAR_NAME_SEARCHES: usize = 50;

impl<'a> Resolver<'a> {
    /// Returns the candidate that is most similar to a name.
    pub(in crate::check) fn nearest_name<'c>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Option<&'c str> {
        self.nearest_name_within(word, suggest::MAX_EDITS, candidates)
    }

    /// Like [`Self::nearest_name`], but returns only a candidate in which at most `most` letters differ.
    fn nearest_name_within<'c>(
        &mut self,
        word: &str,
        most: usize,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Option<&'c str> {
        self.searches.push(self.current);
        (self.searches.len() <= MAX_SIMILAR_NAME_SEARCHES)
            .then(|| suggest::nearest_name_within(word, most, candidates))?
    }

    /// Returns the names of definitions and columns with which an unknown name is compared. The current definition
    /// cannot refer to itself.
    fn similar_candidates<'n>(&self, text: &'n str) -> impl Iterator<Item = &'n str> + Clone + use<'n, 'a>
    where
        'a: 'n,
    {
        let (ast, source, scope) = (self.ast, self.source, self.scope);
        let is_whole = scope.rest.names.is_none();
        let own_definitions = ast.definitions.iter().filter(move |_| is_whole);
        let own_names = own_definitions.filter_map(|d| d.name).map(|n| n.text(source));
        let listed_names = scope.rest.names.unwrap_or_default().iter().copied();
        let columns = scope
            .relations
            .iter()
            .flat_map(|r| r.columns().iter().map(Column::name));
        let current = ast.definitions.get(self.current as usize).and_then(|d| d.name);
        let is_other =
            move |name: &&str| !current.is_some_and(|current| name.eq_ignore_ascii_case(current.text(source)));
        let definitions = own_names.chain(listed_names).take(MAX_CANDIDATES).filter(is_other);
        definitions
            .chain(columns.take(MAX_CANDIDATES))
            .filter(move |name| !name.eq_ignore_ascii_case(text))
    }

    /// Returns the names by which groups can be sorted or partitioned: the grouping keys and the definitions. `None`
    /// for other roles, and for steps without `group_by`.
    fn group_sort_key_names(&self, role: DefinitionRole) -> Option<Vec<String>> {
        if !role.sorts_or_partitions_groups() {
            return None;
        }
        let parts = self.ast.definitions.iter().take(MAX_CANDIDATES);
        let of_role = |role| parts.clone().filter(move |part| self.scope.role(part.part) == role);
        let keys = of_role(DefinitionRole::GroupBy).map(|key| key_name(self.ast.span(key.body).text(self.source)));
        let mut names: Vec<String> = keys.collect();
        if names.is_empty() {
            return None;
        }
        let definitions = of_role(DefinitionRole::Definitions).filter_map(|definition| definition.name);
        for name in definitions.map(|name| name.text(self.source)) {
            if !names.iter().any(|known_name| known_name.eq_ignore_ascii_case(name)) {
                names.push(name.to_owned());
            }
        }
        Some(names)
    }

    pub(in crate::check) fn report_ambiguous(&mut self, text: &str, span: Span) -> NameTarget {
        let owners: Vec<&str> = self
            .scope
            .relations
            .iter()
            .filter(|r| r.position(text).is_some())
            .map(Relation::name)
            .collect();
        let first = owners.first().copied().unwrap_or_default();
        let qualified = |owner: &str| quote_formula_name(&format!("{owner}.{text}"));
        let is_one_name = owners.iter().all(|owner| *owner == first);
        self.diagnostics.push(if is_one_name {
            let message = format!("`{text}` is ambiguous: two relations called `{first}` have a column with this name");
            Diagnostic::new(Code::AmbiguousName, span, message)
                .with_help("give one of the relations another name with `as`")
        } else {
            Diagnostic::new(
                Code::AmbiguousName,
                span,
                format!(
                    "`{text}` is ambiguous: {} have a column with this name",
                    join_names(&owners, "and")
                ),
            )
            .with_help(if self.scope.chosen {
                let qualified_names = quote_names(owners.iter().map(|owner| qualified(owner)));
                format!("write {}", join_words(&qualified_names, "or"))
            } else {
                format!("write `{}`, or choose the relation with `--from`", qualified(first))
            })
        });
        NameTarget::Error
    }

    /// Reports a column that may belong to several relations because no schema lists their columns.
    #[cold]
    pub(in crate::check) fn report_ambiguous_column(&mut self, text: &str, span: Span) -> NameTarget {
        let open: Vec<&str> = self
            .scope
            .relations
            .iter()
            .filter(|r| r.is_open())
            .map(Relation::name)
            .collect();
        self.diagnostics.push(ambiguous_column_diagnostic(text, span, &open));
        NameTarget::Error
    }

    #[cold]
    pub(in crate::check) fn report_missing_name(
        &mut self,
        id: ExprId,
        span: Span,
        is_own: bool,
        definition: &Definition,
    ) -> NameTarget {
        let text = span.text(self.source);
        // Names in `${…}` are always columns.
        let bare = self.ast.expr(id) == Expr::Name;
        // A tab without quotes, as in `Targets!A:B`, is a syntax error that has already been reported.
        let after = self.source.get(span.end as usize..).unwrap_or_default();
        if after.starts_with('!') && !after.starts_with("!=") {
            return NameTarget::Error;
        }
        // A definition's name takes precedence over a cell with this name, also in the definition's own formula.
        let hides_cell = is_own && self.scope.sheet.is_some() && looks_like_cell(text);
        if bare && let Some(target) = self.report_other_meaning(id, span, definition, hides_cell) {
            return target;
        }
        let diagnostic = if is_own {
            Diagnostic::new(Code::UnknownName, span, format!("there is no input column `{text}`"))
                .with_label("in its own definition, the name refers to the input column")
        } else {
            unknown_name_diagnostic(text, span)
        };
        if hides_cell {
            let help = format!("rename the definition if you mean the cell `{text}`");
            self.diagnostics.push(diagnostic.with_help(help));
            return NameTarget::Error;
        }
        if let Some(help) = self.help_for_intended_syntax(text, span) {
            self.diagnostics.push(diagnostic.with_help(help));
            return NameTarget::Error;
        }
        if let Some(relation) = self
            .scope
            .relations
            .iter()
            .find(|relation| relation.is_past_column(text))
        {
            self.diagnostics.push(explain_removed_column(diagnostic, relation));
            return NameTarget::Error;
        }
        let scope = self.scope;
        self.unknown_names.push(self.current);
        if bare
            && scope
                .relations
                .iter()
                .any(|relation| self.is_first_word_of_column(relation, span))
        {
            return NameTarget::Error;
        }
        if let Some(target) = self.resolve_unlisted_column(text, span) {
            return target;
        }
        let groups = self.group_sort_key_names(scope.role(definition.part));
        if scope.role(definition.part) == DefinitionRole::OrderBy
            && let Some((name, _)) = text.rsplit_once(char::is_whitespace)
            && self
                .similar_candidates(text)
                .any(|other| other.eq_ignore_ascii_case(name.trim_end()))
        {
            let message = format!("only `asc` or `desc` may follow a name in `order_by`, found `{text}`");
            let help = format!("write `{0}` or `{0} desc`", name.trim_end());
            self.diagnostics
                .push(Diagnostic::new(Code::WrongShape, span, message).with_help(help));
            return NameTarget::Error;
        }
        let similar = match &groups {
            Some(names) => self.find_similar_name(text, names.iter().map(String::as_str)),
            None => self.find_similar_name(text, self.similar_candidates(text)),
        };
        if let Some((near, is_unique)) = similar {
            let is_name = near.chars().all(is_word_char);
            let diagnostic = diagnostic.with_help(suggest::similar_formula_name_help(near));
            self.diagnostics.push(if is_name && is_unique {
                let replacement = if bare {
                    quote_formula_name(near)
                } else {
                    near.to_owned()
                };
                diagnostic.with_fix(span, replacement)
            } else {
                diagnostic
            });
            return NameTarget::Error;
        }
        let names = self.available_names_help(groups.as_deref());
        // In `status = open`, the author may have forgotten the quotes around a text literal.
        let help = if bare && self.is_compared(id, definition) {
            format!("write `\"{text}\"` if you mean text; {names}")
        } else {
            names
        };
        self.diagnostics.push(diagnostic.with_help(help));
        NameTarget::Error
    }

    /// Reports a bare name that probably means something else, such as a function or the key of a period.
    fn report_other_meaning(
        &mut self,
        id: ExprId,
        span: Span,
        definition: &Definition,
        hides_cell: bool,
    ) -> Option<NameTarget> {
        let text = span.text(self.source);
        let period_key = self.key_of_period(text, definition);
        // In a definition, `month` may also be the unit of PERIODOFFSET.
        let role = self.scope.role(definition.part);
        let is_period = period_key.is_some() && matches!(role, DefinitionRole::Where | DefinitionRole::Having);
        if !(hides_cell || is_period)
            && let Some((diagnostic, target)) = self.diagnose_other_meaning(id, span, definition)
        {
            self.diagnostics.push(diagnostic);
            return Some(target);
        }
        let key = period_key?;
        let diagnostic = unknown_name_diagnostic(text, span)
            .with_help(format!("write the key as `{key}`"))
            .with_fix(span, key);
        self.diagnostics.push(diagnostic);
        Some(NameTarget::Error)
    }

    /// Returns the grouping key whose timeframe is a period such as `month`, if another part of the step names the
    /// period.
    #[cold]
    fn key_of_period(&self, period: &str, definition: &Definition) -> Option<&'a str> {
        let is_key = |part: &Definition| self.scope.role(part.part) == DefinitionRole::GroupBy;
        if is_key(definition) || !is_timeframe(period) {
            return None;
        }
        let keys = self.ast.definitions.iter().take(MAX_CANDIDATES);
        keys.filter(|part| is_key(part))
            .map(|key| self.ast.span(key.body).text(self.source))
            .find(|key| split_timeframe(key).1.eq_ignore_ascii_case(period))
    }

    /// Returns help that lists the names which the definition can use. `sort_keys` contains the names that may sort the
    /// rows of a grouped step.
    #[cold]
    fn available_names_help(&self, sort_keys: Option<&[String]>) -> String {
        match (sort_keys, self.scope.relations.first()) {
            (Some(names), _) => {
                let names: Vec<&str> = names.iter().take(MAX_LISTED_NAMES).map(String::as_str).collect();
                format!(
                    "use a key or a definition of the step, such as {}",
                    join_names(&names, "and")
                )
            }
            (None, Some(relation)) => describe_columns(relation),
            (None, None) => "define the name, or correct its spelling".to_owned(),
        }
    }

    /// Returns whether a name and the words after it are a column such as `Net Revenue`, and a syntax error has already
    /// been reported at the second word.
    pub(in crate::check) fn is_first_word_of_column(&self, relation: &Relation, span: Span) -> bool {
        let after = self.source.get(span.end as usize..).unwrap_or_default();
        let second = span.end + (after.len() - after.trim_start_matches(' ').len()) as u32;
        let is_reported = |fault: &Diagnostic| fault.is_syntax() && fault.span().start == second;
        second > span.end
            && relation.position(words_at(self.source, span.start)).is_some()
            && self.diagnostics.iter().any(is_reported)
    }

    /// Returns the most similar candidate, and `true` if it is the only similar candidate.
    fn find_similar_name<'c>(
        &mut self,
        text: &str,
        candidates: impl Iterator<Item = &'c str> + Clone,
    ) -> Option<(&'c str, bool)> {
        let near = self.nearest_name(text, candidates.clone())?;
        Some((near, suggest::is_unique_match(text, near, candidates)))
    }

    /// Returns the diagnostic and the target of a bare word that is not a column: a Boolean value, a cell, NULL, the
    /// name of a worksheet or a function.
    fn diagnose_other_meaning(
        &self,
        id: ExprId,
        span: Span,
        definition: &Definition,
    ) -> Option<(Diagnostic, NameTarget)> {
        let text = span.text(self.source);
        if let Some(value) = parse_boolean(text) {
            let upper = text.to_ascii_uppercase();
            let message = format!("`{text}` is interpreted as `{upper}`");
            let diagnostic = Diagnostic::new(Code::LowercaseBoolean, span, message)
                .with_help(format!("write `{upper}`"))
                .with_fix(span, upper);
            return Some((diagnostic, NameTarget::Bool(value)));
        }
        let diagnostic = if looks_like_cell(text) {
            let message = format!("cell references need a worksheet; `{text}` looks like a cell");
            let help = format!("use the column's name, or write `${{{text}}}` if the column is named `{text}`");
            Diagnostic::new(Code::NeedsWorksheet, span, message).with_help(help)
        } else if text.eq_ignore_ascii_case("null") {
            Diagnostic::new(Code::NotFormulaSyntax, span, "`NULL` is not part of the language").with_help(
                match self.compared_operand(id, definition) {
                    Some((BinaryOp::Equal, x)) => format!("write `ISBLANK({x})`"),
                    Some((_, x)) => format!("write `NOT(ISBLANK({x}))`"),
                    None if self.is_branch_of_if(id, definition) => {
                        "omit the last argument of IF, which then returns NULL; swap the branches if necessary"
                            .to_owned()
                    }
                    None => "write `1/0` to return NULL (an empty value), and `ISBLANK(x)` to test for NULL".to_owned(),
                },
            )
        } else if let Some(call) = call_for_bare_name(text) {
            let message = format!("`{text}` is not part of the language");
            Diagnostic::new(Code::UnknownName, span, message).with_help(format!("write `{call}`"))
        } else if let Some(description) = describe_worksheet_name(text) {
            let message = format!("{description} need a worksheet; there is no column or definition `{text}`");
            Diagnostic::new(Code::NeedsWorksheet, span, message).with_help("use the column's name")
        } else if self.is_unit(text, id, definition) {
            let unit = text.to_ascii_lowercase();
            unknown_name_diagnostic(text, span)
                .with_help(format!("write the unit in quotes: `\"{unit}\"`"))
                .with_fix(span, format!("\"{unit}\""))
        } else {
            // A name such as `n` is more often a missing column than the function `N`.
            let means_function = |function: &&Function| text.len() > 2 || text == function.name;
            let function = catalog::find(text).map(catalog::get).filter(means_function)?;
            let message = format!("`{text}` is a function, so brackets must follow its name");
            // `MONTH(date)` is the same number in every year, but a grouping key named `month` probably stands for a
            // period.
            let unit = foreign_calls::TRUNCATION_UNITS
                .into_iter()
                .find(|unit| unit.eq_ignore_ascii_case(text));
            let unit = unit.filter(|_| self.scope.role(definition.part) == DefinitionRole::GroupBy);
            let help = match unit {
                Some(unit) => {
                    let column = quote_formula_name(self.first_date_column().unwrap_or("date"));
                    format!("write `{column}[{unit}]`")
                }
                None => format!("write `{}`", function.signature()),
            };
            Diagnostic::new(Code::UnknownName, span, message)
                .with_label("no column or definition has this name")
                .with_help(help)
        };
        Some((diagnostic, NameTarget::Error))
    }

    /// Returns the help for a missing name that is probably a comment, a relation or a timeframe in the wrong syntax.
    fn help_for_intended_syntax(&mut self, text: &str, span: Span) -> Option<String> {
        // In `SUM(amount) -- all of it`, the author intended a comment, but `--` subtracts a negated value.
        let before = self.source.get(..span.start as usize);
        if before.is_some_and(|before| before.trim_end_matches(' ').ends_with("--")) {
            return Some("start a comment with `//`, because `--` negates a value twice".to_owned());
        }
        let mut relations = self.scope.relations.iter();
        if let Some(relation) = relations.find(|r| r.name().eq_ignore_ascii_case(text.trim_matches('.'))) {
            let name = relation.name();
            return Some(format!("write a column of the relation `{name}` as `{name}.column`"));
        }
        // `Table[column]` refers to a column of a table in a spreadsheet.
        let after = self.source.get(span.end as usize..).unwrap_or_default();
        let bracketed = after.strip_prefix('[').and_then(|after| after.split_once(']'));
        if let Some((column, _)) = bracketed
            && self.find_column(HashedName::from(column)).is_some()
        {
            return Some(format!(
                "write only the name of the column: `{}`",
                quote_formula_name(column)
            ));
        }
        let (base, frame) =
            split_timeframe_name(text).find(|(base, _)| self.find_column(HashedName::from(*base)).is_some())?;
        Some(format!(
            "write the timeframe of `{base}` as `{}[{frame}]`",
            quote_formula_name(base)
        ))
    }

    /// Resolves a name to an unlisted column if only one relation may have unlisted columns. Reports the name if
    /// several relations may have the column. `None` if no relation may have the column, or if the source or the schema
    /// contains a similar name.
    fn resolve_unlisted_column(&mut self, text: &str, span: Span) -> Option<NameTarget> {
        let partial: Vec<&Relation> = self
            .scope
            .relations
            .iter()
            .filter(|relation| relation.is_marked_incomplete())
            .collect();
        if suggest::nearest_name_within(text, MAX_TYPO_DISTANCE, self.similar_candidates(text)).is_some() {
            return None;
        }
        match partial.as_slice() {
            [] => None,
            [relation] => Some(NameTarget::Column(
                self.record_possible_column_use(relation, text, span),
            )),
            several => {
                let names: Vec<&str> = several.iter().map(|relation| relation.name()).collect();
                self.diagnostics.push(ambiguous_column_diagnostic(text, span, &names));
                Some(NameTarget::Error)
            }
        }
    }

    /// Records the use of a column that a relation may have although its schema does not list the column. Warns about
    /// the first use, and returns the index of the column's entry.
    pub(in crate::check) fn record_possible_column_use(&mut self, relation: &Relation, text: &str, span: Span) -> u32 {
        let before = self.columns.len();
        let column = self.record_unlisted_column_use(Some(relation.name()), text);
        if let Some(new) = self.columns.try_get_mut(before) {
            // SQL generation treats the column as a known column of the relation, so the column name needs no
            // qualifier.
            new.unknown = false;
            self.diagnostics.push(unlisted_column_diagnostic(relation, text, span));
        }
        column
    }

    /// Returns the name of the first column that contains dates or times.
    fn first_date_column(&self) -> Option<&'a str> {
        let scope = self.scope;
        let mut columns = scope.relations.iter().flat_map(Relation::columns).take(MAX_CANDIDATES);
        columns.find(|column| column.ty().is_temporal()).map(Column::name)
    }

    /// Returns whether an expression is an operand of `=` or `<>`.
    fn is_compared(&self, id: ExprId, definition: &Definition) -> bool {
        self.compared_operand(id, definition).is_some()
    }

    /// Returns the operator and the text of the other operand if an expression is an operand of `=` or `<>`.
    fn compared_operand(&self, id: ExprId, definition: &Definition) -> Option<(BinaryOp, String)> {
        let mut behind = id.0 + 1..=definition.body.0.min(id.0.saturating_add(MAX_CANDIDATES as u32));
        behind.find_map(|node| match self.ast.expr(ExprId(node)) {
            Expr::Binary {
                op: op @ (BinaryOp::Equal | BinaryOp::NotEqual),
                left,
                right,
            } if left == id || right == id => {
                let other = if left == id { right } else { left };
                Some((op, self.ast.span(other).excerpt(self.source)))
            }
            _ => None,
        })
    }

    /// Returns whether an expression is a branch of an IF.
    fn is_branch_of_if(&self, id: ExprId, definition: &Definition) -> bool {
        self.enclosing_argument(id, definition)
            .is_some_and(|(function, index)| index > 0 && function.lower == Some(Lowering::If))
    }

    /// Returns whether a word is the name of a calendar unit and the argument that specifies the unit, as in
    /// `PERIODOFFSET(x, -1, month)`.
    fn is_unit(&self, word: &str, id: ExprId, definition: &Definition) -> bool {
        let is_calendar_unit = foreign_calls::TRUNCATION_UNITS
            .iter()
            .any(|unit| unit.eq_ignore_ascii_case(word));
        let argument = is_calendar_unit
            .then(|| self.enclosing_argument(id, definition))
            .flatten();
        argument.is_some_and(|(function, index)| {
            let is_unit = |overload: &Overload| overload.params.get(index).is_some_and(|param| param.name == "unit");
            function.lower.is_some_and(Lowering::takes_calendar_unit) && function.overloads.iter().any(is_unit)
        })
    }

    /// Returns the function of which an expression is an argument, and the index of the argument.
    fn enclosing_argument(&self, id: ExprId, definition: &Definition) -> Option<(&'static Function, usize)> {
        let mut behind = id.0 + 1..=definition.body.0.min(id.0.saturating_add(MAX_CANDIDATES as u32));
        behind.find_map(|node| match self.ast.expr(ExprId(node)) {
            Expr::Call(call) => {
                let call = self.ast.call(call);
                let index = self.ast.arguments(call).iter().position(|argument| *argument == id)?;
                let function = catalog::find(call.name.text(self.source))?;
                Some((catalog::get(function), index))
            }
            _ => None,
        })
    }

    #[cold]
    pub(in crate::check) fn report_unknown_function(&mut self, text: &str, call: Call, whole: Span) -> NameTarget {
        let span = call.name;
        self.remove_errors_of_arguments(call, whole);
        let foreign_call = CallInSource {
            ast: self.ast,
            source: self.source,
            call,
            span: whole,
        };
        let diagnostic =
            foreign_function_diagnostic(&text.to_uppercase(), span, Some(foreign_call)).unwrap_or_else(|| {
                let is_known = self
                    .tables
                    .symbols
                    .find(text.into(), self.source)
                    .is_some_and(|s| s.definition.is_some());
                if is_known || self.find_column(text.into()).is_some() {
                    return Diagnostic::new(
                        Code::UnknownFunction,
                        span,
                        format!("`{text}` is a name, not a function"),
                    )
                    .with_help("put an operator before the bracket, such as `*` to multiply");
                }
                // Short names are similar only if at most one letter differs. For example, `THIS` and `TIME` differ in
                // two letters and are unrelated.
                let most_edits = if text.chars().count() <= 4 {
                    1
                } else {
                    suggest::MAX_EDITS
                };
                let near = self.nearest_name_within(text, most_edits, catalog::names());
                let help = near.map_or_else(
                    || "run `formulac functions` to list all functions".to_owned(),
                    suggest::similar_name_help,
                );
                Diagnostic::new(Code::UnknownFunction, span, format!("unknown function `{text}`"))
                    .with_label("not in the function catalogue")
                    .with_help(help)
            });
        self.diagnostics.push(diagnostic);
        NameTarget::Error
    }
}

/// Maximum number of diagnostics that are searched for errors that follow from another error.
const MAX_DIAGNOSTICS_TO_FILTER: usize = 200;

impl Resolver<'_> {
    /// Reports a lookup that has no sheet in place of the errors about the names of its ranges.
    #[cold]
    pub(in crate::check) fn report_lookup_outside_worksheet(&mut self, function: &str, whole: Span) -> NameTarget {
        if self.diagnostics.len() <= MAX_DIAGNOSTICS_TO_FILTER {
            let is_name_error = |code| matches!(code, Code::UnknownName | Code::UnknownRelation | Code::NeedsWorksheet);
            self.diagnostics
                .retain(|diagnostic| !(is_name_error(diagnostic.kind()) && whole.contains(diagnostic.span())));
        }
        let message = format!("`{function}` looks up rows of a sheet, so it needs a worksheet");
        let help = "turn a step into a worksheet by listing its `columns`, and add other relations to its `tabs`, or \
                    join the relation with `joins`";
        self.diagnostics
            .push(Diagnostic::new(Code::NeedsWorksheet, whole, message).with_help(help));
        NameTarget::Error
    }

    /// Removes the errors that follow from an unknown function: errors about period names such as `month`, and about
    /// text in single quotes, among its arguments.
    fn remove_errors_of_arguments(&mut self, call: Call, whole: Span) {
        if self.diagnostics.len() > MAX_DIAGNOSTICS_TO_FILTER {
            return;
        }
        let arguments = self.ast.arguments(call).iter().map(|argument| self.ast.span(*argument));
        let arguments: Vec<Span> = arguments.collect();
        let source = self.source;
        self.diagnostics.retain(|diagnostic| {
            let span = diagnostic.span();
            let text = span.text(source);
            let is_inside = whole.contains(span);
            let follows = match diagnostic.kind() {
                Code::UnknownName => foreign_calls::is_date_part(text),
                Code::SingleQuotes => true,
                Code::NotFormulaSyntax => text
                    .get(..8)
                    .is_some_and(|begin| begin.eq_ignore_ascii_case("interval")),
                _ => false,
            };
            !(follows && is_inside && arguments.contains(&span))
        });
    }
}

/// Returns whether a name probably is not a column, even if any name is accepted as a column.
pub(in crate::check) fn is_unlikely_column(name: &str) -> bool {
    if looks_like_cell(name) || parse_boolean(name).is_some() || name.eq_ignore_ascii_case("null") {
        return true;
    }
    // In `SUM + 1`, the author probably means the function. Only uppercase names of aggregates and logic functions are
    // recognized, because columns may be called `month` or `DATE`.
    name.bytes().all(|b| b.is_ascii_uppercase())
        && catalog::find(name)
            .map(catalog::get)
            .is_some_and(|f| f.level == Level::Aggregate || f.category == "logic")
}

fn parse_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Describes the kind of a worksheet name: a total such as `B_TOTAL` or `B2_ROW_TOTAL`, or a column letter such as `C`.
fn describe_worksheet_name(text: &str) -> Option<&'static str> {
    let column = |t: &str| {
        let letters = t.bytes().take_while(u8::is_ascii_uppercase).count();
        (1..=2).contains(&letters) && t.bytes().skip(letters).all(|b| b.is_ascii_digit())
    };
    if let Some(column_letters) = text.strip_suffix("_TOTAL") {
        let letters = ["_ROW", "_GRAND"]
            .iter()
            .find_map(|s| column_letters.strip_suffix(s))
            .unwrap_or(column_letters);
        return column(letters).then_some("totals");
    }
    (text.len() == 1 && column(text)).then_some("columns by letter")
}
