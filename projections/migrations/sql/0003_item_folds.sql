-- What learners like, what is popular, when the platform is used, which achievements they hold, what to recommend.

-- Likes and dislikes of one item by one learner, forward-decayed with a half-life of 30 days (models/preferences.py):
-- the weight at time t is exp(log_positive - (t - 2020-01-01) ln 2 / 30 d).  -Infinity is an empty sum.
CREATE TABLE preference (
    learner_key  bigint           NOT NULL,
    item_key     bigint           NOT NULL,
    log_positive double precision NOT NULL,
    log_negative double precision NOT NULL,
    last_at      timestamptz      NOT NULL,
    events       integer          NOT NULL,
    completions  integer          NOT NULL,   -- events that finished the item; above 0 it is not recommended again
    PRIMARY KEY (learner_key, item_key)
) WITH (fillfactor = 80);

-- Popularity of an item with three half-lives, forward-decayed as above; one row an item, never swept.
CREATE TABLE trending (
    item_key bigint PRIMARY KEY,
    log_1h   double precision NOT NULL,
    log_24h  double precision NOT NULL,
    log_7d   double precision NOT NULL,
    events   bigint           NOT NULL,
    last_at  timestamptz      NOT NULL
) WITH (fillfactor = 50);

-- Roll-up of all interactions of one hour (UTC), content type and interaction type.
CREATE TABLE hourly_activity (
    hour               timestamptz      NOT NULL,
    content_type_key   smallint         NOT NULL,
    interaction_type   smallint         NOT NULL,   -- InteractionType code
    events             bigint           NOT NULL,
    clicks             bigint           NOT NULL,
    completions        bigint           NOT NULL,   -- events of type COMPLETE
    time_spent_seconds double precision NOT NULL,
    score_sum          double precision NOT NULL,   -- sum of event engagement scores, each in [0, 1]
    PRIMARY KEY (hour, content_type_key, interaction_type)
) WITH (fillfactor = 70);

-- The set of local dates on which a learner was active, as maximal runs of days since 1970-01-01.
CREATE TABLE active_dates (
    learner_key bigint PRIMARY KEY,
    days        int4multirange NOT NULL,
    applied_seq bigint         NOT NULL
) WITH (fillfactor = 80);

-- A rule's stable place in the arrays of achievement_progress.  Rules are added, never removed; not part of a rebuild.
CREATE TABLE achievement_rule (
    slot           smallint PRIMARY KEY,            -- 1, 2, 3, ...
    achievement_id text     NOT NULL UNIQUE,
    version        integer  NOT NULL,
    definition     jsonb    NOT NULL                -- the rule as in schemas/achievements/
);

-- How far a learner is: for the rule of slot s, progress[s] (at most the highest tier) and tiers[s] tiers unlocked.
-- Evidence is what rules have to remember until their highest tier is reached, end to end in the order of slots;
-- evidence[s] is how many entries the rule of slot s has:
--   distinct: members are the values seen;  streak: first days of the runs of days, weights their lengths;
--   windows: local days (the newest four weeks), weights the events of each.
CREATE TABLE achievement_progress (
    learner_key bigint PRIMARY KEY,
    progress    integer[]  NOT NULL,
    tiers       smallint[] NOT NULL,
    evidence    smallint[] NOT NULL,
    members     bigint[]   NOT NULL,
    weights     integer[]  NOT NULL,
    applied_seq bigint     NOT NULL
) WITH (fillfactor = 60, toast_tuple_target = 8160);
-- One row a learner, not one a rule: the cost of a write is that of the row, and a batch moves many rules of a learner.

CREATE TABLE achievement_unlock (
    learner_key    bigint      NOT NULL,
    achievement_id text        NOT NULL,
    tier           smallint    NOT NULL,            -- from 1
    unlock_id      uuid        NOT NULL,            -- also the id of its announcement
    unlocked_at    timestamptz NOT NULL,            -- event time of the event that reached the tier
    applied_seq    bigint      NOT NULL,
    PRIMARY KEY (learner_key, achievement_id, tier)
);

-- Claims are commands, not interactions: they stand apart, so that a rebuild of the unlocks keeps them.
CREATE TABLE achievement_claim (
    learner_key    bigint      NOT NULL,
    achievement_id text        NOT NULL,
    tier           smallint    NOT NULL,
    claimed_at     timestamptz NOT NULL,
    PRIMARY KEY (learner_key, achievement_id, tier)
);

-- Ready lists, best first.  Written whole by the worker's list tick, not by a fold.
CREATE TABLE recommendations (
    learner_key  bigint      NOT NULL REFERENCES learners ON DELETE CASCADE,  -- a list written during an erasure goes too
    type         text        NOT NULL,              -- content_based, trending, hybrid
    item_keys    bigint[]    NOT NULL,
    scores       real[]      NOT NULL,
    terms        real[]      NOT NULL,              -- one group of TERMS (models/content_based.py) an item; sums to its score
    because      bigint[]    NOT NULL,              -- item of the learner's history that counted most; 0: none
    confidence   real        NOT NULL,              -- [0, 1], how much is known of the learner
    generated_at timestamptz NOT NULL,
    as_of        timestamptz NOT NULL,              -- event time that the list reflects
    applied_seq  bigint      NOT NULL,              -- at least the folds up to here are reflected
    PRIMARY KEY (learner_key, type)
) WITH (fillfactor = 50, toast_tuple_target = 8160);
-- 100 items make about 3.5 KB: kept in the row, uncompressed, because they are rewritten far more often than read.
ALTER TABLE recommendations ALTER item_keys SET STORAGE PLAIN, ALTER scores SET STORAGE PLAIN,
    ALTER terms SET STORAGE PLAIN, ALTER because SET STORAGE PLAIN;
