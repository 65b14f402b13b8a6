//! Tests the Omni model that `pull` creates from dbt's artifacts.

#![allow(clippy::indexing_slicing, reason = "tests fail by panicking")]

mod edits;
mod existing;
mod handwritten;
mod mapping;
mod metric_source;

use std::fmt::Write as _;

use formulac::artifacts::{Catalog, Manifest, ManifestReadOptions, RunResults, SourceResults};
use formulac::omni::{Artifacts, OmniModel, OmniOptions};

/// Artifacts in a folder.
struct Left {
    manifest: Manifest,
    catalog: Option<Catalog>,
    runs: Vec<RunResults>,
    freshness: Option<SourceResults>,
}

fn text(folder: &str, name: &str) -> String {
    file(folder, name).unwrap()
}

fn file(folder: &str, name: &str) -> Option<String> {
    let artifacts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/artifacts");
    std::fs::read_to_string(artifacts.join(folder).join(name)).ok()
}

fn left(folder: &str) -> Left {
    let file = |name: &str| file(folder, name);
    Left {
        manifest: Manifest::from_text(&text(folder, "manifest.json"), ManifestReadOptions::default()).unwrap(),
        catalog: file("catalog.json").map(|text| Catalog::from_text(&text).unwrap()),
        runs: file("run_results.json")
            .map(|text| RunResults::from_text(&text).unwrap())
            .into_iter()
            .collect(),
        freshness: file("sources.json").map(|text| SourceResults::from_text(&text).unwrap()),
    }
}

impl Left {
    fn model(&self, before: Option<&str>) -> OmniModel {
        let mut artifacts = Artifacts::from_manifest(&self.manifest);
        artifacts.catalog = self.catalog.as_ref();
        artifacts.runs = &self.runs;
        artifacts.freshness = self.freshness.as_ref();
        OmniModel::new(artifacts, &OmniOptions::default(), before)
    }
}

fn format_model(model: &OmniModel) -> String {
    let mut out = String::new();
    for view in &model.views {
        let _ = write!(out, "==> {}\n{}\n", view.path, view.text);
    }
    let _ = write!(
        out,
        "==> relationships.yaml\n{}",
        model.relationships.as_deref().unwrap_or("none\n")
    );
    for topic in &model.topics {
        let _ = write!(out, "\n==> {}\n{}", topic.path, topic.text);
    }
    if let Some(text) = &model.model {
        let _ = write!(out, "\n==> model.yaml\n{text}");
    }
    for gap in &model.gaps {
        let _ = write!(out, "\nno like in Omni: {}: {}", gap.name, gap.reason);
    }
    out
}

#[test]
fn a_whole_project() {
    let model = left("dbt_1_12").model(None);
    insta::assert_snapshot!(format_model(&model));
    insta::assert_snapshot!(model.status.as_deref().unwrap_or_default());
}

#[test]
fn two_dbt_versions_produce_the_same_omni_model() {
    assert_eq!(
        format_model(&left("dbt_1_10").model(None)),
        format_model(&left("dbt_1_12").model(None))
    );
}

#[test]
fn nodes_of_every_kind() {
    insta::assert_snapshot!(format_model(&left("kinds").model(None)));
}

/// The warehouse returns names in upper case, but dbt has them in lower case.
#[test]
fn upper_case_names_of_the_warehouse_produce_the_same_model() {
    let lower = left("dbt_1_12");
    let mut catalog: serde_json::Value = serde_json::from_str(&text("dbt_1_12", "catalog.json")).unwrap();
    for section in ["nodes", "sources"] {
        for table in catalog[section].as_object_mut().unwrap().values_mut() {
            let columns = std::mem::take(table["columns"].as_object_mut().unwrap());
            let upper = |(name, mut column): (String, serde_json::Value)| {
                column["name"] = name.to_uppercase().into();
                (name.to_uppercase(), column)
            };
            table["columns"] = serde_json::Value::Object(columns.into_iter().map(upper).collect());
        }
    }
    let mut upper = left("dbt_1_12");
    upper.catalog = Some(Catalog::from_text(&catalog.to_string()).unwrap());
    let shown_in = |left: &Left, dialect: &str| {
        let mut artifacts = Artifacts::from_manifest(&left.manifest);
        artifacts.catalog = left.catalog.as_ref();
        artifacts.runs = &left.runs;
        let model = OmniModel::new(artifacts, &OmniOptions::from_dialect(dialect.parse().unwrap()), None);
        format_model(&model)
    };
    assert!(catalog.to_string().contains("ORDER_ID") && !catalog.to_string().contains("order_id"));
    let (small, capital) = (shown_in(&lower, "duckdb"), shown_in(&upper, "snowflake"));
    assert_eq!(capital, small);
    assert!(!small.contains("\n    sql: "), "{small}");
}
