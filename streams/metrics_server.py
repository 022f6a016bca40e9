"""Where does Prometheus scrape a process of the streams?  At /metrics on a port of its own."""

from __future__ import annotations

from prometheus_client import disable_created_metrics, start_http_server


def serve_metrics(host: str, port: int) -> None:
    """Serves this process's metrics from a thread; port 0 serves none."""
    if port:
        # A series more for every counter and histogram, which Prometheus tells from restarts anyway.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        start_http_server(port, addr=host)
