# SPDX-License-Identifier: Apache-2.0
"""The only HTTP seam: Placement, for the collector, filter and commands.

Requests go through a callable: nova-scheduler has its own client (credentials,
sessions, retries), and all others use a keystoneauth adapter.
"""

from collections.abc import Callable, Collection, Iterable
import dataclasses
from typing import Any, Protocol, TypeVar
from urllib import parse

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from oslo_config import cfg

from nova_mdev_compat.conf import placement as placement_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import traits
from nova_mdev_compat.placement import providers

Answer = TypeVar('Answer')

#: any-traits queries, ``required=in:A,B``, repeatable (Yoga).
MICROVERSION = '1.39'

#: Errors of a reader of JSON that has another shape.
_MISREAD = (ValueError, LookupError, TypeError, AttributeError)


class PlacementError(exceptions.Failure):
    """Placement does not answer, or refuses; the message says what to do."""


class Conflict(PlacementError):
    """Another service has changed the provider."""


class NotFound(PlacementError):
    """The provider is gone."""


class BadQuery(PlacementError):
    """The query names a trait, or another thing, that does not exist."""


_BY_STATUS = {400: BadQuery, 404: NotFound, 409: Conflict}


class Response(Protocol):
    status_code: int

    def json(self) -> Any: ...

    @property
    def text(self) -> str: ...


#: Takes method, URL and JSON body; returns the response of any status.
Send = Callable[[str, str, Any], Response]


def through(adapter: Any) -> Send:
    """Return a function that sends requests through a keystoneauth adapter."""

    def send(method: str, url: str, body: Any) -> Response:
        response: Response = adapter.request(
            url,
            method,
            json=body,
            raise_exc=False,
            headers={'Accept': 'application/json'},
            microversion=MICROVERSION,
        )
        return response

    return send


@dataclasses.dataclass(frozen=True)
class Provider:
    """A resource provider.

    :ivar root: UUID of the root of its tree
    :ivar parent: UUID of the provider above it, None for a root
    """

    uuid: str
    name: str
    generation: int
    root: str
    parent: str | None = None

    @property
    def is_root(self) -> bool:
        return self.uuid == self.root

    @property
    def inventory_uuid(self) -> str:
        """UUID of the provider that has the inventory, and allocations.

        For our provider it is Nova's provider of
        the physical function above it; for all others it is their own.
        """
        if self.parent and providers.is_ours(self.name):
            return self.parent
        return self.uuid


@dataclasses.dataclass(frozen=True)
class Capacity:
    """How much of a resource a provider has.

    :ivar total: that can be allocated, without what is reserved
    """

    used: int
    total: int


