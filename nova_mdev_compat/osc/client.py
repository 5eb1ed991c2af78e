# SPDX-License-Identifier: Apache-2.0
"""Placement and Nova, found by the catalog, and what their errors mean."""

from collections.abc import Iterator
import contextlib
import copy
import functools
import logging
from typing import Any

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ks_exceptions
from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions as osc_exceptions
import requests

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.placement import client

SERVICE = 'placement'
_WHERE = '"openstack catalog show {}", clouds.yaml'
_SEE = 'see "openstack catalog list", clouds.yaml and the service itself'
_RIGHTS = "your user needs the role that the service's policy asks for (admin)"
_REFUSED = (
    'the service does not take the token that Keystone gave you: see '
    'its log, and its [keystone_authtoken]'
)


class Client:
    """The services of one cloud, with the rights of the operator.

    :param manager: openstackclient's client manager
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    @functools.cached_property
    def placement(self) -> client.Placement:
        """Placement; every question to it raises placement.PlacementError.

        In the one microversion that our questions are written for, whatever
        osc-placement's option says.
        """
        return client.Placement(
            client.through(_adapter(self._manager)),
            account='your user',
            config=_WHERE.format(SERVICE),
        )

    @functools.cached_property
    def compute(self) -> Any:
        """Nova, as openstacksdk's proxy; asking it raises the SDK's errors.

        In the microversions that the SDK is written for, whatever
        OS_COMPUTE_API_VERSION says.

        :raises exceptions.Failure: nothing answers at Nova's endpoint
        """
        try:
            with _without_warnings('keystoneauth.discover'):
                shared = self._manager.sdk_connection.compute
        except sdk_exceptions.NotSupported as exc:
            # Also what the SDK says when it is not reached.
            raise exceptions.Failure(
                f'Nova does not answer: {str(exc).rstrip(".")}; see '
                f'{_WHERE.format("compute")} and the service itself'
            ) from exc
        if not isinstance(shared, adapter.Adapter):
            # Nova is not in the catalog: the SDK says so when it is asked.
            return shared
        own = copy.copy(shared)
        own.default_microversion = None
        return own


def _adapter(manager: Any) -> adapter.Adapter:
    """Return the way to Placement that clouds.yaml and the catalog say.

    Not the SDK's proxy, which would ask for Placement's versions first.
    """
    cloud = manager.sdk_connection.config
    return adapter.Adapter(
        session=manager.session,
        service_type=cloud.get_service_type(SERVICE),
        service_name=cloud.get_service_name(SERVICE),
        interface=cloud.get_interface(SERVICE),
        region_name=cloud.get_region_name(SERVICE),
        endpoint_override=cloud.get_endpoint(SERVICE),
    )


@contextlib.contextmanager
def _without_warnings(name: str) -> Iterator[None]:
    """Keep a logger from saying what an error will say."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def failure(exc: Exception) -> exceptions.Failure | None:
    """Return an error as one line that says what to do.

    :returns: None for an unexpected error, which is a bug
    """
    if isinstance(exc, exceptions.Failure):
        return exc
    if isinstance(exc, sdk_exceptions.HttpException):
        return _answered(exc)
    if isinstance(exc, sdk_exceptions.DuplicateResource):
        return exceptions.BadInput(f'{_line(exc)}; give its ID')
    if isinstance(exc, osc_exceptions.CommandError):
        return exceptions.BadInput(_line(exc))
    if isinstance(
        exc,
        (
            ks_exceptions.ClientException,
            sdk_exceptions.SDKException,
            requests.RequestException,
        ),
    ):
        return exceptions.Failure(f'{_line(exc)}; {_SEE}')
    return None


def _answered(exc: sdk_exceptions.HttpException) -> exceptions.Failure:
    if exc.status_code is None:
        # The SDK's own, of a name that nothing has.
        return exceptions.BadInput(_line(exc))
    text = ' '.join(
        f'{exc.method} {exc.url!s}: {exc.status_code} '
        f'{exc.details or ""}'.split()
    ).rstrip('.')
    if exc.status_code == 404:
        return exceptions.BadInput(text)
    if exc.status_code == 401:
        return exceptions.Failure(f'{text}; {_REFUSED}')
    if exc.status_code == 403:
        return exceptions.Failure(f'{text}; {_RIGHTS}')
    return exceptions.Failure(f'{text}; {_SEE}')


def _line(exc: Exception) -> str:
    return ' '.join(str(exc).split()).rstrip('.')
