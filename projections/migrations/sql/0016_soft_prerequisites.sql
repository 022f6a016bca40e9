-- Modules that better come first; they gate nothing.
ALTER TABLE path_module
    ADD COLUMN recommended text[] NOT NULL DEFAULT '{}';  -- module_ids of this path
