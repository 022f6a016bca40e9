-- Numbers of segments are given once: a new group does not take that of one that is gone.
CREATE SEQUENCE segment_number AS integer;
SELECT setval('segment_number', coalesce(max(segment_id), 0) + 1, false) FROM segment;
