//! Removes the definitions from a model that have nothing to do with an edited definition. Candidates for the edited
//! definition are compiled in the reduced model, so that their cost does not depend on the size of the model.
//!
//! A reduced model is used only if its generated SQL is the generated SQL of the whole model without the removed
//! columns. The caller must prove the formula in the whole model.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use formulac_syntax::text::split_words;

use super::edits::SqlEdits;
use super::file::SqlFile;
use super::parse::is_keyword;
use super::spec_edit::EditableSpec;
use crate::compiler::Compiler;
use crate::dbt::tokens::SqlTokenKind;
use crate::model::outline::DefinitionWithPosition;
use crate::yaml::{Node, NodeKind};

/// Number of other definitions of the edited step that are kept, because probes contain their names.
const MIN_OTHER_DEFINITIONS: usize = 4;

/// Model without the definitions that have nothing to do with an edited definition.
pub(super) struct ReducedModel {
    pub spec: String,
    pub generated_sql: String,
    pub edited_sql: String,
}

/// Spec and SQL of a model, with the names that its definitions use.
pub(super) struct ModelReducer<'a, 's> {
    editable_spec: &'a EditableSpec<'s>,
    generated_file: &'a SqlFile<'s>,
    edited_file: &'a SqlFile<'s>,
    definitions: Vec<DefinitionWithNames<'a>>,
    /// Definitions by the first word of their names.
    by_name: HashMap<String, Vec<usize>>,
    /// Definitions by the words of their formulas.
    by_word: HashMap<String, Vec<usize>>,
    /// Words of the spec outside of definitions and of their columns' properties.
    other_words: HashSet<String>,
}

struct DefinitionWithNames<'a> {
    step: usize,
    definition: &'a DefinitionWithPosition,
    /// Words of the definition's name, in lower case.
    name: Vec<String>,
    /// Words of the formula and of the column's properties, in lower case.
    words: HashSet<String>,
    /// Names and literals of each generated column that computes the definition.
    columns: Vec<HashSet<String>>,
    /// Formula without names and strings.
    shape: String,
}

impl<'a, 's> ModelReducer<'a, 's> {
    /// Reads the names in a model. `None` if the model has a worksheet, whose formulas refer to columns by position.
    pub fn new(
        editable_spec: &'a EditableSpec<'s>,
        generated_file: &'a SqlFile<'s>,
        edited_file: &'a SqlFile<'s>,
    ) -> Option<Self> {
        let steps = &editable_spec.outline.steps;
        if steps.iter().any(|step| step.sheet.is_some()) {
            return None;
        }
        let mut columns: HashMap<String, Vec<HashSet<String>>> = HashMap::new();
        for part in &generated_file.parts {
            if let Some(name) = part.position.column_name_if_column()
                && generated_file.column_name(&part.tokens).is_none()
            {
                let names = names_in_sql(generated_file, &part.tokens);
                columns.entry(name.to_ascii_lowercase()).or_default().push(names);
            }
        }
        let mut definitions = Vec::new();
        for (step, outline) in steps.iter().enumerate() {
            definitions.extend(outline.definitions.iter().map(|definition| {
                DefinitionWithNames {
                    step,
                    definition,
                    name: words(&definition.name).collect(),
                    words: words(&definition.formula).collect(),
                    columns: columns
                        .get(&definition.name.to_ascii_lowercase())
                        .cloned()
                        .unwrap_or_default(),
                    shape: formula_shape(&definition.formula),
                }
            }));
        }
        let other_words = add_words_outside_definitions(editable_spec.root(), &mut definitions);
        let (mut by_name, mut by_word) = (HashMap::new(), HashMap::new());
        for (number, definition) in definitions.iter().enumerate() {
            let index = |by: &mut HashMap<String, Vec<usize>>, word: &String| {
                by.entry(word.clone()).or_default().push(number);
            };
            definition
                .name
                .first()
                .iter()
                .for_each(|word| index(&mut by_name, word));
            definition.words.iter().for_each(|word| index(&mut by_word, word));
        }
        Some(Self {
            editable_spec,
            generated_file,
            edited_file,
            definitions,
            by_name,
            by_word,
            other_words,
        })
    }

