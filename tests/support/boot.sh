# shellcheck shell=bash
# What the machines of the tests' own have in common (own_systemd.sh and boot_debian.sh): sourced, never run.

impossible() {
    echo "a machine of the tests' own is impossible here: $*" >&2
    exit 69 # EX_UNAVAILABLE of support/boot.py
}

# enter_own_group FILE: into a new control group, whose name goes to FILE for whoever removes it.
# The root of a control group namespace is where its maker is; without this it would be that of the machine.
enter_own_group() {
    local group
    # Where version 2 stands beside version 1, it is not at /sys/fs/cgroup.
    group=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    [[ -n $group ]] || impossible "there is no cgroup v2"
    group=$group/assay-test-$$
    mkdir "$group" 2>/dev/null || impossible "no control group can be made in ${group%/*}"
    echo "$group" >"$1"
    echo $$ >"$group/cgroup.procs"
}

# furnish: below the current directory, mount what a machine has besides its files.
furnish() {
    mount -t proc proc proc || impossible "mounting /proc fails"
    # The machine around it keeps its settings, whatever is started in here.
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro sysfs sys || impossible "mounting /sys fails"
    mount -t cgroup2 cgroup2 sys/fs/cgroup || impossible "mounting cgroup v2 fails"
    mount -t tmpfs -o mode=0755 assay run
    mount -t tmpfs -o mode=1777 assay tmp
    mount -t tmpfs -o mode=0755 assay dev
    local node
    for node in null zero full random urandom tty; do
        touch "dev/$node"
        mount --bind "/dev/$node" "dev/$node"
    done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    mount -t tmpfs -o mode=1777 assay dev/shm
    ln -s /proc/self/fd dev/fd
}

# take_root: make the current directory the root of this mount namespace.
# Not chroot: who is in one cannot have a user namespace, and PrivateUsers= is one.
take_root() {
    mkdir -p old
    pivot_root . old || impossible "pivot_root fails"
    cd /
    umount --lazy old
    rmdir old
}
