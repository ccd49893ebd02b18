"""How Postfix is attached: its lists of milters, and what it does while assay is away or slow."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Final

from assay.config.model import Config
from assay.config.socket import SocketFamily
from assay.doctor.check import chain
from assay.doctor.inspection import Inspection
from assay.doctor.milters import Listed, is_at, mended, right_spelling, with_settings
from assay.doctor.model import Finding, Kind, error, notice, warning
from assay.doctor.postfix import Postfix, Role, Service, seconds

SPELLING: Final = error(
    "milter-spelling",
    "A milter is written as Postfix cannot read it. With inet:port@host, libmilter's spelling, or with a fault between"
    " braces smtpd ends at once and takes no mail; without unix: or inet: in front it does milter_default_action with"
    " every message.",
    "inet:host:port, inet:[::1]:port or unix:path; `assay config` prints it. With settings, and no blank around =:"
    " { inet:host:port, name=value }.",
)
OUTSIDE_CHROOT: Final = error(
    "socket-outside-chroot",
    "A service of Postfix runs in a chroot: to it, an absolute path starts in the queue directory, so it looks for the"
    " socket where none is, and does milter_default_action with every message.",
    "Put the socket below the queue directory and write its path relative to that; or run the service without chroot.",
)
PATH_FOR_CHROOT: Final = error(
    "socket-path-for-chroot",
    "The path is written as a chroot sees it, and the service has none: it looks for the socket where none is, and does"
    " milter_default_action with every message.",
    "Write the path relative to the queue directory, without a slash in front: that works with and without chroot.",
)
PROXY_FILTER: Final = error(
    "proxy-filter-hides-message",
    "With smtpd_proxy_filter milters see the SMTP commands and neither header nor body: nothing can be verified.",
    "Run the content filter after the queue (content_filter), or as a milter after assay.",
)
NON_SMTPD: Final = warning(
    "milter-in-non-smtpd",
    "Mail that is born on this machine, and what sendmail(1) hands in, goes through assay as if it came from 127.0.0.1:"
    " there is no client to authenticate.",
    "Take assay out of non_smtpd_milters; signers belong there.",
)
OLD_PROTOCOL: Final = error(
    "milter-protocol-old",
    "Below version 6 Postfix cannot hand over the space in front of a header field's value. Signatures would break, so"
    " assay refuses such a connection.",
    "milter_protocol = 6, the default.",
)
CONTENT_TIMEOUT: Final = warning(
    "content-timeout-short",
    "The MTA gives up before assay has waited as long for the DNS as it may (twice [dns] budget), and does with slow"
    " messages what it does while assay is away.",
    "Postfix: milter_content_timeout = 300s. Sendmail: T=R:60s;E:5m. Or a smaller [dns] budget.",
)
COMMAND_TIMEOUT: Final = warning(
    "command-timeout-short",
    "assay answers commands at once, but a busy machine needs a few seconds for it; then the MTA gives up.",
    "Postfix: milter_command_timeout = 30s. Sendmail: T=S:30s.",
)
CONNECT_TIMEOUT: Final = warning(
    "connect-timeout-short",
    "A connection that is made while assay restarts waits until it serves again, which takes some seconds.",
    "Postfix: milter_connect_timeout = 30s. Sendmail: T=C:30s.",
)
SUBMISSION: Final = warning(
    "submission-judged",
    "Mail of own users would be judged as if it came from outside: SPF does not know their addresses, and a DMARC"
    " policy of your own would refuse it.",
    "In master.cf: -o smtpd_milters= for that service (or only the signer); and [exempt] authenticated = true.",
)
REINJECTION_JUDGED: Final = error(
    "reinjection-judged",
    "What a content filter hands back would be judged a second time, with the filter as its client: SPF fails, and"
    " signatures that the filter broke do too.",
    "In master.cf: -o smtpd_milters= for that service.",
)
REINJECTION_STRIPS: Final = warning(
    "reinjection-strips-results",
    "What a content filter hands back goes through assay again, which takes its own Authentication-Results for forged"
    " ones, since it cannot know better, and removes them.",
    "In master.cf: -o smtpd_milters= for that service; or [exempt] keep_results = true.",
)
STRIP_CHARACTERS: Final = warning(
    "nul-not-stripped",
    "A milter cannot see what follows a NUL in a header field, a mail reader may: something else would be judged than"
    " is shown.",
    "main.cf: message_strip_characters = \\0",
)
ORIGINATING: Final = warning(
    "daemon-name-originating",
    "milter_macro_daemon_name = ORIGINATING tells milters that mail comes from own users. On a service that takes mail"
    " from everybody a signer such as opendkim signs what strangers send.",
    "Set it in master.cf for submission services only.",
)
MAPS: Final = notice(
    "milter-maps",
    "smtpd_milter_maps names other milters for some clients, or none (DISABLE): whether their mail is judged is up to"
    " it, and is not looked at here.",
    "See that nobody is in it whose mail should be judged.",
)
SPF_POLICY: Final = warning(
    "spf-policy-service",
    "A policy service refuses mail on SPF alone, before a DKIM signature could prove it genuine: forwarded mail is"
    " lost, and assay's policies never see it.",
    "Remove the check_policy_service of SPF; assay checks SPF, and its policy files decide.",
)
BROKEN: Final = error(
    "postfix-configuration-broken",
    "Postfix cannot read its own configuration: it does not start again, and nothing can be said of its milters.",
    "postfix check says what is wrong.",
)
UNUSED: Final = warning(
    "parameter-unknown",
    "A parameter about milters means nothing to Postfix, which ignores it: mostly a slip of the finger, so that what it"
    " should do is not done.",
    "Write the name that was meant; postconf -n names such parameters too.",
)
OLD_POSTFIX: Final = error(
    "postfix-old",
    "Postfix before 2.6 does not speak version 6 of the milter protocol and cannot quarantine.",
    "Upgrade Postfix.",
)
KINDS: Final = (
    *(SPELLING, OUTSIDE_CHROOT, PATH_FOR_CHROOT, PROXY_FILTER, NON_SMTPD, OLD_PROTOCOL, CONTENT_TIMEOUT),
    *(COMMAND_TIMEOUT, CONNECT_TIMEOUT, SUBMISSION, REINJECTION_JUDGED, REINJECTION_STRIPS, STRIP_CHARACTERS),
    *(ORIGINATING, MAPS, SPF_POLICY, BROKEN, UNUSED, OLD_POSTFIX),
)

MIN_VERSION: Final = (2, 6)
MIN_PROTOCOL: Final = 6
MIN_SECONDS: Final = 10
"""For connecting and for a command (local choice): a start of assay takes about two on a small machine."""

_NUMBER = re.compile(r"\d+")
_NUL = re.compile(r"\\0{1,3}(?![0-7])")
_SPF_SERVICE = re.compile(r"check_policy_service\s+\{?\s*(\S*(?:policyd?-spf|pyspf|spf-policy)[^\s,}]*)", re.IGNORECASE)
_RESTRICTIONS: Final = ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data")


def check(inspection: Inspection) -> Iterator[Finding]:
    """Look at Postfix, if there is one and our own configuration is known."""
    postfix, config, fault = inspection.postfix, inspection.config, inspection.postfix_fault
    if fault is not None:
        yield BROKEN.found(f"{fault.directory}: {fault.why}", f"correct it; postfix -c {fault.directory} check")
    if postfix is None or config is None:
        return
    for file, name in postfix.unused:
        meant = get_close_matches(name, postfix.parameters.keys() - {name}, 1)
        yield UNUSED.found(
            f"{file}{name} is no parameter of Postfix", f"write {(meant or ['another'])[0]}; {postfix.reload}"
        )
    version = tuple(int(part) for part in _NUMBER.findall(postfix.value("mail_version"))[:2])
    if version < MIN_VERSION:
        yield OLD_POSTFIX.found(f"this is Postfix {postfix.value('mail_version')}", "upgrade Postfix to 2.6 or newer")
    if not any(_NUL.search(postfix.value(f"message_{verb}_characters")) for verb in ("strip", "reject")):
        yield STRIP_CHARACTERS.found(
            f"{postfix.place('message_strip_characters')} holds no \\0",
            postfix.command("message_strip_characters", r"\0"),
        )
    for cleanup in postfix.cleanups:
        if _ours(inspection, config, postfix.non_smtpd_milters(cleanup)):
            yield NON_SMTPD.found(
                f"{postfix.place('non_smtpd_milters', cleanup)} lists assay",
                postfix.command(
                    "non_smtpd_milters",
                    _without(inspection, config, postfix.non_smtpd_milters(cleanup)),
                    cleanup,
                ),
            )
    for service in postfix.receivers:
        yield from _spelling(postfix, service)
        look = {Role.PUBLIC: _public, Role.SUBMISSION: _submission, Role.LOCAL: _local}[postfix.role(service)]
        yield from look(inspection, config, postfix, service)


def _spelling(postfix: Postfix, service: Service) -> Iterator[Finding]:
    milters = postfix.milters(service)
    for each in milters:
        right = mended(each)
        if right != each.written:
            yield SPELLING.found(
                f"{postfix.place('smtpd_milters', service)} says {each.written}, which should be {right or 'left out'}"
                + (f": {each.fault}" if each.fault else ""),
                postfix.command("smtpd_milters", _line(milters), service),
            )


def _line(milters: Iterable[Listed]) -> str:
    """Write a list of milters; what Postfix cannot read of it is mended."""
    return ", ".join(text for each in milters if (text := mended(each)))


def _ours(inspection: Inspection, config: Config, milters: tuple[Listed, ...]) -> list[int]:
    """Say at which places of a list assay stands."""
    return [index for index, each in enumerate(milters) if is_at(each, config.socket, inspection.real)]


def _without(inspection: Inspection, config: Config, milters: tuple[Listed, ...]) -> str:
    ours = _ours(inspection, config, milters)
    return _line(each for index, each in enumerate(milters) if index not in ours)


def _public(inspection: Inspection, config: Config, postfix: Postfix, service: Service) -> Iterator[Finding]:
    milters = postfix.milters(service)
    if any(each.fault for each in milters):
        return  # it takes no mail at all
    ours = _ours(inspection, config, milters)
    place = postfix.place("smtpd_milters", service)
    if postfix.value("milter_macro_daemon_name", service) == "ORIGINATING":
        yield ORIGINATING.found(
            f"{postfix.place('milter_macro_daemon_name', service)} is ORIGINATING, also for {service.label}",
            postfix.override("milter_macro_daemon_name", "$myhostname", service),
        )
    classes = postfix.value("smtpd_restriction_classes").replace(",", " ").split()
    for name in (*(f"smtpd_{each}_restrictions" for each in _RESTRICTIONS), *classes):
        if found := _SPF_SERVICE.search(postfix.value(name, service)):
            yield SPF_POLICY.found(
                f"{postfix.place(name, service)} asks {found[1]}",
                f"take check_policy_service {found[1]} out of {name}, then: {postfix.reload}",
            )
    if not ours:
        if not any(right_spelling(each.spelled) for each in milters):
            yield _not_there(inspection, config, postfix, service)
        return
    if maps := postfix.value("smtpd_milter_maps", service):
        yield MAPS.found(
            f"{postfix.place('smtpd_milter_maps', service)} is {maps}", f"look at what it says of each client: {maps}"
        )
    milter = milters[ours[0]]
    wrong = list(_wrong(config, milter))
    right = with_settings(milter, {each.name: each.good for each in wrong})
    milters = tuple(right if each is milter else each for each in milters)
    # these first: what the others tell to type holds their good values, too
    yield from _settings(wrong, milter, milters, postfix, service)
    yield from chain.check(
        inspection,
        milters,
        ours,
        chain.Chain(
            place=place,
            own_name=postfix.value("myhostname", service),
            reorder=lambda listed: postfix.command("smtpd_milters", _line(listed), service),
        ),
    )
    if proxy := postfix.value("smtpd_proxy_filter", service):
        yield PROXY_FILTER.found(
            f"{postfix.place('smtpd_proxy_filter', service)} is {proxy}: assay sees no message on {service.label}",
            f"in master.cf -o content_filter=smtp:{proxy} instead of -o smtpd_proxy_filter={proxy}; {postfix.reload}",
        )


def _not_there(inspection: Inspection, config: Config, postfix: Postfix, service: Service) -> Finding:
    """Say why assay is not in the list: its path leads elsewhere, or it is not there at all."""
    place = postfix.place("smtpd_milters", service)
    milters = postfix.milters(service)
    queue = postfix.value("queue_directory")
    own = inspection.real(config.socket.path)
    for each in milters if config.socket.family is SocketFamily.UNIX else ():
        if own not in {inspection.real(each.path), inspection.real(each.otherwise)}:
            continue
        relative = own.removeprefix(f"{queue}/")
        if not service.chroot:
            return PATH_FOR_CHROOT.found(
                f"{place} says {each.spelled}, and {service.label} runs without a chroot",
                postfix.command("smtpd_milters", _moved(milters, each, f"unix:{relative}"), service),
            )
        move = "" if relative != own else f'in {config.source}: socket = "unix:{queue}/assay/assay.sock", in Postfix: '
        right = "unix:assay/assay.sock" if move else f"unix:{relative}"
        return OUTSIDE_CHROOT.found(
            f"{place} says {each.spelled}, and {service.label} runs in a chroot: it looks for"
            f" {inspection.real(each.path, each.chroot)}",
            move + postfix.command("smtpd_milters", _moved(milters, each, right), service),
        )
    names = ", ".join([_spelled(config, postfix), *map(mended, milters)])
    if "no_milters" in postfix.value("receive_override_options", service):
        name = "receive_override_options"
        return chain.NOT_LISTED.found(
            f"{postfix.place(name, service)} says no_milters, so {service.label} asks none",
            f"take no_milters out of it, then: {postfix.reload}",
        )
    return chain.NOT_LISTED.found(
        f"{place} does not list assay ({config.socket.postfix}), so mail that {service.label} takes is not judged",
        postfix.command("smtpd_milters", names, service),
    )


def _moved(milters: Iterable[Listed], moved: Listed, spelled: str) -> str:
    """Write a list in which one milter has another socket."""
    return ", ".join(
        mended(each).replace(each.spelled, spelled, 1) if each is moved else mended(each) for each in milters
    )


def _spelled(config: Config, postfix: Postfix) -> str:
    """Write our socket so that a service finds it with and without chroot."""
    queue = f"{postfix.value('queue_directory')}/"
    if config.socket.path.startswith(queue):
        return f"unix:{config.socket.path.removeprefix(queue)}"
    return config.socket.postfix


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What is wrong in how Postfix treats a milter: ``name`` without ``milter_``, and the value that is good."""

    kind: Kind
    name: str
    good: str
    why: str = ""


