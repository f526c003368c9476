"""Many sessions driven by one loop."""
