"""Is the stream keeping up, is anything lost, and what waits?  The dashboard Pipeline."""

from __future__ import annotations

from personalize.dashboards.panels import Dashboard, Metrics, Panel, Row, Rows, quantiles, stat

SUMMARY = Row(
    "Is it keeping up?",
    [
        stat(
            "Lag",
            "Records that are published and not folded yet. Grows while a worker is down or too slow.",
            Metrics('sum(kafka_consumergroup_lag{consumergroup="personalize-worker"})'),
            warn=10_000,
            alarm=100_000,
        ),
        stat(
            "Lag in time",
            "How long the oldest record that is not folded has been waiting.",
            Metrics('max(kafka_consumergroup_lag_seconds{consumergroup="personalize-worker"})'),
            unit="s",
            warn=10,
            alarm=60,
        ),
        stat(
            "Freshness, 99 %",
            "From publication to commit, of the oldest record of a poll.",
            Metrics("histogram_quantile(0.99, sum by (le) (rate(personalize_freshness_seconds_bucket[5m])))"),
            unit="s",
            warn=1,
            alarm=10,
        ),
        stat(
            "Events",
            "Interactions folded a second.",
            Metrics("sum(rate(personalize_events_total[$__rate_interval]))"),
            unit="cps",
        ),
        stat(
            "Dead letters",
            "Share of the records that could not be used, last hour. Above DEAD_LETTER_MAX_SHARE a worker stops.",
            Metrics(
                "sum(increase(personalize_dead_letters_total[1h])) / sum(increase(personalize_poll_records_sum[1h]))"
            ),
            unit="percentunit",
            warn=0.01,
            alarm=0.05,
        ),
        stat(
            "Processes up",
            "Processes that answered the last scrape, by kind.",
            Metrics("sum by (job) (up)", "{{job}}"),
        ),
    ],
)

THROUGHPUT = Row(
    "What comes in",
    [
        Panel(
            title="Events by type",
            says="Interactions folded a second.",
            queries=[
                Metrics(
                    "sum by (interaction_type) (rate(personalize_events_total[$__rate_interval]))",
                    "{{interaction_type}}",
                )
            ],
            unit="cps",
            stacked=True,
            low=0,
        ),
        Panel(
            title="Records processed",
            says="By topic and minute, as the audit of applied ranges has it; commands and the catalogue included.",
            queries=[
                Rows(
                    'SELECT minute AS "time", topic AS metric, sum(delivered)::double precision AS records '
                    "FROM reporting.throughput WHERE $__timeFilter(minute) AND projection = 'worker' "
                    "GROUP BY 1, 2 ORDER BY 1",
                    over_time=True,
                )
            ],
            low=0,
        ),
        Panel(
            title="Records published",
            says="How fast the topics grow.",
            queries=[
                Metrics(
                    "sum by (topic) (rate(kafka_topic_partition_current_offset[$__rate_interval]))",
                    "{{topic}}",
                )
            ],
            unit="cps",
            low=0,
        ),
        Panel(
            title="Transaction time",
            says="Of one poll. Slow: look at Postgres, then at the size of polls.",
            queries=quantiles("personalize_transaction_seconds"),
            unit="s",
            low=0,
        ),
        Panel(
            title="Freshness",
            says="From publication to commit, of the oldest record of a poll.",
            queries=quantiles("personalize_freshness_seconds", shares=(0.5, 0.95, 0.99)),
            unit="s",
            low=0,
            alarm=10,
        ),
        Panel(
            title="Records of a poll",
            says="Mean. Large polls mean a backlog; they are also how a backlog is worked off quickly.",
            queries=[
                Metrics(
                    "sum(rate(personalize_poll_records_sum[$__rate_interval])) / "
                    "sum(rate(personalize_poll_records_count[$__rate_interval]))",
                    "records",
                )
            ],
            low=0,
        ),
    ],
)

LAG = Row(
    "Lag",
    [
        Panel(
            title="Lag by group and topic",
            says="Records that are not dealt with.",
            queries=[Metrics("sum by (consumergroup, topic) (kafka_consumergroup_lag)")],
            low=0,
        ),
        Panel(
            title="Lag by partition",
            says="Of the worker on interactions. One high partition: a learner or a key with very many events.",
            queries=[
                Metrics(
                    'max by (partition) (kafka_consumergroup_lag{consumergroup="personalize-worker",'
                    'topic="interactions"})',
                    "{{partition}}",
                )
            ],
            low=0,
        ),
        Panel(
            title="Lag in time by group",
            says="How long the oldest record that is not dealt with has been waiting.",
            queries=[Metrics("max by (consumergroup) (kafka_consumergroup_lag_seconds)", "{{consumergroup}}")],
            unit="s",
            low=0,
        ),
        Panel(
            title="Partitions",
            says="Where each fold stands: next offset, newest event time, when it last moved.",
            queries=[
                Rows(
                    "SELECT projection, topic, part, next_offset, watermark, seconds_since_update "
                    "FROM reporting.pipeline ORDER BY projection, topic, part"
                )
            ],
            kind="table",
            width=16,
            units={"seconds_since_update": "s"},
        ),
        Panel(
            title="Partitions owned",
            says="By worker. Together they own all partitions of the three topics; fewer means a rebalance is under way.",
            queries=[Metrics("sum by (instance) (personalize_assigned_partitions)", "{{instance}}")],
            low=0,
        ),
    ],
)

