-- Identity, offsets, the log of record and everything that one projection transaction writes besides read models.

-- Only these two tables know the platform's ids; every other table uses the surrogates.
CREATE TABLE learners (
    learner_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     text        NOT NULL UNIQUE,            -- the platform's id
    timezone    text        NOT NULL DEFAULT 'UTC',  -- IANA zone, valid for events from now on
    consent     integer     NOT NULL DEFAULT 3,      -- bit set: 1 personalise, 2 analytics, 4 experiment, 8 sentiment, 16 personality, 32 share
    created_at  timestamptz NOT NULL DEFAULT now()      -- when the first event or command was seen
);

-- What the platform offers: one row an item, complete once the catalogue has told of it.
CREATE TABLE content (
    item_key          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content_id        text        NOT NULL UNIQUE,      -- the platform's id
    content_type      text        NOT NULL,             -- of the catalogue, else of the first event
    title             text,
    description       text,
    topics            text[]      NOT NULL DEFAULT '{}',  -- what it is about
    skills            text[]      NOT NULL DEFAULT '{}',  -- what it teaches
    difficulty        text,                             -- as the catalogue words it
    duration_seconds  double precision,                 -- expected time; NULL: unknown
    language          text,                             -- BCP 47
    prerequisites     text[]      NOT NULL DEFAULT '{}',  -- content_ids to finish first
    catalogue_position integer,                         -- place in the order of the course
    is_stub           boolean     NOT NULL DEFAULT true,   -- known from interactions only
    withdrawn         boolean     NOT NULL DEFAULT false,  -- the catalogue took it back; never recommended
    version           bigint      NOT NULL DEFAULT 0,      -- grows with every catalogue change, over all rows
    updated_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX content_version ON content (version);
CREATE SEQUENCE content_version_seq;

-- The kinds of content that events and the catalogue have named; an open vocabulary.
CREATE TABLE content_types (
    content_type_key smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name             text NOT NULL UNIQUE               -- video, quiz, article, ...
);

-- Declared personal data and free text live here and nowhere else.
CREATE TABLE learner_private (
    learner_key         bigint PRIMARY KEY REFERENCES learners ON DELETE CASCADE,
    age                 smallint,
    learning_style      text,                           -- VISUAL, AUDITORY, KINESTHETIC
    experience_level    text,                           -- BEGINNER, INTERMEDIATE, ADVANCED, EXPERT
    preferred_pace      text,                           -- SLOW, MODERATE, FAST
    interests           text[] NOT NULL DEFAULT '{}',
    career_goals        text[] NOT NULL DEFAULT '{}',
    learning_objectives text[] NOT NULL DEFAULT '{}',
    language            text,                           -- BCP 47
    version             bigint NOT NULL,
    updated_at          timestamptz NOT NULL DEFAULT now()
);
-- What learners wrote, by the event that brought it.
CREATE TABLE learner_private_text (
    learner_key bigint NOT NULL REFERENCES learners ON DELETE CASCADE,
    dedupe_key  bigint NOT NULL,
    feedback    text   NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (learner_key, dedupe_key)
);

-- Where each partition resumes; the compare-and-swap on (next_offset, epoch) is the fence.
CREATE TABLE stream_offset (
    projection  text   NOT NULL,                        -- group of processes
    topic       text   NOT NULL,
    part        integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,              -- first offset not yet applied
    epoch       bigint NOT NULL DEFAULT 0,              -- grows with every claim; an older owner can no longer write
    owner       text   NOT NULL DEFAULT '',             -- process that claimed the partition last
    watermark_ms bigint NOT NULL DEFAULT 0,                -- newest event time folded from this partition
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, topic, part)
) WITH (fillfactor = 50);

