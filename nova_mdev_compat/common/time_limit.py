# SPDX-License-Identifier: Apache-2.0
"""A time limit for calls into libraries that have none."""

from collections.abc import Callable
import queue
import threading
from typing import Any, TypeVar

from nova_mdev_compat.core import exceptions

_Answer = TypeVar('_Answer')
#: The answer, or the exception that the call raised.
_Outcome = tuple[Any, BaseException | None]


class TimeLimit:
    """Calls into a library, and gives up after some seconds.

    libvirt's library and a vendor's have no time limit of their own. A call
    that does not return keeps its thread, which does not keep the process
    alive. No other call is made before it has returned.

    :param who: the library or service, for errors
    :param limit: seconds
    :param error: raised if there is no answer
    """

    def __init__(
        self,
        who: str,
        limit: float,
        error: type[exceptions.Failure] = exceptions.Failure,
    ):
        self._who = who
        self._limit = limit
        self._error = error
        self._earlier: queue.SimpleQueue[_Outcome] | None = None

    def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Return the answer, or raise what the call raised.

        :raises exceptions.Failure: there is no answer
        """
        # The thread is not asked: it is alive for a moment after the answer.
        if self._earlier is not None and self._earlier.empty():
            raise self._error(
                f'{self._who} still has not answered an earlier question'
            )
        outcomes: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()

        def ask() -> None:
            try:
                outcomes.put((question(), None))
            except BaseException as exc:  # the caller must get any error
                outcomes.put((None, exc))

        threading.Thread(target=ask, daemon=True, name=self._who).start()
        self._earlier = outcomes
        answer: _Answer
        try:
            answer, error = outcomes.get(timeout=self._limit)
        except queue.Empty:
            raise self._error(
                f'{self._who} has not answered for {self._limit} seconds',
            ) from None
        self._earlier = None
        if error is not None:
            raise error
        return answer
