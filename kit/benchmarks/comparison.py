"""How often the photo comparison is wrong, and what it costs, beside a plain 64-bit hash."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from random import Random
from typing import Any

import imagehash
import pandas as pd
from PIL import Image

from kit.bench import Result
from kit.benchmarks import faces
from kit.benchmarks.treatments import cropped, letterboxed, reencoded
from kit.lab.portraits import badge, portrait
from kit.photos import compare_fingerprints, fingerprint
from kit.progress import Progress, quiet

PEOPLE = range(40_000, 40_100)
"""Seeds of the drawn people: none that the thresholds were chosen on."""
COPIES = 5
"""Copies of each portrait per treatment."""
PLAIN_HASH_THRESHOLD = 10
"""Bits of 64 up to which a plain pHash is commonly taken for the same picture."""
TREATMENTS: Mapping[str, Callable[[bytes, Random], bytes]] = {
    "re-encoded": reencoded,
    "cropped": cropped,
    "letterboxed": letterboxed,
}
SAME = frozenset({"same_bytes", "same_pixels", "same_picture"})
COLUMNS = [
    "n",
    "false same",
    "false different",
    "uncertain",
    "uncertain %",
    "pHash false same",
    "pHash false different",
]


@dataclass(frozen=True)
class Pair:
    """Two photos, and whether they are the same picture; None where only a person can say."""

    kind: str
    first: bytes
    second: bytes
    same: bool | None


def measure(progress: Progress = quiet) -> Result:
    """Compare every pair of the documented set; see `kit.bench`."""
    tables, failures = {}, []
    for name, photos in faces.sets(PEOPLE).items():
        table = error_table(pairs(photos, COPIES), progress)
        tables[f"{name}, {len(photos)} faces"] = table
        failures += [f"{name}: {failure}" for failure in missed(table)]
    tables["drawn, the same people"] = error_table(same_people(PEOPLE), progress)
    tables["milliseconds of processor time"] = _times(photos)
    return Result(tables, _notes(photographed=len(tables) == 6), tuple(failures))


def _notes(*, photographed: bool) -> tuple[str, ...]:
    """Say what the documented set is, and whether all of it was there."""
    copies = "300, 96, 72 or 48 pixels, quality 50 to 95, one or two generations, brightness within 15 %"
    frames = "cropped by 3 to 10 % on one to four sides; bars of 3 to 15 % at two sides"
    source = "scikit-image's lfw_subset, 25 pixels per side, enlarged"
    return (
        f"Copies: {copies}; {frames}.",
        "Others: each portrait against a copy of every other one.",
        f"pHash: 64 bits, the same picture up to {PLAIN_HASH_THRESHOLD} bits.",
        f"Photographed faces: {source if photographed else 'left out, scikit-image is not installed'}.",
    )


def pairs(photos: list[bytes], copies: int, seed: int = 1) -> Iterator[Pair]:
    """Yield every treated copy with its original, and every portrait with a copy of every other one."""
    random = Random(seed)  # noqa: S311 - repeatable pairs, no secrets
    for kind, treat in TREATMENTS.items():
        for photo in photos:
            yield from (Pair(kind, photo, treat(photo, random), same=True) for _ in range(copies))
    treated = [random.choice(list(TREATMENTS.values()))(photo, random) for photo in photos]
    for first, second in combinations(range(len(photos)), 2):
        yield Pair("others", photos[first], treated[second], same=False)


def same_people(people: Iterable[int]) -> Iterator[Pair]:
    """Yield each person's portrait with one from another day, and with itself behind a banner."""
    random = Random(1)  # noqa: S311 - repeatable pairs, no secrets
    for seed in people:
        photo = portrait(seed)
        yield Pair("another day", photo, reencoded(faces.another_sitting(seed), random), same=False)
        yield Pair("banner", photo, reencoded(badge(photo), random), same=None)


def error_table(found: Iterable[Pair], progress: Progress = quiet) -> pd.DataFrame:
    """Count the errors per kind of pair.

    Returns
    -------
    DataFrame
        Indexed by kind; `COLUMNS`. For pairs that only a person can judge, all but ``uncertain`` is false.
    """
    hashed, printed = lru_cache(maxsize=4096)(_plain_hash), lru_cache(maxsize=4096)(fingerprint)
    counts: dict[str, dict[str, int]] = {}
    for pair in progress(found, "comparing photos", 0):
        verdict = compare_fingerprints(printed(pair.first), printed(pair.second)).verdict
        alike = hashed(pair.first) - hashed(pair.second) <= PLAIN_HASH_THRESHOLD
        errors = {
            "n": True,
            "false same": verdict in SAME and pair.same is not True,
            "false different": verdict == "different" and pair.same is not False,
            "uncertain": verdict == "uncertain",
            "pHash false same": alike and pair.same is not True,
            "pHash false different": not alike and pair.same is not False,
        }
        so_far = counts.setdefault(pair.kind, dict.fromkeys(errors, 0))
        counts[pair.kind] = {name: so_far[name] + int(wrong) for name, wrong in errors.items()}
    table = pd.DataFrame.from_dict(counts, orient="index")
    return table.assign(**{"uncertain %": (100 * table["uncertain"] / table["n"]).round(2)})[COLUMNS]


def missed(table: pd.DataFrame) -> list[str]:
    """Return every bar that a table of `error_table` misses: no false verdict, few uncertain copies."""
    limits = {"re-encoded": 2.0, "cropped": 10.0, "letterboxed": 10.0}
    found = []
    for kind, row in table.to_dict("index").items():
        wrong = {error: row[error] for error in ("false same", "false different") if row[error]}
        found += [f"{kind}: {number} {error}" for error, number in wrong.items()]
        if row["uncertain %"] > limits.get(str(kind), 100.0):
            found.append(f"{kind}: {row['uncertain %']} % uncertain, {limits[str(kind)]} % allowed")
    return found


def _plain_hash(photo: bytes) -> imagehash.ImageHash:
    with Image.open(io.BytesIO(photo)) as image:
        return imagehash.phash(image)


def _times(photos: list[bytes]) -> pd.DataFrame:
    """Time both methods on pairs of different people, the costly case."""
    half = photos[: len(photos) // 2]
    kit_prints = [fingerprint(photo) for photo in photos]
    plain_prints = [_plain_hash(photo) for photo in photos]
    chosen = list(zip(range(len(half)), range(1, len(half) + 1), strict=True))
    return pd.DataFrame(
        {
            "per photo": [_milliseconds(fingerprint, half), _milliseconds(_plain_hash, half)],
            "per pair of different photos": [
                _milliseconds(lambda at: compare_fingerprints(kit_prints[at[0]], kit_prints[at[1]]), chosen),
                _milliseconds(lambda at: plain_prints[at[0]] - plain_prints[at[1]], chosen),
            ],
        },
        index=["kit", "64-bit pHash"],
    ).round(3)


def _milliseconds(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    began = time.process_time()
    for item in items:
        work(item)
    return 1000 * (time.process_time() - began) / len(items)
