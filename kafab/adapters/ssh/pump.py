"""Bytes between channels of an SSH connection and sockets of this process: a client sees a socket, whatever it is made of.

A thread a host carries all its channels. Not one for all hosts: a host that takes nothing holds up whoever sends to it.
"""

import selectors
import socket
import threading
from collections import deque
from contextlib import suppress
from select import POLLHUP, poll

import paramiko

PIECE = 64 * 1024
KEPT = 1 << 20
"""Bytes that wait for a client that does not read; behind them the channel's window closes."""
_LOOK_AGAIN = 0.01
"""Seconds until a full channel is looked at again: Paramiko does not tell when its window opens."""
_ENDS = (paramiko.SSHException, EOFError, OSError)


class _Pair:
    """A channel and the near end of its client's socket, with what waits to go either way."""

    def __init__(self, channel: paramiko.Channel, near: socket.socket) -> None:
        self.channel, self.near = channel, near
        self.up, self.down = bytearray(), bytearray()
        self.client_ended = self.far_ended = False
        self.told_client = self.told_far = False

    def carry(self) -> None:
        """Move what can be moved without waiting. Raises where there is nothing more to carry."""
        self._downwards()
        self._upwards()
        if self.told_client and self.told_far:
            raise EOFError

    def close(self) -> None:
        """Let go of both ends."""
        with suppress(OSError):
            self.near.close()
        with suppress(*_ENDS):
            self.channel.close()

    def _downwards(self) -> None:
        while not self.told_client:
            while len(self.down) < KEPT and self.channel.recv_ready():
                self.down += self.channel.recv(PIECE)
            ended = self.channel.eof_received or self.channel.closed
            if self.down:
                try:
                    del self.down[: self.near.send(self.down)]
                except BlockingIOError:
                    return
            elif not ended:
                return
            elif not self.channel.recv_ready():
                if self.channel.closed:
                    raise EOFError
                self.near.shutdown(socket.SHUT_WR)
                self.told_client = True

    def _upwards(self) -> None:
        while not self.told_far:
            if not self.up and not self.client_ended:
                try:
                    piece = self.near.recv(PIECE)
                except BlockingIOError:
                    return
                self.up += piece
                self.client_ended = not piece
            if self.channel.closed:
                # What comes the other way is still for the client.
                self.up.clear()
                self.told_far = True
            elif self.up:
                if not self.channel.send_ready():
                    return
                del self.up[: self.channel.send(bytes(self.up))]
            elif self.client_ended:
                if _gone(self.near):
                    raise EOFError
                self.channel.shutdown_write()
                self.told_far = True


class _Ear(threading.Event):
    """What Paramiko sets, in the thread of the connection, when a channel has something to read or has ended."""

    def __init__(self, pump: "Pump", pair: _Pair) -> None:
        super().__init__()
        self._pump, self._pair = pump, pair

    def set(self) -> None:
        """Hear of it."""
        self._pump.heard(self._pair)

    def clear(self) -> None:
        """There is nothing to read."""


class Pump:
    """Carries for the channels of one SSH connection until it is closed. Where the connection dies, all sockets end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: deque[_Pair] = deque()
        self._selector = selectors.DefaultSelector()
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._pairs: set[_Pair] = set()
        self._full: set[_Pair] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="kafab-reach", daemon=True)
        self._thread.start()

    def carry(self, channel: paramiko.Channel, near: socket.socket) -> None:
        """Take over a channel and the socket that stands for it."""
        near.setblocking(False)
        channel.setblocking(False)
        pair = _Pair(channel, near)
        with self._lock:
            if self._closed:
                pair.close()
                return
            self._pairs.add(pair)
        channel.in_buffer.set_event(_Ear(self, pair))
        self.heard(pair)

    def heard(self, pair: _Pair) -> None:
        """Look at a pair soon."""
        self._heard.append(pair)
        self._ring()

    def close(self) -> None:
        """End everything."""
        with self._lock:
            self._closed = True
        self._ring()
        self._thread.join(5)

    def _ring(self) -> None:
        with suppress(OSError):
            self._rope.send(b".")

    def _run(self) -> None:
        try:
            while not self._closed:
                self._turn()
        finally:
            with self._lock:
                self._closed = True
                pairs, self._pairs = self._pairs, set()
            for pair in pairs:
                pair.close()
            self._selector.close()
            self._bell.close()
            self._rope.close()

    def _turn(self) -> None:
        ready = self._selector.select(_LOOK_AGAIN if self._full else None)
        with suppress(BlockingIOError):
            while self._bell.recv(4096):
                pass
        touched = self._full | {key.data for key, _ in ready if key.data is not None}
        while self._heard:
            touched.add(self._heard.popleft())
        with self._lock:
            touched &= self._pairs
        for pair in touched:
            self._carry(pair)
        self._full = {pair for pair in touched if pair.up}

    def _carry(self, pair: _Pair) -> None:
        try:
            pair.carry()
        except _ENDS:
            self._forget(pair)
        else:
            self._watch(pair)

    def _watch(self, pair: _Pair) -> None:
        events = 0 if pair.client_ended or pair.up or pair.told_far else selectors.EVENT_READ
        events |= selectors.EVENT_WRITE if pair.down else 0
        known = self._selector.get_map().get(pair.near)
        if known is None and events:
            self._selector.register(pair.near, events, pair)
        elif known is not None and not events:
            self._selector.unregister(pair.near)
        elif known is not None and known.events != events:
            self._selector.modify(pair.near, events, pair)

    def _forget(self, pair: _Pair) -> None:
        pair.up.clear()
        with self._lock:
            self._pairs.discard(pair)
        if pair.near in self._selector.get_map():
            self._selector.unregister(pair.near)
        pair.close()


def _gone(near: socket.socket) -> bool:
    """Tell a client that has closed its socket from one that has only said its last word."""
    asked = poll()
    asked.register(near, 0)
    return any(events & POLLHUP for _, events in asked.poll(0))
