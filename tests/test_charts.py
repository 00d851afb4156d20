import io
from pathlib import Path

import pandas as pd
import pytest
from drawings import LONG, NOW, findings, fix, past
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from kit import charts
from kit.departments import organizational_unit
from kit.errors import OutputError
from kit.figure import Chart, png, shows_people
from kit.photos import compare

BEFORE = {"in_sync": 214, "stale": 36, "missing_in_ad": 12, "no_photo": 30, "uncertain": 7, "unknown": 1}
AFTER = {"in_sync": 262, "stale": 0, "no_photo": 30, "uncertain": 7, "unknown": 1}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def title(figure: Figure) -> str:
    return figure.get_suptitle().replace("\n", " ")


def test_title_states_the_finding() -> None:
    assert title(charts.verdicts(BEFORE, AFTER)) == "36 people stale before, 0 after; n = 300"


def test_title_of_one_series() -> None:
    assert title(charts.verdicts({"stale": 1, "in_sync": 4})) == "1 person stale; n = 5"


def test_title_says_if_the_population_changed() -> None:
    assert (
        title(charts.verdicts({"stale": 2}, {"in_sync": 3}))
        == "2 people stale before, 0 after; n = 2 before, 3 after"
    )


def test_every_count_is_written_at_its_bar() -> None:
    axes = charts.verdicts(BEFORE, AFTER).axes[0]
    shown = ["in_sync", "stale", "missing_in_ad", "no_photo", "uncertain", "unknown"]
    expected = [f"{counts.get(name, 0)}" for counts in (BEFORE, AFTER) for name in shown]
    assert [text.get_text() for text in axes.texts] == expected


def test_bars_are_as_long_as_their_counts() -> None:
    axes = charts.verdicts(BEFORE, AFTER).axes[0]
    assert [bar.get_width() for bar in axes.patches[:6]] == [214, 36, 12, 30, 7, 1]


def test_verdicts_keep_the_order_of_the_vocabulary() -> None:
    figure = charts.verdicts(dict(reversed(BEFORE.items())))
    labels = [label.get_text().split("\n")[0] for label in figure.axes[0].get_yticklabels()]
    assert labels == ["in_sync", "stale", "missing_in_ad", "no_photo", "uncertain", "unknown"]


def test_a_few_people_stay_visible_among_thousands() -> None:
    figure = charts.verdicts({"in_sync": 4960, "stale": 36, "uncertain": 4})
    longest = max(bar.get_width() for bar in figure.axes[1].patches)
    assert (len(figure.axes), longest / figure.axes[1].get_xlim()[1]) == (2, 1)


def test_scales_begin_at_zero_and_are_straight() -> None:
    figure = charts.verdicts({"in_sync": 4960, "stale": 36}, {"in_sync": 4996})
    assert {(axes.get_xlim()[0], axes.get_xscale()) for axes in figure.axes} == {(0, "linear")}


def test_before_and_after_differ_by_more_than_colour() -> None:
    bars = charts.verdicts(BEFORE, AFTER).axes[0].patches
    assert bars[0].get_hatch() != bars[6].get_hatch()


def test_agreement_counts_those_compared() -> None:
    people = pd.DataFrame(
        {
            "verdict": ["in_sync", "stale", "stale", "no_photo"],
            "core_likeness": [0.999, 0.1, 0.3, None],
            "likeness": [0.999, 0.2, 0.4, None],
        }
    )
    figure = charts.agreement(people)
    assert title(figure) == "3 photos compared: 1 agree, 2 differ, 0 undecided"
    assert {"in_sync (1)", "stale (2)", "same picture", "different", "uncertain"} <= set(texts(figure))


def test_equal_photos_can_be_drawn() -> None:
    photo = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(photo, "JPEG")
    found = compare(photo.getvalue(), photo.getvalue())
    people = pd.DataFrame(
        {"verdict": ["in_sync"], "core_likeness": [found.core_likeness], "likeness": [found.likeness]}
    )
    figure = charts.agreement(people)
    assert figure.axes[0].collections[0].get_offsets().tolist() == [[5e-4, 5e-4]]


def test_departments_are_ranked_by_their_share() -> None:
    people = pd.DataFrame(
        {
            "department": ["Sales"] * 4 + ["IT"] * 2 + [None, "HR"],
            "verdict": ["stale", "stale", "stale", "in_sync", "stale", "in_sync", "stale", "in_sync"],
        }
    )
    figure = charts.departments(people)
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert labels == ["1 of 1 (100 %)", "3 of 4 (75 %)", "1 of 2 (50 %)"]
    assert title(figure) == "Stale photos in 3 of 4 departments; n = 8"


