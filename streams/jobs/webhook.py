"""How is an announcement sent to somebody else's server?  Signed, over https, never into our own network.

Header and signature follow Standard Webhooks (standardwebhooks.com): ``webhook-id`` (the announcement's stable id; the
same for every retry), ``webhook-timestamp`` (Unix seconds) and

    webhook-signature: v1,base64(HMAC-SHA256(secret, id . "." . timestamp . "." . body))

The host is resolved once, every address is checked, and the connection goes to a checked address: a name that changes
its mind in between (DNS rebinding) gains nothing.  Redirects are not followed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
from typing import Final
from urllib.parse import SplitResult, urlsplit

from streams.jobs.settings import WebhookSettings

TIMEOUT_SECONDS: Final = 10.0
_MOST_ANSWER_BYTES: Final = 65_536
_PORTS: Final = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class WebhookError(Exception):
    """An announcement was not delivered; trying again may help."""


class WebhookForbidden(WebhookError):  # noqa: N818 - read as a state: what the ledger shows
    """The address is none that may be called."""


class WebhookRefused(WebhookError):  # noqa: N818
    """The server did not answer with 2xx."""


def signature(secret: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def send(settings: WebhookSettings, event_id: str, body: bytes, timestamp: int) -> None:
    """Posts a CloudEvent.

    Raises:
        WebhookForbidden: the URL, or an address of its host, may not be called.
        WebhookRefused: any answer but 2xx.
        OSError: no connection, or no answer in time.
    """
    url = urlsplit(settings.url)
    address, port = allowed_address(settings)
    connection = _connect(url, address, port)
    headers = {
        "Content-Type": "application/cloudevents+json; charset=UTF-8",
        "User-Agent": "personalize",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(settings.secret, event_id, timestamp, body),
    }
    try:
        connection.request("POST", (url.path or "/") + (f"?{url.query}" if url.query else ""), body, headers)
        answer = connection.getresponse()
        answer.read(_MOST_ANSWER_BYTES)
    except http.client.HTTPException as fault:
        raise WebhookRefused(type(fault).__name__) from fault
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise WebhookRefused(f"status {answer.status}")


def allowed_address(settings: WebhookSettings) -> tuple[str, int]:
    """(address, port) to connect to.

    Raises:
        WebhookForbidden: no https (unless it goes to loopback and that is allowed), or an address that is not allowed.
        OSError: the name has no address.
    """
    url = urlsplit(settings.url)
    if url.scheme not in _PORTS or not url.hostname:
        raise WebhookForbidden("the webhook's URL must be https://host/…")
    port = url.port or _PORTS[url.scheme]
    found = [ipaddress.ip_address(entry[4][0]) for entry in socket.getaddrinfo(url.hostname, port, proto=6)]
    for address in found:
        if not _allowed(address, settings):
            raise WebhookForbidden("the webhook's host has an address that is not public")
        if url.scheme == "http" and not (settings.allow_loopback and _plain(address).is_loopback):
            raise WebhookForbidden("the webhook's URL must be https")
    return str(found[0]), port


def _plain(address: Address) -> Address:
    """The IPv4 address within an IPv6 one that only wraps it."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _allowed(address: Address, settings: WebhookSettings) -> bool:
    plain = _plain(address)
    if plain.is_loopback:
        return settings.allow_loopback
    if plain.is_multicast or plain.is_unspecified or plain.is_link_local:
        return False
    return plain.is_global or (settings.allow_private and plain.is_private)


def _connect(url: SplitResult, address: str, port: int) -> http.client.HTTPConnection:
    host = url.hostname or ""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    plain = socket.create_connection((address, port), TIMEOUT_SECONDS)
    if url.scheme == "https":
        try:
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
    else:
        connection.sock = plain
    return connection