class Placement:
    """This project's requests to Placement, one method for each.

    Every method raises PlacementError.

    :param send: sends a request; a public attribute, which tests replace to
        count requests or to let them fail
    :param account: the user of the requests, for errors
    :param config: what names its endpoint, for errors
    """

    def __init__(
        self,
        send: Send,
        account: str = 'the user in [placement]',
        config: str = 'the [placement] section',
    ):
        self.send = send
        self._account = account
        self._config = config

    def providers(self, **query: str) -> list[Provider]:
        """Return the providers that a query finds.

        :param query: parameters of GET /resource_providers
        """
        return self.providers_at(parse.urlencode(query))

    def providers_at(self, query: str) -> list[Provider]:
        """Return the providers that an encoded query finds."""
        return self._get(
            f'/resource_providers?{query}',
            lambda body: [
                _provider(item) for item in body['resource_providers']
            ],
        )

    def lineage_at(self, query: str) -> list[tuple[str, str]]:
        """Return only the UUIDs of the providers that an encoded query finds.

        There may be tens of thousands.

        :returns: UUID of each, as allocations name it, and of the root of its
            tree. Allocations name Nova's provider of a physical function, and
            not ours below it.
        """
        return self._get(
            f'/resource_providers?{query}',
            lambda body: [
                (
                    item['parent_provider_uuid']
                    if providers.is_ours(item['name'])
                    else item['uuid'],
                    item['root_provider_uuid'],
                )
                for item in body['resource_providers']
            ],
        )

    def provider_traits(self, uuid: str) -> tuple[frozenset[str], int]:
        """Return a provider's traits and its generation."""
        return self._get(
            f'/resource_providers/{uuid}/traits',
            lambda body: (
                frozenset(body['traits']),
                body['resource_provider_generation'],
            ),
        )

    def set_provider_traits(
        self, uuid: str, names: Iterable[str], generation: int
    ) -> int:
        """Give a provider exactly these traits; return its new generation.

        :raises Conflict: it has another generation by now
        :raises NotFound: it is gone
        """
        url = f'/resource_providers/{uuid}/traits'
        body = {
            'traits': sorted(names),
            'resource_provider_generation': generation,
        }
        return _read(
            self._request('PUT', url, body),
            f'PUT {url}',
            lambda found: int(found['resource_provider_generation']),
        )

    def create_child(self, parent: Provider) -> Provider:
        """Create our provider below Nova's of a physical function.

        :raises Conflict: it exists
        :raises NotFound: its parent is gone
        """
        url = '/resource_providers'
        body = {
            'name': providers.child_name(parent.name),
            'uuid': providers.child_uuid(parent.uuid),
            'parent_provider_uuid': parent.uuid,
        }
        try:
            response = self._request('POST', url, body)
        except BadQuery as exc:
            raise NotFound(str(exc)) from exc
        return _read(response, f'POST {url}', _provider)

    def delete_provider(self, uuid: str) -> None:
        """Delete a provider.

        :raises NotFound: it does not exist
        """
        self._request('DELETE', f'/resource_providers/{uuid}')

    def carried_traits(self) -> frozenset[str]:
        """Return the traits of ours that any provider carries.

        Cheap: MariaDB looks for one provider of each trait, and stops there.
        """
        return self._trait_names('&associated=true')

    def our_traits(self) -> frozenset[str]:
        """Return all traits of ours that exist, carried or not."""
        return self._trait_names()

    def _trait_names(self, more: str = '') -> frozenset[str]:
        # Placement's database takes an underscore for any character.
        return self._get(
            f'/traits?name=startswith:{traits.PREFIX}{more}',
            lambda body: frozenset(filter(traits.is_ours, body['traits'])),
        )

    def create_traits(self, names: Collection[str]) -> None:
        """Create these traits."""
        for name in sorted(names):
            self._request('PUT', f'/traits/{name}')

    def delete_trait(self, name: str) -> None:
        """Delete a trait.

        :raises Conflict: a provider carries it
        :raises NotFound: it does not exist
        """
        self._request('DELETE', f'/traits/{name}')

    def capacity(self, uuid: str) -> dict[str, Capacity]:
        """Return a provider's capacity by resource class: two requests."""
        path = f'/resource_providers/{uuid}'
        used = self._get(f'{path}/usages', lambda body: dict(body['usages']))

        def total(item: Any) -> int:
            """Return what Placement computes in its objects/inventory.py."""
            amount = item['total'] - item['reserved']
            return int(amount * item['allocation_ratio'])

        return self._get(
            f'{path}/inventories',
            lambda body: {
                name: Capacity(used.get(name, 0), total(item))
                for name, item in body['inventories'].items()
            },
        )

    def consumers(self, uuid: str) -> dict[str, dict[str, int]]:
        """Return what consumers have from a provider.

        :returns: amounts by resource class, by the consumer's UUID: an
            instance's, or while it is being moved a migration's
        """
        return self._allocations(f'/resource_providers/{uuid}/allocations')

    def allocations(self, consumer: str) -> dict[str, dict[str, int]]:
        """Return a consumer's resources by class, by provider UUID."""
        return self._allocations(f'/allocations/{consumer}')

    def _allocations(self, url: str) -> dict[str, dict[str, int]]:
        return self._get(
            url,
            lambda body: {
                uuid: dict(item['resources'])
                for uuid, item in body['allocations'].items()
            },
        )

    def resource_classes(self) -> frozenset[str]:
        """Return the resource classes that exist."""
        return self._get(
            '/resource_classes',
            lambda body: frozenset(
                item['name'] for item in body['resource_classes']
            ),
        )

    def provider_classes(self, uuid: str) -> frozenset[str]:
        """Return the resource classes of a provider's inventories."""
        return self._get(
            f'/resource_providers/{uuid}/inventories',
            lambda body: frozenset(body['inventories']),
        )

    def newest_microversion(self) -> str:
        """Return the newest microversion there is, ``1.39``.

        From the version document, which needs no rights. A Placement without
        the microversion of our requests refuses to show it, and names the
        newest in its refusal (``placement/util.py``).
        """
        response = self._reach('GET', '/')
        key = 'errors' if response.status_code == 406 else 'versions'
        if key == 'versions' and response.status_code >= 300:
            raise self._error(response, 'GET /')
        return _read(
            response, 'GET /', lambda body: str(body[key][0]['max_version'])
        )

    def _get(self, url: str, read: Callable[[Any], Answer]) -> Answer:
        """Return what ``read`` makes of the JSON at a URL."""
        return _read(self._request('GET', url), f'GET {_short(url)}', read)

    def _request(self, method: str, url: str, body: Any = None) -> Response:
        """Return a response that is not an error."""
        response = self._reach(method, url, body)
        if response.status_code >= 300:
            raise self._error(response, f'{method} {_short(url)}')
        return response

    def _reach(self, method: str, url: str, body: Any = None) -> Response:
        """Return a response of any status."""
        try:
            return self.send(method, url, body)
        except ks_exceptions.ClientException as exc:
            raise PlacementError(
                f'Placement does not answer: {exc}; see {self._config} and '
                'the service itself'
            ) from exc

    def _error(self, response: Response, what: str) -> PlacementError:
        status = response.status_code
        try:
            detail = ' '.join(response.json()['errors'][0]['detail'].split())
        except _MISREAD:
            detail = ' '.join(response.text.split())
        text = f'Placement: {what}: {status} {detail[:300]}'
        if status in (401, 403):
            text += (
                f"; {self._account} needs the role that Placement's policy "
                'asks for (service, or admin)'
            )
        if status == 406:
            text += f'; microversion {MICROVERSION} (Yoga) is needed'
        return _BY_STATUS.get(status, PlacementError)(text)


