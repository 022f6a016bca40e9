"""Does polarity follow the words, only where their language is known, and yield to the stars?"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.learner.sentiment import Sentiment, SentimentModel, Unscored

OTHER_LANGUAGES = {
    "Spanish": ["Este curso es excelente y muy claro", "Muy aburrido y demasiado largo, no lo recomiendo"],
    "German": [
        "Der Kurs war furchtbar langweilig",
        "Sehr guter Kurs, ich habe viel gelernt",
        "Die Musik war super und fun",
    ],
    "French": ["Ce cours est excellent, merci beaucoup", "C'est trop long et ennuyeux pour moi"],
    "Portuguese": ["O curso é muito bom e bem explicado", "Não gostei nada das aulas"],
    "Italian": ["Il corso è molto noioso e troppo lungo", "Un ottimo corso, lo consiglio a tutti"],
    "Turkish": ["Bu kurs çok güzel, teşekkürler", "Çok sıkıcı ve uzun bir ders"],
    "Russian": ["Очень скучный курс", "Отличный курс, спасибо преподавателю"],
    "Chinese": ["这门课很好，老师讲得很清楚", "太无聊了，不推荐"],
    "Arabic": ["هذه الدورة ممتازة جدا", "الدروس مملة وطويلة للغاية"],
    "Japanese": ["とても良いコースです", "説明が難しくて退屈でした"],
}


@pytest.fixture(scope="module")
def model():
    return SentimentModel()


@pytest.mark.parametrize(
    "text",
    [
        "Great course, very clear and helpful",
        "I loved the teacher and the examples were excellent!",
        "The best class I have ever taken, highly recommended",
    ],
)
def test_praise_is_positive(model, text):
    """English praise has a clearly positive polarity."""
    assert model.sentiment(text).polarity > 0.4


@pytest.mark.parametrize(
    "text",
    [
        "This was boring and a complete waste of my time",
        "Terrible audio, and the instructor was rude and unhelpful",
        "I hated every minute of this awful course",
    ],
)
def test_complaints_are_negative(model, text):
    """English complaints have a clearly negative polarity."""
    assert model.sentiment(text).polarity < -0.4


@pytest.mark.parametrize("praise", ["good", "helpful", "interesting", "useful"])
def test_negation_turns_the_polarity(model, praise):
    """ "Not good" is negative, "good" is positive."""
    plain, negated = (
        model.sentiment(f"The course was {words} for all of us").polarity for words in (praise, f"not {praise}")
    )
    assert negated < 0 < plain


@pytest.mark.parametrize("language", OTHER_LANGUAGES)
def test_a_language_without_a_lexicon_is_null(model, language):
    """Texts in ten other languages have no polarity, whatever the learner declared, instead of a false neutral."""
    for text in OTHER_LANGUAGES[language]:
        for declared in (None, "en"):
            assert model.sentiment(text, declared_language=declared).polarity is None, text


def test_a_short_text_goes_by_the_declared_language(model):
    """ "too fast" could be anything: it is scored for a learner who declared English, and null otherwise."""
    for declared in ("en", "en-GB", "EN_us"):
        assert model.sentiment("so bad", declared_language=declared).polarity < 0
    for declared in (None, "", "tr"):
        assert model.sentiment("so bad", declared_language=declared).unscored is Unscored.UNKNOWN_LANGUAGE


@pytest.mark.parametrize("text", ["furchtbar langweilig", "saai en te lang", "no me gustó", "troppo lungo"])
def test_a_short_foreign_text_is_no_false_neutral(model, text):
    """A few words of another language stay null even for a learner who declared English."""
    assert model.sentiment(text, declared_language="en").polarity is None


@pytest.mark.parametrize("text", [None, "", "  \n "])
def test_no_text_is_null(model, text):
    """Without words there is nothing to score."""
    assert model.sentiment(text) == Sentiment(None, Unscored.NO_TEXT)


@pytest.mark.parametrize(("stars", "polarity"), [(1, -1.0), (2, -0.5), (3, 0.0), (4, 0.5), (5, 1.0)])
def test_stars_outrank_words(model, stars, polarity):
    """A rating decides, against the words and in any language."""
    for text in ("I hated this awful course", "Great course, I loved it", "とても良いコースです", None):
        assert model.sentiment(text, rating=stars) == Sentiment(polarity, from_rating=True)


def test_a_rating_out_of_range_is_refused(model):
    """Stars are 1 to 5."""
    with pytest.raises(ValueError, match="rating must be between 1 and 5"):
        model.sentiment("fine", rating=6)


@pytest.mark.parametrize(
    "text",
    [
        "The module on error handling and bad debt is part of the second week",
        "This unit covers cancer, disease and death in the hospital",
        "We studied the causes of war and poverty in the region",
    ],
)
def test_the_subject_of_a_course_is_neutral(model, text):
    """Naming grim subjects is no displeasure."""
    assert model.sentiment(text).polarity == pytest.approx(0.0, abs=0.05)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80), st.sampled_from([None, "en", "de"]))
def test_any_text_is_scored_within_bounds_or_null(model, text, declared):
    """Whatever is typed, polarity is in [−1, 1] or null with a reason, and the same every time."""
    found = model.sentiment(text, declared_language=declared)
    assert (found.polarity is None) == (found.unscored is not None)
    assert found.polarity is None or -1 <= found.polarity <= 1
    assert found == model.sentiment(text, declared_language=declared)
