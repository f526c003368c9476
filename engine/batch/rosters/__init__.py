"""Who starts when, one roster per kind of executor."""
