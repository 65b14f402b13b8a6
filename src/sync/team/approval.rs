//! Checks whether a change has the approvals that its environment and its specs require.

use std::collections::{BTreeMap, VecDeque};

use super::change::{ReviewAction, ReviewEvent, is_same_person};
use crate::yaml::{self, Node};
use formulac_model::People;
use formulac_model::{Right, Role};
use formulac_syntax::diag::lists::join_words;
use formulac_syntax::text::format_count;

/// Approvals that a change requires.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RequiredApproval {
    /// Number of required approvals per role.
    pub roles: Vec<(Role, usize)>,
    /// Specs that specify approvers, each with its path and the names of people and groups. One approval by a named
    /// approver is sufficient.
    pub specs: Vec<(String, Vec<String>)>,
}

/// Approval state of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApprovalState {
    /// People who approved exactly this content and are permitted to do so.
    pub approved: Vec<String>,
    /// People who rejected exactly this content and are permitted to do so.
    pub rejected: Vec<String>,
    /// People whose approval is not valid, each with the reason.
    pub void: Vec<(String, &'static str)>,
    /// Descriptions of missing approvals, for example `1 approval by business`.
    pub lacks: Vec<String>,
}

impl ApprovalState {
    /// Returns `true` if no approval is missing and nobody rejected the change.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.lacks.is_empty() && self.rejected.is_empty()
    }
}

impl RequiredApproval {
    /// Returns `true` if the change requires no approval.
    #[must_use]
    pub fn requires_no_approval(&self) -> bool {
        self.roles.is_empty() && self.specs.is_empty()
    }

    /// Returns `true` if a person may approve or reject the change because of the person's role or because a spec names
    /// the person as an approver.
    #[must_use]
    pub fn can_be_reviewed_by(&self, people: &People, who: &str) -> bool {
        let mut owners = self.specs.iter().flat_map(|(_, names)| names);
        people.rights(who).has_right(Right::Approve) || owners.any(|name| people.is_among(who, name))
    }

    /// Determines the approval state of a change from its comments, its authors and the hash of its current content.
    /// Only each person's last approval or rejection of this content is valid. People cannot approve their own changes,
    /// and each person counts toward one role.
    #[must_use]
    pub fn approval_state(
        &self,
        people: &People,
        events: &[ReviewEvent],
        authors: &[String],
        content: &str,
    ) -> ApprovalState {
        let mut judged: Vec<&ReviewEvent> = events
            .iter()
            .filter(|event| matches!(event.action, ReviewAction::Approved | ReviewAction::RejectedSpecs))
            .collect();
        judged.sort_by(|one, other| one.timestamp.cmp(&other.timestamp));
        let of = |event: &ReviewEvent| formulac_model::email_address(&event.author).to_lowercase();
        let last: BTreeMap<String, &ReviewEvent> = judged
            .iter()
            .filter(|event| event.content == content)
            .map(|event| (of(event), *event))
            .collect();
        let mut standing = ApprovalState::default();
        let earlier: BTreeMap<String, &ReviewEvent> = judged
            .iter()
            .filter(|event| event.action == ReviewAction::Approved && !last.contains_key(&of(event)))
            .map(|event| (of(event), *event))
            .collect();
        standing.void.extend(
            earlier
                .into_values()
                .map(|event| (event.author.clone(), "the change was edited after the approval")),
        );
        for event in last.into_values() {
            let is_author = authors.iter().any(|author| is_same_person(author, &event.author));
            let by = event.author.clone();
            if is_author {
                standing.void.push((by, "users cannot approve their own changes"));
            } else if !self.can_be_reviewed_by(people, &event.author) {
                standing.void.push((by, "the user's role is not permitted to approve"));
            } else if event.action == ReviewAction::Approved {
                standing.approved.push(by);
            } else {
                standing.rejected.push(by);
            }
        }
        standing.lacks = self.missing_approvals(people, &standing.approved);
        standing
    }

