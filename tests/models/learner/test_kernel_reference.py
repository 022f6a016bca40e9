"""Is the compiled kernel the model that is documented?  A plain Python model, written from the formulas, decides."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from math import exp, log1p, sqrt
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.learner import constants as c
from models.learner import kernel
from models.learner.attempts import attempts
from models.learner.fold import fold
from models.learner.hashing import mix
from models.learner.learners import Learners
from models.learner.shared import Shared


@dataclass
class Mark:
    """Ability with variance, counts and last outcomes at one thing."""

    variance: float
    ability: float = 0.0
    wins: float = 0.0
    fails: float = 0.0
    residual: float = 0.0
    recent: list[int] = field(default_factory=list)
    at: float = 0.0

    def count(self, y: float, p: float, rate: float, at: float) -> None:
        self.wins += y
        self.fails += 1 - y
        self.residual += rate * ((y - p) - self.residual)
        self.recent.append(int(y))
        self.at = max(self.at, at)

    def pattern(self, length: int, most: int) -> tuple[int, int]:
        bits = 0
        for y in self.recent[-length:]:
            bits = bits * 2 + y
        return bits, min(len(self.recent), most)


@dataclass
class Person:
    whole: Mark = field(default_factory=lambda: Mark(c.LEARNER_VARIANCE))
    skills: dict = field(default_factory=lambda: defaultdict(lambda: Mark(c.LEARNER_SKILL_VARIANCE)))
    items: dict = field(default_factory=lambda: defaultdict(lambda: Mark(0.0)))
    last: tuple[int, int, int] = (-1, -1, 0)


def hours(earlier: float, later: float) -> float:
    return (later - earlier) / c.HOUR_MS if 0 < earlier < later else 0.0


class Reference:
    """The documented model with dictionaries, one attempt at a time."""

    def __init__(self) -> None:
        self.people = defaultdict(Person)
        self.items = defaultdict(lambda: [0.0, c.ITEM_VARIANCE])
        self.skills = defaultdict(lambda: [0.0, c.SKILL_VARIANCE])
        self.weight = defaultdict(float, {("dense", c.RATING_LOGIT): 1.0})
        self.squared = defaultdict(lambda: c.FIRST_GRADIENT)

    def features(self, who: Person, item: int, skills: list[int], at: float) -> tuple[dict, float]:
        whole, own = who.whole, who.items[item]
        share = 1.0 / max(len(skills), 1)
        mean = lambda values: sum((share * v for v in values), 0.0)  # noqa: E731
        marks = [who.skills[k] for k in skills]
        ability, hard = mean(m.ability for m in marks), mean(self.skills[k][0] for k in skills)
        e = whole.ability + ability - self.items[item][0] - hard
        away = c.HOURS_SCALE * log1p(hours(own.at, at))
        dense = [1.0, e, whole.ability, ability, self.items[item][0], hard, log1p(whole.wins), log1p(whole.fails)]
        dense += [mean(log1p(m.wins) for m in marks), mean(log1p(m.fails) for m in marks)]
        dense += [log1p(own.wins), log1p(own.fails), whole.residual, mean(m.residual for m in marks)]
        dense += [c.HOURS_SCALE * log1p(hours(whole.at, at))]
        dense += [mean(c.HOURS_SCALE * log1p(hours(m.at, at)) for m in marks), away, away * log1p(own.wins)]
        x = {("dense", j): value for j, value in enumerate(dense)}
        last_item, last_skill, last_outcome = who.last
        x["recent", *whole.pattern(5, 5)] = 1.0
        x["repeat", *own.pattern(2, 3)] = 1.0
        x["item pair", int(mix(2 * (last_item + 1) + last_outcome, item)) % c.ITEM_PAIR_SIZE] = 1.0
        first = marks[0] if marks else Mark(0.0)
        bits, seen = first.pattern(2, 2)
        x["item", item] = 1.0
        x["item slope", item] = e
        x["item pattern", item, bits, seen > 1] = 1.0
        for k, m in zip(skills, marks, strict=True):
            pair = ("skill pair", int(mix(2 * (last_skill + 1) + last_outcome, k)) % c.SKILL_PAIR_SIZE)
            x[pair] = x.get(pair, 0.0) + share
            x["skill", k] = share
            x["skill wins", k] = share * log1p(m.wins)
            x["skill fails", k] = share * log1p(m.fails)
            x["skill pattern", k, *m.pattern(3, 4)] = share
        variance = whole.variance + self.items[item][1]
        variance += sum(share * share * (who.skills[k].variance + self.skills[k][1]) for k in skills)
        return x, variance

    def drift(self, who: Person, skills: list[int], at: float) -> None:
        grown = who.whole.variance + c.LEARNER_DRIFT_PER_DAY * hours(who.whole.at, at) / 24
        who.whole.variance = max(who.whole.variance, min(grown, c.LEARNER_VARIANCE))
        for mark in (who.skills[k] for k in skills):
            grown = mark.variance + c.LEARNER_SKILL_DRIFT_PER_DAY * hours(mark.at, at) / 24
            mark.variance = max(mark.variance, min(grown, c.LEARNER_SKILL_VARIANCE))

    def update(self, learner: int, item: int, skills: list[int], y: float, at: float) -> float:
        who = self.people[learner]
        self.drift(who, skills, at)
        x, variance = self.features(who, item, skills, at)
        p = 1 / (1 + exp(-sum(self.weight[f] * value for f, value in x.items())))
        e = 1 / (1 + exp(-x["dense", c.RATING_LOGIT]))
        h = e * (1 - e)
        total = 1 + h * variance
        for f, value in x.items():
            gradient = (p - y) * value
            if gradient:
                self.squared[f] += gradient**2
                self.weight[f] -= c.LEARNING_RATE * gradient / sqrt(self.squared[f])
        share = 1.0 / max(len(skills), 1)
        move = (y - e) / total
        who.whole.ability += who.whole.variance * move
        who.whole.variance += c.LEARNER_DRIFT - who.whole.variance**2 * h / total
        for k in skills:
            m, rating = who.skills[k], self.skills[k]
            m.ability += share * m.variance * move
            m.variance += c.LEARNER_SKILL_DRIFT - share**2 * m.variance**2 * h / total
            m.count(y, p, c.RESIDUAL_SKILL_RATE, at)
            rating[0] -= share * rating[1] * move
            rating[1] -= share**2 * rating[1] ** 2 * h / total
        rating = self.items[item]
        rating[0] -= rating[1] * move
        rating[1] -= rating[1] ** 2 * h / total
        who.whole.count(y, p, c.RESIDUAL_RATE, at)
        who.items[item].count(y, p, 0.0, at)
        who.last = (item, skills[0] if skills else -1, int(y))
        return p


ATTEMPT = st.tuples(
    st.integers(0, 3),
    st.integers(0, 5),
    st.booleans(),
    st.lists(st.integers(0, 4), max_size=3, unique=True),
    st.sampled_from([0, 1_700_000_000_000, 1_700_000_900_000, 1_700_090_000_000, 1_709_000_000_000]),
)


def columns(rows):
    start = np.cumsum([0, *(len(row[3]) for row in rows)])
    flat = [skill for row in rows for skill in row[3]]
    return attempts(
        [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], start, flat, at_ms=[r[4] for r in rows]
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(ATTEMPT, max_size=60))
def test_kernel_equals_the_plain_python_model(rows):
    """Predictions, abilities and difficulties of the kernel equal the reference within 1e-12 on any log."""
    reference, shared, learners = Reference(), Shared(), Learners()
    expected = [reference.update(u, i, skills, float(y), float(at)) for u, i, y, skills, at in rows]
    said = fold(shared, learners, columns(rows))
    np.testing.assert_allclose(said.probability, expected, rtol=1e-12, atol=0)
    for key in learners.held():
        row = learners.tables.learner[learners.row(key)]
        whole = reference.people[key].whole
        np.testing.assert_allclose(
            row[1:5], [whole.ability, whole.variance, whole.wins, whole.fails], rtol=1e-9, atol=1e-12
        )
    for item, rating in reference.items.items():
        np.testing.assert_allclose(shared.tables.item_rating[item], rating, rtol=1e-9, atol=1e-12)
    for skill, rating in reference.skills.items():
        np.testing.assert_allclose(shared.tables.skill_rating[skill, :2], rating, rtol=1e-9, atol=1e-12)


def test_compiled_code_is_rebuilt_when_its_sources_change():
    """Compiled code is cached by the kernel's own file, so that file names the digest of all that is compiled in."""
    folder = Path(kernel.__file__).parent
    sources = b"".join((folder / name).read_bytes() for name in ("constants.py", "layout.py", "hashing.py"))
    digest = hashlib.sha256(sources).hexdigest()[:16]
    assert digest == kernel.COMPILED_FROM, f'set COMPILED_FROM = "{digest}" in {kernel.__file__}'
