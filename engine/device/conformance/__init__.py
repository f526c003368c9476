"""The renewal contract, case by case: what a device sends, and what the service must make of it."""
