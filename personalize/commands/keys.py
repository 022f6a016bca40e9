"""`personalize keys`: API keys are made, listed, rotated and revoked; a secret is shown once and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from personalize.commands.options import Json
from personalize.commands.output import console, print_json, table
from personalize.connection import endpoints
from personalize.errors import ProblemError
from personalize.settings import Settings

if TYPE_CHECKING:
    from projections.api_keys import NewKey
    from projections.stores.postgres import Connection

app = typer.Typer(add_completion=False, no_args_is_help=True)
SHOWN_ONCE = "This is the only time that the secret is shown. Running APIs know it within 3 s."


@app.callback()
def _root() -> None:
    """API keys: make, list, rotate, revoke. Once there is one, the API asks everybody for one."""


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; may be repeated. `admin` is everything.")],
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; without: never.")] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=0, help="Its own rate limit; 0: none. Without: the usual one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and show its secret, once."""
    from api.access.callers import Scope
    from projections import api_keys

    known = [each.value for each in Scope]
    for each in scope:
        if each not in known:
            raise typer.BadParameter(f"{each} is no scope; known are {', '.join(known)}", param_hint="--scope")
    if not name.strip() or len(name) > 100:
        raise typer.BadParameter("1 to 100 characters", param_hint="--name")
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    with _database() as connection:
        made = api_keys.create(
            connection, name.strip(), scope, expires_at=expires_at, requests_per_minute=requests_per_minute
        )
    _show(made, {"name": name.strip(), "scopes": sorted(scope), "expiresAt": expires_at}, as_json)


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """Every key there ever was, without secrets."""
    from projections import api_keys

    with _database() as connection:
        found = api_keys.listed(connection)
    if as_json:
        print_json([each._asdict() for each in found])
        return
    shown = table("key", "name", "state", "scopes", "requests/min", "made", "expires", "replaced by")
    for each in found:
        limit = "usual" if each.requests_per_minute is None else f"{each.requests_per_minute:,}"
        expires = each.expires_at.isoformat(" ", "seconds") if each.expires_at else "never"
        shown.add_row(
            each.key_id,
            each.name,
            each.state,
            " ".join(each.scopes),
            limit,
            each.created_at.isoformat(" ", "seconds"),
            expires,
            each.replaced_by or "",
        )
    console.print(shown)


@app.command()
def rotate(
    key: Annotated[str, typer.Argument(help="The key's id, as `personalize keys list` shows it.")],
    overlap_hours: Annotated[float, typer.Option(min=0.0, help="Hours that the old key stays good.")] = 24.0,
    as_json: Json = False,
) -> None:
    """Make a successor with the same rights; the old key ends after the overlap."""
    from projections import api_keys

    with _database() as connection:
        rotated = api_keys.rotate(connection, key, overlap_hours * 3600)
    if rotated is None:
        raise ProblemError(
            f"There is no active key {key} without a successor.", "see `personalize keys list`, or create a new one."
        )
    _show(rotated.successor, {"replaces": key, "oldExpiresAt": rotated.old_expires_at}, as_json)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, as `personalize keys list` shows it.")],
    as_json: Json = False,
) -> None:
    """End a key now; running APIs refuse it within 3 s."""
    from projections import api_keys

    with _database() as connection:
        revoked = api_keys.revoke(connection, key)
    if not revoked:
        raise ProblemError(f"There is no key {key}.", "see `personalize keys list`.")
    if as_json:
        print_json({"keyId": key, "state": "revoked"})
    else:
        console.print(f"{key} is revoked")


def _show(made: NewKey, more: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json({"keyId": made.key_id, "secret": made.secret, **more})
        return
    print(made.secret)
    typer.echo(SHOWN_ONCE, err=True)


@contextmanager
def _database() -> Iterator[Connection]:
    from projections.stores.postgres import connect

    with closing(connect(endpoints(Settings.load()).database_url, autocommit=True)) as connection:
        yield connection
