//! `dbt.log`, which contains the results of the nodes in the last build or test. `dbt docs generate` overwrites
//! `run_results.json` but only appends to the log.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::run_results::{RunResult, RunResults, Status};

/// Words for results in the log, such as `PASS` in `3 of 7 PASS not_null_a_id`, each with its status.
const LOG_STATUS_WORDS: [(&str, Status); 9] = [
    ("OK", Status::Success),
    ("PARTIAL", Status::PartialSuccess),
    ("PASS", Status::Pass),
    ("WARN", Status::Warn),
    ("FAIL", Status::Fail),
    ("ERROR", Status::Error),
    ("SKIP", Status::Skipped),
    ("SKIPPED", Status::Skipped),
    ("NO-OP", Status::NoOp),
];

/// Log entries of one command.
#[derive(Default)]
struct CommandLog {
    results: RunResults,
    is_here: bool,
    /// Last status that each thread reported.
    statuses: HashMap<String, Status>,
}

impl RunResults {
    /// Returns the results of the last command in dbt's log that ran nodes. `is_here` receives the target folder of a
    /// command, if known, and returns whether to consider the command. The log has no dates, so `metadata` is empty.
    #[must_use]
    pub fn from_log(log: &str, is_here: impl Fn(Option<&str>) -> bool) -> Option<Self> {
        let mut last = None;
        let mut section = CommandLog::default();
        for line in log.lines() {
            let json: Option<Value> = line.starts_with('{').then(|| serde_json::from_str(line).ok()).flatten();
            let text = |key: &str| json.as_ref().and_then(|json| json.get("info")?.get(key)?.as_str());
            let fields = text("thread").zip(text("msg")).or_else(|| thread_and_message(line));
            let Some((thread, message)) = fields else { continue };
            if message.starts_with("Running with dbt=") {
                section = CommandLog::default();
            } else if message.starts_with("running dbt with arguments") {
                section.is_here = is_here(target_path(message));
            } else if let Some(command) = message.strip_prefix("Command `") {
                let command = command
                    .split('`')
                    .next()
                    .and_then(|command| command.split(' ').next_back());
                section.results.which = command.map(str::to_owned);
                let ended = std::mem::take(&mut section);
                if ended.is_here && ended.results.is_run_command() {
                    last = Some(ended.results);
                }
            } else if let Some(node) = message.strip_prefix("Finished running node ") {
                if let Some(status) = section.statuses.remove(thread) {
                    let unique_id = Arc::from(node.trim_end());
                    section.results.results.push(RunResult {
                        unique_id,
                        status,
                        ..RunResult::default()
                    });
                }
            } else if let Some(status) = status_from_log_message(message) {
                section.statuses.insert(thread.to_owned(), status);
            }
        }
        last
    }
}

/// Returns the thread and the message from a log line such as `16:36:33.620702 [error] [Thread-2 (]: MESSAGE`.
fn thread_and_message(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once("] [")?;
    rest.split_once("]: ")
}

/// Returns the target folder from a string such as `'target_path': 'target/prod'`. Returns `None` if the text contains
/// `'None'`, which means that no target folder is set.
fn target_path(message: &str) -> Option<&str> {
    let (_, value) = message.split_once("'target_path': '")?;
    value.split('\'').next().filter(|path| *path != "None")
}

fn status_from_log_message(message: &str) -> Option<Status> {
    let mut words = message.split(' ');
    words.next()?.parse::<u32>().ok()?;
    words.next().filter(|word| *word == "of")?;
    words.next()?.parse::<u32>().ok()?;
    let word = words.next()?;
    LOG_STATUS_WORDS
        .iter()
        .find(|(status_word, _)| *status_word == word)
        .map(|(_, status)| status.clone())
}
