"""The command `new`: a project that works, with its tests and its deployment. It needs no app."""

from __future__ import annotations

import click

from ..cli.exits import Fault, UsageFault
from ..cli.manual import Command
from ..errors import ReceiverError
from .project import Project


@click.command(
    cls=Command,
    examples={
        "new my-shop": "the standalone receiver, in the folder my-shop",
        "new my-shop --mounted": "a Flask app of yours, with the webhooks in it",
    },
)
@click.argument("name")
@click.option("--mounted", is_flag=True, help="A Flask app with the webhooks mounted in it.")
def new(name: str, mounted: bool) -> None:
    """Write a project that works into the folder NAME.

    An app, a handler, its tests, and the files to deploy it. Without --mounted it is the standalone
    receiver. A folder that is there already is left alone.
    """
    try:
        project = Project(name, mounted=mounted)
    except ReceiverError as error:
        raise UsageFault(str(error)) from error
    try:
        files = project.write()
    except ReceiverError as error:
        raise Fault(str(error)) from error
    for file in files:
        click.echo(f"  {name}/{file}")
    click.echo(f"\n{len(files)} files. Go on with:\n")
    for line in project.commands():
        click.echo(f"  {line}")
