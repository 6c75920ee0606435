"""Spans of submissions, waits, polls and downloads."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from collected import Collected, attributes_of, id_of, parent_of
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from scripted import Held, cut, respond, scripted, stall
from service import RUNNING, clip, done, serving

from musicapi_async import MusicAPI, errors, sonic

REQUEST = sonic.Describe(description="rain on a tin roof", model="sonic-v5")
ACCEPTED = respond(200, {"task_id": "t-1"}, {"x-request-id": "r-7"})
FINISHED = respond(*done(clip(0), clip(1)))
Provide = Callable[[trace.TracerProvider], None]


async def test_submit_makes_a_client_span_with_the_task_and_the_request(spans: Collected) -> None:
    async with scripted(ACCEPTED) as server, MusicAPI("k", base_url=server.base_url) as client:
        await client.submit(REQUEST)

    span = spans.one("submit")
    assert (span.name, span.kind) == ("submit sonic.describe", trace.SpanKind.CLIENT)
    assert attributes_of(span) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "url.full": f"{server.base_url}/sonic/create",
        "musicapi.attempts": 1,
        "musicapi.request.id": "r-7",
        "musicapi.task.id": "t-1",
        "musicapi.operation": "sonic.describe",
        "musicapi.model": "sonic-v5",
    }
    assert span.status.status_code is trace.StatusCode.UNSET
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "musicapi_async"


async def test_wait_contains_its_polls_below_the_callers_span(spans: Collected) -> None:
    states = [RUNNING, done(clip(0), clip(1))]
    async with serving(poll=lambda _: states.pop(0)) as service:
        settings = {"base_url": service.base_url, "poll_interval": 0.01}
        async with MusicAPI("k", **settings) as client:  # type: ignore[arg-type]
            with spans.tracer.start_as_current_span("caller") as caller:
                await client.submit(REQUEST).wait()

    wait, polls = spans.one("wait"), spans.named("poll")
    assert [parent_of(span) for span in (spans.one("submit"), wait)] == [id_of(caller)] * 2
    assert [parent_of(span) for span in polls] == [id_of(wait)] * 2
    assert [attributes_of(span)["musicapi.task.state"] for span in (*polls, wait)] == [
        "waiting",
        "finished",
        "finished",
    ]
    assert (wait.name, wait.kind) == ("wait sonic.describe", trace.SpanKind.INTERNAL)
    assert attributes_of(wait)["musicapi.model"] == "sonic-v5"
    assert attributes_of(polls[0])["url.full"] == f"{service.base_url}/sonic/task/t-0"
    assert {span.context.trace_id for span in (wait, *polls) if span.context} == {caller.get_span_context().trace_id}


async def test_poll_for_two_waits_belongs_to_the_first_and_links_to_the_second(spans: Collected) -> None:
    async with serving() as service, MusicAPI("k", base_url=service.base_url, poll_interval=0.1) as client:
        task = await client.submit(REQUEST)
        await asyncio.gather(task.wait(), task.wait())

    first, second = sorted(spans.named("wait"), key=lambda span: span.start_time or 0)
    poll = spans.one("poll")
    assert parent_of(poll) == id_of(first)
    assert [link.context.span_id for link in poll.links] == [id_of(second)]


async def test_polls_of_many_tasks_belong_to_their_own_waits(spans: Collected) -> None:
    async with serving() as service, MusicAPI("k", base_url=service.base_url, poll_interval=0.05) as client:
        tasks = [await client.submit(REQUEST) for _ in range(5)]
        await asyncio.gather(*(task.wait() for task in tasks))

    waits = {id_of(span): attributes_of(span)["musicapi.task.id"] for span in spans.named("wait")}
    polls = {parent_of(span): attributes_of(span)["musicapi.task.id"] for span in spans.named("poll")}
    assert len(waits) == 5
    assert polls == waits


async def test_poll_on_demand_belongs_to_its_caller(spans: Collected) -> None:
    async with scripted(FINISHED) as server, MusicAPI("k", base_url=server.base_url) as client:
        with spans.tracer.start_as_current_span("caller") as caller:
            await client.sonic.task("t-1").poll()

    poll = spans.one("poll")
    assert (poll.name, parent_of(poll)) == ("poll sonic", id_of(caller))


@pytest.mark.parametrize("step", [cut(), respond(500, {"error": "oops"})])
async def test_uncertain_submission_is_visible(spans: Collected, step: object) -> None:
    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:  # type: ignore[arg-type]
        with pytest.raises(errors.UncertainSubmissionError):
            await client.submit(REQUEST)

    span = spans.one("submit")
    assert span.status.status_code is trace.StatusCode.ERROR
    assert attributes_of(span)["musicapi.uncertain"] is True
    assert attributes_of(span)["error.type"] == "musicapi_async.errors.UncertainSubmissionError"


async def test_submission_cancelled_in_flight_has_its_task_in_its_span(spans: Collected) -> None:
    held = Held(ACCEPTED)
    async with scripted(held) as server, MusicAPI("k", base_url=server.base_url) as client:
        await held.cancel(client.submit(REQUEST))

    span = spans.one("submit")
    assert attributes_of(span)["musicapi.task.id"] == "t-1"
    assert attributes_of(span)["error.type"] == "asyncio.exceptions.CancelledError"


async def test_refusal_sets_the_status_and_its_type(spans: Collected) -> None:
    async with (
        scripted(respond(402, {"error": "no credits"})) as server,
        MusicAPI("k", base_url=server.base_url) as client,
    ):
        with pytest.raises(errors.InsufficientCreditsError):
            await client.submit(REQUEST)

    span = spans.one("submit")
    assert span.status.status_code is trace.StatusCode.ERROR
    assert (
        span.status.description == attributes_of(span)["error.type"] == "musicapi_async.errors.InsufficientCreditsError"
    )
    assert attributes_of(span)["http.response.status_code"] == 402
    assert "musicapi.uncertain" not in attributes_of(span)


async def test_retried_request_is_one_span_that_counts_its_attempts(spans: Collected) -> None:
    steps = (respond(503, {"error": "x"}), respond(200, {"credits": 5, "extra_credits": 0}))
    async with scripted(*steps) as server, MusicAPI("k", base_url=server.base_url) as client:
        await client.account.credits()

    span = spans.one("call account.credits")
    assert attributes_of(span)["musicapi.attempts"] == 2
    assert attributes_of(span)["http.response.status_code"] == 200
    assert span.status.status_code is trace.StatusCode.UNSET


async def test_wait_that_times_out_is_an_error_and_its_last_poll_has_the_state(spans: Collected) -> None:
    async with serving(poll=lambda _: RUNNING) as service, MusicAPI("k", base_url=service.base_url) as client:
        task = await client.submit(REQUEST)
        with pytest.raises(errors.TaskTimeoutError):
            await task.wait(timeout=0)

    assert attributes_of(spans.one("wait"))["error.type"] == "musicapi_async.errors.TaskTimeoutError"
    assert attributes_of(spans.one("poll"))["musicapi.task.state"] == "waiting"


async def test_wait_that_is_thrown_away_ends_its_span_quietly(
    spans: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(poll=lambda _: RUNNING) as service, MusicAPI("k", base_url=service.base_url) as client:
        task = await client.submit(REQUEST)
        waiting = task.wait()
        waiting.send(None)
        waiting.close()
        assert not trace.get_current_span().get_span_context().is_valid

    assert attributes_of(spans.one("wait"))["error.type"] == "GeneratorExit"
    assert "context" not in caplog.text


async def test_download_makes_a_span_without_the_query(spans: Collected, tmp_path: Path) -> None:
    async with scripted(respond(404), respond(200, b"ID3" + b"\x00" * 97)) as server:
        url = f"http://user:word@127.0.0.1:{server.port}/a.mp3?Signature=sign#part"
        async with MusicAPI("k", base_url=server.base_url) as client:
            await client.download(url, tmp_path / "a.mp3")

    assert attributes_of(spans.one("download")) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.response.body.size": 100,
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "url.full": f"http://127.0.0.1:{server.port}/a.mp3",
        "musicapi.attempts": 2,
    }


async def test_download_that_fails_names_the_failure(spans: Collected) -> None:
    async with scripted(cut()) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        with pytest.raises(errors.DownloadError):
            await client.read(f"{server.origin}/a.mp3")

    assert attributes_of(spans.one("download"))["error.type"] == "cut"


async def test_stream_makes_one_span_below_its_caller(spans: Collected) -> None:
    body = respond(200, b"ID3" + b"\x00" * 4097)
    async with scripted(body) as server, MusicAPI("k", base_url=server.base_url) as client:
        with spans.tracer.start_as_current_span("caller") as caller:
            size = sum([len(chunk) async for chunk in client.stream(f"{server.origin}/a.mp3")])

    assert size == 4100
    assert parent_of(spans.one("download")) == id_of(caller)


async def test_spans_hold_no_key_no_text_and_no_query(spans: Collected) -> None:
    secrets = {"lyrics": "the-lyrics-of", "tags": "some-tags-x", "title": "the-title-x"}
    key, service_text = "key-0123456789-0123456789", "quoted: the-lyrics-of"
    steps = (
        respond(400, {"error": service_text}),
        respond(500, {"error": f"{service_text} {key}"}),
        respond(200, {"task_id": "t-1"}),
        respond(200, {"type": "failed", "error": service_text}),
        respond(200, {"ok": key}),
    )
    async with (
        scripted(*steps) as server,
        MusicAPI(key, base_url=server.base_url, headers={"X-Team": "team-x"}) as client,
    ):
        for _ in range(2):
            with pytest.raises(errors.MusicAPIError):
                await client.sonic.create(**secrets)  # type: ignore[arg-type]
        task = await client.sonic.create(**secrets)  # type: ignore[arg-type]
        with pytest.raises(errors.TaskFailedError):
            await task.wait(timeout=0)
        await client.request("GET", "/new?token=the-token-x")

    text = spans.text()
    assert len(spans.exporter.get_finished_spans()) == 6
    for secret in (*secrets.values(), key, "quoted", "the-token-x", "team-x"):
        assert secret not in text


class FailingAtStart(SpanProcessor):
    """A processor with a bug."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        raise ValueError(f"a bug in on_start of {span} in {parent_context}")


