#!/bin/sh
# The life of a cluster, in a minute on five real nodes of a lab: it is created,
# grows, has a node cut off and back again, shrinks, and is helped out when most
# of it is dead. `make demo` builds what it runs.
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
fault() { bin/clusterlab fault "$@" --name "$lab"; }

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
# votes N and healthy are what status says.
votes() { ctl status --connect-timeout 1s -o json | grep -q "\"total_votes\": $1,"; }
healthy() { ctl status --connect-timeout 1s -o json >/dev/null; }

heading "Five machines: each has its own systemd, sshd, corosync and addresses"
bin/clusterlab up --name "$lab" --nodes 5 --links 2 >/dev/null
bin/clusterlab ps | sed -n "1p; /^$lab /p"

heading "Three of them become a cluster with two links"
show 0 create prod n1 n2 n3 --link 10.99.10.0/24 --link 10.99.11.0/24
show 0 status

heading "The other two are added, in one operation: their votes come last"
show 0 add n4 n5

heading "Both cluster networks of n5 are cut; the others notice"
fault cut n5 --link 0 --link 1
await 60 votes 4
show 3 status

heading "They are mended; corosync needs no help"
fault heal n5 --link 0 --link 1
await 60 healthy
show 0 nodes

heading "Two nodes leave: their votes go first"
show 0 delnode n4 n5

heading "The power of n2 and n3 fails: one of three has no quorum, until it is told"
fault kill n2
fault kill n3
await 60 votes 1
show 0 expected 1 --yes --connect-timeout 2s

heading "They are back; corosync expects three votes again"
fault boot n2
fault boot n3
await 60 healthy
show 0 status
