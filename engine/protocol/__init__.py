"""What the services say and expect, both directions: pure functions over topics, payloads, tokens and certificates."""
