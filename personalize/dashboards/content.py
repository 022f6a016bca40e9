"""What is used, how, and what is not?  The dashboard Content."""

from __future__ import annotations

from personalize.dashboards.panels import Dashboard, Metrics, Panel, Row, Rows, stat

CONTENT = Dashboard(
    name="content",
    title="Content",
    says="Popularity, topics, how each kind of content is used, and what is never shown.",
    hours=24 * 7,
    rows=[
        Row(
            "The catalogue",
            [
                stat("Content", "Not withdrawn.", Rows("SELECT count(*) AS content FROM reporting.exposure")),
                stat(
                    "Used",
                    "With at least one interaction.",
                    Rows("SELECT count(*) AS used FROM reporting.content_popularity"),
                ),
                stat(
                    "Never shown",
                    "In none of the lists' first ten places.",
                    Rows("SELECT count(*) AS unseen FROM reporting.exposure WHERE lists = 0"),
                ),
                stat(
                    "Changes",
                    "Catalogue entries taken over since the start.",
                    Metrics("sum(personalize_catalogue_changes_total)"),
                ),
                stat(
                    "Events",
                    "In the time range.",
                    Rows(
                        "SELECT sum(events)::float8 AS events FROM reporting.hourly_activity WHERE $__timeFilter(hour)"
                    ),
                ),
                stat(
                    "Completions",
                    "In the time range.",
                    Rows(
                        "SELECT sum(completions)::float8 AS completions FROM reporting.hourly_activity "
                        "WHERE $__timeFilter(hour)"
                    ),
                ),
            ],
        ),
        Row(
            "Popularity",
            [
                Panel(
                    title="Popular now",
                    says="Weighted interactions that halve every hour, day and week.",
                    queries=[
                        Rows(
                            "SELECT title, content_type, score_1h, score_24h, score_7d, events "
                            "FROM reporting.content_popularity ORDER BY score_24h DESC LIMIT 25"
                        )
                    ],
                    kind="table",
                    width=14,
                    height=10,
                ),
                Panel(
                    title="Topics",
                    says="Popularity of the last day by topic; content with several topics counts for each.",
                    queries=[
                        Rows(
                            "SELECT topic, sum(score_24h) AS score FROM reporting.content_popularity, unnest(topics) AS topic "
                            "GROUP BY topic ORDER BY score DESC LIMIT 15"
                        )
                    ],
                    kind="barchart",
                    width=10,
                    height=10,
                ),
            ],
        ),
        Row(
            "Use",
            [
                Panel(
                    title="Events by kind of content",
                    says="By hour (UTC).",
                    queries=[
                        Rows(
                            'SELECT hour AS "time", content_type AS metric, sum(events)::float8 AS events '
                            "FROM reporting.hourly_activity WHERE $__timeFilter(hour) GROUP BY 1, 2 ORDER BY 1",
                            over_time=True,
                        )
                    ],
                    stacked=True,
                    low=0,
                ),
                Panel(
                    title="Engagement of an event",
                    says="Mean score of an event in [0, 1], by kind of content, in the time range.",
                    queries=[
                        Rows(
                            "SELECT content_type, sum(mean_event_score * events) / sum(events) AS score "
                            "FROM reporting.hourly_activity WHERE $__timeFilter(hour) GROUP BY 1 ORDER BY 2 DESC"
                        )
                    ],
                    kind="barchart",
                ),
                Panel(
                    title="Shown and used",
                    says="Share of the first ten places of all lists beside the share of the interactions.",
                    queries=[
                        Rows(
                            "SELECT content_type, sum(exposure_share) AS shown, sum(interaction_share) AS used "
                            "FROM reporting.exposure GROUP BY 1 ORDER BY 2 DESC"
                        )
                    ],
                    kind="barchart",
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Performance",
            [
                Panel(
                    title="How well content holds its learners",
                    says="Relative engagement: rank by mean completion among content of similar length, 0 to 1.",
                    queries=[
                        Rows(
                            "SELECT title, content_type, learners, mean_completion, completion_share, "
                            "mean_time_spent_seconds, relative_engagement FROM reporting.content_performance "
                            "ORDER BY relative_engagement DESC, learners DESC LIMIT 100"
                        )
                    ],
                    kind="table",
                    width=12,
                    height=9,
                    units={
                        "mean_completion": "percentunit",
                        "completion_share": "percentunit",
                        "mean_time_spent_seconds": "s",
                        "relative_engagement": "percentunit",
                    },
                ),
                Panel(
                    title="Is it as hard as it says?",
                    says="Stated difficulty beside success rate and the learner model's measure (in logits, 0 is average).",
                    queries=[
                        Rows(
                            "SELECT title, stated, measured_logits, success_rate, learners FROM reporting.content_difficulty "
                            "ORDER BY success_rate, learners DESC LIMIT 100"
                        )
                    ],
                    kind="table",
                    width=12,
                    height=9,
                    units={"success_rate": "percentunit"},
                ),
                Panel(
                    title="Topics by learners",
                    says="Different learners who touched a topic in the last 28 days, five or more.",
                    queries=[
                        Rows(
                            "SELECT topic, learners, completions FROM reporting.topic_popularity "
                            "ORDER BY learners DESC LIMIT 15"
                        )
                    ],
                    kind="barchart",
                    width=24,
                ),
            ],
        ),
    ],
)
