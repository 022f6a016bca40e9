"""Why is an item recommended?  One plain sentence, made from the term that contributed most to its score.

A sentence names content that the learner used, never what he declared about himself: lists are stored and mirrored
where personal data may not be.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.list_ranking import TERMS

NO_TERM = "New to you in the catalogue."
_SENTENCE = {
    "history": "Close to what you used.",
    "interests": "Fits the interests in your profile.",
    "trending": "Popular with other learners right now.",
}


def reason(terms: Sequence[float], because: str | None = None, *, begun: bool = False) -> str:
    """The sentence for one item.

    Args:
        terms: contributions in the order of `TERMS`.
        because: title of the content in the learner's history that is closest to it.
        begun: that content is the item itself, which the learner has not finished.

    >>> reason((0.5, 0.1, 0.0, 0.2), "Linear equations")
    'Close to “Linear equations”, which you used.'
    >>> reason((0.0, 0.0, 0.0, 0.2))
    'Popular with other learners right now.'
    """
    largest = max(terms)
    if largest <= 0:
        return NO_TERM
    term = TERMS[terms.index(largest)]
    if term == "history" and begun:
        return "You began it and have not finished it."
    if term == "history" and because:
        return f"Close to “{because}”, which you used."
    return _SENTENCE[term]
