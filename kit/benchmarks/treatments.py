"""What happens to a photo on its way: coded anew, cut to a frame, filled up with bars."""

from __future__ import annotations

import io
from random import Random

from PIL import Image, ImageEnhance

SIZES = (300, 96, 72, 48)
"""Longer sides, in pixels, that SharePoint, Active Directory and Exchange make of a photo."""
QUALITIES = (50, 95)
FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR)


def reencoded(photo: bytes, random: Random) -> bytes:
    """Scale and code a photo once or twice, perhaps up to 15 % brighter or darker."""
    image = _image(photo)
    if random.random() < 0.5:
        factor = random.choice((0.85, 1.15, random.uniform(0.85, 1.15)))
        image = ImageEnhance.Brightness(image).enhance(factor)
    for _ in range(random.choice((1, 2))):
        scale = random.choice(SIZES) / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        photo = _coded(image.resize(size, random.choice(FILTERS)), random)
        image = _image(photo)
    return photo


def cropped(photo: bytes, random: Random) -> bytes:
    """Cut off 3 to 10 % on one to four sides; half of them are coded anew, some squeezed to the old frame."""
    image = _image(photo)
    sides = random.sample(range(4), random.choice((1, 2, 3, 4, 4)))
    left, top, right, bottom = (random.uniform(0.03, 0.1) * (side in sides) for side in range(4))
    width, height = image.size
    corner = round(left * width), round(top * height)
    cut = image.crop((*corner, round(width * (1 - right)), round(height * (1 - bottom))))
    if random.random() < 0.3:
        cut = cut.resize(image.size)
    return _sent(cut, random)


def letterboxed(photo: bytes, random: Random) -> bytes:
    """Add bars of 3 to 15 % at two opposite sides, black, white or of any shade; half are coded anew."""
    image = _image(photo)
    any_shade = random.randrange(256), random.randrange(256), random.randrange(256)
    shade = random.choice(((0, 0, 0), (255, 255, 255), any_shade))
    first, second = (random.uniform(0.03, 0.15) for _ in range(2))
    if random.random() < 0.5:
        second = first
    width, height = image.size
    if random.random() < 0.5:
        framed = Image.new("RGB", (width, round(height * (1 + first + second))), shade)
        framed.paste(image, (0, round(height * first)))
    else:
        framed = Image.new("RGB", (round(width * (1 + first + second)), height), shade)
        framed.paste(image, (round(width * first), 0))
    return _sent(framed, random)


def _sent(image: Image.Image, random: Random) -> bytes:
    photo = _coded(image, random)
    return reencoded(photo, random) if random.random() < 0.5 else photo


def _image(photo: bytes) -> Image.Image:
    with Image.open(io.BytesIO(photo)) as image:
        return image.convert("RGB")


def _coded(image: Image.Image, random: Random) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=random.randint(*QUALITIES))
    return buffer.getvalue()
