"""`personalize bench NAME`: how fast, how large, how right?  One table of benches, one module each.

A bench is a function `bench(...)` that returns a report; its parameters become options.  A module with a `main` of its
own is called by that: with the words as they are if it takes `argv`, else with its parameters as options.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

BENCHES: Final[dict[str, str]] = {
    "ingest": "Events a second through the whole worker, beside plain Faust and the fetch-and-decode limit.",
    "latency": "Publish to visible by GET, while events stream in.",
    "freshness": "Publish to the list that reflects it, by GET, while events stream in.",
    "recommendation-cost": "What a list and a counted event cost, and the memory of an item, as the catalogue grows.",
    "read": "Requests a second of one API process, beside a static answer and a raw Redis GET.",
    "memory": "Growth of the worker by event, bytes a learner and an item.",
    "faults": "Kill, stop and restart processes and servers; compare with a reference fold.",
    "quality": "How good the recommendations are: each event ranked before it is counted.",
    "training": "What the daily training of the models takes, and how good each is on what came after.",
    "analytics": "Questions over 90 days with ten million interactions stored, warm and cold.",
    "at-risk": "Failing or leaving foretold after four weeks, against clicks alone.",
    "engagement": "Whether the engagement score says who comes back, against counts of events.",
    "experiments": "False positives under constant looking, a planted lift, a planted ratio mismatch.",
    "learner": "How well the learner model predicts the next answer.",
    "paths": "What adaptive order and difficulty save a simulated class, and how fast paths are planned.",
}
_JSON = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write the report to this file.")]


class BenchGroup(TyperGroup):
    """Knows names and help lines; imports a bench when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  the signature is the library's
        """In the order of the table."""
        return [*BENCHES]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  the signature is the library's
        """A stand-in with the help line only."""
        return TyperCommand(name=cmd_name, help=BENCHES[cmd_name]) if cmd_name in BENCHES else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real bench."""
        self.commands = {name: self.get_command(ctx, name) for name in BENCHES}  # for its "did you mean"
        name, stand_in, rest = super().resolve_command(ctx, args)
        if stand_in is None or name is None:
            return name, stand_in, rest
        return name, _command(name), rest


app = typer.Typer(cls=BenchGroup, add_completion=False, no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Measure: ingest, latency, read, memory, faults and model quality."""


def _command(name: str) -> Any:
    module = import_module(f"personalize.bench.{name.replace('-', '_')}")
    made = typer.Typer(add_completion=False)
    if not hasattr(module, "main"):
        made.command(help=BENCHES[name])(_with_report_file(module.bench))
    elif "argv" in inspect.signature(module.main).parameters:
        untouched = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
        made.command(context_settings=untouched, help=BENCHES[name])(_passes_on(module.main))
    else:
        made.command(help=BENCHES[name])(_command_of(module.main, _options(module.main)))
    return typer.main.get_command(made)


def _passes_on(main: Callable[[list[str]], int]) -> Callable[[typer.Context], None]:
    def run(context: typer.Context) -> None:
        raise typer.Exit(main(list(context.args)))

    return run


def _options(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function as keyword-only options, each with its line of the docstring's Args."""
    texts = dict(re.findall(r"^ {8}(\w+): (.+)$", function.__doc__ or "", re.MULTILINE))
    return [
        each.replace(
            kind=inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[each.annotation, typer.Option(help=texts.get(each.name))],
        )
        for each in inspect.signature(function, eval_str=True).parameters.values()
    ]


def _command_of(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> Callable[..., None]:
    """A function that typer reads as a command with these options."""

    def run(**options: Any) -> None:
        try:
            function(**options)
        except ValueError as error:  # a data folder or an option that the bench cannot use
            raise typer.BadParameter(str(error)) from error

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _with_report_file(bench: Callable[..., Any]) -> Callable[..., None]:
    """A command with the bench's parameters as options, and one for the report."""

    def measure(report_file: Path | None = None, **options: Any) -> None:
        report = bench(**options)
        report.show()
        if report_file is not None:
            report.write(report_file)

    extra = inspect.Parameter("report_file", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_JSON)
    return _command_of(measure, [*_options(bench), extra])
