-- Analytics: what each learner did each day, sets of learners a day for exact distinct counts, and where the roll-up of
-- the log of record stands.  Written behind the worker, by the jobs process, from interaction_log.

-- What each learner did on each UTC day, of events folded with consent to analytics.
CREATE TABLE learner_day (
    learner_key         bigint           NOT NULL,
    day                 date             NOT NULL,      -- UTC day of the event time
    events              integer          NOT NULL,
    clicks              bigint           NOT NULL,
    completions         integer          NOT NULL,      -- events of type COMPLETE
    completion_rates    integer          NOT NULL,      -- events that stated a completion rate
    completion_rate_sum double precision NOT NULL,      -- sum of those rates
    time_spent_seconds  double precision NOT NULL,
    score_sum           double precision NOT NULL,      -- sum of event engagement scores, each in [0, 1]
    sessions            integer          NOT NULL DEFAULT 0,  -- visits that began on the day
    session_ms          bigint           NOT NULL DEFAULT 0,  -- sum of their lengths
    PRIMARY KEY (learner_key, day)
) WITH (fillfactor = 80);

-- The same summed over all learners, and how many they were.
CREATE TABLE daily_learners (
    day                 date             PRIMARY KEY,   -- UTC day of the event time
    active              integer          NOT NULL DEFAULT 0,  -- learners with an event
    newcomers           integer          NOT NULL DEFAULT 0,  -- learners whose first day it is
    completed           integer          NOT NULL DEFAULT 0,  -- learners with a completion
    events              bigint           NOT NULL DEFAULT 0,
    clicks              bigint           NOT NULL DEFAULT 0,
    completions         bigint           NOT NULL DEFAULT 0,
    completion_rates    bigint           NOT NULL DEFAULT 0,
    completion_rate_sum double precision NOT NULL DEFAULT 0,
    time_spent_seconds  double precision NOT NULL DEFAULT 0,
    score_sum           double precision NOT NULL DEFAULT 0,
    sessions            bigint           NOT NULL DEFAULT 0,
    session_ms          bigint           NOT NULL DEFAULT 0
);

-- Sets of learners by day, for exact distinct counts over any days: bit n of a chunk is learner_key chunk * 8192 + n.
CREATE TABLE learner_day_set (
    kind    smallint  NOT NULL,                         -- 0 active, 1 completed something
    day     date      NOT NULL,
    chunk   integer   NOT NULL,                         -- learner_key / 8192
    members bit(8192) NOT NULL,
    PRIMARY KEY (kind, day, chunk)
);
ALTER TABLE learner_day_set ALTER members SET STORAGE PLAIN;

-- Up to five learners of each cell of a day: whether a cell, or a union of cells, has five and may be shown.
CREATE TABLE cell_witness (
    day          date     NOT NULL,
    dimension    smallint NOT NULL,                     -- 0 content type, 1 interaction type, 2 hour of the day
    cell         integer  NOT NULL,                     -- content_type_key, InteractionType code, 0 to 23
    learner_keys bigint[] NOT NULL,                     -- the smallest, ascending
    PRIMARY KEY (day, dimension, cell)
);

-- Days whose sums in daily_activity and weekly_activity are behind hourly_activity.
CREATE TABLE dirty_day (
    day date PRIMARY KEY
);

-- How far the log of record is in these tables.
CREATE TABLE roll_up_position (
    only_row     boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    applied_seq  bigint      NOT NULL,                  -- all transactions up to it are in
    watermark_ms bigint      NOT NULL,                  -- newest event time folded [Unix ms]; 0 before any
    updated_at   timestamptz NOT NULL DEFAULT now()
);
INSERT INTO roll_up_position (applied_seq, watermark_ms) VALUES (0, 0);

CREATE INDEX learning_path_issued ON learning_path (issued_at);

CREATE VIEW reporting.daily_learners AS
SELECT day,
       CASE WHEN active >= 5 THEN active END AS active,
       CASE WHEN newcomers >= 5 THEN newcomers END AS newcomers,
       CASE WHEN completed >= 5 THEN completed END AS completed,
       CASE WHEN active >= 5 THEN events END AS events,
       CASE WHEN active >= 5 THEN completions END AS completions,
       CASE WHEN active >= 5 THEN time_spent_seconds END AS time_spent_seconds,
       CASE WHEN active >= 5 THEN sessions END AS sessions,
       CASE WHEN active >= 5 AND sessions > 0 THEN session_ms / 1000.0 / sessions END AS mean_session_seconds,
       CASE WHEN active >= 5 AND events > 0 THEN score_sum / events END AS mean_event_score
FROM daily_learners;
COMMENT ON VIEW reporting.daily_learners IS
    'How many learners were active each day (UTC), and how much did they do?  Groups of fewer than 5 are left out.';

CREATE VIEW reporting.roll_up AS
SELECT applied_seq, CASE WHEN watermark_ms > 0 THEN to_timestamp(watermark_ms / 1000.0) END AS watermark, updated_at,
       date_part('epoch', now() - updated_at) AS seconds_since_update
FROM roll_up_position;
COMMENT ON VIEW reporting.roll_up IS 'How far is analytics behind?  One row: the newest transaction and event time in it.';

SELECT grant_reporting();
