// The page of the announcement path: sign in, subscribe, announce, be told, cancel.
import assert from "node:assert/strict";

import { accessible, fitsAPhone, open, watch } from "./audit.mjs";
import { until } from "./nightbell.mjs";

/** Runs the story; `shoot(page, name)` may keep a picture. */
export async function announcement(browser, server, shoot) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", timezoneId: "UTC" });
  const complaints = await watch(context);
  const page = await context.newPage();
  const url = `${server.url}/svc/announcement/`;
  const ready = () => page.locator("body[data-ready=yes]").waitFor({ timeout: 60_000 });
  await open(page, url, { texts: ["Upcoming", "Be told"] });
  await ready();
  await accessible(page);
  assert.equal(await page.locator("#admin").isVisible(), false, "only publishers see the form");

  // A stranger is asked to sign in, and comes back signed in by way of the pool.
  const contact = page.getByLabel("Mail address or telephone number");
  await contact.fill("ann@example.org");
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByText("Please sign in first").waitFor();
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: /paula/ }).click();
  await page.waitForURL(url, { timeout: 60_000 });
  await ready();
  await page.locator("#admin").waitFor();
  assert.equal(new URL(page.url()).search, "", "the code does not stay in the address");

  // What cannot be used is said at its field.
  await contact.fill("ann");
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByText("email: expected a mail address").waitFor({ timeout: 60_000 });
  assert.equal(await contact.getAttribute("aria-invalid"), "true");
  await contact.fill("ann@example.org");
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByText("Look into your messages").waitFor({ timeout: 60_000 });

  // The link in the mail asks, and its button confirms.
  const link = await until("the mail to confirm", 20, async () => linkIn(server, "Please confirm", "/confirm?"));
  const small = await context.newPage();
  await open(small, link, { texts: ["Shall we tell ann@example.org of new events?"] });
  await accessible(small);
  await fitsAPhone(small);
  await small.getByRole("button", { name: "Yes, tell me" }).click();
  await small.getByText("You will be told of new events.").waitFor({ timeout: 60_000 });

  const title = "Open <b>day</b> & night";
  await page.getByLabel("Title").fill(title);
  await page.getByLabel("Description").fill("All are welcome.\n<script>alert(1)</script>");
  await page.getByLabel("Day").fill(new Date(Date.now() + 40 * 86_400_000).toISOString().slice(0, 10));
  await page.getByLabel("Place").fill("Town hall");
  await page.getByRole("button", { name: "Announce" }).click();
  await page.getByText("The event is announced").waitFor({ timeout: 60_000 });
  const card = page.locator("#events li", { hasText: title });
  await card.getByText("<script>alert(1)</script>").waitFor();
  await shoot(page, "events");
  await accessible(page);
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(page, "events-dark");
  await accessible(page);
  await page.emulateMedia({ colorScheme: "light" });
  await fitsAPhone(page);
  await until("the announcement", 20, async () => linkIn(server, title, "/unsubscribe?"));

  page.once("dialog", (dialog) => dialog.accept());
  await card.getByRole("button", { name: "Cancel event" }).click();
  await page.getByText("The event is cancelled").waitFor({ timeout: 60_000 });
  await until("the cancellation", 20, async () => linkIn(server, `Cancelled: ${title}`, "/unsubscribe?"));

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(url, { timeout: 60_000 });
  await ready();
  assert.equal(await page.locator("#admin").isVisible(), false);
  // What the browser reports of the field that could not be used.
  const unexpected = complaints.filter((c) => !/subscriptions.* 400 |400 \(Bad Request\)/.test(c));
  assert.deepEqual(unexpected, []);
  await context.close();
}

/** The first link of that kind in the newest mail with that subject. */
async function linkIn(server, subject, part) {
  const list = await (await fetch(`${server.url}/mailbox`)).text();
  for (const [, id] of list.matchAll(/href="\/mailbox\/([^"/]+)"/g)) {
    const eml = await (await fetch(`${server.url}/mailbox/${id}.eml`)).text();
    const text = eml.replaceAll("\r\n", "\n").replace(/=\n/g, "").replaceAll("=3D", "=");
    if (!text.includes(`Subject: ${subject}`)) continue;
    const found = text.match(new RegExp(`http://\\S+${part.replaceAll("?", "\\?")}[^\\s"<]+`));
    if (found) return found[0];
  }
  return null;
}
