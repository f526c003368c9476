"""From samples to a verdict: what is measured, how it is counted, and what the counts mean."""
