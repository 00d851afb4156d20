import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cases
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from kit import schema
from kit.figure import alt_text
from kit.gallery import Pair, Trail, ordered, pairs, pixelated, sheet, thumbnail, with_outcome
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


def test_format_size_and_bytes_stand_under_each_photo() -> None:
    shown = photo((48, 64), "PNG")
    assert f"PNG 48x64\n{len(shown):,} bytes" in texts(sheet([pair(left=shown)], "Stale photos"))


def test_what_is_no_photo_has_its_bytes_counted() -> None:
    assert "6 bytes\n " in texts(sheet([pair(left=b"<html>")], "Stale photos"))


@pytest.mark.parametrize(
    ("state", "words"), [("none", "no photo"), ("absent", "no object"), ("unknown", "not looked at")]
)
def test_an_empty_connector_space_says_why(state: str, words: str) -> None:
    one = replace(pair(left=photo(), right=photo()), trail=Trail(state=state))
    assert texts(sheet([one], "Stale photos")).count(words) == 1


def test_where_and_why_a_photo_stopped_stands_under_the_pair() -> None:
    trail = Trail(None, "old", "metaverse", "no_import_flow", "probable")
    (found,) = [text for text in texts(sheet([replace(pair(), trail=trail)], "Photos")) if "stale" in text]
    assert found.splitlines()[1:] == ["stopped at metaverse: no import flow (probable)"]


def test_what_explains_the_numbers_stands_under_the_pair() -> None:
    detail = "first unreadable; first: 174 bytes: a login page; second: JPEG 96x96, 2,000 bytes"
    (found,) = [text for text in texts(sheet([replace(pair(), detail=detail)], "P")) if "stale" in text]
    assert found.splitlines()[1:] == ["first unreadable"]


def test_sizes_and_formats_are_not_told_twice() -> None:
    detail = "first: JPEG 96x96, 2,000 bytes; second: JPEG 96x96, 2,001 bytes"
    assert len(replace(pair(), detail=detail).findings) == 1


def test_the_uncertain_come_first_then_the_unexplained_then_one_of_every_cause() -> None:
    people = [
        replace(pair("a"), trail=Trail(cause="throttled")),
        replace(pair("b"), trail=Trail(cause="throttled")),
        replace(pair("c"), trail=Trail(cause="not_joined")),
        replace(pair("d"), verdict="uncertain", trail=Trail(cause="throttled")),
        pair("f"),
        pair("E"),
    ]
    assert [one.label for one in ordered(people)] == ["d", "E", "f", "a", "c", "b"]


@pytest.mark.parametrize(
    ("name", "drawn"),
    [("Åsa Müller", "Åsa Müller"), ("سلمى منصور", "contoso\\salma"), ("\U00012000", "contoso\\salma")],
)
def test_whose_name_cannot_be_drawn_is_called_by_the_account(name: str, drawn: str) -> None:
    assert drawn in texts(sheet([replace(pair(name), account="contoso\\salma")], "Stale photos"))


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
    assert found == Pair(
        "Anna", "stale", 104.0, 0.31, b"left", b"right", "SharePoint", "AD", account="contoso\\anna"
    )


def test_a_photo_that_is_not_there_is_none(store: PhotoStore) -> None:
    (found,) = pairs(anna(store, None, b"right"), store)
    assert (found.left, found.right, found.numbers) == (None, b"right", "not compared")


def test_somebody_without_a_name_is_labelled_by_the_account(store: PhotoStore) -> None:
    assert pairs(anna(store, None, None), store)[0].label == "contoso\\anna"


def followed(**values: object) -> pd.DataFrame:
    """Return the trace of that one person."""
    default = {"person": "contoso\\anna", "traced": True, "sharepoint_connector_space": "old"}
    return schema.conform(pd.DataFrame([default | values]), schema.TRACE)


def test_the_connector_space_stands_between_the_two(store: PhotoStore) -> None:
    trace = followed(sharepoint_connector_space_sha256=store.put(b"held"), stopped_at="metaverse")
    (found,) = pairs(anna(store, b"new", b"old"), store, trace)
    assert found.photos == [("SharePoint now", b"new"), ("connector space", b"held"), ("AD now", b"old")]
    assert found.trail.words == "stopped at metaverse"


def test_somebody_who_was_not_followed_has_no_known_connector_space(store: PhotoStore) -> None:
    (found,) = pairs(anna(store, b"new", b"old"), store, followed(person="somebody else"))
    assert (found.trail.state, found.photos[1]) == ("unknown", ("connector space", None))


def test_a_cause_is_told_without_a_trace(store: PhotoStore) -> None:
    diagnosed = pd.DataFrame(
        {"person": ["contoso\\anna"], "cause": ["throttled"], "certainty": ["suspected"]}
    )
    (found,) = pairs(anna(store, b"new", b"old"), store, diagnosed=diagnosed)
    assert (found.trail.words, len(found.photos)) == ("throttled (suspected)", 2)


def test_the_outcome_stands_without_the_connector_space(store: PhotoStore) -> None:
    before = pairs(anna(store, b"new", b"old"), store, followed(stopped_at="metaverse"))
    (found,) = with_outcome(before, pairs(anna(store, b"new", b"new"), store))
    assert [caption for caption, _ in found.photos] == ["SharePoint now", "AD before", "AD now"]


def test_nobody_makes_no_pairs(store: PhotoStore) -> None:
    assert pairs(anna(store, None, None).head(0), store) == []


def test_the_outcome_stands_beside_what_was_before(store: PhotoStore) -> None:
    before = pairs(anna(store, b"new", b"old", display_name="Anna", distance=104, correlation=0.31), store)
    after = anna(store, b"new", b"new", display_name="Anna", verdict="in_sync", distance=3, correlation=0.99)
    (found,) = with_outcome(before, pairs(after, store))
    assert found.photos == [("SharePoint now", b"new"), ("AD before", b"old"), ("AD now", b"new")]
    assert (found.verdict, found.distance, found.correlation) == ("in_sync", 3.0, 0.99)


def test_outcomes_of_other_people_are_not_taken(store: PhotoStore) -> None:
    with pytest.raises(ValueError, match="shorter"):
        with_outcome(pairs(anna(store, None, None), store), [])
