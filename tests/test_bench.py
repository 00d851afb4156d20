import pandas as pd
import pytest

from kit import bench, commands
from kit.bench import Benchmark, Result
from kit.benchmarks import faces
from kit.benchmarks.comparison import COLUMNS, error_table, missed, pairs, same_people
from kit.errors import ParameterError

UNSEEN = range(31_000, 31_016)
"""Seeds that neither the thresholds nor the benchmark were made with."""


@pytest.fixture(scope="module")
def tables():
    """Make the benchmark's tables on a reduced set."""
    tables = {
        name: error_table(pairs(photos, copies=2, seed=77)) for name, photos in faces.sets(UNSEEN).items()
    }
    return tables | {"the same people": error_table(same_people(UNSEEN))}


def test_no_pair_is_judged_wrongly(tables):
    wrong = {
        name: table[["false same", "false different"]].to_numpy().sum() for name, table in tables.items()
    }
    assert wrong == dict.fromkeys(tables, 0)


def test_every_set_is_compared(tables):
    assert [name for name in tables if "photographed" in name] == [
        "photographed, plain",
        "photographed, one studio",
    ]


@pytest.mark.parametrize(
    ("kind", "most"), [("re-encoded", 2), ("cropped", 10), ("letterboxed", 10), ("others", 2)]
)
def test_few_pairs_are_uncertain(tables, kind, most):
    found = pd.concat([table.loc[[kind]] for table in tables.values() if kind in table.index])
    assert 100 * found["uncertain"].sum() / found["n"].sum() <= most


def test_a_banner_is_for_a_person_to_judge(tables):
    assert tables["the same people"].loc["banner", "uncertain"] == len(UNSEEN)


def test_a_plain_hash_takes_faces_on_one_backdrop_for_the_same(tables):
    assert tables["photographed, one studio"].loc["others", "pHash false same"] > 50


def test_a_missed_bar_is_named():
    table = pd.DataFrame([[100, 1, 0, 3, 3.0, 0, 0]], index=["re-encoded"], columns=COLUMNS)
    assert missed(table) == ["re-encoded: 1 false same", "re-encoded: 3.0 % uncertain, 2.0 % allowed"]


def test_without_names_all_run():
    assert bench.choose([]) == tuple(bench.BENCHMARKS)


def test_an_unknown_benchmark_is_refused_with_the_names_there_are():
    with pytest.raises(
        ParameterError, match=r"'comparisons' is unknown: .*comparison.*did you mean 'comparison'"
    ):
        commands.main(["bench", "comparisons"])


@pytest.mark.parametrize(("failures", "code"), [((), 0), (("1 false same",), 1)])
def test_the_exit_code_says_whether_a_bar_was_missed(monkeypatch, capsys, failures, code):
    result = Result({"A title": pd.DataFrame({"n": [3]}, index=["others"])}, ("A note.",), failures)
    monkeypatch.setattr(bench, "BENCHMARKS", {"few": Benchmark("a purpose", "not imported")})
    monkeypatch.setattr(bench, "run", lambda *_: result)
    assert commands.main(["bench", "few"]) == code
    shown = capsys.readouterr().out
    assert shown.startswith(f"few: a purpose\n\n{result}\nIt took ")
    assert ("MISSED: 1 false same" in shown) == bool(failures)
