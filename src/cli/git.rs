//! What git knows of other revisions.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::exit::{Exit, Failure};
use super::folder::or_here;
use super::program::ExternalProgram;

/// The program `git`.
pub const GIT: ExternalProgram = ExternalProgram { name: "git", variable: "FORMULAC_GIT", install: "install git" };

/// A revision of the repository that a folder is in.
#[derive(Debug)]
pub struct Revision {
    folder: PathBuf,
    id: String,
}

/// A file that differs from the revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DifferingPath {
    /// Its path, seen from the folder.
    pub path: PathBuf,
    /// Its text then; `None` if it was not there.
    pub before: Option<String>,
}

impl Revision {
    /// The revision of this name.
    pub fn find(folder: &Path, name: &str) -> Result<Self, Failure> {
        // It would be an option of git's.
        if name.starts_with('-') || name.is_empty() {
            return Err(Failure::new(Exit::Usage, format!("`{name}` is not a revision"))
                .with_help("name a commit, a branch or a tag"));
        }
        let folder = or_here(folder).to_owned();
        let output = git(&folder, &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")], "")?;
        if output.succeeded {
            return Ok(Self { folder, id: output.out.trim().to_owned() });
        }
        if !git(&folder, &["rev-parse", "--git-dir"], "")?.succeeded {
            let text = format!("`{}` is in no git repository", folder.display());
            return Err(Failure::new(Exit::Failed, text).with_help("`--since` compares with what git knows"));
        }
        Err(Failure::new(Exit::Usage, format!("there is no revision `{name}`"))
            .with_help("name a commit, a branch or a tag that is here: `git fetch` brings others"))
    }

    /// The files of these folders that differ from it, with their texts then.
    pub fn differing(&self, folders: &[PathBuf]) -> Result<Vec<DifferingPath>, Failure> {
        let mut args =
            vec!["diff", "--no-ext-diff", "--no-renames", "--name-status", "-z", "--relative", &self.id, "--"];
        let folders: Vec<String> = folders.iter().map(|folder| folder.to_string_lossy().into_owned()).collect();
        args.extend(folders.iter().map(String::as_str));
        let output = self.run_git(&args)?;
        let mut parts = output.split('\0');
        let mut found = Vec::new();
        while let (Some(status), Some(path)) = (parts.next(), parts.next()) {
            let before = if status == "A" {
                None
            } else {
                Some(self.run_git(&["cat-file", "blob", &format!("{}:./{path}", self.id)])?)
            };
            found.push(DifferingPath { path: PathBuf::from(path), before });
        }
        // What git was not told of yet is new, too.
        let mut args = vec!["ls-files", "--others", "--exclude-standard", "-z", "--"];
        args.extend(folders.iter().map(String::as_str));
        let output = self.run_git(&args)?;
        let new = output.split('\0').filter(|path| !path.is_empty());
        found.extend(new.map(|path| DifferingPath { path: PathBuf::from(path), before: None }));
        Ok(found)
    }

    fn run_git(&self, args: &[&str]) -> Result<String, Failure> {
        let output = git(&self.folder, args, "")?;
        if output.succeeded {
            return Ok(output.out);
        }
        let said = output.err.lines().next().unwrap_or("it says nothing").to_owned();
        Err(Failure::new(Exit::Failed, format!("`git {}` failed: {said}", args.first().copied().unwrap_or_default())))
    }
}

/// A call of git in a folder, with a text on its standard input.
pub fn git(folder: &Path, args: &[&str], input: &str) -> Result<super::program::ProgramOutput, Failure> {
    GIT.run(&mut call(folder, args), input)
}

/// The same, with git's trace written to a file.
pub fn git_traced(
    folder: &Path,
    args: &[&str],
    input: &str,
    variable: &str,
    trace: &Path,
) -> Result<super::program::ProgramOutput, Failure> {
    GIT.run(call(folder, args).env(variable, trace), input)
}

/// The same where what it prints is no text.
pub fn git_bytes(folder: &Path, args: &[&str], input: &str) -> Result<std::process::Output, Failure> {
    GIT.run_for_bytes(&mut call(folder, args), input)
}

fn call(folder: &Path, args: &[&str]) -> Command {
    let mut command = GIT.command();
    command.arg("--no-pager");
    // It reads paths, no patterns, and says so.
    if args.first() != Some(&"check-ignore") {
        command.arg("--literal-pathspecs");
    }
    command.args(args).current_dir(folder);
    command
}
