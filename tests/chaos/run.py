"""Faults in random order, for as long as you like: ``.venv/bin/python tests/chaos/run.py --minutes 10``.

Starts a name server, a daemon and a Postfix of its own, lets fifty senders loose on them, and brings about one fault
after the other. Tells what each did to the mail, and at the end the fate of every message. Exit code 1: a message was
lost, doubled, refused without a reason or let in unjudged, or mail did not flow again.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT / "milter"), str(ROOT / "tests")]

from chaos.faults import FAULTS, Fault  # noqa: E402 - the path above leads there
from chaos.ledger import balance  # noqa: E402
from chaos.site import Site, running  # noqa: E402
from support.process import wait_until  # noqa: E402
from support.smtp_load import EVERY_KIND, Load  # noqa: E402


def main() -> None:
    options = _options()
    faults = [fault for fault in FAULTS if not options.fault or fault.name in options.fault]
    random = Random(options.seed)
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="assay-chaos-", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with running(directory) as site:
            load = Load(site.postfix, EVERY_KIND)
            end = time.monotonic() + 60 * options.minutes
            with load:
                load.wait_for_more(100)
                while time.monotonic() < end:
                    _strike(site, load, random.choice(faults), random, seconds=options.seconds)
            counted = balance(load, site.postfix, dns_failed=any(fault.dns_fails for fault in faults))
            print(f"{counted.sent} messages: {counted}")
            if options.log is not None:
                options.log.write_text(site.daemon.output())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default: 1)")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long each fault lasts at least")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="of the order and of all chances")
    parser.add_argument("--fault", action="append", choices=[fault.name for fault in FAULTS], help="only this one")
    parser.add_argument("--log", type=Path, help="where to keep the daemon's log")
    options = parser.parse_args()
    assert isinstance(options, argparse.Namespace)
    return options


def _strike(site: Site, load: Load, fault: Fault, random: Random, *, seconds: float) -> None:
    """Bring a fault about, and wait until mail flows as before."""
    site.two_workers()
    before, begun = len(load.replies()), time.monotonic()
    with fault.strike(site, load, random):
        load.wait_for_more(fault.answers)
        time.sleep(max(0.0, begun + seconds - time.monotonic()))
    healed = time.monotonic()
    wait_until(lambda: load.right_at_once(since=healed), "mail as before", seconds=120)
    answers = Counter(reply.code for reply in load.replies()[before:])
    print(
        f"{fault.name:18} {healed - begun:6.1f} s, then {time.monotonic() - healed:5.1f} s until all was well;"
        f" answers: {', '.join(f'{code} {count}' for code, count in sorted(answers.items()))}",
        flush=True,
    )


if __name__ == "__main__":
    main()
