"""Editors show the parameters of every operation in the order in which Python has them: required ones first."""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import musicapi_async
import musicapi_sync
from musicapi_async import operations

ROOT = Path(__file__).parents[2]
PACKAGES = (musicapi_async, musicapi_sync)
NAMES = [operation.operation_name for operation in operations()]
LAST = ("model", "use_suno_cdn", "webhook_url", "webhook_secret")
"""Rarely given fields: last, and in this order."""


def revealed(folder: Path) -> list[str]:
    """Return pyright's types of the methods of every operation, first of one package, then of the other."""
    lines = [f"import {package.__name__}" for package in PACKAGES]
    for package in PACKAGES:
        lines += [f"{package.__name__}_client = {package.__name__}.MusicAPI()"]
        lines += [f"reveal_type({package.__name__}_client.{name})" for name in NAMES]
    (folder / "methods.py").write_text("\n".join(lines), "utf-8")
    bin_folder = Path(sys.executable).parent
    checked = subprocess.run(
        [bin_folder / "pyright", "--pythonpath", sys.executable, "--outputjson", "methods.py"],
        cwd=folder,
        env={**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = (re.fullmatch(r'Type of ".*" is "(.*)"', one["message"]) for one in diagnostics(checked.stdout))
    return [match[1] for match in found if match is not None]


def diagnostics(report: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(report)["generalDiagnostics"]
    return found


def parameters_of(type_text: str) -> list[tuple[str, bool]]:
    """Return the name of each keyword-only parameter of a function's type, and whether it is required."""
    (function,) = ast.parse(f"def method{type_text}: ...").body
    assert isinstance(function, ast.FunctionDef)
    assert not function.args.args
    return [
        (one.arg, default is None)
        for one, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    ]


def test_editors_show_the_parameters_of_every_operation_in_python_order(tmp_path: Path) -> None:
    expected = [
        [(name, one.default is one.empty) for name, one in inspect.signature(operation).parameters.items()]
        for operation in operations()
    ]
    types = revealed(tmp_path)

    assert [parameters_of(type_text) for type_text in types] == expected * len(PACKAGES)


def test_parameters_of_every_operation_begin_with_the_required_ones() -> None:
    for operation in operations():
        names = inspect.signature(operation).parameters
        is_optional = [one.default is not one.empty for one in names.values()]

        assert is_optional == sorted(is_optional), operation
        assert [name for name in names if name in LAST] == [name for name in LAST if name in names]
