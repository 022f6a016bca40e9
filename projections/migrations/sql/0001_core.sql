-- Identity, offsets, the log of record and everything that one projection transaction writes besides read models.

-- Only these two tables know the platform's ids; every other table uses the surrogates.
CREATE TABLE learners (
    learner_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     text        NOT NULL UNIQUE,
    timezone    text        NOT NULL DEFAULT 'UTC',  -- IANA zone, valid for events from now on
    consent     integer     NOT NULL DEFAULT 3,      -- bit set: 1 personalise, 2 analytics, 4 experiment, 8 sentiment, 16 personality, 32 share
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE content (
    item_key          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content_id        text        NOT NULL UNIQUE,
    content_type      text        NOT NULL,
    title             text,
    description       text,
    topics            text[]      NOT NULL DEFAULT '{}',
    skills            text[]      NOT NULL DEFAULT '{}',
    difficulty        text,
    duration_seconds  double precision,
    language          text,
    prerequisites     text[]      NOT NULL DEFAULT '{}',
    catalogue_position integer,
    is_stub           boolean     NOT NULL DEFAULT true,   -- known from interactions only
    withdrawn         boolean     NOT NULL DEFAULT false,
    version           bigint      NOT NULL DEFAULT 0,      -- grows with every catalogue change, over all rows
    updated_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX content_version ON content (version);
CREATE SEQUENCE content_version_seq;

CREATE TABLE content_types (
    content_type_key smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name             text NOT NULL UNIQUE
);

-- Declared personal data and free text live here and nowhere else.
CREATE TABLE learner_private (
    learner_key         bigint PRIMARY KEY REFERENCES learners ON DELETE CASCADE,
    age                 smallint,
    learning_style      text,
    experience_level    text,
    preferred_pace      text,
    interests           text[] NOT NULL DEFAULT '{}',
    career_goals        text[] NOT NULL DEFAULT '{}',
    learning_objectives text[] NOT NULL DEFAULT '{}',
    language            text,
    version             bigint NOT NULL,
    updated_at          timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE learner_private_text (
    learner_key bigint NOT NULL REFERENCES learners ON DELETE CASCADE,
    dedupe_key  bigint NOT NULL,
    feedback    text   NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (learner_key, dedupe_key)
);

-- Where each partition resumes; the compare-and-swap on (next_offset, epoch) is the fence.
CREATE TABLE stream_offset (
    projection  text   NOT NULL,
    topic       text   NOT NULL,
    part        integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    epoch       bigint NOT NULL DEFAULT 0,
    owner       text   NOT NULL DEFAULT '',
    watermark_ms bigint NOT NULL DEFAULT 0,                -- newest event time folded from this partition
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, topic, part)
) WITH (fillfactor = 50);

-- What was applied, a row a partition and transaction: the audit that exposes a double apply or a hole.
CREATE SEQUENCE applied_seq;
CREATE TABLE applied_range (
    applied_seq  bigint  NOT NULL,
    projection   text    NOT NULL,
    topic        text    NOT NULL,
    part         integer NOT NULL,
    first_offset bigint  NOT NULL,
    end_offset   bigint  NOT NULL,
    epoch        bigint  NOT NULL,
    owner        text    NOT NULL,
    delivered    integer NOT NULL,
    applied      integer NOT NULL,
    duplicates   integer NOT NULL,
    dead         integer NOT NULL,
    misrouted    integer NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX applied_range_partition ON applied_range (topic, part, first_offset);

-- The log of record: one thin row an accepted interaction, every fold input and no text.  NaN = not stated.
CREATE TABLE interaction_log (
    occurred_at        timestamptz NOT NULL,
    applied_seq        bigint   NOT NULL,
    ordinal            integer  NOT NULL,
    learner_key        bigint   NOT NULL,
    item_key           bigint   NOT NULL,
    dedupe_key         bigint   NOT NULL,
    local_day          integer  NOT NULL,
    consent            integer  NOT NULL,
    time_spent_seconds real     NOT NULL,
    expected_seconds   real     NOT NULL,
    completion_rate    real     NOT NULL,
    rating             real     NOT NULL,
    clicks             real     NOT NULL,
    scroll_depth       real     NOT NULL,
    score              real     NOT NULL,
    sentiment          real     NOT NULL,
    content_type_key   smallint NOT NULL,
    interaction_type   smallint NOT NULL,
    local_hour         smallint NOT NULL,
    success            smallint NOT NULL
) PARTITION BY RANGE (occurred_at);
CREATE INDEX interaction_log_applied ON interaction_log USING brin (applied_seq) WITH (pages_per_range = 16);
CREATE TABLE interaction_log_default PARTITION OF interaction_log DEFAULT;

-- Event ids seen, by the week of their record time: this week and the last are searched (a window of 7 to 14 days),
-- older ones are dropped whole.  Weeks are counted from 1970-01-01.
CREATE TABLE event_seen (
    record_week integer NOT NULL,
    dedupe_key  bigint  NOT NULL,
    PRIMARY KEY (dedupe_key, record_week)
) PARTITION BY LIST (record_week);
CREATE TABLE event_seen_default PARTITION OF event_seen DEFAULT;

CREATE TABLE dead_letter (
    topic       text        NOT NULL,
    part        integer     NOT NULL,
    log_offset  bigint      NOT NULL,
    reason      text        NOT NULL,
    pointer     text        NOT NULL DEFAULT '',
    detail      text        NOT NULL,
    producer    text        NOT NULL DEFAULT '',
    record_key  bytea,
    record_value bytea,
    headers     jsonb       NOT NULL DEFAULT '[]',          -- [[name, base64], ...]
    record_at   timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, part, log_offset)
);

-- Records to be produced after the commit, at least once, ids stable.
CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic     text    NOT NULL,
    part      integer,
    record_key bytea,
    record_value bytea,
    headers   jsonb   NOT NULL DEFAULT '[]',
    learner_key bigint,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE command_result (
    command_id  text PRIMARY KEY,
    learner_key bigint NOT NULL,
    status      integer NOT NULL,        -- the HTTP status that the command earned
    problem     jsonb,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX command_result_learner ON command_result (learner_key);
CREATE INDEX command_result_created ON command_result USING brin (created_at);

-- ln(e^a + e^b) without overflow, -Infinity being the empty sum.  The same formula as models.decay.log_add.
-- Not STRICT: a strict function around CASE is never inlined, which costs 3.3 us a call instead of 0.2.
CREATE FUNCTION log_add(a double precision, b double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN a = '-Infinity' THEN b
            WHEN b = '-Infinity' THEN a
            WHEN abs(a - b) > 700 THEN greatest(a, b)
            ELSE greatest(a, b) + ln(1 + exp(-abs(a - b))) END;

CREATE SCHEMA reporting;
