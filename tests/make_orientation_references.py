#!/usr/bin/env python3
"""Writes tests/references/orientation: pictures that are stored turned or mirrored, and what Pillow makes of them.

    python3 -m venv VENV && VENV/bin/pip install Pillow==13.0.0
    VENV/bin/python tests/make_orientation_references.py

NAME.jpg and NAME.png state an orientation, the number at the end of NAME; NAME.EXT.ppm is ImageOps.exif_transpose of
it as RGB. All JPEGs hold the same stored pixels, and so do all PNGs. The build never runs this script: the files are
committed, for tests/orientation_test.cpp.
"""

import pathlib
import random
import struct

from PIL import Image, ImageOps, PngImagePlugin

FOLDER = pathlib.Path(__file__).resolve().parent / "references" / "orientation"
WIDTH, HEIGHT = 11, 6


def stored():
    """No two of its turns or mirror images are alike."""
    noise = random.Random(0).randbytes(4 * 3 * 3)
    return Image.frombytes("RGB", (4, 3), noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def exif(orientation, order=">", kind=3):
    """A TIFF file with that one entry."""
    mark = b"MM\0*" if order == ">" else b"II*\0"
    value = struct.pack(order + ("H2x" if kind == 3 else "L"), orientation)
    entry = struct.pack(order + "HHL", 0x112, kind, 1) + value
    return b"Exif\0\0" + mark + struct.pack(order + "LH", 8, 1) + entry + b"\0\0\0\0"


def xmp(orientation, as_element=False):
    tag = f"><tiff:Orientation>{orientation}</tiff:Orientation>" if as_element else f' tiff:Orientation="{orientation}">'
    return f"<rdf:Description{tag}</rdf:Description>"


def raw_profile(orientation):
    """As ImageMagick writes it."""
    profile = exif(orientation)
    return f"\nexif\n{len(profile):8}\n{profile.hex()}\n"


def text(key, value, kind="tEXt"):
    info = PngImagePlugin.PngInfo()
    if kind.startswith("iTXt"):
        info.add_itxt(key, value, zip=kind == "iTXt packed")
    else:
        info.add_text(key, value, zip=kind == "zTXt")
    return info


def without_exif_but_maker():
    other = Image.Exif()
    other[0x10F] = "somebody"
    return other


def save(name, picture, **options):
    path = FOLDER / name
    picture.save(path, **options)
    upright = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    upright.save(FOLDER / (name + ".ppm"))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    picture = stored()
    jpeg = {"quality": 90, "subsampling": 0}
    for orientation in range(1, 9):
        order = "><"[orientation % 2]
        save(f"exif_{orientation}.jpg", picture, exif=exif(orientation, order), **jpeg)
        save(f"exif_{orientation}.png", picture, exif=exif(orientation, order))
    save("long_6.jpg", picture, exif=exif(6, kind=4), **jpeg)
    save("xmp_6.jpg", picture, xmp=xmp(6).encode(), **jpeg)
    save("xmp_element_8.jpg", picture, xmp=xmp(8, True).encode(), exif=without_exif_but_maker(), **jpeg)
    save("exif_before_xmp_3.jpg", picture, exif=exif(3), xmp=xmp(6).encode(), **jpeg)
    save("raw_profile_5.png", picture, pnginfo=text("Raw profile type exif", raw_profile(5)))
    save("packed_raw_profile_7.png", picture, pnginfo=text("Raw profile type exif", raw_profile(7), "zTXt"))
    save("xmp_6.png", picture, pnginfo=text("XML:com.adobe.xmp", xmp(6), "iTXt"))
    save("packed_xmp_8.png", picture, pnginfo=text("XML:com.adobe.xmp", xmp(8), "iTXt packed"))


if __name__ == "__main__":
    main()
