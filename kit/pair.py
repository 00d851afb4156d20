"""One person's photos and what is known of them, ready to be shown side by side."""

from __future__ import annotations

from dataclasses import dataclass, field

from kit.cause import spoken
from kit.schema import HOPS

CONNECTOR_SPACE, NO_PHOTO = "connector space", "no photo"
MISSING = {"absent": "no object", "unknown": "not looked at"}
"""What stands in place of a photo by the state of its hop; else that there is none."""


@dataclass(frozen=True)
class Trail:
    """What following one person's photo through MIM gave.

    Parameters
    ----------
    photo : bytes or None
        The picture that the SharePoint connector space holds.
    state : str
        A key of `kit.schema.HOP_STATES`; empty if the connector space is not to be shown.
    stopped_at : str
        A key of `kit.schema.HOPS`, ``unknown`` or empty.
    cause, certainty : str
        Of the diagnosis; empty if there is none.
    """

    photo: bytes | None = field(default=None, repr=False)
    state: str = ""
    stopped_at: str = ""
    cause: str = ""
    certainty: str = ""

    @property
    def words(self) -> str:
        """Where the photo stopped, and why.

        Examples
        --------
        >>> Trail(stopped_at="metaverse", cause="no_import_flow", certainty="confirmed").words
        'stopped at metaverse: no import flow (confirmed)'
        """
        where = f"stopped at {HOPS[self.stopped_at]}" if self.stopped_at in HOPS else ""
        why = f"{spoken(self.cause)} ({self.certainty})" if self.cause else ""
        return ": ".join(filter(None, [where, why]))


@dataclass(frozen=True)
class Pair:
    """One person's photos and what comparing them gave.

    Parameters
    ----------
    label : str
        Who it is, in the words the reader may see.
    verdict : str
        As in `kit.schema.VERDICTS`.
    distance, correlation : float or None
        Of the first and the last of two photos; see `kit.photos.Comparison`.
    left, right : bytes or None
        The photos as read; None where there is none.
    left_caption, right_caption : str
        What each is, e.g. ``SharePoint now``, ``AD before``.
    third : bytes or None
        One more photo on the right, shown only if it has a caption.
    third_caption : str
        E.g. ``AD after``.
    detail : str
        What else comparing them gave, see `kit.photos.Comparison`.
    trail : Trail
        The photo between the two, and what became of it.
    account : str
        Stands for the label where the label cannot be drawn, see `kit.lettering.drawable`.
    """

    label: str
    verdict: str
    distance: float | None
    correlation: float | None
    left: bytes | None = field(repr=False)
    right: bytes | None = field(repr=False)
    left_caption: str
    right_caption: str
    third: bytes | None = field(default=None, repr=False)
    third_caption: str = ""
    detail: str = ""
    trail: Trail = Trail()
    account: str = ""

    @property
    def photos(self) -> list[tuple[str, bytes | None]]:
        """Caption and photo, in the order shown."""
        shown = [(self.left_caption, self.left)]
        shown += [(CONNECTOR_SPACE, self.trail.photo)] if self.trail.state else []
        shown += [(self.right_caption, self.right)]
        return [*shown, (self.third_caption, self.third)] if self.third_caption else shown

    @property
    def missing(self) -> list[str]:
        """What stands in the place of each of `photos` if it is missing."""
        held = MISSING.get(self.trail.state, NO_PHOTO)
        return [held if caption == CONNECTOR_SPACE else NO_PHOTO for caption, _ in self.photos]

    @property
    def numbers(self) -> str:
        """Distance and correlation in words.

        Examples
        --------
        >>> Pair("anna", "stale", 104, 0.31, None, None, "", "").numbers
        '104 of 256 bits differ, correlation 0.310'
        """
        if self.distance is None or self.correlation is None:
            return "not compared"
        return f"{self.distance:.0f} of 256 bits differ, correlation {self.correlation:.3f}"

    @property
    def findings(self) -> list[str]:
        """Verdict and numbers, what explains them, and where and why the photo stopped; one text each.

        Examples
        --------
        >>> detail = "proportions differ; first: JPEG 72x72, 3,000 bytes; second: JPEG 48x64, 2,000 bytes"
        >>> Pair("anna", "uncertain", 30, 0.97, None, None, "", "", detail=detail).findings
        ['uncertain · 30 of 256 bits differ, correlation 0.970', 'proportions differ']
        """
        told = [part for part in self.detail.split("; ") if not part.startswith(("first:", "second:"))]
        explained = "; ".join(told) if "first:" in self.detail else ""
        return [text for text in (f"{self.verdict} · {self.numbers}", explained, self.trail.words) if text]
