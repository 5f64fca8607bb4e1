"""The settings of a first look: what the user has set stands, the rest is filled in.

Everything goes through environment variables, since the web server and the workers are processes
of their own.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Config, Flask
from flask.cli import ScriptInfo

from ..errors import ReceiverError
from .folder import Folder

REDIS = "FLASK_RECEIVER_REDIS_URL"

_ACCOUNTS = "FLASK_RECEIVER_ACCOUNTS"
_OFFERED = "RECEIVER_UP_REDIS_URL"
_FILLED_IN = "RECEIVER_UP_FILLED_IN"
INBOX = "FLASK_RECEIVER_INBOX_PASSWORD"
_HANDLERS = "receiver.dev.handlers"
_SENDER_ID = "DEMO"


def given() -> Mapping[str, Any]:
    """Give the settings that stand in the environment, by the names that Flask's config has.

    What an earlier `up` filled in, and a shell has read since, is no setting of the user's.
    """
    for name in os.environ.pop(_FILLED_IN, "").split():
        os.environ.pop(name, None)
    return settings()


def settings() -> Mapping[str, Any]:
    """Give all that stands in the environment, whoever has set it."""
    config = Config(Path.cwd())
    config.from_prefixed_env()
    return config


def missing(
    config: Mapping[str, Any], folder: Folder, redis_url: str, api_url: str | None
) -> dict[str, str]:
    """Give the environment variables that make ``config`` whole; ``api_url`` for demo accounts."""
    found = {}
    if not {"SECRET_KEY", "RECEIVER_SECRET_KEYS"} & config.keys():
        found["FLASK_SECRET_KEY"] = str(folder.keys()["secret_key"])
    if api_url is not None:
        common = {"base_url": api_url, "source_addr": _SENDER_ID}
        accounts = {name: {**keys, **common} for name, keys in folder.keys()["accounts"].items()}
        found[_ACCOUNTS] = json.dumps(accounts)
    if "RECEIVER_REDIS_URL" not in config:
        found[REDIS] = redis_url
    if "RECEIVER_HANDLERS" not in config and not Path("handlers").is_dir():
        found["FLASK_RECEIVER_HANDLERS"] = json.dumps([_HANDLERS])
    if not {"RECEIVER_INBOX_PASSWORD", "RECEIVER_INBOX_GUARD"} & config.keys():
        found[INBOX] = folder.keys()["inbox"]["hash"]
    if "RECEIVER_SPOOL_DIR" not in config:
        found["FLASK_RECEIVER_SPOOL_DIR"] = str((folder.path / "spool").resolve())
    return found


def accounts(config: Mapping[str, Any]) -> Mapping[str, dict[str, Any]]:
    """Give the accounts that the environment names; raises `ReceiverError` where there are none."""
    found = config.get("RECEIVER_ACCOUNTS")
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise ReceiverError(
            f"--simulate: there are no accounts in {_ACCOUNTS}; those that an app names itself are"
            " not changed"
        )
    return found


def credentials(accounts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Give the secret of each key, by provider, as the simulated provider takes them."""
    found: dict[str, dict[str, str]] = {}
    for name, account in accounts.items():
        keys = account.get("api_key", ())
        for key in [keys] if isinstance(keys, str) else keys:
            secret = account.get("api_secret", "")
            found.setdefault(account.get("provider", name), {})[key] = secret
    return found


def sending_to(api_url: str, accounts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Give the environment variables by which accounts send to another address."""
    found = {name: {**account, "base_url": api_url} for name, account in accounts.items()}
    return {_ACCOUNTS: json.dumps(found)}


def offer_redis(app: Flask, redis_url: str) -> None:
    """See that a mounted app uses our Redis, unless it has named one of its own.

    The app was loaded before us, so the command begins again, with our Redis in the environment.
    Raises `ReceiverError` where the app does not look there.
    """
    if app.extensions["receiver"].settings.redis_url == redis_url:
        return
    if os.environ.get(_OFFERED) == redis_url:
        raise ReceiverError(
            f"the app does not read {REDIS}: call app.config.from_prefixed_env() before"
            " Receiver(app), or set RECEIVER_REDIS_URL to a Redis that runs"
        )
    if "RECEIVER_REDIS_URL" in app.config:
        return
    os.environ[_OFFERED] = os.environ[REDIS] = redis_url
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def of_children(info: ScriptInfo) -> dict[str, str]:
    """Give the environment of the web server and the workers: they load the app that we did.

    Their log lines are plain, whatever the deployment's are: `up` picks warnings out of them.
    """
    found = {**os.environ, "PYTHONUNBUFFERED": "1", "FLASK_RECEIVER_LOG_FORMAT": "logfmt"}
    if info.app_import_path is not None:
        found["FLASK_APP"] = info.app_import_path
    for name in ("NO_PROXY", "no_proxy"):  # the simulated provider is on this machine
        found[name] = ",".join(filter(None, [found.get(name), "127.0.0.1"]))
    return found


def own_command(info: ScriptInfo) -> str:
    """Give what to type for a command of ours in another terminal, but for its name."""
    program = Path(sys.argv[0])
    found = shutil.which(program.name)
    typed = program.name if found and Path(found).resolve() == program.resolve() else str(program)
    if program.name == "__main__.py":
        typed = "python -m flask"
    if info.create_app is not None:
        return typed
    app = [] if info.app_import_path is None else ["--app", info.app_import_path]
    return f"{typed} {shlex.join([*app, 'receiver'])}"


def as_shell(filled_in: Mapping[str, str], changed: Mapping[str, str]) -> str:
    """Give lines for a shell to read, so that other commands have the same settings.

    A later `up` of that shell finds what was ``changed`` as the user's own, in new words.
    """
    whole = {**changed, **filled_in, _FILLED_IN: " ".join(filled_in)}
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in whole.items())
