// The pages of the posting path: sign in as an admin, have a date's pictures drawn, look at them.
import assert from "node:assert/strict";

import { accessible, fitsAPhone, open, watch } from "./audit.mjs";

/** Runs the story; `shoot(page, name)` may keep a picture. */
export async function posting(browser, server, shoot) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", timezoneId: "UTC" });
  const complaints = await watch(context);
  const page = await context.newPage();
  const gallery = `${server.url}/svc/posting/`;
  const admin = `${server.url}/svc/posting/admin`;
  const ready = () => page.locator("body[data-ready=yes]").waitFor({ timeout: 60_000 });
  await open(page, gallery, { texts: ["Spooky Days"] });
  await ready();
  await page.getByText("Nothing is posted yet").waitFor();
  await accessible(page);

  // A stranger sees how to get in, and comes back signed in by way of the pool.
  await open(page, admin, { texts: ["Gallery"] });
  await ready();
  await page.getByText("Sign in as somebody of the group").waitFor();
  assert.equal(await page.locator("#inside").isVisible(), false, "only admins see what is inside");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: /ada/ }).click();
  await page.waitForURL(admin, { timeout: 60_000 });
  await ready();
  await page.locator("#inside").waitFor();
  assert.equal(new URL(page.url()).search, "", "the code does not stay in the address");
  await page.getByText("@spooky_days").waitFor();

  // What cannot be used is said at its field.
  const day = page.locator("input[name=day]");
  await page.locator("input[name=date]").fill("2026-01-14");
  await day.fill("not a Day");
  await page.getByRole("button", { name: "Draw and post" }).click();
  await page.getByText("`day` cannot be used").waitFor({ timeout: 60_000 });
  assert.equal(await day.getAttribute("aria-invalid"), "true");
  await day.fill("");
  await page.getByRole("button", { name: "Draw and post" }).click();
  await page.getByText("It is queued").waitFor({ timeout: 60_000 });
  const posted = page.locator("#jobs .posted");
  for (const begun = Date.now(); (await posted.count()) < 2; ) {
    assert.ok(Date.now() - begun < 30_000, "both pictures are posted");
    await open(page, admin, { texts: ["Gallery"] });
    await ready();
  }
  await page.getByText("National Dress Up Your Pet Day!").waitFor();
  await page.locator("#audit").getByText("generate").waitFor();
  await shoot(page, "posting-admin");
  await accessible(page);
  await page.emulateMedia({ colorScheme: "dark" });
  await accessible(page);
  await page.emulateMedia({ colorScheme: "light" });
  await fitsAPhone(page);

  await open(page, gallery, { texts: ["Spooky Days"] });
  await ready();
  await page.getByText("National Dress Up Your Pet Day!").waitFor();
  assert.equal(await page.getByRole("link", { name: "The post" }).count(), 2);
  const pictures = page.locator("#images img");
  assert.equal(await pictures.count(), 2);
  for (const picture of await pictures.all()) {
    assert.equal(await picture.getAttribute("loading"), "lazy");
    await picture.scrollIntoViewIfNeeded();
    await picture.evaluate((img) => img.decode());
    assert.ok(await picture.evaluate((img) => img.naturalWidth >= 256));
  }
  await shoot(page, "posting-gallery");
  await accessible(page);
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(page, "posting-gallery-dark");
  await accessible(page);
  await page.emulateMedia({ colorScheme: "light" });
  await fitsAPhone(page);

  await open(page, admin, { texts: ["Gallery"] });
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(admin, { timeout: 60_000 });
  await ready();
  assert.equal(await page.locator("#inside").isVisible(), false);
  // What the browser reports of the field that could not be used.
  const unexpected = complaints.filter((c) => !/generate.* 400 |400 \(Bad Request\)/.test(c));
  assert.deepEqual(unexpected, []);
  await context.close();
}
