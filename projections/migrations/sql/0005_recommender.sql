-- What the recommender remembers, how well it did, and the rules that learners set for their own lists.

-- Lists: who wrote one, and per item what a read needs to explain it.  The worker's lists leave the arrays empty.
ALTER TABLE recommendations
    ADD COLUMN writer      text       NOT NULL DEFAULT 'worker',  -- worker, recommender
    ADD COLUMN sources     smallint[] NOT NULL DEFAULT '{}',      -- the source that says most for the item (docs/recommender.md)
    ADD COLUMN confidences real[]     NOT NULL DEFAULT '{}';      -- [0, 1], how often the learner's next item stood at this place
ALTER TABLE recommendations ALTER sources SET STORAGE PLAIN, ALTER confidences SET STORAGE PLAIN;

-- The state of the recommender as of its rows in stream_offset: all three move in one transaction.
CREATE TABLE recommender_snapshot (
    only_row   boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    format     integer     NOT NULL,
    step       bigint      NOT NULL,           -- folds so far
    header     bytea       NOT NULL,           -- msgpack: shapes and dtypes of the arrays
    taken_at   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE recommender_chunk (
    name    text    NOT NULL,                  -- of the array
    ordinal integer NOT NULL,                  -- of the chunk within it
    digest  bytea   NOT NULL,                  -- BLAKE2b of the plain bytes: an unchanged chunk is not written again
    body    bytea   NOT NULL,                  -- zlib
    PRIMARY KEY (name, ordinal)
);
ALTER TABLE recommender_chunk ALTER body SET STORAGE EXTERNAL;

-- Which ranges of the log were folded, in which order: folding them again in this order gives the same state.
CREATE TABLE recommender_range (
    step         bigint  NOT NULL,
    topic        text    NOT NULL,
    part         integer NOT NULL,
    first_offset bigint  NOT NULL,
    end_offset   bigint  NOT NULL,
    learn_share  real    NOT NULL,             -- share of the events that were ranked and learnt from
    PRIMARY KEY (step, topic, part)
);

-- How well the lists of a moment ago foretold what learners did next.  Sums, so that hours can be added up.
CREATE TABLE recommender_evaluation (
    hour       timestamptz NOT NULL,           -- of the records' publication
    source     text        NOT NULL,           -- hybrid, or a single source
    session    text        NOT NULL,           -- same (within 30 minutes of the event before), new
    events     bigint      NOT NULL,
    hits       bigint      NOT NULL,           -- the next item was among the first 10
    ndcg_sum   double precision NOT NULL,
    PRIMARY KEY (hour, source, session)
);
CREATE TABLE recommender_coverage (
    hour        timestamptz PRIMARY KEY,
    lists       bigint  NOT NULL,              -- lists written in the hour
    shown_items integer NOT NULL,              -- different items among the first 10 of the last lists
    known_items integer NOT NULL
);

-- The weights of the blend, now and then.
CREATE TABLE recommender_weights (
    version    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    origin     text    NOT NULL,               -- prior, learnt, rollback
    learnt     bigint  NOT NULL,               -- events learnt from
    hr_at_10   real    NOT NULL,               -- fading means when it was saved; NaN before any
    ndcg_at_10 real    NOT NULL,
    body       bytea   NOT NULL                -- msgpack, with names of sources and features
);
CREATE TABLE recommender_rollback (
    request_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version      integer     NOT NULL REFERENCES recommender_weights,
    requested_at timestamptz NOT NULL DEFAULT now(),
    done_at      timestamptz
);

-- Whether a recommender is at work: the worker writes its lists when it is not.
CREATE TABLE recommender_status (
    only_row boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    owner    text        NOT NULL,
    beat_at  timestamptz NOT NULL,
    step     bigint      NOT NULL,
    behind   bigint      NOT NULL              -- records fetched and not folded
);

ALTER TABLE learners
    ADD COLUMN rules_seq bigint NOT NULL DEFAULT 0;  -- transaction of the newest rule or feedback

-- Learners' own rules; they win over every score.
CREATE TABLE learner_override (
    learner_key bigint NOT NULL,
    kind        text   NOT NULL,               -- hide, pin, neverShowTopic, neverShowContentType, optOut
    item_key    bigint NOT NULL DEFAULT 0,     -- hide and pin
    label       text   NOT NULL DEFAULT '',    -- the topic or the content type
    set_at      timestamptz NOT NULL,
    applied_seq bigint NOT NULL,
    PRIMARY KEY (learner_key, kind, item_key, label)
);
CREATE TABLE learner_feedback (
    learner_key bigint NOT NULL,
    item_key    bigint NOT NULL,
    action      text   NOT NULL,               -- clicked, completed, liked, disliked, dismissed, hidden
    given_at    timestamptz NOT NULL,
    recommendation_id text NOT NULL DEFAULT '',
    applied_seq bigint NOT NULL,
    PRIMARY KEY (learner_key, item_key, action)
);
