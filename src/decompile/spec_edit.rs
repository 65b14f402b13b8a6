//! Replaces a definition's formula in the text of its spec and leaves everything else unchanged.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::compiler::Compiler;
use crate::model::CompiledSpec;
use crate::model::outline::{DefinitionWithPosition, SpecOutline, spec_outline};
use crate::span::Span;
use crate::yaml::{self, Node, YamlStyle};

/// Reason why a spec cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct SpecEditError {
    /// Line of the spec, starting at 1.
    pub line: usize,
    /// Description of the problem on this line.
    pub reason: String,
}

impl SpecEditError {
    fn at(source: &str, offset: usize, reason: impl Into<String>) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        Self {
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            reason: reason.into(),
        }
    }
}

/// Returns the text of a spec after replacing a definition's formula.
///
/// Changes no other bytes of the spec. The function parses the result again to verify this.
///
/// ```
/// use formulac_decompile::with_formula;
///
/// let spec = "model: m\nfrom: t\ndefinitions: |\n  a = SUM(x) // all\n  b = COUNT()\n";
/// let changed = with_formula(spec, None, "a", "SUM(x) - SUM(y)")?;
/// assert_eq!(changed, "model: m\nfrom: t\ndefinitions: |\n  a = SUM(x) - SUM(y) // all\n  b = COUNT()\n");
/// # Ok::<(), formulac_decompile::SpecEditError>(())
/// ```
///
/// # Errors
///
/// Returns an error if the spec cannot be read, if the definition does not exist or exists several times, if the
/// formula contains a comment, or if the new formula cannot be written at its position.
pub fn with_formula(spec: &str, step: Option<&str>, definition: &str, formula: &str) -> Result<String, SpecEditError> {
    let editable_spec = EditableSpec::new(spec)?;
    let (_, placed) = editable_spec.definition(step, definition)?;
    editable_spec.replace_formula(placed, formula)
}

/// Returns the text of a spec after replacing the formulas of several definitions, each with its step, its name and its
/// new formula. `None` if one of the formulas cannot be replaced together with the others. [`with_formula`] reports
/// why.
#[must_use]
pub fn with_formulas(spec: &str, formulas: &[(Option<&str>, &str, &str)]) -> Option<String> {
    let editable_spec = EditableSpec::new(spec).ok()?;
    let mut placed = Vec::with_capacity(formulas.len());
    for (step, definition, formula) in formulas {
        placed.push((editable_spec.definition(*step, definition).ok()?.1, *formula));
    }
    editable_spec.replace_formulas(&placed)
}

/// A parsed spec.
pub(super) struct EditableSpec<'s> {
    pub source: &'s str,
    root: Node,
    pub outline: SpecOutline,
    /// Whether the spec is an expanded model built on metric sets.
    is_expanded: bool,
}

impl<'s> EditableSpec<'s> {
    pub fn new(source: &'s str) -> Result<Self, SpecEditError> {
        Self::read(source, false)
    }

    /// Parses an expanded model built on metric sets.
    pub fn parse_expanded(source: &'s str) -> Result<Self, SpecEditError> {
        Self::read(source, true)
    }

    fn read(source: &'s str, is_expanded: bool) -> Result<Self, SpecEditError> {
        let root = yaml::read(source, &mut Vec::new());
        let root = root.map_err(|fault| SpecEditError::at(source, fault.span().start as usize, fault.message()))?;
        let root = root.ok_or_else(|| SpecEditError::at(source, 0, "the spec is empty"))?;
        let outline = spec_outline(&root, source, is_expanded, &Compiler::default());
        let outline = outline.ok_or_else(|| SpecEditError::at(source, 0, "the file is not a spec"))?;
        Ok(Self {
            source,
            root,
            outline,
            is_expanded,
        })
    }

