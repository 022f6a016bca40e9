-- Social recognition, the facts that achievements count besides interactions, and unlocks that no rebuild takes away.

COMMENT ON TABLE achievement_progress IS 'How far a learner is: for the rule of slot s, progress[s] (at most the highest tier; hundredths for sums and maxima) and tiers[s] tiers unlocked. Evidence is what rules have to remember until their highest tier is reached, end to end in the order of slots; evidence[s] is how many entries the rule of slot s has. Distinct and mastery: members are the values seen. Streak: first days of the runs, weights their lengths. Span: the first day, weight the days to the last. Windows: local days of the newest year, weights what each counts.';

-- Skills that a learner has ever mastered.  Noted by the worker as it happens, so not part of any rebuild.
CREATE TABLE skill_mastered (
    learner_key bigint      NOT NULL REFERENCES learners ON DELETE CASCADE,
    skill_key   integer     NOT NULL,
    mastered_at timestamptz NOT NULL,                           -- event time of the attempt
    applied_seq bigint      NOT NULL,                           -- transaction that noted it
    PRIMARY KEY (learner_key, skill_key)
);

-- Kudos that peers gave for an achievement, one a giver.
CREATE TABLE achievement_kudos (
    learner_key    bigint      NOT NULL REFERENCES learners ON DELETE CASCADE,  -- who holds the achievement
    achievement_id text        NOT NULL,
    giver_key      bigint      NOT NULL REFERENCES learners ON DELETE CASCADE,  -- who gave them (`learners`)
    given_at       timestamptz NOT NULL,
    local_day      integer     NOT NULL,                        -- in the holder's zone, days since 1970-01-01
    applied_seq    bigint      NOT NULL,                        -- transaction that counted it
    PRIMARY KEY (learner_key, achievement_id, giver_key)
);
CREATE INDEX achievement_kudos_giver ON achievement_kudos (giver_key);

-- Public pages of learners who opted in; without a row, or without the consent to share, there is no page.
CREATE TABLE learner_private_page (
    learner_key  bigint      PRIMARY KEY REFERENCES learners ON DELETE CASCADE,
    token        text        NOT NULL UNIQUE,                   -- 192 random bits: all that finds the page
    display_name text        NOT NULL,                          -- given by the learner for this page
    shared_at    timestamptz NOT NULL
);
