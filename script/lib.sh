# shellcheck shell=bash
# What script/run and script/test share: Debian packages and the virtual environment. Sourced, never run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$ROOT/.venv
PROGRAM=script/$(basename "$0")
POLICY=/usr/sbin/policy-rc.d
POLICY_MARK="# assay: temporary, so that installing a package starts no service"

# pymilter is built from source: it needs a compiler and the headers of Python and of libmilter.
# shellcheck disable=SC2034  # read by the scripts that source this file
BUILD_PACKAGES=(python3-venv python3-dev gcc libc6-dev libmilter-dev ca-certificates)
# What the tests marked "real" drive: an MTA, an SMTP client and an authoritative name server; what renders the manual
# pages, what the guides tell people to use, and the completion's shells; and what reads the metrics.
# shellcheck disable=SC2034
REAL_PACKAGES=(postfix swaks knot systemd man-db mandoc m4 sendmail-cf jq zsh fish prometheus curl)
# What the guides tell people to move from.
REAL_PACKAGES+=(opendkim opendmarc postfix-policyd-spf-python)
# What script/deb builds with.
# shellcheck disable=SC2034
DEB_PACKAGES=(debhelper dpkg-dev libmilter-dev python3-venv)
# What the tests of that package need besides: it is looked through, and installed into a Debian of their own.
REAL_PACKAGES+=("${DEB_PACKAGES[@]}" lintian mmdebstrap iproute2)
# What the tests of Sendmail drive, in a root of its own (script/overlay --sendmail).
# shellcheck disable=SC2034
SENDMAIL_PACKAGES=(sendmail sendmail-cf procmail m4 make libsasl2-modules sasl2-bin)
# What script/bench measures beside assay, and what it needs for that.
# shellcheck disable=SC2034
BENCH_PACKAGES=(knot iproute2 opendkim opendmarc rspamd pyspf-milter dkimpy-milter)
# Of these only the programs are wanted: a service that nobody asked for must not start now or at the next boot.
UNWANTED_SERVICES=(knot prometheus opendkim opendmarc rspamd pyspf-milter dkimpy-milter)

LITTER=() # files and directories to remove at the end, whatever happens
cleanup() {
    allow_services
    rm -rf "${LITTER[@]}"
}
trap cleanup EXIT

say() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }

