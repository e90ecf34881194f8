"""The parts of a session: requests, responses, rate limits, retries, JSON, hooks."""
