#!/bin/bash
# Boot the Debian of support/debian.py: a throw-away layer over a root directory, in namespaces of its own.
#
#   boot_debian.sh ROOT SCRATCH PROGRAM...   PROGRAM becomes process 1; SCRATCH is an empty directory
#
# It has no network but a loopback device of its own. The exit status is 69 where this machine does not allow it.
set -euo pipefail

impossible() {
    echo "a machine of the tests' own is impossible here: $*" >&2
    exit 69
}

if [[ ${1:-} != --inside ]]; then
    # The hierarchy of version 2 alone has what systemd needs; where it stands beside version 1, it is called unified.
    group=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    [[ -n $group ]] || impossible "there is no cgroup2"
    group=$group/assay-test-$$
    mkdir "$group" 2>/dev/null || impossible "no control group can be made in ${group%/*}"
    echo $$ >"$group/cgroup.procs"
    echo "$group" >"$2/cgroup"
    exec unshare --cgroup --mount --pid --net --uts --ipc --fork --kill-child "$0" --inside "$@"
fi

root=$2 scratch=$3
shift 3
mount -t tmpfs -o mode=0755 assay "$scratch" || impossible "mounting a tmpfs fails"
mkdir "$scratch"/{upper,work,root}
mount -t overlay assay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root" ||
    impossible "mounting an overlay fails"
cd "$scratch/root"
mount -t proc proc proc
# The machine around it keeps its settings, whatever is started in here.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup || impossible "mounting cgroup2 fails"
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=0755 tmpfs dev
for node in null zero full random urandom tty; do
    touch "dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ip link set lo up
hostname mail.receiver.example
echo mail.receiver.example >etc/hostname
echo nameserver 127.0.0.1 >etc/resolv.conf
mkdir -p old
pivot_root . old
cd /
umount --lazy old
rmdir old
export container=assay
exec setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-syslog "$@"
