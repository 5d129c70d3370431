"""What the configuration says to the services."""

from __future__ import annotations

from mdcoord.backends.base import Backend
from mdcoord.config import Config
from mdcoord.host import Host
from mdcoord.rules.backoff import Backoff
from mdcoord.rules.standing import Rules
from mdcoord.services.env import Env, Team


def env_of(backend: Backend, config: Config, host: Host, session: str, agent: str | None) -> Env:
    """What services are given for one caller on one backend, with these settings."""
    return Env(
        backend,
        session,
        agent,
        host,
        _rules(config),
        _team(config),
        stale_after=config.stale_after,
        lock_timeout=config.lock_timeout,
        all_events=config.events == "all",
        counting=config.metrics_enabled,
    )


def _rules(config: Config) -> Rules:
    # Where nobody set a grace, it follows the ttl of each claim, not the configured one.
    grace = None if config.origin("grace") == "default" else config.grace
    return Rules(
        config.claim_ttl,
        config.retry_limit,
        config.heartbeat_interval,
        grace,
        timeout=config.task_timeout,
        backoff=Backoff(config.backoff_base, config.backoff_factor, config.backoff_cap),
        fallback_after=config.fallback_after,
        renewed_ttl=config.renewed_ttl,
    )


def _team(config: Config) -> Team:
    return Team(
        config.max_concurrent_tasks,
        config.breaker_threshold,
        config.breaker_cooldown,
        config.assignment_strategy,
    )
