"""The words of the project: one concept has one name, and it is the field's.

Checked are identifiers, string literals and docstrings of the packages, and the texts that users read. In the
changelog, code in backticks is not checked, since it names what was renamed.
"""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("musicapi_async", "musicapi_command", "musicapi_sync", "pytest_musicapi")
CAMEL_CASE: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
CODE_SPAN: Final = re.compile(r"`[^`]*`")


class Word(NamedTuple):
    """What to say instead of a word, and how often it is still used: a count may fall and never grow."""

    instead: str
    source: int = 0
    texts: int = 0


WORDS: Final = {
    r"(?<!keep )(?<!kept-)alive": Word("still running"),
    r"answer(s|ed|ing)?": Word("response, respond", source=5),
    r"asks?|asked|asking": Word("send, request", source=5, texts=4),
    r"beyond hope": Word("should give up"),
    r"books?": Word("account activity"),
    r"br(ing|ings|ought) home": Word("save, finish"),
    r"can tell": Word("the outcome is unknown"),
    r"c(ame|omes?) to(?! (a|an|the) end\b)": Word("amounts to, totals"),
    r"contract \d|decision \d": Word("a link, or the title of a section"),
    r"(?<!beyond )(?<!in any )doubts?": Word("uncertain"),
    r"drains?|ferr(y|ied)|leavers?|orphans?": Word("the field's name for it"),
    r"errands?|receipts?": Word("job, options, task file"),
    r"exchanges?": Word("call, request", source=3),
    r"facts": Word("changes"),
    r"gaps?": Word("interval", source=2),
    r"go(es)? on": Word("resume, continue", texts=1),
    r"(?<!type )guards?": Word("hook, recorder"),
    r"half a letter": Word("lone surrogate"),
    r"hand(s|ed|ing)? over": Word("return, deliver"),
    r"hear(s|d)? of|news": Word("notify, report"),
    r"herd": Word("burst"),
    r"hiccups?": Word("failed poll"),
    r"in the air": Word("in flight"),
    r"is (bare|wanted)": Word("id in data, in the current plan"),
    r"judg(e|es|ed)": Word("decide", source=1),
    r"kinds?": Word("operation, type, format, class", source=19, texts=2),
    r"larger of": Word("maximum"),
    r"learnt|relearn": Word("export state, restore state", source=1),
    r"ledger": Word("account activity"),
    r"liv(e|es|ing) on": Word("is still running"),
    r"look(s|ed|ing)? (at|into)": Word("poll, check, investigate"),
    r"looks(?! (at|into|like|up)\b)": Word("polls"),
    r"mended|outlast(s|ed)?": Word("fixed, shielded"),
    r"of one s own|to be had": Word("custom, available"),
    r"own words": Word("unquoted text"),
    r"pac(er|ers|ing)": Word("rate limit"),
    r"promised": Word("expected"),
    r"pure(?! (posix )?path)": Word("no I/O"),
    r"repeat(s|ed|ing)?|repetitions?": Word("retry", source=7, texts=4),
    r"repl(y|ies)": Word("response"),
    r"riddles?": Word("uncertain"),
    r"rows of": Word("records, clip data", texts=1),
    r"settl(e|es|ed|ing)": Word("resolve", source=3),
    r"stand(s|ing)? in line": Word("queue"),
    r"tak(e|es|en|ing) up(?! to\b)": Word("resume"),
    r"tell(s|ing)?(?! (\w+ )?apart\b)": Word("report"),
    r"told(?! apart\b)": Word("report"),
    r"(?<!max )tries": Word("attempts"),
    r"twins?": Word("variant for uploads"),
    r"under way": Word("running, pending"),
    r"ways?": Word("state", source=5, texts=1),
    r"(whoever|somebody|nobody)": Word("the caller, the user, another process"),
}
"""Patterns of words that are not to be used."""


class Use(NamedTuple):
    """An identifier or a text, and where it stands; ``words`` is in lower case, with blanks between words."""

    place: str
    words: str


def words_of(text: str) -> str:
    return " ".join(CAMEL_CASE.sub(" ", text).replace("_", " ").lower().split())


def identifiers_of(tree: ast.AST) -> set[str]:
    """Return the names that a module defines or uses."""
    fields = ("id", "name", "asname", "attr", "arg")
    values = (getattr(node, field, None) for node in ast.walk(tree) for field in fields)
    return {value for value in values if isinstance(value, str)}


@functools.cache
def source() -> tuple[Use, ...]:
    """Return each identifier once for each module, and every string literal."""
    return tuple(use for package in PACKAGES for use in uses_in(ROOT / package))


def uses_in(package: Path) -> Iterator[Use]:
    for path in sorted(package.rglob("*.py")):
        tree, place = ast.parse(path.read_text(encoding="utf-8")), str(path.relative_to(ROOT))
        yield from (Use(f"{place}: {name}", words_of(name)) for name in sorted(identifiers_of(tree)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield Use(f"{place}:{node.lineno}", words_of(node.value))


@functools.cache
def texts() -> tuple[Use, ...]:
    """Return each text a user reads; words may be separated by the end of a line."""
    paths = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
    return tuple(Use(path.name, words_of(text_of(path))) for path in paths)


def text_of(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return CODE_SPAN.sub("", text) if path.name == "CHANGELOG.md" else text


def found(pattern: str, uses: tuple[Use, ...]) -> list[str]:
    """Return a line for each place where a pattern matches."""
    matches = ((use, match) for use in uses for match in re.finditer(rf"\b(?:{pattern})\b", use.words))
    return [f"{use.place}: ...{use.words[max(0, match.start() - 30) : match.end() + 30]}..." for use, match in matches]


@pytest.mark.parametrize("pattern", WORDS)
def test_word_in_source_and_texts_is_not_used_more_often(pattern: str) -> None:
    word = WORDS[pattern]
    for places, allowed in ((found(pattern, source()), word.source), (found(pattern, texts()), word.texts)):
        assert len(places) <= allowed, "\n".join([f"use instead: {word.instead}", *places])


def test_words_of_identifiers_are_found() -> None:
    tree = ast.parse("class OddReply:\n    def look_at(self, gap: int, *, told: int) -> None: self.in_the_air = gap")
    uses = tuple(Use(name, words_of(name)) for name in identifiers_of(tree))
    counts = {pattern: len(found(pattern, uses)) for pattern in WORDS}
    assert {pattern: count for pattern, count in counts.items() if count} == {
        r"gaps?": 1,
        r"in the air": 1,
        r"look(s|ed|ing)? (at|into)": 1,
        r"repl(y|ies)": 1,
        r"told(?! apart\b)": 1,
    }
