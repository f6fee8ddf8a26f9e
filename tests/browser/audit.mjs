// What must hold for every page, whatever it shows.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Collects what a page complains of: console errors, uncaught errors, refusals by its policy. */
export async function watch(context) {
  const complaints = [];
  context.on("page", (page) => {
    page.on("console", (message) => {
      if (message.type() === "error") {
        complaints.push(`${page.url()}: ${message.text()} (${message.location().url})`);
      }
    });
    page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error}`));
    page.on("requestfailed", (request) => {
      const why = request.failure()?.errorText;
      // A navigation ends what the page before it was fetching.
      if (why !== "net::ERR_ABORTED") complaints.push(`${page.url()}: ${request.url()}: ${why}`);
    });
  });
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} refused ${event.blockedURI}`);
    });
  });
  return complaints;
}

/** Runs every check although some fail, and fails with all that they said. */
export async function all(checks) {
  const failures = [];
  for (const check of checks) {
    await check().catch((error) => failures.push(error));
  }
  if (failures.length > 0) {
    throw new Error(`${failures.length} checks failed\n\n${failures.map((f) => f.message).join("\n\n")}`);
  }
}

/** Opens a page and asserts its status and texts; the main part is what is searched. */
export async function open(page, url, { status = 200, texts = [] } = {}) {
  const answer = await page.goto(url, { waitUntil: "load" });
  assert.equal(answer.status(), status, `${url}: status`);
  const policy = answer.headers()["content-security-policy"] ?? "";
  assert.match(policy, /script-src|default-src/, `${url}: a policy says which scripts run`);
  // What a page fetches for itself comes after it has loaded.
  const found = (body, text) => (text instanceof RegExp ? text.test(body) : body.includes(text));
  const end = Date.now() + 30_000;
  for (;;) {
    const body = await page.locator("body").innerText();
    const missing = texts.find((text) => !found(body, text));
    if (missing === undefined) return body;
    assert.ok(Date.now() < end, `${url}: lacks ${missing} in:\n${body}`);
    await page.waitForTimeout(100);
  }
}

/** Asserts that nothing sticks out at the width of a small phone. */
export async function fitsAPhone(page) {
  const before = page.viewportSize();
  await page.setViewportSize({ width: 360, height: 740 });
  const wide = await page.evaluate(() => {
    const root = document.documentElement;
    if (root.scrollWidth <= 360) return null;
    // The innermost of those whose content is wider than they are.
    const wide = [...document.querySelectorAll("body *")].filter((e) => e.clientWidth > 1 && e.scrollWidth > e.clientWidth);
    const inner = wide.filter((e) => !wide.some((other) => other !== e && e.contains(other)));
    return `${root.scrollWidth} px: ${inner.map((e) => e.outerHTML.slice(0, 160)).join("\n")}`;
  });
  await page.setViewportSize(before);
  assert.equal(wide, null, `${page.url()} scrolls sideways at 360 px`);
}

/** Asserts that axe finds nothing serious, in light and in dark. */
export async function accessible(page) {
  await page.evaluate(axe);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const violations = await page.evaluate(async () => {
      const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"], preload: false });
      return violations
        .filter((v) => v.impact === "serious" || v.impact === "critical")
        .map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => `${n.html} (${n.failureSummary})`).slice(0, 3).join("\n")}`);
    });
    assert.deepEqual(violations, [], `${page.url()} in ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
}
