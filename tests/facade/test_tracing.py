"""Spans of the blocking client: the context of the calling thread is carried to the client's own."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from collected import Collected, id_of, parent_of
from opentelemetry import trace

from musicapi_sync import MusicAPI, sonic


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collected]:
    spans = Collected()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", spans.provider)
    yield spans
    spans.provider.shutdown()


def test_calls_belong_to_the_span_of_their_thread(client: MusicAPI, spans: Collected) -> None:
    callers = {}

    def make(name: str) -> None:
        with spans.tracer.start_as_current_span(name) as caller:
            callers[name] = id_of(caller)
            client.sonic.describe(description=name).wait()

    threads = [threading.Thread(target=make, args=(f"caller-{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    waits = {id_of(span) for span in spans.named("wait")}
    assert len(callers) == 3
    for start in ("submit", "wait"):
        assert {parent_of(span) for span in spans.named(start)} == set(callers.values())
    assert {parent_of(span) for span in spans.named("poll")} == waits


def test_run_download_and_stream_belong_to_the_callers_span(client: MusicAPI, spans: Collected, tmp_path: Path) -> None:
    with spans.tracer.start_as_current_span("caller") as caller:
        (outcome,) = client.run([sonic.Describe(description="rain")])
        song = outcome.unwrap()[0]
        client.download(song, tmp_path / "song.mp3")
        for _ in client.stream(song):
            pass

    assert [parent_of(span) for span in (spans.one("submit"), spans.one("wait"))] == [id_of(caller)] * 2
    assert [parent_of(span) for span in spans.named("download")] == [id_of(caller)] * 2
