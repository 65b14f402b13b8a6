//! The commands, one file or folder per command. `sync` contains the commands that keep specs and dbt files in
//! sync: `plan`, `push`, `adopt`, `resolve`, `log` and `rollback`.

pub(super) mod authorize;
pub(super) mod change;
pub(super) mod check;
pub(super) mod compile;
pub(super) mod doctor;
pub(super) mod env;
pub(super) mod explain;
pub(super) mod extract;
pub(super) mod functions;
pub(super) mod generate;
pub(super) mod impact;
pub(super) mod init;
pub(super) mod json_schema;
pub(super) mod lineage;
pub(super) mod model;
pub(super) mod preview;
pub(super) mod promote;
pub(super) mod prove;
pub(super) mod pull;
pub(super) mod pull_report;
pub(super) mod query;
pub(super) mod release;
pub(super) mod status;
pub(super) mod sync;
pub(super) mod verify;
