"""Who counts when options, environment and profile differ: as much of it as the help needs."""

from contextvars import ContextVar

ORDER = "options, then environment variables, then the profile; a profile named by --profile comes before the variables"
profile_option: ContextVar[str | None] = ContextVar("profile_option", default=None)
"""What --profile says."""
