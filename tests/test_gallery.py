import io
from collections.abc import Iterator
from pathlib import Path

import cases
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from kit.figure import alt_text
from kit.gallery import Pair, pairs, pixelated, sheet, thumbnail, with_outcome
from kit.store import PhotoStore


def photo(size: tuple[int, int] = (96, 96), image_format: str = "JPEG") -> bytes:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


def pair(
    label: str = "Ann Lee", left: bytes | None = None, right: bytes | None = None, third: str = ""
) -> Pair:
    return Pair(label, "stale", 104, 0.31, left, right, "SharePoint now", "AD before", None, third)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_verdict_and_numbers_stand_under_the_pair() -> None:
    assert "stale · 104 of 256 bits differ, correlation 0.310" in texts(sheet([pair()], "Stale photos"))


def test_people_left_out_are_counted() -> None:
    figure = sheet([pair(str(number)) for number in range(36)], "Stale photos")
    assert figure.get_suptitle() == "Stale photos, showing 12 of 36"
    assert len(figure.subfigs) == 12


def test_nobody_is_left_out_silently() -> None:
    assert sheet([pair()], "Stale photos").get_suptitle() == "Stale photos"


@pytest.mark.parametrize(
    ("left", "words"), [(None, "no photo"), (b"<html>", "unreadable"), (photo()[:90], "unreadable")]
)
def test_missing_and_unreadable_photos_are_labelled(left: bytes | None, words: str) -> None:
    assert texts(sheet([pair(left=left, right=photo())], "Stale photos")).count(words) == 1


def test_a_third_photo_is_shown_if_it_has_a_caption() -> None:
    assert "AD after" in texts(sheet([pair(third="AD after")], "Stale photos"))
    assert len(sheet([pair()], "Stale photos").axes) == 2


def test_nobody_to_show_is_said() -> None:
    assert alt_text(sheet([], "Stale photos")) == "Stale photos. There is nobody to show."


def test_no_text_is_clipped() -> None:
    pairs = [pair("A" * 80, photo(), photo((48, 64))), pair(third="AD after"), pair()]
    figure = sheet(pairs, "Stale photos")
    FigureCanvasAgg(figure).draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in figure.findobj(Text) if text.get_text()]
    visible = [(text, box) for text, box in boxes if not text.replace(".", "").isdigit()]
    assert [text for text, box in visible if box.x0 < 0 or box.x1 > figure.bbox.x1 or box.y0 < 0] == []


def test_sheets_are_marked_as_personal() -> None:
    assert sheet([pair()], "Stale photos").personal


def test_pixelated_photos_have_at_most_sixty_four_colours() -> None:
    with Image.open(io.BytesIO(pixelated(photo((300, 300))))) as image:
        assert len(image.getcolors(10_000)) <= 64


def test_pixelated_keeps_no_metadata() -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "Ann Lee"
    Image.new("RGB", (64, 64)).save(buffer, "JPEG", exif=exif)
    assert b"Ann Lee" not in pixelated(buffer.getvalue())


def test_an_unreadable_photo_is_pixelated_to_an_empty_one() -> None:
    with Image.open(io.BytesIO(pixelated(b"<html>"))) as image:
        assert image.getcolors() == [(9216, (213, 218, 224))]


def test_thumbnails_keep_their_proportions() -> None:
    small = thumbnail(photo((300, 400)), 96)
    assert small is not None
    with Image.open(io.BytesIO(small)) as image:
        assert image.size == (72, 96)


@pytest.mark.parametrize("broken", [None, b"", b"<html>"])
def test_what_is_no_photo_has_no_thumbnail(broken: bytes | None) -> None:
    assert thumbnail(broken) is None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PhotoStore]:
    with PhotoStore(tmp_path / "photos.sqlite") as opened:
        yield opened


def anna(store: PhotoStore, left: bytes | None, right: bytes | None, **values: object) -> pd.DataFrame:
    """Return one person whose photos, SharePoint's and Active Directory's, are in the store."""
    hashes = {
        "sharepoint_sha256": store.put(left) if left else "",
        "directory_sha256": store.put(right) if right else "",
    }
    return cases.people({"account": "contoso\\anna", "verdict": "stale", **hashes, **values})


def test_a_pair_is_what_both_systems_show(store: PhotoStore) -> None:
    (found,) = pairs(
        anna(store, b"left", b"right", display_name="Anna", distance=104, correlation=0.31), store
    )
    assert found == Pair("Anna", "stale", 104.0, 0.31, b"left", b"right", "SharePoint", "AD")


def test_a_photo_that_is_not_there_is_none(store: PhotoStore) -> None:
    (found,) = pairs(anna(store, None, b"right"), store)
    assert (found.left, found.right, found.numbers) == (None, b"right", "not compared")


def test_somebody_without_a_name_is_labelled_by_the_account(store: PhotoStore) -> None:
    assert pairs(anna(store, None, None), store)[0].label == "contoso\\anna"


def test_nobody_makes_no_pairs(store: PhotoStore) -> None:
    assert pairs(anna(store, None, None).head(0), store) == []


def test_the_outcome_stands_beside_what_was_before(store: PhotoStore) -> None:
    before = pairs(anna(store, b"new", b"old", display_name="Anna", distance=104, correlation=0.31), store)
    after = anna(store, b"new", b"new", display_name="Anna", verdict="in_sync", distance=3, correlation=0.99)
    (found,) = with_outcome(before, pairs(after, store))
    assert found.photos == [("SharePoint", b"new"), ("AD before", b"old"), ("AD now", b"new")]
    assert (found.verdict, found.distance, found.correlation) == ("in_sync", 3.0, 0.99)


def test_outcomes_of_other_people_are_not_taken(store: PhotoStore) -> None:
    with pytest.raises(ValueError, match="shorter"):
        with_outcome(pairs(anna(store, None, None), store), [])
