"""`gateway recipe`: check a recipe, see what it would change, push it, and follow the push. The daemon does the work."""

import time
import uuid
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from gateway.cli.client import Client, connect, reading
from gateway.cli.exit_codes import ExitCode, GatewayUnreachable
from gateway.cli.options import DataDir, Json, TokenFile, Url
from gateway.cli.output import console, error_console, moment_shown, on_terminal, print_json, say, styled, table, warn
from gateway.cli.words import cut, plain

app = typer.Typer(help="Recipes: validate, compare, push, follow.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="YAML file with one MasterRecipe, and overlays if it needs them.")]
To = Annotated[str, typer.Option("--to", help="The equipment, or a line that has just one of the recipe's class.")]
_GOOD_ENDS: Final = ("Confirmed", "NoOp")
_LOOK_S: Final = 0.5
_TRIES: Final = 4
_SHORTEST_REASON: Final = 3  #: letters, as the API has it


@app.command()
def validate(
    file: File,
    to: Annotated[str, typer.Option("--to", help="Only for equipment at or below this place.")] = "",
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Check a recipe and for which equipment it renders. Exit code 1 when it does not for some, 5 when the file is faulty."""
    with connect(url, data_dir, token_file) as client:
        document = client.post("/recipes/validate", {**_document(file), "target": to})
    if as_json:
        print_json(document)
    else:
        made = table(["equipment", "renders", "complaints and notes"])
        for target in document["targets"]:
            mark = styled("yes", "good") if target["renders"] else styled("no", "bad")
            made.add_row(target["equipment"], mark, Text("\n".join(target["complaints"] + target["notes"])))
        say(f"{document['recipe']} for class {document['class']}, {document['master_digest']}")
        console().print(made)
    if not document["valid"]:
        raise typer.Exit(ExitCode.NEGATIVE)


@app.command()
def diff(
    file: File, to: To, as_json: Json = False, url: Url = None, data_dir: DataDir = None, token_file: TokenFile = None
) -> None:
    """What a push would change: reads the values in force, writes nothing. Exit code 1 when something differs."""
    with connect(url, data_dir, token_file) as client:
        document = client.post("/recipes/diff", {**_document(file), "target": to})
    if as_json:
        print_json(document)
    else:
        made = table(["parameter", ("active", "right"), ("wanted", "right"), "unit", "", "critical"])
        for row in document["rows"]:
            active, wanted = _compared(row)
            mark = styled("same", "good") if row["same"] else styled("differs", "uncertain")
            critical = "yes" if row["critical"] else ""
            made.add_row(row["parameter"], Text(active), Text(wanted), row["unit"] or "", mark, critical)
        say(f"{document['recipe']} for {document['equipment']}")
        console().print(made)
        say("It is active already." if document["already_active"] else "A push would make it active.")
    if not document["already_active"]:
        raise typer.Exit(ExitCode.NEGATIVE)


@app.command()
def push(
    file: File,
    to: To,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end, or only hand it over.")] = True,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to follow it; it goes on without us.")] = 900.0,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the same key names the same push and never makes a second one.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Put a recipe into one piece of equipment: checked before, verified after, undone when it fails, every step recorded.

    Exit code 0 when it ended Confirmed or NoOp, 1 when it ended otherwise or has not ended yet.
    """
    with connect(url, data_dir, token_file) as client:
        document = _submit(client, file, to, key or str(uuid.uuid4()))
        if wait:
            document = _follow(client, document, timeout, show=not as_json)
    if as_json:
        print_json(document)
    else:
        _say_end(document)
    if wait and document["outcome"] not in _GOOD_ENDS:
        raise typer.Exit(ExitCode.NEGATIVE)


@app.command()
def status(
    push: Annotated[int | None, typer.Argument(help="The number of a push; none lists the latest.", min=1)] = None,
    place: Annotated[str, typer.Option("--at", help="List only pushes into equipment at or below this place.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="List at most so many.")] = 20,
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """One push with its journal, or the latest pushes. Exit code 1 when the push ended badly or has not ended."""
    with connect(url, data_dir, token_file) as client:
        if push is None:
            _list(client.get("/pushes", pattern=place, limit=limit), as_json=as_json)
            return
        document = client.get(f"/pushes/{push}")
    if as_json:
        print_json(document)
    else:
        _print_push(document)
    if document["outcome"] not in _GOOD_ENDS:
        raise typer.Exit(ExitCode.NEGATIVE)


@app.command()
def quarantines(as_json: Json = False, url: Url = None, data_dir: DataDir = None, token_file: TokenFile = None) -> None:
    """Equipment that no push may touch until a person has looked at it."""
    with connect(url, data_dir, token_file) as client:
        document = client.get("/quarantines")
    if as_json:
        print_json(document)
        return
    made = table(["equipment", "since", ("push", "right"), "reason"])
    for item in document["quarantines"]:
        made.add_row(item["equipment"], moment_shown(item, "since"), str(item["push"]), Text(item["reason"]))
    console().print(made) if document["quarantines"] else say("No equipment is quarantined.")


@app.command()
def release(
    equipment: Annotated[str, typer.Argument(help="The quarantined equipment.")],
    reason: Annotated[str, typer.Option(help="What was found and done there; kept for ever with your name.")],
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Let pushes into quarantined equipment again, after looking at it."""
    if len(reason.strip()) < _SHORTEST_REASON:
        raise typer.BadParameter("say in a few words what was found and done there; it is kept for ever", param_hint="--reason")
    with connect(url, data_dir, token_file) as client:
        document = client.post("/quarantines/release", {"equipment": equipment, "reason": reason})
    print_json(document) if as_json else say(f"{equipment} takes pushes again.")


def _document(file: Path) -> dict[str, str]:
    with reading(file, "recipe file"):
        return {"document": file.read_text("utf-8"), "filename": file.name}


def _submit(client: Client, file: Path, to: str, key: str) -> dict[str, Any]:
    """Hand the push over. Where no answer comes it is asked again under the same key, which cannot make a second push."""
    body = {**_document(file), "target": to}
    for left in range(_TRIES - 1, -1, -1):
        try:
            document: dict[str, Any] = client.post("/pushes", body, {"Idempotency-Key": key})
        except GatewayUnreachable as error:
            if not left:
                raise GatewayUnreachable(f"{error} To ask for the same push again: --key {key}") from error
            time.sleep(_LOOK_S)
        else:
            return document
    raise AssertionError("unreachable: the last try returns or raises")


def _follow(client: Client, document: dict[str, Any], timeout: float, *, show: bool) -> dict[str, Any]:
    """Ask for the push until it has ended, and print each step as it comes."""
    out, shown, deadline = console(), 0, time.monotonic() + timeout
    # The steps scroll above the spinner: both must go through one Console, or each writes over the other.
    spinning = on_terminal() if show else True
    place = out if show else error_console()
    spinner = place.status(f"push {document['id']}: {document['recipe']} into {document['equipment']}")
    with spinner if spinning else nullcontext():
        while True:
            for step in document["steps"][shown:] if show else []:
                out.print(_step_text(step), soft_wrap=True)
            shown = len(document["steps"])
            if document["outcome"] is not None or time.monotonic() > deadline:
                return document
            time.sleep(_LOOK_S)
            try:
                document = client.get(f"/pushes/{document['id']}")
            except GatewayUnreachable as error:
                # The push goes on in the daemon, or when it starts again; only our view of it is cut.
                if time.monotonic() > deadline:
                    raise
                out.print(Text(str(error), style="yellow")) if show and spinning else warn(str(error))


def _compared(row: dict[str, Any]) -> tuple[str, str]:
    """Active and wanted value; in full where they differ by less than six digits show."""
    if row["active"] is None:
        return "cannot be read", cut(plain(row["wanted"]))
    active, wanted = cut(plain(row["active"])), cut(plain(row["wanted"]))
    return (str(row["active"]), str(row["wanted"])) if active == wanted and not row["same"] else (active, wanted)


def _step_text(step: dict[str, Any]) -> Text:
    detail = ", ".join(f"{name.replace('_', ' ')} {_detail_text(value)}" for name, value in step["detail"].items())
    return Text(f"{moment_shown(step, 'time')}  {step['state']:<18} {detail}".rstrip())


def _detail_text(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(plain, value)) or "—"
    return "—" if value == "" else plain(value)


def _say_end(document: dict[str, Any]) -> None:
    number, outcome = document["id"], document["outcome"]
    if outcome is None:
        say(f"Push {number} is {document['state']}; it goes on. Follow it with 'gateway recipe status {number}'.")
    else:
        reason = f": {document['reason']}" if document["reason"] else "."
        console().print(
            styled(f"Push {number} ended {outcome}{reason}", "good" if outcome in _GOOD_ENDS else "bad"), soft_wrap=True
        )


def _print_push(document: dict[str, Any]) -> None:
    say(f"push {document['id']}: {document['recipe']} into {document['equipment']} ({document['handshake']})")
    say(f"asked for by {document['requested_by']} at {moment_shown(document, 'requested_at')}")
    say(f"rendered {document['rendered_digest']}")
    if document["parameters"]:
        made = table(["parameter", ("value", "right"), "unit", "critical"])
        for item in document["parameters"]:
            made.add_row(item["name"], Text(cut(plain(item["value"]))), item["unit"] or "", "yes" if item["critical"] else "")
        console().print(made)
    elif not document["values_shown"]:
        say("Its values are confidential; an operator's token shows them.")
    for step in document["steps"]:
        console().print(_step_text(step), soft_wrap=True)
    _say_end(document)


def _print_pushes(pushes: list[dict[str, Any]]) -> None:
    """Two lines a push, so that nothing is folded."""
    out = console()
    for item in pushes:
        key = "uncertain" if item["outcome"] is None else "good" if item["outcome"] in _GOOD_ENDS else "bad"
        state = styled(item["state"], key)
        asked = f"{item['recipe']}, asked for by {item['requested_by']} at {moment_shown(item, 'requested_at')}"
        out.print(Text.assemble((f"{item['id']:>4}  ", "bold"), state, f"  {item['equipment']}"), soft_wrap=True)
        out.print(Text(f"      {asked}" + (f": {item['reason']}" if item["reason"] else "")), soft_wrap=True)


def _list(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    if document["pushes"] and on_terminal():
        _print_pushes(document["pushes"])
        return
    made = table([("push", "right"), "asked for", "by", "recipe", "equipment", "state", "reason"])
    for item in document["pushes"]:
        key = "uncertain" if item["outcome"] is None else "good" if item["outcome"] in _GOOD_ENDS else "bad"
        made.add_row(
            str(item["id"]), item["requested_at"], item["requested_by"], item["recipe"], item["equipment"],
            styled(item["state"], key), Text(item["reason"]),
        )  # fmt: skip
    console().print(made) if document["pushes"] else say("No pushes.")
