"""Which variables does a `.env` file set?"""

from __future__ import annotations

from pathlib import Path

from personalize.errors import SettingsError


def read_dotenv(path: Path) -> dict[str, str]:
    """The `NAME=value` lines of a `.env` file; `#` lines and quotes around a value are dropped; {} without a file.

    Raises:
        SettingsError: naming the line that is no assignment.
    """
    if not path.is_file():
        return {}
    values: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingsError(f"{path}:{number} is no assignment.", "write NAME=value, or start the line with #.")
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[name.strip()] = value
    return values
