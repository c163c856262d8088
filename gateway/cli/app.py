"""All commands in one application, and how an error leaves it."""

import sys
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from gateway.cli import diagnosis, tokens, twin
from gateway.cli.exit_codes import exit_code_of
from gateway.cli.output import error_console
from gateway.errors import ConfigurationError, GatewayError

app = typer.Typer(
    name="gateway",
    help="Mirror the equipment of every site, push recipes, export metrics. 'gateway demo' shows all of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(twin.app, name="twin")
app.add_typer(tokens.app, name="token")
app.command("status")(diagnosis.status)
app.command("why")(diagnosis.why)
app.command("support-bundle")(diagnosis.support_bundle)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(installed_version("mother-factory-gateway"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """Run the command line; exit codes are in docs/cli.md."""
    try:
        app()
    except GatewayError as error:
        _report(error)
        sys.exit(exit_code_of(error))
    except BrokenPipeError:
        # Whoever read our output has enough ('gateway … | head'); there is nobody left to tell.
        sys.stderr.close()
        sys.exit(141)


def _report(error: GatewayError) -> None:
    console = error_console()
    if isinstance(error, ConfigurationError):
        for complaint in error.complaints:
            console.print(complaint, style="red", markup=False)
        if len(error.complaints) > 1:
            console.print(f"{len(error.complaints)} faults", style="bold red", markup=False)
    else:
        console.print(str(error), style="red", markup=False)