    /// Returns the model without the definitions that have nothing to do with a definition. `None` if the definition
    /// has no column, if most definitions must be kept, or if the SQL of the definition depends on the other
    /// definitions.
    pub fn reduce(
        &self,
        compiler: &Compiler,
        path: Option<&str>,
        (step, definition): (usize, &DefinitionWithPosition),
    ) -> Option<ReducedModel> {
        let is_it = |other: &DefinitionWithNames<'_>| other.step == step && other.definition == definition;
        let number = self.definitions.iter().position(is_it)?;
        let edited_names = self.edited_names(&definition.name)?;
        // Definitions of other shapes may be the reason why the query has another CTE.
        [false, true].into_iter().find_map(|keeps_shapes| {
            let kept = self.kept_definitions(number, &edited_names, keeps_shapes);
            let count = kept.iter().filter(|is_kept| **is_kept).count();
            (count * 2 <= kept.len()).then(|| self.with_definitions(compiler, path, &kept))?
        })
    }

    /// Returns the names and literals in the edited columns with a name, and in the columns of CTEs that they read.
    /// `None` if there is no such column.
    fn edited_names(&self, name: &str) -> Option<HashSet<String>> {
        let file = self.edited_file;
        let ctes: Vec<Option<&str>> = file.ctes.iter().map(|cte| Some(cte.as_str())).chain([None]).collect();
        let (mut names, mut open) = (HashSet::new(), vec![name.to_owned()]);
        while let Some(name) = open.pop() {
            for tokens in ctes.iter().filter_map(|cte| file.column(*cte, &name)) {
                let new = words(file.text(&tokens)).filter(|word| names.insert(word.clone()));
                open.extend(new.collect::<Vec<_>>());
            }
        }
        (!names.is_empty()).then_some(names)
    }

    /// Returns for each definition whether the reduced model must contain it.
    fn kept_definitions(&self, edited: usize, edited_names: &HashSet<String>, keeps_shapes: bool) -> Vec<bool> {
        let mut kept = vec![false; self.definitions.len()];
        let mut open = vec![edited];
        // All definitions whose SQL changes with the edited definition.
        while let Some(number) = open.pop() {
            if let Some(is_kept) = kept.get_mut(number).filter(|is_kept| !**is_kept) {
                *is_kept = true;
                open.extend(self.users(number));
            }
        }
        let (mut shapes, mut counts) = (HashSet::new(), HashMap::new());
        let edited_step = self.definitions.get(edited).map(|definition| definition.step);
        open.extend(self.named_definitions(&self.other_words));
        open.extend(self.named_definitions(edited_names));
        for (number, other) in self.definitions.iter().enumerate() {
            let is_in_step = Some(other.step) == edited_step;
            let count: &mut usize = counts.entry(other.step).or_default();
            *count += 1;
            let is_first = *count <= if is_in_step { MIN_OTHER_DEFINITIONS + 1 } else { 1 };
            // The edited SQL may contain the whole expression of another definition.
            let is_part = is_in_step && other.columns.iter().any(|names| names.is_subset(edited_names));
            if is_first || is_part || keeps_shapes && shapes.insert((other.step, &other.shape)) {
                open.push(number);
            }
        }
        open.extend((0..kept.len()).filter(|number| kept.get(*number) == Some(&true)));
        // All definitions that the kept definitions read.
        let mut seen = HashSet::new();
        while let Some(number) = open.pop() {
            if let (Some(is_kept), Some(definition)) = (kept.get_mut(number), self.definitions.get(number))
                && seen.insert(number)
            {
                *is_kept = true;
                open.extend(self.named_definitions(&definition.words));
            }
        }
        kept
    }

    /// Returns the definitions whose names consist of these words.
    fn named_definitions<'b>(&'b self, words: &'b HashSet<String>) -> impl Iterator<Item = usize> + 'b {
        let candidates = words.iter().filter_map(|word| self.by_name.get(word)).flatten();
        let is_named = |number: &usize| {
            let definition = self.definitions.get(*number);
            definition.is_some_and(|definition| definition.name.iter().all(|word| words.contains(word)))
        };
        candidates.copied().filter(is_named)
    }

    /// Returns the definitions whose formulas contain the name of a definition.
    fn users(&self, number: usize) -> Vec<usize> {
        let Some((name, first)) = self
            .definitions
            .get(number)
            .and_then(|definition| Some((&definition.name, definition.name.first()?)))
        else {
            return Vec::new();
        };
        let uses = |user: &&usize| {
            let user = self.definitions.get(**user);
            user.is_some_and(|user| name.iter().all(|word| user.words.contains(word)))
        };
        self.by_word
            .get(first)
            .into_iter()
            .flatten()
            .filter(uses)
            .copied()
            .collect()
    }

