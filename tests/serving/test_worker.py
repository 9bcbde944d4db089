from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, get_ident

import pytest

from cellcls.serving.worker import BusyError, Worker


class Doubler:
    """Doubles numbers once its gate is open; an odd one below zero is an error."""

    def __init__(self) -> None:
        self.started, self.gate = Event(), Event()
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.threads.add(get_ident())
        self.started.set()
        assert self.gate.wait(10)
        if -1 in numbers:
            raise ValueError("below zero")
        return [2 * number for number in numbers]


@contextmanager
def working(answer: Doubler, **limits: int) -> Iterator[Worker[int, int]]:
    worker: Worker[int, int] = Worker(answer, **limits)
    try:
        yield worker
    finally:
        answer.gate.set()
        worker.close()


def test_200_at_once_each_get_their_own_answer_from_one_thread() -> None:
    answer = Doubler()
    answer.gate.set()
    with working(answer, batch=16) as worker, ThreadPoolExecutor(50) as clients:
        found = list(clients.map(lambda number: worker.ask(number).result(10), range(200)))
    assert found == [2 * number for number in range(200)]
    assert len(answer.threads) == 1
    assert max(map(len, answer.batches)) <= 16


def test_what_waits_is_one_batch() -> None:
    answer = Doubler()
    with working(answer, batch=4) as worker:
        first = worker.ask(0)
        assert answer.started.wait(10)
        others = [worker.ask(number) for number in range(1, 7)]
        answer.gate.set()
        assert [future.result(10) for future in (first, *others)] == [0, 2, 4, 6, 8, 10, 12]
    assert answer.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_a_full_queue_refuses_at_once() -> None:
    answer = Doubler()
    with working(answer, waiting=2) as worker:
        held = [worker.ask(0)]
        assert answer.started.wait(10)
        held += [worker.ask(1), worker.ask(2)]
        with pytest.raises(BusyError, match="too many requests"):
            worker.ask(3)
        answer.gate.set()
        assert [future.result(10) for future in held] == [0, 2, 4]


def test_a_client_that_left_costs_nothing() -> None:
    answer = Doubler()
    with working(answer) as worker:
        worker.ask(0)
        assert answer.started.wait(10)
        gone, stays = worker.ask(1), worker.ask(2)
        assert gone.cancel()
        answer.gate.set()
        assert stays.result(10) == 4
    assert answer.batches == [[0], [2]]


def test_an_error_is_the_answer_and_the_next_request_is_served() -> None:
    answer = Doubler()
    answer.gate.set()
    with working(answer) as worker:
        with pytest.raises(ValueError, match="below zero"):
            worker.ask(-1).result(10)
        assert worker.ask(4).result(10) == 8


def test_closing_answers_what_waits_and_refuses_the_rest() -> None:
    answer = Doubler()
    with working(answer) as worker:
        waiting = [worker.ask(number) for number in range(5)]
        answer.gate.set()
        worker.close()
        assert [future.result(0) for future in waiting] == [0, 2, 4, 6, 8]
        with pytest.raises(BusyError, match="stopping"):
            worker.ask(5)
