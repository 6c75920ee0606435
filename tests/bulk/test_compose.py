"""The compose file of ``docs/machines.md``: its services fit together, and its commands make every song."""

import shlex
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from code_blocks import page_blocks
from commands import line_with, started

from musicapi_async.cli.app import run

FILE: dict[str, Any] = yaml.safe_load(
    next(block.code for block in page_blocks("docs/machines.md") if block.language == "yaml")
)
SERVICES: dict[str, Any] = FILE["services"]


def command(service: str) -> list[str]:
    """Return the arguments of a service's command, which is one of ``musicapi``."""
    program, *arguments = shlex.split(SERVICES[service]["command"])
    assert program == "musicapi"
    return arguments


def test_compose_file_services_fit_together() -> None:
    database = SERVICES["db"]["environment"]
    assert {name for name, service in SERVICES.items() if "command" in service} == {"sandbox", "plan", "worker"}
    for name in ("plan", "worker"):
        environment = SERVICES[name]["environment"]
        journal, service = urlsplit(environment["MUSICAPI_JOURNAL"]), urlsplit(environment["MUSICAPI_BASE_URL"])
        assert (journal.hostname, journal.port) == ("db", None)
        assert (journal.username, journal.password) == (database["POSTGRES_USER"], database["POSTGRES_PASSWORD"])
        assert journal.path == f"/{database['POSTGRES_DB']}"
        assert service.hostname == SERVICES["sandbox"]["hostname"] == "sandbox"
        assert ["--host", "sandbox", "--port", str(service.port)] == command("sandbox")[1:5]
    assert SERVICES["worker"]["deploy"]["replicas"] == 3
    waited = {name for service in SERVICES.values() for name in service.get("depends_on", ())}
    assert waited <= SERVICES.keys()
    named = {text.partition(":")[0] for service in SERVICES.values() for text in service.get("volumes", ())}
    assert {name for name in named if not name.startswith(".")} == FILE["volumes"].keys()


def test_compose_file_commands_make_every_song(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    given = ["127.0.0.1" if word == "sandbox" else port if word == "8787" else word for word in command("sandbox")[1:]]
    for name, value in SERVICES["worker"]["environment"].items():
        place = value.replace("sandbox:8787", f"127.0.0.1:{port}")
        monkeypatch.setenv(name, {"MUSICAPI_JOURNAL": address, "MUSICAPI_STATE": str(tmp_path)}.get(name, place))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requests.jsonl").write_text('{"description": "rain"}\n{"description": "snow"}\n', "utf-8")
    with started("sandbox", *given, "--seconds", "0.1", cwd=tmp_path) as sandbox:
        line_with("the sandbox is running", sandbox.stdout)
        assert run(command("plan")) == 0
        assert run(command("worker")) == 0

    assert capfd.readouterr().out.splitlines()[-1] == "2 saved"
    assert len(list((tmp_path / "songs").glob("*.json"))) == 4
