# SPDX-License-Identifier: Apache-2.0
"""Whether a host accepts the mdevs of a migrating domain. Pure.

It is the filter's question, asked again with the mdevs of both sides known:
the parent of each target mdev must accept every source of that mdev's type.
Which of several source mdevs of one type becomes which target mdev is not
known, to the filter neither.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core import schema_version
from nova_mdev_compat.core import verdict
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file

#: A device that the collector has not found.
NOT_FOUND = devices_file.DeviceEntry(frozenset(), {})
NOT_ANNOTATED = (
    'the domain does not name the sources of its mdevs: is '
    'nova-mdev-annotator running on its host?'
)


@dataclasses.dataclass(frozen=True)
class TargetMdev:
    """An mdev of this host that the domain would get.

    :ivar name: libvirt's name of its parent
    :ivar type: its canonical mdev type
    :ivar device: what its parent is and accepts, None if the collector has
        not found it
    :ivar why: why these are not known, empty if they are
    """

    uuid: str
    name: str = ''
    type: str = ''
    device: devices_file.DeviceEntry | None = None
    why: str = ''


@dataclasses.dataclass(frozen=True)
class Objection:
    """Why a domain may not come.

    :ivar kind: incompatible, or unknown
    :ivar text: one clause that names device, rules and reason
    """

    kind: verdict.Status
    text: str


def check_domain(
    domain: domain_xml.Domain, targets: Sequence[TargetMdev]
) -> list[Objection]:
    """Return the objections to a domain, incompatible before unknown.

    All that is known is checked, even if a part is unknown.

    :param targets: its mdevs on this host
    """
    annotated = domain.annotated
    if annotated is None:
        return [_unknown(_why_not_annotated(domain))]
    gaps = []
    if len(annotated) != len(domain.uuids):
        gaps.append(
            _unknown(
                f'the domain has {len(domain.uuids)} mdevs, and names '
                f'the sources of {len(annotated)}'
            )
        )
    nameless = [mdev for mdev in annotated if mdev.identity is None]
    if nameless:
        gaps.append(_unknown(matching.no_identity(f'mdev {nameless[0].uuid}')))
    sources = sorted(
        {mdev.identity for mdev in annotated if mdev.identity}, key=str
    )
    found = list(gaps)
    for target in targets:
        found += _check_target(sources, target, bool(gaps))
    return sorted(found, key=lambda one: one.kind is verdict.Status.UNKNOWN)


def _unknown(text: str) -> Objection:
    return Objection(verdict.Status.UNKNOWN, text)


def _why_not_annotated(domain: domain_xml.Domain) -> str:
    """Return why the sources of a domain's mdevs are not known."""
    what = "the domain's annotation"
    if domain.fault:
        return f'{what} is invalid: {domain.fault}'
    for version in domain.others:
        try:
            schema_version.check_version(version, domain_xml.VERSION)
        except schema_version.VersionError as exc:
            return f'{what}: {exc}'
    return NOT_ANNOTATED


def _check_target(
    sources: Sequence[identity.Identity], target: TargetMdev, gaps: bool
) -> Iterator[Objection]:
    """Return one parent's objections to the sources.

    :param gaps: there may be more sources
    """
    if target.why:
        yield _unknown(target.why)
        return
    where = f'mdev {target.uuid} on {target.name}'
    device = target.device or NOT_FOUND
    description = device.described()
    accepts = description.accepts
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
            why = ', '.join(
                f'{_rules_with(device.rules, accepts, source, reason)}{reason}'
                for reason in answer.reasons
            )
            yield Objection(
                answer.kind, f'{where} does not accept {source}: {why}'
            )


def _rules_with(
    rules: Mapping[str, Sequence[str]],
    accepts: Mapping[str, Pattern],
    source: identity.Identity,
    reason: verdict.Reason,
) -> str:
    """Return the rules that refuse a source for a reason, as a prefix."""
    names = dict.fromkeys(
        name
        for trait in sorted(accepts)
        if (failure := matching.first_failure(accepts[trait], source))
        and failure[1] == reason
        for name in rules[trait]
    )
    return f'rule {" and ".join(map(repr, names))}: ' if names else ''
