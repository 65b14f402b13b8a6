//! Git revisions: the commit at which two branches diverged, and the commits and changed files between two revisions.

use std::collections::{BTreeMap, BTreeSet};

use formulac::team::{APPROVALS_FOLDER, Commit, CommittedFile, ContentDifference};

use super::repository::{Repository, STATUS_ARGS};
use crate::cli::exit::{Exit, Failure};
use crate::cli::git_objects::FileVersions;

/// Folders in which formulac records its actions. The contents of their files are read for each commit.
const RECORD_FOLDERS: [&str; 2] = [APPROVALS_FOLDER, formulac::sync::LOG_FOLDER];

impl Repository {
    /// Returns the commit of a revision, or `None` if the revision does not exist.
    pub fn resolve_commit(&self, revision: &str) -> Result<Option<String>, Failure> {
        self.objects.resolve(&format!("{revision}^{{commit}}"))
    }

    /// Returns the commit of a branch into which changes are merged.
    pub fn resolve_base(&self, base: &str) -> Result<String, Failure> {
        self.objects.resolve_base(base)
    }

    /// Returns the complete name of a branch of this clone or of a remote.
    pub fn find_branch(&self, name: &str) -> Result<Option<String>, Failure> {
        self.objects.find_branch(name)
    }

    /// Returns the last common commit of two branches.
    pub fn merge_base(&self, branch: &str, other: &str) -> Result<String, Failure> {
        let output = self.run(&["merge-base", branch, other])?;
        if output.succeeded {
            return Ok(output.out.trim().to_owned());
        }
        Err(
            Failure::new(Exit::Failed, "the branches have no common commit in this clone")
                .with_help("run `git fetch --unshallow` to get the complete history"),
        )
    }

    /// Returns the files of the project that differ between two commits, with the contents of files that formulac may
    /// have generated.
    pub fn files_differing_between(&self, base: &str, head: &str) -> Result<Vec<ContentDifference>, Failure> {
        let folder = |commit: &str| {
            self.objects
                .find(&self.objects.top_folder(commit)?, &self.project_prefix)
        };
        let files = self.objects.differing_files(folder(base)?, folder(head)?)?;
        let difference = |(path, [before, after]): (String, FileVersions)| {
            let now = after.as_ref().map(|file| format!("{} {}", file.mode, file.hash));
            let text = after.or(before).map(|file| self.objects.text(&file)).transpose()?;
            Ok(ContentDifference::new(&path, now, text.flatten()))
        };
        files.into_iter().map(difference).collect()
    }

