"""How does background work go?  Its Prometheus metrics: base units, no learner or content id as a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SECONDS_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800)

JOB_SECONDS = Histogram("personalize_job_seconds", "Time of one attempt.", ["job_name"], buckets=SECONDS_BUCKETS)
JOB_RUNS = Counter("personalize_job_attempts_total", "Attempts by how they ended.", ["job_name", "outcome"])
JOB_FAILURES = Counter("personalize_job_failures_total", "Attempts that failed.", ["job_name", "error"])
QUEUE_DEPTH = Gauge("personalize_job_queue_depth", "Messages that wait or are being worked on.", ["queue"])
RUNS_QUEUED = Counter("personalize_job_runs_queued_total", "Runs given to their queues.", ["job_name"])
NOTIFICATIONS_RECEIVED = Counter(
    "personalize_notifications_received_total", "Announcements taken over to be sent on.", ["topic"]
)
ROLLED_UP = Counter("personalize_roll_up_interactions_total", "Interactions folded into the roll-ups of analytics.")
ROLL_UP_SECONDS = Histogram("personalize_roll_up_seconds", "Time to catch up with the log.", buckets=SECONDS_BUCKETS)
MODEL_METRIC = Gauge("personalize_model_metric", "Live model on its hold-out.", ["kind", "metric"])

EXPERIMENTS = Gauge("personalize_experiments", "Experiments under way, by what their report says.", ["verdict"])
GUARDRAILS = Gauge("personalize_experiment_guardrails", "Guardrails of experiments, by how they stand.", ["state"])
OF_EXPERIMENTS = (EXPERIMENTS, GUARDRAILS)
"""Gauges that only the process that writes the reports may show."""

# What `streams.jobs.watch` sees.  kafka_*: names and labels of kafka_exporter.
_OF_GROUP = ["consumergroup", "topic", "partition"]
GROUP_OFFSET = Gauge("kafka_consumergroup_current_offset", "First offset that the group has not dealt with.", _OF_GROUP)
GROUP_LAG = Gauge("kafka_consumergroup_lag", "Records that the group has not dealt with.", _OF_GROUP)
GROUP_LAG_SECONDS = Gauge(
    "kafka_consumergroup_lag_seconds", "How long the oldest record not dealt with has been waiting.", _OF_GROUP
)
TOPIC_END = Gauge(
    "kafka_topic_partition_current_offset", "Offset that the next record will get.", ["topic", "partition"]
)
TOPIC_START = Gauge("kafka_topic_partition_oldest_offset", "Offset of the oldest record kept.", ["topic", "partition"])
OUTBOX_RECORDS = Gauge("personalize_outbox_records", "Records in the outbox, not yet produced to Kafka.")
OUTBOX_AGE = Gauge("personalize_outbox_oldest_age_seconds", "Age of the oldest record in the outbox.")
QUEUE_OVERDUE = Gauge(
    "personalize_job_queue_overdue_seconds", "How long the run that waits longest has been due.", ["queue"]
)
UNDELIVERED = Gauge("personalize_notifications_undelivered", "Announcements that are not sent on yet.")
WATCHED = Gauge("personalize_watch_timestamp_seconds", "When lag and backlogs were measured last, Unix time.")
OF_WATCH = (GROUP_OFFSET, GROUP_LAG, GROUP_LAG_SECONDS, TOPIC_END, TOPIC_START, QUEUE_OVERDUE)
"""Gauges with labels that only the process that watches may show."""
