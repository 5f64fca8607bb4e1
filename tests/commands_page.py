"""``docs/reference/commands.md``, made of the commands' own help.

``python tests/commands_page.py`` writes it anew; a test holds it in step.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from receiver.cli import receiver_commands
from receiver.cli.exits import MEANINGS
from receiver.cli.manual import Manual

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "commands.md"

HEAD = """\
# Commands

Standalone they are `sms-receiver …`, in a mounted app `flask --app shop receiver …`. Each says with
`-h` what stands here; `sms-receiver completion bash` makes your shell complete them. This page is made
of their help, by `python tests/commands_page.py`.

## What they print

On a terminal a list is a table that fits it. In a pipe a row is one line without headings and
colours, its cells whole and two spaces or more apart: for `grep` and `wc -l`. Programs take `--json`:
one object a line, with the fields that stand below each command; new ones may be added, none is renamed.

Numbers are masked (`+2763***448`) unless `--reveal`, `--json` or `show` asks for them. Times are local; in
JSON they are ISO 8601 with an offset. What takes more than a second shows how far it is, on standard error.

| variable | does |
|---|---|
| `NO_COLOR` | no colours |
| `FORCE_COLOR` | prints as to a terminal, also into a pipe |
| `COLUMNS` | how wide that is |

Before something is gone for good (`drop`, `revoke`, `remove`, `forget`) a command asks; without a terminal it
refuses, with status 2. `--yes` answers beforehand.

## Exit status

| status | means |
|---|---|
"""


def commands(
    command: click.Command = receiver_commands, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Give every command and group below one, each with the words that call it."""
    if not isinstance(command, Manual):
        yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name
            yield from commands(found, (*path, name))


def page() -> str:
    """Make the page."""
    text = HEAD + "".join(f"| {status} | {meaning} |\n" for status, meaning in MEANINGS.items())
    for heading, names in receiver_commands.sections.items():
        text += f"\n## {heading}\n"
        for name in names:
            found = receiver_commands.get_command(click.Context(receiver_commands), name)
            assert found is not None
            text += "".join(_entry(path, each) for path, each in commands(found, (name,)))
    return text


def _entry(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"sms-receiver {path}")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = f"\n### {path}\n\n```text\n{usage}\n```\n\n{_help(command)}\n"
    options = [found for found in command.params if isinstance(found, click.Option)]
    rows = [record for option in options if (record := option.get_help_record(context))]
    if rows:
        text += "\n| option | does |\n|---|---|\n"
        text += "".join(f"| `{_cell(name)}` | {_cell(does)} |\n" for name, does in rows)
    examples = getattr(command, "examples", {})
    if examples:
        lines = (f"sms-receiver {line}   # {purpose}" for line, purpose in examples.items())
        text += "\n```sh\n" + "\n".join(lines) + "\n```\n"
    if command.epilog:
        text += f"\n{command.epilog}\n"
    fields = getattr(command, "fields", ())
    if fields:
        text += f"\nJSON fields: {', '.join(f'`{field}`' for field in fields)}.\n"
    return text


def _help(command: click.Command) -> str:
    """Give the help, rst's double backquotes as Markdown's."""
    return inspect.cleandoc(command.help or "").replace("``", "`")


def _cell(text: str) -> str:
    """Escape what a cell or Markdown would read: a range in brackets is no link."""
    cell = re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"\[(\S*&lt;=[^]]*)\]", r"\\[\1\\]", cell)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