    /// Parses another version of the spec. `None` if the version is not a spec.
    pub fn with_text<'t>(&self, text: &'t str) -> Option<EditableSpec<'t>> {
        EditableSpec::read(text, self.is_expanded).ok()
    }

    /// Returns the root of the YAML document.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Compiles a version of the spec, and returns the SQL of its model.
    pub fn compile_sql(&self, compiler: &Compiler, text: &str, path: Option<&str>) -> Option<String> {
        self.compile(compiler, text, path).model_sql().map(str::to_owned)
    }

    /// Compiles a version of the spec.
    pub fn compile(&self, compiler: &Compiler, text: &str, path: Option<&str>) -> CompiledSpec {
        match self.is_expanded {
            true => compiler.compile_expanded(text, path),
            false => compiler.compile_spec_at(text, path),
        }
    }

    /// Returns the positions of formulas in the text, and the positions of keys that correspond to SQL clauses.
    pub fn formula_ranges(&self) -> Vec<Range<usize>> {
        let definitions = self
            .outline
            .steps
            .iter()
            .flat_map(|step| &step.definitions)
            .map(|placed| placed.formula_span);
        let steps = self.root.items_at("steps");
        let of_step = |step: &Node| {
            let keys = ["where", "having", "order_by", "limit"].into_iter();
            keys.filter_map(|key| step.get(key).map(|node| node.span))
                .collect::<Vec<_>>()
        };
        let clauses = [&self.root].into_iter().chain(steps).flat_map(of_step);
        definitions
            .chain(clauses)
            .map(|span| span.start as usize..span.end as usize)
            .collect()
    }

    /// Returns the names of definitions, keys and steps in the spec, in lower case.
    pub fn defined_names(&self) -> HashSet<String> {
        let of_step = |step: &crate::model::outline::StepOutline| {
            let names = step
                .definitions
                .iter()
                .map(|placed| &placed.name)
                .chain(&step.keys)
                .chain(&step.name);
            names.map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>()
        };
        self.outline.steps.iter().flat_map(of_step).collect()
    }

    /// Finds a definition and the position of its step.
    pub fn definition(
        &self,
        step: Option<&str>,
        name: &str,
    ) -> Result<(usize, &DefinitionWithPosition), SpecEditError> {
        let steps = self.outline.steps.iter().enumerate();
        let is_step = |own_name: &Option<String>| {
            step.is_none_or(|step| {
                own_name
                    .as_deref()
                    .is_some_and(|step_name| step_name.eq_ignore_ascii_case(step))
            })
        };
        let mut matches = steps.filter(|(_, s)| is_step(&s.name)).flat_map(|(step_index, s)| {
            s.definitions
                .iter()
                .filter(|d| d.name.eq_ignore_ascii_case(name))
                .map(move |d| (step_index, d))
        });
        match (matches.next(), matches.next()) {
            (Some(only_match), None) => Ok(only_match),
            (Some((_, definition)), Some(_)) => Err(SpecEditError::at(
                self.source,
                definition.formula_span.start as usize,
                format!("`{name}` is defined more than once"),
            )),
            (None, _) => Err(SpecEditError::at(self.source, 0, format!("`{name}` is not defined"))),
        }
    }

    /// Returns the spec after replacing a definition's formula.
    pub fn replace_formula(&self, definition: &DefinitionWithPosition, formula: &str) -> Result<String, SpecEditError> {
        let edited_spec = self
            .replacements(definition, formula)?
            .into_iter()
            .filter_map(|(range, text)| self.splice_text(range.start, range.end, &text))
            .find(|text| self.is_equivalent(text, &[(definition, formula)]));
        edited_spec.ok_or_else(|| {
            let reason = "the new formula cannot be inserted automatically; edit the spec manually";
            SpecEditError::at(self.source, definition.formula_span.start as usize, reason)
        })
    }

    /// Returns the ways to write a formula in place of a definition's formula: the range to replace and its new text.
    fn replacements(
        &self,
        definition: &DefinitionWithPosition,
        formula: &str,
    ) -> Result<Vec<(Range<u32>, String)>, SpecEditError> {
        let refuse = |reason: &str| SpecEditError::at(self.source, definition.formula_span.start as usize, reason);
        if definition.has_comment {
            return Err(refuse("the formula contains a comment, which would be lost"));
        }
        if formula.trim().is_empty() || formula.chars().any(char::is_control) {
            return Err(refuse("the new formula has more than one line"));
        }
        let (quoted, scalar) = (formula_substitution(definition, formula), definition.scalar);
        if definition.style != YamlStyle::Plain || !definition.alone {
            return Ok(vec![quoted]);
        }
        let first = [formula.to_owned(), yaml::quote_with_style(formula, YamlStyle::Single)];
        let first = first.map(|text| (scalar.start..scalar.end, text));
        Ok(first.into_iter().chain([quoted]).collect())
    }

    /// Returns the spec after replacing the formulas of several definitions. `None` if one of the formulas cannot be
    /// written in the usual form. The formulas must then be replaced one by one.
    fn replace_formulas(&self, formulas: &[(&DefinitionWithPosition, &str)]) -> Option<String> {
        let mut replaced = Vec::new();
        for (definition, formula) in formulas {
            let ways = self.replacements(definition, formula).ok()?;
            let is_text = |text: &str| {
                let read = yaml::parse_root(&format!("key: {text}\n"));
                read.is_some_and(|root| root.text_at("key") == Some(formula.trim()))
            };
            let first = if ways.len() > 1 {
                ways.into_iter().find(|(_, text)| is_text(text))
            } else {
                ways.into_iter().next()
            };
            replaced.push(first?);
        }
        let text = self.splice_texts(replaced)?;
        self.is_equivalent(&text, formulas).then_some(text)
    }

    /// Like [`Self::with_formula_unchecked`], for several definitions.
    pub fn with_formulas_unchecked(&self, formulas: &[(&DefinitionWithPosition, &str)]) -> Option<String> {
        self.splice_texts(
            formulas
                .iter()
                .map(|(definition, formula)| formula_substitution(definition, formula)),
        )
    }

    /// Replaces ranges of the spec that do not overlap.
    fn splice_texts(&self, texts: impl IntoIterator<Item = (Range<u32>, String)>) -> Option<String> {
        let mut texts: Vec<(Range<u32>, String)> = texts.into_iter().collect();
        texts.sort_by_key(|(range, _)| range.start);
        let (mut spec, mut end) = (String::with_capacity(self.source.len()), 0);
        for (range, text) in texts {
            spec.push_str(self.source.get(end..range.start as usize)?);
            spec.push_str(&text);
            end = range.end as usize;
        }
        spec.push_str(self.source.get(end..)?);
        Some(spec)
    }

    /// Returns the spec after replacing a definition's formula, without parsing the result again. The result is used
    /// only to compile the formula and must not be saved.
    pub fn with_formula_unchecked(&self, definition: &DefinitionWithPosition, formula: &str) -> Option<String> {
        self.with_formulas_unchecked(&[(definition, formula)])
    }

    fn splice_text(&self, start: u32, end: u32, text: &str) -> Option<String> {
        let (before, after) = (self.source.get(..start as usize)?, self.source.get(end as usize..)?);
        Some([before, text, after].concat())
    }

    /// Returns whether a string parses to the original spec, apart from these formulas.
    fn is_equivalent(&self, text: &str, formulas: &[(&DefinitionWithPosition, &str)]) -> bool {
        let Some(other) = self.with_text(text) else {
            return false;
        };
        let new: HashMap<Span, &str> = formulas
            .iter()
            .map(|(definition, formula)| (definition.formula_span, formula.trim()))
            .collect();
        let (mine, theirs) = (&self.outline.steps, &other.outline.steps);
        let same_steps = mine.len() == theirs.len()
            && mine.iter().zip(theirs).all(|(a, b)| {
                a.definitions.len() == b.definitions.len()
                    && a.definitions.iter().zip(&b.definitions).all(|(a, b)| {
                        let expected = new.get(&a.formula_span).copied().unwrap_or(a.formula.as_str());
                        a.name == b.name && b.formula == expected
                    })
            });
        same_steps && count_differences(&self.root, &other.root) <= formulas.len()
    }
}

