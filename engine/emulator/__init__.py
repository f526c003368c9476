"""The other end of the conversation: DPS, IoT Hub and a certificate authority, on one port, for rehearsals."""