# die LINE...: what is wrong, and what to do about it.
die() {
    say "$1"
    shift
    (($# == 0)) || printf '    %s\n' "$@" >&2
    exit 1
}

overlay_impossible() {
    die "a root of its own is impossible here: $*" \
        "it takes root, Linux namespaces and overlayfs, which a container often lacks. What works instead:" \
        "a fresh machine or container without another MTA, or the tests without one: script/test -m 'not real'"
}

# as_root COMMAND...: what apt needs from the environment is named, since sudo clears the rest.
as_root() {
    local environment=(DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8) name
    for name in http_proxy https_proxy no_proxy; do
        [[ -z ${!name:-} ]] || environment+=("$name=${!name}")
    done
    if ((EUID == 0)); then
        env "${environment[@]}" "$@"
    else
        sudo env "${environment[@]}" "$@"
    fi
}

can_be_root() { ((EUID == 0)) || command -v sudo >/dev/null; }

# missing_packages PACKAGE...: those that are not installed, one a line.
missing_packages() {
    local package
    for package; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

# would_remove PACKAGE...: what apt would take away to install these, one a line. Changes nothing.
would_remove() {
    local plan
    plan=$(apt-get --simulate install --no-install-recommends "$@") ||
        die "apt cannot install $*: see the lines above"
    awk '$1 == "Remv" { print $2 }' <<<"$plan"
}

# update_lists: once a run, and only when something is missing.
update_lists() {
    [[ -z ${LISTS_ARE_FRESH:-} ]] || return 0
    can_be_root || die "these Debian packages are missing: $*" \
        "this user is not root and there is no sudo; as root, type: apt-get update && apt-get install --no-remove $*"
    say "apt-get update"
    as_root apt-get -qq update
    LISTS_ARE_FRESH=yes
}

forbid_services() {
    if [[ -e $POLICY ]]; then
        # An administrator's own policy stays; a file of ours is left over from a run that was killed.
        grep -qF "$POLICY_MARK" "$POLICY" || return 0
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" | as_root tee "$POLICY" >/dev/null
    as_root chmod 755 "$POLICY"
}

allow_services() {
    if [[ -e $POLICY ]] && grep -qF "$POLICY_MARK" "$POLICY"; then
        as_root rm -f "$POLICY"
    fi
}

# install_packages PACKAGE...: starts no service. --no-remove makes apt itself refuse to take a package away, should the
# simulation and the installation differ; only script/overlay, where nothing can be lost, sets MAY_REMOVE.
install_packages() {
    say "apt-get install $*"
    if [[ " $* " == *" postfix "* ]]; then
        # Without a main.cf the service of the machine does not start, now or at boot. The tests bring their own.
        as_root debconf-set-selections <<<"postfix postfix/main_mailer_type select No configuration"
    fi
    forbid_services
    local removal=(--no-remove) log
    [[ -z ${MAY_REMOVE:-} ]] || removal=()
    # What a package says while it is configured would only worry: it is shown if something fails.
    log=$(as_root apt-get -qq -y "${removal[@]}" --no-install-recommends -o Dpkg::Use-Pty=0 install "$@" 2>&1) ||
        die "$log" "apt-get install failed; its words are above"
    local service
    for service in "${UNWANTED_SERVICES[@]}"; do
        [[ " $* " == *" $service "* ]] || continue
        as_root env DPKG_MAINTSCRIPT_PACKAGE="$service" deb-systemd-helper disable "$service.service" >/dev/null
        as_root update-rc.d "$service" disable >/dev/null 2>&1 || true # no links without sysvinit
        as_root deb-systemd-invoke stop "$service.service" >/dev/null 2>&1 || true # an own policy-rc.d may have let it start
        say "the service $service is disabled (to have it: systemctl enable $service)"
    done
    allow_services
}

# need_packages PACKAGE...: install what is missing. Where another package would go it changes nothing and names that
# one in WOULD_GO. (Not a return status: a function that is called in a condition loses `set -e`.)
need_packages() {
    local missing
    WOULD_GO=
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "this is not Debian: packages are not looked at; needed are the like of: $*"
        return 0
    fi
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || return 0
    update_lists "${missing[@]}"
    WOULD_GO=$(would_remove "${missing[@]}")
    WOULD_GO=${WOULD_GO//$'\n'/ }
    if [[ -z $WOULD_GO || -n ${MAY_REMOVE:-} ]]; then
        install_packages "${missing[@]}"
    fi
}

# need_real_packages: what the tests marked "real" drive. Where it would take another MTA away, IN_OVERLAY becomes the
# command that runs another one in a root of its own.
IN_OVERLAY=()
need_real_packages() {
    need_packages "${REAL_PACKAGES[@]}"
    [[ -n $WOULD_GO ]] || return 0
    say "installing ${REAL_PACKAGES[*]} would remove: $WOULD_GO"
    say "so the tests get a root of their own, laid over this one; this machine keeps what it has"
    IN_OVERLAY=(as_root unshare --mount --propagation private --pid --fork --kill-child)
    can_be_root || overlay_impossible "this user is not root, and there is no sudo"
    "${IN_OVERLAY[@]}" true || overlay_impossible "unshare fails"
    IN_OVERLAY+=("$ROOT/script/overlay")
}

# find_python: Debian's own interpreter first, since the packages above belong to it.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    die "Python 3.11 or newer is needed; $(/usr/bin/python3 --version 2>&1 || true) is here." \
        "Debian 12 and newer have it: apt-get install python3"
}

# What an installation depends on: what it is declared by, where it stands, and which interpreter it runs.
venv_key() {
    { cat "$ROOT/setup.cfg" "$ROOT/pyproject.toml"; echo "$ROOT"; "$VENV/bin/python" -VV; } | sha256sum
}

# make_venv WHAT: ".", ".[package]", ".[docs]", ".[test]" or ".[bench]", editable. A test environment also serves to
# run, to build and to make the documents.
make_venv() {
    local what=$1 python stamp
    if ! "$VENV/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$(find_python)
        say "making the virtual environment .venv with $python"
        rm -rf "$VENV"
        "$python" -m venv "$VENV"
    fi
    for stamp in "$VENV/.assay-$what" "$VENV/.assay-.[test]"; do
        [[ $stamp == "$VENV/.assay-$what" || " . .[package] .[docs] " == *" $what "* ]] || continue
        if [[ -e $stamp && $(<"$stamp") == "$(venv_key)" ]]; then
            return 0
        fi
    done
    say "pip install -e '$what' into .venv"
    (cd "$ROOT" && "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --use-pep517 \
        --editable "$what")
    venv_key >"$VENV/.assay-$what"
}

# copy_sources DIRECTORY: the checkout without what git ignores and without dot files, which no package holds.
copy_sources() {
    mkdir -p "$1"
    tar -C "$ROOT" --exclude='./.*' --exclude=./build --exclude=./dist --exclude='*.egg-info' --exclude=__pycache__ \
        --create . | tar -C "$1" --extract --no-same-owner
}

# make_wheels PYTHON: names in WHEELS a directory with a wheel of each dependency of assay, made once for each list of
# dependencies and interpreter. Its folder "build" holds what building assay takes.
make_wheels() {
    local python=$1 requirements key new log
    requirements=$("$python" - "$ROOT/setup.cfg" <<'READ'
import configparser, sys
setup = configparser.ConfigParser(interpolation=None)
setup.read(sys.argv[1])
print(setup["options"]["install_requires"].strip())
READ
    )
    key=$({ echo "$requirements"; "$python" -VV; uname -m; } | sha256sum)
    WHEELS=$ROOT/.cache/wheels/${key:0:16}
    [[ ! -d $WHEELS ]] || return 0
    say "pip wheel: the dependencies of assay"
    mkdir -p "$ROOT/.cache/wheels"
    new=$(mktemp -d -p "$ROOT/.cache/wheels")
    LITTER+=("$new")
    chmod 755 "$new"
    log=$({
        "$python" -m pip wheel --wheel-dir "$new/build" 'setuptools>=70.1'
        # Compiled now: pip may have kept one that another interpreter of the same version was linked with.
        "$python" -m pip wheel --wheel-dir "$new" --no-cache-dir --no-deps "$(grep pymilter <<<"$requirements")"
        "$python" -m pip wheel --wheel-dir "$new" --find-links "$new" --requirement <(echo "$requirements")
    } 2>&1) || {
        # A caller can tell that nothing is wrong but the network: EX_UNAVAILABLE of sysexits.h.
        say "$log"
        ! grep -qE 'Temporary failure in name resolution|Name or service not known|Network is unreachable|Connection (refused|timed out)' <<<"$log" || exit 69
        die "pip wheel failed; its words are above"
    }
    mv -T "$new" "$WHEELS" 2>/dev/null || [[ -d $WHEELS ]] # another run was first
}
