"""The command `completion`: what makes a shell complete our commands, options and values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from .exits import Fault
from .manual import Command, program

# How each shell takes it: for now, and for every later session.
_HOW = {
    "bash": ('eval "$({command})"', "the same line in ~/.bashrc"),
    "zsh": ('eval "$({command})"', "the same line in ~/.zshrc, below compinit"),
    "fish": (
        "{command} | source",
        "{command} > ~/.config/fish/completions/{program}.fish",
    ),
}


@click.command(
    "completion",
    cls=Command,
    examples={
        "completion bash >> ~/.bashrc": "for every later session of bash",
        "completion zsh": "the script for zsh; its last lines say where to put it",
    },
)
@click.argument("shell", type=click.Choice(list(_HOW)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes your shell complete at the TAB key.

    Commands and options, and where settings are there: accounts, providers, handlers, and the ids
    of events, dead letters, bodies and keys. The last lines of what is printed say where to put it.
    """
    root = context.find_root()
    name = root.info_name or "sms-receiver"
    kind = get_completion_class(shell)
    if kind is None:
        raise Fault(f"click has no completion for {shell}", "a newer click")
    variable = f"_{name}_COMPLETE".replace("-", "_").upper()
    click.echo(kind(root.command, {}, name, variable).source())
    command = f"{program(context)} completion {shell}"
    now, always = (line.format(command=command, program=name) for line in _HOW[shell])
    click.echo(f"# Now:     {now}\n# Always:  {always}")
