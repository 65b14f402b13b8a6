//! Exposures: uses of the model outside of dbt.

use super::{SpannedText, SpecLoader};
use crate::dbt::RelationReference;
use crate::diag::{Code, Diagnostic};
use crate::yaml::Node;

/// Exposure of the model: a dashboard, notebook or program.
#[derive(Clone, Debug)]
pub struct SpecExposure<'y> {
    pub name: SpannedText<'y>,
    /// Mapping of the exposure in dbt's syntax, as written in the spec.
    pub node: &'y Node,
    /// Other inputs of the exposure, in addition to the model.
    pub depends_on: Vec<RelationReference>,
}

impl<'y> SpecLoader<'y, '_> {
    pub(super) fn read_exposures(&mut self, root: &'y Node) -> Vec<SpecExposure<'y>> {
        let items = root.items_at("exposures");
        let mut exposures = Vec::new();
        for item in items {
            let Some(name) = self.text(item, "name") else { continue };
            self.check_dbt_name("an exposure", name);
            let depends_on = self.read_depends_on(item);
            exposures.push(SpecExposure {
                name,
                node: item,
                depends_on,
            });
        }
        self.report_duplicates("exposures", exposures.iter().map(|exposure| exposure.name));
        exposures
    }

    /// Returns the other inputs of an exposure. A name without dots is a model. Tables of the warehouse must be
    /// declared as sources.
    fn read_depends_on(&mut self, exposure: &'y Node) -> Vec<RelationReference> {
        let Some(node) = exposure.get("depends_on") else {
            return Vec::new();
        };
        let nodes: Vec<&'y Node> = node.items().map_or_else(|| vec![node], |items| items.iter().collect());
        let mut references = Vec::new();
        for node in nodes {
            let Some(text) = node.text() else { continue };
            let Some(from) = self.parse_relation("depends_on", SpannedText { text, node }) else {
                continue;
            };
            if from.ref_call().is_none() {
                let message = format!(
                    "`{text}` is a table of the warehouse, but a dbt exposure can depend only on models and sources"
                );
                let help = "write `ref('…')`, or declare the table as a source and write `source('…', '…')`";
                self.report(Diagnostic::new(Code::WrongShape, node.span, message).with_help(help));
            } else if !references.contains(&from) {
                references.push(from);
            }
        }
        references
    }
}
