#!/usr/bin/env python3
"""Seeded image corpus for the resize benchmark.

How to run:   pip install numpy pillow scikit-image scikit-learn
              python corpus.py OUTDIR        (about 30 s, seed fixed = 20260101)

Files written (name, pixels, format, notes):
  mosaic12_{a,b}.jpg  4032x3024 JPEG q90 4:2:0  mosaic of real photos at native scale (real HF statistics)
  synth12.jpg         4032x3024 JPEG q92 4:2:0  gradients + 1/f noise + shapes + sensor grain, EXIF orientation 6
  synth12_444.jpg     4032x3024 JPEG q92 4:4:4  progressive
  mosaic3_{a,b}.jpg   2048x1536 JPEG q88 4:2:0  (3.1 MP)  b has EXIF orientation 3
  synth3.jpg          2048x1536 JPEG q90 4:2:0
  alpha3.png          2048x1536 PNG RGBA 8      shapes with soft alpha over transparent
  rgb3.png            2048x1536 PNG RGB 8       the mosaic, lossless
  photo3.webp         2048x1536 WebP lossy q85
Real photos used: scikit-image astronaut, coffee, chelsea, rocket, hubble, motorcycle (wheel data, public
domain / CC0 per skimage docs) and scikit-learn china.jpg, flower.jpg (CC BY, authors in its README).
A text file CORPUS.sha256 is written beside them.
"""
import sys, os, hashlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter
OUT = sys.argv[1]; os.makedirs(OUT, exist_ok=True)
rng = np.random.default_rng(20260101)

def photos():
    import skimage, sklearn.datasets
    d = os.path.join(os.path.dirname(skimage.__file__), "data")
    s = os.path.join(os.path.dirname(sklearn.datasets.__file__), "images")
    fs = [f"{d}/{n}" for n in ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "hubble_deep_field.jpg",
                               "motorcycle_left.png", "motorcycle_right.png")] + [f"{s}/china.jpg", f"{s}/flower.jpg"]
    return [Image.open(f).convert("RGB") for f in fs]
P = photos()

def mosaic(w, h):
    im = Image.new("RGB", (w, h)); y = 0
    while y < h:
        x = 0; rowh = 400
        while x < w:
            p = P[rng.integers(len(P))]
            if rng.random() < .5: p = p.transpose(Image.FLIP_LEFT_RIGHT)
            k = max(1.0, rowh / p.height); 
            if k != 1.0: p = p.resize((round(p.width * k), round(p.height * k)), Image.LANCZOS)
            im.paste(p.crop((0, 0, p.width, rowh)), (x, y)); x += p.width
        y += rowh
    return im

def fnoise(w, h, beta=1.0):
    f = np.fft.rfft2(rng.standard_normal((h, w)))
    ky = np.fft.fftfreq(h)[:, None]; kx = np.fft.rfftfreq(w)[None, :]
    k = np.hypot(ky, kx); k[0, 0] = 1
    n = np.fft.irfft2(f / k ** beta, s=(h, w)); return (n - n.mean()) / n.std()

def synth(w, h):
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    base = np.stack([120 + 90 * (yy / h), 130 + 60 * (xx / w), 180 - 80 * (yy / h)], -1)
    n = fnoise(w, h, 1.15); c = fnoise(w, h, 1.4)
    base += n[..., None] * 22 + c[..., None] * np.array([8, -4, -8])
    im = Image.fromarray(np.clip(base, 0, 255).astype(np.uint8)); dr = ImageDraw.Draw(im)
    for _ in range(140):
        x, y = rng.integers(0, w), rng.integers(0, h); r = int(rng.integers(h // 200, h // 12))
        col = tuple(int(v) for v in rng.integers(0, 256, 3))
        k = rng.integers(3)
        if k == 0: dr.ellipse((x - r, y - r, x + r, y + r), fill=col)
        elif k == 1: dr.rectangle((x, y, x + r, y + 2 * r), fill=col)
        else: dr.line((x, y, int(x + rng.integers(-3 * r, 3 * r)), y + r), fill=col, width=max(2, r // 20))
    im = im.filter(ImageFilter.GaussianBlur(0.7)); a = np.asarray(im).astype(np.float32)
    a += rng.standard_normal((h, w, 1)) * 3 + rng.standard_normal((h, w, 3)) * 1.5
    return Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))

def exif(o):
    e = Image.Exif(); e[0x0112] = o; e[0x010F] = "BenchCam"; return e.tobytes()
def sv(im, n, **k): im.save(f"{OUT}/{n}", **k)
B, M = (4032, 3024), (2048, 1536)
sv(mosaic(*B), "mosaic12_a.jpg", quality=90, subsampling=2); sv(mosaic(*B), "mosaic12_b.jpg", quality=90, subsampling=2)
s = synth(*B); sv(s, "synth12.jpg", quality=92, subsampling=2, exif=exif(6)); sv(s, "synth12_444.jpg", quality=92, subsampling=0, progressive=True)
m = mosaic(*M); sv(m, "mosaic3_a.jpg", quality=88, subsampling=2); sv(m, "rgb3.png")
sv(mosaic(*M), "mosaic3_b.jpg", quality=88, subsampling=2, exif=exif(3)); s3 = synth(*M); sv(s3, "synth3.jpg", quality=90, subsampling=2)
al = Image.new("L", M, 0); d = ImageDraw.Draw(al)
for _ in range(40):
    x, y = int(rng.integers(M[0])), int(rng.integers(M[1])); r = int(rng.integers(30, 300)); d.ellipse((x - r, y - r, x + r, y + r), fill=int(rng.integers(60, 256)))
al = al.filter(ImageFilter.GaussianBlur(3)); r = s3.copy(); r.putalpha(al); sv(r, "alpha3.png")
sv(mosaic(*M), "photo3.webp", quality=85, method=4)
with open(f"{OUT}/CORPUS.sha256", "w") as fo:
    for n in sorted(os.listdir(OUT)):
        if n.endswith(("jpg", "png", "webp")):
            b = open(f"{OUT}/{n}", "rb").read(); im = Image.open(f"{OUT}/{n}"); line = f"{hashlib.sha256(b).hexdigest()}  {n}  {im.size[0]}x{im.size[1]} {len(b)} bytes"; print(line); fo.write(line + "\n")
