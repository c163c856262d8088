"""All commands in one application, and how an error leaves it."""

import sys
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from gateway.cli import commissioning, control, daemon, diagnosis, pki, recipe, tokens, twin
from gateway.cli.exit_codes import ExitCode, exit_code_of
from gateway.cli.output import error_console
from gateway.errors import ConfigurationError, GatewayError

app = typer.Typer(
    name="gateway",
    help="Mirror the equipment of every site, push recipes, export metrics. 'gateway demo' shows all of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_RUN, _LOOK, _PREPARE, _KEEP = "Run", "Look", "Prepare an endpoint", "Keep"
app.command("demo", rich_help_panel=_RUN)(daemon.demo)
app.command("run", rich_help_panel=_RUN)(daemon.run)
app.command("reload", rich_help_panel=_RUN)(control.reload)
app.command("status", rich_help_panel=_LOOK)(diagnosis.status)
app.add_typer(twin.app, name="twin", rich_help_panel=_LOOK)
app.command("why", rich_help_panel=_LOOK)(diagnosis.why)
app.command("support-bundle", rich_help_panel=_LOOK)(diagnosis.support_bundle)
app.add_typer(recipe.app, name="recipe", rich_help_panel="Recipes")
app.command("check", rich_help_panel=_PREPARE)(commissioning.check)
app.command("probe", rich_help_panel=_PREPARE)(commissioning.probe)
app.command("browse", rich_help_panel=_PREPARE)(commissioning.browse)
app.add_typer(pki.app, name="pki", rich_help_panel=_PREPARE)
app.add_typer(tokens.app, name="token", rich_help_panel=_KEEP)
app.command("backup", rich_help_panel=_KEEP)(control.backup)
app.command("restore", rich_help_panel=_KEEP)(control.restore)


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
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _report(GatewayError(f"{where}{error.strerror or error}"))
        sys.exit(ExitCode.NEGATIVE)


def _report(error: GatewayError) -> None:
    console = error_console()
    if isinstance(error, ConfigurationError):
        for complaint in error.complaints:
            console.print(complaint, style="red", markup=False)
        if len(error.complaints) > 1:
            console.print(f"{len(error.complaints)} faults", style="bold red", markup=False)
    else:
        console.print(str(error), style="red", markup=False)
