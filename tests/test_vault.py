"""The vault: what goes in comes out, whatever it is; whose key is lost is told so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from receiver import ConfigurationError
from receiver.errors import KeyLost
from receiver.vault import PLAIN, Vault, new_key, pseudonym

MakeApp = Callable[..., Flask]

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
VAULTS = {"no key": PLAIN, "one key": Vault([NEW]), "two keys": Vault([NEW, OLD])}
WORDS = b"heliotrope"


@pytest.mark.parametrize("vault", VAULTS.values(), ids=VAULTS)
@given(value=st.binary() | st.sampled_from([b"~1:", b"~0:", b"~1:gAAAA", b"~", b"~0:~1:x", b"~x"]))
def test_what_goes_in_comes_out_even_if_it_looks_sealed(vault: Vault, value: bytes) -> None:
    assert vault.open(vault.seal(value)) == value


@pytest.mark.parametrize("vault", VAULTS.values(), ids=VAULTS)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_so_does_any_text(vault: Vault, text: str) -> None:
    assert vault.open_text(vault.seal_text(text)) == text


def test_without_keys_nothing_is_changed() -> None:
    assert PLAIN.seal(WORDS) is WORDS
    assert PLAIN.open(WORDS) is WORDS


def test_what_was_written_before_there_was_a_key_is_read() -> None:
    assert Vault([NEW]).open(WORDS) == WORDS


def test_what_an_older_key_sealed_is_read_as_long_as_that_is_named() -> None:
    sealed = Vault([OLD]).seal(WORDS)
    assert WORDS not in sealed
    assert Vault([NEW, OLD]).open(sealed) == WORDS
    for lacking in (Vault([NEW]), PLAIN):
        with pytest.raises(KeyLost, match="put back"):
            lacking.open(sealed)


ROWS: dict[str, tuple[Vault, bytes, bool]] = {
    "sealed with the newest": (Vault([NEW, OLD]), Vault([NEW]).seal(WORDS), True),
    "sealed with an older one": (Vault([NEW, OLD]), Vault([OLD]).seal(WORDS), False),
    "in clear": (Vault([NEW]), WORDS, False),
    "in clear, where there is no key": (PLAIN, WORDS, True),
}


@pytest.mark.parametrize(("vault", "kept", "is_current"), ROWS.values(), ids=ROWS)
def test_it_tells_what_is_to_be_sealed_anew(vault: Vault, kept: bytes, is_current: bool) -> None:
    assert vault.is_current(kept) is is_current


CHANGES: dict[str, tuple[Vault, Vault, bool]] = {
    "the same keys": (Vault([OLD], ["s"]), Vault([OLD], ["s"]), True),
    "a newer encryption key": (Vault([OLD], ["s"]), Vault([NEW, OLD], ["s"]), True),
    "the first encryption key": (Vault((), ["s"]), Vault([NEW], ["s"]), True),
    "a newer secret key": (Vault((), ["s"]), Vault((), ["t", "s"]), True),
    "another secret key": (Vault((), ["s"]), Vault((), ["t"]), False),
    "another encryption key": (Vault([OLD], ["s"]), Vault([NEW], ["s"]), False),
}


@pytest.mark.parametrize(("before", "after", "fits"), CHANGES.values(), ids=CHANGES)
def test_the_key_of_pseudonyms_outlives_rotations(before: Vault, after: Vault, fits: bool) -> None:
    key = new_key()
    wraps = before.wrap(key)
    assert key.hex() not in str(wraps)
    if fits:
        assert after.unwrap(wraps) == key
        return
    with pytest.raises(KeyLost, match="taken out"):
        after.unwrap(wraps)


def test_a_pseudonym_shows_nothing_of_its_number() -> None:
    one, other = new_key(), new_key()
    number = "+27831234567"
    assert pseudonym(one, number) == pseudonym(one, number)
    assert pseudonym(one, number) != pseudonym(other, number)
    assert "831234567" not in pseudonym(one, number)


def test_a_wrong_key_is_named_by_its_place_with_the_mend(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app(ENCRYPTION_KEYS=[NEW, "my dog's name", "x"])
    first, second = caught.value.problems
    assert first.startswith("RECEIVER_ENCRYPTION_KEYS: number 2 is no Fernet key; make one: python")
    assert "number 3" in second
    assert "dog" not in str(caught.value)


def test_the_command_that_makes_a_key_makes_one(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app(ENCRYPTION_KEYS=["x"])
    command = str(caught.value).partition("make one: python ")[2]
    made = subprocess.run(
        ["sh", "-c", f"{sys.executable} {command}"], capture_output=True, text=True, check=True
    )
    assert Vault([made.stdout.strip()]).is_on


def test_a_missing_package_is_named(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'sms-receiver\[encryption\]'"):
        make_app(ENCRYPTION_KEYS=[NEW])


def test_who_has_no_key_does_not_load_the_package(make_app: Any) -> None:
    code = (
        "import sys; from flask import Flask; from receiver import Receiver; app = Flask('x');"
        "app.secret_key = 'a-secret-key-of-some-length';"
        "app.config['RECEIVER_ACCOUNTS'] = {'lefoka': {'api_key': 'pk'}};"
        "Receiver(app); print('cryptography.fernet' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
