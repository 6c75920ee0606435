"""File names made from titles and ids: none of these can choose another folder."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from musicapi_async import Clip
from musicapi_async.cli.files import TaskFile, stems

LONGEST = 255
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
# What is written under a stem has more behind it, and a partial file more in front.
LONGEST_ADDITION = len("..json.01234567.part")

wild = st.text(max_size=300) | st.sampled_from(
    ["..", ".", "../..", "/etc/passwd", "C:\\a", "con", "nul.txt", "a\0b", ""]
)


@given(title=st.none() | wild, clip_id=wild)
@example(title="../../etc/passwd", clip_id="../x?y=1#z")
@example(title="x" * 5000, clip_id="\U00020000" * 5000)
@example(title="\ud800", clip_id="\udfff")
def test_song_file_of_any_title_is_written_into_its_folder(title: str | None, clip_id: str) -> None:
    clip = Clip(clip_id=clip_id, title=title)
    for several in ([clip], [clip, clip, clip]):
        found = stems(several)
        assert len({stem.casefold() for stem in found}) == len(several)
        for stem in found:
            assert_is_a_name(stem)


@given(task_id=wild)
@example(task_id="x" * 5000)
@example(task_id="../../x")
def test_task_file_of_any_id_is_written_into_its_folder(task_id: str) -> None:
    path = path_of(task_id)
    assert path.parent == Path("folder")
    assert_is_a_name(path.stem)


@pytest.mark.parametrize(("one", "other"), [("a/b", "a?b"), ("a" * 5000, "a" * 4999), ("a", "a/"), ("..", "/")])
def test_task_files_of_two_tasks_have_distinct_names(one: str, other: str) -> None:
    assert path_of(one) != path_of(other)


def test_task_file_of_a_usual_id_is_named_by_it() -> None:
    task_id = "0a5d2f34-6baa-4455-a3e7-0682c2094cac"
    assert path_of(task_id).name == f"musicapi-task-{task_id}.json"


def path_of(task_id: str) -> Path:
    return TaskFile(Path("folder"), task_id).path


def assert_is_a_name(stem: str) -> None:
    assert stem
    assert not set(stem) & set('/\\:*?"<>|.\0\r\n ')
    assert stem.casefold() not in RESERVED
    assert len(stem.encode()) + LONGEST_ADDITION <= LONGEST
