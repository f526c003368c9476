"""Plain stand-ins for the messages between a Functions host and its Python worker.

The worker library takes the message classes as a namespace (`request.properties["protos"]`), so a host in the same
process needs no generated protobuf code: any object with the right attributes will do.
"""

from typing import Any


class Message:
    """The fields it was made with; any other field is None, as an unset field of a protobuf message."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name[:1].isupper():
            raise AttributeError(name)
        return None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 (protobuf's name)
        """The name of the first field that is set; the messages used here have one group at most."""
        return next((name for name, value in self.__dict__.items() if value is not None), None)


class ParameterBinding(Message):
    """One argument of a function: a name and data."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 (protobuf's name)
        """Always `data`: shared memory is not offered."""
        return "data"


class BindingInfo(Message):
    """One binding of a function, with protobuf's numbers for its direction."""

    in_, out, inout = 0, 1, 2
    undefined = None


class StatusResult(Message):
    """How a request to the worker ended, with protobuf's numbers."""

    Failure, Success, Cancelled = 0, 1, 2


class Messages:
    """The namespace the worker asks for message classes; one it asks for by another name is a plain Message."""

    ParameterBinding = ParameterBinding
    BindingInfo = BindingInfo
    StatusResult = StatusResult

    def __getattr__(self, name: str) -> type[Message]:
        if name.startswith("_"):
            raise AttributeError(name)
        return Message


class Request:
    """What the worker's handlers take: a message and the properties of the stream it came on."""

    def __init__(self, **content: Message) -> None:
        self.request = Message(**content)
        self.properties = {"host": "127.0.0.1", "protos": Messages()}


def parameter(name: str, **data: Any) -> ParameterBinding:
    """An argument; data is one of `string`, `json`, `bytes`, `http`."""
    return ParameterBinding(name=name, data=Message(**data))
