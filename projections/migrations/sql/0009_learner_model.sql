-- What learners know: abilities and memories that the worker folds, difficulty and weights that the recommender owns.

-- The skills that the catalogue has named.  Content without skills counts for its topics, else for itself.
CREATE TABLE skill (
    skill_key  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text             NOT NULL UNIQUE,        -- as the catalogue words it
    difficulty double precision NOT NULL DEFAULT 0      -- of its average content, logits, as published last; higher is harder
);

-- One row a learner with attempts: the ability that counts for every skill.
CREATE TABLE learner_ability (
    learner_key    bigint           PRIMARY KEY,
    ability        double precision NOT NULL,           -- logits; success at content of difficulty d: 1 / (1 + e^(d - ability))
    variance       double precision NOT NULL,           -- of the ability
    successes      integer          NOT NULL,
    failures       integer          NOT NULL,
    residual       double precision NOT NULL,           -- fading mean of outcome - prediction
    recent         smallint         NOT NULL,           -- the last 5 outcomes as bits, the newest lowest
    last_at        timestamptz      NOT NULL,           -- newest attempt
    last_item_key  bigint           NOT NULL,           -- content of the attempt folded last
    last_outcome   smallint         NOT NULL,           -- 1 success, 0 failure
    last_skill_key integer          NOT NULL,           -- its first skill; -1: it had none
    shared_version bigint           NOT NULL,           -- version of difficulty and weights that it was folded with
    applied_seq    bigint           NOT NULL
) WITH (fillfactor = 70);

-- One row a learner and skill with attempts: what is above or below the learner's general ability.
CREATE TABLE learner_skill (
    learner_key bigint           NOT NULL,
    skill_key   integer          NOT NULL,
    ability     double precision NOT NULL,              -- logits, added to the general ability
    variance    double precision NOT NULL,              -- of it
    successes   integer          NOT NULL,
    failures    integer          NOT NULL,
    residual    double precision NOT NULL,              -- fading mean of outcome - prediction
    recent      smallint         NOT NULL,              -- the last 5 outcomes as bits, the newest lowest
    last_at     timestamptz      NOT NULL,              -- newest attempt
    mastered    boolean          NOT NULL,              -- gained at .85 with evidence, lost below .75
    applied_seq bigint           NOT NULL,
    PRIMARY KEY (learner_key, skill_key)
) WITH (fillfactor = 70);

-- One row a learner and content with attempts: outcomes, and the memory of it (FSRS-6).
CREATE TABLE learner_item (
    learner_key     bigint           NOT NULL,
    item_key        bigint           NOT NULL,
    successes       integer          NOT NULL,
    failures        integer          NOT NULL,
    recent          smallint         NOT NULL,          -- the last 5 outcomes as bits, the newest lowest
    last_at         timestamptz      NOT NULL,          -- newest attempt
    stability_days  double precision NOT NULL,          -- time after which recall falls to .9
    difficulty      double precision NOT NULL,          -- of remembering, 1 to 10
    due_at          timestamptz      NOT NULL,          -- when a review is due: recall is at .9
    applied_seq     bigint           NOT NULL,
    PRIMARY KEY (learner_key, item_key)
) WITH (fillfactor = 70);

-- Mastery after the last attempt of each local day, a year of days at most a learner and skill.
CREATE TABLE skill_history (
    learner_key bigint           NOT NULL,
    skill_key   integer          NOT NULL,
    local_day   integer          NOT NULL,              -- days since 1970-01-01 in the learner's zone
    mastery     double precision NOT NULL,              -- expected success rate at the skill's average content
    low         double precision NOT NULL,              -- 90 % interval
    high        double precision NOT NULL,              -- 90 % interval
    attempts    integer          NOT NULL,              -- until then
    PRIMARY KEY (learner_key, skill_key, local_day)
);

-- Versions of item difficulty and weights, made by the recommender from all learners' attempts.  They name nobody.
CREATE TABLE learner_model_version (
    version      bigint PRIMARY KEY,
    valid_from   bigint,                                -- transactions behind this applied_seq use it; NULL: never published
    folded_to    bigint NOT NULL,                       -- attempts up to this applied_seq are in it
    attempts     bigint NOT NULL,                       -- attempts learnt from, all versions
    log_loss     double precision NOT NULL,             -- of predictions since the last version, before each was learnt from
    digest       text   NOT NULL,                       -- of the body; names it in caches
    body         bytea  NOT NULL,                       -- arrays without code, zlib
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- Difficulty of each content as published last.
CREATE TABLE item_difficulty (
    item_key   bigint PRIMARY KEY,
    difficulty double precision NOT NULL,               -- logits beyond its skills' difficulty; higher is harder
    variance   double precision NOT NULL,               -- of the difficulty; 1 before any attempt
    version    bigint NOT NULL                          -- version that changed it last
);

-- The recommender's own view of each learner, as of its newest version: what it learns difficulty from.
CREATE TABLE learner_model_teacher (
    learner_key bigint PRIMARY KEY,
    state       bytea NOT NULL                          -- arrays without code
);

-- Attempts in the order of the log: the recommender reads nothing else of it.
CREATE INDEX interaction_log_attempt ON interaction_log (applied_seq) WHERE success >= 0 OR score <> 'NaN';

-- How learners like to work: sums and numbers of observations, only of events under the consent `personality`.
CREATE TABLE personality (
    learner_key bigint PRIMARY KEY,
    totals      double precision[] NOT NULL,            -- thoroughness, pace, practice, sociability, evening: sum in [0, n]
    counts      bigint[]           NOT NULL             -- number of observations of each
) WITH (fillfactor = 70);
