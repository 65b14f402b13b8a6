//! Reads other revisions of files from git.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::exit::{Exit, Failure};
use super::folder::current_folder_if_empty;
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
    id: String,
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
        // A leading `-` would make git interpret the name as an option.
        if name.starts_with('-') || name.is_empty() {
            return Err(Failure::new(Exit::Usage, format!("`{name}` is not a revision"))
                .with_help("specify a commit, a branch or a tag"));
        }
        let folder = current_folder_if_empty(folder).to_owned();
        let output = run_git_in(
            &folder,
            &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")],
            "",
        )?;
        if output.succeeded {
            return Ok(Self {
                folder,
                id: output.out.trim().to_owned(),
            });
        }
        if !run_git_in(&folder, &["rev-parse", "--git-dir"], "")?.succeeded {
            let text = format!("`{}` is not in a git repository", folder.display());
            return Err(Failure::new(Exit::Failed, text).with_help("`--since` needs a git repository"));
        }
        Err(Failure::new(Exit::Usage, format!("there is no revision `{name}`"))
            .with_help("specify a commit, branch or tag of this repository; run `git fetch` to get other revisions"))
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
        while let (Some(status), Some(path)) = (parts.next(), parts.next()) {
            let before = if status == "A" {
                None
            } else {
                Some(self.run_git(&["cat-file", "blob", &format!("{}:./{path}", self.id)])?)
            };
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

/// Like [`run_git_in`], but returns the output as bytes.
pub fn run_git_bytes(folder: &Path, args: &[&str], input: &str) -> Result<std::process::Output, Failure> {
    GIT.run_with_byte_output(&mut git_command(folder, args), input)
}

fn git_command(folder: &Path, args: &[&str]) -> Command {
    let mut command = GIT.command();
    command.arg("--no-pager");
    // `git check-ignore` accepts paths only, not patterns, and rejects this option.
    if args.first() != Some(&"check-ignore") {
        command.arg("--literal-pathspecs");
    }
    command.args(args).current_dir(folder);
    command
}
