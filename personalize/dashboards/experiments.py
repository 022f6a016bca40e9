"""What do experiments say, do they fill, and can they be trusted?  The dashboard Experiments."""

from __future__ import annotations

from personalize.dashboards.panels import Dashboard, Metrics, Panel, Row, Rows, Unit, stat

SHARES: dict[str, Unit] = {"lift": "percentunit", "lift_low": "percentunit", "lift_high": "percentunit"}
EDGES = ("lift", "lift_low", "lift_high")


def _over_time() -> Rows:
    """Lift and the edges of its interval, hour by hour."""
    edges = " UNION ALL ".join(
        f"SELECT hour AS \"time\", experiment || ' ' || variation || ', {edge.replace('_', ' ')}' AS metric, {edge} AS value "
        "FROM reporting.experiment_effects WHERE place > 0 AND $__timeFilter(hour)"
        for edge in EDGES
    )
    return Rows(f"{edges} ORDER BY 1, 2", over_time=True)


EXPERIMENTS = Dashboard(
    name="experiments",
    title="Experiments",
    says="Verdicts, effects with intervals that hold however often one looks, guardrails, and the check of the shares.",
    hours=24 * 14,
    rows=[
        Row(
            "Now",
            [
                stat(
                    "Ready",
                    "Experiments under way whose result is shown.",
                    Metrics("max(personalize_experiments{verdict='ready'})"),
                ),
                stat(
                    "Collecting",
                    "Too few learners in a variation: nothing is said yet.",
                    Metrics("max(personalize_experiments{verdict='collecting'})"),
                ),
                stat(
                    "Ratio mismatches",
                    "Learners do not fall into the variations as the weights say: something loses them. No result is shown.",
                    Metrics("max(personalize_experiments{verdict='ratio mismatch'})"),
                    alarm=1,
                ),
                stat(
                    "Broken guardrails",
                    "Something that must not get worse surely did: stop the experiment.",
                    Metrics("max(personalize_experiment_guardrails{state='broken'})"),
                    alarm=1,
                ),
                stat(
                    "Learners",
                    "Exposed to experiments that run; one who is in two counts twice.",
                    Rows("SELECT sum(learners)::float8 AS learners FROM reporting.experiments WHERE state = 'running'"),
                ),
                stat(
                    "Age of the reports",
                    "Since the newest one; they are made every quarter of a minute while a jobs process runs.",
                    Rows(
                        "SELECT date_part('epoch', now() - max(computed_at)) AS age FROM reporting.experiment_reports"
                    ),
                    unit="s",
                    warn=300,
                ),
                Panel(
                    title="Verdicts",
                    says="In a sentence, and p of the check of the shares; below 0.001 is the alarm.",
                    queries=[
                        Rows(
                            "SELECT experiment, state, metric, verdict, says, ratio_p_value, mixed, computed_at "
                            "FROM reporting.experiment_reports ORDER BY state, experiment"
                        )
                    ],
                    kind="table",
                    width=24,
                ),
            ],
        ),
        Row(
            "Effects",
            [
                Panel(
                    title="Lift over the control",
                    says="With a 95 % interval that holds at any time; it is clear of 0 when a difference is sure.",
                    queries=[_over_time()],
                    unit="percentunit",
                    width=12,
                    height=9,
                ),
                Panel(
                    title="Effect of each variation",
                    says="Of the newest report. Means are sums a learner, adjusted for the days before where asked for.",
                    queries=[
                        Rows(
                            "SELECT experiment, variation, metric, learners, mean, difference, difference_low, "
                            "difference_high, lift, lift_low, lift_high, p_value FROM reporting.experiment_effects "
                            "WHERE newest ORDER BY experiment, place"
                        )
                    ],
                    kind="table",
                    width=12,
                    height=9,
                    units=SHARES,
                ),
                Panel(
                    title="Guardrails",
                    says="Held: surely no worse than tolerated. Open: not known yet. Broken: surely worse.",
                    queries=[
                        Rows(
                            "SELECT experiment, variation, metric, state FROM reporting.experiment_guardrails "
                            "ORDER BY experiment, variation, metric"
                        )
                    ],
                    kind="table",
                ),
                Panel(
                    title="Guardrails by state",
                    says="Of all experiments under way.",
                    queries=[Metrics("max by (state) (personalize_experiment_guardrails)", "{{state}}")],
                    low=0,
                ),
            ],
        ),
        Row(
            "Who takes part",
            [
                Panel(
                    title="Exposed learners",
                    says="Of each variation, by first exposure; mixed ones met several variations and are left out.",
                    queries=[
                        Rows(
                            "SELECT experiment, variation, learners, mixed, first_at, last_at FROM reporting.experiments "
                            "ORDER BY experiment, variation"
                        )
                    ],
                    kind="table",
                ),
                Panel(
                    title="First exposures by day",
                    says="How fast an experiment fills; days of a variation with fewer than five are left out.",
                    queries=[
                        Rows(
                            "SELECT day::timestamptz AS \"time\", experiment || ' ' || variation AS metric, "
                            "learners::float8 AS learners FROM reporting.experiment_exposures "
                            "WHERE $__timeFilter(day::timestamptz) ORDER BY 1, 2",
                            over_time=True,
                        )
                    ],
                    low=0,
                ),
                Panel(
                    title="Shares",
                    says="Learners of each variation that count; they should be as the weights say.",
                    queries=[
                        Rows(
                            "SELECT experiment || ' ' || variation AS variation, learners::float8 AS learners "
                            "FROM reporting.experiment_effects WHERE newest ORDER BY 1"
                        )
                    ],
                    kind="barchart",
                    low=0,
                ),
            ],
        ),
    ],
)
