"""A file of requests is checked line by line before anything is paid for."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async import errors, riffusion, sonic
from musicapi_async.bulk import Planned, Record
from musicapi_async.bulk.keys import Keys
from musicapi_async.bulk.requests_file import BadLine, planned_of, read_requests, request_of

DESCRIBE = {"operation": "sonic.describe", "description": "rain"}


def written(tmp_path: Path, *lines: object, name: str = "songs.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_file_with_requests_yields_one_for_each_line(tmp_path: Path) -> None:
    path = written(tmp_path, DESCRIBE, "", {**DESCRIBE, "model": "sonic-v5-5", "key": "my-key", "instrumental": True})
    first, second = read_requests(path)

    assert isinstance(first, Planned)
    assert first.request == sonic.Describe(description="rain").to_wire()
    assert isinstance(second, Planned)
    assert second.key == "my-key"
    assert second.request == sonic.Describe(description="rain", model="sonic-v5-5", instrumental=True).to_wire()


def test_operation_given_for_the_file_is_that_of_lines_without_one(tmp_path: Path) -> None:
    path = written(tmp_path, {"description": "rain"}, {"operation": "riffusion.describe", "description": "rain"})
    found = [line.operation for line in read_requests(path, "sonic.describe") if isinstance(line, Planned)]

    assert found == ["sonic.describe", "riffusion.describe"]


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        ("{", None, "not JSON"),
        ("[1]", None, "must be an object, not list"),
        ({"description": "rain"}, "operation", "operation is missing"),
        ({"operation": "sonic.nothing"}, "operation", "operation is 'sonic.nothing'"),
        ({"operation": "sonic.bpm", "clip": "c"}, "operation", "one that starts a task"),
        ({"operation": "sonic.describe"}, "description", "needs description"),
        ({**DESCRIBE, "descriptio": "x"}, "descriptio", "did you mean description"),
        ({**DESCRIBE, "description": "x" * 5000}, "description", "description"),
        ({**DESCRIBE, "style_weight": 7}, "style_weight", "from 0 to 1"),
        ({**DESCRIBE, "instrumental": "yes"}, "instrumental", "True or False"),
        ({**DESCRIBE, "key": 7}, "key", "must be text"),
        ({**DESCRIBE, "key": "x" * 201}, "key", "at most 200"),
        ("[" * 100_000, None, "not JSON"),
    ],
)
def test_line_that_is_wrong_is_reported_with_its_number_and_field(
    line: object, field: str | None, reason: str, tmp_path: Path
) -> None:
    _, bad = read_requests(written(tmp_path, DESCRIBE, line))

    assert isinstance(bad, BadLine)
    assert (bad.number, bad.field) == (2, field)
    assert reason in bad.reason


def test_key_that_occurs_twice_is_reported(tmp_path: Path) -> None:
    line = {**DESCRIBE, "key": "a"}
    _, bad = read_requests(written(tmp_path, line, line))

    assert bad == BadLine(2, "key", "key is 'a', which an earlier line has too")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("songs.jsonl", b'{"description": "rain"}\n{"description": "caf\xe9"}\n{"description": "snow"}\n'),
        ("songs.csv", b"description\nrain\ncaf\xe9\nsnow\n"),
    ],
)
def test_file_with_invalid_utf8_is_reported_line_by_line(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    first, bad, third = read_requests(path, "sonic.describe")

    assert isinstance(bad, BadLine)
    assert bad.reason == "it has the byte 0xE9, which is not UTF-8 (in Windows-1252 it is 'é'): save the file as UTF-8"
    assert (isinstance(first, Planned), isinstance(third, Planned)) == (True, True)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("songs.jsonl", '{"description": "rain"}\n'.encode("utf-16"), "the file is UTF-16 text"),
        ("songs.jsonl", '{"description": "rain"}\n'.encode("utf-16-le"), "the file is UTF-16 text"),
        ("songs.csv", "description,title\nrain,Rain\n".encode("utf-16"), "the file is UTF-16 text"),
        ("songs.csv", b"description;title\nrain;Rain\n", "the file separates its cells with semicolons"),
        ("songs.csv", b"description\ttitle\nrain\tRain\n", "the file separates its cells with tabs"),
        ("songs.jsonl", b'[{"description": "rain"},\n {"description": "snow"}]\n', "the file is one JSON array"),
        ("songs.jsonl", b'[\n{"description": "rain"}\n]\n', "the file is one JSON array"),
        ("songs.jsonl", b'{\n  "description": "rain"\n}\n', "the file has an object over several lines"),
    ],
)
def test_file_in_another_format_is_named_once_with_how_to_save_it(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    (bad,) = read_requests(path, "sonic.describe")

    assert isinstance(bad, BadLine)
    assert bad.number == 1
    assert bad.reason.startswith(reason)
    assert re.search("save it|write each", bad.reason)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("TRUE", True)])
def test_boolean_that_is_text_in_json_is_a_boolean(text: str, value: object, tmp_path: Path) -> None:
    (line,) = read_requests(written(tmp_path, {**DESCRIBE, "instrumental": text, "title": text}))

    assert isinstance(line, Planned)
    assert (line.request["make_instrumental"], line.request["title"]) == (value, text)


@pytest.mark.parametrize(
    ("operation", "hint"),
    [
        ("sonic.descrbe", "did you mean sonic.describe?"),
        ("sonic.description", "did you mean sonic.describe?"),
        ("make music", "such as sonic.describe"),
    ],
)
def test_wrong_operation_for_the_file_is_refused_before_it_is_read(operation: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequestError, match=re.escape(hint)):
        read_requests(tmp_path / "missing.jsonl", operation)


def test_csv_with_names_in_its_first_line_yields_requests(tmp_path: Path) -> None:
    lines = (
        "\ufeffkey,description,model,style_weight,instrumental,duration",
        'one,"rain, softly",sonic-v5-5,0.25,true,',
        "two,2024,,,FALSE,60",
        "three,x,y,z",
        "four,rain,,high,,",
        "five,rain,,,,,,,",
    )
    first, second, third, fourth, fifth = read_requests(written(tmp_path, *lines, name="songs.csv"), "sonic.describe")

    assert isinstance(first, Planned)
    request = sonic.Describe(description="rain, softly", model="sonic-v5-5", style_weight=0.25, instrumental=True)
    assert first.request == request.to_wire()
    assert isinstance(second, Planned)
    assert second.request == sonic.Describe(description="2024", instrumental=False, duration=60).to_wire()
    assert isinstance(third, BadLine)
    assert isinstance(fourth, BadLine)
    assert (fourth.number, fourth.field) == (5, "style_weight")
    assert fifth == BadLine(6, None, "it has more cells than the first line has names")


@pytest.mark.parametrize(
    ("head", "field", "places"),
    [
        ("description,title,title", "title", "columns 2 and 3"),
        ("description, title,title ,model", "title", "columns 2 and 3"),
        ("key,description,key", "key", "columns 1 and 3"),
        ("operation,description,tags,operation", "operation", "columns 1 and 4"),
        ("\ufeffdescription,description", "description", "columns 1 and 2"),
    ],
)
def test_csv_with_two_columns_of_one_name_is_refused(head: str, field: str, places: str, tmp_path: Path) -> None:
    (bad,) = read_requests(written(tmp_path, head, "a,b,c,d", "e,f,g,h", name="songs.csv"), "sonic.describe")

    assert bad == BadLine(1, field, f"column {field!r} occurs twice, as {places}: keep one")


def test_csv_line_of_separators_alone_is_skipped(tmp_path: Path) -> None:
    lines = [",,", " ,\t,", "description,title,", "rain,Rain,", ",,", '"","   ",', "  , ,,,,", "snow,Snow", ",,,,,,"]
    lines += ["\ufeff,,", ",\u200b ,", "\u00a0,\ufeff\ufeff,"]
    found = list(read_requests(written(tmp_path, *lines, name="songs.csv"), "sonic.describe"))

    assert [line.request["title"] for line in found if isinstance(line, Planned)] == ["Rain", "Snow"]
    assert len(found) == 2


@pytest.mark.parametrize("name", ["songs.csv", "songs.jsonl"])
def test_whole_number_written_with_a_point_is_a_whole_number(name: str, tmp_path: Path) -> None:
    lines = (
        ("description,duration", "rain,60.0", "rain,6e1", "rain,60.5")
        if name.endswith("csv")
        else [f'{{"description": "rain", "duration": {duration}}}' for duration in ("60.0", "6e1", "60.5")]
    )
    first, second, bad = read_requests(written(tmp_path, *lines, name=name), "nuro.instrumental")

    assert isinstance(first, Planned)
    assert isinstance(second, Planned)
    assert first.request == second.request
    assert first.request["duration"] == 60
    assert isinstance(bad, BadLine)
    assert bad.field == "duration"


def test_cell_under_no_name_is_refused_with_its_place(tmp_path: Path) -> None:
    lines = ("description,,title", "rain,,Rain", "snow,two songs,Snow")
    first, bad = read_requests(written(tmp_path, *lines, name="songs.csv"), "sonic.describe")

    assert isinstance(first, Planned)
    assert bad == BadLine(3, None, "column 2 has no name in the first line, and contains 'two songs'")


def test_first_column_with_the_index_of_a_data_frame_is_refused_with_the_way_to_leave_it_out(tmp_path: Path) -> None:
    _, bad = read_requests(written(tmp_path, ",description", "0,rain", "1,snow", name="songs.csv"), "sonic.describe")

    index = ": an index, which pandas leaves out with to_csv(..., index=False)"
    assert bad == BadLine(3, None, f"column 1 has no name in the first line{index}")


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('{"description": "rain", "description": "snow"}', "description"),
        ('{"operation": "sonic.describe", "description": "rain", "operation": "sonic.create"}', "operation"),
        ('{"key": "a", "description": "rain", "key": "b"}', "key"),
        (
            '{"operation": "nuro.instrumental_v2", "description": "x", "segments": [{"name": "a", "name": "b"}]}',
            "name",
        ),
    ],
)
def test_json_with_a_name_twice_is_refused(line: str, field: str, tmp_path: Path) -> None:
    (bad,) = read_requests(written(tmp_path, line), "sonic.describe")

    assert bad == BadLine(1, field, f"{field!r} occurs twice")


@pytest.mark.parametrize("name", ["songs.csv", "songs.jsonl"])
def test_field_under_both_of_its_names_is_refused(name: str, tmp_path: Path) -> None:
    lines = (
        ("description,model,mv", "rain,sonic-v5-5,sonic-v6")
        if name.endswith("csv")
        else ({**DESCRIBE, "model": "sonic-v5-5", "mv": "sonic-v6"},)
    )
    (bad,) = read_requests(written(tmp_path, *lines, name=name), "sonic.describe")

    assert isinstance(bad, BadLine)
    assert (bad.field, "did you mean model" in bad.reason) == ("mv", True)


def test_field_that_is_null_is_not_set(tmp_path: Path) -> None:
    null = {"title": None, "model": None, "instrumental": None, "use_suno_cdn": None, "key": None}
    first, second = read_requests(written(tmp_path, {**DESCRIBE, **null}, DESCRIBE))

    assert isinstance(first, Planned)
    assert isinstance(second, Planned)
    assert first.request == second.request


def test_key_of_the_same_request_in_another_order_is_the_same() -> None:
    first, second = Keys(), Keys()
    rain = planned_of(DESCRIBE, first)
    planned_of({**DESCRIBE, "description": "snow"}, second)

    assert planned_of(DESCRIBE, second).key == rain.key
    assert planned_of(DESCRIBE, first).key != rain.key
    assert planned_of({**DESCRIBE, "operation": "riffusion.describe"}, first).key != rain.key


@given(lines=st.lists(st.sampled_from(["rain", "snow", "sun"]), max_size=20))
def test_key_of_each_line_is_unique(lines: list[str]) -> None:
    keys = Keys()
    found = [planned_of({**DESCRIBE, "description": line}, keys).key for line in lines]

    assert len(set(found)) == len(lines)


@pytest.mark.parametrize(
    "request_",
    [
        sonic.Describe(description="rain", style_weight=0.5),
        sonic.Extend(clip="c-1", at=30.0),
        riffusion.Describe(description="rain"),
    ],
)
def test_request_of_a_record_is_the_one_that_was_planned(request_: Any) -> None:
    record = Record(key="k", operation=request_.operation_name, request=request_.to_wire(), number=1, state="planned")

    assert request_of(record) == request_


def test_file_that_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_requests(tmp_path / "nothing.jsonl"))


def test_request_of_a_record_of_an_unknown_operation_is_refused() -> None:
    record = Record(key="k", operation="sonic.gone", request={}, number=1, state="planned")
    with pytest.raises(errors.InvalidRequestError, match="sonic.gone"):
        request_of(record)
