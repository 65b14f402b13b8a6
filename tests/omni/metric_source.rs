//! Tests which measure is written if both a dbt metric and a generated semantic model define it.

use formulac::MetricSource;
use formulac::artifacts::{Manifest, ManifestReadOptions};
use formulac::omni::{Artifacts, OmniModel, OmniOptions};
use serde_json::{Value, json};

/// Returns the measures in the view for the model `sales`. formulac generated `models/formulac/sales.yml`, and a user
/// wrote `models/metrics.yml`.
fn measures(source: Option<MetricSource>) -> String {
    let generated = "models/formulac/sales.yml";
    let measure = |name: &str, agg: &str, expr: &str| json!({"name": name, "agg": agg, "expr": expr});
    let simple = |name: &str, file: &str, label: &str| {
        json!({
            "name": name, "resource_type": "metric", "original_file_path": file, "label": label, "type": "simple",
            "type_params": {"measure": {"name": name}}, "depends_on": {"nodes": ["semantic_model.shop.sales"]},
        })
    };
    let ratio: Value = json!({
        "name": "average_order", "resource_type": "metric", "original_file_path": "models/metrics.yml",
        "label": "Average of people", "type": "ratio",
        "type_params": {"numerator": {"name": "revenue"}, "denominator": {"name": "orders"}},
    });
    let manifest = json!({
        "nodes": {"model.shop.sales": {
            "name": "sales", "resource_type": "model", "schema": "analytics", "alias": "sales",
            "relation_name": "analytics.sales", "config": {"meta": {"formulac": {"hash": "1"}}},
        }},
        "semantic_models": {"semantic_model.shop.sales": {
            "name": "sales", "resource_type": "semantic_model", "original_file_path": generated,
            "measures": [
                measure("revenue", "sum", "amount"), measure("orders", "count", "id"),
                measure("average_order", "average", "amount"),
            ],
            "depends_on": {"nodes": ["model.shop.sales"]},
        }},
        "metrics": {
            "metric.shop.revenue": simple("revenue", "models/metrics.yml", "Revenue of people"),
            "metric.shop.orders": simple("orders", generated, "Orders of formulac"),
            "metric.shop.average_order": ratio,
        },
    });
    let manifest = Manifest::from_text(&manifest.to_string(), ManifestReadOptions::default()).unwrap();
    let options = OmniOptions::default().strip_status(true).metric_source(source);
    let model = OmniModel::new(Artifacts::from_manifest(&manifest), &options, None);
    assert_eq!(model.gaps, []);
    let text = &model.views[0].text;
    text[text.find("measures:\n").unwrap()..].to_owned()
}

#[test]
fn simple_metrics_replace_measures_by_default() {
    assert_eq!(
        measures(None),
        "\
measures:
  orders:
    sql: id
    aggregate_type: count
    label: Orders of formulac
  revenue:
    sql: amount
    aggregate_type: sum
    label: Revenue of people
  average_order:
    sql: amount
    aggregate_type: average
  average_order_measure:
    sql: \"${revenue} / NULLIF(${orders}, 0)\"
    label: Average of people
"
    );
}

#[test]
fn metrics_of_dbt_replace_measures() {
    assert_eq!(
        measures(Some(MetricSource::Dbt)),
        "\
measures:
  orders:
    sql: id
    aggregate_type: count
    label: Orders of formulac
  revenue:
    sql: amount
    aggregate_type: sum
    label: Revenue of people
  average_order:
    sql: \"${revenue} / NULLIF(${orders}, 0)\"
    label: Average of people
"
    );
}

#[test]
fn measures_of_formulac_are_kept() {
    assert_eq!(
        measures(Some(MetricSource::Formulac)),
        "\
measures:
  orders:
    sql: id
    aggregate_type: count
    label: Orders of formulac
  revenue:
    sql: amount
    aggregate_type: sum
  average_order:
    sql: amount
    aggregate_type: average
"
    );
}
