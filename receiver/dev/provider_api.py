"""The simulated providers: their APIs, as strict as their texts, and as sloppy.

A small WSGI app. It shares no code with the providers that it is used to try out: the signature,
the limits and the answers are read from the documents a second time.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from ..accounts import Account
from . import api_bearer, api_keyed, api_kobomobile, api_lefoka, api_smsbox
from .api_call import Call, Outcome, Refusal

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

_CREDITS = 10_000
_OWN_NAMES = ("send_path", "fields", "recipients", "extra")  # of an API, as a deployment sets them

_log = logging.getLogger(__name__)

# Each knows its own paths; the first that takes one answers, and the last takes all.
_APIS = (api_smsbox, api_kobomobile, api_keyed, api_bearer, api_lefoka)


def simulates(account: Account) -> bool:
    """Tell whether the API that an account sends to is among those simulated here."""
    known = any(account.provider == api.NAME for api in _APIS)
    return known and not any(name in account.options for name in _OWN_NAMES)


class ProviderApi:
    """``sent`` is what was taken, oldest first; ``balance`` the credits left at each provider.

    ``credentials``: for each provider, the secret of each API key. An entry of ``sent`` has
    ``provider``, ``to`` (a list), ``text``, ``source``, ``client_reference`` and ``message_id``,
    and what its provider keeps beside; a ``status`` may be set, to have it reported.
    """

    def __init__(self, credentials: Mapping[str, Mapping[str, str]]) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()
        self.sent: list[dict[str, Any]] = []
        self.balance = dict.fromkeys((api.NAME for api in _APIS), _CREDITS)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        response = self._answer(request)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        api = next(api for api in _APIS if api.takes(request.path))
        name = api.NAME
        with self._lock:
            kept = [sms for sms in self.sent if sms["provider"] == name]
            call = Call(request, self._credentials.get(name, {}), self.balance[name], kept)
            try:
                outcome: Outcome = api.answer(call)
            except Refusal as refusal:
                return _response(refusal.status, refusal.body, refusal.headers)
            if outcome.sms is not None:
                self.sent.append({"provider": name, **outcome.sms})
                self.balance[name] -= outcome.credit
        return _response(outcome.status, outcome.body, outcome.headers)


@contextmanager
def serving(api: ProviderApi) -> Iterator[str]:
    """Serve on a free loopback port for the length of the block; gives the base URL."""
    server: BaseWSGIServer = make_server("127.0.0.1", 0, api, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Leave the query out: KoboMobile's holds a password, numbers and a text."""
        self.log("info", '"%s" %s %s', self.requestline.partition("?")[0], code, size)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - its parent's name
        """Keep out of the terminal: paths and errors only, for who asks for them."""
        _log.debug(message, *args)


def _response(status: int, body: Any, headers: Mapping[str, str]) -> Response:
    text = body if isinstance(body, str) else json.dumps(body, indent=1)
    return Response(text, status, headers=dict(headers), content_type="application/json")
