"""Async exports: requested again until the file is ready, charged once, within a time limit."""

import asyncio

import pytest
from clock import Clock
from scripted import Held, Scripted, Step, cut, respond, scripted

from musicapi_async import DownloadFile, MusicAPI, errors
from musicapi_async.sandbox import Fault, Sandbox

PREPARING = respond(202, {"type": "not_ready", "error": "still preparing"})
MIDI = {"data": {"midi_url": "https://files.example/1.mid", "instruments": []}}


def client_of(server: Scripted) -> MusicAPI:
    return MusicAPI("k", base_url=server.base_url, timeout=3600)


async def test_export_not_ready_is_requested_again(clock: Clock) -> None:
    async with scripted(PREPARING, PREPARING, respond(200, MIDI)) as server, client_of(server) as client:
        began = asyncio.get_running_loop().time()
        pending = asyncio.create_task(client.sonic.midi(clip="c-1"))
        await clock.run(0.5, pending)

        assert asyncio.get_running_loop().time() - began >= 6
        midi = pending.result()
    assert midi.url == "https://files.example/1.mid"
    assert [(one.method, one.path, one.body) for one in server.received] == [
        ("POST", "/api/v1/sonic/midi", b'{"clip_id":"c-1"}')
    ] * 3


async def test_export_not_ready_with_status_200_is_requested_again(clock: Clock) -> None:
    again = respond(200, {"type": "not_ready", "error": "still preparing"})
    async with scripted(again, respond(200, MIDI)) as server, client_of(server) as client:
        pending = asyncio.create_task(client.sonic.midi(clip="c-1"))
        await clock.run(1, pending)

    assert len(server.received) == 2


async def test_export_never_ready_raises_not_ready(clock: Clock) -> None:
    async with scripted(PREPARING) as server, client_of(server) as client:
        pending = asyncio.create_task(client.sonic.download(clip="c-1"))
        await clock.run(1, pending)

        with pytest.raises(errors.NotReadyError, match="still being prepared after 1[78].* s. Try again later"):
            await pending
    assert 2 <= len(server.received) <= 61


@pytest.mark.parametrize("failure", [cut(), respond(502, b"<html>")])
async def test_export_with_a_failure_between_is_retried(clock: Clock, failure: Step) -> None:
    """An accepted export may be requested again at no cost."""
    async with scripted(PREPARING, failure, respond(200, MIDI)) as server, client_of(server) as client:
        pending = asyncio.create_task(client.sonic.midi(clip="c-1"))
        await clock.run(1, pending)

        assert pending.result().url
    assert len(server.received) == 3


async def test_export_accepted_before_an_outage_raises_not_ready(clock: Clock) -> None:
    async with scripted(respond(202, b""), cut()) as server, client_of(server) as client:
        pending = asyncio.create_task(client.sonic.midi(clip="c-1"))
        await clock.run(1, pending)

        with pytest.raises(errors.NotReadyError):
            await pending
    assert len(server.received) == 5


async def test_export_is_ended_by_close(clock: Clock) -> None:
    async with scripted(PREPARING) as server, client_of(server) as client:
        pending = asyncio.create_task(client.sonic.midi(clip="c-1"))
        while not server.received:
            await asyncio.sleep(0.001)
        closing = asyncio.create_task(client.aclose())
        await clock.run(1, pending)
        await closing

        with pytest.raises(errors.ClientClosedError):
            await pending
    assert len(server.received) == 1


async def test_export_requested_several_times_is_charged_once(client: MusicAPI, sandbox: Sandbox, clock: Clock) -> None:
    uploaded = await client.sonic.upload(url="https://example.org/a.mp3")
    before = (await client.account.credits()).total
    pending = asyncio.create_task(client.sonic.download(clip=uploaded, formats=["wav"]))
    while not len(sandbox.requests("POST /sonic/download")):
        await asyncio.sleep(0.001)
    sandbox.advance(5000)
    await clock.run(1, pending)

    assert [file.format for file in pending.result()] == ["wav"]
    assert len(sandbox.requests("POST /sonic/download")) >= 2
    assert before - (await client.account.credits()).total == 2


async def test_upload_has_a_longer_minimum_timeout(client: MusicAPI, sandbox: Sandbox, clock: Clock) -> None:
    """Its timeout is at least two minutes."""
    for route in ("POST /sonic/upload", "POST /sonic/wav"):
        sandbox.add_fault(route, Fault(delay=90))
    short = client.with_options(timeout=30)

    uploading = asyncio.create_task(short.sonic.upload(url="https://example.org/a.mp3"))
    await clock.run(5, uploading)
    assert uploading.result().clip_id
    making = asyncio.create_task(short.sonic.wav(clip=uploading.result()))
    await clock.run(5, making)
    with pytest.raises(errors.UncertainSubmissionError, match="no response in time"):
        await making


async def test_export_returns_a_file_with_its_url(client: MusicAPI) -> None:
    uploaded = await client.sonic.upload(url="https://example.org/a.mp3")
    wav = await client.sonic.wav(clip=uploaded)

    assert wav == DownloadFile(wav.url, "wav")
    assert wav.url.endswith(f"{uploaded.clip_id}.wav")


async def test_paid_call_answered_202_is_uncertain_and_sent_once(clock: Clock) -> None:
    """Sending it again is not documented to be free here, so it could be charged twice."""
    async with scripted(PREPARING) as server, client_of(server) as client:
        making = asyncio.create_task(client.lyrics.make(description="rain"))
        await clock.run(1, making)

        with pytest.raises(errors.UncertainSubmissionError):
            await making
    assert len(server.received) == 1


async def test_export_cancelled_in_flight_says_that_it_was_accepted(caplog: pytest.LogCaptureFixture) -> None:
    held = Held(PREPARING)
    async with scripted(held) as server, client_of(server) as client:
        cancelled = await held.cancel(client.sonic.midi(clip="c-1"))

    (note,) = cancelled.__notes__
    assert note.startswith("POST /sonic/midi was cancelled in flight, and was accepted: ")
    assert note in caplog.messages


async def test_export_cancelled_while_it_is_prepared_says_that_it_was_accepted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scripted(PREPARING) as server, client_of(server) as client:
        pending = asyncio.create_task(client.sonic.midi(clip="c-1"))
        while not server.received:
            await asyncio.sleep(0.001)
        await asyncio.wait([pending], timeout=0.2)
        pending.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await pending

    (note,) = caught.value.__notes__
    assert note.startswith("POST /sonic/midi was cancelled, and was accepted: ")
    assert note in caplog.messages
