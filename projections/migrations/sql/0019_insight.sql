-- Experiments: definitions, who was exposed to what.  Insight: segments, risk, and what people may ask about content.

-- Definitions as data (schemas/experiments.py), put by `personalize experiment put`.
CREATE TABLE experiment (
    key        text PRIMARY KEY,
    state      text        NOT NULL CHECK (state IN ('draft', 'running', 'stopped')),
    definition jsonb       NOT NULL,                    -- the whole definition
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- The first time that each learner was served by a variation; from the topic impressions.
CREATE TABLE experiment_exposure (
    experiment  text        NOT NULL,                   -- its key
    learner_key bigint      NOT NULL,
    variation   text        NOT NULL,                   -- of the first exposure
    first_at    timestamptz NOT NULL,                   -- when it was served
    mixed       boolean     NOT NULL DEFAULT false,     -- was served by another variation, too: left out of results
    applied_seq bigint      NOT NULL,
    PRIMARY KEY (experiment, learner_key)
);
CREATE INDEX experiment_exposure_learner ON experiment_exposure (learner_key);

-- Groups of learners who behave alike; an id stays with its group from day to day.
CREATE TABLE segment (
    segment_id  integer PRIMARY KEY,
    name        text               NOT NULL,
    centroid    double precision[] NOT NULL,            -- mean of the features of models/segments.py
    learners    integer            NOT NULL,
    silhouette  double precision   NOT NULL,            -- of the grouping, [-1, 1]
    computed_at timestamptz        NOT NULL
);

-- What the daily job says of a learner who agrees to analytics.
CREATE TABLE learner_insight (
    learner_key bigint PRIMARY KEY REFERENCES learners ON DELETE CASCADE,  -- written during an erasure it goes too
    segment_id  integer,                                -- NULL: too few learners to group
    risk        real        NOT NULL,                   -- probability of failing or leaving (models/at_risk.py)
    silent      boolean     NOT NULL,                   -- was active, and not seen for a week
    reasons     text[]      NOT NULL,                   -- what adds most to the risk
    computed_at timestamptz NOT NULL
);

CREATE VIEW reporting.experiments AS
SELECT e.key AS experiment, e.state, x.variation, count(*) AS learners, count(*) FILTER (WHERE x.mixed) AS mixed,
       min(x.first_at) AS first_at, max(x.first_at) AS last_at
FROM experiment e JOIN experiment_exposure x ON x.experiment = e.key
GROUP BY e.key, e.state, x.variation
HAVING count(*) >= 5;
COMMENT ON VIEW reporting.experiments IS
    'Who was exposed to what?  Learners of each variation; fewer than five are left out.';

CREATE VIEW reporting.experiment_exposures AS
SELECT (first_at AT TIME ZONE 'UTC')::date AS day, experiment, variation, count(*) AS learners
FROM experiment_exposure
GROUP BY day, experiment, variation
HAVING count(*) >= 5;
COMMENT ON VIEW reporting.experiment_exposures IS
    'How fast do experiments fill?  Learners exposed for the first time, by day (UTC) and variation, five or more.';

CREATE VIEW reporting.segments AS
SELECT segment_id, name, learners, silhouette, computed_at FROM segment WHERE learners >= 5;
COMMENT ON VIEW reporting.segments IS 'Which groups of learners behave alike?  Groups of five or more.';

CREATE VIEW reporting.at_risk AS
SELECT CASE WHEN risk >= 0.6 THEN 'high' WHEN risk >= 0.4 THEN 'medium' ELSE 'low' END AS risk, silent,
       count(*) AS learners, avg(risk) AS mean_risk
FROM learner_insight
GROUP BY 1, silent
HAVING count(*) >= 5;
COMMENT ON VIEW reporting.at_risk IS
    'How many learners are at risk of failing or leaving?  By probability and a week of silence; five or more.';

CREATE VIEW reporting.risk_reasons AS
SELECT reason, count(*) AS learners
FROM learner_insight, unnest(reasons) AS reason
WHERE risk >= 0.6 OR silent
GROUP BY reason
HAVING count(*) >= 5;
COMMENT ON VIEW reporting.risk_reasons IS 'Why are learners at risk?  Reasons of five or more of them.';

CREATE VIEW reporting.content_performance AS
WITH measured AS (
    SELECT item_key, count(*) AS learners, avg(completion) AS mean_completion,
           count(completed_at)::double precision / count(*) AS completion_share,
           avg(time_spent_seconds) AS mean_time_spent_seconds, avg(best_score) AS mean_best_score
    FROM item_progress
    GROUP BY item_key
    HAVING count(*) >= 5
), ranked AS (
    SELECT m.*, c.content_id, c.content_type, c.title, c.difficulty, c.duration_seconds,
           CASE WHEN c.duration_seconds > 0 THEN ntile(10) OVER (PARTITION BY c.duration_seconds > 0
                ORDER BY c.duration_seconds) END AS length_tenth
    FROM measured m JOIN content c USING (item_key)
    WHERE NOT c.withdrawn
)
SELECT content_id, content_type, title, difficulty, duration_seconds, learners, mean_completion, completion_share,
       mean_time_spent_seconds, mean_best_score, length_tenth,
       percent_rank() OVER (PARTITION BY length_tenth ORDER BY mean_completion) AS relative_engagement
FROM ranked;
COMMENT ON VIEW reporting.content_performance IS
    'How well does content hold its learners?  Relative engagement: its rank by mean completion among content of similar length, 0 to 1.';

CREATE VIEW reporting.content_difficulty AS
SELECT c.content_id, c.content_type, c.title, c.difficulty AS stated, d.difficulty AS measured_logits, d.variance,
       count(*) AS learners, sum(i.successes)::bigint AS successes, sum(i.failures)::bigint AS failures,
       sum(i.successes)::double precision / nullif(sum(i.successes + i.failures), 0) AS success_rate
FROM learner_item i JOIN content c USING (item_key) LEFT JOIN item_difficulty d USING (item_key)
GROUP BY c.item_key, d.difficulty, d.variance
HAVING count(*) >= 5;
COMMENT ON VIEW reporting.content_difficulty IS
    'Is content as hard as it says?  Success rate and measured difficulty beside the stated one; five learners or more.';

CREATE VIEW reporting.topic_popularity AS
SELECT topic, count(DISTINCT p.learner_key) AS learners, count(DISTINCT c.item_key) AS contents,
       sum(p.events)::bigint AS interactions, sum(p.completions)::bigint AS completions
FROM preference p JOIN content c USING (item_key), unnest(c.topics) AS topic
WHERE p.last_at > now() - interval '28 days'
GROUP BY topic
HAVING count(DISTINCT p.learner_key) >= 5;
COMMENT ON VIEW reporting.topic_popularity IS
    'Which topics are popular?  Content touched in the last 28 days, by topic of five learners or more.';

CREATE VIEW reporting.knowledge_gaps AS
SELECT k.name AS skill, count(*) AS learners, avg(s.mastered::int) AS mastered_share,
       sum(s.failures)::double precision / nullif(sum(s.successes + s.failures), 0) AS failure_rate,
       count(*) FILTER (WHERE NOT s.mastered AND s.failures > s.successes) AS struggling
FROM learner_skill s JOIN skill k USING (skill_key)
GROUP BY k.name
HAVING count(*) >= 5;
COMMENT ON VIEW reporting.knowledge_gaps IS
    'Where do learners have gaps?  Skills by how many mastered them and how often attempts fail; five learners or more.';

CREATE VIEW reporting.skill_progression AS
SELECT '1970-01-01'::date + h.local_day AS day, k.name AS skill, count(*) AS learners, avg(h.mastery) AS mean_mastery
FROM skill_history h JOIN skill k USING (skill_key)
GROUP BY h.local_day, k.name
HAVING count(*) >= 5;
COMMENT ON VIEW reporting.skill_progression IS
    'How does mastery grow?  Mean mastery of the learners who practised a skill on a day; five or more.';

SELECT grant_reporting();
