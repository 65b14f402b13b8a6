//! Finds the git hook in which a git command failed. Git reports the hook only in its trace.

use crate::cli::source::read_text;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Hook that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedHook {
    /// Name of the hook, such as `pre-commit`.
    pub name: String,
    /// Program of the hook, as git calls it.
    pub program: String,
    pub status: i64,
}

/// File to which git writes its trace. Dropping the value removes the file.
pub struct GitTrace(PathBuf);

/// Environment variable that makes git write the trace.
pub const TRACE_VARIABLE: &str = "GIT_TRACE2_EVENT";

impl GitTrace {
    /// Chooses the path of a trace file in a folder.
    pub fn new(folder: &Path) -> Self {
        let path = folder.join(format!("hooks-{}", std::process::id()));
        // Git rejects relative paths.
        Self(std::path::absolute(&path).unwrap_or(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the last hook that failed in the traced git commands.
    pub fn last_failed_hook(&self) -> Option<FailedHook> {
        find_failed_hook(&read_text(&self.0).ok()?)
    }
}

impl Drop for GitTrace {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn find_failed_hook(trace: &str) -> Option<FailedHook> {
    let mut hooks: Vec<(Value, FailedHook)> = Vec::new();
    let mut last = None;
    for line in trace.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let field = |path: &str| event.pointer(path).unwrap_or(&Value::Null);
        let child = Value::from(vec![field("/sid").clone(), field("/child_id").clone()]);
        match field("/event").as_str() {
            Some("child_start") if field("/child_class") == "hook" => {
                let text = |path: &str| field(path).as_str().unwrap_or_default().to_owned();
                let hook = FailedHook {
                    name: text("/hook_name"),
                    program: text("/argv/0"),
                    status: 0,
                };
                hooks.push((child, hook));
            }
            Some("child_exit") => {
                let status = field("/code").as_i64().unwrap_or_default();
                if let Some((_, hook)) = hooks.iter().find(|(started, _)| status != 0 && *started == child) {
                    last = Some(FailedHook { status, ..hook.clone() });
                }
            }
            _ => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::find_failed_hook;

    #[test]
    fn failed_hook_is_found() {
        let trace = r#"
{"event":"child_start","sid":"1","child_id":0,"child_class":"hook","hook_name":"pre-commit","argv":[".git/hooks/pre-commit"]}
{"event":"child_start","sid":"1/2","child_id":0,"child_class":"?","argv":["grep"]}
{"event":"child_exit","sid":"1/2","child_id":0,"pid":3,"code":1}
{"event":"child_exit","sid":"1","child_id":0,"pid":2,"code":0}
"#;
        assert_eq!(find_failed_hook(trace), None);
        let hook = find_failed_hook(&trace.replace("\"code\":0", "\"code\":7")).unwrap();
        assert_eq!(
            (hook.name.as_str(), hook.program.as_str(), hook.status),
            ("pre-commit", ".git/hooks/pre-commit", 7)
        );
        assert_eq!(find_failed_hook("no trace\n{}"), None);
    }
}
