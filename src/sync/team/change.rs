//! Comments on a change that is waiting for approval. Each comment is a separate file in `.formulac/approvals/<id>/`.
//! Branches therefore merge without conflicts, and git records the author of each comment.

use std::collections::BTreeMap;
use std::fmt;

use crate::yaml::{self, YamlValue, write_value};
use crate::{content_hash, short_hash};
use formulac_model::email_address;

/// Folder for proposed changes, relative to the project's folder.
pub const APPROVALS_FOLDER: &str = ".formulac/approvals";
/// Maximum number of characters of a change's title that are used in its identifier.
const MAX_ID_LENGTH: usize = 48;

/// Action that a user takes on a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReviewAction {
    /// Request to approve the change.
    Proposed,
    /// Comment on the change.
    Commented,
    /// Approval of the change.
    Approved,
    /// Rejection of the change.
    RejectedSpecs,
}

impl ReviewAction {
    const ALL: [Self; 4] = [Self::Proposed, Self::Commented, Self::Approved, Self::RejectedSpecs];

    /// Returns the name of the action in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Commented => "commented",
            Self::Approved => "approved",
            Self::RejectedSpecs => "rejected",
        }
    }
}

impl fmt::Display for ReviewAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Comment, approval, rejection or proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReviewEvent {
    /// Kind of action.
    pub action: ReviewAction,
    /// Timestamp, such as `2026-11-20T10:00:00Z`.
    pub timestamp: String,
    /// Person, as `Name <address>`.
    pub author: String,
    /// Title of a proposal, or comment of another action. May be empty.
    pub text: String,
    /// Additional text.
    pub additional_text: String,
    /// Environment of a proposal. Empty if no environment is specified.
    pub environment: String,
    /// Branch or revision with which a proposal is compared. Empty for other actions.
    pub base: String,
    /// Hash of the content that the event concerns. Empty for comments.
    pub content: String,
}

impl ReviewEvent {
    /// Creates an event. Set [`ReviewEvent::content`] separately.
    #[must_use]
    pub fn new(action: ReviewAction, at: &str, by: &str, text: &str) -> Self {
        let (at, by, text) = (at.to_owned(), by.to_owned(), strip_control_characters(text));
        let empty = String::new;
        Self {
            action,
            timestamp: at,
            author: by,
            text,
            additional_text: empty(),
            environment: empty(),
            base: empty(),
            content: empty(),
        }
    }

    /// Adds additional text to the event.
    #[must_use]
    pub fn with_additional_text(mut self, more: &str) -> Self {
        self.additional_text = strip_control_characters(more);
        self
    }

    /// Returns the contents of the event's file.
    #[must_use]
    pub fn text(&self) -> String {
        let pairs = [
            ("did", self.action.name()),
            ("at", &self.timestamp),
            ("by", &self.author),
            ("text", &self.text),
            ("more", &self.additional_text),
            ("environment", &self.environment),
            ("base", &self.base),
            ("content", &self.content),
        ];
        let pairs = pairs.into_iter().filter(|(_, text)| !text.is_empty());
        write_value(&YamlValue::map(pairs.map(|(key, text)| (key, YamlValue::text(text)))))
    }

    /// Returns the name of the event's file: the time and the first characters of the hash.
    #[must_use]
    pub fn file_name(&self) -> String {
        let time: String = self.timestamp.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{time}-{}.yml", short_hash(&content_hash(self.text().as_bytes())))
    }

    /// Parses an event from the contents of its file.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not an event, or if the file was edited after it was written.
    pub fn read(name: &str, text: &str) -> Result<Self, &'static str> {
        let text = text.replace('\r', "");
        let root = yaml::parse_root(&text).ok_or("the file does not describe a change")?;
        let scalar = |key: &str| root.text_at(key).unwrap_or_default().to_owned();
        let action = ReviewAction::ALL
            .into_iter()
            .find(|action| action.name() == scalar("did"))
            .ok_or("the file does not describe a change")?;
        let event = Self {
            action,
            timestamp: scalar("at"),
            author: scalar("by"),
            text: scalar("text"),
            additional_text: scalar("more"),
            environment: scalar("environment"),
            base: scalar("base"),
            content: scalar("content"),
        };
        let is_own = name == event.file_name() && event.text() == text;
        if is_own {
            Ok(event)
        } else {
            Err("the file was changed after it was written")
        }
    }
}

