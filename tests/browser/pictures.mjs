// The page of the image platform: drop, resize, share, delete and take back.
import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";

import { accessible, fitsAPhone, open, watch } from "./audit.mjs";
import { until } from "./nightbell.mjs";

/** Runs the story; `shoot(page, name)` may keep a picture. */
export async function pictures(browser, server, shoot) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, permissions: ["clipboard-read", "clipboard-write"] });
  const complaints = await watch(context);
  const page = await context.newPage();
  const url = `${server.url}/svc/resize/`;
  await open(page, url, { texts: ["Drop pictures here", "No pictures yet."] });
  await accessible(page);

  const files = [
    { name: "dawn.png", mimeType: "image/png", buffer: png(640, 480, 1) },
    { name: "dusk.png", mimeType: "image/png", buffer: png(800, 300, 2) },
    { name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no picture") },
  ];
  await page.setInputFiles("#files", files.slice(0, 1));
  await page.locator(".card").first().waitFor({ timeout: 60_000 });

  // Several at once by dropping; one of them is refused, and says why.
  const dropped = await page.evaluateHandle((all) => {
    const data = new DataTransfer();
    for (const { name, type, bytes } of all) data.items.add(new File([new Uint8Array(bytes)], name, { type }));
    return data;
  }, files.slice(1).map((f) => ({ name: f.name, type: f.mimeType, bytes: [...f.buffer] })));
  await page.dispatchEvent("#drop", "drop", { dataTransfer: dropped });
  await page.locator(".card", { hasText: "dusk.png" }).waitFor({ timeout: 60_000 });
  await page.locator("#queue .bad", { hasText: "no JPEG, PNG, WebP or GIF" }).waitFor({ timeout: 60_000 });
  await until("both thumbnails", 20, () => page.evaluate(() => {
    const all = [...document.querySelectorAll(".card img")];
    return all.length === 2 && all.every((i) => i.complete && i.naturalWidth > 0);
  }));
  await shoot(page, "pictures");
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(page, "pictures-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await accessible(page);
  await fitsAPhone(page);
  await page.getByRole("button", { name: "Dismiss" }).click();

  // Another size; one that would be an enlargement says that it is none.
  const dawn = page.locator(".card", { hasText: "dawn.png" });
  await dawn.getByLabel("Width in pixels for dawn.png").fill("450");
  await dawn.getByRole("button", { name: "Resize" }).click();
  await dawn.getByRole("link", { name: "450", exact: true }).waitFor({ timeout: 60_000 });
  await dawn.getByLabel("Width in pixels for dawn.png").fill("2000");
  await dawn.getByRole("button", { name: "Resize" }).click();
  await dawn.getByRole("link", { name: "2000 (is 640)" }).waitFor({ timeout: 60_000 });

  // The short link is in the clipboard, and leads to the picture.
  await dawn.getByRole("button", { name: "Copy link" }).click();
  await dawn.getByRole("button", { name: "Copied" }).waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const seen = await fetch(link);
  assert.equal(seen.headers.get("content-type"), "image/png");

  // A delete can be taken back, and holds when it is not.
  await dawn.getByRole("button", { name: "Delete dawn.png" }).click();
  await dawn.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo" }).click();
  await dawn.waitFor();
  assert.equal((await fetch(link)).status, 200);
  await dawn.getByRole("button", { name: "Delete dawn.png" }).click();
  await until("the delete", 20, async () => (await fetch(link)).status === 404);
  await page.reload();
  await page.locator(".card", { hasText: "dusk.png" }).waitFor({ timeout: 60_000 });
  assert.equal(await page.locator(".card").count(), 1);

  // Somebody else sees the picture, and cannot change it.
  const other = await (await browser.newContext()).newPage();
  await other.goto(url);
  await other.locator(".card", { hasText: "dusk.png" }).waitFor({ timeout: 60_000 });
  assert.equal(await other.getByRole("button", { name: /^Delete/ }).count(), 0);

  // What was asked for: the file that is no picture.
  const unexpected = complaints.filter((c) => !/svc\/resize\/upload.*|415/.test(c));
  assert.deepEqual(unexpected, []);
  await context.close();
}

/** A gradient as a PNG. */
function png(width, height, seed) {
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * (1 + width * 3) + 1 + x * 3;
      rows[at] = (x * 255) / width;
      rows[at + 1] = (y * 255) / height;
      rows[at + 2] = seed * 90;
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