    fn missing_approvals(&self, people: &People, approved: &[String]) -> Vec<String> {
        let given = approvals_by_role(people, approved, &self.roles);
        let of_role = self.roles.iter().filter_map(|(role, count)| {
            let missing = count.saturating_sub(given.get(role).copied().unwrap_or_default());
            let approvals = format_count(missing, "approval", "approvals");
            (missing > 0).then(|| format!("{approvals} by {role}"))
        });
        let is_given = |names: &[String]| {
            approved
                .iter()
                .any(|by| names.iter().any(|name| people.is_among(by, name)))
        };
        let of_specs = self.specs.iter().filter(|(_, names)| !is_given(names));
        let of_specs = of_specs.map(|(path, names)| format!("an approval of {path} by {}", join_words(names, "or")));
        of_role.chain(of_specs).collect()
    }
}

/// Returns the number of approvals for each role. Each person counts toward one role. The assignment uses as many
/// approvals as possible.
fn approvals_by_role(people: &People, approved: &[String], required: &[(Role, usize)]) -> BTreeMap<Role, usize> {
    let room: BTreeMap<Role, usize> = required.iter().copied().collect();
    let roles: Vec<Vec<Role>> = approved.iter().map(|by| people.roles(by)).collect();
    let mut counts_for: Vec<Option<Role>> = vec![None; approved.len()];
    for start in 0..approved.len() {
        // Finds the shortest path to a role that needs more approvals. Each step on the path moves a person to a
        // role toward which the person's approval can also count.
        let mut came: BTreeMap<Role, usize> = BTreeMap::new();
        let mut waits = VecDeque::from([start]);
        let mut end = None;
        'search: while let Some(person) = waits.pop_front() {
            for role in roles.get(person).into_iter().flatten().copied() {
                if came.contains_key(&role) || !room.contains_key(&role) {
                    continue;
                }
                came.insert(role, person);
                let holders: Vec<usize> = (0..counts_for.len())
                    .filter(|it| counts_for.get(*it) == Some(&Some(role)))
                    .collect();
                if holders.len() < room.get(&role).copied().unwrap_or_default() {
                    end = Some(role);
                    break 'search;
                }
                waits.extend(holders);
            }
        }
        while let Some(role) = end {
            let Some(person) = came.get(&role).copied() else { break };
            let Some(slot) = counts_for.get_mut(person) else { break };
            end = slot.replace(role);
        }
    }
    let mut given = BTreeMap::new();
    for role in counts_for.into_iter().flatten() {
        *given.entry(role).or_default() += 1;
    }
    given
}

/// Returns the approvers that a spec specifies.
#[must_use]
pub fn approvers_in_spec(spec: &str) -> Vec<String> {
    let root = yaml::parse_root(spec);
    root.as_ref()
        .and_then(|root| root.get("approvers"))
        .map(Node::texts)
        .unwrap_or_default()
}

