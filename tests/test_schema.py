from datetime import UTC, datetime

import pandas as pd
import pytest

from kit import schema
from kit.schema import EXPORTS, INVENTORY, LOOKS, PEOPLE, PLAN, TRACE, VERDICTS, conform

SCHEMAS = [INVENTORY, PEOPLE, TRACE, LOOKS, PLAN, EXPORTS]


@pytest.mark.parametrize("columns", SCHEMAS)
def test_nothing_has_all_columns_and_types(columns):
    assert conform(pd.DataFrame(), columns).dtypes.astype(str).to_dict() == dict(columns)


@pytest.mark.parametrize("columns", [INVENTORY, PEOPLE, EXPORTS])
def test_a_row_of_one_column_gets_all_columns_and_types(columns):
    found = conform(pd.DataFrame({"account": ["contoso\\anna"]}), columns)
    assert found.dtypes.astype(str).to_dict() == dict(columns)


def test_missing_text_is_empty_and_never_null():
    found = conform(pd.DataFrame({"account": ["a", None]}), PEOPLE)
    assert found["account"].tolist() == ["a", ""]
    assert found["mail"].tolist() == ["", ""]


def test_a_missing_flag_is_false_where_it_is_always_known():
    assert conform(pd.DataFrame({"account": ["a"]}), PEOPLE)["in_directory"].tolist() == [False]


def test_a_missing_flag_stays_unknown_where_it_may_be():
    assert conform(pd.DataFrame({"account": ["a"]}), PEOPLE)["joined"].isna().tolist() == [True]


def test_missing_numbers_are_null_and_the_others_whole():
    found = conform(pd.DataFrame({"distance": [3, None]}), PEOPLE)["distance"]
    assert (found[0], found.isna().tolist()) == (3, [False, True])


def test_times_are_in_utc():
    moment = datetime(2024, 5, 1, 10, 0, 0, 123000, UTC)
    found = conform(pd.DataFrame({"picture_timestamp": [moment, None]}), PEOPLE)["picture_timestamp"]
    assert (found[0], str(found.dtype)) == (pd.Timestamp(moment), schema.TIME)


def test_other_columns_go():
    assert "record" not in conform(pd.DataFrame({"account": ["a"], "record": [1]}), PEOPLE)


def test_the_given_frame_stays_as_it_is():
    given = pd.DataFrame({"account": ["a", None]})
    conform(given, {"account": "str"})
    assert given["account"].isna().tolist() == [False, True]


def test_conforming_again_changes_nothing():
    once = conform(
        pd.DataFrame({"account": ["a", None], "distance": [3, None], "joined": [True, None]}), PEOPLE
    )
    pd.testing.assert_frame_equal(conform(once, PEOPLE), once)


def test_a_frame_comes_back_from_parquet_as_it_was(tmp_path):
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    rows = {
        "account": ["a", None],
        "distance": [3, None],
        "joined": [True, None],
        "picture_timestamp": [moment, None],
    }
    written = conform(pd.DataFrame(rows), PEOPLE)
    written.to_parquet(tmp_path / "people.parquet", index=False)
    pd.testing.assert_frame_equal(conform(pd.read_parquet(tmp_path / "people.parquet"), PEOPLE), written)


def test_every_verdict_has_a_meaning():
    assert [verdict for verdict, meaning in VERDICTS.items() if not meaning] == []
