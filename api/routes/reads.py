"""What can be read?  Profile, achievements, trending and content; recommendations have their own file in `api`."""

from __future__ import annotations

from typing import Any

from litestar.handlers import HTTPRouteHandler

from api.contract.parts import (
    CLAIM_LINK,
    CONTENT_LINK,
    PREFER,
    READ_TOKEN,
    choice_parameter,
    fresh,
    number_parameter,
    text_parameter,
)
from api.contract.vocabulary import Contract
from api.dependencies import Dependencies
from api.parameters import TOKEN, identifier, one_of, query, text, whole_number
from api.problems import Answer
from api.routes.exchange import HttpRequest, encode, json_answer, not_found, request_headers, route
from api.routes.ready import kept_answer
from models.trending import DEFAULT_WINDOW, WINDOWS
from projections.reads import achievements, content, profile, skills, trending
from projections.reads.content import Content
from projections.reads.freshness import Seen
from projections.reads.trending import TrendingQuestion
from projections.stores.postgres_pool import ReadPool
from schemas.examples import content_answers, learner_answers
from schemas.lists import TrendingItem
from schemas.read_models import Achievements, Profile
from schemas.skills import SkillReport

ONLY_TOKEN = frozenset({TOKEN})
SKILLS = frozenset({"days", TOKEN})
TRENDING = frozenset({"window", "contentType", "topic", "limit", TOKEN})
USUAL_LIMIT = 10
LARGEST_LIMIT = 100

_PROFILE = Contract(
    summary="A learner's profile and what is known of the learner",
    tag="Learners",
    parameters=(*READ_TOKEN, PREFER),
    replies={200: fresh("The profile.", Profile, learner_answers.PROFILE)},
    problems={404: "The learner is not known."},
)
_SKILLS = Contract(
    summary="What a learner knows, what is missing, and what to review",
    description="Each skill with its mastery by day, the gaps that goals and paths leave, and reviews that are due.",
    tag="Learners",
    parameters=(
        number_parameter("days", "Days of history.", skills.HISTORY_DAYS, 1, skills.MOST_HISTORY_DAYS),
        *READ_TOKEN,
        PREFER,
    ),
    replies={200: fresh("The skills.", SkillReport, learner_answers.SKILLS)},
    problems={404: "The learner is not known."},
)
_ACHIEVEMENTS = Contract(
    summary="What a learner unlocked, and how far the next is",
    tag="Achievements",
    parameters=(*READ_TOKEN, PREFER),
    replies={200: fresh("The achievements.", Achievements, learner_answers.ACHIEVEMENTS, CLAIM_LINK)},
    problems={404: "The learner is not known."},
)
_TRENDING = Contract(
    summary="What is popular now",
    tag="Recommendations",
    parameters=(
        choice_parameter("window", "Half-life of the counts.", DEFAULT_WINDOW, WINDOWS),
        text_parameter("contentType", "Only content of this kind.", 64, "video"),
        text_parameter("topic", "Only content of this topic.", 128, "algebra"),
        number_parameter("limit", "Items at most.", USUAL_LIMIT, 1, LARGEST_LIMIT),
        *READ_TOKEN,
        PREFER,
    ),
    replies={200: fresh("Best first.", tuple[TrendingItem, ...], [content_answers.TRENDING_ITEM], CONTENT_LINK)},
)
_CONTENT = Contract(
    summary="A piece of content as the catalogue has it",
    tag="Events",
    parameters=(*READ_TOKEN, PREFER),
    replies={200: fresh("The content.", Content, content_answers.CONTENT_ENTRY)},
    problems={404: "Nothing has ever named this content."},
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""
    reads = _Reads(dependencies)
    return [
        route("GET", "/api/profile/{user_id:str}", reads.profile, _PROFILE),
        route("GET", "/api/profile/{user_id:str}/skills", reads.skills, _SKILLS),
        route("GET", "/api/achievements/{user_id:str}", reads.achievements, _ACHIEVEMENTS),
        route("GET", "/api/trending", reads.trending, _TRENDING),
        route("GET", "/api/content/{content_id:str}", reads.content, _CONTENT),
    ]


class _Reads:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def profile(self, request: HttpRequest) -> Answer:
        return await self._of_learner(request, profile.read, "profile", "profile")

    async def skills(self, request: HttpRequest) -> Answer:
        parameters = query(request.scope["query_string"], SKILLS)
        days = whole_number(parameters, "days", skills.HISTORY_DAYS, 1, skills.MOST_HISTORY_DAYS)

        async def read(pool: ReadPool, user_id: str, part: int, now_ms: int) -> Any:
            return await skills.read(pool, user_id, part, now_ms, days)

        return await self._of_learner(request, read, "report", "skills", SKILLS)

    async def achievements(self, request: HttpRequest) -> Answer:
        return await self._of_learner(request, achievements.read, "achievements", "achievements")

    async def _of_learner(
        self, request: HttpRequest, read: Any, name: str, cache: str, allowed: frozenset[str] = ONLY_TOKEN
    ) -> Answer:
        dependencies = self._dependencies
        parameters = query(request.scope["query_string"], allowed)
        user_id = identifier(request.path_params["user_id"], "userId")
        part = dependencies.partition(user_id)
        headers = request_headers(request)
        awaited = await dependencies.freshness.wait(headers, parameters, part)

        async def make() -> tuple[bytes, Seen] | None:
            found = await read(dependencies.pool, user_id, part, dependencies.now_ms())
            if found is None:
                return None
            return encode(awaited.marked(getattr(found, name))), found.seen

        question = {each: value for each, value in parameters.items() if each != TOKEN}
        presented, stale = bool(awaited.presented), awaited.stale
        caches = dependencies.caches
        kept = await caches.of_learner(cache, user_id, question, make, anew=presented, keep=not stale)
        if kept is None:
            raise not_found("The learner")
        return kept_answer(dependencies, headers, kept, awaited)

    async def trending(self, request: HttpRequest) -> Answer:
        dependencies = self._dependencies
        parameters = query(request.scope["query_string"], TRENDING)
        question = TrendingQuestion(
            window=one_of(parameters, "window", DEFAULT_WINDOW, WINDOWS),
            content_type=text(parameters, "contentType", 64),
            topic=text(parameters, "topic", 128),
            limit=whole_number(parameters, "limit", USUAL_LIMIT, 1, LARGEST_LIMIT),
        )
        headers = request_headers(request)
        awaited = await dependencies.freshness.wait(headers, parameters, None)

        async def make() -> tuple[bytes, Seen]:
            found = await trending.read(dependencies.pool, question, dependencies.now_ms())
            return encode(found.items), found.seen

        kept = await dependencies.caches.shared("trending", question, make, anew=bool(awaited.presented))
        assert kept is not None
        return kept_answer(dependencies, headers, kept, awaited)

    async def content(self, request: HttpRequest) -> Answer:
        dependencies = self._dependencies
        parameters = query(request.scope["query_string"], ONLY_TOKEN)
        content_id = identifier(request.path_params["content_id"], "contentId")
        awaited = await dependencies.freshness.wait(request_headers(request), parameters, None)
        now_ms = dependencies.now_ms()
        found = await content.read(dependencies.pool, content_id)
        if found is None:
            raise not_found("The content")
        return json_answer(found.content, dependencies.freshness.headers(found.seen, awaited, now_ms))
