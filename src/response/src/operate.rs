//! Actions of runbooks: how far one is, and who may do what about it.
//!
//! Everything stands on the timeline: proposed with its dry run, confirmed or approved by a second
//! person, started, ended, verified. A proposal that nobody agrees to expires, and then nothing is
//! done.

use std::collections::BTreeMap;
use std::time::Duration;

use model::runbook::{Action, Gate, Role};
use model::{Entry, IncidentId, RunbookRef, State, Step, Time};

use crate::engine::Engine;

/// A proposal can be agreed to for this long.
pub const AGREE_WITHIN: Duration = Duration::from_secs(15 * 60);

/// How far an action of a step is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stand {
    /// Nobody wants it.
    #[default]
    Idle,
    /// Somebody wants it.
    Proposed(Proposal),
    /// It was agreed to and is about to run.
    Agreed {
        /// What was agreed to.
        proposal: Proposal,
        /// By whom.
        by: String,
    },
    /// It runs.
    Running {
        /// Since when.
        since: Time,
        /// When it ends by itself.
        ends: Option<Time>,
        /// Who agreed.
        by: String,
    },
    /// It ended well.
    Finished {
        /// When.
        at: Time,
        /// Whether it was looked at whether it worked.
        verified: Option<bool>,
    },
    /// It was refused, failed, or was stopped.
    Ended {
        /// When.
        at: Time,
        /// Why.
        because: String,
    },
}

/// What somebody wants to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Who.
    pub by: String,
    /// When.
    pub at: Time,
    /// Its parameters then.
    pub parameters: BTreeMap<String, String>,
    /// What the dry run said.
    pub dry_run: String,
    /// After this it can no longer be agreed to.
    pub expires: Time,
}

/// An action of a step, as entries name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActionRef {
    /// The runbook and its step.
    pub runbook: RunbookRef,
    /// `redrive`
    pub action: String,
}

/// The name of the action that a step's entry is about.
pub fn action_of(step: &Step) -> Option<&str> {
    match step {
        Step::Looked { .. } => None,
        Step::Proposed { action, .. }
        | Step::Approved { action }
        | Step::Refused { action, .. }
        | Step::Expired { action }
        | Step::Started { action, .. }
        | Step::Finished { action, .. }
        | Step::Failed { action, .. }
        | Step::Stopped { action, .. }
        | Step::Verified { action, .. } => Some(action),
    }
}

impl Stand {
    /// After one more entry.
    pub fn then(self, step: &Step, by: &str, at: Time) -> Stand {
        let ended = |because: &str| Stand::Ended {
            at,
            because: because.into(),
        };
        match (step, self) {
            (
                Step::Proposed {
                    parameters,
                    dry_run,
                    expires,
                    ..
                },
                _,
            ) => Stand::Proposed(Proposal {
                by: by.into(),
                at,
                parameters: parameters.clone(),
                dry_run: dry_run.clone(),
                expires: *expires,
            }),
            (Step::Approved { .. }, Stand::Proposed(proposal)) => Stand::Agreed {
                proposal,
                by: by.into(),
            },
            (Step::Started { ends, .. }, Stand::Agreed { by, .. }) => Stand::Running {
                since: at,
                ends: *ends,
                by,
            },
            (Step::Finished { .. }, _) => Stand::Finished { at, verified: None },
            (Step::Verified { passed, .. }, Stand::Finished { at, .. }) => Stand::Finished {
                at,
                verified: Some(*passed),
            },
            (Step::Refused { because, .. }, _) => ended(because),
            (Step::Expired { .. }, _) => ended("nobody agreed in time"),
            (Step::Failed { error, .. }, _) => ended(error),
            (Step::Stopped { because, .. }, _) => ended(because),
            (_, stand) => stand,
        }
    }

    /// Whether something is still to be done about it.
    pub fn is_under_way(&self) -> bool {
        matches!(
            self,
            Stand::Proposed(_) | Stand::Agreed { .. } | Stand::Running { .. }
        )
    }

    /// Whether it can be proposed now; the error is a lowercase fragment.
    pub fn may_propose(&self, now: Time) -> Result<(), String> {
        match self {
            Stand::Proposed(p) if p.expires > now => Err(format!(
                "{} has proposed it already; confirm or refuse that",
                p.by
            )),
            Stand::Agreed { .. } => Err("it is about to run".into()),
            Stand::Running { .. } => Err("it runs already; stop it first".into()),
            _ => Ok(()),
        }
    }