CORRECTNESS = Row(
    "What was dropped, mended or tried again",
    [
        Panel(
            title="Duplicates, late and future events",
            says="Duplicates are dropped, late events are folded where they belong, future ones are clamped.",
            queries=[
                Metrics("sum(rate(personalize_duplicate_events_total[$__rate_interval]))", "duplicates"),
                Metrics("sum(rate(personalize_late_events_total[$__rate_interval]))", "late"),
                Metrics("sum(rate(personalize_future_events_total[$__rate_interval]))", "in the future"),
                Metrics("sum(rate(personalize_misrouted_records_total[$__rate_interval]))", "in a wrong partition"),
            ],
            unit="cps",
            low=0,
        ),
        Panel(
            title="Dead letters by reason",
            says="Records that could not be used, since the start. The table beside it says which field was wrong.",
            queries=[Metrics("sum by (reason) (personalize_dead_letters_total)", "{{reason}}")],
            low=0,
        ),
        Panel(
            title="Dead letters, newest",
            says="What was wrong with them, and whose they were where the producer said so.",
            queries=[
                Rows(
                    "SELECT hour, topic, reason, pointer, producer, records FROM reporting.dead_letters "
                    "ORDER BY hour DESC, records DESC LIMIT 50"
                )
            ],
            kind="table",
        ),
        Panel(
            title="Tried again",
            says="Transactions after a passing fault of Postgres, ticks of the recommender, writes to Redis that failed.",
            queries=[
                Metrics("sum(rate(personalize_transaction_retries_total[$__rate_interval]))", "transactions"),
                Metrics("sum(rate(personalize_recommender_retries_total[$__rate_interval]))", "recommender"),
                Metrics("sum(rate(personalize_mirror_failures_total[$__rate_interval]))", "Redis"),
            ],
            unit="cps",
            low=0,
        ),
        Panel(
            title="Fences",
            says="Slices dropped because another worker owns the partition, or read again: normal in a rebalance only.",
            queries=[
                Metrics("sum(increase(personalize_fenced_partitions_total[$__rate_interval]))", "fenced"),
                Metrics("sum(increase(personalize_lost_slices_total[$__rate_interval]))", "read again"),
            ],
            low=0,
        ),
        Panel(
            title="Outbox",
            says="Unlocks, milestones and dead letters on their way to Kafka. Growing: the relay or Kafka is stuck.",
            queries=[
                Metrics("max(personalize_outbox_records)", "records"),
                Metrics("max(personalize_outbox_oldest_age_seconds)", "age of the oldest [s]"),
                Metrics("sum(rate(personalize_outbox_relayed_total[$__rate_interval]))", "relayed a second"),
            ],
            low=0,
        ),
    ],
)

BACKGROUND = Row(
    "Background work",
    [
        Panel(
            title="Queues",
            says="Messages that wait or are being worked on.",
            queries=[Metrics("max by (queue) (personalize_job_queue_depth)", "{{queue}}")],
            low=0,
        ),
        Panel(
            title="Overdue",
            says="How long the run that waits longest has been due, by queue.",
            queries=[Metrics("max by (queue) (personalize_job_queue_overdue_seconds)", "{{queue}}")],
            unit="s",
            low=0,
        ),
        Panel(
            title="Time of an attempt",
            says="Mean by job, since the start.",
            queries=[
                Metrics(
                    "sum by (job_name) (personalize_job_seconds_sum) / sum by (job_name) (personalize_job_seconds_count)",
                    "{{job_name}}",
                )
            ],
            unit="s",
            low=0,
        ),
        Panel(
            title="Runs",
            says="By job and state; failed ones say why in `personalize jobs list`.",
            queries=[
                Rows(
                    "SELECT job, queue, state, runs, attempts, last_finished_at, mean_seconds "
                    "FROM reporting.job_runs ORDER BY job, state"
                )
            ],
            kind="table",
            width=16,
            units={"mean_seconds": "s"},
        ),
        Panel(
            title="Announcements not sent on",
            says="Unlocks and milestones that wait for the webhook.",
            queries=[Metrics("max(personalize_notifications_undelivered)", "waiting")],
            low=0,
        ),
        Panel(
            title="Analytics",
            says="How long ago its roll-ups moved last; they follow the log of record.",
            queries=[Rows("SELECT seconds_since_update FROM reporting.roll_up")],
            kind="stat",
            unit="s",
            warn=60,
            alarm=600,
        ),
    ],
)

PROCESSES = Row(
    "Processes",
    [
        Panel(
            title="Processor time",
            says="Cores used, by kind of process.",
            queries=[Metrics("sum by (job) (rate(process_cpu_seconds_total[$__rate_interval]))", "{{job}}")],
            low=0,
        ),
        Panel(
            title="Memory",
            says="Resident, by kind of process.",
            queries=[Metrics("sum by (job) (process_resident_memory_bytes)", "{{job}}")],
            unit="bytes",
            low=0,
        ),
        Panel(
            title="Open files",
            says="Sockets included; growing without an end: a leak.",
            queries=[Metrics("sum by (job) (process_open_fds)", "{{job}}")],
            low=0,
        ),
    ],
)

PIPELINE = Dashboard(
    name="pipeline",
    title="Pipeline",
    says="From Kafka to the read models: lag, freshness, throughput, what was refused, what waits.",
    rows=[SUMMARY, THROUGHPUT, LAG, CORRECTNESS, BACKGROUND, PROCESSES],
    hours=1,
)
