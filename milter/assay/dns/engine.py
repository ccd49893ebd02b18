"""The one thread of a worker that talks to name servers.

It owns every socket and every question under way, so none of that needs a lock. Who asks sends the first query himself,
which spares a change of threads, and hands the question over with it; from then on he only waits. The schedule is fixed
and learns nothing from past answers: name servers are asked one after the other at equal distances, and a late answer
to an earlier attempt still counts until the question's deadline.
"""

import contextlib
import errno
import heapq
import math
import os
import select
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Final, assert_never

from assay.answers import Answer, Unavailable
from assay.dns.attempt import Attempt
from assay.dns.chain import Chain, Settled, follow
from assay.dns.counts import DnsEvent
from assay.dns.lookup import Lookup, Task
from assay.dns.nameservers import Nameserver
from assay.dns.voice import Voice
from assay.dns.wire import RCode, WireError, is_truncated, parse_response

MIN_ATTEMPTS: Final = 3
"""Attempts per question with fewer name servers than that: a datagram may be lost, and so may the second."""

SUSPECT_SECONDS: Final = 30.0
"""How long a name server that was silent while another answered is asked after the others."""

_FAULT_PAUSE: Final = 0.1
"""Seconds of rest after a fault of the loop itself, so that a lasting one does not burn a processor."""

