r"""Which items are about the same? Cosine of TF-IDF vectors of their texts, kept as bounded rows of the nearest.

A term t of an item weighs (1 + ln tf) ln(N / df), terms in fewer than 2 or more than 30 % of the items are left out,
and a vector has unit length (Salton and Buckley 1988). The scores of an item x for the recent items j_0, j_1, ...:

- cont(x)  = sum_a .6^a cos(j_a, x), a < 10
- cont1(x) = cos(j_0, x)

Only the 100 nearest of an item are kept. Cost: one sparse product of the catalogue with itself, in blocks of rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from models.recommendation.bounded_rows import Rows

AGE = 0.6
QUERIES = 10
MINIMUM_ITEMS = 2
MAXIMUM_SHARE = 0.3
TITLE_REPEATS = 3
_BLOCK = 512
_WORD = re.compile(r"[^\W_]+")


def item_text(title: str, body: str, tags: Sequence[str]) -> str:
    """Return the text that represents an item: its title three times, its body and its tags."""
    return " ".join([*([title] * TITLE_REPEATS), body, *tags])


def tfidf(texts: Sequence[str]) -> csr_array:
    """Return unit TF-IDF vectors of N texts, (N, T) sparse float64; an empty text has an empty row."""
    vocabulary: dict[str, int] = {}
    indices: list[int] = []
    counts: list[int] = []
    starts = [0]
    for text in texts:
        for word, count in Counter(_WORD.findall(text.lower())).items():
            indices.append(vocabulary.setdefault(word, len(vocabulary)))
            counts.append(count)
        starts.append(len(indices))
    shape = (len(texts), max(1, len(vocabulary)))
    term = csr_array((1.0 + np.log(np.array(counts, float)), indices, starts), shape=shape)
    having = np.bincount(np.array(indices, np.int64), minlength=shape[1])
    kept = (having >= MINIMUM_ITEMS) & (having <= MAXIMUM_SHARE * len(texts))
    weight = np.where(kept, np.log(len(texts) / np.maximum(having, 1)), 0.0)
    vectors = csr_array(term @ diags_array(weight))
    vectors.eliminate_zeros()
    length = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    return csr_array(diags_array(1.0 / np.maximum(length, 1e-12)) @ vectors)


def _largest(line: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Return the places of the largest positive values, largest first; of equal ones the first places."""
    places = np.flatnonzero(line > 0.0)
    if len(places) > most:
        values = line[places]
        places = places[values >= np.partition(values, len(values) - most)[len(values) - most]]
    return places[np.argsort(-line[places], kind="stable")][:most]


def nearest_rows(vectors: csr_array, slots: NDArray[np.int64], rows: Rows) -> None:
    """Write the nearest items of every vector (N, T) to ``rows``; row i of ``vectors`` is item slot ``slots[i]``."""
    capacity = rows.ids.shape[1]
    across = vectors.T.tocsr()
    for start in range(0, vectors.shape[0], _BLOCK):
        cosine = (vectors[start : start + _BLOCK] @ across).toarray()
        for offset, line in enumerate(cosine):
            own = start + offset
            line[own] = 0.0
            best = _largest(line, capacity)
            row = slots[own]
            rows.ids[row, : len(best)] = slots[best]
            rows.weights[row, : len(best), 0] = line[best]
            rows.length[row] = len(best)
