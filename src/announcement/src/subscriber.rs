//! Subscribers: how somebody is reached, and whether they want to be.

use model::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fields::{self, FieldError, Fields, Lines, Text};

const ADDRESS: Text = Text {
    longest: 254,
    lines: Lines::One,
};

/// How somebody is reached: one way each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contact {
    /// A mail address.
    Email(String),
    /// A telephone number in E.164 syntax.
    Phone(String),
}

impl Contact {
    /// The address or number, for whoever may see it.
    pub fn address(&self) -> &str {
        match self {
            Contact::Email(text) | Contact::Phone(text) => text,
        }
    }

    /// For logs and traces, which are no place for addresses: `a…@example.org`, `+1…00`.
    pub fn veiled(&self) -> String {
        match self {
            Contact::Email(address) => {
                let (name, host) = address.split_once('@').unwrap_or(("", address));
                let first: String = name.chars().take(1).collect();
                format!("{first}…@{host}")
            }
            Contact::Phone(number) => {
                let end = number.len().saturating_sub(2);
                format!("{}…{}", &number[..2.min(end)], &number[end..])
            }
        }
    }
}

/// Which way somebody is told: one each, so that nobody hears of one event twice.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A mail of our own (SES), with a link to confirm and one to leave.
    #[default]
    Mail,
    /// A text message of our own, with the same links.
    Text,
    /// The SNS topic, whose subscribers SNS asks, tells and lets go by itself.
    Topic,
}

impl Channel {
    /// Its word as a dimension and in dead letters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Channel::Mail => "mail",
            Channel::Text => "text",
            Channel::Topic => "topic",
        }
    }
}

/// A wish to be told, as people send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubscription {
    /// How.
    pub contact: Contact,
    /// About what; about everything when empty.
    pub topics: Vec<String>,
}

impl NewSubscription {
    /// Reads the body of `POST /subscriptions`: `email` or `phone`, and optionally `topics`.
    ///
    /// # Errors
    ///
    /// Every field that cannot be used.
    pub fn read(body: &Value) -> Result<NewSubscription, Vec<FieldError>> {
        let mut fields = Fields::of(body)?;
        let email = fields.optional("email", ADDRESS);
        let phone = fields.optional("phone", ADDRESS);
        let contact = match (email, phone) {
            (Some(email), None) => match fields::email(&email) {
                Ok(email) => Some(Contact::Email(email)),
                Err(detail) => {
                    fields.refuse("email", detail);
                    None
                }
            },
            (None, Some(phone)) => match fields::phone(&phone) {
                Ok(phone) => Some(Contact::Phone(phone)),
                Err(detail) => {
                    fields.refuse("phone", detail);
                    None
                }
            },
            (Some(_), Some(_)) => {
                fields.refuse("phone", "either `email` or `phone`, not both");
                None
            }
            (None, None) => {
                if !fields.refused() {
                    fields.refuse("email", "either `email` or `phone` is needed");
                }
                None
            }
        };
        let topics = fields::topics(&mut fields, "topics");
        fields.finish(|| {
            Some(NewSubscription {
                contact: contact?,
                topics,
            })
        })
    }
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Asked to confirm, and has not.
    Pending,
    /// Confirmed: is told.
    Confirmed,
    /// Wanted no more.
    Unsubscribed,
    /// The address does not exist, or whoever has it complained: never written to again.
    Suppressed,
}

impl Standing {
    /// Its word in the table, in answers and as a dimension.
    pub const fn as_str(self) -> &'static str {
        match self {
            Standing::Pending => "pending",
            Standing::Confirmed => "confirmed",
            Standing::Unsubscribed => "unsubscribed",
            Standing::Suppressed => "suppressed",
        }
    }

    /// What becomes of it; `None` when nothing does.
    ///
    /// A confirmation counts only while it is awaited: an old link must not bring somebody back who
    /// has left. Only whoever subscribes anew comes back, and a suppressed address never does.
    pub const fn after(self, step: Step) -> Option<Standing> {
        match (self, step) {
            (Standing::Pending, Step::Confirm) => Some(Standing::Confirmed),
            (Standing::Unsubscribed, Step::Ask) => Some(Standing::Pending),
            (Standing::Pending | Standing::Confirmed, Step::Leave) => Some(Standing::Unsubscribed),
            (Standing::Suppressed, _) => None,
            (_, Step::Bounce | Step::Complaint) => Some(Standing::Suppressed),
            (Standing::Confirmed | Standing::Unsubscribed, Step::Confirm)
            | (Standing::Pending | Standing::Confirmed, Step::Ask)
            | (Standing::Unsubscribed, Step::Leave) => None,
        }
    }
}

/// What can happen to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Somebody asks to be told, anew.
    Ask,
    /// The link in the first mail was followed, and confirmed.
    Confirm,
    /// Unsubscribed.
    Leave,
    /// A mail came back for good.
    Bounce,
    /// A mail was called unwanted.
    Complaint,
}

