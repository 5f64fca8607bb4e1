"""Commands that teach: examples in their help, groups in sections, and what a typo meant.

`Command` and `Group` are click's with that; nothing here knows any command of ours.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click
from flask.cli import AppGroup

from .consoles import colours, write_any_text
from .exits import MEANINGS, close_to, faults

Examples = Mapping[str, str]  # what is typed after the program's name -> what that is for


class _Formatter(click.HelpFormatter):
    """Click's, with headings in bold where there are colours."""

    def write_heading(self, heading: str) -> None:
        super().write_heading(click.style(heading, bold=True))


class _Context(click.Context):
    formatter_class = _Formatter


class _Taught(click.Command):
    """What `Command` and `Group` have in common: what stands below the options."""

    context_class = _Context
    examples: Examples
    fields: Sequence[str] = ()

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Give ``-h`` as well, whoever calls: click keeps what it was told first."""
        return ["-h", "--help"]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each with what it is for, and what ``--json`` gives."""
        if self.examples:
            with formatter.section("Examples"):
                for line, purpose in self.examples.items():
                    formatter.write(f"  # {purpose}\n  $ {program(ctx)} {line}\n")
        if self.fields:
            with formatter.section("JSON fields"):
                formatter.write_text(", ".join(self.fields))
        super().format_epilog(ctx, formatter)


class Command(_Taught):
    """A command with ``examples``, which a test runs, and the ``fields`` of its JSON objects."""

    def __init__(
        self,
        *args: Any,
        examples: Examples | None = None,
        fields: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples or {}
        self.fields = tuple(fields)


class Group(AppGroup, _Taught):
    """A group of commands in the order of their definition; errors of ours end it in a line.

    In one to ``invoke_without_command`` the command ``default`` is meant where none is named, or
    options alone are given.
    """

    command_class = Command

    def __init__(
        self, *args: Any, examples: Examples | None = None, default: str = "list", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples or {}
        self.default = default
        if self.invoke_without_command:
            about = inspect.cleandoc(self.help or "")
            self.help = f"{about}\n\nWithout a command it is `{default}`, and takes its options."

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order of their definition: see before do, do before drop."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help where nothing is asked for: that is no error."""
        ctx.color = colours() if ctx.color is None else ctx.color
        if self.invoke_without_command and self._names_no_command(ctx, args):
            args = [self.default, *args]
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def _names_no_command(self, ctx: click.Context, args: list[str]) -> bool:
        if not args:
            return not ctx.resilient_parsing  # the tab key offers the commands
        return args[0].startswith("-") and args[0] not in self.get_help_option_names(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        name = args[0]
        if ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name):
            return super().resolve_command(ctx, args)
        close = close_to(name, self.list_commands(ctx))
        known = ", ".join(self.list_commands(ctx))
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are: {known}"
        raise click.UsageError(f"there is no command {name}; {hint}", ctx)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what goes wrong is said with its mend and has an exit status."""
        with faults():
            return super().invoke(ctx)


class Manual(Group):
    """The group of all commands: ``sections`` names them, and finds each when it is asked for.

    ``find(name)`` gives a command, or ``None``. What was added otherwise stands in a section below.
    """

    def __init__(
        self,
        *args: Any,
        sections: Mapping[str, Mapping[str, str]],
        find: Callable[[str], click.Command],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        self._find = find

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give all names, section by section."""
        named = [name for names in self.sections.values() for name in names]
        return [*named, *(name for name in self.commands if name not in named)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find one: its module is imported now."""
        if any(cmd_name in names for names in self.sections.values()):
            return self._find(cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, a line for each command."""
        named = {name for names in self.sections.values() for name in names}
        more = [name for name in self.commands if name not in named]
        for heading, names in [*self.sections.items(), ("More", more)]:
            rows = list(self._rows(ctx, formatter, list(names)))
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def _rows(
        self, ctx: click.Context, formatter: click.HelpFormatter, names: list[str]
    ) -> Iterator[tuple[str, str]]:
        longest = max((len(name) for name in self.list_commands(ctx)), default=0)
        for name in names:
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                line = command.get_short_help_str(formatter.width - longest - 6)
                yield name.ljust(longest), line

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then what the exit statuses mean."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit status"):
            formatter.write_dl([(str(code), meaning) for code, meaning in MEANINGS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a text that the terminal has no letters for is shown in escapes."""
        write_any_text()
        return super().invoke(ctx)


def program(ctx: click.Context) -> str:
    """Say how our commands are called here: ``sms-receiver``, or ``flask receiver``."""
    found: click.Context | None = ctx
    while found is not None and not isinstance(found.command, Manual):
        found = found.parent
    return "sms-receiver" if found is None else found.command_path
