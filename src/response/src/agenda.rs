//! What is due, and when: one incident's next steps as a pure function of its status.
//!
//! `decide` carries out every item whose time has come and asks again until none is left; the
//! engine keeps the earliest time of each incident in its due queue. As both ask this one function,
//! deciding twice decides nothing new, and the engine always knows when to wake.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use model::Time;

use crate::case::{Case, Status};
use crate::receipt::Name;
use crate::rules::{Node, Rules};

/// How many alarms of an incident are open, and how far each receiver's belief is off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Open alarms.
    pub open: usize,
    /// Open alarms that nothing keeps quiet.
    pub loud: usize,
    /// By receiver that was told.
    pub news: BTreeMap<String, News>,
}

/// What a receiver does not know yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct News {
    /// Open, not kept quiet, and not told.
    pub fresh: usize,
    /// Told, and no longer open.
    pub gone: usize,
}

impl Counts {
    /// Counts from the whole case; `quiet` says which alarms are kept quiet.
    pub fn of(case: &Case, quiet: impl Fn(&str) -> bool) -> Counts {
        let loud = case.open.iter().filter(|alarm| !quiet(alarm)).count();
        let mut counts = Counts {
            open: case.open.len(),
            loud,
            news: BTreeMap::new(),
        };
        for (receiver, told) in &case.status.told {
            let mut news = News::default();
            apart(
                case.open.iter(),
                told.about.iter(),
                |alarm, open| match open {
                    true => news.fresh += usize::from(!quiet(alarm)),
                    false => news.gone += 1,
                },
            );
            counts.news.insert(receiver.clone(), news);
        }
        counts
    }

    /// An alarm opened or closed.
    pub fn flip(&mut self, status: &Status, alarm: &str, open: bool, quiet: bool) {
        step(&mut self.open, open);
        if !quiet {
            step(&mut self.loud, open);
        }
        for (receiver, told) in &status.told {
            let news = self.news.entry(receiver.clone()).or_default();
            if told.about.contains(alarm) {
                step(&mut news.gone, !open);
            } else if !quiet {
                step(&mut news.fresh, open);
            }
        }
    }

    /// An open alarm became quiet or stopped being so.
    pub fn hush(&mut self, status: &Status, alarm: &str, quiet: bool) {
        step(&mut self.loud, !quiet);
        for (receiver, told) in &status.told {
            if !told.about.contains(alarm) {
                let news = self.news.entry(receiver.clone()).or_default();
                step(&mut news.fresh, !quiet);
            }
        }
    }
}

/// Names what stands in one of two ordered sets only, and whether that is the first. The names of two
/// sets are mostly the same, and then shared, so that nothing of them is compared.
pub(crate) fn apart<'n>(
    a: impl Iterator<Item = &'n Name>,
    b: impl Iterator<Item = &'n Name>,
    mut only: impl FnMut(&'n Name, bool),
) {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        let order = match Name::ptr_eq(x, y) {
            true => Ordering::Equal,
            false => x.cmp(y),
        };
        match order {
            Ordering::Less => only(x, true),
            Ordering::Greater => only(y, false),
            Ordering::Equal => {}
        }
        if order.is_le() {
            a.next();
        }
        if order.is_ge() {
            b.next();
        }
    }
    a.for_each(|x| only(x, true));
    b.for_each(|y| only(y, false));
}

fn step(count: &mut usize, up: bool) {
    match up {
        true => *count += 1,
        false => *count -= 1,
    }
}

/// A step that is due at a time. Whether a window lets it through is asked when it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    pub at: Time,
    pub receiver: &'a str,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Note that everything is OK.
    Resolve,
    /// Note that everything open is kept quiet.
    KeepQuiet,
    /// The first mail.
    Open,
    /// Something changed.
    Change,
    /// Nothing changed for long.
    Repeat,
    /// Step of `escalate`.
    Escalate(usize),
    /// Somebody acknowledged long ago.
    Remind,
    /// Everything is OK.
    Recover,
}

/// Before every other time.
const AT_ONCE: Time = Time::from_millis(i64::MIN);

