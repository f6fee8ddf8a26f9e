//! Subscriptions wait for who has to agree.

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::{Endpoint, Kind, Subscription, Subscriptions};

/// The contract of [`Subscriptions`]; the topic exists.
pub async fn subscriptions(port: &dyn Subscriptions, topic: &str, run: &Run) {
    let on = On { port, topic, run };
    let mut report = Report::new("subscriptions", run);
    report.case(Case::EmailWaits, email_waits(&on)).await;
    report.case(Case::SmsWaitsNot, sms_waits_not(&on)).await;
    report
        .case(Case::UnsubscribeForgets, unsubscribe(&on))
        .await;
    report.case(Case::SubscribeAgain, again(&on)).await;
    report.case(Case::BadTokens, bad_tokens(&on)).await;
    report.case(Case::BadEndpoints, bad_endpoints(&on)).await;
    report.finish();
}

struct On<'a> {
    port: &'a dyn Subscriptions,
    topic: &'a str,
    run: &'a Run,
}

impl On<'_> {
    async fn subscribe(&self, endpoint: &Endpoint) -> Result<Option<String>, String> {
        let answer = self.port.subscribe(self.topic, endpoint, None).await;
        done("subscribe", answer)
    }

    async fn find(&self, endpoint: &Endpoint) -> Result<Vec<Subscription>, String> {
        let mut all = done("list", self.port.list(self.topic).await)?;
        all.retain(|s| s.endpoint == *endpoint);
        Ok(all)
    }

    async fn listed(&self, endpoint: &Endpoint, want: &[Subscription]) -> Outcome {
        self.run
            .eventually(async || same("listed", self.find(endpoint).await?, want.to_vec()))
            .await
    }

    fn email(&self, name: &str) -> Endpoint {
        Endpoint::Email(format!("{}@example.org", self.run.name(name)))
    }
}

async fn email_waits(on: &On<'_>) -> Outcome {
    let endpoint = on.email("waits");
    same("arn", on.subscribe(&endpoint).await?, None)?;
    let waiting = Subscription {
        arn: None,
        endpoint: endpoint.clone(),
        filter: None,
    };
    on.listed(&endpoint, &[waiting]).await
}

async fn sms_waits_not(on: &On<'_>) -> Outcome {
    let endpoint = Endpoint::Sms("+4915112345678".into());
    let filter = "{\"kind\":[\"cancelled\"]}";
    let arn = on.port.subscribe(on.topic, &endpoint, Some(filter)).await;
    let arn = done("subscribe", arn)?;
    same("an arn", arn.is_some(), true)?;
    let there = Subscription {
        arn,
        endpoint: endpoint.clone(),
        filter: Some(filter.into()),
    };
    on.listed(&endpoint, &[there]).await
}

async fn unsubscribe(on: &On<'_>) -> Outcome {
    let endpoint = Endpoint::Sms("+4915187654321".into());
    let arn = on.subscribe(&endpoint).await?.ok_or("no arn")?;
    done("unsubscribe", on.port.unsubscribe(&arn).await)?;
    on.listed(&endpoint, &[]).await?;
    done("unsubscribe again", on.port.unsubscribe(&arn).await)
}

async fn again(on: &On<'_>) -> Outcome {
    let sms = Endpoint::Sms("+4915111111111".into());
    let one = on.subscribe(&sms).await?;
    same("arn", on.subscribe(&sms).await?, one)?;
    let email = on.email("again");
    on.subscribe(&email).await?;
    on.subscribe(&email).await?;
    on.run
        .eventually(async || same("listed", on.find(&email).await?.len(), 1))
        .await
}

async fn bad_tokens(on: &On<'_>) -> Outcome {
    let endpoint = on.email("token");
    on.subscribe(&endpoint).await?;
    let answer = on.port.confirm(on.topic, "no-such-token").await;
    fails("confirm", answer, Kind::Invalid)?;
    let found = on.find(&endpoint).await?;
    same("still waits", found.iter().all(|s| s.arn.is_none()), true)
}

async fn bad_endpoints(on: &On<'_>) -> Outcome {
    for endpoint in [
        Endpoint::Email("nobody".into()),
        Endpoint::Sms("no number".into()),
        Endpoint::Other("no-such-protocol".into(), "x".into()),
    ] {
        let answer = on.port.subscribe(on.topic, &endpoint, None).await;
        fails(&format!("{endpoint:?}"), answer, Kind::Invalid)?;
    }
    Ok(())
}
