//! Parts of the spec that do not compile: definitions are removed and reported as gaps, and sort keys move to the
//! following step.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::PromotionIssue;
use super::super::calculations::omit_columns;
use super::super::spec_text::{NamedFormula, SpecStep};
use super::SpecBuilder;

impl SpecBuilder<'_, '_> {
    /// Moves the sort keys of the calculations to the step after the calculations.
    pub(super) fn sort_in_next_step(&mut self) {
        let Some(index) = self.spec.steps.iter().position(|step| !step.calculations.is_empty()) else {
            return;
        };
        if self.spec.steps.len() == index + 1 {
            self.spec.steps.push(SpecStep {
                name: "sorted".to_owned(),
                keep: vec!["all".to_owned()],
                ..SpecStep::default()
            });
        }
        let Some([calculated, sorted]) = self.spec.steps.get_mut(index..index + 2) else {
            return;
        };
        sorted.order_by = std::mem::take(&mut calculated.order_by);
        sorted.limit = calculated.limit.take().or(sorted.limit);
    }

    /// Removes definitions and calculations that do not compile, and everything that reads them. Reports each removed
    /// definition as a gap. `faulty` maps the name of each faulty definition to the reason.
    pub(super) fn remove_faulty_definitions(&mut self, faulty: &FxHashMap<String, String>) {
        let mut reasons = faulty.clone();
        let mut removed = Vec::new();
        for step in &mut self.spec.steps {
            for line in step.definitions.iter().chain(&step.calculations) {
                if let Some(reason) = faulty.get(&line.name) {
                    let reason = format!("the formula `{}` would not compile: {reason}", line.formula);
                    reasons.insert(line.name.clone(), reason);
                }
            }
            let columns: Vec<&str> = step.columns.iter().map(String::as_str).collect();
            let formula = |line: &NamedFormula| reasons.get(&line.name).cloned().map_or(Ok(line.formula.clone()), Err);
            let formulas = step.calculations.iter().map(|line| (line.name.clone(), formula(line)));
            let mut formulas: Vec<_> = formulas.collect();
            omit_columns(&columns, &|name| !reasons.contains_key(name), &mut formulas);
            for (line, (name, formula)) in step.calculations.iter_mut().zip(formulas) {
                match formula {
                    Ok(formula) => line.formula = formula,
                    Err(reason) => _ = reasons.insert(name, reason),
                }
            }
            let mut gaps = Vec::new();
            let mut keep = |line: &NamedFormula| {
                let Some(reason) = reasons.get(&line.name) else {
                    return true;
                };
                let source = self.sources.get(&line.name).cloned();
                let gap = source.unwrap_or_else(|| PromotionIssue {
                    file: String::new(),
                    line: 1,
                    what: line.name.clone(),
                    original: line.formula.clone(),
                    reason: String::new(),
                    is_carried: false,
                });
                let reason = reason.clone();
                gaps.push(PromotionIssue { reason, ..gap });
                false
            };
            step.definitions.retain(&mut keep);
            step.calculations.retain(&mut keep);
            step.gaps.extend(gaps.iter().map(PromotionIssue::comment));
            removed.extend(gaps);
        }
        self.remove_caveats(&removed);
        self.gaps.extend(removed);
        let defined = |name: &String| !reasons.contains_key(name);
        for step in &mut self.spec.steps {
            step.columns.retain(defined);
            step.group_by.retain(defined);
        }
        self.remove_sort_keys(&defined);
        self.remove_conditions(&defined);
        self.remove_empty_calculations();
        self.spec.columns.retain(|column| defined(&column.name));
        self.carried.retain(|carried_field| defined(&carried_field.column));
    }

    /// Removes the warnings that a definition may differ from Omni's, for definitions that the spec no longer contains.
    fn remove_caveats(&mut self, removed: &[PromotionIssue]) {
        let items: FxHashSet<(&str, usize, &str)> = removed
            .iter()
            .map(|gap| (&*gap.file, gap.line, &*gap.original))
            .collect();
        // A definition that copies a column has no original definition in Omni.
        let is_removed = |gap: &PromotionIssue, original: &str| items.contains(&(&*gap.file, gap.line, original));
        let is_withdrawn =
            |gap: &PromotionIssue| gap.is_carried && (is_removed(gap, &gap.original) || is_removed(gap, ""));
        let comments: FxHashSet<String> = self
            .gaps
            .iter()
            .filter(|gap| is_withdrawn(gap))
            .map(PromotionIssue::comment)
            .collect();
        self.gaps.retain(|gap| !is_withdrawn(gap));
        for step in &mut self.spec.steps {
            step.gaps.retain(|comment| !comments.contains(comment));
        }
    }

    /// Removes sort keys that the spec no longer defines. If a step has no sort keys left, also removes its limit.
    fn remove_sort_keys(&mut self, defined: &dyn Fn(&String) -> bool) {
        let mut gaps = Vec::new();
        let name_of = |entry: &String| entry.trim_end_matches(" desc").to_owned();
        for step in &mut self.spec.steps {
            let missing = step.order_by.iter().map(name_of).filter(|name| !defined(name));
            let missing: Vec<String> = missing.collect();
            step.order_by.retain(|entry| defined(&name_of(entry)));
            let is_unsorted = !missing.is_empty() && step.order_by.is_empty();
            gaps.extend(missing.into_iter().map(|name| {
                let reason = "the field could not be converted, so the model cannot sort its rows by this field";
                (format!("sort by {name}"), reason.to_owned(), false)
            }));
            if is_unsorted && step.limit.take().is_some() {
                gaps.push(("limit".to_owned(), super::UNSORTED_LIMIT.to_owned(), false));
            }
        }
        self.sort_keys.retain(|entry| defined(&name_of(entry)));
        let comments = self.report_sort_issues(gaps);
        self.spec.gaps.extend(comments);
    }

    /// Removes the filters of calculations that the spec no longer contains.
    fn remove_conditions(&mut self, defined: &dyn Fn(&String) -> bool) {
        let conditions = std::mem::take(&mut self.calculation_conditions);
        let (kept, dropped): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|(name, ..)| defined(name));
        self.calculation_conditions = kept;
        for (_, condition, gap) in dropped {
            for step in &mut self.spec.steps {
                step.wheres.retain(|text| *text != condition);
            }
            self.spec.gaps.push(gap.comment());
            self.gaps.push(gap);
        }
    }

    /// Removes the worksheet if it has no calculations. The sort keys, the limit and the gaps of the worksheet move to
    /// the preceding step.
    fn remove_empty_calculations(&mut self) {
        let is_empty = |step: &SpecStep| !step.columns.is_empty() && step.calculations.is_empty();
        let Some(index) = self.spec.steps.iter().position(is_empty) else {
            return;
        };
        let later = self.spec.steps.split_off(index);
        let Some(last) = self.spec.steps.last_mut() else {
            self.spec.steps = later;
            return;
        };
        if last.order_by.is_empty() {
            last.order_by.clone_from(&self.sort_keys);
        }
        let mut limit = None;
        for step in later {
            last.gaps.extend(step.gaps);
            limit = limit.or(step.limit);
        }
        last.limit = last.limit.or(limit).filter(|_| !last.order_by.is_empty());
    }
}
