//! What an artifact says of itself, and whether it is one that is understood.

use std::time::SystemTime;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::error::{ArtifactError, ArtifactFault};
use super::intern::Interner;
use super::lenient::LenientText;
use super::time;

/// The artifacts that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArtifactKind {
    /// `manifest.json`: all that the project holds.
    Manifest,
    /// `catalog.json`: what the warehouse holds.
    Catalog,
    /// `run_results.json`: how the last command went.
    RunResults,
    /// `sources.json`: how fresh sources are.
    Sources,
}

impl ArtifactKind {
    /// dbt's name in the version's address.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Catalog => "catalog",
            Self::RunResults => "run-results",
            Self::Sources => "sources",
        }
    }

    /// The file that dbt writes.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Manifest => "manifest.json",
            Self::Catalog => "catalog.json",
            Self::RunResults => "run_results.json",
            Self::Sources => "sources.json",
        }
    }

    /// The command that writes it.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Manifest => "dbt parse",
            Self::Catalog => "dbt docs generate",
            Self::RunResults => "dbt build",
            Self::Sources => "dbt source freshness",
        }
    }

    /// The oldest and the newest version that are known.
    #[must_use]
    pub fn versions(self) -> (u32, u32) {
        match self {
            Self::Manifest => (10, 12),
            Self::Catalog => (1, 1),
            // Those of the same dbt versions, 1.6 to 1.12.
            Self::RunResults => (4, 6),
            Self::Sources => (3, 3),
        }
    }
}

/// What an artifact says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// The version of its format; `None` if it does not say.
    pub version: Option<u32>,
    /// The dbt that wrote it.
    pub dbt_version: Option<String>,
    /// When, as it is written: `2026-11-20T10:00:00.000000Z`.
    pub generated_at: Option<String>,
    /// The command's run that wrote it.
    pub invocation_id: Option<String>,
    /// The project, in a manifest.
    pub project_name: Option<String>,
    /// The adapter that a manifest was made for.
    pub adapter_type: Option<String>,
    pub(super) newer: Option<String>,
}

impl Metadata {
    /// When it was written.
    #[must_use]
    pub fn generated(&self) -> Option<SystemTime> {
        time::instant(self.generated_at.as_deref()?)
    }

    /// What is to be said of a version that is newer than those that are known: it is read as far as it is alike.
    #[must_use]
    pub fn newer(&self) -> Option<&str> {
        self.newer.as_deref()
    }
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RawMetadata<'a> {
    dbt_schema_version: LenientText<'a>,
    dbt_version: LenientText<'a>,
    generated_at: LenientText<'a>,
    invocation_id: LenientText<'a>,
    project_name: LenientText<'a>,
    adapter_type: LenientText<'a>,
}

impl RawMetadata<'_> {
    fn checked(self, kind: ArtifactKind) -> Result<Metadata, ArtifactFault> {
        // `https://schemas.getdbt.com/dbt/manifest/v12.json`
        let schema = self.dbt_schema_version.as_str().unwrap_or_default();
        let mut parts = schema.trim_end_matches(".json").rsplit('/');
        let version = parts.next().and_then(|last| last.strip_prefix('v')?.parse::<u32>().ok());
        if let Some(other) = parts.next().filter(|name| *name != kind.name()) {
            return Err(ArtifactFault::Other(other.to_owned()));
        }
        let (oldest, newest) = kind.versions();
        if let Some(version) = version.filter(|version| *version < oldest) {
            return Err(ArtifactFault::TooOld(version));
        }
        let newer = version.filter(|version| *version > newest).map(|version| {
            let file = kind.file();
            format!("{file} is v{version}, but v{newest} is the newest known version: new content is not read")
        });
        Ok(Metadata {
            version,
            newer,
            dbt_version: self.dbt_version.into_string(),
            generated_at: self.generated_at.into_string(),
            invocation_id: self.invocation_id.into_string(),
            project_name: self.project_name.into_string(),
            adapter_type: self.adapter_type.into_string(),
        })
    }
}

/// An artifact while it is read: its sections come in any order, each but once.
pub(super) trait Sections<'de> {
    /// The section without which a text that says no version is another one.
    const TELLING: &'static str;

    /// Reads a section, where it is one that matters; true then.
    fn section<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        interner: &mut Interner,
    ) -> Result<bool, A::Error>;
}

/// Reads an artifact: its metadata, which are checked as soon as they come, and its sections.
pub(super) fn read<'de, S: Sections<'de>>(
    text: &'de str,
    kind: ArtifactKind,
    sections: &mut S,
) -> Result<Metadata, ArtifactError> {
    let mut visitor = Top { kind, sections, interner: Interner::default(), fault: None, metadata: None, known: false };
    let mut json = serde_json::Deserializer::from_str(text);
    let done = json.deserialize_map(&mut visitor).and_then(|()| json.end());
    match (done, visitor.fault) {
        (Err(error), None) => Err(ArtifactError::new(kind, ArtifactFault::Broken, Some(&error))),
        (_, Some(fault)) => Err(ArtifactError::new(kind, fault, None)),
        (Ok(()), None) if !visitor.known => Err(ArtifactError::new(kind, ArtifactFault::NotAnArtifact, None)),
        (Ok(()), None) => Ok(visitor.metadata.unwrap_or_default()),
    }
}

struct Top<'s, S> {
    kind: ArtifactKind,
    sections: &'s mut S,
    interner: Interner,
    /// It is not what it should be, beside being JSON.
    fault: Option<ArtifactFault>,
    metadata: Option<Metadata>,
    /// It says its version, or has the section that tells it.
    known: bool,
}

impl<'de, S: Sections<'de>> Visitor<'de> for &mut Top<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "dbt's {}", self.kind.name())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<LenientText<'de>>()? {
            let key = key.as_str().unwrap_or_default();
            if key == "metadata" {
                let raw: Option<RawMetadata<'de>> = map.next_value()?;
                match raw.unwrap_or_default().checked(self.kind) {
                    Ok(metadata) => self.metadata = Some(metadata),
                    Err(fault) => {
                        self.fault = Some(fault);
                        return Err(A::Error::custom("not the artifact that is read"));
                    }
                }
                self.known |= self.metadata.as_ref().is_some_and(|known| known.version.is_some());
            } else {
                self.known |= key == S::TELLING;
                if !self.sections.section(key, &mut map, &mut self.interner)? {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
