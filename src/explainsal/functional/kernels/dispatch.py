"""Decision when compiled loops run, and division of their work among threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import lru_cache
from threading import Barrier
from typing import TypeVar

import torch
from torch import Tensor

Worker = TypeVar("Worker")
Item = TypeVar("Item")
Result = TypeVar("Result")

_plain: ContextVar[bool] = ContextVar("plain", default=False)
_shared: ContextVar[int] = ContextVar("shared", default=0)


@contextmanager
def plain_only(wanted: bool = True) -> Iterator[None]:
    """Compute everything in plain PyTorch inside the block, as on an accelerator; this is the loops' reference.

    Example:
        >>> with plain_only():
        ...     loops_run(torch.zeros(3))
        False
    """
    token = _plain.set(wanted)
    try:
        yield
    finally:
        _plain.reset(token)


def loops_run(*tensors: Tensor) -> bool:
    """Return whether compiled loops take these tensors: on a CPU, all of float32 or all of float64.

    The loops do not support gradients or exported graphs.

    Example:
        >>> loops_run(torch.zeros(3)), loops_run(torch.zeros(3), torch.zeros(3).double())
        (True, False)
    """
    if _plain.get() or torch.compiler.is_compiling() or torch.compiler.is_exporting() or torch._C._is_tracing():
        return False
    kind = tensors[0].dtype
    if kind != torch.float32 and kind != torch.float64:
        return False
    for tensor in tensors:  # noqa: SIM110 - a generator takes longer, and an image needs thousands of calls
        if tensor.dtype != kind or tensor.requires_grad or tensor.device.type != "cpu":
            return False
    return True


@contextmanager
def threads_for_shares() -> Iterator[None]:
    """Give :func:`share` all threads that PyTorch may use inside the block, and each PyTorch operation one thread.

    Small operations that are divided over all threads wait for all of them. When another process is busy, this costs
    more than the division saves.
    """
    count = torch.get_num_threads()
    if count == 1:
        yield
        return
    token = _shared.set(count)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)
        _shared.reset(token)


def shares() -> int:
    """Return the number of threads for :func:`share`: PyTorch's, or those of :func:`threads_for_shares`."""
    return _shared.get() or torch.get_num_threads()


def share(work: Callable[[int], object], count: int) -> None:
    """Call `work` with every number below `count`, on :func:`shares` threads.

    Each thread waits without using its core and calls loops that release the interpreter's lock. A share of the work
    is not divided again. An exception in a thread is raised here.

    Example:
        >>> done = []
        >>> share(done.append, 3)
        >>> sorted(done)
        [0, 1, 2]
    """
    threads = min(shares(), count)
    if threads <= 1:
        for number in range(count):
            work(number)
    else:
        mode, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

        def as_here(number: int) -> None:
            _shared.set(1)
            with torch.inference_mode(mode), torch.set_grad_enabled(gradients and not mode):
                work(number)

        _await_all([_pool(threads).submit(copy_context().run, as_here, number) for number in range(count)])


def _await_all(running: Sequence[Future[object]]) -> None:
    """Raise the earliest error after all calls that have begun have ended: they use what the caller may use again."""
    ended: list[Future[object]] = []
    for one in running:
        one.add_done_callback(ended.append)
    try:
        wait(running, return_when=FIRST_EXCEPTION)
        failed = [one for one in ended if one.exception() is not None]
    finally:  # after an error the others are not begun, and after Ctrl-C not awaited
        for one in running:
            one.cancel()
    wait(running)
    if failed:
        failed[0].result()


def share_among(
    workers: Sequence[Worker], work: Callable[[Worker, Item], Result], items: Sequence[Item]
) -> list[Result]:
    """Return ``work(worker, item)`` of all items in their order; each worker has one item at a time.

    A single worker computes here, and may divide its work among :func:`shares` threads.

    Example:
        >>> share_among(["a", "b"], lambda worker, item: item + 1, [1, 2, 3])
        [2, 3, 4]
    """
    if len(workers) == 1:
        return [work(workers[0], item) for item in items]
    free, found = deque(workers), dict[int, Result]()  # both safe to use from several threads

    def as_next_worker(number: int) -> None:
        worker = free.popleft()
        try:
            found[number] = work(worker, items[number])
        finally:
            free.append(worker)

    share(as_next_worker, len(items))
    return [found[number] for number in range(len(items))]


def share_runs(work: Callable[[slice], object], count: int) -> None:
    """Call `work` with slices that cover ``range(count)``, one for each thread that PyTorch may use.

    Example:
        >>> done = []
        >>> share_runs(lambda part: done.extend(range(3)[part]), 3)
        >>> sorted(done)
        [0, 1, 2]
    """
    threads = min(shares(), count)
    cuts = [count * i // max(threads, 1) for i in range(threads + 1)]
    share(lambda i: work(slice(cuts[i], cuts[i + 1])), threads)


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return a pool of threads whose PyTorch operations use one thread each instead of starting a team."""
    before, all_there = torch.get_num_threads(), Barrier(threads)

    def start() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # each thread reads the number once
        all_there.wait()

    pool = ThreadPoolExecutor(threads, "explainsal", initializer=start)
    for _ in range(threads):
        pool.submit(torch.get_num_threads)
    pool.submit(torch.get_num_threads).result()
    torch.set_num_threads(before)  # threads started later take the last number that was set
    return pool
