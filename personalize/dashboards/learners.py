"""Who learns, how often, how engaged?  The dashboard Learners & engagement."""

from __future__ import annotations

from personalize.dashboards.panels import Dashboard, Panel, Row, Rows, stat

TERMS = ("type", "completion", '"time"', "scroll", "clicks", "rating", "sentiment")

LEARNERS = Dashboard(
    name="learners",
    title="Learners & engagement",
    says="Active learners, sessions, engagement and its terms, achievements. Groups below five are left out.",
    hours=24 * 30,
    rows=[
        Row(
            "Learners",
            [
                stat("Known", "Learners ever seen.", Rows("SELECT learners FROM reporting.learners")),
                stat("Active, 1 day", "With an event.", Rows("SELECT active_1d FROM reporting.learners")),
                stat("Active, 7 days", "With an event.", Rows("SELECT active_7d FROM reporting.learners")),
                stat("Active, 30 days", "With an event.", Rows("SELECT active_30d FROM reporting.learners")),
                stat(
                    "With a declared profile",
                    "Learners who told about themselves.",
                    Rows("SELECT with_declared_profile FROM reporting.learners"),
                ),
                stat(
                    "Engagement",
                    "Mean score of the learners, 0 to 100.",
                    Rows("SELECT avg(score) AS engagement FROM reporting.engagement"),
                ),
                Panel(
                    title="Active learners",
                    says="By day, on their own calendars; new ones and those of the day before that came back.",
                    queries=[
                        Rows(
                            'SELECT first_day::timestamptz AS "time", active, newcomers, came_back '
                            "FROM reporting.active_learners WHERE period = 'day' AND "
                            "$__timeFilter(first_day::timestamptz) ORDER BY 1",
                            over_time=True,
                        )
                    ],
                    width=12,
                    low=0,
                ),
                Panel(
                    title="Sessions",
                    says="Visits a day (UTC). A visit ends after 30 minutes without an event.",
                    queries=[
                        Rows(
                            'SELECT day::timestamptz AS "time", sessions, learners FROM reporting.daily_sessions '
                            "WHERE $__timeFilter(day::timestamptz) ORDER BY 1",
                            over_time=True,
                        )
                    ],
                    width=6,
                    low=0,
                ),
                Panel(
                    title="Length of a session",
                    says="Mean time from the first to the last event of a visit, by day.",
                    queries=[
                        Rows(
                            'SELECT day::timestamptz AS "time", mean_seconds FROM reporting.daily_sessions '
                            "WHERE $__timeFilter(day::timestamptz) ORDER BY 1",
                            over_time=True,
                        )
                    ],
                    unit="s",
                    width=6,
                    low=0,
                ),
            ],
        ),
        Row(
            "By day",
            [
                Panel(
                    title="Events and completions",
                    says="By day (UTC), of learners who consent to analytics; days with fewer than five are left out.",
                    queries=[
                        Rows(
                            'SELECT day::timestamptz AS "time", events, completions FROM reporting.daily_learners '
                            "WHERE $__timeFilter(day::timestamptz) ORDER BY 1",
                            over_time=True,
                        )
                    ],
                    width=12,
                    low=0,
                ),
                Panel(
                    title="Learners who completed something",
                    says="By day (UTC), beside those who were active.",
                    queries=[
                        Rows(
                            'SELECT day::timestamptz AS "time", active, completed FROM reporting.daily_learners '
                            "WHERE $__timeFilter(day::timestamptz) ORDER BY 1",
                            over_time=True,
                        )
                    ],
                    width=12,
                    low=0,
                ),
            ],
        ),
        Row(
            "Engagement",
            [
                Panel(
                    title="Spread of engagement",
                    says="Learners in each tenth of the score.",
                    queries=[
                        Rows(
                            "SELECT score_from || ' to ' || score_from + 10 AS score, learners "
                            "FROM reporting.engagement_histogram ORDER BY score_from"
                        )
                    ],
                    kind="barchart",
                ),
                Panel(
                    title="What engagement is made of",
                    says="Mean points that each term adds to a learner's score.",
                    queries=[
                        Rows(
                            "SELECT "
                            + ", ".join(f"avg({term}) AS {term}" for term in TERMS)
                            + " FROM reporting.engagement"
                        )
                    ],
                    kind="bargauge",
                    low=0,
                ),
                Panel(
                    title="Engagement a week ago and now",
                    says="Mean score as of each of the last days; scores fade with a half-life of 7 days.",
                    queries=[
                        Rows(
                            'SELECT day AS "time", (SELECT avg(score) FROM reporting.engagement_at(day)) AS score '
                            "FROM generate_series(now() - interval '7 days', now(), interval '1 day') AS day",
                            over_time=True,
                        )
                    ],
                    low=0,
                    high=100,
                ),
            ],
        ),
        Row(
            "When they learn",
            [
                Panel(
                    title="Events by interaction type",
                    says="By hour (UTC).",
                    queries=[
                        Rows(
                            'SELECT hour AS "time", interaction_type AS metric, sum(events)::double precision AS events '
                            "FROM reporting.hourly_activity WHERE $__timeFilter(hour) GROUP BY 1, 2 ORDER BY 1",
                            over_time=True,
                        )
                    ],
                    width=16,
                    stacked=True,
                    low=0,
                ),
                Panel(
                    title="By hour of the day",
                    says="Share of the events of the time range that fall into each hour (UTC).",
                    queries=[
                        Rows(
                            "SELECT to_char(hour AT TIME ZONE 'UTC', 'HH24') AS hour_of_day, "
                            "sum(events) / sum(sum(events)) OVER () AS share FROM reporting.hourly_activity "
                            "WHERE $__timeFilter(hour) GROUP BY 1 ORDER BY 1"
                        )
                    ],
                    kind="barchart",
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Groups and risk",
            [
                Panel(
                    title="Segments",
                    says="Learners who behave alike, five or more; a number stays with its group from day to day.",
                    queries=[
                        Rows(
                            "SELECT segment_id, name, learners, silhouette, computed_at FROM reporting.segments "
                            "ORDER BY learners DESC"
                        )
                    ],
                    kind="table",
                    width=10,
                ),
                Panel(
                    title="At risk",
                    says="Of failing or leaving, by probability from four weeks of activity; silent: not seen for a week.",
                    queries=[
                        Rows(
                            "SELECT risk || CASE WHEN silent THEN ', silent' ELSE '' END AS risk, learners "
                            "FROM reporting.at_risk ORDER BY mean_risk"
                        )
                    ],
                    kind="barchart",
                    width=7,
                ),
                Panel(
                    title="Reasons of risk",
                    says="Of learners at high risk or silent; `personalize insight at-risk` lists them.",
                    queries=[Rows("SELECT reason, learners FROM reporting.risk_reasons ORDER BY learners DESC")],
                    kind="barchart",
                    width=7,
                ),
            ],
        ),
        Row(
            "Skills",
            [
                Panel(
                    title="Skill progression",
                    says="Mean mastery of those who practised a skill on a day, five learners or more.",
                    queries=[
                        Rows(
                            'SELECT day::timestamptz AS "time", skill AS metric, mean_mastery '
                            "FROM reporting.skill_progression WHERE $__timeFilter(day::timestamptz) ORDER BY 1, 2",
                            over_time=True,
                        )
                    ],
                    unit="percentunit",
                    low=0,
                    high=1,
                    width=12,
                ),
                Panel(
                    title="Knowledge gaps",
                    says="Skills that many try and few master; struggling: more failures than successes so far.",
                    queries=[
                        Rows(
                            "SELECT skill, learners, struggling, failure_rate, mastered_share FROM reporting.knowledge_gaps "
                            "ORDER BY struggling DESC, failure_rate DESC LIMIT 50"
                        )
                    ],
                    kind="table",
                    width=12,
                    units={"failure_rate": "percentunit", "mastered_share": "percentunit"},
                ),
            ],
        ),
        Row(
            "Achievements",
            [
                Panel(
                    title="Unlocked and claimed",
                    says="By tier, of five learners or more.",
                    queries=[
                        Rows(
                            "SELECT title, tier, unlocked, claimed, last_unlocked_at FROM reporting.achievements "
                            "ORDER BY unlocked DESC"
                        )
                    ],
                    kind="table",
                    width=24,
                ),
            ],
        ),
    ],
)
