"""Why does the recommender show an item?  One plain sentence, made from the source that added most to its score.

A sentence may name the content that the learner had last, never what he declared about himself.
"""

from __future__ import annotations

from models.recommendation import sources
from models.recommendation.sources import SOURCES

NO_SOURCE = "New to you in the catalogue."
POPULAR = "Popular with other learners right now."
INTERESTS = "Fits the interests in your profile."
PINNED = "You pinned it."
PREFERRED = "You asked for more of its topic."
EXPLORED = "Something to try: few learners have been shown it yet."
PATH = "The next step on your learning path."
REVIEW = "Due for review: what you learnt here is fading."
NO_SOURCE_CODE, POPULAR_CODE, INTERESTS_CODE, PINNED_CODE, EXPLORED_CODE, PREFERRED_CODE = -1, -2, -3, -4, -5, -6
PATH_CODE, REVIEW_CODE = -7, -8
"""Codes of sentences that come from no source, beside the numbers of the sources."""
_OWN = {
    POPULAR_CODE: POPULAR,
    INTERESTS_CODE: INTERESTS,
    PINNED_CODE: PINNED,
    EXPLORED_CODE: EXPLORED,
    PREFERRED_CODE: PREFERRED,
    PATH_CODE: PATH,
    REVIEW_CODE: REVIEW,
}
_AFTER = {
    sources.NEXT_STEP: "The usual next step after “{}”.",
    sources.CONTENT_LAST: "Close in content to “{}”.",
    sources.ORDER: "Comes after “{}” in the catalogue.",
}


def names_the_last(source: int) -> bool:
    """Whether the sentence of a source names the item that the learner had last."""
    return source in _AFTER


def reason(source: int, last_title: str | None) -> str:
    """The sentence for one item.

    Args:
        source: number of the source, or one of the codes.
        last_title: title of the item that the learner had last.

    >>> reason(sources.NEXT_STEP, "Quiz 3")
    'The usual next step after “Quiz 3”.'
    >>> reason(NO_SOURCE_CODE, None)
    'New to you in the catalogue.'
    """
    if source in _AFTER and last_title:
        return _AFTER[source].format(last_title)
    if source < 0 or source >= len(SOURCES):
        return _OWN.get(source, NO_SOURCE)
    return f"{SOURCES[source].reason}."
