"""What we sign: it holds under its own name and salt, as it was written, and nowhere else."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as some

from receiver.errors import Refused
from receiver.signing import ISSUED, IssuedKey, IssuedKeys, Seal, SignedUrls

OLD, NEW = "the-old-secret-key", "the-new-secret-key"
KEY = IssuedKey(id="0123456789", account="smsbox", expires_at=4_000_000_000)
BASE64 = string.ascii_letters + string.digits + "-_"


# The seal of what stands in Redis


def test_a_seal_holds_for_its_own_name_and_data() -> None:
    seal = Seal([NEW])
    signature = seal.sign("job-1", b"data")
    assert seal.holds("job-1", b"data", signature)
    assert seal.holds("job-1", b"data", signature.encode())
    assert not seal.holds("job-2", b"data", signature)
    assert not seal.holds("job-1", b"date", signature)
    assert not Seal([OLD]).holds("job-1", b"data", signature)


def test_what_is_name_and_what_is_data_cannot_be_shifted() -> None:
    seal = Seal([NEW])
    assert not seal.holds("job-1", b"2data", seal.sign("job-12", b"data"))
    assert not seal.holds("1", b"1:ab", seal.sign("11:a", b"b"))


def test_the_newest_key_seals_and_all_of_them_are_checked() -> None:
    both = Seal([NEW, OLD])
    assert both.holds("a", b"b", Seal([OLD]).sign("a", b"b"))
    assert Seal([NEW]).holds("a", b"b", both.sign("a", b"b"))
    assert not Seal([OLD]).holds("a", b"b", both.sign("a", b"b"))


@given(some.text(), some.binary(), some.none() | some.text() | some.binary())
def test_no_signature_of_somebody_else_holds_or_raises(
    name: str, data: bytes, signature: str | bytes | None
) -> None:
    assert not Seal([NEW]).holds(name, data, signature)
    assert not Seal([NEW]).holds("\ud800", data, signature)


# Issued keys


def test_an_issued_key_says_whose_it_is_and_until_when() -> None:
    text = IssuedKeys([NEW]).write(KEY)
    assert text.startswith(ISSUED)
    assert set(text) <= {*BASE64, "."}
    assert IssuedKeys([NEW]).read(text.encode()) == KEY
    assert IssuedKeys([OLD, NEW]).read(text.encode()) == KEY
    assert IssuedKeys([OLD]).read(text.encode()) is None


def test_the_newest_key_signs_issued_keys() -> None:
    text = IssuedKeys([NEW, OLD]).write(KEY).encode()
    assert IssuedKeys([NEW]).read(text) == KEY
    assert IssuedKeys([OLD]).read(text) is None


def test_the_longest_account_name_fits_into_a_key_that_is_read() -> None:
    longest = IssuedKey(id="f" * 10, account="é" * 64, expires_at=4_000_000_000)
    keys = IssuedKeys([NEW])
    assert keys.read(keys.write(longest).encode()) == longest


@given(some.binary())
def test_what_we_did_not_sign_is_no_key_and_never_an_error(text: bytes) -> None:
    keys = IssuedKeys([NEW])
    assert keys.read(text) is None
    assert keys.read(ISSUED.encode() + text) is None
    assert keys.read(keys.write(KEY).encode() + text) == (None if text else KEY)


def test_what_was_signed_for_one_purpose_serves_no_other() -> None:
    text = IssuedKeys([NEW]).write(KEY)
    with pytest.raises(Refused):
        SignedUrls([NEW]).check("smsbox", text.removeprefix(ISSUED))
    token = SignedUrls([NEW]).make("smsbox")
    assert IssuedKeys([NEW]).read(f"{ISSUED}{token}".encode()) is None


# One spelling


def spelled_otherwise(signed: str) -> list[str]:
    """All ways to write the last character, and what base64 reads over, that give the same bits."""
    return [
        *(signed[:-1] + last for last in BASE64 if last != signed[-1]),
        *(f"{signed}{tail}" for tail in ("=", "==", "====", "!", "ÿ", " ", "\n", "%")),
        *(f"{signed[:-5]}{inner}{signed[-5:]}" for inner in ("!", "ÿ", " ", "\n", "!!!!")),
    ]


def test_a_token_is_taken_in_the_one_spelling_that_we_gave_it() -> None:
    urls = SignedUrls([NEW, OLD])
    for token in (urls.make("smsbox"), SignedUrls([OLD]).make("smsbox", 4_000_000_000)):
        urls.check("smsbox", token)
        for other in spelled_otherwise(token):
            with pytest.raises(Refused):
                urls.check("smsbox", other)


def test_an_issued_key_is_taken_in_the_one_spelling_that_we_gave_it() -> None:
    keys = IssuedKeys([NEW])
    text = keys.write(KEY)
    assert keys.read(text.encode()) == KEY
    for other in spelled_otherwise(text):
        assert keys.read(other.encode()) is None
