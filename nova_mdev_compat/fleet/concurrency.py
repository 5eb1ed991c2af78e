# SPDX-License-Identifier: Apache-2.0
"""Many requests, several at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import TypeVar

from nova_mdev_compat.fleet import inventory

#: Requests that are under way at a time.
AT_A_TIME = 8

Asked = TypeVar('Asked')
Answer = TypeVar('Answer')


def several(
    ask: Callable[[Asked], Answer],
    about: Sequence[Asked],
    progress: inventory.Progress,
) -> Iterator[Answer]:
    """Yield the answers, in order; the first error ends it."""
    with futures.ThreadPoolExecutor(AT_A_TIME) as executor:
        pending = [executor.submit(ask, one) for one in about]
        try:
            for one in progress(pending):
                yield one.result()
        finally:
            # After an error nobody wants the other answers.
            executor.shutdown(cancel_futures=True)
