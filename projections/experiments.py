"""Which experiments are there, and who was served what?  Tables ``experiment`` and ``experiment_exposure``.

Definitions are put by people and read by every API process.  An exposure is the first time that a learner was really
served by a variation, as the topic ``impressions`` tells; only learners who agree to experiments are noted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import LiteralString

import msgspec
import numpy as np

from models.columns import CONSENT_ANALYTICS, CONSENT_EXPERIMENT
from models.experiments.report import Outcomes
from projections.stores.postgres import Connection
from schemas.event_time import epoch_ms
from schemas.experiments import Experiment, Metric, decode
from schemas.impressions import ImpressionServed

PUT: LiteralString = """
INSERT INTO experiment (key, state, definition) VALUES (%(key)s, %(state)s, %(definition)s::jsonb)
ON CONFLICT (key) DO UPDATE SET state = excluded.state, definition = excluded.definition, updated_at = now()
"""
ALL: LiteralString = "SELECT definition::text FROM experiment ORDER BY key"
RUNNING: LiteralString = "SELECT definition::text FROM experiment WHERE state = 'running' ORDER BY key"
ONE: LiteralString = "SELECT definition::text FROM experiment WHERE key = %(key)s"
EXPOSE: LiteralString = """
INSERT INTO experiment_exposure AS old (experiment, learner_key, variation, first_at, applied_seq)
SELECT DISTINCT ON (new.experiment, l.learner_key) new.experiment, l.learner_key, new.variation, new.at, %(applied_seq)s
FROM unnest(%(users)s::text[], %(experiments)s::text[], %(variations)s::text[], %(at)s::timestamptz[])
     AS new (user_id, experiment, variation, at)
JOIN learners l ON l.user_id = new.user_id AND l.consent & %(consent)s <> 0
ORDER BY new.experiment, l.learner_key, new.at
ON CONFLICT (experiment, learner_key) DO UPDATE SET
    mixed = old.mixed OR old.variation <> excluded.variation,
    variation = CASE WHEN excluded.first_at < old.first_at THEN excluded.variation ELSE old.variation END,
    first_at = least(old.first_at, excluded.first_at), applied_seq = excluded.applied_seq
WHERE old.variation <> excluded.variation OR excluded.first_at < old.first_at
"""
FORGET: tuple[LiteralString, ...] = ("DELETE FROM experiment_exposure WHERE learner_key = %(learner_key)s",)
BEFORE_DAYS = 28
# A row an exposed learner: what he did from the day of his first exposure on, and in the days before.
OUTCOMES: LiteralString = """
SELECT x.variation, now_d.active_days, now_d.events, now_d.completions, now_d.time_spent_seconds, now_d.sessions,
       now_d.score_sum, past_d.active_days, past_d.events, past_d.completions, past_d.time_spent_seconds,
       past_d.sessions, past_d.score_sum
FROM experiment_exposure x
JOIN learners l ON l.learner_key = x.learner_key AND l.consent & %(consent)s = %(consent)s
CROSS JOIN LATERAL (SELECT (x.first_at AT TIME ZONE 'UTC')::date AS day) AS first
CROSS JOIN LATERAL (
    SELECT count(*)::float8 AS active_days, coalesce(sum(d.events), 0)::float8 AS events,
           coalesce(sum(d.completions), 0)::float8 AS completions,
           coalesce(sum(d.time_spent_seconds), 0)::float8 AS time_spent_seconds,
           coalesce(sum(d.sessions), 0)::float8 AS sessions, coalesce(sum(d.score_sum), 0)::float8 AS score_sum
    FROM learner_day d
    WHERE d.learner_key = x.learner_key AND d.day >= first.day AND d.day < first.day + %(horizon_days)s) AS now_d
