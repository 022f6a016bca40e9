-- Background work: the ledger of runs, the models that daily training made, the summaries, announcements to be sent on.

-- One row a run.  What is due is decided here; the queues in Redis only carry it and may be lost at any time.
CREATE TABLE job_runs (
    job            text        NOT NULL,                -- as `personalize jobs list` names it
    run_key        text        NOT NULL,                -- what the run is for: a UTC day, an ISO week, an announcement; behind a slash: by hand
    queue          text        NOT NULL,                -- recommendation, analytics, training, notification
    state          text        NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed')),
    attempts       integer     NOT NULL DEFAULT 0,      -- begun so far; an older attempt can no longer finish
    due_at         timestamptz NOT NULL DEFAULT now(),  -- not begun before; moves with every failure
    enqueued_at    timestamptz,                         -- given to the queue last
    started_at     timestamptz,                         -- of the last attempt
    finished_at    timestamptz,
    rows_written   bigint,                              -- rows of the effect, which was committed together with this row
    error          text        NOT NULL DEFAULT '',     -- class of the last failure; never its text
    phase          text        NOT NULL DEFAULT '',     -- what the run is doing
    progress_done  bigint      NOT NULL DEFAULT 0,
    progress_total bigint      NOT NULL DEFAULT 0,      -- 0: not known
    PRIMARY KEY (job, run_key)
);
CREATE INDEX job_runs_open ON job_runs (due_at) WHERE state IN ('queued', 'running');

-- Models that batch training made: item-item weights, no learner in them.
CREATE TABLE model_artifact (
    version       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text        NOT NULL,                 -- ease, ridge, ...
    state         text        NOT NULL CHECK (state IN ('live', 'candidate', 'retired')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    trained_until timestamptz NOT NULL,                 -- events before this moment were learnt from, none after it
    events        bigint      NOT NULL,                 -- learnt from
    items         integer     NOT NULL,                 -- with a row
    metrics       jsonb       NOT NULL,                 -- on the hold-out behind trained_until
    promoted_at   timestamptz,                          -- last made live
    body          bytea       NOT NULL                  -- .npz, loaded without pickle
);
ALTER TABLE model_artifact ALTER body SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX model_artifact_live ON model_artifact (kind) WHERE state = 'live';

-- Activity of one UTC day, summed from hourly_activity; the newest days are summed again, as late events arrive.
CREATE TABLE daily_activity (
    day                date             NOT NULL,
    content_type_key   smallint         NOT NULL,
    interaction_type   smallint         NOT NULL,
    events             bigint           NOT NULL,
    clicks             bigint           NOT NULL,
    completions        bigint           NOT NULL,       -- events of type COMPLETE
    time_spent_seconds double precision NOT NULL,
    score_sum          double precision NOT NULL,       -- sum of event engagement scores, each in [0, 1]
    PRIMARY KEY (day, content_type_key, interaction_type)
);
-- The same of one week, Monday to Sunday.
CREATE TABLE weekly_activity (
    week               date             NOT NULL,       -- its Monday
    content_type_key   smallint         NOT NULL,
    interaction_type   smallint         NOT NULL,
    events             bigint           NOT NULL,
    clicks             bigint           NOT NULL,
    completions        bigint           NOT NULL,       -- events of type COMPLETE
    time_spent_seconds double precision NOT NULL,
    score_sum          double precision NOT NULL,       -- sum of event engagement scores, each in [0, 1]
    PRIMARY KEY (week, content_type_key, interaction_type)
);
-- How many learners who consent to analytics were active, by their own calendars.
CREATE TABLE active_learners (
    period    text    NOT NULL CHECK (period IN ('day', 'week')),
    first_day date    NOT NULL,
    active    integer NOT NULL,                         -- on at least one day of the period
    newcomers integer NOT NULL,                         -- active for the first time
    came_back integer NOT NULL,                         -- active in the period before, too
    PRIMARY KEY (period, first_day)
);

-- Announcements to be sent on by webhook, until they are delivered.
CREATE TABLE notification_delivery (
    event_id     text   PRIMARY KEY,                    -- the announcement's stable id
    learner_key  bigint NOT NULL REFERENCES learners ON DELETE CASCADE,
    body         bytea,                                 -- the CloudEvent as received; NULL once delivered
    received_at  timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz
);
CREATE INDEX notification_delivery_learner ON notification_delivery (learner_key);

CREATE VIEW reporting.job_runs AS
SELECT job, queue, state, count(*) AS runs, sum(attempts)::bigint AS attempts, max(finished_at) AS last_finished_at,
       avg(date_part('epoch', finished_at - started_at)) AS mean_seconds
FROM job_runs
GROUP BY job, queue, state;
COMMENT ON VIEW reporting.job_runs IS 'How does background work go?  Runs of each job by state, with attempts and mean time.';

CREATE VIEW reporting.models AS
SELECT version, kind, state, created_at, trained_until, events, items, metrics, promoted_at,
       octet_length(body) AS body_bytes
FROM model_artifact;
COMMENT ON VIEW reporting.models IS 'Which models were trained, how good were they on the hold-out, and which are live?';

CREATE VIEW reporting.active_learners AS
SELECT period, first_day,
       CASE WHEN active >= 5 THEN active END AS active,
       CASE WHEN newcomers >= 5 THEN newcomers END AS newcomers,
       CASE WHEN came_back >= 5 THEN came_back END AS came_back
FROM active_learners;
COMMENT ON VIEW reporting.active_learners IS
    'How many learners were active each day and week, how many for the first time?  Groups of fewer than 5 are left out.';
