"""Tracing is on where the program has a tracer provider; elsewhere nothing of OpenTelemetry is loaded."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

from commands import served

PROGRAM = """\
import asyncio
import sys

from musicapi_async import MusicAPI

async def main():
    async with MusicAPI("k", base_url=sys.argv[1], poll_interval=0.01) as client:
{meanwhile}
        await client.sonic.describe(description="rain").wait()

asyncio.run(main())
"""
BLOCKING = """\
import sys

from musicapi_sync import MusicAPI

with MusicAPI("k", base_url=sys.argv[1], poll_interval=0.01) as client:
    client.sonic.describe(description="rain").wait()
"""
PROVIDE = """\
from collected import Collected
from opentelemetry import trace

spans = Collected()
trace.set_tracer_provider(spans.provider)
"""
SHOW_SPANS = "print(sorted({span.name for span in spans.exporter.get_finished_spans()}))\n"
SHOW_MODULES = "print([name for name in sys.modules if name.startswith('opentelemetry') or name.endswith('_spans')])\n"
SPANS = "['poll sonic.describe', 'submit sonic.describe', 'wait sonic.describe']\n"


def output_of(program: str) -> str:
    with served(seconds=0) as sandbox:
        command = [sys.executable, "-c", program, sandbox.base_url]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert not done.stderr
    return done.stdout


def test_program_without_tracing_never_loads_opentelemetry() -> None:
    assert output_of(PROGRAM.format(meanwhile="") + SHOW_MODULES) == "[]\n"
    assert output_of(BLOCKING + SHOW_MODULES) == "[]\n"


def test_program_with_a_provider_has_nothing_to_switch_on() -> None:
    assert output_of(PROVIDE + PROGRAM.format(meanwhile="") + SHOW_SPANS) == SPANS
    assert output_of(PROVIDE + BLOCKING + SHOW_SPANS) == SPANS


def test_provider_that_is_set_after_the_client_was_made_gets_spans() -> None:
    meanwhile = indent(f"global spans\n{PROVIDE}", " " * 8)

    assert output_of(PROGRAM.format(meanwhile=meanwhile) + SHOW_SPANS) == SPANS


def test_program_that_only_imports_opentelemetry_runs_as_without() -> None:
    program = dedent("""\
        from opentelemetry import trace

        assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    """)

    assert output_of(program + PROGRAM.format(meanwhile="") + "print('done')") == "done\n"


def test_module_of_that_name_that_is_not_opentelemetry_costs_no_task() -> None:
    program = "import sys, types\nsys.modules['opentelemetry.trace'] = types.ModuleType('opentelemetry.trace')\n"
    quiet = "import logging\nlogging.getLogger('musicapi').propagate = False\n"

    assert output_of(program + quiet + PROGRAM.format(meanwhile="") + "print('done')") == "done\n"
