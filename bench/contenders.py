"""Who is measured: how each contender is configured, what it starts, and what it can know.

All are set up alike: they check SPF, DKIM, DMARC and, where they can, ARC of mail from outside, add their results as
Authentication-Results and refuse nothing. All take the name server from /etc/resolv.conf, keep their own default for
everything else, and run in the foreground. All log what Debian's own configuration has them log, where it has them log
it: opendkim, opendmarc and the milters in Python to the system's log, rspamd to its file; assay to stderr, a file here.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final, Literal

from build import build

ROOT: Final = Path(__file__).parent.parent
AUTHSERV_ID: Final = "mx.receiver.example"
NAME_SERVER: Final = "127.0.0.1"
"""Where all DNS comes from, on port 53."""
ALL: Final = frozenset({"spf", "dkim", "dmarc", "arc"})
SYSTEM_PYTHON: Final = "/usr/bin/python3"
"""The interpreter that Debian's Python packages belong to."""
CACHE: Final = ROOT / ".cache" / "bench" / "rspamd"

Family = Literal["unix", "inet"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender runs.

    Attributes:
        directory: for its files; a short path, since a unix socket's may have 107 octets.
        family: of its milter sockets.
    """

    directory: Path
    family: Family
    _ports: Iterator[int] = field(default_factory=lambda: count(8891))

    def socket(self, name: str) -> str:
        """An address as libmilter and the load generator spell it."""
        if self.family == "unix":
            return f"unix:{self.directory / name}.sock"
        return f"inet:{next(self._ports)}@127.0.0.1"

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@dataclass(frozen=True, slots=True)
class Program:
    """One process to start.

    Attributes:
        argv: its command line.
        socket: where the MTA reaches it.
    """

    argv: tuple[str | Path, ...]
    socket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to check mail.

    Attributes:
        name: in tables, and for ``--only``.
        what: one line for the reader.
        packages: of Debian, whose versions the report names.
        knows: the methods whose results it adds.
        programs: writes the configuration and says what to start, in the order in which the MTA asks them.
    """

    name: str
    what: str
    packages: tuple[str, ...] = ()
    knows: frozenset[str] = ALL
    programs: Callable[[Place], list[Program]]


def assay(place: Place, workers: int) -> list[Program]:
    socket = place.socket("assay")
    shutil.copytree(ROOT / "policies", place.directory / "policies")
    config = place.write(
        "assay.toml",
        f'authserv_id = "{AUTHSERV_ID}"\nsocket = "{socket}"\nworkers = {workers}\n',
    )
    return [Program((sys.executable, "-m", "assay", "run", "--config", config), socket)]


def opendkim(place: Place) -> Program:
    # Without Nameservers Debian's opendkim would ask the root servers. No ResolverConfiguration: its 2.11 crashes with
    # it under load. No TrustAnchorFile: the zone is not signed.
    socket = place.socket("opendkim")
    config = place.write(
        "opendkim.conf",
        f"""\
Mode              v
Socket            {socket}
AuthservID        {AUTHSERV_ID}
AlwaysAddARHeader yes
Nameservers       {NAME_SERVER}
Syslog            yes
SyslogSuccess     yes
Background        no
""",
    )
    return Program(("/usr/sbin/opendkim", "-f", "-x", config), socket)


def opendmarc(place: Place, *, own_spf: bool) -> Program:
    socket = place.socket("opendmarc")
    config = place.write(
        "opendmarc.conf",
        f"""\
Socket             {socket}
AuthservID         {AUTHSERV_ID}
TrustedAuthservIDs {AUTHSERV_ID}
PublicSuffixList   /usr/share/publicsuffix/public_suffix_list.dat
SPFSelfValidate    {str(own_spf).lower()}
SPFIgnoreResults   {str(own_spf).lower()}
RejectFailures     false
Syslog             true
Background         false
""",
    )
    return Program(("/usr/sbin/opendmarc", "-f", "-c", config), socket)


def opendkim_opendmarc(place: Place) -> list[Program]:
    return [opendkim(place), opendmarc(place, own_spf=True)]


def python_milters(place: Place) -> list[Program]:
    spf, dkim = place.socket("spf"), place.socket("dkim")
    spf_config = place.write(
        "pyspf-milter.conf",
        f"""\
debugLevel = 1
TestOnly = 1
HELO_reject = False
Mail_From_reject = False
Header_Type = AR
Authserv_Id = {AUTHSERV_ID}
Socket = {spf}
PidFile = {place.directory}/pyspf-milter.pid
UserID = root
""",
    )
    dkim_config = place.write(
        "dkimpy-milter.conf",
        f"""\
Mode       v
AuthservID {AUTHSERV_ID}
Socket     {dkim}
PidFile    {place.directory}/dkimpy-milter.pid
UserID     root
Syslog     yes
""",
    )
    # In this order: dkimpy-milter removes what stands under its own authserv-id, so also what pyspf-milter added.
    return [
        Program((SYSTEM_PYTHON, "/usr/bin/dkimpy-milter", dkim_config), dkim),
        Program((SYSTEM_PYTHON, "/usr/bin/pyspf-milter", spf_config), spf),
        opendmarc(place, own_spf=False),
    ]


def rspamd(place: Place) -> list[Program]:
    # As Debian's own files have it: one process speaks milter, and hands each message to one that judges. Left out are
    # the rules and all modules but four; the scores stay, since it would log a warning for each result without one. Its
    # cache of compiled patterns outlives it: it needs 14 s to compile them.
    CACHE.mkdir(parents=True, exist_ok=True)
    socket = place.socket("rspamd")
    _, _, path = socket.partition(":")
    port, _, host = path.partition("@")
    bind = f"{path} mode=0666" if place.family == "unix" else f"{host}:{port}"
    config = place.write(
        "rspamd.conf",
        f"""\
options {{
  filters = "dkim";
  url_tld = "$SHAREDIR/effective_tld_names.dat";
  hs_cache_dir = "{CACHE}";
  task_timeout = 60s;
  dns {{ timeout = 1s; sockets = 16; retransmits = 5; }}
}}
logging {{
  type = "file";
  filename = "$LOGDIR/rspamd.log";
  .include "$CONFDIR/logging.inc"
}}
worker "normal" {{
  bind_socket = "localhost:11333";
  .include "$CONFDIR/worker-normal.inc"
  count = 1;
}}
worker "rspamd_proxy" {{
  bind_socket = "{bind}";
  .include "$CONFDIR/worker-proxy.inc"
}}
actions {{ reject = 1000; add_header = 999; greylist = 998; }}
group "policies" {{ .include "$CONFDIR/scores.d/policies_group.conf" }}
modules {{ path = "$PLUGINSDIR"; }}
.include "$CONFDIR/modules.d/spf.conf"
.include "$CONFDIR/modules.d/dkim.conf"
.include "$CONFDIR/modules.d/dmarc.conf"
.include "$CONFDIR/modules.d/arc.conf"
milter_headers {{
  use = ["authentication-results"];
}}
""",
    )
    (place.directory / "rspamd").mkdir()
    variables = (f"--var={name}={place.directory}/rspamd" for name in ("DBDIR", "RUNDIR", "LOGDIR", "LOCAL_CONFDIR"))
    return [Program(("/usr/bin/rspamd", "-f", "-i", "-c", config, *variables), socket)]


def own(program: str, *arguments: str) -> Callable[[Place], list[Program]]:
    """A milter of the directory contenders/, in the interpreter that assay runs in."""

    def programs(place: Place) -> list[Program]:
        socket = place.socket(program)
        path = ROOT / "bench" / "contenders" / f"{program}.py"
        return [Program((sys.executable, path, socket, *arguments), socket)]

    return programs


def responder(place: Place) -> list[Program]:
    socket = place.socket("responder")
    return [Program((build()["loadgen"], "--respond", socket), socket)]


CORES: Final = len(os.sched_getaffinity(0))

CONTENDERS: Final = (
    Contender(
        name="assay",
        what=f"this project, {CORES} workers: as many as this machine has cores",
        programs=lambda place: assay(place, CORES),
    ),
    Contender(name="assay-1-worker", what="this project, one worker", programs=lambda place: assay(place, 1)),
    Contender(
        name="opendkim+opendmarc",
        what="opendkim, then opendmarc with its own SPF",
        packages=("opendkim", "opendmarc"),
        knows=ALL - {"arc"},
        programs=opendkim_opendmarc,
    ),
    Contender(
        name="pyspf-milter+dkimpy-milter+opendmarc",
        what="dkimpy-milter, then pyspf-milter, then opendmarc on their results",
        packages=("pyspf-milter", "dkimpy-milter", "opendmarc", "python3-spf", "python3-dkim"),
        knows=ALL - {"arc"},
        programs=python_milters,
    ),
    Contender(
        name="rspamd",
        what="its milter process and one worker; of its modules spf, dkim, dmarc and arc",
        packages=("rspamd",),
        programs=rspamd,
    ),
    Contender(
        name="naive",
        what="a pymilter on dkimpy, pyspf and authres, one thing after another (bench/contenders/naive.py)",
        programs=own("naive", AUTHSERV_ID),
    ),
    Contender(
        name="nothing",
        what="a pymilter that checks nothing (bench/contenders/nothing.py)",
        knows=frozenset(),
        programs=own("nothing"),
    ),
    Contender(
        name="hash-only",
        what="a pymilter that hashes the body with SHA-256 (bench/contenders/hash_only.py)",
        knows=frozenset(),
        programs=own("hash_only"),
    ),
    Contender(
        name="answers-at-once",
        what="the load generator's own counterpart in C: the most that the load generator can show",
        knows=frozenset(),
        programs=responder,
    ),
)
