"""A key in the body: found without parsing, whatever the case of its name."""

from __future__ import annotations

import json

import pytest
from support import ACK, KEY, MESSAGE, account, assert_refused, post
from test_door import MakeApp


@pytest.mark.parametrize("name", ["API_KEY", "Api_Key"])
def test_the_name_of_a_key_in_the_body_is_read_in_any_case(make_app: MakeApp, name: str) -> None:
    app = make_app(ACCOUNTS=account())
    body = json.dumps({name: KEY, **MESSAGE}, ensure_ascii=False)
    assert post(app, data=body.encode()).get_json() == ACK
    assert_refused(post(app, data=body.replace(name, f"{name}s").encode()))
