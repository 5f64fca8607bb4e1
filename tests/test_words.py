"""The first word of a text, whatever it was typed on."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from receiver.words import first_word, words_in


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("STOP", "stop", id="as registered"),
        pytest.param("stop!", "stop", id="with a mark"),
        pytest.param("« stop! »", "stop", id="in French quotes"),
        pytest.param("'Stop'", "stop", id="in single quotes"),
        pytest.param("“Stop.”", "stop", id="in typographic quotes"),
        pytest.param("\n\t  Stop.\r\n", "stop", id="with white space"),
        pytest.param("STOP-NOW", "stop", id="with a dash"),
        pytest.param("stop,please", "stop", id="with a comma"),
        pytest.param("STOP\x00", "stop", id="with a NUL"),
        pytest.param("STOP👍", "stop", id="with an emoji behind it"),
        pytest.param("🛑 STOP", "stop", id="with an emoji before it"),
        pytest.param("\u200fSTOP", "stop", id="with a right-to-left mark"),
        pytest.param("\u202bSTOP\u202c", "stop", id="embedded right to left"),
        pytest.param("\ufeffSTOP", "stop", id="with a byte order mark"),
        pytest.param("ST\u00adOP", "stop", id="with a soft hyphen"),
        pytest.param("STOP\u200bNOW", "stop", id="with a space of no width"),
        pytest.param("ＳＴＯＰ", "stop", id="of full width"),
        pytest.param("𝐒𝐓𝐎𝐏", "stop", id="in bold letters of mathematics"),
        pytest.param("ARRÊT", "arret", id="French"),
        pytest.param("arre\u0302t", "arret", id="French, the accent apart"),
        pytest.param("Arret", "arret", id="French without its accent"),
        pytest.param("STRASSE", "strasse", id="double s"),
        pytest.param("Straße", "strasse", id="sharp s"),
        pytest.param("DUR", "dur", id="Turkish"),
        pytest.param("İPTAL", "iptal", id="Turkish, a dotted capital"),
        pytest.param("አቁም።", "አቁም", id="Amharic with its full stop"),
        pytest.param("አቁም፡አሁን", "አቁም", id="Amharic with its word space"),
        pytest.param("Ng'ombe 5", "ngombe", id="Swahili with an apostrophe"),
        pytest.param("ng’ombe", "ngombe", id="Swahili with a typographic apostrophe"),
        pytest.param("Acha!", "acha", id="Swahili"),
        pytest.param("إيقاف", "ايقاف", id="Arabic, the hamza apart"),
        pytest.param("تَوَقَّف", "توقف", id="Arabic with vowels"),
        pytest.param("1️⃣", "1", id="a keycap"),
        pytest.param("❤️ you", "you", id="a word behind a symbol"),
        pytest.param("👍🏾!", "👍", id="a thumb of any skin"),
        pytest.param("❤️", "❤", id="a heart, however it is drawn"),
        pytest.param("?? !!", "??", id="marks only"),
        pytest.param("", "", id="empty"),
        pytest.param(" \n", "", id="blank"),
    ],
)
def test_the_first_word_is_what_people_mean(text: str, word: str) -> None:
    assert first_word(text) == word


def test_symbols_that_differ_are_different_words() -> None:
    assert len({first_word(symbol) for symbol in ["❤️", "☎️", "👍", "👎", "✅"]}) == 5


def test_a_text_is_split_into_its_words() -> None:
    assert words_in("Bal 12-34, s'il vous plaît") == ["bal", "12", "34", "sil", "vous", "plait"]


@settings(deadline=None)
@given(st.text())
def test_a_word_is_its_own_first_word(text: str) -> None:
    word = first_word(text)
    assert words_in(word) == ([word] if word else [])


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=127)))
@example("ng'ombe 'stop' $5 it's_")
@example("$5")
@example("$ <3")
@example("?! ...")
def test_plain_ascii_is_split_as_any_other_text_is(text: str) -> None:
    mark = "\u200f"  # counts for nothing, and is no ASCII
    assert words_in(text) == words_in(mark + text)


@settings(deadline=None)
@given(st.from_regex(r"[a-zA-Zà-öø-üÀ-ÖØ-Ü]{1,20}", fullmatch=True))
def test_case_does_not_matter(word: str) -> None:
    assert first_word(word.upper()) == first_word(word.lower()) == first_word(f"…{word}! now")
