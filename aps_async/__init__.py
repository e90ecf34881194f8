"""aps_async (under construction)."""
