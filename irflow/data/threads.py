"""The steps that work in other threads: a map by several workers, and preparing ahead.

A pass that is dropped before its end stops its threads. Errors reach the thread that iterates, in
the place of the sample that caused them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from irflow.data.sources import close
from irflow.data.stage import Element, Origin, Pair, Stage, Step
from irflow.data.steps import Map
from irflow.records import dataclass

AHEAD = 2  # elements in work for each worker: one to do, one to take up next
Submitted = tuple[Origin, Future[Element]]
PATIENCE = 5.0  # seconds to wait for a thread that is still within a sample


@dataclass(frozen=True, eq=False)
class ParallelMap(Map):
    """A map by threads, whose results come in the order of the elements."""

    workers: int

    def pairs(self) -> Iterator[Pair]:
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="irflow-map")
        submitted = self._submitted(pool)
        pending: deque[Submitted] = deque()
        try:
            for entry in submitted:
                pending.append(entry)
                if len(pending) > AHEAD * self.workers:
                    origin, future = pending.popleft()
                    yield origin, future.result()
            while pending:
                origin, future = pending.popleft()
                yield origin, future.result()
        finally:
            submitted.close()
            pool.shutdown(wait=True, cancel_futures=True)

    def _submitted(
        self, pool: ThreadPoolExecutor
    ) -> Generator[tuple[Origin, Future[Element]], None, None]:
        pairs = self.source.pairs()
        try:
            for origin, element in pairs:
                yield origin, pool.submit(self.call, origin, element)
        except Exception as error:  # it has to wait for the results of the elements before
            failed: Future[Element] = Future()
            failed.set_exception(error)
            yield 0, failed
        finally:
            close(pairs)


class _Channel:
    """A queue of limited length between two threads, which the reader can close."""

    def __init__(self, room: int) -> None:
        self._queue: SimpleQueue[Pair | BaseException | None] = SimpleQueue()
        self._room = threading.Semaphore(room)
        self._is_closed = False

    def put(self, pair: Pair) -> bool:
        """Append when there is room; False if the reader has gone."""
        self._room.acquire()
        if self._is_closed:
            return False
        self._queue.put(pair)
        return True

    def end(self, error: BaseException | None) -> None:
        """Append the end, or an error."""
        self._queue.put(error)

    def take(self) -> Pair | None:
        """The next pair, None at the end.

        Raises:
            BaseException: what the other thread has ended with.
        """
        entry = self._queue.get()
        if isinstance(entry, BaseException):
            raise entry
        self._room.release()
        return entry

    def close(self) -> None:
        """Tell the writer to stop."""
        self._is_closed = True
        self._room.release()


@dataclass(frozen=True, eq=False)
class Prefetch(Step):
    """The same elements, of which a thread prepares up to `count` ahead."""

    count: int

    def pairs(self) -> Iterator[Pair]:
        channel = _Channel(self.count)
        # The thread knows the channel but not this generator, which can so be dropped.
        thread = threading.Thread(
            target=_fill, args=(channel, self.source), name="irflow-prefetch", daemon=True
        )
        thread.start()
        try:
            while (pair := channel.take()) is not None:
                yield pair
        finally:
            channel.close()
            if thread is not threading.current_thread():  # the garbage collector runs anywhere
                thread.join(PATIENCE)


def _fill(channel: _Channel, source: Stage) -> None:
    pairs = source.pairs()
    error: BaseException | None = None
    try:
        for pair in pairs:
            if not channel.put(pair):
                break
    except BaseException as caught:
        error = caught
    finally:
        close(pairs)
        channel.end(error)
