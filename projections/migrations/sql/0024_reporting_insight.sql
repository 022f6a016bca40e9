-- Reasons of risk that can be counted, and what recommendations bring about.

-- The days are a learner's own: with them hardly any five would share a reason.
CREATE OR REPLACE VIEW reporting.risk_reasons AS
SELECT CASE WHEN said LIKE 'not seen for %' THEN 'not seen for a week or more' ELSE said END AS reason,
       count(*) AS learners
FROM learner_insight, unnest(reasons) AS said
WHERE risk >= 0.6 OR silent
GROUP BY 1
HAVING count(*) >= 5;

CREATE VIEW reporting.recommendation_impact AS
SELECT o.day, sum(o.impressions)::bigint AS impressions, sum(o.clicks)::bigint AS clicks,
       sum(o.conversions)::bigint AS conversions, d.completions,
       sum(o.conversions)::float8 / nullif(d.completions, 0) AS share_of_completions
FROM reporting.recommendation_outcomes o LEFT JOIN reporting.daily_learners d USING (day)
GROUP BY o.day, d.completions;
COMMENT ON VIEW reporting.recommendation_impact IS
    'What do recommendations bring about?  What came of those first shown on a day, beside all completions of that day.';

SELECT grant_reporting();
