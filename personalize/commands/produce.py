"""`personalize produce`: how does a file of interactions get into the topic?  Checked by line, then sent in batches.

A line that the schema refuses is reported with its number, the field and the reason, and is not sent; the others are.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from personalize.commands.options import Json
from personalize.commands.output import console, print_json
from personalize.connection import endpoints
from personalize.errors import EXIT_FAILED
from personalize.settings import Settings

app = typer.Typer(add_completion=False)
_MOST_SHOWN = 20


class Checked:
    """The records of a file, with the lines that were refused on the way."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self.refused: list[dict[str, str | int]] = []

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        from schemas.decode import decode_interaction
        from schemas.invalid import Invalid

        for number, line in enumerate(self._lines, start=1):
            value = line.strip()
            if not value:
                continue
            found = decode_interaction(value)
            if isinstance(found, Invalid):
                self.refused.append(
                    {"line": number, "field": found.pointer, "reason": found.reason_code.value, "detail": found.detail}
                )
            else:
                yield found.user_id.encode(), value


@app.command()
def command(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="One JSON object a line; none: standard input.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish interactions from an NDJSON file or standard input; exit code 1 if a line was refused."""
    servers = endpoints(Settings.load())
    if file is None:
        sent, refused = _publish(servers.kafka, sys.stdin.buffer)
    else:
        with file.open("rb") as lines:
            sent, refused = _publish(servers.kafka, lines)
    if as_json:
        print_json({"published": sent, "refused": refused})
    else:
        console.print(f"published {sent:,} interactions")
        for each in refused[:_MOST_SHOWN]:
            console.print(f"line {each['line']} refused: {each['field'] or 'the whole line'}: {each['detail']}")
        if len(refused) > _MOST_SHOWN:
            console.print(f"... and {len(refused) - _MOST_SHOWN:,} more")
    if refused:
        raise typer.Exit(EXIT_FAILED)


def _publish(bootstrap: str, lines: BinaryIO) -> tuple[int, list[dict[str, str | int]]]:
    from personalize.demo.bulk_producer import BulkProducer
    from schemas.topics import INTERACTIONS

    async def publish() -> tuple[int, list[dict[str, str | int]]]:
        checked = Checked(lines)
        async with BulkProducer(bootstrap) as producer:
            sent = await producer.write(INTERACTIONS.name, checked)
        return sent, checked.refused

    return asyncio.run(publish())
