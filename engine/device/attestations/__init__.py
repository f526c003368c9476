"""How a device proves itself to the provisioning service: one file each."""
