"""The way out for telemetry: signals become items of Application Insights, each counted until its end."""
