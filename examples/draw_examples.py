#!/usr/bin/env python3
"""Draws the pictures of this folder: simple scenes for the CIFAR-10 classes, no photograph of anyone.

    examples/draw_examples.py [FOLDER]

Needs Pillow and numpy. The result is the same on every run: the noise is seeded by the picture's name.
"""

import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = 128
SCALE = 4  # shapes are drawn this much larger and then averaged down, which smooths their edges


def scaled(points):
    return [(x * SCALE, y * SCALE) for x, y in points]


class Scene:
    """A picture with coordinates from 0 to 128, whatever the resolution that is drawn in."""

    def __init__(self, name):
        self.image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE))
        self.random = np.random.default_rng(zlib.crc32(name.encode()))

    def gradient(self, top, bottom, first, last):
        """Rows from top to bottom, coloured from first to last."""
        rows = np.linspace(0, 1, (bottom - top) * SCALE)[:, None, None]
        band = np.asarray(first) * (1 - rows) + np.asarray(last) * rows
        band = np.broadcast_to(band, (len(rows), SIZE * SCALE, 3)).astype(np.uint8)
        self.image.paste(Image.fromarray(np.ascontiguousarray(band)), (0, top * SCALE))

    def texture(self, top, bottom, strength, grain=(2, 2)):
        """Adds smooth noise to the rows from top to bottom; grain is its size across and down."""
        height = bottom - top
        noise = self.random.normal(0, 1, (max(2, height // grain[1]), max(2, SIZE // grain[0])))
        coarse = Image.fromarray((noise * 40 + 128).clip(0, 255).astype(np.uint8))
        fine = np.asarray(coarse.resize((SIZE * SCALE, height * SCALE), Image.BICUBIC), dtype=np.float32)
        box = (0, top * SCALE, SIZE * SCALE, bottom * SCALE)
        pixels = np.asarray(self.image.crop(box), dtype=np.float32)
        pixels = pixels + (fine[..., None] - 128) / 40 * strength
        self.image.paste(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), box[:2])

    def polygon(self, points, colour):
        ImageDraw.Draw(self.image).polygon(scaled(points), fill=colour)

    def ellipse(self, x, y, rx, ry, colour):
        box = [(x - rx) * SCALE, (y - ry) * SCALE, (x + rx) * SCALE, (y + ry) * SCALE]
        ImageDraw.Draw(self.image).ellipse(box, fill=colour)

    def line(self, points, width, colour):
        ImageDraw.Draw(self.image).line(scaled(points), fill=colour, width=round(width * SCALE), joint="curve")

    def soft(self, radius, strength, shapes):
        """Draws with a blurred edge: shapes(draw) fills a mask, through which white (or black, if negative) shines."""
        mask = Image.new("L", self.image.size)
        shapes(ImageDraw.Draw(mask))
        mask = mask.filter(ImageFilter.GaussianBlur(radius * SCALE)).point(lambda v: int(v * abs(strength)))
        self.image.paste((255, 255, 255) if strength > 0 else (0, 0, 0), mask=mask)

    def cloud(self, x, y, rx, ry, strength=0.6):
        def shapes(draw):
            for dx, dy, k in ((-0.7, 0.15, 0.7), (0, 0, 1), (0.7, 0.2, 0.75)):
                cx, cy = x + dx * rx, y + dy * ry
                box = [cx - rx * k, cy - ry * k, cx + rx * k, cy + ry * k]
                draw.ellipse([v * SCALE for v in box], fill=255)

        self.soft(4, strength, shapes)

    def shadow(self, x, y, rx, ry, strength=0.6):
        box = [v * SCALE for v in (x - rx, y - ry, x + rx, y + ry)]
        self.soft(2, -strength, lambda draw: draw.ellipse(box, fill=255))

    def finish(self):
        small = self.image.resize((SIZE, SIZE), Image.BOX)
        grain = self.random.normal(0, 2.0, (SIZE, SIZE, 1))
        return Image.fromarray((np.asarray(small) + grain).clip(0, 255).astype(np.uint8))


def airplane():
    """An airliner from the side, climbing, against a blue sky."""
    s = Scene("airplane")
    s.gradient(0, 128, (88, 140, 205), (190, 215, 238))
    s.cloud(25, 100, 26, 8)
    s.cloud(100, 112, 30, 8)
    s.cloud(98, 22, 20, 5, 0.35)
    s.polygon([(60, 60), (74, 57), (52, 28), (45, 29)], (150, 158, 170))  # far wing
    s.polygon([(24, 66), (14, 40), (23, 39), (40, 62)], (70, 84, 122))  # fin
    body = [(12, 70), (30, 62), (70, 53), (100, 48), (112, 50), (118, 55), (112, 60), (98, 64), (60, 72), (30, 76)]
    s.polygon(body, (236, 239, 243))
    belly = [(12, 70), (30, 76), (60, 72), (98, 64), (112, 60), (118, 55), (104, 59), (60, 67), (30, 71)]
    s.polygon(belly, (172, 180, 192))
    s.polygon([(106, 50), (112, 50), (116, 53), (108, 54)], (52, 60, 76))  # cockpit
    for i in range(14):
        s.ellipse(36 + i * 4.8, 66.5 - i * 1.02, 0.9, 1.1, (84, 96, 116))
    s.polygon([(22, 72), (34, 71), (14, 82), (6, 82)], (132, 140, 154))  # tailplane
    s.polygon([(54, 69), (78, 64), (40, 102), (30, 103)], (122, 130, 146))  # near wing
    s.polygon([(54, 69), (60, 68), (33, 102), (30, 103)], (176, 184, 196))
    s.ellipse(60, 84, 8, 3.6, (92, 100, 116))
    s.ellipse(66, 83, 2.2, 3.2, (44, 48, 58))
    return s


def ship():
    """A cargo ship on a calm sea."""
    s = Scene("ship")
    s.gradient(0, 76, (134, 172, 212), (216, 226, 232))
    s.cloud(30, 22, 24, 6, 0.5)
    s.cloud(96, 32, 26, 5, 0.4)
    s.gradient(76, 128, (70, 108, 140), (28, 62, 96))
    s.texture(76, 128, 9, (8, 2))
    s.polygon([(8, 68), (120, 64), (110, 88), (18, 88)], (44, 48, 62))  # hull
    s.polygon([(15, 83), (112, 83), (110, 88), (18, 88)], (150, 44, 40))
    s.line([(8, 68), (120, 64)], 1.2, (214, 216, 218))
    s.polygon([(16, 67), (16, 42), (36, 42), (36, 67)], (238, 238, 234))  # bridge
    s.polygon([(36, 42), (40, 44), (40, 67), (36, 67)], (186, 190, 194))
    s.polygon([(12, 42), (12, 38), (42, 38), (42, 42)], (222, 224, 224))
    for row in range(3):
        for i in range(4):
            x, y = 18.5 + i * 4.4, 45.5 + row * 7
            s.polygon([(x, y), (x + 2.6, y), (x + 2.6, y + 2.6), (x, y + 2.6)], (60, 76, 96))
    s.polygon([(20, 38), (21, 26), (30, 26), (31, 38)], (196, 70, 48))  # funnel
    s.polygon([(21, 29), (21, 26), (30, 26), (30, 29)], (40, 40, 46))
    s.line([(36, 38), (36, 20)], 0.9, (90, 94, 100))
    colours = [(176, 70, 52), (64, 110, 150), (198, 150, 70), (92, 132, 96), (150, 152, 156), (160, 88, 60)]
    for i in range(8):
        for row in range(3 if 0 < i < 6 else 2):
            x, y = 44 + i * 8.4, 59.0 - row * 6.2
            s.polygon([(x, y), (x + 7.8, y), (x + 7.8, y + 5.7), (x, y + 5.7)], colours[(i * 2 + row * 3) % 6])
    s.line([(113, 65), (113, 46)], 0.9, (90, 94, 100))
    s.soft(1.2, 0.6, lambda draw: draw.line(scaled([(14, 89), (60, 90), (114, 88)]), 255, 5))
    s.soft(3, -0.3, lambda draw: draw.polygon(scaled([(18, 90), (108, 90), (98, 108), (28, 108)]), 255))
    return s


def wheel(s, x, y, r):
    s.ellipse(x, y, r, r, (26, 26, 30))
    s.ellipse(x, y, r * 0.58, r * 0.58, (164, 168, 174))
    s.ellipse(x, y, r * 0.24, r * 0.24, (84, 88, 94))


def street(name):
    """Sky, trees, and a grey road from row 84 on."""
    s = Scene(name)
    s.gradient(0, 52, (172, 200, 226), (222, 230, 234))
    s.gradient(52, 80, (82, 108, 66), (98, 116, 78))
    for x in range(-4, 136, 9):
        height = 10 + s.random.uniform(-4, 4)
        green = int(s.random.uniform(74, 104))
        s.ellipse(x, 54, 8, height, (green - 22, green, green - 34))
    s.texture(40, 80, 7, (3, 3))
    s.gradient(80, 128, (132, 132, 134), (98, 98, 102))
    s.texture(80, 128, 4, (2, 2))
    return s


def automobile():
    """A red saloon from the side on a road."""
    s = street("automobile")
    s.shadow(64, 104, 54, 5)
    lower = [(8, 84), (10, 74), (28, 68), (98, 68), (114, 73), (120, 82), (119, 96), (112, 100), (12, 100), (8, 95)]
    s.polygon(lower, (182, 26, 30))
    s.polygon([(8, 90), (120, 88), (119, 96), (112, 100), (12, 100), (8, 95)], (128, 14, 20))
    s.polygon([(28, 69), (44, 49), (82, 49), (100, 69)], (168, 22, 28))  # roof and pillars
    s.polygon([(33, 68), (46, 52), (61, 52), (61, 68)], (58, 72, 88))
    s.polygon([(64, 68), (64, 52), (80, 52), (94, 68)], (58, 72, 88))
    s.polygon([(36, 65), (46, 53), (51, 53), (42, 65)], (142, 164, 184))
    s.polygon([(68, 65), (68, 53), (73, 53), (73, 65)], (142, 164, 184))
    s.soft(1.2, 0.5, lambda draw: draw.line(scaled([(14, 76), (62, 72), (112, 76)]), 255, 6))
    s.line([(63, 69), (63, 96)], 0.7, (96, 8, 14))
    s.polygon([(112, 77), (119, 80), (119, 85), (110, 84)], (244, 238, 206))
    s.polygon([(8, 78), (14, 77), (14, 84), (8, 84)], (242, 96, 60))
    for x in (32, 97):
        s.ellipse(x, 98, 13, 13, (40, 8, 12))
        wheel(s, x, 99, 11.2)
    return s


def truck():
    """A lorry with a white box from the side on a road."""
    s = street("truck")
    s.shadow(64, 108, 58, 5)
    s.polygon([(6, 34), (82, 34), (82, 92), (6, 92)], (232, 232, 228))
    s.polygon([(6, 34), (82, 34), (82, 38), (6, 38)], (250, 250, 248))
    s.polygon([(6, 84), (82, 84), (82, 92), (6, 92)], (192, 194, 196))
    for x in range(14, 82, 8):
        s.line([(x, 38), (x, 90)], 0.5, (208, 210, 210))
    s.polygon([(6, 92), (118, 92), (118, 99), (6, 99)], (58, 60, 66))  # chassis
    s.polygon([(85, 96), (85, 46), (106, 46), (117, 68), (121, 74), (121, 98), (85, 98)], (38, 84, 160))
    s.polygon([(85, 82), (121, 82), (121, 98), (85, 98)], (28, 62, 124))
    s.polygon([(91, 69), (91, 51), (104, 51), (113, 69)], (66, 80, 98))
    s.polygon([(94, 66), (94, 53), (99, 53), (99, 66)], (158, 178, 196))
    s.polygon([(117, 84), (121, 84), (121, 90), (117, 90)], (248, 240, 206))
    s.line([(103, 72), (103, 95)], 0.6, (22, 50, 104))
    for x in (22, 42, 104):
        s.ellipse(x, 100, 11.5, 11.5, (24, 26, 34))
        wheel(s, x, 101, 10)
    return s


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    for draw in (airplane, automobile, ship, truck):
        draw().finish().save(folder / f"{draw.__name__}.png", optimize=True)
        print(folder / f"{draw.__name__}.png")


if __name__ == "__main__":
    main()
