-- What was served, and what came of it; the explored place of a list; the strength of a learner's own preference.

-- Lists that were served to learners who agree to analytics.  One row a list: it may be served often, and its items are
-- told apart by the place at which they stand in the stored list (the end of `recommendationId`).  What comes of an item may
-- be heard of before the serving: such a row waits with `first_day` NULL and counts nothing yet.
CREATE TABLE impression (
    learner_key  bigint   NOT NULL,
    list_key     bigint   NOT NULL,                 -- first 64 bits of SHA-256 of the list's part of `recommendationId`
    list_type    text     NOT NULL DEFAULT '',      -- hybrid, content_based, collaborative, sequential, trending
    first_day    integer,                           -- UTC day of the first serving, days since 1970-01-01
    places       smallint[] NOT NULL,               -- places heard of, ascending; the arrays below run parallel
    ranks        smallint[] NOT NULL,               -- highest rank at which each was shown; 0: not shown
    item_keys    bigint[] NOT NULL,                 -- 0: not known
    arms         text[]   NOT NULL,                 -- which policy placed it: the type of the list, exploration, or popular
    propensities double precision[] NOT NULL,       -- probability with which the policy shows it there; 0: not shown
    servings     integer[] NOT NULL,                -- how often each was served
    outcomes     smallint[] NOT NULL,               -- bits: 1 clicked, 2 completed, 4 liked, 8 disliked or dismissed
    updated_at   timestamptz NOT NULL DEFAULT now(),
    applied_seq  bigint   NOT NULL,
    PRIMARY KEY (learner_key, list_key)
);
CREATE INDEX impression_first_day ON impression (first_day);
CREATE INDEX impression_updated_at ON impression (updated_at);

-- What came of recommendations, summed by the day on which the list was first served.  Kept for good; names nobody.
CREATE TABLE recommendation_outcome (
    day         date     NOT NULL,                  -- UTC day of the list's first serving
    list_type   text     NOT NULL,
    arm         text     NOT NULL,
    rank        smallint NOT NULL,
    servings    bigint   NOT NULL,                  -- times an item was sent, repeated reads of one list included
    impressions bigint   NOT NULL,                  -- items of lists, each counted once however often it was served
    clicks      bigint   NOT NULL,                  -- impressions that the learner took up
    conversions bigint   NOT NULL,                  -- impressions that the learner completed
    likes       bigint   NOT NULL,
    dislikes    bigint   NOT NULL,                  -- disliked, dismissed or hidden
    weight      double precision NOT NULL,          -- sum of 1 / propensity over impressions
    click_weight double precision NOT NULL,         -- sum of 1 / propensity over clicks
    PRIMARY KEY (day, list_type, arm, rank)
);

-- How often each item was shown and taken up: what exploration goes by.
CREATE TABLE item_exposure (
    item_key    bigint PRIMARY KEY,
    impressions bigint NOT NULL,
    clicks      bigint NOT NULL
);

ALTER TABLE recommendations
    ADD COLUMN explored_propensity real;            -- probability of the explored item (source -5) at its place; NULL: none
ALTER TABLE learner_override
    ADD COLUMN weight real NOT NULL DEFAULT 0;      -- of the kind preferTopic: [-1, 1]
COMMENT ON COLUMN learner_override.kind IS
    'hide, pin, neverShowTopic, neverShowContentType, preferTopic, optOut';
ALTER TABLE recommender_status
    ADD COLUMN models jsonb NOT NULL DEFAULT '{}';  -- daily models that speak in the lists: kind to version

CREATE VIEW reporting.recommendation_outcomes AS
SELECT day, list_type, arm, sum(servings)::bigint AS servings, sum(impressions)::bigint AS impressions,
       sum(clicks)::bigint AS clicks, sum(conversions)::bigint AS conversions, sum(likes)::bigint AS likes,
       sum(dislikes)::bigint AS dislikes, sum(clicks)::float8 / nullif(sum(impressions), 0) AS click_through_rate,
       sum(conversions)::float8 / nullif(sum(impressions), 0) AS conversion_rate,
       sum(click_weight) / nullif(sum(weight), 0) AS weighted_click_through_rate, reach.learners
FROM recommendation_outcome
JOIN (
    SELECT '1970-01-01'::date + first_day AS day, list_type, arm, count(DISTINCT learner_key) AS learners
    FROM impression CROSS JOIN unnest(arms) AS arm
    WHERE first_day IS NOT NULL
    GROUP BY 1, 2, 3
    HAVING count(DISTINCT learner_key) >= 5
) AS reach USING (day, list_type, arm)
GROUP BY day, list_type, arm, reach.learners;
COMMENT ON VIEW reporting.recommendation_outcomes IS
    'What comes of recommendations, by day, type of list and arm?  Groups of fewer than five learners are left out.';

CREATE VIEW reporting.recommendation_ranks AS
SELECT list_type, arm, rank, sum(impressions)::bigint AS impressions, sum(clicks)::bigint AS clicks,
       sum(conversions)::bigint AS conversions, sum(clicks)::float8 / sum(impressions) AS click_through_rate
FROM recommendation_outcome
GROUP BY list_type, arm, rank
HAVING sum(impressions) >= 100;
COMMENT ON VIEW reporting.recommendation_ranks IS
    'How does what comes of a recommendation depend on its rank?  Over all days; ranks with fewer than 100 impressions are left out.';

CREATE VIEW reporting.recommendations AS
SELECT r.type, r.writer, entry.place AS rank, content.content_id, content.content_type, count(*) AS lists,
       avg(entry.score) AS mean_score, min(r.generated_at) AS oldest_generated_at
FROM recommendations AS r
CROSS JOIN unnest(r.item_keys, r.scores) WITH ORDINALITY AS entry (item_key, score, place)
JOIN content ON content.item_key = entry.item_key
WHERE entry.place <= 10
GROUP BY r.type, r.writer, entry.place, content.content_id, content.content_type
HAVING count(*) >= 5;
COMMENT ON VIEW reporting.recommendations IS
    'What is recommended at which rank, and to how many?  The first ten places of ready lists; fewer than five lists are left out.';

CREATE OR REPLACE VIEW reporting.recommender_quality AS
SELECT hour, source, session, events, hits::double precision / nullif(events, 0) AS hit_rate_at_10,
       ndcg_sum / nullif(events, 0) AS ndcg_at_10,
       hits::double precision / nullif(events, 0) AS recall_at_10,
       hits::double precision / nullif(events, 0) / 10 AS precision_at_10,
       2 * hits::double precision / nullif(events, 0) / 11 AS f1_at_10
FROM recommender_evaluation;

SELECT grant_reporting();
