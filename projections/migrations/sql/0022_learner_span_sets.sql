-- Sets of learners over spans of 16 days: a distinct count over 90 days reads four or five of them and few single days.

-- As learner_day_set, over the 16 UTC days from first_day on; spans begin every 16 days from 1970-01-01.
CREATE TABLE learner_span_set (
    kind      smallint  NOT NULL,                       -- 0 active, 1 completed something
    first_day date      NOT NULL,
    chunk     integer   NOT NULL,                       -- learner_key / 8192
    members   bit(8192) NOT NULL,
    PRIMARY KEY (kind, first_day, chunk)
);
ALTER TABLE learner_span_set ALTER members SET STORAGE PLAIN;

INSERT INTO learner_span_set (kind, first_day, chunk, members)
SELECT kind, '1970-01-01'::date + (day - '1970-01-01'::date) / 16 * 16, chunk, bit_or(members)
FROM learner_day_set
GROUP BY 1, 2, 3;
