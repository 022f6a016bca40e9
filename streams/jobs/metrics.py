"""How does background work go?  Its Prometheus metrics: base units, no learner or content id as a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SECONDS_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800)

JOB_SECONDS = Histogram("personalize_job_seconds", "Time of one attempt.", ["job"], buckets=SECONDS_BUCKETS)
JOB_RUNS = Counter("personalize_job_attempts_total", "Attempts by how they ended.", ["job", "outcome"])
JOB_FAILURES = Counter("personalize_job_failures_total", "Attempts that failed.", ["job", "error"])
QUEUE_DEPTH = Gauge("personalize_job_queue_depth", "Messages that wait or are being worked on.", ["queue"])
RUNS_QUEUED = Counter("personalize_job_runs_queued_total", "Runs given to their queues.", ["job"])
NOTIFICATIONS_RECEIVED = Counter(
    "personalize_notifications_received_total", "Announcements taken over to be sent on.", ["topic"]
)
ROLLED_UP = Counter("personalize_roll_up_interactions_total", "Interactions folded into the roll-ups of analytics.")
ROLL_UP_SECONDS = Histogram("personalize_roll_up_seconds", "Time to catch up with the log.", buckets=SECONDS_BUCKETS)
MODEL_METRIC = Gauge("personalize_model_metric", "Live model on its hold-out.", ["kind", "metric"])
