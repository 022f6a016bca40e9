"""Are lists fresh, good and looked at?  The dashboard Recommendations."""

from __future__ import annotations

from personalize.dashboards.panels import Dashboard, Metrics, Panel, Row, Rows, quantiles, stat

HOT = '{route="/api/recommendations/{user_id}"}'

RECOMMENDATIONS = Dashboard(
    name="recommendations",
    title="Recommendations",
    says="How lists are made and served, how well they foretell what learners do next, what learners say to them.",
    hours=24,
    rows=[
        Row(
            "Now",
            [
                stat(
                    "Hit rate at 10",
                    "Share of next items that stood among the first ten of the learner's list. Fading mean.",
                    Metrics('max(personalize_recommender_hit_rate_at_10{window="long"})'),
                    unit="percentunit",
                ),
                stat(
                    "NDCG at 10",
                    "The same, counting the place. Fading mean.",
                    Metrics('max(personalize_recommender_ndcg_at_10{window="long"})'),
                    unit="percentunit",
                ),
                stat(
                    "Coverage at 10",
                    "Share of the items that stand among the first ten of some list.",
                    Metrics("max(personalize_recommender_coverage_at_10)"),
                    unit="percentunit",
                ),
                stat(
                    "Drift",
                    "1 while lists are worse than chance explains.",
                    Metrics("max(personalize_recommender_drift)"),
                    warn=1,
                ),
                stat(
                    "Served",
                    "Lists a second.",
                    Metrics("sum(rate(personalize_api_lists_served_total[$__rate_interval]))"),
                    unit="reqps",
                ),
                stat(
                    "Served within 10 ms",
                    "Share of the requests for lists, last hour.",
                    Metrics(
                        f'sum(increase(personalize_api_request_duration_seconds_bucket{{route="/api/recommendations/'
                        f'{{user_id}}",le="0.01"}}[1h])) / '
                        f"sum(increase(personalize_api_request_duration_seconds_count{HOT}[1h]))"
                    ),
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Serving",
            [
                Panel(
                    title="Where lists come from",
                    says="Redis is the usual way; Postgres refills it; popular: the learner has no list yet.",
                    queries=[
                        Metrics(
                            "sum by (source) (rate(personalize_api_lists_served_total[$__rate_interval]))", "{{source}}"
                        )
                    ],
                    unit="reqps",
                    stacked=True,
                    low=0,
                ),
                Panel(
                    title="Time to answer",
                    says="Of a request for a list, in the API.",
                    queries=quantiles("personalize_api_request_duration_seconds", HOT, (0.5, 0.95, 0.99)),
                    unit="s",
                    low=0,
                ),
                Panel(
                    title="Ready lists",
                    says="By type; empty ones are served as what is popular.",
                    queries=[
                        Rows(
                            "SELECT type, lists, empty_lists, mean_items, oldest_generated_at, newest_generated_at "
                            "FROM reporting.lists ORDER BY type"
                        )
                    ],
                    kind="table",
                ),
            ],
        ),
        Row(
            "Making",
            [
                Panel(
                    title="From event to list",
                    says="Publication of the oldest event of a tick to its learner's list being written.",
                    queries=quantiles("personalize_recommender_freshness_seconds", "", (0.5, 0.95, 0.99)),
                    unit="s",
                    low=0,
                ),
                Panel(
                    title="Lists written",
                    says="A second, by the recommender and by the worker (which writes all while there is no recommender).",
                    queries=[
                        Metrics("sum(rate(personalize_recommender_lists_total[$__rate_interval]))", "recommender"),
                        Metrics("sum(rate(personalize_lists_written_total[$__rate_interval]))", "worker"),
                    ],
                    unit="cps",
                    low=0,
                ),
                Panel(
                    title="Waiting",
                    says="Touched learners whose list waits for a tick, and events that are read and not folded.",
                    queries=[
                        Metrics("sum(personalize_recommender_pending_lists)", "lists"),
                        Metrics("sum(personalize_recommender_waiting_events)", "events"),
                    ],
                    low=0,
                ),
                Panel(
                    title="Where the time goes",
                    says="Seconds of each second spent on folding, and on making and writing lists.",
                    queries=[
                        Metrics("sum(rate(personalize_recommender_fold_seconds_total[$__rate_interval]))", "folding"),
                        Metrics("sum(rate(personalize_recommender_list_seconds_total[$__rate_interval]))", "lists"),
                        Metrics("sum(rate(personalize_recommender_rank_seconds_total[$__rate_interval]))", "scoring"),
                    ],
                    unit="percentunit",
                    low=0,
                ),
                Panel(
                    title="Time of a tick",
                    says="Of the recommender.",
                    queries=quantiles("personalize_recommender_tick_seconds"),
                    unit="s",
                    low=0,
                ),
                Panel(
                    title="Share learnt from",
                    says="Below 1 the recommender is busy: it counts every event, but ranks and learns from a sample.",
                    queries=[Metrics("min(personalize_recommender_learn_share)", "share")],
                    unit="percentunit",
                    low=0,
                    high=1,
                ),
            ],
        ),
        Row(
            "Quality: the next item, ranked before it was counted",
            [
                Panel(
                    title="Hit rate at 10 by source",
                    says="Of all events since the start; hybrid is what is served.",
                    queries=[
                        Metrics(
                            "sum by (source) (personalize_recommender_hits_total) / "
                            "sum by (source) (personalize_recommender_evaluations_total)",
                            "{{source}}",
                        )
                    ],
                    unit="percentunit",
                    low=0,
                ),
                Panel(
                    title="NDCG at 10 by hour",
                    says="Of the served list, by kind of visit; new: the first event of a visit, which is harder.",
                    queries=[
                        Rows(
                            'SELECT hour AS "time", session AS metric, ndcg_at_10 FROM reporting.recommender_quality '
                            "WHERE source = 'hybrid' AND $__timeFilter(hour) ORDER BY 1",
                            over_time=True,
                        )
                    ],
                    unit="percentunit",
                    low=0,
                ),
                Panel(
                    title="Coverage by hour",
                    says="Share of the catalogue among the first ten of the last lists.",
                    queries=[
                        Rows(
                            'SELECT hour AS "time", coverage_at_10 FROM reporting.recommender_coverage '
                            "WHERE $__timeFilter(hour) ORDER BY 1",
                            over_time=True,
                        )
                    ],
                    unit="percentunit",
                    low=0,
                    high=1,
                ),
            ],
        ),
        Row(
            "What came of them",
            [
                Panel(
                    title="Shown, clicked, completed",
                    says="Recommended items a second; each list's items count once, however often it was served.",
                    queries=[
                        Metrics("sum(rate(personalize_recommendation_impressions_total[$__rate_interval]))", "shown"),
                        Metrics("sum(rate(personalize_recommendation_clicks_total[$__rate_interval]))", "clicked"),
                        Metrics(
                            "sum(rate(personalize_recommendation_conversions_total[$__rate_interval]))", "completed"
                        ),
                    ],
                    unit="cps",
                    low=0,
                ),
                Panel(
                    title="Served lists told to Kafka",
                    says="The API keeps a bounded buffer; dropped ones found no room in it.",
                    queries=[
                        Metrics("sum(rate(personalize_api_impressions_published_total[$__rate_interval]))", "told"),
                        Metrics("sum(rate(personalize_api_impressions_dropped_total[$__rate_interval]))", "dropped"),
                        Metrics("sum(personalize_api_impressions_waiting)", "waiting"),
                    ],
                    low=0,
                ),
                Panel(
                    title="Outcomes",
                    says="By day, kind of list and arm; days and arms with fewer than five learners are left out.",
                    queries=[
                        Rows(
                            "SELECT day, list_type, arm, learners, impressions, clicks, conversions, click_through_rate, "
                            "conversion_rate FROM reporting.recommendation_outcomes ORDER BY day DESC LIMIT 100"
                        )
                    ],
                    kind="table",
                    units={"click_through_rate": "percentunit", "conversion_rate": "percentunit"},
                ),
                Panel(
                    title="Impact by day",
                    says="What came of items first shown on a day, and their share of all its completions. Experiments tell cause.",
                    queries=[
                        Rows(
                            "SELECT day, impressions, clicks, conversions, completions, share_of_completions "
                            "FROM reporting.recommendation_impact ORDER BY day DESC LIMIT 90"
                        )
                    ],
                    kind="table",
                    width=12,
                    units={"share_of_completions": "percentunit"},
                ),
                Panel(
                    title="By rank",
                    says="What came of a place in the list; places shown fewer than a hundred times are left out.",
                    queries=[
                        Rows(
                            "SELECT list_type, arm, rank, impressions, clicks, conversions, click_through_rate "
                            "FROM reporting.recommendation_ranks ORDER BY list_type, arm, rank"
                        )
                    ],
                    kind="table",
                    width=12,
                    units={"click_through_rate": "percentunit"},
                ),
            ],
        ),
        Row(
            "What learners say",
            [
                Panel(
                    title="Feedback",
                    says="By day (UTC) and action, of five learners or more.",
                    queries=[
                        Rows(
                            "SELECT day, action, events FROM reporting.recommendation_feedback "
                            "ORDER BY day DESC, events DESC LIMIT 100"
                        )
                    ],
                    kind="table",
                    width=24,
                ),
            ],
        ),
    ],
)
