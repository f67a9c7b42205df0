#!/bin/sh
# What clusterctl does, in half a minute on three real nodes of a lab: a cluster
# is created, a node is cut off and comes back. `make demo` builds what it runs.
set -eu
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
	echo "demo: the nodes are made of namespaces, mounts and control groups: run it as root" >&2
	exit 1
fi

lab=demo-$$
trap 'bin/clusterlab down --name "$lab"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ctl runs clusterctl beside the nodes, as on an admin's own machine.
ctl() { bin/clusterlab exec --name "$lab" bin/clusterctl "$@"; }

heading() { printf '\n== %s\n' "$*"; }

# show EXIT-CODE ARG... shows a run of clusterctl, which must end like that.
show() {
	want=$1 code=0
	shift
	echo "\$ clusterctl $*"
	ctl "$@" || code=$?
	[ "$code" -eq 0 ] || echo "(exit code $code)"
	if [ "$code" -ne "$want" ]; then
		echo "demo: clusterctl $* ended with exit code $code, not $want" >&2
		exit 1
	fi
}

# await SECONDS COMMAND... repeats a command until it succeeds.
await() {
	end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		if [ "$(date +%s)" -ge "$end" ]; then
			echo "demo: waited in vain: $*" >&2
			exit 1
		fi
		sleep 1
	done
}
noticed() { ctl status --connect-timeout 1s -o json | grep -q '"total_votes": 2,'; }
healthy() { ctl status --connect-timeout 1s -o json >/dev/null; }

heading "Three machines: each has its own systemd, sshd, corosync and addresses"
bin/clusterlab up --name "$lab" --nodes 3 --links 2 >/dev/null
bin/clusterlab ps | sed -n "1p; /^$lab /p"

heading "They become a cluster with two links"
show 0 create prod n1 n2 n3 --link 10.99.10.0/24 --link 10.99.11.0/24
show 0 status

heading "The network cables of n3 are pulled, the one for SSH too; the others notice"
bin/clusterlab fault cut n3 --name "$lab"
await 60 noticed
show 3 status --connect-timeout 2s

heading "The cables are put back; corosync needs no help"
bin/clusterlab fault heal n3 --name "$lab"
await 60 healthy
show 0 status
show 0 nodes
