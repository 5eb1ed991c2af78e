# SPDX-License-Identifier: Apache-2.0
"""Asking something that may never answer."""

from collections.abc import Callable
import queue
import threading
from typing import Any, TypeVar

from nova_mdev_compat.core import exceptions

_Answer = TypeVar('_Answer')
#: What asking came to: an answer, or what it raised.
_Outcome = tuple[Any, BaseException | None]


class Patience:
    """Asks, but does not wait for ever.

    Calls into libraries such as libvirt's and a vendor's have no time limit.
    One that does not return is left to itself, in a thread that does not
    keep the process alive, and no other is made before it has returned.

    :param who: whom it asks, for the errors
    :param limit: seconds
    :param silence: what to raise when there is no answer
    """

    def __init__(
        self,
        who: str,
        limit: float,
        silence: type[exceptions.Failure] = exceptions.Failure,
    ):
        self._who = who
        self._limit = limit
        self._silence = silence
        self._earlier: queue.SimpleQueue[_Outcome] | None = None

    def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Return the answer, or raise what asking raised.

        :raises exceptions.Failure: there is none
        """
        # Not whether its thread is alive: it is, for a moment, after it has
        # answered.
        if self._earlier is not None and self._earlier.empty():
            raise self._silence(
                f'{self._who} still has not answered an earlier question'
            )
        outcomes: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()

        def ask() -> None:
            try:
                outcomes.put((question(), None))
            except BaseException as exc:  # whatever it is, the asker must know
                outcomes.put((None, exc))

        threading.Thread(target=ask, daemon=True, name=self._who).start()
        self._earlier = outcomes
        answer: _Answer
        answer, error = self._receive(outcomes)
        self._earlier = None
        if error is not None:
            raise error
        return answer

    def _receive(self, outcomes: 'queue.SimpleQueue[_Outcome]') -> _Outcome:
        try:
            return outcomes.get(timeout=self._limit)
        except queue.Empty:
            raise self._silence(
                f'{self._who} has not answered for {self._limit} seconds',
            ) from None
