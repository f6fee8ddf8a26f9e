// The story in a browser: from a calm page over a fault to a mail, and back.
//
//   node tests/browser/run.mjs --nightbell PATH [--out DIR] [--pictures]
//
// PATH is the built nightbell; pictures and the sample mail go to DIR. With --pictures they go to
// docs/, and the story begins on hours of history and lets the fault last for minutes, so that the
// charts have something to show.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { chromium } from "playwright-core";

import { announcement } from "./announcement.mjs";
import { accessible, all, fitsAPhone, open, watch } from "./audit.mjs";
import { REBOUND, isRefused } from "./foreign.mjs";
import { plain } from "./mail.mjs";
import { start, until } from "./nightbell.mjs";
import { pictures } from "./pictures.mjs";
import { posting } from "./posting.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { values: options } = parseArgs({
  options: {
    nightbell: { type: "string", default: join(root, "target/debug/nightbell") },
    out: { type: "string", default: join(root, "target/tests/browser") },
    pictures: { type: "boolean", default: false },
  },
});
const out = options.pictures ? join(root, "docs") : resolve(options.out);
const MOST_BYTES = 150_000;

const temporary = mkdtempSync(join(tmpdir(), "nightbell-browser-"));
const begun = Date.now();
const say = (what) => console.log(`${((Date.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${what}`);
let server, browser;
try {
  mkdirSync(out, { recursive: true });
  const data = join(temporary, "data");
  if (options.pictures) {
    say("three hours of history");
    execFileSync("cargo", ["run", "--quiet", "-p", "tests", "--example", "history", "--", data], { cwd: root, stdio: "inherit" });
  }
  server = await start({
    binary: resolve(options.nightbell),
    root,
    data,
    // The pictures show the address that a reader will see.
    listen: options.pictures ? "127.0.0.1:5000" : "127.0.0.1:0",
    traffic: options.pictures ? 0.7 : 10,
  });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || onPath("chromium"),
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", `--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`,
    ],
  });
  await story();
} finally {
  await browser?.close();
  await server?.stop();
  rmSync(temporary, { recursive: true, force: true });
}
say("done");