/// Change with all its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProposedChange {
    /// Identifier of the change.
    pub id: String,
    /// Events sorted by time.
    pub events: Vec<ReviewEvent>,
}

impl ProposedChange {
    /// Returns the first proposal of the change. `None` if the file of the proposal does not exist.
    #[must_use]
    pub fn proposal(&self) -> Option<&ReviewEvent> {
        self.events.iter().find(|event| event.action == ReviewAction::Proposed)
    }
}

/// Reads changes from pairs of path and contents. Paths are relative to [`APPROVALS_FOLDER`]. Also returns the files
/// that do not contain an event, each with the reason.
///
/// ```
/// use formulac_sync::team::{ReviewEvent, ReviewAction, parse_changes};
///
/// let event = ReviewEvent::new(ReviewAction::Commented, "2026-11-20T10:00:00Z", "Ann <a@example.com>", "right");
/// let path = format!("revenue/{}", event.file_name());
/// assert_eq!(parse_changes([(path.clone(), event.text())]).0[0].events, [event.clone()]);
/// assert_eq!(parse_changes([(path, event.text().replace("right", "wrong"))]).1.len(), 1);
/// ```
#[must_use]
pub fn parse_changes(
    files: impl IntoIterator<Item = (String, String)>,
) -> (Vec<ProposedChange>, Vec<(String, &'static str)>) {
    let mut found: BTreeMap<String, Vec<ReviewEvent>> = BTreeMap::new();
    let mut faults = Vec::new();
    for (path, text) in files {
        let (id, name) = path.rsplit_once('/').unwrap_or(("", &path));
        match ReviewEvent::read(name, &text) {
            Ok(event) => found.entry(id.to_owned()).or_default().push(event),
            Err(fault) => faults.push((path, fault)),
        }
    }
    let change = |(id, mut events): (String, Vec<ReviewEvent>)| {
        events.sort_by(|one, other| (&one.timestamp, one.file_name()).cmp(&(&other.timestamp, other.file_name())));
        ProposedChange { id, events }
    };
    (found.into_iter().map(change).collect(), faults)
}

/// Removes terminal control characters from text that a user typed.
fn strip_control_characters(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    text.trim().to_owned()
}

/// Returns a unique identifier for a change. The identifier is derived from the change's title and consists of letters,
/// digits and `-`.
#[must_use]
pub fn unique_change_id(title: &str, is_name_used: impl Fn(&str) -> bool) -> String {
    let plain: String = title
        .chars()
        .map(|c| {
            if c.is_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(MAX_ID_LENGTH).collect();
    let name = name.trim_end_matches('-');
    let name = if name.is_empty() { "change" } else { name };
    let numbered = (2_usize..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|id| !is_name_used(id))
        .unwrap_or_default()
}

/// Returns `true` if both strings refer to the same person.
#[must_use]
pub fn is_same_person(one: &str, other: &str) -> bool {
    email_address(one).eq_ignore_ascii_case(email_address(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_derive_from_titles() {
        for (title, expected) in [
            (
                "Quarter before by the calendar, not by rows",
                "quarter-before-by-the-calendar-not-by-rows",
            ),
            ("../../etc/passwd", "etc-passwd"),
            ("…", "change"),
            ("taken", "taken-3"),
            ("Größe", "größe"),
        ] {
            assert_eq!(
                unique_change_id(title, |id| matches!(id, "taken" | "taken-2")),
                expected
            );
        }
    }

    #[test]
    fn event_texts_round_trip() {
        let mut event = ReviewEvent::new(
            ReviewAction::Proposed,
            "2026-11-20T10:00:00Z",
            "A: \"b\" <a@b>",
            " x\n- y: {{ z }} # \u{7} ",
        )
        .with_additional_text("no\r\n\nmore");
        assert_eq!(
            (event.text.as_str(), event.additional_text.as_str()),
            ("x\n- y: {{ z }} #", "no\n\nmore")
        );
        event.base = "main".to_owned();
        event.content = "ab".to_owned();
        assert_eq!(ReviewEvent::read(&event.file_name(), &event.text()), Ok(event.clone()));
        assert_eq!(
            ReviewEvent::read(&event.file_name(), &event.text().replace('\n', "\r\n")),
            Ok(event.clone())
        );
        assert!(ReviewEvent::read("x.yml", &event.text()).is_err());
        assert!(ReviewEvent::read(&event.file_name(), &format!("{}x: 1\n", event.text())).is_err());
    }
}
