#!/usr/bin/env python3
"""Pillow (or Pillow-SIMD) on the resize workload.
Run: pip install pillow   (or: CC="cc -mavx2" pip install --no-binary :all: pillow-simd)
     python pillow.py CORPUS MODE {jpeg|webp} THREADS ROUNDS [DUMPDIR]
     MODE: full = decode full, 3 LANCZOS from full (this is the quality reference with PNG dump: out=ref)
           draft = JPEG draft (scaled decode) + cascade"""
import sys, os, io, time, json, resource, threading
from PIL import Image, ImageOps, __version__
d, mode, out, th, rounds = sys.argv[1:4] + [int(x) for x in sys.argv[4:6]]; dump = sys.argv[6] if len(sys.argv) > 6 else None
fs = sorted(f for f in os.listdir(d) if f.endswith(("jpg", "png", "webp")) and os.environ.get("ONLY", "") in f)
data = [open(f"{d}/{f}", "rb").read() for f in fs]; W = (1600, 800, 200)
def one(b):
    im = Image.open(io.BytesIO(b)); o = im.getexif().get(0x112, 1)
    if mode == "draft" and im.format == "JPEG": im.draft("RGB", (2133, 1600) if o >= 5 else (1600, 1200))
    im = ImageOps.exif_transpose(im) if mode == "full" else im
    res = []
    for w in W:
        if mode == "full": q = im.resize((w, round(im.height * w / im.width)), Image.LANCZOS); f = q
        else:
            t = (round(im.width * w / im.height), w) if o >= 5 else (w, round(im.height * w / im.width)); q = im.resize(t, Image.LANCZOS)
            f = q.transpose({3: Image.ROTATE_180, 6: Image.ROTATE_270, 8: Image.ROTATE_90}[o]) if o in (3, 6, 8) else q; im = q
        bo = io.BytesIO()
        if out != "webp" and f.mode == "RGBA": g = Image.new("RGB", f.size, "white"); g.paste(f, mask=f.getchannel("A")); f = g
        if out == "webp": f.save(bo, "WEBP", quality=80, method=4)
        elif out == "ref": f.save(bo, "PNG", compress_level=1)
        else: f.save(bo, "JPEG", quality=80, subsampling=2)
        res.append(bo.getvalue())
    return res
if dump:
    os.makedirs(dump, exist_ok=True)
    for f, b in zip(fs, data):
        for w, o in zip(W, one(b)): open(f"{dump}/{f}_{w}.{'png' if out == 'ref' else 'webp' if out == 'webp' else 'jpg'}", "wb").write(o)
    sys.exit()
rates = []; c0 = time.process_time()
for _ in range(rounds):
    it = iter(range(len(data))); lk = threading.Lock(); tot = [0]
    def work():
        while True:
            with lk: i = next(it, None)
            if i is None: return
            for o in one(data[i]): tot[0] += len(o)
    t = time.perf_counter(); ts = [threading.Thread(target=work) for _ in range(th)]; [x.start() for x in ts]; [x.join() for x in ts]
    rates.append(len(data) / (time.perf_counter() - t))
rates.sort()
print(json.dumps(dict(peer=f"pillow:{mode}", out=out, threads=th, img_s_med=round(rates[len(rates)//2], 2), min=round(rates[0], 2), max=round(rates[-1], 2), cpu_ms_img=round((time.process_time()-c0)*1e3/(rounds*len(data)), 1), out_kB=tot[0]//1000, rss_MB=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024, v=__version__)))
