-- What a learner answered about how they like to work, given with the consent `personality` and withdrawn with it.
CREATE TABLE learner_private_answers (
    learner_key bigint PRIMARY KEY REFERENCES learners ON DELETE CASCADE,
    answers     jsonb NOT NULL                          -- dimension -> 1 (not at all) to 5 (very much)
);

-- Goals name skills in words.
CREATE INDEX skill_lower_name ON skill (lower(name));
