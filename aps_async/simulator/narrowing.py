"""What decoded JSON is, for type checkers."""

from typing import Any, TypeGuard


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it is an object; nothing is known of its values."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether it is a list; nothing is known of its items."""
    return isinstance(value, list)
