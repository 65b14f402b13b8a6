//! The Omni model that `pull` makes of dbt's artifacts.

use std::fmt::Write as _;

use formulac::artifacts::{Catalog, Keep, Manifest, RunResults, SourceResults};
use formulac::omni::{Artifacts, OmniModel, Wanted};

/// The artifacts of a folder.
struct Left {
    manifest: Manifest,
    catalog: Option<Catalog>,
    runs: Vec<RunResults>,
    freshness: Option<SourceResults>,
}

fn left(folder: &str) -> Left {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/artifacts").join(folder);
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    Left {
        manifest: Manifest::from_text(&text("manifest.json").unwrap(), Keep::default()).unwrap(),
        catalog: text("catalog.json").map(|text| Catalog::from_text(&text).unwrap()),
        runs: text("run_results.json").map(|text| RunResults::from_text(&text).unwrap()).into_iter().collect(),
        freshness: text("sources.json").map(|text| SourceResults::from_text(&text).unwrap()),
    }
}

impl Left {
    fn model(&self, before: Option<&str>) -> OmniModel {
        let mut artifacts = Artifacts::of(&self.manifest);
        artifacts.catalog = self.catalog.as_ref();
        artifacts.runs = &self.runs;
        artifacts.freshness = self.freshness.as_ref();
        OmniModel::of(artifacts, &Wanted::default(), before)
    }
}

fn shown(model: &OmniModel) -> String {
    let mut out = String::new();
    for view in &model.views {
        let _ = write!(out, "==> {}\n{}\n", view.path, view.text);
    }
    let _ = write!(out, "==> relationships.yaml\n{}", model.relationships.as_deref().unwrap_or("none\n"));
    for gap in &model.gaps {
        let _ = write!(out, "\nno like in Omni: {}: {}", gap.name, gap.reason);
    }
    out
}

#[test]
fn a_whole_project() {
    let model = left("dbt_1_12").model(None);
    insta::assert_snapshot!(shown(&model));
    insta::assert_snapshot!(model.status.as_deref().unwrap_or_default());
}

#[test]
fn two_versions_of_dbt_give_the_same() {
    assert_eq!(shown(&left("dbt_1_10").model(None)), shown(&left("dbt_1_12").model(None)));
}

#[test]
fn nodes_of_every_kind() {
    insta::assert_snapshot!(shown(&left("kinds").model(None)));
}
