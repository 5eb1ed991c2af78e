# SPDX-License-Identifier: Apache-2.0
"""Asking something that may never answer."""

from collections.abc import Callable
import queue
import threading
from typing import TypeVar

from nova_mdev_compat import exceptions

_Answer = TypeVar('_Answer')


class Patience:
    """Asks, but does not wait for ever.

    Calls into libraries such as libvirt's and a vendor's have no time limit.
    One that does not return is left to itself, in a thread that does not
    keep the process alive, and no other is made before it has returned.

    :param who: whom it asks, for the errors
    :param limit: seconds
    :param silence: what to raise when there is no answer
    """

    def __init__(self, who: str, limit: float,
                 silence: type[exceptions.Failure] = exceptions.Failure):
        self._who = who
        self._limit = limit
        self._silence = silence
        self._asking: threading.Thread | None = None

    def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Return the answer, or raise what asking raised.

        :raises exceptions.Failure: there is none
        """
        if self._asking is not None and self._asking.is_alive():
            raise self._silence(
                f'{self._who} still has not answered an earlier question')
        answers: queue.SimpleQueue[
            tuple[_Answer, None] | tuple[None, BaseException]]
        answers = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put((question(), None))
            except BaseException as exc:  # whatever it is, the asker must know
                answers.put((None, exc))

        self._asking = threading.Thread(target=ask, daemon=True,
                                        name=self._who)
        self._asking.start()
        return self._receive(answers)

    def _receive(self, answers: 'queue.SimpleQueue[tuple[_Answer, None] | '
                                'tuple[None, BaseException]]') -> _Answer:
        try:
            answer, error = answers.get(timeout=self._limit)
        except queue.Empty:
            raise self._silence(
                f'{self._who} has not answered for {self._limit} seconds',
            ) from None
        if error is not None:
            raise error
        return answer  # type: ignore[return-value]  # None is an answer too
