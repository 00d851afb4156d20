import warnings

import pandas as pd
import pytest
from matplotlib.font_manager import fontManager

from kit import lettering
from kit.departments import departments
from kit.figure import alt_text, png
from kit.lettering import NO_LETTER, drawable, with_known_letters
from kit.pair import Pair
from kit.sheet import sheet

CUNEIFORM = "\U00012000"
"""No font that a computer comes with has it."""


@pytest.mark.parametrize("name", ["Åsa Müller", "Ёлкина, Анна", "Ελένη", "O'Brien (External)", "Ağaoğlu", ""])
def test_european_names_can_be_drawn(name: str) -> None:
    assert drawable(name)


@pytest.mark.parametrize("name", ["سلمى منصور", "שרה כהן", "Anna سلمى", CUNEIFORM])
def test_names_that_nobody_could_read_cannot(name: str) -> None:
    assert not drawable(name)


def test_a_letter_that_no_font_has_becomes_a_sign() -> None:
    assert with_known_letters(f"Sales {CUNEIFORM}") == f"Sales {NO_LETTER}"


def test_every_font_to_draw_with_is_installed() -> None:
    assert set(lettering.families()) <= {font.name for font in fontManager.ttflist}


@pytest.mark.parametrize("name", [CUNEIFORM, "陸秀英", "田中 花子", "김민준", "سلمى", "अनिता", "😀"])
def test_nothing_that_is_drawn_warns_of_a_missing_letter(name: str) -> None:
    one = Pair(name, "stale", 1, 0.5, None, None, "SharePoint now", "AD now", account=name)
    people = pd.DataFrame({"department": [name], "verdict": ["stale"]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = [sheet([one], "Photos"), departments(people)]
        pictures = [png(figure) for figure in drawn]
    assert all(pictures)
    assert all(name in alt_text(figure) for figure in drawn)
