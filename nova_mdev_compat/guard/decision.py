# SPDX-License-Identifier: Apache-2.0
"""What a host says to a domain that comes with mdevs. Pure.

It is the filter's question, asked once more where the mdevs of both sides are
known: whatever parent an mdev is to land on must accept every source of that
mdev's type. Which of several mdevs of one type becomes which is not asked, as
the filter cannot ask it either.
"""

from collections.abc import Collection, Iterator, Sequence
import dataclasses

from nova_mdev_compat.guard import annotation
from nova_mdev_compat.guard import device_file
from nova_mdev_compat.guard import incoming
from nova_mdev_compat import identity as ident
from nova_mdev_compat import judgement
from nova_mdev_compat import pattern as pat
from nova_mdev_compat import verdict

NOT_ANNOTATED = (
    'the domain does not say what its mdevs come from: is '
    'nova-mdev-annotator running on its host?')


@dataclasses.dataclass(frozen=True)
class Target:
    """An mdev of this host that the domain is to get.

    :ivar uuid: its UUID
    :ivar name: libvirt's name of its parent
    :ivar type: its canonical mdev type
    :ivar device: what its parent is and accepts, None where the collector
        did not say
    """

    uuid: str
    name: str
    type: str
    device: device_file.Device | None


@dataclasses.dataclass(frozen=True)
class Finding:
    """What stands against the domain, in words.

    :ivar kind: incompatible, or unknown
    :ivar text: one clause that names device, rules and reason
    """

    kind: verdict.Kind
    text: str


def judge(domain: incoming.Domain,
          targets: Sequence[Target]) -> list[Finding]:
    """Return what stands against a domain, the worst first; nothing if none.

    :param targets: its mdevs on this host
    """
    annotated = domain.annotated
    if annotated is None:
        return [_unknown(f'what the domain says of its mdevs makes no sense: '
                         f'{domain.fault}' if domain.fault
                         else NOT_ANNOTATED)]
    if len(annotated) != len(domain.uuids):
        return [_unknown(f'the domain has {len(domain.uuids)} mdevs, and says '
                         f'of {len(annotated)} what they come from')]
    silent = [mdev for mdev in annotated if mdev.identity is None]
    if silent:
        return [_unknown(judgement.no_identity(f'mdev {silent[0].uuid}'))]
    found = [one for target in targets for one in _judge(annotated, target)]
    return sorted(found, key=lambda one: one.kind is verdict.Kind.UNKNOWN)


def _unknown(text: str) -> Finding:
    return Finding(verdict.Kind.UNKNOWN, text)


def _judge(annotated: Sequence[annotation.Mdev],
           target: Target) -> Iterator[Finding]:
    """Return what one parent has against the sources."""
    where = f'mdev {target.uuid} on {target.name}'
    if target.device is None or not target.device.described().managed:
        yield _unknown(f'{where}: {judgement.NOT_PUBLISHED}')
        return
    sources = sorted({mdev.identity for mdev in annotated if mdev.identity},
                     key=str)
    fitting = [one for one in sources if one.type == target.type]
    for source in fitting or sources:
        kind, why = _answer(target, target.device, source)
        if kind is not verdict.Kind.COMPATIBLE:
            yield Finding(kind, f'{where} does not accept {source}: {why}')


def _answer(target: Target, device: device_file.Device,
            source: ident.Identity) -> tuple[verdict.Kind, str]:
    if source.type != target.type:
        return (verdict.Kind.INCOMPATIBLE,
                str(judgement.not_served(source.type)))
    description = device.described()
    answer = judgement.judge(description.accepts.values(), description.types,
                             source)
    return answer.kind, _said(device, description.accepts, source, answer)


def _said(device: device_file.Device, accepts: dict[str, pat.Pattern],
          source: ident.Identity, answer: verdict.Verdict) -> str:
    """Return the reasons, each with the rules that have it."""
    return ', '.join(
        f'{_rules(device, accepts, source, reason)}{reason}'
        for reason in answer.reasons)


def _rules(device: device_file.Device, accepts: dict[str, pat.Pattern],
           source: ident.Identity, reason: verdict.Reason) -> str:
    names: Collection[str] = dict.fromkeys(
        name for trait in sorted(accepts)
        if (failure := judgement.first_failure(accepts[trait], source))
        and failure[1] == reason
        for name in device.rules[trait])
    return f'rule {" and ".join(map(repr, names))}: ' if names else ''
