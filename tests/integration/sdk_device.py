"""A device made of Microsoft's SDK alone; runs in an environment that has nothing else.

Reads its orders as JSON from stdin, writes what came of them as JSON to stdout.
"""

import json
import sys

from azure.iot.device import X509, IoTHubDeviceClient, Message, ProvisioningDeviceClient


def provision(order):
    """Register with DPS by the device's symmetric key."""
    client = ProvisioningDeviceClient.create_from_symmetric_key(
        provisioning_host=order["host"],
        registration_id=order["deviceId"],
        id_scope=order["idScope"],
        symmetric_key=order["key"],
        server_verification_cert=order["ca"],
    )
    result = client.register()
    state = result.registration_state
    return {"status": result.status, "hub": state.assigned_hub, "deviceId": state.device_id}


def connect(client):
    """Connect, send three messages, use the twin, disconnect."""
    client.connect()
    for number in range(3):
        client.send_message(Message(json.dumps({"number": number})))
    client.patch_twin_reported_properties({"firmware": "1.2.3"})
    twin = client.get_twin()
    was_connected = client.connected
    client.shutdown()
    return {"connected": was_connected, "reported": twin["reported"]}


def main():
    """Do what was ordered."""
    order = json.load(sys.stdin)
    common = {"hostname": order["host"], "device_id": order["deviceId"], "server_verification_cert": order["ca"]}
    match order["do"]:
        case "provision":
            answer = provision(order)
        case "connect-sas":
            answer = connect(IoTHubDeviceClient.create_from_symmetric_key(order["key"], **common))
        case "connect-x509":
            certificate = X509(order["certFile"], order["keyFile"])
            answer = connect(IoTHubDeviceClient.create_from_x509_certificate(certificate, **common))
    print(json.dumps(answer))


main()
