"""What should the compiled kernels compute? The same formulas in plain Python on dictionaries, without bounds on rows.

This is the readable definition; the tests hold the kernels to it as long as no row is full (sums of the kernels are
float32, hence equal to about 1e-5). It is slow and is not used in a service.
"""

from __future__ import annotations

from collections import defaultdict
from math import exp, log, log1p

import numpy as np
from numpy.typing import NDArray

from models.recommendation.catalogue_order import CLASSES, FADE, FARTHER, PSEUDO, REACH, SESSION_MS, STEPS, TIED_LIMIT
from models.recommendation.histories import RING

_DAY_MS = 86_400_000.0
Scores = dict[int, float]


class Reference:
    """Counts and scores of one log over ``items`` item slots."""

    def __init__(self, items: int) -> None:
        self.items = items
        self.n = [0] * items
        self.co: defaultdict[tuple[int, int], float] = defaultdict(float)
        self.tr: defaultdict[tuple[int, int], float] = defaultdict(float)
        self.tr1: defaultdict[tuple[int, int], float] = defaultdict(float)
        self.together: defaultdict[tuple[int, int], float] = defaultdict(float)
        self.takers: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self.rings: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)  # newest first
        self.taken: defaultdict[int, set[int]] = defaultdict(set)
        self.step_class: defaultdict[int, int] = defaultdict(int)
        self.steps = np.zeros((2, CLASSES, STEPS))
        self.pairs, self.tied = 0, 0
        self.times: defaultdict[int, list[int]] = defaultdict(list)

    def _free(self, learner: int) -> list[int]:
        return [x for x in range(self.items) if self.n[x] > 0 and x not in self.taken[learner]]

    def _step(self, learner: int, last: int, item: int) -> int:
        between = [x for x in self._free(learner) if min(last, item) < x < max(last, item)]
        step = len(between) + 1
        return 0 if step > REACH else (step if item > last else -step)

    def count(self, learner: int, item: int, at_ms: int) -> None:
        """Count one event."""
        ring = self.rings[learner]
        if ring:
            self._count_step(learner, item, at_ms)
        for d, (past, _) in enumerate(ring):
            if past == item:
                continue
            self.together[past, item] += 1.0
            self.together[item, past] += 1.0
            if d < 10:
                self.co[past, item] += 0.6**d
                self.co[item, past] += 0.4 * 0.6**d
                self.tr[past, item] += 0.7**d
                self.tr[item, past] += 0.1 * 0.7**d
            if d == 0:
                self.tr1[past, item] += 1.0
        self.n[item] += 1
        self.times[item].append(at_ms)
        self.takers[item].append((learner, at_ms))
        self.rings[learner] = [(item, at_ms), *ring][:RING]
        self.taken[learner].add(item)

    def _count_step(self, learner: int, item: int, at_ms: int) -> None:
        last, last_ms = self.rings[learner][0]
        self.pairs += 1
        self.tied += at_ms == last_ms
        old_class, self.step_class[learner] = self.step_class[learner], 0
        if last == item:
            return
        step = self._step(learner, last, item)
        if item not in self.taken[learner]:
            row = self.steps[int(at_ms - last_ms <= SESSION_MS), old_class]
            row *= FADE
            row[step + REACH if step else FARTHER] += 1.0
        self.step_class[learner] = {1: 1, 2: 2, 3: 2, -1: 3, -2: 3, -3: 3}.get(step, 4)

    def recent(self, learner: int, limit: int) -> list[int]:
        """Return the learner's different items, newest first."""
        return list(dict.fromkeys(item for item, _ in self.rings[learner]))[:limit]

    def _rows(
        self, learner: int, rows: dict[tuple[int, int], float], age: float, power: float, shift: float, limit: int = 20
    ) -> Scores:
        """Return sum_a age^a row[j_a, x] / (n_ja + shift)^power."""
        out: defaultdict[int, float] = defaultdict(float)
        for a, j in enumerate(self.recent(learner, limit)):
            for (row, x), weight in rows.items():
                if row == j:
                    out[x] += age**a * weight / (self.n[j] + shift) ** power
        return dict(out)

    def scores(self, learner: int, at_ms: int) -> dict[str, Scores]:
        """Return the score of every item by every counted source (content and daily models have no counts)."""
        co = self._rows(learner, self.co, 0.65, 0.75, 3.0)
        together = self._rows(learner, self.together, 0.85, 0.5, 1.0)
        return {
            "co": {x: value / (self.n[x] + 5) ** 0.15 for x, value in co.items()},
            "coset": {x: value / (self.n[x] + 5) ** 0.5 for x, value in together.items()},
            "tr": self._rows(learner, self.tr, 0.5, 1.0, 1.0),
            "tr1": self._rows(learner, self.tr1, 1.0, 1.0, 2.0, limit=1),
            "ord2": self._order(learner, at_ms),
            "knn2": self._neighbours(learner, at_ms),
            "pop": {x: float(self.n[x]) for x in range(self.items) if self.n[x]},
            "pop30": self._fading(30.0, at_ms),
            "pop7": self._fading(7.0, at_ms),
        }

    def _fading(self, half_life_days: float, at_ms: int) -> Scores:
        rate = log(2.0) / (half_life_days * _DAY_MS)
        return {x: sum(exp(rate * (t - at_ms)) for t in times) for x, times in self.times.items()}

    def _order(self, learner: int, at_ms: int) -> Scores:
        if self.tied > TIED_LIMIT * self.pairs:
            return {}
        last, last_ms = self.rings[learner][0]
        row = self.steps[int(at_ms - last_ms <= SESSION_MS), self.step_class[learner]]
        total = self.steps.sum()
        marginal = self.steps.sum(axis=(0, 1)) / total if total else np.zeros(STEPS)
        probability = (row + PSEUDO * marginal) / (row.sum() + PSEUDO)
        steps = {x: self._step(learner, last, x) for x in self._free(learner)}
        return {x: float(probability[step + REACH]) for x, step in steps.items() if step}

    def _neighbours(self, learner: int, at_ms: int) -> Scores:
        similarity: defaultdict[int, float] = defaultdict(float)
        matched: dict[int, int] = {}
        for a, j in enumerate(self.recent(learner, 10)):
            for other, then in self.takers[j]:
                if other != learner:
                    matched.setdefault(other, j)
                    fade = exp(-max(0.0, at_ms - then) / (180.0 * _DAY_MS))
                    similarity[other] += 0.8**a * fade / (self.n[j] + 1) ** 0.5
        limit = sorted(similarity.values(), reverse=True)[199] if len(similarity) > 200 else 0.0
        out: defaultdict[int, float] = defaultdict(float)
        for other, value in similarity.items():
            ring = [item for item, _ in self.rings[other]]
            if value < limit or matched[other] not in ring:
                continue
            place = ring.index(matched[other])
            for q, item in enumerate(ring):
                if q != place and abs(q - place) <= 20:
                    out[item] += value * exp(-abs(q - place) / 5.0) * (1.0 if q < place else 0.3)
        return dict(out)


def features_of(values: NDArray[np.float64], popular: bool, mean: float) -> NDArray[np.float64]:
    """Return the features A, B, C of one source's scores (n,): (n, 3)."""
    best = float(values.max(initial=0.0))
    share = values / best if best > 0.0 else np.zeros_like(values)
    second = np.log1p(values) / 10.0 if popular else np.log1p(100.0 * share) / log1p(100.0)
    return np.stack([share, second, values / (best + mean) if best > 0.0 else share], axis=1)


def gradient_step(
    weight: NDArray[np.float64], square: NDArray[np.float64], features: NDArray[np.float64], bucket: int, target: int
) -> None:
    """Take the listwise AdaGrad step of ``blend.learn`` on (1 + B, F) weights, with NumPy."""
    rows = [0, 1 + bucket]
    score = features @ weight[rows].sum(axis=0)
    p = np.exp(score - score.max())
    gradient = features[target] - (p / p.sum()) @ features - 1e-4 * weight[rows]
    square[rows] += gradient**2
    weight[rows] += 0.1 * gradient / np.sqrt(square[rows] + 1.0)
