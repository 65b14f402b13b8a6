//! Queries the spreadsheet again for the case values that come from it.

use std::path::Path;
use std::process::Command;

use crate::engine::{NOT_INSTALLED, print_directly, python, require};
use crate::files;
use crate::skipped_cases::select_cases;

pub fn run() {
    let Some(python) = python() else {
        return require("SKIPPED the spreadsheet: no Python environment; run tests/setup.sh");
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/check_sheet.py");
    let mut files = files::files_below("cases");
    files.extend(files::files_below("sheets"));
    if files::filter().is_none() {
        files = select_cases(files).collect();
    }
    let output = Command::new(python)
        .arg(script)
        .args(files)
        .output()
        .expect("the script starts");
    let (printed, complaints) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if output.status.code() == Some(NOT_INSTALLED) {
        return require(&format!(
            "SKIPPED the spreadsheet: its values are not checked: {}",
            complaints.trim()
        ));
    }
    assert!(
        output.status.success(),
        "the spreadsheet says otherwise:\n{printed}\n{complaints}"
    );
    print_directly(&format!("spreadsheet: {}", printed.trim()));
}
