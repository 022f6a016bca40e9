"""What does an experiment say now?  Means, lifts with intervals that hold at any time, guardrails, and alarms.

Nothing is shown while the shares of the variations do not fit their weights, or before each has enough learners.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from models.columns import Float64, Int64
from models.experiments import inference
from models.learner_days import FEWEST_LEARNERS
from schemas.experiments import Experiment, Guarded, Report, Result, Verdict


class Outcomes(NamedTuple):
    """What n exposed learners did."""

    variation: Int64
    """(n,) place in the definition."""
    values: Mapping[str, Float64]
    """Metric → (n,) from the first exposure on."""
    before: Mapping[str, Float64]
    """Metric → (n,) in the days before."""
    mixed: int
    """Learners that were served by several variations; not among the n."""


def report(experiment: Experiment, found: Outcomes) -> Report:
    """The report of a definition and its outcomes."""
    weights = np.array([variation.weight for variation in experiment.variations])
    counts = np.bincount(found.variation, minlength=len(weights)).astype(np.float64)
    ratio = float(inference.ratio_p_value(counts, weights)) if counts.sum() else 1.0
    verdict: Verdict = "ready"
    if ratio < inference.RATIO_ALARM:
        verdict = "ratio mismatch"
    elif counts.min() < experiment.minimum_learners:
        verdict = "collecting"
    shown = verdict == "ready"
    results = tuple(
        _result(experiment, found, place, shown=shown, learners=int(count)) for place, count in enumerate(counts)
    )
    guardrails = _guardrails(experiment, found) if shown else ()
    return Report(
        key=experiment.key,
        hypothesis=experiment.hypothesis,
        state=experiment.state,
        metric=experiment.metric,
        verdict=verdict,
        says=_says(experiment, verdict, results, guardrails),
        ratio_p_value=ratio,
        mixed=found.mixed if found.mixed == 0 or found.mixed >= FEWEST_LEARNERS else None,
        variations=results,
        guardrails=guardrails,
    )


def _sums(experiment: Experiment, found: Outcomes, metric: str, place: int) -> inference.Sums:
    values = found.values[metric]
    if experiment.cuped:
        values = inference.adjusted(values, found.before[metric])
    return inference.sums(values[found.variation == place])


def _result(experiment: Experiment, found: Outcomes, place: int, *, shown: bool, learners: int) -> Result:
    name = experiment.variations[place].name
    seen = learners if learners == 0 or learners >= FEWEST_LEARNERS else None
    if not shown:
        return Result(name=name, learners=seen)
    control = _sums(experiment, found, experiment.metric.value, 0)
    own = _sums(experiment, found, experiment.metric.value, place)
    if place == 0:
        return Result(name=name, learners=seen, mean=float(own.mean))
    effect = inference.effect(control, own)
    relative = inference.relative_effect(control, own)
    lift = [float(value) if np.isfinite(value) else None for value in relative[:3]]
    return Result(
        name=name,
        learners=seen,
        mean=float(own.mean),
        difference=float(effect.difference),
        difference_low=float(effect.low),
        difference_high=float(effect.high),
        lift=lift[0],
        lift_low=lift[1],
        lift_high=lift[2],
        p_value=float(effect.p_value) if np.isfinite(effect.p_value) else None,
    )


def _guardrails(experiment: Experiment, found: Outcomes) -> tuple[Guarded, ...]:
    """Broken: surely worse than tolerated.  Held: surely not.  Else open."""
    said = []
    for guardrail in experiment.guardrails:
        control = _sums(experiment, found, guardrail.metric.value, 0)
        for place in range(1, len(experiment.variations)):
            own = _sums(experiment, found, guardrail.metric.value, place)
            relative = inference.relative_effect(control, own)
            edge = -guardrail.most_drop
            state: Literal["held", "open", "broken"] = "open"
            if relative.high < edge:
                state = "broken"
            elif relative.low > edge:
                state = "held"
            said.append(Guarded(metric=guardrail.metric, variation=experiment.variations[place].name, state=state))
    return tuple(said)


def _says(experiment: Experiment, verdict: str, results: tuple[Result, ...], guardrails: tuple[Guarded, ...]) -> str:
    if verdict == "ratio mismatch":
        return (
            "Learners do not fall into the variations as the weights say: look for what loses them. No result is shown."
        )
    if verdict == "collecting":
        return f"Fewer than {experiment.minimum_learners} learners in a variation: nothing is said yet."
    broken = [each for each in guardrails if each.state == "broken"]
    if broken:
        return f"{broken[0].variation} breaks the guardrail {broken[0].metric.value}: stop it."
    surely = [each for each in results[1:] if each.difference_low is not None and each.difference_low > 0]
    worse = [each for each in results[1:] if each.difference_high is not None and each.difference_high < 0]
    if surely:
        return f"{max(surely, key=lambda each: each.mean or 0.0).name} is better than {results[0].name}."
    if worse:
        return f"{worse[0].name} is worse than {results[0].name}."
    return "No difference shows yet."
