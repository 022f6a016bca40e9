-- Finds the blocks of the log of record that may hold a learner's rows: for exports and erasures (decision 16).
CREATE INDEX interaction_log_learner ON interaction_log
    USING brin (learner_key int8_bloom_ops (n_distinct_per_range = 500)) WITH (pages_per_range = 16, autosummarize = on);
