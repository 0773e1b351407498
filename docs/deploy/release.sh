#!/bin/sh
# Makes a release folder of an app and points `current` at it: release.sh APP /srv/myapp
#
#     /srv/myapp/
#       releases/20260101-120000-000000001/   handlers/, waterspout.toml, …: never changed after it was made
#       releases/20260102-090000-000000002/
#       current -> releases/20260102-090000-000000002
#       shared/                                what is linked into each of them: folders that handlers write to
#
# The server that serves /srv/myapp/current swaps to it. To go back, point `current` at an older one in the same way:
#
#     ln -s releases/20260101-120000-000000001 /srv/myapp/next && mv -T /srv/myapp/next /srv/myapp/current
set -eu

app=$1
root=$2
keep=5
release=releases/$(date -u +%Y%m%d-%H%M%S-%N)

mkdir -p "$root/$release"
for part in waterspout.toml handlers templates static; do
    if [ -e "$app/$part" ]; then
        cp -RL "$app/$part" "$root/$release/"
    fi
done

# What all releases have in common.
for part in "$root"/shared/*; do
    if [ -e "$part" ]; then
        ln -s "../../shared/${part##*/}" "$root/$release/"
    fi
done

# What would be refused is not released.
if ! "${WATERSPOUT:-waterspout}" check "$root/$release"; then
    rm -r "${root:?}/$release"
    exit 1
fi

# A link can't be changed. A new one is renamed over it, in one step: at no moment there is none.
ln -s "$release" "$root/next.$$"
mv -T "$root/next.$$" "$root/current"

# The names begin with the time, so the last ones are the newest. The one that is served is never removed.
ls "$root/releases" | sort | head -n "-$keep" | while read -r old; do
    if [ "releases/$old" != "$(readlink "$root/current")" ]; then
        rm -r "${root:?}/releases/$old"
    fi
done
