"""One simulated device: messages and times in, commands out. No sockets, no clock, no storage."""