_SHORTAGE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_WITHOUT_EDNS: Final = frozenset({RCode.FORMERR, RCode.NOTIMP, RCode.BADVERS})


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What does not change while the engine runs.

    Attributes:
        nameservers: at least one, in order of preference.
        timeout: seconds per question, over all name servers, attempts and aliases.
        clock: seconds that never run backwards.
        random_id: returns an unpredictable number from 0 to 65535.
        faults: told of every exception that would otherwise be lost; must not block.
        max_sockets: sockets open at the same time (or one more); questions beyond wait for one.
        count: told of each query that is sent and of each question that nobody answers in time.
    """

    nameservers: tuple[Nameserver, ...]
    timeout: float
    clock: Callable[[], float]
    random_id: Callable[[], int]
    faults: Callable[[BaseException], None]
    max_sockets: int
    count: Callable[[DnsEvent], None]


class Engine:
    """Asks name servers; made at the first question, so always in the process that uses it."""

    def __init__(self, settings: EngineSettings, settled: Callable[[Lookup, Answer, int], None]) -> None:
        """Start the thread.

        Args:
            settings: see there.
            settled: called in the engine's thread with each lookup, its answer and the TTL; it must finish the
                lookup.

        Raises:
            OSError: no descriptor is left.
            RuntimeError: no thread can be started.
        """
        self._sent_by_askers = 0
        self._sent_by_thread = 0
        self._settings = settings
        self._settled = settled
        self._rounds = -(-MIN_ATTEMPTS // len(settings.nameservers))  # rounded up
        self._interval = settings.timeout / (self._rounds * len(settings.nameservers) + 1)
        self._suspect_until: dict[int, float] = {}
        self._voice = Voice(self._interval)
        self._tasks: set[Task] = set()
        self._attempts: dict[int, tuple[Task, Attempt, int]] = {}
        self._turns = 0
        self._timers: list[tuple[float, int, Task]] = []
        self._timer_count = 0
        self._waiting: deque[Task] = deque()
        self._inbox: deque[tuple[Task, bool | Exception]] = deque()
        self._sleeps_until = -math.inf
        self._closing = False
        with contextlib.ExitStack() as undo:
            self._epoll = select.epoll()
            undo.callback(self._epoll.close)
            self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            undo.callback(os.close, self._wake)
            self._epoll.register(self._wake, select.EPOLLIN)
            self._thread = Thread(target=self._run, name="assay-dns", daemon=True)
            self._thread.start()
            undo.pop_all()

    @property
    def queries_sent(self) -> int:
        """Queries sent so far."""
        return self._sent_by_askers + self._sent_by_thread

    def submit(self, lookup: Lookup) -> None:
        """Send the first query for a question and hand it to the thread; never blocks.

        From any thread, but from one at a time, and not after :meth:`close`.
        """
        task = Task(lookup)
        sent: bool | Exception
        try:
            sent = self._send_first(task)
        except Exception as fault:  # noqa: BLE001 - the thread deals with it, as with its own
            sent = fault
        self._inbox.append((task, sent))
        if sent is not True or task.next_at < self._sleeps_until:
            os.eventfd_write(self._wake, 1)

    def _send_first(self, task: Task) -> bool:
        """Make the first attempt in the asker's thread; False if the engine's has to do it.

        As soon as the socket is registered an answer may come, and the task is the thread's.
        """
        if self._waiting or len(self._attempts) >= self._settings.max_sockets:
            return False
        self._plan(task)
        attempt = self._open(task, task.plan[0], edns=True)
        if attempt is None:
            return False
        task.plan.popleft()
        task.next_at = self._settings.clock() + self._interval
        self._sent_by_askers += 1
        self._settings.count(DnsEvent.UDP)
        self._hand_over(task, attempt)
        return True

    def close(self) -> None:
        """Give up all questions, stop the thread and close every descriptor. Once, and not from the thread itself."""
        self._closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._epoll.close()
        os.close(self._wake)

    def _run(self) -> None:
        while not self._closing:
            try:
                self._turn()
            except Exception as fault:  # noqa: BLE001 - without this thread every message would wait for ever
                self._report(fault)
                self._abandon(f"internal fault: {fault!r}")
                time.sleep(_FAULT_PAUSE)
        self._abandon("the DNS client is closed")

    def _turn(self) -> None:
        """Wait for something to happen and deal with it."""
        clock = self._settings.clock
        until = self._timers[0][0] if self._timers else math.inf
        self._sleeps_until = until  # before a last look at the inbox: what comes later wakes us if it cannot wait
        pause = 0.0 if self._inbox else max(0.0, until - clock())
        events = self._epoll.poll(None if pause == math.inf else pause)
        self._sleeps_until = -math.inf
        self._turns += 1
        for fd, _ in events:
            if fd == self._wake:
                os.eventfd_read(self._wake)
                continue
            # An earlier event of this turn may have closed the socket, and a new one may have its number by now.
            known = self._attempts.get(fd)
            if known is not None and known[2] != self._turns:
                self._guarded(known[0], self._on_ready, known[1])
        while self._inbox:
            task, sent = self._inbox.popleft()
            self._guarded(task, self._take, sent)
        while self._timers and self._timers[0][0] <= clock():
            due, _, task = heapq.heappop(self._timers)
            if due == task.timer_at:  # else an earlier one took its place
                self._guarded(task, self._on_time)
        while self._waiting and len(self._attempts) < self._settings.max_sockets:
            self._guarded(self._waiting.popleft(), self._advance)

    def _guarded(self, task: Task, step: Callable[..., None], *arguments: object) -> None:
        """Take one step for a question; a fault in it makes that question unavailable and disturbs no other."""
        if task.done:
            return
        try:
            step(task, *arguments)
        except Exception as fault:  # noqa: BLE001 - as in _run
            self._report(fault)
            self._settle(task, Unavailable(f"internal fault: {fault!r}", ours=True))

    def _take(self, task: Task, sent: bool | Exception) -> None:  # noqa: FBT001 - what became of the first query
        """Take over a question that was handed in."""
        self._tasks.add(task)
        if isinstance(sent, Exception):
            raise sent
        if sent:
            self._wake_at(task, task.next_at)
        else:
            self._ask_from_first(task)

    def _on_time(self, task: Task) -> None:
        """The next name server's turn, or the end; a timer may come early, when the turn was put off."""
        task.timer_at = math.inf
        now = self._settings.clock()
        if now >= task.lookup.deadline:
            self._settings.count(DnsEvent.TIMEOUT)
            why = f"no answer within {self._settings.timeout:g} s"
            self._settle(task, Unavailable(f"{why}; {task.why}" if task.why else why))
            return
        if now >= task.next_at:
            self._advance(task)
        else:
            self._wake_at(task, task.next_at)

    def _wake_at(self, task: Task, when: float) -> None:
        """Ask for the next turn at that time or at the deadline, whichever comes first."""
        task.next_at = when
        due = min(when, task.lookup.deadline)
        if due < task.timer_at:
            task.timer_at = due
            self._timer_count += 1  # breaks ties, since tasks have no order
            heapq.heappush(self._timers, (due, self._timer_count, task))

    def _plan(self, task: Task) -> None:
        """Plan the attempts for the end of the chain."""
        now = self._settings.clock()
        order = sorted(range(len(self._settings.nameservers)), key=lambda n: self._suspect_until.get(n, now) > now)
        task.plan = deque(order * self._rounds)
        task.failed.clear()

    def _ask_from_first(self, task: Task) -> None:
        self._plan(task)
        self._advance(task)

    def _advance(self, task: Task) -> None:
        """Ask the next name server of the plan; settle if none is left and nobody can answer any more."""
        while task.plan:
            if len(self._attempts) >= self._settings.max_sockets:
                self._postpone(task)
                return
            server = task.plan.popleft()
            if server in task.failed or any(sent.stream and sent.server == server for sent in task.attempts):
                continue  # TCP repeats by itself
            if self._ask(task, server, stream=False, edns=server not in task.without_edns):
                self._wake_at(task, self._settings.clock() + self._interval)
                return
        if task.attempts:
            self._wake_at(task, task.lookup.deadline)
        else:
            self._settle(task, Unavailable(task.why))

    def _postpone(self, task: Task) -> None:
        """No socket is free: a first attempt waits for one, a repetition for its next turn."""
        if task.attempts:
            self._wake_at(task, self._settings.clock() + self._interval)
            return
        task.held_back = True  # by strangers, who may ask for names that nobody answers
        self._wake_at(task, task.lookup.deadline)
        self._waiting.append(task)

    def _ask(self, task: Task, server: int, *, stream: bool, edns: bool) -> bool:
        """Make one attempt; False if the system does not let us."""
        attempt = self._open(task, server, stream=stream, edns=edns)
        if attempt is None:
            return False
        self._sent_by_thread += 1
        self._settings.count(DnsEvent.TCP if stream else DnsEvent.UDP)
        self._hand_over(task, attempt)
        return True

    def _open(self, task: Task, server: int, *, stream: bool = False, edns: bool) -> Attempt | None:
        attempt = Attempt(server, task.chain.names[-1], task.lookup.rrtype, stream=stream, edns=edns)
        try:
            attempt.send(self._settings.nameservers[server], self._settings.random_id())
        except OSError as error:
            task.unsent = task.unsent or error.errno in _SHORTAGE
            self._note_failure(task, server, str(error))
            return None
        return attempt

    def _hand_over(self, task: Task, attempt: Attempt) -> None:
        """Listen to an attempt; the very last touch of an asker's thread."""
        task.attempts.append(attempt)
        self._attempts[attempt.fd] = (task, attempt, self._turns)
        self._epoll.register(attempt.fd, attempt.events)

    def _on_ready(self, task: Task, attempt: Attempt) -> None:
        """Something has come on a socket, or it can be written to."""
        try:
            packet = attempt.receive()
        except BlockingIOError:
            return  # epoll(7): readiness may be spurious, as after a bad checksum
        except OSError as error:
            self._suspect(attempt.server)
            self._server_failed(task, attempt.server, str(error))
            return
        if packet is not None:
            self._on_reply(task, attempt, packet)
        elif attempt.stream:
            self._epoll.modify(attempt.fd, attempt.events)

    def _on_reply(self, task: Task, attempt: Attempt, packet: bytes) -> None:
        self._suspect_until.pop(attempt.server, None)
        self._voice.hear(self._settings.clock())
        task.heard, task.held_back = True, False
        if is_truncated(packet) and not attempt.stream:
            self._ask_again(task, attempt, stream=True, edns=attempt.edns)
            return
        try:
            response = parse_response(packet)
        except WireError as error:
            self._server_failed(task, attempt.server, f"malformed answer: {error}")
            return
        if attempt.edns and response.rcode in _WITHOUT_EDNS:  # RFC 6891 7
            task.without_edns.add(attempt.server)
            self._ask_again(task, attempt, stream=attempt.stream, edns=False)
            return
        verdict = follow(response, task.lookup.rrtype, task.chain)
        match verdict:
            case Settled():
                for silent in task.attempts:
                    if silent.server != attempt.server:
                        self._suspect(silent.server)
                self._settle(task, verdict.answer, verdict.ttl)
            case Chain():
                task.chain = verdict
                self._drop(task, task.attempts)
                self._ask_from_first(task)
            case Unavailable():
                self._server_failed(task, attempt.server, verdict.why)
            case _:
                assert_never(verdict)

    def _ask_again(self, task: Task, attempt: Attempt, *, stream: bool, edns: bool) -> None:
        """Repeat an attempt in another way, once, whatever else that server was sent."""
        self._drop(task, [other for other in task.attempts if other.server == attempt.server])
        if not self._ask(task, attempt.server, stream=stream, edns=edns):
            self._server_failed(task, attempt.server, task.why)

    def _server_failed(self, task: Task, server: int, why: str) -> None:
        """A name server gave no usable answer: go on without it, at once if no other is under way."""
        self._note_failure(task, server, why)
        self._drop(task, [attempt for attempt in task.attempts if attempt.server == server])
        under_way = {attempt.server for attempt in task.attempts}
        if not under_way or any(other not in under_way | task.failed for other in task.plan):
            self._advance(task)

    def _note_failure(self, task: Task, server: int, why: str) -> None:
        task.failed.add(server)
        # what a server sends never stands in it: the reasons are our words and the system's
        task.why = f"{self._settings.nameservers[server]}: {why}"

    def _suspect(self, server: int) -> None:
        self._suspect_until[server] = self._settings.clock() + SUSPECT_SECONDS

    def _drop(self, task: Task, attempts: list[Attempt]) -> None:
        for attempt in tuple(attempts):
            task.attempts.remove(attempt)
            self._attempts.pop(attempt.fd, None)
            attempt.close()  # takes it out of the epoll set, too

    def _settle(self, task: Task, answer: Answer, ttl: int = 0) -> None:
        """Answer a question, once: a fault after that changes nothing for who asked."""
        if task.done:
            return
        task.done = True
        if isinstance(answer, Unavailable) and self._is_ours(task):
            answer = Unavailable(answer.why, ours=True)
        self._tasks.discard(task)
        self._drop(task, task.attempts)
        self._settled(task.lookup, answer, ttl)

    def _is_ours(self, task: Task) -> bool:
        """Whether a failure is on our side: we could not ask, or not in time, or nobody was answered meanwhile."""
        begun = task.lookup.deadline - self._settings.timeout
        return task.unsent or task.held_back or (not task.heard and self._voice.was_silent(begun, task.lookup.deadline))

    def _abandon(self, why: str) -> None:
        """Answer every question that is under way or handed in."""
        while self._inbox:
            self._tasks.add(self._inbox.popleft()[0])
        for task in tuple(self._tasks):
            with contextlib.suppress(Exception):  # the others must be answered, too
                self._settle(task, Unavailable(why, ours=True))

    def _report(self, fault: BaseException) -> None:
        with contextlib.suppress(Exception):
            self._settings.faults(fault)
