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
    AppendIfLast = "journal/append-if-the-last-is-still-the-last",
    LeaseIsGranted = "leases/a-free-one-is-granted",
    LeaseRace = "leases/of-many-that-ask-at-once-one-gets-it",
    LeaseExpires = "leases/an-expired-one-goes-to-the-next-under-a-larger-fence",
    LeaseIsRenewed = "leases/renewing-keeps-the-fence",
    LeaseIsLost = "leases/a-lost-one-is-not-renewed-and-not-released",
    LeaseIsReleased = "leases/a-released-one-is-free-at-once",
    PublishAnswersId = "topics/publish-answers-an-id",
    SameKeyOnce = "topics/the-same-key-is-delivered-once",
    BadSubjects = "topics/bad-subjects-are-invalid",
    AlarmsAreWhole = "control_plane/alarms-are-described-as-they-were-put",
    AlarmsOverPages = "control_plane/alarms-and-tags-are-listed-over-pages",
    PutKeepsState = "control_plane/a-second-put-replaces-all-but-state-and-tags",
    TagsOfAlarms = "control_plane/tags-come-and-go",
    ActionsSwitch = "control_plane/actions-are-switched",
    DeletedAlarmsAreGone = "control_plane/deleted-alarms-are-gone-with-their-tags",
    CompositesHold = "control_plane/composites-hold-their-children",
    DashboardsAreVerbatim = "control_plane/dashboards-are-kept-as-they-were-put",
    UnknownDashboards = "control_plane/unknown-dashboards-are-told",
    KnownTopics = "control_plane/topics-that-exist-are-read",
    ActionsAreRecorded = "control_plane/what-became-of-actions-is-recorded",
    TrailNames = "control_plane/the-trail-names-who-wrote",
    UpdateChanges = "items/update-sets-removes-and-adds",
    UpdateConditions = "items/conditions-hold-or-conflict",
    UpdateOfTextIsInvalid = "items/adding-to-text-is-invalid-and-changes-nothing",
    RemoveAnswers = "items/remove-answers-what-was-removed",
    TransactAllOrNone = "items/a-transaction-is-all-or-none",
    TransactItemTwice = "items/no-item-twice-in-a-transaction",
    QueryInOrder = "items/an-index-answers-in-order-and-bounds",
    QueryPages = "items/pages-of-an-index-go-on",
    IndexFollows = "items/an-index-follows-its-items",
    ScanFindsAll = "items/a-scan-finds-every-item-once",
    ObjectsAreReadBack = "objects/objects-are-read-back-whole",
    ObjectsAreReplaced = "objects/put-replaces",
    ObjectsOnlyIfAbsent = "objects/put-only-if-absent-conflicts",
    UnknownObjectIsNone = "objects/an-unknown-object-is-none",
    LargeObjectIsFull = "objects/an-object-over-the-limit-is-full",
    ObjectsDelete = "objects/delete-forgets-and-takes-unknown-keys",
    ObjectsList = "objects/lists-come-in-order-of-key-and-go-on",
    ObjectsSign = "objects/signed-addresses-differ-and-have-a-longest-time",
    BadObjectKeys = "objects/bad-keys-are-invalid",
    MessagesTravel = "queues/messages-travel-with-their-attributes",
    ReceivedIsHidden = "queues/a-received-message-is-hidden",
    GivenBackComesAgain = "queues/what-is-given-back-comes-again-and-counts",
    DeletedStaysAway = "queues/a-deleted-message-stays-away",
    OldReceipts = "queues/old-receipts-delete-quietly-and-extend-not",
    DelayedIsNotDue = "queues/a-delayed-message-is-not-due",
    ReceivesAreLimited = "queues/no-more-than-asked-for",
    DeadLetters = "queues/too-often-received-goes-to-the-dead-letters",
    DeadLettersReturn = "queues/dead-letters-go-back-on-redrive",
    BadMessages = "queues/bad-messages-are-invalid",
    UnknownQueue = "queues/an-unknown-queue-is-not-found",
    SecretIsAnswered = "secrets/a-secret-is-answered-and-shows-itself-to-nobody",
    UnknownSecret = "secrets/an-unknown-secret-is-not-found",
    MailAnswersId = "mail/send-answers-an-id",
    MailSameKeyOnce = "mail/the-same-key-is-sent-once",
    MailBadAddress = "mail/bad-addresses-are-invalid",
    TextAnswersId = "texts/text-answers-an-id",
    TextBadNumber = "texts/bad-numbers-are-invalid",
    EmailWaits = "subscriptions/a-mail-address-waits-for-its-confirmation",
    SmsWaitsNot = "subscriptions/a-telephone-number-does-not-wait",
    UnsubscribeForgets = "subscriptions/unsubscribe-forgets-and-takes-unknown-ones",
    SubscribeAgain = "subscriptions/the-same-endpoint-is-subscribed-once",
    BadTokens = "subscriptions/a-wrong-token-confirms-nothing",
    BadEndpoints = "subscriptions/bad-endpoints-are-invalid",
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
