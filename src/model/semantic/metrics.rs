//! Metrics of a semantic model.

use rustc_hash::FxHashSet;

use crate::additivity::{Additivity, NonAdditiveReason};
use crate::dbt::needs_docs_block;
use crate::schema::Column;

/// Metric that is generated for a column.
pub struct ModelMetric {
    pub name: String,
    pub column: String,
    pub description: Option<String>,
    pub additivity: Additivity,
}

/// Returns the metrics for totals and for formulas over totals. Columns that cannot have a metric are added to
/// `left_out`.
pub fn build_metrics(
    model: &str,
    totals: Vec<(&Column, &Additivity)>,
    has_time: bool,
    left_out: &mut Vec<(String, String)>,
) -> Vec<ModelMetric> {
    if !has_time {
        let reason = "the model has no date by which to aggregate the column";
        left_out.extend(
            totals
                .iter()
                .map(|(column, _)| (column.name().to_owned(), reason.to_owned())),
        );
        return Vec::new();
    }
    let parts = |additivity: &Additivity| match additivity {
        Additivity::Ratio { numerator, denominator } => vec![numerator.to_lowercase(), denominator.to_lowercase()],
        Additivity::Formula(formula) => formula.columns().iter().map(|name| name.to_lowercase()).collect(),
        _ => Vec::new(),
    };
    let mut metric_names: FxHashSet<String> = totals.iter().map(|(column, _)| column.name().to_lowercase()).collect();
    // Repeat this until nothing changes, because a removed metric may be part of another metric.
    loop {
        let before = metric_names.len();
        let removed: Vec<String> = totals
            .iter()
            .filter(|(_, additivity)| parts(additivity).iter().any(|part| !metric_names.contains(part)))
            .map(|(column, _)| column.name().to_lowercase())
            .collect();
        removed.iter().for_each(|name| {
            metric_names.remove(name);
        });
        if metric_names.len() == before {
            break;
        }
    }
    let mut metrics = Vec::new();
    for (column, additivity) in totals {
        let name = column.name();
        if metric_names.contains(&name.to_lowercase()) {
            let description = column
                .description_text()
                .filter(|about| !needs_docs_block(about))
                .map(str::to_owned);
            metrics.push(ModelMetric {
                name: metric_name(model, name),
                column: name.to_owned(),
                description,
                additivity: additivity.clone(),
            });
        } else {
            let part = parts(additivity)
                .into_iter()
                .find(|part| !metric_names.contains(part))
                .unwrap_or_default();
            left_out.push((name.to_owned(), NonAdditiveReason::Part(part).to_string()));
        }
    }
    metrics
}

/// Returns the name of a column's metric. The name usually contains the model's name, because the metrics of all models
/// share a namespace.
fn metric_name(model: &str, column: &str) -> String {
    if model.eq_ignore_ascii_case(column) {
        column.to_owned()
    } else {
        format!("{model}_{column}")
    }
}
