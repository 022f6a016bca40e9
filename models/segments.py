"""Which groups of learners behave alike, and what are they called?  k-means, k by silhouette, ids that stay.

Features are standardised; k is the number of groups from 2 to ``MOST`` whose silhouette (Rousseeuw 1987) on a sample is
best.  k-means numbers its groups at random: each new group takes the id of the old one whose centroid is nearest
(Hungarian method), unless that is further than ``SAME`` standard deviations away, when it is a new group.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from models.columns import Float64, Int64

FEATURES: Final = ("interactions", "active days", "visits", "visit length", "completions", "silence")
"""Of four weeks; counts and lengths as logarithms."""
MOST: Final = 6
FEWEST_LEARNERS: Final = 25
"""With fewer there are no groups."""
SAMPLE: Final = 2_000
SAME: Final = 1.5

# (a good deal of the feature, little of it); the first two features make the first word together.
_WORDS: Final = {
    "visits": ("many visits", "few visits"),
    "visit length": ("long visits", "short visits"),
    "completions": ("finishing much", "finishing little"),
    "silence": ("fading", "here lately"),
    "interactions": ("intense", "light"),
}


class Segments(NamedTuple):
    """k groups of n learners."""

    group: Int64
    """(n,) 0..k-1."""
    centroids: Float64
    """(k, f) means of the features, in the units of the input."""
    silhouette: float


def features(
    events: Float64,
    active_days: Float64,
    sessions: Float64,
    session_seconds: Float64,
    completions: Float64,
    silent_days: Float64,
) -> Float64:
    """(n, 6) in the order of ``FEATURES``, from sums over four weeks (n,)."""
    length = session_seconds / np.maximum(sessions, 1.0)
    return np.stack(
        [np.log1p(events), active_days, np.log1p(sessions), np.log1p(length), np.log1p(completions), silent_days],
        axis=1,
    )


def cluster(table: Float64, seed: int = 0) -> Segments | None:
    """The groups of n learners (n, f); None when there are too few of them, or none differ."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    if len(table) < FEWEST_LEARNERS:
        return None
    scale = table.std(axis=0)
    if not (scale > 0).any():
        return None
    scaled = (table - table.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    sample = np.random.default_rng(seed).permutation(len(table))[:SAMPLE]
    best: tuple[float, Int64] | None = None
    for k in range(2, MOST + 1):
        labels = KMeans(k, n_init=4, random_state=seed).fit(scaled).labels_.astype(np.int64)
        if len(np.unique(labels[sample])) < 2:
            continue
        score = float(silhouette_score(scaled[sample], labels[sample]))
        if best is None or score > best[0]:
            best = score, labels
    if best is None:
        return None
    groups = np.unique(best[1], return_inverse=True)[1].astype(np.int64)
    centroids = np.stack([table[groups == number].mean(axis=0) for number in range(groups.max() + 1)])
    return Segments(groups, centroids, best[0])


def stable_ids(centroids: Float64, known: Float64, known_ids: Int64, scale: Float64) -> Int64:
    """(k,) ids of new groups: those of the known groups (m, f) they continue; 0: it continues none.

    Args:
        centroids: (k, f) of the new groups.
        known: (m, f) of the groups before.
        known_ids: (m,) their ids.
        scale: (f,) standard deviations that distances are measured in.
    """
    ids = np.zeros(len(centroids), np.int64)
    if len(known):
        gap = (centroids[:, None] - known[None]) / np.where(scale > 0, scale, 1.0)
        distance = np.sqrt(np.square(gap).mean(axis=2))
        for new, old in zip(*linear_sum_assignment(distance), strict=True):
            if distance[new, old] <= SAME:
                ids[new] = known_ids[old]
    return ids


def names(centroids: Float64, mean: Float64, scale: Float64) -> list[str]:
    """A readable name for each group (k, f): how often they come, and what else sets them apart most; all different."""
    standard = (centroids - mean) / np.where(scale > 0, scale, 1.0)
    made: list[str] = []
    for row in standard:
        often = "Frequent" if row[1] > 0.5 else "Rare" if row[1] < -0.5 else "Steady"
        others = sorted(_WORDS, key=lambda word: -abs(row[FEATURES.index(word)]))
        name = often
        for word in others:
            name += (" learners, " if name == often else ", ") + _WORDS[word][int(row[FEATURES.index(word)] < 0)]
            if name not in made:
                break
        made.append(name)
    return made
