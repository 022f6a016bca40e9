"""Why is an item recommended?  One plain sentence, made from the term that contributed most to its score.

A sentence names content that the learner used, never what he declared about himself: lists are stored and mirrored
where personal data may not be.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.list_ranking import TERMS

NO_TERM = "New to you in the catalogue."


def reason(terms: Sequence[float], because: str | None = None) -> str:
    """The sentence for one item.

    Args:
        terms: contributions in the order of `TERMS`.
        because: title of the content in the learner's history that is closest to it.

    >>> reason((0.5, 0.1, 0.0, 0.2), "Linear equations")
    'Close to “Linear equations”, which you used.'
    >>> reason((0.0, 0.0, 0.0, 0.2))
    'Popular with other learners right now.'
    """
    largest = max(range(len(TERMS)), key=lambda place: terms[place])
    if terms[largest] <= 0:
        return NO_TERM
    if TERMS[largest] == "history":
        return f"Close to “{because}”, which you used." if because else "Close to what you used."
    return _SENTENCE[TERMS[largest]]


_SENTENCE = {
    "interests": "Fits the interests in your profile.",
    "dislikes": NO_TERM,
    "trending": "Popular with other learners right now.",
}
