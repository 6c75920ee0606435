"""What only the source of a class shows: the text beside each field, and types as they are written."""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = [
    "Member",
    "docstring",
    "first_sentence",
    "markdown",
    "members",
    "own_members",
    "signature",
    "table",
    "table_row",
]

PROPERTIES: Final = frozenset({"property", "cached_property", "family_property"})
MAX_LINE: Final = 78


class Member(NamedTuple):
    """A public field or property of a class, with the text beside it in the source."""

    name: str
    type: str
    text: str


def members(cls: type) -> Iterator[Member]:
    """Yield the public fields and properties of a class and its bases, in the order of their source."""
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("musicapi_"):
            yield from own_members(base)


def own_members(cls: type) -> Iterator[Member]:
    """Yield the public fields and properties that a class defines, in the order of their source."""
    for node, after in pairwise([*_body_of(cls), ast.Pass()]):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found = Member(node.target.id, _annotation_text(node.annotation), _literal_text(after))
        elif (
            isinstance(node, ast.FunctionDef) and node.returns and PROPERTIES & {*map(ast.unparse, node.decorator_list)}
        ):
            found = Member(node.name, _unquoted(node.returns), ast.get_docstring(node) or "")
        else:
            continue
        if not found.name.startswith("_"):
            yield found


def signature(name: str, function: Callable[..., object], *, drop_self: bool = False) -> str:
    """Return a function's parameters and what it returns, as they are written in its source."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)  # noqa: S101 - for the type checker
    for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
        argument.annotation = argument.annotation and ast.Name(_unquoted(argument.annotation))
    if drop_self:
        (node.args.posonlyargs or node.args.args).pop(0)
    returned = "" if node.returns is None else f" -> {_unquoted(node.returns)}"
    prefix = "await " if isinstance(node, ast.AsyncFunctionDef) and "Generator" not in returned else ""
    text = f"{prefix}{name}({ast.unparse(node.args)}){returned}"
    return text if len(text) <= MAX_LINE else f"{prefix}{name}(\n{_one_a_line(node.args)}){returned}"


def _one_a_line(arguments: ast.arguments) -> str:
    """Return parameters, each on a line of its own: with the commas inside types and defaults left alone."""
    lines, depth = [""], 0
    for letter in ast.unparse(arguments):
        depth += (letter in "([{") - (letter in ")]}")
        lines[-1] += letter
        if letter == "," and not depth:
            lines.append("")
    return "".join(f"    {line.strip()}\n" for line in lines)


def docstring(value: object) -> str:
    """Return a docstring as Markdown; empty without one."""
    return markdown(inspect.getdoc(value) or "")


def first_sentence(value: object) -> str:
    """Return the first paragraph of a docstring, on one line."""
    return " ".join(docstring(value).partition("\n\n")[0].split())


def markdown(text: str) -> str:
    """Turn double backticks into single ones, but not those of a fence."""
    return re.sub(r"(?<!`)``(?!`)", "`", text)


def table(heading: tuple[str, ...], rows: list[str]) -> list[str]:
    """Return the lines of a table and a blank one; none without rows."""
    return [table_row(*heading), table_row(*("---" for _ in heading)), *rows, ""] if rows else []


def table_row(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _body_of(cls: type) -> list[ast.stmt]:
    """Return the statements of a class, which stands in its module or, of a package, in one of its files."""
    module = sys.modules[cls.__module__]
    file = Path(inspect.getsourcefile(module) or "")
    files = sorted(file.parent.glob("*.py")) if hasattr(module, "__path__") else [file]
    nodes = (node for path in files for node in ast.parse(path.read_text(encoding="utf-8")).body)
    return next(node.body for node in nodes if isinstance(node, ast.ClassDef) and node.name == cls.__name__)


def _annotation_text(annotation: ast.expr) -> str:
    return _unquoted(annotation).removeprefix("Annotated[").partition(", wire(")[0]


def _unquoted(annotation: ast.expr) -> str:
    """Return a type as a user would write it: a forward reference without its quotes."""
    text = ast.unparse(annotation)
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        text = annotation.value
    return re.sub(r"'(\w+)'", r"\1", text) if "Literal" not in text else text


def _literal_text(node: ast.stmt) -> str:
    """Return the text of a docstring below a field; empty for any other statement."""
    value: Any = node.value if isinstance(node, ast.Expr) else None
    text = value.value if isinstance(value, ast.Constant) else None
    return inspect.cleandoc(text) if isinstance(text, str) else ""
