"""Which letters can be drawn, and with which of the installed fonts."""

from __future__ import annotations

import unicodedata
from functools import cache

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

DRAWN_FIRST = "DejaVu Sans"
"""Comes with matplotlib; has the letters of Europe, and none of East Asia."""
EAST_ASIAN = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Source Han Sans", "Droid Sans Fallback"),
    *("Yu Gothic", "MS Gothic", "Hiragino Sans", "Microsoft YaHei", "SimSun", "PingFang SC"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Malgun Gothic", "Apple SD Gothic Neo"),
    *("NanumGothic", "Arial Unicode MS"),
)
"""Fonts with Chinese, Japanese or Korean letters, as they are called on Linux, Windows and macOS."""
BOLD = 700
NO_LETTER = "\N{REPLACEMENT CHARACTER}"

_RIGHT_TO_LEFT = {"R", "AL"}


@cache
def families() -> tuple[str, ...]:
    """Return the installed fonts to draw with; each is asked for what those before it lack.

    Fonts without a bold face are left out: matplotlib would write a warning for each title drawn with them.
    """
    bold = {font.name for font in fontManager.ttflist if font.weight in (BOLD, "bold")}
    return (DRAWN_FIRST, *(name for name in EAST_ASIAN if name in bold))


def drawable(text: str) -> bool:
    """Whether a text can be drawn so that it can be read.

    Scripts that run from right to left are not: matplotlib neither turns them round nor joins their letters.

    Examples
    --------
    >>> drawable("Åsa Müller"), drawable("سلمى منصور"), drawable("שרה")
    (True, False, False)
    """
    turned = any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text)
    return not turned and with_known_letters(text) == text


def with_known_letters(text: str) -> str:
    r"""Put a sign in place of every letter that no installed font has.

    Examples
    --------
    >>> with_known_letters("R&D, Jena \U00012000")
    'R&D, Jena �'
    """
    return "".join(letter if letter.isspace() or ord(letter) in _letters() else NO_LETTER for letter in text)


@cache
def _letters() -> frozenset[int]:
    """Return every letter of the fonts that are drawn with, in both weights."""
    fonts = [
        [get_font(findfont(FontProperties(family=name, weight=weight))) for name in families()]
        for weight in ("normal", "bold")
    ]
    normal, bold = ({letter for font in some for letter in font.get_charmap()} for some in fonts)
    return frozenset(normal & bold)
