"""The words by which people opt out of messages and in again, each with where it was found.

Only words that can mean nothing else are taken: YES, NO, END, CANCEL, QUIT and REMOVE are answers
to other questions, such as an appointment's, though some providers opt people out by them. Where
they are wanted, RECEIVER_OPTOUT adds them. Who has opted out is kept by `store.optouts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .errors import ConfigurationError
from .words import words_in

Asked = Literal["opted_out", "opted_in"]
Matching = Literal["exact", "first"]

# Longer than this is a letter: an opt-out is a word or two, with whatever marks round them.
_LONGEST = 160  # characters
_MOST_PIECES = 8

_AWS = "https://docs.aws.amazon.com/sms-voice/latest/userguide/keywords-required.html"
_BRAZE = "https://braze.com/docs/user_guide/message_building_by_channel/sms/keywords/optin_optout"
_TELNYX = "https://developers.telnyx.com/docs/messaging/messages/advanced-opt-in-out/index"
_TWILIO = "https://www.twilio.com/docs/proxy/opt-out-keywords"
_TWILIO_CANADA = "https://support.twilio.com/hc/en-us/articles/223181928"
_WINSMS = "https://winsms.co.za/code-of-conduct"  # after WASPA's code, South Africa
_SENT = "https://docs.sent.dm/reference/two-way-messaging"
_FIRST = "the first release of this package, whose users may rely on it"
_ANATEL = "https://link.estadao.com.br/noticias/geral,publicidade-via-sms-podera-ser-bloqueada,10000035375"
_DECO = "DECO PROteste, «Como cancelar serviços de valor acrescentado no telemóvel ou net móvel»"
_VODACOM = "https://vodacom.co.tz/sw/soka_letu/"
_ILS = "https://github.com/dimagi/commcare-hq, custom/ilsgateway/tanzania/handler.py"
_CLASSUP = "https://github.com/rmupfumira/classup, app/services/whatsapp_bot.py"
_CITC = "CITC, Saudi Arabia, reported in https://akhbaar24.com/ampArticle/179090"


@dataclass(frozen=True, slots=True)
class Word:
    """A word or phrase: what it asks for, its language (``""`` for that of all), its source.

    ``alone``: it is an ordinary word as well, so that it counts as a whole message only.
    """

    text: str
    asks: Asked
    language: str
    source: str
    alone: bool = False


WORDS = (
    Word("STOP", "opted_out", "", _AWS),
    Word("STOPALL", "opted_out", "", _BRAZE),
    Word("STOP ALL", "opted_out", "", _TELNYX),
    Word("UNSUBSCRIBE", "opted_out", "en", _AWS),
    Word("UNSUB", "opted_out", "en", _TWILIO_CANADA),
    Word("OPTOUT", "opted_out", "en", _AWS),
    Word("OPT OUT", "opted_out", "en", _WINSMS),
    Word("START", "opted_in", "", _AWS),
    Word("UNSTOP", "opted_in", "", _AWS),
    Word("SUBSCRIBE", "opted_in", "en", _SENT),
    Word("OPTIN", "opted_in", "en", _FIRST),
    Word("OPT IN", "opted_in", "en", _FIRST),
    Word("ARRÊT", "opted_out", "fr", _AWS),
    Word("ARRÊTE", "opted_out", "fr", _TWILIO),
    Word("ARRÊTER", "opted_out", "fr", _FIRST),
    Word("DÉSABONNER", "opted_out", "fr", _FIRST),
    Word("SAIR", "opted_out", "pt", f"{_ANATEL}; {_DECO}", alone=True),
    Word("ACHA", "opted_out", "sw", _ILS, alone=True),
    Word("ONDOA", "opted_out", "sw", _VODACOM, alone=True),
    Word("STAAK", "opted_out", "af", _CLASSUP, alone=True),
    Word("قف", "opted_out", "ar", _CITC, alone=True),
    Word("إيقاف", "opted_out", "ar", _CITC, alone=True),
)

_Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Consent:
    """How a deployment reads opt-outs.

    ``match``: ``exact``, the word is the whole message, in any case, accents and punctuation;
    ``first``, the message begins with it. ``stop`` and ``start``: more words and phrases.
    ``language``: of the answer to a word that all languages share, such as STOP. Raises
    `ConfigurationError` for what is no word, or one that asks for both.

    >>> Consent().asked("« stop! »")
    'opted_out'
    >>> Consent().asked("STOP 12345") is None
    True
    >>> Consent(match="first").asked("STOP 12345")
    'opted_out'
    """

    match: Matching = "exact"
    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    language: str = "en"
    _known: Mapping[_Phrase, Word] = field(init=False, repr=False, compare=False)
    _most_words: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = {tuple(words_in(word.text)): word for word in WORDS}
        for word in (*self._own(self.stop, "opted_out"), *self._own(self.start, "opted_in")):
            phrase = tuple(words_in(word.text))
            if not 0 < len(phrase) <= _MOST_PIECES or len(word.text) > _LONGEST:
                raise ConfigurationError(f"{word.text!r} is no word, or too many")
            if known.get(phrase, word).asks != word.asks:
                raise ConfigurationError(f"{word.text!r} would opt people out and in")
            known[phrase] = word
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_most_words", max(map(len, known)))

    def asked(self, text: str) -> Asked | None:
        """Say what a message asks for: to be ``opted_out``, ``opted_in``, or neither."""
        word = self._word(text)
        return None if word is None else word.asks

    def language_of(self, text: str) -> str:
        """Give the language to answer an opt-out or opt-in in: ISO 639-1, as ``fr``."""
        word = self._word(text)
        return (word.language if word else "") or self.language

    def _own(self, words: Iterable[str], asks: Asked) -> Iterable[Word]:
        return (Word(word, asks, "", "RECEIVER_OPTOUT") for word in words)

    def _word(self, text: str) -> Word | None:
        text = text.strip()
        pieces = text[:_LONGEST].split()
        is_whole = len(text) <= _LONGEST and len(pieces) <= _MOST_PIECES
        if self.match == "exact" and not is_whole:
            return None
        words = words_in(" ".join(pieces[:_MOST_PIECES]))
        if is_whole:
            phrase = words[:1] if len(set(words)) == 1 else words  # STOP STOP STOP
            found = self._known.get(tuple(phrase))
            if found is not None:
                return found
        return self._beginning(words) if self.match == "first" else None

    def _beginning(self, words: list[str]) -> Word | None:
        # not to the last word, which may have been cut
        for length in range(min(self._most_words, len(words) - 1), 0, -1):
            found = self._known.get(tuple(words[:length]))
            if found is not None and not found.alone:
                return found
        return None
