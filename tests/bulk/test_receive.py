"""``bulk.receive`` keeps the events of a journal's tasks, and refuses what is forged or has no journal."""

import asyncio
from pathlib import Path

import pytest
from signing import SECRET, body_of, headers_of

import musicapi_sync.bulk
from musicapi_async import bulk, errors
from musicapi_async._webhook_inbox import FileInbox
from musicapi_async._webhook_urls import new_reference


@pytest.mark.parametrize("target", ["journal", "folder"])
def test_receive_in_both_packages_keeps_the_event_without_the_lock(
    target: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSICAPI_WEBHOOK_SECRET", SECRET)
    given = path if target == "journal" else path.parent
    body, reference = body_of(), new_reference()
    url = f"https://app.example/hooks?a=1&musicapi_attempt={reference}"
    with musicapi_sync.bulk.open(path):
        event = musicapi_sync.bulk.receive(given, body, headers_of(body), url)
        again = asyncio.run(bulk.receive(given, body, headers_of(body), url))
    inbox = FileInbox(f"{path}.events")
    (name,) = inbox.names()
    kept = inbox.read(name)

    assert event == again
    assert kept is not None
    assert (kept.task_id, kept.reference, kept.content) == ("t-1", reference, body)


async def test_receive_without_a_secret_names_the_variable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUSICAPI_WEBHOOK_SECRET", raising=False)
    with pytest.raises(errors.InvalidRequestError, match="MUSICAPI_WEBHOOK_SECRET"):
        await bulk.receive(path, body_of(), headers_of(body_of()), "/hooks")


async def test_receive_refuses_a_forged_event_and_keeps_nothing(path: Path) -> None:
    async with bulk.open(path):
        pass
    with pytest.raises(errors.WebhookVerificationError):
        await bulk.receive(path, body_of(), headers_of(body_of(), "another"), "/hooks", SECRET)
    assert not Path(f"{path}.events").exists()


async def test_receive_without_a_journal_is_refused(path: Path) -> None:
    body = body_of()
    with pytest.raises(errors.JournalError, match="there is none: the event was not kept"):
        await bulk.receive(path, body, headers_of(body), "/hooks", SECRET)
