"""What a session is made of: requests, responses, rate limits, retries, JSON."""
