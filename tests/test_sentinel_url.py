"""The URL of sentinels: what a user may write, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_settings import load, problems

from receiver.store.connection import Connection

EXAMPLE = "; write redis+sentinel://10.0.0.1:26379,10.0.0.2:26379,10.0.0.3:26379/mymaster/0"
SENTENCES = {
    "redis+sentinel://": "must name its sentinels as host:port, with commas between them",
    "redis+sentinel:///mymaster": "must name its sentinels as host:port, with commas between them",
    "sentinel://:tell-nobody@/mymaster": "must name its sentinels as host:port, with commas",
    "sentinel://h1:26379 h2:26379/mymaster": "must name its sentinels as host:port, with commas",
    "sentinel://h1:26379,/mymaster": "must name its sentinels as host:port, with commas",
    "sentinel://h1:abc/mymaster": "must name its sentinels as host:port, with commas",
    "sentinel://:tell-nobody@h1:26379,h2:26379": "names no service, as the sentinels call it",
    "sentinel://:tell-nobody@h1:26379,h2:26379/": "names no service, as the sentinels call it",
    "sentinel://h1:26379?sentinel_password=tell-nobody": "names no service",
    "sentinel://h1:26379/mymaster/abc": "names a database that is no number",
    "sentinel://h1:26379/mymaster/0/1": "names a database that is no number",
    "sentinel://h1:26379/mymaster/0?password=tell-nobody": "takes no options but sentinel_username",
    "sentinel://h1:26379/mymaster?sentinel_password=tell-nobody&x=1": "takes no options but",
    "sentinel://h1:26379,h2:70000/mymaster": "has a port that is none",
    "sentinel://h1:0/mymaster": "has a port that is none",
}


@pytest.mark.parametrize("url", SENTENCES)
def test_a_wrong_url_of_sentinels_is_told_with_an_example(tmp_path: Path, url: str) -> None:
    (problem,) = problems(tmp_path, RECEIVER_REDIS_URL=url)
    assert problem.startswith(f"RECEIVER_REDIS_URL: {SENTENCES[url]}")
    assert problem.endswith(EXAMPLE)
    assert "tell-nobody" not in problem


HOSTS = [("h1", 26379), ("10.0.0.2", 5000), ("::1", 26379), ("::2", 7)]
URLS: dict[str, tuple[list[tuple[str, int]], dict[str, Any], dict[str, Any]]] = {
    "redis+sentinel://h1,10.0.0.2:5000,[::1],[::2]:7/a.b-c_1/5": (HOSTS, {"db": 5}, {}),
    "sentinel://h1:26379/m": (HOSTS[:1], {"db": 0, "username": None, "password": None}, {}),
    "sentinel://:p%40%2Fq@h1/m": (HOSTS[:1], {"username": None, "password": "p@/q"}, {}),
    "sentinel://u:p:w@x@h1/m/": (HOSTS[:1], {"username": "u", "password": "p:w@x", "db": 0}, {}),
    "sentinel://h1/m?sentinel_password=a%26b&sentinel_username=s": (
        HOSTS[:1],
        {"username": None, "password": None},
        {"username": "s", "password": "a&b"},
    ),
    "sentinel://u:p@h1/m/1?": (HOSTS[:1], {"db": 1, "password": "p"}, {"password": None}),
}


@pytest.mark.parametrize("url", URLS)
def test_a_url_of_sentinels_says_all_that_is_needed(tmp_path: Path, url: str) -> None:
    hosts, of_master, of_sentinels = URLS[url]
    assert load(tmp_path, RECEIVER_REDIS_URL=url).redis_url == url
    pool: Any = Connection(url).client.connection_pool
    asked = [s.connection_pool.connection_kwargs for s in pool.sentinel_manager.sentinels]
    assert [(found["host"], found["port"]) for found in asked] == hosts
    assert of_master.items() <= pool.connection_kwargs.items()
    assert all(of_sentinels.items() <= found.items() for found in asked)