/// Returns the required approvers for a change to a spec. The approvers come from the earlier version of the spec,
/// because a change must not choose its own approvers. If the earlier version specifies no approvers, they come from
/// the new version.
#[must_use]
pub fn required_approvers_of_spec(before: Option<&str>, now: Option<&str>) -> Vec<String> {
    let names = |text: Option<&str>| text.map(approvers_in_spec).unwrap_or_default();
    match names(before) {
        none if none.is_empty() => names(now),
        names => names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Project;

    const PROJECT: &str = "
groups: {data-team: [a@x, b@x]}
roles: {data-team: engineer, f@x: business, both@x: business, own@x: engineer, n@x: analyst}
";

    fn comment_event(comment: ReviewAction, by: &str, content: &str) -> ReviewEvent {
        let mut event = ReviewEvent::new(comment, "2026-11-20T10:00:00Z", by, "");
        content.clone_into(&mut event.content);
        event
    }

    fn approval_state(events: &[ReviewEvent]) -> ApprovalState {
        let people = Project::from_text(PROJECT).0.people().clone();
        let required_approval = RequiredApproval {
            roles: vec![(Role::Engineer, 1), (Role::Business, 1)],
            specs: Vec::new(),
        };
        required_approval.approval_state(&people, events, &["O <own@x>".to_owned()], "c")
    }

    #[test]
    fn approvals_count_for_exact_content_of_others() {
        use ReviewAction::{Approved, Commented, RejectedSpecs};
        let ok = [
            comment_event(Approved, "Bo <b@x>", "c"),
            comment_event(Approved, "f@x", "c"),
        ];
        assert!(approval_state(&ok).is_approved());
        for (more, lacks, voids, rejects) in [
            (comment_event(Approved, "a@x", "c"), 0, 0, 0),
            // A person's approval of other content has no effect if the person also approved this content.
            (comment_event(Approved, "f@x", "old"), 0, 0, 0),
            (comment_event(Approved, "g@x", "old"), 0, 1, 0),
            (comment_event(Approved, "own@x", "c"), 0, 1, 0),
            (comment_event(Approved, "n@x", "c"), 0, 1, 0),
            (comment_event(RejectedSpecs, "f@x", "c"), 1, 0, 1),
            (comment_event(RejectedSpecs, "f@x", "old"), 0, 0, 0),
            (comment_event(Commented, "f@x", "c"), 0, 0, 0),
        ] {
            let all = approval_state(&[ok.as_slice(), std::slice::from_ref(&more)].concat());
            assert_eq!(
                (all.lacks.len(), all.void.len(), all.rejected.len()),
                (lacks, voids, rejects),
                "{more:?}"
            );
        }
        assert_eq!(
            approval_state(&[]).lacks,
            ["1 approval by engineer", "1 approval by business"]
        );
    }

    #[test]
    fn one_person_counts_for_one_role() {
        let file = "groups: {g: [x@x, y@x]}\nroles: {g: engineer, x@x: business}\n";
        let people = Project::from_text(file).0.people().clone();
        let require = |engineers, business| RequiredApproval {
            roles: vec![(Role::Engineer, engineers), (Role::Business, business)],
            specs: Vec::new(),
        };
        let lacks = |required_approval: RequiredApproval, by: &[&str]| {
            let events: Vec<ReviewEvent> = by
                .iter()
                .map(|by| comment_event(ReviewAction::Approved, by, "c"))
                .collect();
            required_approval.approval_state(&people, &events, &[], "c").lacks
        };
        // In either order, the person with both roles counts toward the role that the other person lacks.
        assert_eq!(lacks(require(1, 1), &["x@x", "y@x"]), Vec::<String>::new());
        assert_eq!(lacks(require(1, 1), &["y@x", "x@x"]), Vec::<String>::new());
        assert_eq!(lacks(require(2, 1), &["x@x", "y@x"]).len(), 1);
        assert_eq!(lacks(require(1, 1), &["x@x"]).len(), 1);
        assert_eq!(
            lacks(require(usize::MAX, 0), &["x@x"]),
            [format!("{} approvals by engineer", usize::MAX - 1)]
        );
    }

    #[test]
    fn specs_name_who_approves_them() {
        assert_eq!(
            approvers_in_spec("model: m\napprovers: [f@x, finance]\n"),
            ["f@x", "finance"]
        );
        assert_eq!(approvers_in_spec("approvers: f@x"), ["f@x"]);
        assert!(approvers_in_spec("[").is_empty());
        let (one, other) = (Some("approvers: a"), Some("approvers: b"));
        for (before, now, required) in [
            (one, other, "a"),
            (one, None, "a"),
            (None, other, "b"),
            (Some("from: t"), other, "b"),
        ] {
            assert_eq!(required_approvers_of_spec(before, now), [required]);
        }
        let people = Project::from_text(PROJECT).0.people().clone();
        let required_approval = RequiredApproval {
            roles: Vec::new(),
            specs: vec![("m.yml".to_owned(), vec!["n@x".to_owned()])],
        };
        let of = |by: &str| {
            required_approval.approval_state(&people, &[comment_event(ReviewAction::Approved, by, "c")], &[], "c")
        };
        // People who are named in a spec may approve changes to it regardless of their roles.
        assert!(of("n@x").is_approved());
        assert_eq!(of("a@x").lacks, ["an approval of m.yml by n@x"]);
    }
}
