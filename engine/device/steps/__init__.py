"""What a device can do, a generator each."""
