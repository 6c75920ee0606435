"""Values of a requests file as tools write them: a list in a text is the list, or refused before it is paid for."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from musicapi_async import nuro, sonic
from musicapi_async.bulk import Planned
from musicapi_async.bulk.keys import Keys
from musicapi_async.bulk.requests_file import BadLine, planned_of, read_requests


def with_tags(path: Path, tags: object) -> Path:
    """Write a file with the same tags in a cell of CSV, or in JSON, of its second line."""
    with path.open("w", newline="") as file:
        if path.suffix == ".csv":
            csv.writer(file).writerows([("lyrics", "tags"), ("la", tags)])
        else:
            file.write("\n" + json.dumps({"lyrics": "la", "tags": tags}))
    return path


def test_tags_that_are_a_list_are_joined(tmp_path: Path) -> None:
    (line,) = read_requests(with_tags(tmp_path / "songs.jsonl", ["rock", "calm"]), "sonic.create")

    assert isinstance(line, Planned)
    assert line.request == sonic.Create(lyrics="la", tags="rock, calm").to_wire()


@pytest.mark.parametrize("name", ["songs.csv", "songs.jsonl"])
@pytest.mark.parametrize(
    "text",
    [
        "['rock', \"don't\"]",
        '["rock", "don\'t"]',
        '["rock","don\'t"]',
        " ['rock', 'don\\'t'] ",
        "['rock', 'don\\x27t']",
    ],
)
def test_tags_that_are_a_list_written_as_text_are_joined(text: str, name: str, tmp_path: Path) -> None:
    (line,) = read_requests(with_tags(tmp_path / name, text), "sonic.create")

    assert isinstance(line, Planned)
    assert line.request == sonic.Create(lyrics="la", tags=["rock", "don't"]).to_wire()


@given(
    tags=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), min_size=1)
)
def test_any_list_of_tags_written_by_python_or_as_json_is_read(tags: list[str]) -> None:
    assume("".join(tags).strip())
    planned = [
        planned_of({"lyrics": "la", "tags": text}, Keys(), "sonic.create", is_text=is_text).request["tags"]
        for is_text in (True, False)
        for text in (repr(tags), json.dumps(tags), json.dumps(tags, ensure_ascii=False))
    ]

    assert planned == [", ".join(tags)] * 6


@pytest.mark.parametrize("name", ["songs.csv", "songs.jsonl"])
@pytest.mark.parametrize(
    "text",
    ["['rock' 'calm']", "['rock', nan]", "[None, 'rock']", '["rock", 1]', "{'rock', 'calm'}", "('rock',)", r"['\x']"],
)
def test_tags_that_look_like_a_list_and_are_none_are_refused(text: str, name: str, tmp_path: Path) -> None:
    (bad,) = read_requests(with_tags(tmp_path / name, text), "sonic.create")

    assert isinstance(bad, BadLine)
    assert (bad.number, bad.field) == (2, "tags")
    assert bad.reason == f'tags is {text!r}, a list that cannot be read: write rock, calm or ["rock", "calm"]'


@pytest.mark.parametrize("name", ["songs.csv", "songs.jsonl"])
@pytest.mark.parametrize(
    "text", ["rock, calm", "[dreamy] rock", "[rock]", "rock (calm)", "(80s) 'lo-fi'", "[1980]", "['"]
)
def test_tags_with_brackets_that_are_no_list_stay_as_they_are(text: str, name: str, tmp_path: Path) -> None:
    (line,) = read_requests(with_tags(tmp_path / name, text), "sonic.create")

    assert isinstance(line, Planned)
    assert line.request["tags"] == text


@pytest.mark.parametrize("text", ["['pop', 'rock']", '["pop", "rock"]'])
def test_cell_of_a_field_that_takes_a_list_may_be_one_of_python(text: str, tmp_path: Path) -> None:
    path = tmp_path / "songs.csv"
    path.write_text('description,duration,genres\nrain,60,"{}"\n'.format(text.replace('"', '""')))
    (line,) = read_requests(path, "nuro.instrumental")

    assert isinstance(line, Planned)
    assert line.request == nuro.Instrumental(description="rain", duration=60, genres=["pop", "rock"]).to_wire()
