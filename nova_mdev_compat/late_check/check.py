# SPDX-License-Identifier: Apache-2.0
"""Whether a host accepts the devices of a migrating domain. Pure.

It is the filter's question, asked again with the devices of both sides known:
mdevs, and virtual functions with a VFIO variant driver. The parent of each
target must accept every source that has its type and framework. Neither this
check nor the filter knows which of several such sources becomes which target.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core import schema_version
from nova_mdev_compat.core import text
from nova_mdev_compat.core import verdict
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file

#: A device that the collector has not found.
NOT_FOUND = devices_file.DeviceEntry(frozenset(), {})
NOT_ANNOTATED = (
    'the domain does not name the sources of its {}s: is '
    'nova-mdev-annotator running on its host?'
)


@dataclasses.dataclass(frozen=True)
class TargetDevice:
    """A device of this host that the domain would get.

    :ivar name: UUID of an mdev, address of a virtual function
    :ivar parent: name of its parent in the devices file
    :ivar type: its canonical type, empty if it has none
    :ivar device: what its parent is and accepts, None if the collector has
        not found it
    :ivar why: why these are not known, empty if they are
    :ivar framework: identity.MDEV or identity.VFIO
    :ivar why_no_type: why it has no type, empty if it has one
    """

    name: str
    parent: str = ''
    type: str = ''
    device: devices_file.DeviceEntry | None = None
    why: str = ''
    framework: str = identity.MDEV
    why_no_type: str = ''

    @property
    def label(self) -> str:
        """How messages name it."""
        return f'{domain_xml.NOUNS[self.framework]} {self.name}'


@dataclasses.dataclass(frozen=True)
class Objection:
    """Why a domain may not come.

    :ivar kind: incompatible, or unknown
    :ivar text: one clause that names device, rules and reason
    """

    kind: verdict.Status
    text: str


def check_domain(
    domain: domain_xml.Domain, targets: Sequence[TargetDevice]
) -> list[Objection]:
    """Return the objections to a domain, incompatible before unknown.

    All that is known is checked, even if a part is unknown.

    :param targets: its mdevs and virtual functions on this host
    """
    annotated = domain.annotated
    if annotated is None:
        return [_unknown(_why_not_annotated(domain, targets))]
    gaps = [
        *_count_gaps(domain, annotated, targets),
        *[
            _unknown(matching.no_identity(str(device)))
            for device in annotated
            if device.identity is None
        ][:1],
    ]
    sources = sorted(
        {device.identity for device in annotated if device.identity}, key=str
    )
    unknown = any(one.kind is verdict.Status.UNKNOWN for one in gaps)
    found = list(gaps)
    for target in targets:
        found += _check_target(sources, target, unknown)
    return sorted(found, key=lambda one: one.kind is verdict.Status.UNKNOWN)


def _unknown(text: str) -> Objection:
    return Objection(verdict.Status.UNKNOWN, text)


def _count_gaps(
    domain: domain_xml.Domain,
    annotated: Sequence[domain_xml.AnnotatedDevice],
    targets: Sequence[TargetDevice],
) -> Iterator[Objection]:
    """Return where there are more sources than targets, or fewer.

    If all are known, some would have to change their framework.
    """
    known = len(annotated) == len(targets)
    for framework, noun in domain_xml.NOUNS.items():
        sources = [one for one in annotated if one.framework == framework]
        here = {one.name for one in targets if one.framework == framework}
        count = sum(one.framework == framework for one in targets)
        if count == len(sources):
            continue
        why = (
            f'the domain has {text.count(count, noun)}, and names the '
            f'sources of {len(sources)}'
        )
        others = [one for one in domain.addresses if one not in here]
        if framework == identity.VFIO and count < len(sources) and others:
            why = (
                f'{why}: on this host, {text.join(others)} is not a virtual '
                'function with a VFIO variant driver'
            )
        yield Objection(
            verdict.Status.INCOMPATIBLE if known else verdict.Status.UNKNOWN,
            why,
        )


def _why_not_annotated(
    domain: domain_xml.Domain, targets: Sequence[TargetDevice]
) -> str:
    """Return why the sources of a domain's devices are not known."""
    what = "the domain's annotation"
    if domain.fault:
        return f'{what} is invalid: {domain.fault}'
    for version in domain.others:
        try:
            schema_version.check_version(version, domain_xml.VERSION)
        except schema_version.VersionError as exc:
            return f'{what}: {exc}'
    frameworks = {target.framework for target in targets}
    return NOT_ANNOTATED.format(
        's and '.join(domain_xml.NOUNS[one] for one in sorted(frameworks))
    )


def _check_target(
    sources: Sequence[identity.Identity], target: TargetDevice, gaps: bool
) -> Iterator[Objection]:
    """Return one parent's objections to the sources.

    :param gaps: there may be more sources
    """
    if target.why:
        yield _unknown(target.why)
        return
    where = f'{target.label} on {target.parent}'
    device = target.device or NOT_FOUND
    description = device.described()
    accepts = description.accepts
    if not description.managed:
        yield _unknown(f'{where}: {matching.NOT_PUBLISHED}')
        return
    if target.why_no_type:
        yield Objection(
            verdict.Status.INCOMPATIBLE, f'{where}: {target.why_no_type}'
        )
        return
    offered = Offer.of(description)
    served = offered.for_type(target.type)
    alike = [one for one in sources if one.framework == target.framework]
    fitting = [one for one in alike if one.type == target.type]
    for source in fitting or ([] if gaps else alike or sources):
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
