//! Git revisions: the commit at which two branches diverged, and the commits and changed files between two revisions.

use std::collections::BTreeMap;

use formulac::team::{APPROVALS_FOLDER, Commit, CommittedFile, ContentDifference};

use super::repository::{Repository, STATUS_ARGS};
use crate::cli::exit::{Exit, Failure};

/// Folders in which formulac records its actions. The contents of their files are read for each commit.
const RECORD_FOLDERS: [&str; 2] = [APPROVALS_FOLDER, formulac::sync::LOG_FOLDER];

impl Repository {
    /// Returns the commit of a revision, or `None` if the revision does not exist.
    pub fn resolve_commit(&self, revision: &str) -> Result<Option<String>, Failure> {
        // A leading `-` would make git interpret the revision as an option.
        if revision.starts_with('-') || revision.is_empty() {
            return Ok(None);
        }
        let output = self.run(&["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")])?;
        Ok(Some(output.out.trim().to_owned()).filter(|_| output.succeeded))
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
        let args = [
            "diff",
            "--no-ext-diff",
            "--no-renames",
            "--raw",
            "--no-abbrev",
            "-z",
            "--relative",
            base,
            head,
            "--",
        ];
        let output = self.run_git(&args)?;
        let mut parts = output.split('\0').filter(|part| !part.is_empty());
        let mut entries: Vec<(String, Option<String>, String)> = Vec::new();
        // Format of an entry: `:100644 100644 <blob> <blob> M`, then the path.
        while let (Some(facts), Some(path)) = (parts.next(), parts.next()) {
            let facts: Vec<&str> = facts.trim_start_matches(':').split(' ').collect();
            let [_, mode, before, after, status] = facts.as_slice() else {
                continue;
            };
            let is_gone = *status == "D";
            let now = (!is_gone).then(|| format!("{mode} {after}"));
            entries.push((
                path.to_owned(),
                now,
                (if is_gone { *before } else { *after }).to_owned(),
            ));
        }
        let blobs: Vec<String> = entries.iter().map(|(_, _, blob)| blob.clone()).collect();
        let texts = self.read_git_objects(&blobs)?;
        Ok(entries
            .into_iter()
            .zip(texts)
            .map(|((path, now, _), text)| ContentDifference::new(&path, now, text))
            .collect())
    }

    /// Reads objects by their names in a single git call. Returns `None` for objects that are missing locally.
    pub(super) fn read_git_objects(&self, objects: &[String]) -> Result<Vec<Option<String>>, Failure> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        let input: String = objects.iter().map(|object| format!("{object}\n")).collect();
        let output = self.run_git_bytes(&["cat-file", "--batch"], &input)?;
        let mut rest = output.as_slice();
        let mut texts = Vec::new();
        for _ in objects {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let (header, after) = rest.split_at(end);
            let header = String::from_utf8_lossy(header);
            rest = after.get(1..).unwrap_or_default();
            let size = header.split(' ').nth(2).and_then(|size| size.parse::<usize>().ok());
            texts.push(
                size.and_then(|size| rest.get(..size))
                    .map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
            );
            // A line break follows the contents of each object.
            rest = size.map_or(rest, |size| rest.get(size + 1..).unwrap_or_default());
        }
        Ok(texts)
    }

    /// Returns the contents of files in a commit, with two git calls. Returns `None` for missing files. The second call
    /// uses hashes instead of paths, because paths can contain any character and would make the replies ambiguous.
    pub fn file_contents_at_commit(&self, commit: &str, paths: &[String]) -> Result<Vec<Option<String>>, Failure> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let objects: BTreeMap<String, String> = self.file_hashes(commit, paths)?.into_iter().collect();
        let object_ids: Vec<String> = paths.iter().filter_map(|path| objects.get(path)).cloned().collect();
        let mut texts = self.read_git_objects(&object_ids)?.into_iter();
        Ok(paths
            .iter()
            .map(|path| objects.get(path).and_then(|_| texts.next()).flatten())
            .collect())
    }

    /// Returns the files of a commit that are in the given folders or have one of the given paths.
    pub fn files_in_commit(&self, commit: &str, paths: &[String]) -> Result<Vec<String>, Failure> {
        Ok(self
            .file_hashes(commit, paths)?
            .into_iter()
            .map(|(path, _)| path)
            .collect())
    }

    /// Returns the path and the content hash of each file that `files_in_commit` returns.
    fn file_hashes(&self, commit: &str, paths: &[String]) -> Result<Vec<(String, String)>, Failure> {
        // Format of a line: `100644 blob <hash>`, a tab, and the path.
        let parse_line = |line: &str| {
            let (facts, path) = line.split_once('\t')?;
            let mut facts = facts.split(' ').skip(1);
            (facts.next()? == "blob").then(|| Some((path.to_owned(), facts.next()?.to_owned())))?
        };
        let output = self.run_git_on_paths(&["ls-tree", "-r", "-z", commit, "--"], paths)?;
        let mut files: Vec<(String, String)> = output.split('\0').filter_map(parse_line).collect();
        files.sort();
        files.dedup();
        Ok(files)
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
        let args = [
            "diff-tree",
            "-r",
            "-c",
            "--root",
            "--no-commit-id",
            "--no-renames",
            "--name-only",
            "-z",
            "--relative",
            commit,
        ];
        let paths = self.run_git(&args)?;
        let paths = paths.split('\0').filter(|path| !path.is_empty());
        Ok(paths.map(str::to_owned).collect())
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
        let objects: Vec<String> = commits.lines().map(|commit| format!("{commit}:./{path}")).collect();
        let texts = self.read_git_objects(&objects).unwrap_or_default();
        texts.into_iter().flatten().collect()
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
        Ok(self
            .run(&["rev-parse", "--verify", "--quiet", &format!("refs/tags/{name}")])?
            .succeeded)
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
