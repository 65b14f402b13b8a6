//! Reads the commits, folders and files in git's object database. A single `git cat-file --batch` process answers all
//! questions, because starting git takes longer than answering a question.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::rc::Rc;

use super::exit::{Exit, Failure};
use super::git::{GIT, git_command};

const FOLDER_MODE: &str = "40000";
const SUBMODULE_MODE: &str = "160000";

/// Reads objects of the repository that contains a folder.
#[derive(Debug)]
pub struct ObjectReader {
    folder: PathBuf,
    /// Started by the first question.
    process: RefCell<Option<BatchProcess>>,
    /// Entries of the folders that were read, by hash.
    trees: RefCell<BTreeMap<String, Rc<Tree>>>,
}

/// File, folder or submodule in a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Kind and permissions as git prints them, such as `100644`.
    pub mode: &'static str,
    pub hash: String,
}

/// Entries of a folder, by name. Names are bytes, because different names can have the same text.
type Tree = BTreeMap<Vec<u8>, TreeEntry>;

/// Versions of a file before and after a change. `None` if the file does not exist.
pub type FileVersions = [Option<TreeEntry>; 2];

impl TreeEntry {
    pub fn is_file(&self) -> bool {
        ![FOLDER_MODE, SUBMODULE_MODE].contains(&self.mode)
    }

    fn is_folder(&self) -> bool {
        self.mode == FOLDER_MODE
    }
}

impl ObjectReader {
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            process: RefCell::default(),
            trees: RefCell::default(),
        }
    }

    /// Returns the hash of the object with this name, such as `HEAD^{commit}`, or `None` if there is no such object.
    pub fn resolve(&self, name: &str) -> Result<Option<String>, Failure> {
        Ok(self.read(name)?.map(|object| object.hash))
    }

    /// Returns the text of a file. `None` if this clone lacks the file's contents.
    pub fn text(&self, file: &TreeEntry) -> Result<Option<String>, Failure> {
        if !file.is_file() {
            return Ok(None);
        }
        let object = self.read(&file.hash)?;
        Ok(object.map(|object| String::from_utf8_lossy(&object.contents).into_owned()))
    }

    /// Returns the top folder of the repository at a commit.
    pub fn top_folder(&self, commit: &str) -> Result<TreeEntry, Failure> {
        let name = format!("{commit}^{{tree}}");
        let hash = self.resolve(&name)?.ok_or_else(|| missing_object(&name))?;
        let mode = FOLDER_MODE;
        Ok(TreeEntry { mode, hash })
    }

    /// Returns the file or folder at a path, relative to the top folder of the repository.
    pub fn find(&self, top: &TreeEntry, path: &str) -> Result<Option<TreeEntry>, Failure> {
        let mut names = Vec::new();
        for name in path.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    let outside = || Failure::new(Exit::Failed, format!("`{path}` is outside the git repository"));
                    names.pop().ok_or_else(outside)?;
                }
                name => names.push(name),
            }
        }
        let mut entry = top.clone();
        for name in names {
            if !entry.is_folder() {
                return Ok(None);
            }
            match self.tree(&entry.hash)?.get(name.as_bytes()) {
                Some(inner) => entry = inner.clone(),
                None => return Ok(None),
            }
        }
        Ok(Some(entry))
    }

    /// Returns the files below a file or folder, in the order of their paths. The path of the file itself is empty.
    pub fn files_below(&self, entry: TreeEntry) -> Result<Vec<(String, TreeEntry)>, Failure> {
        let files = match entry.is_folder() {
            true => self.differing_files(None, Some(entry))?,
            false => vec![(String::new(), [None, Some(entry)])],
        };
        let files = files.into_iter().filter_map(|(path, [_, file])| Some((path, file?)));
        Ok(files.filter(|(_, file)| file.is_file()).collect())
    }

    /// Returns the files and submodules that differ between two folders, in the order of their paths.
    pub fn differing_files(
        &self,
        before: Option<TreeEntry>,
        after: Option<TreeEntry>,
    ) -> Result<Vec<(String, FileVersions)>, Failure> {
        let mut files: BTreeMap<Vec<u8>, FileVersions> = BTreeMap::new();
        let mut folders = vec![(Vec::new(), [before, after])];
        while let Some((folder, versions)) = folders.pop() {
            let [before, after] = versions.map(|entry| match entry.filter(TreeEntry::is_folder) {
                Some(entry) => self.tree(&entry.hash),
                None => Ok(Rc::default()),
            });
            let (before, after) = (before?, after?);
            let added = after.keys().filter(|name| !before.contains_key(*name));
            for name in before.keys().chain(added) {
                let versions = [before.get(name), after.get(name)];
                if versions[0] == versions[1] {
                    continue;
                }
                let path = [folder.as_slice(), name].concat();
                // A file may have replaced a folder.
                let of_kind = |is_folder: bool| {
                    versions.map(|entry| entry.filter(|entry| entry.is_folder() == is_folder).cloned())
                };
                let (inner_folders, inner_files) = (of_kind(true), of_kind(false));
                if inner_folders.iter().any(Option::is_some) {
                    folders.push(([path.as_slice(), b"/"].concat(), inner_folders));
                }
                if inner_files.iter().any(Option::is_some) {
                    files.insert(path, inner_files);
                }
            }
        }
        let files = files.into_iter();
        Ok(files
            .map(|(path, versions)| (String::from_utf8_lossy(&path).into_owned(), versions))
            .collect())
    }

    /// Returns the files in a folder that a commit changed. For a merge, these are only the files that differ from all
    /// parents. The paths are relative to the folder.
    pub fn files_changed_by(&self, commit: &str, folder: &str) -> Result<Vec<String>, Failure> {
        let folder_at = |commit: &str| self.find(&self.top_folder(commit)?, folder);
        let after = folder_at(commit)?;
        let changes_since = |before: Option<TreeEntry>| -> Result<BTreeSet<String>, Failure> {
            let files = self.differing_files(before, after.clone())?;
            Ok(files.into_iter().map(|(path, _)| path).collect())
        };
        let mut changed: Option<BTreeSet<String>> = None;
        // In a shallow clone, the oldest commits have no parents.
        for number in 1.. {
            let Some(parent) = self.resolve(&format!("{commit}^{number}^{{commit}}"))? else {
                break;
            };
            let since_parent = changes_since(folder_at(&parent)?)?;
            changed = Some(match changed {
                None => since_parent,
                Some(changed) => changed.intersection(&since_parent).cloned().collect(),
            });
        }
        let changed = changed.map_or_else(|| changes_since(None), Ok)?;
        Ok(changed.into_iter().collect())
    }

    /// Returns the entries of a folder.
    fn tree(&self, hash: &str) -> Result<Rc<Tree>, Failure> {
        if let Some(tree) = self.trees.borrow().get(hash) {
            return Ok(Rc::clone(tree));
        }
        let object = self.read(hash)?.filter(|object| object.kind == "tree");
        // A hash has two digits per byte.
        let tree = object.and_then(|object| parse_tree(&object.contents, hash.len() / 2));
        let tree = Rc::new(tree.ok_or_else(|| missing_object(hash))?);
        self.trees.borrow_mut().insert(hash.to_owned(), Rc::clone(&tree));
        Ok(tree)
    }

    /// Returns the object with this name, or `None` if this clone has no such object.
    fn read(&self, name: &str) -> Result<Option<Object>, Failure> {
        // A request is one line.
        if name.contains('\n') {
            return Ok(None);
        }
        let mut process = self.process.borrow_mut();
        let running = match process.as_mut() {
            Some(running) => running,
            None => process.insert(BatchProcess::start(&self.folder)?),
        };
        running.read(name).map_err(|error| {
            // The next question starts another process.
            *process = None;
            Failure::new(Exit::Failed, format!("`git cat-file` failed: {error}"))
        })
    }
}

