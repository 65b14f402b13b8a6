//! Finds the project of the files that a command names. Hooks and editors run commands in the root of a repository,
//! which may contain the project in a subfolder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use formulac::diag::lists::{join_first, quote_names};

use super::args::{Command, GlobalOptions};
use super::dbt_project;
use super::environment::quote_for_shell;
use super::exit::{Exit, Failure};
use super::folder::{display_path, or_current_folder};
use super::project;

/// Maximum number of projects that the message lists.
const MAX_LISTED_PROJECTS: usize = 5;

/// Sets the project's folder to the project that contains the named files, unless an option specifies the project or
/// the files are in no project. Returns an error if the files are in different projects.
pub fn use_project_of_files(global: &mut GlobalOptions, command: &Command) -> Result<(), Failure> {
    if global.no_project || global.project_dir.is_some() {
        return Ok(());
    }
    let Ok(current) = env::current_dir().and_then(fs::canonicalize) else {
        return Ok(());
    };
    let folders: BTreeSet<PathBuf> = named_files(command)
        .into_iter()
        // A project file is checked without loading the project.
        .filter(|path| path.exists() && path.file_name().is_none_or(|name| name != project::PROJECT_FILE))
        .filter_map(|path| fs::canonicalize(or_current_folder(path.parent()?)).ok())
        .collect();
    let projects: BTreeSet<&Path> = folders
        .iter()
        .filter_map(|folder| find_enclosing_project(folder))
        .collect();
    let Some(first) = projects.first() else { return Ok(()) };
    if projects.len() == 1 {
        if find_enclosing_project(&current) != Some(first) {
            global.project_dir = Some(relative_path_from(&current, first));
        }
        return Ok(());
    }
    let names: Vec<String> = projects
        .iter()
        .map(|project| display_path(&relative_path_from(&current, project)))
        .collect();
    let listed = join_first(&quote_names(&names), MAX_LISTED_PROJECTS);
    let help = format!(
        "run `formulac {}` once per project, or specify the project, for example with `--project-dir {}`",
        command.name(),
        quote_for_shell(&display_path(&relative_path_from(&current, first)))
    );
    Err(Failure::new(Exit::Usage, format!("the files are in different projects: {listed}")).with_help(help))
}

/// Returns the arguments of a command that can be files of a project.
fn named_files(command: &Command) -> Vec<&Path> {
    match command {
        Command::Check(args) => args.files.iter().map(PathBuf::as_path).collect(),
        Command::Compile(args) => args.file.iter().map(PathBuf::as_path).collect(),
        Command::Explain(args) if args.expand || args.plan => vec![Path::new(&args.subject)],
        Command::Extract(args) => args.specs.iter().map(PathBuf::as_path).collect(),
        Command::Model(args) => args.specs.iter().map(PathBuf::as_path).collect(),
        Command::Preview(args) => args.spec.iter().map(PathBuf::as_path).collect(),
        Command::Query(args) => args.spec.iter().map(PathBuf::as_path).collect(),
        Command::Verify(args) => args.specs.iter().map(Path::new).collect(),
        _ => Vec::new(),
    }
}

/// Returns the nearest folder with `formulac.yml`, starting with `folder`, or otherwise with `dbt_project.yml`.
fn find_enclosing_project(folder: &Path) -> Option<&Path> {
    let nearest = |file: &str| folder.ancestors().find(|ancestor| ancestor.join(file).is_file());
    nearest(project::PROJECT_FILE).or_else(|| nearest(dbt_project::PROJECT_FILE))
}

/// Returns the path of `folder` as a user would type it in the folder `current`. Both paths are canonical.
fn relative_path_from(current: &Path, folder: &Path) -> PathBuf {
    let parts = |path: &Path| path.components().count();
    let shared = current
        .components()
        .zip(folder.components())
        .take_while(|(left, right)| left == right)
        .count();
    let up = (shared..parts(current)).map(|_| PathBuf::from(".."));
    let down = folder
        .components()
        .skip(shared)
        .map(|part| PathBuf::from(part.as_os_str()));
    or_current_folder(&up.chain(down).collect::<PathBuf>()).to_owned()
}
