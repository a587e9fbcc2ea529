"""`polyfleet explain`: why a device gets what it gets, as a tree."""

import json
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from polyfleet.cli.facade import DEFAULT_URL, Url, get
from polyfleet.cli.terminal import cell

_UNLIMITED = 100_000

_MARKS = {
    "chosen": ("➜", "bold green"),
    "passed": ("✓", "green"),
    "failed": ("✗", "red"),
    "lost": ("-", "dim"),
    "info": ("·", "cyan"),
}


class Output(StrEnum):
    """How the answer is written."""

    TEXT = "text"
    JSON = "json"


def explain(
    device: Annotated[str, typer.Argument(help="The device's id, or its object's uid.")],
    *,
    application: Annotated[
        str | None, typer.Option(help="Its application, if not the default one.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Ask as if the device ran this version.")
    ] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="Ask as if an attribute were so: key=value.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Ask as if it were in this group, too.")
    ] = None,
    pin: Annotated[
        str | None,
        typer.Option(help="Ask as if it were pinned to the Package of that object name."),
    ] = None,
    hold: Annotated[
        bool | None, typer.Option("--hold/--no-hold", help="Ask as if it were on hold, or not.")
    ] = None,
    output: Annotated[Output, typer.Option(help="How to write the answer.")] = Output.TEXT,
    takes: Annotated[
        str | None,
        typer.Option(help="What can be handed to it: artifact, specification or anything."),
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Say which package a device gets now, and why.

    The access token is read from POLYFLEET_ADMIN_TOKEN. Ends with 0 whenever there is an answer
    (a package or none), with 1 if the question is refused, with 3 if nobody answers.
    """
    home = f"applications/{quote(application, safe='')}/" if application else ""
    query = urlencode(
        [
            *([("version", version)] if version is not None else []),
            *(("attribute", pair) for pair in attribute or ()),
            *(("group", name) for name in group or ()),
            *([("pin", pin)] if pin is not None else []),
            *([("hold", str(hold).lower())] if hold is not None else []),
            *([("takes", takes)] if takes is not None else []),
        ]
    )
    path = f"/polyfleet/v1/{home}devices/{quote(device, safe='')}/decision?{query}"
    answer = get(url, path)
    if output is Output.JSON:
        typer.echo(json.dumps(answer, indent=2))
    else:
        _print(tree(answer))


def tree(answer: dict[str, Any]) -> Tree:
    """Return an explanation as a tree: the device, the facts, each check, the answer."""
    device, facts = answer["device"], answer["facts"]
    root = Tree(cell(f"{device['id']} of {device['application']}", "bold"))
    known = root.add(cell("runs " + (facts["version"] or "an unknown version")))
    known.add(cell(f"type: {facts['deviceType'] or 'unknown'}"))
    known.add(cell("groups: " + (", ".join(facts["groups"]) or "none")))
    if answer["hypothetical"]:
        known.add("some of this was asked as “what if”")
    checks = root.add("checks")
    for step in answer["trace"]:
        mark, style = _MARKS[step["verdict"]]
        checks.add(
            Text.assemble(
                (f"{mark} ", style), cell(f"{step['check']}: ", "dim"), cell(step["message"])
            )
        )
    root.add(_verdict(answer))
    return root


def _print(answer: Tree) -> None:
    # A tree that is wider than its console is cut; elsewhere than in a terminal nothing is.
    console = Console()
    if not console.is_terminal:
        console = Console(width=_UNLIMITED)
    console.print(answer, crop=False, no_wrap=not console.is_terminal, overflow="fold")


def _verdict(answer: dict[str, Any]) -> Text:
    decision = answer["decision"]
    package = decision["package"]
    if not answer["offersAllowed"]:
        return _stale(decision)
    if package is None:
        return cell(f"gets nothing: {decision['reason']}", "bold")
    text = f"gets {package['version']} ({package['name']}): {decision['reason']}"
    target = decision["targetVersion"]
    if target not in (None, package["version"]):
        text += f", on the way to {target}"
    return cell(text, "bold green")


def _stale(decision: dict[str, Any]) -> Text:
    package = decision["package"]
    once = decision["reason"] + (f" {package['version']} ({package['name']})" if package else "")
    return cell(
        "gets nothing now: the facade has had no news of the cluster for too long and makes no "
        f"offers; as of what it knew last: {once}",
        "bold red",
    )
