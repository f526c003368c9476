"""What each command does; every one takes its options and gives its exit code."""
