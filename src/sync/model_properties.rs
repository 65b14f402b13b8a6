//! Properties that the files of a model specify.

use std::collections::BTreeMap;

use super::manual_edits::ModelFileKind;
use super::properties::{self, LocatedPropertyValue, PropertyKey};

/// Properties of a model and its columns.
pub(super) type ModelProperties = BTreeMap<PropertyKey, LocatedPropertyValue>;

/// Returns the properties that a model's files specify.
pub(super) fn specified_properties(model: &str, files: &BTreeMap<String, String>) -> ModelProperties {
    read_properties(model, property_file_contents(model, files))
}

fn read_properties(model: &str, (yml, md): PropertyFileContents<'_>) -> ModelProperties {
    yml.and_then(|yml| properties::read(model, yml, md)).unwrap_or_default()
}

/// Returns the properties that two versions of a model's files specify. If the files with properties are the same, both
/// results are empty, because nothing is different.
pub(super) fn specified_properties_of_versions(
    model: &str,
    versions: [&BTreeMap<String, String>; 2],
) -> [ModelProperties; 2] {
    let texts = versions.map(|files| property_file_contents(model, files));
    if texts[0] == texts[1] {
        return <[ModelProperties; 2]>::default();
    }
    texts.map(|texts| read_properties(model, texts))
}

/// Contents of a model's properties file and of its file with docs blocks.
type PropertyFileContents<'f> = (Option<&'f str>, Option<&'f str>);

fn property_file_contents<'f>(model: &str, files: &'f BTreeMap<String, String>) -> PropertyFileContents<'f> {
    let text_of_kind = |kind: ModelFileKind| {
        files
            .iter()
            .find(|(path, _)| ModelFileKind::new(path, model) == kind)
            .map(|(_, text)| text.as_str())
    };
    (
        text_of_kind(ModelFileKind::Properties),
        text_of_kind(ModelFileKind::Docs),
    )
}
