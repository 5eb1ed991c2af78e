# SPDX-License-Identifier: Apache-2.0
"""Errors that end a command, and its exit status."""


class Failure(Exception):
    """Something outside this package failed; it may work the next time."""

    exit_status = 1


class BadInput(Failure):
    """Configuration, rules or devices that an operator has to correct.

    The message names the file, key or device.
    """

    exit_status = 2


class PartlyDone(Failure):
    """Some parts failed, which the message names; the others are done."""
