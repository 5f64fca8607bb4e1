"""What an HTTP status of KoboMobile comes to where its answer has no documented word.

Source: https://kobomobile.net/developer, which names no HTTP status. No error is raised here.
"""

from __future__ import annotations

REFUSED = "KoboMobile refused the request"
CHECK_USER = "Check api_key (the user name) and api_secret (the password) of the account."

_SHORTER = "All of an SMS stands in the URL: send to fewer numbers at once, or a shorter text."
_CHECK_ADDRESS = "Check base_url of the account, and whether KoboMobile is up."
_SILENT = "KoboMobile did not answer", _CHECK_ADDRESS
_WORDS = {
    **dict.fromkeys(range(400, 500), (REFUSED, "Ask KoboMobile why: the answer does not say.")),
    **dict.fromkeys((401, 403), (REFUSED, CHECK_USER)),
    **dict.fromkeys((404, 405), ("KoboMobile is not at this address", _CHECK_ADDRESS)),
    **dict.fromkeys((413, 414, 431), (REFUSED, _SHORTER)),
    429: ("KoboMobile asks for time", "Try again later, less and less often."),
    504: ("KoboMobile did not answer in time", "Try again later."),
}


def words_by_status(status: int) -> tuple[str, str]:
    """Give reason and mend."""
    return _WORDS.get(status, _SILENT)
