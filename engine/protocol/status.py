"""What a number from a service means as an outcome."""

from engine.errors import Outcome

_BY_STATUS = {
    401: Outcome.UNAUTHORIZED,
    403: Outcome.UNAUTHORIZED,
    404: Outcome.NOT_FOUND,
    409: Outcome.CONFLICT,
    412: Outcome.PRECONDITION,
    429: Outcome.THROTTLED,
}

_BY_CONNACK = {
    0: Outcome.OK,
    1: Outcome.BAD_REQUEST,
    2: Outcome.BAD_REQUEST,
    3: Outcome.SERVER,
    4: Outcome.UNAUTHORIZED,
    5: Outcome.UNAUTHORIZED,
}


def outcome_of_status(status: int) -> Outcome:
    """The outcome of a response with this status, the same for DPS, hub and registry.

    What is neither a success nor an error class of the services (1xx, 3xx, 6xx) is PROTOCOL.
    Source: document "Troubleshooting with Azure IoT Hub Device Provisioning Service", error classes.
    """
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    match status // 100:
        case 2:
            return Outcome.OK
        case 4:
            return Outcome.BAD_REQUEST
        case 5:
            return Outcome.SERVER
        case _:
            return Outcome.PROTOCOL


def outcome_of_connack(return_code: int) -> Outcome:
    """The outcome of a CONNACK; the reserved codes from 6 on are PROTOCOL.

    Source: MQTT 3.1.1 section 3.2.2.3; azure-iot-sdk-python, common/mqtt_transport.py.
    """
    return _BY_CONNACK.get(return_code, Outcome.PROTOCOL)
