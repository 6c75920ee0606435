"""``musicapi doctor``: what it says of the key, the connection, the clock and the webhook's address."""

from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal
from commands import KEY, Finished, MusicAPI, served
from scripted import Scripted, respond, scripted

from musicapi_async.sandbox import Sandbox

BALANCE = {"credits": 5, "extra_credits": 0}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served(0.1) as quick:
        yield quick


@pytest.fixture
def late() -> Iterator[Scripted]:
    """Serve a service whose clock is an hour ahead of any machine's."""
    step = respond(200, BALANCE, {"Date": "Fri, 01 Jan 2100 00:00:00 GMT"})
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(scripted(step)) as server:
        yield server


def state_of(done: Finished, name: str) -> tuple[str, str]:
    found = {check["name"]: (check["state"], check["text"]) for check in done.json["checks"]}
    return found[name]


def test_doctor_of_a_working_machine_reports_each_check(musicapi: MusicAPI, sandbox: Sandbox) -> None:
    done = musicapi("doctor", sandbox=sandbox)

    assert (done.code, done.err) == (0, "")
    for line in ("versions  ok", f"key       ok       {len(KEY)} characters", "account   ok       1000 credits"):
        assert line in done.out
    for line in ("clock     ok", "proxy     not set", "webhook   not set"):
        assert line in done.out


def test_doctor_without_a_key_says_so_and_names_the_versions(musicapi: MusicAPI) -> None:
    done = musicapi("doctor", "--json", MUSICAPI_KEY="")

    assert done.code == 3
    assert state_of(done, "versions")[0] == "ok"
    assert state_of(done, "settings")[0] == "problem"
    assert "MUSICAPI_KEY" in state_of(done, "settings")[1]


def test_doctor_without_a_connection_checks_the_rest(musicapi: MusicAPI, sandbox: Sandbox) -> None:
    env = {
        "MUSICAPI_BASE_URL": "http://127.0.0.1:9/api/v1",
        "MUSICAPI_WEBHOOK_URL": f"{sandbox.base_url}/hooks?token=hidden",
        "MUSICAPI_WEBHOOK_SECRET": "hidden",
    }
    done = musicapi("doctor", "--json", **env)

    assert done.code == 7
    assert state_of(done, "account")[0] == "problem"
    assert state_of(done, "webhook") == ("ok", f"{sandbox.base_url}/hooks responds")
    assert "hidden" not in done.out + done.err


def test_doctor_whose_webhook_address_is_silent_says_so(musicapi: MusicAPI, sandbox: Sandbox) -> None:
    env = {"MUSICAPI_WEBHOOK_URL": "http://127.0.0.1:9/hooks", "MUSICAPI_WEBHOOK_SECRET": "hidden"}
    done = musicapi("doctor", "--json", sandbox=sandbox, **env)

    assert done.code == 0
    assert state_of(done, "webhook")[0] == "problem"


def test_doctor_names_the_proxy_without_its_login(musicapi: MusicAPI) -> None:
    env = {"MUSICAPI_BASE_URL": "https://api.example/v1", "HTTPS_PROXY": "http://user:hidden@127.0.0.1:9"}
    done = musicapi("doctor", "--json", **env)

    assert state_of(done, "proxy") == ("ok", "through 127.0.0.1:9, as the environment says")
    assert "hidden" not in done.out + done.err


def test_doctor_of_a_machine_whose_clock_is_wrong_says_by_how_much(musicapi: MusicAPI, late: Scripted) -> None:
    done = musicapi("doctor", "--json", MUSICAPI_BASE_URL=late.base_url)

    assert done.code == 0
    state, text = state_of(done, "clock")
    assert (state, "seconds behind the service's" in text) == ("problem", True)
