"""Where photos stop on their way from SharePoint to Active Directory, hop by hop."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from kit.figure import BLUE, TEXT, VERMILION, Chart, count_axis, name_rows, plain, swatch, write_beside
from kit.schema import HOPS

HOLDS, STOPS, NOT_KNOWN = (BLUE, ""), (VERMILION, "//"), ("#aeb6bf", "..")
"""Colour and hatch of people by what was found at a hop."""


def funnel(trace: DataFrame) -> Figure:
    """Draw how many people's picture came through each hop, and how many stop there.

    Parameters
    ----------
    trace : DataFrame
        Columns of `kit.schema.TRACE`; of these ``traced`` and ``stopped_at`` are used.

    Returns
    -------
    Figure
        A bar per hop: those whose picture is the current one at this hop and at all before, and behind them
        those whose picture stops there. Two more rows for people whose hop is not known or who were not
        looked at, where there are any.
    """
    followed = trace.loc[trace["traced"], "stopped_at"]
    stops = {hop: int((followed == hop).sum()) for hop in HOPS}
    unknown, left_out = int((followed == "unknown").sum()), int((~trace["traced"]).sum())
    passing, passed = len(followed) - unknown, []
    for number in stops.values():
        passing -= number
        passed.append(passing)
    others = {"followed, hop not known": unknown, "not looked at": left_out}
    others = {name: number for name, number in others.items() if number}
    figure = Chart(height=1.9 + 0.5 * (len(HOPS) + len(others)))
    _draw(plain(figure.add_subplot()), passed, list(stops.values()), others)
    swatches = [swatch("holds SharePoint's picture", *HOLDS), swatch("stops here", *STOPS)]
    swatches += [swatch("not known", *NOT_KNOWN)] if others else []
    figure.legend(handles=swatches, loc="outside lower right", ncols=3, frameon=False, fontsize=TEXT)
    rows = (f"{HOPS[hop]}: {_note(at, stops[hop])}" for hop, at in zip(HOPS, passed, strict=True))
    told = [*rows, *(f"{name}: {number:,}" for name, number in others.items())]
    figure.tell(_title(stops, len(followed), left_out), f"People per hop. {'; '.join(told)}.")
    return figure


def _draw(axis: Axes, passed: list[int], stops: list[int], others: dict[str, int]) -> None:
    for row, (holding, stopping) in enumerate(zip(passed, stops, strict=True)):
        _bar(axis, row, 0, holding, HOLDS)
        _bar(axis, row, holding, stopping, STOPS)
        write_beside(axis, holding + stopping, row, _note(holding, stopping), bold=stopping > 0)
    for row, number in enumerate(others.values(), len(passed)):
        _bar(axis, row, 0, number, NOT_KNOWN)
        write_beside(axis, number, row, f"{number:,}", bold=False)
    names = HOPS | {"metaverse": f"{HOPS['metaverse']}\n(inferred, cannot be read)"}
    name_rows(axis, [*names.values(), *others])
    largest = max([passed[0] + stops[0], *others.values()])
    count_axis(axis, largest, "people")


def _bar(axis: Axes, row: int, start: int, length: int, kind: tuple[str, str]) -> None:
    axis.barh(
        row, length, 0.62, start, color=kind[0], hatch=kind[1], edgecolor="white", linewidth=0, zorder=2
    )


def _note(holding: int, stopping: int) -> str:
    return f"{holding:,} hold it" + (f", {stopping:,} stop here" if stopping else "")


def _title(stops: dict[str, int], followed: int, left_out: int) -> str:
    sizes = f"n = {followed:,}, {left_out:,} not looked at"
    most = max(stops, key=lambda hop: stops[hop])
    if not followed:
        return f"Nobody's photo was followed; {left_out:,} not looked at"
    if not stops[most]:
        return f"No photo is known to stop on its way; {sizes}"
    stopping = sum(stops.values())
    share = f"most at {HOPS[most]} ({stops[most]:,})" if stops[most] < stopping else f"all at {HOPS[most]}"
    return f"{stopping:,} photo{'s stop' if stopping > 1 else ' stops'}, {share}; {sizes}"