    /// Returns the model with only some of its definitions. `None` if the SQL of these definitions depends on the other
    /// definitions.
    fn with_definitions(&self, compiler: &Compiler, path: Option<&str>, kept: &[bool]) -> Option<ReducedModel> {
        let removed = self.definitions.iter().zip(kept).filter(|(_, is_kept)| !**is_kept);
        let removed = removed.map(|(definition, _)| definition.definition.formula_span.start);
        let removed: HashSet<u32> = removed.collect();
        let spec = self.editable_spec.without_definitions(&removed)?;
        let generated_sql = self.editable_spec.compile_sql(compiler, &spec, path)?;
        let dialect = self.generated_file.dialect;
        let reduced_file = SqlFile::read(&generated_sql, dialect);
        let remaining: HashSet<_> = reduced_file.parts.iter().map(|part| &part.position).collect();
        let parts = self.generated_file.parts.iter().map(|part| &part.position);
        let removed: HashSet<_> = parts.filter(|position| !remaining.contains(position)).collect();
        let [expected, edited_sql] =
            [self.generated_file, self.edited_file].map(|file| file.without_columns(&reduced_file.ctes, &removed));
        let is_same = SqlEdits::from_texts(&generated_sql, &expected?, dialect).is_empty();
        is_same.then_some(ReducedModel {
            spec,
            generated_sql,
            edited_sql: edited_sql?,
        })
    }
}

/// Returns the lower-case words of a text.
fn words(text: &str) -> impl Iterator<Item = String> {
    let words = split_words(text);
    words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase)
}

/// Returns the words of names and literals in SQL, in lower case. The numbers 0 and 1, which guards contain, are
/// omitted.
fn names_in_sql(file: &SqlFile<'_>, tokens: &Range<usize>) -> HashSet<String> {
    let is_name = |token: &usize| {
        let key = file.key(*token);
        let is_word = file
            .tokens
            .get(*token)
            .is_some_and(|token| token.kind == SqlTokenKind::Word);
        !(matches!(key.as_str(), "0" | "1") || is_word && (file.key(*token + 1) == "(" || is_keyword(&key)))
    };
    let names = tokens.clone().filter(is_name);
    names
        .flat_map(|token| words(file.text(&(token..token + 1))).collect::<Vec<_>>())
        .collect()
}

/// Returns a formula without names and strings.
fn formula_shape(formula: &str) -> String {
    let is_literal_or_function =
        |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) || crate::catalog::lookup(word).is_some();
    let outside_strings = formula.split('"').step_by(2);
    let words = outside_strings.flat_map(|text| split_words(text).collect::<Vec<_>>());
    words.filter(is_literal_or_function).collect::<Vec<_>>().join(" ")
}

/// Adds the words in the properties of each column to the column's definitions, and returns the words in all other
/// values except definitions and descriptions.
fn add_words_outside_definitions(root: &Node, definitions: &mut [DefinitionWithNames<'_>]) -> HashSet<String> {
    let mut other_words = HashSet::new();
    let columns = root.pairs_at("columns");
    for (name, properties) in columns {
        let name = name.text().unwrap_or_default();
        let is_it = |definition: &&mut DefinitionWithNames<'_>| definition.definition.name.eq_ignore_ascii_case(name);
        let mut found = definitions.iter_mut().filter(is_it).peekable();
        match found.peek() {
            Some(_) => found.for_each(|definition| add_words(properties, &mut definition.words)),
            None => add_words(properties, &mut other_words),
        }
    }
    let steps = root.items_at("steps");
    let pairs = steps.iter().chain([root]).filter_map(Node::pairs).flatten();
    for (key, value) in pairs {
        if !matches!(key.text(), Some("definitions" | "columns" | "steps" | "description")) {
            add_words(value, &mut other_words);
        }
    }
    other_words
}

/// Adds the words of a node to a set.
fn add_words(node: &Node, set: &mut HashSet<String>) {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        match &node.kind {
            NodeKind::Scalar { value, .. } => set.extend(words(value)),
            NodeKind::Sequence(items) => open.extend(items),
            NodeKind::Mapping(pairs) => open.extend(pairs.iter().flat_map(|(key, value)| [key, value])),
        }
    }
}
