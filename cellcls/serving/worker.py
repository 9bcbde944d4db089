"""Answers concurrent requests in batches, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, Full, Queue
from threading import Lock, Thread
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class BusyError(Exception):
    """The queue is full, or the worker is closed."""


class Worker(Generic[Asked, Answer]):
    """A thread that alone calls ``answer``, with all requests that wait, up to ``batch`` at once.

    ``answer`` returns one answer per request, in order. If it raises, each request of that batch gets the error, and
    the thread goes on. ``waiting``: requests that may wait; further ones are refused.
    """

    def __init__(
        self, answer: Callable[[Sequence[Asked]], Sequence[Answer]], *, batch: int = 32, waiting: int = 256
    ) -> None:
        self._answer = answer
        self._batch = batch
        self._queue: Queue[tuple[Asked, Future[Answer]] | None] = Queue(waiting)
        self._lock = Lock()
        self._closed = False
        self._thread = Thread(target=self._work, name="cellcls-worker", daemon=True)
        self._thread.start()

    def ask(self, request: Asked) -> Future[Answer]:
        """Return the answer to come. A cancelled one is not computed. Raises ``BusyError`` at once."""
        future: Future[Answer] = Future()
        with self._lock:  # no request may come behind the end of the queue
            if self._closed:
                raise BusyError("the server is stopping")
            try:
                self._queue.put_nowait((request, future))
            except Full:
                raise BusyError("too many requests are waiting") from None
        return future

    def close(self) -> None:
        """Answer what waits, then end the thread."""
        with self._lock:
            first = not self._closed
            self._closed = True
        if first:
            self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        going = True
        while going:
            taken = [self._queue.get()]
            while len(taken) < self._batch and taken[-1] is not None:
                try:
                    taken.append(self._queue.get_nowait())
                except Empty:
                    break
            going = taken[-1] is not None
            self._finish([item for item in taken if item is not None])

    def _finish(self, items: Sequence[tuple[Asked, Future[Answer]]]) -> None:
        wanted = [(request, future) for request, future in items if future.set_running_or_notify_cancel()]
        if not wanted:
            return
        try:
            answers = self._answer([request for request, _ in wanted])
            pairs = list(zip(wanted, answers, strict=True))
        except Exception as error:
            for _, future in wanted:
                future.set_exception(error)
            return
        for (_, future), answer in pairs:
            future.set_result(answer)