def test_organizational_units_are_paths() -> None:
    names = [r"CN=Ann\, Lee,OU=Sales\, Jena,OU=Staff,DC=contoso,DC=example", "CN=Bo,CN=Users,DC=contoso", ""]
    people = pd.DataFrame({"distinguished_name": names, "verdict": "stale"})
    figure = charts.departments(people, by="organizational_unit")
    shown = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert shown == {"Staff / Sales, Jena", "(no organizational unit)"}
    assert title(figure) == "Stale photos in 2 of 2 organizational units; n = 3"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (r"CN=Bo\,OU=Fake,OU=Real,DC=contoso", "Real"),
        (r"CN=Bo,ou=M\C3\BCnchen,DC=contoso", "München"),
        (r"CN=Bo,OU=A\\,OU=B,DC=contoso", "B / A\\"),
    ],
)
def test_escapes_in_a_distinguished_name_are_undone(name: str, path: str) -> None:
    assert organizational_unit(name) == path


def test_departments_left_out_are_counted() -> None:
    people = pd.DataFrame({"department": [f"D{number}" for number in range(12)], "verdict": "stale"})
    assert (
        title(charts.departments(people, top=5))
        == "Stale photos in 12 of 12 departments, the 5 highest shares; n = 12"
    )


def hops(**people: int) -> pd.DataFrame:
    """Return a trace with so many people stopped at each hop; ``arrived`` and ``untraced`` are no hops."""
    stops = [hop for hop, number in people.items() for _ in range(number)]
    frame = pd.DataFrame({"stopped_at": pd.Series(stops, dtype="str")})
    frame["traced"] = frame["stopped_at"] != "untraced"
    return frame.replace({"stopped_at": {"arrived": "", "untraced": "unknown"}})


