# shellcheck shell=bash
# What the other scripts share: where things are, and the programs they need.
# Sourced, not run. Sets `root`, the top directory.

# Nobody but us may change what is built here: hayloft refuses plugins that
# others could have changed.
umask 022
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# Debian packages are unpacked here where they cannot be installed.
unpacked=$root/scratch/packages
# Servers are there, and not everybody's path says so.
PATH=$PATH:/usr/sbin:/sbin
# What the tests run: servers, other programs that read what we write and
# write what we read, and compilers for plugins in C.
# shellcheck disable=SC2034 # used by those who source this
test_programs=(
    cc c++ postgresql age age-keygen bzip2 chromium cmp faketime genisoimage gpg gzip kill lz4 mariadbd
    mariadb-dump
    openssl pigz python3 python3-venv scp setfacl setfattr sshd svnadmin tar xorriso xz zstd
)
export DEBIAN_FRONTEND=noninteractive

say() { printf '%s\n' "$*"; }

die() {
    printf 'error: %s\n' "$1" >&2
    shift
    [[ $# -eq 0 ]] || printf 'hint: %s\n' "$@" >&2
    exit 1
}

# Sets `as_root` to what makes a command run as root, or fails.
find_root() {
    as_root=()
    if [[ $(id -u) -eq 0 ]]; then
        return 0
    fi
    as_root=(sudo -n)
    command -v sudo >/dev/null && sudo -n true 2>/dev/null
}

# Prints the directory of the newest PostgreSQL with a server, or fails.
find_postgresql() {
    local directory found=''
    while read -r directory; do
        if [[ -x $directory/initdb && -x $directory/postgres && -x $directory/pgbench ]]; then
            found=$directory
        fi
    done < <(printf '%s\n' {"$unpacked",}/usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort -V)
    if [[ -z $found ]] && command -v initdb postgres pgbench >/dev/null; then
        found=$(dirname "$(command -v initdb)")
    fi
    [[ -n $found ]] && printf '%s' "$found"
}

# Prints the packages behind those of the given programs that are not there.
missing_packages() {
    local program
    for program; do
        case $program in
        postgresql) find_postgresql >/dev/null || printf 'postgresql\n' ;;
        python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null || printf 'python3-venv\n' ;;
        *) type -P "$program" >/dev/null || package_of "$program" ;;
        esac
    done
}

package_of() {
    case $1 in
    cc) printf 'gcc\nlibc6-dev\n' ;;
    c++) printf 'g++\n' ;;
    age-keygen) printf 'age\n' ;;
    kill) printf 'procps\n' ;;
    setfacl) printf 'acl\n' ;;
    setfattr) printf 'attr\n' ;;
    gpg) printf 'gnupg\n' ;;
    xz) printf 'xz-utils\n' ;;
    cmp) printf 'diffutils\n' ;;
    node) printf 'nodejs\n' ;;
    mariadbd) printf 'mariadb-server-core\n' ;;
    mariadb-dump) printf 'mariadb-client\n' ;;
    scp) printf 'openssh-client\n' ;;
    sshd) printf 'openssh-server\n' ;;
    svnadmin) printf 'subversion\n' ;;
    *) printf '%s\n' "$1" ;;
    esac
}

