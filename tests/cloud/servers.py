# SPDX-License-Identifier: Apache-2.0
"""What is done with instances, and what became of them."""

import dataclasses

from tests.cloud import client
from tests.cloud import cloud as clouds
from tests.cloud import process

NO_HOST = 'No valid host was found'
#: How long all of some live migrations may take, in seconds.
PATIENCE = 240


@dataclasses.dataclass(frozen=True)
class Server:
    """An instance, as "openstack server list" shows it."""

    uuid: str
    name: str
    status: str
    task: str | None
    host: str | None

    def rests(self, status):
        """Return whether nothing is done with it, and nothing will be.

        :param status: what it is to become; None if that does not matter
        """
        return not self.task and self.status in (
            ('ERROR', status) if status else ('ACTIVE', 'ERROR')
        )


@dataclasses.dataclass(frozen=True)
class Move:
    """A live migration of an instance.

    :ivar source, target: hosts and their devices
    :ivar status: of Nova's migration record; "refused" if no host was found
        at once
    """

    server: str
    source: tuple[str, tuple[str, ...]]
    target: tuple[str, tuple[str, ...]]
    status: str


class Servers:
    """Instances of the user "owner"."""

    def __init__(self, cloud):
        self._cloud = cloud
        self._admin = cloud.admin

    def boot(self, names, host, flavor='vgpu', image=clouds.IMAGE, more=''):
        """Make instances of the user "owner" on a host; return them.

        :param more: arguments
        """
        self._cloud.owner.run_all(
            [
                f'server create --flavor {flavor} --image {image} '
                f'--no-network --host {host} {more} {name}'
                for name in names
            ]
        )
        return self.wait_for_rest(names)

    def all(self):
        """Return the instances that there are, by name."""
        rows = self._admin.rows(
            'server list --all-projects --long --no-name-lookup'
        )
        return {
            row['Name']: Server(
                row['ID'],
                row['Name'],
                row['Status'],
                None
                if row['Task State'] in (None, 'None')
                else row['Task State'],
                row['Host'],
            )
            for row in rows
        }

    def wait_for_rest(self, names, status='ACTIVE'):
        """Wait until nothing is done with instances.

        :param status: what all have to be then; None if it does not matter
        """

        def resting():
            self._cloud.plane.check()
            some = self.all()
            return (
                {name: some[name] for name in names}
                if all(
                    name in some and some[name].rests(status) for name in names
                )
                else None
            )

        found = process.wait_for(
            resting, f'finish with {list(names)}', deadline=PATIENCE, pause=0.5
        )
        bad = [
            server
            for server in found.values()
            if status and server.status != status
        ]
        if bad:
            raise process.Failure(f'not {status}: {bad}')
        return found

    def delete(self, names):
        some = self.all()
        self._admin.run_all(
            [
                f'server delete {some[name].uuid}'
                for name in names
                if name in some
            ]
        )
        process.wait_for(
            lambda: not set(names) & set(self.all()),
            f'delete {list(names)}',
            pause=0.5,
        )

    def migrate(self, names, host=None, meanwhile=None):
        """Live-migrate instances, all at once; return what became of it.

        :param meanwhile: called while they are asked for
        :returns: moves, by name
        """
        before, places = self._places(names)
        newest = self._newest()
        refused = self.order(names, host, meanwhile)
        self.wait_for_rest(names, status=None if meanwhile else 'ACTIVE')
        after, places_after = self._places(names)
        statuses = {
            record['Server UUID']: record['Status']
            for record in reversed(self.records())
            if record['Id'] > newest
        }
        return {
            name: Move(
                name,
                _place(before[name], places),
                _place(after[name], places_after),
                'refused'
                if name in refused
                else statuses.get(after[name].uuid, 'none'),
            )
            for name in names
        }

    def revive(self, names):
        """Do what Nova's guide says where a scheduler's answer got lost."""
        some = self.all()
        self._admin.run_all(
            [
                f'server set --auto-approve --state active {some[name].uuid}'
                for name in names
                if some[name].status == 'ERROR'
            ]
        )

    def _places(self, names):
        some = self.all()
        return some, self._cloud.places([some[name].uuid for name in names])

    def order(self, names, host=None, meanwhile=None):
        """Ask for live migrations, all at once; return who got none.

        With the microversion that the client takes, Nova's API waits for the
        scheduler.

        :param meanwhile: breaks something, so that any answer will do
        :raises client.Refused: for another reason than that no host was found
        """
        to = f'--host {host} ' if host else ''
        some = self.all()
        asked = {
            name: self._admin.submit(
                f'server migrate --live-migration {to}{some[name].uuid}'
            )
            for name in names
        }
        if meanwhile:
            meanwhile()
        return {
            name
            for name, one in asked.items()
            if not self._is_let(name, one, '' if meanwhile else NO_HOST)
        }

    def _is_let(self, name, asked, excuse):
        try:
            self._admin.result(f'server migrate {name}', asked)
        except client.Refused as exc:
            if excuse not in exc.said:
                raise
            return False
        return True

    def records(self):
        """Return Nova's records of live migrations, the newest first."""
        rows = self._admin.rows('server migration list --type live-migration')
        return sorted(rows, key=lambda row: -row['Id'])

    def _newest(self):
        return max((row['Id'] for row in self.records()), default=0)


def _place(server, places):
    return server.host, tuple(
        sorted(device for _, device in places.get(server.uuid, ()))
    )
