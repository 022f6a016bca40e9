"""Is a piece of feedback pleased or displeased?  Polarity in [−1, 1], or nothing where the language is not known.

A star rating outranks the words.  Words are scored only where they are English beyond doubt: by the language of the
text itself or, for a text too short to tell, by the language that the learner declared and a word of the lexicon in it.
Everything else is null with its reason, never a neutral 0.  No emotions are named, and only text that was given as
feedback is ever looked at.

Lexicon and rules (negation, intensity, emphasis): VADER (Hutto, Gilbert 2014).  Words that courses are about, such as
"error" or "debt", count as neutral.  Language: a naive Bayes model over byte n-grams (Lui, Baldwin 2012).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]  # ships no types
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]  # ships no types

LANGUAGE = "en"
CERTAIN = 0.6
"""Probability of English from which the text decides for itself."""
DOUBTFUL = 0.5
"""Below this probability of any other language, the declared language decides."""
TEXT_MAX_CHARACTERS = 4_000
RATING_MIN, RATING_MAX = 1.0, 5.0
_SUBJECTS = (
    "abuse accident anger anxiety argument arguments attack attacks cancer conflict conflicts crime crisis "
    "critical dead death debt debts defect defects depression disaster discrimination disease error errors "
    "exploit fail failure failures fight fire force fraud hack hacker hazard kill killed kills loss losses murder "
    "pain poverty problem problems risk risks stress suicide threat threats trauma violence virus vulnerability "
    "vulnerable war weapon "
)
NEUTRAL_TERMS = frozenset(_SUBJECTS.split())
"""What courses teach about; a review that names its subject says nothing about the course."""
NEUTRAL_PHRASES = re.compile(
    r"\b(bad debts?|error handling|kill(?:s|ed|ing)? it|no problems?|worst[- ]case)\b", re.IGNORECASE
)


class Unscored(StrEnum):
    """Why a text has no polarity."""

    NO_TEXT = "there is no text"
    OTHER_LANGUAGE = "the text is in a language without a lexicon"
    UNKNOWN_LANGUAGE = "the text is too short to tell its language, and none was declared that has a lexicon"


@dataclass(frozen=True, slots=True)
class Sentiment:
    """The polarity of one piece of feedback, or why there is none."""

    polarity: float | None
    """[−1, 1]"""
    unscored: Unscored | None = None
    """Set exactly where ``polarity`` is None."""
    from_rating: bool = False


class SentimentModel:
    """Lexicon and language model; made once (two seconds, 40 MB), then pure and safe to share between threads."""

    def __init__(self) -> None:
        self._languages: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self._lexicon: Any = SentimentIntensityAnalyzer()
        for term in NEUTRAL_TERMS:
            self._lexicon.lexicon.pop(term, None)

    def sentiment(
        self, text: str | None, *, rating: float | None = None, declared_language: str | None = None
    ) -> Sentiment:
        """Polarity of feedback.  About 0.2 ms for a sentence.

        Args:
            text: the feedback; only its first ``TEXT_MAX_CHARACTERS`` are read.
            rating: 1 to 5 stars given with it, which outranks the text.
            declared_language: of the learner's profile, such as ``en`` or ``pt-BR``.

        Raises:
            ValueError: the rating is not in [1, 5].
        """
        if rating is not None:
            if not RATING_MIN <= rating <= RATING_MAX:
                raise ValueError(f"rating must be between 1 and 5, got {rating}")
            return Sentiment((rating - 3.0) / 2.0, from_rating=True)
        words = (text or "")[:TEXT_MAX_CHARACTERS].strip()
        if not words:
            return Sentiment(None, Unscored.NO_TEXT)
        certainty = self._english(words, declared_language)
        if isinstance(certainty, Unscored):
            return Sentiment(None, certainty)
        scores = self._lexicon.polarity_scores(NEUTRAL_PHRASES.sub("this", words))
        if not certainty and scores["pos"] == scores["neg"] == 0.0:
            return Sentiment(None, Unscored.UNKNOWN_LANGUAGE)
        return Sentiment(float(scores["compound"]))

    def _english(self, words: str, declared_language: str | None) -> bool | Unscored:
        """True where the text is English by itself, False where only by declaration, else why it is not scored."""
        language, probability = self._languages.classify(words)
        if language == LANGUAGE and probability >= CERTAIN:
            return True
        foreign_letters = any(letter.isalpha() and not letter.isascii() for letter in words)
        if foreign_letters or (language != LANGUAGE and probability >= DOUBTFUL):
            return Unscored.OTHER_LANGUAGE
        declared = (declared_language or "").replace("_", "-").split("-")[0].lower()
        return False if declared == LANGUAGE else Unscored.UNKNOWN_LANGUAGE
