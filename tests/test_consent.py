"""What opts people out and in, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver import ConfigurationError
from receiver.consent import WORDS, Consent, Word
from receiver.words import words_in

EXACT, FIRST = Consent(), Consent(match="first")
OUT, IN = "opted_out", "opted_in"


@pytest.mark.parametrize(
    ("text", "exact", "first"),
    [
        pytest.param("STOP", OUT, OUT, id="as it is printed"),
        pytest.param("stop.", OUT, OUT, id="with a full stop"),
        pytest.param("« stop! »", OUT, OUT, id="in French quotes"),
        pytest.param('"Stop"', OUT, OUT, id="in quotes"),
        pytest.param("\n  STOP \t", OUT, OUT, id="with white space"),
        pytest.param("STOP!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", OUT, OUT, id="with force"),
        pytest.param("STOP STOP STOP", OUT, OUT, id="again and again"),
        pytest.param("stop👍", OUT, OUT, id="with an emoji"),
        pytest.param("ＳＴＯＰ", OUT, OUT, id="of full width"),
        pytest.param("STOP ALL", OUT, OUT, id="of two words"),
        pytest.param("opt-out", OUT, OUT, id="with a dash"),
        pytest.param("ARRÊT", OUT, OUT, id="with its accent"),
        pytest.param("arret", OUT, OUT, id="without its accent"),
        pytest.param("إيقاف", OUT, OUT, id="Arabic with its hamza"),
        pytest.param("ايقاف", OUT, OUT, id="Arabic without its hamza"),
        pytest.param("START", IN, IN, id="undone"),
        pytest.param("STOP please", None, OUT, id="with a word behind it"),
        pytest.param("STOP 12345", None, OUT, id="with a number behind it"),
        pytest.param("opt out of this", None, OUT, id="a phrase with words behind it"),
        pytest.param("START now", None, IN, id="undone with a word behind it"),
        pytest.param("STOP " + "x " * 200, None, OUT, id="at the beginning of a letter"),
        pytest.param("STOP " * 8 + "12345", None, OUT, id="again and again, and a number"),
        pytest.param("please STOP", None, None, id="at the end"),
        pytest.param("Please do not STOP", None, None, id="in the middle"),
        pytest.param("stopover", None, None, id="as part of a word"),
        pytest.param("STOPP", None, None, id="with a letter too many"),
        pytest.param("." * 156 + "STOPPER", None, None, id="by the cut"),
        pytest.param("acha kelele", None, None, id="an ordinary word with another"),
        pytest.param("sair de casa", None, None, id="an ordinary word in a sentence"),
        pytest.param("", None, None, id="empty"),
        pytest.param("?!", None, None, id="marks only"),
        pytest.param("x" * 5000, None, None, id="long"),
    ],
)
def test_what_a_message_asks_for(text: str, exact: str | None, first: str | None) -> None:
    assert EXACT.asked(text) == exact
    assert FIRST.asked(text) == first


ORDINARY = ["YES", "NO", "END", "CANCEL", "QUIT", "REMOVE", "TD", "OK", "ALLOW", "NON", "CANCELAR"]


@pytest.mark.parametrize("text", [*ORDINARY, "إلغاء", "hapo"])
def test_a_word_that_answers_other_questions_opts_nobody_out_or_in(text: str) -> None:
    assert EXACT.asked(text) is FIRST.asked(text) is None


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.text)
def test_every_word_has_its_source_and_is_taken(word: Word) -> None:
    assert word.source
    assert EXACT.asked(word.text) == FIRST.asked(word.text.lower()) == word.asks
    assert EXACT.language_of(word.text) == (word.language or "en")
    assert FIRST.asked(f"{word.text} 12345") == (None if word.alone else word.asks)


def test_no_word_stands_twice() -> None:
    phrases = [tuple(words_in(word.text)) for word in WORDS]
    assert len(set(phrases)) == len(phrases)


def test_the_languages_are_these() -> None:
    assert {word.language for word in WORDS} == {"", "en", "fr", "pt", "sw", "af", "ar"}


def test_a_deployment_adds_its_own_words_and_phrases() -> None:
    consent = Consent(stop=("CANCEL", "lâche-moi"), start=("JIUNGE",))
    assert consent.asked("cancel!") == consent.asked("Lache moi") == OUT
    assert consent.asked("Jiunge") == IN
    assert consent.asked("STOP") == OUT
    assert consent.asked("cancel my appointment") is None


def test_a_word_of_all_languages_is_answered_in_the_deployments() -> None:
    consent = Consent(language="fr", stop=("HALTE",))
    assert [consent.language_of(text) for text in ("STOP", "HALTE", "hello")] == ["fr"] * 3
    assert consent.language_of("UNSUBSCRIBE") == "en"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"stop": ("",)}, "'' is no word"),
        ({"start": (" ",)}, "' ' is no word"),
        ({"stop": ("a " * 9,)}, "is no word, or too many"),
        ({"stop": ("x" * 161,)}, "is no word, or too many"),
        ({"stop": ("START",)}, "'START' would opt people out and in"),
        ({"stop": ("HALT",), "start": ("halt!",)}, "'halt!' would opt people out and in"),
    ],
)
def test_a_word_that_cannot_be_is_refused(words: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Consent(**words)


@given(st.text(max_size=300))
def test_what_is_exact_is_also_first(text: str) -> None:
    asked = EXACT.asked(text)
    assert asked is None or FIRST.asked(text) == asked


@given(st.sampled_from(WORDS), st.text(alphabet=".,!?«»\"'()-\u200f…", max_size=40))
def test_marks_round_a_word_change_nothing(word: Word, marks: str) -> None:
    assert EXACT.asked(f"{marks}{word.text} {marks}\n") == word.asks
