import dataclasses
import io
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from kit.lab.portraits import badge, login_page, portrait, reencode, silhouette, truncated
from kit.photos import DIFFERENT_LIKENESS, SAME_MIDDLE, compare, fingerprint, fingerprint_frame

ANNA = portrait(1, size=200)
BORIS = portrait(2, size=200)


def picture(photo=ANNA):
    return Image.open(io.BytesIO(photo))


def encoded(image, image_format="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


CUT = encoded(picture().crop((8, 6, 190, 200)))


def with_comment(photo):
    """Add a comment segment after a JPEG's first marker."""
    return photo[:2] + b"\xff\xfe\x00\x06note" + photo[2:]


def test_equal_bytes_are_the_first_tier():
    assert compare(ANNA, ANNA).verdict == "same_bytes"


def test_other_metadata_leaves_the_pixels_the_same():
    found = compare(ANNA, with_comment(ANNA))
    assert (found.verdict, found.distance, found.correlation) == ("same_pixels", 0, 1.0)


@pytest.mark.parametrize(("size", "quality"), [(300, 75), (96, 90), (72, 75), (48, 75)])
def test_a_reencoded_photo_is_the_same_picture(size, quality):
    assert compare(ANNA, reencode(ANNA, size, quality)).verdict == "same_picture"


def test_another_person_is_different():
    assert compare(ANNA, BORIS).verdict == "different"


def test_two_equal_login_pages_are_no_agreement():
    assert compare(login_page(), login_page()).verdict == "unreadable"


def test_two_equal_placeholders_are_no_agreement():
    assert compare(silhouette(), silhouette()).verdict == "placeholder"


def test_unreadable_outranks_placeholder_whatever_the_order():
    assert {compare(b"", silhouette()).verdict, compare(silhouette(), b"").verdict} == {"unreadable"}


@pytest.mark.parametrize(
    ("first", "second", "sides"),
    [
        (b"", ANNA, "first unreadable;"),
        (ANNA, b"", "second unreadable;"),
        (b"", b"", "first and second unreadable;"),
        (ANNA, silhouette(), "second placeholder;"),
    ],
)
def test_detail_says_which_side_is_at_fault(first, second, sides):
    assert compare(first, second).detail.startswith(sides)


def test_detail_names_formats_sizes_and_byte_counts():
    png = encoded(picture().resize((96, 80)), "PNG")
    detail = compare(ANNA, png).detail
    assert f"first: JPEG 200x200, {len(ANNA):,} bytes" in detail
    assert f"second: PNG 96x80, {len(png):,} bytes" in detail


def test_a_cut_too_large_to_align_leaves_a_hint():
    cropped = encoded(picture().crop((0, 0, 200, 90)))
    found = compare(ANNA, cropped)
    assert "proportions differ (1.00 against 2.22), one may be cropped" in found.detail


def test_a_crop_is_the_same_picture_and_is_told():
    found = compare(ANNA, encoded(picture().crop((0, 10, 180, 200)).resize((96, 101))))
    told = "second is cropped: it lacks 5 % at the top, 10 % at the right of first"
    assert (found.verdict, found.detail.endswith(told)) == ("same_picture", True)


def test_bars_are_told():
    framed = Image.new("RGB", (200, 240), "black")
    framed.paste(picture(), (0, 20))
    found = compare(encoded(framed), reencode(ANNA, 72))
    told = "first has bars: 8 % at the top, 8 % at the bottom"
    assert (found.verdict, found.detail.endswith(told)) == ("same_picture", True)


def test_a_banner_leaves_the_middle_alike_and_is_uncertain():
    found = compare(ANNA, badge(ANNA))
    assert found.verdict == "uncertain"
    assert found.likeness < DIFFERENT_LIKENESS < SAME_MIDDLE < found.core_likeness
    assert "the middle agrees, something near an edge does not" in found.detail


def test_every_verdict_on_pixels_carries_all_numbers():
    for other in (ANNA, with_comment(ANNA), reencode(ANNA, 72), BORIS, badge(ANNA)):
        found = compare(ANNA, other)
        numbers = (found.distance, found.correlation, found.likeness, found.core_likeness)
        assert None not in numbers


def test_exif_orientation_is_applied():
    turned = ImageOps.exif_transpose(picture()).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert compare(ANNA, encoded(turned, exif=exif, quality=92)).verdict == "same_picture"


def test_the_same_turn_without_exif_is_different():
    assert compare(ANNA, encoded(picture().rotate(90), quality=92)).verdict == "different"


def test_cmyk_is_the_same_picture():
    assert compare(ANNA, encoded(picture().convert("CMYK"))).verdict == "same_picture"


@pytest.mark.parametrize("image_format", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_have_the_same_pixels(image_format):
    found = compare(ANNA, encoded(picture(), image_format))
    assert (found.verdict, image_format in found.detail) == ("same_pixels", True)


@pytest.mark.parametrize("image_format", ["GIF", "WEBP"])
def test_lossy_formats_are_the_same_picture(image_format):
    assert compare(ANNA, encoded(picture(), image_format)).verdict == "same_picture"


def test_transparency_is_flattened_on_white():
    clear = picture().convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 200, 60))
    white = picture().copy()
    white.paste((255, 255, 255), (0, 0, 200, 60))
    assert compare(encoded(clear, "PNG"), encoded(white, "PNG")).verdict == "same_pixels"


