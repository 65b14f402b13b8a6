//! Names that a model's files declare in addition to the model's own name. These names must be unique in a dbt project.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::compile::SpecCompilation;
use super::semantic::SemanticModel;
use crate::span::Span;

/// Kinds of declarations, by their names in dbt.
const DECLARATION_KINDS: [&str; 4] = ["doc", "exposure", "metric", "semantic_model"];

/// One of the names in `DECLARATION_KINDS`. serde would borrow from its input if the field had a reference type.
type DeclarationKind = &'static str;

/// Declared docs block, exposure, metric or semantic model.
///
/// ```
/// let spec = "
/// model: sales
/// from: orders
/// definitions: revenue = SUM(amount)
/// exposures:
///   - {name: weekly_sales, type: dashboard, owner: {name: Sales}}
/// ";
/// let compiled = formulac_model::Compiler::default().compile_spec(spec);
/// let declared = &compiled.declared()[0];
/// assert_eq!((declared.kind(), declared.name()), ("exposure", "weekly_sales"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    #[serde(deserialize_with = "deserialize_kind")]
    kind: DeclarationKind,
    name: String,
    span: Span,
}

fn deserialize_kind<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    let name = String::deserialize(from)?;
    let kind = DECLARATION_KINDS.into_iter().find(|kind| *kind == name);
    kind.ok_or_else(|| D::Error::custom("unknown kind"))
}

impl Declared {
    /// Returns dbt's name for the kind: `doc`, `exposure`, `metric`, `semantic_model`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Returns the declared name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the span of the name in the spec. If the spec does not contain the name, returns the span of the model's
    /// name.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }
}

impl SpecCompilation<'_> {
    pub(super) fn collect_declarations(&self, docs: Vec<String>, semantic: Option<&SemanticModel>) -> Vec<Declared> {
        let model = self.spec.model;
        let of_model = |kind: &'static str, name: String| Declared {
            kind,
            name,
            span: model.node.span,
        };
        let mut names: Vec<Declared> = docs.into_iter().map(|name| of_model("doc", name)).collect();
        let exposures = self.spec.exposures.iter().map(|exposure| Declared {
            kind: "exposure",
            name: exposure.name.text.to_owned(),
            span: exposure.name.node.span,
        });
        names.extend(exposures);
        if let Some(semantic) = semantic {
            names.push(of_model("semantic_model", model.text.to_owned()));
            names.extend(semantic.metrics().iter().map(|name| of_model("metric", name.clone())));
        }
        names
    }
}