CROSS JOIN LATERAL (
    SELECT count(*)::float8 AS active_days, coalesce(sum(d.events), 0)::float8 AS events,
           coalesce(sum(d.completions), 0)::float8 AS completions,
           coalesce(sum(d.time_spent_seconds), 0)::float8 AS time_spent_seconds,
           coalesce(sum(d.sessions), 0)::float8 AS sessions, coalesce(sum(d.score_sum), 0)::float8 AS score_sum
    FROM learner_day d
    WHERE d.learner_key = x.learner_key AND d.day < first.day AND d.day >= first.day - %(before_days)s) AS past_d
WHERE x.experiment = %(key)s AND NOT x.mixed
"""
WILLING: LiteralString = "SELECT count(*) FROM learners WHERE consent & %(consent)s = %(consent)s"
MIXED: LiteralString = "SELECT count(*) FROM experiment_exposure WHERE experiment = %(key)s AND mixed"
METRICS = (
    Metric.ACTIVE_DAYS,
    Metric.EVENTS,
    Metric.COMPLETIONS,
    Metric.TIME_SPENT_SECONDS,
    Metric.SESSIONS,
    Metric.ENGAGEMENT,
)
"""In the order of the columns of OUTCOMES."""


def put(connection: Connection, experiment: Experiment) -> None:
    """Stores a definition; a running experiment's weights should not change, or learners are mixed."""
    definition = msgspec.json.encode(experiment).decode()
    connection.execute(PUT, {"key": experiment.key, "state": experiment.state, "definition": definition})


def find(connection: Connection, key: str) -> Experiment | None:
    """The definition of that key."""
    row = connection.execute(ONE, {"key": key}).fetchone()
    return decode(row[0]) if row else None


def all_of(connection: Connection) -> list[Experiment]:
    """Every definition, by key."""
    return [decode(row[0]) for row in connection.execute(ALL).fetchall()]


def willing(connection: Connection) -> int:
    """How many learners agree to experiments and to analytics, and so can take part and be counted."""
    row = connection.execute(WILLING, {"consent": CONSENT_EXPERIMENT | CONSENT_ANALYTICS}).fetchone()
    return int(row[0]) if row else 0


def expose(connection: Connection, served: Sequence[ImpressionServed], applied_seq: int) -> None:
    """Notes first exposures, inside the caller's transaction; free of order and repetition."""
    rows = [
        (message.user_id, experiment, variation, epoch_ms(message.served_at))
        for message in served
        for experiment, variation in message.experiments.items()
    ]
    if not rows:
        return
    users, experiments, variations, at_ms = zip(*rows, strict=True)
    connection.execute(
        EXPOSE,
        {
            "users": list(users),
            "experiments": list(experiments),
            "variations": list(variations),
            "at": [dt.datetime.fromtimestamp(each / 1000, dt.UTC) for each in at_ms],
            "consent": CONSENT_EXPERIMENT,
            "applied_seq": applied_seq,
        },
    )


def outcomes(connection: Connection, experiment: Experiment) -> Outcomes:
    """What exposed learners did, as columns; learners who withdrew their consent are left out."""
    asked = {
        "key": experiment.key,
        "horizon_days": experiment.horizon_days,
        "before_days": BEFORE_DAYS,
        "consent": CONSENT_EXPERIMENT | CONSENT_ANALYTICS,
    }
    rows = connection.execute(OUTCOMES, asked).fetchall()
    mixed = connection.execute(MIXED, asked).fetchone()
    names = [variation.name for variation in experiment.variations]
    known = [row for row in rows if row[0] in names]
    table = np.array([row[1:] for row in known], np.float64).reshape(len(known), 2 * len(METRICS))
    return Outcomes(
        variation=np.array([names.index(row[0]) for row in known], np.int64),
        values={metric.value: table[:, place] for place, metric in enumerate(METRICS)},
        before={metric.value: table[:, len(METRICS) + place] for place, metric in enumerate(METRICS)},
        mixed=int(mixed[0]) if mixed else 0,
    )