def _wrong(config: Config, milter: Listed) -> Iterator[_Setting]:
    if kind := chain.AWAY.get(milter.settings["default_action"].lower()):
        yield _Setting(kind=kind, name="default_action", good="tempfail")
    protocol = milter.settings["protocol"].replace(",", " ").partition(" ")[0]
    if protocol.isdecimal() and int(protocol) < MIN_PROTOCOL:
        yield _Setting(kind=OLD_PROTOCOL, name="protocol", good="6")
    least = {
        "content_timeout": (CONTENT_TIMEOUT, 2 * config.dns.budget, "300s"),
        "command_timeout": (COMMAND_TIMEOUT, MIN_SECONDS, "30s"),
        "connect_timeout": (CONNECT_TIMEOUT, MIN_SECONDS, "30s"),
    }
    for name, (kind, minimum, good) in least.items():
        span = seconds(milter.settings[name])
        if span is None and milter.settings[name]:
            yield _Setting(kind=kind, name=name, good=good, why=", which is no time: smtpd ends when it reads that")
        elif span is not None and span < minimum:
            yield _Setting(kind=kind, name=name, good=good, why=f", and assay may need {minimum:g}s")


def _settings(
    wrong: Iterable[_Setting], milter: Listed, right: Sequence[Listed], postfix: Postfix, service: Service
) -> Iterator[Finding]:
    """Look at what Postfix does with this milter: for it alone, for the service, or for all.

    Args:
        wrong: of these settings.
        milter: as it is listed.
        right: the list with all its settings put right.
        postfix: the instance.
        service: the service of smtpd.
    """
    for each in wrong:
        own = each.name in milter.own
        place = (
            f"{postfix.place('smtpd_milters', service)}: {{ {milter.spelled}, {each.name} }}"
            if own
            else postfix.place(f"milter_{each.name}", service)
        )
        yield each.kind.found(
            f"{place} is {milter.settings[each.name]}{each.why}",
            postfix.command("smtpd_milters", _line(right), service)
            if own
            else postfix.command(f"milter_{each.name}", each.good, service),
        )


