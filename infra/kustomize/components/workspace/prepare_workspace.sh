#!/bin/sh
# Makes a volume writable for group 0, to which the pods of runs belong whatever their user ID, and checks the result.
set -eu
umask 002
volume=$1
probe="$volume/.merflow-write-probe"
if ! mkdir -p "$probe" 2> /dev/null; then
    echo "$volume is not writable for user $(id -u) in group $(id -g). On the storage server, as root, run:" >&2
    echo "chgrp -R 0 EXPORT && chmod -R g+rwX EXPORT && find EXPORT -type d -exec chmod g+s {} +" >&2
    exit 1
fi
chmod 2770 "$probe"
rmdir "$probe"
chmod g+rwxs "$volume" 2> /dev/null || true # only the owner may; with fsGroup it is already done
echo "$volume is writable for group $(id -g)"
