"""The picture that the experiment uploads: never taken for another one, or for a placeholder."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from kit import photos, testcard
from kit.lab.picture_library import renditions
from kit.lab.portraits import portrait

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
CARDS = [testcard.draw(NOON + timedelta(seconds=n), inverted=i) for n in range(4) for i in (False, True)]


def test_the_same_moment_gives_the_same_bytes():
    assert testcard.draw(NOON) == CARDS[0]


def test_no_two_cards_are_one_picture():
    assert {photos.compare(*pair).verdict for pair in itertools.combinations(CARDS, 2)} == {"different"}


def test_a_card_is_nobodys_portrait():
    faces = [renditions(portrait(seed))["M"] for seed in range(4)]
    verdicts = {photos.compare(card, face).verdict for card in CARDS for face in faces}
    assert verdicts == {"different"}


@pytest.mark.parametrize("size", ["S", "M", "L"])
def test_a_card_is_recognised_in_every_size(size):
    assert {photos.compare(card, renditions(card)[size]).verdict for card in CARDS} == {"same_picture"}


def test_a_card_is_no_placeholder():
    assert {photos.fingerprint(card).kind for card in CARDS} == {"image"}