def test_a_deep_grey_picture_is_not_clipped_to_white():
    deep = Image.fromarray(np.asarray(picture().convert("L"), dtype=np.uint16) * 256)
    assert compare(ANNA, encoded(deep, "PNG")).verdict == "same_picture"


def test_only_the_first_frame_of_an_animation_counts():
    frames = encoded(picture(), "GIF", save_all=True, append_images=[picture(BORIS)])
    found = compare(ANNA, frames)
    assert (found.verdict, "the first of several frames" in found.detail) == ("same_picture", True)


def with_swapped_channels():
    """Return a photo whose colour profile says that its red is blue, and the bytes of that profile."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    return profile[:red] + b"bXYZ" + profile[red + 4 : blue] + b"rXYZ" + profile[blue + 4 :]


def test_a_colour_profile_is_applied():
    red, green, blue = picture().split()
    photo = encoded(Image.merge("RGB", (blue, green, red)), "PNG", icc_profile=with_swapped_channels())
    plain, profiled = fingerprint(encoded(picture(), "PNG")), fingerprint(photo)
    levels = [np.frombuffer(found.grey, np.uint8).astype(int) for found in (plain, profiled)]
    assert abs(levels[0] - levels[1]).max() < 8


@pytest.mark.parametrize("profile", [b"no profile", b"\0" * 200])
def test_a_broken_colour_profile_is_ignored(profile):
    assert compare(ANNA, encoded(picture(), "PNG", icc_profile=profile)).verdict == "same_pixels"


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (b"", "empty"),
        (login_page(), "an HTML page, titled 'Sign in to Contoso'"),
        (b"\xef\xbb\xbf\r\n<html><body>", "an HTML page"),
        (b'{"error": "denied"}', "a text document (XML or JSON)"),
        (truncated(ANNA), "truncated"),
        (b"\x00" * 100, "in none of JPEG, PNG, GIF, BMP, TIFF, WEBP; begins with 00 00 00 00"),
    ],
)
def test_an_unreadable_photo_says_why(photo, reason):
    found = fingerprint(photo)
    assert (found.kind, reason in found.reason) == ("unreadable", True)


def test_a_picture_that_claims_too_many_pixels_is_not_decoded():
    found = fingerprint(ANNA, max_pixels=39_999)
    assert (found.kind, found.reason) == (
        "unreadable",
        "cannot be decoded (200x200 is more than 39,999 pixels)",
    )


def test_damaged_metadata_does_not_make_a_photo_unreadable():
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 1, "a description long enough to be stored outside of its entry"
    photo = encoded(picture(), exif=exif)
    damaged = photo.replace(b"\x00\x00\x00\x3c", b"\x00\x00\x3c\x00")
    assert (damaged != photo, compare(ANNA, damaged).verdict) == (True, "same_picture")


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(photo):
    assert fingerprint(photo).kind in {"image", "placeholder", "unreadable"}


@settings(max_examples=60, deadline=None)
@given(
    photo=st.sampled_from(
        [encoded(picture().resize((40, 40)), kind) for kind in ("JPEG", "PNG", "GIF", "TIFF")]
    ),
    damage=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 4000),
)
def test_damaged_pictures_never_raise(photo, damage, cut):
    damaged = bytearray(photo[: len(photo) - cut] if cut < len(photo) else photo)
    for place, value in damage:
        damaged[place % len(damaged)] = value
    assert fingerprint(bytes(damaged)).kind in {"image", "placeholder", "unreadable"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([ANNA, BORIS, reencode(ANNA, 72), CUT, silhouette(), truncated(BORIS), b""]),
        min_size=2,
    )
)
def test_comparing_does_not_depend_on_the_order(photos):
    forth, back = compare(photos[0], photos[1]), compare(photos[1], photos[0])
    assert dataclasses.replace(forth, detail="") == dataclasses.replace(back, detail="")


@pytest.mark.parametrize("tint", ["white", "black", (120, 160, 200)])
def test_a_flat_picture_is_a_placeholder(tint):
    found = fingerprint(encoded(Image.new("RGB", (96, 96), tint)))
    assert (found.kind, found.reason) == ("placeholder", "flat, shows nothing")


@pytest.mark.parametrize("size", [48, 72, 96, 300])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_a_grey_silhouette_is_a_placeholder(size, image_format):
    assert fingerprint(silhouette(size, image_format=image_format)).kind == "placeholder"


def test_a_black_and_white_portrait_is_no_placeholder():
    assert fingerprint(encoded(picture().convert("L"))).kind == "image"


def test_a_known_placeholder_is_recognised_when_reencoded():
    known = {fingerprint(BORIS).hash}
    assert compare(ANNA, reencode(BORIS, 72), known_placeholders=known).verdict == "placeholder"


def test_a_fingerprint_survives_pickling():
    found = fingerprint(ANNA)
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_fingerprint_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        fingerprint(ANNA).kind = "placeholder"


def test_the_frame_has_one_row_per_distinct_photo():
    frame = fingerprint_frame([fingerprint(ANNA), fingerprint(b""), fingerprint(ANNA)])
    assert frame[["bytes", "format", "width", "kind"]].to_dict("records") == [
        {"bytes": len(ANNA), "format": "JPEG", "width": 200, "kind": "image"},
        {"bytes": 0, "format": "", "width": 0, "kind": "unreadable"},
    ]


def test_an_empty_frame_keeps_its_dtypes():
    assert fingerprint_frame([]).dtypes.equals(fingerprint_frame([fingerprint(ANNA)]).dtypes)
