//! Text functions whose SQL depends on the value of a literal.

use std::ops::Range;

use super::regex::{self, RegexPattern};
use crate::ast::ExprId;
use crate::catalog::{self, Function, FunctionId, internal};
use crate::check::criteria::wildcards::{unescape_tildes, wildcards_to_regex};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta};
use crate::span::Span;
use crate::{Level, Type};

/// List of the supported regular expression syntax, for messages.
const REGEX_SYNTAX: &str = "characters, `.`, `[a-z]`, `\\d \\w \\s`, `* + ? {2,5}`, `( )`, `(?: )`, `|`, `^`, `$`, a \
                        `\\` before a special character that is meant literally, and `(?i)` at the beginning to \
                        ignore case";

impl Lowerer<'_> {
    pub(in crate::check) fn text_literal(&mut self, text: &str, span: Span) -> IrId {
        let slice = self.program.add_text(text);
        self.program.add(Ir::Text(slice), NodeMeta::constant(Type::Text, span))
    }

    /// Lowers NUMBERVALUE: removes the group separators, replaces the decimal separator with a point, and parses the
    /// number.
    pub(in crate::check) fn lower_number_value(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let separator = |pass: &mut Self, index: usize, default: &str| match values.get(index) {
            Some(value) => *value,
            None => pass.text_literal(default, span),
        };
        let mut point = separator(self, 1, ".");
        // If the comma is the decimal separator, the default group separator is empty.
        let comma = self.literal_text(point).is_some_and(|point| point == ",");
        let group = separator(self, 2, if comma { "" } else { "," });
        // Spreadsheets reject an empty decimal separator.
        if self.literal_text(point).is_none_or(str::is_empty) {
            point = self.add_scalar_call(internal::PRESENT_TEXT, &[point], span, "NUMBERVALUE");
        }
        let Some(text) = values.first().copied() else {
            return self.add_error(span);
        };
        self.warn_of_number_value_without_number([text, point, group], span);
        let mut text = self.reject_misplaced_separator(text, point, group, span);
        for (old, new) in [(group, ""), (point, ".")] {
            let is_unchanged = self.literal_text(old).is_some_and(|old| old == new || old.is_empty());
            if !is_unchanged {
                let new = self.text_literal(new, span);
                text = self.add_scalar_call(internal::SUBSTITUTE, &[text, old, new], span, "NUMBERVALUE");
            }
        }
        self.recycle_list(values);
        // Spreadsheets ignore spaces, also inside a number.
        if self.literal_text(group) != Some(" ") {
            let [space, empty] = [" ", ""].map(|text| self.text_literal(text, span));
            text = self.add_scalar_call(internal::SUBSTITUTE, &[text, space, empty], span, "NUMBERVALUE");
        }
        if self.is_error(text) {
            return text;
        }
        self.add_scalar_call(internal::PLAIN_NUMBER, &[text], span, "NUMBERVALUE")
    }

    /// Returns the text, or NULL if a group separator follows the decimal separator or the text contains a `.` that is
    /// not a separator. For example, `1.234,5` is not a number if the comma is the group separator, and `1.5` is not a
    /// number if the comma is the decimal separator and the space is the group separator.
    fn reject_misplaced_separator(&mut self, text: IrId, point: IrId, group: IrId, span: Span) -> IrId {
        let single = |id: IrId| self.literal_text(id).filter(|text| text.chars().count() == 1);
        let (Some(sign), Some(apart)) = (single(point), single(group)) else {
            return self.add_scalar_call(internal::GROUPED_BEFORE, &[text, point, group], span, "NUMBERVALUE");
        };
        let escaped = |sign: &str| {
            if regex::METACHARACTERS.contains(sign) {
                format!("\\{sign}")
            } else {
                sign.to_owned()
            }
        };
        let dot = if sign == "." || apart == "." { "" } else { "." };
        let pattern = format!("^[^{0}{dot}]*(?:{0}[^{1}{dot}]*)?$", escaped(sign), escaped(apart));
        let Ok(RegexPattern { re2, ere, are, .. }) = regex::read(&pattern) else {
            return self.add_scalar_call(internal::GROUPED_BEFORE, &[text, point, group], span, "NUMBERVALUE");
        };
        let pattern_literals = [&re2, &ere, &are].map(|pattern| self.text_literal(pattern, span));
        self.add_scalar_call(
            internal::REGEX_EXTRACT,
            &[text, pattern_literals[0], pattern_literals[1], pattern_literals[2]],
            span,
            "NUMBERVALUE",
        )
    }

    /// Lowers DATEVALUE. A literal that is an ISO date becomes a date literal.
    pub(in crate::check) fn lower_date_value(&mut self, arg: ExprId, span: Span) -> IrId {
        let text = self.lower_value(arg);
        // Unlike other text functions, DATEVALUE rejects integers, because digits alone are not a date.
        if self.program.meta(text).ty == Type::Integer {
            self.report_overload_mismatch(catalog::get(internal::DATE_VALUE), &[text], span, "DATEVALUE");
            return self.add_error(span);
        }
        let is_date = self
            .literal_text(text)
            .map(|text| crate::check::dates::is_iso_date(text.trim()));
        if is_date == Some(false) {
            let call_text = self.source_text(span);
            let message =
                format!("`{call_text}` returns NULL, because the text is not a valid date in the form YYYY-MM-DD");
            let help = "write `\"2024-01-31\"` or `DATE(2024, 1, 31)`";
            self.report(Diagnostic::new(Code::TextIsNoDate, span, message).with_help(help));
        }
        let is_date = self.literal_text(text).is_some_and(crate::check::dates::is_iso_date);
        if let (Ir::Text(slice), true) = (self.program.node(text), is_date) {
            return self.program.add(Ir::Date(slice), NodeMeta::constant(Type::Date, span));
        }
        self.add_scalar_call(internal::DATE_VALUE, &[text], span, "DATEVALUE")
    }

    /// Lowers SEARCH, which ignores case. If the search text is a literal, it may contain wildcards.
    pub(in crate::check) fn lower_search(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(mut values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let [needle, within, ..] = *values.as_slice() else {
            return self.add_error(span);
        };
        let needle = self.convert_to(needle, Type::Text);
        let wild = self
            .literal_text(needle)
            .and_then(|text| wildcards_to_regex(text.trim_end_matches('*')));
        let ends_wild = self
            .literal_text(needle)
            .is_some_and(|text| text.ends_with('*') && !text.ends_with("~*"));
        let node = if let Some(pattern) = wild {
            let needle_span = self.program.meta(needle).span;
            let mut call_args = vec![within];
            call_args
                .extend([&pattern.re2, &pattern.ere, &pattern.are].map(|text| self.text_literal(text, needle_span)));
            call_args.extend(values.get(2));
            self.add_scalar_call(internal::SEARCH_PATTERN, &call_args, span, "SEARCH")
        } else {
            let needle = match self.program.node(needle) {
                Ir::Text(slice) => {
                    let text = self.program.text(slice);
                    let text = if ends_wild { text.trim_end_matches('*') } else { text };
                    let plain = unescape_tildes(text);
                    let slice = self.program.add_text(&plain);
                    let constant = NodeMeta::constant(Type::Text, self.program.meta(needle).span);
                    self.add_lowercase_text(slice, constant)
                }
                _ => self.add_scalar_call(internal::LOWER, &[needle], span, "SEARCH"),
            };
            let within = self.add_scalar_call(internal::LOWER, &[within], span, "SEARCH");
            values.splice(..2, [needle, within]);
            if values.iter().any(|value| self.is_error(*value)) {
                return self.add_error(span);
            }
            self.add_scalar_call(internal::FIND, &values, span, "SEARCH")
        };
        self.recycle_list(values);
        node
    }

    /// Lowers TEXTJOIN. A single value is joined over the rows of a group. Several values are joined within each row.
    pub(in crate::check) fn lower_text_join(
        &mut self,
        args: &[ExprId],
        function: &'static Function,
        span: Span,
    ) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let node = self.join_texts(args, &values, function, span);
        self.recycle_list(values);
        node
    }

    /// Lowers a TEXTJOIN call whose arguments are already lowered.
    pub(in crate::check) fn join_texts(
        &mut self,
        args: &[ExprId],
        values: &[IrId],
        function: &'static Function,
        span: Span,
    ) -> IrId {
        let &[delimiter, ignores, ref joined @ ..] = values else {
            return self.add_error(span);
        };
        let ignores_empty = match self.program.node(ignores) {
            // An empty argument means TRUE, as in spreadsheets.
            Ir::Bool(ignores) => ignores || args.get(1).is_some_and(|arg| self.is_blank_argument(*arg)),
            _ => return self.report_non_constant(ignores, function.name, "ignore_empty", "TEXTJOIN(\", \", TRUE, x)"),
        };
        let mut texts = self.take_list();
        for value in joined {
            let text = self.convert_to_text(*value);
            if self.is_error(text) {
                return text;
            }
            texts.push(match ignores_empty {
                true => self.add_call(internal::PRESENT_TEXT, &[text], span),
                false if self.program.meta(text).nullable => self.add_call(internal::OR_EMPTY, &[text], span),
                false => text,
            });
        }
        let node = match *texts.as_slice() {
            [single_text] => {
                if self.program.meta(delimiter).level > Level::Const {
                    return self.report_non_constant(
                        delimiter,
                        function.name,
                        "delimiter",
                        "TEXTJOIN(\", \", TRUE, x)",
                    );
                }
                let mut args = vec![single_text, delimiter];
                if !ignores_empty {
                    args.push(self.program.add_integer("1", span));
                }
                self.add_aggregate(internal::STRING_AGG, &args, false, span)
            }
            _ => {
                texts.insert(0, delimiter);
                self.add_scalar_call(internal::TEXT_LIST, &texts, span, function.name)
            }
        };
        self.recycle_list(texts);
        node
    }

    pub(in crate::check) fn lower_regex(&mut self, args: &[ExprId], function: &'static Function, span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let [text, pattern, ..] = *values.as_slice() else {
            return self.add_error(span);
        };
        let pattern_span = self.program.meta(pattern).span;
        let Some(pattern) = self.parse_portable_pattern(pattern, function.name) else {
            return self.add_error(span);
        };
        let spell = |pass: &mut Self, texts: &[&str]| -> Vec<IrId> {
            let mut call_args = vec![text];
            call_args.extend(texts.iter().map(|text| pass.text_literal(text, pattern_span)));
            call_args
        };
        let RegexPattern {
            re2,
            re2_first,
            ere,
            are,
            ignore_case,
            ..
        } = &pattern;
        let by_case = |plain: FunctionId, ignoring: FunctionId| if *ignore_case { ignoring } else { plain };
        let (entry, given_args) = match values.get(2) {
            Some(new) => {
                let Some(news) = self.replacement_text(*new, &pattern, function.name) else {
                    return self.add_error(span);
                };
                let mut call_args = spell(self, &[re2, ere, are]);
                call_args.extend(news);
                (
                    by_case(internal::REGEX_REPLACE, internal::REGEX_REPLACE_IGNORE_CASE),
                    call_args,
                )
            }
            None if std::ptr::eq(function, crate::catalog::get(internal::REGEXMATCH)) => {
                let call_args = spell(self, &[re2, ere, are]);
                (
                    by_case(internal::REGEX_MATCH, internal::REGEX_MATCH_IGNORE_CASE),
                    call_args,
                )
            }
            None => match pattern.groups.first() {
                Some(group) => {
                    let flags = if *ignore_case { "ie" } else { "e" };
                    let mut call_args = spell(self, &[re2_first, ere, are, flags]);
                    call_args.push(self.program.add_integer(&group.to_string(), pattern_span));
                    (internal::REGEX_EXTRACT_GROUP, call_args)
                }
                None => {
                    let call_args = spell(self, &[re2, ere, are]);
                    (
                        by_case(internal::REGEX_EXTRACT, internal::REGEX_EXTRACT_IGNORE_CASE),
                        call_args,
                    )
                }
            },
        };
        self.recycle_list(values);
        self.add_scalar_call(entry, &given_args, span, function.name)
    }

    /// Returns a pattern with the same meaning in all engines. Reports rejected patterns and returns `None`.
    fn parse_portable_pattern(&mut self, id: IrId, function: &'static str) -> Option<RegexPattern> {
        let Some(text) = self.literal_text(id) else {
            self.report_non_constant(id, function, "pattern", &format!("{function}(x, \"[0-9]+\"…)"));
            return None;
        };
        let length = text.len();
        let faulty = |range: Range<usize>, why: &str| Some((range, why.to_owned()));
        let fault = match regex::read(text) {
            Err(error) => Some((error.at, error.why)),
            Ok(pattern) => {
                let extracts = function == "REGEXEXTRACT";
                let replaces = function == "REGEXREPLACE";
                let fault = match &pattern.ambiguous {
                    Some(range) if extracts || replaces => faulty(
                        range.clone(),
                        "some warehouses match the first alternative, and others match the longest alternative; put \
                         longer alternatives first",
                    ),
                    _ if replaces && pattern.matches_empty => faulty(
                        0..length,
                        "the pattern matches empty text, and warehouses find different numbers of such matches",
                    ),
                    _ if extracts && pattern.first_optional => faulty(
                        0..length,
                        "if the first group is not part of a match, some warehouses return empty text and \
                            others NULL; use `(?: )`",
                    ),
                    _ => None,
                };
                match fault {
                    None => return Some(pattern),
                    fault => fault,
                }
            }
        };
        let (range, why) = fault?;
        self.report_invalid_pattern(id, range, &why, function);
        None
    }

    /// Returns the replacement text for SQL in two forms: one uses the formula's group numbers, and the other uses the
    /// group numbers for engines in which all groups capture.
    fn replacement_text(&mut self, new: IrId, pattern: &RegexPattern, function: &'static str) -> Option<[IrId; 2]> {
        let span = self.program.meta(new).span;
        let Some(text) = self.literal_text(new) else {
            // A replacement text that is not a literal is inserted verbatim.
            let plain = self.add_scalar_call(internal::REGEX_REPLACEMENT, &[new], span, function);
            return (!self.is_error(plain)).then_some([plain, plain]);
        };
        match regex::replacement_to_sql(text, &pattern.groups) {
            Ok((plain, renumbered)) => Some([self.text_literal(&plain, span), self.text_literal(&renumbered, span)]),
            Err(error) => {
                self.report_invalid_pattern(new, error.at, &error.why, function);
                None
            }
        }
    }

    #[cold]
    fn report_invalid_pattern(&mut self, id: IrId, range: Range<usize>, why: &str, function: &str) {
        let span = self.span_of_literal_part(id, range);
        let text = self.source_text(span);
        self.report(
            Diagnostic::new(
                Code::UnsupportedPattern,
                span,
                format!("`{function}` cannot use `{text}`: {why}"),
            )
            .with_help(format!("use only these parts in a pattern: {REGEX_SYNTAX}")),
        );
    }

    /// Returns the span in the source for a part of a literal's value.
    pub(in crate::check) fn span_of_literal_part(&self, literal: IrId, range: Range<usize>) -> Span {
        let span = self.program.meta(literal).span;
        let Some(inner) = span.text(self.source).strip_prefix('"') else {
            return span;
        };
        // Quotes inside the literal are doubled.
        let offset = |value_offset: usize| {
            let (mut offset, mut value, mut quoted) = (0, 0, false);
            for c in inner.chars() {
                if value >= value_offset && !quoted {
                    break;
                }
                offset += c.len_utf8();
                quoted = c == '"' && !quoted;
                value += if quoted { 0 } else { c.len_utf8() };
            }
            span.start + 1 + offset as u32
        };
        if range.is_empty() {
            span
        } else {
            Span::new(offset(range.start), offset(range.end))
        }
    }
}
