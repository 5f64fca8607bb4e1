"""Signed URLs: what is pasted at a provider lets it in, as long and as far as it says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from support import ACK, KEY, PATH, account, assert_refused, post, url

MakeApp = Callable[..., Flask]


def test_a_signed_url_needs_no_key(make_app: MakeApp, redis: Any) -> None:
    app = make_app(ACCOUNTS=account())
    assert post(app, url(app)).get_json() == ACK
    assert post(app, url(app), auth=("wrong", "")).get_json() == ACK
    (found,) = redis.zrange("receiver:events", 0, -1)
    assert json.loads(redis.hget(f"receiver:event:{found}", "event"))["trust"] == "token"


def test_a_signed_url_ends_when_it_says(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account())
    assert post(app, url(app, expires_at=time.time() + 60)).get_json() == ACK
    assert_refused(post(app, url(app, expires_at=time.time() - 1)))


def test_a_signed_url_is_of_one_account_only(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS={**account(), "other": {"provider": "smsbox", "api_key": "k"}})
    token = url(app).rpartition("/")[2]
    assert_refused(post(app, f"/webhooks/other/{token}"))


def test_a_wrong_token_is_refused_though_the_key_is_right(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account())
    token = url(app).rpartition("/")[2]
    tampered = [
        token[:-1] + ("A" if token[-2:] != "A" else "B") + "A",
        "B" + token[1:],
        token.partition(".")[0],
        token + "x",
        token.upper(),
        "x",
        ".",
        "%00",
        "ÿ",
        "x" * 5000,
    ]
    for wrong in tampered:
        assert_refused(post(app, f"{PATH}/{wrong}", auth=(KEY, "")))


def test_a_token_in_another_spelling_of_the_same_bits_is_refused(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account())
    token = url(app).rpartition("/")[2]
    assert post(app, f"{PATH}/{token}").get_json() == ACK
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=!":
        if last != token[-1]:
            assert_refused(post(app, f"{PATH}/{token[:-1]}{last}"))
            assert_refused(post(app, f"{PATH}/{token}{last}"))


def test_a_url_outlives_the_rotation_of_keys_until_its_own_is_removed(make_app: MakeApp) -> None:
    old = make_app(ACCOUNTS=account(), SECRET_KEYS=["the-old-secret-key"])
    rotated = make_app(ACCOUNTS=account(), SECRET_KEYS=["the-new-secret-key", "the-old-secret-key"])
    revoked = make_app(ACCOUNTS=account(), SECRET_KEYS=["the-new-secret-key"])
    assert post(rotated, url(old)).get_json() == ACK
    assert_refused(post(revoked, url(old)))
    # what is printed after the rotation is signed by the newest key, and lives on
    assert post(revoked, url(rotated)).get_json() == ACK
    assert_refused(post(old, url(rotated)))


def test_the_apps_secret_keys_sign_where_there_are_none_of_ours(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account())
    ours = make_app(ACCOUNTS=account(), SECRET_KEYS=[app.secret_key])
    assert post(ours, url(app)).get_json() == ACK
