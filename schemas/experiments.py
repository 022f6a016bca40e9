"""What is an experiment? A definition as data: who takes part, what each variation changes, what it is judged by."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from schemas.fields import NO_NUL, Label

Verdict = Literal["ready", "collecting", "ratio mismatch"]
VERDICTS: Final = get_args(Verdict)
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
ListType = Literal["hybrid", "content_based", "collaborative", "sequential", "trending"]
Family = Literal["relevance", "collaborative", "trending", "context"]


class Metric(StrEnum):
    """What a learner is judged by, from the day of the first exposure on, for the horizon."""

    ACTIVE_DAYS = "active_days"
    EVENTS = "events"
    COMPLETIONS = "completions"
    TIME_SPENT_SECONDS = "time_spent_seconds"
    SESSIONS = "sessions"
    ENGAGEMENT = "engagement"


class Variation(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One way of serving. Without changes it is what is served anyway."""

    name: Annotated[Label, Meta(description="Name of the variation.", examples=["control"])]
    weight: Annotated[Share, Meta(description="Share of the learners who take part.", examples=[0.5])]
    list: Annotated[
        ListType | None,
        Meta(description="The list that is served when no type is asked for.", examples=["collaborative"]),
    ] = None
    family_weights: Annotated[
        dict[Family, Annotated[float, Meta(ge=0.0, le=10.0)]],
        Meta(
            description="Factors on the families of the score; absent ones are 1.",
            examples=[{"trending": 0}],
            extra_json_schema={"propertyNames": {"enum": [*get_args(Family)]}},
        ),
    ] = {}


class Namespace(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Experiments in disjoint parts of a namespace never share a learner."""

    name: Annotated[Label, Meta(description="Name of the namespace.", examples=["lists"])]
    begin: Annotated[Share, Meta(description="Begin of this experiment's part.", examples=[0])]
    end: Annotated[Share, Meta(description="End of it, exclusive.", examples=[0.5])]


class Guardrail(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What must not get worse."""

    metric: Annotated[Metric, Meta(description="What must not fall.", examples=["active_days"])]
    most_drop: Annotated[Share, Meta(description="Tolerated, as a share of the control's mean.", examples=[0.02])] = 0.0


class Experiment(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A definition. Only learners who consent to experiments take part."""

    key: Annotated[
        Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")],
        Meta(description="Id, also the seed unless one is given.", examples=["more-collaborative"]),
    ]
    hypothesis: Annotated[str, Meta(max_length=500, description="What is expected, and why.", extra_json_schema=NO_NUL)]
    variations: Annotated[
        Annotated[tuple[Variation, ...], Meta(min_length=2, max_length=10)],
        Meta(description="The first is the control."),
    ]
    metric: Annotated[Metric, Meta(description="What decides.", examples=["completions"])]
    guardrails: Annotated[tuple[Guardrail, ...], Meta(description="What must not get worse.")] = ()
    state: Annotated[
        Literal["draft", "running", "stopped"], Meta(description="Only a running one changes what is served.")
    ] = "draft"
    coverage: Annotated[
        Share, Meta(description="Share of the learners who take part; may be raised while running.")
    ] = 1.0
    seed: Annotated[Label | None, Meta(description="Seed of the hash; absent: the key.")] = None
    hash_version: Annotated[Literal[1, 2], Meta(description="GrowthBook's hashVersion.")] = 2
    namespace: Annotated[Namespace | None, Meta(description="Keeps experiments apart; absent: it shares learners.")] = (
        None
    )
    horizon_days: Annotated[
        Annotated[int, Meta(ge=1, le=90)], Meta(description="Days that count, the day of the first exposure included.")
    ] = 14
    cuped: Annotated[bool, Meta(description="Take out what the 28 days before already told.")] = True
    minimum_learners: Annotated[
        Annotated[int, Meta(ge=50, le=1_000_000)], Meta(description="Of each variation, before anything is said.")
    ] = 100

    def problem(self) -> str | None:
        """What is wrong with it beyond the types, naming the field; None if nothing is."""
        total = sum(variation.weight for variation in self.variations)
        if abs(total - 1.0) > 1e-6:
            return f"`variations`: the weights must sum to 1, not to {total:g}."
        names = [variation.name for variation in self.variations]
        if len(set(names)) < len(names):
            return "`variations`: each name may stand once."
        if self.namespace is not None and self.namespace.begin >= self.namespace.end:
            return "`namespace`: `begin` must be below `end`."
        return None


def decode(data: bytes | str) -> Experiment:
    """The definition in a JSON text.

    Raises:
        ValueError: it is none; the text names the field and what it must be.
    """
    try:
        found = msgspec.json.decode(data, type=Experiment)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}") from error
    except msgspec.DecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    problem = found.problem()
    if problem is not None:
        raise ValueError(problem)
    return found


Number = float | None


class Result(Struct, frozen=True, kw_only=True, rename="camel"):
    """What one variation did. Null: not shown (yet), or fewer than five learners."""

    name: Annotated[str, Meta(description="Name of the variation.", examples=["control"])]
    learners: Annotated[int | None, Meta(description="That count; null: one to four.", examples=[512])]
    mean: Annotated[Number, Meta(description="Of the metric, a learner.", examples=[3.1])] = None
    difference: Annotated[Number, Meta(description="To the control.", examples=[0.1])] = None
    difference_low: Annotated[Number, Meta(description="Of a 95 % interval that holds however often one looks.")] = None
    difference_high: Annotated[Number, Meta(description="Its other end.")] = None
    lift: Annotated[Number, Meta(description="The difference as a share of the control's mean.", examples=[0.03])] = (
        None
    )
    lift_low: Annotated[Number, Meta(description="Of a 95 % interval that holds however often one looks.")] = None
    lift_high: Annotated[Number, Meta(description="Its other end.")] = None
    p_value: Annotated[Number, Meta(description="Always valid: the smallest alpha at which 0 is left out.")] = None


class Guarded(Struct, frozen=True, kw_only=True, rename="camel"):
    """How a guardrail stands for a variation."""

    metric: Annotated[Metric, Meta(description="What must not get worse.")]
    variation: Annotated[str, Meta(description="Name of the variation.")]
    state: Annotated[
        Literal["held", "open", "broken"], Meta(description="Surely no worse than tolerated, not known, surely worse.")
    ]


class Report(Struct, frozen=True, kw_only=True, rename="camel"):
    """What an experiment says now."""

    key: Annotated[str, Meta(description="Key of the experiment.", examples=["less-trending"])]
    hypothesis: Annotated[str, Meta(description="What was expected, and why.")] = ""
    state: Annotated[Literal["draft", "running", "stopped"], Meta(description="Of the experiment.")]
    metric: Annotated[Metric, Meta(description="What decides.")]
    verdict: Annotated[Verdict, Meta(description="Results are shown only when ready.")]
    says: Annotated[str, Meta(description="In a sentence.")]
    ratio_p_value: Annotated[float, Meta(description="Of the variations' learners against their weights.")]
    mixed: Annotated[
        int | None, Meta(description="Learners served by several variations, left out; null: one to four.")
    ]
    variations: Annotated[tuple[Result, ...], Meta(description="The control first.")]
    guardrails: Annotated[tuple[Guarded, ...], Meta(description="Only when ready.")] = ()


class Reported(Report, frozen=True, kw_only=True, rename="camel"):
    """A report that was kept."""

    computed_at: Annotated[dt.datetime, Meta(description="When; every quarter of a minute or so.")]
