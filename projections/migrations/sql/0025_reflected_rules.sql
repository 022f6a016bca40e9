-- Which of a learner's own rules a stored list was ordered by, so that a read can tell what has changed since.
ALTER TABLE recommendations
    ADD COLUMN reflected_rules jsonb;              -- pins and preferences in the list, [[kind, item_key, label, weight]]; NULL: none
