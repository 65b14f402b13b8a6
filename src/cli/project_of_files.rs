//! Finds the project of the files that a command names. Hooks and editors run commands in the root of a repository,
//! which may contain the project in a subfolder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use formulac::diag::lists::{join_words_up_to, quote_names};

use super::args::{Command, GlobalOptions};
use super::commands::promote;
use super::dbt_project;
use super::environment::quote_for_shell;
use super::exit::{Exit, Failure};
use super::folder::{current_folder_if_empty, display_path};
use super::project;
use super::writable_folders::absolute_path_of_file;

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
    // Folders of the projects, by their canonical paths.
    let projects: BTreeMap<PathBuf, PathBuf> = files_named_in_arguments(command)
        .into_iter()
        // A project file is checked without loading the project.
        .filter(|path| path.is_file() && !project::is_project_file(path))
        .filter_map(project_of_file)
        .filter_map(|folder| Some((fs::canonicalize(&folder).ok()?, folder)))
        .collect();
    let Some((canonical, first)) = projects.first_key_value() else {
        return Ok(());
    };
    if projects.len() == 1 {
        if find_enclosing_project(&current) != Some(canonical) {
            global.project_dir = Some(relative_path_from(&current, first));
        }
        return Ok(());
    }
    let names: Vec<String> = projects
        .values()
        .map(|project| display_path(&relative_path_from(&current, project)))
        .collect();
    let listed = join_words_up_to(&quote_names(&names), MAX_LISTED_PROJECTS);
    let help = format!(
        "run `formulac {}` once per project, or specify the project, for example with `--project-dir {}`",
        command.name(),
        quote_for_shell(&display_path(&relative_path_from(&current, first)))
    );
    Err(Failure::new(Exit::Usage, format!("the files are in different projects: {listed}")).with_help(help))
}

/// Returns the arguments of a command that can be files of a project.
fn files_named_in_arguments(command: &Command) -> Vec<&Path> {
    fn paths(arguments: &[impl AsRef<Path>]) -> Vec<&Path> {
        arguments.iter().map(AsRef::as_ref).collect()
    }
    match command {
        Command::Adopt(args) => paths(&args.names),
        Command::Check(args) => paths(&args.files),
        Command::Compile(args) => paths(args.file.as_slice()),
        Command::Explain(args) if args.expand || args.plan => vec![Path::new(&args.subject)],
        Command::Extract(args) => paths(&args.specs),
        Command::Impact(args) => paths(&args.names),
        Command::Lineage(args) => vec![Path::new(&args.name)],
        Command::Model(args) => paths(&args.specs),
        Command::Preview(args) => paths(args.spec.as_slice()),
        Command::Promote(args) => promote::possible_files(&args.file)
            .map(|(file, _)| Path::new(file))
            .find(|path| path.is_file())
            .into_iter()
            .collect(),
        Command::Query(args) => paths(args.spec.as_slice()),
        Command::Verify(args) => paths(&args.specs),
        _ => Vec::new(),
    }
}

/// Returns the folder of the project that contains a file. The folders in the path take precedence over the targets of
/// links, because a project's folder of specs can be a link.
fn project_of_file(path: &Path) -> Option<PathBuf> {
    let paths = [absolute_path_of_file(path), fs::canonicalize(path).ok()?];
    paths
        .iter()
        .find_map(|path| find_enclosing_project(path))
        .map(Path::to_owned)
}

/// Returns the nearest folder with `formulac.yml`, or otherwise with `dbt_project.yml`, that is or contains `path`.
fn find_enclosing_project(path: &Path) -> Option<&Path> {
    let nearest = |file: &str| path.ancestors().find(|ancestor| ancestor.join(file).is_file());
    nearest(project::PROJECT_FILE).or_else(|| nearest(dbt_project::PROJECT_FILE))
}

/// Returns the path of `folder` as a user would type it in the folder `current`. Both paths are absolute.
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
    current_folder_if_empty(&up.chain(down).collect::<PathBuf>()).to_owned()
}