/// A subscription as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Not to be guessed.
    pub id: String,
    /// How they are reached.
    pub contact: Contact,
    /// By which way.
    #[serde(default)]
    pub channel: Channel,
    /// About what; about everything when empty.
    pub topics: Vec<String>,
    /// Where it stands.
    pub standing: Standing,
    /// Who asked for it: the subject of their token.
    pub owner: String,
    /// What the links in mails carry.
    pub token: String,
    /// Since when it stands there.
    pub since: Time,
}

impl Subscription {
    /// Whether an event with these topics is told to them.
    pub fn wants(&self, topics: &[String]) -> bool {
        self.standing == Standing::Confirmed
            && (self.topics.is_empty() || topics.iter().any(|t| self.topics.contains(t)))
    }

    /// Whether a link's token is the right one, in a time that does not tell how much of it is.
    pub fn knows(&self, token: &str) -> bool {
        let (a, b) = (self.token.as_bytes(), token.as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subscription_is_by_mail_or_by_phone() {
        let read = |body: Value| NewSubscription::read(&body);
        assert_eq!(
            read(json!({ "email": "Ann@Example.org" })).unwrap().contact,
            Contact::Email("Ann@example.org".into())
        );
        assert_eq!(
            read(json!({ "phone": "+1 206 555 0100", "topics": ["a"] }))
                .unwrap()
                .contact,
            Contact::Phone("+12065550100".into())
        );
        let cases = [
            (json!({}), "email", "either `email` or `phone` is needed"),
            (
                json!({ "email": "a@example.org", "phone": "+12065550100" }),
                "phone",
                "either `email` or `phone`, not both",
            ),
            (json!({ "email": 5 }), "email", "expected a text"),
            (
                json!({ "email": "ann" }),
                "email",
                "expected a mail address such as name@example.org",
            ),
            (
                json!({ "phone": "0" }),
                "phone",
                "expected a number in E.164 syntax such as +12065550100",
            ),
            (
                json!({ "email": "a@example.org", "name": "x" }),
                "name",
                "there is no such field; expected `email`, `phone`, `topics`",
            ),
        ];
        for (body, field, detail) in cases {
            let errors = read(body.clone()).unwrap_err();
            assert_eq!(errors.len(), 1, "{body}: {errors:?}");
            assert_eq!(
                (errors[0].field.as_str(), errors[0].detail.as_str()),
                (field, detail)
            );
        }
    }

    #[test]
    fn nobody_is_told_who_did_not_confirm_and_nobody_comes_back_by_an_old_link() {
        use Standing::{Confirmed, Pending, Suppressed, Unsubscribed};
        use Step::{Ask, Bounce, Complaint, Confirm, Leave};
        let table = [
            (
                Pending,
                [
                    None,
                    Some(Confirmed),
                    Some(Unsubscribed),
                    Some(Suppressed),
                    Some(Suppressed),
                ],
            ),
            (
                Confirmed,
                [
                    None,
                    None,
                    Some(Unsubscribed),
                    Some(Suppressed),
                    Some(Suppressed),
                ],
            ),
            (
                Unsubscribed,
                [
                    Some(Pending),
                    None,
                    None,
                    Some(Suppressed),
                    Some(Suppressed),
                ],
            ),
            (Suppressed, [None; 5]),
        ];
        for (standing, expected) in table {
            let got = [Ask, Confirm, Leave, Bounce, Complaint].map(|step| standing.after(step));
            assert_eq!(got, expected, "{standing:?}");
        }
    }

    #[test]
    fn topics_choose_and_no_topic_means_all() {
        let subscription = |topics: &[&str], standing: Standing| Subscription {
            id: "s".into(),
            contact: Contact::Email("a@example.org".into()),
            channel: Channel::Mail,
            topics: topics.iter().map(|t| (*t).to_string()).collect(),
            standing,
            owner: "o".into(),
            token: "t0k3n".into(),
            since: Time::from_secs(0),
        };
        let about = |topics: &[&str]| topics.iter().map(|t| (*t).to_string()).collect::<Vec<_>>();
        let confirmed = subscription(&["a", "b"], Standing::Confirmed);
        assert!(confirmed.wants(&about(&["b", "c"])));
        assert!(!confirmed.wants(&about(&["c"])) && !confirmed.wants(&[]));
        assert!(subscription(&[], Standing::Confirmed).wants(&[]));
        assert!(!subscription(&[], Standing::Pending).wants(&[]));
        assert!(confirmed.knows("t0k3n") && !confirmed.knows("t0k3") && !confirmed.knows("t0k3m"));
    }

    #[test]
    fn logs_show_no_address() {
        let veiled = |contact: Contact| contact.veiled();
        assert_eq!(
            veiled(Contact::Email("ann.bee@example.org".into())),
            "a…@example.org"
        );
        assert_eq!(veiled(Contact::Phone("+12065550100".into())), "+1…00");
    }
}
