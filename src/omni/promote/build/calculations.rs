//! Calculations of the spec, and the filters that apply after them.

use formulac_syntax::text::collapse_whitespace;

use super::super::calculations::{CalculationSheet, LetteredColumn};
use super::super::display::{display_settings, yaml_line};
use super::super::fields::convert_filter_of_term;
use super::super::spec_text::{NamedFormula, SpecColumnMetadata, SpecStep};
use super::super::term::FormulaTerm;
use super::super::{PromotedField, PromotionIssue, calculations};
use super::{QueryCalculation, SpecBuilder};
use crate::schema::OmniReference;

impl<'m> SpecBuilder<'m, '_> {
    /// Returns the formulas of the calculations. `columns` are the other columns of the worksheet.
    pub(super) fn write_calculations(&mut self, sheet: &CalculationSheet, columns: &[&str]) -> Vec<NamedFormula> {
        let of_query = self.plan.omni_columns.iter().map(|name| LetteredColumn {
            name: name.clone(),
            index: sheet.index(name),
        });
        let of_query: Vec<LetteredColumn> = of_query.collect();
        let convert = |calculation: &QueryCalculation<'_>| {
            let formula = calculations::calculation_formula(calculation.sql, sheet, &of_query, self.fields.dialect);
            (calculation.name.clone(), formula)
        };
        let mut formulas: Vec<_> = self.plan.calculations.iter().map(convert).collect();
        calculations::omit_columns(columns, &|_| true, &mut formulas);
        let mut lines = Vec::new();
        let mut gaps = Vec::new();
        for (calculation, (_, formula)) in self.plan.calculations.iter().zip(formulas) {
            let original = format!("sql: {}", collapse_whitespace(calculation.sql));
            let subject = calculation.omni_name.clone();
            let gap = self.new_issue(self.plan.file, calculation.at, &subject, original, String::new(), false);
            match formula {
                Ok(formula) => {
                    if let Some(reason) = calculations::function_caveat(&formula) {
                        let reason = reason.to_owned();
                        gaps.push(PromotionIssue {
                            reason,
                            is_carried: true,
                            ..gap.clone()
                        });
                    }
                    self.sources.insert(calculation.name.clone(), gap);
                    self.carried.push(PromotedField {
                        field: calculation.omni_name.clone(),
                        column: calculation.name.clone(),
                        formula: formula.clone(),
                    });
                    let description = calculation.node.text_at("description").map(str::to_owned);
                    lines.push(NamedFormula {
                        name: calculation.name.clone(),
                        formula,
                        description,
                    });
                    let mut meta = Vec::new();
                    if calculation.omni_name != calculation.name {
                        meta.push(("omni_name", calculation.omni_name.clone()));
                    }
                    self.spec.columns.push(SpecColumnMetadata {
                        name: calculation.name.clone(),
                        display_settings: display_settings(calculation.node),
                        meta,
                        ..SpecColumnMetadata::default()
                    });
                }
                Err(reason) => gaps.push(PromotionIssue { reason, ..gap }),
            }
        }
        let blanks = lines
            .iter()
            .any(|line| calculations::has_arithmetic_with_nulls(&line.formula, sheet));
        if blanks && self.fields.computes {
            for line in &mut lines {
                line.formula = calculations::with_blanks_as_zero(&line.formula, sheet);
            }
        } else if blanks {
            self.spec.settings.push(("blanks", "zero".to_owned()));
        }
        if let Some(last) = self.spec.steps.last_mut() {
            last.gaps.extend(gaps.iter().map(PromotionIssue::comment));
        }
        self.gaps.extend(gaps);
        lines
    }

    /// Returns the calculation that a filter refers to.
    pub(super) fn calculation(&self, reference: &OmniReference) -> Option<&QueryCalculation<'m>> {
        let mut calculations = self.plan.calculations.iter();
        calculations.find(|calculation| {
            reference.view.is_none() && calculation.omni_name.eq_ignore_ascii_case(&reference.field)
        })
    }

    /// Writes the filters of calculations to a step after the calculations.
    pub(super) fn write_calculation_filters(&mut self) {
        let mut filtered = SpecStep {
            name: "filtered".to_owned(),
            keep: vec!["all".to_owned()],
            ..SpecStep::default()
        };
        for (reference, filter, node) in std::mem::take(&mut self.plan.calculation_filters) {
            let name = self
                .calculation(&reference)
                .map(|calculation| calculation.name.clone())
                .unwrap_or_default();
            let mut calculated = self.spec.steps.last().into_iter().flat_map(|step| &step.calculations);
            let condition = match calculated.any(|line| line.name == name) {
                true => convert_filter_of_term(
                    FormulaTerm::atom(name.clone()),
                    false,
                    self.fields.calendar,
                    (None, filter),
                ),
                false => Err("the calculation could not be converted".to_owned()),
            };
            let subject = format!("filter of {}", reference.field);
            let original = format!("{}: {}", yaml_line(node), yaml_line(filter));
            let (reason, is_carried) = match condition {
                Ok(condition) => {
                    let reason = "the calculation could not be converted, so the model has rows that the query does \
                        not have";
                    let gap = self.new_issue(
                        self.plan.file,
                        node,
                        &subject,
                        original.clone(),
                        reason.to_owned(),
                        false,
                    );
                    self.calculation_conditions
                        .push((name.clone(), condition.term.text.clone(), gap));
                    filtered.wheres.push(condition.term.text);
                    (condition.caveats.join("; "), true)
                }
                Err(reason) => (
                    format!("{reason}, so the model has rows that the query does not have"),
                    false,
                ),
            };
            if !reason.is_empty() {
                let gap = self.new_issue(self.plan.file, node, &subject, original, reason, is_carried);
                self.spec.gaps.push(gap.comment());
                self.gaps.push(gap);
            }
        }
        if let Some(last) = self.spec.steps.last_mut().filter(|_| !filtered.wheres.is_empty()) {
            filtered.limit = last.limit.take();
            if filtered.limit.is_some() {
                filtered.order_by.clone_from(&last.order_by);
            }
            self.spec.steps.push(filtered);
        }
    }
}
