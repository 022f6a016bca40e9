"""How is one announcement sent on?  A job whose run key is the announcement's id; its retries are the ledger's."""

from __future__ import annotations

from projections.notification_delivery import body_of, mark_delivered
from streams.jobs.job import Assignment, Effect, Job
from streams.jobs.webhook import send


class WebhookOff(Exception):  # noqa: N818 - a state of affairs; its name is what the ledger shows
    """An announcement waits, but this process has no webhook."""


def _send(assignment: Assignment) -> Effect:
    event_id = assignment.run_key
    body = body_of(assignment.connection, event_id)
    if body is None:  # delivered, or its learner was erased
        return lambda _: 0
    webhook = assignment.settings.webhook
    if webhook is None:
        raise WebhookOff
    send(webhook, event_id, body, int(assignment.now.timestamp()))
    return lambda connection: mark_delivered(connection, event_id)


SEND = Job(
    name="send-notification",
    queue="notification",
    does="Send an achievement or a milestone to the webhook (NOTIFICATION_WEBHOOK_URL).",
    work=_send,
    most_attempts=12,
)
