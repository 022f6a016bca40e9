"""What does `personalize` offer?  One table of commands; a command's module is imported only when it is called.

Exit codes: 0 done; 1 a check failed or a start failed for a reason that may pass; 2 the command line or a setting is
wrong; 70 a process met something it does not know; 78 too many records are undecodable.
"""

from __future__ import annotations

import json
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from personalize.errors import EXIT_CRASHED, ProblemError


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives, and its line in the help."""

    module: str
    help: str


COMMANDS: Final[dict[str, Entry]] = {
    "run": Entry("run", "Everything at once: servers, worker, recommender, API, live demo traffic, until Ctrl-C."),
    "up": Entry("up", "Start the local Kafka, Postgres and Redis; returns when all three answer."),
    "down": Entry("down", "Stop them; the data stay."),
    "status": Entry("status", "What runs where."),
    "watch": Entry("watch", "Lag, rates, freshness and health in the terminal."),
    "doctor": Entry("doctor", "Check this machine, and print the fix for what is missing."),
    "config": Entry("config", "The settings: value and source of each."),
    "migrate": Entry("migrate", "Apply database migrations and create missing topics."),
    "worker": Entry("worker", "Run the stream processor in the foreground."),
    "recommender": Entry("recommender", "Run the recommender in the foreground; show its weights or roll them back."),
    "jobs": Entry("jobs", "Run background jobs; list runs, start one, show trained models or roll them back."),
    "api": Entry("api", "Run the read API in the foreground."),
    "keys": Entry("keys", "API keys: make, list, rotate, revoke."),
    "audit": Entry("audit", "The audit log of access: check that it is whole."),
    "demo": Entry("demo", "Publish the bundled real clicks to servers whose worker and API run elsewhere."),
    "produce": Entry("produce", "Publish interactions from an NDJSON file or standard input."),
    "import": Entry("import_", "Bring in what other systems have: the catalogue of a content service."),
    "experiment": Entry("experiment", "Experiments: put, start, stop, list, and what they say."),
    "insight": Entry("insight", "Learners at risk with reasons, and groups that behave alike."),
    "rebuild": Entry("rebuild", "Replay the log into a fresh version of a projection and switch to it."),
    "dashboards": Entry("dashboards", "Write the Grafana dashboards, or run every query of theirs on a live engine."),
    "bench": Entry("bench", "Measure: ingest, latency, read, memory, faults, quality."),
}


class LazyGroup(TyperGroup):
    """The command group: knows names and help lines, imports a module when its command is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  the signature is the library's
        """In the order of the table: what a newcomer needs first."""
        return [*COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  the signature is the library's
        """A stand-in with the help line only; enough to list commands."""
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else TyperCommand(name=cmd_name, help=entry.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command."""
        self.commands = {each: self.get_command(ctx, each) for each in COMMANDS}  # for its "did you mean"
        name, stand_in, rest = super().resolve_command(ctx, args)
        if stand_in is None or name is None:
            return name, stand_in, rest
        module = import_module(f"personalize.commands.{COMMANDS[name].module}")
        return name, typer.main.get_command(module.app), rest


app = typer.Typer(
    cls=LazyGroup,
    name="personalize",
    help="Event-driven personalization for learning platforms.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Event-driven personalization for learning platforms."""


def main() -> None:
    """The `personalize` program."""
    try:
        app()
    except ProblemError as error:
        _explain(error)
        sys.exit(error.exit_code)
    except Exception:  # noqa: BLE001  whatever it is: say all that is known, and end with the code for it
        traceback.print_exc()
        sys.exit(EXIT_CRASHED)


def _explain(error: ProblemError) -> None:
    if "--json" in sys.argv:
        print(json.dumps({"error": error.what, "fix": error.fix}))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, soft_wrap=True)
    console.print(Text("error: ", style="bold red") + Text(error.what.rstrip()))
    console.print(Text("fix:   ", style="bold green") + Text(error.fix))


if __name__ == "__main__":
    main()