def from_options(conf: cfg.ConfigOpts) -> Placement:
    """Return Placement as the [placement] section configures it.

    :raises exceptions.BadInput: the section is incomplete
    """
    group = placement_options.NAME
    section = conf[group].auth_section or group
    # Before the files were read, the section was not known.
    loading.register_auth_conf_options(conf, group)
    if not conf[section].auth_type:
        raise exceptions.BadInput(
            f'[{section}]auth_type is not set: give nova.conf, or another '
            f'file with a [{section}] section, as --config-file'
        )
    try:
        auth = loading.load_auth_from_conf_options(conf, group)
        session = loading.load_session_from_conf_options(
            conf, group, auth=auth
        )
        adapter = loading.load_adapter_from_conf_options(
            conf, group, session=session, auth=auth
        )
    except (
        ks_exceptions.OptionError,
        ks_exceptions.MissingRequiredOptions,
        ks_exceptions.NoMatchingPlugin,
    ) as exc:
        raise exceptions.BadInput(f'[{section}]: {exc}') from exc
    # keystoneauth reports this at the first request, with a bare Exception.
    if 'password' in conf[section] and conf[section].password is None:
        raise exceptions.BadInput(f'[{section}]password is not set')
    return Placement(through(adapter))


def _read(
    response: Response, what: str, read: Callable[[Any], Answer]
) -> Answer:
    """Return what ``read`` makes of a response's JSON."""
    try:
        return read(response.json())
    except _MISREAD as exc:
        raise PlacementError(
            f"Placement: {what}: the answer is not one of Placement's; is "
            'something else listening at its endpoint?'
        ) from exc


def _provider(item: Any) -> Provider:
    return Provider(
        item['uuid'],
        item['name'],
        item['generation'],
        item['root_provider_uuid'],
        item['parent_provider_uuid'],
    )


def _short(url: str) -> str:
    return url if len(url) < 200 else url[:200] + '…'
