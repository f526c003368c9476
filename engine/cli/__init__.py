"""The command line, and what starts everything on one machine."""
