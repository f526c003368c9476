"""How a device and the provisioning service talk: one file for each kind of wire."""
