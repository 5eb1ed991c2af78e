# SPDX-License-Identifier: Apache-2.0
"""What a host says to a domain that comes with mdevs. Pure.

It is the filter's question, asked once more where the mdevs of both sides are
known: whatever parent an mdev is to land on must accept every source of that
mdev's type. Which of several mdevs of one type becomes which is not asked, as
the filter cannot ask it either.
"""

from collections.abc import Collection, Iterator, Sequence
import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import schema_version
from nova_mdev_compat.core import verdict
from nova_mdev_compat.late_check import annotation
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file

#: Of which no collector has said anything.
NOTHING = devices_file.Device(frozenset(), {})
NOT_ANNOTATED = (
    'the domain does not say what its mdevs come from: is '
    'nova-mdev-annotator running on its host?'
)


@dataclasses.dataclass(frozen=True)
class Target:
    """An mdev of this host that the domain is to get.

    :ivar uuid: its UUID
    :ivar name: libvirt's name of its parent
    :ivar type: its canonical mdev type
    :ivar device: what its parent is and accepts, None where the collector
        did not say
    :ivar why: why none of these is known, empty where they are
    """

    uuid: str
    name: str
    type: str
    device: devices_file.Device | None
    why: str = ''


@dataclasses.dataclass(frozen=True)
class Finding:
    """What stands against the domain, in words.

    :ivar kind: incompatible, or unknown
    :ivar text: one clause that names device, rules and reason
    """

    kind: verdict.Status
    text: str


def judge(
    domain: domain_xml.Domain, targets: Sequence[Target]
) -> list[Finding]:
    """Return what stands against a domain, the worst first; nothing if none.

    What is known is judged whatever else is not: it may be incompatible.

    :param targets: its mdevs on this host
    """
    annotated = domain.annotated
    if annotated is None:
        return [_unknown(_why_silent(domain))]
    gaps = list(_gaps(domain.uuids, annotated))
    sources = sorted(
        {mdev.identity for mdev in annotated if mdev.identity}, key=str
    )
    found = [
        *gaps,
        *(
            one
            for target in targets
            for one in _judge(sources, target, bool(gaps))
        ),
    ]
    return sorted(found, key=lambda one: one.kind is verdict.Status.UNKNOWN)


def _unknown(text: str) -> Finding:
    return Finding(verdict.Status.UNKNOWN, text)


def _why_silent(domain: domain_xml.Domain) -> str:
    """Return why nothing is known of the sources of a domain's mdevs."""
    said = 'what the domain says of its mdevs'
    if domain.fault:
        return f'{said} makes no sense: {domain.fault}'
    for version in domain.others:
        try:
            schema_version.check_version(version, annotation.VERSION)
        except schema_version.VersionError as exc:
            return f'{said}: {exc}'
    return NOT_ANNOTATED


def _gaps(
    uuids: Sequence[str], annotated: Sequence[annotation.Mdev]
) -> Iterator[Finding]:
    """Return what the domain does not say of its mdevs' sources."""
    if len(annotated) != len(uuids):
        yield _unknown(
            f'the domain has {len(uuids)} mdevs, and says '
            f'of {len(annotated)} what they come from'
        )
    silent = [mdev for mdev in annotated if mdev.identity is None]
    if silent:
        yield _unknown(matching.no_identity(f'mdev {silent[0].uuid}'))


def _judge(
    sources: Sequence[identity.Identity], target: Target, gaps: bool
) -> Iterator[Finding]:
    """Return what one parent has against the sources.

    :param gaps: there may be other sources than these
    """
    if target.why:
        yield _unknown(target.why)
        return
    where = f'mdev {target.uuid} on {target.name}'
    device = target.device or NOTHING
    description = device.described()
    if not description.managed:
        yield _unknown(f'{where}: {matching.NOT_PUBLISHED}')
        return
    offered = Offer.of(description)
    served = offered.for_type(target.type)
    fitting = [one for one in sources if one.type == target.type]
    for source in fitting or ([] if gaps else sources):
        answer = offered.judge(source)
        if not fitting and (floor := served.floor(source)):
            answer = verdict.Verdict.from_reasons((floor,))
        if not answer:
            why = _said(device, description.accepts, source, answer)
            yield Finding(
                answer.kind, f'{where} does not accept {source}: {why}'
            )


def _said(
    device: devices_file.Device,
    accepts: dict[str, pattern.Pattern],
    source: identity.Identity,
    answer: verdict.Verdict,
) -> str:
    """Return the reasons, each with the rules that have it."""
    return ', '.join(
        f'{_rules(device, accepts, source, reason)}{reason}'
        for reason in answer.reasons
    )


def _rules(
    device: devices_file.Device,
    accepts: dict[str, pattern.Pattern],
    source: identity.Identity,
    reason: verdict.Reason,
) -> str:
    names: Collection[str] = dict.fromkeys(
        name
        for trait in sorted(accepts)
        if (failure := matching.first_failure(accepts[trait], source))
        and failure[1] == reason
        for name in device.rules[trait]
    )
    return f'rule {" and ".join(map(repr, names))}: ' if names else ''
