"""How is the worker doing?  Its Prometheus metrics: base units, no learner or content id as a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

FRESHNESS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
COMMIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

EVENTS = Counter("personalize_events_total", "Interactions folded.", ["interaction_type"])
DUPLICATES = Counter("personalize_duplicate_events_total", "Interactions dropped because their eventId was seen.")
CLAMPED = Counter("personalize_future_events_total", "Event times clamped to record time + 24 h.")
LATE = Counter("personalize_late_events_total", "Interactions that happened over an hour before they were published.")
DEAD_LETTERS = Counter("personalize_dead_letters_total", "Records that could not be used.", ["reason"])
MISROUTED = Counter("personalize_misrouted_records_total", "Records found in a wrong partition and sent to their own.")
COMMANDS = Counter("personalize_commands_total", "Commands carried out.")
CONTENTS = Counter("personalize_catalogue_changes_total", "Catalogue entries taken over.")
TRANSACTIONS = Counter("personalize_transactions_total", "Projection transactions committed.")
RETRIES = Counter("personalize_transaction_retries_total", "Projection transactions tried again after a passing fault.")
FENCED = Counter("personalize_fenced_partitions_total", "Slices dropped because another worker owns their partition.")
RESEEKS = Counter("personalize_lost_slices_total", "Slices that came behind the cursor and were read again.")
COMMIT_SECONDS = Histogram(
    "personalize_transaction_seconds", "Time of one projection transaction.", buckets=COMMIT_BUCKETS
)
FRESHNESS_SECONDS = Histogram(
    "personalize_freshness_seconds", "Record time to commit, of the oldest record of a poll.", buckets=FRESHNESS_BUCKETS
)
POLL_RECORDS = Histogram(
    "personalize_poll_records", "Records of one poll.", buckets=(1, 10, 50, 100, 500, 1_000, 5_000, 10_000, 20_000)
)
PARTITIONS = Gauge("personalize_assigned_partitions", "Partitions that this worker owns.")
LISTS_WRITTEN = Counter("personalize_lists_written_total", "Recommendation lists rewritten for touched learners.")
LISTS_WAITING = Gauge("personalize_lists_waiting", "Touched learners whose list waits for the next tick.")
OUTBOX_RELAYED = Counter("personalize_outbox_relayed_total", "Outbox records produced to Kafka.")
MIRROR_FAILURES = Counter(
    "personalize_mirror_failures_total", "Writes to Redis that failed; readers fall back to Postgres."
)

RECOMMENDATIONS_SHOWN = Counter(
    "personalize_recommendation_impressions_total",
    "Recommended items shown, each list's once however often it was served.",
    ["list_type", "arm"],
)
RECOMMENDATIONS_CLICKED = Counter(
    "personalize_recommendation_clicks_total", "Recommended items that the learner took up.", ["list_type", "arm"]
)
RECOMMENDATIONS_COMPLETED = Counter(
    "personalize_recommendation_conversions_total",
    "Recommended items that the learner completed.",
    ["list_type", "arm"],
)