    /// Returns the contents of files in a commit. Returns `None` for missing files.
    pub fn file_contents_at_commit(&self, commit: &str, paths: &[String]) -> Result<Vec<Option<String>>, Failure> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let top = self.objects.top_folder(commit)?;
        let text = |path: &String| match self.objects.find(&top, &format!("{}{path}", self.project_prefix))? {
            Some(file) => self.objects.text(&file),
            None => Ok(None),
        };
        paths.iter().map(text).collect()
    }

    /// Returns the files of a commit that are in the given folders or have one of the given paths.
    pub fn files_in_commit(&self, commit: &str, paths: &[String]) -> Result<Vec<String>, Failure> {
        let mut files = BTreeSet::new();
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let top = self.objects.top_folder(commit)?;
        for path in paths {
            let Some(entry) = self.objects.find(&top, &format!("{}{path}", self.project_prefix))? else {
                continue;
            };
            let names = path.split('/').filter(|name| !["", "."].contains(name));
            let path = names.collect::<Vec<_>>().join("/");
            for (inner, _) in self.objects.files_below(entry)? {
                let separator = if path.is_empty() || inner.is_empty() { "" } else { "/" };
                files.insert(format!("{path}{separator}{inner}"));
            }
        }
        Ok(files.into_iter().collect())
    }

    /// Returns the commits between two revisions, oldest first, each with the project files that it changed. Signatures
    /// are checked only if `signed` is set.
    pub fn commits_between(&self, base: &str, head: &str, signed: bool) -> Result<Vec<Commit>, Failure> {
        let signature = if signed { "%G?%x00%GS" } else { "%x00" };
        let format = format!("--format=%H%x00%an <%ae>%x00%cn <%ce>%x00{signature}%x00%P%x00");
        let range = format!("{base}..{head}");
        let output = self.run_git(&["log", "--reverse", "--no-mailmap", &format, &range])?;
        let mut parts = output.split('\0').map(str::trim);
        let mut commits = Vec::new();
        while let (Some(id), Some(author), Some(committer), Some(valid), Some(signer), Some(parents)) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) {
            let paths = self.files_changed_by(id)?;
            let records: Vec<String> = paths
                .iter()
                .filter(|path| RECORD_FOLDERS.iter().any(|folder| path.starts_with(folder)))
                .cloned()
                .collect();
            let texts = self.file_contents_at_commit(id, &records)?;
            let before = match parents.split(' ').next().filter(|parent| !parent.is_empty()) {
                Some(parent) => self.file_contents_at_commit(parent, &records)?,
                None => vec![None; records.len()],
            };
            let known_texts = records.iter().zip(texts.into_iter().zip(before));
            let texts_by_path: BTreeMap<&String, (Option<String>, Option<String>)> = known_texts.collect();
            let touched = |path: &String| match texts_by_path.get(path) {
                Some((text, before)) => CommittedFile::new(path, before.is_some(), text.clone()),
                None => CommittedFile::new(path, true, None),
            };
            let files = paths.iter().map(touched);
            let signer = (valid == "G").then(|| signer.to_owned());
            commits.push(Commit::new(id, author, signer, files.collect()).with_committer(committer));
        }
        Ok(commits)
    }

    /// Returns the files that a commit changed. For a merge, these are only the files that differ from all parents.
    pub fn files_changed_by(&self, commit: &str) -> Result<Vec<String>, Failure> {
        self.objects.files_changed_by(commit, &self.project_prefix)
    }

    /// Returns the first-parent commits of this branch, oldest first, starting after `since` if it is set. Each commit
    /// is returned with its parent and its title.
    pub fn first_parent_commits(&self, since: Option<&str>) -> Result<Vec<(String, Option<String>, String)>, Failure> {
        let range = since.map_or_else(|| "HEAD".to_owned(), |since| format!("{since}..HEAD"));
        let output = self.run_git(&[
            "log",
            "--reverse",
            "--first-parent",
            "--format=%H%x00%P%x00%s%x00",
            &range,
        ])?;
        let mut parts = output.split('\0').map(str::trim);
        let mut entries = Vec::new();
        while let (Some(commit), Some(parents), Some(title)) = (parts.next(), parts.next(), parts.next()) {
            let parent = parents.split(' ').next().filter(|parent| !parent.is_empty());
            entries.push((commit.to_owned(), parent.map(str::to_owned), title.to_owned()));
        }
        Ok(entries)
    }

    /// Returns the commit after `since` whose message contains a string, or `None` if there is none.
    pub fn find_commit_by_message(&self, since: Option<&str>, text: &str) -> Result<Option<String>, Failure> {
        if self.head_commit()?.as_deref() == since {
            return Ok(None);
        }
        let range = since.map_or_else(|| "HEAD".to_owned(), |since| format!("{since}..HEAD"));
        let grep = format!("--grep={text}");
        // Before the first commit, git reports an error.
        let output = self.run(&["log", "-1", "--format=%H", "--fixed-strings", &grep, &range, "--"])?;
        Ok(Some(output.out.trim().to_owned()).filter(|commit| output.succeeded && !commit.is_empty()))
    }

    /// Returns the commit that added a file.
    pub fn commit_that_added(&self, path: &str) -> Result<Option<String>, Failure> {
        let output = self.run_git(&["log", "--diff-filter=A", "--format=%H", "--", path])?;
        Ok(output.lines().last().map(str::to_owned))
    }

    /// Returns the commits of the current branch that added the files of a folder, by path.
    pub fn commits_that_added(&self, folder: &str) -> Result<BTreeMap<String, String>, Failure> {
        let added = self.commits_that_added_files(folder, &[])?;
        // The oldest commit comes last.
        let by_path = added
            .into_iter()
            .flat_map(|(commit, paths)| paths.into_iter().map(move |path| (path, commit.clone())));
        Ok(by_path.collect())
    }

    /// Returns the commits of all branches and of the reflog that added exactly one file of a folder, by the path of
    /// the file. If several commits added the file, the newest commit is returned.
    pub fn commits_that_added_one_file(&self, folder: &str) -> Result<BTreeMap<String, String>, Failure> {
        let mut commits = BTreeMap::new();
        for (commit, paths) in self.commits_that_added_files(folder, &["--all", "--reflog"])? {
            if let [path] = paths.as_slice() {
                commits.entry(path.clone()).or_insert(commit);
            }
        }
        Ok(commits)
    }

    /// Returns the commits that added files of a folder, newest first, with the paths of these files.
    fn commits_that_added_files(&self, folder: &str, options: &[&str]) -> Result<Vec<(String, Vec<String>)>, Failure> {
        const COMMIT_LINE_PREFIX: &str = "commit:";
        let format = format!("--format={COMMIT_LINE_PREFIX}%H");
        let arguments = ["log", "--diff-filter=A", "--name-only", "--relative", &format];
        let output = self.run_git(&[&arguments, options, &["--", folder]].concat())?;
        let mut commits: Vec<(String, Vec<String>)> = Vec::new();
        for line in output.lines().filter(|line| !line.is_empty()) {
            match (line.strip_prefix(COMMIT_LINE_PREFIX), commits.last_mut()) {
                (Some(hash), _) => commits.push((hash.to_owned(), Vec::new())),
                (None, Some((_, paths))) => paths.push(line.to_owned()),
                (None, None) => {}
            }
        }
        Ok(commits)
    }

    /// Returns the last committed versions of a file, newest first, from at most `commits` commits.
    pub fn last_committed_versions(&self, path: &str, commits: usize) -> Vec<String> {
        let commits = self.run_git(&["log", &format!("-n{commits}"), "--format=%H", "--", path]);
        let commits = commits.unwrap_or_default();
        let paths = [path.to_owned()];
        let texts = |commit: &str| self.file_contents_at_commit(commit, &paths).unwrap_or_default();
        commits.lines().flat_map(texts).flatten().collect()
    }

    /// Returns the date of a commit, such as `2026-11-20`.
    pub fn commit_date(&self, commit: &str) -> Result<String, Failure> {
        Ok(self
            .run_git(&["show", "--no-patch", "--format=%cs", commit, "--"])?
            .trim()
            .to_owned())
    }

    /// Returns whether the name is valid for a tag.
    pub fn is_tag_name(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.run(&["check-ref-format", &format!("refs/tags/{name}")])?.succeeded)
    }

    /// Returns whether a tag with this name exists.
    pub fn has_tag(&self, name: &str) -> Result<bool, Failure> {
        self.objects.has_tag(name)
    }

    /// Creates an annotated tag.
    pub fn create_tag(&self, name: &str, commit: &str, text: &str) -> Result<(), Failure> {
        let args = [
            "tag",
            "--annotate",
            "--cleanup=whitespace",
            "--file=-",
            "--",
            name,
            commit,
        ];
        self.run_git_with_input(&args, text).map(|_| ())
    }

    /// Returns whether this work tree has no changes since the last commit.
    pub fn is_clean(&self) -> Result<bool, Failure> {
        let output = self.run_git(&[&STATUS_ARGS[..], &["."]].concat())?;
        Ok(output.is_empty())
    }
}
