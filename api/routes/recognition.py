"""How are achievements shown to others?  A public page by opt-in, kudos by peers, and credentials to take along."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from api import badges, shared_page
from api.access.rules import reach
from api.contract.parts import IDEMPOTENCY_KEY, PREFER, text_parameter, verdicts
from api.contract.vocabulary import Body, Contract, Reply
from api.dependencies import Dependencies
from api.idempotency import repeatable
from api.parameters import identifier, query, text
from api.problems import Answer
from api.routes.commands import envelope, issue, segment
from api.routes.exchange import HttpRequest, decoded_body, json_answer, no_parameters, not_found, request_headers, route
from projections.reads import recognition
from schemas.decode import JsonDecoder
from schemas.examples import learner_answers, requests
from schemas.read_models import SharedPage
from schemas.recognition import AchievementsPageSet, KudosGiven, KudosRequest, PageRequest

_PERIOD = frozenset({"period"})
PERIOD_CHARACTERS = 10
TOKEN_BYTES = 24
_PAGE: JsonDecoder[PageRequest] = JsonDecoder(PageRequest)
_KUDOS: JsonDecoder[KudosRequest] = JsonDecoder(KudosRequest)

_SHARE = Contract(
    summary="Put a learner's achievements on a public page",
    description="Only with the consent `share`. The page is found by its token alone, which the achievements name.",
    tag="Achievements",
    parameters=(PREFER, IDEMPOTENCY_KEY),
    body=Body(type=PageRequest, examples=requests.PAGE),
    replies=verdicts(),
    problems={409: "The learner has not agreed to `share`."},
)
_TAKE_BACK = Contract(
    summary="Take the public page back",
    description="It is gone at once; shared again, it has another address.",
    tag="Achievements",
    parameters=(PREFER,),
    replies=verdicts(),
)
_GIVE_KUDOS = Contract(
    summary="Give a learner kudos for an achievement",
    description="Once a giver and achievement, to others only, and to learners who consent to `share`.",
    tag="Achievements",
    parameters=(PREFER, IDEMPOTENCY_KEY),
    body=Body(type=KudosRequest, examples=requests.KUDOS),
    replies=verdicts("The kudos."),
    problems={
        404: "The learner shares no such achievement, or the giver is not known.",
        409: "They were given already, or are one's own.",
    },
)
_SHOW = Contract(
    summary="A shared page, for people",
    tag="Achievements",
    replies={200: Reply(description="The page.", media_type="text/html; charset=utf-8", examples=["<!doctype html>…"])},
    problems={404: "There is no such page, or none any more."},
)
_SHOW_ONE = Contract(
    summary="One achievement of a shared page, to link to",
    description="What a link preview shows is in its Open Graph tags.",
    tag="Achievements",
    replies={200: Reply(description="The page.", media_type="text/html; charset=utf-8", examples=["<!doctype html>…"])},
    problems={404: "There is no such page, or none any more, or the achievement is not unlocked."},
)
_SHOW_JSON = Contract(
    summary="A shared page, for programs",
    tag="Achievements",
    replies={200: Reply(description="What the page shows.", type=SharedPage, examples=learner_answers.SHARED_PAGE)},
    problems={404: "There is no such page, or none any more."},
)
_CREDENTIAL = Contract(
    summary="An unlocked achievement as an Open Badges 3.0 credential",
    description="The highest unlocked tier, signed with Ed25519 as a JWT; the keys are at `/api/badges/keys`.",
    tag="Achievements",
    parameters=(
        text_parameter(
            "period",
            "Of an achievement that repeats: unlocked in this period; else the last.",
            PERIOD_CHARACTERS,
            "2024-W18",
        ),
    ),
    replies={
        200: Reply(
            description="A compact JWT.", media_type=badges.MEDIA_TYPE, examples=["eyJ0eXAiOiJ2Yytqd3QifQ.e30.c2ln"]
        )
    },
    problems={404: "The learner has not unlocked this achievement."},
)
_ISSUER = Contract(
    summary="Who issues credentials",
    tag="Achievements",
    replies={
        200: Reply(
            description="A Profile of Open Badges 3.0.",
            type=dict[str, Any],
            examples=[{"id": "http://127.0.0.1:3009/api/badges/issuer", "type": ["Profile"], "name": "Personalize"}],
        )
    },
)
_KEYS = Contract(
    summary="The public keys that credentials are checked with",
    tag="Achievements",
    replies={
        200: Reply(
            description="A JSON Web Key Set.",
            type=dict[str, Any],
            examples=[{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}],
        )
    },
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""
    found = _Recognition(dependencies)
    one = "/api/achievements/{user_id:str}/{achievement_id:str}"
    return [
        route("POST", "/api/achievements/{user_id:str}/page", found.share, _SHARE),
        route("DELETE", "/api/achievements/{user_id:str}/page", found.take_back, _TAKE_BACK),
        route("POST", f"{one}/kudos", found.give_kudos, _GIVE_KUDOS),
        route("GET", f"{one}/credential", found.credential, _CREDENTIAL),
        route("GET", "/achievements/{page_token:str}", found.show, _SHOW),
        route("GET", "/achievements/{page_token:str}/{achievement_id:str}", found.show_one, _SHOW_ONE),
        route("GET", "/api/shared-achievements/{page_token:str}", found.show_json, _SHOW_JSON),
        route("GET", badges.ISSUER_PATH, found.issuer, _ISSUER),
        route("GET", badges.KEYS_PATH, found.keys, _KEYS),
    ]


class _Recognition:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def share(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        asked = await decoded_body(request, _PAGE)
        return await self._set_page(request, active=True, display_name=asked.display_name)

    async def take_back(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        return await self._set_page(request, active=False, display_name="")

    async def _set_page(self, request: HttpRequest, *, active: bool, display_name: str) -> Answer:
        user_id = identifier(request.path_params["user_id"], "userId")
        command = AchievementsPageSet(
            user_id=user_id,
            active=active,
            display_name=display_name,
            page_token=secrets.token_urlsafe(TOKEN_BYTES) if active else "",
            **envelope(self._dependencies, repeatable(request_headers(request), "page", user_id, str(active))),
        )
        return await issue(self._dependencies, request, command, f"/api/achievements/{segment(user_id)}")

    async def give_kudos(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        asked = await decoded_body(request, _KUDOS)
        # The path names who receives them; the giver is the one who has to be the caller.
        reach(request.scope, asked.giver_id)
        user_id = identifier(request.path_params["user_id"], "userId")
        achievement_id = identifier(request.path_params["achievement_id"], "achievementId")
        command_id = repeatable(request_headers(request), "kudos", user_id, achievement_id, asked.giver_id)
        command = KudosGiven(
            giver_id=asked.giver_id,
            user_id=user_id,
            achievement_id=achievement_id,
            **envelope(self._dependencies, command_id),
        )
        return await issue(self._dependencies, request, command, f"/api/achievements/{segment(user_id)}")

    async def show(self, request: HttpRequest) -> Answer:
        return Answer(200, shared_page.HTML_HEADERS, shared_page.html(await self._page(request)))

    async def show_one(self, request: HttpRequest) -> Answer:
        page = await self._page(request)
        wanted = identifier(request.path_params["achievement_id"], "achievementId")
        held = tuple(badge for badge in page.achievements if badge.achievement_id == wanted)
        if not held:
            raise not_found("An unlocked achievement of this id on the page")
        one = SharedPage(display_name=page.display_name, achievements=held)
        return Answer(200, shared_page.HTML_HEADERS, shared_page.html_of_one(one))

    async def show_json(self, request: HttpRequest) -> Answer:
        return json_answer(await self._page(request), shared_page.HEADERS)

    async def _page(self, request: HttpRequest) -> SharedPage:
        no_parameters(request)
        token = identifier(request.path_params["page_token"], "pageToken")
        found = await recognition.page(self._dependencies.pool, token)
        if found is None:
            raise not_found("The page")
        return found

    async def credential(self, request: HttpRequest) -> Answer:
        asked = query(request.scope["query_string"], _PERIOD)
        user_id = identifier(request.path_params["user_id"], "userId")
        achievement_id = identifier(request.path_params["achievement_id"], "achievementId")
        period = text(asked, "period", PERIOD_CHARACTERS) or ""
        held = await recognition.held(self._dependencies.pool, user_id, achievement_id, period)
        if held is None:
            raise not_found("An unlocked achievement of this id")
        signed = self._dependencies.settings.badges.signed(held, user_id, badges.new_salt())
        headers = [(b"content-type", badges.MEDIA_TYPE.encode()), (b"cache-control", b"private, no-store")]
        return Answer(200, headers, signed.encode())

    async def issuer(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        return Answer(200, _PUBLIC, msgspec.json.encode(self._dependencies.settings.badges.profile()))

    async def keys(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        return Answer(200, _PUBLIC, msgspec.json.encode(self._dependencies.settings.badges.keys()))


_PUBLIC = [(b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300")]