/// Returns the failure for an object that git should have but cannot read.
pub fn missing_object(name: &str) -> Failure {
    Failure::new(Exit::Failed, format!("git cannot read the object `{name}`"))
        .with_help("run `git fsck` to check the repository")
}

/// Object in git's database.
struct Object {
    hash: String,
    kind: String,
    contents: Vec<u8>,
}

/// Running `git cat-file --batch`. The process ends when this value is dropped.
#[derive(Debug)]
struct BatchProcess {
    child: Child,
    replies: BufReader<ChildStdout>,
}

impl BatchProcess {
    fn start(folder: &Path) -> Result<Self, Failure> {
        let mut command = git_command(folder, &["cat-file", "--batch"]);
        let child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(|error| GIT.program_start_failure(&error))?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| GIT.program_start_failure(&io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            child,
            replies: BufReader::new(output),
        })
    }

    /// Reads an object. The first line of a reply is `<hash> <kind> <size>`, or the requested name and a word such as
    /// `missing`. A line break follows the contents.
    fn read(&mut self, name: &str) -> io::Result<Option<Object>> {
        let requests = self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        requests.write_all(format!("{name}\n").as_bytes())?;
        let mut header = Vec::new();
        self.replies.read_until(b'\n', &mut header)?;
        let header = String::from_utf8_lossy(&header);
        let header = header.strip_suffix('\n').ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut words = header.rsplitn(3, ' ');
        let (Some(Ok(size)), Some(kind), Some(hash)) =
            (words.next().map(str::parse::<u64>), words.next(), words.next())
        else {
            return Ok(None);
        };
        let mut contents = Vec::new();
        self.replies.by_ref().take(size).read_to_end(&mut contents)?;
        self.replies.read_exact(&mut [0])?;
        Ok(Some(Object {
            hash: hash.to_owned(),
            kind: kind.to_owned(),
            contents,
        }))
    }
}

