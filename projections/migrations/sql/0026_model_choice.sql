-- Which kind of daily model speaks in a source of the blend, where several could.
CREATE TABLE model_choice (
    source     text        PRIMARY KEY,            -- of the blend
    kind       text        NOT NULL,               -- of model_artifact; its live version speaks
    chosen_at  timestamptz NOT NULL DEFAULT clock_timestamp(),  -- when the comparison was made
    ndcg       jsonb       NOT NULL                -- NDCG@10 of every kind on the same hold-out
);
COMMENT ON TABLE model_choice IS
    'One row a source of the blend that several kinds of daily models could speak in: the kind that foretold best.';
