import pytest

from kit.progress import bar, quiet

STARTED_BY_A_PERSON = ("JPY_SESSION_NAME", "VSCODE_PID", "VSCODE_CWD")


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    for name in STARTED_BY_A_PERSON:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("progress", [bar, quiet])
def test_the_same_items_come_out(progress):
    assert list(progress(iter([3, 1, 2]), "people", 3)) == [3, 1, 2]


@pytest.mark.parametrize("progress", [bar, quiet])
def test_nothing_is_shown_where_nobody_watches(progress, capsys):
    list(progress([1, 2], "people", 2))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", STARTED_BY_A_PERSON)
def test_a_person_at_a_notebook_sees_a_bar(name, monkeypatch, capsys):
    monkeypatch.setenv(name, "x")
    list(bar([1, 2], "people", 2))
    assert "people" in capsys.readouterr().err
