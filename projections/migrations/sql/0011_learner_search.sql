-- Operators look for learners by the beginning of their id, in the order of bytes.
CREATE INDEX learners_by_id ON learners (user_id COLLATE "C") INCLUDE (created_at);
