#!/bin/bash
# A systemd of the tests' own, with the units of the checkout, on a copy of this machine that is thrown away. As root:
#
#   own_systemd.sh DIRECTORY
#
# DIRECTORY holds `etc-assay`, which is /etc/assay inside, `drop-ins`, which are laid over the units, and `spool`, which
# is /var/spool/postfix; its file `cgroup` will name the control group to be removed afterwards. All else that is written
# goes to memory. It shares the network with the machine, and nothing else: processes, mounts, cgroups and names are its
# own, and none of its boot is run but sockets and the journal.
# It replaces itself by that systemd; to end it is to kill this process. Exit code 69: this machine cannot do it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=boot.sh
source "$(dirname "$0")/boot.sh"

if [[ ${2:-} != inside ]]; then
    ((EUID == 0)) || impossible "this user is not root"
    [[ -x /lib/systemd/systemd ]] || impossible "there is no systemd"
    enter_own_group "$1/cgroup"
    unshare --mount --propagation private --pid --fork --uts --ipc --cgroup true || impossible "unshare fails"
    exec unshare --mount --propagation private --pid --fork --kill-child --uts --ipc --cgroup "$0" "$1" inside
fi

work=$1
checkout=$(cd "$(dirname "$0")/../.." && pwd -P)
memory=$work/memory
mkdir -p "$memory"
mount -t tmpfs -o mode=0755 assay "$memory" || impossible "mounting a tmpfs fails"
new=$memory/root
layers=0

# overlay DIRECTORY TARGET: the directory at another place, writable without a trace.
overlay() {
    layers=$((layers + 1))
    mkdir -p "$memory/$layers/upper" "$memory/$layers/work" "$2"
    mount -t overlay assay -o "lowerdir=$1,upperdir=$memory/$layers/upper,workdir=$memory/$layers/work" "$2" ||
        impossible "mounting an overlay of $1 fails"
}

overlay / "$new"
# what is mounted below the root is not in that overlay
for directory in /usr /etc /var; do
    ! mountpoint --quiet "$directory" || overlay "$directory" "$new$directory"
done
cd "$new"
furnish

# The program at the place that the unit names: the environment of the tests, and our own code beside it.
overlay "$checkout/.venv" "$new/opt/assay"
mkdir "$new/opt/assay/src"
mount --bind "$checkout/milter" "$new/opt/assay/src"
cat >"$new/opt/assay/bin/assay" <<'END'
#!/opt/assay/bin/python
import sys
sys.path.insert(0, "/opt/assay/src")
from assay.cli import main
main()
END

mkdir -p "$new/etc/assay" "$new/var/spool/postfix"
mount --bind "$work/etc-assay" "$new/etc/assay"
mount --bind "$work/spool" "$new/var/spool/postfix"

# Of this machine's services none is started; what the units of assay stand on is empty.
rm -rf "$new"/etc/systemd/system/* "$new"/lib/systemd/system/*.wants "$new"/lib/systemd/system-generators/*
rm -f "$new/etc/fstab" "$new/etc/machine-id"
units=$new/etc/systemd/system
cp "$checkout/systemd/assay.service" "$checkout/systemd/assay.socket" "$units/"
cp -r "$work/drop-ins/." "$units/"
for target in sysinit basic; do
    printf '[Unit]\nDefaultDependencies=no\n' >"$units/$target.target"
done
printf '[Unit]\nDefaultDependencies=no\nRequires=systemd-journald.socket sysinit.target basic.target\n' \
    >"$units/assay-test.target"
mkdir -p "$new/etc/sysusers.d"
cp "$checkout/systemd/assay.sysusers" "$new/etc/sysusers.d/assay.conf"

take_root
systemd-sysusers >/dev/null
exec env -i container=assay-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=assay-test.target --log-target=journal-or-kmsg --show-status=false </dev/null
