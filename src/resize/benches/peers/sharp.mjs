// sharp (libvips) on the resize workload.
// Run: npm install sharp ; node sharp.mjs CORPUS MODE {jpeg|webp} IN_FLIGHT ROUNDS [DUMPDIR]
//   MODE: clone    = one input, three clones, shrink-on-load (sharp's usual recipe; decodes 3 times, scaled)
//         cascade  = decode once (shrink-on-load to 1600), 800 from the raw 1600, 200 from the raw 800
//         full     = like clone with fastShrinkOnLoad:false  (slow, safest quality)
//   add suffix -noopt for optimiseCoding:false.  Pin with taskset for the one-core run. sharp.concurrency(1), cache off.
import sharp from 'sharp'; import fs from 'node:fs'; import path from 'node:path';
const [dir, mode0, out, nStr, rStr, dump] = process.argv.slice(2);
sharp.concurrency(+(process.env.CONC || 1)); sharp.cache(false); const mode = mode0.replace('-noopt', ''), opt = !mode0.endsWith('-noopt');
const files = fs.readdirSync(dir).filter(f => /(jpg|png|webp)$/.test(f)).sort().filter(f => !process.env.ONLY || f.includes(process.env.ONLY));
const data = files.map(f => fs.readFileSync(path.join(dir, f))); const W = [1600, 800, 200];
const enc = s => out === 'webp' ? s.webp({ quality: 80, effort: 4 }).toBuffer() : s.flatten({ background: '#fff' }).jpeg({ quality: 80, optimiseCoding: opt }).toBuffer();
async function one(b) {
  if (mode === 'cascade') {
    const res = []; let s = sharp(b).autoOrient();
    for (const w of W) {
      const { data: raw, info } = await s.resize(w, null, { kernel: 'lanczos3' }).raw().toBuffer({ resolveWithObject: true });
      const rawOpt = { raw: { width: info.width, height: info.height, channels: info.channels } };
      res.push(await enc(sharp(raw, rawOpt))); s = sharp(raw, rawOpt);
    } return res;
  }
  const s = sharp(b).autoOrient(); const res = [];
  for (const w of W) res.push(await enc(s.clone().resize(w, null, { kernel: 'lanczos3', fastShrinkOnLoad: mode !== 'full' })));
  return res;
}
if (dump) { fs.mkdirSync(dump, { recursive: true });
  for (let i = 0; i < files.length; i++) { const o = await one(data[i]); W.forEach((w, k) => fs.writeFileSync(`${dump}/${files[i]}_${w}.${out === 'webp' ? 'webp' : 'jpg'}`, o[k])); } process.exit(0); }
const rates = []; let bytes = 0; const c0 = process.cpuUsage();
for (let r = 0; r < +rStr; r++) {
  let next = 0; bytes = 0; const t = process.hrtime.bigint();
  await Promise.all(Array.from({ length: +nStr }, async () => { while (next < data.length) { const i = next++; for (const o of await one(data[i])) bytes += o.length; } }));
  rates.push(data.length / (Number(process.hrtime.bigint() - t) / 1e9));
}
const c = process.cpuUsage(c0); rates.sort((a, b) => a - b);
console.log(JSON.stringify({ peer: 'sharp:' + mode0, out, threads: +nStr, img_s_med: +rates[rates.length >> 1].toFixed(2), min: +rates[0].toFixed(2), max: +rates.at(-1).toFixed(2),
  cpu_ms_img: +((c.user + c.system) / 1e3 / (rStr * data.length)).toFixed(1), out_kB: Math.round(bytes / 1000), rss_MB: Math.round(process.resourceUsage().maxRSS / 1024), v: sharp.versions.sharp + '/' + sharp.versions.vips }));