/// The earliest item; the order of the arms breaks ties.
pub(crate) fn next<'a>(
    status: &'a Status,
    counts: &Counts,
    node: Option<&'a Node>,
    rules: &Rules,
) -> Option<Item<'a>> {
    next_of(status, counts, node, rules, |_| true)
}

/// The earliest of the items that may be carried out now.
pub(crate) fn next_of<'a>(
    status: &'a Status,
    counts: &Counts,
    node: Option<&'a Node>,
    rules: &Rules,
    may: impl Fn(&Item<'a>) -> bool,
) -> Option<Item<'a>> {
    let mut next: Option<Item<'a>> = None;
    visit(status, counts, node, rules, |item| {
        if next.is_none_or(|n| item.at < n.at) && may(&item) {
            next = Some(item);
        }
    });
    next
}

/// All items, in the order that breaks ties.
pub(crate) fn visit<'a>(
    status: &'a Status,
    counts: &Counts,
    node: Option<&'a Node>,
    rules: &Rules,
    mut item: impl FnMut(Item<'a>),
) {
    // An incident of a route that is no longer there and whose alarms no route takes: recoveries
    // are still told, and at once.
    let interval = node.map_or(Duration::ZERO, |node| node.route.group_interval);
    let not_before = |at: Time, receiver: &str| match node {
        Some(Node {
            window: Some(_), ..
        }) => at.max(status.held_until(receiver).unwrap_or(AT_ONCE)),
        _ => at,
    };
    let mut add = |at: Time, receiver: &'a str, what: What| {
        item(Item {
            at: not_before(at, receiver),
            receiver,
            what,
        });
    };

    if counts.open == 0 {
        if status.resolved.is_none() {
            add(AT_ONCE, "", What::Resolve);
        }
        for (receiver, told) in &status.told {
            if !told.about.is_empty() && rules.has(receiver) {
                add(told.last + interval, receiver, What::Recover);
            }
        }
        return;
    }

    let Some(Node { route, .. }) = node else {
        return;
    };
    let primary = route.receiver.as_str();
    let untold = !status.told.contains_key(primary) && rules.has(primary);
    let first = status.opened + route.group_wait;
    if counts.loud == 0 {
        let noted = status.held.get(primary).is_some_and(|h| h.until.is_none());
        if untold && !noted {
            add(first, primary, What::KeepQuiet);
        }
        return;
    }
    if untold {
        add(first, primary, What::Open);
    }
    for (receiver, told) in &status.told {
        let news = counts.news.get(receiver).copied().unwrap_or_default();
        if !rules.has(receiver) {
            continue;
        }
        if news.fresh > 0 {
            add(told.last + interval, receiver, What::Change);
        } else if news.gone > 0 {
            // Alarms seldom recover at one instant: wait for the others, as for the first mail.
            let settled = status.settling.map(|at| at + route.group_wait);
            let at = (told.last + interval).max(settled.unwrap_or(AT_ONCE));
            add(at, receiver, What::Change);
        } else if status.acknowledged.is_none() && !route.repeat.is_zero() {
            add(told.last + route.repeat, receiver, What::Repeat);
        }
    }
    if let Some((_, taken)) = &status.acknowledged
        && !route.remind.is_zero()
        && rules.has(primary)
        && let Some(told) = status.told.get(primary)
    {
        add(
            (*taken).max(told.last) + route.remind,
            primary,
            What::Remind,
        );
    }
    if let Some(first_mail) = status.first_mail
        && status.acknowledged.is_none()
    {
        for (i, step) in route.escalate.iter().enumerate() {
            if !rules.has(&step.receiver) || escalated(status, node, i) {
                continue;
            }
            add(first_mail + step.after, &step.receiver, What::Escalate(i));
        }
    }
}

/// Whether step `i` has been taken: a receiver can stand on several steps, and takes them in order.
pub(crate) fn escalated(status: &Status, node: Option<&Node>, i: usize) -> bool {
    let steps = node.map_or(&[][..], |n| n.route.escalate.as_slice());
    let receiver = &steps[i].receiver;
    let earlier = steps[..i].iter().filter(|s| s.receiver == *receiver);
    status.escalated.get(receiver).copied().unwrap_or_default() > earlier.count()
}
