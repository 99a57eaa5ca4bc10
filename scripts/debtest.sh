#!/bin/sh
# Installs, runs, reloads, upgrades, removes and purges the Debian package in a
# clean Debian, which debootstrap makes. Needs root. There is no systemd in there:
# what the unit would start is started by hand, as the same user and with the same
# directories.
#
#	scripts/debtest.sh dist/casbah_*.deb [ROOT]
set -eu
deb=$1
root=${2:-}
made=
pid=
[ -n "$root" ] || { made=$(mktemp -d); chmod 755 "$made"; } # its users look into it
root=${root:-$made}
leave() {
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
	! mountpoint -q "$root/proc" || umount "$root/proc"
	[ -z "$made" ] || rm -rf "$made"
}
trap leave EXIT
[ -x "$root/usr/bin/dpkg" ] || debootstrap --variant=minbase bookworm "$root" >/dev/null

say() { echo "== $*"; }
die() {
	echo "debtest: $*" >&2
	exit 1
}
in_root() { chroot "$root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }
there() { [ -e "$root$1" ] || die "$1 is not there"; }
gone() { [ ! -e "$root$1" ] || die "$1 is left behind"; }

say install
cp "$deb" "$root/tmp/casbah.deb"
[ -e "$root/proc/self" ] || mount -t proc proc "$root/proc"
in_root apt-get update -qq >/dev/null 2>&1 || true # a new one has its lists
apt() { in_root apt-get -y -qq --no-install-recommends "$@" </dev/null >"$root/tmp/apt.log" 2>&1 || { cat "$root/tmp/apt.log" >&2; die "apt-get $*"; }; }
apt install /tmp/casbah.deb
in_root id casbah >/dev/null
for file in /usr/bin/casbah /usr/lib/systemd/system/casbah.service /etc/casbah/casbah.toml /etc/logrotate.d/casbah \
	/usr/share/bash-completion/completions/casbah /usr/share/casbah/examples/one-namespace.toml; do
	there "$file"
done
[ "$(in_root stat -c '%U:%G %a' /etc/casbah /etc/casbah/casbah.toml | tr '\n' ' ')" = "root:casbah 750 root:casbah 640 " ] || die "modes of /etc/casbah"

say start
cat >"$root/etc/casbah/casbah.toml" <<'TOML'
server = [{ name = "cas1", address = "127.0.0.1:1" }]
pool = [{ name = "cas", servers = ["cas1"] }]
vip = [{ name = "mail", type = "http", listen = ["127.0.0.1:18081"], profiles = ["owa"], pool = "cas" }]
log = { access = "/var/log/casbah/access.log" }
admin = { listen = "127.0.0.1:18404" }
TOML
for dir in /run/casbah /var/lib/casbah /var/log/casbah; do
	in_root install -d -m 750 -o casbah -g casbah "$dir"
done
start() {
	chroot "$root" setpriv --reuid casbah --regid casbah --clear-groups env RUNTIME_DIRECTORY=/run/casbah \
		/usr/bin/casbah serve -c /etc/casbah/casbah.toml 2>"$root/tmp/log" &
	pid=$!
	for _ in $(seq 300); do
		in_root casbah status >/dev/null 2>&1 && return
		sleep 0.1
	done
	cat "$root/tmp/log" >&2
	die "casbah does not answer on its socket"
}
stop() {
	kill -TERM "$pid"
	wait "$pid" || die "exit code $? on SIGTERM"
	pid=
}
start
in_root casbah status | grep -q '^VIP mail, http, ' || die status

say reload
in_root casbah reload | grep -qx ok || die "reload over the socket, without a token"
echo 'nonsense = 1' >>"$root/etc/casbah/casbah.toml"
if in_root casbah reload 2>/dev/null; then die "a mistake is taken"; fi
sed -i '/nonsense/d' "$root/etc/casbah/casbah.toml"

say rotate
mv "$root/var/log/casbah/access.log" "$root/var/log/casbah/access.log.1"
kill -USR1 "$pid"
for _ in $(seq 100); do
	[ -e "$root/var/log/casbah/access.log" ] && break
	sleep 0.1
done
there /var/log/casbah/access.log

say upgrade
stop
cp "$root/etc/casbah/casbah.toml" "$root/tmp/before.toml"
work=$(mktemp -d)
dpkg-deb -R "$deb" "$work"
sed -i 's/^Version: .*/&+next/' "$work/DEBIAN/control"
dpkg-deb -b --root-owner-group "$work" "$root/tmp/next.deb" >/dev/null
rm -rf "$work"
apt install /tmp/next.deb
cmp "$root/etc/casbah/casbah.toml" "$root/tmp/before.toml" || die "an upgrade changed the configuration"
there /var/lib/casbah/binding.key
start
stop

say remove
apt remove casbah
gone /usr/bin/casbah
there /etc/casbah/casbah.toml
there /var/lib/casbah/binding.key

say purge
apt purge casbah
for dir in /etc/casbah /var/lib/casbah /var/log/casbah /etc/logrotate.d/casbah; do gone "$dir"; done
if in_root id casbah >/dev/null 2>&1; then die "the user is left behind"; fi
say "the package installs, runs, reloads, upgrades, removes and purges"
