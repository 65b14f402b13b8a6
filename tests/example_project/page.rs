//! Runs Markdown pages. Readers see ordinary fenced blocks. The text after the language of a block specifies its use:
//!
//! - `console`: lines with `$` are commands, and the other lines are their output, including errors;
//! - `yaml > FILE`: the contents of a file, or, with `>>`, text that is added to the end of a file;
//! - `sql $ COMMAND`: the standard output of a command;
//! - any other block is only displayed.
//!
//! If `FORMULAC_WRITE=1` is set, the output of the commands is written to the page.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::project::read;
use crate::shell::{Shell, mask_output};
use crate::tools::write;

/// A step on a page.
pub enum Step {
    /// A command with its output.
    Run {
        command: String,
        printed: String,
        is_console: bool,
    },
    /// Text that is written to a file or appended to it.
    Put { file: String, is_added: bool, text: String },
    /// Text that is only displayed.
    Told(String),
}

pub fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        steps.push(Step::Told(line.to_owned()));
        let info = line.trim_start_matches('`');
        let (fence, _) = line.split_at(line.len() - info.len());
        if fence.len() < 3 {
            continue;
        }
        // The output of a command may contain code fences.
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != fence).collect();
        let text = body.iter().map(|line| format!("{line}\n")).collect();
        let after_name = info.split_once(' ').map(|(_, rest)| rest);
        match after_name.and_then(|rest| rest.split_once(' ')) {
            _ if info == "console" => steps.extend(console(&body)),
            Some(("$", command)) => {
                steps.push(Step::Run {
                    command: command.to_owned(),
                    printed: text,
                    is_console: false,
                });
            }
            Some((sign @ (">" | ">>"), file)) => {
                steps.push(Step::Put {
                    file: file.to_owned(),
                    is_added: sign == ">>",
                    text,
                });
            }
            _ => steps.extend(body.iter().map(|line| Step::Told((*line).to_owned()))),
        }
        steps.push(Step::Told(fence.to_owned()));
    }
    steps
}

fn console(body: &[&str]) -> Vec<Step> {
    let mut steps = Vec::new();
    for line in body {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                steps.push(Step::Run {
                    command: command.to_owned(),
                    printed: String::new(),
                    is_console: true,
                });
            }
            (None, Some(Step::Run { printed, .. })) => {
                printed.push_str(line);
                printed.push('\n');
            }
            _ => panic!("{line:?} stands before any command"),
        }
    }
    steps
}

pub fn page(steps: &[Step]) -> String {
    let one = |step: &Step| match step {
        Step::Run {
            command,
            printed,
            is_console: true,
        } => format!("$ {command}\n{printed}"),
        Step::Run { printed: text, .. } | Step::Put { text, .. } => text.clone(),
        Step::Told(line) => format!("{line}\n"),
    };
    steps.iter().map(one).collect()
}

/// A folder in which the commands of a page run.
pub struct Run {
    pub shell: Shell,
    /// Strings that are replaced in commands on another warehouse.
    pub replaced: Vec<(&'static str, &'static str)>,
}

impl Run {
    /// Runs a command. Returns the output, and the exit status if it is not 0.
    pub fn command(&mut self, command: &str) -> String {
        let command = self
            .replaced
            .iter()
            .fold(command.to_owned(), |text, (from, to)| text.replace(from, to));
        let (status, mut printed) = self.shell.run(&command);
        if status != 0 {
            printed.push_str(&format!("[exit {status}]\n"));
        }
        printed
    }

    pub fn put(&self, file: &str, is_added: bool, text: &str) {
        let path = self.shell.folder.join(file);
        let text = self
            .replaced
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        if !is_added {
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the folder can be written");
            return write(&path, &text);
        }
        let mut open = OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap_or_else(|e| panic!("{file}: {e}"));
        open.write_all(text.as_bytes())
            .unwrap_or_else(|e| panic!("{file}: {e}"));
    }

    /// Runs a page, and compares the output of its commands with the page or writes it to the page.
    pub fn run_page(&mut self, page_path: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page_path);
        let is_written = env::var_os("FORMULAC_WRITE").is_some();
        let mut page_steps = steps(&read(&path));
        for step in &mut page_steps {
            match step {
                Step::Run {
                    command,
                    printed,
                    is_console,
                } => {
                    let messages = if *is_console { "" } else { " 2> /dev/null" };
                    let now = self.command(&format!("{command}{messages}"));
                    if mask_output(&now) != mask_output(printed) {
                        assert!(is_written, "`{command}` prints\n{now}\nand {page_path} says\n{printed}");
                        *printed = now;
                    }
                }
                Step::Put { file, is_added, text } => self.put(file, *is_added, text),
                Step::Told(_) => {}
            }
        }
        if is_written {
            write(&path, &page(&page_steps));
        }
    }
}
