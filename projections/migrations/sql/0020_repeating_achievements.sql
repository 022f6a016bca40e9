-- Achievements that are unlocked once in every day, week or month of a learner.

ALTER TABLE achievement_unlock
    ADD COLUMN period text NOT NULL DEFAULT '',     -- 2024-05-01, 2024-W18, 2024-05; empty: once and for all
    DROP CONSTRAINT achievement_unlock_pkey,
    ADD PRIMARY KEY (learner_key, achievement_id, tier, period);
ALTER TABLE achievement_claim
    ADD COLUMN period text NOT NULL DEFAULT '',     -- as in achievement_unlock
    DROP CONSTRAINT achievement_claim_pkey,
    ADD PRIMARY KEY (learner_key, achievement_id, tier, period);

-- How far a learner is in one period under one rule that repeats; kept for good, so that late events count.
CREATE TABLE achievement_period (
    learner_key bigint    NOT NULL,
    slot        smallint  NOT NULL,                 -- the rule (achievement_rule)
    period      integer   NOT NULL,                 -- its first local day, days since 1970-01-01
    progress    integer   NOT NULL,                 -- at most the highest tier; hundredths for sums and maxima
    tiers       smallint  NOT NULL,                 -- unlocked
    members     bigint[]  NOT NULL,                 -- evidence, as in achievement_progress, until the highest tier
    weights     integer[] NOT NULL,
    applied_seq bigint    NOT NULL,
    PRIMARY KEY (learner_key, slot, period)
) WITH (fillfactor = 80);

CREATE OR REPLACE VIEW reporting.achievements AS
SELECT u.achievement_id, r.definition ->> 'title' AS title, u.tier, count(*) AS unlocked,
       count(c.learner_key) AS claimed, max(u.unlocked_at) AS last_unlocked_at
FROM achievement_unlock u
LEFT JOIN achievement_claim c USING (learner_key, achievement_id, tier, period)
LEFT JOIN achievement_rule r USING (achievement_id)
GROUP BY u.achievement_id, title, u.tier
HAVING count(DISTINCT u.learner_key) >= 5;
COMMENT ON VIEW reporting.achievements IS
    'Which achievements are unlocked and claimed?  A row a tier that at least five learners hold; in every period anew, where a rule repeats.';
