-- What learners learn: how far they are with each content, their learning paths, and the milestones announced.

-- How far each learner has come with each content; interactions without completion and score leave no row.
CREATE TABLE item_progress (
    learner_key        bigint           NOT NULL,
    item_key           bigint           NOT NULL,
    completion         double precision NOT NULL,       -- the furthest, [0, 1]; COMPLETE is 1
    completed_at       timestamptz,                     -- first completion; NULL: not completed
    time_spent_seconds double precision NOT NULL,       -- sum of the times stated with progress or a score
    best_score         double precision,                -- [0, 1]; NULL: none was stated
    last_at            timestamptz      NOT NULL,
    PRIMARY KEY (learner_key, item_key)
);

-- The learning paths that learners have.  Made by commands, so not part of any rebuild.
CREATE TABLE learning_path (
    path_id           text             PRIMARY KEY,     -- minted by the API
    learner_key       bigint           NOT NULL,
    title             text             NOT NULL,
    topic             text             NOT NULL,
    level             text             NOT NULL,        -- BEGINNER, INTERMEDIATE, ADVANCED, EXPERT
    estimated_seconds double precision NOT NULL,        -- the author's, else the sum over the modules
    issued_at         timestamptz      NOT NULL,        -- when it was asked for
    applied_seq       bigint           NOT NULL
);
CREATE INDEX learning_path_learner ON learning_path (learner_key);

-- The modules of a path, with the progress that was reported for them; that of interactions is in `item_progress`.
CREATE TABLE path_module (
    path_id            text             NOT NULL REFERENCES learning_path ON DELETE CASCADE,
    learner_key        bigint           NOT NULL,
    ordinal            integer          NOT NULL,       -- place in the author's order, from 0
    module_id          text             NOT NULL,       -- also the contentId of the content it is about, if there is one
    title              text             NOT NULL,
    content_type       text             NOT NULL,
    duration_seconds   double precision NOT NULL,       -- the author's estimate
    prerequisites      text[]           NOT NULL,       -- module_ids of this path
    completion         double precision NOT NULL DEFAULT 0,  -- the furthest that was reported, [0, 1]
    completed_at       timestamptz,                     -- first report of completion; NULL: none
    time_spent_seconds double precision NOT NULL DEFAULT 0,  -- sum of the reported times
    best_score         double precision,                -- best reported score, [0, 1]; NULL: none
    applied_seq        bigint           NOT NULL,
    PRIMARY KEY (path_id, module_id)
);
CREATE INDEX path_module_learner ON path_module (learner_key, module_id);

-- Milestones that were announced, each once for good.
CREATE TABLE path_milestone (
    path_id     text    NOT NULL REFERENCES learning_path ON DELETE CASCADE,
    learner_key bigint  NOT NULL,
    percent     integer NOT NULL,                       -- share of the modules [%]: 25, 50, 75, 100; 0: a module
    module_id   text    NOT NULL,                       -- the completed module; empty: a share of the path
    applied_seq bigint  NOT NULL,
    PRIMARY KEY (path_id, percent, module_id)
);
CREATE INDEX path_milestone_learner ON path_milestone (learner_key);
