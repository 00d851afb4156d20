"""Decode a photo from bytes that may be anything: the one place where hostile bytes meet an image library."""

from __future__ import annotations

import contextlib
import io
import re
import threading
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

MAX_PIXELS = 16_000_000
"""Larger pictures are not decoded: no portrait is, and a small file can claim any size."""
_PROFILED = {"RGB": "RGB", "CMYK": "CMYK", "L": "GRAY"}
"""Pillow's modes and the colour spaces of the profiles that go with them."""
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
"""Formats a profile photo is met in. Others stay closed: some of Pillow's decoders start other programs."""
# Pillow warns of odd metadata, and a program may have made warnings errors: its settings for warnings
# must not decide what a photo is; the settings are shared by all threads, hence the lock.
_QUIET = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """What a file shows.

    Parameters
    ----------
    format : str
        Pillow's name of the format.
    image : Image
        The first frame as a person sees it: RGB, in sRGB's colours, turned upright by its EXIF orientation,
        with transparency flattened on white.
    animated : bool
        Whether there are more frames.
    """

    format: str
    image: Image.Image
    animated: bool = False


def decode(photo: bytes, max_pixels: int = MAX_PIXELS) -> tuple[str, Image.Image]:
    """Return the format and the picture of `read`."""
    picture = read(photo, max_pixels)
    return picture.format, picture.image


def read(photo: bytes, max_pixels: int = MAX_PIXELS) -> Picture:
    """Return the picture in a file as a person sees it.

    Parameters
    ----------
    photo : bytes
        The photo as read.
    max_pixels : int
        Larger pictures are refused before they are decoded.

    Raises
    ------
    Exception
        Whatever the image library raises for broken bytes; its classes are many and undocumented.
    """
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image_format, image, animated = _open(photo, max_pixels)
        profile = image.info.get("icc_profile")
        if image.mode.startswith(("I", "F")):
            image = _shallow(image)
        if image.has_transparency_data:
            layer = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
        return Picture(image_format, _in_srgb(image, profile).convert("RGB"), animated)


def name_what_it_is(photo: bytes) -> str:
    """Name what is commonly found in a photo's place; empty if it is none of that.

    Examples
    --------
    >>> name_what_it_is(b"<!DOCTYPE html><html><head><title>Sign In</title>")
    "an HTML page, titled 'Sign In'"
    """
    if not photo:
        return "empty"
    head = photo[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith((b"<!doctype html", b"<head", b"<body")) or b"<html" in head:
        title = re.search(rb"<title[^>]*>(.*?)</title", photo[:4096], re.IGNORECASE | re.DOTALL)
        words = " ".join(title[1].decode("utf-8", "replace").split())[:60] if title else ""
        return f"an HTML page, titled {words!r}" if words else "an HTML page"
    if head.startswith((b"<?xml", b"<soap", b"{", b"[")):
        return "a text document (XML or JSON)"
    return ""


def _open(photo: bytes, max_pixels: int) -> tuple[str, Image.Image, bool]:
    """Return format, first frame turned upright but otherwise as the file has it, and whether more follow."""
    try:
        opened = Image.open(io.BytesIO(photo), formats=FORMATS)
    except UnidentifiedImageError as error:
        # Pillow's own words name an object in memory, so they would differ from run to run.
        message = f"in none of {', '.join(FORMATS)}; begins with {photo[:8].hex(' ')}"
        raise ValueError(message) from error
    with opened:
        width, height = opened.size
        if width * height > max_pixels:
            message = f"{width}x{height} is more than {max_pixels:,} pixels"
            raise ValueError(message)
        image = ImageOps.exif_transpose(opened)
        animated = False
        with contextlib.suppress(Exception):  # a broken second frame says nothing of the first
            animated = bool(getattr(opened, "is_animated", False))
        return opened.format or "", image, animated


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert from the colours of a file's profile; a broken or unfitting one is ignored, as browsers do."""
    if not profile:
        return image
    if image.mode not in _PROFILED:
        image = image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILED[image.mode]:
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return converted or image


def _shallow(image: Image.Image) -> Image.Image:
    """Bring a deep grey picture to 8 bits by its own range; Pillow itself would clip it to white."""
    deep = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0).clip(min=0.0)
    return Image.fromarray((deep / max(float(deep.max()), 1.0) * 255).astype(np.uint8))
