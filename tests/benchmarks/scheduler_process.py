# SPDX-License-Identifier: Apache-2.0
"""Memory and CPU of nova-scheduler, a process, with and without the filter.

Both processes get the same requests, over RabbitMQ, in turns.
"""

import random
import sys
import time

from nova import conf as nova_conf
from nova import context as nova_context
from nova import objects
from nova.objects import base as objects_base
from nova import rpc
from nova.scheduler import rpcapi
import oslo_messaging as messaging
import psutil

from tests.benchmarks import bulk
from tests.benchmarks import growth
from tests.benchmarks import moves
from tests.benchmarks import options
from tests.benchmarks import results
from tests.benchmarks import stack
from tests.benchmarks import timing
from tests.cloud import process

CONF = nova_conf.CONF
ALONE, OURS = 'without', 'with'

#: So often memory is looked at, in requests, and so many make one round.
LOOK = 10
ROUND = 100
MIB = 2**20

CONFIG = """
[DEFAULT]
host = {name}
log_file = {{home}}/log/scheduler-{name}.log
[scheduler]
workers = 1
[filter_scheduler]
available_filters = nova_mdev_compat.filters.all_filters
enabled_filters = {filters}
"""


class Scheduler:
    """A nova-scheduler process, with its worker.

    :ivar memory: USS, in bytes, whenever it was looked at
    :ivar cpu: CPU seconds of each round
    :ivar seconds: of each request
    """

    def __init__(self, the_stack, name):
        filters = CONF.filter_scheduler.enabled_filters + (
            ['MdevCompatFilter'] if name == OURS else []
        )
        config = the_stack.write(
            f'{name}.conf', CONFIG.format(name=name, filters=','.join(filters))
        )
        self._process = the_stack.start(
            f'nova-scheduler-{name}',
            [
                stack.BIN / 'nova-scheduler',
                '--config-file',
                the_stack.config,
                '--config-file',
                config,
            ],
        )
        self._calls = rpc.get_client(
            messaging.Target(topic=rpcapi.RPC_TOPIC, version='4.0'),
            serializer=objects_base.NovaObjectSerializer(),
        ).prepare(server=name, version='4.5')
        # What each of Nova's services answers (nova.baserpc).
        self._pings = rpc.get_client(
            messaging.Target(
                topic=rpcapi.RPC_TOPIC, namespace='baseapi', version='1.0'
            )
        ).prepare(server=name, timeout=2)
        self._context = nova_context.get_admin_context()
        self.memory, self.cpu, self.seconds = [], [], []

    def wait(self):
        """Wait until it answers."""
        process.wait_for(
            lambda: self._process.check() and self._answers(),
            'let nova-scheduler answer',
        )
        self._tree = [psutil.Process(self._process.pid)]
        self._tree += self._tree[0].children(recursive=True)
        self._cpu_before = self._cpu()

    def _answers(self):
        try:
            return self._pings.call(self._context, 'ping', arg='')
        except (messaging.MessagingTimeout, messaging.MessageUndeliverable):
            return False

    def select(self, request):
        """Let it choose a host; return Nova's selection."""
        start = time.perf_counter()
        ((selection, *_),) = self._calls.call(
            self._context,
            'select_destinations',
            spec_obj=request,
            instance_uuids=[request.instance_uuid],
            return_objects=True,
            return_alternates=False,
        )
        self.seconds.append(time.perf_counter() - start)
        return selection

    def look(self):
        self.memory.append(
            sum(one.memory_full_info().uss for one in self._tree)
        )

    def end_round(self):
        now = self._cpu()
        self.cpu.append(now - self._cpu_before)
        self._cpu_before = now

    def resident(self):
        """Return the RSS of master and worker, in MiB."""
        return sum(one.memory_info().rss for one in self._tree) / MIB

    def _cpu(self):
        return sum(
            one.cpu_times().user + one.cpu_times().system for one in self._tree
        )


def measure(hosts, requests):
    """Measure two schedulers with the same requests.

    :param requests: to each of them, a multiple of 100
    """
    with stack.Stack(broker=True) as the_stack:
        cloud = moves.Cloud(the_stack, the_stack.configure_nova())
        cloud.grow(hosts)
        timing.say('starting two nova-schedulers')
        schedulers = {
            name: Scheduler(the_stack, name) for name in (ALONE, OURS)
        }
        for one in schedulers.values():
            one.wait()
        _know_hosts(hosts)
        timing.say(f'{requests:,} requests to each')
        for number, move in enumerate(cloud.begin(requests), 1):
            timing.progress(f'request {number} of {requests}')
            _ask(schedulers, the_stack.client, cloud, move)
            _look(schedulers.values(), number)
        return _found(hosts, requests, schedulers)


def _know_hosts(hosts):
    """Tell the schedulers that hosts are empty, as nova-compute does."""
    api, context = rpcapi.SchedulerAPI(), nova_context.get_admin_context()
    for number in range(hosts + 1):
        api.update_instance_info(
            context, bulk.host_name(number), objects.InstanceList(objects=[])
        )


def _ask(schedulers, client, cloud, move):
    """Let both, in any order, choose a host for the same migration."""
    for name in random.sample(list(schedulers), len(schedulers)):
        selection = schedulers[name].select(cloud.request(move))
        if name == OURS and not cloud.accepts(selection):
            raise AssertionError(f'{selection} does not accept')
        client.forget(move.instance)


def _look(schedulers, number):
    for one in schedulers:
        if number % LOOK == 0:
            one.look()
        if number % ROUND == 0:
            one.end_round()


def _found(hosts, requests, schedulers):
    name = f'scheduler-process-{requests}'
    sizes = {'hosts': hosts, 'requests': requests}
    alone, ours = schedulers[ALONE], schedulers[OURS]
    return results.Found(
        (*_told(ALONE, alone, sizes), *_told(OURS, ours, sizes)),
        (
            results.paired(
                f'{name}-cpu',
                'CPU time with the filter, of that without',
                ours.cpu,
                alone.cpu,
            ),
            results.paired(
                f'{name}-memory',
                'memory (USS) with the filter, of that without',
                ours.memory,
                alone.memory,
            ),
            results.Ratio(
                f'{name}-growth',
                'what the second half of the '
                'requests adds to the memory with the filter, by a '
                'line fitted to it',
                (_second_half(ours).growth,),
            ),
        ),
    )


def _told(label, scheduler, sizes):
    """Return what one scheduler has used."""
    case, line = f'{label} the filter', _second_half(scheduler)
    return [
        results.Measurement(case, unit, tuple(values), sizes, series)
        for unit, values, series in (
            ('s a request', scheduler.seconds, False),
            (f'CPU s for {ROUND} requests', scheduler.cpu, False),
            ('MiB RSS at the end', [scheduler.resident()], False),
            ('MiB USS', [size / MIB for size in scheduler.memory], True),
            (
                'MiB USS more for 1,000 requests, by the second half',
                [line.slope / LOOK * 1000 / MIB],
                False,
            ),
        )
    ]


def _second_half(scheduler):
    return growth.fit(scheduler.memory[len(scheduler.memory) // 2 :])


BENCHMARK = options.Benchmark(
    'scheduler_process',
    'nova-scheduler, with and without the filter',
    (
        options.Size('hosts', 30, 10, 'how many there are to go to'),
        options.Size('requests', 1000, 200, 'to each, a multiple of 100'),
    ),
    measure,
)

if __name__ == '__main__':
    sys.exit(BENCHMARK.main())
