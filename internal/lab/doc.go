// Package lab boots real nodes on one Linux machine: each with its own systemd, sshd, corosync, host name and addresses.
//
// A lab is a control group, and everything else hangs on the processes in it:
//
//   - The holder, a sleeping shell, keeps a network namespace (the controller's, with one bridge per network) and a
//     mount namespace (with the nodes' file systems, and /run, /sys and /etc/hosts of its own).
//   - Each node is a systemd-nspawn in a control group below, on an overlay of a shared Debian tree, in a network
//     namespace whose name exists in the holder's mount namespace only.
//
// So the machine outside sees no mount, no interface and no named namespace of a lab, and to take a lab down is to kill
// one control group and remove one directory. That also holds for a lab whose Up was killed: a process joins the group
// before it does anything.
//
// Everything is found by the lab's name. No process id is written down, so none can be stale.
package lab