def _submission(inspection: Inspection, config: Config, postfix: Postfix, service: Service) -> Iterator[Finding]:
    if not _ours(inspection, config, postfix.milters(service)):
        return
    authenticates = postfix.value("smtpd_sasl_auth_enable", service) == "yes"
    if config.exempt.authenticated and authenticates:
        return
    why = "its users do not authenticate themselves" if not authenticates else "[exempt] authenticated is false"
    yield SUBMISSION.found(
        f"{postfix.directory}/master.cf: {service.label} takes mail of own users through assay, and {why}",
        postfix.override("smtpd_milters", _without(inspection, config, postfix.milters(service)), service),
    )


def _local(inspection: Inspection, config: Config, postfix: Postfix, service: Service) -> Iterator[Finding]:
    if not _ours(inspection, config, postfix.milters(service)):
        return
    place = f"{postfix.directory}/master.cf: {service.label}"
    remedy = postfix.override("smtpd_milters", "", service)
    exempt = any(ip_address("127.0.0.1") in network for network in config.exempt.networks)
    if not exempt:
        yield REINJECTION_JUDGED.found(
            f"{place} takes mail from this machine through assay, and [exempt] networks lacks 127.0.0.1", remedy
        )
    elif not config.exempt.keep_results and _filters(postfix):
        yield REINJECTION_STRIPS.found(f"{place} takes mail back from the content filter through assay", remedy)


def _filters(postfix: Postfix) -> bool:
    """Whether mail leaves Postfix for a content filter, and so comes back."""
    names = ("content_filter", "smtpd_proxy_filter")
    return any(postfix.value(name, service) for service in postfix.receivers for name in names)
