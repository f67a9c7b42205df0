// Package sim is a cluster in memory, on which the real planner and the real
// executor run: machines with disks that forget what was not flushed, systemd
// units, corosync with votequorum's arithmetic, networks that fail, and admins
// whose clusterctl is killed midway. Nothing in it shares code with what it
// tests: corosync is written down here from its own source (exec/votequorum.c,
// exec/cmap.c and exec/cfg.c of 3.1.10), and what is done on a machine from
// cluster/script.
//
// Time is simulated. In a bubble of testing/synctest a World has a clock of its
// own, on which every call, every flush of a file and every message of corosync
// takes a time drawn from the seed; only one thing happens at a time, and what
// is due at one instant happens in the order of the nodes. So a Schedule, its
// seed included, happens in the same way each time it is run. Outside a bubble
// a World is for plain tests: what is asked for has happened, with all that
// follows from it, when the call returns.
package sim
