"""The pytest plugin: the fixture `sms`, for the tests of an app that has a `Receiver`.

pytest loads it in every test run of an environment that has this package, used or not: so nothing
else is imported here. What the fixture gives is `receiver.testing.trial.Trial`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .trial import Trial

_NO_APP = """the fixture sms needs your Flask app, as a fixture named app:

    @pytest.fixture
    def app():
        return create_app()
"""


@pytest.fixture(scope="session")
def sms_redis_url() -> Iterator[str]:
    """Give the Redis of this test run; see `receiver.testing.redis`."""
    from ..errors import ReceiverError
    from .redis import running_redis

    try:
        with running_redis() as url:
            yield url
    except ReceiverError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def sms(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Trial]:
    """Give what posts callbacks to the fixture `app`, runs its handlers, and keeps what is sent."""
    try:
        app = request.getfixturevalue("app")
    except pytest.FixtureLookupError as error:
        if error.argname != "app":
            raise
        pytest.fail(_NO_APP, pytrace=False)
    url = request.getfixturevalue("sms_redis_url")
    from .trial import trial

    with trial(app, url, tmp_path_factory.mktemp("sms")) as found:
        yield found
