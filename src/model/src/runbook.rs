//! Runbooks: Markdown whose headings are steps and whose fenced blocks may be live.

mod live;

use jiff::civil::Date;
use serde::Serialize;

use crate::alarm::Severity;
use crate::problem::Place;

pub use live::{Act, Action, Gate, Live, Role, Test};

/// One runbook.
#[derive(Debug, Clone, PartialEq)]
pub struct Runbook {
    /// File stem; what alarms refer to.
    pub stem: String,
    /// Front matter `title`.
    pub title: String,
    /// Front matter `owner`.
    pub owner: String,
    /// Front matter `services`.
    pub services: Vec<String>,
    /// Front matter `severity`.
    pub severity: Option<Severity>,
    /// Front matter `reviewed`.
    pub reviewed: Option<Date>,
    /// Markdown before the first heading.
    pub intro: String,
    /// In the order of the file.
    pub steps: Vec<Step>,
    /// The file.
    pub place: Place,
}

impl Runbook {
    /// The step with this slug.
    pub fn step(&self, slug: &str) -> Option<&Step> {
        self.steps.iter().find(|s| s.slug == slug)
    }
}

/// One heading and what stands under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The heading's text without markup.
    pub heading: String,
    /// As GitHub slugs it, unique in the file.
    pub slug: String,
    /// 1 to 6.
    pub level: u8,
    /// The Markdown under the heading, live blocks included.
    pub markdown: String,
    /// The live blocks in it.
    pub blocks: Vec<Block>,
    /// Where the heading stands.
    pub place: Place,
}

impl Step {
    /// The action of this name; a step has one of each at most.
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.blocks.iter().find_map(|block| match &block.live {
            Some(Live::Action(action)) if action.act.name() == name => Some(&**action),
            _ => None,
        })
    }
}

/// A live block: what the words after the opening fence say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// The text inside the fence.
    pub text: String,
    /// What the text says; `None` where it cannot be understood, which is an error of the file.
    #[serde(skip)]
    pub live: Option<Live>,
    /// Where its fence opens.
    #[serde(skip)]
    pub place: Place,
}

/// The kinds of live block; any other fence is prose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// `query metrics`
    QueryMetrics,
    /// `query logs`
    QueryLogs,
    /// `query traces`
    QueryTraces,
    /// `query alarms`
    QueryAlarms,
    /// `action NAME`
    Action(String),
    /// `expect`: what a good answer looks like.
    Expect,
}
