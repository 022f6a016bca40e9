-- Who may read the schema reporting, and nothing else: the role personalize_reporting, for Grafana and for people with
-- SQL.  It cannot log in until somebody sets a password (REPORTING_PASSWORD and `personalize migrate`, or ALTER ROLE).

-- Roles belong to the whole server: another database's migration may have made it, or be making it now.  Without the
-- right to make roles the migration goes on; an administrator makes the role and migrates again.
DO $$
BEGIN
    CREATE ROLE personalize_reporting NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role personalize_reporting cannot be made by this user; dashboards need it';
END $$;
-- What a later migration adds to the schema is granted by this function, called at its end and by `personalize migrate`.
CREATE FUNCTION grant_reporting() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'personalize_reporting') THEN
        GRANT USAGE ON SCHEMA reporting TO personalize_reporting;
        GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO personalize_reporting;
    END IF;
END $$;

-- Views are read with their owner's rights, functions run with the reader's, who has none on the tables.
ALTER FUNCTION reporting.engagement_at(timestamptz) SECURITY DEFINER SET search_path = pg_catalog, public;
CREATE OR REPLACE VIEW reporting.engagement AS
    SELECT score, type, completion, "time", scroll, clicks, rating, sentiment, events
    FROM reporting.engagement_at(now());

CREATE VIEW reporting.engagement_histogram AS
SELECT least(floor(score / 10), 9)::integer * 10 AS score_from, count(*) AS learners
FROM reporting.engagement
GROUP BY score_from
HAVING count(*) >= 5;
COMMENT ON VIEW reporting.engagement_histogram IS
    'How is engagement spread?  Learners in each tenth of the score; tenths with fewer than five are left out.';

CREATE VIEW reporting.paths AS
SELECT p.topic, p.level, count(*) AS paths, count(DISTINCT p.learner_key) AS learners,
       count(*) FILTER (WHERE m.reached >= 25) AS reached_25, count(*) FILTER (WHERE m.reached >= 50) AS reached_50,
       count(*) FILTER (WHERE m.reached >= 75) AS reached_75, count(*) FILTER (WHERE m.reached >= 100) AS completed,
       avg(p.estimated_seconds) AS mean_estimated_seconds
FROM learning_path p
LEFT JOIN LATERAL (SELECT max(percent) AS reached FROM path_milestone WHERE path_milestone.path_id = p.path_id) m ON true
GROUP BY p.topic, p.level
HAVING count(DISTINCT p.learner_key) >= 5;
COMMENT ON VIEW reporting.paths IS
    'How far do learners come with learning paths?  Paths that reached each quarter, by topic and level of five or more.';

CREATE VIEW reporting.path_modules AS
SELECT p.topic, m.ordinal + 1 AS place, count(*) AS modules,
       count(*) FILTER (WHERE greatest(m.completion, coalesce(i.completion, 0)) > 0) AS started,
       count(*) FILTER (WHERE m.completed_at IS NOT NULL OR i.completed_at IS NOT NULL) AS completed,
       avg(m.duration_seconds) AS mean_estimated_seconds,
       avg(nullif(m.time_spent_seconds + coalesce(i.time_spent_seconds, 0), 0)) AS mean_spent_seconds
FROM path_module m
JOIN learning_path p USING (path_id)
LEFT JOIN content c ON c.content_id = m.module_id
LEFT JOIN item_progress i ON i.learner_key = m.learner_key AND i.item_key = c.item_key
GROUP BY p.topic, m.ordinal
HAVING count(DISTINCT m.learner_key) >= 5;
COMMENT ON VIEW reporting.path_modules IS
    'Where do learners leave a path?  Modules begun and completed by their place in the paths of a topic.';

CREATE VIEW reporting.path_milestones AS
SELECT p.topic, x.percent, count(*) AS milestones
FROM path_milestone x JOIN learning_path p USING (path_id)
GROUP BY p.topic, x.percent
HAVING count(DISTINCT x.learner_key) >= 5;
COMMENT ON VIEW reporting.path_milestones IS
    'Which milestones were reached?  By topic and percent of a path; 0: a single module.';

CREATE VIEW reporting.recommender_quality AS
SELECT hour, source, session, events, hits::double precision / nullif(events, 0) AS hit_rate_at_10,
       ndcg_sum / nullif(events, 0) AS ndcg_at_10
FROM recommender_evaluation;
COMMENT ON VIEW reporting.recommender_quality IS
    'How well did lists foretell what learners did next?  By hour, source and kind of visit.';

CREATE VIEW reporting.recommender_coverage AS
SELECT hour, lists, shown_items, known_items, shown_items::double precision / nullif(known_items, 0) AS coverage_at_10
FROM recommender_coverage;
COMMENT ON VIEW reporting.recommender_coverage IS
    'How much of the catalogue do lists show?  By hour, among the first ten places.';

CREATE VIEW reporting.recommender_weights AS
SELECT version, created_at, origin, learnt, nullif(hr_at_10, 'NaN') AS hit_rate_at_10,
       nullif(ndcg_at_10, 'NaN') AS ndcg_at_10
FROM recommender_weights;
COMMENT ON VIEW reporting.recommender_weights IS 'Which weights did the blend have, and how well did it do then?';

CREATE VIEW reporting.recommendation_feedback AS
SELECT (given_at AT TIME ZONE 'UTC')::date AS day, action, count(*) AS events
FROM learner_feedback
GROUP BY day, action
HAVING count(DISTINCT learner_key) >= 5;
COMMENT ON VIEW reporting.recommendation_feedback IS
    'What did learners say to recommendations?  By day (UTC) and action, of five learners or more.';

CREATE VIEW reporting.exposure AS
SELECT c.content_type, c.content_id, c.title, coalesce(shown.lists, 0) AS lists,
       coalesce(shown.lists, 0)::double precision / nullif(sum(shown.lists) OVER (), 0) AS exposure_share,
       coalesce(t.events, 0)::double precision / nullif(sum(t.events) OVER (), 0) AS interaction_share,
       ntile(10) OVER (ORDER BY coalesce(t.events, 0) DESC, c.item_key) AS popularity_tenth
FROM content c
LEFT JOIN trending t USING (item_key)
LEFT JOIN (
    SELECT item_key, count(*) AS lists
    FROM recommendations, unnest(item_keys[1:10]) AS item_key
    WHERE type = 'hybrid'
    GROUP BY item_key
) AS shown USING (item_key)
WHERE NOT c.withdrawn;
COMMENT ON VIEW reporting.exposure IS
    'Who gets shown?  Each content''s share of the first ten places of all lists, beside its share of interactions.';

SELECT grant_reporting();
