"""Commands over one person's data: find and hand it out, erase it, keep all of it encrypted.

What they print is for whoever typed them: counts, and the number masked; `export` prints all there
is, to be handed to the person it is about.
"""

from __future__ import annotations

import json
import re
from typing import Any

import click
from flask.cli import with_appcontext

from ..msisdn import is_possible, mask, normalise
from ..privacy import Forgetting, Outcome, Resealing, Search
from ..privacy import export as as_document
from .asking import confirm
from .context import parts
from .exits import Fault, UsageFault
from .manual import Command, Group
from .options import yes
from .progress import progress
from .tables import Column, print_json, print_table

# Controls, marks of direction and what else cannot be seen: in JSON, they stand in texts only.
_UNPRINTABLE = re.compile(
    r"[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb]"
    r"|[\U000e0000-\U000e007f]"
)
_WAITING = "let the workers handle them and forget again; --drop-waiting erases them unhandled"
_exact = click.option(
    "--exact",
    is_flag=True,
    help="NUMBER is a short code, or a name: no number, just as it was stored.",
)
_AGAIN = "the same command again, once that is done; what is erased stays so"


@click.command(
    "forget",
    cls=Command,
    examples={
        "forget +27637885448 --dry-run": "how much there is of a number, and where",
        "forget +27637885448 --yes": "erase it everywhere",
    },
    fields=("found", "waiting", "erased", "left"),
)
@click.argument("number")
@click.option("--dry-run", is_flag=True, help="Count only; change nothing.")
@click.option("--drop-waiting", is_flag=True, help="Erase also what no handler has seen yet.")
@click.option("--also-optouts", is_flag=True, help="Forget that it opted out, too.")
@_exact
@click.option("--json", "as_json", is_flag=True, help="One JSON object, whole.")
@yes
@with_appcontext
def forget(
    number: str,
    dry_run: bool,
    drop_waiting: bool,
    also_optouts: bool,
    exact: bool,
    as_json: bool,
    yes: bool,
) -> None:
    """Erase NUMBER everywhere, this host's disk too.

    From events, bodies, replies, conversations and what was sent. What remains of an event says
    that there was one, so that a resend is known. Of an opt-out a keyed hash remains, so that
    nothing is sent there, unless --also-optouts. It may be run while web and workers run, and again
    after it was broken off. Run it on each web host: a spool belongs to its host.
    """
    search = _search(number, exact)
    if not dry_run:
        confirm(f"Erase all of {mask(search.number)}?", yes=yes)
    forgetting = Forgetting(search, drop_waiting=drop_waiting, also_optouts=also_optouts)
    with progress("Looking through all keys", len(parts().places.census)) as advance:
        outcome = forgetting.count(advance) if dry_run else forgetting.run(advance)
    _print(outcome, as_json)
    if outcome.waiting and not outcome.erased and not dry_run:
        many = f"{outcome.waiting} events of it wait" if outcome.waiting > 1 else "1 event waits"
        raise Fault(f"nothing was erased: {many} to be handled", _WAITING)
    if outcome.left:
        raise Fault("not all was erased: " + "; ".join(outcome.left), _AGAIN)


@click.command(
    "export",
    cls=Command,
    examples={"export +27637885448": "everything known of a number, for who asks what we have"},
)
@click.argument("number")
@_exact
@click.option("--json", "as_json", is_flag=True, help="In one line.")
@with_appcontext
def export(number: str, exact: bool, as_json: bool) -> None:
    """Print everything known of NUMBER as one JSON document.

    Messages and reports with what became of them, replies, the conversation, opt-outs, what was
    sent, and bodies in quarantine that name it. Of what others wrote it tells id and time only.
    """
    search = _search(number, exact)
    with progress("Looking through all keys", len(parts().places.census)) as advance:
        document = as_document(search.number, search.hits(advance))
    if as_json:
        print_json(document)
    else:
        click.echo(_shown(document))
    if document["unreadable"]:
        count = document["unreadable"]
        raise Fault(f"{count} values cannot be decrypted, and may be about it", "check")


@click.group(cls=Group)
def privacy() -> None:
    """Keep what people wrote encrypted at rest."""


@privacy.command(
    "reencrypt",
    examples={"privacy reencrypt": "after a key was set or rotated, before the old one goes"},
)
@with_appcontext
def reencrypt() -> None:
    """Encrypt everything with the newest key.

    What stands in clear, and what older keys sealed; in Redis, and in the spool of this host.
    Run it again until nothing is left; then the old key may be taken out of
    RECEIVER_ENCRYPTION_KEYS.
    """
    if not parts().vault.is_on:
        raise Fault("RECEIVER_ENCRYPTION_KEYS is empty: there is no key", "how-to/forget.md")
    with progress("Encrypting", len(parts().places.census)) as advance:
        done = Resealing(parts().places).run(advance)
    click.echo(f"{done.values} values encrypted with the newest key.")
    if done.lost:
        mend = "put back the key that they were encrypted with, then the same again"
        raise Fault(f"{done.lost} values cannot be decrypted with any key", mend)
    if done.busy:
        raise Fault(f"{done.busy} values changed meanwhile", "the same again")


def _search(number: str, exact: bool) -> Search:
    if not exact:
        return Search(parts().places, _number(number))
    if not number.strip():
        raise UsageFault("that is nobody", "--exact INFO")
    return Search(parts().places, number.strip(), exact=True)


def _number(text: str) -> str:
    """Read a number in E.164, or in the one region that all accounts have."""
    regions = {account.region for account in parts().settings.accounts.values()}
    region = regions.pop() if len(regions) == 1 else None
    number = normalise(text, region)
    if not number.startswith("+") or not is_possible(number):
        mend = "write it as +27637885448; --exact is for short codes and names"
        raise UsageFault("that is no number in full", mend)
    return number


def _shown(document: dict[str, Any]) -> str:
    """Write JSON in the letters of all languages, and escape what could steer a terminal."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _print(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        shown: dict[str, Any] = {"found": dict(outcome.found), "waiting": outcome.waiting}
        print_json({**shown, "erased": outcome.erased, "left": list(outcome.left)})
        return
    columns = [Column("where", whole=True), Column("found", right=True)]
    if not print_table(columns, list(outcome.found.items())):
        click.echo("Nothing is known of it.", err=True)
