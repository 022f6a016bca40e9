"""How does a command tell a person what went wrong and what to do about it?  By these errors and exit codes."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1  # a check failed, or a start failed for a reason that may pass
EXIT_USAGE = 2  # the command line or a setting is wrong; trying again cannot help
EXIT_CRASHED = 70  # a worker met something it does not know; its supervisor starts it again
EXIT_DEAD_LETTER_LIMIT = 78  # too many records are undecodable: a person has to look


class ProblemError(Exception):
    """Something a person can put right: one sentence that says what, one that says how."""

    exit_code = EXIT_FAILED

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what} Fix: {fix}")
        self.what = what
        self.fix = fix


class SettingsError(ProblemError, ValueError):
    """A setting is missing or has a value that cannot be used."""

    exit_code = EXIT_USAGE


class CannotStartError(ProblemError):
    """A process lacks something that no restart will bring."""

    exit_code = EXIT_USAGE


class StackError(ProblemError):
    """A server of the local stack could not be found, started or reached."""
