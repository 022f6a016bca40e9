"""Does a process make OpenTelemetry spans?  Only when the standard OTEL_* variables name an exporter."""

from __future__ import annotations

from personalize.errors import CannotStartError
from personalize.settings import traces_wanted


def start(process: str) -> None:
    """Turns spans on if they are wanted.

    Args:
        process: name of the service, unless ``OTEL_SERVICE_NAME`` says otherwise.

    Raises:
        CannotStartError: OpenTelemetry is not installed.
    """
    if not traces_wanted():
        return
    from projections import tracing

    try:
        tracing.start(process)
    except ImportError as error:
        raise CannotStartError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {error.name} is not installed.",
            "install the extra (`pip install 'personalize[opentelemetry]'`), or unset the variable.",
        ) from error
