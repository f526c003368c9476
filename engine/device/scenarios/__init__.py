"""What devices do, a tuple of steps each."""
