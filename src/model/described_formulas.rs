//! Finds the formulas that describe the columns of a spec's output.

use formulac_syntax::text::one_line;
use rustc_hash::FxHashMap;

use super::compile::SpecCompilation;
use super::load::Step;

/// Formulas of the steps, by the index of the step and the lower-case name.
type FormulasOfSteps = FxHashMap<(usize, String), String>;

impl SpecCompilation<'_> {
    /// Returns the formulas of definitions and timeframes on one line each, by lower-case name. Formulas that only
    /// repeat the name are omitted. A column of a union has the formulas of all combined steps.
    pub(super) fn formulas_by_name(&self) -> FxHashMap<String, String> {
        let steps = &self.spec.steps;
        let indexes = step_indexes(steps);
        let united = steps.iter().flat_map(|step| &step.union);
        let united: FxHashMap<&str, usize> = united.enumerate().map(|(index, name)| (name.text, index)).collect();
        let mut known = FormulasOfSteps::default();
        // Each formula of a name has the position of its step in the union, if the step is part of a union.
        let mut formula_lists: FxHashMap<String, Vec<(Option<usize>, String)>> = FxHashMap::default();
        for (step, name, formula) in self.formulas_in_order(&indexes) {
            let key = name.to_ascii_lowercase();
            let united = steps
                .get(step)
                .and_then(|step| united.get(step.name.as_ref()?.text).copied());
            let text = if !name.eq_ignore_ascii_case(formula) {
                one_line(formula)
            } else if united.is_some()
                && let Some(text) = inherited_formula(steps, &indexes, &known, (step, name))
            {
                text
            } else {
                continue;
            };
            let formulas = formula_lists.entry(key.clone()).or_default();
            if united.is_none() || formulas.iter().any(|(other, _)| other.is_none()) {
                formulas.clear();
            }
            // A key that is a definition of the same step only repeats the name of the definition.
            if united.is_none() || !formulas.iter().any(|(other, _)| *other == united) {
                formulas.push((united, text.clone()));
            }
            known.entry((step, key)).or_insert(text);
        }
        let text = |(name, mut formulas): (String, Vec<(Option<usize>, String)>)| {
            formulas.sort_by_key(|(position, _)| *position);
            let mut texts: Vec<String> = Vec::new();
            for (_, text) in formulas {
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
            let is_known = texts.iter().any(|text| !name.eq_ignore_ascii_case(text));
            is_known.then(|| (name, texts.join(" or ")))
        };
        formula_lists.into_iter().filter_map(text).collect()
    }

    /// Returns the definitions and keys in the order of the steps, the definitions of each step first. Each entry has
    /// the index of its step, its name and its formula.
    fn formulas_in_order(&self, indexes: &FxHashMap<Option<&str>, usize>) -> Vec<(usize, &str, &str)> {
        let index = |step: Option<&str>| indexes.get(&step).copied().unwrap_or(self.spec.steps.len());
        let definitions = self.definitions.iter().map(|definition| {
            let step = definition.step.clone().unwrap_or_default();
            let as_written = self.origins.formulas.get(&(step, definition.name.to_lowercase()));
            let formula = as_written.map_or(definition.formula(), String::as_str);
            (index(definition.step()), definition.name(), formula)
        });
        let keys = self.written_keys.iter();
        let keys = keys.map(|(name, text, step)| (index(step.as_deref()), name.as_str(), text.as_str()));
        let mut entries: Vec<_> = definitions.chain(keys).collect();
        entries.sort_by_key(|(step, ..)| *step);
        entries
    }
}

fn step_indexes<'s>(steps: &'s [Step<'_>]) -> FxHashMap<Option<&'s str>, usize> {
    let names = steps.iter().map(|step| step.name.as_ref().map(|name| name.text));
    names.enumerate().map(|(index, name)| (name, index)).collect()
}

/// Returns the formula of a column that a step only passes on: the formula in the step that computes the column, or
/// the column's name if it is a column of a relation. Returns `None` if the column comes from several steps.
fn inherited_formula(
    steps: &[Step<'_>],
    indexes: &FxHashMap<Option<&str>, usize>,
    known: &FormulasOfSteps,
    (step, name): (usize, &str),
) -> Option<String> {
    let mut place = (step, name.to_ascii_lowercase());
    loop {
        if let Some(formula) = known.get(&place) {
            return Some(formula.clone());
        }
        let step = steps.get(place.0)?;
        let input = match step.union.as_slice() {
            [] if place.0 == 0 || step.from.is_some() => return Some(name.to_owned()),
            [] => place.0 - 1,
            // A `from` with the name of an earlier step.
            [from] => *indexes.get(&Some(from.text))?,
            _ => return None,
        };
        if input >= place.0 {
            return None;
        }
        place.0 = input;
    }
}
