"""Which models are live, how good are they, and whom do they favour?  The dashboard Models & fairness."""

from __future__ import annotations

from personalize.dashboards.panels import Dashboard, Metrics, Panel, Row, Rows, stat

GINI = """
SELECT 1 - 2 * sum((n - place + 0.5) / n * share) AS gini
FROM (SELECT exposure_share AS share, row_number() OVER (ORDER BY exposure_share) AS place, count(*) OVER () AS n
      FROM reporting.exposure) AS shares
"""
"""Gini coefficient of the exposure shares: 0 all content is shown equally often, 1 only one is shown."""

MODELS = Dashboard(
    name="models",
    title="Models & fairness",
    says="Trained models and their hold-out metrics, weights of the blend, state of the recommender, exposure of content.",
    hours=24 * 7,
    rows=[
        Row(
            "The recommender",
            [
                stat(
                    "Drift",
                    "1: lists are worse than chance explains.",
                    Metrics("max(personalize_recommender_drift)"),
                    warn=1,
                ),
                stat("Items", "With events.", Metrics("max(personalize_recommender_items)")),
                stat(
                    "Memory of its tables",
                    "All of them.",
                    Metrics("max(process_resident_memory_bytes{job='recommender'})"),
                    unit="bytes",
                ),
                stat(
                    "Events judged",
                    "Ranked before they were counted, and learnt from, since the start.",
                    Metrics("sum(personalize_recommender_judged_total)"),
                ),
                stat(
                    "Popularity damping",
                    "What the most popular item loses, to hold coverage.",
                    Metrics("max(personalize_recommender_popularity_damping)"),
                ),
                stat(
                    "Snapshot",
                    "Bytes written by the last one.",
                    Metrics("max(personalize_recommender_snapshot_bytes)"),
                    unit="bytes",
                ),
                Panel(
                    title="Fading means",
                    says="Of the served lists: short follows the last events, long is the baseline that drift is told from.",
                    queries=[
                        Metrics("max by (window) (personalize_recommender_hit_rate_at_10)", "hit rate, {{window}}"),
                        Metrics("max by (window) (personalize_recommender_ndcg_at_10)", "NDCG, {{window}}"),
                    ],
                    unit="percentunit",
                    low=0,
                ),
                Panel(
                    title="Weights of the blend",
                    says="Versions that were kept; `personalize recommender weights --rollback N` goes back.",
                    queries=[
                        Rows(
                            "SELECT version, created_at, origin, learnt, hit_rate_at_10, ndcg_at_10 "
                            "FROM reporting.recommender_weights ORDER BY version DESC LIMIT 50"
                        )
                    ],
                    kind="table",
                    units={"hit_rate_at_10": "percentunit", "ndcg_at_10": "percentunit"},
                ),
                Panel(
                    title="Evaluations",
                    says="Events that judged each source, by kind of visit, since the start.",
                    queries=[
                        Metrics(
                            "sum by (source, session) (personalize_recommender_evaluations_total)",
                            "{{source}}, {{session}}",
                        )
                    ],
                    kind="table",
                ),
            ],
        ),
        Row(
            "Daily training",
            [
                Panel(
                    title="Models",
                    says="Candidates are promoted when they are no worse than the live one on the same hold-out.",
                    queries=[
                        Rows(
                            "SELECT version, kind, state, created_at, trained_until, events, items, "
                            "(metrics ->> 'ndcg')::float8 AS ndcg, (metrics ->> 'precision')::float8 AS precision, "
                            "(metrics ->> 'recall')::float8 AS recall, (metrics ->> 'f1')::float8 AS f1, body_bytes "
                            "FROM reporting.models ORDER BY version DESC LIMIT 50"
                        )
                    ],
                    kind="table",
                    width=16,
                    units={"body_bytes": "bytes"},
                ),
                Panel(
                    title="Hold-out metrics",
                    says="Of the model that was trained last, by kind.",
                    queries=[Metrics("max by (kind, metric) (personalize_model_metric)", "{{kind}} {{metric}}")],
                    kind="table",
                ),
            ],
        ),
        Row(
            "The learner model",
            [
                Panel(
                    title="How well attempts are foretold",
                    says="Of predictions between the last two versions, each made before its outcome.",
                    queries=[Metrics("max by (measure) (personalize_learner_model_quality)", "{{measure}}")],
                    low=0,
                ),
                Panel(
                    title="Attempts learnt from",
                    says="By difficulty and weights, since the start; the version is the newest that was published.",
                    queries=[
                        Metrics("sum(personalize_learner_model_attempts_total)", "attempts"),
                        Metrics("max(personalize_learner_model_version)", "version"),
                    ],
                    kind="stat",
                ),
                Panel(
                    title="Skills",
                    says="What is practised, and what is mastered; skills that fewer than five learners tried are left out.",
                    queries=[
                        Rows(
                            "SELECT skill, learners, attempts, success_rate, mastered, difficulty FROM reporting.skills "
                            "ORDER BY attempts DESC LIMIT 100"
                        )
                    ],
                    kind="table",
                    units={"success_rate": "percentunit"},
                ),
            ],
        ),
        Row(
            "Fairness of exposure",
            [
                Panel(
                    title="Concentration",
                    says="Gini coefficient of the first ten places: 0 all content is shown equally often, 1 only one.",
                    queries=[Rows(GINI.strip())],
                    kind="gauge",
                    width=4,
                    low=0,
                    high=1,
                    warn=0.8,
                    alarm=0.95,
                ),
                Panel(
                    title="Popularity bias",
                    says="Mean events of what lists show over mean events of what is taken: 1 alike, above 1 hits are favoured.",
                    queries=[Metrics("max(personalize_recommender_popularity_bias)", "bias")],
                    width=6,
                    low=0,
                ),
                Panel(
                    title="By popularity",
                    says="Share of the first ten places and of the interactions; tenth 1 is the most popular content.",
                    queries=[
                        Rows(
                            "SELECT popularity_tenth::text AS tenth, sum(exposure_share) AS shown, "
                            "sum(interaction_share) AS used FROM reporting.exposure "
                            "GROUP BY popularity_tenth ORDER BY exposure.popularity_tenth"
                        )
                    ],
                    kind="barchart",
                    width=6,
                    unit="percentunit",
                ),
                Panel(
                    title="Shown more than used",
                    says="Content whose share of the places exceeds its share of the interactions most.",
                    queries=[
                        Rows(
                            "SELECT title, content_type, exposure_share, interaction_share FROM reporting.exposure "
                            "ORDER BY exposure_share - interaction_share DESC NULLS LAST LIMIT 20"
                        )
                    ],
                    kind="table",
                    units={"exposure_share": "percentunit", "interaction_share": "percentunit"},
                ),
            ],
        ),
    ],
)
