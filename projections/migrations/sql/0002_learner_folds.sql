-- Read models that one learner owns: written absolutely, a row a touched learner, never shared between workers.
-- fillfactor leaves room on each page for the next version of a row, and no changing column is indexed, so updates stay
-- on their page (HOT) and touch no index.

CREATE TABLE engagement (
    learner_key    bigint PRIMARY KEY,
    events         bigint           NOT NULL,
    log_type       double precision NOT NULL,
    log_completion double precision NOT NULL,
    log_time       double precision NOT NULL,
    log_scroll     double precision NOT NULL,
    log_clicks     double precision NOT NULL,
    log_rating     double precision NOT NULL,
    log_sentiment  double precision NOT NULL,
    last_at        timestamptz      NOT NULL,
    applied_seq    bigint           NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE engagement IS 'One row a learner, read with engagement_at(time): the sums fade, the row does not change.';
COMMENT ON COLUMN engagement.events IS 'Interactions folded.';
COMMENT ON COLUMN engagement.log_type IS
    'ln of the fading sum (half-life 7 days, landmark 2020-01-01) of the parts that the kinds of acts bring; -Infinity: none. So for each log_ column.';
COMMENT ON COLUMN engagement.log_completion IS 'Parts that completion rates bring.';
COMMENT ON COLUMN engagement.log_time IS 'Parts that time spent, against the duration expected, brings.';
COMMENT ON COLUMN engagement.log_scroll IS 'Parts that scroll depth brings.';
COMMENT ON COLUMN engagement.log_clicks IS 'Parts that clicks bring.';
COMMENT ON COLUMN engagement.log_rating IS 'Parts that ratings bring.';
COMMENT ON COLUMN engagement.log_sentiment IS 'Parts that the sentiment of feedback brings.';
COMMENT ON COLUMN engagement.last_at IS 'Newest event time.';
COMMENT ON COLUMN engagement.applied_seq IS 'Transaction that wrote the row last; grows with every version of it.';

CREATE TABLE behaviour (
    learner_key            bigint PRIMARY KEY,
    events                 bigint           NOT NULL,
    type_counts            bigint[]         NOT NULL,
    hour_counts            bigint[]         NOT NULL,
    weekday_counts         bigint[]         NOT NULL,
    completions            bigint           NOT NULL,
    completion_rates       bigint           NOT NULL,
    completion_rate_sum    double precision NOT NULL,
    time_spent_seconds     double precision NOT NULL,
    paced_spent_seconds    double precision NOT NULL,
    paced_expected_seconds double precision NOT NULL,
    first_at               timestamptz      NOT NULL,
    last_at                timestamptz      NOT NULL,
    applied_seq            bigint           NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE behaviour IS 'One row a learner: exact counts and sums over all his interactions.';
COMMENT ON COLUMN behaviour.events IS 'Interactions folded.';
COMMENT ON COLUMN behaviour.type_counts IS
    'Interactions of each type: VIEW, START, PROGRESS, COMPLETE, CLICK, LIKE, DISLIKE, BOOKMARK, SHARE, RATE, ATTEMPT, SKIP.';
COMMENT ON COLUMN behaviour.hour_counts IS 'Interactions in each hour of the learner''s own day, 0 to 23; element 1 is midnight.';
COMMENT ON COLUMN behaviour.weekday_counts IS 'Interactions on each weekday of the learner''s own calendar, Monday first.';
COMMENT ON COLUMN behaviour.completions IS 'Interactions of type COMPLETE.';
COMMENT ON COLUMN behaviour.completion_rates IS 'Interactions that stated a completion rate.';
COMMENT ON COLUMN behaviour.completion_rate_sum IS 'Sum of those rates; divided by completion_rates, the mean.';
COMMENT ON COLUMN behaviour.time_spent_seconds IS 'Sum of all stated times.';
COMMENT ON COLUMN behaviour.paced_spent_seconds IS 'Sum of the stated times on content whose duration the catalogue knew.';
COMMENT ON COLUMN behaviour.paced_expected_seconds IS 'Sum of those durations; spent / expected below 1 is a fast pace.';
COMMENT ON COLUMN behaviour.first_at IS 'Oldest event time.';
COMMENT ON COLUMN behaviour.last_at IS 'Newest event time.';
COMMENT ON COLUMN behaviour.applied_seq IS 'Transaction that wrote the row last.';

CREATE TABLE learner_session (
    learner_key        bigint           NOT NULL,
    started_at         timestamptz      NOT NULL,
    ended_at           timestamptz      NOT NULL,
    events             bigint           NOT NULL,
    clicks             bigint           NOT NULL,
    completions        bigint           NOT NULL,
    time_spent_seconds double precision NOT NULL,
    applied_seq        bigint           NOT NULL,
    PRIMARY KEY (learner_key, started_at)
) WITH (fillfactor = 80);
COMMENT ON TABLE learner_session IS
    'One row a visit: events at most 30 minutes apart are one visit; late events extend or join visits.';
COMMENT ON COLUMN learner_session.started_at IS 'First event of the visit.';
COMMENT ON COLUMN learner_session.ended_at IS 'Last event of the visit; what followed it is unknown and not imputed.';
COMMENT ON COLUMN learner_session.events IS 'Interactions in the visit.';
COMMENT ON COLUMN learner_session.clicks IS 'Sum of the stated clicks.';
COMMENT ON COLUMN learner_session.completions IS 'Interactions of type COMPLETE.';
COMMENT ON COLUMN learner_session.time_spent_seconds IS 'Sum of the stated times.';
COMMENT ON COLUMN learner_session.applied_seq IS 'Transaction that wrote the row last.';

CREATE TABLE recent_interaction (
    learner_key   bigint PRIMARY KEY,
    item_keys     bigint[]   NOT NULL,
    content_types smallint[] NOT NULL,
    types         smallint[] NOT NULL,
    at_ms         bigint[]   NOT NULL,
    dedupe_keys   bigint[]   NOT NULL,
    applied_seq   bigint     NOT NULL
) WITH (fillfactor = 60);
COMMENT ON TABLE recent_interaction IS 'One row a learner: his newest 50 interactions, newest first, as parallel lists.';
COMMENT ON COLUMN recent_interaction.item_keys IS 'Content (content.item_key) of each interaction.';
COMMENT ON COLUMN recent_interaction.content_types IS 'Its kind as the event stated it (content_types.content_type_key).';
COMMENT ON COLUMN recent_interaction.types IS 'Interaction type codes, 0 VIEW to 11 SKIP in the order of behaviour.type_counts.';
COMMENT ON COLUMN recent_interaction.at_ms IS 'Event times, Unix milliseconds, descending.';
COMMENT ON COLUMN recent_interaction.dedupe_keys IS 'Dedupe keys of the events; they order events of one millisecond.';
COMMENT ON COLUMN recent_interaction.applied_seq IS 'Transaction that wrote the row last.';

-- S(t) of a log-space fading sum; half-life 7 days, landmark 2020-01-01, as models.decay and models.engagement have it.
-- Postgres raises on underflow and overflow of exp, hence the bounds.
CREATE FUNCTION engagement_sum(log_sum double precision, as_of timestamptz) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN exp(least(greatest(
    log_sum - (date_part('epoch', as_of) - 1577836800.0) * (ln(2.0::double precision) / 604800.0), -700), 690));

-- Score in [0, 100] of every learner at a time, and the seven parts that add up to it.
CREATE FUNCTION engagement_at(as_of timestamptz)
RETURNS TABLE (
    learner_key bigint, score double precision, type double precision, completion double precision,
    "time" double precision, scroll double precision, clicks double precision, rating double precision,
    sentiment double precision, events bigint, last_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT s.learner_key, s.score, s.score * s.type / s.total, s.score * s.completion / s.total,
           s.score * s.on_time / s.total, s.score * s.scroll / s.total, s.score * s.clicks / s.total,
           s.score * s.rating / s.total, s.score * s.sentiment / s.total, s.events, s.last_at
    FROM (
        SELECT p.*, 100 * (1 - exp(greatest(-p.total / 5, -700))) AS score
        FROM (
            SELECT e.*, e.type + e.completion + e.on_time + e.scroll + e.clicks + e.rating + e.sentiment AS total
            FROM (
                SELECT g.learner_key, g.events, g.last_at,
                       engagement_sum(g.log_type, as_of) AS type,
                       engagement_sum(g.log_completion, as_of) AS completion,
                       engagement_sum(g.log_time, as_of) AS on_time,
                       engagement_sum(g.log_scroll, as_of) AS scroll,
                       engagement_sum(g.log_clicks, as_of) AS clicks,
                       engagement_sum(g.log_rating, as_of) AS rating,
                       engagement_sum(g.log_sentiment, as_of) AS sentiment
                FROM engagement AS g
            ) AS e
        ) AS p
    ) AS s;
END;

-- The same without anyone's key: what dashboards may read.
CREATE VIEW reporting.engagement AS
    SELECT score, type, completion, "time", scroll, clicks, rating, sentiment, events FROM engagement_at(now());
-- The same as of a time.
CREATE FUNCTION reporting.engagement_at(as_of timestamptz)
RETURNS TABLE (
    score double precision, type double precision, completion double precision, "time" double precision,
    scroll double precision, clicks double precision, rating double precision, sentiment double precision,
    events bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT e.score, e.type, e.completion, e."time", e.scroll, e.clicks, e.rating, e.sentiment, e.events
    FROM engagement_at(as_of) AS e;
END;
COMMENT ON VIEW reporting.engagement IS 'How engaged are learners now?  One row a learner, without saying who.';
