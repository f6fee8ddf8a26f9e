#!/usr/bin/env python3
"""PSNR (RGB) and SSIM (luma, 7x7 uniform, skimage) of dumped outputs against the lossless reference dump.
Run: pip install scikit-image pillow ; python pillow.py CORPUS full ref 1 1 REFDIR ; python quality.py REFDIR DUMPDIR..."""
import sys, os, numpy as np
from PIL import Image
from skimage.metrics import structural_similarity as ssim
ref = sys.argv[1]
for d in sys.argv[2:]:
    acc = {1600: [], 800: [], 200: []}; size = 0; dims = 0
    for f in sorted(os.listdir(d)):
        stem = f.rsplit(".", 1)[0]; w = int(stem.rsplit("_", 1)[1]); A = Image.open(f"{ref}/{stem}.png").convert("RGB"); B = Image.open(f"{d}/{f}"); size += os.path.getsize(f"{d}/{f}")
        if B.mode == "RGBA": g = Image.new("RGB", B.size, "white"); g.paste(B, mask=B.getchannel("A")); B = g
        B = B.convert("RGB")
        if A.size != B.size:
            dims += 1
            if abs(A.size[1]-B.size[1]) > 1 or A.size[0] != B.size[0]: print(d, f, "size differs", A.size, B.size); continue
            h = min(A.size[1], B.size[1]); A = A.crop((0,0,A.size[0],h)); B = B.crop((0,0,A.size[0],h))
        a, b = np.asarray(A, np.float64), np.asarray(B, np.float64)
        acc[w].append((10*np.log10(255**2/max(((a-b)**2).mean(), 1e-9)), ssim(np.asarray(A.convert("L")), np.asarray(B.convert("L")))))
    print(os.path.basename(d), " ".join(f"{w}: PSNR {np.mean([x[0] for x in v]):.2f} (min {min(x[0] for x in v):.2f}) SSIM {np.mean([x[1] for x in v]):.4f} (min {min(x[1] for x in v):.4f})" for w, v in acc.items()), f"kB {size//1000} h-off-by-1 {dims}")
