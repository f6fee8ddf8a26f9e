//! The cases of the suite, a closed set, so that a list of gaps cannot name what is not there.

use std::fmt;
use std::str::FromStr;

macro_rules! cases {
    ($($(#[$doc:meta])* $case:ident = $name:literal),+ $(,)?) => {
        /// One case of the suite, written `port/what-holds`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Case {
            $(#[doc = concat!("`", $name, "`")] $case,)+
        }

        impl Case {
            /// Every case.
            pub const ALL: &[Case] = &[$(Case::$case,)+];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Case::$case => $name,)+
                }
            }
        }
    };
}

cases! {
    AddStartsFromNothing = "documents/add-starts-from-nothing",
    AddGoesDown = "documents/add-goes-down",
    AddIsAtomic = "documents/concurrent-adds-are-all-counted",
    AddKeepsTheRest = "documents/add-keeps-the-rest-of-the-item",
    AddToTextIsInvalid = "documents/add-to-text-is-invalid",
    ItemsAreReadBackWhole = "documents/items-are-read-back-whole",
    PutReplaces = "documents/put-replaces-the-whole-item",
    PutOnlyIfAbsent = "documents/put-only-if-absent-conflicts",
    DeleteForgets = "documents/delete-forgets",
    UnknownItemIsNone = "documents/an-unknown-item-is-none",
    EmptyKeyIsInvalid = "documents/an-empty-key-is-invalid",
    PlainStatistics = "metrics/plain-statistics-of-single-values",
    CountedValues = "metrics/counted-values-weigh",
    StatisticSets = "metrics/statistic-sets-add-up",
    Percentiles = "metrics/percentiles",
    LongerPeriods = "metrics/longer-periods-add-up",
    GapsAreLeftOut = "metrics/buckets-without-data-are-left-out",
    HighResolution = "metrics/high-resolution-answers-seconds",
    UnitsKeepApart = "metrics/units-keep-data-apart",
    SeveralUnits = "metrics/several-units-answer-one-and-say-so",
    DimensionsAreExact = "metrics/dimensions-are-exact",
    QueriesInOrder = "metrics/answers-come-in-order-of-queries",
    ListFilters = "metrics/list-filters",
    BadDataAreInvalid = "metrics/bad-data-are-invalid",
    EventsNewestFirst = "logs/events-come-newest-first",
    TermsMustAllOccur = "logs/all-terms-must-occur-as-written",
    SpansAreHalfOpen = "logs/spans-are-half-open",
    EventsHaveStreams = "logs/events-name-their-stream",
    UnknownGroupIsEmpty = "logs/an-unknown-group-is-empty",
    GroupsAreListed = "logs/groups-are-listed",
    SegmentsInOrder = "traces/segments-come-in-order-of-start",
    SummaryOfTheRoot = "traces/a-summary-tells-of-the-root",
    FailedTraces = "traces/only-failed-ones-when-asked",
    TracesByService = "traces/those-that-touch-a-service",
    InProgress = "traces/one-in-progress-has-no-duration",
    BadSegments = "traces/an-unusable-segment-is-named-and-the-others-stay",
    UnknownTraceIsEmpty = "traces/an-unknown-trace-is-empty",
    NewAlarms = "alarms/new-ones-have-insufficient-data",
    KnownAlarmsStay = "alarms/known-ones-keep-their-state",
    RecordChangesState = "alarms/record-changes-state-and-reason",
    RecordIsAllOrNone = "alarms/record-is-all-or-none",
    TransitionsInOrder = "alarms/transitions-come-oldest-first-after-a-sequence",
    HistoryOfOne = "alarms/history-of-one-comes-newest-first",
    DeletedAlarms = "alarms/deleted-ones-leave-their-history",
    AppendAnswersSequence = "journal/append-answers-the-last-sequence",
    JournalInOrder = "journal/entries-come-back-in-order",
    JournalLimit = "journal/reading-goes-on-where-it-stopped",
    PublishAnswersId = "topics/publish-answers-an-id",
    SameKeyOnce = "topics/the-same-key-is-delivered-once",
    BadSubjects = "topics/bad-subjects-are-invalid",
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Case, String> {
        Case::ALL
            .iter()
            .copied()
            .find(|c| c.as_str() == text)
            .ok_or_else(|| format!("the contract has no case `{text}`"))
    }
}
