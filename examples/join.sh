#!/bin/sh
# Brings this bare Debian machine into the cluster of HOST, unattended. As root:
#   join.sh HOST [FLAG...]          what follows HOST goes to clusterctl join
# CLUSTERCTL is where the program comes from, as scp(1) takes it; from HOST if
# it is not set. The exit code is that of join. A second run changes nothing.
set -eu
export HOME="${HOME:-/root}" bin=/usr/local/bin/clusterctl # cloud-init sets no HOME
command -v corosync >/dev/null ||
	(apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install corosync)
for wait in 5 10 20 40 60 0; do
	code=4
	if [ -x $bin ] || (scp -B "${CLUSTERCTL:-$1:$bin}" $bin.new && mv $bin.new $bin); then
		code=0 && $bin join "$@" --if-missing -o json || code=$?
	fi
	# 1 and 4: all is as it was, as when HOST still boots or another node joins.
	case $code in 1 | 4) sleep $wait ;; *) break ;; esac
done
exit "$code"
