#!/bin/sh
# Installs the Debian packages that the lab (internal/lab) needs on its host, if any is missing: nothing else, and never
# corosync, which Debian would start.
set -eu

packages=""
need() {
	PATH=$PATH:/usr/sbin:/sbin command -v "$1" > /dev/null || packages="$packages $2"
}
need debootstrap debootstrap
need systemd-nspawn systemd-container
need ip iproute2
need nft nftables
need ssh openssh-client

[ -n "$packages" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "setup: the lab needs packages that only root can install: apt-get install$packages" >&2
	exit 1
fi
if ! command -v apt-get > /dev/null; then
	echo "setup: there is no apt-get here; install by other means:$packages" >&2
	exit 1
fi
echo "setup: installing$packages" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || echo "setup: going on with the package lists that are there" >&2
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $packages > /dev/null