# Sees to it that programs are there; `postgresql` means a whole server, whose
# programs are then found before Debian's wrappers of them.
need_programs() {
    local packages
    use_unpacked
    mapfile -t packages < <(missing_packages "$@" | sort -u)
    if [[ ${#packages[@]} -gt 0 ]]; then
        get_packages "${packages[@]}"
        mapfile -t packages < <(missing_packages "$@")
        [[ ${#packages[@]} -eq 0 ]] || die "still not there after installing: ${packages[*]}"
    fi
    if [[ " $* " == *' postgresql '* ]]; then
        PATH=$(find_postgresql):$PATH
    fi
}

get_packages() {
    command -v apt-get >/dev/null ||
        die "these programs are needed, and there is no apt-get to install them: $*" \
            'install them in the way of your system, then run this again'
    if find_root; then
        install_packages "$@"
    else
        unpack_packages "$@"
    fi
}

install_packages() {
    local conf=/etc/postgresql-common/createcluster.conf
    local mark='create_main_cluster = false # for the scripts of hayloft'
    say "installing Debian packages: $*"
    quietly "${as_root[@]}" apt-get update
    forbid_services
    if [[ " $* " == *' postgresql '* ]]; then
        # Debian starts a server as soon as one is installed; none is wanted.
        quietly "${as_root[@]}" apt-get install -y --no-install-recommends postgresql-common
        printf '%s\n' "$mark" | "${as_root[@]}" tee -a "$conf" >/dev/null
    fi
    quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "$@"
    [[ ! -f $conf ]] || "${as_root[@]}" sed -i "/^$mark\$/d" "$conf"
    allow_services
}

# The programs are wanted, not services that listen: Debian would start each as
# soon as it is installed. See the manual page policy-rc.d(8).
policy=/usr/sbin/policy-rc.d
forbid_services() {
    if [[ ! -e $policy ]]; then
        trap allow_services EXIT
        printf '#!/bin/sh\n# for the scripts of hayloft\nexit 101\n' |
            "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
    fi
}

allow_services() {
    if grep -qs 'for the scripts of hayloft' "$policy"; then
        "${as_root[@]}" rm -f "$policy"
    fi
}

# Fetches packages with all that they depend on and is not installed, and
# unpacks them below the top directory. The system is not touched.
unpack_packages() {
    local apt=$unpacked/.apt package
    say "no root and no sudo: unpacking Debian packages into scratch/packages: $*"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    local options=(
        -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache"
        -o "Dir::State::extended_states=$apt/extended_states" -o "Dir::Log=$apt"
        -o Debug::NoLocking=1 -o "APT::Sandbox::User=$(id -un)"
    )
    quietly apt-get "${options[@]}" update
    quietly apt-get "${options[@]}" install -y --download-only --no-install-recommends "$@"
    for package in "$apt"/cache/archives/*.deb; do
        dpkg -x "$package" "$unpacked"
    done
    rm -rf "$apt"
    settle_unpacked
    use_unpacked
}

# Tells programs that they are not where they were built for.
settle_unpacked() {
    local programs=$unpacked/usr/bin
    if [[ -x $programs/gpg ]]; then
        printf 'rootdir=%s\n' "$unpacked/usr" >"$programs/gpgconf.ctl"
    fi
    if [[ -x $programs/g++ ]]; then
        # What it shares with the C compiler is where that one is.
        printf '#!/bin/sh\nexec %s -idirafter %s -B%s "$@"\n' "$programs/g++" \
            "$(cc -print-file-name=include)" "$(dirname "$(cc -print-libgcc-file-name)")" \
            >"$programs/c++"
        chmod +x "$programs/c++"
    fi
}

# Puts what was unpacked where it is found.
use_unpacked() {
    [[ -d $unpacked/usr ]] || return 0
    local triplet libraries
    triplet=$(uname -m)-linux-gnu
    libraries=$unpacked/usr/lib/$triplet:$unpacked/lib/$triplet
    PATH=$PATH:$unpacked/usr/bin:$unpacked/bin
    export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

# Runs a command and shows what it said only if it fails.
quietly() {
    local output
    if ! output=$("$@" </dev/null 2>&1); then
        printf '%s\n' "$output" >&2
        die "this failed: $*"
    fi
}

need_rust() {
    command -v cargo >/dev/null || PATH=$HOME/.cargo/bin:$PATH
    command -v cargo >/dev/null ||
        die 'there is no Rust here' 'install it with rustup, then run this again'
    choose_target_directory
}

# The program refuses plugins in directories that others can change: then the
# build goes to a place of our own.
choose_target_directory() {
    local directory=${CARGO_TARGET_DIR:-$root} owner mode
    target=${CARGO_TARGET_DIR:-$root/target}
    [[ -d $directory ]] || directory=$root
    while [[ $directory != / ]]; do
        read -r owner mode < <(stat -c '%u %a' "$directory")
        if [[ $owner -ne 0 && $owner -ne $(id -u) ]] || { ((0$mode & 022)) && ! ((0$mode & 01000)); }; then
            target=${XDG_CACHE_HOME:-$HOME/.cache}/hayloft-target
            mkdir -p "$target"
            say "others can change $directory, so the build goes to $target"
            break
        fi
        directory=$(dirname "$directory")
    done
    export CARGO_TARGET_DIR=$target
}
