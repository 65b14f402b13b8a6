//! What a change touches, in a generated manifest of 10,000 models, 200,000 columns and 40,000 tests: the whole command
//! for a model in the middle and for one that everything reads, cold and with what the command keeps of the manifest.
//!
//!     cargo bench --bench impact              the report
//!     cargo bench --bench impact -- --check   exit status 1 when the goal, half a second, is missed

#![allow(missing_docs, reason = "a program")]
#![allow(clippy::expect_used, reason = "a bench that cannot run should stop")]

mod manifest;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

const GOAL: f64 = 0.5;
/// The best of so many calls counts.
const CALLS: usize = 5;

/// Seconds that a command takes, and bytes that it prints.
fn call(folder: &Path, args: &[&str]) -> (f64, usize) {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_formulac")).args(args).current_dir(folder).output();
    let output = output.expect("the command must run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (start.elapsed().as_secs_f64(), output.stdout.len())
}

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("impact");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("target")).expect("the folder must be made");
    fs::write(folder.join("dbt_project.yml"), "name: shop\nprofile: shop\n").expect("the file must be written");
    let text = manifest::generated(manifest::MODELS);
    fs::write(folder.join("target/manifest.json"), &text).expect("the file must be written");
    println!("a manifest of {:.0} MB", text.len() as f64 / 1e6);
    let mut is_missed = false;
    for (name, form) in [
        ("model_9000.column_3", "tree"),
        ("model_100.column_3", "tree"),
        ("model_1.column_3", "tree"),
        ("model_1", "tree"),
        ("model_1.column_3", "json"),
        ("model_1.column_3", "html"),
    ] {
        let args = ["impact", name, "--format", form];
        let _ = fs::remove_dir_all(folder.join(".formulac"));
        let (cold, bytes) = call(&folder, &args);
        let warm = (0..CALLS).map(|_| call(&folder, &args).0).fold(f64::INFINITY, f64::min);
        println!("impact {name} as {form}: {:.1} kB, cold {cold:.2} s, then {warm:.2} s", bytes as f64 / 1e3);
        is_missed |= warm > GOAL;
    }
    let is_checked = std::env::args().any(|argument| argument == "--check");
    if is_checked && is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
