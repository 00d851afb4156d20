"""Generated portraits that differ as company portraits do, and what stands in a portrait's place."""

from __future__ import annotations

import io
from functools import lru_cache
from itertools import product

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

from kit.errors import ParameterError
from kit.lab import clothing, head
from kit.lab.appearance import Face, Sitting, face, sitting
from kit.lab.drawing import Colour, Pen, curve, ellipse, mirrored
from kit.photos import compare_fingerprints, fingerprint

HEAD = 0.235
"""Half a head's height as a share of the picture."""
RELIEF = 128
"""Side of the grid on which light is computed; it is smooth and scaled up."""
_GRID = np.mgrid[0:RELIEF, 0:RELIEF].astype(np.float32) / (RELIEF - 1)


_THUMBNAIL, _ATTEMPTS = 72, 9  # pixels of what the systems keep; occasions


@lru_cache(maxsize=512)  # farms of one process draw the same people; some 10 kB each
def portrait(seed: int, *, sitting_seed: int | None = None, size: int = 300, quality: int = 90) -> bytes:
    """Draw one photo of one person.

    Parameters
    ----------
    seed : int
        The person: an odd seed is a woman, an even one a man.
    sitting_seed : int, optional
        The occasion, which sets pose, clothes, light and backdrop; the person's own seed if not given.
    size : int
        Side of the square picture in pixels.
    quality : int
        Of the JPEG, 1 to 95.

    Returns
    -------
    bytes
        A JPEG; the same arguments give the same bytes.
    """
    person, occasion = face(seed), sitting(seed if sitting_seed is None else sitting_seed)
    return _jpeg(_lit(_draw(person, occasion, size), person, occasion), quality)


@lru_cache(maxsize=512)  # as above
def retake(seed: int, sitting_seed: int, size: int = 300) -> bytes:
    """Draw a person on another occasion, one that can be told from the first: who looks alike goes again.

    About one pair of occasions in a hundred is so alike that a person has to look.

    Parameters
    ----------
    seed, sitting_seed, size
        As of `portrait`.

    Returns
    -------
    bytes
        A JPEG.
    """
    first = fingerprint(reencode(portrait(seed), _THUMBNAIL))
    for occasion in range(sitting_seed, sitting_seed + _ATTEMPTS):
        photo = portrait(seed, sitting_seed=occasion, size=size)
        second = fingerprint(reencode(photo, _THUMBNAIL))
        if compare_fingerprints(first, second).verdict == "different":
            return photo
    what = f"person {seed} looks the same on {_ATTEMPTS} occasions"
    raise ParameterError(what, "the drawing has too little variety", "choose another seed")


def reencode(photo: bytes, size: int, quality: int = 85) -> bytes:
    """Scale a photo and encode it anew, as each system does with the photos it takes in.

    Parameters
    ----------
    photo : bytes
        Any picture.
    size : int
        Longer side of the result in pixels.
    quality : int
        Of the JPEG, 1 to 95.
    """
    with Image.open(io.BytesIO(photo)) as image:
        scale = size / max(image.size)
        target = (round(image.width * scale), round(image.height * scale))
        return _jpeg(image.convert("RGB").resize(target, Image.Resampling.BICUBIC), quality)


def silhouette(size: int = 96, *, image_format: str = "JPEG") -> bytes:
    """Draw the grey figure that stands for "no photo"."""
    image = Image.new("RGB", (size * 4, size * 4), (226, 226, 226))
    pen = Pen(ImageDraw.Draw(image), size * 4, 0.5, 0.4, 0.2)
    grey: Colour = (158, 158, 158)
    pen.fill(ellipse(0.0, 0.0, 0.82, 1.0), grey)
    pen.fill(curve(mirrored([(0.0, 1.12), (0.9, 1.25), (1.7, 1.8), (1.9, 3.4), (0.0, 3.6)])), grey)
    buffer = io.BytesIO()
    image.reduce(4).save(buffer, image_format, quality=90)
    return buffer.getvalue()


def badge(photo: bytes) -> bytes:
    """Put a name banner over a portrait, so that only a person can say whether it is the same picture.

    Parameters
    ----------
    photo : bytes
        A portrait.

    Returns
    -------
    bytes
        A JPEG of the portrait's size.

    Raises
    ------
    ParameterError
        No banner makes this photo uncertain, as when it is flat.
    """
    originals = [fingerprint(reencode(photo, size)) for size in (72, 96)]
    for strength in (0.8, 0.65, 1.0):
        candidate = _bannered(photo, strength)
        copies = [fingerprint(reencode(candidate, size)) for size in (72, 96)]
        pairs = product(originals, copies)
        if {compare_fingerprints(*pair).verdict for pair in pairs} == {"uncertain"}:
            return candidate
    what = f"a photo of {len(photo):,} bytes cannot be made uncertain"
    raise ParameterError(what, "no banner changes it by the right amount", "pass a portrait")


