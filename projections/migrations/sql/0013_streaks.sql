-- What streaks are read from besides the active dates, and the hour at which a learner's day begins.

ALTER TABLE learners
    ADD COLUMN day_start_hour smallint NOT NULL DEFAULT 0;      -- hour of the learner's clock at which a day begins, 0 to 12

ALTER TABLE active_dates
    ADD COLUMN ahead int4multirange NOT NULL DEFAULT '{}',      -- days with an event while the local date was ahead of the UTC date
    ADD COLUMN level int4multirange NOT NULL DEFAULT '{}',      -- days with an event while both dates were the same
    ADD COLUMN behind int4multirange NOT NULL DEFAULT '{}';     -- days with an event while the local date was behind
UPDATE active_dates SET level = days;
COMMENT ON COLUMN active_dates.days IS 'All of them; the other three say how the local date lay to the UTC date then.';

-- Which zone, and which beginning of the day, was a learner's from when on?  No row: always the one in `learners`.
CREATE TABLE learner_zone (
    learner_key    bigint      NOT NULL REFERENCES learners ON DELETE CASCADE,
    since          timestamptz NOT NULL,
    timezone       text        NOT NULL,                        -- IANA name
    day_start_hour smallint    NOT NULL,                        -- 0 to 12
    PRIMARY KEY (learner_key, since)
);

-- On which local days did a learner's events state another zone than the declared one?
CREATE TABLE learner_travel (
    learner_key bigint         NOT NULL REFERENCES learners ON DELETE CASCADE,
    timezone    text           NOT NULL,                        -- IANA name
    days        int4multirange NOT NULL,                        -- days since 1970-01-01 in that zone
    PRIMARY KEY (learner_key, timezone)
);

-- The streak freezes that a learner took; what they were spent on is in `streak_cover`.
CREATE TABLE streak_freeze (
    learner_key bigint      NOT NULL REFERENCES learners ON DELETE CASCADE,
    freeze_id   text        NOT NULL,                           -- the command that took it
    earned      boolean     NOT NULL,                           -- by active days; otherwise bought
    taken_at    timestamptz NOT NULL,
    PRIMARY KEY (learner_key, freeze_id)
);

-- The missed days that a freeze or a repair covers.
CREATE TABLE streak_cover (
    learner_key bigint  NOT NULL REFERENCES learners ON DELETE CASCADE,
    day         integer NOT NULL,                               -- local day, days since 1970-01-01
    repaired_on integer,                                        -- local day of the repair; NULL: a freeze was spent
    PRIMARY KEY (learner_key, day)
);
