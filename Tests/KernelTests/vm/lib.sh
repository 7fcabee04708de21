# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the scripts beside it and by Tests/Retro/build: where the cache is,
# how a missing program is reported, and a private apt that fetches signed Debian
# packages without touching this machine's sources, lists or package database.
# The mirrors are those of the machine's own apt configuration; FUTEXSCOPE_MIRROR
# (a URI such as the main archive's, its security archive beside it with
# "-security" appended) takes their place on machines that are no Debian.

cache=${FUTEXSCOPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/futexscope}
# shellcheck disable=SC2034 # the status of a kernel that is not to be had
skipped=77
# Debian's name of the architecture whose packages apt_open sees.
architecture=amd64

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 125; }

# The kernel's makefiles cannot do with such paths.
case $cache in *[[:space:]]*) die "the cache's path must not have blanks: $cache" ;; esac

# need PROGRAM DEBIAN-PACKAGE
PATH=$PATH:/usr/sbin:/sbin
need() {
    command -v "$1" >/dev/null || die "$1 is missing: install the Debian package $2"
}

# mirror main|security: the URI of that archive. The suite NAME-updates exists in
# Debian's main archive alone, other vendors' repositories often have a plain NAME.
mirror() {
    local uri suite
    if [ -n "${FUTEXSCOPE_MIRROR:-}" ]; then
        uri=${FUTEXSCOPE_MIRROR%/}
        if [ "$1" = security ]; then uri=$uri-security; fi
    else
        case $1 in main) suite='-updates$' ;; security) suite='-security$' ;; esac
        # shellcheck disable=SC2016 # apt expands these
        uri=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(RELEASE)' \
            'Created-By: Packages' | awk -v suite="$suite" \
            '$2 == "main" && $3 ~ suite { print $1; exit }')
    fi
    printf '%s\n' "${uri%/}"
}

# architecture_of KERNEL: the architecture of a kernel of the cache; its name says it.
architecture_of() {
    case $1 in *-arm64) echo arm64 ;; *) echo amd64 ;; esac
}

# apt_lock STATE: only one process at a time uses a private apt of this name.
apt_lock() {
    need flock util-linux
    mkdir -p "$cache/apt"
    exec 9>"$cache/apt/$1-$architecture.lock"
    flock 9
}

# apt_open STATE SUITE...: makes $apt_conf, under which apt-get and apt-cache see
# these suites for $architecture and nothing else, and brings their lists up to date.
apt_open() {
    need apt-get apt
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -r "$keyring" ] || die "$keyring is missing: install the Debian package debian-archive-keyring"
    apt_dir=$cache/apt/$1-$architecture
    apt_conf=$apt_dir/apt.conf
    shift
    mkdir -p "$apt_dir/state/lists/partial" "$apt_dir/cache/archives/partial"
    local suite archive from
    for suite; do
        case $suite in *-security) archive=security ;; *) archive=main ;; esac
        from=$(mirror "$archive")
        [ -n "$from" ] || die "this machine's apt sources name no Debian $archive archive: set FUTEXSCOPE_MIRROR"
        printf 'deb [arch=%s signed-by=%s] %s %s main\n' "$architecture" "$keyring" "$from" "$suite"
    done >"$apt_dir/sources.list"
    # The hooks of the machine's configuration clean the machine's own caches.
    cat >"$apt_conf" <<CONF
Dir::State "$apt_dir/state";
Dir::State::status "/dev/null";
Dir::Cache "$apt_dir/cache";
Dir::Etc::sourcelist "$apt_dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Debug::NoLocking "true";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
CONF
    apt-get -q -q -c "$apt_conf" update >&2 || say "some package lists could not be refreshed"
}

# apt_versions PACKAGE: the versions that the open suites have, the newest first.
apt_versions() {
    apt-cache -c "$apt_conf" madison "$1" 2>/dev/null | awk '{ print $3 }' | {
        local sorted=() v i
        while read -r v; do
            i=${#sorted[@]}
            while [ "$i" -gt 0 ] && dpkg --compare-versions "$v" gt "${sorted[i - 1]}"; do i=$((i - 1)); done
            sorted=("${sorted[@]:0:i}" "$v" "${sorted[@]:i}")
        done
        printf '%s\n' "${sorted[@]}"
    } | uniq
}

# apt_fitting PACKAGE [RELATION VERSION]: the newest version that the relation of a
# dependency permits, such as ">=" "6.1.192-2"; fails if the open suites have none.
apt_fitting() {
    local v
    for v in $(apt_versions "$1"); do
        if [ -z "${2:-}" ] || dpkg --compare-versions "$v" "$2" "$3"; then
            printf '%s\n' "$v"
            return
        fi
    done
    return 1
}

# apt_set PACKAGE VERSION PATTERN: a line "NAME=VERSION" for each package that the
# empty package PACKAGE of this VERSION stands for: recursively, its dependencies
# whose names match PATTERN, in the versions that the dependencies permit. Fails
# with a line on standard error if the open suites do not have all of them, as
# between two uploads.
apt_set() {
    local top=$1 pattern=$3 todo=("$1=$2") seen=' ' each name relation version found
    while [ ${#todo[@]} -gt 0 ]; do
        each=${todo[0]} todo=("${todo[@]:1}")
        case $seen in *" ${each%%=*} "*) continue ;; esac
        seen="$seen${each%%=*} "
        [ "${each%%=*}" = "$top" ] || printf '%s\n' "$each"
        while read -r name relation version; do
            if ! found=$(apt_fitting "$name" "$relation" "$version"); then
                say "$each depends on $name ($relation $version), which the archive does not have now"
                return 1
            fi
            todo+=("$name=$found")
        done < <(apt-cache -c "$apt_conf" show "$each" | awk -v pattern="$pattern" '
            /^(Pre-)?Depends:/ {
                sub(/^[^:]*: */, ""); n = split($0, each, / *, */)
                for (i = 1; i <= n; i++) {
                    gsub(/[()|]/, " ", each[i]); split(each[i], part, " ")
                    if (part[1] ~ pattern) print part[1], part[2], part[3]
                }
            }')
    done
}

# apt_unpack DIR PACKAGE=VERSION...: downloads these packages and unpacks them below DIR.
apt_unpack() {
    local into=$1 debs
    shift
    debs=$(mktemp -d "$cache/debs.XXXXXX") || return
    (
        trap 'rm -rf "$debs"' EXIT
        cd "$debs" || exit
        apt-get -q -q -c "$apt_conf" download "$@" >&2 || exit
        for name in *.deb; do dpkg-deb -x "$name" "$into" || exit; done
    )
}