def beside(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_funnel_narrows_by_those_who_stop() -> None:
    figure = charts.funnel(hops(sharepoint_connector_space=30, metaverse=1, arrived=5))
    expected = ["36 hold it", "6 hold it, 30 stop here", "5 hold it, 1 stop here", "5 hold it", "5 hold it"]
    assert beside(figure) == expected
    assert title(figure) == "31 photos stop, most at SharePoint connector space (30); n = 36, 0 not looked at"


def test_people_of_whom_the_hop_is_not_known_are_apart() -> None:
    figure = charts.funnel(hops(unknown=3, untraced=4, arrived=1))
    assert beside(figure)[0] == "1 hold it"
    assert beside(figure)[5:] == ["3", "4"]
    assert title(figure) == "No photo is known to stop on its way; n = 4, 4 not looked at"


def diagnosed(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["verdict", "cause", "certainty"], dtype="str")


def test_each_drifted_person_counts_once_for_a_cause_or_as_unexplained() -> None:
    people = diagnosed(
        *[("stale", "throttled", "confirmed")] * 2,
        ("missing_in_ad", "throttled", "suspected"),
        ("stale", "not_joined", "probable"),
        ("uncertain", "", ""),
        ("in_sync", "cached_picture", "confirmed"),
        ("no_photo", "", ""),
    )
    figure = charts.causes(findings(people), people)
    assert beside(figure) == ["3: 2 confirmed, 1 suspected", "1 probable", "1 unexplained"]
    assert title(figure) == "2 causes explain 4 of 5 drifted photos; n = 7 people"


def test_harmless_causes_are_no_drift() -> None:
    people = diagnosed(("unmatched", "no_profile", "confirmed"))
    figure = charts.causes(findings(people).assign(harmless=True), people)
    assert (title(figure), beside(figure)) == ("No photo has drifted; n = 1", [])


def test_a_harmless_cause_does_not_explain_a_stale_photo() -> None:
    people = diagnosed(("stale", "cached_picture", "confirmed"))
    figure = charts.causes(findings(people).assign(harmless=True), people)
    assert beside(figure) == ["1 unexplained"]


def test_rare_causes_are_put_together() -> None:
    people = diagnosed(*[("stale", f"cause_{number}", "confirmed") for number in range(9)], ("stale", "", ""))
    figure = charts.causes(findings(people), people, top=5)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[4:] == ["cause 4", "4 rarer causes", "no rule explains it"]


def test_causes_that_were_not_checked_are_named() -> None:
    people = diagnosed(("stale", "throttled", "confirmed"))
    figure = charts.causes(findings(people).assign(checked=False), people)
    assert "Not checked: throttled." in charts.alt_text(figure)


def test_ages_count_whole_days_since_the_upload() -> None:
    days = [0.5, 6.9, 7, 400, -1, None]
    people = pd.DataFrame(
        {"verdict": "stale", "picture_timestamp": [day and NOW - pd.Timedelta(days=day) for day in days]}
    )
    figure = charts.ages(people, NOW)
    assert beside(figure) == ["1", "1", "1", "0", "0", "0", "1", "1", "1"]
    assert title(figure) == "6 stale people, half of them for at least 6 days; n = 6"


def test_ages_are_those_of_the_stale() -> None:
    people = pd.DataFrame({"verdict": ["stale", "in_sync"], "picture_timestamp": [NOW, NOW]})
    assert title(charts.ages(people, NOW + pd.Timedelta(days=30))) == "1 stale person, for 30 days; n = 2"


def test_runs_since_the_last_upload_are_counted() -> None:
    uploaded = [NOW - pd.Timedelta(days=day) for day in (30, 2.5, 300)]
    people = pd.DataFrame({"verdict": "stale", "picture_timestamp": uploaded})
    figure = charts.history(past(20, 10), people)
    since = [f"2 runs, {number} since the last upload" for number in (0, 0, 1, 1, 1, 1, 1, 0, 0, 0)]
    assert beside(figure) == ["3, 2 before the first run", *since]
    assert title(figure) == "20 runs since 2026-11-13, 3 uploads of stale people"


def test_a_history_without_uploads_shows_the_runs() -> None:
    people = pd.DataFrame({"verdict": ["in_sync"], "picture_timestamp": [NOW]})
    assert beside(charts.history(past(10, 10), people)) == ["0", *["1 run"] * 10]


def test_before_and_after_share_the_scale_of_each_panel() -> None:
    figure = charts.verdicts({"in_sync": 4960, "stale": 36}, {"in_sync": 4996, "stale": 3})
    in_sync, rest = figure.axes
    assert [bar.get_width() for bar in rest.patches] == [36, 3]
    assert (in_sync.get_xlim()[1], rest.get_xlim()[1]) == (4996, 36)


def test_dollar_signs_are_no_formulas() -> None:
    people = pd.DataFrame({"department": ["$\\alpha$ and $"], "verdict": "stale"})
    (label,) = charts.departments(people).axes[0].get_yticklabels()
    assert label.get_text() == r"\$\alpha\$ and \$"


def test_long_names_are_cut_to_two_lines() -> None:
    people = pd.DataFrame({"department": [f"{LONG} {LONG}"], "verdict": "stale"})
    (label,) = charts.departments(people).axes[0].get_yticklabels()
    assert label.get_text().count("\n") == 1
    assert label.get_text().endswith("…")


def test_a_delete_stops_the_export() -> None:
    figure = charts.exports({"expected_updates": 36, "re_encoded_only": 2, "deletes": 1})
    assert title(figure) == "36 expected photo updates, 2 re-encoded only; stopped by 1 other"


def test_nothing_stops_the_export() -> None:
    figure = charts.exports({"expected_updates": 36, "re_encoded_only": 0, "deletes": 0})
    assert title(figure) == "36 expected photo updates, 0 re-encoded only; nothing else is pending"


def test_timeline_counts_runs_and_gates() -> None:
    steps = fix(2, 60).assign(status=["seen", "success"])
    assert title(charts.timeline(steps)) == "1 run and 1 gate in 2 min: 1 succeeded"


def test_an_unfinished_run_is_shown_as_such() -> None:
    steps = fix(2, 60).assign(ended=[NOW, pd.NaT], status=["seen", "in-progress"])
    assert "not ended" in charts.alt_text(charts.timeline(steps))


def test_saved_figures_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        charts.save(charts.verdicts(BEFORE, AFTER), tmp_path / name) for name in ("a.png", "b.png")
    )
    assert first.read_bytes() == second.read_bytes()


def test_saved_figures_have_twice_the_pixels_and_their_alternative_text(tmp_path: Path) -> None:
    figure = charts.verdicts(BEFORE, AFTER)
    path = charts.save(figure, tmp_path / "figures" / "verdicts.png")
    with Image.open(path) as image:
        assert image.size == tuple(round(side * 2) for side in figure.bbox.size)
    assert path.with_suffix(".txt").read_text(encoding="utf-8").strip() == charts.alt_text(figure)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("a file", encoding="utf-8")
    with pytest.raises(OutputError, match=r"verdicts\.png' cannot be written"):
        charts.save(charts.verdicts(BEFORE), tmp_path / "figures" / "verdicts.png")


def test_charts_say_that_they_show_no_people() -> None:
    assert (shows_people(png(charts.verdicts(BEFORE))), shows_people(png(Chart(personal=True)))) == (
        False,
        True,
    )


def test_charts_show_themselves_in_a_notebook() -> None:
    data, metadata = charts.verdicts(BEFORE)._repr_png_()
    assert (data[:4], metadata["width"], metadata["alt"][:15]) == (b"\x89PNG", 920, "36 people stale")


def test_a_chart_that_has_changed_is_rendered_anew():
    figure = charts.verdicts({"in_sync": 3, "stale": 1})
    before = png(figure)
    assert png(figure) is before
    figure.axes[0].set_xlabel("persons")
    assert png(figure) != before
