//! Metadata of an artifact, and the check that the artifact is supported.

use std::time::SystemTime;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::error::{ArtifactError, ArtifactFault};
use super::intern::Interner;
use super::lenient::LenientText;
use super::time;
use crate::dialect::Dialect;

/// Kind of a supported artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArtifactKind {
    /// `manifest.json`: all resources of the project.
    Manifest,
    /// `catalog.json`: the tables of the warehouse.
    Catalog,
    /// `run_results.json`: the results of the last command.
    RunResults,
    /// `sources.json`: the freshness of sources.
    Sources,
}

impl ArtifactKind {
    /// Returns dbt's name for the artifact, as in the URL of its schema.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Catalog => "catalog",
            Self::RunResults => "run-results",
            Self::Sources => "sources",
        }
    }

    /// Returns the name of the file that dbt writes.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Manifest => "manifest.json",
            Self::Catalog => "catalog.json",
            Self::RunResults => "run_results.json",
            Self::Sources => "sources.json",
        }
    }

    /// Returns the dbt command that writes the artifact.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Manifest => "dbt parse",
            Self::Catalog => "dbt docs generate",
            Self::RunResults => "dbt build",
            Self::Sources => "dbt source freshness",
        }
    }

    /// Returns the oldest and the newest supported version.
    #[must_use]
    pub fn supported_versions(self) -> (u32, u32) {
        match self {
            Self::Manifest => (10, 12),
            Self::Catalog => (1, 1),
            // These versions of `run_results.json` are written by dbt 1.6 to 1.12.
            Self::RunResults => (4, 6),
            Self::Sources => (3, 3),
        }
    }
}

/// Metadata of an artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// Version of the artifact's format; `None` if the artifact does not specify it.
    pub version: Option<u32>,
    /// Version of dbt that wrote the artifact.
    pub dbt_version: Option<String>,
    /// Time at which the artifact was written, in dbt's format: `2026-11-20T10:00:00.000000Z`.
    pub generated_at: Option<String>,
    /// Id of the dbt invocation that wrote the artifact.
    pub invocation_id: Option<String>,
    /// Name of the project. Only manifests contain a project name.
    pub project_name: Option<String>,
    /// Type of the adapter. Only manifests contain an adapter type.
    pub adapter_type: Option<String>,
    pub(super) newer: Option<String>,
}

impl Metadata {
    /// Returns the time at which the artifact was written.
    #[must_use]
    pub fn generated_at(&self) -> Option<SystemTime> {
        time::parse_instant(self.generated_at.as_deref()?)
    }

    /// Returns the dialect of the adapter. `None` if the adapter is unknown or has no dialect.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        self.adapter_type.as_deref()?.parse().ok()
    }

    /// Returns a message if the version is newer than the newest supported version. The parts whose format is unchanged
    /// are still read.
    #[must_use]
    pub fn newer_version_notice(&self) -> Option<&str> {
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
    fn check_version(self, kind: ArtifactKind) -> Result<Metadata, ArtifactFault> {
        // Example: `https://schemas.getdbt.com/dbt/manifest/v12.json`
        let schema = self.dbt_schema_version.as_str().unwrap_or_default();
        let mut parts = schema.trim_end_matches(".json").rsplit('/');
        let version = parts
            .next()
            .and_then(|last| last.strip_prefix('v')?.parse::<u32>().ok());
        if let Some(other) = parts.next().filter(|name| *name != kind.name()) {
            return Err(ArtifactFault::Other(other.to_owned()));
        }
        let (oldest, newest) = kind.supported_versions();
        if let Some(version) = version.filter(|version| *version < oldest) {
            return Err(ArtifactFault::TooOld(version));
        }
        let newer = version.filter(|version| *version > newest).map(|version| {
            let file = kind.file();
            format!("{file} has version v{version}, but v{newest} is the newest known version: new content is ignored")
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

/// Visitor for the sections of an artifact. Sections can occur in any order, but each section occurs only once.
pub(super) trait ArtifactSections<'de> {
    /// Name of the section that identifies this kind of artifact if the artifact has no version.
    const IDENTIFYING_SECTION: &'static str;

    /// Reads a section and returns `true`, or returns `false` if the section is not needed.
    fn section<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        interner: &mut Interner,
    ) -> Result<bool, A::Error>;
}

/// Reads the metadata and the sections of an artifact. The metadata is checked as soon as it is parsed.
pub(super) fn read<'de, S: ArtifactSections<'de>>(
    text: &'de str,
    kind: ArtifactKind,
    sections: &mut S,
) -> Result<Metadata, ArtifactError> {
    let mut visitor = TopLevelVisitor {
        kind,
        sections,
        interner: Interner::default(),
        fault: None,
        metadata: None,
        known: false,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let outcome = json.deserialize_map(&mut visitor).and_then(|()| json.end());
    match (outcome, visitor.fault) {
        (Err(error), None) => Err(ArtifactError::new(kind, ArtifactFault::Broken, Some(&error))),
        (_, Some(fault)) => Err(ArtifactError::new(kind, fault, None)),
        (Ok(()), None) if !visitor.known => Err(ArtifactError::new(kind, ArtifactFault::NotAnArtifact, None)),
        (Ok(()), None) => Ok(visitor.metadata.unwrap_or_default()),
    }
}

struct TopLevelVisitor<'s, S> {
    kind: ArtifactKind,
    sections: &'s mut S,
    interner: Interner,
    /// Error in the metadata if the text is valid JSON but not the expected artifact.
    fault: Option<ArtifactFault>,
    metadata: Option<Metadata>,
    /// Whether the artifact has a version or its identifying section.
    known: bool,
}

impl<'de, S: ArtifactSections<'de>> Visitor<'de> for &mut TopLevelVisitor<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "dbt's {}", self.kind.name())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<LenientText<'de>>()? {
            let key = key.as_str().unwrap_or_default();
            if key == "metadata" {
                let raw: Option<RawMetadata<'de>> = map.next_value()?;
                match raw.unwrap_or_default().check_version(self.kind) {
                    Ok(metadata) => self.metadata = Some(metadata),
                    Err(fault) => {
                        self.fault = Some(fault);
                        return Err(A::Error::custom("not the expected artifact"));
                    }
                }
                self.known |= self
                    .metadata
                    .as_ref()
                    .is_some_and(|metadata| metadata.version.is_some());
            } else {
                self.known |= key == S::IDENTIFYING_SECTION;
                if !self.sections.section(key, &mut map, &mut self.interner)? {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
