"""What do the settings say of themselves? The lines of `config show`, `.env.example` and one page of docs.

`python -m personalize.settings_reference` (make config-docs) writes the two files; a test fails when they are stale.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from personalize.settings import MASK, Settings

_ROOT: Final = Path(__file__).resolve().parents[1]

_PAGE_HEAD: Final = """\
# Configuration

Every setting is an environment variable. The order of precedence: the environment, then a `.env` file in the working
directory (copy `.env.example`), then the default. An empty value counts as unset.

`personalize config show` prints each setting with its value and where the value came from, secrets masked; `--json`
adds what each means. A value that cannot be used stops the command with exit code 2 and names the variable and the fix.

What the models compute is not configurable: half-lives, weights and limits of folds are constants beside their
formulas, because a replay of the log must give the same result everywhere.

This page is generated from `personalize/settings.py` by `make config-docs`.

| variable | default | meaning |
|---|---|---|
"""

_PAGE_TAIL: Final = """
## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | a check failed, or a start failed for a reason that may pass; supervisors start again |
| 2 | the command line or a setting is wrong; starting again cannot help |
| 70 | a worker met something it does not know; supervisors start it again |
| 78 | the share of undecodable records is above DEAD_LETTER_MAX_SHARE; a person has to look |
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of `personalize config show`."""

    variable: str
    value: str
    source: str
    doc: str


def described(settings: Settings) -> list[Shown]:
    """Every setting with its value (secrets masked), its source and its meaning, in declaration order."""
    lines = []
    for item in fields(settings):
        if "variable" not in item.metadata:
            continue
        value = getattr(settings, item.name)
        text = "" if value is None else ",".join(value) if isinstance(value, tuple) else str(value)
        lines.append(
            Shown(
                variable=item.metadata["variable"],
                value=MASK if text and item.metadata["secret"] else text,
                source=settings.sources.get(item.name, "default"),
                doc=item.metadata["doc"],
            )
        )
    return lines


def _default(value: object) -> str:
    return "" if value in {None, ()} else str(value)


def env_example() -> str:
    """The text of `.env.example`: every setting with its meaning, commented out at its default."""
    lines = [
        "# Every setting of the product, at its default. Copy to .env and uncomment what you change.",
        "# Generated from personalize/settings.py by `make config-docs`; docs/configuration.md says more.",
    ]
    for item in fields(Settings):
        if "variable" in item.metadata:
            lines += ["", *(f"# {line}" for line in textwrap.wrap(item.metadata["doc"], 100))]
            lines.append(f"#{item.metadata['variable']}={_default(item.default)}")
    return "\n".join(lines) + "\n"


def configuration_page() -> str:
    """The text of docs/configuration.md."""
    rows = []
    for item in fields(Settings):
        if "variable" in item.metadata:
            default = _default(item.default)
            shown = f"`{default}`" if default else "unset"
            secret = " Secret." if item.metadata["secret"] else ""
            rows.append(f"| `{item.metadata['variable']}` | {shown} | {item.metadata['doc']}{secret} |")
    return _PAGE_HEAD + "\n".join(rows) + "\n" + _PAGE_TAIL


if __name__ == "__main__":
    (_ROOT / ".env.example").write_text(env_example(), encoding="utf-8")
    (_ROOT / "docs" / "configuration.md").write_text(configuration_page(), encoding="utf-8")
