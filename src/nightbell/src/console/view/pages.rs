//! Long lists, tasks, and the reference of the API.

use model::Time;

use super::{AlarmRow, IncidentRow};

/// Where a page of a long list stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paging {
    /// From 1.
    pub page: usize,
    /// How many pages.
    pub pages: usize,
    /// The one before.
    pub previous: Option<String>,
    /// The one after.
    pub next: Option<String>,
}

impl Paging {
    /// The page of a list of `count`, `size` a page, and its first and last row; a page beyond
    /// the end is the last. `href` makes the address of a page.
    pub fn of(
        count: usize,
        size: usize,
        wanted: usize,
        href: impl Fn(usize) -> String,
    ) -> (Paging, std::ops::Range<usize>) {
        let pages = count.div_ceil(size).max(1);
        let page = wanted.clamp(1, pages);
        let from = (page - 1) * size;
        let paging = Paging {
            page,
            pages,
            previous: (page > 1).then(|| href(page - 1)),
            next: (page < pages).then(|| href(page + 1)),
        };
        (paging, from..(from + size).min(count))
    }
}

/// `/alarms`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlarmsPage {
    /// In the order shown.
    pub rows: Vec<AlarmRow>,
    /// How many the filter lets through.
    pub found: usize,
    /// What is shown.
    pub filter: AlarmsFilter,
    /// The services that there are.
    pub services: Vec<String>,
    /// Where the page stands.
    pub paging: Paging,
}

/// Which alarms are shown; what is empty lets all through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlarmsFilter {
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// Their service.
    pub service: String,
    /// Words of name and description.
    pub words: String,
}

/// `/incidents`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IncidentsPage {
    /// In the order shown: open ones first.
    pub rows: Vec<IncidentRow>,
    /// When those began that are open and not on this page.
    pub others: Vec<Time>,
    /// Where the page stands.
    pub paging: Paging,
}

/// A row of `/tasks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Its name.
    pub name: String,
    /// What the last run came to.
    pub summary: String,
    /// What was wrong with it.
    pub error: Option<String>,
    /// When it last ran.
    pub last: Option<Time>,
    /// When it runs next.
    pub next: Time,
    /// Whether it runs now.
    pub running: bool,
    /// How often it ran.
    pub runs: u64,
    /// How often it failed.
    pub failures: u64,
}

/// `/reference`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReferencePage {
    /// What the API is.
    pub description: String,
    /// Operations by tag.
    pub groups: Vec<OperationGroup>,
    /// Name and JSON Schema.
    pub schemas: Vec<(String, String)>,
}

/// Operations of one tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationGroup {
    /// The tag.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// In the order of the document.
    pub operations: Vec<OperationView>,
}

/// One operation of the API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationView {
    /// Unique.
    pub id: String,
    /// `GET`
    pub method: String,
    /// With the base.
    pub path: String,
    /// In a few words.
    pub summary: String,
    /// More of it.
    pub description: String,
    /// What it takes.
    pub parameters: Vec<ParameterView>,
    /// The schema of its body.
    pub body: Option<String>,
    /// Status and what it means.
    pub answers: Vec<(String, String)>,
    /// A call in a shell.
    pub example: String,
}

/// One parameter of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParameterView {
    /// Its name.
    pub name: String,
    /// `query` or `path`.
    pub place: String,
    /// `string`, `integer`, ...
    pub kind: String,
    /// Whether it has to be given.
    pub required: bool,
    /// What it means.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::Paging;

    #[test]
    fn every_row_is_on_one_page_and_no_page_lies_beyond() {
        let check = |count, wanted, page, pages, rows: std::ops::Range<usize>| {
            let (paging, range) = Paging::of(count, 50, wanted, |p| format!("?page={p}"));
            assert_eq!(
                (paging.page, paging.pages, range),
                (page, pages, rows),
                "{count} {wanted}"
            );
        };
        check(0, 1, 1, 1, 0..0);
        check(50, 1, 1, 1, 0..50);
        check(51, 2, 2, 2, 50..51);
        check(5_000, 999, 100, 100, 4_950..5_000);
        check(10, 0, 1, 1, 0..10);
    }
}