impl Drop for BatchProcess {
    fn drop(&mut self) {
        // The process only reads, so it can end at any time.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Parses the entries of a folder. The format of an entry is `<mode> <name>`, a zero byte, and the bytes of the hash.
/// Returns `None` if the entries are damaged or if two entries have the same name.
fn parse_tree(mut bytes: &[u8], hash_size: usize) -> Option<Tree> {
    fn split_at_byte(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
        let (before, after) = bytes.split_at_checked(bytes.iter().position(|byte| *byte == separator)?)?;
        Some((before, after.get(1..)?))
    }
    let mut tree = Tree::new();
    while !bytes.is_empty() {
        let (mode, rest) = split_at_byte(bytes, b' ')?;
        let (name, rest) = split_at_byte(rest, 0)?;
        let (hash, rest) = rest.split_at_checked(hash_size)?;
        let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let mode = normalized_mode(u32::from_str_radix(std::str::from_utf8(mode).ok()?, 8).ok()?);
        if tree.insert(name.to_owned(), TreeEntry { mode, hash }).is_some() {
            return None;
        }
        bytes = rest;
    }
    Some(tree)
}

/// Returns the mode that git prints, because old commits contain other permissions of files.
fn normalized_mode(mode: u32) -> &'static str {
    match mode & 0o170_000 {
        0o040_000 => FOLDER_MODE,
        0o120_000 => "120000",
        0o100_000 if mode & 0o100 != 0 => "100755",
        0o100_000 => "100644",
        _ => SUBMODULE_MODE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::git::run_git_in;

    /// Answers agree with those of git for folders that became files, permissions, removed files and merges.
    #[test]
    fn answers_agree_with_git() {
        let home = tempfile::tempdir().unwrap();
        let top = home.path();
        let git = |args: &[&str]| {
            let user = [
                "-c",
                "user.name=Ann",
                "-c",
                "user.email=ann@example.com",
                "-c",
                "commit.gpgsign=false",
            ];
            let output = run_git_in(top, &[&user, args].concat(), "").unwrap();
            assert!(output.succeeded, "{args:?}: {}", output.err);
            output.out
        };
        let write = |path: &str, text: &str| {
            std::fs::create_dir_all(top.join(path).parent().unwrap()).unwrap();
            std::fs::write(top.join(path), text).unwrap();
        };
        let commit = |message: &str| {
            git(&["add", "--all"]);
            git(&["commit", "--quiet", "--message", message]);
        };
        git(&["init", "--quiet", "--initial-branch=main"]);
        for path in ["a.b", "a/b", "a/c\nd", "project/x.yml", "project/inner/y.yml", "z"] {
            write(path, path);
        }
        commit("first");
        std::fs::remove_dir_all(top.join("a")).unwrap();
        write("a", "a file now");
        commit("second");
        git(&["update-index", "--chmod=+x", "z"]);
        git(&["commit", "--quiet", "--message", "third"]);
        git(&["checkout", "--quiet", "--", "z"]);
        git(&["switch", "--quiet", "-c", "side", "HEAD~1"]);
        write("project/x.yml", "side");
        std::fs::remove_file(top.join("a.b")).unwrap();
        commit("side");
        git(&["merge", "--quiet", "--no-commit", "main"]);
        write("project/inner/y.yml", "merged");
        commit("merge");

        let reader = ObjectReader::new(top);
        for commit in git(&["rev-list", "--all"]).lines() {
            let top = reader.top_folder(commit).unwrap();
            for folder in ["", "project/"] {
                let listed = git(&["ls-tree", "-r", "-z", &format!("{commit}:{folder}")]);
                let files = reader.files_below(reader.find(&top, folder).unwrap().unwrap());
                let files = files.unwrap().into_iter();
                let files = files.map(|(path, file)| format!("{} blob {}\t{path}\0", file.mode, file.hash));
                assert_eq!(files.collect::<String>(), listed, "{commit} {folder}");
                let diff = [
                    "diff-tree",
                    "-r",
                    "-c",
                    "--root",
                    "--no-commit-id",
                    "--no-renames",
                    "--name-only",
                    "-z",
                ];
                // Git ignores `--relative` for merges.
                let changed = git(&[&diff[..], &[commit]].concat());
                let changed = changed.split_inclusive('\0');
                let changed: String = changed.filter_map(|path| path.strip_prefix(folder)).collect();
                let files = reader.files_changed_by(commit, folder).unwrap();
                let files: String = files.iter().map(|path| format!("{path}\0")).collect();
                assert_eq!(files, changed, "{commit} {folder}");
            }
        }
        let top = reader.top_folder("HEAD").unwrap();
        let find = |path: &str| reader.find(&top, path);
        assert_eq!(find("project/../z/").unwrap().unwrap().mode, "100755");
        assert_eq!(find("z/none").unwrap(), None);
        assert!(find("../z").is_err() && reader.top_folder("none").is_err());
        let file = find("./project//x.yml").unwrap().unwrap();
        assert_eq!(reader.text(&file).unwrap().as_deref(), Some("side"));
        for name in ["", "-h", "none", "HEAD\nHEAD", "a blob 3"] {
            assert_eq!(reader.resolve(name).unwrap(), None, "{name:?}");
        }
        assert_eq!(
            reader.resolve("HEAD").unwrap().unwrap(),
            git(&["rev-parse", "HEAD"]).trim()
        );
    }
}
