"""What commands show to people: whatever others wrote into it is made printable.

Anybody can ask to be let in, under any name: one with escape sequences, line ends or characters
that turn the direction of writing could show a person something else than is there.
"""

import sys

import typer
from rich.text import Text


def printable(text: str) -> str:
    r"""Return the text with every character that does not show as itself escaped, as in \x1b."""
    if text.isprintable():
        return text
    return "".join(item if item.isprintable() else _escaped(item) for item in text)


def say(line: str) -> None:
    """Print one line."""
    typer.echo(printable(line))


def complain(line: str) -> None:
    """Print one line to where errors go."""
    print(printable(line), file=sys.stderr)  # noqa: T201 - a command line's own output


def cell(text: str, style: str = "") -> Text:
    """Return a text for a table or a tree, in which rich looks for no markup either."""
    return Text(printable(text), style=style)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
