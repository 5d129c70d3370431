"""Where a Redis server is, from a URL and the environment.

`redis://[[user]:password@]host[:port][/db]`, `rediss://…` for TLS, `unix:///path/to.sock`. What the URL
leaves out comes from REDIS_HOST, REDIS_PORT and REDIS_DB. Of its query, `prefix` is put before every key, and
`timeout` is how many seconds a step may take in all; the rest (`db`, `ssl_ca_certs` …) is redis-py's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from mdcoord.errors import BackendUnavailable, UsageError

SCHEMES: Final = ("redis", "rediss", "unix")
TIMEOUT: Final = 5.0
LONGEST: Final = 600.0

_OPTIONS: Final = (
    *("prefix", "timeout", "db", "username", "password", "client_name"),
    *("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"),
)
"""What a query has mostly."""

_HASH_TAG = re.compile(r"\{[^{}]+\}")


@dataclass(frozen=True, slots=True)
class Address:
    """`url` is for redis-py and may hold a password; `shown` is for people and holds none."""

    url: str
    shown: str
    prefix: str
    timeout: float

    @property
    def place(self) -> str:
        """The whole address, the same for every process whatever its variables are. May hold a password."""
        more = {"prefix": self.prefix} if self.prefix else {}
        if self.timeout != TIMEOUT:
            more["timeout"] = f"{self.timeout:g}"
        return f"{self.url}&{urlencode(more, safe=':{}')}" if more else self.url

    @property
    def has_hash_tag(self) -> bool:
        """Whether the prefix keeps all keys on one node of a cluster."""
        return _HASH_TAG.search(self.prefix) is not None


def parse_address(url: str, environ: Mapping[str, str]) -> Address:
    """The address that a URL means. Raises UsageError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # which tells a part of a password that is not encoded
        raise wrong("its host or port is none, or `/?#[` in its password is not percent-encoded") from None
    if parts.scheme not in SCHEMES:
        raise wrong(f"it does not begin with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    prefix, timeout = query.pop("prefix", ""), _seconds(query.pop("timeout", None))
    if not prefix.isprintable():
        raise wrong("its prefix is not printable")
    database = parts.path.strip("/") if parts.scheme != "unix" else ""
    if not database and "db" not in query:
        database = environ.get("REDIS_DB", "") or "0"
    if database:
        query["db"] = database
    if not query["db"].isdecimal():
        raise wrong(f"{query['db'][:40]!r} is no number of a database")
    if parts.scheme == "unix":
        place, path = parts.netloc.rpartition("@")[2], parts.path
    else:
        # An address of IPv6 keeps its brackets.
        name = parts.netloc.rpartition("@")[2].removesuffix(f":{port}") or environ.get("REDIS_HOST", "")
        place = f"{name.removesuffix(':') or 'localhost'}:{port or environ.get('REDIS_PORT', '') or 6379}"
        path = ""
    secret = parts.netloc.rpartition("@")[0]
    whole = f"{parts.scheme}://{secret + '@' if secret else ''}{place}{path}?{urlencode(query)}"
    tail = f"?prefix={quote(prefix, safe=':{}')}" if prefix else ""
    return Address(whole, f"{parts.scheme}://{place}{path}/{query['db']}{tail}", prefix, timeout)


def _seconds(text: str | None) -> float:
    try:
        seconds = TIMEOUT if text is None else float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST:
        raise wrong(f"its timeout is not between 0 and {LONGEST:g} seconds")
    return seconds


def no_library() -> BackendUnavailable:
    """The error for an installation without redis-py."""
    return BackendUnavailable(
        "the library for Redis is not installed",
        hint="pip install 'mdcoord[redis]', from a checkout pip install '.[redis]'",
    )


def with_prefix(url: str, prefix: str) -> str:
    """The URL with a prefix that somebody said beside it. Raises UsageError where it has another one."""
    said = dict(parse_qsl(url.partition("?")[2])).get("prefix", prefix)
    if said != prefix:
        raise UsageError(f"the URL has the prefix {said!r}, and --prefix is {prefix!r}", hint="say it once")
    return f"{url}{'&' if '?' in url else '?'}prefix={quote(prefix)}"


def wrong(reason: str, hint: str = "write it like redis://localhost:6379/0?prefix=team:") -> UsageError:
    """The error for a URL that cannot be used; it is not shown, as it may hold a password."""
    return UsageError(f"the URL of Redis is wrong: {reason}", hint=hint)


def unknown(option: str) -> UsageError:
    """The error for an option in the query that neither mdcoord nor redis-py knows."""
    from difflib import get_close_matches

    near = get_close_matches(option, _OPTIONS, 1)
    hint = f"did you mean ?{near[0]}=" if near else f"known are {', '.join(_OPTIONS)}, and redis-py's others"
    return wrong(f"?{option}= is no option of a Redis address", hint)
