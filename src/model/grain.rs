//! Grain (unique key) of joined rows.

use super::cardinality::{JoinConditions, columns_equated_by_join};
use super::join_scope::JoinedStepInput;
use super::joins::JoinCriterion;
use super::load::Step;
use crate::plan::{InputColumn, StepInput, StepPlan};
use crate::sql::JoinKind;

impl JoinedStepInput<'_> {
    /// Returns the columns that identify the joined rows. Empty if the columns are unknown.
    pub(super) fn grain(&self, step: &Step<'_>, input: &StepInput<'_>, plan: &StepPlan<'_>) -> Vec<InputColumn> {
        let mut grain: Vec<InputColumn> = input
            .grain
            .iter()
            .map(|name| InputColumn {
                relations: vec![0],
                name: name.clone(),
            })
            .collect();
        let conditions = JoinConditions::from_plan(plan);
        for (index, join) in step.joins.iter().enumerate() {
            let key = self.keys.get(index).map(Vec::as_slice).unwrap_or_default();
            let single = self.single.get(index).copied().unwrap_or_default();
            let merged = |name: &String| {
                self.merged_columns
                    .iter()
                    .find(|m| m.full && m.relations.len() == 2 && m.name.eq_ignore_ascii_case(name))
            };
            if join.kind == JoinKind::Full {
                // The join columns identify the rows of both sides, so they also identify the joined rows.
                let names = match &join.criterion {
                    JoinCriterion::Using(names) => names.as_slice(),
                    _ => &[],
                };
                let alike = |key: &mut dyn Iterator<Item = &String>| {
                    let key: Vec<&String> = key.collect();
                    key.len() == names.len() && names.iter().all(|n| key.iter().any(|k| k.eq_ignore_ascii_case(n.text)))
                };
                let is_same_key = index == 0
                    && !names.is_empty()
                    && alike(&mut input.grain.iter())
                    && alike(&mut key.iter())
                    && key.iter().all(|k| merged(k).is_some());
                let key_columns = key.iter().map(|name| InputColumn {
                    relations: vec![0, 1],
                    name: name.clone(),
                });
                grain = if is_same_key { key_columns.collect() } else { Vec::new() };
            } else if join.many || (join.kind == JoinKind::Cross && !single) {
                // The keys of both sides together identify a joined row. The key of the `many` side is not enough,
                // because it is NULL for unmatched rows.
                if key.is_empty() || grain.is_empty() {
                    grain.clear();
                    break;
                }
                let settled = columns_equated_by_join(plan, &conditions, index, join.name());
                let open = key
                    .iter()
                    .filter(|name| !settled.iter().any(|s| s.eq_ignore_ascii_case(name)));
                grain.extend(open.map(|name| InputColumn {
                    relations: vec![index + 1],
                    name: name.clone(),
                }));
            }
        }
        grain
    }
}