def _bannered(photo: bytes, strength: float) -> bytes:
    """Lay a banner with a word on it over the lower edge; a strength of 1 hides the lower fifth."""
    with Image.open(io.BytesIO(photo)) as opened:
        image = ImageEnhance.Contrast(opened.convert("RGB")).enhance(1 - 0.1 * strength)
    size = image.height
    height = size * 0.2 * strength
    draw = ImageDraw.Draw(image, "RGBA")
    draw.rectangle((0, size - height, size, size), fill=(24, 60, 92, 225))
    place = (image.width / 2, size - height / 2)
    draw.text(place, "VISITOR", fill="white", anchor="mm", font_size=max(height * 0.7, 4))
    return _jpeg(image, 90)


def truncated(photo: bytes) -> bytes:
    """Cut a photo short, as a broken transfer does: it begins like a JPEG and does not end like one."""
    return photo[: len(photo) * 3 // 5]


def login_page() -> bytes:
    """Return the page that stands in a picture's place where a proxy asks for a sign-in."""
    form = '<form method="post"><input name="user"><input name="password" type="password"></form>'
    page = (
        f"<!DOCTYPE html>\n<html><head><title>Sign in to Contoso</title></head><body>{form}</body></html>\n"
    )
    return page.encode()


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _pens(draw: ImageDraw.ImageDraw, side: int, occasion: Sitting) -> tuple[Pen, Pen]:
    """Make the pens for body and head: the head leans about its own centre."""
    scale = HEAD * occasion.scale
    return (
        Pen(draw, side, occasion.x, occasion.y, scale, occasion.shoulders),
        Pen(draw, side, occasion.x, occasion.y, scale, occasion.tilt),
    )


def _draw(person: Face, occasion: Sitting, size: int) -> Image.Image:
    """Draw a portrait in flat colours, smoothed by drawing it at twice its size."""
    image = _backdrop(size, occasion.wall).copy()
    body, top = _pens(ImageDraw.Draw(image, "RGBA"), image.width, occasion)
    head.behind(top, person)
    clothing.neck(body, person)
    clothing.clothe(body, person, occasion)
    head.ears(top, person)
    top.fill(head.outline(person), person.skin)
    head.beard(top, person, occasion)
    head.features(top, person, occasion)
    head.in_front(top, person)
    head.glasses(top, person, occasion)
    return image.reduce(2)


@lru_cache(maxsize=16)
def _backdrop(size: int, wall: Colour | None) -> Image.Image:
    """Paint the studio's blue-grey gradient, or a plain wall that darkens a little to the edges."""
    distance = np.hypot(_GRID[1] - 0.42, _GRID[0] - 0.38)[..., None]
    if wall is None:
        centre, edge = np.array((188, 202, 214)), np.array((84, 102, 124))
    else:
        centre, edge = np.array(wall), np.array(wall) * 0.88
    pixels = centre + (edge - centre) * (distance / 0.85).clip(0, 1) ** 1.3
    image = Image.fromarray(pixels.round().astype(np.uint8))
    return image.resize((size * 2, size * 2), Image.Resampling.BICUBIC)


def _lit(image: Image.Image, person: Face, occasion: Sitting) -> Image.Image:
    """Model head and body by light from one side, and set the exposure."""
    scale = HEAD * occasion.scale
    masks = Image.new("RGB", (RELIEF * 2, RELIEF * 2))
    body, top = _pens(ImageDraw.Draw(masks, "RGBA"), RELIEF * 2, occasion)
    body.fill(clothing.torso(person), (255, 0, 0))
    top.fill(head.outline(person), (0, 255, 0))
    if person.style != "bald":
        top.fill(head.crown(person), (0, 255, 0))
    right, down = (_GRID[1] - occasion.x) / scale, (_GRID[0] - occasion.y) / scale
    slope = right / 0.8 * occasion.light[0] + down * occasion.light[1]
    on_head = (0.5 * slope - 0.12 * ((right / 0.8) ** 2 + down**2) + 0.08).clip(-0.7, 0.3)
    under_chin = np.exp(-(((down - 1.2) / 0.4) ** 2) - (right / 0.9) ** 2)
    on_body = (0.3 * slope - 0.5 * under_chin).clip(-0.7, 0.3)
    share = np.asarray(masks.reduce(2), dtype=np.float32) * (occasion.contrast / 255)
    light = (1 + share[..., 0] * on_body + share[..., 1] * on_head) * occasion.exposure
    relief = np.asarray(Image.fromarray(light).resize(image.size, Image.Resampling.BILINEAR))
    pixels = np.asarray(image, dtype=np.float32) * relief[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
