"""One run's life: orchestration, claims, API."""
