// A web page elsewhere tries to act on a local Nightbell through the browser.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";

import { until } from "./nightbell.mjs";

/** The name that rebinding would use; the browser is told that it is this machine. */
export const REBOUND = "rebound.example";

const attempts = (target) => `<!doctype html><title>elsewhere</title>
<form id="form" method="post" action="${target}/api/v1/faults" enctype="text/plain" target="frame">
<input name='{"service":"counter","error_rate":1,"for":"1h","x":"' value='"}'></form>
<form id="page" method="post" action="${target}/faults" target="frame2">
<input name="service" value="counter"><input name="error_rate" value="1"><input name="for" value="1h"></form>
<iframe name="frame"></iframe><iframe name="frame2"></iframe>
<script>
  const body = '{"service":"counter","error_rate":1,"for":"1h"}';
  const swallow = () => {};
  fetch("${target}/api/v1/faults", { method: "POST", mode: "no-cors", body }).catch(swallow);
  fetch("${target}/api/v1/faults", { method: "POST", mode: "no-cors", credentials: "include", body: new Blob([body]) }).catch(swallow);
  document.getElementById("form").submit();
  document.getElementById("page").submit();
  // What a page may read from elsewhere: nothing.
  fetch("${target}/api/v1/alarms").then(() => (document.title = "read"), () => (document.title = "refused"));
</script>`;

/** Every attempt is answered 403 and nothing changes; `server` is a running Nightbell. */
export async function isRefused(context, server) {
  const elsewhere = createServer((_, answer) => {
    answer.setHeader("content-type", "text/html");
    answer.end(attempts(server.url));
  });
  elsewhere.listen(0, "127.0.0.1");
  await once(elsewhere, "listening");
  const { port } = elsewhere.address();
  const before = JSON.stringify(await server.json("/api/v1/faults"));
  try {
    // Another port of the same name is the same site to a browser; another name is not.
    for (const host of ["127.0.0.1", "localhost"]) {
      const page = await context.newPage();
      const posts = [];
      page.on("response", (answer) => {
        if (answer.request().method() === "POST") posts.push(answer.status());
      });
      await page.goto(`http://${host}:${port}/`);
      await until(`four posts from ${host}`, 20, () => posts.length >= 4);
      assert.deepEqual(posts, [403, 403, 403, 403], `posts from ${host}`);
      await page.waitForFunction(() => document.title !== "elsewhere", null, { timeout: 60_000 });
      assert.equal(await page.title(), "refused", "a page elsewhere read the API");
      await page.close();
    }
    // A foreign name that resolves to this machine reads nothing.
    const page = await context.newPage();
    const own = new URL(server.url);
    const answer = await page.goto(`http://${REBOUND}:${own.port}/`);
    assert.equal(answer.status(), 403, "a foreign Host");
    await page.close();
  } finally {
    elsewhere.closeAllConnections();
    elsewhere.close();
  }
  assert.equal(JSON.stringify(await server.json("/api/v1/faults")), before, "a foreign page changed the faults");
}
