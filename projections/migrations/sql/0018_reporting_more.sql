-- More for dashboards: skills over all learners, and the weights that a recommender begins with.

CREATE VIEW reporting.skills AS
SELECT s.name AS skill, count(*) AS learners, sum(l.successes + l.failures)::bigint AS attempts,
       sum(l.successes)::double precision / nullif(sum(l.successes + l.failures), 0) AS success_rate,
       count(*) FILTER (WHERE l.mastered) AS mastered, s.difficulty
FROM learner_skill l JOIN skill s USING (skill_key)
GROUP BY s.name, s.difficulty
HAVING count(*) >= 5;
COMMENT ON VIEW reporting.skills IS
    'What is practised, and what is mastered?  A row a skill that at least five learners have tried.';

-- Version 0 is what is shipped: in use until the first version is kept.
CREATE OR REPLACE VIEW reporting.recommender_weights AS
SELECT version, created_at, origin, learnt, nullif(hr_at_10, 'NaN') AS hit_rate_at_10,
       nullif(ndcg_at_10, 'NaN') AS ndcg_at_10
FROM recommender_weights
UNION ALL
SELECT 0, NULL, 'prior', 0, NULL, NULL;

SELECT grant_reporting();
