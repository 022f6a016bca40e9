"""How fast and how well does the API answer?  The dashboard API: rate, errors and duration by route."""

from __future__ import annotations

from personalize.dashboards.panels import Dashboard, Metrics, Panel, Row, Rows, quantiles, stat

ERRORS = 'personalize_api_requests_total{status=~"5.."}'

API = Dashboard(
    name="api",
    title="API",
    says="Rate, errors and duration by route pattern; what waits inside.",
    hours=1,
    rows=[
        Row(
            "Now",
            [
                stat(
                    "Requests",
                    "A second.",
                    Metrics("sum(rate(personalize_api_requests_total[$__rate_interval]))"),
                    unit="reqps",
                ),
                stat(
                    "Server errors",
                    "Share of the answers with a 5xx status, last hour.",
                    Metrics(
                        f"(sum(increase({ERRORS}[1h])) or vector(0)) / sum(increase(personalize_api_requests_total[1h]))"
                    ),
                    unit="percentunit",
                    warn=0.001,
                    alarm=0.01,
                ),
                stat(
                    "99 % within",
                    "Of all requests, last 5 minutes.",
                    Metrics(
                        "histogram_quantile(0.99, sum by (le) (rate(personalize_api_request_duration_seconds_bucket[5m])))"
                    ),
                    unit="s",
                    warn=0.15,
                    alarm=1,
                ),
                stat("Being served", "Requests under way.", Metrics("sum(personalize_api_requests_in_flight)")),
                stat(
                    "Waiting readers",
                    "Reads that wait for a write to become visible.",
                    Metrics("sum(personalize_api_readers_waiting)"),
                ),
                stat(
                    "Stale answers",
                    "Reads answered before the write that they named was visible, since the start.",
                    Metrics("sum(personalize_api_stale_answers_total)"),
                ),
            ],
        ),
        Row(
            "Rate, errors, duration",
            [
                Panel(
                    title="Requests by route",
                    says="A second; unmatched: no such route.",
                    queries=[
                        Metrics(
                            "sum by (route, method) (rate(personalize_api_requests_total[$__rate_interval]))",
                            "{{method}} {{route}}",
                        )
                    ],
                    unit="reqps",
                    low=0,
                ),
                Panel(
                    title="Answers by status",
                    says="4xx are mistakes of callers, 5xx are ours or those of a server that is away.",
                    queries=[
                        Metrics(
                            "sum by (status) (rate(personalize_api_requests_total[$__rate_interval]))", "{{status}}"
                        )
                    ],
                    unit="reqps",
                    stacked=True,
                    low=0,
                ),
                Panel(
                    title="Duration",
                    says="Of all requests; those that ask to wait for their write are included.",
                    queries=quantiles("personalize_api_request_duration_seconds", "", (0.5, 0.95, 0.99)),
                    unit="s",
                    low=0,
                ),
                Panel(
                    title="Slowest routes",
                    says="99 % of the requests were faster, last 15 minutes.",
                    queries=[
                        Metrics(
                            "histogram_quantile(0.99, sum by (le, route, method) "
                            "(rate(personalize_api_request_duration_seconds_bucket[15m])))",
                            "{{method}} {{route}}",
                        )
                    ],
                    kind="table",
                    unit="s",
                    width=16,
                ),
                Panel(
                    title="Waiting for Postgres",
                    says="Reads that wait for a connection. Above 0 for long: more connections, or slow queries.",
                    queries=[Metrics("sum(personalize_api_postgres_requests_waiting)", "reads")],
                    low=0,
                ),
            ],
        ),
        Row(
            "Who may not",
            [
                Panel(
                    title="Refused for want of a right",
                    says="By route and reason; many of one kind: a caller without the right scope, or one who tries doors.",
                    queries=[
                        Rows(
                            "SELECT hour, route, reason, requests FROM reporting.access_denials "
                            "ORDER BY hour DESC, requests DESC LIMIT 100"
                        )
                    ],
                    kind="table",
                    width=12,
                ),
                Panel(
                    title="Waiting to be written down",
                    says="Entries of the audit log. Growing: Postgres does not take them.",
                    queries=[Metrics("sum(personalize_api_audit_entries_waiting)", "entries")],
                    width=6,
                    low=0,
                ),
                Panel(
                    title="Listeners",
                    says="Clients of the stream of changes; the live page has two.",
                    queries=[Metrics("sum(personalize_api_stream_clients)", "clients")],
                    width=6,
                    low=0,
                ),
            ],
        ),
        Row(
            "Writes and caches",
            [
                Panel(
                    title="Published",
                    says="Records acknowledged by Kafka, a second.",
                    queries=[
                        Metrics(
                            "sum by (topic) (rate(personalize_api_published_records_total[$__rate_interval]))",
                            "{{topic}}",
                        )
                    ],
                    unit="cps",
                    low=0,
                ),
                Panel(
                    title="Not acknowledged",
                    says="Records that Kafka has not acknowledged yet.",
                    queries=[Metrics("sum(personalize_api_records_in_flight)", "records")],
                    low=0,
                ),
                Panel(
                    title="Refused items",
                    says="Items of request bodies by what was wrong with them, since the start.",
                    queries=[Metrics("sum by (reason) (personalize_api_rejected_items_total)", "{{reason}}")],
                    low=0,
                ),
                Panel(
                    title="Answers by where they lay",
                    says="Profiles, skills, achievements, trending, analytics: in this process, in Redis, or nowhere (postgres).",
                    queries=[
                        Metrics(
                            "sum by (cache, level) (rate(personalize_api_cache_reads_total[$__rate_interval]))",
                            "{{cache}} {{level}}",
                        )
                    ],
                    unit="reqps",
                    low=0,
                ),
                Panel(
                    title="Lists that lay ready",
                    says="Share of the lists by where they lay. Low after a start of Redis, then it fills.",
                    queries=[
                        Metrics(
                            'sum by (source) (rate(personalize_api_lists_served_total{source=~"process|redis"}'
                            "[$__rate_interval])) / "
                            "scalar(sum(rate(personalize_api_lists_served_total[$__rate_interval])))",
                            "{{source}}",
                        )
                    ],
                    unit="percentunit",
                    low=0,
                    high=1,
                ),
                Panel(
                    title="Redis failures",
                    says="Batches of reads that Redis did not answer; Postgres answered instead.",
                    queries=[Metrics("sum(rate(personalize_api_redis_failures_total[$__rate_interval]))", "batches")],
                    unit="cps",
                    low=0,
                ),
                Panel(
                    title="Refused to wait",
                    says="Reads that found too many waiting and were answered at once, as stale.",
                    queries=[Metrics("sum(rate(personalize_api_readers_refused_total[$__rate_interval]))", "reads")],
                    unit="cps",
                    low=0,
                ),
            ],
        ),
    ],
)
