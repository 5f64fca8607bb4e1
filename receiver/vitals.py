"""How Redis, the workers and the spool are at this moment; `doctor` puts the questions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import AuthenticationError, RedisError, ResponseError

from .errors import KeyLost, StorageUnavailable
from .store.levels import PROOF
from .store.pseudonyms import Pseudonyms
from .store.queue import QUEUES

_OLDEST_REDIS = (6, 2)
_NEARLY_FULL = 0.9  # of maxmemory
_LONG_SPOOLED = 120.0  # seconds; Redis answers, so it should be drained
_LONG_WAITING = 300.0  # seconds without any job of a queue being begun
_LITTLE_ROOM = 100_000_000  # bytes on the spool's disk
_SAMPLE = 200  # of the oldest events, and of the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; ``mend`` says what to do where it is not ok."""

    what: str
    ok: bool
    mend: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give the finding as JSON types."""
        return asdict(self)


def look_at_spool(parts: Any) -> Iterator[Finding]:
    """Judge the spool of this host: its disk, what waits there, what was set aside."""
    try:
        status = parts.spool.status()
        room = shutil.disk_usage(parts.settings.spool_dir).free
    except (StorageUnavailable, OSError) as error:
        yield Finding(
            what=f"spool: cannot be used ({_words(error)})",
            ok=False,
            mend="See to RECEIVER_SPOOL_DIR and to room on its disk: callbacks are turned away"
            " otherwise, while Redis is away.",
        )
        return
    waited = (datetime.now(UTC) - status.oldest).total_seconds() if status.oldest else 0.0
    yield Finding(
        what=f"spool: {status.waiting} callbacks wait, for up to {waited:.0f} seconds",
        ok=waited < _LONG_SPOOLED,
        mend="Run spool drain, and see the log of the web server and the worker.",
    )
    yield Finding(
        what=f"spool: {room // 1_000_000} MB free on its disk",
        ok=room >= _LITTLE_ROOM,
        mend="Make room: a full disk turns callbacks away while Redis is away.",
    )
    if status.set_aside:
        yield Finding(
            what=f"spool: {len(status.set_aside)} damaged files were set aside",
            ok=False,
            mend="They hold acknowledged callbacks: spool recover FILE, then delete it; their names"
            " are in spool status.",
        )


def _words(error: StorageUnavailable | OSError) -> str:
    return str(error).removeprefix("the spool: ")


def look_at_redis(parts: Any) -> Iterator[Finding]:
    """Judge Redis itself, the workers, and what waits or lies there."""
    client = parts.connection.client
    try:
        info = client.info()
        found = [
            *_server(info, _fsync(client)),
            *_workers(client, parts),
            *_strangers(client, parts),
            *_contents(client, parts),
            *_at_rest(client, parts),
        ]
    except (AuthenticationError, ResponseError) as error:
        yield Finding(
            what=f"Redis: refuses us ({type(error).__name__})",
            ok=False,
            mend="Check user, password and database in RECEIVER_REDIS_URL.",
        )
        return
    except RedisError as error:
        yield Finding(
            what=f"Redis: does not answer ({type(error).__name__})",
            ok=False,
            mend="Start Redis, or set RECEIVER_REDIS_URL to where it is.",
        )
        return
    yield from found


def _fsync(client: Any) -> str:
    """Say when the append-only file reaches the disk, where Redis tells."""
    try:
        policy = str(client.config_get("appendfsync").get("appendfsync", ""))
    except ResponseError:  # not for us, as in many managed services
        return ""
    late = ": a Redis that is killed may lose its last two seconds" if policy != "always" else ""
    return f", appendfsync {policy}{late}"


def _server(info: Mapping[str, Any], fsync: str) -> Iterator[Finding]:
    version = str(info.get("redis_version", "0"))
    policy = info.get("maxmemory_policy", "noeviction")
    yield Finding(
        what=f"Redis: version {version}",
        ok=tuple(int(part) for part in version.split(".")[:2]) >= _OLDEST_REDIS,
        mend="Use Redis 6.2 or newer, or Valkey.",
    )
    yield Finding(
        what="Redis: append-only file " + (f"on{fsync}" if info.get("aof_enabled") else "off"),
        ok=bool(info.get("aof_enabled")),
        mend="Set appendonly yes: without it a crash of Redis loses acknowledged events.",
    )
    if info.get("aof_last_write_status", "ok") != "ok":
        yield Finding(
            what="Redis: cannot write its append-only file",
            ok=False,
            mend="See to the disk of Redis: it refuses all events.",
        )
    yield Finding(
        what=f"Redis: maxmemory-policy {policy}",
        ok=policy == "noeviction",
        mend="Set maxmemory-policy noeviction: anything else throws events away.",
    )
    if info.get("role") != "master":
        yield Finding(
            what="Redis: is a replica, and takes no writes",
            ok=False,
            mend="Name the master in RECEIVER_REDIS_URL, or the sentinels (redis+sentinel://).",
        )
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if most:
        yield Finding(
            what=f"Redis: {used / most:.0%} of maxmemory used",
            ok=used < most * _NEARLY_FULL,
            mend="Raise maxmemory: a full Redis takes no events. A lower RECEIVER_RETENTION is for"
            " what comes from then on.",
        )


def _workers(client: Any, parts: Any) -> Iterator[Finding]:
    """Count the living workers of each queue, as RQ's registry has them, and what waits there."""
    for name in QUEUES:
        queue = parts.jobs.queue(name)
        keys = client.smembers(f"rq:workers:{queue}")
        count = sum(client.exists(key) for key in keys)
        yield Finding(
            what=f"workers for {name}: {count}",
            ok=count > 0,
            mend="Run the worker command, under a supervisor such as systemd.",
        )
        waiting = client.llen(f"rq:queue:{queue}")
        if waiting:
            waited = _waited(client, client.lindex(f"rq:queue:{queue}", 0))
            yield Finding(
                what=f"jobs for {name}: {waiting}, the first waits for {waited:.0f} seconds",
                ok=waited < _LONG_WAITING,
                mend="Run more workers (worker --processes N), or mend the handlers' speed.",
            )


