"""The `polyfleet` command."""

import typer

from polyfleet.cli import admin, enroll, rollout, simulate
from polyfleet.cli.endpoint_token import endpoint_token
from polyfleet.cli.explain import explain

application = typer.Typer(
    name="polyfleet",
    help="Fleets of devices, run from Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals hold tokens and passwords
)
application.command()(explain)
application.command()(endpoint_token)
application.command("simulate")(simulate.command)
application.add_typer(admin.commands, name="admin")
application.add_typer(enroll.commands, name="enroll")
application.add_typer(rollout.commands, name="rollout")

if __name__ == "__main__":
    application()
