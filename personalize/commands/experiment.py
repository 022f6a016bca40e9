"""`personalize experiment`: put definitions, start and stop them, and read what they say."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from personalize.commands.options import Json
from personalize.commands.output import console, print_json, table
from personalize.connection import endpoints
from personalize.errors import ProblemError
from personalize.settings import Settings
from projections import experiments
from projections.stores.postgres import Connection, connect
from schemas.experiments import Experiment, Report, decode

app = typer.Typer(add_completion=False, no_args_is_help=True)
Key = Annotated[str, typer.Argument(help="Key of the experiment.")]


@app.callback()
def _root() -> None:
    """Experiments: definitions as data, what is served, and what came of it."""


@app.command()
def put(file: Annotated[Path, typer.Argument(help="A definition (schemas/json/experiment.schema.json).")]) -> None:
    """Check a definition and store it; the API follows within seconds."""
    try:
        definition = decode(file.read_bytes())
    except OSError as error:
        raise ProblemError(f"{file} cannot be read.", "name a JSON file.") from error
    except ValueError as error:
        raise ProblemError(f"{file} is no experiment: {error}", "see docs/experiments.md.") from error
    with _database() as connection:
        experiments.put(connection, definition)
    console.print(f"{definition.key}: {definition.state}")


@app.command()
def start(key: Key) -> None:
    """Serve an experiment's variations from now on."""
    _move(key, "running")


@app.command()
def stop(key: Key) -> None:
    """Serve everybody as without it; its report stays."""
    _move(key, "stopped")


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """The experiments there are."""
    with _database() as connection:
        found, willing = experiments.all_of(connection), experiments.willing(connection)
    if as_json:
        print_json([msgspec.to_builtins(each) for each in found])
        return
    shown = table("experiment", "state", "metric", "coverage", "variations")
    for each in found:
        shares = ", ".join(f"{one.name} {one.weight:.0%}" for one in each.variations)
        shown.add_row(each.key, each.state, each.metric.value, f"{each.coverage:.0%}", shares)
    console.print(shown)
    console.print(f"{willing:,} learners agree to experiments (POST /api/profile/ID/consent)")


@app.command()
def report(key: Key, as_json: Json = False) -> None:
    """What an experiment says now; looking often does no harm."""
    with _database() as connection:
        found = report_of(connection, _known(connection, key))
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    console.print(f"{found.key} ({found.state}): {found.says}")
    shown = table("variation", "learners", f"mean {found.metric.value}", "lift", "95 % at any time", "p")
    for each in found.variations:
        interval = "" if each.lift_low is None else f"{each.lift_low:+.1%} to {each.lift_high:+.1%}"
        shown.add_row(
            each.name,
            "fewer than 5" if each.learners is None else f"{each.learners:,}",
            "" if each.mean is None else f"{each.mean:.4g}",
            "" if each.lift is None else f"{each.lift:+.1%}",
            interval,
            "" if each.p_value is None else f"{each.p_value:.3g}",
        )
    console.print(shown)
    for guard in found.guardrails:
        console.print(f"guardrail {guard.metric.value}, {guard.variation}: {guard.state}")
    console.print(f"ratio check: p = {found.ratio_p_value:.3g}" + (f"; {found.mixed} mixed" if found.mixed else ""))


def report_of(connection: Connection, definition: Experiment) -> Report:
    """The report of a definition."""
    from models.experiments.report import report as made

    return made(definition, experiments.outcomes(connection, definition))


def _move(key: str, state: Literal["running", "stopped"]) -> None:
    with _database() as connection:
        experiments.put(connection, msgspec.structs.replace(_known(connection, key), state=state))
    console.print(f"{key}: {state}")


def _known(connection: Connection, key: str) -> Experiment:
    found = experiments.find(connection, key)
    if found is None:
        raise ProblemError(f"There is no experiment {key!r}.", "personalize experiment list")
    return found


def _database() -> closing[Connection]:
    return closing(connect(endpoints(Settings.load()).database_url, autocommit=True, name="personalize-experiment"))
