"""How far do learners come with their paths, and where do they leave?  The dashboard Learning paths."""

from __future__ import annotations

from personalize.dashboards.panels import Dashboard, Metrics, Panel, Row, Rows, stat

TOTAL = "SELECT sum({})::double precision AS paths FROM reporting.paths"

LEARNING_PATHS = Dashboard(
    name="learning-paths",
    title="Learning paths",
    says="Completion, milestones and drop-off of learning paths. Topics with fewer than five learners are left out.",
    hours=24,
    rows=[
        Row(
            "Paths",
            [
                stat("Paths", "Made so far.", Rows(TOTAL.format("paths"))),
                stat("Half way", "Reached half of their modules.", Rows(TOTAL.format("reached_50"))),
                stat("Completed", "All modules.", Rows(TOTAL.format("completed"))),
                stat(
                    "Completion",
                    "Share of the paths that are completed.",
                    Rows("SELECT sum(completed) / nullif(sum(paths), 0) AS share FROM reporting.paths"),
                    unit="percentunit",
                ),
                stat(
                    "Estimated time",
                    "Mean estimate of a path.",
                    Rows(
                        "SELECT sum(mean_estimated_seconds * paths) / nullif(sum(paths), 0) AS estimate FROM reporting.paths"
                    ),
                    unit="s",
                ),
                stat(
                    "Commands",
                    "Paths made, progress reported, profiles set and so on, a second.",
                    Metrics("sum(rate(personalize_commands_total[$__rate_interval]))"),
                    unit="cps",
                ),
            ],
        ),
        Row(
            "How far",
            [
                Panel(
                    title="Funnel",
                    says="Paths that reached each quarter.",
                    queries=[
                        Rows(
                            'SELECT sum(paths)::float8 AS made, sum(reached_25)::float8 AS "25 %", sum(reached_50)::float8 '
                            'AS "50 %", sum(reached_75)::float8 AS "75 %", sum(completed)::float8 AS completed '
                            "FROM reporting.paths"
                        )
                    ],
                    kind="bargauge",
                    low=0,
                ),
                Panel(
                    title="By topic and level",
                    says="Paths that reached each quarter.",
                    queries=[
                        Rows(
                            "SELECT topic, level, paths, learners, reached_25, reached_50, reached_75, completed, "
                            "mean_estimated_seconds FROM reporting.paths ORDER BY paths DESC"
                        )
                    ],
                    kind="table",
                    width=16,
                    units={"mean_estimated_seconds": "s"},
                ),
                Panel(
                    title="Drop-off",
                    says="Modules begun and completed by their place in the path.",
                    queries=[
                        Rows(
                            "SELECT place::text, sum(started)::float8 AS started, sum(completed)::float8 AS completed "
                            "FROM reporting.path_modules GROUP BY path_modules.place ORDER BY path_modules.place"
                        )
                    ],
                    kind="barchart",
                ),
                Panel(
                    title="Estimated and real time",
                    says="Of a module, by its place in the path, in seconds.",
                    queries=[
                        Rows(
                            "SELECT topic, place, mean_estimated_seconds, mean_spent_seconds "
                            "FROM reporting.path_modules ORDER BY topic, place"
                        )
                    ],
                    kind="table",
                    units={"mean_estimated_seconds": "s", "mean_spent_seconds": "s"},
                ),
                Panel(
                    title="Milestones",
                    says="Announced so far, by percent of a path; 0: a single module.",
                    queries=[
                        Rows(
                            "SELECT percent::text, sum(milestones)::float8 AS milestones FROM reporting.path_milestones "
                            "GROUP BY path_milestones.percent ORDER BY path_milestones.percent"
                        )
                    ],
                    kind="barchart",
                ),
            ],
        ),
    ],
)