    /// Whether somebody may let it run now. What has expired is closed: it has to be proposed anew.
    pub fn may_agree(&self, gate: Gate, by: &str, now: Time) -> Result<&Proposal, String> {
        let proposal = match self {
            Stand::Proposed(proposal) => proposal,
            Stand::Agreed { .. } | Stand::Running { .. } => {
                return Err("it has been agreed to already".into());
            }
            _ => {
                return Err(
                    "nobody has proposed it; propose it first, to see what it would do".into(),
                );
            }
        };
        if proposal.expires <= now {
            return Err(format!(
                "the proposal expired at {} UTC; propose it anew",
                proposal.expires.clock()
            ));
        }
        match gate {
            Gate::Approve(role) if same_person(&proposal.by, by) => Err(format!(
                "{by} proposed it; a second person ({}) has to approve it",
                role.as_str()
            )),
            _ => Ok(proposal),
        }
    }
}

/// Whether people of a role may let an action run at all. Who merely confirms needs no more than
/// to be let in.
pub fn may_approve(gate: Gate, role: Role) -> Result<(), String> {
    match gate {
        Gate::Approve(needed) if role < needed => Err(format!(
            "approving it takes the role {}; you have the role {}. Ask somebody who has it",
            needed.as_str(),
            role.as_str()
        )),
        _ => Ok(()),
    }
}

/// A name as it stands on the timeline of who has shown who they are: `ada (token laptop)`.
pub fn signed(name: &str, login: Option<&str>) -> String {
    match login {
        Some(login) => format!("{name} ({login})"),
        None => name.into(),
    }
}

/// By their login, where both have shown one: a name is only what somebody typed.
fn same_person(a: &str, b: &str) -> bool {
    fn login(name: &str) -> Option<&str> {
        let (_, login) = name.strip_suffix(')')?.rsplit_once(" (")?;
        Some(login)
    }
    let (a, b) = (a.trim(), b.trim());
    let logins = (login(a), login(b));
    a.eq_ignore_ascii_case(b) || matches!(logins, (Some(a), Some(b)) if a == b)
}

/// Whether what was shown when it was agreed to still holds: the file says the same, and the dry run
/// counts no more than half as much again.
pub fn still_the_same(
    action: &Action,
    proposal: &Proposal,
    counted: Option<u64>,
    counts_now: Option<u64>,
) -> Result<(), String> {
    if action.act.parameters() != proposal.parameters {
        return Err("the runbook was changed since it was proposed".into());
    }
    if let (Some(then), Some(now)) = (counted, counts_now)
        && now > then + (then / 2).max(10)
    {
        return Err(format!(
            "it would touch {now} now, and {then} when it was proposed"
        ));
    }
    Ok(())
}

impl Engine {
    /// How far each action of an incident is.
    pub fn actions(&self, id: &IncidentId) -> BTreeMap<ActionRef, Stand> {
        let mut stands: BTreeMap<ActionRef, Stand> = BTreeMap::new();
        for (_, entry) in self.timeline(id) {
            let Entry::Step {
                runbook,
                step,
                by,
                at,
                ..
            } = &entry
            else {
                continue;
            };
            let Some(action) = action_of(step) else {
                continue;
            };
            let key = ActionRef {
                runbook: runbook.clone(),
                action: action.into(),
            };
            let stand = stands.remove(&key).unwrap_or_default();
            stands.insert(key, stand.then(step, by, *at));
        }
        stands
    }

