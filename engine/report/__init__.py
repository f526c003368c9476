"""Results for people and machines, made from what was measured."""