class FailingAtEnd(SpanProcessor):
    """A processor with a bug."""

    def on_end(self, span: ReadableSpan) -> None:
        raise ValueError(f"a bug in on_end of {span}")


@pytest.mark.parametrize("processor", [FailingAtStart(), FailingAtEnd()])
async def test_processor_that_raises_costs_no_task(
    provide: Provide, processor: SpanProcessor, caplog: pytest.LogCaptureFixture
) -> None:
    provider = TracerProvider()
    provider.add_span_processor(processor)
    provide(provider)
    async with serving() as service, MusicAPI("k", base_url=service.base_url, poll_interval=0.01) as client:
        songs = await client.submit(REQUEST).wait()

    assert len(songs) == 2
    assert "tracing failed" in caplog.text
    assert not trace.get_current_span().get_span_context().is_valid


async def test_trace_that_is_not_sampled_makes_no_spans(provide: Provide) -> None:
    spans = Collected(TracerProvider(sampler=ALWAYS_OFF))
    provide(spans.provider)
    async with serving() as service, MusicAPI("k", base_url=service.base_url, poll_interval=0.01) as client:
        await client.submit(REQUEST).wait()

    assert not spans.exporter.get_finished_spans()


async def test_nothing_of_the_trace_is_sent_to_the_service(spans: Collected) -> None:
    async with scripted(ACCEPTED) as server, MusicAPI("k", base_url=server.base_url) as client:
        with spans.tracer.start_as_current_span("caller"):
            await client.submit(REQUEST)

    (received,) = server.received
    assert not {"traceparent", "tracestate", "baggage"} & received.headers.keys()
    assert spans.named("submit")


async def test_stalled_submission_that_times_out_is_uncertain_in_its_span(spans: Collected) -> None:
    async with scripted(stall()) as server, MusicAPI("k", base_url=server.base_url, timeout=0.2) as client:
        with pytest.raises(errors.UncertainSubmissionError):
            await client.submit(REQUEST)

    assert attributes_of(spans.one("submit"))["musicapi.uncertain"] is True
    assert "http.response.status_code" not in attributes_of(spans.one("submit"))