/// Returns the range of a definition's formula and the new text of this range. The text is always valid YAML.
fn formula_substitution(definition: &DefinitionWithPosition, formula: &str) -> (Range<u32>, String) {
    let (formula_span, scalar) = (definition.formula_span, definition.scalar);
    match (definition.style, definition.alone) {
        (YamlStyle::Plain, true) => (
            scalar.start..scalar.end,
            yaml::quote_with_style(formula, YamlStyle::Double),
        ),
        (style, _) => {
            let escaped = yaml::escape_for_style(formula, style, false);
            let text = escaped.map_or_else(|| formula.to_owned(), Cow::into_owned);
            (formula_span.start..formula_span.end, text)
        }
    }
}

/// Counts the scalars in which two documents differ. Returns the maximum value if the documents have different
/// structures.
fn count_differences(first_node: &Node, other: &Node) -> usize {
    let mut count = 0;
    let mut pairs = vec![(first_node, other)];
    while let Some((a, b)) = pairs.pop() {
        match (&a.kind, &b.kind) {
            (yaml::NodeKind::Scalar { value: x, .. }, yaml::NodeKind::Scalar { value: y, .. }) => {
                count += usize::from(x != y);
            }
            (yaml::NodeKind::Sequence(x), yaml::NodeKind::Sequence(y)) if x.len() == y.len() => {
                pairs.extend(x.iter().zip(y));
            }
            (yaml::NodeKind::Mapping(x), yaml::NodeKind::Mapping(y)) if x.len() == y.len() => {
                pairs.extend(x.iter().zip(y).flat_map(|((k, v), (l, w))| [(k, l), (v, w)]));
            }
            _ => return usize::MAX,
        }
    }
    count
}
