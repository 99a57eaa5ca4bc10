#!/bin/sh
# Installs what compare.py and the other scripts need and is not there yet, from
# Debian's packages: peers.sh [TOOL ...], where a TOOL is a package and its
# command, such as strace.
set -eu
missing=
command -v haproxy >/dev/null || missing="$missing haproxy"
command -v nginx >/dev/null && [ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || missing="$missing nginx libnginx-mod-stream"
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
[ -e /usr/include/openssl/ssl.h ] || missing="$missing libssl-dev"
for tool in openssl "$@"; do
	command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -z "$missing" ] && exit 0
echo "installing:$missing"
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update -qq
# shellcheck disable=SC2086 # one word per package
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
