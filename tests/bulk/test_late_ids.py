"""Ids that the journal could not record are kept in the user's folder for states."""

from pathlib import Path

import pytest

from musicapi_async.bulk.postgres.late_ids import LateId, LateIds

LATE = LateId(number=1, claim=2, key="rain", task_id="task-1")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the user an empty home, away from the current folder."""
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    for name in ("MUSICAPI_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("value", [None, "", "relative", "../relative"])
def test_late_id_is_kept_in_the_home_where_xdg_state_home_is_not_absolute(
    value: str | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("XDG_STATE_HOME", value)
    path = LateIds("journal").keep(LATE)

    assert path.parent == home / ".local" / "state" / "musicapi" / "journal"
    assert list(LateIds("journal").kept()) == [LATE]


def test_late_id_is_kept_in_xdg_state_home_where_it_is_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))

    assert LateIds("journal").keep(LATE).parent == tmp_path / "xdg" / "musicapi" / "journal"
