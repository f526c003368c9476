"""Symmetric-key group attestation: a key derived from the enrollment group's, spent on a short-lived SAS token.

Source: DPS documentation, "Symmetric key attestation", section "Group enrollments"; DPS MQTT support, "Connect".
"""

from engine.device.identity import Device
from engine.protocol import dps, mqtt, sas

TOKEN_LIFE_S = 3600
"""As long as Microsoft's device SDKs make theirs."""


def dial(device: Device, now_wall: float) -> mqtt.Connect:
    """The connect to the device's provisioning service; now_wall is unix seconds."""
    service = device.dps
    resource = dps.sas_resource(service.id_scope, device.device_id)
    key = sas.derive_key(service.group_key, device.device_id)
    return mqtt.Connect(
        host=service.host,
        port=service.port,
        client_id=device.device_id,
        username=dps.username(service.id_scope, device.device_id),
        password=sas.token(resource, key, int(now_wall) + TOKEN_LIFE_S, "registration"),
        keep_alive_s=device.setup.keep_alive_s,
    )
