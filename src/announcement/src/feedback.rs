//! What SES says of mails that were sent: bounces and complaints.
//!
//! They come as notifications by SNS and a queue
//! (<https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html>), in an SNS envelope or
//! raw, or as published events, whose word is `eventType`.

use serde_json::Value;

use crate::subscriber::Step;

/// Whose subscriptions end, and why. Empty for what ends none: deliveries, full mailboxes.
///
/// # Errors
///
/// What was expected.
pub fn read(body: &str) -> Result<Vec<(String, Step)>, String> {
    let mut value: Value = serde_json::from_str(body).map_err(|e| format!("no JSON: {e}"))?;
    if let Some(message) = value.get("Message").and_then(Value::as_str) {
        match serde_json::from_str(message) {
            Ok(inner) => value = inner,
            // SES greets a topic in words when it is set up.
            Err(_) => return Ok(Vec::new()),
        }
    }
    let word = |name: &str| value.get(name).and_then(Value::as_str);
    let kind = word("notificationType").or_else(|| word("eventType"));
    let (recipients, step) = match kind {
        Some("Bounce") => {
            // Others may pass: a full mailbox, a server that is away.
            if value["bounce"]["bounceType"] != "Permanent" {
                return Ok(Vec::new());
            }
            (&value["bounce"]["bouncedRecipients"], Step::Bounce)
        }
        Some("Complaint") => (&value["complaint"]["complainedRecipients"], Step::Complaint),
        Some(_) => return Ok(Vec::new()),
        None => return Err("neither `notificationType` nor `eventType`".into()),
    };
    let recipients = recipients.as_array().ok_or("no list of recipients")?;
    recipients
        .iter()
        .map(|r| {
            let address = r.get("emailAddress").and_then(Value::as_str);
            let address = address.ok_or("a recipient without `emailAddress`")?;
            Ok((bare(address).to_string(), step))
        })
        .collect()
}

/// `Ann <ann@example.org>` and `ann@example.org` are one address.
fn bare(address: &str) -> &str {
    let inner = address.rsplit_once('<').map_or(address, |(_, rest)| rest);
    inner.trim_end_matches('>').trim()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_final_ends_a_subscription() {
        let bounce = |kind: &str| {
            json!({ "notificationType": "Bounce", "bounce": { "bounceType": kind,
                "bouncedRecipients": [{ "emailAddress": "Ann <ann@example.org>" }] } })
        };
        let complaint = json!({ "eventType": "Complaint", "complaint": {
            "complainedRecipients": [{ "emailAddress": "bob@example.org" }] } });
        let enveloped =
            json!({ "Type": "Notification", "Message": bounce("Permanent").to_string() });
        let ann = || vec![("ann@example.org".to_string(), Step::Bounce)];
        let bob = vec![("bob@example.org".to_string(), Step::Complaint)];
        for (body, expected) in [
            (bounce("Permanent"), Ok(ann())),
            (enveloped, Ok(ann())),
            (complaint, Ok(bob)),
            (bounce("Transient"), Ok(vec![])),
            (json!({ "notificationType": "Delivery" }), Ok(vec![])),
            (
                json!({ "Message": "Successfully validated SNS topic" }),
                Ok(vec![]),
            ),
            (
                json!({ "x": 1 }),
                Err("neither `notificationType` nor `eventType`".to_string()),
            ),
            (
                json!({ "notificationType": "Complaint" }),
                Err("no list of recipients".to_string()),
            ),
        ] {
            assert_eq!(read(&body.to_string()), expected, "{body}");
        }
        assert!(read("hello").unwrap_err().starts_with("no JSON"));
    }
}
