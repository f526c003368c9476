"""The run spec: what was asked for, a file per section."""
