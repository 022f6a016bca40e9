"""How does a shared page look?  One HTML document without a script, found by nobody who was not given its address."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from api.problems import Headers
from schemas.read_models import SharedPage

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
ul { list-style: none; padding: 0; display: grid; gap: .75rem }
li { border: 1px solid #8886; border-radius: .5rem; padding: .75rem 1rem }
h2 { margin: 0; font-size: 1.1rem }
p { margin: .25rem 0 0 }
small { opacity: .75 }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Headers = [
    (b"cache-control", b"no-store"),  # taken back means gone
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"referrer-policy", b"no-referrer"),
]
HTML_HEADERS: Headers = [
    *HEADERS,
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'".encode(),
    ),
]


def html(page: SharedPage) -> bytes:
    """The page as a document."""
    name = page.display_name
    return _document(page, f"Achievements of {name}", f"What {name} has achieved.")


def html_of_one(page: SharedPage) -> bytes:
    """A page of one achievement as a document that can be linked to."""
    (badge,) = page.achievements
    return _document(page, f"{page.display_name}: {badge.title}", badge.description)


def _document(page: SharedPage, heading: str, description: str) -> bytes:
    title, said = escape(heading), escape(description)
    badges = "".join(
        f"<li><h2>{escape(badge.title)}</h2><p>{escape(badge.description)}</p><p><small>"
        f'<time datetime="{badge.unlocked_at:%Y-%m-%d}">{badge.unlocked_at:%Y-%m-%d}</time>'
        f" · tier {badge.tier}{f' · {badge.times} times' if badge.times > 1 else ''} · {badge.kudos} kudos"
        "</small></p></li>"
        for badge in page.achievements
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex, nofollow"><title>{title}</title>'
        f'<meta name="description" content="{said}"><meta property="og:type" content="website">'
        f'<meta property="og:title" content="{title}"><meta property="og:description" content="{said}">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<ul>{badges or '<li>None yet.</li>'}</ul></body></html>"
    ).encode()
