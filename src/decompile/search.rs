//! Searches for the formulas that may have produced an expression, simplest first.

use std::collections::HashMap;
use std::rc::Rc;

use formulac_syntax::lex::{name_needs_quotes, quote_formula_name};
use formulac_syntax::text::is_word_char;
use rustc_hash::{FxHashMap, FxHashSet};

use super::alternatives::EquivalentExpressions;
use super::expression_text::{FormulaText, text_literal};
use super::patterns::{ArgumentBinding, Patterns, SqlPattern};
use super::probes::ProbeArgument;
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::Type;
use crate::check::literals_from_sql::wildcards_from_like;

/// Maximum number of formulas kept that differ only in literals.
const MAX_SIMILAR_FORMULAS: usize = 5;
/// Maximum number of formulas kept for each subexpression. `MAX_WHOLE_EXPRESSION_FORMULAS` is the maximum for the whole
/// expression.
const MAX_SUBEXPRESSION_FORMULAS: usize = 8;
const MAX_WHOLE_EXPRESSION_FORMULAS: usize = 100;
/// Maximum number of combinations of argument formulas to try for one pattern.
const MAX_COMBINATIONS: usize = 12;
/// Maximum length of a formula. Longer formulas are not built.
const MAX_FORMULA_LENGTH: usize = 16 * 1024;
/// Cost of omitting a conversion or a default that the compiler may have added around an expression.
const OMITTED_WRAPPER_COST: u32 = 6;
/// Cost of a number as a condition, such as `IF(quantity, 1)` for `IF(quantity <> 0, 1)`.
const IMPLICIT_COMPARISON_COST: u32 = 4;

/// Formulas that are known before the search starts, by the subexpression that they express.
pub(super) type SeedFormulas = HashMap<SqlNodeId, Vec<FormulaText>>;

pub(super) struct FormulaSearch<'s> {
    patterns: &'s [&'s Patterns],
    trees: &'s SqlTrees,
    input: Option<&'s SeedFormulas>,
    /// Relation that may qualify unqualified names.
    base: Option<&'s str>,
    /// Range of rows that a name may represent, with `{}` in place of the name.
    range: Option<&'s str>,
    /// Columns that a formula may refer to although the SQL does not contain them.
    hidden_columns: &'s [(String, Type)],
    /// Returns whether `name[raw]` is also a formula for a name. `[raw]` is the value itself, as a date or timestamp.
    is_temporal: Option<&'s dyn Fn(&str) -> bool>,
    /// Equivalents of subexpressions. A formula for an equivalent is also a formula for the subexpression.
    alternatives: Option<&'s EquivalentExpressions>,
    /// Part of the whole expression whose formulas are also formulas for the whole expression.
    value: Option<SqlNodeId>,
    forms: HashMap<SqlNodeId, Rc<[FormulaText]>>,
    pairs: HashMap<SqlNodeId, Rc<[FormulaText]>>,
}

