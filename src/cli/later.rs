//! Subcommands of the contract that later versions bring. They are listed nowhere; calling one says so.

const PLANNED: &[&str] = &["diff", "doctor", "fmt", "lsp"];

/// Whether the contract has a subcommand of this name that is not built yet.
pub fn is_planned(name: &str) -> bool {
    PLANNED.contains(&name)
}
