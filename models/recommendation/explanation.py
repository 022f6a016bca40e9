"""Why is this item here, in plain words? The largest terms of its score, worded by their sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.recommendation.serving import TERM_FAMILIES, TERM_NAMES
from models.recommendation.sources import FAMILIES, SOURCES

MINIMUM_SHARE = 0.25  # of the largest term: smaller ones are not worth a sentence
_FALLBACK = "Suits where you are in the catalogue"


@dataclass(frozen=True, slots=True)
class Recommendations:
    """One learner's list, best first. L places."""

    item: NDArray[np.int64]  # (L,) item keys
    score: NDArray[np.float64]  # (L,) any real number; the sum of the terms
    terms: NDArray[np.float64]  # (L, TERMS), columns named by ``TERM_NAMES``

    def __len__(self) -> int:
        return len(self.item)

    def families(self) -> NDArray[np.float64]:
        """Return the terms summed into relevance, collaborative, trending, context: (L, 4); they sum to the score."""
        out = np.zeros((len(self), len(FAMILIES)))
        for family in range(len(FAMILIES)):
            out[:, family] = self.terms[:, family == TERM_FAMILIES].sum(axis=1)
        return out

    def relevance(self) -> NDArray[np.float64]:
        """Return the score mapped to (0, 1]: e^(score - best), 1 for the first place. Monotone in the score."""
        return np.exp(self.score - self.score.max()) if len(self) else np.zeros(0)

    def probability(self) -> NDArray[np.float64]:
        """Return the blend's own estimate that the learner takes this item next, given that it is one of the list.

        It is the softmax that the weights were trained with, so it is calibrated as far as training succeeded.
        """
        weight = self.relevance()
        return weight / weight.sum() if len(self) else weight

    def named_terms(self, place: int) -> dict[str, float]:
        """Return the terms of one place by name, without those that are 0."""
        return {name: float(value) for name, value in zip(TERM_NAMES, self.terms[place], strict=True) if value != 0.0}

    def reasons(self, place: int, limit: int = 2) -> list[str]:
        """Return why the item stands there: the wordings of its largest positive source terms, largest first."""
        terms = self.terms[place, : len(SOURCES)]
        largest = float(terms.max(initial=0.0))
        order = np.argsort(-terms, kind="stable")[:limit]
        words = [SOURCES[k].reason for k in order if terms[k] > 0.0 and terms[k] >= MINIMUM_SHARE * largest]
        return words or [_FALLBACK]
