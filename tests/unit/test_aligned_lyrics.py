"""Aligned lyrics: tokens of the service become sung words and section tags, however they are split."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from musicapi_async import AlignedLyrics, Word
from musicapi_async.results.lyrics import aligned


def words_and_tags(found: AlignedLyrics) -> tuple[list[tuple[str, int | None]], list[str]]:
    return [(word.text, word.line) for word in found], [section.text for section in found.sections]


def test_aligned_lyrics_separate_tags_from_words() -> None:
    found = aligned(
        [
            Word("[Verse 1]\n", 0.0, 0.1),
            Word("The ", 0.5, 0.9),
            Word("harbour\n", 1.0, 1.5),
            Word("sleeps\n\n[Chorus]\n", 1.6, 2.0),
            Word("Oh", 2.5, 3.0),
        ]
    )

    assert words_and_tags(found) == ([("The", 1), ("harbour", 1), ("sleeps", 2), ("Oh", 5)], ["Verse 1", "Chorus"])
    assert found[0] == Word("The", 0.5, 0.9, 1)
    assert found.sections[1] == Word("Chorus", 1.6, 2.0, 4)


def test_aligned_lyrics_join_a_tag_split_over_tokens() -> None:
    found = aligned([Word("[Ver", 0.0, 0.1), Word("se", 0.1, 0.2), Word(" 1]\nThe", 0.2, 0.9)])

    assert words_and_tags(found) == ([("The", 1)], ["Verse 1"])
    assert (found.sections[0].start, found.sections[0].end) == (0.0, 0.9)


def test_aligned_lyrics_keep_an_unclosed_bracket_as_a_word() -> None:
    found = aligned([Word("[oh ", 0.0, 0.1), Word("my\n", 0.1, 0.2), Word("love", 0.2, 0.9)])

    assert words_and_tags(found) == ([("[oh my", 0), ("love", 1)], [])


def test_aligned_lyrics_of_an_instrumental_have_no_words() -> None:
    assert list(aligned([])) == []
    assert words_and_tags(aligned([Word("[Instrumental]", 0, 9)])) == ([], ["Instrumental"])


lines = st.lists(
    st.text("abc xyz", min_size=1).filter(str.strip) | st.text("abc", min_size=1).map("[{}]".format), max_size=8
)


@given(lines=lines, data=st.data())
def test_aligned_lyrics_do_not_depend_on_token_boundaries(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(lines)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {0, len(text)})
    tokens = [Word(text[a:b], float(a), float(b)) for a, b in itertools.pairwise(cuts)]

    found = aligned(tokens)

    assert [section.text for section in found.sections] == [line[1:-1] for line in lines if line[0] == "["]
    assert "".join("".join(word.text.split()) for word in found) == "".join(
        "".join(line.split()) for line in lines if line[0] != "["
    )
    assert [word.line for word in found] == sorted(word.line or 0 for word in found)
    assert all(lines[section.line or 0] == f"[{section.text}]" for section in found.sections)
