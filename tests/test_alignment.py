import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kit import alignment
from kit.lab.portraits import portrait

SIDE = alignment.SIDE
ANNA, BORIS = (
    Image.open(io.BytesIO(portrait(seed, sitting_seed=7101, size=240))).convert("L") for seed in (7101, 7103)
)
edges = st.floats(0, 0.14)


def grey(image):
    small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float32)


def best(first, second):
    return max(alignment.align(first, second), key=lambda fit: fit.least)


def cut(image, left, top, right, bottom):
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
    )


def test_a_picture_is_its_own_match():
    found = alignment.in_place(grey(ANNA), grey(ANNA))
    assert (found.correlation, found.least, found.core) == pytest.approx((1, 1, 1))


def test_another_face_on_the_same_shoulders_is_found_in_the_middle():
    other = ANNA.copy()
    face = (90, 80, 150, 140)
    other.paste(BORIS.crop(face), face)
    found = alignment.in_place(grey(ANNA), grey(other))
    assert found.core < 0.6
    assert found.correlation > 0.8


@settings(max_examples=40, deadline=None)
@given(edges, edges, edges, edges)
def test_a_cut_of_up_to_14_percent_per_side_is_found_where_it_was_made(left, top, right, bottom):
    found = best(grey(ANNA), grey(cut(ANNA, left, top, right, bottom)))
    (x0, x1), (y0, y1) = found.first
    assert found.least > 0.9
    assert (x0, y0, 1 - x1, 1 - y1) == pytest.approx((left, top, right, bottom), abs=0.012)


def test_a_cut_is_found_in_either_order():
    small = cut(ANNA, 0.1, 0.03, 0.05, 0.08)
    forth, back = best(grey(ANNA), grey(small)), best(grey(small), grey(ANNA))
    assert np.array(back.second) == pytest.approx(np.array(forth.first), abs=0.005)


@pytest.mark.parametrize("shade", [0, 255, 140])
def test_bars_are_left_out(shade):
    framed = Image.new("L", (240, 300), shade)
    framed.paste(ANNA, (0, 30))
    found = best(grey(ANNA), grey(framed))
    assert found.least > 0.9
    assert alignment.describe(found, grey(ANNA), grey(framed)) == [
        "second has bars: 10 % at the top, 10 % at the bottom"
    ]


def test_a_flat_picture_shares_nothing():
    flat = np.full((SIDE, SIDE), 128, dtype=np.float32)
    assert alignment.align(grey(ANNA), flat) == []


def test_noise_shares_nothing():
    noise = np.random.default_rng(5).integers(0, 256, (SIDE, SIDE)).astype(np.float32)
    assert alignment.align(grey(ANNA), noise) == []


def test_brightness_and_contrast_do_not_matter():
    darker = grey(cut(ANNA, 0.05, 0.05, 0.05, 0.05)) * np.float32(0.6) + np.float32(30)
    assert best(grey(ANNA), darker).least > 0.9


def test_equal_framing_is_not_told():
    found = alignment.in_place(grey(ANNA), grey(ANNA))
    assert alignment.describe(found, grey(ANNA), grey(ANNA)) == []
