-- Who may ask the API, and who was refused.  Both tables are written by the API and the `keys` command, not by a fold.

-- An API key.  The secret itself is nowhere: it is shown once, when it is made.
CREATE TABLE api_key (
    key_id      text PRIMARY KEY,        -- the public part of the secret; logs and the audit log name a key by it
    name        text NOT NULL,                          -- what it is for, as its maker called it
    secret_hash bytea NOT NULL,                         -- SHA-256 of the whole secret (256 random bits)
    scopes      text[] NOT NULL,                        -- what it may do
    requests_per_minute integer,                        -- its own limit; NULL: the usual one, 0: none
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,                            -- not good from here on; NULL: no end
    revoked_at  timestamptz,                            -- taken away by hand
    replaced_by text REFERENCES api_key                 -- its successor, once it was rotated
);
ALTER TABLE api_key ADD CHECK (octet_length(secret_hash) = 32), ADD CHECK (requests_per_minute >= 0);

-- One refusal, or one request of an administrator.  Append-only, each row bound to all before it.
CREATE TABLE access_audit (
    seq         bigint PRIMARY KEY,                     -- from 1, without a gap
    entry       text NOT NULL,           -- canonical JSON: when, who (keyed hash or key id), route, outcome and why
    hash        bytea NOT NULL                          -- SHA-256 of the hash before (32 zero bytes at first) and the entry
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Appends entries, in order, to the chain; returns the number of the last.  One writer at a time.
CREATE FUNCTION append_access_audit(entries text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    last_seq  bigint;
    last_hash bytea;
    added     text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('access_audit', 0));
    SELECT seq, hash INTO last_seq, last_hash FROM access_audit ORDER BY seq DESC LIMIT 1;
    last_seq := coalesce(last_seq, 0);
    last_hash := coalesce(last_hash, decode(repeat('00', 32), 'hex'));
    FOREACH added IN ARRAY entries LOOP
        last_seq := last_seq + 1;
        last_hash := sha256(last_hash || convert_to(added, 'UTF8'));
        INSERT INTO access_audit (seq, entry, hash) VALUES (last_seq, added, last_hash);
    END LOOP;
    RETURN last_seq;
END $$;

CREATE VIEW reporting.access_denials AS
SELECT date_trunc('hour', (entry::jsonb ->> 'at')::timestamptz) AS hour, entry::jsonb ->> 'route' AS route,
       entry::jsonb ->> 'reason' AS reason, count(*) AS requests
FROM access_audit WHERE entry::jsonb ->> 'outcome' = 'denied'
GROUP BY 1, 2, 3;
COMMENT ON VIEW reporting.access_denials IS 'Which requests were refused for want of a right, when and why?  Counts only.';