CREATE SEQUENCE applied_seq;
-- What was applied, a row a partition and transaction: the audit that exposes a double apply or a hole.
CREATE TABLE applied_range (
    applied_seq  bigint  NOT NULL,
    projection   text    NOT NULL,                      -- group of processes
    topic        text    NOT NULL,
    part         integer NOT NULL,
    first_offset bigint  NOT NULL,                      -- first offset of the range
    end_offset   bigint  NOT NULL,                      -- first offset behind it
    epoch        bigint  NOT NULL,                      -- of the claim that wrote it
    owner        text    NOT NULL,                      -- process that wrote it
    delivered    integer NOT NULL,                      -- records in the range
    applied      integer NOT NULL,                      -- interactions folded
    duplicates   integer NOT NULL,                      -- interactions seen before
    dead         integer NOT NULL,                      -- records refused
    misrouted    integer NOT NULL,                      -- records sent on to their right partition
    committed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX applied_range_partition ON applied_range (topic, part, first_offset);

-- The log of record: one thin row an accepted interaction, every fold input and no text.  NaN = not stated.
CREATE TABLE interaction_log (
    occurred_at        timestamptz NOT NULL,            -- event time
    applied_seq        bigint   NOT NULL,
    ordinal            integer  NOT NULL,               -- place within its transaction
    learner_key        bigint   NOT NULL,
    item_key           bigint   NOT NULL,
    dedupe_key         bigint   NOT NULL,
    local_day          integer  NOT NULL,               -- days since 1970-01-01 in the learner's zone
    consent            integer  NOT NULL,               -- as in learners, when the event was folded
    time_spent_seconds real     NOT NULL,               -- as stated
    expected_seconds   real     NOT NULL,               -- duration that the catalogue stated then
    completion_rate    real     NOT NULL,               -- [0, 1]
    rating             real     NOT NULL,               -- [1, 5]
    clicks             real     NOT NULL,               -- whole number
    scroll_depth       real     NOT NULL,               -- [0, 1]
    score              real     NOT NULL,               -- [0, 1]
    sentiment          real     NOT NULL,               -- [-1, 1], of the feedback
    content_type_key   smallint NOT NULL,
    interaction_type   smallint NOT NULL,
    local_hour         smallint NOT NULL,               -- 0 to 23, the learner's clock
    success            smallint NOT NULL                -- 1 yes, 0 no, -1 not stated
) PARTITION BY RANGE (occurred_at);
CREATE INDEX interaction_log_applied ON interaction_log USING brin (applied_seq) WITH (pages_per_range = 16);
CREATE TABLE interaction_log_default PARTITION OF interaction_log DEFAULT;

-- Event ids seen, by the week of their record time: this week and the last are searched (a window of 7 to 14 days),
-- older ones are dropped whole.  Weeks are counted from 1970-01-01.
CREATE TABLE event_seen (
    record_week integer NOT NULL,                       -- week of the record time
    dedupe_key  bigint  NOT NULL,
    PRIMARY KEY (dedupe_key, record_week)
) PARTITION BY LIST (record_week);

-- Records that could not be used, with their original bytes; also sent to the topic dead-letters.
CREATE TABLE dead_letter (
    topic       text        NOT NULL,
    part        integer     NOT NULL,
    log_offset  bigint      NOT NULL,                   -- where it was found
    reason      text        NOT NULL,                   -- short code
    pointer     text        NOT NULL DEFAULT '',        -- JSON pointer of the field at fault
    detail      text        NOT NULL,                   -- what is wrong and how to mend it
    producer    text        NOT NULL DEFAULT '',        -- who sent it, where known
    record_key  bytea,                                  -- original bytes
    record_value bytea,                                 -- original bytes
    headers     jsonb       NOT NULL DEFAULT '[]',          -- [[name, base64], ...]
    record_at   timestamptz NOT NULL,                   -- record time
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, part, log_offset)
);

-- Records to be produced after the commit, at least once, ids stable.
CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic     text    NOT NULL,
    part      integer,                                  -- NULL: by the key
    record_key bytea,                                   -- bytes to send
    record_value bytea,                                 -- bytes to send; NULL: a tombstone
    headers   jsonb   NOT NULL DEFAULT '[]',            -- [[name, base64], ...]
    learner_key bigint,                                 -- whom it is about, for erasure
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Verdicts: what became of each command; the API waits for them.
CREATE TABLE command_result (
    command_id  text PRIMARY KEY,                       -- the caller's id
    learner_key bigint NOT NULL,
    status      integer NOT NULL,        -- the HTTP status that the command earned
    problem     jsonb,                                  -- RFC 9457 body of a refusal
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
