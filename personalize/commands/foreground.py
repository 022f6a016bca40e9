"""What does each long-running command do first? Logs, spans, and a port for its metrics."""

from __future__ import annotations

from personalize import telemetry
from personalize.settings import Settings
from personalize.stack import ports


def begin(settings: Settings, process: str) -> None:
    """Configures logs, and spans if they are wanted; ``process`` is the name of the service.

    Raises:
        CannotStartError: spans are wanted, and OpenTelemetry is not installed.
    """
    from personalize.logs import configure

    configure(settings.log_level, settings.log_format)
    telemetry.start(process)


def metrics_port(settings: Settings) -> int:
    """The port that was set for the metrics, or a free one; printed for whoever wants to read them."""
    port = settings.metrics_port or ports.choose(0, None, set(), "METRICS_PORT")
    print(f"metrics on http://{ports.LOOPBACK}:{port}/metrics", flush=True)
    return port
