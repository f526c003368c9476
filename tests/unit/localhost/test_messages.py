"""Tests for engine/localhost/messages.py."""

import pytest

from engine.localhost.messages import BindingInfo, Message, Messages, ParameterBinding, StatusResult, parameter


def test_message_has_none_for_a_field_that_is_not_set() -> None:
    """As in protobuf, reading an unset field is no error; a name that cannot be a field is."""
    message = Message(name="a")
    assert (message.name, message.other) == ("a", None)
    for name in ("TypedData", "__len__"):
        with pytest.raises(AttributeError):
            getattr(message, name)


def test_message_knows_which_field_is_set() -> None:
    """The one that is not None, or none."""
    assert Message(string=None, json="1").WhichOneof("data") == "json"
    assert Message().WhichOneof("data") is None


def test_parameter_holds_data() -> None:
    """An argument is always given as data, never as shared memory."""
    argument = parameter("timer", json="{}")
    assert (argument.name, argument.data.json, argument.WhichOneof("rpc_data")) == ("timer", "{}", "data")


def test_messages_give_a_class_for_any_name() -> None:
    """Named classes where numbers or groups matter, a plain message otherwise."""
    messages = Messages()
    assert messages.ParameterBinding is ParameterBinding
    assert (messages.StatusResult.Failure, messages.StatusResult.Success) == (0, 1)
    assert (messages.BindingInfo.in_, messages.BindingInfo.out, messages.BindingInfo.inout) == (0, 1, 2)
    assert messages.RpcHttp is Message
    assert BindingInfo(direction=1).direction == StatusResult.Success
    assert not hasattr(messages, "_private")