def _strangers(client: Any, parts: Any) -> Iterator[Finding]:
    """Find workers with other secret keys: they and we refuse each other's jobs as forged."""
    queues = [f"rq:workers:{parts.jobs.queue(name)}" for name in QUEUES]
    proofs = [client.hget(key, PROOF) for key in client.sunion(queues)]
    count = sum(not parts.jobs.shares_keys(proof) for proof in proofs if proof)
    if count:
        yield Finding(
            what=f"workers: {count} of another deployment use our namespace, with other secret"
            " keys",
            ok=False,
            mend="Give each deployment its own RECEIVER_NAMESPACE, or the same secret keys.",
        )


def _waited(client: Any, job_id: bytes | None) -> float:
    """Give the seconds since a job was queued; 0 where it says no time."""
    # enqueued_at: as jobs of older versions have it
    times = client.hmget(f"rq:job:{(job_id or b'').decode()}", "enqueued_at", "created_at")
    text = times[0] or times[1] or b""
    try:
        queued = datetime.strptime(text.decode(), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return (datetime.now(UTC) - queued).total_seconds()


def _contents(client: Any, parts: Any) -> Iterator[Finding]:
    forged = sum(letter.call is None for letter in parts.deadletters)
    if forged:
        yield Finding(
            what=f"jobs: {forged} were refused, since our secret keys did not sign them",
            ok=False,
            mend="While you upgrade: end the older workers everywhere; nothing is lost. Else give"
            " web and workers the same secret keys, then failed retry --reason forged. If they"
            " had: somebody else writes to this Redis. Set a password, and failed drop --reason"
            " forged: events of ours are queued again by themselves.",
        )
    dead, unread = len(parts.deadletters), len(parts.quarantine)
    yield Finding(what=f"dead letters: {dead}" + (", see failed list" if dead else ""), ok=True)
    more = ", see quarantine list" if unread else ""
    yield Finding(what=f"bodies in quarantine: {unread}{more}", ok=True)


def _at_rest(client: Any, parts: Any) -> Iterator[Finding]:
    """Judge the encryption at rest by the oldest events and the newest."""
    keys, days = len(parts.settings.encryption_keys), parts.settings.raw_retention / 86_400
    state = f"on, {keys} keys" if keys > 1 else "on" if keys else "off"
    lost, older, seen = _sampled(client, parts)
    rest = f"; {older} of {seen} events are not under the newest key: privacy reencrypt"
    yield Finding(
        what=f"encryption at rest: {state}{rest if keys and older else ''}; bodies as they came go"
        f" after {days:.3g} days",
        ok=True,
    )
    if lost:
        yield Finding(
            what=f"encryption at rest: {lost} of {seen} events cannot be decrypted",
            ok=False,
            mend="Put the key that they were encrypted with back into RECEIVER_ENCRYPTION_KEYS,"
            " behind the newest; then failed retry.",
        )
    try:
        Pseudonyms(parts.connection, parts.settings.namespace, parts.vault).of([""], make=False)
    except KeyLost:
        yield Finding(
            what="opt-outs: nobody can tell whose they are, so nothing is sent",
            ok=False,
            mend="Put back the key of RECEIVER_ENCRYPTION_KEYS, or RECEIVER_SECRET_KEYS, that was"
            " taken out.",
        )


def _sampled(client: Any, parts: Any) -> tuple[int, int, int]:
    """Count the events that no key opens, those not under the newest key, and all in the sample."""
    index, vault = parts.journal.index, parts.vault
    ids = {*client.zrange(index, 0, _SAMPLE - 1), *client.zrange(index, -_SAMPLE, -1)}
    with client.pipeline(transaction=False) as pipeline:
        for event_id in ids:
            pipeline.hget(f"{parts.settings.namespace}:event:{event_id.decode()}", "event")
        texts = [text for text in pipeline.execute() if text is not None]
    lost = 0
    for text in texts:
        try:
            vault.open(text)
        except KeyLost:
            lost += 1
    return lost, sum(not vault.is_current(text) for text in texts), len(texts)
