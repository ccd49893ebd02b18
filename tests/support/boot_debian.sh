#!/bin/bash
# Boot the Debian of support/debian.py: a throw-away layer over a root directory, in namespaces of its own.
#
#   boot_debian.sh ROOT SCRATCH PROGRAM...   PROGRAM becomes process 1; SCRATCH is an empty directory
#
# It has no network but a loopback device of its own. The exit status is 69 where this machine does not allow it.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=boot.sh
source "$(dirname "$0")/boot.sh"

if [[ ${1:-} != --inside ]]; then
    enter_own_group "$2/cgroup"
    exec unshare --cgroup --mount --pid --net --uts --ipc --fork --kill-child "$0" --inside "$@"
fi

root=$2 scratch=$3
shift 3
mount -t tmpfs -o mode=0755 assay "$scratch" || impossible "mounting a tmpfs fails"
mkdir "$scratch"/{upper,work,root}
mount -t overlay assay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root" ||
    impossible "mounting an overlay fails"
cd "$scratch/root"
furnish
ip link set lo up
hostname mail.receiver.example
echo mail.receiver.example >etc/hostname
echo nameserver 127.0.0.1 >etc/resolv.conf
take_root
export container=assay
exec setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-syslog "$@"