    /// What got worse in an incident since then: alarms that went to ALARM, apart from those whose
    /// turning is what the action is about. An action that runs is stopped for that.
    pub fn worse_since(&self, id: &IncidentId, since: Time, apart: &[String]) -> Option<String> {
        let incident = self.incident(id)?;
        let worse: Vec<&str> = incident
            .alarms
            .iter()
            .filter(|(name, _)| !apart.contains(name))
            .filter(|(_, alarm)| alarm.state == State::Alarm && alarm.last.at > since)
            .map(|(name, _)| name.as_str())
            .collect();
        (!worse.is_empty()).then(|| {
            format!(
                "{} went to ALARM after it had started",
                crate::words::list(&worse)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use model::runbook::Act;

    use super::*;

    const NOW: Time = Time::from_secs(1_000_000);

    fn proposed() -> Step {
        Step::Proposed {
            action: "redrive".into(),
            parameters: action().act.parameters(),
            dry_run: "12 messages".into(),
            expires: NOW + AGREE_WITHIN,
        }
    }

    fn action() -> Action {
        Action {
            act: Act::Redrive {
                queue: "dlq".into(),
                per_second: 10,
                most: 500,
            },
            gate: Gate::Confirm,
            when: None,
            verify: None,
        }
    }

    fn after(steps: &[(Step, &str)]) -> Stand {
        steps
            .iter()
            .fold(Stand::Idle, |stand, (step, by)| stand.then(step, by, NOW))
    }

    #[test]
    fn a_second_person_has_to_approve_and_whoever_asked_may_confirm() {
        let stand = after(&[(proposed(), "ada")]);
        let check = |gate: Gate, by: &str, later: u64, good: bool| {
            let now = NOW + Duration::from_secs(later);
            let judged = stand.may_agree(gate, by, now);
            assert_eq!(judged.is_ok(), good, "{gate:?} {by} {later}: {judged:?}");
        };
        let approve = Gate::Approve(Role::Responder);
        check(Gate::Confirm, "ada", 0, true);
        check(Gate::Confirm, "bob", 0, true);
        check(approve, "ada", 0, false);
        check(approve, " Ada ", 0, false);
        check(approve, "bob", 0, true);
        check(approve, "bob", 15 * 60 - 1, true);
        // It expires closed.
        check(approve, "bob", 15 * 60, false);
        check(Gate::Confirm, "ada", 15 * 60, false);
    }

    #[test]
    fn whoever_approves_has_the_role_and_a_login_tells_people_apart() {
        let allowed = |gate, role| may_approve(gate, role).is_ok();
        for role in [Role::Viewer, Role::Responder, Role::Admin] {
            assert!(allowed(Gate::Confirm, role));
            let needs = |needed| allowed(Gate::Approve(needed), role);
            assert_eq!(needs(Role::Responder), role != Role::Viewer, "{role:?}");
            assert_eq!(needs(Role::Admin), role == Role::Admin, "{role:?}");
        }
        let refused = may_approve(Gate::Approve(Role::Admin), Role::Responder).unwrap_err();
        assert!(
            refused.contains("takes the role admin") && refused.contains("the role responder"),
            "{refused}"
        );
        let second = |a: &str, b: &str, expect: bool| {
            let stand = after(&[(proposed(), a)]);
            let judged = stand.may_agree(Gate::Approve(Role::Responder), b, NOW);
            assert_eq!(judged.is_ok(), expect, "{a} {b}");
        };
        // Another name with the same login is the same person, whatever stands before it.
        let hands = Some("token hands");
        second(&signed("ada", hands), &signed("bob", hands), false);
        second(
            &signed("ada", hands),
            &signed("bob (token eyes)", hands),
            false,
        );
        second(
            &signed("ada", hands),
            &signed("bob", Some("token eyes")),
            true,
        );
        // The same name with another login is not: two people are called Ada.
        second(
            &signed("ada", hands),
            &signed("ada", Some("token eyes")),
            true,
        );
        second("ada", &signed("bob", hands), true);
        second(&signed("ada", None), &signed("Ada", None), false);
    }

    #[test]
    fn nothing_is_agreed_to_that_was_not_proposed_and_nothing_twice() {
        let approved = || Step::Approved {
            action: "redrive".into(),
        };
        let started = || Step::Started {
            action: "redrive".into(),
            ends: None,
        };
        let agree = |stand: &Stand| stand.may_agree(Gate::Confirm, "bob", NOW).is_ok();
        assert!(!agree(&Stand::Idle));
        // An approval out of nowhere, or after the end, lets nothing run.
        assert_eq!(after(&[(approved(), "bob")]), Stand::Idle);
        let refused = Step::Refused {
            action: "redrive".into(),
            because: "not now".into(),
        };
        let stand = after(&[(proposed(), "ada"), (refused, "bob"), (approved(), "bob")]);
        assert!(matches!(stand, Stand::Ended { .. }) && !agree(&stand));
        let agreed = after(&[(proposed(), "ada"), (approved(), "bob")]);
        assert!(matches!(&agreed, Stand::Agreed { by, .. } if by == "bob") && !agree(&agreed));
        assert!(agreed.may_propose(NOW).is_err());
        let running = after(&[(proposed(), "ada"), (approved(), "bob"), (started(), "bob")]);
        assert!(matches!(running, Stand::Running { .. }) && !agree(&running));
        // What was never agreed to cannot be started.
        assert!(matches!(
            after(&[(proposed(), "ada"), (started(), "ada")]),
            Stand::Proposed(_)
        ));
    }

    #[test]
    fn what_was_shown_has_to_hold_when_it_runs() {
        let Stand::Proposed(proposal) = after(&[(proposed(), "ada")]) else {
            panic!("it was proposed");
        };
        let check = |then: u64, now: u64, good: bool| {
            let judged = still_the_same(&action(), &proposal, Some(then), Some(now));
            assert_eq!(judged.is_ok(), good, "{then} {now}");
        };
        check(12, 12, true);
        check(12, 0, true);
        check(12, 22, true);
        check(12, 23, false);
        check(1_000, 1_501, false);
        let mut changed = action();
        changed.act = Act::Redrive {
            queue: "another".into(),
            per_second: 10,
            most: 500,
        };
        assert!(still_the_same(&changed, &proposal, None, None).is_err());
    }
}
