"""Does the committed OpenAPI document say what the code does?  Writes ``schemas/openapi.json``.

python -m api.contract            write it
python -m api.contract --check    exit 1 when it differs, write nothing
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from api.app import handlers
from api.contract.document import document_text
from api.dependencies import ApiSettings, build
from api.recommendations import Lists

PATH = Path(__file__).resolve().parents[2] / "schemas" / "openapi.json"


def text() -> str:
    """What the file has to hold."""

    async def made() -> str:
        # Nothing is opened: the document needs the routes, and they need something to hold.
        settings = ApiSettings(
            database_url="",
            kafka_bootstrap_servers="127.0.0.1:1",
            token_secret="unused",  # noqa: S106
            migration_head="",
        )
        dependencies = build(settings)
        return document_text(handlers(dependencies, Lists(dependencies)))

    return asyncio.run(made())


def main(arguments: list[str]) -> int:
    """Writes the file, or with ``--check`` only compares it; returns the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m api.contract [--check]\n")
        return 2
    wanted = text()
    if PATH.exists() and PATH.read_text("utf-8") == wanted:
        return 0
    if arguments:
        sys.stderr.write(f"schemas/{PATH.name} differs from the routes; run `make schemas`.\n")
        return 1
    PATH.write_text(wanted, "utf-8")
    sys.stdout.write(f"schemas/{PATH.name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
