"""What did learners do?  Figures of a period, never of a person; roll-ups follow the log within seconds."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from api.contract.parts import CACHE_CONTROL, choice_parameter, fresh
from api.contract.vocabulary import Contract, Reply
from api.dependencies import Dependencies
from api.freshness import Awaited
from api.parameters import one_of, query
from api.problems import Answer
from api.routes.exchange import HttpRequest, encode, json_answer, no_parameters, request_headers, route
from api.routes.ready import kept_answer
from projections.reads import experiments
from projections.reads.analytics import report
from projections.reads.freshness import Seen
from schemas.analytics import Analytics
from schemas.examples import insight_answers
from schemas.experiments import Reported

KNOWN = frozenset({"period", "metric"})
USUAL_PERIOD, USUAL_METRIC = "7d", "users"
NOT_AWAITED = Awaited({}, 0.0, stale=False)

_ANALYTICS = Contract(
    summary="Figures of a period, beside the period before",
    tag="Analytics",
    parameters=(
        choice_parameter("period", "UTC days that end today.", USUAL_PERIOD, report.PERIODS),
        choice_parameter("metric", "What is asked about.", USUAL_METRIC, tuple(report.METRICS)),
    ),
    replies={200: fresh("The figures.", Analytics, insight_answers.ANALYTICS)},
)
_EXPERIMENTS = Contract(
    summary="What experiments say now",
    description="Those that run, then those of the last 30 days. Intervals hold however often one looks.",
    tag="Analytics",
    replies={
        200: Reply(
            description="Their newest reports.",
            type=list[Reported],
            examples=[insight_answers.EXPERIMENT_REPORT],
            headers=(CACHE_CONTROL,),
        )
    },
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""

    async def analytics(request: HttpRequest) -> Answer:
        parameters = query(request.scope["query_string"], KNOWN)
        period = one_of(parameters, "period", USUAL_PERIOD, report.PERIODS)
        metric = one_of(parameters, "metric", USUAL_METRIC, tuple(report.METRICS))

        async def make() -> tuple[bytes, Seen]:
            found = await report.read(dependencies.pool, period, metric, dependencies.now_ms())
            return encode(found.analytics), found.seen

        kept = await dependencies.caches.shared("analytics", (period, metric), make, anew=False)
        assert kept is not None
        return kept_answer(dependencies, request_headers(request), kept, NOT_AWAITED)

    async def all_experiments(request: HttpRequest) -> Answer:
        no_parameters(request)
        return json_answer(await experiments.read(dependencies.pool), [(b"cache-control", b"private, no-store")])

    return [
        route("GET", "/api/analytics", analytics, _ANALYTICS),
        route("GET", "/api/experiments", all_experiments, _EXPERIMENTS),
    ]
