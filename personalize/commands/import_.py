"""`personalize import`: how does what other systems have get into the topics?"""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from personalize.commands.options import Json
from personalize.commands.output import console, print_json
from personalize.connection import endpoints
from personalize.content_service import Pages
from personalize.errors import EXIT_FAILED, SettingsError
from personalize.settings import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True)
_MOST_SHOWN = 20


@app.callback()
def _root() -> None:
    """Bring in what other systems have."""


@app.command()
def content(
    address: Annotated[
        str | None, typer.Argument(help="First page of a content service; none: CONTENT_SERVICE_URL.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch the catalogue from a content service, page by page; exit code 1 if a piece was refused."""
    settings = Settings.load()
    found = address or settings.content_service_url
    if not found or not found.startswith(("http://", "https://")):
        raise SettingsError(
            "There is no content service to fetch from.", "CONTENT_SERVICE_URL=https://content.example.org/items"
        )
    pages = Pages(found, settings.content_service_token)
    try:
        sent = asyncio.run(publish(endpoints(settings).kafka, pages, quiet=as_json))
    finally:
        pages.close()
    if as_json:
        print_json({"published": sent, "pages": pages.pages, "refused": pages.refused})
    else:
        console.print(f"published {sent:,} pieces of content from {pages.pages:,} pages")
        for each in pages.refused[:_MOST_SHOWN]:
            where = each["field"] or "the whole piece"
            console.print(f"page {each['page']} item {each['item']} refused: {where}: {each['detail']}")
        if len(pages.refused) > _MOST_SHOWN:
            console.print(f"... and {len(pages.refused) - _MOST_SHOWN:,} more")
    if pages.refused:
        raise typer.Exit(EXIT_FAILED)


async def publish(bootstrap: str, pages: Pages, *, quiet: bool) -> int:
    """Publishes every page to the topic `catalogue`; returns how many pieces."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from personalize.demo.bulk_producer import BulkProducer
    from schemas.topics import CATALOGUE

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=quiet, transient=True) as progress:
        task = progress.add_task("asking the content service")
        sent = 0
        async with BulkProducer(bootstrap) as producer:
            while (records := await asyncio.to_thread(pages.next)) is not None:
                # A page is in the log before the next one is asked for: what fails later takes nothing back.
                sent += await producer.write(CATALOGUE.name, records)
                progress.update(task, description=f"{sent:,} pieces in the log, {pages.pages:,} pages fetched")
        return sent
