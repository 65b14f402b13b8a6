//! Reads other revisions of files from git.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::exit::{Exit, Failure};
use super::folder::current_folder_if_empty;
use super::git_objects::{ObjectReader, TreeEntry, missing_object};
use super::program::ExternalProgram;

/// The program `git`.
pub const GIT: ExternalProgram = ExternalProgram {
    name: "git",
    variable: "FORMULAC_GIT",
    install: "install git",
};

/// Git revision in the repository that contains a given folder.
#[derive(Debug)]
pub struct Revision {
    folder: PathBuf,
    /// Path from the repository's folder to `folder`.
    prefix: String,
    id: String,
    objects: ObjectReader,
}

/// File that differs between a revision and the work tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DifferingFile {
    /// Path of the file, relative to the folder of the revision.
    pub path: PathBuf,
    /// Text of the file at that revision. `None` if the file did not exist.
    pub before: Option<String>,
}

impl Revision {
    /// Returns the revision with this name.
    pub fn resolve_revision(folder: &Path, name: &str) -> Result<Self, Failure> {
        let folder = current_folder_if_empty(folder).to_owned();
        let prefix = run_git_in(&folder, &["rev-parse", "--show-prefix"], "")?;
        if !prefix.succeeded {
            let text = format!("`{}` is not in a git repository", folder.display());
            return Err(Failure::new(Exit::Failed, text).with_help("`--since` needs a git repository"));
        }
        let objects = ObjectReader::new(&folder);
        let id = objects.resolve_revision(name)?;
        let prefix = prefix.out.trim_end_matches('\n').to_owned();
        Ok(Self {
            folder,
            prefix,
            id,
            objects,
        })
    }

    /// Returns the files at these paths that differ between the revision and the work tree. The path of a folder stands
    /// for all of its files. Untracked files are new.
    pub fn differing_files(&self, paths: &[PathBuf]) -> Result<Vec<DifferingFile>, Failure> {
        let mut args = vec![
            "diff",
            "--no-ext-diff",
            "--no-renames",
            "--name-status",
            "-z",
            "--relative",
            &self.id,
            "--",
        ];
        let paths: Vec<String> = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        args.extend(paths.iter().map(String::as_str));
        let output = self.run_git(&args)?;
        let mut parts = output.split('\0');
        let mut files = Vec::new();
        let top = self.objects.top_folder(&self.id)?;
        while let (Some(status), Some(path)) = (parts.next(), parts.next()) {
            let before = match status {
                "A" => None,
                _ => self.objects.find(&top, &format!("{}{path}", self.prefix))?,
            };
            let text = |file: TreeEntry| self.objects.text(&file)?.ok_or_else(|| missing_object(&file.hash));
            let before = before.map(text).transpose()?;
            files.push(DifferingFile {
                path: PathBuf::from(path),
                before,
            });
        }
        let mut args = vec!["ls-files", "--others", "--exclude-standard", "-z", "--"];
        args.extend(paths.iter().map(String::as_str));
        let output = self.run_git(&args)?;
        let untracked = output.split('\0').filter(|path| !path.is_empty());
        files.extend(untracked.map(|path| DifferingFile {
            path: PathBuf::from(path),
            before: None,
        }));
        Ok(files)
    }

    fn run_git(&self, args: &[&str]) -> Result<String, Failure> {
        let output = run_git_in(&self.folder, args, "")?;
        if output.succeeded {
            return Ok(output.out);
        }
        let message = output.err.lines().next().unwrap_or("git reported no reason").to_owned();
        Err(Failure::new(
            Exit::Failed,
            format!("`git {}` failed: {message}", args.first().copied().unwrap_or_default()),
        ))
    }
}

/// Returns the current branch. `None` if HEAD is detached.
pub fn current_branch(folder: &Path) -> Result<Option<String>, Failure> {
    // The complete name, because git lengthens the short name of a branch if a tag has the same name.
    let output = run_git_in(folder, &["symbolic-ref", "--quiet", "HEAD"], "")?;
    let name = output.out.trim().strip_prefix("refs/heads/");
    Ok(name.filter(|_| output.succeeded).map(str::to_owned))
}

/// Runs git in a folder, with `input` as its standard input.
pub fn run_git_in(folder: &Path, args: &[&str], input: &str) -> Result<super::program::ProgramOutput, Failure> {
    GIT.run(&mut git_command(folder, args), input)
}

/// Like [`run_git_in`], but also writes git's trace to a file.
pub fn run_git_traced(
    folder: &Path,
    args: &[&str],
    input: &str,
    variable: &str,
    trace: &Path,
) -> Result<super::program::ProgramOutput, Failure> {
    GIT.run(git_command(folder, args).env(variable, trace), input)
}

/// Returns the command that runs git in a folder.
pub(super) fn git_command(folder: &Path, args: &[&str]) -> Command {
    let mut command = GIT.command();
    command.arg("--no-pager");
    // `git check-ignore` accepts paths only, not patterns, and rejects this option.
    if args.first() != Some(&"check-ignore") {
        command.arg("--literal-pathspecs");
    }
    command.args(args).current_dir(folder);
    if is_other_repository(folder) {
        remove_repository_variables(&mut command);
    }
    command
}

/// Environment variables that select a repository and its parts, as listed by `git rev-parse --local-env-vars`. The
/// list lacks the variables that contain settings, because `git -c` settings apply to all repositories.
const REPOSITORY_VARIABLES: [&str; 13] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

thread_local! {
    /// Results of [`is_other_repository`] by folder.
    static OTHER_REPOSITORIES: RefCell<BTreeMap<PathBuf, bool>> = const { RefCell::new(BTreeMap::new()) };
}

/// Returns whether the folder is in another repository than the one that the environment variables select. Git sets the
/// variables for hooks and aliases, and they would make git in another folder change the repository of the hook.
fn is_other_repository(folder: &Path) -> bool {
    if REPOSITORY_VARIABLES.iter().all(|name| std::env::var_os(name).is_none()) {
        return false;
    }
    if let Some(is_other) = OTHER_REPOSITORIES.with_borrow(|known| known.get(folder).copied()) {
        return is_other;
    }
    let git_folder = |command: &mut Command| {
        let output = GIT.run(command.args(["rev-parse", "--absolute-git-dir"]), "").ok()?;
        output.succeeded.then_some(output.out)
    };
    let mut in_folder = GIT.command();
    remove_repository_variables(in_folder.current_dir(folder));
    // A folder without a repository of its own can be the work tree of a repository elsewhere.
    let is_other = git_folder(&mut in_folder).is_some_and(|own| git_folder(&mut GIT.command()) != Some(own));
    OTHER_REPOSITORIES.with_borrow_mut(|known| known.insert(folder.to_owned(), is_other));
    is_other
}

fn remove_repository_variables(command: &mut Command) {
    for name in REPOSITORY_VARIABLES {
        command.env_remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list contains all variables that this version of git reports, except for settings.
    #[test]
    fn repository_variables_agree_with_git() {
        let output = run_git_in(Path::new("."), &["rev-parse", "--local-env-vars"], "").unwrap();
        let settings = ["GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS", "GIT_INTERNAL_SUPER_PREFIX"];
        let is_missing = |name: &&str| !settings.contains(name) && !REPOSITORY_VARIABLES.contains(name);
        let missing: Vec<&str> = output.out.lines().filter(is_missing).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
