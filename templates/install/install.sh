#!/bin/sh
# Puts the Handlewatch collector on this machine, as a service that starts with it. Run it as root; again to upgrade.
#   (echo HANDLEWATCH_TOKEN=TOKEN; curl -fsSL SERVER/install.sh) | sudo sh          the token only the first time
#   curl -fsSL SERVER/install.sh | sudo sh -s -- --rights counts                   any option of install
#   curl -fsSL SERVER/install.sh | sudo sh -s -- uninstall
set -eu

server=@SERVER@
sha256=@SHA256@
file=@FILE@

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

find_python() {
    for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10 /usr/local/bin/python3; do
        if command -v "$python" >/dev/null 2>&1 &&
            "$python" -I -c 'import sys, ssl; sys.exit(sys.version_info < (3, 10))' </dev/null >/dev/null 2>&1; then
            command -v "$python"
            return
        fi
    done
    fail "no Python 3.10 or newer here. Install it (Debian, Ubuntu: apt-get install python3; Red Hat, Rocky, Alma: dnf install python3.11; SUSE: zypper install python311) and run this again"
}

download() {
    if command -v curl >/dev/null 2>&1; then
        curl -fsSL --connect-timeout 20 --max-time 300 -o "$2" "$1" </dev/null
    elif command -v wget >/dev/null 2>&1; then
        wget -q -T 60 -O "$2" "$1" </dev/null
    else
        fail "neither curl nor wget here; install one of them and run this again"
    fi || fail "cannot download $1; see whether this machine reaches the server, and trusts its certificate"
}

main() {
    command=install
    case "${1-}" in install | uninstall) command=$1 && shift ;; esac
    python=$(find_python)
    folder=$(mktemp -d) || fail "cannot make a folder in ${TMPDIR:-/tmp}; make room there and run this again"
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 130' HUP INT TERM
    download "$server/downloads/$file" "$folder/$file"
    "$python" -I -c 'import hashlib, sys; sys.exit(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest() != sys.argv[2])' "$folder/$file" "$sha256" </dev/null ||
        fail "$server/downloads/$file is not what this script belongs to: its SHA-256 differs. Fetch the script again; if it differs still, ask whoever runs the server"
    if [ "$command" = install ]; then
        HANDLEWATCH_SERVER=$server && export HANDLEWATCH_SERVER
        [ -z "${HANDLEWATCH_TOKEN-}" ] || export HANDLEWATCH_TOKEN
    fi
    "$python" -I "$folder/$file" "$command" "$@" </dev/null
}

main "$@"
