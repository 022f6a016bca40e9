"""How is the recommender doing?  Its Prometheus metrics: base units, no learner or content id as a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from streams.metrics import FRESHNESS_BUCKETS

_STEP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

EVENTS = Counter("personalize_recommender_events_total", "Events taken over, before visits are told apart.")
COUNTED = Counter("personalize_recommender_counted_total", "Visits counted in the item tables.")
DUPLICATES = Counter("personalize_recommender_duplicates_total", "Events dropped because their eventId was seen.")
JUDGED = Counter("personalize_recommender_judged_total", "Visits ranked before they were counted, and learnt from.")
LISTS = Counter("personalize_recommender_lists_total", "Lists written.")
LIST_SECONDS = Counter("personalize_recommender_list_seconds_total", "Time spent on making and writing lists.")
RANK_SECONDS = Counter("personalize_recommender_rank_seconds_total", "Time of it spent on scoring candidates.")
FOLD_SECONDS = Counter("personalize_recommender_fold_seconds_total", "Time spent on counting and learning.")
TICK_SECONDS = Histogram("personalize_recommender_tick_seconds", "Time of one tick.", buckets=_STEP_BUCKETS)
FRESHNESS_SECONDS = Histogram(
    "personalize_recommender_freshness_seconds",
    "Publication of the oldest event of a tick to its learner's list being written.",
    buckets=FRESHNESS_BUCKETS,
)
WAITING = Gauge("personalize_recommender_waiting_events", "Events read that are not folded yet.")
PENDING = Gauge("personalize_recommender_pending_lists", "Touched learners whose list waits for a tick.")
LEARN_SHARE = Gauge("personalize_recommender_learn_share", "Share of the events that the blend learns from.")
SNAPSHOTS = Counter("personalize_recommender_snapshots_total", "Snapshots stored.")
SNAPSHOT_BYTES = Gauge("personalize_recommender_snapshot_bytes", "Bytes written by the last snapshot.")
SNAPSHOT_SECONDS = Histogram(
    "personalize_recommender_snapshot_seconds", "Time of one snapshot, off the hot path.", buckets=_STEP_BUCKETS
)
MEMORY_BYTES = Gauge("personalize_recommender_state_bytes", "Bytes of all tables.")
ITEMS = Gauge("personalize_recommender_items", "Items with events.")
HIT_RATE = Gauge("personalize_recommender_hit_rate_at_10", "Fading mean of HR@10 of the served lists.", ["window"])
NDCG = Gauge("personalize_recommender_ndcg_at_10", "Fading mean of NDCG@10 of the served lists.", ["window"])
EVALUATIONS = Counter("personalize_recommender_evaluations_total", "Prequential evaluations.", ["source", "session"])
HITS = Counter(
    "personalize_recommender_hits_total", "Evaluations with the next item in the first 10.", ["source", "session"]
)
NDCG_SUM = Counter("personalize_recommender_ndcg_sum_total", "Sum of NDCG@10.", ["source", "session"])
DRIFT = Gauge("personalize_recommender_drift", "1 while the lists are worse than chance explains.")
COVERAGE = Gauge("personalize_recommender_coverage_at_10", "Share of the items among the first 10 of the last lists.")
POPULARITY_BIAS = Gauge(
    "personalize_recommender_popularity_bias", "Events of what is shown over events of what is taken; 1: alike."
)
DAMPING = Gauge("personalize_recommender_popularity_damping", "What the most popular item loses, to hold coverage.")
MIRROR_FAILURES = Counter("personalize_recommender_mirror_failures_total", "Writes to Redis that failed.")
RETRIES = Counter("personalize_recommender_retries_total", "Ticks tried again after a passing fault of the database.")

ATTEMPTS = Counter("personalize_learner_model_attempts_total", "Attempts that difficulty and weights learnt from.")
MODEL_VERSION = Gauge("personalize_learner_model_version", "Version of difficulty and weights published last.")
MODEL_QUALITY = Gauge(
    "personalize_learner_model_quality",
    "Of predictions between the last two versions, each made before its outcome: auc, log_loss, calibration_error.",
    ["measure"],
)
