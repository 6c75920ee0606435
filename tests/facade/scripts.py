"""Scripts of users, each in a process of its own."""

import os
import subprocess
import sys
import textwrap

from musicapi_async.sandbox import Sandbox

__all__ = ["run_script"]


def run_script(script: str, sandbox: Sandbox) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "MUSICAPI_BASE_URL": sandbox.base_url,
        "MUSICAPI_KEY": "k",
        "MUSICAPI_POLL_INTERVAL": "0.05",
    }
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
        check=False,
    )
    # Of a callback that a busy machine took long for, which asyncio reports in its debug mode.
    done.stderr = "".join(line for line in done.stderr.splitlines(True) if not line.startswith("Executing <"))
    return done
