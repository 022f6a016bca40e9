"""Which servers and which secret does a foreground process of the product get?  The settings and the stack decide."""

from __future__ import annotations

from personalize.errors import SettingsError
from personalize.settings import Settings
from personalize.stack import Endpoints, running
from personalize.stack.state import make_home, passwords


def endpoints(settings: Settings) -> Endpoints:
    """Where the servers are.

    Raises:
        StackError: the local stack does not run.
    """
    return running(settings)


def token_secret(settings: Settings) -> str:
    """What signs consistency tokens and keys the hash of ids in logs; generated once in PERSONALIZE_HOME if not set.

    Raises:
        SettingsError: the servers are external, so other machines may need the same secret, and none is set.
    """
    if settings.token_secret:
        return settings.token_secret
    if settings.stack == "external":
        raise SettingsError(
            "TOKEN_SECRET is not set, and the servers are external.",
            "set TOKEN_SECRET to the same value for every worker and API, for example from `openssl rand -hex 32`.",
        )
    return passwords(make_home(settings.home))["token"]
