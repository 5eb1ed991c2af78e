# SPDX-License-Identifier: Apache-2.0
"""Placement and Nova, found in the catalog, and their errors in words."""

from collections.abc import Iterator
import contextlib
import copy
import functools
import logging
from typing import Any
import urllib.parse

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ks_exceptions
from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions as osc_exceptions
import requests

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.placement import client

SERVICE = 'placement'
#: What the SDK calls a cloud that is not from clouds.yaml.
_NOT_NAMED = frozenset({'', 'defaults', 'envvars', None})
_WHERE = '"openstack catalog show {}", clouds.yaml'
_SEE = 'see "openstack catalog list", clouds.yaml and the service itself'
_REMEDIES: dict[int | None, str] = {
    401: 'the service does not take the token that Keystone gave you: see '
    'its log, and its [keystone_authtoken]',
    403: "your user needs the role that the service's policy asks for (admin)",
}


class Client:
    """The services of one cloud, with the rights of the operator.

    :param manager: openstackclient's client manager
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    @property
    def name(self) -> str:
        """The cloud in clouds.yaml, Keystone's host, and the region.

        The URL of Keystone can have credentials: only its host is taken.
        """
        cloud = self._manager.sdk_connection.config
        keystone = cloud.get_auth_args().get('auth_url') or ''
        parts = (
            '' if cloud.name in _NOT_NAMED else cloud.name,
            urllib.parse.urlsplit(keystone).hostname,
            cloud.get_region_name(SERVICE),
        )
        return ', '.join(filter(None, parts))

    @functools.cached_property
    def placement(self) -> client.Placement:
        """Placement; each of its methods raises placement.PlacementError.

        The microversion is that of our requests, whatever osc-placement's
        option is.
        """
        return client.Placement(
            client.through(_adapter(self._manager)),
            account='your user',
            config=_WHERE.format(SERVICE),
        )

    @functools.cached_property
    def compute(self) -> Any:
        """Nova, as openstacksdk's proxy, which raises the SDK's errors.

        The microversions are those of the SDK, whatever
        OS_COMPUTE_API_VERSION is.

        :raises exceptions.Failure: nothing answers at Nova's endpoint
        """
        try:
            with _without_warnings('keystoneauth.discover'):
                shared = self._manager.sdk_connection.compute
        except sdk_exceptions.NotSupported as exc:
            # The SDK raises this also if nothing answers.
            raise exceptions.Failure(
                f'Nova does not answer: {str(exc).rstrip(".")}; see '
                f'{_WHERE.format("compute")} and the service itself'
            ) from exc
        if not isinstance(shared, adapter.Adapter):
            # Nova is not in the catalog: any request will raise that.
            return shared
        own = copy.copy(shared)
        own.default_microversion = None
        return own


def _adapter(manager: Any) -> adapter.Adapter:
    """Return the adapter to Placement of clouds.yaml and the catalog.

    The SDK's proxy would request Placement's versions first.
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
    """Silence a logger that repeats an error."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def failure(exc: Exception) -> exceptions.Failure | None:
    """Return an error as one line with a remedy, None if it is a bug."""
    if isinstance(exc, exceptions.Failure):
        return exc
    if isinstance(exc, sdk_exceptions.HttpException) and exc.status_code:
        return _answered(exc)
    line = _one_line(str(exc))
    if isinstance(exc, sdk_exceptions.DuplicateResource):
        return exceptions.BadInput(f'{line}; give its ID')
    if isinstance(
        exc, (sdk_exceptions.HttpException, osc_exceptions.CommandError)
    ):
        # Of the SDK, without an answer: nothing has this name.
        return exceptions.BadInput(line)
    if isinstance(
        exc,
        (
            ks_exceptions.ClientException,
            sdk_exceptions.SDKException,
            requests.RequestException,
        ),
    ):
        return exceptions.Failure(f'{line}; {_SEE}')
    return None


def _answered(exc: sdk_exceptions.HttpException) -> exceptions.Failure:
    text = _one_line(
        f'{exc.method} {exc.url!s}: {exc.status_code} {exc.details or ""}'
    )
    if exc.status_code == 404:
        return exceptions.BadInput(text)
    return exceptions.Failure(
        f'{text}; {_REMEDIES.get(exc.status_code, _SEE)}'
    )


def _one_line(text: str) -> str:
    return ' '.join(text.split()).rstrip('.')
