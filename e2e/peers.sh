#!/bin/sh
# Installs the real peers that `make test-real` needs and that are not there
# yet, from Debian's packages, and axe-core from npm.
set -eu
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo

# promtool alone: Debian's package starts a server as well.
if ! command -v promtool >/dev/null; then
	echo "installing: promtool"
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	$as_root apt-get update -qq
	(cd "$dir" && apt-get download -qq prometheus && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool)
	$as_root install -m 755 "$dir/usr/bin/promtool" /usr/local/bin/promtool
fi

# axe-core, which looks for what keeps people from a page, is no package of Debian's.
axe=4.14.1
if ! grep -qs "\"version\": \"$axe\"" "$(npm root -g 2>/dev/null)/axe-core/package.json"; then
	echo "installing: axe-core"
	if ! command -v npm >/dev/null; then
		$as_root apt-get update -qq
		DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends npm >/dev/null
	fi
	$as_root npm install -g --silent --ignore-scripts "axe-core@$axe"
fi

# nginx, its program alone, for the same reason as promtool.
if ! command -v nginx >/dev/null; then
	echo "installing: nginx"
	at=$(mktemp -d)
	$as_root apt-get update -qq
	(cd "$at" && apt-get download -qq nginx && dpkg-deb --fsys-tarfile nginx_*.deb | tar -x ./usr/sbin/nginx)
	$as_root install -m 755 "$at/usr/sbin/nginx" /usr/local/sbin/nginx
	rm -rf "$at"
fi

missing=
command -v curl >/dev/null || missing="$missing curl"
command -v chromium >/dev/null || missing="$missing chromium"
command -v openssl >/dev/null || missing="$missing openssl"
command -v sslscan >/dev/null || missing="$missing sslscan"
command -v testssl >/dev/null || missing="$missing testssl.sh"
command -v ip >/dev/null || missing="$missing iproute2"
[ -x /usr/libexec/samba/samba-dcerpcd ] || missing="$missing samba"
command -v rpcclient >/dev/null || missing="$missing smbclient"
[ -d /usr/lib/python3/dist-packages/impacket ] || missing="$missing python3-impacket"
/usr/bin/python3 -c "import requests_ntlm" 2>/dev/null || missing="$missing python3-requests-ntlm"
[ -e /etc/gss/mech.d/mech.ntlmssp.conf ] || missing="$missing gss-ntlmssp"
[ -x /usr/lib/dovecot/imap ] || missing="$missing dovecot-imapd"
[ -x /usr/lib/dovecot/pop3 ] || missing="$missing dovecot-pop3d"
[ -x /usr/lib/dovecot/submission ] || missing="$missing dovecot-submissiond"
command -v mbsync >/dev/null || missing="$missing isync"
command -v offlineimap >/dev/null || missing="$missing offlineimap3"
command -v fetchmail >/dev/null || missing="$missing fetchmail"
command -v getmail >/dev/null || missing="$missing getmail6"
[ -z "$missing" ] && exit 0
echo "installing:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086 # one word per package
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
