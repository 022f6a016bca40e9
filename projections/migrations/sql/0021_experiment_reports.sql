-- What experiments say, kept for dashboards and the live page; written by the jobs process.

-- The newest report of each hour, as anybody may see it: nothing while it collects, no group below five.
CREATE TABLE experiment_report (
    experiment  text        NOT NULL REFERENCES experiment ON DELETE CASCADE,  -- its key
    hour        timestamptz NOT NULL,
    report      jsonb       NOT NULL,                   -- schemas/experiments.py, Report
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (experiment, hour)
);

CREATE VIEW reporting.experiment_reports AS
SELECT DISTINCT ON (r.experiment) r.experiment, e.state, report ->> 'metric' AS metric, report ->> 'verdict' AS verdict,
       report ->> 'says' AS says, (report ->> 'ratioPValue')::float8 AS ratio_p_value,
       (report ->> 'mixed')::integer AS mixed, r.computed_at
FROM experiment_report r JOIN experiment e ON e.key = r.experiment
ORDER BY r.experiment, r.hour DESC;
COMMENT ON VIEW reporting.experiment_reports IS
    'What does each experiment say now?  Its verdict in a sentence, and the check of its shares (alarm below 0.001).';

CREATE VIEW reporting.experiment_effects AS
SELECT r.experiment, r.hour, report ->> 'metric' AS metric, place - 1 AS place, one ->> 'name' AS variation,
       (one ->> 'learners')::integer AS learners, (one ->> 'mean')::float8 AS mean,
       (one ->> 'difference')::float8 AS difference, (one ->> 'differenceLow')::float8 AS difference_low,
       (one ->> 'differenceHigh')::float8 AS difference_high, (one ->> 'lift')::float8 AS lift,
       (one ->> 'liftLow')::float8 AS lift_low, (one ->> 'liftHigh')::float8 AS lift_high,
       (one ->> 'pValue')::float8 AS p_value,
       r.hour = max(r.hour) OVER (PARTITION BY r.experiment) AS newest
FROM experiment_report r, jsonb_array_elements(report -> 'variations') WITH ORDINALITY AS v (one, place);
COMMENT ON VIEW reporting.experiment_effects IS
    'How do variations differ from the control, hour by hour?  95 % intervals that hold however often one looks.';

CREATE VIEW reporting.experiment_guardrails AS
SELECT DISTINCT ON (r.experiment, one ->> 'metric', one ->> 'variation') r.experiment, one ->> 'metric' AS metric,
       one ->> 'variation' AS variation, one ->> 'state' AS state
FROM experiment_report r, jsonb_array_elements(report -> 'guardrails') AS one
WHERE r.hour = (SELECT max(hour) FROM experiment_report n WHERE n.experiment = r.experiment);
COMMENT ON VIEW reporting.experiment_guardrails IS
    'Does a variation harm what must not get worse?  Held, open (not known yet) or broken, as of the newest report.';

SELECT grant_reporting();
