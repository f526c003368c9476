"""HTTP exchanges by channel, from Request to Responded or Unanswered.

A call takes an idle line of its endpoint, or dials; it waits for nobody else's. A line that was idle may have been
given up by the server just when the request left: if it ends before anything of an answer came, a request that may be
repeated is sent once more, on a fresh one. Source: RFC 9110 section 9.2.2, RFC 9112 section 9.3.1.
"""

from engine.adapters.net.codec import head_of
from engine.adapters.net.dial import Dial, Endpoint, Network
from engine.adapters.net.dialler import Dialler
from engine.adapters.net.line import Line
from engine.adapters.net.pool import Pool
from engine.adapters.net.watch import Watch
from engine.errors import Failure, LocalProtocolError
from engine.protocol import http, mqtt

REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
"""Doing it twice is doing it once. Source: RFC 9110 section 9.2.2."""


class Call:
    """One exchange under way: dialled for, or on a line."""

    __slots__ = ("body", "channel", "dial", "endpoint", "head", "line", "may_repeat")

    def __init__(self, channel: int, request: http.Request) -> None:
        """Raises LocalProtocolError on a request that HTTP does not allow."""
        self.channel = channel
        self.head, self.body = head_of(request), request.body
        self.endpoint = Endpoint(request.host, request.port, request.identity, request.scheme == "https")
        self.may_repeat = request.method in REPEATABLE
        self.dial: Dial | None = None
        self.line: Line | None = None


class Calls:
    """The HTTP half of the wire."""

    def __init__(
        self, network: Network, watch: Watch, dialler: Dialler, events: list[tuple[int, mqtt.Event | http.Event]]
    ) -> None:
        """Events go to the list."""
        self._network, self._watch, self._dialler, self._events = network, watch, dialler, events
        self._by_channel: dict[int, Call] = {}
        self._by_line: dict[Line, Call] = {}
        self._pool = Pool(network.clock, watch.forget)

    @property
    def in_use(self) -> bool:
        """True if an exchange is open or a line is kept."""
        return bool(self._by_channel) or len(self._pool) > 0

    def ask(self, channel: int, request: http.Request) -> None:
        """Begin an exchange. Raises LocalProtocolError where one is open, and on a request that HTTP does not allow."""
        if channel in self._by_channel:
            raise LocalProtocolError(f"channel {channel} has a request open already")
        self._by_channel[channel] = call = Call(channel, request)
        line = self._pool.take(call.endpoint)
        if line is None:
            self._dial(call)
        else:
            self._begin(call, line)

    def abandon(self, channel: int) -> None:
        """Give the open exchange up, or the answer that nobody has fetched yet."""
        call = self._by_channel.pop(channel, None)
        if call is None:
            self._events[:] = [(to, event) for to, event in self._events if to != channel or not _is_answer(event)]
        elif call.dial is not None:
            self._dialler.drop(call.dial)
            call.dial = None
        elif call.line is not None:
            del self._by_line[call.line]
            self._watch.forget(call.line)

    def dialled(self, call: Call, dial: Dial) -> None:
        """Go on with a call on what was dialled for it."""
        call.dial, line = None, Line(dial)
        self._watch.hand_over(line)
        self._begin(call, line)

    def undialled(self, call: Call, failure: Failure) -> None:
        """End a call that nobody was reached for."""
        call.dial = None
        self._answer(call, http.Unanswered(self._network.clock.now(), failure))

    def serve(self, line: Line) -> None:
        """Take what the descriptor is ready for."""
        call = self._by_line.get(line)
        if call is None:
            self._pool.check(line)
        else:
            self._settle(call, line, line.serve())

    def sweep(self) -> None:
        """Close lines that have been idle for too long."""
        self._pool.sweep()

    def close(self) -> None:
        """Drop everything without a word."""
        for channel in list(self._by_channel):
            self.abandon(channel)
        self._pool.clear()

    def _dial(self, call: Call) -> None:
        call.dial = Dial(call.endpoint, call, self._network)
        self._dialler.queue(call.dial)

    def _begin(self, call: Call, line: Line) -> None:
        call.line = line
        self._by_line[line] = call
        self._settle(call, line, line.ask(call.head, call.body))

    def _settle(self, call: Call, line: Line, came: http.Response | Failure | None) -> None:
        """Wait for what the line wants next, or end the exchange with what came."""
        if came is None:
            self._watch.expect(line, line.wanted)
            return
        now = self._network.clock.now()
        del self._by_line[line]
        call.line = None
        if isinstance(came, http.Response):
            if line.can_go_on:
                self._watch.expect(line, line.wanted)
                self._pool.put(line)
            else:
                self._watch.forget(line)
            self._answer(call, http.Responded(now, came))
            return
        self._watch.forget(line)
        if line.was_stale and call.may_repeat:
            self._dial(call)
        else:
            self._answer(call, http.Unanswered(now, came))

    def _answer(self, call: Call, event: http.Event) -> None:
        del self._by_channel[call.channel]
        self._events.append((call.channel, event))


def _is_answer(event: mqtt.Event | http.Event) -> bool:
    return isinstance(event, http.Responded | http.Unanswered)
