# SPDX-License-Identifier: Apache-2.0
"""What the commands of "openstack mdev" have in common."""

from typing import Any, cast

from osc_lib.command import command

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.osc import client as osc_client
from nova_mdev_compat.placement import client


class Command(common.Reporting, command.Command):
    """A command that asks the cloud, and ends with a line that helps.

    Its exit status is exit_status, which is 0 unless take_action says
    otherwise; 1 when a service fails or refuses, and 2 when the operator has
    named something wrong.
    """

    @property
    def placement(self) -> client.Placement:
        """Placement; every question to it raises placement.PlacementError."""
        return cast(client.Placement, self._client.placement)

    @property
    def compute(self) -> Any:
        """Nova, as openstacksdk's proxy; run says what its errors mean."""
        return self._client.compute

    @property
    def _client(self) -> Any:
        return cast(Any, self.app).client_manager.mdev

    def failure(self, exc: Exception) -> exceptions.Failure | None:
        return osc_client.failure(exc)

    def complain(self, failure: exceptions.Failure) -> None:
        # As openstackclient does with what it catches itself: --log-file has
        # it, too, and --debug wants to know where it comes from.
        log = self.app.LOG
        (log.exception if self.app.options.debug else log.error)(failure)


class Lister(Command, command.Lister):
    """A command that lists rows."""


class ShowOne(Command, command.ShowOne):
    """A command that shows one thing."""
