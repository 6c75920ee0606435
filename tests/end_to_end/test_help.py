"""The help of the command, its completion in a shell, and what it says without its extra."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import (
    MusicAPI,
    finish,
    on_unix,
    started,
)

import musicapi_async


def test_help_lists_the_exit_codes(musicapi: MusicAPI) -> None:
    for arguments in ((), ("--help",)):
        done = musicapi(*arguments)
        assert (done.code, done.err) == (0, "")
        assert all(f"{code}  " in done.out for code in (*range(12), 129, 130, 143))
    assert musicapi("--version").out == f"musicapi-async {musicapi_async.__version__}\n"


def test_the_package_run_as_a_module_is_the_command() -> None:
    command = [sys.executable, "-m", "musicapi_async", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == f"musicapi-async {musicapi_async.__version__}\n"


@pytest.mark.parametrize("module", ["rich", "typer"])
def test_command_without_the_extra_names_what_to_install(tmp_path: Path, module: str) -> None:
    program = f"import sys; sys.modules[{module!r}] = None; from musicapi_async.cli import main; sys.exit(main())"
    with started(cwd=tmp_path, program=("-c", program)) as process:
        done = finish(process)
    assert done == (1, "", f"musicapi: {module} is not installed; install it with: pip install 'musicapi-async[cli]'\n")


@pytest.mark.parametrize("command", ["", "generate", "bulk", "bulk run", "webhooks listen", "sandbox"])
def test_help_shows_options_without_a_value_without_a_type(musicapi: MusicAPI, command: str) -> None:
    shown = re.sub("\\x1b\\[[0-9;]*m", "", musicapi(*command.split(), "--help").out)

    assert "--help" in shown
    assert "<bool>" not in shown


def test_help_of_several_paragraphs_fills_the_lines(musicapi: MusicAPI) -> None:
    shown = re.sub("\\x1b\\[[0-9;]*m", "", musicapi("bulk", "work", "--help").out)
    lines = [line.strip() for line in shown.partition("Options")[0].splitlines()]
    before, after = (next(at for at, line in enumerate(lines) if text in line) for text in ("SIGTERM", "uncertain."))

    assert all(len(line) > 60 for line in lines[before:after])


@on_unix
def test_completion_in_bash_completes_commands_options_and_families(tmp_path: Path) -> None:
    program = tmp_path / "musicapi"
    program.write_text(f"#!{sys.executable}\nimport sys; from musicapi_async.cli import main; sys.exit(main())\n")
    program.chmod(0o755)
    # What bash does for "musicapi generate --family s" and two tabs.
    script = """
        eval "$(musicapi --show-completion bash)"
        COMP_WORDS=(musicapi generate --family s) COMP_CWORD=3
        _musicapi_completion musicapi
        echo "${COMPREPLY[*]}"
    """
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run([bash, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert (done.stdout.split(), done.stderr) == (["sonic", "studio", "suno"], "")
