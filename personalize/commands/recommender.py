"""`personalize recommender`: the process that learns what comes next and writes everybody's list; and its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from personalize.commands.foreground import begin, metrics_port
from personalize.commands.options import Json
from personalize.commands.output import console, print_json
from personalize.connection import endpoints
from personalize.errors import ProblemError
from personalize.settings import Settings

if TYPE_CHECKING:
    from projections.recommender.weights import Version

app = typer.Typer(add_completion=False, invoke_without_command=True)


@app.callback()
def command(context: typer.Context) -> None:
    """Run the recommender in the foreground, or one of its commands."""
    if context.invoked_subcommand is not None:
        return
    from streams.recommender import main
    from streams.recommender_settings import RecommenderSettings

    settings = Settings.load()
    servers = endpoints(settings)
    begin(settings, "personalize-recommender")
    main(
        RecommenderSettings(
            kafka_bootstrap=servers.kafka,
            database_url=servers.database_url,
            redis=servers.redis,
            list_tick_ms=settings.list_tick_ms,
            max_poll_records=settings.max_poll_records,
            metrics_port=metrics_port(settings),
            metrics_host=settings.metrics_host,
            log_level=settings.log_level,
        )
    )


@app.command()
def weights(
    rollback: Annotated[int | None, typer.Option(help="Go back to this version.", metavar="VERSION")] = None,
    json: Json = False,
) -> None:
    """List the versions of the blend's weights, newest first, or go back to one."""
    from projections.recommender import weights as stored
    from projections.stores.postgres import connect

    with connect(endpoints(Settings.load()).database_url) as connection:
        if rollback is None:
            _show(stored.versions(connection), as_json=json)
            return
        try:
            stored.ask_rollback(connection, rollback)
        except KeyError:
            raise ProblemError(
                f"There is no version {rollback} of the weights.", "choose one of `personalize recommender weights`."
            ) from None
    console.print(f"asked for version {rollback}; the recommender takes it within seconds, or when it starts")


def _show(versions: list[Version], *, as_json: bool) -> None:
    if as_json:
        print_json([{**one._asdict(), "created_at": one.created_at.isoformat()} for one in versions])
        return
    for one in versions:
        console.print(
            f"{one.version:6}  {one.created_at:%Y-%m-%d %H:%M:%S}  {one.origin:8}  {one.learnt:10} learnt  "
            f"HR@10 {one.hr_at_10:.3f}  NDCG@10 {one.ndcg_at_10:.3f}"
        )
    if not versions:
        console.print("no versions yet: the shipped weights are in use")


@app.command()
def reset() -> None:
    """Forget the tables, so that the next start folds the log from its beginning."""
    from projections.recommender import progress, snapshot_store
    from projections.stores.postgres import connect

    with connect(endpoints(Settings.load()).database_url, autocommit=True) as connection:
        if not progress.try_alone(connection):
            raise ProblemError("A recommender is running.", "stop it first.")
        with connection.transaction():
            snapshot_store.clear(connection)
            progress.begin_anew(connection)
    console.print("forgotten; the next start folds the log anew")