async function story() {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    colorScheme: "light",
    locale: "en-GB",
    timezoneId: "UTC",
  });
  const complaints = await watch(context);
  const page = await context.newPage();
  const at = (path) => server.url + path;

  say("calm");
  await open(page, at("/"), { texts: ["No incident is open", "counter", "Nightbell"] });
  if (!options.pictures) {
    await open(page, at("/mailbox"), { texts: ["No mail yet.", "nightbell fault counter --error-rate 1 --for 5m"] });
    await open(page, at("/incidents"));
    await accessible(page);
    await fitsAPhone(page);
  }

  say("the counter's page shows its count");
  await page.goto(at("/svc/counter/"));
  await page.waitForFunction(() => /\d/.test(document.getElementById("count")?.textContent ?? ""), null, { timeout: 60_000 });

  say("pictures are dropped, resized, shared, deleted and taken back");
  await pictures(browser, server, async (shown, name) => {
    await shown.screenshot({ path: join(options.pictures ? temporary : out, `${name}.png`) });
  });

  say("an event is announced, told and cancelled");
  await announcement(browser, server, async (shown, name) => {
    await shown.screenshot({ path: join(options.pictures ? temporary : out, `${name}.png`) });
  });

  say("a date's pictures are drawn, posted and shown");
  await posting(browser, server, async (shown, name) => {
    await shown.screenshot({ path: join(options.pictures ? temporary : out, `${name}.png`) });
  });

  say("a web page elsewhere is refused");
  await isRefused(context, server);
  // The browser reports each refusal; nothing else may have been reported until here.
  const refusals = complaints.splice(0);
  const ours = refusals.filter((c) => c.startsWith(server.url) && !c.includes(REBOUND));
  assert.deepEqual(ours, []);

  say("break it on the Faults page");
  await open(page, at("/faults"), { texts: ["Inject a fault"] });
  await page.getByLabel("Service").selectOption("counter");
  await page.getByLabel("Error rate").fill("1");
  await page.getByLabel("For", { exact: true }).fill("30m");
  await page.getByRole("button", { name: "Break it" }).click();
  await page.getByText("Active now").waitFor({ timeout: 60_000 });
  const faults = await server.json("/api/v1/faults");
  assert.equal(faults.counter?.error_rate, 1);

  say("wait for the incident and its mail");
  const incident = await until("an incident", 60, async () => {
    const all = await server.json("/api/v1/incidents");
    return all.find((i) => !i.resolved && i.alarms.some((a) => a.name === "counter-faults" && a.state === "ALARM"));
  });
  await page.goto(at("/mailbox"));
  const mail = await until("its mail", 30, async () => {
    await page.reload();
    return page.locator(`a[href^="/mailbox/"]`, { hasText: incident.id }).first().getAttribute("href", { timeout: 1_000 }).catch(() => null);
  });
  await until("a failed trace", 30, async () => (await server.json("/api/v1/traces?failed=true")).length > 0);
  const [failed] = await server.json("/api/v1/traces?failed=true");
  if (options.pictures) {
    say("wait until the charts have something to show, and every alarm of a fault is in ALARM");
    await until("counter-5xx in ALARM", 400, async () => (await server.json("/api/v1/alarms/counter-5xx")).state === "ALARM");
  }

  // Each page, and what a reader must find on it, with script and without.
  const pages = [
    ["/", [incident.id, "Nobody has acknowledged yet", "counter-faults", "The counter answers errors"]],
    ["/dashboards", ["counter"]],
    ["/dashboards/counter", ["PageView"]],
    ["/alarms", ["counter-faults", "counter-errors", "counter-5xx", "counter-latency", "counter-no-visits", "ALARM"]],
    ["/alarms/counter-faults", ["Visitors see a dash instead of the count.", "Threshold Crossed", incident.id, "Configuration"]],
    ["/incidents", [incident.id]],
    [`/incidents/${incident.id}`, ["What the logs say", "injected fault", "A failing trace", "Is it the table?", "Acknowledge", "Who was told", "Timeline"]],
    ["/runbooks", ["The counter answers errors"]],
    ["/runbooks/counter-errors", ["Is it the table?"]],
    ["/runbooks/counter-quiet", []],
    ["/traces", ["502", "GET /count"]],
    [`/traces/${failed.id}`, ["Segments", "DynamoDB", "What was logged under it", "injected fault"]],
    ["/logs?group=/aws/lambda/demo-counter", ["injected fault"]],
    ["/logs?group=/aws/lambda/demo-counter&query=stats+count(*)+as+lines+by+bin(1m)", ["lines", "As an API call"]],
    ["/logs?group=/aws/lambda/demo-counter&query=nonsense", ["expected a command"]],
    ["/explore", ["Metrics", "AWS/DynamoDB"]],
    ["/explore?q=Sum(CloudResume/PageView{})[1m]&q=2+*+m1", ["As an alarm", "As a widget"]],
    ["/map", ["DynamoDB", "faults"]],
    ["/tasks", ["evaluate", "respond"]],
    ["/reference", ["Query metrics", "Set the state of an alarm"]],
    ["/coverage", ["Coverage"]],
    ["/silences", ["Silence alarms"]],
    ["/alarms?state=OK", ["OK"]],
    ["/mailbox", [incident.id, "[page] counter: "]],
    [mail, ["[page] counter: ", /Visitors see a dash|function fails/, "What the logs say", "Do this first", "Sent because", /last hour +\S*[▁-█]/]],
    ["/faults", ["Active now", "counter"]],
    ["/no-such-page", ["no-such-page"], 404],
  ];

  say("every page: texts, no complaint, width of a phone, axe in light and dark");
  await all([
    ...pages.flatMap(([path, texts, status]) => [
      () => open(page, at(path), { texts, status }),
      () => fitsAPhone(page),
      () => accessible(page),
    ]),
    async () => {
      await page.goto(at("/svc/counter/"), { waitUntil: "networkidle" });
      assert.equal(await page.locator("#count").innerText(), "—", "visitors see a dash while it is broken");
    },
    () => fitsAPhone(page),
    () => accessible(page),
  ]);

  say("the same without script");
  const still = await browser.newContext({ viewport: { width: 1280, height: 800 }, javaScriptEnabled: false });
  const stillComplaints = await watch(still);
  const plainPage = await still.newPage();
  await all(pages.map(([path, texts, status]) => () => open(plainPage, at(path), { texts, status })));

  say("pictures");
  await shoot(page, at("/"), "console-now");
  await shoot(page, at("/"), "console-now-dark", "dark");
  await shoot(page, at(`/incidents/${incident.id}`), "console-incident");
  await shoot(page, at("/alarms/counter-faults"), "console-alarm");
  await shoot(page, at("/dashboards/counter"), "console-dashboard");
  await shoot(page, at("/mailbox"), "console-mailbox");
  await shoot(page, at(`/traces/${failed.id}`), "console-trace");
  const eml = await (await fetch(at(`${mail}.eml`))).text();
  assert.match(eml, new RegExp(`^Subject: \\[page\\] counter: `, "m"));
  writeFileSync(join(out, "mail.eml"), eml);
  writeFileSync(join(out, "mail.txt"), plain(eml));

  say("acknowledge and mend without script, and recover");
  await open(plainPage, at(`/incidents/${incident.id}`));
  await plainPage.getByRole("button", { name: "Acknowledge" }).click();
  await plainPage.getByText(/acknowledged by/).first().waitFor({ timeout: 60_000 });
  await open(plainPage, at("/faults"));
  await plainPage.getByRole("button", { name: /^Clear/ }).first().click();
  await plainPage.waitForLoadState();
  assert.deepEqual(await server.json("/api/v1/faults"), {});
  await until("counter-faults back to OK", 60, async () => (await server.json("/api/v1/alarms/counter-faults")).state === "OK");

  // What was asked for: a page that is not there, and the count while it was broken.
  const expected = /no-such-page.* 404 |svc\/counter\/.* 502 /;
  const unexpected = [...complaints, ...stillComplaints].filter((c) => !expected.test(c));
  assert.deepEqual(unexpected, []);
}

/** A picture of a page's first screen, small enough for a repository. */
async function shoot(page, url, name, colorScheme = "light") {
  await page.emulateMedia({ colorScheme });
  await page.goto(url);
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  const path = join(out, `${name}.png`);
  await page.screenshot({ path, clip: { x: 0, y: 0, width: 1280, height: Math.min(height, 860) }, fullPage: true });
  await page.emulateMedia({ colorScheme: "light" });
  const { size } = statSync(path);
  assert.ok(size < MOST_BYTES, `${name}.png has ${size} bytes`);
}

function onPath(name) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  throw new Error(`no ${name} on the PATH; install it, or name it with CHROMIUM=PATH`);
}
