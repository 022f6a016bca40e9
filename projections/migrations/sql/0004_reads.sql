-- What people outside may query: the schema reporting.  It shows no person (no id, no surrogate, no group of fewer than
-- five learners) and no text that a learner wrote.  Names and columns here are a contract; tables behind them are not.

-- Minutes and days of the audit are read by time.
CREATE INDEX applied_range_committed ON applied_range USING brin (committed_at);

CREATE VIEW reporting.content_popularity AS
SELECT c.content_id, c.content_type, c.title, c.topics,
       exp(least(greatest(t.log_1h - seconds * (ln(2.0::float8) / 3600.0), -700), 690)) AS score_1h,
       exp(least(greatest(t.log_24h - seconds * (ln(2.0::float8) / 86400.0), -700), 690)) AS score_24h,
       exp(least(greatest(t.log_7d - seconds * (ln(2.0::float8) / 604800.0), -700), 690)) AS score_7d,
       t.events, t.last_at
FROM trending t
JOIN content c USING (item_key),
     LATERAL (SELECT date_part('epoch', now()) - 1577836800.0 AS seconds) AS since_2020
WHERE NOT c.withdrawn;
COMMENT ON VIEW reporting.content_popularity IS
    'What is popular now?  A row a content; scores are weighted interactions that halve every 1 h, 24 h and 7 d.';

CREATE VIEW reporting.hourly_activity AS
SELECT h.hour, t.name AS content_type,
       (ARRAY['VIEW', 'START', 'PROGRESS', 'COMPLETE', 'CLICK', 'LIKE', 'DISLIKE', 'BOOKMARK', 'SHARE', 'RATE',
              'ATTEMPT', 'SKIP'])[h.interaction_type + 1] AS interaction_type,
       h.events, h.clicks, h.completions, h.time_spent_seconds,
       h.score_sum / nullif(h.events, 0) AS mean_event_score
FROM hourly_activity h JOIN content_types t USING (content_type_key);
COMMENT ON VIEW reporting.hourly_activity IS
    'When is the platform used, and for what?  A row an hour (UTC), content type and interaction type.';

CREATE VIEW reporting.learners AS
SELECT count(*) AS learners,
       count(*) FILTER (WHERE p.learner_key IS NOT NULL) AS with_declared_profile,
       count(*) FILTER (WHERE e.last_at > now() - interval '1 day') AS active_1d,
       count(*) FILTER (WHERE e.last_at > now() - interval '7 days') AS active_7d,
       count(*) FILTER (WHERE e.last_at > now() - interval '30 days') AS active_30d
FROM learners l LEFT JOIN learner_private p USING (learner_key) LEFT JOIN engagement e USING (learner_key);
COMMENT ON VIEW reporting.learners IS 'How many learners are there, and how many were active lately?  One row.';

CREATE VIEW reporting.daily_sessions AS
SELECT (started_at AT TIME ZONE 'UTC')::date AS day, count(*) AS sessions, count(DISTINCT learner_key) AS learners,
       avg(date_part('epoch', ended_at - started_at)) AS mean_seconds, sum(events)::bigint AS events,
       sum(completions)::bigint AS completions
FROM learner_session
GROUP BY day
HAVING count(DISTINCT learner_key) >= 5;
COMMENT ON VIEW reporting.daily_sessions IS
    'How many visits were there each day (UTC), how long?  Days with fewer than five learners are left out.';

CREATE VIEW reporting.achievements AS
SELECT u.achievement_id, r.definition ->> 'title' AS title, u.tier, count(*) AS unlocked,
       count(c.learner_key) AS claimed, max(u.unlocked_at) AS last_unlocked_at
FROM achievement_unlock u
LEFT JOIN achievement_claim c USING (learner_key, achievement_id, tier)
LEFT JOIN achievement_rule r USING (achievement_id)
GROUP BY u.achievement_id, title, u.tier
HAVING count(*) >= 5;
COMMENT ON VIEW reporting.achievements IS
    'Which achievements are unlocked and claimed?  A row a tier that at least five learners hold.';

CREATE VIEW reporting.pipeline AS
SELECT projection, topic, part, next_offset,
       CASE WHEN watermark_ms > 0 THEN to_timestamp(watermark_ms / 1000.0) END AS watermark,
       updated_at, date_part('epoch', now() - updated_at) AS seconds_since_update
FROM stream_offset;
COMMENT ON VIEW reporting.pipeline IS
    'How far is the processing?  A row a partition: the next offset, the newest event time in it, when it last moved.';

CREATE VIEW reporting.throughput AS
SELECT date_trunc('minute', committed_at) AS minute, projection, topic, count(*) AS transactions,
       sum(delivered)::bigint AS delivered, sum(applied)::bigint AS applied, sum(duplicates)::bigint AS duplicates,
       sum(dead)::bigint AS dead, sum(misrouted)::bigint AS misrouted
FROM applied_range
WHERE committed_at > now() - interval '1 day'
GROUP BY minute, projection, topic;
COMMENT ON VIEW reporting.throughput IS
    'How much was processed each minute of the last day?  Applied, duplicate, dead and misrouted records of each topic.';

CREATE VIEW reporting.dead_letters AS
SELECT date_trunc('hour', created_at) AS hour, topic, reason, pointer, producer, count(*) AS records
FROM dead_letter
GROUP BY hour, topic, reason, pointer, producer;
COMMENT ON VIEW reporting.dead_letters IS 'Which records could not be used, and why?  Counts, without what they held.';

CREATE VIEW reporting.lists AS
SELECT type, count(*) AS lists, min(generated_at) AS oldest_generated_at, max(generated_at) AS newest_generated_at,
       avg(cardinality(item_keys)) AS mean_items, count(*) FILTER (WHERE cardinality(item_keys) = 0) AS empty_lists
FROM recommendations
GROUP BY type;
COMMENT ON VIEW reporting.lists IS 'How many ready lists of each type are there, and how old are they?';
