//! Which keys may stand where: those that are built, and those of the contract that are not yet.

use super::Loader;
use crate::diag::{Code, Diagnostic, suggest};
use crate::yaml::Node;

pub(super) const MODEL_KEYS: &[&str] = &["model", "description", "from", "steps", "columns", "timezone", "blanks"];
pub(super) const MODEL_LATER: &[&str] = &[
    "config",
    "versions",
    "latest_version",
    "rules",
    "compare",
    "examples",
    "contract",
    "access",
    "group",
    "tags",
    "meta",
    "owner",
    "approvers",
    "today",
    "week_start",
    "fiscal_month_offset",
];
pub(super) const STEP_KEYS: &[&str] =
    &["name", "definitions", "group_by", "order_by", "partition_by", "keep", "where", "having", "limit"];
pub(super) const STEP_LATER: &[&str] = &["joins", "calculations", "pivot_by", "values", "row", "tabs"];
pub(super) const DEFINITION_KEYS: &[&str] = &["formula", "description"];
pub(super) const DEFINITION_LATER: &[&str] = &["data_tests", "tests", "meta"];
pub(super) const COLUMN_KEYS: &[&str] = &["description"];
pub(super) const COLUMN_LATER: &[&str] = &["data_type", "constraints", "data_tests", "tests", "tags", "meta", "omni"];

impl Loader<'_, '_> {
    /// Reports keys that are not known, or not built.
    pub(in crate::spec) fn keys(&mut self, node: &Node, known: &[&[&str]], later: &[&[&str]]) {
        for (key, _) in node.pairs().unwrap_or_default() {
            let Some(text) = key.text() else {
                self.report(
                    Diagnostic::new(Code::UnknownKey, key.span, "a key must be a text")
                        .with_help("write `key: value`, or remove what stands here"),
                );
                continue;
            };
            let among = |lists: &[&[&str]]| lists.iter().any(|l| l.contains(&text));
            if among(known) {
                continue;
            }
            if among(later) {
                self.report(
                    Diagnostic::new(Code::LaterKey, key.span, format!("the key `{text}` is not built yet"))
                        .with_help("leave it out; nothing is ignored in silence"),
                );
                continue;
            }
            let all = known.iter().chain(later).flat_map(|l| l.iter().copied());
            let diagnostic = Diagnostic::new(Code::UnknownKey, key.span, format!("unknown key `{text}`"));
            self.report(match suggest::nearest(text, all) {
                Some(near) => diagnostic.with_help(suggest::similar(near)),
                None => diagnostic.with_help(format!(
                    "the keys here are {}",
                    known.iter().flat_map(|l| l.iter()).map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")
                )),
            });
        }
    }
}