impl<'s> FormulaSearch<'s> {
    pub fn new(patterns: &'s [&'s Patterns], trees: &'s SqlTrees) -> Self {
        Self {
            patterns,
            trees,
            input: None,
            base: None,
            range: None,
            hidden_columns: &[],
            is_temporal: None,
            alternatives: None,
            value: None,
            forms: HashMap::new(),
            pairs: HashMap::new(),
        }
    }

    /// Sets the formulas that are already known for some subexpressions.
    pub fn with_seed_formulas(self, input: &'s SeedFormulas) -> Self {
        Self {
            input: Some(input),
            ..self
        }
    }

    /// Allows unqualified names to be qualified with this relation.
    pub fn with_base_relation(self, base: &'s str) -> Self {
        Self {
            base: Some(base),
            ..self
        }
    }

    /// Also allows names to represent ranges of rows.
    pub fn with_range(self, range: &'s str) -> Self {
        Self {
            range: Some(range),
            ..self
        }
    }

    /// Allows formulas that refer to one of these columns although the SQL does not contain the column.
    pub fn with_hidden_columns(self, hidden_columns: &'s [(String, Type)]) -> Self {
        Self { hidden_columns, ..self }
    }

    /// Allows `name[raw]` for names that the function accepts.
    pub fn with_temporal_names(self, is_temporal: &'s dyn Fn(&str) -> bool) -> Self {
        Self {
            is_temporal: Some(is_temporal),
            ..self
        }
    }

    /// Also finds the formulas of equivalent expressions.
    pub fn with_alternatives(self, alternatives: &'s EquivalentExpressions) -> Self {
        Self {
            alternatives: Some(alternatives),
            ..self
        }
    }

    /// Also finds the formulas of a part that is converted to the type of the column.
    pub fn with_value(self, value: Option<SqlNodeId>) -> Self {
        Self { value, ..self }
    }

    /// Returns the formulas that were found for a subexpression.
    pub fn formulas_found_for(&self, id: SqlNodeId) -> &[FormulaText] {
        self.forms.get(&id).map_or(&[], |forms| forms)
    }

    /// Returns formulas for an expression. Nodes are processed after their children, so no recursion is needed.
    pub fn candidate_formulas(&mut self, id: SqlNodeId) -> Vec<FormulaText> {
        let parts = match self.alternatives {
            Some(alternatives) => alternatives.parts(self.trees, id),
            None => self.trees.descendants(id),
        };
        let is_whole = |part: SqlNodeId| {
            let mut equivalents = self
                .alternatives
                .into_iter()
                .flat_map(|alternatives| alternatives.equivalent_expressions(id));
            part == id || self.value == Some(part) || equivalents.any(|(other, _)| *other == part)
        };
        let form_limits: Vec<usize> = parts
            .iter()
            .map(|part| {
                if is_whole(*part) {
                    MAX_WHOLE_EXPRESSION_FORMULAS
                } else {
                    MAX_SUBEXPRESSION_FORMULAS
                }
            })
            .collect();
        for (part, form_limit) in parts.iter().zip(form_limits) {
            let pairs = self.find_range_criterion_formulas(*part);
            self.pairs.insert(*part, pairs.into());
            let mut forms = simplest_distinct_formulas(self.find_formulas(*part), form_limit);
            // Keep all known formulas, because there are only a few and they may be the only correct formulas.
            let input_forms = self.input.and_then(|input| input.get(part)).into_iter().flatten();
            let known_forms: Vec<FormulaText> = input_forms.cloned().collect();
            let few = self.row_ranges(&known_forms).chain(known_forms.iter().cloned());
            let new: Vec<FormulaText> = few.filter(|form| !forms.contains(form)).collect();
            forms.extend(new);
            self.forms.insert(*part, forms.into());
        }
        let wholes = [Some(id), self.value].into_iter().flatten();
        wholes.flat_map(|part| self.formulas_found_for(part)).cloned().collect()
    }

    /// Returns the smallest subexpression for which no formula was found.
    pub fn smallest_unmatched_subexpression(&self, id: SqlNodeId) -> Option<SqlNodeId> {
        let empty = |id: &SqlNodeId| self.forms.get(id).is_none_or(|forms| forms.is_empty());
        let is_word = |id: SqlNodeId| self.trees.children(id).is_empty();
        self.trees.descendants(id).into_iter().find(|part| {
            empty(part)
                && !is_word(*part)
                && self
                    .trees
                    .children(*part)
                    .iter()
                    .all(|kid| !empty(kid) || is_word(*kid))
        })
    }

    /// Returns the row ranges that these formulas may represent. Only formulas that are names can represent a range.
    fn row_ranges<'f>(&'f self, forms: &'f [FormulaText]) -> impl Iterator<Item = FormulaText> + 'f {
        let of_range = move |range: &'f str| {
            let names = forms.iter().filter(|form| form.is_name);
            names.map(move |name| FormulaText::range(range.replace("{}", &name.text), name.cost))
        };
        self.range.into_iter().flat_map(of_range)
    }

    /// Returns the formulas whose SQL may be the SQL of this node.
    fn find_formulas(&self, id: SqlNodeId) -> Vec<FormulaText> {
        let mut expression_texts = self.name_and_literal_formulas(id);
        let known_forms = self.input.and_then(|input| input.get(&id)).into_iter().flatten();
        expression_texts.extend(known_forms.cloned());
        expression_texts.extend(self.row_ranges(&expression_texts).collect::<Vec<_>>());
        for pattern in self
            .patterns
            .iter()
            .flat_map(|patterns| patterns.value_patterns(self.trees, id))
        {
            self.match_pattern(pattern, id, &mut expression_texts);
        }
        if !self.hidden_columns.is_empty() {
            for pattern in self
                .patterns
                .iter()
                .flat_map(|patterns| patterns.hidden_column_patterns(self.trees, id))
            {
                self.match_pattern(pattern, id, &mut expression_texts);
            }
        }
        for (other, _) in self
            .alternatives
            .into_iter()
            .flat_map(|alternatives| alternatives.equivalent_expressions(id))
        {
            expression_texts.extend(
                self.forms
                    .get(other)
                    .into_iter()
                    .flat_map(|forms| forms.iter().cloned()),
            );
        }
        if let Some(inner) = self.expression_inside_wrapper(id) {
            let forms = self
                .forms
                .get(&inner)
                .into_iter()
                .flat_map(|forms| forms.iter().cloned());
            expression_texts.extend(forms.map(|form| FormulaText {
                cost: form.cost + OMITTED_WRAPPER_COST,
                ..form
            }));
        }
        expression_texts
    }

    fn find_range_criterion_formulas(&self, id: SqlNodeId) -> Vec<FormulaText> {
        let mut expression_texts = Vec::new();
        for pattern in self
            .patterns
            .iter()
            .flat_map(|patterns| patterns.criterion_patterns(self.trees, id))
        {
            self.match_pattern(pattern, id, &mut expression_texts);
        }
        simplest_distinct_formulas(expression_texts, MAX_SUBEXPRESSION_FORMULAS)
    }

    fn match_pattern(&self, pattern: &SqlPattern, id: SqlNodeId, expression_texts: &mut Vec<FormulaText>) {
        let Some(bound) = pattern.match_node(self.trees, id) else {
            return;
        };
        let mut choices: Vec<Vec<FormulaText>> = Vec::with_capacity(bound.len());
        for (bound, arg) in bound.into_iter().zip(&pattern.args) {
            let forms = match (bound, arg) {
                (Some(ArgumentBinding::Node(id)), _) => {
                    self.forms.get(&id).map(|forms| forms.to_vec()).unwrap_or_default()
                }
                (Some(ArgumentBinding::Criterion(id)), _) => {
                    self.pairs.get(&id).map(|forms| forms.to_vec()).unwrap_or_default()
                }
                (Some(ArgumentBinding::Number(digits)), ProbeArgument::Text(before, _, after)) => {
                    vec![text_literal(&format!("{before}{digits}{after}"))]
                }
                (Some(ArgumentBinding::Number(digits) | ArgumentBinding::Text(digits)), ProbeArgument::Minus(_)) => {
                    vec![number_formula(
                        &digits
                            .strip_prefix('-')
                            .map_or_else(|| format!("-{digits}"), str::to_owned),
                    )]
                }
                (Some(ArgumentBinding::Number(digits)), _) => vec![number_formula(&digits)],
                (Some(ArgumentBinding::Text(text)), ProbeArgument::Wild(before, _)) => {
                    vec![text_literal(&format!("{before}{}", wildcards_from_like(&text)))]
                }
                (Some(ArgumentBinding::Text(digits)), ProbeArgument::Number(_)) if digits.parse::<f64>().is_ok() => {
                    vec![number_formula(&digits)]
                }
                (Some(ArgumentBinding::Text(text)), ProbeArgument::Text(before, _, after)) => {
                    vec![text_literal(&format!("{before}{text}{after}"))]
                }
                (None, ProbeArgument::Fixed(text)) => vec![FormulaText::atom(text.clone(), 1)],
                (None, ProbeArgument::HiddenColumn(ty)) => {
                    // Use the first column of this type, even though the SQL does not contain the column.
                    let mut columns = self.hidden_columns.iter().filter(|(_, other)| other == ty);
                    columns
                        .next()
                        .map(|(name, _)| FormulaText::name(quote_formula_name(name), 0))
                        .into_iter()
                        .collect()
                }
                _ => Vec::new(),
            };
            if forms.is_empty() {
                return;
            }
            choices.push(forms);
        }
        // Try the best formula of each argument first, then vary one argument at a time.
        let mut ways: Vec<Vec<usize>> = vec![vec![0; choices.len()]];
        for (index, choice) in choices.iter().enumerate() {
            for other in 1..choice.len() {
                let mut indices = vec![0; choices.len()];
                if let Some(slot) = indices.get_mut(index) {
                    *slot = other;
                }
                ways.push(indices);
            }
        }
        // Then vary all arguments together.
        let most = choices.iter().map(Vec::len).max().unwrap_or(0);
        ways.truncate(MAX_COMBINATIONS);
        if choices.len() > 1 {
            ways.extend((1..most).map(|other| choices.iter().map(|choice| other.min(choice.len() - 1)).collect()));
        }
        let hidden = IMPLICIT_COMPARISON_COST * u32::from(pattern.has_implicit_comparison());
        for indices in ways {
            let args: Vec<FormulaText> = indices
                .iter()
                .zip(&choices)
                .filter_map(|(choice_index, choice)| choice.get(*choice_index).cloned())
                .collect();
            let length: usize = args.iter().map(|arg| arg.text.len()).sum();
            expression_texts.extend(
                Some(())
                    .filter(|()| length < MAX_FORMULA_LENGTH)
                    .and_then(|()| pattern.shape.with_args(&args))
                    .map(|form| FormulaText {
                        cost: form.cost + hidden,
                        ..form
                    }),
            );
        }
    }

    /// Returns the formulas for names and literals.
    fn name_and_literal_formulas(&self, id: SqlNodeId) -> Vec<FormulaText> {
        if let Some((relation, name)) = self.trees.column(id).filter(|(_, name)| *name != "*") {
            let mut forms = Vec::new();
            if relation.is_none() && matches!(name, "true" | "false") {
                forms.push(FormulaText::atom(name.to_ascii_uppercase(), 1));
            }
            if relation.is_none() && name == "null" {
                forms.push(FormulaText {
                    strength: 4,
                    ..FormulaText::atom("1 / 0", 4)
                });
            }
            if let Some(base) = self.base.filter(|_| relation.is_none()) {
                forms.push(FormulaText::name(format!("${{{base}.{name}}}"), 0));
            }
            let is_literal = ["true", "false", "null", "current_date", "current_timestamp"].contains(&name);
            if relation.is_some() || !is_literal {
                forms.push(FormulaText::name(quote_formula_name(name), 1));
            }
            if let Some(relation) = relation {
                let path = quote_formula_name(&format!("{relation}.{name}"));
                forms.push(FormulaText::name(path, if self.base.is_some() { 0 } else { 2 }));
            }
            if relation.is_none() && self.is_temporal.is_some_and(|is_temporal| is_temporal(name)) {
                forms.push(FormulaText::atom(with_timeframe(name, "raw"), 2));
            }
            for frame in crate::check::timeframes() {
                let base = name.strip_suffix(frame).and_then(|base| base.strip_suffix('_'));
                forms.extend(
                    base.filter(|base| !base.is_empty())
                        .map(|base| FormulaText::atom(with_timeframe(base, frame), 3)),
                );
            }
            return forms;
        }
        match (self.trees.label(id), self.trees.children(id)) {
            (SqlLabel::Number(number), _) => vec![self::number_formula(number)],
            (SqlLabel::Text(text, _), _) => vec![text_literal(text)],
            (SqlLabel::Negative, [inner]) => match self.trees.label(*inner) {
                SqlLabel::Number(number) => vec![self::number_formula(&format!("-{number}"))],
                _ => Vec::new(),
            },
            (SqlLabel::Typed, [_, text]) => match self.trees.label(*text) {
                SqlLabel::Text(text, _) => date_formulas(text),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Returns the expression inside a conversion, a default or a test for a blank that the compiler may have added.
    fn expression_inside_wrapper(&self, id: SqlNodeId) -> Option<SqlNodeId> {
        // With `blanks: zero`, a function call whose argument is blank counts as 0 in arithmetic.
        if let (SqlLabel::Case, [condition, zero, other]) = (self.trees.label(id), self.trees.children(id)) {
            let is_zero = *self.trees.label(*zero) == SqlLabel::Number("0".to_owned());
            return Some(*other).filter(|_| is_zero && self.is_null_test(*condition));
        }
        let [name, first, ..] = self.trees.children(id) else {
            return None;
        };
        let SqlLabel::Word(name) = self.trees.label(*name) else {
            return None;
        };
        match (self.trees.label(id), name.as_str()) {
            (SqlLabel::Call, "cast" | "try_cast" | "safe_cast") => self.trees.children(*first).first().copied(),
            (SqlLabel::Call, "coalesce" | "nullif" | "lower") => Some(*first),
            _ => None,
        }
    }

    /// Returns whether a condition is `x is null`, or several of these tests combined with `or`.
    fn is_null_test(&self, condition: SqlNodeId) -> bool {
        self.trees
            .descendants(condition)
            .into_iter()
            .any(|part| *self.trees.label(part) == SqlLabel::Op("is null".to_owned()))
    }
}

/// Writes a number in formula syntax.
fn number_formula(digits: &str) -> FormulaText {
    let strength = if digits.starts_with('-') {
        6
    } else {
        super::expression_text::ATOM_PRECEDENCE
    };
    FormulaText {
        strength,
        ..FormulaText::atom(digits, 1)
    }
}

fn date_formulas(text: &str) -> Vec<FormulaText> {
    let mut forms = vec![text_literal(text)];
    let parts: Vec<Option<u32>> = text.split('-').map(|part| part.parse().ok()).collect();
    if let [Some(year), Some(month), Some(day)] = parts[..] {
        forms.push(FormulaText::atom(format!("DATE({year}, {month}, {day})"), 3));
    }
    forms
}

/// Returns the simplest formulas, without duplicates.
fn simplest_distinct_formulas(mut expression_texts: Vec<FormulaText>, most: usize) -> Vec<FormulaText> {
    // Put a constant on the right-hand side if both orders have the same SQL.
    let key = |form: &FormulaText| (form.cost, form.text.len(), begins_with_constant(&form.text));
    expression_texts.sort_by(|a, b| (key(a), &a.text).cmp(&(key(b), &b.text)));
    let mut seen = FxHashSet::default();
    let mut alike: FxHashMap<String, usize> = FxHashMap::default();
    let is_kept = |form: &FormulaText| {
        if !seen.insert(form.text.clone()) {
            return false;
        }
        // Keep only a few formulas that differ in a literal, so that formulas with a different structure are also kept.
        let count = alike.entry(without_literals(&form.text)).or_default();
        *count += 1;
        *count <= MAX_SIMILAR_FORMULAS
    };
    expression_texts.into_iter().filter(is_kept).take(most).collect()
}

/// Writes a timeframe of a column in formula syntax.
fn with_timeframe(name: &str, frame: &str) -> String {
    match name_needs_quotes(name) {
        true => format!("${{{name}[{frame}]}}"),
        false => format!("{name}[{frame}]"),
    }
}

/// Returns whether a formula, or an expression in its brackets, begins with a number.
fn begins_with_constant(formula: &str) -> bool {
    formula
        .split('(')
        .any(|part| part.starts_with(|c: char| c.is_ascii_digit()))
}

/// Replaces each number and string in a formula with the same placeholder.
fn without_literals(formula: &str) -> String {
    let mut out = String::with_capacity(formula.len());
    let mut chars = formula.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                let _ = chars.by_ref().find(|c| *c == '"');
                out.push('#');
            }
            // This minus sign belongs to a number and is not a subtraction.
            '-' if chars.peek().is_some_and(char::is_ascii_digit) && out.ends_with(['(', ',', ' ']) => {}
            // Digits in a name are not a number.
            '0'..='9' if !out.ends_with(is_word_char) => {
                while chars.next_if(|c| c.is_ascii_digit() || *c == '.').is_some() {}
                out.push('#');
            }
            c => out.push(c),
        }
    }
    ["TRUE", "FALSE"]
        .into_iter()
        .fold(out, |out, word| out.replace(word, "#"))
}
