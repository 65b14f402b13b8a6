//! The project and the dbt project that it is in: where files stand, and what a compiler knows there.

use std::path::{Path, PathBuf};

use formulac::artifacts::Manifest;
use formulac::{Builder, Compiler, Dialect, Project, Schema};

use super::args::Target;
use super::artifacts::Artifacts;
use super::dbt_project::{self, DbtProject};
use super::exit::{Exit, Failure};
use super::session::Session;
use super::source::Source;
use super::{folder, models, project, settings};

/// A project with its folders.
#[derive(Debug)]
pub struct Place {
    pub project: Project,
    /// The project's folder, as seen from here.
    pub root: PathBuf,
    pub dbt: Option<DbtProject>,
}

impl Place {
    /// The project, which has to be there, and that of dbt which it is in.
    pub fn find(session: &Session) -> Result<Self, Failure> {
        Self::find_any(session)?.ok_or_else(|| {
            Failure::new(Exit::Usage, "there is no formulac.yml here or in a folder above")
                .with_help("begin with `formulac init` in the dbt project, or name its folder with `--project-dir`")
        })
    }

    /// The same where there is one.
    pub fn find_any(session: &Session) -> Result<Option<Self>, Failure> {
        let Some((project, root)) = project::read_with_place(session.global.project_dir.as_deref())? else {
            return Ok(None);
        };
        let dbt = dbt_project::find(Some(&root))?;
        Ok(Some(Self { project, root, dbt }))
    }

    /// The dialect that is asked for, else the project's, else that of dbt's adapter.
    pub fn dialect(&self, target: &Target) -> Result<Dialect, Failure> {
        if let Some(dialect) = target.dialect.or(self.project.dialect()) {
            return Ok(dialect);
        }
        match self.dbt.as_ref().map(|dbt| dbt.dialect(None)) {
            None => Ok(Dialect::default()),
            Some(Ok(dialect)) => Ok(dialect),
            Some(Err(why)) => Err(Failure::new(Exit::Usage, format!("the dialect is not known: {why}"))
                .with_help("write `dialect:` in formulac.yml")),
        }
    }

    /// What dbt knows of the project, where it left something.
    pub fn artifacts(&self) -> Result<Option<&Artifacts>, Failure> {
        Ok(self.dbt.as_ref().map(DbtProject::artifacts).transpose()?.flatten())
    }

    /// dbt's manifest, where it left one.
    pub fn manifest(&self) -> Result<Option<&Manifest>, Failure> {
        Ok(self.artifacts()?.map(|artifacts| &artifacts.manifest))
    }

    /// A compiler that knows the data that are given, else what dbt left.
    pub fn compiler(&self, session: &Session, target: &Target, dialect: Dialect) -> Result<Compiler, Failure> {
        let schema = match (target.known(session)?, self.artifacts()?) {
            (Some(known), _) => known.schema(dialect)?,
            (None, Some(artifacts)) => artifacts.schema(dialect)?,
            (None, None) => Schema::new(),
        };
        Ok(self.builder(dialect, schema)?.build())
    }

    /// What is known of the project beside the data.
    pub fn builder(&self, dialect: Dialect, schema: Schema) -> Result<Builder, Failure> {
        let builder = settings::with_schema(&self.project, dialect, schema);
        let builder = match self.artifacts()? {
            Some(artifacts) => artifacts.with_dbt(builder),
            None => builder,
        };
        let (models, _) = self.folders();
        let contracts = self.dbt.as_ref().is_some_and(|dbt| dbt.enforces_contracts(Path::new(&models)));
        Ok(builder.contracts(contracts))
    }

    /// The folders of models and of tests, seen from the project's.
    pub fn folders(&self) -> (String, String) {
        (clean(self.project.models().unwrap_or(project::MODELS)), clean(self.project.tests().unwrap_or(project::TESTS)))
    }

    /// The folder of Omni's model files, seen from the project's.
    pub fn omni_folder(&self) -> String {
        clean(self.project.omni().unwrap_or(project::OMNI))
    }

    /// A path as it is seen from the project's folder, with `/` between folders.
    pub fn inside(&self, path: &Path) -> String {
        folder::inside(&self.root, path)
    }

    /// The folder of specs, seen from the project's.
    pub fn specs_folder(&self) -> String {
        clean(self.project.specs().unwrap_or(project::SPECS))
    }

    /// The texts of the specs, each with its path as seen from the project; none where there is no folder of them.
    pub fn sources(&self) -> Result<Vec<(Source, Option<String>)>, Failure> {
        if !self.root.join(self.specs_folder()).is_dir() {
            return Ok(Vec::new());
        }
        Ok(models::sources(&self.specs()?, Some(&self.root)))
    }

    /// The specs; an error where there is no folder of them.
    pub fn specs(&self) -> Result<Vec<PathBuf>, Failure> {
        project::specs(&self.root.join(self.project.specs().unwrap_or(project::SPECS)))
    }
}

fn clean(folder: &str) -> String {
    folder.trim_start_matches("./").trim_end_matches('/').to_owned()
}
