# SPDX-License-Identifier: Apache-2.0
"""A time limit for calls into libraries that have none."""

from collections.abc import Callable
from concurrent import futures
import threading
from typing import Any, TypeVar

from nova_mdev_compat.core import exceptions

_Answer = TypeVar('_Answer')


class TimeLimit:
    """Calls a library and gives up after some seconds.

    The libraries of libvirt and of vendors have no time limit. A call that
    does not return keeps its thread, but the process can end. No other call
    starts before it returns.

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
        self._earlier: futures.Future[Any] | None = None

    def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Return the answer, or raise what the call raised.

        :raises exceptions.Failure: there is no answer
        """
        # The thread does not tell: it is alive for a moment after the answer.
        if self._earlier is not None and not self._earlier.done():
            raise self._error(
                f'{self._who} still has not answered an earlier question'
            )
        future: futures.Future[_Answer] = futures.Future()

        def ask() -> None:
            try:
                future.set_result(question())
            except BaseException as exc:  # the caller must get any error
                future.set_exception(exc)

        threading.Thread(target=ask, daemon=True, name=self._who).start()
        self._earlier = future
        try:
            future.exception(self._limit)
        except TimeoutError:
            raise self._error(
                f'{self._who} has not answered for {self._limit} seconds'
            ) from None
        self._earlier = None
        return future.result()
